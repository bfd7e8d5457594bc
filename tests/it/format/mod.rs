//! `sub -F` beside the real mosquitto_sub: the same packets, the same formats, the same bytes.
//!
//! The real one is 2.0 in most distributions, and what 2.1 changed is listed: each difference has a test that pins 2.1's
//! form and, where 2.0 has an answer of its own, says which. Beside a real 2.1 nothing is left out.

mod json;
mod language;

use crate::support::{Mozzie, Scripted, called, mozzie, theirs, wire};

/// A message for either version of the protocol.
#[derive(Clone)]
struct Sent {
    topic: &'static str,
    payload: Vec<u8>,
    /// The low four bits of PUBLISH.
    flags: u8,
    id: u16,
    /// Sent with MQTT 5 only.
    properties: Vec<u8>,
}

fn sent(topic: &'static str, payload: impl AsRef<[u8]>) -> Sent {
    Sent {
        topic,
        payload: payload.as_ref().to_vec(),
        flags: 0,
        id: 0,
        properties: Vec::new(),
    }
}

/// A broker for one subscriber, which sends the messages one after the other, each with its whole handshake: mosquitto
/// prints a message of QoS 2 when the handshake is through.
fn broker(messages: &[Sent]) -> Scripted {
    let messages = messages.to_vec();
    Scripted::welcoming(move |peer| {
        peer.grant();
        for message in messages {
            let Sent {
                topic,
                payload,
                flags,
                id,
                properties,
            } = message;
            peer.send(wire::publish_with(
                peer.v5,
                flags,
                id,
                topic,
                &properties,
                payload,
            ));
            let answers: &[u8] = match flags >> 1 & 3 {
                0 => &[],
                1 => &[wire::PUBACK],
                _ => &[wire::PUBREC, wire::PUBCOMP],
            };
            for answer in answers {
                // Behind the last message the program may leave at once.
                let Some(frame) = peer.next() else { return };
                if frame.kind() != *answer {
                    break;
                }
                if *answer == wire::PUBREC {
                    peer.try_send(wire::ack(wire::PUBREL, id));
                }
            }
        }
        while let Some(frame) = peer.next() {
            if frame.kind() == wire::PUBREC {
                peer.try_send(wire::ack(wire::PUBREL, frame.id()));
            }
        }
    })
}

/// What mosquitto_sub prints of these messages on stdout and stderr.
fn mosquitto_sub(
    version: &str,
    zone: &str,
    options: &[&str],
    messages: &[Sent],
) -> (Vec<u8>, String) {
    printed_by(
        theirs("mosquitto_sub", ""),
        version,
        zone,
        options,
        messages,
    )
}

/// What mozzie prints.
fn ours(version: &str, zone: &str, options: &[&str], messages: &[Sent]) -> (Vec<u8>, String) {
    printed_by(mozzie("sub"), version, zone, options, messages)
}

/// What it prints under mosquitto_sub's name.
fn ours_by_its_name(
    version: &str,
    zone: &str,
    options: &[&str],
    messages: &[Sent],
) -> (Vec<u8>, String) {
    let program = called("mosquitto_sub", "");
    printed_by(program, version, zone, options, messages)
}

fn printed_by(
    program: Mozzie,
    version: &str,
    zone: &str,
    options: &[&str],
    messages: &[Sent],
) -> (Vec<u8>, String) {
    let broker = broker(messages);
    let mut run = program
        .args("-t # -q 2")
        .at(broker.port)
        .version(version)
        .args(&format!("-C {}", messages.len()))
        .env("TZ", zone);
    for option in options {
        run = run.arg(option);
    }
    let done = run.run();
    done.status(0);
    (done.stdout.clone(), done.stderr.clone())
}

/// Numbers that look random and are the same in every run.
struct Seed(u64);

impl Seed {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % below
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.next(from.len())]
    }

    fn once_in(&mut self, times: usize) -> bool {
        self.next(times) == 0
    }
}
