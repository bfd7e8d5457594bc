//! The embedded broker: a whole MQTT broker inside this process, behind three calls.
//!
//! It speaks MQTT 3.1, 3.1.1 and 5 on one listener, lets anybody in, and forgets everything when it stops. This folder
//! does not print, does not exit and knows nothing of the command line; `mozzie broker` and `bench --embedded` drive it.
//! The protocol work is done by the rmqtt crate. What lies here is what rmqtt leaves to whoever embeds it, and the
//! places where its defaults would lose messages:
//!
//! - `server`: a thread and a runtime of its own, so that stopping it ends every connection
//! - `limits`: what a client may ask for, and rmqtt's own limits moved out of the way
//! - `backlog`, `routing`: how much may wait for a subscriber, and what happens to its publishers
//! - `retained`, `sharing`: retained messages and shared subscriptions, which rmqtt leaves to plugins
//! - `unacknowledged`, `will`: a message and a will that rmqtt forgets when a connection ends
//!
//! # Limits
//!
//! | what | limit |
//! |---|---|
//! | packet, either way | 268,435,455 bytes ([`BrokerPlan::max_packet_size`]) |
//! | waiting for one subscriber | [`BrokerPlan::max_queue_bytes`], 256 MiB, each message counted as its payload and topic plus 512 bytes |
//! | unacknowledged to one subscriber | its receive maximum (MQTT 5), 1,000 messages (3.1, 3.1.1) |
//! | unacknowledged from one publisher (QoS 2) | 65,535 |
//! | topic aliases, either way | 65,535 |
//! | connections, sessions, subscriptions, topic levels, retained messages | none but the system's (`ulimit -n`) and the memory |
//! | a subscriber that reads nothing while a packet waits to be written | is disconnected after 120 s |
//! | sessions | live as long as the client asked; for 3.1 and 3.1.1, until the broker stops |
//!
//! # A slow subscriber
//!
//! Once 16 MiB wait for a connected subscriber, whoever publishes to it is slowed to its pace: the broker does not read
//! on from that publisher until half of it has gone. So a flood loses nothing, at QoS 0 as well, and takes no memory.
//! A subscriber that takes nothing at all for a second slows nobody any more. What is published to it then waits, as it
//! does for a subscriber that is away, up to `max_queue_bytes`; beyond that new messages for it are dropped, whatever
//! their QoS, as mosquitto does when its queue is full. Two clients that flood each other do not slow each other
//! (neither would get to read), and nobody slows himself.
//!
//! # What it does not do
//!
//! TLS, WebSocket, logins, `$SYS`, anything on disk. rmqtt does not tell an MQTT 5 client why it ends its connection, and
//! after DISCONNECT it waits for the client to close the connection.
//!
//! It does not know after a reconnect which messages of QoS 2 it has got from a kept session: rmqtt holds the packet
//! identifiers between PUBREC and PUBREL with the connection, and a new one begins without them. So a publisher whose
//! connection broke between its PUBLISH and its PUBREL has that message delivered twice. It cannot be mended here: no
//! hook tells of PUBREL, and without that a message sent again cannot be told from a new one under the same identifier.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;

#[cfg(feature = "broker")]
mod backlog;
#[cfg(feature = "broker")]
mod limits;
#[cfg(feature = "broker")]
mod retained;
#[cfg(feature = "broker")]
mod routing;
#[cfg(feature = "broker")]
mod server;
#[cfg(not(feature = "broker"))]
#[path = "absent.rs"]
mod server;
#[cfg(feature = "broker")]
mod sharing;
#[cfg(feature = "broker")]
#[cfg(test)]
mod tests;
#[cfg(feature = "broker")]
mod unacknowledged;
#[cfg(feature = "broker")]
mod will;

/// The largest packet MQTT can frame.
pub const MAX_PACKET_SIZE: u32 = 268_435_455;

/// What may wait for one subscriber before messages for it are dropped.
pub const MAX_QUEUE_BYTES: usize = 256 * 1024 * 1024;

/// Where and how large the embedded broker is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerPlan {
    pub bind: IpAddr,
    /// 0 takes a free port; [`EmbeddedBroker::address`] tells which.
    pub port: u16,
    /// Threads that serve connections; two, or one where there is one core, unless told otherwise.
    pub worker_threads: Option<NonZeroUsize>,
    pub max_packet_size: u32,
    /// How much may wait for one subscriber, in bytes.
    pub max_queue_bytes: usize,
}

impl Default for BrokerPlan {
    fn default() -> BrokerPlan {
        BrokerPlan {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            worker_threads: None,
            max_packet_size: MAX_PACKET_SIZE,
            max_queue_bytes: MAX_QUEUE_BYTES,
        }
    }
}

/// A running broker. It stops, and every connection to it ends, when this is dropped.
#[derive(Debug)]
pub struct EmbeddedBroker {
    server: server::Server,
}

impl EmbeddedBroker {
    /// Returns as soon as clients can connect. May be called, and the broker dropped, inside another runtime.
    pub fn start(plan: &BrokerPlan) -> Result<EmbeddedBroker, BrokerError> {
        Ok(EmbeddedBroker {
            server: server::Server::start(plan)?,
        })
    }

    /// The address it listens on, with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Ends every connection and gives the port back before it returns. Wills are not sent.
    pub fn shutdown(self) {}
}

/// Why there is no broker.
#[derive(Debug, thiserror::Error)]
#[cfg_attr(
    not(feature = "broker"),
    allow(dead_code, reason = "without the broker there is one way to fail")
)]
pub enum BrokerError {
    #[cfg_attr(
        feature = "broker",
        allow(dead_code, reason = "the other way to build mozzie fails with it")
    )]
    #[error("this mozzie was built without the embedded broker")]
    NotBuilt,
    #[error("port {} of {} is in use", .0.port(), .0.ip())]
    PortInUse(SocketAddr),
    #[error("no permission to listen on port {} of {}", .0.port(), .0.ip())]
    NoPermission(SocketAddr),
    #[error("{0} is not an address of this machine")]
    NotLocal(IpAddr),
    #[error("could not listen on {address}")]
    Listen {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("could not start the broker's threads")]
    Threads { source: std::io::Error },
}

impl BrokerError {
    /// What to do about it, where there is something.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            BrokerError::NotBuilt => Some("install mozzie with its default features"),
            BrokerError::PortInUse(_) => Some(
                "another broker may be running there; take another port with -p, or -p 0 for a free one",
            ),
            BrokerError::NoPermission(_) => {
                Some("ports below 1024 need privileges; take a higher one with -p")
            }
            BrokerError::NotLocal(_) => {
                Some("127.0.0.1 listens for this machine only, 0.0.0.0 for every network")
            }
            BrokerError::Listen { .. } => None,
            BrokerError::Threads { .. } => {
                Some("the system's limit of processes or open files may be reached")
            }
        }
    }
}

#[cfg(not(feature = "broker"))]
#[cfg(test)]
mod without_the_feature {
    use super::*;

    #[test]
    fn starting_a_broker_that_was_not_built_says_so_and_what_to_do() {
        let error = EmbeddedBroker::start(&BrokerPlan::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "this mozzie was built without the embedded broker"
        );
        assert_eq!(
            error.hint(),
            Some("install mozzie with its default features")
        );
    }
}
