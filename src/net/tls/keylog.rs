//! Session keys for Wireshark: `--tls-keylog FILE`, and the `SSLKEYLOGFILE` every browser honours.

use std::{
    fmt::{self, Write as _},
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rustls::KeyLog;

use super::TlsError;

/// Opens what is asked for, `SSLKEYLOGFILE` from the environment included.
pub(super) fn open(asked: Option<&Path>) -> Result<Arc<dyn KeyLog>, TlsError> {
    let ambient = std::env::var_os("SSLKEYLOGFILE")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from);
    open_both(asked, ambient.as_deref())
}

fn open_both(asked: Option<&Path>, ambient: Option<&Path>) -> Result<Arc<dyn KeyLog>, TlsError> {
    let mut files = Vec::new();
    if let Some(path) = asked {
        let file = append(path).map_err(|error| TlsError::Keylog {
            path: path.to_owned(),
            error,
        })?;
        files.push(Mutex::new(file));
    }
    // Set for a whole session by somebody debugging something else: a file that cannot be written is no error here.
    if let Some(path) = ambient.filter(|path| Some(*path) != asked)
        && let Ok(file) = append(path)
    {
        files.push(Mutex::new(file));
    }
    Ok(if files.is_empty() {
        Arc::new(rustls::NoKeyLog)
    } else {
        Arc::new(KeyLogFiles(files))
    })
}

fn append(path: &Path) -> io::Result<File> {
    // Whoever can read these keys can read the traffic.
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

struct KeyLogFiles(Vec<Mutex<File>>);

impl fmt::Debug for KeyLogFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyLogFiles")
    }
}

impl KeyLog for KeyLogFiles {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let line = format!("{label} {} {}\n", hex(client_random), hex(secret));
        for file in &self.0 {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            // In one write, so that lines of several processes do not mix. A full disk must not end the connection.
            let _ = file.write_all(line.as_bytes());
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unwritable_key_log_that_was_asked_for_is_an_error() {
        let error =
            open_both(Some(Path::new("/nonexistent/keys")), None).expect_err("no such folder");
        assert_eq!(
            error.to_string(),
            "--tls-keylog '/nonexistent/keys': no such file"
        );
    }

    #[test]
    fn an_unwritable_sslkeylogfile_does_no_harm() {
        let log = open_both(None, Some(Path::new("/nonexistent/keys"))).expect("ignored");
        log.log("L", &[1], &[2]);
    }

    #[test]
    fn keys_are_appended_one_per_line() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("keys");
        std::fs::write(&path, "before\n").expect("writable");
        open_both(Some(&path), None)
            .expect("writable")
            .log("CLIENT_RANDOM", &[1, 0xab], &[2]);
        open_both(None, Some(&path))
            .expect("writable")
            .log("CLIENT_RANDOM", &[3], &[4]);
        let text = std::fs::read_to_string(&path).expect("readable");
        assert_eq!(text, "before\nCLIENT_RANDOM 01ab 02\nCLIENT_RANDOM 03 04\n");
    }
}
