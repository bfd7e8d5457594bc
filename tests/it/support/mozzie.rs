//! Runs the program under test in a clean environment and says what it must have printed and how it must have ended.

use std::{
    ffi::OsStr,
    fs::File,
    io::{PipeReader, Read, Write},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock},
    thread,
    time::{Duration, Instant},
};

use super::{DEADLINE, wait_until};

/// A run being put together. Words are split at blanks; `arg` takes what has blanks in it.
pub struct Mozzie {
    command: Command,
    stdin: Option<Vec<u8>>,
    input: Option<File>,
    stderr_closed: bool,
    deadline: Duration,
}

/// `mozzie("pub -t a -m hello")`.
pub fn mozzie(words: &str) -> Mozzie {
    program_at(Path::new(env!("CARGO_BIN_EXE_mozzie")), words)
}

/// The program under test by the name of one of mosquitto's clients: `called("mosquitto_pub", "-t a")`.
pub fn called(name: &str, words: &str) -> Mozzie {
    static LINKS: OnceLock<PathBuf> = OnceLock::new();
    let links = LINKS.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("links");
        std::fs::create_dir_all(&folder).expect("a folder for the links");
        let made = mozzie("link --force").arg(&folder).run();
        assert_eq!(made.code(), Some(0), "{made}");
        folder
    });
    program_at(&links.join(name), words)
}

/// Another program, in the same clean environment.
pub fn program_at(path: &Path, words: &str) -> Mozzie {
    let mut command = Command::new(path);
    let home = concat!(env!("CARGO_TARGET_TMPDIR"), "/no-such-home");
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", home)
        .env("XDG_CONFIG_HOME", home)
        .env("RUST_BACKTRACE", "1")
        .args(words.split_whitespace());
    Mozzie {
        command,
        stdin: None,
        input: None,
        stderr_closed: false,
        deadline: DEADLINE,
    }
}

impl Mozzie {
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub fn args(mut self, words: &str) -> Self {
        self.command.args(words.split_whitespace());
        self
    }

    /// The broker on this port of loopback.
    pub fn at(self, port: u16) -> Self {
        self.args(&format!("-h 127.0.0.1 -p {port}"))
    }

    /// `-V` with this version.
    pub fn version(self, version: &str) -> Self {
        self.args("-V").arg(version)
    }

    /// An option whose value has blanks or is a path.
    pub fn option(self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.arg(name).arg(value)
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn without_env(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    pub fn in_folder(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    pub fn stdin(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.stdin = Some(bytes.as_ref().to_vec());
        self
    }

    /// This file as stdin.
    pub fn stdin_file(mut self, path: &Path) -> Self {
        self.input = Some(File::open(path).expect("a file to read"));
        self
    }

    /// The reading end of this pipe as stdin.
    pub fn stdin_pipe(mut self, pipe: PipeReader) -> Self {
        self.input = Some(File::from(OwnedFd::from(pipe)));
        self
    }

    /// A stderr whose reader has gone.
    pub fn without_stderr(mut self) -> Self {
        self.stderr_closed = true;
        self
    }

    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Runs it to its end. A run that outlives the deadline is ended and fails the test.
    pub fn run(mut self) -> Done {
        let stdin = self.stdin.take();
        let deadline = self.deadline;
        let mut running = match stdin {
            None => {
                match self.input.take() {
                    Some(file) => self.command.stdin(file),
                    None => self.command.stdin(Stdio::null()),
                };
                self.spawn()
            }
            Some(bytes) => {
                let mut running = self.start();
                let mut pipe = running.stdin.take().expect("stdin is a pipe");
                // It may end before it has read everything; that is for the test to judge, by what it printed.
                thread::spawn(move || pipe.write_all(&bytes));
                running
            }
        };
        running.deadline = deadline;
        running.finish()
    }

    /// Starts it with a pipe as stdin that the test writes to, unless it was given another stdin.
    pub fn start(mut self) -> Running {
        match self.input.take() {
            Some(file) => self.command.stdin(file),
            None => self.command.stdin(Stdio::piped()),
        };
        self.spawn()
    }

    /// Starts it with a stdout that only the test reads, or closes.
    pub fn start_unread(mut self) -> (Running, ChildStdout) {
        self.command.stdin(Stdio::null());
        let mut running = self.spawn_child();
        let stdout = running.child.stdout.take().expect("stdout is a pipe");
        (running, stdout)
    }

    fn spawn(self) -> Running {
        let mut running = self.spawn_child();
        running
            .stdout
            .fill_from(running.child.stdout.take().expect("stdout is a pipe"));
        running
    }

    fn spawn_child(mut self) -> Running {
        let shown: Vec<_> = self
            .command
            .get_args()
            .map(|arg| arg.to_string_lossy().into_owned())
            .collect();
        let mut child = self
            .command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stderr = Captured::default();
        let pipe = child.stderr.take().expect("stderr is a pipe");
        match self.stderr_closed {
            true => drop(pipe),
            false => stderr.fill_from(pipe),
        }
        Running {
            command: format!("mozzie {}", shown.join(" ")),
            stdin: child.stdin.take(),
            child,
            stdout: Captured::default(),
            stderr,
            deadline: self.deadline,
        }
    }
}

/// What a stream has given so far, and whether it has ended.
#[derive(Clone, Default)]
struct Captured(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    open: bool,
}

impl Captured {
    fn fill_from(&self, mut stream: impl Read + Send + 'static) {
        let captured = self.clone();
        captured.state().open = true;
        thread::spawn(move || {
            let mut chunk = vec![0; 64 * 1024];
            loop {
                let n = stream.read(&mut chunk).unwrap_or(0);
                let mut state = captured.state();
                state.bytes.extend_from_slice(&chunk[..n]);
                state.open = n > 0;
                captured.0.changed.notify_all();
                if n == 0 {
                    return;
                }
            }
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0
            .state
            .lock()
            .expect("no test panics while it holds this")
    }

    fn bytes(&self) -> Vec<u8> {
        self.state().bytes.clone()
    }

    /// Waits until the bytes so far satisfy `ready`; false when the stream ended or the deadline passed first.
    fn wait(&self, deadline: Duration, mut ready: impl FnMut(&[u8]) -> bool) -> bool {
        let waiting = |state: &mut State| state.open && !ready(&state.bytes);
        let waited = self
            .0
            .changed
            .wait_timeout_while(self.state(), deadline, waiting);
        let (state, _) = waited.expect("no test panics while it holds this");
        ready(&state.bytes)
    }

    fn wait_for_end(&self, deadline: Duration) {
        self.wait(deadline, |_| false);
    }
}

/// A run that is going on. Ended in `Drop`.
pub struct Running {
    command: String,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Captured,
    stderr: Captured,
    deadline: Duration,
}

impl Running {
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        stdin
            .write_all(bytes.as_ref())
            .expect("the program reads its stdin");
        stdin.flush().expect("the program reads its stdin");
    }

    /// The pipe, for a thread that writes on its own.
    pub fn take_stdin(&mut self) -> ChildStdin {
        self.stdin.take().expect("stdin is open")
    }

    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Waits until stdout so far has `needle` in it.
    pub fn wait_for_stdout(&self, needle: impl AsRef<[u8]>) {
        let needle = needle.as_ref();
        let found = self.stdout.wait(self.deadline, |bytes| {
            bytes.windows(needle.len()).any(|w| w == needle)
        });
        assert!(
            found,
            "never printed {:?}\n{}",
            String::from_utf8_lossy(needle),
            self.so_far()
        );
    }

    pub fn has_printed(&self, needle: impl AsRef<[u8]>) -> bool {
        let needle = needle.as_ref();
        self.stdout.wait(Duration::from_millis(20), |bytes| {
            bytes.windows(needle.len()).any(|w| w == needle)
        })
    }

    /// Stdout so far.
    pub fn printed(&self) -> Vec<u8> {
        self.stdout.bytes()
    }

    pub fn wait_for_stderr(&self, needle: &str) {
        let found = self.stderr.wait(self.deadline, |bytes| {
            String::from_utf8_lossy(bytes).contains(needle)
        });
        assert!(found, "never said {needle:?}\n{}", self.so_far());
    }

    /// Sends a signal by name: INT, TERM, STOP …
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(
            Command::new("sh")
                .args(["-c", &kill])
                .status()
                .unwrap()
                .success(),
            "{kill} failed"
        );
    }

    /// Waits until it has done all that what has happened so far lets it do: each of its threads sleeps, and still does at
    /// the next look. Where the system does not tell, a moment has to do.
    pub fn wait_until_idle(&self) {
        let tasks = PathBuf::from(format!("/proc/{}/task", self.child.id()));
        if !Path::new("/proc/self/task").exists() {
            thread::sleep(Duration::from_millis(300));
            return;
        }
        let sleeps = |task: PathBuf| {
            // The name before the state may have anything in it; one that is gone sleeps well.
            let stat = std::fs::read_to_string(task.join("stat")).unwrap_or_default();
            let state = stat
                .rsplit(") ")
                .next()
                .and_then(|rest| rest.chars().next());
            matches!(state, None | Some('S' | 'Z' | 'X'))
        };
        let mut slept = false;
        wait_until("the program to be idle", || {
            let tasks = std::fs::read_dir(&tasks).ok().into_iter().flatten();
            let sleeping = tasks.flatten().all(|task| sleeps(task.path()));
            let still = slept && sleeping;
            slept = sleeping;
            still.then_some(())
        });
    }

    /// Waits until it catches SIGINT. Where the system does not tell, a moment has to do.
    pub fn wait_until_it_catches_signals(&self) {
        const INTERRUPT: u64 = 1 << 1;
        let status = format!("/proc/{}/status", self.child.id());
        if !Path::new("/proc/self/status").exists() {
            thread::sleep(Duration::from_millis(800));
            return;
        }
        wait_until("signals to be caught", || {
            let status = std::fs::read_to_string(&status).ok()?;
            let caught = status
                .lines()
                .find_map(|line| line.strip_prefix("SigCgt:"))?;
            let caught = u64::from_str_radix(caught.trim(), 16).ok()?;
            (caught & INTERRUPT != 0).then_some(())
        });
    }

    /// Memory in use now, KiB.
    pub fn resident_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }

    pub fn has_ended(&mut self) -> bool {
        let status = self.child.try_wait();
        status.expect("the program can be waited for").is_some()
    }

    /// Waits for the end, and fails the test when the deadline passes first.
    pub fn finish(mut self) -> Done {
        let end = Instant::now() + self.deadline;
        let status = loop {
            match self
                .child
                .try_wait()
                .expect("the program can be waited for")
            {
                Some(status) => break status,
                None if Instant::now() > end => {
                    let _gone = self.child.kill();
                    panic!("still running after {:?}\n{}", self.deadline, self.so_far());
                }
                None => thread::sleep(Duration::from_millis(2)),
            }
        };
        self.stdout.wait_for_end(Duration::from_secs(5));
        self.stderr.wait_for_end(Duration::from_secs(5));
        Done {
            command: self.command.clone(),
            status,
            stdout: self.stdout.bytes(),
            stderr: String::from_utf8(self.stderr.bytes()).expect("stderr is UTF-8"),
        }
    }

    /// Asks it to end as Ctrl-C does.
    pub fn interrupt(self) -> Done {
        self.signal("INT");
        self.finish()
    }

    fn so_far(&self) -> String {
        let stdout = self.stdout.bytes();
        let shown = &stdout[..stdout.len().min(4000)];
        format!(
            "$ {}\n--- stdout ({} bytes)\n{}\n--- stderr\n{}",
            self.command,
            stdout.len(),
            String::from_utf8_lossy(shown),
            String::from_utf8_lossy(&self.stderr.bytes())
        )
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A run that has ended: status, stdout and stderr, judged together.
pub struct Done {
    pub command: String,
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Done {
    /// Exit 0, exactly this stdout, and nothing on stderr.
    #[track_caller]
    pub fn prints(&self, stdout: impl AsRef<[u8]>) -> &Self {
        self.ends(0, stdout, &[])
    }

    /// This status, exactly this stdout, and a stderr that has every fragment (empty when there is none).
    #[track_caller]
    pub fn ends(&self, code: i32, stdout: impl AsRef<[u8]>, stderr: &[&str]) -> &Self {
        let stdout = stdout.as_ref();
        let same = self.stdout == stdout;
        let said = if stderr.is_empty() {
            self.stderr.is_empty()
        } else {
            self.says_all(stderr)
        };
        let wanted = String::from_utf8_lossy(&stdout[..stdout.len().min(2000)]).into_owned();
        assert!(
            self.code() == Some(code) && same && said && !self.stderr.contains("panicked"),
            "wanted status {code}, stderr with {stderr:?} and stdout {wanted:?}\n{self}"
        );
        self
    }

    /// A failure as it must look: this status, nothing on stdout, and an error line with every fragment.
    #[track_caller]
    pub fn fails(&self, code: i32, fragments: &[&str]) -> &Self {
        assert!(
            self.code() == Some(code)
                && self.stdout.is_empty()
                && self.looks_like_an_error()
                && self.says_all(fragments),
            "wanted status {code}, an error with {fragments:?} and nothing on stdout\n{self}"
        );
        self
    }

    /// The status alone; what was printed is checked elsewhere.
    #[track_caller]
    pub fn status(&self, code: i32) -> &Self {
        assert!(
            self.code() == Some(code) && !self.stderr.contains("panicked"),
            "wanted status {code}\n{self}"
        );
        self
    }

    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    pub fn stdout_text(&self) -> String {
        String::from_utf8(self.stdout.clone()).expect("stdout is UTF-8")
    }

    fn says_all(&self, fragments: &[&str]) -> bool {
        let stderr = self.stderr.to_lowercase();
        fragments
            .iter()
            .all(|fragment| stderr.contains(&fragment.to_lowercase()))
    }

    /// `mozzie: error: …` in lower case without a full stop; an indented hint or usage may follow.
    pub fn looks_like_an_error(&self) -> bool {
        let Some(line) = self
            .stderr
            .lines()
            .find(|line| line.starts_with("mozzie: error: "))
        else {
            return false;
        };
        !line.ends_with('.') && !self.stderr.contains("panicked")
    }
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = &self.stdout[..self.stdout.len().min(4000)];
        writeln!(f, "$ {}\n--- status {}", self.command, self.status)?;
        writeln!(
            f,
            "--- stdout ({} bytes)\n{}",
            self.stdout.len(),
            String::from_utf8_lossy(shown)
        )?;
        writeln!(f, "--- stderr\n{}", self.stderr)
    }
}

/// Waits until a file has `needle` in it `times` times.
pub(super) fn wait_for_text(path: &std::path::Path, needle: &str, times: usize) {
    let what = format!("{times} × {needle:?} in {}", path.display());
    wait_until(&what, || {
        let text = std::fs::read(path).ok()?;
        (String::from_utf8_lossy(&text).matches(needle).count() >= times).then_some(())
    });
}
