//! How often a worker looks at its sockets from the first publish on, where the plan has a say in it (`--gather`).
//!
//! To serve whatever comes as soon as it comes is best for latencies. Beside a broker on the same machine that answers
//! message by message it makes the two wake each other for one or two messages at a time: half of the CPU time goes
//! there, and the broker seems to take less than it can. With a time between two looks what comes meanwhile is read
//! together, and what may follow it leaves together. What comes waits up to that time, so the user chooses it.

use std::time::{Duration, Instant};

#[derive(Debug)]
pub struct Gather {
    every: Duration,
    looked: Instant,
}

impl Gather {
    /// On the thread that is to wait. Without a time it never does.
    pub fn new(every: Option<Duration>, now: Instant) -> Self {
        if every.is_some() {
            sleep_exactly();
        }
        Self {
            every: every.unwrap_or_default(),
            looked: now,
        }
    }

    /// Blocks the thread until it may look again. What else a worker does, dialling and timers, can wait as long.
    pub fn wait(&self) {
        if let Some(pause) = self.pause(Instant::now) {
            std::thread::sleep(pause);
        }
    }

    pub fn looked(&mut self, now: Instant) {
        self.looked = now;
    }

    fn pause(&self, now: impl FnOnce() -> Instant) -> Option<Duration> {
        if self.every.is_zero() {
            return None;
        }
        let pause = (self.looked + self.every).saturating_duration_since(now());
        (!pause.is_zero()).then_some(pause)
    }
}

/// Linux may let a thread sleep 50 us longer than it asked for, which spares wake-ups. If that cannot be turned off, looks are
/// that much further apart and nothing else.
fn sleep_exactly() {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
}

/// Times that are offered; less is not worth the waking, more no better.
const OFFERED: [Duration; 5] = [
    Duration::from_millis(1),
    Duration::from_micros(500),
    Duration::from_micros(200),
    Duration::from_micros(100),
    Duration::from_micros(50),
];

/// What to try where the broker takes so long for a message on average: an eighth of it at most, so that it
/// always has most of what is in flight. `None` where that is too short to gain anything.
pub fn suggested(took: Duration) -> Option<Duration> {
    OFFERED.into_iter().find(|every| *every <= took / 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn one_look_in_each_time() {
        let start = Instant::now();
        let mut gather = Gather::new(Some(4 * MS), start);
        assert_eq!(gather.pause(|| start + MS), Some(3 * MS));
        assert_eq!(gather.pause(|| start + 4 * MS), None);
        gather.looked(start + 5 * MS);
        assert_eq!(gather.pause(|| start + 6 * MS), Some(3 * MS));
        // After a silence what comes first is served at once.
        assert_eq!(gather.pause(|| start + 60 * MS), None);
    }

    #[test]
    fn an_eighth_of_the_latency_is_suggested_where_it_is_worth_it() {
        let suggested_us = |us| suggested(Duration::from_micros(us)).map(|every| every.as_micros());
        assert_eq!(suggested_us(399), None);
        assert_eq!(suggested_us(400), Some(50));
        assert_eq!(suggested_us(2200), Some(200));
        assert_eq!(suggested_us(1_000_000), Some(1000));
    }

    #[test]
    fn without_a_time_the_clock_is_not_asked() {
        let gather = Gather::new(None, Instant::now());
        assert_eq!(gather.pause(|| unreachable!("nothing to wait for")), None);
    }
}
