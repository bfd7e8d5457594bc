//! MQTT without I/O and without a clock: packets, properties, topics, codecs and the session.
//!
//! The seam: no other folder names the rumqttc crates.

pub mod codec;
mod describe;
pub mod packet;
pub mod properties;
pub mod reason;
pub mod session;

pub mod text;
pub mod topic;

use std::fmt;
use std::str::FromStr;

/// The protocol versions that differ on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// MQTT 3.1: protocol name `MQIsdp`, level 3.
    V31,
    /// MQTT 3.1.1: protocol name `MQTT`, level 4.
    V311,
    /// MQTT 5: protocol name `MQTT`, level 5.
    V5,
}

impl Version {
    pub fn has_properties(self) -> bool {
        self == Self::V5
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V31 => "3.1",
            Self::V311 => "3.1.1",
            Self::V5 => "5",
        })
    }
}

#[derive(Debug, thiserror::Error)]
#[error("'{0}' is not a protocol version (use 31, 311 or 5)")]
pub struct VersionError(String);

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        match typed {
            "31" | "3.1" | "mqttv31" => Ok(Self::V31),
            "311" | "3.1.1" | "mqttv311" => Ok(Self::V311),
            "5" | "5.0" | "mqttv5" => Ok(Self::V5),
            _ => Err(VersionError(typed.to_owned())),
        }
    }
}

/// Quality of service: what the sender of a message promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum QoS {
    #[default]
    AtMostOnce = 0,
    AtLeastOnce = 1,
    ExactlyOnce = 2,
}

impl QoS {
    pub fn from_u8(level: u8) -> Option<Self> {
        match level {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }
}

impl fmt::Display for QoS {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", *self as u8)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("'{0}' is not a quality of service (use 0, 1 or 2)")]
pub struct QoSError(String);

impl FromStr for QoS {
    type Err = QoSError;

    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        match typed {
            "0" => Ok(Self::AtMostOnce),
            "1" => Ok(Self::AtLeastOnce),
            "2" => Ok(Self::ExactlyOnce),
            _ => Err(QoSError(typed.to_owned())),
        }
    }
}
