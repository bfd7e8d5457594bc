//! What a run leads to: plain data, for people, files and thresholds alike.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::account::Account;
use super::plan::{BenchPlan, Publishers, Subscribers};
use super::recorder::{Counts, Recorder};
use crate::mqtt::{QoS, Version};

/// The result of a run.
#[derive(Debug, Clone)]
pub struct Report {
    pub setup: Setup,
    pub times: Times,
    /// A signal ended the run before its plan did.
    pub interrupted: bool,
    /// Messages sent at QoS 1 and 2 that were neither acknowledged nor refused.
    pub unacknowledged: u64,
    /// Deliveries to subscribers; absent without publishers or subscribers.
    pub account: Option<Account>,
    pub rates: Rates,
    /// CPU time of the worker threads from the first publish to the end of the drain. A broker in
    /// the same process is not in it.
    pub cpu: Option<Duration>,
    /// The lowest QoS that a subscription was granted.
    pub granted: Option<QoS>,
    /// The counts, the reasons and the histograms, from which the figures are read.
    pub recorder: Recorder,
}

/// What was run.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    pub version: Version,
    pub publishers: Publishers,
    pub subscribers: Subscribers,
    pub workers: usize,
}

impl Setup {
    pub(super) fn new(plan: &BenchPlan) -> Self {
        Self {
            version: plan.session.version,
            publishers: plan.publishers,
            subscribers: plan.subscribers,
            workers: plan.workers,
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Times {
    /// Until every connection was up or had failed.
    pub connect: Duration,
    /// While messages were published.
    pub publish: Duration,
    /// From then until nothing more was due, or nothing more came.
    pub drain: Duration,
}

/// Events per second from the first publish to the last event of the kind.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rates {
    pub sent_per_s: f64,
    pub acknowledged_per_s: f64,
    pub received_per_s: f64,
}

impl Rates {
    /// `start_ns` is the instant of the first publish.
    pub(super) fn new(recorder: &Recorder, start_ns: u64) -> Self {
        let rate = |count: u64, last: u64| {
            let seconds = Duration::from_nanos(last.saturating_sub(start_ns)).as_secs_f64();
            if seconds > 0.0 {
                count as f64 / seconds
            } else {
                0.0
            }
        };
        let (counts, last) = (&recorder.counts, &recorder.last);
        Self {
            sent_per_s: rate(counts.sent, last.sent),
            acknowledged_per_s: rate(counts.acknowledged, last.acknowledged),
            received_per_s: rate(counts.received, last.received),
        }
    }
}

/// The figures of a histogram of nanoseconds, with three digits of precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    pub count: u64,
    pub mean: Duration,
    pub p50: Duration,
    pub p90: Duration,
    pub p99: Duration,
    pub p99_9: Duration,
    pub max: Duration,
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
            mean: Duration::from_nanos(histogram.mean() as u64),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            max: Duration::from_nanos(histogram.max()),
        })
    }
}

impl Report {
    pub fn counts(&self) -> &Counts {
        &self.recorder.counts
    }

    /// From publish to PUBACK or PUBCOMP.
    pub fn ack(&self) -> Option<Latency> {
        Latency::of(&self.recorder.ack)
    }

    /// From publish to the subscriber.
    pub fn delivery(&self) -> Option<Latency> {
        Latency::of(&self.recorder.delivery)
    }

    /// From the start of dialling to CONNACK.
    pub fn connect(&self) -> Option<Latency> {
        Latency::of(&self.recorder.connect)
    }

    /// CPU time for each message sent or received.
    pub fn cpu_per_message(&self) -> Option<Duration> {
        let counts = self.counts();
        let messages = counts.sent + counts.received;
        let nanoseconds = self.cpu?.as_nanos().checked_div(u128::from(messages))?;
        Some(Duration::from_nanos(nanoseconds as u64))
    }

    /// What MQTT promises for a message all the way to a subscriber.
    pub fn promise(&self) -> QoS {
        let publishers = self.setup.publishers.qos;
        if self.setup.subscribers.count == 0 {
            return publishers;
        }
        publishers
            .min(self.setup.subscribers.qos)
            .min(self.granted.unwrap_or(QoS::ExactlyOnce))
    }
}

/// Where a run stands, about once a second.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    pub phase: Phase,
    /// Since the run began.
    pub elapsed: Duration,
    /// Of the phase, where it has a planned end.
    pub left: Option<Duration>,
    /// Connections that are ready now, out of `clients`.
    pub open: usize,
    pub clients: usize,
    pub counts: Counts,
    /// Over the last interval.
    pub sent_per_s: f64,
    pub received_per_s: f64,
    /// Of the run so far: to the acknowledgement, or at QoS 0 to the subscriber.
    pub p99: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Connecting,
    Publishing,
    Draining,
    Disconnecting,
}
