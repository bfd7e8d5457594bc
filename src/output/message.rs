//! How a received message is printed.

use jiff::Timestamp;

use super::format::{Complaint, Layout, Template, Writer};
use super::time::Clock;
use super::{Color, Palette};
use super::{json, spread::spread, terminal};
use crate::mqtt::packet::Publish;

/// What `sub` prints for each message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// The payload's bytes; unless made visible, byte for byte what mosquitto's clients print.
    Raw {
        topic: bool,
        newline: bool,
        /// Make what a terminal would act on visible.
        visible: bool,
        /// For the topic.
        palette: Palette,
    },
    /// One object a line; `parsed` puts payloads that are JSON in as they are.
    Json { parsed: bool, layout: Layout },
    /// As the user says with `-F`; `visible` as above for what is not the format's own.
    Template {
        template: Template,
        newline: bool,
        visible: bool,
    },
}

impl Format {
    /// Whether each message ends with a newline.
    pub fn ends_lines(&self) -> bool {
        match self {
            Self::Raw { newline, .. } | Self::Template { newline, .. } => *newline,
            Self::Json { .. } => true,
        }
    }
}

#[derive(Debug)]
pub struct Printer(Form);

/// A format with what it keeps from one message to the next.
#[derive(Debug)]
enum Form {
    Raw {
        topic: bool,
        newline: bool,
        visible: bool,
        palette: Palette,
    },
    Json {
        parsed: bool,
        layout: Layout,
        clock: Clock,
    },
    Template {
        writer: Box<Writer>,
        newline: bool,
    },
}

impl Printer {
    pub fn new(format: Format) -> Self {
        Self(match format {
            Format::Raw {
                topic,
                newline,
                visible,
                palette,
            } => Form::Raw {
                topic,
                newline,
                visible,
                palette,
            },
            Format::Json { parsed, layout } => Form::Json {
                parsed,
                layout,
                clock: Clock::new(),
            },
            Format::Template {
                template,
                newline,
                visible,
            } => Form::Template {
                writer: Box::new(Writer::new(template, visible)),
                newline,
            },
        })
    }

    /// Appends one message. What a format cannot make of it, `complain` hears.
    pub fn print(
        &mut self,
        publish: &Publish,
        out: &mut Vec<u8>,
        complain: &mut dyn FnMut(Complaint<'_>),
    ) {
        let message = &publish.message;
        let newline = match &mut self.0 {
            Form::Raw {
                topic,
                newline,
                visible,
                palette,
            } => {
                let text = |bytes: &[u8], out: &mut Vec<u8>| {
                    if *visible {
                        terminal::visible(bytes, out);
                    } else {
                        out.extend_from_slice(bytes);
                    }
                };
                // An empty payload prints as mosquitto_sub has it: nothing, or "(null)" behind the
                // topic, and without newlines nothing at all.
                let empty = message.payload.is_empty();
                if empty && !(*topic && *newline) {
                    return;
                }
                if *topic {
                    palette.begin(Color::Cyan, out);
                    text(message.topic.as_bytes(), out);
                    palette.end(out);
                    out.push(b' ');
                }
                if empty {
                    out.extend_from_slice(b"(null)");
                } else {
                    text(&message.payload, out);
                }
                *newline
            }
            Form::Json {
                parsed,
                layout,
                clock,
            } => {
                let tst = |out: &mut Vec<u8>| clock.write(Timestamp::now(), out);
                let begin = out.len();
                json::write(publish, *parsed, tst, out);
                if *layout == Layout::Pretty {
                    spread(begin, out);
                }
                true
            }
            Form::Template { writer, newline } => {
                let received = match writer.is_timed() {
                    true => Timestamp::now(),
                    false => Timestamp::UNIX_EPOCH,
                };
                writer.write(publish, received, out, complain);
                *newline
            }
        };
        if newline {
            out.push(b'\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::packet::Message;
    use crate::mqtt::text::Text;
    use bytes::Bytes;

    #[test]
    fn empty_payloads_show_only_behind_a_topic_on_a_line() {
        let print = |payload: &'static [u8], topic, newline| {
            let publish = Publish {
                message: Message {
                    topic: Text::try_from("a/b").unwrap(),
                    payload: Bytes::from_static(payload),
                    ..Message::default()
                },
                ..Publish::default()
            };
            let mut out = Vec::new();
            let format = Format::Raw {
                topic,
                newline,
                visible: false,
                palette: Palette::OFF,
            };
            Printer::new(format).print(&publish, &mut out, &mut |_| {});
            String::from_utf8(out).unwrap()
        };
        assert_eq!(print(b"x", false, true), "x\n");
        assert_eq!(print(b"x", false, false), "x");
        assert_eq!(print(b"", false, true), "");
        assert_eq!(print(b"", false, false), "");
        assert_eq!(print(b"x", true, true), "a/b x\n");
        assert_eq!(print(b"x", true, false), "a/b x");
        assert_eq!(print(b"", true, true), "a/b (null)\n");
        assert_eq!(print(b"", true, false), "");
    }
}
