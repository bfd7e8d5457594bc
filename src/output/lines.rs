//! mosquitto_sub's `--watch`: each topic has a line of the screen, in the order in which they come. Byte for byte
//! mosquitto's, also where that breaks: more topics than lines, payloads of several lines.

use std::collections::HashMap;
use std::io::Write;

use crate::mqtt::text::Text;

#[derive(Debug)]
pub struct Lines {
    lines: HashMap<Text, u32>,
    /// The line of the next new topic; the first has the broker.
    next: u32,
}

impl Lines {
    pub fn new() -> Self {
        Self {
            lines: HashMap::new(),
            next: 2,
        }
    }

    /// Clears the screen and names the broker.
    pub fn begin(&self, broker: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\x1b[2J\x1b[1;1HBroker: ");
        out.extend_from_slice(broker.as_bytes());
        out.push(b'\n');
    }

    /// Goes to the line of a topic. The message follows, and [`Lines::behind`].
    pub fn go_to(&mut self, topic: &Text, out: &mut Vec<u8>) {
        let line = match self.lines.get(topic) {
            Some(line) => *line,
            None => {
                let line = self.next;
                self.lines.insert(topic.clone(), line);
                self.next += 1;
                line
            }
        };
        // Writing to memory does not fail.
        let _ = write!(out, "\x1b[{line};1H");
    }

    /// Goes below the last line.
    pub fn behind(&self, out: &mut Vec<u8>) {
        let _ = writeln!(out, "\x1b[{};1H", self.next - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_keeps_its_line() {
        let text = |text: &str| Text::try_from(text).unwrap();
        let mut lines = Lines::new();
        let mut out = Vec::new();
        lines.begin("localhost", &mut out);
        for topic in ["a", "b", "a"] {
            lines.go_to(&text(topic), &mut out);
            out.extend_from_slice(topic.as_bytes());
            lines.behind(&mut out);
        }
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\x1b[2J\x1b[1;1HBroker: localhost\n\
             \x1b[2;1Ha\x1b[2;1H\n\
             \x1b[3;1Hb\x1b[3;1H\n\
             \x1b[2;1Ha\x1b[3;1H\n"
        );
    }
}
