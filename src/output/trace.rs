//! Packets for `-d`: in one line as mosquitto's clients show them, on stdout among the messages; and their bytes.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use crate::mqtt::packet::{ConnAck, Disconnect, Packet, Publish, Subscription};
use crate::mqtt::properties::PropertyId;
use crate::mqtt::session::{Direction, Observer};

/// Lines that wait for their place in the output.
#[derive(Debug, Clone, Default)]
pub struct Trace(Arc<Mutex<String>>);

impl Trace {
    /// Gathers the lines of a session.
    pub fn observer(&self) -> Observer {
        let lines = Arc::clone(&self.0);
        let mut narrator = Narrator::default();
        Box::new(move |sight| {
            let (direction, Some(packet)) = (sight.direction, sight.packet) else {
                return;
            };
            let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
            narrator.tell(direction, packet, &mut lines);
            // mosquitto_sub takes its leave of a broker that has refused it, and nothing is sent.
            if let Packet::ConnAck(connack) = packet
                && connack.reason.0 != 0
            {
                narrator.goodbye(&mut lines);
                narrator.library_goodbye(connack, &mut lines);
            }
        })
    }

    pub fn line(&self, text: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push_str(text);
        lines.push('\n');
    }

    /// Moves the lines to where the messages go.
    pub fn drain(&self, out: &mut Vec<u8>) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        out.extend_from_slice(lines.as_bytes());
        lines.clear();
    }
}

/// Prints the lines at once, for a program that prints nothing else.
pub(super) fn at_once() -> Observer {
    let mut narrator = Narrator::default();
    Box::new(move |sight| {
        let Some(packet) = sight.packet else {
            return;
        };
        let mut lines = String::new();
        narrator.tell(sight.direction, packet, &mut lines);
        if let Packet::ConnAck(connack) = packet {
            narrator.library_goodbye(connack, &mut lines);
        }
        let mut stdout = std::io::stdout().lock();
        let _ = stdout
            .write_all(lines.as_bytes())
            .and_then(|()| stdout.flush());
    })
}

/// The bytes of a packet of `len` as lines of hexadecimal digits and text, with a word on those that are left out.
pub(super) fn hex(bytes: &[u8], len: usize) -> String {
    const WIDTH: usize = 16;
    let mut out = String::new();
    for (row, chunk) in bytes.chunks(WIDTH).enumerate() {
        let _ = write!(out, "  {:04x} ", row * WIDTH);
        for column in 0..WIDTH {
            let _ = match chunk.get(column) {
                Some(byte) => write!(out, " {byte:02x}"),
                None => write!(out, "   "),
            };
        }
        out.push_str("  ");
        out.extend(chunk.iter().map(|byte| match byte {
            b' '..=b'~' => char::from(*byte),
            _ => '.',
        }));
        out.push('\n');
    }
    if bytes.len() < len {
        let _ = writeln!(out, "  … {} bytes more are not shown", len - bytes.len());
    }
    out
}

/// How mosquitto's library shows a client without an identifier. Of CONNACK it prints what the C library makes of it.
const NO_ID: &str = "null";

#[derive(Default)]
struct Narrator {
    client_id: Option<String>,
    /// mosquitto counts messages of QoS 0 too, and shows the number that nobody sends.
    last_id: u16,
}

impl Narrator {
    fn tell(&mut self, direction: Direction, packet: &Packet, out: &mut String) {
        if let Packet::Connect(connect) = packet
            && !connect.client_id.is_empty()
        {
            self.client_id = Some(connect.client_id.to_string());
        }
        if let Packet::ConnAck(connack) = packet
            && let Some(id) = connack
                .properties
                .text(PropertyId::AssignedClientIdentifier)
        {
            self.client_id = Some(id.to_string());
        }
        let written = match direction {
            Direction::Sent => self.sent(packet, out),
            Direction::Received => self.received(packet, out),
        };
        // a String takes everything
        let _ = written;
    }

    fn goodbye(&mut self, out: &mut String) {
        self.tell(
            Direction::Sent,
            &Packet::Disconnect(Disconnect::default()),
            out,
        );
    }

    /// To mosquitto's library a refusal with a reason of MQTT 5 is an error, which it tells the broker.
    fn library_goodbye(&mut self, connack: &ConnAck, out: &mut String) {
        if connack.reason.is_error() {
            self.goodbye(out);
        }
    }

    fn sent(&mut self, packet: &Packet, out: &mut String) -> std::fmt::Result {
        let id = self.client_id.as_deref().unwrap_or(NO_ID).to_owned();
        let name = packet.name();
        match packet {
            Packet::Publish(publish) => {
                self.last_id = match publish.packet_id {
                    0 => self.last_id.checked_add(1).unwrap_or(1),
                    id => id,
                };
                publish_line(out, &id, "sending", publish, self.last_id)
            }
            Packet::PubAck(ack) | Packet::PubRec(ack) => {
                let (mid, code) = (ack.packet_id, ack.reason.0);
                writeln!(out, "Client {id} sending {name} (m{mid}, rc{code})")
            }
            Packet::PubRel(ack) | Packet::PubComp(ack) => {
                writeln!(out, "Client {id} sending {name} (m{})", ack.packet_id)
            }
            Packet::Subscribe(subscribe) => {
                self.last_id = subscribe.packet_id;
                for one in &subscribe.subscriptions {
                    writeln!(
                        out,
                        "Client {id} sending SUBSCRIBE (Mid: {}, Topic: {}, QoS: {}, Options: 0x{:02x})",
                        subscribe.packet_id,
                        one.filter,
                        one.qos,
                        options(one)
                    )?;
                }
                Ok(())
            }
            Packet::Unsubscribe(unsubscribe) => {
                self.last_id = unsubscribe.packet_id;
                for filter in &unsubscribe.filters {
                    let mid = unsubscribe.packet_id;
                    writeln!(
                        out,
                        "Client {id} sending UNSUBSCRIBE (Mid: {mid}, Topic: {filter})"
                    )?;
                }
                Ok(())
            }
            _ => writeln!(out, "Client {id} sending {name}"),
        }
    }

    fn received(&mut self, packet: &Packet, out: &mut String) -> std::fmt::Result {
        let id = self.client_id.as_deref().unwrap_or(NO_ID);
        let name = packet.name();
        match packet {
            Packet::ConnAck(connack) => {
                let id = self.client_id.as_deref().unwrap_or("(null)");
                writeln!(out, "Client {id} received CONNACK ({})", connack.reason.0)
            }
            Packet::Publish(publish) => {
                publish_line(out, id, "received", publish, publish.packet_id)
            }
            Packet::PubAck(ack) | Packet::PubComp(ack) => {
                let (mid, code) = (ack.packet_id, ack.reason.0);
                writeln!(out, "Client {id} received {name} (Mid: {mid}, RC:{code})")
            }
            Packet::PubRec(ack) | Packet::PubRel(ack) => {
                writeln!(out, "Client {id} received {name} (Mid: {})", ack.packet_id)
            }
            Packet::Disconnect(disconnect) => {
                writeln!(out, "Received DISCONNECT ({})", disconnect.reason.0)
            }
            _ => writeln!(out, "Client {id} received {name}"),
        }
    }
}

fn publish_line(
    out: &mut String,
    id: &str,
    verb: &str,
    publish: &Publish,
    mid: u16,
) -> std::fmt::Result {
    let message = &publish.message;
    let topic = match message.topic.as_str() {
        "" => "(null)",
        topic => topic,
    };
    writeln!(
        out,
        "Client {id} {verb} PUBLISH (d{}, q{}, r{}, m{mid}, '{topic}', ... ({} bytes))",
        u8::from(publish.dup),
        message.qos,
        u8::from(message.retain),
        message.payload.len()
    )
}

/// The options byte of a subscription without its QoS.
fn options(one: &Subscription) -> u8 {
    u8::from(one.no_local) << 2
        | u8::from(one.retain_as_published) << 3
        | (one.retain_handling as u8) << 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_as_digits_and_text() {
        assert_eq!(
            hex(b"0\x05\x00\x01ahi\xff0123456789", 20),
            "  0000  30 05 00 01 61 68 69 ff 30 31 32 33 34 35 36 37  0...ahi.01234567\n  \
             0010  38 39                                            89\n  \
             … 2 bytes more are not shown\n"
        );
        assert_eq!(hex(b"", 0), "");
    }
}
