//! A byte stream to a broker, whatever lies between: `dial(&Endpoint) -> Dialed`.
//!
//! Each transport is a layer over the one before (TCP or Unix socket, proxy, TLS, WebSocket), so every sensible
//! combination works. It knows no MQTT, prints nothing and reads no command line.

mod dial;
mod endpoint;
mod error;
mod ports;
mod proxy;
mod retry;
mod secret;
#[cfg(feature = "srv")]
mod srv;
#[cfg(not(feature = "srv"))]
#[path = "srv/absent.rs"]
mod srv;
mod stream;
mod tcp;
mod tls;
mod unix;
mod websocket;
mod words;

#[cfg(test)]
mod testing;

// The door to this folder: what the rest of mozzie may name.
#[allow(unused_imports)]
pub use {
    dial::{Dialed, Steps, dial, dial_timed},
    endpoint::{Address, Bind, Endpoint, TcpAddress},
    error::{DialError, Layer, Peer},
    ports::{Lease, LocalPorts, PortRange},
    proxy::{Login, Proxy, ProxyError, ProxyKind, ProxyProblem},
    retry::{Backoff, Retry},
    secret::Secret,
    srv::{CertificateName, Srv, SrvProblem},
    stream::{Stream, TlsInfo},
    tls::{
        CertificateFacts, CertificateOwner, TlsClient, TlsError, TlsProblem, TlsSettings,
        TlsVersion, explain_io,
    },
    websocket::{WebSocket, WebSocketError, WebSocketProblem},
    words::reason as io_reason,
};
