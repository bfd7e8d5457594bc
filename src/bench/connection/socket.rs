//! The stream of a connection: what has come of it and is no whole packet yet, and what is to leave. It
//! knows no packets and outlives a stream: each time that the connection is made again it is given another.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWrite};

use super::super::error::ConnectionError;
use super::super::shared::{READ_LEN, Shared};
use super::super::stream::Stream;
use crate::mqtt::session::Session;
use crate::net::Lease;

/// An incomplete packet longer than this is not copied into the shared buffer for every read: the
/// connection reads into a buffer of its own until the packet is whole.
const PARK_LEN: usize = 8 * 1024;

/// A buffer to read into. It begins with the start of a packet that has come already.
pub struct Input {
    pub bytes: BytesMut,
    /// It is the connection's, not the worker's.
    own: bool,
}

pub struct Socket {
    stream: Option<Stream>,
    /// Its local port, when that was lent; given back once the stream is closed.
    port: Option<Lease>,
    /// The start of a packet whose end has not come.
    tail: BytesMut,
    /// Bytes written so far, over all streams.
    written: u64,
    /// Some of them wait for a flush.
    flushing: bool,
    /// Since when the stream has taken nothing, in ns.
    full_since: Option<u64>,
    waker: Waker,
}

impl Socket {
    /// `waker` is woken when the stream can be read or written again.
    pub fn new(waker: Waker) -> Self {
        Self {
            stream: None,
            port: None,
            tail: BytesMut::new(),
            written: 0,
            flushing: false,
            full_since: None,
            waker,
        }
    }

    pub fn open(&mut self, stream: Stream, port: Option<Lease>) {
        self.stream = Some(stream);
        self.port = port;
    }

    pub fn is_open(&self) -> bool {
        self.stream.is_some()
    }

    pub fn close(&mut self) {
        self.stream = None;
        self.port = None;
        self.tail = BytesMut::new();
        self.flushing = false;
        self.full_since = None;
    }

    pub fn wake(&self) {
        self.waker.wake_by_ref();
    }

    pub fn written(&self) -> u64 {
        self.written
    }

    pub fn take_full_since(&mut self) -> Option<u64> {
        self.full_since.take()
    }

    /// A buffer for the next read, to be given back: the worker's `shared` one, unless a long packet is on
    /// its way.
    pub fn input(&mut self, shared: &mut BytesMut) -> Input {
        let own = self.tail.len() > PARK_LEN;
        let mut bytes = std::mem::take(if own { &mut self.tail } else { shared });
        if bytes.capacity() - bytes.len() < READ_LEN {
            bytes.reserve(READ_LEN);
        }
        if !own {
            bytes.extend_from_slice(&self.tail);
        }
        Input { bytes, own }
    }

    /// Reads once.
    pub fn read(&mut self, input: &mut Input) -> Poll<std::io::Result<usize>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Pending;
        };
        // Cancel safe: a read that is not ready has taken nothing.
        pin!(stream.read_buf(&mut input.bytes)).poll(&mut Context::from_waker(&self.waker))
    }

    /// Keeps what is left when whole packets have been taken out.
    pub fn park(&mut self, input: &mut Input) {
        if !input.own || input.bytes.len() <= PARK_LEN {
            self.tail = BytesMut::from(&input.bytes[..]);
            input.bytes.clear();
        }
    }

    pub fn give_back(&mut self, mut input: Input, shared: &mut BytesMut) {
        if !input.own {
            input.bytes.clear();
            *shared = input.bytes;
        } else if !input.bytes.is_empty() {
            self.tail = input.bytes;
        }
    }

    /// Writes the session's output until it is empty or the stream would block. True when something
    /// left and nothing is left.
    pub fn write(
        &mut self,
        session: &mut Session,
        shared: &mut Shared,
    ) -> Result<bool, ConnectionError> {
        let Some(stream) = &mut self.stream else {
            return Ok(false);
        };
        let cx = &mut Context::from_waker(&self.waker);
        let mut wrote = false;
        while !session.output().is_empty() {
            let count = match Pin::new(&mut *stream).poll_write(cx, session.output()) {
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
            session.wrote(count, shared.clock.now().instant);
            self.written += count as u64;
            self.flushing = true;
        }
        Ok(wrote)
    }

    /// A layer such as TLS may hold bytes back until it is flushed. True when all that was written has
    /// left with this.
    pub fn flush(&mut self) -> Result<bool, ConnectionError> {
        let Some(stream) = &mut self.stream else {
            return Ok(false);
        };
        if !self.flushing {
            return Ok(false);
        }
        match Pin::new(stream).poll_flush(&mut Context::from_waker(&self.waker)) {
            Poll::Ready(Ok(())) => {
                self.flushing = false;
                Ok(true)
            }
            Poll::Ready(Err(error)) => Err(ConnectionError::Io(error)),
            Poll::Pending => Ok(false),
        }
    }
}
