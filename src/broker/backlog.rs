//! How much waits for one subscriber, counted by ownership: a message counts from when it is handed over until nothing
//! holds its payload any more, wherever in rmqtt it may be (channel, queue, window of unacknowledged messages).
//!
//! rmqtt's own limit does not hold memory down: each session has an unbounded channel in front of its bounded queue, and
//! a session that is busy writing to a slow socket takes nothing out of that channel.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// From here on a connected subscriber slows those who publish to it.
pub const CONGESTED_BYTES: usize = 16 * 1024 * 1024;

/// They go on when this is left.
const RELIEVED_BYTES: usize = CONGESTED_BYTES / 2;

/// What a message takes besides its payload and topic.
pub const MESSAGE_OVERHEAD_BYTES: usize = 512;

/// How long one publish waits at most. A subscriber that took nothing in this time slows nobody until it takes something.
/// Well below the five seconds that rmqtt gives a session to make way for its successor.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// Not stuck; no subscriber ever takes this many messages.
const NEVER: u64 = u64::MAX;

#[derive(Debug)]
pub struct Backlog {
    bytes: AtomicUsize,
    taken: AtomicU64,
    /// The value of `taken` at which it was found to take nothing.
    stuck_at: AtomicU64,
    /// How many connections are taking its session over.
    departed: AtomicUsize,
    handovers: RwLock<()>,
    waiting: AtomicUsize,
    relieved: Notify,
    max_bytes: usize,
}

impl Backlog {
    pub fn new(max_bytes: usize) -> Arc<Backlog> {
        Arc::new(Backlog {
            bytes: AtomicUsize::new(0),
            taken: AtomicU64::new(0),
            stuck_at: AtomicU64::new(NEVER),
            departed: AtomicUsize::new(0),
            handovers: RwLock::new(()),
            waiting: AtomicUsize::new(0),
            relieved: Notify::new(),
            max_bytes,
        })
    }

    pub fn is_congested(&self) -> bool {
        self.bytes.load(Relaxed) >= CONGESTED_BYTES
    }

    pub fn is_stuck(&self) -> bool {
        self.stuck_at.load(Relaxed) == self.taken.load(Relaxed)
    }

    /// The payload, counted until its last copy is dropped; `None` when it does not fit. One message always fits.
    pub fn hold(self: &Arc<Backlog>, payload: &Bytes, topic_bytes: usize) -> Option<Bytes> {
        let cost = payload.len() + topic_bytes + MESSAGE_OVERHEAD_BYTES;
        self.bytes
            .fetch_update(SeqCst, Relaxed, |bytes| {
                (bytes == 0 || bytes.saturating_add(cost) <= self.max_bytes).then_some(bytes + cost)
            })
            .ok()?;
        Some(Bytes::from_owner(Held {
            payload: payload.clone(),
            cost,
            backlog: self.clone(),
        }))
    }

    /// Waits until the subscriber has caught up, the deadline at most.
    pub async fn relief(&self, deadline: Instant) {
        let taken = self.taken.load(SeqCst);
        let caught_up = self
            .until(deadline, || self.bytes.load(SeqCst) <= RELIEVED_BYTES)
            .await;
        if !caught_up && self.taken.load(SeqCst) == taken {
            self.stuck_at.store(taken, SeqCst);
        }
    }

    /// The session leaves one connection for another, until the answer is dropped.
    pub fn depart(self: &Arc<Backlog>) -> Departed {
        let _nobody_hands_over = self
            .handovers
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        self.departed.fetch_add(1, SeqCst);
        Departed(self.clone())
    }

    /// Gives a new connection the chance to show that it reads.
    pub fn forgive(&self) {
        self.stuck_at.store(NEVER, SeqCst);
    }

    /// While this is held the session does not depart; `None` when it has. What comes to the old connection after its
    /// order to leave is lost.
    pub fn handover(&self) -> Option<RwLockReadGuard<'_, ()>> {
        let handover = self
            .handovers
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        (self.departed.load(SeqCst) == 0).then_some(handover)
    }

    /// Waits until the session has arrived; `false` at the deadline.
    pub async fn arrival(&self, deadline: Instant) -> bool {
        self.until(deadline, || self.departed.load(SeqCst) == 0)
            .await
    }

    async fn until(&self, deadline: Instant, done: impl Fn() -> bool) -> bool {
        self.waiting.fetch_add(1, SeqCst);
        // Counts down again even when the publisher's task is dropped while it waits.
        let _counted = Counted(&self.waiting);
        loop {
            let notified = self.relieved.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if done() {
                return true;
            }
            if timeout_at(deadline, notified).await.is_err() {
                return false;
            }
        }
    }

    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.bytes.load(SeqCst)
    }
}

/// A session without a connection that is about to have one.
pub struct Departed(Arc<Backlog>);

impl Drop for Departed {
    fn drop(&mut self) {
        self.0.departed.fetch_sub(1, SeqCst);
        self.0.relieved.notify_waiters();
    }
}

struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// A payload that gives its room back when its last copy goes.
struct Held {
    payload: Bytes,
    cost: usize,
    backlog: Arc<Backlog>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.payload
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let left = self.backlog.bytes.fetch_sub(self.cost, SeqCst) - self.cost;
        self.backlog.taken.fetch_add(1, SeqCst);
        if left <= RELIEVED_BYTES && self.backlog.waiting.load(SeqCst) > 0 {
            self.backlog.relieved.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: usize = 8;

    fn payload(len: usize) -> Bytes {
        Bytes::from(vec![7; len])
    }

    #[test]
    fn a_message_counts_until_its_last_copy_is_gone() {
        let backlog = Backlog::new(1_000_000);
        let held = backlog.hold(&payload(100), TOPIC).unwrap();
        let copy = held.clone();
        assert_eq!(held, payload(100));
        assert_eq!(backlog.bytes(), 100 + TOPIC + MESSAGE_OVERHEAD_BYTES);
        drop(held);
        assert_eq!(backlog.bytes(), 100 + TOPIC + MESSAGE_OVERHEAD_BYTES);
        drop(copy.slice(1..2));
        drop(copy);
        assert_eq!(backlog.bytes(), 0);
    }

    #[test]
    fn an_empty_payload_counts_too() {
        let backlog = Backlog::new(1_000_000);
        let held = backlog.hold(&Bytes::new(), TOPIC).unwrap();
        assert_eq!(backlog.bytes(), TOPIC + MESSAGE_OVERHEAD_BYTES);
        drop(held);
        assert_eq!(backlog.bytes(), 0);
    }

    #[test]
    fn what_does_not_fit_is_refused_but_one_message_always_fits() {
        let backlog = Backlog::new(1_000);
        let large = backlog.hold(&payload(5_000), TOPIC).unwrap();
        assert!(backlog.hold(&payload(1), TOPIC).is_none());
        drop(large);
        assert!(backlog.hold(&payload(1), TOPIC).is_some());
    }

    #[tokio::test]
    async fn a_publisher_goes_on_when_half_has_gone() {
        let backlog = Backlog::new(usize::MAX);
        let quarter = payload(CONGESTED_BYTES / 4);
        let mut held: Vec<_> = (0..4)
            .map(|_| backlog.hold(&quarter, TOPIC).unwrap())
            .collect();
        assert!(backlog.is_congested());
        let waiting = {
            let backlog = backlog.clone();
            tokio::spawn(async move {
                backlog
                    .relief(Instant::now() + Duration::from_secs(60))
                    .await
            })
        };
        tokio::task::yield_now().await;
        held.truncate(2);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "a little more than half is left");
        held.truncate(1);
        waiting.await.unwrap();
        assert!(!backlog.is_stuck());
    }

    #[tokio::test]
    async fn who_takes_nothing_is_stuck_until_he_takes_something() {
        let backlog = Backlog::new(usize::MAX);
        let first = backlog.hold(&payload(1), TOPIC).unwrap();
        let _rest = backlog.hold(&payload(CONGESTED_BYTES), TOPIC).unwrap();
        backlog
            .relief(Instant::now() + Duration::from_millis(1))
            .await;
        assert!(backlog.is_stuck());
        drop(first);
        assert!(!backlog.is_stuck());
    }

    #[tokio::test]
    async fn a_session_that_moves_is_waited_for() {
        let backlog = Backlog::new(usize::MAX);
        let (first, second) = (backlog.depart(), backlog.depart());
        let waiting = {
            let backlog = backlog.clone();
            tokio::spawn(async move {
                backlog
                    .arrival(Instant::now() + Duration::from_secs(60))
                    .await
            })
        };
        tokio::task::yield_now().await;
        drop(first);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(second);
        waiting.await.unwrap();
    }
}
