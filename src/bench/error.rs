//! What can go wrong with a connection, and with a run as a whole.

use std::io;

use super::limits::Shortage;
use super::plan::PlanError;
use super::stream::DialError;
use super::template::UnknownPlace;
use crate::mqtt::codec::DecodeError;
use crate::mqtt::reason::Reason;
use crate::mqtt::session::SessionError;
use crate::mqtt::text::TextError;
use crate::net;

/// As brokers before MQTT 5 say it.
const UNACCEPTABLE_VERSION: Reason = Reason(1);

/// Why a connection failed or broke.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    #[error(transparent)]
    Dial(DialError),
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error("{}", broken_text(.0))]
    Io(io::Error),
    #[error("the broker closed the connection")]
    Closed,
    #[error("the broker ended the connection: {0}")]
    Disconnected(Reason),
    #[error("the broker refused the subscription: {0}")]
    SubscriptionRefused(Reason),
    #[error("the broker asks for an authentication exchange")]
    Authentication,
    #[error("the topic or a name is not usable")]
    Text(#[from] TextError),
}

impl ConnectionError {
    /// The next step, where it is a local port that was missing.
    pub fn ports_hint(&self) -> Option<&'static str> {
        match self {
            Self::Dial(DialError::NoLocalPort { bind: None, .. }) => Some(
                "give local addresses with --source-ip (the ports of one need no rest after a connection), or widen net.ipv4.ip_local_port_range",
            ),
            Self::Dial(DialError::NoLocalPort { bind: Some(_), .. }) => Some(
                "the rest is in other hands, or was closed within the last minute without TCP timestamps: add addresses to --source-ip, or widen net.ipv4.ip_local_port_range",
            ),
            _ => None,
        }
    }
}

/// With TLS 1.3 a broker's "no" to a client certificate is an error of the open connection.
fn broken_text(error: &io::Error) -> String {
    match net::explain_io(error) {
        Some(problem) => format!("TLS: {problem}"),
        None => format!("the connection broke: {}", net::io_reason(error)),
    }
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Shortage(#[from] Shortage),
    #[error("cannot start a worker thread: {0}")]
    Worker(io::Error),
    #[error("a worker thread died")]
    WorkerDied,
    /// Not one of the connections came about.
    #[error("{}{first}", none_of(*clients))]
    NoConnection {
        clients: usize,
        first: ConnectionError,
    },
}

fn none_of(clients: usize) -> String {
    match clients {
        1 => String::new(),
        _ => format!("none of {clients} connections succeeded: "),
    }
}

impl BenchError {
    /// The next step, where there is one.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Plan(error) => match error {
                PlanError::NoClients => Some("ask for publishers, subscribers or idle connections"),
                PlanError::NoEnd => Some("give a number of messages, a duration or both"),
                PlanError::NobodyPublishes => Some("give a duration, or add a publisher"),
                PlanError::NobodyToPace => Some("leave it out, or add a publisher"),
                PlanError::DriesUp(_) => Some("let the ramp end above 0, or give a duration"),
                PlanError::Topic(_) | PlanError::BoundTopic { .. } => {
                    Some("a topic name has no wildcards; {i} stands for the connection's number")
                }
                PlanError::ChangingFilter => {
                    Some("a wildcard stands for whatever changes; {i} is the connection's number")
                }
                PlanError::UnknownPlace(_) => Some(UnknownPlace::HINT),
                PlanError::PartlyHeard(_) => Some(
                    "subscribe to all topics of a publisher, or to none: else loss cannot be told",
                ),
                PlanError::SameClientId(_) => {
                    Some("put {c}, the connection's number, into the client identifier")
                }
                PlanError::FewClientIds { .. } => {
                    Some("add lines to the file, or leave out its client identifiers")
                }
                PlanError::NoRoomForStamp(_) => {
                    Some("make it larger, or use --stamp property (MQTT 5) or none")
                }
                PlanError::NoProperties(_) => Some("use -V 5, or leave out --stamp"),
                PlanError::TooManyPublishers(_)
                | PlanError::PayloadTooLarge(_)
                | PlanError::Name(_)
                | PlanError::Zero(_) => None,
            },
            Self::Shortage(shortage) => Some(shortage.hint()),
            Self::Worker(_) => Some("use fewer workers"),
            Self::WorkerDied => Some("this is a bug; please report it"),
            Self::NoConnection { first, .. } => match first {
                ConnectionError::Dial(_) => Some("check host and port, and that a broker listens"),
                ConnectionError::Session(SessionError::Refused(refused))
                    if [UNACCEPTABLE_VERSION, Reason::UNSUPPORTED_PROTOCOL_VERSION]
                        .contains(&refused.reason) =>
                {
                    Some("the broker wants another version: -V 5, -V 311 or -V 31")
                }
                ConnectionError::Session(SessionError::Decode(DecodeError::OldBroker(_))) => Some(
                    "use -V 311; a payload that has no room for a stamp is then only counted, or takes --stamp payload",
                ),
                ConnectionError::Session(SessionError::Refused(_)) => {
                    Some("check user name, password and client identifier")
                }
                ConnectionError::SubscriptionRefused(_) => {
                    Some("check that this user may subscribe to the topic")
                }
                ConnectionError::Session(_)
                | ConnectionError::Io(_)
                | ConnectionError::Closed
                | ConnectionError::Disconnected(_)
                | ConnectionError::Authentication
                | ConnectionError::Text(_) => None,
            },
        }
    }
}
