//! Why a dial failed: which layer, what the user typed, and what to do next.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use super::{ProxyProblem, SrvProblem, TlsProblem, WebSocketProblem, words::reason};

/// The layers of a connection, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    Resolve,
    Connect,
    Proxy,
    Tls,
    WebSocket,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "name lookup",
            Self::Connect => "connection",
            Self::Proxy => "proxy",
            Self::Tls => "TLS handshake",
            Self::WebSocket => "WebSocket upgrade",
        })
    }
}

/// Whom a name lookup or a connection was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    Broker,
    Proxy,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Broker => "broker",
            Self::Proxy => "proxy",
        })
    }
}

// The I/O errors are worded into the messages, so none is also a `#[source]`.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    #[error("cannot look up the {peer} name '{host}': {reason}")]
    NameNotFound {
        peer: Peer,
        host: String,
        reason: String,
    },

    #[error("cannot look up the SRV record {name}: {problem}")]
    #[cfg_attr(
        not(feature = "srv"),
        allow(dead_code, reason = "no look-up, no failure")
    )]
    Srv { name: String, problem: SrvProblem },

    #[error(
        "cannot connect to {peer} {to}: {}{}",
        reason(error),
        also_tried(tried)
    )]
    Connect {
        peer: Peer,
        to: String,
        /// Every address that was tried; the error is the most telling one of theirs.
        tried: Vec<SocketAddr>,
        error: io::Error,
    },

    #[error("cannot connect from the local address {bind}: {}", reason(error))]
    Bind { bind: IpAddr, error: io::Error },

    #[error("cannot connect to {peer} {to}{}: no local port is free", from(bind.as_ref()))]
    NoLocalPort {
        peer: Peer,
        to: String,
        bind: Option<IpAddr>,
    },

    #[error(
        "cannot connect from the local address {bind}: '{host}' has no {} address",
        family(bind)
    )]
    BindFamily { bind: IpAddr, host: String },

    #[error("cannot connect to the unix socket '{}': {}", path.display(), unix_reason(error, *found))]
    Unix {
        path: PathBuf,
        error: io::Error,
        /// What is there in place of a socket.
        found: Option<&'static str>,
    },

    #[error("{layer} timed out after {after:?}: no answer from {from}")]
    TimedOut {
        layer: Layer,
        from: String,
        after: Duration,
    },

    #[error("proxy {proxy}: {problem}")]
    Proxy {
        proxy: String,
        problem: ProxyProblem,
    },

    #[error("TLS with {with}: {problem}")]
    Tls { with: String, problem: TlsProblem },

    #[error("WebSocket at {url}: {problem}")]
    WebSocket {
        url: String,
        problem: WebSocketProblem,
    },
}

impl DialError {
    /// The layer that failed.
    pub fn layer(&self) -> Layer {
        match self {
            Self::NameNotFound { .. } | Self::Srv { .. } => Layer::Resolve,
            Self::Connect { .. }
            | Self::Bind { .. }
            | Self::NoLocalPort { .. }
            | Self::BindFamily { .. }
            | Self::Unix { .. } => Layer::Connect,
            Self::TimedOut { layer, .. } => *layer,
            Self::Proxy { .. } => Layer::Proxy,
            Self::Tls { .. } => Layer::Tls,
            Self::WebSocket { .. } => Layer::WebSocket,
        }
    }

    /// The proxy could be reached, and the broker could not be reached by the proxy.
    pub fn is_behind_proxy(&self) -> bool {
        matches!(
            self,
            Self::Proxy {
                problem: ProxyProblem::Unreachable { .. },
                ..
            }
        )
    }

    /// The next step, when there is a sensible one.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NameNotFound { reason, .. } if reason.starts_with("temporary failure") => {
                "the name server does not answer; check the network, or give an IP address"
            }
            Self::NameNotFound {
                peer: Peer::Broker,
                host,
                ..
            } if host.contains(':') => "give the port with -p, and only the name with -h",
            Self::NameNotFound {
                peer: Peer::Broker, ..
            } => "check the spelling of the host, or give its IP address",
            Self::NameNotFound {
                peer: Peer::Proxy, ..
            } => "check --proxy, or give the proxy's IP address",
            Self::Srv { problem, .. } => problem.hint(),
            Self::Connect {
                peer, error, tried, ..
            } => return connect_hint(*peer, error, tried),
            Self::Bind { error, .. } => match error.kind() {
                io::ErrorKind::AddrNotAvailable => {
                    "use an address of one of this machine's interfaces"
                }
                _ => return None,
            },
            Self::NoLocalPort { .. } => {
                "open connections have them all, and those closed within the last minute: wait, use another local address, or widen net.ipv4.ip_local_port_range"
            }
            Self::BindFamily { .. } => {
                "use an address of the same family (IPv4 or IPv6) as the host's"
            }
            Self::Unix { found: Some(_), .. } => {
                "give the path of the socket itself; the broker's configuration has it"
            }
            Self::Unix { error, .. } => match error.kind() {
                io::ErrorKind::NotFound => "is the broker running, with a listener on this path?",
                io::ErrorKind::PermissionDenied => {
                    "this user needs write permission on the socket and its folders"
                }
                io::ErrorKind::ConnectionRefused => {
                    "the socket file is there, but no broker listens on it any more"
                }
                _ => return None,
            },
            Self::TimedOut { layer, .. } => match layer {
                Layer::Resolve => "the name server does not answer; give the host's IP address",
                Layer::Connect => "a firewall may be dropping the packets; check host and port",
                Layer::Proxy => {
                    "the proxy took the connection and then said nothing; check the scheme in --proxy"
                }
                Layer::Tls => {
                    "a plain-text listener may be waiting for MQTT; is this the TLS port?"
                }
                Layer::WebSocket => {
                    "a plain MQTT listener may be waiting for MQTT; is this the WebSocket port?"
                }
            },
            Self::Proxy { problem, .. } => return problem.hint(),
            Self::Tls { problem, .. } => return problem.hint(),
            Self::WebSocket { problem, .. } => return problem.hint(),
        };
        Some(hint.to_owned())
    }
}

fn connect_hint(peer: Peer, error: &io::Error, tried: &[SocketAddr]) -> Option<String> {
    if too_many_files(error) {
        return Some("raise the limit on open files: ulimit -n".to_owned());
    }
    if let (io::ErrorKind::ConnectionRefused, Peer::Broker, Some(first)) =
        (error.kind(), peer, tried.first())
        && tried.iter().all(|address| address.ip().is_loopback())
        && cfg!(feature = "broker")
    {
        return Some(match first.port() {
            1883 => "no broker runs on this machine: start one with 'mozzie broker'".to_owned(),
            port => format!(
                "no broker listens there: check the port, or start one with 'mozzie broker -p {port}'"
            ),
        });
    }
    let hint = match (error.kind(), peer) {
        (io::ErrorKind::ConnectionRefused, Peer::Broker) => {
            "is a broker listening there? check host and port"
        }
        (io::ErrorKind::ConnectionRefused, Peer::Proxy) => "is the proxy running? check --proxy",
        (io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable, _) => {
            "this machine has no route there; check the network"
        }
        (io::ErrorKind::TimedOut, _) => {
            "a firewall may be dropping the packets; check host and port"
        }
        (io::ErrorKind::AddrNotAvailable, _) => {
            "this machine has no address to connect from; is IPv6 turned off?"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

/// EMFILE and ENFILE have no `ErrorKind` of their own; their numbers are the same on every Unix.
fn too_many_files(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(23 | 24))
}

fn also_tried(tried: &[SocketAddr]) -> String {
    if tried.len() < 2 {
        return String::new();
    }
    let addresses: Vec<String> = tried
        .iter()
        .map(|address| address.ip().to_string())
        .collect();
    format!(" (tried {})", addresses.join(", "))
}

fn from(bind: Option<&IpAddr>) -> String {
    bind.map_or(String::new(), |bind| format!(" from {bind}"))
}

fn family(address: &IpAddr) -> &'static str {
    if address.is_ipv4() { "IPv4" } else { "IPv6" }
}

fn unix_reason(error: &io::Error, found: Option<&str>) -> String {
    match (found, error.kind()) {
        (Some(found), _) => format!("it is {found} and no socket"),
        (None, io::ErrorKind::InvalidInput) => {
            "the path is empty or too long for a socket".to_owned()
        }
        (None, _) => reason(error),
    }
}
