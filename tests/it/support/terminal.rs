//! A real terminal, which is tmux's: what is on the screen, and keys.

use std::process::{Command, Output};

use tempfile::TempDir;

use super::wait_until;

/// A terminal with a shell in it. Ended in `Drop`.
pub struct Terminal {
    folder: TempDir,
}

impl Terminal {
    /// Runs the shell line in a terminal of this size.
    pub fn start(columns: u16, rows: u16, line: &str) -> Self {
        let terminal = Self {
            folder: TempDir::new().expect("a folder for the socket"),
        };
        let done = terminal
            .command("new-session -d -s it -x")
            .arg(columns.to_string())
            .arg("-y")
            .arg(rows.to_string())
            .args(["sh", "-c", line])
            .output()
            .expect("tmux runs");
        assert!(done.status.success(), "{done:?}");
        terminal
    }

    /// Types the text, as a person would.
    pub fn keys(&self, text: &str) {
        let mut command = self.command("send-keys -t it -l");
        let done = command.arg(text).output().expect("tmux runs");
        assert!(done.status.success(), "{done:?}");
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new("tmux");
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .args(["-u", "-f", "/dev/null", "-S"])
            .arg(self.folder.path().join("socket"))
            .args(words.split_whitespace());
        command
    }

    pub fn run(&self, words: &str) -> Output {
        self.command(words).output().expect("tmux runs")
    }

    /// What is on the screen.
    pub fn screen(&self) -> String {
        String::from_utf8_lossy(&self.run("capture-pane -p -t it").stdout).into_owned()
    }

    pub fn wait_for(&self, what: &str, mut ready: impl FnMut(&str) -> bool) {
        wait_until(what, || ready(&self.screen()).then_some(()));
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the screen at the end:\n{}", self.screen().trim_end());
        }
        self.run("kill-server");
    }
}
