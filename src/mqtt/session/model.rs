//! A model broker behind a faulty link: random scripts check what each QoS promises.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::packet::{MAX_PACKET_SIZE, Message, Publish};
use crate::properties::{Place, Property, Value};
use crate::text::Text;
use crate::{QoS, Version};

/// What one step of a script does.
#[derive(Debug, Clone)]
enum Step {
    ClientPublishes(u8),
    BrokerPublishes(u8),
    /// So many packets reach the broker.
    Up(usize),
    /// So many packets reach the client.
    Down(usize),
    /// The broker sends one of the acknowledgements that it owes, in any order.
    Answer(usize),
    /// The broker repeats the last acknowledgement it sent.
    RepeatAnswer,
    /// The client's owner is done with one of the messages that it has, in any order.
    OwnerHandles(usize),
    Cut {
        session_kept: bool,
        receive_maximum: u16,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..3u8).prop_map(Step::ClientPublishes),
        4 => (0..3u8).prop_map(Step::BrokerPublishes),
        6 => (1..8usize).prop_map(Step::Up),
        6 => (1..8usize).prop_map(Step::Down),
        6 => (0..8usize).prop_map(Step::Answer),
        1 => Just(Step::RepeatAnswer),
        4 => (0..8usize).prop_map(Step::OwnerHandles),
        2 => (any::<bool>(), 1..8u16).prop_map(|(session_kept, receive_maximum)| Step::Cut { session_kept, receive_maximum }),
    ]
}

#[derive(Default)]
struct Broker {
    receive_maximum: u16,
    /// PUBLISH ids of this connection whose last acknowledgement was not sent.
    outstanding: HashSet<u16>,
    /// QoS 2 messages that wait for PUBREL.
    held: HashMap<u16, u64>,
    /// Acknowledgements owed, the last one sent, and packets on their way to the client.
    owed: Vec<Packet>,
    last_answer: Option<Packet>,
    down: Vec<Packet>,
    /// Client messages that were passed on, in order.
    passed_on: Vec<u64>,
    /// Messages to the client that it has not acknowledged; true once PUBREC came.
    to_client: BTreeMap<u16, (Message, bool)>,
    /// Their packet ids in the order of this connection, as far as the first acknowledgement is due.
    unanswered: VecDeque<u16>,
    /// What the client's owner is done with, where it is the owner who acknowledges.
    handled: Option<HashSet<u64>>,
    next_id: u16,
}

fn number(message: &Message) -> u64 {
    std::str::from_utf8(&message.payload)
        .unwrap()
        .parse()
        .unwrap()
}

fn message(qos: u8, token: u64) -> Message {
    Message {
        topic: Text::try_from("t").unwrap(),
        payload: Bytes::from(token.to_string()),
        qos: QoS::from_u8(qos).unwrap(),
        ..Message::default()
    }
}

impl Broker {
    fn connect(&mut self, session_kept: bool, version: Version) {
        self.outstanding.clear();
        self.owed.clear();
        self.down.clear();
        self.last_answer = None;
        self.unanswered.clear();
        if !session_kept {
            self.held.clear();
            self.to_client.clear();
        }
        let mut properties = Properties::new();
        if version == Version::V5 {
            let maximum = Property::new(
                PropertyId::ReceiveMaximum,
                Value::TwoByte(self.receive_maximum),
            );
            properties.push(Place::ConnAck, maximum.unwrap()).unwrap();
        }
        self.down.push(Packet::ConnAck(ConnAck {
            session_present: session_kept,
            reason: Reason::SUCCESS,
            properties,
        }));
        for (packet_id, (message, received)) in &self.to_client {
            self.down.push(if *received {
                Packet::PubRel(Ack::of(*packet_id))
            } else {
                self.unanswered.push_back(*packet_id);
                Packet::Publish(Publish {
                    dup: true,
                    packet_id: *packet_id,
                    message: message.clone(),
                })
            });
        }
    }

    fn receive(&mut self, packet: Packet, window: usize) {
        match packet {
            Packet::Publish(publish) => {
                let token = number(&publish.message);
                if publish.message.qos != QoS::AtMostOnce {
                    assert!(
                        self.outstanding.insert(publish.packet_id),
                        "packet id {} is in use",
                        publish.packet_id
                    );
                    assert!(self.outstanding.len() <= window, "window exceeded");
                }
                match publish.message.qos {
                    QoS::AtMostOnce => self.passed_on.push(token),
                    QoS::AtLeastOnce => {
                        self.passed_on.push(token);
                        self.owed.push(Packet::PubAck(Ack::of(publish.packet_id)));
                    }
                    QoS::ExactlyOnce => {
                        if let Some(held) = self.held.insert(publish.packet_id, token) {
                            assert_eq!(held, token, "another message under a held id");
                            assert!(publish.dup, "a repeated PUBLISH without DUP");
                        }
                        self.owed.push(Packet::PubRec(Ack::of(publish.packet_id)));
                    }
                }
            }
            Packet::PubRel(release) => {
                if let Some(token) = self.held.remove(&release.packet_id) {
                    self.passed_on.push(token);
                }
                self.owed.push(Packet::PubComp(Ack::of(release.packet_id)));
            }
            Packet::PubAck(ack) => {
                self.answered(ack.packet_id);
                self.to_client.remove(&ack.packet_id);
            }
            Packet::PubRec(rec) => {
                self.answered(rec.packet_id);
                if let Some((_, received)) = self.to_client.get_mut(&rec.packet_id) {
                    *received = true;
                }
                self.down.push(Packet::PubRel(Ack::of(rec.packet_id)));
            }
            Packet::PubComp(comp) => {
                self.to_client.remove(&comp.packet_id);
            }
            Packet::Connect(_) => {}
            other => panic!("unexpected {other:?}"),
        }
    }

    /// The first acknowledgement of a message came: in the order of the messages of its QoS, and no
    /// sooner than the client's owner allows.
    fn answered(&mut self, packet_id: u16) {
        let qos = |id: &u16| self.to_client[id].0.qos;
        let wanted = qos(&packet_id);
        let next = self.unanswered.iter().position(|id| qos(id) == wanted);
        let id = next.and_then(|index| self.unanswered.remove(index));
        assert_eq!(id, Some(packet_id), "out of order");
        let token = number(&self.to_client[&packet_id].0);
        if let Some(handled) = &self.handled {
            assert!(handled.contains(&token), "{token} was not handled yet");
        }
    }

    fn answer(&mut self, index: usize) {
        if self.owed.is_empty() {
            return;
        }
        let packet = self.owed.remove(index % self.owed.len());
        if let Packet::PubAck(ack) | Packet::PubComp(ack) = &packet {
            self.outstanding.remove(&ack.packet_id);
        }
        self.down.push(packet.clone());
        self.last_answer = Some(packet);
    }

    fn publish(&mut self, qos: u8, token: u64) {
        let message = message(qos, token);
        let mut packet_id = 0;
        if qos > 0 {
            self.next_id = self.next_id % 1000 + 1;
            packet_id = self.next_id;
            self.to_client.insert(packet_id, (message.clone(), false));
            self.unanswered.push_back(packet_id);
        }
        self.down.push(Packet::Publish(Publish {
            dup: false,
            packet_id,
            message,
        }));
    }
}

struct World {
    version: Version,
    session: Session,
    now: Instant,
    broker: Broker,
    up: Vec<Packet>,
    input: BytesMut,
    next_token: u64,
    published: Vec<(u64, u8)>,
    sent_by_broker: Vec<(u64, u8)>,
    acknowledged: Vec<u64>,
    received: Vec<u64>,
    /// Messages with the client's owner.
    with_owner: Vec<(Receipt, u64)>,
    sessions_lost: u32,
    loss_unheard: bool,
}

impl World {
    fn new(version: Version, max_in_flight: u16, by_owner: bool) -> Self {
        let now = Instant::now();
        let settings = Settings {
            version,
            clean_start: false,
            max_in_flight,
            ..Settings::default()
        };
        let identity = Identity {
            client_id: Text::try_from("c").unwrap(),
            ..Identity::default()
        };
        let mut world = Self {
            version,
            session: Session::new(Arc::new(settings), identity, now),
            now,
            broker: Broker {
                receive_maximum: 20,
                handled: by_owner.then(HashSet::new),
                ..Broker::default()
            },
            up: Vec::new(),
            input: BytesMut::new(),
            next_token: 1,
            published: Vec::new(),
            sent_by_broker: Vec::new(),
            acknowledged: Vec::new(),
            received: Vec::new(),
            with_owner: Vec::new(),
            sessions_lost: 0,
            loss_unheard: true,
        };
        if by_owner {
            world.session.acknowledge_by_owner();
        }
        world.connect(false);
        world
    }

    fn connect(&mut self, session_kept: bool) {
        self.up.clear();
        self.input.clear();
        self.session.open(self.now).unwrap();
        self.broker.connect(session_kept, self.version);
    }

    fn window(&self) -> usize {
        let own = usize::from(self.session.settings().max_in_flight);
        match self.version {
            Version::V5 => own.min(usize::from(self.broker.receive_maximum)),
            _ => own,
        }
    }

    fn up(&mut self, count: usize) {
        let mut bytes = BytesMut::from(self.session.output());
        self.session.wrote(bytes.len(), self.now);
        while let Some(packet) = codec::decode(self.version, &mut bytes, MAX_PACKET_SIZE).unwrap() {
            self.up.push(packet);
        }
        assert!(bytes.is_empty(), "the session writes whole packets");
        let window = self.window();
        for packet in self.up.drain(..count.min(self.up.len())) {
            self.broker.receive(packet, window);
        }
    }

    fn down(&mut self, count: usize) {
        let count = count.min(self.broker.down.len());
        for packet in self.broker.down.drain(..count) {
            codec::encode(self.version, &packet, &mut self.input).unwrap();
        }
        while let Some(event) = self.session.next(self.now, &mut self.input).unwrap() {
            match event {
                Event::Message(publish, receipt) => {
                    let token = number(&publish.message);
                    self.received.push(token);
                    self.with_owner
                        .extend(receipt.map(|receipt| (receipt, token)));
                }
                Event::Acknowledged(ack) => self.acknowledged.push(ack.token),
                Event::Connected(_) | Event::Unexpected { .. } => {}
                other => panic!("unexpected {other:?}"),
            }
        }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::ClientPublishes(qos) => {
                let token = self.next_token;
                match self.session.publish(message(qos, token), token) {
                    Ok(_) => {
                        self.next_token += 1;
                        self.published.push((token, qos));
                    }
                    Err(PublishError::NotConnected) => assert!(!self.session.is_connected()),
                    Err(PublishError::WindowFull) => assert_eq!(self.session.room(), 0),
                    Err(other) => panic!("{other}"),
                }
            }
            Step::BrokerPublishes(qos) => {
                if self.broker.to_client.len() < 500 {
                    let token = self.next_token;
                    self.next_token += 1;
                    self.sent_by_broker.push((token, qos));
                    self.broker.publish(qos, token);
                }
            }
            Step::Up(count) => self.up(count),
            Step::Down(count) => self.down(count),
            Step::Answer(index) => self.broker.answer(index),
            Step::OwnerHandles(index) => self.owner_handles(index),
            Step::RepeatAnswer => {
                if let Some(packet) = self.broker.last_answer.clone() {
                    self.broker.down.push(packet);
                }
            }
            Step::Cut {
                session_kept,
                receive_maximum,
            } => {
                // A loss that the client never heard of, because the CONNACK that tells of it was cut
                // off, cannot be told from a kept session in any version of MQTT; a message whose
                // PUBREC came before may then be gone. The model does not do that.
                let session_kept =
                    session_kept && (self.session.is_connected() || !self.loss_unheard);
                self.loss_unheard = !session_kept;
                if !session_kept {
                    self.sessions_lost += 1;
                }
                self.broker.receive_maximum = receive_maximum;
                self.session.closed();
                self.connect(session_kept);
            }
        }
    }

    fn owner_handles(&mut self, index: usize) {
        if self.with_owner.is_empty() {
            return;
        }
        let index = index % self.with_owner.len();
        let (receipt, token) = self.with_owner.swap_remove(index);
        let handled = self.broker.handled.as_mut();
        handled.expect("only then are there receipts").insert(token);
        self.session.acknowledge(receipt).unwrap();
    }

    /// Lets everything arrive.
    fn settle(&mut self) {
        for _ in 0..100_000 {
            self.up(usize::MAX);
            self.broker.answer(0);
            self.down(usize::MAX);
            self.owner_handles(0);
            let quiet = self.session.output().is_empty()
                && self.broker.owed.is_empty()
                && self.broker.down.is_empty();
            if quiet && self.session.unacknowledged() == 0 && self.with_owner.is_empty() {
                assert!(self.broker.to_client.is_empty(), "not all is acknowledged");
                assert_eq!(self.session.unfinished(), 0);
                return;
            }
        }
        panic!("it never comes to rest");
    }

    fn judge(&self) {
        let count = |list: &[u64], token| list.iter().filter(|t| **t == token).count();
        for (token, qos) in &self.published {
            let passed = count(&self.broker.passed_on, *token);
            match qos {
                0 => assert!(passed <= 1, "QoS 0 message {token} came {passed} times"),
                1 => assert!(passed >= 1, "QoS 1 message {token} is lost"),
                _ => {
                    assert!(passed >= 1, "QoS 2 message {token} is lost");
                    if self.sessions_lost == 0 {
                        assert_eq!(passed, 1, "QoS 2 message {token}");
                    }
                }
            }
            let acks = count(&self.acknowledged, *token);
            assert_eq!(acks, usize::from(*qos > 0), "acknowledgements of {token}");
        }
        // order of first arrival at QoS 1
        let firsts: Vec<_> = self
            .published
            .iter()
            .filter(|(_, qos)| *qos == 1)
            .map(|(token, _)| {
                self.broker
                    .passed_on
                    .iter()
                    .position(|t| t == token)
                    .unwrap()
            })
            .collect();
        assert!(firsts.is_sorted(), "QoS 1 messages changed places");
        for (token, qos) in &self.sent_by_broker {
            let came = count(&self.received, *token);
            match qos {
                0 => assert!(came <= 1),
                1 if self.sessions_lost == 0 => assert!(came >= 1, "inbound {token} is lost"),
                2 if self.sessions_lost == 0 => assert_eq!(came, 1, "inbound QoS 2 {token}"),
                _ => {}
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2000, ..ProptestConfig::with_cases(600) })]

    #[test]
    fn nothing_is_lost_over_a_faulty_link(
        version in prop_oneof![Just(Version::V31), Just(Version::V311), Just(Version::V5)],
        max_in_flight in 1..20u16,
        by_owner in any::<bool>(),
        steps in proptest::collection::vec(step(), 1..150),
    ) {
        let mut world = World::new(version, max_in_flight, by_owner);
        for step in steps {
            world.run(step);
        }
        world.settle();
        world.judge();
    }
}

#[test]
fn packet_ids_stay_unique_past_65535() {
    let mut world = World::new(Version::V311, 20, false);
    world.settle();
    for _ in 0..70_000 {
        world.run(Step::ClientPublishes(1));
        world.up(usize::MAX);
        world.broker.answer(0);
        world.down(usize::MAX);
    }
    world.settle();
    world.judge_counts_only();
}

impl World {
    fn judge_counts_only(&self) {
        assert_eq!(self.broker.passed_on.len(), self.published.len());
        assert_eq!(self.acknowledged.len(), self.published.len());
        assert_eq!(self.published.len(), 70_000);
    }
}
