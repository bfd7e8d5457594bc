//! A connection's part as a publisher: keeps its window, or at QoS 0 its output, full.

use super::account::Sent;
use super::clock::Now;
use super::in_flight::{InFlight, Published};
use super::ranges::Ranges;
use super::stamp::Stamp;
use super::timing::Timing;
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
    /// QoS 1 and 2.
    in_flight: InFlight,
    acknowledged: u64,
    refused: Ranges,
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
            in_flight: InFlight::default(),
            acknowledged: 0,
            refused: Ranges::default(),
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

    /// Messages that have left.
    pub fn sent(&self) -> u64 {
        self.next - (self.batch.messages - self.batch.sent)
    }

    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Its part of the account. The numbers of what was refused are taken out of it.
    pub fn take_totals(&mut self) -> Sent {
        let mut excused = std::mem::take(&mut self.refused);
        let refused = excused.count();
        self.in_flight
            .numbers()
            .for_each(|number| excused.insert(number));
        Sent {
            offered: self.next,
            published: self.next,
            sent: self.sent(),
            acknowledged: self.acknowledged,
            refused,
            unanswered: excused.count() - refused,
            excused,
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
            if let Err(error) = session.publish(message, self.next) {
                self.give_up(&error, shared);
                break;
            }
            if publishers.qos != QoS::AtMostOnce {
                self.in_flight.push(Published {
                    planned: now.ns,
                    sent: now.ns,
                });
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

    /// A message was answered; its token is its number.
    pub fn answered(&mut self, ack: &Acknowledged, now: Now, shared: &mut Shared) {
        if ack.reason.is_error() {
            self.refuse(ack.token, ack.reason.to_string(), shared);
            return;
        }
        let recorder = &mut shared.recorder;
        let Some(published) = self.in_flight.take(ack.token) else {
            recorder.counts.unexpected += 1;
            return;
        };
        self.acknowledged += 1;
        recorder.counts.acknowledged += 1;
        recorder.last.acknowledged = now.ns;
        let since = |instant: u64| now.ns.saturating_sub(instant);
        recorder.record(Timing::Ack, since(published.planned));
        recorder.record(Timing::AckFromSend, since(published.sent));
    }

    /// The broker refused a message, or cannot take it any more.
    pub fn refuse(&mut self, number: u64, reason: String, shared: &mut Shared) {
        if self.in_flight.take(number).is_some() {
            self.refused.insert(number);
        }
        shared.recorder.counts.refused += 1;
        shared.recorder.refusals.count(reason);
    }
}
