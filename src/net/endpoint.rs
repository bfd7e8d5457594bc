//! Where a broker is and how to get there: plain data, cheap to clone, nothing opened.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs},
    path::Path,
    sync::Arc,
    time::Duration,
};

use super::{LocalPorts, Proxy, Srv, TlsClient, WebSocket, tcp::lookup_reason};

/// Everything `dial` needs. Every part that is not small sits behind an `Arc`: bench clones one per connection.
#[derive(Debug, Clone)]
pub struct Endpoint {
    pub address: Address,
    pub tls: Option<TlsClient>,
    pub websocket: Option<WebSocket>,
    /// Granted to each layer separately: name lookup, TCP or Unix connection, proxy, TLS, WebSocket.
    pub connect_timeout: Duration,
}

/// The lowest layer. A local address and a proxy make sense only for TCP, so they live there.
#[derive(Debug, Clone)]
pub enum Address {
    Tcp(TcpAddress),
    Unix(Arc<Path>),
}

#[derive(Debug, Clone)]
pub struct TcpAddress {
    /// A name or an IP address (IPv6 without brackets).
    pub host: Arc<str>,
    pub port: u16,
    /// The host is a domain whose SRV records say where its brokers are; the port then means nothing.
    pub srv: Option<Arc<Srv>>,
    /// The local addresses to connect from (`-A`).
    pub bind: Option<Bind>,
    /// The ports of `bind` to take in turn; otherwise the system chooses.
    pub ports: Option<Arc<LocalPorts>>,
    /// Sets TCP_NODELAY.
    pub nodelay: bool,
    pub proxy: Option<Arc<Proxy>>,
    /// The addresses of the first hop (the proxy, or else the broker) when `Endpoint::resolved` looked them up.
    pub(super) resolved: Option<Arc<[SocketAddr]>>,
}

/// Local addresses to connect from: a name may have one of each family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bind {
    One(IpAddr),
    Both(Ipv4Addr, Ipv6Addr),
}

impl Bind {
    /// The addresses of a name or of an IP address; waits for the name server.
    ///
    /// # Errors
    /// The reason why there are none.
    pub fn look_up(host: &str) -> Result<Self, String> {
        let found = (host, 0).to_socket_addrs().map_err(|e| lookup_reason(&e))?;
        let (mut v4, mut v6) = (None, None);
        for address in found {
            match address.ip() {
                IpAddr::V4(ip) => v4 = v4.or(Some(ip)),
                IpAddr::V6(ip) => v6 = v6.or(Some(ip)),
            }
        }
        match (v4, v6) {
            (Some(v4), Some(v6)) => Ok(Self::Both(v4, v6)),
            (Some(v4), None) => Ok(Self::One(v4.into())),
            (None, Some(v6)) => Ok(Self::One(v6.into())),
            (None, None) => Err("it has no address".to_owned()),
        }
    }

    /// The one from which `to` can be reached.
    pub(super) fn towards(self, to: &SocketAddr) -> Option<IpAddr> {
        match self {
            Self::One(one) => (one.is_ipv4() == to.is_ipv4()).then_some(one),
            Self::Both(v4, _) if to.is_ipv4() => Some(v4.into()),
            Self::Both(_, v6) => Some(v6.into()),
        }
    }
}

impl From<IpAddr> for Bind {
    fn from(address: IpAddr) -> Self {
        Self::One(address)
    }
}

impl TcpAddress {
    pub fn new(host: impl Into<Arc<str>>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            srv: None,
            bind: None,
            ports: None,
            nodelay: false,
            proxy: None,
            resolved: None,
        }
    }
}

impl Endpoint {
    pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

    pub fn tcp(host: impl Into<Arc<str>>, port: u16) -> Self {
        Self::new(Address::Tcp(TcpAddress::new(host, port)))
    }

    #[cfg(test)]
    pub fn unix(path: impl Into<std::path::PathBuf>) -> Self {
        Self::new(Address::Unix(path.into().into()))
    }

    pub fn new(address: Address) -> Self {
        Self {
            address,
            tls: None,
            websocket: None,
            connect_timeout: Self::DEFAULT_CONNECT_TIMEOUT,
        }
    }

    /// The name that TLS checks and the WebSocket `Host` header shows when nothing else is asked for.
    pub fn host(&self) -> &str {
        match &self.address {
            Address::Tcp(tcp) => &tcp.host,
            Address::Unix(_) => "localhost",
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Tcp(tcp) => f.write_str(&authority(&tcp.host, tcp.port)),
            Address::Unix(path) => path.display().fmt(f),
        }
    }
}

/// `host:port`, with brackets round an IPv6 address.
pub(super) fn authority(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_shown_as_the_user_would_type_it() {
        assert_eq!(Endpoint::tcp("broker", 1883).to_string(), "broker:1883");
        assert_eq!(Endpoint::tcp("::1", 1883).to_string(), "[::1]:1883");
        assert_eq!(Endpoint::unix("/run/m.sock").to_string(), "/run/m.sock");
    }
}
