//! How a received message is printed.

use jiff::Timestamp;

use super::time::Clock;
use super::{json, terminal};
use crate::mqtt::packet::Publish;

/// What `sub` prints for each message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The payload's bytes.
    Raw {
        topic: bool,
        newline: bool,
        /// Make what a terminal would act on visible.
        visible: bool,
    },
    /// One object a line; `parsed` puts payloads that are JSON in as they are.
    Json { parsed: bool },
}

#[derive(Debug)]
pub struct Printer {
    format: Format,
    clock: Clock,
}

impl Printer {
    pub fn new(format: Format) -> Self {
        Self {
            format,
            clock: Clock::new(),
        }
    }

    /// Appends one message.
    pub fn print(&mut self, publish: &Publish, out: &mut Vec<u8>) {
        match self.format {
            Format::Raw {
                topic,
                newline,
                visible,
            } => {
                let text = |bytes: &[u8], out: &mut Vec<u8>| {
                    if visible {
                        terminal::visible(bytes, out);
                    } else {
                        out.extend_from_slice(bytes);
                    }
                };
                // An empty payload prints as mosquitto_sub has it: nothing, or "(null)" behind the
                // topic, and without newlines nothing at all.
                let empty = publish.message.payload.is_empty();
                if empty && !(topic && newline) {
                    return;
                }
                if topic {
                    text(publish.message.topic.as_bytes(), out);
                    out.push(b' ');
                }
                if empty {
                    out.extend_from_slice(b"(null)");
                } else {
                    text(&publish.message.payload, out);
                }
                if newline {
                    out.push(b'\n');
                }
            }
            Format::Json { parsed } => {
                let clock = &mut self.clock;
                json::write(
                    publish,
                    parsed,
                    |out| clock.write(Timestamp::now(), out),
                    out,
                );
                out.push(b'\n');
            }
        }
    }
}
