//! `--message-rate`: how many messages came in each second, in place of the messages.

use std::io::Write;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct Rate {
    count: u64,
    /// The end of the second that is being counted.
    due: Instant,
}

impl Rate {
    pub fn new(now: Instant) -> Self {
        Self {
            count: 0,
            due: now + SECOND,
        }
    }

    /// Seconds are counted from now on.
    pub fn begin(&mut self, now: Instant) {
        self.due = now + SECOND;
    }

    pub fn count(&mut self) {
        self.count += 1;
    }

    /// When the next line is due.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// Appends the line and begins the next second. A second that was slept through is not made up for.
    pub fn write(&mut self, now: Instant, out: &mut Vec<u8>) {
        // Writing to memory does not fail.
        let _ = writeln!(out, "{} msgs/s", std::mem::take(&mut self.count));
        while self.due <= now {
            self.due += SECOND;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_a_line_of_its_own() {
        let start = Instant::now();
        let mut rate = Rate::new(start);
        let mut out = Vec::new();
        rate.count();
        rate.count();
        rate.write(start + SECOND, &mut out);
        assert_eq!(rate.due(), start + 2 * SECOND);
        rate.count();
        // suspended meanwhile
        rate.write(start + SECOND * 7 / 2, &mut out);
        assert_eq!(rate.due(), start + 4 * SECOND);
        rate.write(start + 4 * SECOND, &mut out);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "2 msgs/s\n1 msgs/s\n0 msgs/s\n");
    }
}
