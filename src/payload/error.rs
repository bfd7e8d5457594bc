//! What can be wrong with the input of `pub`.

use std::io;

use crate::mqtt::Version;
use crate::mqtt::packet::MAX_PACKET_SIZE;
use crate::mqtt::properties::PropertyError;
use crate::mqtt::text::TextError;
use crate::mqtt::topic::TopicError;

/// Why the input ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    #[error("cannot read more of {input}")]
    Read {
        /// How the user knows it: `stdin`, or the file's name.
        input: String,
        source: io::Error,
    },
    /// A payload for which the broker's packets are too small.
    #[error("{place} is larger than the broker's maximum packet size of {maximum} bytes")]
    TooLarge { place: String, maximum: usize },
    #[error(transparent)]
    Bad(#[from] BadRecord),
}

/// A record of the input that is no message.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {why}")]
pub struct BadRecord {
    /// Such as `line 3 of stdin`.
    pub place: String,
    pub why: RecordError,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error("larger than a packet of MQTT can be, {MAX_PACKET_SIZE} bytes")]
    TooLong,
    #[error("'{0}', which separates topic and payload, is not in it")]
    NoSeparator(String),
    #[error("topic '{topic}' {error}")]
    Topic { topic: String, error: TopicError },
    #[error("no topic, and none given with -t")]
    NoTopic,
    #[error("not valid UTF-8, which JSON is")]
    NotUtf8,
    #[error("not a JSON object: {what} at column {column}")]
    Syntax { what: String, column: usize },
    #[error("'{0}' occurs twice")]
    Repeated(&'static str),
    #[error("'{key}' must be {expected}")]
    Value {
        key: &'static str,
        expected: &'static str,
    },
    #[error("'{key}': {error}")]
    Text { key: &'static str, error: TextError },
    #[error("neither 'payload' nor 'payload_b64' (an empty payload is null)")]
    NoPayload,
    #[error(
        "the payload should have {expected} bytes and has {found}: mosquitto's JSON cut it at a NUL or changed it"
    )]
    Cut { expected: u64, found: usize },
    #[error(transparent)]
    Property(#[from] PropertyError),
    #[error("'properties' need MQTT 5, but -V says {0}")]
    NeedsV5(Version),
}
