//! What a run came to: all that its workers knew at the end, made into a report.

use std::time::{Duration, Instant};

use super::super::account::{Got, Sent, Terms, settle};
use super::super::clock::Clock;
use super::super::error::BenchError;
use super::super::payload::Stamps;
use super::super::recorder::Recorder;
use super::super::report::{self, Rates, Report, Setup, Times};
use super::super::verdict::Verdict;
use super::Run;

impl Run {
    /// What all workers have recorded at the end.
    pub(super) fn whole(&self) -> Recorder {
        let mut all = Recorder::default();
        for finished in &self.finished {
            all.merge(&finished.recorder);
        }
        all
    }

    pub(super) fn report(self, recorder: Recorder) -> Result<Report, BenchError> {
        let plan = &self.plan;
        let mut sent = vec![Sent::default(); plan.publishers.count];
        let mut got = vec![Got::default(); plan.subscribers.count];
        let mut efforts = Vec::new();
        let mut first_error = None;
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
            first_error = first_error.or(finished.first_error);
        }
        if recorder.counts.connected == 0
            && let Some(first) = first_error.take()
        {
            return Err(BenchError::NoConnection {
                clients: plan.clients(),
                first,
            });
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
        let rates = Rates::new(&recorder, start_ns);
        let health = report::health(
            plan,
            &recorder,
            &efforts,
            times.publish,
            account.offered,
            rates.sent_per_s,
        );
        Ok(Report {
            run: self.run,
            started: self.started,
            setup: Setup::new(plan),
            times,
            verdict: Verdict::of(&account, &recorder, &health, plan.publishers.qos),
            hint: first_error.and_then(|first| first.ports_hint()),
            health,
            interrupted: self.interrupted,
            account,
            rates,
            ceiling: None,
            efforts,
            sent,
            got,
            group,
            recorder,
            shape: self.shape.clone(),
        })
    }
}
