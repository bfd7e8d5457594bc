//! Whether the generator itself was the bottleneck, in which case a run says nothing about the broker.
//! Pure.
//!
//! In a closed loop a busy generator is no fault: the loop goes as fast as the slower side, the report
//! shows the workers' CPU time, and latency is that of the load which came about. With a rate it is
//! different: messages are due at instants, and figures count from there. Such a run is invalid when
//! the generator was late by its own fault, not because the broker took nothing.

use std::fmt;
use std::time::Duration;

use super::timing::Latency;

/// Time and CPU time of one worker's thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    pub time: Duration,
    pub cpu: Duration,
}

impl Spent {
    /// Of one core.
    pub fn share(&self) -> f64 {
        let time = self.time.as_secs_f64();
        if time > 0.0 {
            self.cpu.as_secs_f64() / time
        } else {
            0.0
        }
    }
}

/// What one worker's thread used; absent where it cannot be asked. A broker in the same process is
/// not in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effort {
    /// While messages were published.
    pub publishing: Option<Spent>,
    /// From the first publish to the end of the drain.
    pub total: Option<Spent>,
}

/// How the generator did.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Health {
    /// The share of its core that the busiest worker used while messages were published.
    pub busiest: Option<f64>,
    /// The share of the publishing time for which a publisher's socket was full, on average over the
    /// publishers.
    pub socket_full: f64,
    pub send_lag: Option<Latency>,
    pub loop_lag: Option<Latency>,
    /// Messages per second that were asked for, and those that were sent; absent in a closed loop.
    pub rate: Option<Rate>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    pub planned_per_s: f64,
    pub sent_per_s: f64,
    /// What one burst more or less makes of it in the time that was measured: by so much it misses the plan where
    /// everything is sent when it is due.
    pub burst_per_s: f64,
}

impl Rate {
    pub fn is_missed(&self) -> bool {
        self.sent_per_s < MIN_RATE * self.planned_per_s
            && self.planned_per_s - self.sent_per_s > self.burst_per_s
    }
}

/// From this share on a core has nothing left to give.
const BUSY: f64 = 0.95;
/// A generator that sends one in a hundred messages later than this is late.
const MAX_SEND_LAG: Duration = Duration::from_millis(10);
/// The share of a rate that must be reached.
const MIN_RATE: f64 = 0.95;
/// Sockets that are full for less than this share of the time are not what held the rate down.
const FULL: f64 = 0.05;

/// Why a run is invalid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Invalid {
    /// A worker had no CPU time left and sent late.
    Busy { share: f64, send_lag: Duration },
    /// Messages were sent late although sockets took them and the workers were not busy: something
    /// else kept the threads from running.
    Held {
        send_lag: Duration,
        loop_lag: Duration,
    },
    /// The rate was not reached although sockets took what they were given.
    Slow(Rate),
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy { share, send_lag } => write!(
                f,
                "a worker used {:.0} % of its core and sent late (p99 {send_lag:.1?})",
                share * 100.0
            ),
            Self::Held { send_lag, loop_lag } => write!(
                f,
                "this machine did not let the generator run in time: sent late (p99 {send_lag:.1?}), \
                 ran late (p99 {loop_lag:.1?})"
            ),
            Self::Slow(rate) => write!(
                f,
                "the generator sent {:.0}/s of {:.0}/s although the sockets were not full",
                rate.sent_per_s, rate.planned_per_s
            ),
        }
    }
}

impl Health {
    /// Why the run is invalid, if it is. Never in a closed loop.
    pub fn judge(&self) -> Option<Invalid> {
        let rate = self.rate?;
        let full = self.socket_full >= FULL;
        let share = self.busiest.unwrap_or(0.0);
        if let Some(send_lag) = self.send_lag.map(|lag| lag.p99)
            && send_lag > MAX_SEND_LAG
        {
            if share >= BUSY {
                return Some(Invalid::Busy { share, send_lag });
            }
            let loop_lag = self.loop_lag.map_or(Duration::ZERO, |lag| lag.p99);
            if loop_lag > MAX_SEND_LAG && !full {
                return Some(Invalid::Held { send_lag, loop_lag });
            }
        }
        (rate.is_missed() && !full).then_some(Invalid::Slow(rate))
    }
}

#[cfg(test)]
mod tests {
    use super::super::timing::{Timing, Timings};
    use super::*;
    use proptest::prelude::*;

    fn lag(ms: u64) -> Option<Latency> {
        let mut timings = Timings::default();
        timings.record(Timing::SendLag, ms * 1_000_000);
        Latency::of(timings.of(Timing::SendLag))
    }

    fn health(sent_per_s: f64) -> Health {
        Health {
            busiest: Some(0.5),
            socket_full: 0.0,
            send_lag: lag(1),
            loop_lag: lag(1),
            rate: Some(Rate {
                planned_per_s: 1000.0,
                sent_per_s,
                burst_per_s: 1.0,
            }),
        }
    }

    #[test]
    fn a_generator_in_time_is_valid() {
        assert_eq!(health(999.0).judge(), None);
    }

    #[test]
    fn a_busy_worker_that_sends_late_is_the_bottleneck() {
        let mut busy = health(1000.0);
        busy.busiest = Some(0.97);
        assert_eq!(busy.judge(), None, "busy alone is no fault");
        busy.send_lag = lag(50);
        let reason = busy.judge().unwrap().to_string();
        assert!(
            reason.starts_with("a worker used 97 % of its core"),
            "{reason}"
        );
    }

    #[test]
    fn a_machine_that_does_not_let_it_run_is_the_bottleneck() {
        let mut held = health(1000.0);
        (held.send_lag, held.loop_lag) = (lag(50), lag(60));
        assert!(matches!(held.judge(), Some(Invalid::Held { .. })));
        // Late because the broker did not take it.
        held.socket_full = 0.5;
        assert_eq!(held.judge(), None);
    }

    #[test]
    fn a_rate_that_is_not_reached_is_the_brokers_doing_only_when_sockets_are_full() {
        assert!(matches!(health(900.0).judge(), Some(Invalid::Slow(_))));
        let mut full = health(900.0);
        full.socket_full = 0.5;
        assert_eq!(full.judge(), None);
    }

    #[test]
    fn a_burst_that_is_due_behind_the_end_is_not_missed() {
        let rate = |sent_per_s| Rate {
            planned_per_s: 1.0,
            sent_per_s,
            burst_per_s: 5.0,
        };
        assert!(!rate(0.0).is_missed());
        let rate = |sent_per_s| Rate {
            planned_per_s: 10.0,
            ..rate(sent_per_s)
        };
        assert!(!rate(5.0).is_missed());
        assert!(rate(4.9).is_missed());
    }

    proptest! {
        #[test]
        fn a_closed_loop_is_never_invalid(
            share in 0.0..2.0, full in 0.0..1.0, ms in 0..100_000_u64,
        ) {
            let health = Health {
                busiest: Some(share),
                socket_full: full,
                send_lag: lag(ms),
                loop_lag: lag(ms),
                rate: None,
            };
            prop_assert_eq!(health.judge(), None);
        }
    }
}
