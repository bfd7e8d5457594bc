//! Runs the steps of a template for a message.

use jiff::Timestamp;

use super::time::Pieces;
use super::{Complaint, Layout, Number, Step, Template, float, hex};
use crate::digits::padded;
use crate::mqtt::packet::Publish;
use crate::mqtt::properties::{PropertyId, Value};
use crate::output::spread::spread;
use crate::output::time::Clock;
use crate::output::{cjson, json, terminal};

/// A template and what it keeps from one message to the next.
#[derive(Debug)]
pub struct Writer {
    template: Template,
    /// Make what a terminal would act on visible in what comes from the message; what the format
    /// itself says may act.
    visible: bool,
    pieces: Pieces,
    clock: Clock,
}

impl Writer {
    pub fn new(template: Template, visible: bool) -> Self {
        Self {
            template,
            visible,
            pieces: Pieces::new(),
            clock: Clock::new(),
        }
    }

    /// Whether the instant of a message matters.
    pub fn is_timed(&self) -> bool {
        self.template.timed
    }

    /// Appends a message without a newline.
    pub fn write(
        &mut self,
        publish: &Publish,
        received: Timestamp,
        out: &mut Vec<u8>,
        complain: &mut dyn FnMut(Complaint<'_>),
    ) {
        if self.template.timed {
            self.pieces.turn_to(received, &self.template.pieces);
        }
        let message = &publish.message;
        let properties = &message.properties;
        let mut literals = &self.template.literals[..];
        let mut next_piece = 0..;
        let mut piece = || self.pieces.get(next_piece.next().unwrap_or_default());
        for step in &self.template.steps {
            let at = out.len();
            match step {
                Step::Literal(len) => {
                    let (literal, rest) = literals.split_at(*len);
                    out.extend_from_slice(literal);
                    literals = rest;
                    continue;
                }
                Step::Topic(field) => field.text(message.topic.as_bytes(), out),
                Step::Payload(field) => field.payload(&message.payload, out),
                Step::Hex(field, case) => hex::write(field, *case, &message.payload, out),
                Step::Float(field) => {
                    if !float::write_single(field, &message.payload, out) {
                        let (topic, len) = (message.topic.as_str(), message.payload.len());
                        complain(Complaint::Float { topic, len });
                    }
                }
                Step::Double(field) => {
                    if !float::write_double(field, &message.payload, out) {
                        let (topic, len) = (message.topic.as_str(), message.payload.len());
                        complain(Complaint::Double { topic, len });
                    }
                }
                Step::Number(number, field) => match number.of(publish) {
                    Some(number) => field.number(number, out),
                    None => field.blank(out),
                },
                Step::ContentType(field) => match properties.text(PropertyId::ContentType) {
                    Some(text) => field.text(text.as_bytes(), out),
                    None => field.blank(out),
                },
                // Without one not even the width is kept.
                Step::ResponseTopic(field) => {
                    if let Some(text) = properties.text(PropertyId::ResponseTopic) {
                        field.text(text.as_bytes(), out);
                    }
                }
                Step::CorrelationData => {
                    if let Some(Value::Binary(data)) = properties.get(PropertyId::CorrelationData) {
                        out.extend_from_slice(data);
                    }
                }
                Step::UserProperties => user_properties(publish, out),
                Step::Qos => out.push(b'0' + message.qos as u8),
                Step::Retain => out.push(b'0' + u8::from(message.retain)),
                Step::Time(field) => field.text(piece(), out),
                Step::Nanoseconds => nanoseconds(received, out),
                Step::Json { parsed, layout } => {
                    let clock = &mut self.clock;
                    let tst = |out: &mut Vec<u8>| clock.write(received, out);
                    json::write(publish, *parsed, tst, out);
                    if *layout == Layout::Pretty {
                        spread(at, out);
                    }
                }
                Step::MosquittoJson { parsed, layout } => {
                    let tst = cjson::Time {
                        before: piece(),
                        microseconds: subsecond(received) / 1000,
                        behind: piece(),
                    };
                    if !cjson::write(publish, *parsed, &tst, *layout, out) {
                        let topic = message.topic.as_str();
                        complain(Complaint::Json { topic });
                    }
                }
            }
            if self.visible && step.may_act() {
                let raw = out.split_off(at);
                terminal::visible(&raw, out);
            }
        }
    }
}

impl Step {
    /// Whether it prints bytes of somebody else's.
    fn may_act(&self) -> bool {
        matches!(
            self,
            Self::Topic(_)
                | Self::Payload(_)
                | Self::ContentType(_)
                | Self::ResponseTopic(_)
                | Self::CorrelationData
                | Self::UserProperties
        )
    }
}

impl Number {
    /// What is printed, if the message has it.
    fn of(self, publish: &Publish) -> Option<i64> {
        let property = |id| publish.message.properties.number(id).map(i64::from);
        match self {
            Self::PayloadLength => i64::try_from(publish.message.payload.len()).ok(),
            Self::PacketId => Some(i64::from(publish.packet_id)),
            Self::TopicAlias => property(PropertyId::TopicAlias),
            Self::MessageExpiry { signed: false } => property(PropertyId::MessageExpiryInterval),
            Self::MessageExpiry { signed: true } => publish
                .message
                .properties
                .number(PropertyId::MessageExpiryInterval)
                .map(|seconds| i64::from(seconds.cast_signed())),
            Self::PayloadFormat => property(PropertyId::PayloadFormatIndicator),
            Self::SubscriptionIdentifier => property(PropertyId::SubscriptionIdentifier),
        }
    }
}

/// `name:value name:value`
fn user_properties(publish: &Publish, out: &mut Vec<u8>) {
    let mut first = true;
    for property in &publish.message.properties {
        if let Value::Pair(name, value) = property.value() {
            if !std::mem::take(&mut first) {
                out.push(b' ');
            }
            out.extend_from_slice(name.as_bytes());
            out.push(b':');
            out.extend_from_slice(value.as_bytes());
        }
    }
}

fn nanoseconds(received: Timestamp, out: &mut Vec<u8>) {
    padded::<9>(subsecond(received), out);
}

/// Nanoseconds since the second began.
fn subsecond(received: Timestamp) -> u32 {
    received.as_nanosecond().rem_euclid(1_000_000_000) as u32
}
