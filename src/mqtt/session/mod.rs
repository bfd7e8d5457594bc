//! The client's side of MQTT as a state machine: bytes and instants in, bytes, events and the next
//! deadline out. No socket, no clock, no task.
//!
//! A driver calls [`Session::open`] when a byte stream is up, feeds what it reads to
//! [`Session::next`], writes [`Session::output`] and says so with [`Session::wrote`], calls
//! [`Session::handle_timeout`] at [`Session::deadline`], and [`Session::closed`] when the stream is
//! gone. The session keeps every publish that is not acknowledged, so the driver may open it again
//! on another stream and nothing is lost.

mod alias;
mod event;
mod inbound;
mod keep_alive;
mod outbound;
mod publishing;
mod receiving;
mod requests;
mod settings;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};

pub use self::event::{
    Acknowledged, Direction, Event, Observer, PublishError, SessionError, Sight,
};
pub use self::inbound::Receipt;
pub use self::settings::{Identity, Limits, Settings};

use self::alias::{InboundAliases, OutboundAliases};
use self::inbound::Inbound;
use self::keep_alive::KeepAlive;
use self::outbound::Outbound;
use self::receiving::Admitted;
use super::codec::{self, AckKind, DecodeError, Stranger};
use super::packet::{Ack, Auth, ConnAck, Connect, Disconnect, Packet};
use super::properties::{Properties, PropertyId};
use super::reason::Reason;

/// Above this a drained output buffer gives its memory back.
const OUTPUT_KEPT: usize = 256 * 1024;
/// Bytes of a packet that an observer gets to see.
const BYTES_SHOWN: usize = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Closed,
    /// CONNECT is on its way.
    Connecting {
        since: Instant,
    },
    Connected,
    /// DISCONNECT was sent or received, or the peer broke the protocol.
    Ended,
}

pub struct Session {
    settings: Arc<Settings>,
    /// The largest packet that is taken, in bytes.
    largest: usize,
    identity: Identity,
    phase: Phase,
    limits: Limits,
    /// How many times the broker accepted us.
    accepted: u32,
    /// The clean start flag of the CONNECT of this connection.
    asked_clean: bool,
    /// Whether this connection goes on with the session of the one before.
    resumed: bool,
    output: BytesMut,
    outbound: Outbound,
    inbound: Inbound,
    /// Whether the owner acknowledges what comes in.
    by_owner: bool,
    inbound_aliases: InboundAliases,
    outbound_aliases: OutboundAliases,
    keep_alive: KeepAlive,
    /// PINGREQ packets of this connection that were not answered.
    pings: u32,
    /// The owner waits for the answer to all of them.
    probed: bool,
    events: VecDeque<Event>,
    observer: Option<Observer>,
    /// For the observer: the first bytes of what is being decoded.
    seen: Vec<u8>,
}

impl Session {
    pub fn new(settings: Arc<Settings>, identity: Identity, now: Instant) -> Self {
        Self {
            keep_alive: KeepAlive::new(settings.keep_alive, now),
            largest: settings.largest_packet(),
            settings,
            identity,
            phase: Phase::Closed,
            limits: Limits::default(),
            accepted: 0,
            asked_clean: true,
            resumed: false,
            output: BytesMut::new(),
            outbound: Outbound::default(),
            inbound: Inbound::default(),
            by_owner: false,
            inbound_aliases: InboundAliases::default(),
            outbound_aliases: OutboundAliases::default(),
            pings: 0,
            probed: false,
            events: VecDeque::new(),
            observer: None,
            seen: Vec::new(),
        }
    }

    pub fn observe(&mut self, observer: Observer) {
        self.observer = Some(observer);
    }

    #[cfg(test)]
    fn settings(&self) -> &Settings {
        &self.settings
    }

    #[cfg(test)]
    fn is_connected(&self) -> bool {
        self.phase == Phase::Connected
    }

    /// How often the broker has accepted this session.
    pub fn times_accepted(&self) -> u32 {
        self.accepted
    }

    /// Whether the broker goes on with a session that we asked it to keep.
    pub fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// A stream is up: writes CONNECT.
    pub fn open(&mut self, now: Instant) -> Result<(), SessionError> {
        let settings = Arc::clone(&self.settings);
        // A session that the broker was asked to keep must not be wiped by our own reconnect.
        let kept = settings
            .connect_properties
            .number(PropertyId::SessionExpiryInterval)
            .is_some_and(|seconds| seconds > 0);
        self.asked_clean = settings.clean_start && !(kept && self.accepted > 0);
        let connect = Packet::Connect(Box::new(Connect {
            client_id: self.identity.client_id.clone(),
            clean_start: self.asked_clean,
            keep_alive: settings.keep_alive.as_secs().min(65_535) as u16,
            username: self.identity.username.clone(),
            password: self.identity.password.clone(),
            will: settings.will.clone(),
            properties: settings.connect_properties.clone(),
        }));
        self.output.clear();
        self.write(&connect)?;
        self.phase = Phase::Connecting { since: now };
        self.keep_alive = KeepAlive::new(settings.keep_alive, now);
        self.pings = 0;
        self.probed = false;
        Ok(())
    }

    /// The stream is gone. Unacknowledged publishes stay; subscriptions that wait for an answer do not.
    pub fn closed(&mut self) {
        self.phase = Phase::Closed;
        self.output = BytesMut::new();
        self.outbound.close();
        self.inbound.close();
        self.inbound_aliases = InboundAliases::default();
        self.outbound_aliases = OutboundAliases::default();
    }

    /// Bytes to write.
    pub fn output(&self) -> &[u8] {
        &self.output
    }

    /// The first `count` bytes of the output have been written.
    pub fn wrote(&mut self, count: usize, now: Instant) {
        self.output.advance(count);
        if self.output.is_empty() && self.output.capacity() > OUTPUT_KEPT {
            self.output = BytesMut::new();
        }
        self.keep_alive.wrote(now);
    }

    /// Lends the session a buffer for its output, so that many sessions write through one; to be taken back soon. False
    /// when there is output already, which stays where it is.
    pub fn lend_buffer(&mut self, buffer: &mut BytesMut) -> bool {
        let lent = self.output.is_empty();
        if lent {
            std::mem::swap(&mut self.output, buffer);
        }
        lent
    }

    /// Takes back what [`Session::lend_buffer`] lent. Output that could not be written yet stays with the session: in a
    /// buffer of its size, or in the lent one when that is hardly larger.
    pub fn take_back(&mut self, buffer: &mut BytesMut) {
        if self.output.len() <= self.output.capacity() / 2 {
            let rest = BytesMut::from(&self.output[..]);
            *buffer = std::mem::replace(&mut self.output, rest);
            buffer.clear();
        }
    }

    /// Takes packets from `input` until one makes an event; `None` when more bytes are needed.
    ///
    /// After an error the connection must be closed; the output holds a DISCONNECT with the reason
    /// where the version has one.
    pub fn next(
        &mut self,
        now: Instant,
        input: &mut BytesMut,
    ) -> Result<Option<Event>, SessionError> {
        let event = self.take(now, input);
        if let Err(error) = &event {
            self.broken(error);
        }
        event
    }

    fn take(&mut self, now: Instant, input: &mut BytesMut) -> Result<Option<Event>, SessionError> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            if matches!(self.phase, Phase::Closed | Phase::Ended) {
                return Ok(None);
            }
            if self.phase == Phase::Connected && self.observer.is_none() {
                // The usual cases, in which no packet is made first and an event is moved once at most.
                if let Some((kind, packet_id)) = codec::decode_short_ack(input, self.largest) {
                    self.keep_alive.heard(now);
                    let ack = Ack::of(packet_id);
                    let handled = match kind {
                        // They always make an event.
                        AckKind::PubAck => return self.handle_puback(ack),
                        AckKind::PubComp => return self.handle_pubcomp(ack),
                        AckKind::PubRec => self.handle_pubrec(ack),
                        AckKind::PubRel => self.handle_pubrel(ack),
                    };
                    match handled {
                        Ok(None) => continue,
                        event => return event,
                    }
                }
                let mut publish =
                    codec::decode_plain_publish(self.settings.version, input, self.largest);
                if let Some(there) = &mut publish {
                    self.keep_alive.heard(now);
                    match self.admit(there)? {
                        Admitted::New(receipt) => {
                            return Ok(publish.map(|publish| Event::Message(publish, receipt)));
                        }
                        Admitted::Known => continue,
                    }
                }
            }
            let before = input.len();
            if self.observer.is_some() {
                self.seen.clear();
                self.seen
                    .extend_from_slice(&input[..before.min(BYTES_SHOWN)]);
            }
            let decoded = match self.stranger(input) {
                Some(stranger) => Err(DecodeError::NotMqtt(stranger)),
                None => codec::decode(self.settings.version, input, self.largest),
            };
            let handled = match decoded {
                Ok(Some(packet)) => {
                    self.keep_alive.heard(now);
                    self.show_received(Some(&packet), before - input.len());
                    self.handle(packet)
                }
                Ok(None) => return Ok(None),
                Err(error) => {
                    self.show_received(None, before);
                    Err(error.into())
                }
            };
            match handled {
                Ok(None) => {}
                event => return event,
            }
        }
    }

    /// When [`Session::handle_timeout`] must be called at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Connecting { since } => Some(since + self.settings.connack_timeout),
            Phase::Connected => self.keep_alive.deadline(),
            Phase::Closed | Phase::Ended => None,
        }
    }

    /// Time has passed. `reading` is false while the driver leaves the stream unread because its
    /// consumer is slow: then an unseen PINGRESP says nothing about the broker.
    pub fn handle_timeout(&mut self, now: Instant, reading: bool) -> Result<(), SessionError> {
        match self.phase {
            Phase::Connecting { since } if now >= since + self.settings.connack_timeout => {
                self.phase = Phase::Ended;
                Err(SessionError::ConnAckTimeout(self.settings.connack_timeout))
            }
            Phase::Connected => match self.keep_alive.check(now, reading) {
                keep_alive::Verdict::Fine => Ok(()),
                keep_alive::Verdict::Ping => self.write_ping(),
                keep_alive::Verdict::Dead => {
                    self.phase = Phase::Ended;
                    Err(SessionError::KeepAliveTimeout(self.keep_alive.interval()))
                }
            },
            Phase::Connecting { .. } | Phase::Closed | Phase::Ended => Ok(()),
        }
    }

    /// What the broker that we are connected to allows; before the first connection everything.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Asks the broker for a sign of life; [`Event::Pong`] answers when everything that it sent before
    /// has come. Nothing while not connected.
    pub fn ping(&mut self) -> Result<(), SessionError> {
        if self.phase != Phase::Connected {
            return Ok(());
        }
        self.probed = true;
        self.write_ping()
    }

    /// Sends the next step of an authentication exchange, or starts a new one (section 4.12).
    pub fn authenticate(
        &mut self,
        reason: Reason,
        properties: Properties,
    ) -> Result<(), SessionError> {
        self.write(&Packet::Auth(Auth { reason, properties }))
    }

    /// Ends the connection in order.
    pub fn disconnect(
        &mut self,
        reason: Reason,
        properties: Properties,
    ) -> Result<(), SessionError> {
        if self.phase == Phase::Connected {
            self.write(&Packet::Disconnect(Disconnect { reason, properties }))?;
        }
        self.phase = Phase::Ended;
        Ok(())
    }

    fn write(&mut self, packet: &Packet) -> Result<(), SessionError> {
        let before = self.output.len();
        codec::encode(self.settings.version, packet, &mut self.output)?;
        if let Some(observer) = &mut self.observer {
            show(
                observer,
                Direction::Sent,
                Some(packet),
                &self.output[before..],
            );
        }
        Ok(())
    }

    /// Who answers CONNECT if it is no broker.
    fn stranger(&self, input: &[u8]) -> Option<Stranger> {
        match self.phase {
            Phase::Connecting { .. } => Stranger::by_first_bytes(input),
            Phase::Closed | Phase::Connected | Phase::Ended => None,
        }
    }

    fn show_received(&mut self, packet: Option<&Packet>, len: usize) {
        if let Some(observer) = &mut self.observer {
            let bytes = &self.seen[..self.seen.len().min(len)];
            observer(Sight {
                direction: Direction::Received,
                packet,
                bytes: without_secret(packet, bytes, len),
                len,
            });
        }
    }

    fn write_ping(&mut self) -> Result<(), SessionError> {
        self.pings += 1;
        self.write(&Packet::PingReq)
    }

    fn write_ack(
        &mut self,
        form: fn(Ack) -> Packet,
        packet_id: u16,
        reason: Reason,
    ) -> Result<(), SessionError> {
        self.write(&form(Ack {
            packet_id,
            reason,
            properties: Properties::new(),
        }))
    }

    fn handle(&mut self, packet: Packet) -> Result<Option<Event>, SessionError> {
        if let Phase::Connecting { .. } = self.phase {
            return match packet {
                Packet::ConnAck(connack) => self.handle_connack(connack).map(Some),
                Packet::Auth(auth) => Ok(Some(Event::Auth(auth))),
                other => Err(protocol_error(format!("{} before CONNACK", other.name()))),
            };
        }
        match packet {
            Packet::Publish(mut publish) => Ok(match self.admit(&mut publish)? {
                Admitted::New(receipt) => Some(Event::Message(publish, receipt)),
                Admitted::Known => None,
            }),
            Packet::PubAck(ack) => self.handle_puback(ack),
            Packet::PubRec(ack) => self.handle_pubrec(ack),
            Packet::PubRel(ack) => self.handle_pubrel(ack),
            Packet::PubComp(ack) => self.handle_pubcomp(ack),
            Packet::SubAck(ack) => self.handle_answer("SUBACK", ack, Event::Subscribed),
            Packet::UnsubAck(ack) => self.handle_answer("UNSUBACK", ack, Event::Unsubscribed),
            Packet::PingResp => Ok(self.handle_pingresp()),
            Packet::Disconnect(disconnect) => {
                self.phase = Phase::Ended;
                Ok(Some(Event::Disconnected(disconnect)))
            }
            Packet::Auth(auth) => Ok(Some(Event::Auth(auth))),
            Packet::Connect(_)
            | Packet::ConnAck(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::PingReq => Err(protocol_error(format!("unexpected {}", packet.name()))),
        }
    }

    fn handle_connack(&mut self, connack: ConnAck) -> Result<Event, SessionError> {
        if connack.reason != Reason::SUCCESS {
            return Err(SessionError::Refused(connack));
        }
        self.limits = Limits::from_connack(&connack.properties);
        if let Some(assigned) = connack
            .properties
            .text(PropertyId::AssignedClientIdentifier)
        {
            self.identity.client_id = assigned.clone();
        }
        if let Some(seconds) = connack.properties.number(PropertyId::ServerKeepAlive) {
            self.keep_alive
                .set_interval(Duration::from_secs(u64::from(seconds)));
        }
        self.phase = Phase::Connected;
        self.accepted += 1;
        // Some brokers say "session present" to a clean start; what we asked for is what counts.
        self.resumed = connack.session_present && !self.asked_clean;
        if !self.resumed {
            self.inbound.forget();
        }
        self.outbound.reopen(self.resumed);
        self.resend()?;
        // The owner hears of the connection before it hears of what cannot be sent on it.
        Ok(Event::Connected(connack))
    }

    fn handle_pingresp(&mut self) -> Option<Event> {
        self.pings = self.pings.saturating_sub(1);
        let answered = self.probed && self.pings == 0;
        answered.then(|| {
            self.probed = false;
            Event::Pong
        })
    }

    /// The peer cannot be talked to any more: says so to it, where the version has words for it.
    fn broken(&mut self, error: &SessionError) {
        let reason = match error {
            SessionError::Protocol { reason, .. } => Some(*reason),
            SessionError::Decode(DecodeError::Malformed { .. }) => Some(Reason::MALFORMED_PACKET),
            SessionError::Decode(DecodeError::TooLarge { .. }) => Some(Reason::PACKET_TOO_LARGE),
            SessionError::Decode(DecodeError::OldBroker(_) | DecodeError::NotMqtt(_))
            | SessionError::Refused(_)
            | SessionError::ConnAckTimeout(_)
            | SessionError::KeepAliveTimeout(_)
            | SessionError::Encode(_) => None,
        };
        if let Some(reason) = reason
            && self.settings.version.has_properties()
            && self.phase == Phase::Connected
        {
            // A DISCONNECT without properties can always be encoded.
            let _ = self.write(&Packet::Disconnect(Disconnect {
                reason,
                properties: Properties::new(),
            }));
        }
        self.phase = Phase::Ended;
    }
}

/// Shows a packet of which all bytes are at hand.
fn show(observer: &mut Observer, direction: Direction, packet: Option<&Packet>, bytes: &[u8]) {
    let first = &bytes[..bytes.len().min(BYTES_SHOWN)];
    observer(Sight {
        direction,
        packet,
        bytes: without_secret(packet, first, bytes.len()),
        len: bytes.len(),
    });
}

/// The bytes before those that nobody is to see.
fn without_secret<'a>(packet: Option<&Packet>, bytes: &'a [u8], len: usize) -> &'a [u8] {
    let secret = packet.map_or(0, Packet::secret_tail);
    &bytes[..bytes.len().min(len.saturating_sub(secret))]
}

fn protocol_error(what: String) -> SessionError {
    SessionError::Protocol {
        reason: Reason::PROTOCOL_ERROR,
        what,
    }
}

fn unexpected(packet: &'static str, ack: &Ack) -> Event {
    Event::Unexpected {
        packet,
        packet_id: ack.packet_id,
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
