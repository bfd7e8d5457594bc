//! What messages carry, and where their stamps are, as the plan has it. The bytes are made in `payloads`.

use std::sync::Arc;

use bytes::Bytes;

use super::sizes::Sizes;
use super::stamp::STAMP_LEN;
use super::template::Template;
use crate::mqtt::text::Text;

/// What messages carry.
#[derive(Debug, Clone)]
pub enum Payload {
    Filler(Sizes),
    /// The user's text or file.
    Text(Arc<Template>),
    /// The user's messages, one after the other and then from the start again, each with its topic.
    Recorded(Arc<[Recorded]>),
}

/// A message of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub topic: Text,
    pub payload: Bytes,
}

/// Where stamps are asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stamping {
    /// In every message where that changes nothing that is the user's.
    #[default]
    Auto,
    /// In the payload, or behind the user's own.
    Payload,
    /// In a user property (MQTT 5).
    Property,
    None,
}

/// Where a run's messages have their stamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamps {
    /// Nowhere: messages are only counted, so there is no latency to the subscriber and no telling of
    /// one from another.
    None,
    /// At the start of the filler, whose rest is known.
    Filler,
    /// Behind the user's payload, as a [`Seal`](super::seal::Seal).
    Behind,
    /// In a user property, as a [`Seal`](super::seal::Seal).
    Property,
}

impl Stamps {
    /// As the result calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Filler => "payload",
            Self::Behind => "behind-payload",
            Self::Property => "property",
        }
    }
}

impl Payload {
    /// Where stamps are, when they are asked for there. `has_properties`: MQTT 5 is spoken.
    pub fn stamps(&self, asked: Stamping, has_properties: bool) -> Stamps {
        let in_payload = match self {
            Self::Filler(sizes) if sizes.min() >= STAMP_LEN => Some(Stamps::Filler),
            Self::Filler(_) => None,
            Self::Text(_) | Self::Recorded(_) => Some(Stamps::Behind),
        };
        match (asked, in_payload) {
            (Stamping::None, _) => Stamps::None,
            (Stamping::Property, _) => Stamps::Property,
            (Stamping::Payload, in_payload) => in_payload.unwrap_or(Stamps::None),
            (Stamping::Auto, Some(Stamps::Filler)) => Stamps::Filler,
            (Stamping::Auto, _) if has_properties => Stamps::Property,
            (Stamping::Auto, _) => Stamps::None,
        }
    }

    /// Bytes of the smallest and the largest payload; of a text as it was typed.
    pub fn bounds(&self) -> (usize, usize) {
        match self {
            Self::Filler(sizes) => (sizes.min(), sizes.max()),
            Self::Text(text) => (text.text().len(), text.text().len()),
            Self::Recorded(messages) => {
                let sizes = || messages.iter().map(|message| message.payload.len());
                (sizes().min().unwrap_or(0), sizes().max().unwrap_or(0))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_stand_where_they_change_nothing_that_is_the_users() {
        let filler = |size| Payload::Filler(Sizes::fixed(size));
        let text = || Payload::Text(Arc::new(Template::new(b"text")));
        for (payload, asked, in_3, in_5) in [
            (filler(16), Stamping::Auto, Stamps::Filler, Stamps::Filler),
            (filler(15), Stamping::Auto, Stamps::None, Stamps::Property),
            (filler(15), Stamping::Payload, Stamps::None, Stamps::None),
            (text(), Stamping::Auto, Stamps::None, Stamps::Property),
            (text(), Stamping::Payload, Stamps::Behind, Stamps::Behind),
            (text(), Stamping::None, Stamps::None, Stamps::None),
            (filler(64), Stamping::None, Stamps::None, Stamps::None),
        ] {
            assert_eq!(payload.stamps(asked, false), in_3, "{payload:?} {asked:?}");
            assert_eq!(payload.stamps(asked, true), in_5, "{payload:?} {asked:?}");
        }
    }
}
