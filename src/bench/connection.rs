//! One connection of a worker: a stream, its session, and its part in the run.
//!
//! It is served when it is ready and never waits: reads until the stream would block, then publishes,
//! then writes, so that acknowledgements and publishes leave together. When it is idle it holds no
//! buffer; the end of a packet that has not come yet is all that it keeps of its input.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWrite};

use super::clock::Now;
use super::error::ConnectionError;
use super::plan::RoleName;
use super::publisher::Publisher;
use super::ready::Handle;
use super::stream::{DialError, Dialed, Stream};
use super::subscriber::Subscriber;
use super::timing::Timing;
use super::worker::Shared;
use crate::mqtt::QoS;
use crate::mqtt::packet::{SubAck, Subscription};
use crate::mqtt::properties::Properties;
use crate::mqtt::reason::Reason;
use crate::mqtt::session::{Event, Session};

/// Bytes that a worker reads at once, into a buffer that all its connections share.
pub const READ_LEN: usize = 64 * 1024;
/// An incomplete packet longer than this is not copied into the shared buffer for every read: the
/// connection reads into a buffer of its own until the packet is whole.
const PARK_LEN: usize = 8 * 1024;
/// Reads in a row before something is written.
const READS: usize = 4;
/// Rounds of reading and writing before other connections get their turn.
const ROUNDS: usize = 4;
/// Topic filters in one SUBSCRIBE.
const FILTERS: usize = 64;

pub enum Role {
    Publisher(Box<Publisher>),
    Subscriber(Subscriber),
    /// Number of an idle connection.
    Idle(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// To be dialled, for the first time or again.
    Down,
    /// Being dialled.
    Dialling,
    /// CONNECT is on its way; dialling began, and CONNECT was ready, at these instants, in ns.
    Connecting {
        dialling: u64,
        connect: u64,
    },
    /// So many SUBACKs are missing, since this instant, in ns.
    Subscribing {
        missing: usize,
        since: u64,
    },
    Ready,
    /// Failed, broken or ended, for good.
    Over,
}

/// What a connection wants after it was served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// Wait until its stream is ready.
    Waits,
    /// Its turn is over, but there is more to do.
    HasMore,
}

/// How a connection is ended that will be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With DISCONNECT.
    Clean,
    /// Without a word.
    Cut,
}

pub struct Connection {
    /// Its place in the worker's list.
    number: u32,
    stream: Option<Stream>,
    session: Session,
    role: Role,
    stage: Stage,
    /// The start of a packet whose end has not come.
    tail: BytesMut,
    /// Bytes written so far.
    written: u64,
    /// Some of them wait for a flush.
    flushing: bool,
    /// Since when its socket has taken nothing, in ns.
    full_since: Option<u64>,
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
    waker: Waker,
}

impl Connection {
    pub fn new(number: usize, session: Session, role: Role, handle: Arc<Handle>) -> Self {
        Self {
            number: number as u32,
            stream: None,
            session,
            role,
            stage: Stage::Down,
            tail: BytesMut::new(),
            written: 0,
            flushing: false,
            full_since: None,
            was_ready: false,
            ready_since: 0,
            attempts: 0,
            renewed: false,
            timer: None,
            read_after: 0,
            waker: Waker::from(handle.clone()),
            handle,
        }
    }

    pub fn role(&self) -> &Role {
        &self.role
    }

    pub fn role_mut(&mut self) -> &mut Role {
        &mut self.role
    }

    /// On its way: neither down nor ready for its part nor over.
    pub fn is_starting(&self) -> bool {
        matches!(
            self.stage,
            Stage::Dialling | Stage::Connecting { .. } | Stage::Subscribing { .. }
        )
    }

    pub fn is_ready(&self) -> bool {
        self.stage == Stage::Ready
    }

    pub fn is_down(&self) -> bool {
        self.stage == Stage::Down
    }

    pub fn was_ready(&self) -> bool {
        self.was_ready
    }

    pub fn was_renewed(&self) -> bool {
        self.renewed
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

    pub fn wake(&self) {
        self.waker.wake_by_ref();
    }

    /// The dialer is at work.
    pub fn dialling(&mut self) {
        self.stage = Stage::Dialling;
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

    /// The dialer is done. `began` is when it began, in ns.
    pub fn dialled(&mut self, dialled: Result<Dialed, DialError>, began: u64, shared: &mut Shared) {
        let opened = dialled.map_err(ConnectionError::Dial).and_then(|dialed| {
            let now = shared.clock.now();
            for (timing, took) in [
                (Timing::Tcp, dialed.steps.connect),
                (Timing::Tls, dialed.steps.tls),
            ] {
                if let Some(took) = took {
                    shared.recorder.record(timing, took.as_nanos() as u64);
                }
            }
            self.stream = Some(dialed.stream);
            self.stage = Stage::Connecting {
                dialling: began,
                connect: now.ns,
            };
            Ok(self.session.open(now.instant)?)
        });
        match opened {
            Ok(()) => self.wake(),
            Err(error) => self.fail(error, shared),
        }
    }

    /// Does what can be done without waiting.
    pub fn serve(&mut self, shared: &mut Shared) -> Served {
        self.handle.served();
        self.drive(shared).unwrap_or_else(|error| {
            self.fail(error, shared);
            Served::Waits
        })
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

    /// Ends the connection, which is then to be made again at once.
    pub fn churn(&mut self, ending: Ending, shared: &mut Shared) {
        if ending == Ending::Clean {
            self.say_goodbye(shared);
        }
        shared.recorder.counts.churned += 1;
        self.go_down(shared.clock.now(), shared);
    }

    /// Ends the connection in order, as far as that goes without waiting.
    pub fn disconnect(&mut self, shared: &mut Shared) {
        self.say_goodbye(shared);
        self.close();
    }

    fn say_goodbye(&mut self, shared: &mut Shared) {
        if self.stream.is_some()
            && self
                .session
                .disconnect(Reason::SUCCESS, Properties::new())
                .is_ok()
        {
            // What cannot be said now is not worth waiting for.
            let _ = self.write(shared);
        }
    }

    fn drive(&mut self, shared: &mut Shared) -> Result<Served, ConnectionError> {
        if self.stream.is_none() {
            return Ok(Served::Waits);
        }
        for _ in 0..ROUNDS {
            let more_to_read = match shared.plan.slow_subscriber {
                Some(pause) if self.is_slow() => self.read_slowly(pause, shared)?,
                _ => self.read(READS, shared)?,
            };
            if let Role::Publisher(publisher) = &mut self.role
                && self.stage == Stage::Ready
                && let Some(due) = publisher.fill(&mut self.session, shared, self.written)
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
            let own = self.tail.len() > PARK_LEN;
            let mut buffer = std::mem::take(if own {
                &mut self.tail
            } else {
                &mut shared.read_buffer
            });
            if buffer.capacity() - buffer.len() < READ_LEN {
                buffer.reserve(READ_LEN);
            }
            if !own {
                buffer.extend_from_slice(&self.tail);
            }
            let read = self.read_once(&mut buffer);
            let outcome = match read {
                Poll::Ready(Ok(0)) => Err(ConnectionError::Closed),
                Poll::Ready(Ok(_)) => {
                    let handled = self.handle(&mut buffer, shared);
                    if !own || buffer.len() <= PARK_LEN {
                        self.tail = BytesMut::from(&buffer[..]);
                        buffer.clear();
                    }
                    handled.map(|()| true)
                }
                Poll::Ready(Err(error)) => Err(ConnectionError::Io(error)),
                Poll::Pending => Ok(false),
            };
            if !own {
                buffer.clear();
                shared.read_buffer = buffer;
            } else if !buffer.is_empty() {
                self.tail = buffer;
            }
            if !outcome? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn read_once(&mut self, buffer: &mut BytesMut) -> Poll<std::io::Result<usize>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Pending;
        };
        // Cancel safe: a read that is not ready has taken nothing.
        pin!(stream.read_buf(buffer)).poll(&mut Context::from_waker(&self.waker))
    }

    fn handle(&mut self, input: &mut BytesMut, shared: &mut Shared) -> Result<(), ConnectionError> {
        let now = shared.clock.now();
        while let Some(event) = self.session.next(now.instant, input)? {
            // By reference, because a value would be copied once more for every message.
            self.event(&event, now, shared)?;
        }
        Ok(())
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

    fn connected(&mut self, now: Now, shared: &mut Shared) -> Result<(), ConnectionError> {
        if let Stage::Connecting { dialling, connect } = self.stage {
            for (timing, began) in [(Timing::Connect, dialling), (Timing::Connack, connect)] {
                shared.recorder.record(timing, now.ns.saturating_sub(began));
            }
        }
        let resumed = self.session.is_resumed();
        self.renewed |= self.was_ready && !resumed;
        if let Role::Publisher(publisher) = &mut self.role
            && self.was_ready
        {
            publisher.reconnected(resumed, shared.plan.publishers.qos);
        }
        match &self.role {
            // A session that the broker has kept has its subscriptions.
            Role::Subscriber(subscriber) if !(self.was_ready && resumed) => {
                let index = subscriber.index();
                self.subscribe(index, now, shared)?;
            }
            Role::Publisher(_) | Role::Subscriber(_) | Role::Idle(_) => self.ready(shared),
        }
        Ok(())
    }

    fn subscribe(
        &mut self,
        subscriber: usize,
        now: Now,
        shared: &Shared,
    ) -> Result<(), ConnectionError> {
        let plan = &shared.plan;
        let filters = plan.filters(&plan.names(RoleName::Subscriber, subscriber))?;
        let mut packets = 0;
        for some in filters.chunks(FILTERS) {
            let subscriptions = some.iter().map(|filter| Subscription {
                filter: filter.clone(),
                qos: plan.subscribers.qos,
                ..Subscription::default()
            });
            let subscriptions = subscriptions.collect();
            let properties = plan.subscribe_properties.clone();
            self.session.subscribe(subscriptions, properties)?;
            packets += 1;
        }
        self.stage = Stage::Subscribing {
            missing: packets,
            since: now.ns,
        };
        Ok(())
    }

    fn subscribed(
        &mut self,
        ack: &SubAck,
        now: Now,
        shared: &mut Shared,
    ) -> Result<(), ConnectionError> {
        if let Some(reason) = ack.reasons.iter().find(|reason| reason.is_error()) {
            return Err(ConnectionError::SubscriptionRefused(*reason));
        }
        if let Role::Subscriber(subscriber) = &mut self.role {
            for qos in ack
                .reasons
                .iter()
                .filter_map(|reason| QoS::from_u8(reason.0))
            {
                subscriber.granted(qos);
            }
        }
        if let Stage::Subscribing { missing, since } = self.stage {
            if missing == 1 {
                let took = now.ns.saturating_sub(since);
                shared.recorder.record(Timing::Suback, took);
                self.ready(shared);
            } else {
                self.stage = Stage::Subscribing {
                    missing: missing - 1,
                    since,
                };
            }
        }
        Ok(())
    }

    fn ready(&mut self, shared: &mut Shared) {
        self.stage = Stage::Ready;
        self.ready_since = shared.clock.now().ns;
        if std::mem::replace(&mut self.was_ready, true) {
            shared.recorder.counts.reconnected += 1;
        } else {
            shared.recorder.counts.connected += 1;
        }
    }

    /// Adds up what it still waits for, until publishing ended.
    pub fn end_waits(&mut self, shared: &mut Shared) {
        if let Role::Publisher(publisher) = &mut self.role {
            let waits = [self.full_since.take(), publisher.take_held_since()];
            for since in waits.into_iter().flatten() {
                shared.recorder.socket_full_ns += shared.end.saturating_sub(since);
            }
        }
    }

    /// Writes the output until it is empty or the stream would block. True when something left and
    /// nothing is left.
    fn write(&mut self, shared: &mut Shared) -> Result<bool, ConnectionError> {
        let Some(stream) = &mut self.stream else {
            return Ok(false);
        };
        let cx = &mut Context::from_waker(&self.waker);
        let mut wrote = false;
        while !self.session.output().is_empty() {
            let count = match Pin::new(&mut *stream).poll_write(cx, self.session.output()) {
                Poll::Ready(Ok(0)) => return Err(ConnectionError::Closed),
                Poll::Ready(Ok(count)) => count,
                Poll::Ready(Err(error)) => return Err(ConnectionError::Io(error)),
                Poll::Pending => {
                    wrote = false;
                    if self.full_since.is_none() {
                        self.full_since = Some(shared.clock.now().ns);
                    }
                    break;
                }
            };
            wrote = true;
            if let Some(since) = self.full_since.take() {
                let took = shared.clock.now().ns.saturating_sub(since);
                shared.recorder.socket_full_ns += took;
            }
            self.session.wrote(count, shared.clock.now().instant);
            self.written += count as u64;
            self.flushing = true;
        }
        // A layer such as TLS may hold bytes back until it is flushed.
        if self.flushing {
            match Pin::new(stream).poll_flush(cx) {
                Poll::Ready(Ok(())) => {
                    self.flushing = false;
                    if let Role::Publisher(publisher) = &mut self.role {
                        publisher.flushed(self.written, shared.clock.now(), shared);
                    }
                }
                Poll::Ready(Err(error)) => return Err(ConnectionError::Io(error)),
                Poll::Pending => {}
            }
        }
        Ok(wrote)
    }

    fn fail(&mut self, error: ConnectionError, shared: &mut Shared) {
        if matches!(self.stage, Stage::Down | Stage::Over) {
            return;
        }
        let was_ready = self.is_ready();
        if self.was_ready {
            shared.recorder.counts.broken += 1;
        } else {
            shared.recorder.counts.failed += 1;
        }
        shared.recorder.connection_errors.count(error.to_string());
        shared.first_error.get_or_insert(error);
        // The session may have a DISCONNECT with the reason to say.
        let _ = self.write(shared);
        match self.pause(was_ready, shared) {
            Some(pause) => {
                let now = shared.clock.now();
                self.go_down(shared.clock.at(now.instant + pause), shared);
            }
            None => {
                self.hold(shared);
                self.close();
            }
        }
    }

    fn hold(&mut self, shared: &Shared) {
        if let Role::Publisher(publisher) = &mut self.role {
            publisher.hold(shared.clock.now(), shared);
        }
    }

    /// How long it waits before it is made again, if that is wanted.
    fn pause(&mut self, was_ready: bool, shared: &Shared) -> Option<Duration> {
        let retry = shared.plan.reconnect?;
        let stood = shared.clock.now().ns.saturating_sub(self.ready_since);
        if was_ready && retry.is_success(Duration::from_nanos(stood)) {
            self.attempts = 0;
        }
        let pause = retry.pause(self.attempts, fastrand::f64());
        self.attempts += 1;
        pause
    }

    /// Closes the connection, which is to be made again at `again`.
    fn go_down(&mut self, again: Now, shared: &mut Shared) {
        self.hold(shared);
        self.close();
        self.stage = Stage::Down;
        if let Role::Publisher(publisher) = &mut self.role {
            publisher.cut(shared.clock.now(), shared);
        }
        shared.redials.push_back((again.ns, self.number));
    }

    fn close(&mut self) {
        self.stage = Stage::Over;
        self.stream = None;
        self.tail = BytesMut::new();
        self.flushing = false;
        self.full_since = None;
        self.session.closed();
    }
}
