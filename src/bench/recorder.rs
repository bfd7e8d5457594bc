//! What one worker counts and measures. No lock: it belongs to the worker, which sends a copy away
//! once a second, and recorders are added up at the end.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Different reasons that are kept word for word; any more are counted together.
const MAX_REASONS: usize = 16;
/// Latencies above this count as this.
const MAX_LATENCY: Duration = Duration::from_secs(3600);
const DIGITS: u8 = 3;

/// Events since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that the broker accepted, subscribers with their subscriptions.
    pub connected: u64,
    /// Connections that never came about.
    pub failed: u64,
    /// Connections that ended before their work did.
    pub broken: u64,
    /// Messages whose last byte the operating system (under TLS: the TLS layer's last flush) took.
    pub sent: u64,
    /// QoS 1: PUBACK, QoS 2: PUBCOMP, both without an error.
    pub acknowledged: u64,
    /// PUBACK or PUBREC with an error, and messages that this broker cannot take at all.
    pub refused: u64,
    /// PUBLISH packets of this run at subscribers, duplicates included.
    pub received: u64,
    pub duplicated: u64,
    /// Messages that came after a later one of the same publisher.
    pub out_of_order: u64,
    /// Payloads that are not what was sent.
    pub corrupted: u64,
    /// Messages that are not of this run: retained ones, other publishers.
    pub foreign: u64,
    /// Acknowledgements for nothing of ours.
    pub unexpected: u64,
}

impl Counts {
    pub fn add(&mut self, other: &Self) {
        self.connected += other.connected;
        self.failed += other.failed;
        self.broken += other.broken;
        self.sent += other.sent;
        self.acknowledged += other.acknowledged;
        self.refused += other.refused;
        self.received += other.received;
        self.duplicated += other.duplicated;
        self.out_of_order += other.out_of_order;
        self.corrupted += other.corrupted;
        self.foreign += other.foreign;
        self.unexpected += other.unexpected;
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

#[derive(Debug, Clone)]
pub struct Recorder {
    pub counts: Counts,
    pub last: Last,
    /// Nanoseconds from publish to PUBACK or PUBCOMP.
    pub ack: Histogram<u64>,
    /// Nanoseconds from publish to the subscriber.
    pub delivery: Histogram<u64>,
    /// Nanoseconds from the first SYN to CONNACK.
    pub connect: Histogram<u64>,
    /// Why connections failed or broke.
    pub connection_errors: Reasons,
    pub refusals: Reasons,
}

impl Default for Recorder {
    fn default() -> Self {
        let histogram = || {
            Histogram::new_with_bounds(1, MAX_LATENCY.as_nanos() as u64, DIGITS)
                .expect("the bounds are constants that hdrhistogram takes")
        };
        Self {
            counts: Counts::default(),
            last: Last::default(),
            ack: histogram(),
            delivery: histogram(),
            connect: histogram(),
            connection_errors: Reasons::default(),
            refusals: Reasons::default(),
        }
    }
}

impl Recorder {
    pub fn merge(&mut self, other: &Self) {
        self.counts.add(&other.counts);
        self.last.sent = self.last.sent.max(other.last.sent);
        self.last.acknowledged = self.last.acknowledged.max(other.last.acknowledged);
        self.last.received = self.last.received.max(other.last.received);
        // Same bounds everywhere, so adding cannot fail.
        let _ = self.ack.add(&other.ack);
        let _ = self.delivery.add(&other.delivery);
        let _ = self.connect.add(&other.connect);
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
        one.ack.saturating_record(10);
        one.last.received = 5;
        let mut two = Recorder::default();
        two.counts.sent = 2;
        two.ack.saturating_record(30);
        two.last.received = 3;
        one.merge(&two);
        assert_eq!(one.counts.sent, 3);
        assert_eq!((one.ack.len(), one.ack.max()), (2, 30));
        assert_eq!(one.last.received, 5);
    }
}
