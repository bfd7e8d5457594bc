//! What a run shows: that all which MQTT promises was kept, or where it was not, or nothing at all
//! because the generator was the bottleneck. Pure.
//!
//! The promise is that of the effective QoS, the lower one of what a message was published with and
//! what its subscriber was granted: 0 may lose, 1 may repeat, 2 neither. The order of a publisher's
//! messages on a topic is promised at every QoS, and so is their content. What a publisher itself sent again,
//! after its connection had broken, may come twice and late, and what several filters of a subscriber match may
//! come once for each.

use std::fmt;

use super::account::{Account, MAX_PLACES};
use super::health::{Health, Invalid};
use super::recorder::{Place, Recorder};
use crate::mqtt::QoS;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verdict {
    /// What was not as promised; none of them means PASS.
    pub faults: Vec<Fault>,
    pub invalid: Option<Invalid>,
    /// What else was asked of the run and not met, each in its own words.
    pub missed: Vec<String>,
}

/// Something that went wrong, how often, and where first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub kind: FaultKind,
    pub count: u64,
    /// Some of the first messages that it happened to, where they are known.
    pub first: Vec<Place>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    FailedConnections,
    BrokenConnections,
    Refused,
    Unacknowledged,
    Lost,
    Pending,
    Duplicated,
    OutOfOrder,
    Corrupted,
    NeverSent,
    Contradictions,
}

impl FaultKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::FailedConnections => "failed connections",
            Self::BrokenConnections => "broken connections",
            Self::Refused => "refused",
            Self::Unacknowledged => "unacknowledged",
            Self::Lost => "lost",
            Self::Pending => "not yet arrived",
            Self::Duplicated => "duplicated",
            Self::OutOfOrder => "reordered",
            Self::Corrupted => "corrupted",
            Self::NeverSent => "never sent",
            Self::Contradictions => "contradictions",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.count)?;
        if let Some(first) = self.first.first() {
            write!(
                f,
                " (first: publisher {}, message {})",
                first.publisher, first.sequence
            )?;
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Pass,
    Fail,
    Invalid,
}

impl Outcome {
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::Invalid => "INVALID",
        }
    }
}

impl Verdict {
    /// `qos` is the publishers'.
    pub fn of(account: &Account, recorder: &Recorder, health: &Health, qos: QoS) -> Self {
        let (counts, odd) = (&recorder.counts, &recorder.oddities);
        let breaches = &account.breaches;
        let contradictions = account.contradictions(counts, qos).len() as u64;
        let faults = [
            (FaultKind::FailedConnections, counts.failed, Vec::new()),
            (FaultKind::BrokenConnections, counts.broken, Vec::new()),
            (FaultKind::Refused, counts.refused, Vec::new()),
            (
                FaultKind::Unacknowledged,
                account.unacknowledged,
                Vec::new(),
            ),
            (FaultKind::Lost, breaches.lost, breaches.first_lost.clone()),
            (FaultKind::Pending, breaches.pending, Vec::new()),
            (
                FaultKind::Duplicated,
                breaches.duplicated,
                breaches.first_duplicated.clone(),
            ),
            (
                FaultKind::OutOfOrder,
                breaches.out_of_order,
                breaches.first_out_of_order.clone(),
            ),
            (
                FaultKind::Corrupted,
                counts.corrupted,
                odd.corrupted.places(),
            ),
            (FaultKind::NeverSent, account.never_sent, Vec::new()),
            (FaultKind::Contradictions, contradictions, Vec::new()),
        ];
        let faults = faults.into_iter().filter(|(_, count, _)| *count > 0);
        Self {
            faults: faults
                .map(|(kind, count, first)| Fault {
                    kind,
                    count,
                    first: first.into_iter().take(MAX_PLACES).collect(),
                })
                .collect(),
            invalid: health.judge(),
            missed: Vec::new(),
        }
    }

    /// A broken promise is one whatever the generator did; without one, an invalid run shows nothing,
    /// not even that a demand was missed.
    pub fn outcome(&self) -> Outcome {
        if !self.faults.is_empty() {
            Outcome::Fail
        } else if self.invalid.is_some() {
            Outcome::Invalid
        } else if !self.missed.is_empty() {
            Outcome::Fail
        } else {
            Outcome::Pass
        }
    }

    #[cfg(test)]
    pub fn count(&self, kind: FaultKind) -> u64 {
        let fault = self.faults.iter().find(|fault| fault.kind == kind);
        fault.map_or(0, |fault| fault.count)
    }
}

#[cfg(test)]
mod tests {
    use super::super::health::Rate;
    use super::*;

    fn slow() -> Health {
        Health {
            rate: Some(Rate {
                planned_per_s: 10.0,
                sent_per_s: 1.0,
                burst_per_s: 1.0,
            }),
            ..Health::default()
        }
    }

    #[test]
    fn nothing_wrong_passes_and_a_slow_generator_is_invalid() {
        let (account, recorder) = (Account::default(), Recorder::default());
        let of = |health| Verdict::of(&account, &recorder, &health, QoS::AtMostOnce).outcome();
        assert_eq!(of(Health::default()), Outcome::Pass);
        assert_eq!(of(slow()), Outcome::Invalid);
    }

    #[test]
    fn a_broken_promise_fails_and_names_where() {
        let mut account = Account::default();
        account.breaches.lost = 2;
        account.breaches.first_lost = vec![Place {
            subscriber: 3,
            publisher: 4,
            sequence: 17,
        }];
        let mut recorder = Recorder::default();
        recorder.counts.corrupted = 1;
        let verdict = Verdict::of(&account, &recorder, &slow(), QoS::AtLeastOnce);
        assert_eq!(verdict.outcome(), Outcome::Fail);
        let faults: Vec<String> = verdict.faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            faults,
            ["lost: 2 (first: publisher 4, message 17)", "corrupted: 1"]
        );
    }
}
