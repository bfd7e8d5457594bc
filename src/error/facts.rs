//! An error as a program reads it, for `--json-errors`: its kind, and what the broker said.

use super::{Error, Refusal};
use crate::bench::{BenchError, ConnectionError};
use crate::mqtt::packet::{ConnAck, Disconnect};
use crate::mqtt::properties::{Properties, PropertyId};
use crate::mqtt::reason::Reason;
use crate::mqtt::session::SessionError;

/// What an error has beside its code, message and hint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// A word for each kind of failure, which stays the same.
    pub kind: &'static str,
    /// The broker's reason: code and name.
    pub reason: Option<(Reason, String)>,
    pub reason_string: Option<String>,
    pub server_reference: Option<String>,
    pub topic: Option<String>,
}

impl Facts {
    fn of(kind: &'static str) -> Self {
        Self {
            kind,
            ..Self::default()
        }
    }

    /// What is known of the failure below one of this kind.
    fn about(kind: &'static str, below: Option<&Error>) -> Self {
        Self {
            kind,
            ..below.map_or_else(Self::default, Error::facts)
        }
    }

    fn said(kind: &'static str, reason: Reason, name: String, properties: &Properties) -> Self {
        let text = |id| properties.text(id).map(ToString::to_string);
        Self {
            kind,
            reason: Some((reason, name)),
            reason_string: text(PropertyId::ReasonString),
            server_reference: text(PropertyId::ServerReference),
            topic: None,
        }
    }

    fn refusal(kind: &'static str, refusal: &Refusal) -> Self {
        let reason = refusal.reason;
        Self {
            reason: reason.map(|reason| (reason, reason.name().to_owned())),
            reason_string: refusal.reason_string.clone(),
            ..Self::of(kind)
        }
    }

    fn refused(connack: &ConnAck) -> Self {
        let name = connack.reason.connect_name().to_string();
        Self::said("refused", connack.reason, name, &connack.properties)
    }

    fn ended(disconnect: &Disconnect) -> Self {
        let name = disconnect.reason.name().to_owned();
        Self::said("ended", disconnect.reason, name, &disconnect.properties)
    }

    fn session(error: &SessionError) -> Self {
        match error {
            SessionError::Refused(connack) => Self::refused(connack),
            SessionError::ConnAckTimeout(_) => Self::of("unreachable"),
            SessionError::KeepAliveTimeout(_) => Self::of("connection-lost"),
            SessionError::Decode(_) | SessionError::Protocol { .. } | SessionError::Encode(_) => {
                Self::of("protocol")
            }
        }
    }

    fn bench(error: &BenchError) -> Self {
        let BenchError::NoConnection { first, .. } = error else {
            return Self::of("bench");
        };
        match first {
            ConnectionError::Session(error) => Self::session(error),
            ConnectionError::Dial(_) | ConnectionError::Io(_) | ConnectionError::Closed => {
                Self::of("unreachable")
            }
            ConnectionError::Disconnected(_) => Self::of("ended"),
            ConnectionError::Authentication => Self::of("authentication"),
            ConnectionError::SubscriptionRefused(_) => Self::of("subscribe-refused"),
            ConnectionError::Text(_) => Self::of("usage"),
        }
    }
}

impl Error {
    pub fn facts(&self) -> Facts {
        match self {
            Self::Usage { .. } | Self::Mosquitto(_) => Facts::of("usage"),
            Self::Input { .. } | Self::EmptyInput | Self::BadRecord { .. } => Facts::of("input"),
            Self::Tls(_) => Facts::of("tls-settings"),
            Self::Dial(_) => Facts::of("unreachable"),
            Self::Refused(connack) => Facts::refused(connack),
            Self::Session(error) | Self::Violation(error) => Facts::session(error),
            Self::Ended(disconnect) => Facts::ended(disconnect),
            Self::Authentication(_) => Facts::of("authentication"),
            Self::NotAccepted(_) | Self::ConnectionLost(_) => Facts::of("connection-lost"),
            Self::RetriesUsedUp { last, .. } | Self::DroppedAgainAndAgain { last, .. } => {
                last.facts()
            }
            Self::PublishRefused { topic, why } => Facts {
                topic: Some(topic.clone()),
                ..Facts::refusal("publish-refused", why)
            },
            Self::SubscribeRefused(why) => Facts::refusal("subscribe-refused", why),
            Self::TimedOut(_) => Facts::of("timeout"),
            Self::NoReply(_) => Facts::of("no-reply"),
            Self::Command(_) => Facts::of("command"),
            Self::Unanswered { .. } => Facts::of("unanswered"),
            Self::NotAcknowledged { cause, .. } => {
                Facts::about("not-acknowledged", cause.as_deref())
            }
            Self::Unsent { verdict, .. } => Facts::about("io", verdict.as_deref()),
            Self::Interrupted(..) => Facts::of("interrupted"),
            Self::Io { .. } => Facts::of("io"),
            Self::Broker(_) => Facts::of("broker"),
            Self::Bench(error) => Facts::bench(error),
            Self::Checks { .. } => Facts::of("checks"),
            Self::BenchFailed { .. } => Facts::of("bench-failed"),
            Self::BenchInvalid(_) => Facts::of("bench-invalid"),
        }
    }
}
