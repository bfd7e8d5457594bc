//! One connection of a worker: a stream, its session, and its part in the run.
//!
//! It is served when it is ready and never waits: reads until the stream would block, then publishes,
//! then writes, so that acknowledgements and publishes leave together. It reads into and writes from buffers of the
//! worker's: all that it keeps is the start of a packet whose end has not come, and output for which its socket
//! has no room.
//!
//! Here are its turns and what it does with what comes; how it comes up and goes down is `life_cycle`'s, its
//! stream `socket`'s.

mod life_cycle;
mod socket;

use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::clock::Now;
use super::error::ConnectionError;
use super::publisher::Publisher;
use super::ready::Handle;
use super::shared::Shared;
use super::subscriber::Subscriber;
use crate::mqtt::session::{Event, Session};
pub use life_cycle::Ending;
use life_cycle::Stage;
use socket::Socket;

/// Reads in a row before something is written.
const READS: usize = 4;
/// Rounds of reading and writing before other connections get their turn.
const ROUNDS: usize = 4;

pub enum Role {
    Publisher(Box<Publisher>),
    Subscriber(Subscriber),
    /// Number of an idle connection.
    Idle(usize),
}

/// What a connection wants after it was served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// Wait until its stream is ready.
    Waits,
    /// Its turn is over, but there is more to do.
    HasMore,
}

pub struct Connection {
    /// Its place in the worker's list.
    number: u32,
    socket: Socket,
    session: Session,
    role: Role,
    stage: Stage,
    /// It was ready at some time; the last time since then, in ns.
    was_ready: bool,
    ready_since: u64,
    /// Times that it was made again since it was last of use.
    attempts: u32,
    /// It came back and its session had not been kept.
    renewed: bool,
    /// When a timer of the worker's will serve it, in ns.
    timer: Option<u64>,
    /// A slow subscriber reads nothing before this, in ns.
    read_after: u64,
    handle: Arc<Handle>,
}

impl Connection {
    pub fn new(number: usize, session: Session, role: Role, handle: Arc<Handle>) -> Self {
        Self {
            number: number as u32,
            socket: Socket::new(Waker::from(handle.clone())),
            session,
            role,
            stage: Stage::Down,
            was_ready: false,
            ready_since: 0,
            attempts: 0,
            renewed: false,
            timer: None,
            read_after: 0,
            handle,
        }
    }

    pub fn role(&self) -> &Role {
        &self.role
    }

    pub fn role_mut(&mut self) -> &mut Role {
        &mut self.role
    }

    /// It will publish more as soon as it can.
    pub fn is_publishing(&self) -> bool {
        match &self.role {
            Role::Publisher(publisher) => self.stage != Stage::Over && !publisher.is_done(),
            Role::Subscriber(_) | Role::Idle(_) => false,
        }
    }

    /// Something that it published has not left or is not acknowledged.
    pub fn is_outstanding(&self) -> bool {
        match &self.role {
            Role::Publisher(publisher) => {
                self.stage != Stage::Over
                    && (!publisher.is_flushed() || self.session.unacknowledged() > 0)
            }
            Role::Subscriber(_) | Role::Idle(_) => false,
        }
    }

    /// Adds up what it still waits for, until publishing ended.
    pub fn end_waits(&mut self, shared: &mut Shared) {
        if let Role::Publisher(publisher) = &mut self.role {
            let waits = [self.socket.take_full_since(), publisher.take_held_since()];
            for since in waits.into_iter().flatten() {
                shared.recorder.socket_full_ns += shared.end.saturating_sub(since);
            }
        }
    }

    pub fn wake(&self) {
        self.socket.wake();
    }

    /// The timer that it had set has come.
    pub fn rang(&mut self) {
        self.timer = None;
        self.wake();
    }

    /// Sees to it that it is served at `due` at the latest, in ns.
    fn serve_at(&mut self, due: u64, shared: &mut Shared) {
        if self.timer.is_none_or(|set| due < set) {
            self.timer = Some(due);
            shared.timers.add(due, self.number);
        }
    }

    /// Does what can be done without waiting.
    pub fn serve(&mut self, shared: &mut Shared) -> Served {
        self.handle.served();
        let lent = self.session.lend_buffer(&mut shared.write_buffer);
        let served = self.drive(shared).unwrap_or_else(|error| {
            self.fail(error, shared);
            Served::Waits
        });
        if lent {
            self.session.take_back(&mut shared.write_buffer);
        }
        served
    }

    /// When [`Connection::timeout`] must be called at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        self.session.deadline()
    }

    pub fn timeout(&mut self, shared: &mut Shared) {
        let now = shared.clock.now().instant;
        // A slow subscriber leaves the answer to its PINGREQ unread.
        let reading = shared.plan.slow_subscriber.is_none() || !self.is_slow();
        match self.session.handle_timeout(now, reading) {
            Ok(()) => self.wake(),
            Err(error) => self.fail(error.into(), shared),
        }
    }

    fn drive(&mut self, shared: &mut Shared) -> Result<Served, ConnectionError> {
        if !self.socket.is_open() {
            return Ok(Served::Waits);
        }
        for _ in 0..ROUNDS {
            let more_to_read = match shared.plan.slow_subscriber {
                Some(pause) if self.is_slow() => self.read_slowly(pause, shared)?,
                _ => self.read(READS, shared)?,
            };
            if let Role::Publisher(publisher) = &mut self.role
                && self.stage == Stage::Ready
                && let Some(due) = publisher.fill(&mut self.session, shared, self.socket.written())
            {
                self.serve_at(due, shared);
            }
            let wrote = self.write(shared)?;
            if !more_to_read && !wrote {
                return Ok(Served::Waits);
            }
        }
        Ok(Served::HasMore)
    }

    /// Whether it is one of those that may be slow.
    fn is_slow(&self) -> bool {
        matches!(self.role, Role::Subscriber(_)) && self.stage == Stage::Ready
    }

    /// Reads once, and then nothing for so long.
    fn read_slowly(
        &mut self,
        pause: Duration,
        shared: &mut Shared,
    ) -> Result<bool, ConnectionError> {
        let now = shared.clock.now().ns;
        if now >= self.read_after && self.read(1, shared)? {
            self.read_after = now + pause.as_nanos() as u64;
        }
        if self.read_after > now {
            self.serve_at(self.read_after, shared);
        }
        Ok(false)
    }

    /// Reads and handles what is there. True when there may be more.
    fn read(&mut self, reads: usize, shared: &mut Shared) -> Result<bool, ConnectionError> {
        for _ in 0..reads {
            let mut input = self.socket.input(&mut shared.read_buffer);
            let outcome = match self.socket.read(&mut input) {
                Poll::Ready(Ok(0)) => Err(ConnectionError::Closed),
                Poll::Ready(Ok(_)) => {
                    let handled = self.handle(&mut input.bytes, shared);
                    self.socket.park(&mut input);
                    handled.map(|()| true)
                }
                Poll::Ready(Err(error)) => Err(ConnectionError::Io(error)),
                Poll::Pending => Ok(false),
            };
            self.socket.give_back(input, &mut shared.read_buffer);
            if !outcome? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn handle(&mut self, input: &mut BytesMut, shared: &mut Shared) -> Result<(), ConnectionError> {
        let now = shared.clock.now();
        loop {
            // By reference, because a value would be copied once more for every message.
            match &self.session.next(now.instant, input) {
                Ok(Some(event)) => self.event(event, now, shared)?,
                Ok(None) => return Ok(()),
                Err(error) => return Err(error.clone().into()),
            }
        }
    }

    fn event(
        &mut self,
        event: &Event,
        now: Now,
        shared: &mut Shared,
    ) -> Result<(), ConnectionError> {
        match (event, &mut self.role) {
            (Event::Message(publish, _), Role::Subscriber(subscriber)) => {
                self.attempts = 0;
                subscriber.message(&publish.message, now, shared);
            }
            (Event::Acknowledged(ack), Role::Publisher(publisher)) => {
                self.attempts = 0;
                publisher.answered(ack, now, shared);
            }
            (Event::Connected(_), _) => self.connected(now, shared)?,
            (Event::Subscribed(ack), _) => self.subscribed(ack, now, shared)?,
            (Event::Disconnected(disconnect), _) => {
                return Err(ConnectionError::Disconnected(disconnect.reason));
            }
            (Event::Auth(_), _) => return Err(ConnectionError::Authentication),
            (Event::Undeliverable { token, error, .. }, Role::Publisher(publisher)) => {
                publisher.refuse(*token, error.to_string(), shared);
            }
            (
                Event::Unexpected { .. }
                | Event::Message(..)
                | Event::Pong
                | Event::Acknowledged(_)
                | Event::Undeliverable { .. }
                | Event::Unsubscribed(_),
                _,
            ) => shared.recorder.counts.unexpected += 1,
        }
        Ok(())
    }

    /// True when something left and nothing is left.
    fn write(&mut self, shared: &mut Shared) -> Result<bool, ConnectionError> {
        let wrote = self.socket.write(&mut self.session, shared)?;
        if self.socket.flush()?
            && let Role::Publisher(publisher) = &mut self.role
        {
            publisher.flushed(self.socket.written(), shared.clock.now(), shared);
        }
        Ok(wrote)
    }
}
