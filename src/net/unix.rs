//! The lowest layer on one machine: a Unix socket.

use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use tokio::net::UnixStream;

use super::{DialError, Stream};

pub(super) async fn connect(path: &Path) -> Result<Stream, DialError> {
    match UnixStream::connect(path).await {
        Ok(socket) => Ok(Stream::Unix(socket)),
        Err(error) => Err(DialError::Unix {
            path: path.to_owned(),
            error,
            found: no_socket(path),
        }),
    }
}

/// What is there in place of a socket. Connecting to it is refused, as if nobody listened.
fn no_socket(path: &Path) -> Option<&'static str> {
    let kind = path.metadata().ok()?.file_type();
    match kind {
        _ if kind.is_socket() => None,
        _ if kind.is_dir() => Some("a folder"),
        _ if kind.is_file() => Some("a file"),
        _ => Some("a device or a pipe"),
    }
}
