//! When the retained messages have all come: MQTT does not say, so this does.
//!
//! First nothing retained must have come for a while, because some brokers look theirs up after they
//! have granted the subscription. Then a ping must come back with nothing retained before its answer:
//! a broker answers in order, so what it had sent, or was slowed in sending, is here by then, and a
//! broker or a line that stands still is not taken for silence.

use std::time::Duration;

use tokio::time::Instant;

/// How long nothing must have come, unless told otherwise.
pub const QUIET: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// For the answer to the subscriptions.
    Waiting,
    /// Since then nothing came.
    Quiet(Instant),
    /// A ping is on its way. `open`: before an exchange had ended, behind which others may be waiting; its end
    /// may then go out behind the ping, so the answer says nothing of them.
    Probing { open: bool },
}

#[derive(Debug)]
pub struct Settling {
    quiet: Duration,
    stage: Stage,
    /// A message of the other kind came behind the ping.
    live: bool,
}

impl Settling {
    pub fn new(quiet: Duration) -> Self {
        Self {
            quiet,
            stage: Stage::Waiting,
            live: false,
        }
    }

    /// The broker has granted the subscriptions.
    pub fn subscribed(&mut self, now: Instant) {
        self.stage = Stage::Quiet(now);
    }

    /// The connection is gone; the subscriptions are asked for again.
    pub fn lost(&mut self) {
        self.stage = Stage::Waiting;
    }

    /// A message came.
    pub fn came(&mut self, retained: bool, now: Instant) {
        match self.stage {
            Stage::Waiting => {}
            _ if retained => self.stage = Stage::Quiet(now),
            Stage::Quiet(_) => {}
            Stage::Probing { .. } => self.live = true,
        }
    }

    /// When [`Settling::probe`] must be called.
    pub fn deadline(&self) -> Option<Instant> {
        match self.stage {
            Stage::Quiet(since) => Some(since + self.quiet),
            Stage::Waiting | Stage::Probing { .. } => None,
        }
    }

    /// The quiet time is over, and a ping goes out while `unfinished` messages wait for the rest of their
    /// exchange.
    pub fn probe(&mut self, unfinished: usize) {
        self.stage = Stage::Probing {
            open: unfinished > 0,
        };
        self.live = false;
    }

    /// The answer to a ping. Whether all has come: behind messages that are `unfinished`, now or when the ping
    /// went out, others may be waiting; but not behind a live one.
    pub fn pong(&mut self, unfinished: usize, now: Instant) -> bool {
        let Stage::Probing { open } = self.stage else {
            // Something retained came meanwhile.
            return false;
        };
        if (open || unfinished > 0) && !self.live {
            self.stage = Stage::Quiet(now);
            return false;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_and_an_answered_ping_are_the_end() {
        let start = Instant::now();
        let mut settling = Settling::new(QUIET);
        assert_eq!(settling.deadline(), None, "before the broker has answered");
        settling.subscribed(start);
        assert_eq!(settling.deadline(), Some(start + QUIET));
        let later = start + QUIET / 2;
        settling.came(true, later);
        settling.came(false, later + QUIET / 4);
        assert_eq!(
            settling.deadline(),
            Some(later + QUIET),
            "the live one does not count"
        );
        settling.probe(0);
        assert_eq!(settling.deadline(), None);
        assert!(settling.pong(0, later));
    }

    #[test]
    fn what_comes_before_the_answer_begins_it_anew() {
        let now = Instant::now();
        let mut settling = Settling::new(QUIET);
        settling.subscribed(now);
        settling.probe(0);
        settling.came(true, now);
        assert!(!settling.pong(0, now));
        assert_eq!(settling.deadline(), Some(now + QUIET));
    }

    #[test]
    fn an_open_exchange_is_waited_for_unless_a_live_message_came_behind() {
        let now = Instant::now();
        let mut settling = Settling::new(QUIET);
        settling.subscribed(now);
        for (before, after) in [(0, 1), (1, 1), (1, 0)] {
            settling.probe(before);
            assert!(!settling.pong(after, now));
            assert_eq!(settling.deadline(), Some(now + QUIET));
            settling.probe(before);
            settling.came(false, now);
            assert!(settling.pong(after, now));
        }
    }

    #[test]
    fn a_lost_connection_waits_for_the_next_answer() {
        let now = Instant::now();
        let mut settling = Settling::new(QUIET);
        settling.subscribed(now);
        settling.probe(0);
        settling.lost();
        assert!(!settling.pong(0, now));
        assert_eq!(settling.deadline(), None);
        settling.subscribed(now);
        assert!(settling.deadline().is_some());
    }
}
