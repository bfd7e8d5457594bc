//! What a connection is to be, checked and ready to be made.

use std::sync::Arc;
use std::time::Duration;

use crate::mqtt::session::{Identity, Settings};
use crate::net::Endpoint;

#[derive(Debug, Clone)]
pub struct ConnectionPlan {
    pub endpoint: Endpoint,
    pub settings: Arc<Settings>,
    pub identity: Identity,
    /// How long the first connection may take to come about; without it the first failure is final.
    pub wait_for_broker: Option<Duration>,
    pub backoff: Backoff,
    pub reconnect: Reconnect,
}

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
}
