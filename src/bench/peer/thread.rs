//! One thread of the peer: the sockets of its clients, and whose turn it is. What is said to them is in
//! `packets`.

use std::collections::VecDeque;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::super::ready::{Handle, Ready};
use super::PeerOptions;
use super::packets::Malformed;
use super::routes::Routes;

const READ_LEN: usize = 64 * 1024;
const READS: usize = 4;
/// A subscriber that has more than this waiting, in bytes or messages, stops the publishers.
const MAX_BACKLOG: usize = 1024 * 1024;
const MAX_IN_FLIGHT: usize = 10_000;

/// A connection of the thread's.
pub struct Client {
    stream: TcpStream,
    /// The start of a packet whose end has not come.
    tail: Vec<u8>,
    pub output: Vec<u8>,
    /// How much of the output has been written.
    written: usize,
    pub has_properties: bool,
    pub subscribes: bool,
    /// The last packet identifier, and how many are not acknowledged.
    pub packet_id: u16,
    pub in_flight: usize,
    /// Too much waits for it.
    pub congested: bool,
    handle: Arc<Handle>,
    pub waker: Waker,
}

impl Client {
    pub fn is_behind(&self) -> bool {
        self.output.len() - self.written > MAX_BACKLOG || self.in_flight > MAX_IN_FLIGHT
    }

    fn write(&mut self) -> io::Result<()> {
        let cx = &mut Context::from_waker(&self.waker);
        while self.written < self.output.len() {
            let rest = &self.output[self.written..];
            match Pin::new(&mut self.stream).poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => self.written += count,
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(()),
            }
        }
        self.written = 0;
        if self.output.capacity() > READ_LEN {
            self.output = Vec::new();
        }
        self.output.clear();
        Ok(())
    }
}

pub struct Thread {
    pub options: PeerOptions,
    pub clients: Vec<Option<Client>>,
    free: Vec<usize>,
    pub routes: Routes,
    ready: Ready,
    buffer: Vec<u8>,
    /// Publishes so far.
    pub publishes: u64,
    /// Subscribers that have too much waiting, and publishers that wait for them.
    pub congested: usize,
    blocked: Vec<usize>,
    /// Acknowledgements to be sent later.
    pub delayed: VecDeque<(Instant, usize, [u8; 4])>,
}

impl Thread {
    pub fn new(options: PeerOptions) -> Self {
        Self {
            options,
            clients: Vec::new(),
            free: Vec::new(),
            routes: Routes::default(),
            ready: Ready::default(),
            buffer: Vec::with_capacity(READ_LEN),
            publishes: 0,
            congested: 0,
            blocked: Vec::new(),
            delayed: VecDeque::new(),
        }
    }

    /// Accepts and serves clients until the peer stops.
    pub async fn run(mut self, listener: TcpListener, mut stopped: watch::Receiver<bool>) {
        let mut batch = Vec::new();
        let mut tick = tokio::time::interval(Duration::from_millis(1));
        loop {
            if self.ready.is_empty() {
                let ready = &self.ready;
                tokio::select! {
                    biased;
                    () = std::future::poll_fn(|cx| ready.poll(cx)) => {}
                    accepted = listener.accept() => {
                        if let Ok((stream, _)) = accepted {
                            self.accept(stream);
                        }
                    }
                    _ = tick.tick(), if !self.delayed.is_empty() => self.send_delayed(),
                    _ = stopped.changed() => return,
                }
            } else {
                tokio::task::yield_now().await;
                if *stopped.borrow() {
                    return;
                }
                if !self.delayed.is_empty() {
                    self.send_delayed();
                }
            }
            self.ready.take(&mut batch);
            for index in batch.drain(..) {
                self.serve(index as usize);
            }
        }
    }

    fn accept(&mut self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let index = self.free.pop().unwrap_or_else(|| {
            self.clients.push(None);
            self.clients.len() - 1
        });
        let handle = self.ready.handle(index);
        let waker = Waker::from(handle.clone());
        waker.wake_by_ref();
        self.clients[index] = Some(Client {
            stream,
            tail: Vec::new(),
            output: Vec::new(),
            written: 0,
            has_properties: false,
            subscribes: false,
            packet_id: 0,
            in_flight: 0,
            congested: false,
            handle,
            waker,
        });
    }

    pub fn close(&mut self, index: usize) {
        let Some(client) = self.clients[index].take() else {
            return;
        };
        if client.congested {
            self.relieve();
        }
        if client.subscribes {
            self.routes.forget(index);
        }
        self.delayed.retain(|(_, client, _)| *client != index);
        self.free.push(index);
    }

    fn relieve(&mut self) {
        self.congested -= 1;
        if self.congested == 0 {
            for index in self.blocked.drain(..) {
                if let Some(client) = &self.clients[index] {
                    client.waker.wake_by_ref();
                }
            }
        }
    }

    fn serve(&mut self, index: usize) {
        if let Some(client) = &self.clients[index] {
            client.handle.served();
        }
        let alive = self.read(index);
        let Some(client) = &mut self.clients[index] else {
            return;
        };
        if client.write().is_err() || !alive {
            self.close(index);
            return;
        }
        let is_behind = client.is_behind();
        match (
            std::mem::replace(&mut client.congested, is_behind),
            is_behind,
        ) {
            (false, true) => self.congested += 1,
            (true, false) => self.relieve(),
            _ => {}
        }
    }

    /// False when the connection is to be closed.
    fn read(&mut self, index: usize) -> bool {
        for _ in 0..READS {
            let Some(client) = &mut self.clients[index] else {
                return true;
            };
            if self.congested > 0 && !client.subscribes {
                self.blocked.push(index);
                return true;
            }
            let mut buffer = std::mem::take(&mut self.buffer);
            buffer.clear();
            buffer.extend_from_slice(&client.tail);
            buffer.reserve(READ_LEN);
            let read = pin!(client.stream.read_buf(&mut buffer))
                .poll(&mut Context::from_waker(&client.waker));
            let outcome = match read {
                Poll::Pending => Some(true),
                Poll::Ready(Ok(0) | Err(_)) => Some(false),
                Poll::Ready(Ok(_)) => {
                    client.tail.clear();
                    match self.packets(index, &buffer) {
                        Ok(rest) => {
                            if let Some(client) = &mut self.clients[index] {
                                client.tail = buffer[buffer.len() - rest..].to_vec();
                            }
                            None
                        }
                        Err(Malformed) => Some(false),
                    }
                }
            };
            self.buffer = buffer;
            if let Some(alive) = outcome {
                return alive;
            }
        }
        if let Some(client) = &self.clients[index] {
            client.waker.wake_by_ref();
        }
        true
    }

    fn send_delayed(&mut self) {
        let now = Instant::now();
        while let Some((due, index, packet)) = self.delayed.front() {
            if *due > now {
                break;
            }
            if let Some(client) = &mut self.clients[*index] {
                client.output.extend_from_slice(packet);
                client.waker.wake_by_ref();
            }
            self.delayed.pop_front();
        }
    }
}
