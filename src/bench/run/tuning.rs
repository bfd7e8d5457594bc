//! Has the time between two looks tried out and set while a run publishes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::clock::process_cpu;
use super::super::gather::{Gathering, Tuned};
use super::super::plan::{Against, BenchPlan, Publishers};
use super::super::tuner::{Order, Reading, Tuner};
use crate::mqtt::QoS;

pub struct Tuning {
    tuned: Arc<Tuned>,
    tuner: Tuner,
    began: Instant,
    /// When the next reading is due; absent while nothing is published.
    next: Option<Instant>,
    /// What was set last, and when.
    set: (Duration, Instant),
    /// Each time that was set, times how long it was.
    sum: f64,
}

impl Tuning {
    /// Absent where there is nothing to find: in an open loop what comes is not up to the generator, a broker in this process is no
    /// other process to wake, and without CPU times nobody knows whether it would be worth anything.
    pub fn of(plan: &BenchPlan) -> Option<Self> {
        let applies = plan.gather == Gathering::Auto
            && plan.against == Against::Broker
            && plan.pace.is_none()
            && plan.publishers.count > 0
            && process_cpu().is_some();
        let now = Instant::now();
        applies.then(|| Self {
            tuned: Arc::default(),
            tuner: Tuner::new(plan.workers, in_flight(&plan.publishers)),
            began: now,
            next: None,
            set: (Duration::ZERO, now),
            sum: 0.0,
        })
    }

    /// For the workers.
    pub fn shared(&self) -> Arc<Tuned> {
        self.tuned.clone()
    }

    pub fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Publishing begins.
    pub fn begin(&mut self) {
        self.set.1 = Instant::now();
        self.step(Tuner::begin);
    }

    /// A reading is due.
    pub fn read(&mut self) {
        self.step(Tuner::read);
    }

    fn step(&mut self, step: fn(&mut Tuner, Reading) -> Order) {
        let now = Instant::now();
        let reading = Reading {
            at: now.duration_since(self.began),
            came: self.tuned.came(),
            looks: self.tuned.looks(),
            // It could be asked before.
            cpu: process_cpu().unwrap_or_default(),
        };
        let Order { every, until_next } = step(&mut self.tuner, reading);
        self.set(every, now);
        self.next = Some(now + until_next);
    }

    /// Publishing ends; what comes now is read as it came last.
    pub fn end(&mut self) {
        if self.next.take().is_some() {
            self.set(self.set.0, Instant::now());
        }
    }

    fn set(&mut self, every: Duration, now: Instant) {
        let (before, since) = std::mem::replace(&mut self.set, (every, now));
        self.sum += before.as_secs_f64() * now.duration_since(since).as_secs_f64();
        self.tuned.set(every);
    }

    /// On average while it was published for so long.
    pub fn mean(&self, publishing: Duration) -> Duration {
        let seconds = publishing.as_secs_f64();
        if seconds > 0.0 {
            Duration::from_secs_f64(self.sum / seconds)
        } else {
            Duration::ZERO
        }
    }
}

/// Messages that may be on their way at once; at QoS 0 nobody knows.
fn in_flight(publishers: &Publishers) -> u64 {
    let each = match publishers.qos {
        QoS::AtMostOnce => 0,
        QoS::AtLeastOnce | QoS::ExactlyOnce => publishers.window(),
    };
    publishers.count as u64 * u64::from(each)
}

#[cfg(test)]
mod tests {
    use super::super::super::pace::Pace;
    use super::super::super::stream::tcp;
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn plan() -> BenchPlan {
        BenchPlan::new(tcp(([127, 0, 0, 1], 1).into()))
    }

    #[test]
    fn a_time_is_only_looked_for_where_what_comes_is_up_to_it() {
        let applies = |change: fn(&mut BenchPlan)| {
            let mut plan = plan();
            change(&mut plan);
            Tuning::of(&plan).is_some()
        };
        assert!(applies(|_| {}));
        assert!(!applies(|plan| plan.gather = Gathering::Off));
        assert!(!applies(|plan| plan.gather = Gathering::Every(MS)));
        assert!(!applies(|plan| plan.pace = Some(Pace::constant(1.0))));
        assert!(!applies(|plan| plan.against = Against::Embedded));
        assert!(!applies(|plan| plan.against = Against::Peer));
        assert!(!applies(|plan| plan.publishers.count = 0));
    }

    #[test]
    fn the_mean_is_by_time() {
        let mut tuning = Tuning::of(&plan()).unwrap();
        tuning.begin();
        let began = tuning.set.1;
        tuning.set(2 * MS, began + 30 * MS);
        tuning.set(MS, began + 40 * MS);
        tuning.set(Duration::ZERO, began + 60 * MS);
        assert_eq!(tuning.mean(100 * MS), Duration::from_micros(400));
        assert_eq!(tuning.mean(Duration::ZERO), Duration::ZERO);
        assert!(tuning.next().is_some());
        tuning.end();
        assert_eq!(tuning.next(), None);
    }
}
