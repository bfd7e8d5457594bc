//! What a session is told before it begins, and what the broker allows it.

use std::time::Duration;

use crate::packet::{MAX_PACKET_SIZE, Message, Secret};
use crate::properties::{Properties, PropertyId};
use crate::text::Text;
use crate::{QoS, Version};

/// What many sessions share.
#[derive(Debug, Clone)]
pub struct Settings {
    pub version: Version,
    pub clean_start: bool,
    /// Whole seconds; zero turns keep alive off.
    pub keep_alive: Duration,
    pub will: Option<Message>,
    pub connect_properties: Properties,
    /// QoS 1 and 2 publishes that wait for their acknowledgement at once; the broker's receive
    /// maximum may lower it.
    pub max_in_flight: u16,
    /// How long to wait for CONNACK after the stream is up.
    pub connack_timeout: Duration,
    /// Give topics an alias as far as the broker allows (MQTT 5).
    pub alias_topics: bool,
    /// Send a message's own alias to a broker that has not allowed it, as mosquitto's clients do.
    pub any_alias: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: Version::V311,
            clean_start: true,
            keep_alive: Duration::from_secs(60),
            will: None,
            connect_properties: Properties::new(),
            max_in_flight: 20,
            connack_timeout: Duration::from_secs(30),
            alias_topics: false,
            any_alias: false,
        }
    }
}

impl Settings {
    /// The largest packet that the broker may send, in bytes.
    pub(super) fn largest_packet(&self) -> usize {
        let maximum = self
            .connect_properties
            .number(PropertyId::MaximumPacketSize);
        maximum.map_or(MAX_PACKET_SIZE, |maximum| maximum as usize)
    }
}

/// Who one session is.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    pub client_id: Text,
    pub username: Option<Text>,
    pub password: Option<Secret>,
}

/// What the broker allows, from CONNACK (section 3.2.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub receive_maximum: u16,
    pub maximum_qos: QoS,
    pub retain_available: bool,
    /// Bytes of a whole packet.
    pub maximum_packet_size: usize,
    pub topic_alias_maximum: u16,
    pub wildcard_subscriptions: bool,
    pub shared_subscriptions: bool,
    pub subscription_identifiers: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            receive_maximum: u16::MAX,
            maximum_qos: QoS::ExactlyOnce,
            retain_available: true,
            maximum_packet_size: MAX_PACKET_SIZE,
            topic_alias_maximum: 0,
            wildcard_subscriptions: true,
            shared_subscriptions: true,
            subscription_identifiers: true,
        }
    }
}

impl Limits {
    pub fn from_connack(properties: &Properties) -> Self {
        use PropertyId as Id;
        let or = |id, otherwise: u32| properties.number(id).unwrap_or(otherwise);
        Self {
            receive_maximum: or(Id::ReceiveMaximum, 65_535) as u16,
            maximum_qos: match or(Id::MaximumQos, 2) {
                0 => QoS::AtMostOnce,
                1 => QoS::AtLeastOnce,
                _ => QoS::ExactlyOnce,
            },
            retain_available: or(Id::RetainAvailable, 1) == 1,
            maximum_packet_size: (or(Id::MaximumPacketSize, u32::MAX) as usize)
                .min(MAX_PACKET_SIZE),
            topic_alias_maximum: or(Id::TopicAliasMaximum, 0) as u16,
            wildcard_subscriptions: or(Id::WildcardSubscriptionAvailable, 1) == 1,
            shared_subscriptions: or(Id::SharedSubscriptionAvailable, 1) == 1,
            subscription_identifiers: or(Id::SubscriptionIdentifierAvailable, 1) == 1,
        }
    }
}
