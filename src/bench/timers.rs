//! When which connection of a worker is to be served although nothing comes from its socket, and an
//! alarm that is exact enough for it.
//!
//! The runtime's own timers are rounded to milliseconds, which would be the greater part of a latency on
//! the same machine. Linux wakes a timer descriptor within microseconds.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::time::Duration;

/// Instants that are nearer than this are waited for together: a wake-up costs several microseconds.
pub const GRAIN: Duration = Duration::from_micros(50);

/// A connection that waits has one instant here, seldom two, so this stays as small as their number. Adding and taking cost the logarithm of that, whatever the number of messages.
#[derive(Debug, Default)]
pub struct Timers(BinaryHeap<Reverse<(u64, u32)>>);

impl Timers {
    /// Serve this connection at `due`, in ns of the process clock.
    pub fn add(&mut self, due: u64, connection: u32) {
        self.0.push(Reverse((due, connection)));
    }

    pub fn next(&self) -> Option<u64> {
        self.0.peek().map(|Reverse((due, _))| *due)
    }

    /// A connection whose instant has come.
    pub fn take(&mut self, now: u64) -> Option<u32> {
        let Reverse((due, connection)) = *self.0.peek()?;
        (due <= now).then(|| {
            self.0.pop();
            connection
        })
    }
}

#[cfg(target_os = "linux")]
pub use exact::Alarm;
#[cfg(not(target_os = "linux"))]
pub use rounded::Alarm;

#[cfg(target_os = "linux")]
mod exact {
    use std::os::fd::OwnedFd;

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::unix::AsyncFd;

    use super::{Duration, io};

    #[derive(Debug)]
    pub struct Alarm(AsyncFd<OwnedFd>);

    impl Alarm {
        /// Needs a runtime.
        #[expect(
            deprecated,
            reason = "its heir asks for unsafe code, to promise that the descriptor stays open: it is ours"
        )]
        pub fn new() -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            Ok(Self(AsyncFd::new(timer)?))
        }

        /// Rings once, so much later; forgets what was set before.
        pub fn set(&mut self, after: Duration) -> io::Result<()> {
            // Nothing at all would turn it off.
            let after = after.max(Duration::from_nanos(1));
            let setting = Itimerspec {
                it_interval: Timespec {
                    tv_sec: 0,
                    tv_nsec: 0,
                },
                it_value: Timespec {
                    tv_sec: after.as_secs().try_into().unwrap_or(i64::MAX),
                    tv_nsec: after.subsec_nanos().into(),
                },
            };
            timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &setting)?;
            Ok(())
        }

        pub async fn rings(&mut self) -> io::Result<()> {
            // Setting it again resets it, so there is nothing to read.
            self.0.readable().await?.clear_ready();
            Ok(())
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod rounded {
    use super::{Duration, io};

    #[derive(Debug)]
    pub struct Alarm(tokio::time::Instant);

    impl Alarm {
        pub fn new() -> io::Result<Self> {
            Ok(Self(tokio::time::Instant::now()))
        }

        /// Rings once, so much later; forgets what was set before.
        pub fn set(&mut self, after: Duration) -> io::Result<()> {
            self.0 = tokio::time::Instant::now() + after;
            Ok(())
        }

        pub async fn rings(&mut self) -> io::Result<()> {
            tokio::time::sleep_until(self.0).await;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_come_in_the_order_of_their_instants() {
        let mut timers = Timers::default();
        for (due, connection) in [(30, 1), (10, 2), (20, 3)] {
            timers.add(due, connection);
        }
        assert_eq!(timers.next(), Some(10));
        assert_eq!(timers.take(9), None);
        assert_eq!(timers.take(25), Some(2));
        assert_eq!(timers.take(25), Some(3));
        assert_eq!(timers.take(25), None);
        assert_eq!(timers.next(), Some(30));
    }

    #[tokio::test]
    async fn an_alarm_rings_every_time_that_it_is_set() {
        let mut alarm = Alarm::new().unwrap();
        for _ in 0..3 {
            alarm.set(Duration::from_secs(3600)).unwrap();
            alarm.set(Duration::from_micros(100)).unwrap();
            alarm.rings().await.unwrap();
        }
        alarm.set(Duration::ZERO).unwrap();
        alarm.rings().await.unwrap();
    }
}
