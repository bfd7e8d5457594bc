//! Which connection of a worker is dialled next, and when: so many at once, so many a second. Those that
//! were never dialled come first, then those that are to be made again.

use std::collections::VecDeque;

use tokio::task::{JoinError, JoinSet};

use super::super::connection::{Connection, Role};
use super::super::plan::BenchPlan;
use super::super::shared::Shared;
use super::super::stream::{DialError, Dialed};

/// What a dialer came to.
pub struct Dialled {
    /// The connection that it is for.
    pub index: usize,
    /// When dialling began, in ns.
    pub began: u64,
    pub stream: Result<Dialed, DialError>,
}

pub struct Dialling {
    dialers: JoinSet<Dialled>,
    /// The next connection to dial for the first time, and where those of the last command end.
    next: usize,
    end: usize,
    /// Connections that are being dialled or are not ready.
    starting: usize,
    concurrency: usize,
    /// When the next one may be dialled, in ns, and how much later another one.
    at: u64,
    gap: u64,
}

impl Dialling {
    /// So many at once; `gap`: from one to the next, in ns.
    pub fn new(concurrency: usize, gap: u64) -> Self {
        Self {
            dialers: JoinSet::new(),
            next: 0,
            end: 0,
            starting: 0,
            concurrency,
            at: 0,
            gap,
        }
    }

    /// The connections before `end` are to be dialled.
    pub fn extend_to(&mut self, end: usize) {
        self.end = end;
    }

    /// All that were to be dialled for the first time are ready, or have failed.
    pub fn is_done(&self) -> bool {
        self.starting == 0 && self.next == self.end
    }

    /// One that was dialled is ready, or has failed.
    pub fn started(&mut self) {
        self.starting -= 1;
    }

    /// When another connection can be dialled, in ns; `None` when there is none, or when too many are
    /// on their way.
    pub fn next_at(&self, redials: &VecDeque<(u64, u32)>) -> Option<u64> {
        if self.starting >= self.concurrency {
            return None;
        }
        let first = (self.next < self.end).then_some(0);
        let again = redials.front().map(|(again, _)| *again);
        let due = first.into_iter().chain(again).min()?;
        Some(due.max(self.at))
    }

    /// Dials all that can be dialled by now.
    pub fn dial(&mut self, connections: &mut [Connection], shared: &mut Shared) {
        let now = shared.clock.now().ns;
        while self.next_at(&shared.redials).is_some_and(|at| at <= now) {
            let index = if self.next < self.end {
                self.next += 1;
                self.next - 1
            } else {
                let Some((_, number)) = shared.redials.pop_front() else {
                    return;
                };
                number as usize
            };
            let connection = &mut connections[index];
            if !connection.is_down() {
                continue;
            }
            // A pause does not earn a rush.
            let earliest = now.saturating_sub(self.gap);
            self.at = self.at.max(earliest) + self.gap;
            let dialling = (shared.plan.dial)(client(connection.role(), &shared.plan));
            connection.dialling();
            self.starting += 1;
            self.dialers.spawn(async move {
                Dialled {
                    index,
                    began: now,
                    stream: dialling.await,
                }
            });
        }
    }

    /// Waits for the next dialer that is done; `None` when none is at work.
    pub async fn next(&mut self) -> Option<Dialled> {
        self.dialers.join_next().await.map(done)
    }

    /// A dialer that is done already.
    pub fn try_next(&mut self) -> Option<Dialled> {
        self.dialers.try_join_next().map(done)
    }
}

fn done(dialled: Result<Dialled, JoinError>) -> Dialled {
    // A dialer that panicked has printed why; the run ends as it would when a worker panics.
    dialled.expect("a dialer does not panic")
}

/// A connection's number over all roles.
fn client(role: &Role, plan: &BenchPlan) -> usize {
    match role {
        Role::Publisher(publisher) => publisher.index(),
        Role::Subscriber(subscriber) => plan.publishers.count + subscriber.index(),
        Role::Idle(idle) => plan.publishers.count + plan.subscribers.count + idle,
    }
}
