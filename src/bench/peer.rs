//! A peer that drains: it accepts every client, acknowledges every publish, and hands publishes on to
//! subscribers if asked to. Much faster than a broker, because it keeps nothing and promises nothing;
//! it shows what the generator alone can do, and in tests it breaks what it is told to break.
//!
//! Publishes are handed on only between connections of one thread.

mod routes;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::ready::{Handle, Ready};
use crate::mqtt::properties::variable_byte_len;
use routes::{Routes, Subscription};

const READ_LEN: usize = 64 * 1024;
const READS: usize = 4;
/// A subscriber that has more than this waiting, in bytes or messages, stops the publishers.
const MAX_BACKLOG: usize = 1024 * 1024;
const MAX_IN_FLIGHT: usize = 10_000;

#[derive(Debug, Clone, Copy, Default)]
pub struct PeerOptions {
    /// Zero counts as one.
    pub threads: usize,
    /// Hand publishes on to subscribers; needs a single thread.
    pub forward: bool,
    /// Acknowledge publishes so much later.
    pub ack_delay: Option<Duration>,
    pub faults: Faults,
}

/// What the peer does wrong, by the number of the publish that it gets (the first is 1).
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Acknowledge every nth publish, but do not hand it on.
    pub lose_every: Option<u64>,
    /// Hand every nth publish on twice.
    pub repeat_every: Option<u64>,
    /// Hand every nth publish on with its last byte changed.
    pub corrupt_every: Option<u64>,
    /// Refuse every nth publish, which only MQTT 5 can; it is not handed on.
    pub refuse_every: Option<u64>,
    /// Close all connections at the nth publish.
    pub close_at: Option<u64>,
    pub refuse_connections: bool,
    pub refuse_subscriptions: bool,
}

/// A running peer; it ends when this is dropped.
pub struct Peer {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

impl Peer {
    /// Listens on a free port of the loopback interface.
    pub fn start(options: PeerOptions) -> io::Result<Self> {
        Self::listen(([127, 0, 0, 1], 0).into(), options)
    }

    pub fn listen(address: SocketAddr, options: PeerOptions) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let count = if options.forward {
            1
        } else {
            options.threads.max(1)
        };
        let mut threads = Vec::new();
        for number in 0..count {
            let listener = listener.try_clone()?;
            let stopped = stopped.clone();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let thread = std::thread::Builder::new()
                .name(format!("peer-{number}"))
                .spawn(move || {
                    let work = async {
                        if let Ok(listener) = TcpListener::from_std(listener) {
                            Thread::new(options).run(listener, stopped).await;
                        }
                    };
                    runtime.block_on(tokio::task::unconstrained(work));
                })?;
            threads.push(thread);
        }
        Ok(Self {
            address,
            stop,
            threads,
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

struct Client {
    stream: TcpStream,
    /// The start of a packet whose end has not come.
    tail: Vec<u8>,
    output: Vec<u8>,
    /// How much of the output has been written.
    written: usize,
    has_properties: bool,
    subscribes: bool,
    /// The last packet identifier, and how many are not acknowledged.
    packet_id: u16,
    in_flight: usize,
    /// Too much waits for it.
    congested: bool,
    handle: Arc<Handle>,
    waker: Waker,
}

impl Client {
    fn is_behind(&self) -> bool {
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

struct Thread {
    options: PeerOptions,
    clients: Vec<Option<Client>>,
    free: Vec<usize>,
    routes: Routes,
    ready: Ready,
    buffer: Vec<u8>,
    /// Publishes so far.
    publishes: u64,
    /// Subscribers that have too much waiting, and publishers that wait for them.
    congested: usize,
    blocked: Vec<usize>,
    /// Acknowledgements to be sent later.
    delayed: VecDeque<(Instant, usize, [u8; 4])>,
}

/// A packet that is not what it should be: the connection is closed.
struct Malformed;

impl Thread {
    fn new(options: PeerOptions) -> Self {
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

    async fn run(mut self, listener: TcpListener, mut stopped: watch::Receiver<bool>) {
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

    fn close(&mut self, index: usize) {
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

    /// Handles whole packets and returns how many bytes are left.
    fn packets(&mut self, index: usize, mut input: &[u8]) -> Result<usize, Malformed> {
        while let [first, rest @ ..] = input {
            let Some((len, rest)) = variable_byte(rest) else {
                // Five bytes would be a length of more than four.
                return if input.len() < 5 {
                    Ok(input.len())
                } else {
                    Err(Malformed)
                };
            };
            let Some((body, rest)) = rest.split_at_checked(len) else {
                break;
            };
            self.packet(index, *first, body).ok_or(Malformed)?;
            input = rest;
        }
        Ok(input.len())
    }

    /// `None` when the packet is malformed, or the connection is over.
    fn packet(&mut self, index: usize, first: u8, body: &[u8]) -> Option<()> {
        let client = self.clients[index].as_mut()?;
        match first >> 4 {
            1 => {
                let name_len = usize::from(u16::from_be_bytes(*body.first_chunk()?));
                client.has_properties = *body.get(2 + name_len)? == 5;
                let refused = self.options.faults.refuse_connections;
                match (client.has_properties, refused) {
                    (true, refused) => {
                        let reason = if refused { 0x87 } else { 0 };
                        client.output.extend_from_slice(&[0x20, 3, 0, reason, 0]);
                    }
                    (false, refused) => {
                        let code = if refused { 5 } else { 0 };
                        client.output.extend_from_slice(&[0x20, 2, 0, code]);
                    }
                }
            }
            3 => self.publish(index, first, body)?,
            4 | 7 => client.in_flight = client.in_flight.saturating_sub(1),
            5 => {
                let [high, low] = *body.first_chunk()?;
                client.output.extend_from_slice(&[0x62, 2, high, low]);
            }
            6 => {
                let [high, low] = *body.first_chunk()?;
                self.acknowledge(index, [0x70, 2, high, low]);
            }
            8 => self.subscribe(index, body)?,
            12 => client.output.extend_from_slice(&[0xd0, 0]),
            _ => return None,
        }
        Some(())
    }

    fn subscribe(&mut self, index: usize, body: &[u8]) -> Option<()> {
        let client = self.clients[index].as_mut()?;
        client.subscribes = true;
        let (id, mut rest) = body.split_first_chunk::<2>()?;
        if client.has_properties {
            let (len, after) = variable_byte(rest)?;
            rest = after.get(len..)?;
        }
        let mut reasons = Vec::new();
        while !rest.is_empty() {
            let (filter, after) = text(rest)?;
            let (options, after) = after.split_first()?;
            rest = after;
            if self.options.faults.refuse_subscriptions {
                reasons.push(0x80);
                continue;
            }
            let qos = (options & 3).min(2);
            reasons.push(qos);
            let filter = std::str::from_utf8(filter).ok()?;
            self.routes
                .subscribe(filter, Subscription { client: index, qos });
        }
        let properties: &[u8] = if client.has_properties { &[0] } else { &[] };
        client.output.push(0x90);
        push_variable_byte(&mut client.output, 2 + properties.len() + reasons.len());
        client.output.extend_from_slice(id);
        client.output.extend_from_slice(properties);
        client.output.extend_from_slice(&reasons);
        Some(())
    }

    fn publish(&mut self, index: usize, first: u8, body: &[u8]) -> Option<()> {
        let client = self.clients[index].as_mut()?;
        let (topic, mut rest) = text(body)?;
        let qos = first >> 1 & 3;
        self.publishes += 1;
        let at =
            |every: Option<u64>| every.is_some_and(|every| self.publishes.is_multiple_of(every));
        let faults = &self.options.faults;
        if faults.close_at.is_some_and(|at| self.publishes >= at) {
            for other in (0..self.clients.len()).filter(|other| *other != index) {
                self.close(other);
            }
            return None;
        }
        let (lost, repeated, corrupted) = (
            at(faults.lose_every),
            at(faults.repeat_every),
            at(faults.corrupt_every),
        );
        let refused = at(faults.refuse_every) && client.has_properties && qos > 0;
        if qos > 0 {
            let ([high, low], after) = rest.split_first_chunk::<2>()?;
            rest = after;
            let kind = if qos == 1 { 0x40 } else { 0x50 };
            if refused {
                // Quota exceeded.
                client
                    .output
                    .extend_from_slice(&[kind, 3, *high, *low, 0x97]);
            } else {
                self.acknowledge(index, [kind, 2, *high, *low]);
            }
        }
        if self.options.forward && !lost && !refused {
            let mut properties: &[u8] = &[];
            if self.clients[index].as_ref()?.has_properties {
                let (len, after) = variable_byte(rest)?;
                (properties, rest) = after.split_at_checked(len)?;
            }
            for _ in 0..1 + u8::from(repeated) {
                self.forward(topic, properties, rest, qos, corrupted);
            }
        }
        Some(())
    }

    fn forward(
        &mut self,
        topic: &[u8],
        properties: &[u8],
        payload: &[u8],
        qos: u8,
        corrupted: bool,
    ) {
        let Some(route) = self.routes.route(topic) else {
            return;
        };
        route.turn += 1;
        let turn = route.turn;
        let groups = route.groups.iter();
        let members = groups.map(|members| &members[turn % members.len()]);
        for subscription in route.all.iter().chain(members) {
            let Some(client) = &mut self.clients[subscription.client] else {
                continue;
            };
            let qos = qos.min(subscription.qos);
            let id_len = if qos > 0 { 2 } else { 0 };
            let properties_len = if client.has_properties {
                variable_byte_len(properties.len()) + properties.len()
            } else {
                0
            };
            let len = 2 + topic.len() + id_len + properties_len + payload.len();
            let output = &mut client.output;
            output.push(0x30 | qos << 1);
            push_variable_byte(output, len);
            output.extend_from_slice(&(topic.len() as u16).to_be_bytes());
            output.extend_from_slice(topic);
            if qos > 0 {
                client.in_flight += 1;
                client.packet_id = client.packet_id.checked_add(1).unwrap_or(1);
                output.extend_from_slice(&client.packet_id.to_be_bytes());
            }
            if client.has_properties {
                push_variable_byte(output, properties.len());
                output.extend_from_slice(properties);
            }
            output.extend_from_slice(payload);
            if corrupted && let Some(last) = output.last_mut() {
                *last ^= 1;
            }
            client.waker.wake_by_ref();
            if !client.congested && client.is_behind() {
                client.congested = true;
                self.congested += 1;
            }
        }
    }

    fn acknowledge(&mut self, index: usize, packet: [u8; 4]) {
        match (self.options.ack_delay, &mut self.clients[index]) {
            (Some(delay), _) => self
                .delayed
                .push_back((Instant::now() + delay, index, packet)),
            (None, Some(client)) => client.output.extend_from_slice(&packet),
            (None, None) => {}
        }
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

/// A variable byte integer and what follows it.
fn variable_byte(input: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    for (index, byte) in input.iter().enumerate().take(4) {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, &input[index + 1..]));
        }
    }
    None
}

fn push_variable_byte(output: &mut Vec<u8>, mut value: usize) {
    while value >= 128 {
        output.push((value % 128) as u8 | 128);
        value /= 128;
    }
    output.push(value as u8);
}

/// A text with its length in front, and what follows it.
fn text(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = input.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))
}
