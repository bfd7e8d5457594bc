//! What one worker counts and measures. No lock: it belongs to the worker, which sends a copy away
//! once a second, and recorders are added up at the end.

use super::account::MAX_PLACES;
use super::timing::{Timing, Timings};

/// Different reasons that are kept word for word; any more are counted together.
const MAX_REASONS: usize = 16;
/// Events since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that the broker accepted, subscribers with their subscriptions.
    pub connected: u64,
    /// Connections that never came about.
    pub failed: u64,
    /// Connections that ended before their work did.
    pub broken: u64,
    /// Connections that were ended on purpose, to be made again.
    pub churned: u64,
    /// Connections that the broker accepted again.
    pub reconnected: u64,
    /// Messages whose last byte the operating system (under TLS: the TLS layer's last flush) took.
    pub sent: u64,
    /// QoS 1: PUBACK, QoS 2: PUBCOMP, both without an error.
    pub acknowledged: u64,
    /// PUBACK or PUBREC with an error, and messages that this broker cannot take at all.
    pub refused: u64,
    /// PUBLISH packets of this run at subscribers, duplicates included.
    pub received: u64,
    pub duplicated: u64,
    /// Message numbers that a later one of the same publisher came before.
    pub skipped: u64,
    /// Messages that came after a later one of the same publisher.
    pub out_of_order: u64,
    /// Messages that came so late, behind so many gaps, that nobody knows any more whether they had
    /// come before.
    pub undecided: u64,
    /// Payloads that are not what was sent.
    pub corrupted: u64,
    /// Messages that are not of this run: retained ones, other publishers.
    pub foreign: u64,
    /// Acknowledgements for nothing of ours.
    pub unexpected: u64,
}

impl Counts {
    pub fn add(&mut self, other: &Self) {
        self.each(other, |mine, other| mine + other);
    }

    /// What was counted since `earlier`, a copy of these counts from before.
    pub fn since(mut self, earlier: &Self) -> Self {
        self.each(earlier, u64::saturating_sub);
        self
    }

    /// Messages that have not arrived although a later one of the same publisher has.
    pub fn missing(&self) -> u64 {
        self.skipped.saturating_sub(self.out_of_order)
    }

    fn each(&mut self, other: &Self, combine: impl Fn(u64, u64) -> u64) {
        for (mine, other) in [
            (&mut self.connected, other.connected),
            (&mut self.failed, other.failed),
            (&mut self.broken, other.broken),
            (&mut self.churned, other.churned),
            (&mut self.reconnected, other.reconnected),
            (&mut self.sent, other.sent),
            (&mut self.acknowledged, other.acknowledged),
            (&mut self.refused, other.refused),
            (&mut self.received, other.received),
            (&mut self.duplicated, other.duplicated),
            (&mut self.skipped, other.skipped),
            (&mut self.out_of_order, other.out_of_order),
            (&mut self.undecided, other.undecided),
            (&mut self.corrupted, other.corrupted),
            (&mut self.foreign, other.foreign),
            (&mut self.unexpected, other.unexpected),
        ] {
            *mine = combine(*mine, other);
        }
    }
}

/// Instants of the last event of a kind, in ns of the process clock: a rate ends there, and not at
/// the end of a drain in which nothing came.
#[derive(Debug, Clone, Copy, Default)]
pub struct Last {
    pub sent: u64,
    pub acknowledged: u64,
    pub received: u64,
}

/// What failed for which reasons, and how often.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reasons(Vec<(String, u64)>);

impl Reasons {
    pub fn count(&mut self, reason: String) {
        self.add(reason, 1);
    }

    fn add(&mut self, reason: String, count: u64) {
        if let Some((_, known)) = self.0.iter_mut().find(|(known, _)| *known == reason) {
            *known += count;
        } else if self.0.len() < MAX_REASONS {
            self.0.push((reason, count));
        } else {
            let last = &mut self.0[MAX_REASONS - 1];
            "other reasons".clone_into(&mut last.0);
            last.1 += count;
        }
    }

    fn merge(&mut self, other: &Self) {
        for (reason, count) in &other.0 {
            self.add(reason.clone(), *count);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0
            .iter()
            .map(|(reason, count)| (reason.as_str(), *count))
    }

    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One message at one subscriber. Publishers, subscribers and a publisher's messages are numbered
/// from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub subscriber: u32,
    pub publisher: u32,
    pub sequence: u64,
}

/// Where something was first seen that should not be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Firsts(Vec<(u64, Place)>);

impl Firsts {
    pub fn note(&mut self, now_ns: u64, place: Place) {
        if self.0.len() < MAX_PLACES {
            self.0.push((now_ns, place));
        }
    }

    fn merge(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
        self.0.sort_by_key(|(at, _)| *at);
        self.0.truncate(MAX_PLACES);
    }

    pub fn places(&self) -> Vec<Place> {
        self.0.iter().map(|(_, place)| *place).collect()
    }
}

/// The first messages that were not as they should be, whatever is promised of them.
#[derive(Debug, Clone, Default)]
pub struct Oddities {
    /// Corrupted ones whose stamp still says which message they were.
    pub corrupted: Firsts,
}

#[derive(Debug, Clone, Default)]
pub struct Recorder {
    pub counts: Counts,
    pub last: Last,
    pub timings: Timings,
    /// What was counted in the warm-up, and stands in `counts` too.
    pub warmup: Counts,
    pub oddities: Oddities,
    /// Nanoseconds in which a connection had something to say and the broker took nothing, over all
    /// connections: its socket was full, or in an open loop its window.
    pub socket_full_ns: u64,
    /// Why connections failed or broke.
    pub connection_errors: Reasons,
    pub refusals: Reasons,
}

impl Recorder {
    pub fn record(&mut self, timing: Timing, ns: u64) {
        self.timings.record(timing, ns);
    }

    pub fn merge(&mut self, other: &Self) {
        self.counts.add(&other.counts);
        self.last.sent = self.last.sent.max(other.last.sent);
        self.last.acknowledged = self.last.acknowledged.max(other.last.acknowledged);
        self.last.received = self.last.received.max(other.last.received);
        self.timings.merge(&other.timings);
        self.warmup.add(&other.warmup);
        self.oddities.corrupted.merge(&other.oddities.corrupted);
        self.socket_full_ns += other.socket_full_ns;
        self.connection_errors.merge(&other.connection_errors);
        self.refusals.merge(&other.refusals);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endless_different_reasons_stay_bounded_and_all_counted() {
        let mut reasons = Reasons::default();
        for number in 0..100 {
            reasons.count(format!("reason {number}"));
        }
        reasons.count("reason 3".to_owned());
        assert_eq!(reasons.iter().count(), MAX_REASONS);
        assert_eq!(reasons.iter().map(|(_, count)| count).sum::<u64>(), 101);
        assert!(reasons.iter().any(|one| one == ("reason 3", 2)));
    }

    #[test]
    fn recorders_add_up() {
        let mut one = Recorder::default();
        one.counts.sent = 1;
        one.record(Timing::Ack, 10);
        one.last.received = 5;
        let mut two = Recorder::default();
        two.counts.sent = 2;
        two.record(Timing::Ack, 30);
        two.last.received = 3;
        one.merge(&two);
        assert_eq!(one.counts.sent, 3);
        let ack = one.timings.of(Timing::Ack);
        assert_eq!((ack.len(), ack.max()), (2, 30));
        assert_eq!(one.last.received, 5);
    }
}
