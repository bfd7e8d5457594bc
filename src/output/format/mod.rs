//! `-F`: a line of one's own for each message, in mosquitto's language of `%`, `@` and `\`.
//!
//! A format is parsed once into a [`Template`], a list of steps; a [`Writer`] runs the steps for each
//! message without allocating. Which JSON `%j` and `%J` mean is the [`JsonDialect`]; who hears a
//! [`Complaint`] is the caller's.

mod error;
mod field;
mod float;
mod hex;
mod parse;
mod time;
mod write;

pub use error::{Complaint, TemplateError};
pub use write::Writer;

use field::Field;
use time::Piece;

pub use super::cjson::Layout;

/// Which JSON `%j` and `%J` print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonDialect {
    /// mozzie's, which loses nothing: `%j` as `--json`, `%J` as `--json=parsed`.
    Native(Layout),
    /// mosquitto's, byte for byte, also where it loses something.
    Mosquitto(Layout),
}

/// A parsed format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    steps: Vec<Step>,
    /// What stands between the specifiers, one after the other.
    literals: Vec<u8>,
    /// What is printed of the time: it changes once a second, so it is kept that long.
    pieces: Vec<Piece>,
    /// Whether the instant of the message is printed at all.
    timed: bool,
}

/// What is printed next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// This many of the literal bytes.
    Literal(usize),
    Topic(Field),
    Payload(Field),
    Hex(Field, hex::Case),
    Float(Field),
    Double(Field),
    Number(Number, Field),
    ContentType(Field),
    ResponseTopic(Field),
    CorrelationData,
    UserProperties,
    Qos,
    Retain,
    /// The next of the pieces.
    Time(Field),
    Nanoseconds,
    Json {
        parsed: bool,
        layout: Layout,
    },
    /// Takes two pieces: what stands before the microseconds and what behind.
    MosquittoJson {
        parsed: bool,
        layout: Layout,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    PayloadLength,
    PacketId,
    TopicAlias,
    MessageExpiry {
        /// As mosquitto has it: half of all values come out negative.
        signed: bool,
    },
    PayloadFormat,
    SubscriptionIdentifier,
}

#[cfg(test)]
mod tests;
