//! A connection's part as a subscriber: tells whose message it is, how old, and whether it is new.

use std::collections::BTreeMap;

use super::account::{Got, Odd};
use super::clock::Now;
use super::payload::Reading;
use super::recorder::Place;
use super::sequence::{Arrival, Sequence};
use super::shared::Shared;
use super::strays::Strays;
use super::timing::Timing;
use crate::mqtt::QoS;
use crate::mqtt::packet::Message;

pub struct Subscriber {
    index: usize,
    /// The lowest QoS that a subscription of its was granted.
    granted: QoS,
    /// By the publisher's slot, as far as one was heard of.
    sequences: Vec<Sequence>,
    /// Messages without stamps, which cannot be told apart.
    unstamped: u64,
    odd: Odd,
    /// By publisher; empty as long as all is well.
    strays: BTreeMap<u32, Strays>,
}

/// What a slot has, of a list that is as long as was needed so far.
fn of_slot<T: Default>(list: &mut Vec<T>, slot: usize) -> &mut T {
    if slot >= list.len() {
        list.resize_with(slot + 1, T::default);
    }
    &mut list[slot]
}

impl Subscriber {
    pub fn new(index: usize) -> Self {
        Self {
            index,
            granted: QoS::ExactlyOnce,
            sequences: Vec::new(),
            unstamped: 0,
            odd: Odd::default(),
            strays: BTreeMap::new(),
        }
    }

    pub fn index(&self) -> usize {
        self.index
    }

    pub fn granted(&mut self, qos: QoS) {
        self.granted = self.granted.min(qos);
    }

    pub fn message(&mut self, message: &Message, now: Now, shared: &mut Shared) {
        // Sent because we subscribed, so it is older than this run.
        if message.retain {
            shared.recorder.counts.foreign += 1;
            return;
        }
        if !shared.payloads.are_stamped() {
            self.unstamped(&message.payload, now, shared);
            return;
        }
        let (stamp, lag, intact) = match shared.payloads.read(message) {
            Reading::Stamped { stamp, lag, intact } => (stamp, lag, intact),
            Reading::Broken => {
                self.odd.corrupted += 1;
                shared.recorder.counts.corrupted += 1;
                return;
            }
            Reading::Foreign => {
                shared.recorder.counts.foreign += 1;
                return;
            }
        };
        let slot = shared.shape.slot(stamp.publisher as usize, self.index);
        let Some(slot) = slot.filter(|_| stamp.run == shared.run) else {
            shared.recorder.counts.foreign += 1;
            return;
        };
        let (number, skipped, arrival) = if shared.shape.shared {
            let sequence = of_slot(&mut shared.group, stamp.publisher as usize);
            let number = stamp.unwrap_sequence(sequence.next());
            (number, 0, sequence.observe(number))
        } else {
            let sequence = of_slot(&mut self.sequences, slot);
            let number = stamp.unwrap_sequence(sequence.next());
            let skipped = number.saturating_sub(sequence.next());
            (number, skipped, sequence.observe(number))
        };
        let place = Place {
            subscriber: self.index as u32,
            publisher: stamp.publisher,
            sequence: number,
        };
        let recorder = &mut shared.recorder;
        recorder.counts.skipped += skipped;
        if !intact {
            self.odd.corrupted += 1;
            self.odd.corrupted_known +=
                u64::from(matches!(arrival, Arrival::New | Arrival::OutOfOrder));
            recorder.counts.corrupted += 1;
            recorder.oddities.corrupted.note(now.ns, place);
            return;
        }
        recorder.counts.received += 1;
        recorder.last.received = now.ns;
        match arrival {
            Arrival::New => {}
            Arrival::OutOfOrder => {
                self.odd.out_of_order += 1;
                recorder.counts.out_of_order += 1;
                let seen = self.sequences.get(slot);
                if seen.is_some_and(|seen| shared.plan.is_overtaken(stamp.publisher, number, seen))
                {
                    let strays = self.strays.entry(stamp.publisher).or_default();
                    strays.overtaken.insert(number);
                }
            }
            Arrival::Duplicate => {
                self.odd.duplicated += 1;
                recorder.counts.duplicated += 1;
                let strays = self.strays.entry(stamp.publisher).or_default();
                strays.repeated.insert(number);
                return;
            }
            Arrival::Undecided => {
                recorder.counts.undecided += 1;
                return;
            }
        }
        let age = stamp.age(now.ns);
        if now.ns.saturating_sub(age) >= shared.measure_from {
            recorder.record(Timing::Delivery, age);
            if let Some(lag) = lag {
                recorder.record(Timing::DeliveryFromSend, age.saturating_sub(lag));
            }
        }
    }

    fn unstamped(&mut self, payload: &[u8], now: Now, shared: &mut Shared) {
        let counts = &mut shared.recorder.counts;
        if shared.payloads.is_ours(payload) {
            counts.received += 1;
            self.unstamped += 1;
            shared.recorder.last.received = now.ns;
        } else if shared.payloads.has_size(payload.len()) {
            counts.corrupted += 1;
            self.odd.corrupted += 1;
        } else {
            counts.foreign += 1;
        }
    }

    /// Its part of the account. What it has seen is taken out of it.
    pub fn take_totals(&mut self, subscribed: bool, stayed: bool, renewed: bool) -> Got {
        Got {
            subscribed,
            stayed,
            renewed,
            granted: self.granted,
            sequences: std::mem::take(&mut self.sequences),
            unstamped: self.unstamped,
            odd: self.odd,
            strays: std::mem::take(&mut self.strays),
        }
    }
}
