//! How often and when to connect again after a connection broke, for whoever keeps one. Pure.

use std::time::Duration;

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
