//! The times that a run measures, each a histogram of nanoseconds with three digits.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Times above this count as this.
const MAX: u64 = Duration::from_secs(3600).as_nanos() as u64;
const DIGITS: u8 = 3;

/// What is timed. A message's time counts from the instant for which it was planned; `…FromSend` from
/// the instant at which it was handed to its connection, which in a closed loop is the same and not
/// measured twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timing {
    /// From publish to PUBACK or PUBCOMP.
    Ack,
    AckFromSend,
    /// From publish to the subscriber.
    Delivery,
    DeliveryFromSend,
    /// From the planned instant to the instant of sending.
    SendLag,
    /// How late a worker looks at its clock: what comes due meanwhile waits so long.
    LoopLag,
    /// From the start of dialling to CONNACK.
    Connect,
    /// The TCP or Unix connection alone.
    Tcp,
    /// The TLS handshake alone.
    Tls,
    /// From CONNECT to CONNACK.
    Connack,
    /// From SUBSCRIBE to SUBACK, the last one where a connection sends several.
    Suback,
}

impl Timing {
    /// In the order of their values.
    pub const ALL: [Self; 11] = [
        Self::Ack,
        Self::AckFromSend,
        Self::Delivery,
        Self::DeliveryFromSend,
        Self::SendLag,
        Self::LoopLag,
        Self::Connect,
        Self::Tcp,
        Self::Tls,
        Self::Connack,
        Self::Suback,
    ];

    /// As results and thresholds call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ack => "ack",
            Self::AckFromSend => "ack_from_send",
            Self::Delivery => "delivery",
            Self::DeliveryFromSend => "delivery_from_send",
            Self::SendLag => "send_lag",
            Self::LoopLag => "loop_lag",
            Self::Connect => "connect",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Connack => "connack",
            Self::Suback => "suback",
        }
    }
}

/// One histogram for each [`Timing`]. An unused one takes next to no memory.
#[derive(Debug, Clone)]
pub struct Timings([Histogram<u64>; Timing::ALL.len()]);

impl Default for Timings {
    fn default() -> Self {
        Self(Timing::ALL.map(|_| empty()))
    }
}

/// A histogram that grows with what is recorded.
fn empty() -> Histogram<u64> {
    Histogram::new(DIGITS).expect("three digits are allowed")
}

impl Timings {
    pub fn record(&mut self, timing: Timing, ns: u64) {
        // It grows up to MAX, which fits into memory.
        let _ = self.0[timing as usize].record(ns.min(MAX));
    }

    pub fn of(&self, timing: Timing) -> &Histogram<u64> {
        &self.0[timing as usize]
    }

    pub fn iter(&self) -> impl Iterator<Item = (Timing, &Histogram<u64>)> {
        Timing::ALL.into_iter().zip(&self.0)
    }

    pub fn merge(&mut self, other: &Self) {
        for (mine, other) in self.0.iter_mut().zip(&other.0) {
            // The same digits everywhere, and it grows: adding cannot fail.
            let _ = mine.add(other);
        }
    }

    /// What was recorded since `earlier`, a copy of these timings from before.
    pub fn since(&self, earlier: &Self) -> Self {
        let mut rest = self.clone();
        for (mine, earlier) in rest.0.iter_mut().zip(&earlier.0) {
            // What is in the copy is in here too.
            let _ = mine.subtract(earlier);
        }
        rest
    }
}

/// The figures of a histogram of nanoseconds, with three digits of precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    pub count: u64,
    pub p50: Duration,
    pub p90: Duration,
    pub p99: Duration,
    pub p99_9: Duration,
    pub p99_99: Duration,
    pub max: Duration,
    pub mean: Duration,
}

impl Latency {
    /// `None` when nothing was measured.
    pub fn of(histogram: &Histogram<u64>) -> Option<Self> {
        if histogram.is_empty() {
            return None;
        }
        let at = |quantile| Duration::from_nanos(histogram.value_at_quantile(quantile));
        Some(Self {
            count: histogram.len(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            p99_99: at(0.9999),
            max: Duration::from_nanos(histogram.max()),
            mean: Duration::from_nanos(histogram.mean() as u64),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_order_of_all_is_that_of_the_values() {
        for (index, timing) in Timing::ALL.into_iter().enumerate() {
            assert_eq!(timing as usize, index);
        }
    }

    #[test]
    fn times_from_nanoseconds_to_an_hour_are_kept_with_three_digits() {
        let mut timings = Timings::default();
        for exponent in 0..13 {
            let ns = 10_u64.pow(exponent);
            timings = Timings::default();
            timings.record(Timing::Ack, ns);
            let max = timings.of(Timing::Ack).max();
            assert!(max.abs_diff(ns.min(MAX)) <= ns / 1000, "{ns} {max}");
        }
        timings.record(Timing::Ack, u64::MAX);
        assert_eq!(timings.of(Timing::Ack).len(), 2);
    }

    proptest! {
        #[test]
        fn what_was_there_and_what_came_make_the_whole(
            before in prop::collection::vec(1..10_000_000_000_u64, 0..40),
            after in prop::collection::vec(1..10_000_000_000_u64, 0..40),
        ) {
            let mut timings = Timings::default();
            before.iter().for_each(|ns| timings.record(Timing::Delivery, *ns));
            let earlier = timings.clone();
            after.iter().for_each(|ns| timings.record(Timing::Delivery, *ns));
            let mut sum = timings.since(&earlier);
            prop_assert_eq!(sum.of(Timing::Delivery).len(), after.len() as u64);
            sum.merge(&earlier);
            prop_assert_eq!(sum.of(Timing::Delivery), timings.of(Timing::Delivery));
        }
    }
}
