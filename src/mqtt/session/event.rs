//! What a session tells its owner: events, and why something cannot go on.

use std::time::Duration;

use super::inbound::Receipt;
use crate::QoS;
use crate::codec::{DecodeError, EncodeError};
use crate::packet::{Auth, ConnAck, Disconnect, Message, Packet, Publish, SubAck};
use crate::properties::Properties;
use crate::reason::Reason;

/// What happened, as far as the session's owner must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The broker accepted the connection.
    Connected(ConnAck),
    /// A message for us, its topic alias resolved. QoS 1 and 2 are acknowledged by the session, or, with
    /// a receipt, when the owner gives that back.
    Message(Publish, Option<Receipt>),
    /// A publish of ours has ended: PUBACK, PUBCOMP, or a refusing PUBREC.
    Acknowledged(Acknowledged),
    /// A kept publish cannot be sent to the broker that we are connected to now.
    Undeliverable {
        token: u64,
        message: Box<Message>,
        error: PublishError,
    },
    Subscribed(SubAck),
    Unsubscribed(SubAck),
    /// The answer to [`Session::ping`](super::Session::ping).
    Pong,
    /// The broker asks for the next step of an authentication exchange.
    Auth(Auth),
    /// The broker ends the connection and says why (MQTT 5).
    Disconnected(Disconnect),
    /// An acknowledgement for nothing of ours. Worth a warning; the connection goes on.
    Unexpected {
        packet: &'static str,
        packet_id: u16,
    },
}

/// The end of a QoS 1 or 2 publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// What [`Session::publish`] was given.
    pub token: u64,
    pub packet_id: u16,
    pub qos: QoS,
    /// Below 0x80: delivered to the broker.
    pub reason: Reason,
    pub properties: Properties,
    /// The message itself where the broker refused it.
    pub refused: Option<Box<Message>>,
}

/// Why the connection cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    #[error("the broker refused the connection: {} ({})", .0.reason.connect_name(), .0.reason.0)]
    Refused(ConnAck),
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error("the broker broke the protocol: {what}")]
    Protocol { reason: Reason, what: String },
    #[error("no CONNACK within {} s", .0.as_secs_f32())]
    ConnAckTimeout(Duration),
    #[error("no answer to PINGREQ within {} s", .0.as_secs_f32())]
    KeepAliveTimeout(Duration),
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// Why a message was not taken for publishing. Nothing was sent or kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    #[error("not connected")]
    NotConnected,
    /// Wait for an acknowledgement.
    #[error("the in-flight window is full")]
    WindowFull,
    #[error("QoS {wanted} is not supported by the broker, which takes QoS {maximum} at most")]
    QosNotSupported { wanted: QoS, maximum: QoS },
    #[error("the broker does not take retained messages")]
    RetainNotSupported,
    #[error("the packet of {size} bytes is larger than the broker's maximum of {maximum}")]
    TooLarge { size: usize, maximum: usize },
    #[error("topic alias {alias} is above the broker's maximum of {maximum}")]
    TopicAlias { alias: u16, maximum: u16 },
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Sent,
    Received,
}

/// What an [`Observer`] sees: one packet on its way.
#[derive(Debug, Clone, Copy)]
pub struct Sight<'a> {
    pub direction: Direction,
    /// `None` for bytes from the broker that are no packet.
    pub packet: Option<&'a Packet>,
    /// The packet's first bytes, without those that are secret.
    pub bytes: &'a [u8],
    /// How many bytes there are in all.
    pub len: usize,
}

/// Sees every packet, both ways.
pub type Observer = Box<dyn FnMut(Sight<'_>) + Send>;
