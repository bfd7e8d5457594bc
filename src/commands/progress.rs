//! How far `pub` has come, on one line, for somebody who waits.

use std::time::Duration;

use tokio::time::Instant;

use crate::output::ProgressLine;

/// Before that nothing is shown: most runs are shorter.
const FIRST: Duration = Duration::from_secs(1);
const BETWEEN: Duration = Duration::from_millis(250);

/// A line that is drawn now and then. Dropping it erases it.
#[derive(Debug)]
pub struct Progress {
    line: ProgressLine,
    due: Instant,
    drawn_at: Instant,
    drawn: u64,
}

/// What is counted, at one instant.
#[derive(Debug, Clone, Copy)]
pub struct Count {
    pub acknowledged: u64,
    /// Taken from the input.
    pub taken: u64,
    /// Bytes that wait for the socket.
    pub unwritten: usize,
}

impl Progress {
    /// `None` where stderr is no terminal.
    pub fn on_terminal() -> Option<Self> {
        let now = Instant::now();
        let line = ProgressLine::new();
        line.is_visible().then(|| Self {
            line,
            due: now + FIRST,
            drawn_at: now,
            drawn: 0,
        })
    }

    /// When [`Progress::draw`] is due.
    pub fn due(&self) -> Instant {
        self.due
    }

    pub fn draw(&mut self, count: Count) {
        let now = Instant::now();
        let since = now.saturating_duration_since(self.drawn_at);
        self.line.show(&text(count, self.drawn, since));
        self.drawn = count.acknowledged;
        self.drawn_at = now;
        self.due = now + BETWEEN;
    }
}

/// `before` were acknowledged a time of `since` ago.
fn text(count: Count, before: u64, since: Duration) -> String {
    let rate = (count.acknowledged.saturating_sub(before)) as f64 / since.as_secs_f64().max(0.001);
    let mut text = format!(
        "{} messages acknowledged, {rate:.0}/s, {} in flight",
        count.acknowledged,
        count.taken.saturating_sub(count.acknowledged)
    );
    if count.unwritten >= 1 << 20 {
        let left = count.unwritten as f64 / f64::from(1 << 20);
        text.push_str(&format!(", {left:.1} MiB to write"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_count_rate_and_what_is_under_way() {
        let mut count = Count {
            acknowledged: 1500,
            taken: 1520,
            unwritten: 100,
        };
        let half = Duration::from_millis(500);
        assert_eq!(
            text(count, 1000, half),
            "1500 messages acknowledged, 1000/s, 20 in flight"
        );
        count.unwritten = 3 << 19;
        assert!(text(count, 1000, half).ends_with("20 in flight, 1.5 MiB to write"));
    }
}
