//! How often a worker looks at its sockets from the first publish on (`--gather`).
//!
//! To serve whatever comes as soon as it comes is best for latencies where the broker has little to do. Beside a broker on the
//! same machine that answers message by message it makes the two wake each other for one or two messages at a time: half of
//! the CPU time goes there, and the broker seems to take less than it can. With a time between two looks what comes
//! meanwhile is read together, and what may follow it leaves together. Which time is right is for `tuner` to find, or for the
//! user to say.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What a plan says of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Gathering {
    /// In a closed loop against a broker outside of this process, a time with which more comes, if there is one.
    #[default]
    Auto,
    /// Whatever comes is served at once.
    Off,
    /// From one look of a worker to the next at least.
    Every(Duration),
}

impl Gathering {
    /// The time between two looks that is given, zero where there is none.
    pub fn given(self) -> Duration {
        match self {
            Self::Every(every) => every,
            Self::Auto | Self::Off => Duration::ZERO,
        }
    }
}

/// The time between two looks where a run finds it itself, and what its workers tell it for that.
#[derive(Debug, Default)]
pub struct Tuned {
    every_ns: AtomicU64,
    acknowledged: AtomicU64,
    delivered: AtomicU64,
    looks: AtomicU64,
}

impl Tuned {
    pub fn set(&self, every: Duration) {
        self.every_ns
            .store(every.as_nanos() as u64, Ordering::Relaxed);
    }

    fn every(&self) -> Duration {
        Duration::from_nanos(self.every_ns.load(Ordering::Relaxed))
    }

    /// What has come at all workers.
    pub fn came(&self) -> Came {
        Came {
            acknowledged: self.acknowledged.load(Ordering::Relaxed),
            delivered: self.delivered.load(Ordering::Relaxed),
        }
    }

    /// Times that any worker has looked.
    pub fn looks(&self) -> u64 {
        self.looks.load(Ordering::Relaxed)
    }
}

/// Messages that were acknowledged to publishers, and that were delivered to subscribers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Came {
    pub acknowledged: u64,
    pub delivered: u64,
}

#[derive(Debug)]
pub struct Gather {
    every: Duration,
    looked: Instant,
    tuned: Option<Arc<Tuned>>,
    /// What has come so far and was told of.
    told: Came,
}

impl Gather {
    /// On the thread that is to wait. Without a time it never does.
    pub fn new(gathering: Gathering, tuned: Option<Arc<Tuned>>, now: Instant) -> Self {
        let every = gathering.given();
        if !every.is_zero() || tuned.is_some() {
            sleep_exactly();
        }
        Self {
            every,
            looked: now,
            tuned,
            told: Came::default(),
        }
    }

    /// Blocks the thread until it may look again. What else a worker does, dialling and timers, can wait as long.
    pub fn wait(&mut self) {
        if let Some(tuned) = &self.tuned {
            self.every = tuned.every();
        }
        if let Some(pause) = self.pause(Instant::now) {
            std::thread::sleep(pause);
        }
    }

    pub fn looked(&mut self, now: Instant) {
        self.looked = now;
    }

    /// After what was found in a look was served; `came` is all that has come until now.
    pub fn tell(&mut self, came: Came) {
        if let Some(tuned) = &self.tuned {
            let told = std::mem::replace(&mut self.told, came);
            let add = |total: &AtomicU64, count| total.fetch_add(count, Ordering::Relaxed);
            add(&tuned.looks, 1);
            add(&tuned.acknowledged, came.acknowledged - told.acknowledged);
            add(&tuned.delivered, came.delivered - told.delivered);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn one_look_in_each_time() {
        let start = Instant::now();
        let mut gather = Gather::new(Gathering::Every(4 * MS), None, start);
        assert_eq!(gather.pause(|| start + MS), Some(3 * MS));
        assert_eq!(gather.pause(|| start + 4 * MS), None);
        gather.looked(start + 5 * MS);
        assert_eq!(gather.pause(|| start + 6 * MS), Some(3 * MS));
        // After a silence what comes first is served at once.
        assert_eq!(gather.pause(|| start + 60 * MS), None);
    }

    #[test]
    fn without_a_time_the_clock_is_not_asked() {
        for gathering in [Gathering::Off, Gathering::Auto] {
            let gather = Gather::new(gathering, None, Instant::now());
            assert_eq!(gather.pause(|| unreachable!("nothing to wait for")), None);
        }
    }

    #[test]
    fn the_run_sets_the_time_and_hears_what_came() {
        let start = Instant::now();
        let tuned = Arc::new(Tuned::default());
        let mut workers =
            [(); 2].map(|()| Gather::new(Gathering::Auto, Some(tuned.clone()), start));
        tuned.set(MS);
        let [one, other] = &mut workers;
        one.wait();
        assert!(start.elapsed() >= MS);
        let came = |acknowledged, delivered| Came {
            acknowledged,
            delivered,
        };
        one.tell(came(3, 0));
        one.tell(came(5, 1));
        other.tell(came(7, 20));
        assert_eq!((tuned.came(), tuned.looks()), (came(12, 21), 3));
        tuned.set(Duration::ZERO);
        one.wait();
        assert_eq!(one.every, Duration::ZERO);
    }
}
