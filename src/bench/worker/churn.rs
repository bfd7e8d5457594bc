//! When a worker ends a connection on purpose the next time, and whose turn it is.

use super::super::connection::{Connection, Ending};
use super::super::plan::Churn;

/// The worker's share of ending connections on purpose. It rests until publishing begins.
#[derive(Debug)]
pub struct ChurnTimer {
    /// When the next one is ended, and how much later another one, in ns.
    at: u64,
    gap: u64,
    /// The connection whose turn it is.
    next: usize,
    pub ending: Ending,
}

impl ChurnTimer {
    /// `gap`: from one to the next of this worker, in ns.
    pub fn new(churn: Churn, gap: u64) -> Self {
        Self {
            at: u64::MAX,
            gap,
            next: 0,
            ending: if churn.cut {
                Ending::Cut
            } else {
                Ending::Clean
            },
        }
    }

    /// Publishing begins.
    pub fn begin(&mut self, start: u64) {
        self.at = start.saturating_add(self.gap);
    }

    /// Publishing is over.
    pub fn end(&mut self) {
        self.at = u64::MAX;
    }

    pub fn next(&self) -> u64 {
        self.at
    }

    /// Whether one is due by now; then the next is due later.
    pub fn take(&mut self, now: u64) -> bool {
        let due = self.at <= now;
        if due {
            self.at += self.gap;
        }
        due
    }

    /// The next connection that is up.
    pub fn turn(&mut self, connections: &[Connection]) -> Option<usize> {
        for _ in 0..connections.len() {
            let index = self.next;
            self.next = (index + 1) % connections.len();
            if connections[index].is_ready() {
                return Some(index);
            }
        }
        None
    }
}
