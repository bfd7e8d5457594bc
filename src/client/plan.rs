//! What a connection is to be, checked and ready to be made, and what it is worth when it breaks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::mqtt::reason::Reason;
use crate::mqtt::session::{Identity, Settings};
use crate::net::Endpoint;

#[derive(Debug, Clone)]
pub struct ConnectionPlan {
    pub endpoint: Endpoint,
    pub settings: Arc<Settings>,
    pub identity: Identity,
    /// How long the first connection may take to come about; without it the first failure is final.
    pub wait_for_broker: Option<Duration>,
    pub retry: Retry,
    pub reconnect: Reconnect,
}

/// Connections in a row that the broker may drop without a word while it acknowledges nothing.
const DROPS_BORNE: u32 = 5;

/// What a connection that breaks is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reconnect {
    /// Another attempt, once the broker has accepted us.
    #[default]
    WhenAccepted,
    /// Another attempt, once the broker could be reached at all (mosquitto_sub).
    WhenReached,
    /// Nothing: the first break is the last (mosquitto_pub).
    Never,
}

/// How often and when to connect again after a connection broke.
#[derive(Debug, Clone, Copy, Default)]
pub struct Retry {
    /// Attempts in a row without success; `None` for any number.
    pub limit: Option<u32>,
    pub backoff: Backoff,
}

impl Retry {
    /// The pause before another attempt when `made` in a row were in vain; `None` when that is enough.
    /// `jitter` is chance, 0..1.
    pub fn pause(&self, made: u32, jitter: f64) -> Option<Duration> {
        let more = self.limit.is_none_or(|limit| made < limit);
        more.then(|| self.backoff.pause(made, jitter))
    }

    /// Whether a connection that stood for so long is a success, though nothing is known to have
    /// crossed it.
    pub fn is_success(&self, stood: Duration) -> bool {
        stood >= self.backoff.longest
    }
}

/// Growing pauses between attempts to connect, with jitter so that many clients do not come at once.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    pub first: Duration,
    pub longest: Duration,
    /// The part of a pause that chance may take off.
    pub spread: f64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(200),
            longest: Duration::from_secs(10),
            spread: 0.5,
        }
    }
}

impl Backoff {
    /// What mosquitto's clients do.
    pub const EVERY_SECOND: Self = Self {
        first: Duration::from_secs(1),
        longest: Duration::from_secs(1),
        spread: 0.0,
    };

    /// The pause before attempt `attempt` (from 0): doubling, less `jitter` of 0..1 of the spread.
    pub fn pause(&self, attempt: u32, jitter: f64) -> Duration {
        let whole = self
            .first
            .saturating_mul(1 << attempt.min(16))
            .min(self.longest);
        whole.mul_f64(1.0 - jitter * self.spread)
    }
}

/// How a connection came to its end, or did not come about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// No stream could be made.
    Unreachable {
        /// The proxy could be reached, and what is behind it could not.
        behind_proxy: bool,
    },
    /// CONNACK with this reason.
    Refused(Reason),
    /// CONNACK did not come in time.
    NoConnAck,
    /// The stream ended without a word of MQTT.
    Silent,
    /// The same before it accepted us, and it had wanted a certificate that we do not have.
    CertificateWanted,
    /// The broker sent DISCONNECT with this reason.
    Ended(Reason),
    /// PINGREQ was not answered in time.
    NoPingResp,
}

/// Why no other attempt is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GiveUp {
    /// It would end in the same way, or no other attempt is wanted.
    Final,
    /// `--retry` allows no more.
    UsedUp { retries: u32 },
    /// So many accepted connections in a row came to nothing.
    DroppedAgainAndAgain { times: u32 },
}

/// How much patience is left with a broker: what each break of a connection is worth.
#[derive(Debug)]
pub struct Patience {
    retry: Retry,
    reconnect: Reconnect,
    wait_for_broker: Option<Duration>,
    started: Instant,
    /// There was a stream, and that is enough to try again.
    reached: bool,
    /// The broker has accepted a connection.
    accepted: bool,
    /// When it accepted this one; `None` until it does.
    accepted_at: Option<Instant>,
    /// Attempts since the last connection that was of use.
    attempts: u32,
    /// Accepted connections in a row that were dropped under publishes, without an acknowledgement.
    drops: u32,
}

impl Patience {
    pub fn new(plan: &ConnectionPlan, now: Instant) -> Self {
        Self {
            retry: plan.retry,
            reconnect: plan.reconnect,
            wait_for_broker: plan.wait_for_broker,
            started: now,
            reached: false,
            accepted: false,
            accepted_at: None,
            attempts: 0,
            drops: 0,
        }
    }

    /// There is a stream.
    pub fn reached(&mut self) {
        self.reached = self.reconnect == Reconnect::WhenReached;
    }

    /// The broker accepted the connection.
    pub fn accepted(&mut self, now: Instant) {
        self.accepted_at = Some(now);
        if !std::mem::replace(&mut self.accepted, true) {
            // to wait for the broker was no failure
            self.attempts = 0;
        }
    }

    /// Messages go through. A connection that was only accepted is no reason to come back faster: two
    /// clients with one identifier would throw each other out for ever.
    pub fn progress(&mut self) {
        self.attempts = 0;
    }

    /// A publish was acknowledged.
    pub fn acknowledged(&mut self) {
        self.drops = 0;
    }

    /// The pause before another attempt, or why there is none. `under_way`: publishes were not
    /// acknowledged; `jitter` is chance, 0..1.
    pub fn broke(
        &mut self,
        how: Break,
        under_way: bool,
        now: Instant,
        jitter: f64,
    ) -> Result<Duration, GiveUp> {
        let stood = self.accepted_at.take().map(|at| now - at);
        if !self.is_worth_another(how, now) {
            return Err(GiveUp::Final);
        }
        // Before MQTT 5 this is how a broker refuses a message, and it would do so for ever.
        if how == Break::Silent
            && self.reconnect == Reconnect::WhenAccepted
            && stood.is_some()
            && under_way
        {
            self.drops += 1;
            if self.drops >= DROPS_BORNE {
                return Err(GiveUp::DroppedAgainAndAgain { times: self.drops });
            }
        }
        if stood.is_some_and(|stood| self.retry.is_success(stood)) {
            self.attempts = 0;
        }
        let limit = match self.accepted {
            true => self.retry.limit,
            // for as long as was said, however often that is
            false => None,
        };
        let retry = Retry {
            limit,
            ..self.retry
        };
        let pause = retry.pause(self.attempts, jitter).ok_or(GiveUp::UsedUp {
            retries: self.attempts,
        })?;
        self.attempts = self.attempts.saturating_add(1);
        Ok(pause)
    }

    fn is_worth_another(&self, how: Break, now: Instant) -> bool {
        // Until the broker has let us in, only for as long as was said.
        let hopeful = self.accepted || self.may_wait(now);
        match (how, self.reconnect) {
            // Through a proxy, it is the proxy that mosquitto_sub reaches.
            (Break::Unreachable { behind_proxy: true }, Reconnect::WhenReached) => true,
            (Break::Unreachable { .. }, _) => hopeful || self.reached,
            (_, Reconnect::Never) => false,
            (Break::Refused(reason), _) => hopeful && passes_before_accepting(reason),
            (Break::NoConnAck, _) => hopeful,
            // What the broker says ends mosquitto_sub's work.
            (Break::Ended(_), Reconnect::WhenReached) => false,
            (Break::Ended(reason), Reconnect::WhenAccepted) => passes(reason),
            (Break::Silent | Break::NoPingResp, Reconnect::WhenReached) => true,
            // It would want it again.
            (Break::CertificateWanted, Reconnect::WhenReached) => false,
            (
                Break::Silent | Break::NoPingResp | Break::CertificateWanted,
                Reconnect::WhenAccepted,
            ) => hopeful,
        }
    }

    /// Whether the time to wait for a first connection is not over.
    fn may_wait(&self, now: Instant) -> bool {
        self.wait_for_broker
            .is_some_and(|wait| now - self.started < wait)
    }
}

/// Whether a refusal in CONNACK passes by itself: "server unavailable" in both versions, busy.
fn passes_before_accepting(reason: Reason) -> bool {
    matches!(
        reason,
        Reason(3)
            | Reason::SERVER_UNAVAILABLE
            | Reason::SERVER_BUSY
            | Reason::CONNECTION_RATE_EXCEEDED
    )
}

/// Whether what a DISCONNECT names passes by itself. A takeover or a refusal would only repeat itself.
fn passes(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::SUCCESS
            | Reason::SERVER_SHUTTING_DOWN
            | Reason::SERVER_BUSY
            | Reason::SERVER_UNAVAILABLE
            | Reason::CONNECTION_RATE_EXCEEDED
            | Reason(0x80 | 0x83 | 0x8d | 0x96 | 0xa0)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_keep_at_least_half() {
        let backoff = Backoff::default();
        assert_eq!(backoff.pause(0, 0.0), Duration::from_millis(200));
        assert_eq!(backoff.pause(2, 0.0), Duration::from_millis(800));
        assert_eq!(backoff.pause(2, 1.0), Duration::from_millis(400));
        assert_eq!(backoff.pause(1000, 0.0), Duration::from_secs(10));
    }

    #[test]
    fn attempts_are_counted_only_against_a_limit() {
        let never = Retry {
            limit: Some(0),
            ..Retry::default()
        };
        assert_eq!(never.pause(0, 0.0), None);
        let twice = Retry {
            limit: Some(2),
            ..Retry::default()
        };
        assert_eq!(twice.pause(1, 0.0), Some(Duration::from_millis(400)));
        assert_eq!(twice.pause(2, 0.0), None);
        assert!(Retry::default().pause(u32::MAX, 1.0).is_some());
    }

    #[test]
    fn a_connection_that_stood_for_the_longest_pause_is_a_success() {
        let retry = Retry::default();
        assert!(!retry.is_success(Duration::from_millis(9_999)));
        assert!(retry.is_success(Duration::from_secs(10)));
    }
}
