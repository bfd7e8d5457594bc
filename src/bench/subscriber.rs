//! A connection's part as a subscriber: tells whose message it is, how old, and whether it is new.

use super::account::Got;
use super::clock::Now;
use super::sequence::{Arrival, Sequence};
use super::stamp::Stamp;
use super::worker::Shared;
use crate::mqtt::packet::Message;

#[derive(Default)]
pub struct Subscriber {
    index: usize,
    /// By the publisher's slot, as far as one was heard of.
    sequences: Vec<Sequence>,
    /// Messages without stamps, which cannot be told apart.
    unstamped: u64,
}

impl Subscriber {
    pub fn new(index: usize) -> Self {
        Self {
            index,
            ..Self::default()
        }
    }

    pub fn index(&self) -> usize {
        self.index
    }

    pub fn message(&mut self, message: &Message, now: Now, shared: &mut Shared) {
        let counts = &mut shared.recorder.counts;
        let payload = &message.payload;
        // Sent because we subscribed, so it is older than this run.
        if message.retain || payload.len() != shared.payloads.size() {
            counts.foreign += 1;
            return;
        }
        let Some(start) = payload.first_chunk() else {
            if shared.payloads.is_intact(payload) {
                counts.received += 1;
                self.unstamped += 1;
                shared.recorder.last.received = now.ns;
            } else {
                counts.corrupted += 1;
            }
            return;
        };
        let Ok(stamp) = Stamp::decode(*start) else {
            counts.corrupted += 1;
            return;
        };
        let slot = shared.shape.slot(stamp.publisher as usize, self.index);
        let Some(slot) = slot.filter(|_| stamp.run == shared.run) else {
            counts.foreign += 1;
            return;
        };
        if !shared.payloads.is_intact(payload) {
            counts.corrupted += 1;
            return;
        }
        counts.received += 1;
        shared.recorder.last.received = now.ns;
        if slot >= self.sequences.len() {
            self.sequences.resize_with(slot + 1, Sequence::default);
        }
        let sequence = &mut self.sequences[slot];
        let number = stamp.unwrap_sequence(sequence.next());
        match sequence.observe(number) {
            Arrival::New => {}
            Arrival::OutOfOrder => counts.out_of_order += 1,
            Arrival::Duplicate => {
                counts.duplicated += 1;
                return;
            }
        }
        shared
            .recorder
            .delivery
            .saturating_record(stamp.age(now.ns));
    }

    pub fn totals(&self, subscribed: bool, stayed: bool) -> Got {
        let arrived = if self.unstamped > 0 {
            vec![self.unstamped]
        } else {
            self.sequences.iter().map(Sequence::arrived).collect()
        };
        Got {
            subscribed,
            stayed,
            arrived,
        }
    }
}
