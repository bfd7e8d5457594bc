//! The byte stream under a connection: the one place that says what it is.
//!
//! Everything else in `bench` is written against `AsyncRead` and `AsyncWrite`.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

pub type Stream = tokio::net::TcpStream;
pub type DialError = std::io::Error;
pub type Dialing = Pin<Box<dyn Future<Output = Result<Stream, DialError>> + Send>>;

/// Opens the stream of client number n; what is behind it (TLS, a proxy, a source address) is not
/// bench's business.
pub type Dial = Arc<dyn Fn(usize) -> Dialing + Send + Sync>;

/// Plain TCP to one address.
pub fn tcp(address: SocketAddr) -> Dial {
    Arc::new(move |_client| {
        Box::pin(async move {
            let stream = Stream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        })
    })
}
