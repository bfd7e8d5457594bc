//! Neutral packets: one set for all protocol versions. Properties are empty before MQTT 5.

use bytes::Bytes;

use super::QoS;
use super::properties::{Properties, PropertyId};
use super::reason::Reason;
use super::text::Text;

/// The largest remaining length that the protocol can express, in bytes (section 1.5.5).
pub const MAX_REMAINING_LENGTH: usize = 268_435_455;
/// The largest packet: one header byte, four length bytes and the remaining length.
pub const MAX_PACKET_SIZE: usize = MAX_REMAINING_LENGTH + 5;

/// What a publisher hands over and a subscriber gets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    pub topic: Text,
    pub payload: Bytes,
    pub qos: QoS,
    pub retain: bool,
    pub properties: Properties,
}

/// A password: its bytes never show in debug output.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(pub Bytes);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    Connect(Box<Connect>),
    ConnAck(ConnAck),
    Publish(Publish),
    PubAck(Ack),
    PubRec(Ack),
    PubRel(Ack),
    PubComp(Ack),
    Subscribe(Subscribe),
    SubAck(SubAck),
    Unsubscribe(Unsubscribe),
    UnsubAck(SubAck),
    PingReq,
    PingResp,
    Disconnect(Disconnect),
    Auth(Auth),
}

impl Packet {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Connect(_) => "CONNECT",
            Self::ConnAck(_) => "CONNACK",
            Self::Publish(_) => "PUBLISH",
            Self::PubAck(_) => "PUBACK",
            Self::PubRec(_) => "PUBREC",
            Self::PubRel(_) => "PUBREL",
            Self::PubComp(_) => "PUBCOMP",
            Self::Subscribe(_) => "SUBSCRIBE",
            Self::SubAck(_) => "SUBACK",
            Self::Unsubscribe(_) => "UNSUBSCRIBE",
            Self::UnsubAck(_) => "UNSUBACK",
            Self::PingReq => "PINGREQ",
            Self::PingResp => "PINGRESP",
            Self::Disconnect(_) => "DISCONNECT",
            Self::Auth(_) => "AUTH",
        }
    }

    /// So many bytes at the end of the packet may show a login: a password ends a CONNECT in all versions, and of
    /// a packet with authentication data nothing is to be seen.
    pub fn secret_tail(&self) -> usize {
        let (properties, password) = match self {
            Self::Connect(connect) => (&connect.properties, connect.password.as_ref()),
            Self::ConnAck(connack) => (&connack.properties, None),
            Self::Auth(auth) => (&auth.properties, None),
            _ => return 0,
        };
        if properties.get(PropertyId::AuthenticationData).is_some() {
            return usize::MAX;
        }
        // with its length
        password.map_or(0, |password| password.0.len() + 2)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Connect {
    pub client_id: Text,
    pub clean_start: bool,
    /// Seconds; 0 turns keep alive off.
    pub keep_alive: u16,
    pub username: Option<Text>,
    pub password: Option<Secret>,
    pub will: Option<Message>,
    pub properties: Properties,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnAck {
    pub session_present: bool,
    pub reason: Reason,
    pub properties: Properties,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Publish {
    pub dup: bool,
    /// 0 at QoS 0, which carries none.
    pub packet_id: u16,
    pub message: Message,
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ack {
    pub packet_id: u16,
    pub reason: Reason,
    pub properties: Properties,
}

impl Ack {
    /// Success, without more to say.
    pub fn of(packet_id: u16) -> Self {
        Self {
            packet_id,
            ..Self::default()
        }
    }
}

/// When the broker sends the retained messages of a new subscription (section 3.8.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RetainHandling {
    #[default]
    Always = 0,
    New = 1,
    Never = 2,
}

/// One topic filter of a SUBSCRIBE with its options.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subscription {
    pub filter: Text,
    pub qos: QoS,
    pub no_local: bool,
    pub retain_as_published: bool,
    pub retain_handling: RetainHandling,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subscribe {
    pub packet_id: u16,
    pub subscriptions: Vec<Subscription>,
    pub properties: Properties,
}

/// SUBACK or UNSUBACK: one reason for each filter that was asked for (none in an UNSUBACK before MQTT 5).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SubAck {
    pub packet_id: u16,
    pub reasons: Vec<Reason>,
    pub properties: Properties,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unsubscribe {
    pub packet_id: u16,
    pub filters: Vec<Text>,
    pub properties: Properties,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Disconnect {
    pub reason: Reason,
    pub properties: Properties,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Auth {
    pub reason: Reason,
    pub properties: Properties,
}
