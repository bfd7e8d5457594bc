//! The lowest layer on one machine: a Unix socket.

use std::path::Path;

use tokio::net::UnixStream;

use super::{DialError, Stream};

pub(super) async fn connect(path: &Path) -> Result<Stream, DialError> {
    match UnixStream::connect(path).await {
        Ok(socket) => Ok(Stream::Unix(socket)),
        Err(error) => Err(DialError::Unix {
            path: path.to_owned(),
            error,
        }),
    }
}
