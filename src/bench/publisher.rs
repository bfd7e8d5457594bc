//! A connection's part as a publisher: keeps its window, or at QoS 0 its output, full.

use super::account::Sent;
use super::clock::Now;
use super::stamp::Stamp;
use super::worker::Shared;
use crate::mqtt::codec;
use crate::mqtt::packet::Message;
use crate::mqtt::session::{Acknowledged, PublishError, Session};
use crate::mqtt::text::Text;
use crate::mqtt::{QoS, Version};

/// Messages that share one reading of the clock. It is read before them, so it can only make a
/// latency longer.
const MESSAGES_PER_CLOCK: u64 = 16;

pub struct Publisher {
    index: u32,
    topic: Text,
    /// Number of the next message.
    next: u64,
    /// Messages to send.
    limit: u64,
    batch: Batch,
    acknowledged: u64,
    /// Bytes of one PUBLISH packet; all of a publisher's have the same length.
    packet_len: u64,
}

/// Messages that were put into the output one after another, so that every byte that leaves can be
/// turned into a number of messages.
#[derive(Debug, Default, Clone, Copy)]
struct Batch {
    /// Position of its first byte in all that the connection writes.
    start: u64,
    messages: u64,
    sent: u64,
}

impl Publisher {
    pub fn new(index: usize, topic: Text, limit: u64, version: Version, shared: &Shared) -> Self {
        let message = Message {
            topic: topic.clone(),
            payload: vec![0; shared.payloads.size()].into(),
            qos: shared.plan.publishers.qos,
            retain: false,
            properties: shared.plan.publish_properties.clone(),
        };
        Self {
            index: index as u32,
            topic,
            next: 0,
            limit,
            batch: Batch::default(),
            acknowledged: 0,
            packet_len: codec::publish_size(version, &message) as u64,
        }
    }

    pub fn index(&self) -> usize {
        self.index as usize
    }

    pub fn is_done(&self) -> bool {
        self.next >= self.limit
    }

    /// Everything that was published has left.
    pub fn is_flushed(&self) -> bool {
        self.batch.sent == self.batch.messages
    }

    pub fn totals(&self) -> Sent {
        Sent {
            sent: self.next - (self.batch.messages - self.batch.sent),
            acknowledged: self.acknowledged,
        }
    }

    /// Publishes as much as the window, and the bytes meant for one write, allow. `written` is the
    /// number of bytes that the connection has written so far.
    pub fn fill(&mut self, session: &mut Session, shared: &mut Shared, written: u64) {
        if !shared.publishing || self.is_done() || !self.is_flushed() {
            return;
        }
        let publishers = &shared.plan.publishers;
        let mut room = self.limit - self.next;
        if publishers.qos != QoS::AtMostOnce {
            room = room.min(session.room() as u64);
        }
        if room == 0 {
            return;
        }
        let start = written + session.output().len() as u64;
        let mut now = shared.clock.now();
        let mut messages = 0;
        while messages < room && session.output().len() < shared.batch_len {
            if messages % MESSAGES_PER_CLOCK == MESSAGES_PER_CLOCK - 1 {
                now = shared.clock.now();
            }
            let stamp = Stamp::new(shared.run, self.index, self.next, now.ns);
            let message = Message {
                topic: self.topic.clone(),
                payload: shared.payloads.next(&stamp),
                qos: publishers.qos,
                retain: publishers.retain,
                properties: shared.plan.publish_properties.clone(),
            };
            if let Err(error) = session.publish(message, now.ns) {
                self.give_up(&error, shared);
                break;
            }
            self.next += 1;
            messages += 1;
        }
        self.batch = Batch {
            start,
            messages,
            sent: 0,
        };
    }

    /// This broker cannot take the message, so it cannot take any: they are all alike.
    fn give_up(&mut self, error: &PublishError, shared: &mut Shared) {
        self.limit = self.next;
        shared.recorder.counts.refused += 1;
        shared.recorder.refusals.count(error.to_string());
    }

    /// All bytes up to `written` have left.
    pub fn flushed(&mut self, written: u64, now: Now, shared: &mut Shared) {
        let batch = &mut self.batch;
        if batch.sent == batch.messages {
            return;
        }
        let sent = (written.saturating_sub(batch.start) / self.packet_len).min(batch.messages);
        shared.recorder.counts.sent += sent - batch.sent;
        shared.recorder.last.sent = now.ns;
        batch.sent = sent;
    }

    pub fn acknowledged(&mut self, ack: &Acknowledged, now: Now, shared: &mut Shared) {
        let recorder = &mut shared.recorder;
        if ack.reason.is_error() {
            recorder.counts.refused += 1;
            recorder.refusals.count(ack.reason.to_string());
            return;
        }
        self.acknowledged += 1;
        recorder.counts.acknowledged += 1;
        recorder.last.acknowledged = now.ns;
        recorder
            .ack
            .saturating_record(now.ns.saturating_sub(ack.token));
    }
}
