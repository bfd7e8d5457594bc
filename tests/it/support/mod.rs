//! What every black-box test stands on: the program under test, real brokers, a scripted broker, certificates, proxies.

mod certs;
mod client;
mod fault;
mod mosquitto;
mod mozzie;
mod oracle;
mod port;
mod proxies;
mod scripted;
mod terminal;
pub mod wire;

use std::{
    env,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

pub use certs::{Certs, certs};
pub use client::{Client, Message};
pub use fault::{Fault, FaultyLink};
pub use mosquitto::{Config as MosquittoConfig, Mosquitto};
pub use mozzie::{Done, Mozzie, Running, called, mozzie, program_at};
pub use oracle::{THEIR_TRIES, as_2_1, debug_as_2_1, is_2_0, theirs};
pub use port::{free_listener, free_port};
pub use proxies::{BadLink, HttpProxy, Socks};
pub use scripted::{Door, Peer, Scripted, filters};
pub use terminal::Terminal;

/// How long anything may take before a test gives up on it: generous, because the machine may be busy.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// The version numbers as `-V` takes them.
pub const VERSIONS: [&str; 2] = ["311", "5"];

/// Looks again and again until `ready` has an answer, and fails the test when the deadline passes without one.
pub fn wait_until<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = ready() {
            return answer;
        }
        assert!(
            Instant::now() < end,
            "waited {DEADLINE:?} in vain for {what}"
        );
        thread::sleep(Duration::from_millis(3));
    }
}

/// Whether a program that a test needs is there. Missing is a loud skip on a developer's machine and a failure in CI.
pub fn have(program: &str) -> bool {
    let paths = env::var_os("PATH").unwrap_or_default();
    let extra = ["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"].map(Into::into);
    let found = env::split_paths(&paths)
        .chain(extra)
        .any(|folder: std::path::PathBuf| folder.join(program).is_file());
    if !found {
        assert!(
            env::var_os("CI").is_none(),
            "{program} is not installed, and in CI it must be"
        );
        eprintln!("SKIPPED: {program} is not installed (tests/run installs it)");
    }
    found
}

/// A command for a program that may live where only root's PATH points.
pub fn program(name: &str) -> Command {
    let sbin = ["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"]
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.is_file());
    sbin.map_or_else(|| Command::new(name), Command::new)
}

/// Ends a test early, loudly, when a program is missing.
#[macro_export]
macro_rules! needs {
    ($($program:literal),+) => {
        $(if !$crate::support::have($program) { return; })+
    };
}
