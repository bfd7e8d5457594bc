//! The byte stream under a connection: the one place that says what it is.
//!
//! Everything else in `bench` is written against `AsyncRead` and `AsyncWrite`.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use crate::net::{self, Address, Bind, Endpoint};

pub use crate::net::{DialError, Dialed, Stream};

pub type Dialing = Pin<Box<dyn Future<Output = Result<Dialed, DialError>> + Send>>;

/// Opens the stream of client number n; what is behind it (TLS, a proxy, a source address) is not
/// bench's business.
pub type Dial = Arc<dyn Fn(usize) -> Dialing + Send + Sync>;

/// The same endpoint for every client.
pub fn to(endpoint: Endpoint) -> Dial {
    Arc::new(move |_client| {
        let endpoint = endpoint.clone();
        Box::pin(async move { net::dial(&endpoint).await })
    })
}

/// The same endpoint from these local addresses in turn, if there are any.
pub fn from_each(endpoint: Endpoint, sources: Vec<IpAddr>) -> Dial {
    if sources.is_empty() {
        return to(endpoint);
    }
    Arc::new(move |client| {
        let mut endpoint = endpoint.clone();
        if let Address::Tcp(address) = &mut endpoint.address {
            address.bind = Some(Bind::One(sources[client % sources.len()]));
        }
        Box::pin(async move { net::dial(&endpoint).await })
    })
}

/// Plain TCP to one address.
pub fn tcp(address: std::net::SocketAddr) -> Dial {
    to(Endpoint::tcp(address.ip().to_string(), address.port()))
}
