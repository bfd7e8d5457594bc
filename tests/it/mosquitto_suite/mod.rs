//! What mosquitto's own client tests ask of the three programs, asked of mozzie under their names: command lines,
//! option files, messages in and out, proxies, WebSockets, TLS. The broker is a real mosquitto wherever theirs is.

mod arguments;
mod publishing;
mod requesting;
mod subscribing;
mod transports;

use std::path::PathBuf;

use tempfile::TempDir;

/// The versions of the protocol in the long spelling of `-V`.
const VERSIONS: [&str; 3] = ["mqttv31", "mqttv311", "mqttv5"];

/// A home with one option file of this name in it: the folder that `HOME` names and the one that `XDG_CONFIG_HOME` does.
fn home(file: &str, lines: &str) -> (TempDir, PathBuf) {
    let home = TempDir::new().unwrap();
    let config = home.path().join(".config");
    std::fs::create_dir(&config).unwrap();
    std::fs::write(config.join(file), lines).unwrap();
    (home, config)
}
