//! What a run leads to: plain data, for people, files and thresholds alike.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::account::{Account, Got, Sent};
use super::figures::figures;
use super::gather::Gathering;
use super::health::{Effort, Health, Rate};
use super::pace::{Arrivals, Pace};
use super::payload::{Payload, Stamps};
use super::plan::{
    Against, BenchPlan, Churn, FilterTemplate, Publishers, Stop, Subscribers, TopicTemplate,
};
use super::recorder::{Counts, Recorder};
use super::sequence::Sequence;
use super::shape::Shape;
use super::threshold::Demands;
use super::timing::{Latency, Timing, Timings};
use super::verdict::Verdict;
use crate::mqtt::{QoS, Version};

/// The result of a run.
#[derive(Debug, Clone)]
pub struct Report {
    /// What stamps name this run by.
    pub run: u16,
    pub started: SystemTime,
    pub setup: Setup,
    pub times: Times,
    /// A signal ended the run before its plan did.
    pub interrupted: bool,
    pub verdict: Verdict,
    /// The next step, where this machine or the size of the window is why connections failed.
    pub hint: Option<&'static str>,
    pub account: Account,
    pub rates: Rates,
    /// The rate at which this load went against the built-in peer, where that was tried.
    pub ceiling: Option<f64>,
    pub health: Health,
    /// From one look at the sockets to the next at least, on average over the publishing time; zero where whatever came was
    /// served at once.
    pub gathered: Duration,
    /// By worker.
    pub efforts: Vec<Effort>,
    /// By publisher and by subscriber: what the account was settled from.
    pub sent: Vec<Sent>,
    pub got: Vec<Got>,
    /// By publisher, what a group that shares its subscriptions has between its members.
    pub group: Vec<Sequence>,
    /// The counts, the reasons and the histograms, from which the figures are read.
    pub recorder: Recorder,
    /// Whose messages each subscriber was to get.
    pub shape: Arc<Shape>,
}

/// What was run.
#[derive(Debug, Clone)]
pub struct Setup {
    pub against: Against,
    pub version: Version,
    pub publishers: Publishers,
    pub subscribers: Subscribers,
    pub idle: usize,
    /// As they were typed; of recorded messages there are none.
    pub topics: Vec<String>,
    pub filters: Vec<String>,
    pub group: Option<String>,
    /// Bytes of the smallest and the largest payload.
    pub sizes: (usize, usize),
    /// By these messages are told apart.
    pub stamps: Stamps,
    /// Absent in a closed loop.
    pub pace: Option<Pace>,
    pub gather: Gathering,
    pub warmup: Duration,
    pub stop: Stop,
    pub drain: Duration,
    pub workers: usize,
    pub connect_rate: Option<f64>,
    pub reconnect: bool,
    pub churn: Option<Churn>,
    pub slow_subscriber: Option<Duration>,
    pub keep_alive: Duration,
    pub clean_start: bool,
    pub topic_alias: bool,
}

impl Setup {
    pub(super) fn new(plan: &BenchPlan) -> Self {
        let topics = match &plan.payload {
            Payload::Recorded(_) => Vec::new(),
            Payload::Filler(_) | Payload::Text(_) => {
                plan.topics.iter().map(TopicTemplate::text).collect()
            }
        };
        Self {
            against: plan.against,
            version: plan.session.version,
            publishers: plan.publishers,
            subscribers: plan.subscribers,
            idle: plan.idle,
            topics,
            filters: plan.filters.iter().map(FilterTemplate::text).collect(),
            group: plan.group.clone(),
            sizes: plan.sizes(),
            stamps: plan.stamps(),
            pace: plan.pace,
            gather: plan.gather,
            warmup: plan.warmup,
            stop: plan.stop,
            drain: plan.drain,
            workers: plan.workers,
            connect_rate: plan.connect_rate,
            reconnect: plan.reconnect.is_some(),
            churn: plan.churn,
            slow_subscriber: plan.slow_subscriber,
            keep_alive: plan.session.keep_alive,
            clean_start: plan.session.clean_start,
            topic_alias: plan.session.alias_topics,
        }
    }

    /// Messages go from publishers of this run to its subscribers.
    fn has_both_ends(&self) -> bool {
        self.publishers.count > 0 && self.subscribers.count > 0
    }

    /// What a run without stamps does not show.
    pub fn unverified(&self) -> &'static [&'static str] {
        if self.has_both_ends() && self.stamps == Stamps::None {
            &["lost", "duplicated", "reordered", "delivery"]
        } else {
            &[]
        }
    }

    /// The timing that says most about the run: all the way to the subscriber where there are
    /// publishers and subscribers, and else to the acknowledgement.
    pub fn main_timing(&self) -> Timing {
        if self.has_both_ends() && self.stamps != Stamps::None {
            Timing::Delivery
        } else {
            Timing::Ack
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
    /// `start_ns` is the instant from which messages count: the first publish, or the end of the warm-up.
    /// Until `end_ns` there was time for more; later ones that count have made it longer.
    pub(super) fn new(recorder: &Recorder, start_ns: u64, end_ns: u64) -> Self {
        let rate = |count: u64, last: u64| {
            let end = last.max(end_ns);
            let seconds = Duration::from_nanos(end.saturating_sub(start_ns)).as_secs_f64();
            if seconds > 0.0 {
                count as f64 / seconds
            } else {
                0.0
            }
        };
        let (counts, last) = (recorder.counts.since(&recorder.warmup), &recorder.last);
        Self {
            sent_per_s: rate(counts.sent, last.sent),
            acknowledged_per_s: rate(counts.acknowledged, last.acknowledged),
            received_per_s: rate(counts.received, last.received),
        }
    }
}

impl Report {
    pub fn counts(&self) -> &Counts {
        &self.recorder.counts
    }

    /// There are publishers and subscribers, but nobody is subscribed to what is published.
    pub fn is_unheard(&self) -> bool {
        let publishers = self.setup.publishers.count;
        publishers > 0
            && self.setup.subscribers.count > 0
            && (0..publishers).all(|one| self.shape.deliveries_of(one) == 0)
    }

    /// Messages that came more often than once.
    pub fn duplicated(&self) -> u64 {
        self.counts().duplicated + self.account.surplus
    }

    /// Connections, with TLS handshakes, per second, until all had been tried.
    pub fn connected_per_s(&self) -> Option<f64> {
        let seconds = self.times.connect.as_secs_f64();
        (seconds > 0.0).then(|| self.counts().connected as f64 / seconds)
    }

    /// How near the run came to what this machine can do.
    pub fn ceiling_share(&self) -> Option<f64> {
        let ceiling = self.ceiling.filter(|ceiling| *ceiling > 0.0)?;
        Some(self.rate() / ceiling)
    }

    /// Judges the run by what was asked of it beyond MQTT's promises.
    pub fn demand(&mut self, demands: &Demands) {
        self.verdict.missed = demands.misses(&figures(self));
    }

    /// Where the account does not add up; empty when it does.
    pub fn contradictions(&self) -> Vec<String> {
        let qos = self.setup.publishers.qos;
        self.account.contradictions(self.counts(), qos)
    }

    /// Messages per second that a run is named by: acknowledged, or at QoS 0 sent; without
    /// publishers received.
    pub fn rate(&self) -> f64 {
        match self.setup.publishers {
            Publishers { count: 0, .. } => self.rates.received_per_s,
            Publishers {
                qos: QoS::AtMostOnce,
                ..
            } => self.rates.sent_per_s,
            _ => self.rates.acknowledged_per_s,
        }
    }

    /// `None` when nothing of the kind was measured.
    pub fn latency(&self, timing: Timing) -> Option<Latency> {
        Latency::of(self.recorder.timings.of(timing))
    }

    /// CPU time of all workers from the first publish to the end of the drain.
    pub fn cpu(&self) -> Option<Duration> {
        self.efforts.iter().map(|one| Some(one.total?.cpu)).sum()
    }

    /// CPU time for each message sent or received.
    pub fn cpu_per_message(&self) -> Option<Duration> {
        let counts = self.counts();
        let messages = counts.sent + counts.received;
        let nanoseconds = self.cpu()?.as_nanos().checked_div(u128::from(messages))?;
        Some(Duration::from_nanos(nanoseconds as u64))
    }
}

/// How the generator did while messages were published, which took so long.
pub(super) fn health(
    plan: &BenchPlan,
    recorder: &Recorder,
    efforts: &[Effort],
    publishing: Duration,
    rate: Option<Rate>,
) -> Health {
    let shares = efforts
        .iter()
        .filter_map(|one| Some(one.publishing?.share()));
    let socket_time = publishing.as_nanos() as f64 * plan.publishers.count as f64;
    let lag = |timing| Latency::of(recorder.timings.of(timing));
    Health {
        busiest: shares.reduce(f64::max),
        socket_full: if socket_time > 0.0 {
            // A wait is added up when it ends, and that may be while the run drains.
            (recorder.socket_full_ns as f64 / socket_time).min(1.0)
        } else {
            0.0
        },
        send_lag: lag(Timing::SendLag),
        loop_lag: lag(Timing::LoopLag),
        rate,
    }
}

/// The rate from the end of the warm-up on: what was to come about when publishing took so long as planned, and what
/// did. Random arrivals are as many as they happened to be. Absent in a closed loop, and when it did not take that long.
pub(super) fn rate(
    plan: &BenchPlan,
    recorder: &Recorder,
    publishing: Duration,
    offered: u64,
    sent_per_s: f64,
) -> Option<Rate> {
    let pace = plan.pace.as_ref()?;
    let (from, to) = (plan.warmup.as_secs_f64(), publishing.as_secs_f64());
    if to <= from {
        return None;
    }
    let planned = match pace.arrivals {
        Arrivals::Constant => pace.due_by(to) - pace.due_by(from),
        Arrivals::Poisson => offered.saturating_sub(recorder.warmup.sent) as f64,
    };
    Some(Rate {
        planned_per_s: planned / (to - from),
        sent_per_s,
        burst_per_s: f64::from(pace.burst) / (to - from),
    })
}

/// What happened between two readings of all workers, about a second apart. The intervals of a run
/// add up to its whole.
#[derive(Debug, Clone)]
pub struct Interval {
    /// Since the run began.
    pub start: Duration,
    pub end: Duration,
    pub counts: Counts,
    pub timings: Timings,
}

/// Where a run stands, about once a second.
#[derive(Debug, Clone)]
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
    /// What came since the last one; absent where there was nothing new to read.
    pub interval: Option<Interval>,
    /// Over the last interval.
    pub sent_per_s: f64,
    pub received_per_s: f64,
    /// The timing that says most about the run, and its p99 so far.
    pub main: Timing,
    pub p99: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Connecting,
    Publishing,
    Draining,
    Disconnecting,
}
