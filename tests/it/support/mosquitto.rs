//! A real mosquitto of one's own: free port, own configuration and log, ended in `Drop`.

use std::{
    env,
    fmt::Write,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{Certs, DEADLINE, certs, free_port, mozzie::wait_for_text, program};

/// A configuration being put together; `start` runs it.
pub struct Config {
    port: u16,
    port_is_fixed: bool,
    listener: String,
    text: String,
    folder: TempDir,
    unix: Option<PathBuf>,
    plain_port: Option<u16>,
}

pub struct Mosquitto {
    child: Child,
    pub port: u16,
    plain_port: Option<u16>,
    folder: TempDir,
    unix: Option<PathBuf>,
}

impl Mosquitto {
    /// A plain listener that lets everybody in and drops nothing.
    pub fn start() -> Self {
        Self::config().start()
    }

    pub fn config() -> Config {
        let folder = TempDir::new().expect("a folder for the broker");
        let text = "log_dest stderr\nlog_type all\nuser root\npersistence false\n\
                    max_queued_messages 0\nmax_inflight_messages 0\nset_tcp_nodelay true\n";
        Config {
            port: free_port(),
            port_is_fixed: false,
            listener: String::new(),
            text: text.to_owned(),
            folder,
            unix: None,
            plain_port: None,
        }
    }

    /// Where it listens without WebSockets.
    pub fn plain_port(&self) -> u16 {
        self.plain_port.unwrap_or(self.port)
    }

    /// Some distributions build mosquitto without WebSockets; those cannot answer here.
    pub fn speaks_websockets(&self) -> bool {
        let missing = self.log_text().contains("Websockets support not available");
        if missing {
            assert!(
                env::var_os("CI").is_none(),
                "this mosquitto has no WebSockets"
            );
            eprintln!("SKIPPED: this mosquitto has no WebSockets");
        }
        !missing
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    pub fn log_text(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.log()).unwrap_or_default()).into_owned()
    }

    /// Waits until the broker's log has this `times` times.
    pub fn wait_for(&self, needle: &str, times: usize) {
        wait_for_text(&self.log(), needle, times);
    }

    /// Waits until it has answered this many SUBSCRIBE packets.
    pub fn subscribed(&self, times: usize) {
        self.wait_for("Sending SUBACK to", times);
    }

    pub fn unix(&self) -> &Path {
        self.unix.as_deref().expect("a broker with a unix listener")
    }

    /// Ends it at once; the next one on its port knows nothing.
    pub fn stop(mut self) -> Config {
        let _gone = self.child.kill();
        self.into_next()
    }

    /// Ends it as an administrator would, so that it can write its store.
    pub fn stop_in_order(self) -> Config {
        let kill = format!("kill -TERM {}", self.child.id());
        let _sent = Command::new("sh").args(["-c", &kill]).status();
        self.into_next()
    }

    fn into_next(mut self) -> Config {
        let _reaped = self.child.wait();
        let mut next = Self::config();
        next.port = self.port;
        next.port_is_fixed = true;
        next
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Config {
    /// A line of mosquitto.conf that is not about the listener.
    pub fn line(mut self, line: &str) -> Self {
        writeln!(self.text, "{line}").expect("a string grows");
        self
    }

    fn listener_line(mut self, line: &str) -> Self {
        writeln!(self.listener, "{line}").expect("a string grows");
        self
    }

    pub fn tls(self) -> Self {
        let certs = certs();
        self.tls_with(certs, "server")
    }

    /// TLS with the certificate `<name>.crt`.
    pub fn tls_with(self, certs: &Certs, name: &str) -> Self {
        self.listener_line(&format!("cafile {}", certs.path("ca.crt").display()))
            .listener_line(&format!(
                "certfile {}",
                certs.path(&format!("{name}.crt")).display()
            ))
            .listener_line(&format!(
                "keyfile {}",
                certs.path(&format!("{name}.key")).display()
            ))
    }

    /// TLS of exactly this version.
    pub fn tls_of_version(self, version: &str) -> Self {
        self.tls().listener_line(&format!("tls_version {version}"))
    }

    /// Clients must show a certificate of our authority.
    pub fn client_certificates(self) -> Self {
        self.listener_line("require_certificate true")
            .listener_line("use_identity_as_username true")
    }

    /// mosquitto 2.0 does not start when all its listeners are WebSockets, so there is a plain one as well.
    pub fn websockets(mut self) -> Self {
        let port = free_port();
        self.plain_port = Some(port);
        let line = format!("listener {port} 127.0.0.1");
        self.listener_line("protocol websockets").line(&line)
    }

    /// Also listens on a unix socket.
    pub fn also_unix(mut self) -> Self {
        self.unix = Some(self.folder.path().join("mqtt.sock"));
        self
    }

    /// Sessions and messages outlive a stop in order, in this folder.
    pub fn with_store(self, folder: &Path) -> Self {
        let text = self.text.replace("persistence false", "persistence true");
        Self { text, ..self }.line(&format!("persistence_location {}/", folder.display()))
    }

    /// Only these people get in.
    pub fn users(self, people: &[(&str, &str)]) -> Self {
        let file = self.folder.path().join("passwords");
        File::create(&file).expect("a password file");
        for (user, password) in people {
            let added = program("mosquitto_passwd")
                .arg("-b")
                .arg(&file)
                .args([user, password])
                .output();
            assert!(
                added.expect("mosquitto_passwd runs").status.success(),
                "{user} is added"
            );
        }
        let line = format!("password_file {}\nallow_anonymous false", file.display());
        self.line(&line)
    }

    pub fn acl(self, lines: &str) -> Self {
        let file = self.folder.path().join("acl");
        fs::write(&file, lines).expect("an ACL file");
        let line = format!("acl_file {}", file.display());
        self.line(&line)
    }

    pub fn start(mut self) -> Mosquitto {
        for _ in 0..5 {
            let conf = self.conf();
            match self.try_start(&conf) {
                Ok(child) => {
                    let Self {
                        port,
                        folder,
                        unix,
                        plain_port,
                        ..
                    } = self;
                    return Mosquitto {
                        child,
                        port,
                        plain_port,
                        folder,
                        unix,
                    };
                }
                // Another test process was faster; whoever asked for this very port gets no other.
                Err(log) if log.contains("in use") && !self.port_is_fixed => {
                    self.port = free_port()
                }
                Err(log) => panic!("mosquitto did not start with\n{conf}\n--- log\n{log}"),
            }
        }
        panic!("mosquitto found no free port");
    }

    fn conf(&self) -> String {
        let Self {
            port,
            listener,
            text,
            ..
        } = self;
        let anonymous = if text.contains("allow_anonymous") {
            ""
        } else {
            "allow_anonymous true\n"
        };
        let unix = self.unix.as_ref().map_or(String::new(), |path| {
            format!("listener 0 {}\n", path.display())
        });
        format!("{anonymous}{text}{unix}listener {port}\n{listener}")
    }

    /// The running broker, or its log.
    fn try_start(&self, conf: &str) -> Result<Child, String> {
        let file = self.folder.path().join("mosquitto.conf");
        fs::write(&file, conf).expect("a configuration file");
        let log = self.folder.path().join("log");
        let mut child = spawn(&file, &log);
        // "running" is logged once every listener is open.
        let end = Instant::now() + DEADLINE;
        loop {
            let ended = child
                .try_wait()
                .expect("the broker can be waited for")
                .is_some();
            let text = String::from_utf8_lossy(&fs::read(&log).unwrap_or_default()).into_owned();
            if text.contains(" running\n") && !text.contains("in use") {
                return Ok(child);
            }
            if ended || text.contains("in use") || Instant::now() > end {
                let _gone = child.kill();
                let _reaped = child.wait();
                return Err(text);
            }
            thread::sleep(Duration::from_millis(3));
        }
    }
}

fn spawn(file: &Path, log: &Path) -> Child {
    let log = File::create(log).expect("a log file");
    let mut command: Command = program("mosquitto");
    command
        .arg("-c")
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    command.spawn().expect("mosquitto starts")
}
