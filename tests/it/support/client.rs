//! A small MQTT client of the tests' own: publishes to, and observes, the broker between it and the program.

use std::{
    net::TcpStream,
    sync::atomic::{AtomicUsize, Ordering},
};

use super::wire::{self, Frame, Frames};

/// A message as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: u8,
    pub retain: bool,
    /// The property block of MQTT 5, undecoded.
    pub properties: Vec<u8>,
}

pub struct Client {
    frames: Frames,
    v5: bool,
    next_id: u16,
    /// A topic that nobody else uses.
    marker: String,
}

static CLIENTS: AtomicUsize = AtomicUsize::new(0);

impl Client {
    /// Connects to a broker on loopback with MQTT 5.
    pub fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the broker listens");
        let mut frames = Frames::new(stream);
        let v5 = true;
        frames
            .send(wire::connect(v5, ""))
            .expect("the broker reads");
        let marker = format!("tests/marker/{}", CLIENTS.fetch_add(1, Ordering::Relaxed));
        let mut client = Self {
            frames,
            v5,
            next_id: 1,
            marker,
        };
        let connack = client.expect(wire::CONNACK);
        assert_eq!(connack.body[1], 0, "the broker lets the tests' client in");
        client
    }

    /// One that already receives everything that matches, at QoS 2, retained flags kept as published.
    pub fn observing(port: u16, filter: &str) -> Self {
        let mut client = Self::connect(port);
        client.subscribe(&client.marker.clone(), 0x02);
        client.subscribe(filter, 0x02 | 0x08);
        client
    }

    /// The same at QoS 0, so that the broker waits for nothing of this client's.
    pub fn observing_at_most_once(port: u16, filter: &str) -> Self {
        let mut client = Self::connect(port);
        client.subscribe(&client.marker.clone(), 0);
        client.subscribe(filter, 0);
        client
    }

    pub fn subscribe(&mut self, filter: &str, options: u8) {
        let id = self.id();
        let body = [
            &id.to_be_bytes()[..],
            &[0],
            &wire::field(filter),
            &[options],
        ]
        .concat();
        self.frames
            .send(wire::packet(0x82, &body))
            .expect("the broker reads");
        let suback = self.expect(wire::SUBACK);
        assert!(
            suback.body.last().is_some_and(|code| *code <= 2),
            "{filter} was granted"
        );
    }

    pub fn publish(&mut self, topic: &str, payload: impl AsRef<[u8]>, qos: u8, retain: bool) {
        self.publish_with(topic, payload, qos << 1 | u8::from(retain), &[]);
    }

    /// `flags` as in `wire::publish_with`. Returns once the broker has acknowledged it (QoS 0: has it).
    pub fn publish_with(
        &mut self,
        topic: &str,
        payload: impl AsRef<[u8]>,
        flags: u8,
        properties: &[u8],
    ) {
        let id = self.id();
        self.frames
            .send(wire::publish_with(
                self.v5, flags, id, topic, properties, payload,
            ))
            .expect("the broker reads");
        match flags >> 1 & 3 {
            0 => {
                self.frames.send([0xc0, 0]).expect("the broker reads");
                self.expect(13);
            }
            1 => drop(self.expect(wire::PUBACK)),
            _ => {
                self.expect(wire::PUBREC);
                self.frames
                    .send(wire::ack(wire::PUBREL, id))
                    .expect("the broker reads");
                self.expect(wire::PUBCOMP);
            }
        }
    }

    /// Sends without waiting: for floods.
    pub fn send(&mut self, bytes: &[u8]) {
        self.frames.send(bytes).expect("the broker reads");
    }

    /// The next message, acknowledged as its QoS asks.
    pub fn next(&mut self) -> Message {
        loop {
            let frame = self
                .frames
                .next()
                .expect("a message in time")
                .expect("the broker stays");
            match frame.kind() {
                wire::PUBLISH => return self.take(&frame),
                wire::PUBREL => self
                    .frames
                    .send(wire::ack(wire::PUBCOMP, frame.id()))
                    .expect("the broker reads"),
                _ => {}
            }
        }
    }

    /// The payloads of the next messages.
    pub fn payloads(&mut self, count: usize) -> Vec<Vec<u8>> {
        (0..count).map(|_| self.next().payload).collect()
    }

    /// Everything that came before a message that this client publishes itself, now: proof that nothing else came.
    pub fn until_now(&mut self, port: u16) -> Vec<Message> {
        Self::connect(port).publish(&self.marker, "", 2, false);
        let mut messages = Vec::new();
        loop {
            let message = self.next();
            if message.topic == self.marker {
                return messages;
            }
            messages.push(message);
        }
    }

    /// Everything that came before the broker ended the connection.
    pub fn until_gone(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Ok(Some(frame)) = self.frames.next() {
            if frame.kind() == wire::PUBLISH {
                messages.push(self.take(&frame));
            }
        }
        messages
    }

    fn take(&mut self, frame: &Frame) -> Message {
        match frame.qos() {
            0 => {}
            1 => self
                .frames
                .send(wire::ack(wire::PUBACK, frame.id()))
                .expect("the broker reads"),
            _ => self
                .frames
                .send(wire::ack(wire::PUBREC, frame.id()))
                .expect("the broker reads"),
        }
        let (properties, payload) = frame.properties_and_payload(self.v5);
        Message {
            topic: frame.topic().to_owned(),
            payload: payload.to_vec(),
            qos: frame.qos(),
            retain: frame.retain(),
            properties: properties.to_vec(),
        }
    }

    fn expect(&mut self, kind: u8) -> Frame {
        let frame = self
            .frames
            .next()
            .expect("an answer in time")
            .expect("the broker stays");
        assert_eq!(
            frame.kind(),
            kind,
            "the broker answers with packet type {kind}: {frame:?}"
        );
        frame
    }

    fn id(&mut self) -> u16 {
        let id = self.next_id;
        self.next_id = self.next_id.checked_add(1).unwrap_or(1);
        id
    }
}
