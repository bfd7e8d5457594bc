//! The byte stream under a connection: the one place that says what it is.
//!
//! Everything else in `bench` is written against `AsyncRead` and `AsyncWrite`.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use crate::net::{self, Address, Bind, Endpoint, LocalPorts, PortRange};

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

/// Local addresses to connect from in turn, each with its ports; without any the system chooses.
#[derive(Debug, Clone, Default)]
pub struct Sources(Arc<[(IpAddr, Option<Arc<LocalPorts>>)]>);

impl Sources {
    /// Where the system does not tell its range of ports, it also chooses them.
    pub fn new(addresses: &[IpAddr], range: Option<&PortRange>) -> Self {
        let start = fastrand::usize(..);
        let ports = |range: &PortRange| Arc::new(LocalPorts::new(range.clone(), start));
        let all = addresses.iter();
        Self(all.map(|one| (*one, range.map(ports))).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that have the family of this address.
    pub fn towards(&self, to: &SocketAddr) -> Self {
        let same = |(source, _): &&(IpAddr, _)| source.is_ipv4() == to.is_ipv4();
        Self(self.0.iter().filter(same).cloned().collect())
    }

    /// Has the endpoint connected to from the address whose turn it is at client number n.
    pub fn bind(&self, endpoint: &mut Endpoint, client: usize) {
        if let Address::Tcp(address) = &mut endpoint.address
            && let Some((source, ports)) = self.0.get(client % self.0.len().max(1))
        {
            address.bind = Some(Bind::One(*source));
            address.ports = ports.clone();
        }
    }
}

/// The same endpoint from these local addresses in turn, if there are any.
pub fn from_each(endpoint: Endpoint, sources: Sources) -> Dial {
    if sources.is_empty() {
        return to(endpoint);
    }
    Arc::new(move |client| {
        let mut endpoint = endpoint.clone();
        sources.bind(&mut endpoint, client);
        Box::pin(async move { net::dial(&endpoint).await })
    })
}

#[cfg(test)]
/// Plain TCP to one address.
pub fn tcp(address: SocketAddr) -> Dial {
    tcp_from(address, Sources::default())
}

/// Plain TCP to one address from each of these in turn, if there are any.
pub fn tcp_from(address: SocketAddr, sources: Sources) -> Dial {
    let endpoint = Endpoint::tcp(address.ip().to_string(), address.port());
    from_each(endpoint, sources)
}
