//! One monotonic clock for all threads of the process, and what a thread has used of its core.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Instants as nanoseconds since a moment shared by the whole process, so that a subscriber's thread
/// can subtract what a publisher's thread wrote.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    epoch: Instant,
}

impl Clock {
    pub fn shared() -> Self {
        static EPOCH: OnceLock<Instant> = OnceLock::new();
        Self {
            epoch: *EPOCH.get_or_init(Instant::now),
        }
    }

    pub fn now(&self) -> Now {
        self.at(Instant::now())
    }

    pub fn at(&self, instant: Instant) -> Now {
        let since = instant.saturating_duration_since(self.epoch);
        Now {
            instant,
            ns: since.as_nanos() as u64,
        }
    }
}

/// One reading of the clock, in both forms.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    pub instant: Instant,
    /// Since the process's epoch.
    pub ns: u64,
}

/// CPU time that the calling thread has used, user and system; absent where it cannot be asked.
///
/// The thread's clock and not getrusage: it has nanoseconds, and it leaves out an embedded broker
/// that runs in the same process.
pub fn thread_cpu() -> Option<Duration> {
    #[cfg(unix)]
    return cpu(rustix::time::ClockId::ThreadCPUTime);
    #[cfg(not(unix))]
    None
}

/// CPU time that all threads have used.
pub fn process_cpu() -> Option<Duration> {
    #[cfg(unix)]
    return cpu(rustix::time::ClockId::ProcessCPUTime);
    #[cfg(not(unix))]
    None
}

#[cfg(unix)]
fn cpu(clock: rustix::time::ClockId) -> Option<Duration> {
    let time = rustix::time::clock_gettime(clock);
    Some(Duration::new(
        u64::try_from(time.tv_sec).ok()?,
        u32::try_from(time.tv_nsec).ok()?,
    ))
}
