//! What is told of a run once a second.

use std::time::{Duration, Instant};

use super::super::recorder::{Counts, Recorder};
use super::super::report::{Interval, Phase, Progress, Setup};
use super::super::timing::Latency;
use super::{Run, Stage};

/// All workers' recorders added up, and what was shown of them already.
#[derive(Default)]
pub struct Readings {
    at: Duration,
    shown: Recorder,
}

impl Readings {
    /// What is new, until now.
    pub fn cut(&mut self, all: &Recorder, now: Duration) -> Interval {
        let interval = Interval {
            start: self.at,
            end: now,
            counts: all.counts.since(&self.shown.counts),
            timings: all.timings.since(&self.shown.timings),
        };
        self.at = now;
        self.shown = all.clone();
        interval
    }
}

impl Run {
    /// What is new, once every worker has told of it.
    pub(super) fn interval(&mut self) -> Option<Interval> {
        if self.fresh.contains(&false) {
            return None;
        }
        self.fresh.fill(false);
        let mut all = Recorder::default();
        for recorder in self.recorders.iter().flatten() {
            all.merge(recorder);
        }
        Some(self.readings.cut(&all, self.began.elapsed()))
    }

    /// How far it is; `interval` is what has just been added.
    pub(super) fn progress(&self, interval: Option<Interval>) -> Progress {
        let now = Instant::now();
        let counts = self.counts();
        let rate = |count: fn(&Counts) -> u64| {
            interval.as_ref().map_or(0.0, |interval| {
                let seconds = (interval.end - interval.start).as_secs_f64().max(1e-3);
                count(&interval.counts) as f64 / seconds
            })
        };
        let phase = match self.stage {
            Stage::ConnectSubscribers | Stage::ConnectPublishers => Phase::Connecting,
            Stage::Publish => Phase::Publishing,
            Stage::Drain => Phase::Draining,
            Stage::Stop | Stage::Finished => Phase::Disconnecting,
        };
        let left = match self.stage {
            Stage::Publish => {
                self.publish_began
                    .zip(self.plan.stop.duration)
                    .map(|(began, duration)| {
                        (began + self.plan.warmup + duration).saturating_duration_since(now)
                    })
            }
            Stage::Drain => Some(self.quiet_until().saturating_duration_since(now)),
            _ => None,
        };
        let main = Setup::new(&self.plan).main_timing();
        let latency = Latency::of(self.readings.shown.timings.of(main));
        Progress {
            phase,
            elapsed: now.duration_since(self.began),
            left,
            open: self.open(),
            clients: self.plan.clients(),
            sent_per_s: rate(|counts| counts.sent),
            received_per_s: rate(|counts| counts.received),
            counts,
            interval,
            main,
            p99: latency.map(|latency| latency.p99),
        }
    }
}
