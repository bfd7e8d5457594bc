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
use self::inbound::{Arrival, Inbound, State};
use self::keep_alive::KeepAlive;
use self::outbound::{Outbound, Resend, Stage};
use super::QoS;
use super::codec::{self, DecodeError, EncodeError, PublishForm, Stranger};
use super::packet::{
    Ack, Auth, ConnAck, Connect, Disconnect, MAX_PACKET_SIZE, Message, Packet, Publish, SubAck,
    Subscribe, Subscription, Unsubscribe,
};
use super::properties::{Properties, PropertyId};
use super::reason::Reason;
use super::text::Text;

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

    /// From now on messages of QoS 1 and 2 are acknowledged when the owner says so
    /// ([`Session::acknowledge`]), in the order in which they came, and no sooner.
    pub fn acknowledge_by_owner(&mut self) {
        self.by_owner = true;
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

    /// Takes packets from `input` until one makes an event; `None` when more bytes are needed.
    ///
    /// After an error the connection must be closed; the output holds a DISCONNECT with the reason
    /// where the version has one.
    pub fn next(
        &mut self,
        now: Instant,
        input: &mut BytesMut,
    ) -> Result<Option<Event>, SessionError> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            if matches!(self.phase, Phase::Closed | Phase::Ended) {
                return Ok(None);
            }
            let limit = self
                .settings
                .connect_properties
                .number(PropertyId::MaximumPacketSize)
                .map_or(MAX_PACKET_SIZE, |limit| limit as usize);
            let before = input.len();
            if self.observer.is_some() {
                self.seen.clear();
                self.seen
                    .extend_from_slice(&input[..before.min(BYTES_SHOWN)]);
            }
            let decoded = match self.stranger(input) {
                Some(stranger) => Err(DecodeError::NotMqtt(stranger)),
                None => codec::decode(self.settings.version, input, limit),
            };
            let packet = match decoded {
                Ok(Some(packet)) => packet,
                Ok(None) => return Ok(None),
                Err(error) => {
                    self.show_received(None, before);
                    return Err(self.broken(error.into()));
                }
            };
            self.keep_alive.heard(now);
            self.show_received(Some(&packet), before - input.len());
            match self.handle(packet) {
                Ok(Some(event)) => return Ok(Some(event)),
                Ok(None) => {}
                Err(error) => return Err(self.broken(error)),
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

    /// How many more QoS 1 or 2 messages [`Session::publish`] takes now.
    pub fn room(&self) -> usize {
        if self.phase != Phase::Connected {
            return 0;
        }
        self.outbound.room(self.window())
    }

    /// Publishes of QoS 1 and 2 that are not yet acknowledged.
    pub fn unacknowledged(&self) -> usize {
        self.outbound.unacknowledged()
    }

    /// Those publishes, in the order of sending. The broker may have got each of them.
    pub fn unacknowledged_messages(&self) -> impl Iterator<Item = &Message> {
        self.outbound.messages()
    }

    /// What the broker that we are connected to allows; before the first connection everything.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The owner has handled the message with this receipt, also if the connection it came on is gone:
    /// when the broker sends it again it is acknowledged and not delivered a second time.
    pub fn acknowledge(&mut self, receipt: Receipt) -> Result<(), SessionError> {
        self.settle(receipt, State::Handled)
    }

    /// The message with this receipt is not to be acknowledged on this connection, and those behind it
    /// need not wait for it. The broker sends it again on the next one, if it keeps the session.
    pub fn leave(&mut self, receipt: Receipt) -> Result<(), SessionError> {
        self.settle(receipt, State::Left)
    }

    fn settle(&mut self, receipt: Receipt, state: State) -> Result<(), SessionError> {
        self.inbound.settle(receipt, state);
        self.write_due()
    }

    /// Messages of QoS 1 and 2 whose exchange with the broker has begun and not ended.
    pub fn unfinished(&self) -> usize {
        self.inbound.unfinished()
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

    /// Publishes a message whose topic is a valid topic name. At QoS 1 and 2 the session keeps it
    /// until [`Event::Acknowledged`] returns `token`. Returns the packet id, 0 at QoS 0.
    pub fn publish(&mut self, message: Message, token: u64) -> Result<u16, PublishError> {
        let packet_id = self.send_publish(&message)?;
        if packet_id != 0 {
            self.outbound.push_sent(message, token);
        }
        Ok(packet_id)
    }

    /// The same for a message that the caller may need again: it is taken only when the session keeps it,
    /// and is what it was at QoS 0 and when it cannot be published.
    pub fn publish_from(&mut self, message: &mut Message, token: u64) -> Result<u16, PublishError> {
        let packet_id = self.send_publish(message)?;
        if packet_id != 0 {
            self.outbound.push_sent(std::mem::take(message), token);
        }
        Ok(packet_id)
    }

    /// Writes a new PUBLISH. Returns the packet id by which it must be kept, 0 at QoS 0.
    fn send_publish(&mut self, message: &Message) -> Result<u16, PublishError> {
        if self.phase != Phase::Connected {
            return Err(PublishError::NotConnected);
        }
        self.check(message)?;
        if message.qos == QoS::AtMostOnce {
            self.write_publish(message, 0, false)?;
            return Ok(0);
        }
        if self.outbound.room(self.window()) == 0 {
            return Err(PublishError::WindowFull);
        }
        let packet_id = self.outbound.next_packet_id();
        self.write_publish(message, packet_id, false)?;
        Ok(packet_id)
    }

    /// Asks for subscriptions; [`Event::Subscribed`] answers with the returned packet id.
    /// `None` while not connected or while all packet ids are taken.
    pub fn subscribe(
        &mut self,
        subscriptions: Vec<Subscription>,
        properties: Properties,
    ) -> Result<Option<u16>, SessionError> {
        let count = subscriptions.len();
        self.request(count, |packet_id| {
            Packet::Subscribe(Subscribe {
                packet_id,
                subscriptions,
                properties,
            })
        })
    }

    /// Ends subscriptions; [`Event::Unsubscribed`] answers with the returned packet id.
    pub fn unsubscribe(
        &mut self,
        filters: Vec<Text>,
        properties: Properties,
    ) -> Result<Option<u16>, SessionError> {
        let count = filters.len();
        self.request(count, |packet_id| {
            Packet::Unsubscribe(Unsubscribe {
                packet_id,
                filters,
                properties,
            })
        })
    }

    /// Sends the next step of an authentication exchange, or starts a new one (section 4.12).
    #[cfg_attr(not(test), allow(dead_code, reason = "no method is built in yet"))]
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

    fn window(&self) -> usize {
        let own = match self.settings.max_in_flight {
            0 => u16::MAX,
            limit => limit,
        };
        usize::from(own.min(self.limits.receive_maximum))
    }

    fn request(
        &mut self,
        filters: usize,
        packet: impl FnOnce(u16) -> Packet,
    ) -> Result<Option<u16>, SessionError> {
        if self.phase != Phase::Connected || self.outbound.is_full() {
            return Ok(None);
        }
        let packet_id = self.outbound.next_packet_id();
        self.write(&packet(packet_id))?;
        self.outbound.push_request(filters);
        Ok(Some(packet_id))
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

    /// Acknowledges what the owner has handled, as far as the order allows.
    fn write_due(&mut self) -> Result<(), SessionError> {
        while self.phase == Phase::Connected
            && let Some((packet_id, qos)) = self.inbound.next_due()
        {
            if qos == QoS::ExactlyOnce {
                self.inbound.received(packet_id);
                self.write_ack(Packet::PubRec, packet_id, Reason::SUCCESS)?;
            } else {
                self.write_ack(Packet::PubAck, packet_id, Reason::SUCCESS)?;
            }
        }
        Ok(())
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

    /// Whether this broker can take the message at all.
    fn check(&self, message: &Message) -> Result<(), PublishError> {
        let limits = &self.limits;
        if message.qos > limits.maximum_qos {
            return Err(PublishError::QosNotSupported {
                wanted: message.qos,
                maximum: limits.maximum_qos,
            });
        }
        if message.retain && !limits.retain_available {
            return Err(PublishError::RetainNotSupported);
        }
        if let Some(alias) = message.properties.number(PropertyId::TopicAlias)
            && alias > u32::from(limits.topic_alias_maximum)
            && !self.settings.any_alias
        {
            return Err(PublishError::TopicAlias {
                alias: alias as u16,
                maximum: limits.topic_alias_maximum,
            });
        }
        let size = codec::publish_size(self.settings.version, message);
        if size > limits.maximum_packet_size {
            return Err(PublishError::TooLarge {
                size,
                maximum: limits.maximum_packet_size,
            });
        }
        Ok(())
    }

    fn write_publish(
        &mut self,
        message: &Message,
        packet_id: u16,
        dup: bool,
    ) -> Result<(), EncodeError> {
        let aliases = self.limits.topic_alias_maximum > 0 || self.settings.any_alias;
        let (topic, alias): (&[u8], _) = if !aliases {
            (message.topic.as_bytes(), None)
        } else {
            self.outbound_aliases.apply(
                message,
                self.settings.alias_topics,
                self.limits.topic_alias_maximum,
            )
        };
        let form = PublishForm {
            dup,
            packet_id,
            topic,
            alias,
        };
        let before = self.output.len();
        codec::encode_publish(self.settings.version, message, form, &mut self.output)?;
        if let Some(observer) = &mut self.observer {
            let packet = Packet::Publish(Publish {
                dup,
                packet_id,
                message: message.clone(),
            });
            show(
                observer,
                Direction::Sent,
                Some(&packet),
                &self.output[before..],
            );
        }
        Ok(())
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
            Packet::Publish(publish) => self.handle_publish(publish),
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

    /// Sends kept publishes and releases in their order, as far as the window goes.
    fn resend(&mut self) -> Result<(), SessionError> {
        let window = self.window();
        while let Some(resend) = self.outbound.next_resend(window) {
            match resend {
                Resend::Release { packet_id } => {
                    self.write_ack(Packet::PubRel, packet_id, Reason::SUCCESS)?;
                }
                Resend::Publish {
                    index,
                    packet_id,
                    dup,
                } => {
                    let message = self.outbound.take_message(index);
                    let sent = self.check(&message).and_then(|()| {
                        self.write_publish(&message, packet_id, dup)
                            .map_err(PublishError::from)
                    });
                    match sent {
                        Ok(()) => self.outbound.put_back(index, message),
                        Err(error) => {
                            let token = self.outbound.complete(index);
                            let message = Box::new(message);
                            self.events.push_back(Event::Undeliverable {
                                token,
                                message,
                                error,
                            });
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn handle_publish(&mut self, mut publish: Publish) -> Result<Option<Event>, SessionError> {
        if self.settings.version.has_properties() {
            self.resolve_alias(&mut publish)?;
        }
        let packet_id = publish.packet_id;
        match publish.message.qos {
            QoS::AtMostOnce => {}
            _ if self.by_owner => return self.hold(publish),
            QoS::AtLeastOnce => self.write_ack(Packet::PubAck, packet_id, Reason::SUCCESS)?,
            QoS::ExactlyOnce => {
                let is_new = !self.inbound.is_unreleased(packet_id);
                if is_new {
                    self.check_receive_maximum(self.inbound.unfinished())?;
                    self.inbound.received(packet_id);
                }
                self.write_ack(Packet::PubRec, packet_id, Reason::SUCCESS)?;
                if !is_new {
                    return Ok(None);
                }
            }
        }
        Ok(Some(Event::Message(publish, None)))
    }

    /// Gives a message to the owner, who acknowledges it.
    fn hold(&mut self, publish: Publish) -> Result<Option<Event>, SessionError> {
        let packet_id = publish.packet_id;
        if publish.message.qos == QoS::ExactlyOnce && self.inbound.is_unreleased(packet_id) {
            self.write_ack(Packet::PubRec, packet_id, Reason::SUCCESS)?;
            return Ok(None);
        }
        let before = self.inbound.unfinished();
        match self.inbound.hold(&publish) {
            Arrival::New(receipt) => {
                self.check_receive_maximum(before)?;
                Ok(Some(Event::Message(publish, Some(receipt))))
            }
            Arrival::Known => {
                // It may have been handled while there was no connection.
                self.write_due()?;
                Ok(None)
            }
        }
    }

    /// Whether the broker may send one more, of `unfinished` (section 4.9).
    fn check_receive_maximum(&self, unfinished: usize) -> Result<(), SessionError> {
        let maximum = self
            .settings
            .connect_properties
            .number(PropertyId::ReceiveMaximum)
            .unwrap_or(65_535);
        if unfinished >= maximum as usize {
            return Err(SessionError::Protocol {
                reason: Reason::RECEIVE_MAXIMUM_EXCEEDED,
                what: format!("more than the receive maximum of {maximum} messages"),
            });
        }
        Ok(())
    }

    fn handle_pingresp(&mut self) -> Option<Event> {
        self.pings = self.pings.saturating_sub(1);
        let answered = self.probed && self.pings == 0;
        answered.then(|| {
            self.probed = false;
            Event::Pong
        })
    }

    fn resolve_alias(&mut self, publish: &mut Publish) -> Result<(), SessionError> {
        let alias = publish.message.properties.number(PropertyId::TopicAlias);
        let topic = &mut publish.message.topic;
        let Some(alias) = alias else {
            return if topic.is_empty() {
                Err(protocol_error(
                    "a PUBLISH without topic and topic alias".to_owned(),
                ))
            } else {
                Ok(())
            };
        };
        let maximum = self
            .settings
            .connect_properties
            .number(PropertyId::TopicAliasMaximum)
            .unwrap_or(0);
        let invalid = |what: String| SessionError::Protocol {
            reason: Reason::TOPIC_ALIAS_INVALID,
            what,
        };
        if alias > maximum {
            return Err(invalid(format!(
                "topic alias {alias} above our maximum of {maximum}"
            )));
        }
        if topic.is_empty() {
            *topic = self
                .inbound_aliases
                .get(alias as u16)
                .ok_or_else(|| invalid(format!("topic alias {alias} stands for no topic yet")))?
                .clone();
        } else {
            self.inbound_aliases.set(alias as u16, topic.clone());
        }
        Ok(())
    }

    fn handle_puback(&mut self, ack: Ack) -> Result<Option<Event>, SessionError> {
        match self.outbound.find(ack.packet_id) {
            Some((index, Stage::Sent, QoS::AtLeastOnce)) => {
                self.finish(index, ack, QoS::AtLeastOnce)
            }
            _ => Ok(Some(unexpected("PUBACK", &ack))),
        }
    }

    fn handle_pubrec(&mut self, ack: Ack) -> Result<Option<Event>, SessionError> {
        match self.outbound.find(ack.packet_id) {
            Some((index, Stage::Sent, QoS::ExactlyOnce)) if ack.reason.is_error() => {
                self.finish(index, ack, QoS::ExactlyOnce)
            }
            Some((index, Stage::Sent | Stage::Released, QoS::ExactlyOnce)) => {
                self.outbound.release(index);
                self.write_ack(Packet::PubRel, ack.packet_id, Reason::SUCCESS)?;
                Ok(None)
            }
            _ => {
                if self.settings.version.has_properties() && !ack.reason.is_error() {
                    // section 4.3.3: the broker may forget the packet id
                    self.write_ack(
                        Packet::PubRel,
                        ack.packet_id,
                        Reason::PACKET_IDENTIFIER_NOT_FOUND,
                    )?;
                }
                Ok(Some(unexpected("PUBREC", &ack)))
            }
        }
    }

    fn handle_pubrel(&mut self, ack: Ack) -> Result<Option<Event>, SessionError> {
        let reason = if self.inbound.release(ack.packet_id) {
            Reason::SUCCESS
        } else {
            Reason::PACKET_IDENTIFIER_NOT_FOUND
        };
        self.write_ack(Packet::PubComp, ack.packet_id, reason)?;
        Ok(None)
    }

    fn handle_pubcomp(&mut self, mut ack: Ack) -> Result<Option<Event>, SessionError> {
        match self.outbound.find(ack.packet_id) {
            Some((index, Stage::Released, QoS::ExactlyOnce)) => {
                // The broker had taken the message before we released it; that it has since
                // forgotten the packet id is no refusal.
                if ack.reason == Reason::PACKET_IDENTIFIER_NOT_FOUND {
                    ack.reason = Reason::SUCCESS;
                }
                self.finish(index, ack, QoS::ExactlyOnce)
            }
            _ => Ok(Some(unexpected("PUBCOMP", &ack))),
        }
    }

    fn finish(&mut self, index: usize, ack: Ack, qos: QoS) -> Result<Option<Event>, SessionError> {
        let refused = ack
            .reason
            .is_error()
            .then(|| Box::new(self.outbound.take_message(index)));
        let token = self.outbound.complete(index);
        if self.outbound.has_resends() {
            self.resend()?;
        }
        Ok(Some(Event::Acknowledged(Acknowledged {
            token,
            packet_id: ack.packet_id,
            qos,
            reason: ack.reason,
            properties: ack.properties,
            refused,
        })))
    }

    fn handle_answer(
        &mut self,
        packet: &'static str,
        ack: SubAck,
        event: fn(SubAck) -> Event,
    ) -> Result<Option<Event>, SessionError> {
        let Some((index, filters)) = self.outbound.find_request(ack.packet_id) else {
            return Ok(Some(Event::Unexpected {
                packet,
                packet_id: ack.packet_id,
            }));
        };
        // An UNSUBACK before MQTT 5 carries no reason codes.
        let empty_is_right = packet == "UNSUBACK" && !self.settings.version.has_properties();
        if ack.reasons.len() != filters && !(empty_is_right && ack.reasons.is_empty()) {
            return Err(protocol_error(format!(
                "{packet} with {} reason codes for {filters} topic filters",
                ack.reasons.len()
            )));
        }
        self.outbound.complete(index);
        Ok(Some(event(ack)))
    }

    /// The peer cannot be talked to any more: says so to it, where the version has words for it.
    fn broken(&mut self, error: SessionError) -> SessionError {
        let reason = match &error {
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
        error
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
