//! What stands beside a payload that is not ours to change: its stamp, a digest of the payload, and how late
//! the message was sent. Pure.
//!
//! 28 bytes: [`Stamp`] (16), CRC-32 of the payload (4, most significant first), [`Lag`] (8). In a user
//! property they are base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::{BufMut, Bytes, BytesMut};

use super::stamp::{Broken, LAG_LEN, Lag, STAMP_LEN, Stamp};
use crate::mqtt::packet::Message;
use crate::mqtt::properties::{Place, Properties, Property, PropertyId, Value};
use crate::mqtt::text::Text;

pub const SEAL_LEN: usize = STAMP_LEN + 4 + LAG_LEN;
/// Digits of base64 that a seal has.
const TEXT_LEN: usize = (SEAL_LEN * 4).div_ceil(3);
/// The name of the user property.
const NAME: &str = "mozzie";
/// Bytes that the user property adds to a message: identifier, two lengths, name and value.
pub const PROPERTY_LEN: usize = 5 + NAME.len() + TEXT_LEN;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seal {
    pub stamp: Stamp,
    pub digest: u32,
    pub lag: Lag,
}

impl Seal {
    pub fn of(payload: &[u8], stamp: Stamp, lag: Lag) -> Self {
        Self {
            stamp,
            digest: digest(payload),
            lag,
        }
    }

    pub fn encode(&self) -> [u8; SEAL_LEN] {
        let mut bytes = [0; SEAL_LEN];
        let mut out = &mut bytes[..];
        out.put_slice(&self.stamp.encode());
        out.put_u32(self.digest);
        out.put_slice(&self.lag.encode());
        bytes
    }

    pub fn decode(bytes: [u8; SEAL_LEN]) -> Result<Self, Broken> {
        let (stamp, rest) = bytes.split_first_chunk().ok_or(Broken)?;
        let (digest, lag) = rest.split_first_chunk().ok_or(Broken)?;
        Ok(Self {
            stamp: Stamp::decode(*stamp)?,
            digest: u32::from_be_bytes(*digest),
            lag: Lag::decode(*lag.first_chunk().ok_or(Broken)?)?,
        })
    }

    pub fn fits(&self, payload: &[u8]) -> bool {
        self.digest == digest(payload)
    }

    /// Adds it to the properties of a message. The text's bytes are carved from `block`.
    pub fn add_to(&self, properties: &mut Properties, name: &Text, block: &mut BytesMut) {
        block.resize(TEXT_LEN, 0);
        // As many digits as there is room for, and nothing but ASCII.
        let _ = STANDARD_NO_PAD.encode_slice(self.encode(), block);
        let value = Text::from_bytes(block.split().freeze()).expect("base64 is text");
        let property = Property::new(PropertyId::UserProperty, Value::Pair(name.clone(), value));
        let added = property.and_then(|property| properties.push(Place::Publish, property));
        added.expect("a PUBLISH takes any number of user properties");
    }

    /// What a message has beside its payload: nothing, a seal, or what was one.
    pub fn beside(message: &Message) -> Option<Result<Self, Broken>> {
        let pairs = message
            .properties
            .iter()
            .filter_map(|one| match one.value() {
                Value::Pair(name, value) if name.as_bytes() == NAME.as_bytes() => Some(value),
                _ => None,
            });
        let text = pairs.last()?;
        let mut bytes = [0; SEAL_LEN];
        Some(
            match STANDARD_NO_PAD.decode_slice(text.as_bytes(), &mut bytes) {
                Ok(SEAL_LEN) => Self::decode(bytes),
                Ok(_) | Err(_) => Err(Broken),
            },
        )
    }

    /// The user property's name.
    pub fn name() -> Text {
        Text::from_bytes(Bytes::from_static(NAME.as_bytes())).expect("a name is text")
    }

    /// Whether what stands behind a payload, and is no seal any more, was one of this run.
    pub fn was_behind(payload: &[u8], bytes: &[u8; SEAL_LEN], run: u16) -> bool {
        let (stamp, rest) = bytes.split_at(STAMP_LEN);
        stamp.starts_with(&run.to_be_bytes()) || rest.starts_with(&digest(payload).to_be_bytes())
    }
}

pub fn digest(payload: &[u8]) -> u32 {
    crc32fast::hash(payload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sealed(payload: &[u8]) -> Seal {
        Seal::of(payload, Stamp::new(7, 3, 99, 1_234_567), Lag(17))
    }

    fn message(properties: Properties) -> Message {
        Message {
            topic: Text::try_from("a").unwrap(),
            payload: Bytes::new(),
            qos: crate::mqtt::QoS::AtMostOnce,
            retain: false,
            properties,
        }
    }

    #[test]
    fn a_seal_stands_in_a_user_property_behind_those_of_the_user() {
        let seal = sealed(b"text");
        let mut properties = Properties::new();
        let mut push = |name: &str, value: &str| {
            let pair = Value::Pair(name.try_into().unwrap(), value.try_into().unwrap());
            let property = Property::new(PropertyId::UserProperty, pair).unwrap();
            properties.push(Place::Publish, property).unwrap();
        };
        push("mozzie", "the user's own");
        push("a", "b");
        assert_eq!(
            Seal::beside(&message(properties.clone())),
            Some(Err(Broken))
        );
        let before = properties.block_len();
        seal.add_to(&mut properties, &Seal::name(), &mut BytesMut::new());
        assert_eq!(properties.block_len() - before, PROPERTY_LEN);
        let message = message(properties);
        assert_eq!(Seal::beside(&message), Some(Ok(seal)));
        assert_eq!(Seal::beside(&self::message(Properties::new())), None);
    }

    proptest! {
        #[test]
        fn a_seal_survives_its_bytes_and_a_changed_bit_shows(
            payload in prop::collection::vec(any::<u8>(), 0..64),
            bit in 0..8 * SEAL_LEN,
        ) {
            let seal = sealed(&payload);
            let mut bytes = seal.encode();
            prop_assert_eq!(Seal::decode(bytes), Ok(seal));
            prop_assert!(seal.fits(&payload));
            bytes[bit / 8] ^= 1 << (bit % 8);
            match Seal::decode(bytes) {
                Ok(changed) => prop_assert!(!changed.fits(&payload)),
                Err(Broken) => prop_assert!(Seal::was_behind(&payload, &bytes, 7)),
            }
        }

        #[test]
        fn a_changed_payload_does_not_fit(
            mut payload in prop::collection::vec(any::<u8>(), 1..64),
            at in any::<prop::sample::Index>(),
            bit in 0..8_u32,
        ) {
            let seal = sealed(&payload);
            let at = at.index(payload.len());
            payload[at] ^= 1_u8 << bit;
            prop_assert!(!seal.fits(&payload));
            prop_assert!(!seal.fits(&payload[..at]));
        }
    }
}
