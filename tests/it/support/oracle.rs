//! What it takes to hold mosquitto's own clients beside mozzie under their names, which is like 2.1. Most distributions
//! have 2.0; where a 2.1 is first in PATH, what 2.0 does otherwise is not to be expected.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use super::{Mozzie, program_at};

/// mosquitto's client has races of its own (its DISCONNECT, now and then, does not leave before it closes), so it may show
/// more than once what it does; mozzie has one try.
pub const THEIR_TRIES: usize = 4;

/// One of mosquitto's clients: the first of its name in PATH.
pub fn theirs(tool: &str, words: &str) -> Mozzie {
    program_at(&path(tool), words)
}

fn path(tool: &str) -> PathBuf {
    let folders = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&folders)
        .map(|folder| folder.join(tool))
        .find(|path| path.is_file())
        .unwrap_or_else(|| Path::new("/usr/bin").join(tool))
}

/// Whether the clients are those of 2.0, by what they say of themselves.
pub fn is_2_0() -> bool {
    static IS_2_0: OnceLock<bool> = OnceLock::new();
    *IS_2_0.get_or_init(|| {
        let said = Command::new(path("mosquitto_sub"))
            .arg("--version")
            .output()
            .expect("mosquitto_sub runs");
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let version = said.split("version ").nth(1).expect("it names its version");
        version.starts_with("2.0.")
    })
}

/// What it says on stderr: 2.0's library texts end in a full stop, 2.1's do not, and one is another.
pub fn as_2_1(stderr: &str) -> String {
    if !is_2_0() {
        return stderr.to_owned();
    }
    let library = [
        "Error: The ",
        "Error: A ",
        "Error: Authorisation failed",
        "Error: Proxy error",
        "Error: Invalid function ",
        "Connection error: Connection ",
    ];
    let lines = stderr.lines().map(|line| {
        let line = line
            .replace(".).", ").")
            .replace("Invalid function arguments provided", "Invalid input");
        match line.strip_suffix('.') {
            Some(rest) if library.iter().any(|l| line.starts_with(l)) => format!("{rest}\n"),
            _ => format!("{line}\n"),
        }
    });
    lines.collect()
}

/// What `-d` prints of a client without an identifier.
pub fn debug_as_2_1(stdout: &str) -> String {
    if !is_2_0() {
        return stdout.to_owned();
    }
    let lines = stdout.split_inclusive('\n').map(|line| {
        // 2.1 prints CONNACK as 2.0 does.
        match line.contains(" received CONNACK ") {
            true => line.to_owned(),
            false => line.replacen("Client (null) ", "Client null ", 1),
        }
    });
    lines.collect()
}
