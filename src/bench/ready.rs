//! Which connections of a worker have something to do.
//!
//! One task drives all connections of a worker. Each has a waker of its own that puts its number into
//! this queue, once until it is served; so a pass touches only connections that are ready, and a
//! thousand quiet ones cost nothing. The lock is taken for a wake-up, never for a message, and by the
//! worker's own thread alone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

#[derive(Debug, Default)]
struct State {
    ready: Vec<u32>,
    worker: Option<Waker>,
}

#[derive(Debug, Default, Clone)]
pub struct Ready(Arc<Mutex<State>>);

/// What wakes one connection.
#[derive(Debug)]
pub struct Handle {
    queue: Ready,
    index: u32,
    /// It stands in the queue already.
    queued: AtomicBool,
}

impl Ready {
    pub fn handle(&self, index: usize) -> Arc<Handle> {
        Arc::new(Handle {
            queue: self.clone(),
            index: index as u32,
            queued: AtomicBool::new(false),
        })
    }

    /// Moves the numbers of all ready connections into `batch`.
    pub fn take(&self, batch: &mut Vec<u32>) {
        std::mem::swap(&mut self.lock().ready, batch);
    }

    pub fn is_empty(&self) -> bool {
        self.lock().ready.is_empty()
    }

    /// Ready when a connection is.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if !state.ready.is_empty() {
            return Poll::Ready(());
        }
        match &mut state.worker {
            Some(worker) => worker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // A list of numbers is whole even if a thread died over it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handle {
    /// The connection is being served: from now on it may be queued again.
    pub fn served(&self) {
        self.queued.store(false, Ordering::Release);
    }
}

impl Wake for Handle {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.queued.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut state = self.queue.lock();
        state.ready.push(self.index);
        let worker = state.worker.take();
        drop(state);
        if let Some(worker) = worker {
            worker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_queued_once_until_it_is_served() {
        let ready = Ready::default();
        let handle = ready.handle(7);
        let waker = Waker::from(handle.clone());
        waker.wake_by_ref();
        waker.wake_by_ref();
        let mut batch = Vec::new();
        ready.take(&mut batch);
        assert_eq!(batch, [7]);
        waker.wake_by_ref();
        assert!(ready.is_empty());
        handle.served();
        waker.wake_by_ref();
        assert!(!ready.is_empty());
    }
}
