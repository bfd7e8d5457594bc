//! What a run came to: all that its workers knew at the end, made into a report.

use std::time::{Duration, Instant};

use super::super::account::{Account, Got, Sent, Terms, settle};
use super::super::clock::Clock;
use super::super::error::BenchError;
use super::super::payload::Stamps;
use super::super::plan::{BenchPlan, Publishers};
use super::super::recorder::{Counts, Recorder};
use super::super::report::{self, Rates, Report, Setup, Times};
use super::super::verdict::Verdict;
use super::Run;
use crate::mqtt::{QoS, Version};

impl Run {
    /// What all workers have recorded at the end.
    pub(super) fn whole(&self) -> Recorder {
        let mut all = Recorder::default();
        for finished in &self.finished {
            all.merge(&finished.recorder);
        }
        all
    }

    /// There is a report when one connection came about, or none was refused: with the next step, where this machine
    /// is why the first one failed.
    pub(super) fn check_connected(
        &mut self,
        recorder: &Recorder,
    ) -> Result<Option<&'static str>, BenchError> {
        let mut errors = self.finished.iter_mut();
        match errors.find_map(|one| one.first_error.take()) {
            Some(first) if recorder.counts.connected == 0 => Err(BenchError::NoConnection {
                clients: self.plan.clients(),
                first,
            }),
            first => Ok(first.and_then(|first| first.ports_hint())),
        }
    }

    /// When publishing ended, where it was time that ended it: what came to a stop before, as with a broker
    /// that takes nothing more, was no rate until then alone.
    fn time_was_up(&self) -> Option<Instant> {
        let (began, ended) = self.publish_began.zip(self.publish_ended)?;
        let duration = self.plan.stop.duration;
        let planned = duration.map(|duration| began + self.plan.warmup + duration);
        match planned {
            Some(planned) if planned <= ended => Some(planned),
            _ if self.interrupted => Some(ended),
            _ => None,
        }
    }

    pub(super) fn report(self, recorder: Recorder, hint: Option<&'static str>) -> Report {
        let plan = &self.plan;
        let time_was_up = self.time_was_up();
        let mut sent = vec![Sent::default(); plan.publishers.count];
        let mut got = vec![Got::default(); plan.subscribers.count];
        let mut efforts = Vec::new();
        let mut group = Vec::new();
        for finished in self.finished {
            if !finished.group.is_empty() {
                group = finished.group;
            }
            for (index, one) in finished.sent {
                sent[index] = one;
            }
            for (index, one) in finished.got {
                got[index] = one;
            }
            efforts.push(finished.effort);
        }
        let terms = Terms {
            shape: &self.shape,
            qos: plan.publishers.qos,
            stamped: plan.stamps() != Stamps::None,
            settled: self.settled,
        };
        let account = settle(terms, &sent, &got, &group);
        let clock = Clock::shared();
        let start_ns = self
            .publish_began
            .map_or(0, |began| clock.at(began + plan.warmup).ns);
        let since = |end: Option<Instant>, start: Option<Instant>| {
            end.zip(start)
                .map_or(Duration::ZERO, |(end, start)| end.duration_since(start))
        };
        let times = Times {
            connect: since(self.publish_began.or(self.drained), Some(self.began)),
            publish: since(self.publish_ended, self.publish_began),
            drain: since(self.drained, self.publish_ended),
        };
        let end_ns = time_was_up.map_or(0, |end| clock.at(end).ns);
        let gathered = match &self.tuning {
            Some(tuning) => tuning.mean(times.publish),
            None => plan.gather.given(),
        };
        let rates = Rates::new(&recorder, start_ns, end_ns);
        // The end is noticed a little late, and what would have been due meanwhile is not part of the plan.
        let planned = since(time_was_up.or(self.publish_ended), self.publish_began);
        let (offered, sent_per_s) = (account.offered, rates.sent_per_s);
        let rate = report::rate(plan, &recorder, planned, offered, sent_per_s);
        let health = report::health(plan, &recorder, &efforts, times.publish, rate);
        Report {
            run: self.run,
            started: self.started,
            setup: Setup::new(plan),
            times,
            verdict: Verdict::of(&account, &recorder, &health, plan.publishers.qos),
            hint: hint
                .or_else(|| window_hint(plan, &recorder.counts))
                .or_else(|| queue_hint(&account)),
            health,
            interrupted: self.interrupted,
            account,
            rates,
            ceiling: None,
            gathered,
            efforts,
            sent,
            got,
            group,
            recorder,
            shape: self.shape.clone(),
        }
    }
}

/// The next step, where a window wider than the broker allows may be why it broke connections. Only MQTT 5 tells
/// what it allows (Receive Maximum); mosquitto keeps to 20 at QoS 2 in older versions too.
fn window_hint(plan: &BenchPlan, counts: &Counts) -> Option<&'static str> {
    let publishers = &plan.publishers;
    let applies = publishers.window() > Publishers::default().window()
        && publishers.qos != QoS::AtMostOnce
        && plan.session.version != Version::V5
        && counts.broken > 0
        && counts.acknowledged == 0;
    applies.then_some(
        "the broker may allow fewer messages in flight: give fewer with -M, or use -V 5, where it says how many",
    )
}

/// The next step, where something was lost that was not to be: brokers bound what waits for a subscriber, mosquitto
/// unless told otherwise at 1,000 messages.
fn queue_hint(account: &Account) -> Option<&'static str> {
    (account.breaches.lost > 0).then_some(
        "a broker may drop what its queue for a subscriber has no room for (mosquitto: max_queued_messages): give it a \
         longer one, or bench a --rate or fewer in flight (-M)",
    )
}
