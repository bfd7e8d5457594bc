//! A message as mosquitto's clients print it with `%j` and `%J`: the bytes of the library cJSON, also
//! where something is lost. What is cut at a NUL stays cut, what is not UTF-8 is passed through, and
//! numbers of a payload are rounded. mozzie's own JSON is in `json`.

mod number;
mod reprint;

use crate::digits::{decimal, padded};
use crate::mqtt::packet::Publish;
use crate::mqtt::properties::{Properties, Value};

/// How an object is spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// On one line without spaces.
    Line,
    /// One key a line with tabs, as `--pretty` has it.
    Pretty,
}

/// The instant of a message in three parts.
pub(super) struct Time<'a> {
    /// `2026-11-20T23:58:42.`
    pub before: &'a [u8],
    pub microseconds: u32,
    /// `+0000`
    pub behind: &'a [u8],
}

/// Appends the object. `parsed` puts the payload in as JSON; when it is none, nothing is appended and
/// the answer is false.
pub(super) fn write(
    publish: &Publish,
    parsed: bool,
    tst: &Time<'_>,
    layout: Layout,
    out: &mut Vec<u8>,
) -> bool {
    let begin = out.len();
    let message = &publish.message;
    let mut object = Object::open(layout, 0, out);
    object.key(b"tst", out);
    out.push(b'"');
    out.extend_from_slice(tst.before);
    padded::<6>(tst.microseconds, out);
    out.extend_from_slice(tst.behind);
    out.push(b'"');
    object.key(b"topic", out);
    string(message.topic.as_bytes(), out);
    object.key(b"qos", out);
    out.push(b'0' + message.qos as u8);
    object.key(b"retain", out);
    out.extend_from_slice(if message.retain { b"true" } else { b"false" });
    object.key(b"payloadlen", out);
    decimal(message.payload.len() as u64, out);
    if publish.packet_id != 0 {
        object.key(b"mid", out);
        decimal(u64::from(publish.packet_id), out);
    }
    if !message.properties.is_empty() {
        object.key(b"properties", out);
        properties(&message.properties, layout, out);
    }
    object.key(b"payload", out);
    if message.payload.is_empty() {
        out.extend_from_slice(b"null");
    } else if !parsed {
        string(&message.payload, out);
    } else if !reprint::write(&message.payload, layout, 1, out) {
        out.truncate(begin);
        return false;
    }
    object.close(out);
    true
}

fn properties(properties: &Properties, layout: Layout, out: &mut Vec<u8>) {
    let mut object = Object::open(layout, 1, out);
    let mut seen_pairs = false;
    for property in properties {
        if matches!(property.value(), Value::Pair(..)) {
            // All of them where the first one stands.
            if !std::mem::replace(&mut seen_pairs, true) {
                object.key(b"user-properties", out);
                pairs(properties, layout, out);
            }
            continue;
        }
        // Several subscription identifiers become several keys of the same name.
        object.key(property.id().name().as_bytes(), out);
        match property.value() {
            Value::Byte(n) => decimal(u64::from(*n), out),
            Value::TwoByte(n) => decimal(u64::from(*n), out),
            Value::FourByte(n) | Value::VariableByte(n) => decimal(u64::from(*n), out),
            Value::Text(text) => string(text.as_bytes(), out),
            Value::Binary(data) => string(data, out),
            Value::Pair(..) => {}
        }
    }
    object.close(out);
}

fn pairs(properties: &Properties, layout: Layout, out: &mut Vec<u8>) {
    out.push(b'[');
    let mut first = true;
    for property in properties {
        if let Value::Pair(name, value) = property.value() {
            if !std::mem::take(&mut first) {
                comma(layout, out);
            }
            let mut object = Object::open(layout, 3, out);
            object.key(name.as_bytes(), out);
            string(value.as_bytes(), out);
            object.close(out);
        }
    }
    out.push(b']');
}

/// Between the values of an array.
fn comma(layout: Layout, out: &mut Vec<u8>) {
    out.extend_from_slice(match layout {
        Layout::Line => b",",
        Layout::Pretty => b", ",
    });
}

/// An object that is being written.
struct Object {
    layout: Layout,
    /// How many objects and arrays it stands in.
    depth: usize,
    is_empty: bool,
}

impl Object {
    fn open(layout: Layout, depth: usize, out: &mut Vec<u8>) -> Self {
        out.push(b'{');
        if layout == Layout::Pretty {
            out.push(b'\n');
        }
        Self {
            layout,
            depth,
            is_empty: true,
        }
    }

    /// What comes before a key.
    fn next(&mut self, out: &mut Vec<u8>) {
        let is_first = std::mem::take(&mut self.is_empty);
        if !is_first {
            out.push(b',');
        }
        if self.layout == Layout::Pretty {
            if !is_first {
                out.push(b'\n');
            }
            tabs(self.depth + 1, out);
        }
    }

    /// What comes between a key and its value.
    fn colon(&self, out: &mut Vec<u8>) {
        out.push(b':');
        if self.layout == Layout::Pretty {
            out.push(b'\t');
        }
    }

    fn key(&mut self, key: &[u8], out: &mut Vec<u8>) {
        self.next(out);
        string(key, out);
        self.colon(out);
    }

    fn close(self, out: &mut Vec<u8>) {
        if self.layout == Layout::Pretty {
            if !self.is_empty {
                out.push(b'\n');
            }
            tabs(self.depth, out);
        }
        out.push(b'}');
    }
}

fn tabs(count: usize, out: &mut Vec<u8>) {
    out.resize(out.len() + count, b'\t');
}

/// A C string: it ends at the first NUL.
fn string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    escape(text, out);
    out.push(b'"');
}

/// Appends the bytes of a string up to the first NUL; whether that was the end of them all.
fn escape(text: &[u8], out: &mut Vec<u8>) -> bool {
    let mut rest = text;
    // What needs no escape goes in one copy.
    while let Some(len) = rest
        .iter()
        .position(|byte| *byte < b' ' || matches!(byte, b'"' | b'\\'))
    {
        out.extend_from_slice(&rest[..len]);
        match rest[len] {
            0 => return false,
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => {
                let hex = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.push(hex[usize::from(control >> 4)]);
                out.push(hex[usize::from(control & 15)]);
            }
        }
        rest = &rest[len + 1..];
    }
    out.extend_from_slice(rest);
    true
}

#[cfg(test)]
mod tests;
