//! When to send PINGREQ and when to give the broker up (section 3.1.2.10).

use std::time::{Duration, Instant};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Fine,
    Ping,
    Dead,
}

/// Pings when nothing was sent, or nothing was heard, for the keep alive time: the first is the
/// protocol's rule, the second finds a broker that is gone while we only send.
#[derive(Debug, Clone)]
pub(super) struct KeepAlive {
    interval: Duration,
    last_out: Instant,
    last_in: Instant,
    /// A PINGREQ that nothing was heard after.
    ping: Option<Instant>,
}

impl KeepAlive {
    pub fn new(interval: Duration, now: Instant) -> Self {
        Self {
            interval,
            last_out: now,
            last_in: now,
            ping: None,
        }
    }

    pub fn interval(&self) -> Duration {
        self.interval
    }

    pub fn set_interval(&mut self, interval: Duration) {
        self.interval = interval;
    }

    pub fn wrote(&mut self, now: Instant) {
        self.last_out = now;
    }

    pub fn heard(&mut self, now: Instant) {
        self.last_in = now;
        self.ping = None;
    }

    pub fn deadline(&self) -> Option<Instant> {
        if self.interval.is_zero() {
            return None;
        }
        let since = match self.ping {
            None => self.last_out.min(self.last_in),
            // A ping behind a large packet leaves late: as long as bytes go out, wait.
            Some(sent) => sent.max(self.last_out),
        };
        Some(since + self.interval)
    }

    pub fn check(&mut self, now: Instant, reading: bool) -> Verdict {
        if !reading {
            // What the broker says is not read now, so its silence is ours.
            self.last_in = now;
            self.ping = None;
        }
        match self.deadline() {
            Some(deadline) if now >= deadline => {
                if self.ping.is_some() {
                    return Verdict::Dead;
                }
                self.ping = Some(now);
                Verdict::Ping
            }
            _ => Verdict::Fine,
        }
    }
}
