//! The specification's flows as tables, for each version.

use bytes::Bytes;

use super::*;
use crate::mqtt::properties::{Place, Property, Value};
use crate::mqtt::{Version, topic};

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];

struct Peer {
    session: Session,
    version: Version,
    now: Instant,
    input: BytesMut,
}

fn text(s: &str) -> Text {
    Text::try_from(s).unwrap()
}

fn properties(place: Place, list: &[(PropertyId, Value)]) -> Properties {
    let mut all = Properties::new();
    for (id, value) in list {
        all.push(place, Property::new(*id, value.clone()).unwrap())
            .unwrap();
    }
    all
}

fn ack(packet_id: u16) -> Ack {
    Ack {
        packet_id,
        ..Ack::default()
    }
}

fn message(topic: &str, qos: QoS) -> Message {
    Message {
        topic: topic::parse_name(topic).unwrap(),
        payload: Bytes::from_static(b"x"),
        qos,
        ..Message::default()
    }
}

impl Peer {
    fn new(settings: Settings) -> Self {
        let now = Instant::now();
        let version = settings.version;
        let identity = Identity {
            client_id: text("me"),
            ..Identity::default()
        };
        let mut session = Session::new(Arc::new(settings), identity, now);
        session.open(now).unwrap();
        Self {
            session,
            version,
            now,
            input: BytesMut::new(),
        }
    }

    fn connected(settings: Settings) -> Self {
        Self::connected_with(settings, &[])
    }

    fn connected_with(settings: Settings, list: &[(PropertyId, Value)]) -> Self {
        let mut peer = Self::new(settings);
        peer.sent();
        let connack = ConnAck {
            properties: properties(Place::ConnAck, list),
            ..ConnAck::default()
        };
        let events = peer.gets(Packet::ConnAck(connack)).unwrap();
        assert!(matches!(events[..], [Event::Connected(_)]));
        peer
    }

    fn version(version: Version) -> Self {
        Self::connected(Settings {
            version,
            ..Settings::default()
        })
    }

    fn reconnected(&mut self, session_present: bool) -> Vec<Event> {
        self.session.closed();
        self.input.clear();
        self.session.open(self.now).unwrap();
        self.sent();
        self.gets(Packet::ConnAck(ConnAck {
            session_present,
            ..ConnAck::default()
        }))
        .unwrap()
    }

    /// What the session has written since the last call.
    fn sent(&mut self) -> Vec<Packet> {
        let mut bytes = BytesMut::from(self.session.output());
        self.session.wrote(bytes.len(), self.now);
        let mut packets = Vec::new();
        while let Some(packet) = codec::decode(self.version, &mut bytes, MAX_PACKET_SIZE).unwrap() {
            packets.push(packet);
        }
        packets
    }

    fn gets(&mut self, packet: Packet) -> Result<Vec<Event>, SessionError> {
        codec::encode(self.version, &packet, &mut self.input).unwrap();
        self.events()
    }

    fn gets_bytes(&mut self, bytes: &[u8]) -> Result<Vec<Event>, SessionError> {
        self.input.extend_from_slice(bytes);
        self.events()
    }

    fn events(&mut self) -> Result<Vec<Event>, SessionError> {
        let mut events = Vec::new();
        while let Some(event) = self.session.next(self.now, &mut self.input)? {
            events.push(event);
        }
        Ok(events)
    }

    fn publish(&mut self, qos: QoS, token: u64) -> u16 {
        self.session.publish(message("t", qos), token).unwrap()
    }
}

fn acknowledged(event: &Event) -> (u64, u8) {
    match event {
        Event::Acknowledged(ack) => (ack.token, ack.reason.0),
        other => panic!("{other:?}"),
    }
}

#[test]
fn qos_0_is_one_packet() {
    for version in VERSIONS {
        let mut peer = Peer::version(version);
        assert_eq!(peer.publish(QoS::AtMostOnce, 1), 0);
        assert!(matches!(&peer.sent()[..], [Packet::Publish(p)] if p.packet_id == 0));
        assert_eq!(peer.session.unacknowledged(), 0);
    }
}

#[test]
fn qos_1_ends_with_puback() {
    for version in VERSIONS {
        let mut peer = Peer::version(version);
        assert_eq!(peer.publish(QoS::AtLeastOnce, 7), 1);
        assert_eq!(peer.publish(QoS::AtLeastOnce, 8), 2);
        assert_eq!(peer.session.unacknowledged(), 2);
        peer.sent();
        let events = peer.gets(Packet::PubAck(ack(1))).unwrap();
        assert_eq!(acknowledged(&events[0]), (7, 0));
        assert_eq!(peer.session.unacknowledged(), 1);
    }
}

#[test]
fn qos_2_ends_with_pubcomp() {
    for version in VERSIONS {
        let mut peer = Peer::version(version);
        peer.publish(QoS::ExactlyOnce, 7);
        peer.sent();
        assert_eq!(peer.gets(Packet::PubRec(ack(1))).unwrap(), []);
        assert_eq!(peer.sent(), [Packet::PubRel(ack(1))]);
        assert_eq!(peer.session.unacknowledged(), 1);
        let events = peer.gets(Packet::PubComp(ack(1))).unwrap();
        assert_eq!(acknowledged(&events[0]), (7, 0));
        assert_eq!(peer.session.unacknowledged(), 0);
    }
}

#[test]
fn refusals_come_with_their_reason() {
    let mut peer = Peer::version(Version::V5);
    peer.publish(QoS::AtLeastOnce, 1);
    peer.publish(QoS::ExactlyOnce, 2);
    peer.sent();
    let refusal = |packet_id| Ack {
        packet_id,
        reason: Reason::NOT_AUTHORIZED,
        properties: properties(
            Place::Ack,
            &[(PropertyId::ReasonString, Value::Text(text("no")))],
        ),
    };
    let events = peer.gets(Packet::PubAck(refusal(1))).unwrap();
    assert_eq!(acknowledged(&events[0]), (1, 0x87));
    let events = peer.gets(Packet::PubRec(refusal(2))).unwrap();
    assert_eq!(acknowledged(&events[0]), (2, 0x87));
    assert_eq!(peer.session.unacknowledged(), 0);
    assert_eq!(peer.sent(), [], "a refused QoS 2 publish is not released");
}

#[test]
fn inbound_qos_flows_are_answered() {
    for version in VERSIONS {
        let mut peer = Peer::version(version);
        let publish = |qos, packet_id, dup| {
            Packet::Publish(Publish {
                dup,
                packet_id,
                message: message("t", qos),
            })
        };
        assert_eq!(
            peer.gets(publish(QoS::AtMostOnce, 0, false)).unwrap().len(),
            1
        );
        assert_eq!(peer.sent(), []);
        assert_eq!(
            peer.gets(publish(QoS::AtLeastOnce, 5, false))
                .unwrap()
                .len(),
            1
        );
        assert_eq!(peer.sent(), [Packet::PubAck(ack(5))]);
        assert_eq!(
            peer.gets(publish(QoS::ExactlyOnce, 5, false))
                .unwrap()
                .len(),
            1
        );
        assert_eq!(peer.sent(), [Packet::PubRec(ack(5))]);
        // repeated before PUBREL: answered, not delivered again
        assert_eq!(peer.gets(publish(QoS::ExactlyOnce, 5, true)).unwrap(), []);
        assert_eq!(peer.sent(), [Packet::PubRec(ack(5))]);
        peer.gets(Packet::PubRel(ack(5))).unwrap();
        assert_eq!(peer.sent(), [Packet::PubComp(ack(5))]);
        assert_eq!(
            peer.gets(publish(QoS::ExactlyOnce, 5, false))
                .unwrap()
                .len(),
            1
        );
    }
}

fn inbound(qos: QoS, packet_id: u16, dup: bool) -> Packet {
    Packet::Publish(Publish {
        dup,
        packet_id,
        message: message("t", qos),
    })
}

fn receipt(events: &[Event]) -> Receipt {
    match events {
        [Event::Message(_, Some(receipt))] => *receipt,
        other => panic!("{other:?}"),
    }
}

impl Peer {
    fn by_owner(version: Version) -> Self {
        let mut peer = Self::connected(Settings {
            version,
            clean_start: false,
            ..Settings::default()
        });
        peer.session.acknowledge_by_owner();
        peer
    }

    fn takes(&mut self, qos: QoS, packet_id: u16) -> Receipt {
        receipt(&self.gets(inbound(qos, packet_id, false)).unwrap())
    }
}

#[test]
fn the_owner_acknowledges_in_any_order_and_the_broker_hears_it_in_that_of_the_messages() {
    for version in VERSIONS {
        let mut peer = Peer::by_owner(version);
        let one = peer.takes(QoS::AtLeastOnce, 1);
        let two = peer.takes(QoS::ExactlyOnce, 2);
        let three = peer.takes(QoS::AtLeastOnce, 3);
        assert_eq!(peer.sent(), []);
        assert_eq!(peer.session.unfinished(), 3);
        peer.session.acknowledge(two).unwrap();
        peer.session.acknowledge(three).unwrap();
        assert_eq!(peer.sent(), [], "the first is not handled yet");
        peer.session.acknowledge(one).unwrap();
        assert_eq!(
            peer.sent(),
            [
                Packet::PubAck(ack(1)),
                Packet::PubRec(ack(2)),
                Packet::PubAck(ack(3))
            ]
        );
        peer.session.acknowledge(one).unwrap();
        assert_eq!(peer.sent(), [], "once is enough");
        peer.gets(Packet::PubRel(ack(2))).unwrap();
        assert_eq!(peer.sent(), [Packet::PubComp(ack(2))]);
        assert_eq!(peer.session.unfinished(), 0);
    }
}

#[test]
fn qos_0_has_no_receipt() {
    let mut peer = Peer::by_owner(Version::V5);
    let events = peer.gets(inbound(QoS::AtMostOnce, 0, false)).unwrap();
    assert!(matches!(&events[..], [Event::Message(_, None)]));
}

#[test]
fn what_is_left_does_not_hold_up_the_others_and_comes_again() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut peer = Peer::by_owner(Version::V5);
        let one = peer.takes(qos, 1);
        let two = peer.takes(qos, 2);
        peer.session.acknowledge(two).unwrap();
        peer.session.leave(one).unwrap();
        let sent = peer.sent();
        assert!(
            matches!(&sent[..], [Packet::PubAck(a) | Packet::PubRec(a)] if a.packet_id == 2),
            "{sent:?}"
        );
        peer.reconnected(true);
        let events = peer.gets(inbound(qos, 1, true)).unwrap();
        assert_ne!(receipt(&events), one);
    }
}

#[test]
fn what_the_owner_still_has_is_not_delivered_again_on_a_resumed_session() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut peer = Peer::by_owner(Version::V311);
        let one = peer.takes(qos, 1);
        let two = peer.takes(qos, 2);
        peer.session.closed();
        // handled while there is no connection, and after
        peer.session.acknowledge(one).unwrap();
        peer.reconnected(true);
        assert_eq!(peer.gets(inbound(qos, 1, true)).unwrap(), []);
        assert_eq!(
            peer.sent().len(),
            1,
            "acknowledged as soon as it comes again"
        );
        assert_eq!(peer.gets(inbound(qos, 2, true)).unwrap(), []);
        assert_eq!(peer.sent(), []);
        peer.session.acknowledge(two).unwrap();
        assert_eq!(peer.sent().len(), 1);
    }
}

#[test]
fn a_receipt_of_a_lost_session_is_stale() {
    let mut peer = Peer::by_owner(Version::V311);
    let old = peer.takes(QoS::AtLeastOnce, 1);
    peer.reconnected(false);
    let new = peer.takes(QoS::AtLeastOnce, 1);
    peer.session.acknowledge(old).unwrap();
    assert_eq!(peer.sent(), []);
    peer.session.acknowledge(new).unwrap();
    assert_eq!(peer.sent(), [Packet::PubAck(ack(1))]);
}

#[test]
fn another_message_under_the_packet_id_of_one_that_the_broker_gave_up_is_new() {
    let mut peer = Peer::by_owner(Version::V311);
    peer.takes(QoS::AtLeastOnce, 1);
    peer.reconnected(true);
    peer.takes(QoS::AtLeastOnce, 1);
}

#[test]
fn a_qos_2_message_is_known_from_its_delivery_to_its_release() {
    let mut peer = Peer::by_owner(Version::V311);
    let one = peer.takes(QoS::ExactlyOnce, 1);
    assert_eq!(peer.gets(inbound(QoS::ExactlyOnce, 1, true)).unwrap(), []);
    assert_eq!(peer.sent(), [], "no PUBREC before it is handled");
    peer.session.acknowledge(one).unwrap();
    assert_eq!(peer.sent(), [Packet::PubRec(ack(1))]);
    assert_eq!(peer.gets(inbound(QoS::ExactlyOnce, 1, true)).unwrap(), []);
    assert_eq!(peer.sent(), [Packet::PubRec(ack(1))]);
    peer.gets(Packet::PubRel(ack(1))).unwrap();
    peer.sent();
    peer.takes(QoS::ExactlyOnce, 1);
}

#[test]
fn what_the_owner_has_counts_against_our_receive_maximum() {
    let mut connect_properties = Properties::new();
    let maximum = Property::new(PropertyId::ReceiveMaximum, Value::TwoByte(2)).unwrap();
    connect_properties.push(Place::Connect, maximum).unwrap();
    let mut peer = Peer::connected(Settings {
        version: Version::V5,
        connect_properties,
        ..Settings::default()
    });
    peer.session.acknowledge_by_owner();
    let one = peer.takes(QoS::AtLeastOnce, 1);
    peer.takes(QoS::ExactlyOnce, 2);
    peer.session.acknowledge(one).unwrap();
    peer.takes(QoS::AtLeastOnce, 3);
    let error = peer.gets(inbound(QoS::AtLeastOnce, 4, false)).unwrap_err();
    assert!(
        matches!(error, SessionError::Protocol { reason, .. } if reason == Reason::RECEIVE_MAXIMUM_EXCEEDED)
    );
}

#[test]
fn a_pong_answers_the_last_ping() {
    for version in VERSIONS {
        let mut peer = Peer::version(version);
        assert_eq!(peer.gets(Packet::PingResp).unwrap(), []);
        peer.session.ping().unwrap();
        peer.session.ping().unwrap();
        assert_eq!(peer.sent(), [Packet::PingReq, Packet::PingReq]);
        assert_eq!(peer.gets(Packet::PingResp).unwrap(), []);
        assert_eq!(peer.gets(Packet::PingResp).unwrap(), [Event::Pong]);
        assert_eq!(peer.gets(Packet::PingResp).unwrap(), []);
        peer.session.ping().unwrap();
        peer.reconnected(false);
        assert_eq!(
            peer.gets(Packet::PingResp).unwrap(),
            [],
            "of another connection"
        );
    }
}

#[test]
fn a_resumed_session_repeats_with_dup_and_a_lost_one_starts_anew() {
    for version in VERSIONS {
        for resumed in [true, false] {
            let mut peer = Peer::connected(Settings {
                version,
                clean_start: false,
                ..Settings::default()
            });
            for token in 1..=3 {
                peer.publish(QoS::ExactlyOnce, token);
            }
            peer.publish(QoS::AtLeastOnce, 4);
            peer.sent();
            peer.gets(Packet::PubRec(ack(1))).unwrap();
            peer.gets(Packet::PubRec(ack(3))).unwrap();
            peer.sent();
            peer.reconnected(resumed);
            let sent: Vec<_> = peer
                .sent()
                .into_iter()
                .map(|packet| match packet {
                    Packet::Publish(p) => ("PUBLISH", p.packet_id, p.dup),
                    Packet::PubRel(ack) => ("PUBREL", ack.packet_id, false),
                    other => panic!("{other:?}"),
                })
                .collect();
            let expected = if resumed {
                [
                    ("PUBREL", 1, false),
                    ("PUBLISH", 2, true),
                    ("PUBREL", 3, false),
                    ("PUBLISH", 4, true),
                ]
            } else {
                [1, 2, 3, 4].map(|id| ("PUBLISH", id, false))
            };
            assert_eq!(sent, expected, "{version} resumed {resumed}");
            assert_eq!(peer.session.unacknowledged(), 4);
        }
    }
}

#[test]
fn session_present_after_a_clean_start_is_no_resumption() {
    let mut peer = Peer::version(Version::V311);
    peer.publish(QoS::AtLeastOnce, 1);
    peer.sent();
    peer.reconnected(true);
    assert!(!peer.session.is_resumed());
    assert!(matches!(&peer.sent()[..], [Packet::Publish(p)] if !p.dup));
}

#[test]
fn a_reconnect_does_not_wipe_a_session_that_the_broker_was_asked_to_keep() {
    let mut peer = Peer::connected(Settings {
        version: Version::V5,
        connect_properties: properties(
            Place::Connect,
            &[(PropertyId::SessionExpiryInterval, Value::FourByte(60))],
        ),
        ..Settings::default()
    });
    peer.session.closed();
    peer.session.open(peer.now).unwrap();
    assert!(matches!(&peer.sent()[..], [Packet::Connect(c)] if !c.clean_start));
}

#[test]
fn the_window_is_the_smaller_of_ours_and_the_brokers() {
    let mut peer = Peer::connected_with(
        Settings {
            version: Version::V5,
            ..Settings::default()
        },
        &[(PropertyId::ReceiveMaximum, Value::TwoByte(2))],
    );
    assert_eq!(peer.session.room(), 2);
    peer.publish(QoS::AtLeastOnce, 1);
    peer.publish(QoS::ExactlyOnce, 2);
    assert_eq!(peer.session.room(), 0);
    assert_eq!(
        peer.session.publish(message("t", QoS::AtLeastOnce), 3),
        Err(PublishError::WindowFull)
    );
    // QoS 0 does not count (section 3.3.4)
    peer.publish(QoS::AtMostOnce, 0);
    peer.gets(Packet::PubRec(ack(2))).unwrap();
    assert_eq!(peer.session.room(), 0, "PUBREC does not make room");
    peer.gets(Packet::PubComp(ack(2))).unwrap();
    assert_eq!(peer.session.room(), 1);
}

#[test]
fn a_smaller_window_after_a_reconnect_holds_kept_publishes_back() {
    let mut peer = Peer::version(Version::V5);
    for token in 1..=3 {
        peer.publish(QoS::AtLeastOnce, token);
    }
    peer.session.closed();
    peer.session.open(peer.now).unwrap();
    peer.sent();
    peer.gets(Packet::ConnAck(ConnAck {
        properties: properties(
            Place::ConnAck,
            &[(PropertyId::ReceiveMaximum, Value::TwoByte(1))],
        ),
        ..ConnAck::default()
    }))
    .unwrap();
    for id in 1..=3 {
        assert!(matches!(&peer.sent()[..], [Packet::Publish(p)] if p.packet_id == id));
        assert_eq!(peer.session.room(), 0);
        peer.gets(Packet::PubAck(ack(id))).unwrap();
    }
    assert_eq!(peer.session.room(), 1);
}

#[test]
fn what_the_broker_cannot_take_is_refused_before_it_is_sent() {
    let mut peer = Peer::connected_with(
        Settings {
            version: Version::V5,
            ..Settings::default()
        },
        &[
            (PropertyId::MaximumQos, Value::Byte(1)),
            (PropertyId::RetainAvailable, Value::Byte(0)),
            (PropertyId::MaximumPacketSize, Value::FourByte(30)),
            (PropertyId::TopicAliasMaximum, Value::TwoByte(3)),
        ],
    );
    assert_eq!(
        peer.session.publish(message("t", QoS::ExactlyOnce), 1),
        Err(PublishError::QosNotSupported {
            wanted: QoS::ExactlyOnce,
            maximum: QoS::AtLeastOnce
        })
    );
    let mut retained = message("t", QoS::AtMostOnce);
    retained.retain = true;
    assert_eq!(
        peer.session.publish(retained, 1),
        Err(PublishError::RetainNotSupported)
    );
    let mut large = message("t", QoS::AtMostOnce);
    large.payload = Bytes::from(vec![0; 25]);
    assert_eq!(
        peer.session.publish(large.clone(), 1),
        Err(PublishError::TooLarge {
            size: 31,
            maximum: 30
        })
    );
    large.payload = Bytes::from(vec![0; 24]);
    assert_eq!(peer.session.publish(large, 1), Ok(0));
    let mut aliased = message("t", QoS::AtMostOnce);
    aliased.properties = properties(
        Place::Publish,
        &[(PropertyId::TopicAlias, Value::TwoByte(4))],
    );
    assert_eq!(
        peer.session.publish(aliased, 1),
        Err(PublishError::TopicAlias {
            alias: 4,
            maximum: 3
        })
    );
}

#[test]
fn a_kept_publish_that_the_next_broker_cannot_take_is_reported() {
    let mut peer = Peer::version(Version::V5);
    peer.publish(QoS::ExactlyOnce, 9);
    peer.publish(QoS::AtLeastOnce, 10);
    peer.session.closed();
    peer.session.open(peer.now).unwrap();
    peer.sent();
    let events = peer
        .gets(Packet::ConnAck(ConnAck {
            properties: properties(Place::ConnAck, &[(PropertyId::MaximumQos, Value::Byte(1))]),
            ..ConnAck::default()
        }))
        .unwrap();
    assert!(matches!(
        &events[..],
        [
            Event::Connected(_),
            Event::Undeliverable {
                token: 9,
                message,
                error: PublishError::QosNotSupported { .. }
            }
        ] if message.qos == QoS::ExactlyOnce
    ));
    assert!(matches!(&peer.sent()[..], [Packet::Publish(p)] if p.packet_id == 2));
    assert_eq!(peer.session.unacknowledged(), 1);
}

#[test]
fn topic_aliases_replace_topics_and_end_with_the_connection() {
    let alias = [(PropertyId::TopicAliasMaximum, Value::TwoByte(1))];
    let mut peer = Peer::connected_with(
        Settings {
            version: Version::V5,
            alias_topics: true,
            ..Settings::default()
        },
        &alias,
    );
    let topics = |peer: &mut Peer| -> Vec<(String, Option<u32>)> {
        peer.sent()
            .into_iter()
            .map(|packet| match packet {
                Packet::Publish(p) => (
                    p.message.topic.to_string(),
                    p.message.properties.number(PropertyId::TopicAlias),
                ),
                other => panic!("{other:?}"),
            })
            .collect()
    };
    for topic in ["a", "a", "b", "a"] {
        peer.session
            .publish(message(topic, QoS::AtLeastOnce), 0)
            .unwrap();
    }
    let full = |topic: &str, alias| (topic.to_owned(), alias);
    assert_eq!(
        topics(&mut peer),
        [
            full("a", Some(1)),
            full("", Some(1)),
            full("b", None),
            full("", Some(1))
        ]
    );
    peer.session.closed();
    peer.session.open(peer.now).unwrap();
    peer.sent();
    peer.gets(Packet::ConnAck(ConnAck {
        properties: properties(Place::ConnAck, &alias),
        ..ConnAck::default()
    }))
    .unwrap();
    assert_eq!(
        topics(&mut peer),
        [
            full("a", Some(1)),
            full("", Some(1)),
            full("b", None),
            full("", Some(1))
        ]
    );
}

#[test]
fn a_messages_own_alias_carries_the_topic_once() {
    let mut peer = Peer::connected_with(
        Settings {
            version: Version::V5,
            ..Settings::default()
        },
        &[(PropertyId::TopicAliasMaximum, Value::TwoByte(5))],
    );
    let mut aliased = message("t", QoS::AtMostOnce);
    aliased.properties = properties(
        Place::Publish,
        &[(PropertyId::TopicAlias, Value::TwoByte(5))],
    );
    peer.session.publish(aliased.clone(), 0).unwrap();
    peer.session.publish(aliased, 0).unwrap();
    assert_eq!(
        peer.session.output(),
        b"\x30\x08\0\x01t\x03\x23\0\x05x\x30\x07\0\0\x03\x23\0\x05x"
    );
}

#[test]
fn inbound_aliases_are_resolved_and_checked() {
    let settings = || Settings {
        version: Version::V5,
        connect_properties: properties(
            Place::Connect,
            &[(PropertyId::TopicAliasMaximum, Value::TwoByte(2))],
        ),
        ..Settings::default()
    };
    let mut peer = Peer::connected(settings());
    let events = peer
        .gets_bytes(b"\x30\x07\0\x01t\x03\x23\0\x02\x30\x06\0\0\x03\x23\0\x02")
        .unwrap();
    for event in &events {
        assert!(matches!(event, Event::Message(p, _) if p.message.topic == text("t")));
    }
    assert_eq!(events.len(), 2);
    for (bytes, reason) in [
        (&b"\x30\x07\0\x01t\x03\x23\0\x03"[..], 0x94), // above our maximum
        (b"\x30\x06\0\0\x03\x23\0\x01", 0x94),         // stands for nothing
        (b"\x30\x03\0\0\0", 0x82),                     // neither topic nor alias
    ] {
        let mut peer = Peer::connected(settings());
        let error = peer.gets_bytes(bytes).unwrap_err();
        assert!(
            matches!(&error, SessionError::Protocol { reason: r, .. } if r.0 == reason),
            "{error:?}"
        );
        assert!(
            matches!(&peer.sent()[..], [Packet::Disconnect(d)] if d.reason.0 == reason),
            "the broker is told why"
        );
    }
}

#[test]
fn subscriptions_are_answered_by_packet_id() {
    for version in VERSIONS {
        let mut peer = Peer::version(version);
        let subscription = |filter: &str| Subscription {
            filter: topic::parse_filter(filter).unwrap(),
            ..Subscription::default()
        };
        let id = peer
            .session
            .subscribe(
                vec![subscription("a/#"), subscription("b")],
                Properties::new(),
            )
            .unwrap();
        assert_eq!(id, Some(1));
        assert!(matches!(&peer.sent()[..], [Packet::Subscribe(s)] if s.packet_id == 1));
        let suback = |packet_id, reasons: &[u8]| {
            Packet::SubAck(SubAck {
                packet_id,
                reasons: reasons.iter().map(|r| Reason(*r)).collect(),
                properties: Properties::new(),
            })
        };
        assert!(matches!(
            peer.gets(suback(2, &[0])).unwrap()[..],
            [Event::Unexpected {
                packet: "SUBACK",
                packet_id: 2
            }]
        ));
        assert!(matches!(
            &peer.gets(suback(1, &[1, 0x80])).unwrap()[..],
            [Event::Subscribed(s)] if s.reasons == [Reason(1), Reason(0x80)]
        ));
        let id = peer
            .session
            .unsubscribe(vec![text("a/#")], Properties::new())
            .unwrap();
        assert_eq!(id, Some(2));
        let reasons = if version == Version::V5 {
            vec![Reason(0)]
        } else {
            vec![]
        };
        let unsuback = SubAck {
            packet_id: 2,
            reasons,
            properties: Properties::new(),
        };
        assert!(matches!(
            &peer.gets(Packet::UnsubAck(unsuback)).unwrap()[..],
            [Event::Unsubscribed(_)]
        ));
        // a wrong number of reason codes ends the connection
        peer.session
            .subscribe(vec![subscription("a")], Properties::new())
            .unwrap();
        assert!(matches!(
            peer.gets(suback(3, &[0, 0])),
            Err(SessionError::Protocol { .. })
        ));
    }
}

#[test]
fn unsolicited_acknowledgements_are_warnings() {
    for version in VERSIONS {
        let mut peer = Peer::version(version);
        peer.publish(QoS::AtLeastOnce, 1);
        peer.sent();
        for (packet, name) in [
            (Packet::PubAck(ack(99)), "PUBACK"),
            (Packet::PubComp(ack(1)), "PUBCOMP"),
            (Packet::PubRec(ack(1)), "PUBREC"),
        ] {
            assert!(
                matches!(peer.gets(packet).unwrap()[..], [Event::Unexpected { packet, .. }] if packet == name)
            );
        }
        assert_eq!(peer.session.unacknowledged(), 1);
        // PUBREL for nothing is answered
        peer.sent();
        peer.gets(Packet::PubRel(ack(77))).unwrap();
        assert!(matches!(&peer.sent()[..], [Packet::PubComp(a)] if a.packet_id == 77));
    }
}

#[test]
fn connections_that_are_refused_name_the_reason() {
    for (version, code, words) in [
        (Version::V311, 5, "not authorized (5)"),
        (Version::V31, 4, "bad user name or password (4)"),
        (Version::V5, 0x87, "not authorized (135)"),
    ] {
        let mut peer = Peer::new(Settings {
            version,
            ..Settings::default()
        });
        let error = peer
            .gets(Packet::ConnAck(ConnAck {
                reason: Reason(code),
                ..ConnAck::default()
            }))
            .unwrap_err();
        assert!(error.to_string().ends_with(words), "{error}");
    }
    let mut peer = Peer::new(Settings {
        version: Version::V5,
        ..Settings::default()
    });
    let error = peer.gets_bytes(&[0x20, 2, 0, 1]).unwrap_err();
    assert!(error.to_string().contains("speaks only MQTT 3"), "{error}");
}

#[test]
fn protocol_violations_end_the_connection() {
    for version in VERSIONS {
        for bytes in [
            &[0x20, 2, 0, 0][..],
            &[0xc0, 0],
            &[0x82, 6, 0, 1, 0, 1, b'a', 0],
        ] {
            let mut peer = Peer::version(version);
            assert!(peer.gets_bytes(bytes).is_err(), "{version} {bytes:02x?}");
            assert_eq!(
                peer.gets_bytes(&[0xd0, 0]),
                Ok(vec![]),
                "nothing is read after the end"
            );
        }
        let mut peer = Peer::new(Settings {
            version,
            ..Settings::default()
        });
        assert!(
            peer.gets_bytes(&[0xd0, 0]).is_err(),
            "PINGRESP before CONNACK"
        );
    }
}

#[test]
fn a_packet_above_our_announced_maximum_is_refused() {
    let mut peer = Peer::connected(Settings {
        version: Version::V5,
        connect_properties: properties(
            Place::Connect,
            &[(PropertyId::MaximumPacketSize, Value::FourByte(100))],
        ),
        ..Settings::default()
    });
    assert!(matches!(
        peer.gets_bytes(&[0x30, 0x7f]),
        Err(SessionError::Decode(DecodeError::TooLarge {
            limit: 100,
            ..
        }))
    ));
    assert!(matches!(&peer.sent()[..], [Packet::Disconnect(d)] if d.reason.0 == 0x95));
}

#[test]
fn more_qos_2_than_our_receive_maximum_is_refused() {
    let mut peer = Peer::connected(Settings {
        version: Version::V5,
        connect_properties: properties(
            Place::Connect,
            &[(PropertyId::ReceiveMaximum, Value::TwoByte(1))],
        ),
        ..Settings::default()
    });
    let publish = |packet_id| {
        Packet::Publish(Publish {
            dup: false,
            packet_id,
            message: message("t", QoS::ExactlyOnce),
        })
    };
    peer.gets(publish(1)).unwrap();
    assert!(matches!(
        peer.gets(publish(2)),
        Err(SessionError::Protocol {
            reason: Reason(0x93),
            ..
        })
    ));
}

#[test]
fn silence_is_met_with_a_ping_and_then_with_the_end() {
    for version in VERSIONS {
        let interval = Duration::from_secs(10);
        let mut peer = Peer::connected(Settings {
            version,
            keep_alive: interval,
            ..Settings::default()
        });
        let start = peer.now;
        assert_eq!(peer.session.deadline(), Some(start + interval));
        peer.session
            .handle_timeout(start + interval / 2, true)
            .unwrap();
        assert_eq!(peer.sent(), []);
        peer.now = start + interval;
        peer.session.handle_timeout(peer.now, true).unwrap();
        assert_eq!(peer.sent(), [Packet::PingReq]);
        peer.now += interval / 2;
        peer.gets(Packet::PingResp).unwrap();
        assert_eq!(
            peer.session.deadline(),
            Some(start + interval * 2),
            "counted from the last packet sent"
        );
        peer.now = start + interval * 2;
        peer.session.handle_timeout(peer.now, true).unwrap();
        assert_eq!(peer.sent(), [Packet::PingReq]);
        assert_eq!(
            peer.session.handle_timeout(start + interval * 3, true),
            Err(SessionError::KeepAliveTimeout(interval))
        );
    }
}

#[test]
fn silence_that_is_ours_does_not_end_the_connection() {
    let interval = Duration::from_secs(10);
    let mut peer = Peer::connected(Settings {
        keep_alive: interval,
        ..Settings::default()
    });
    let mut pings = 0;
    for _ in 0..10 {
        peer.now += interval;
        peer.session.handle_timeout(peer.now, false).unwrap();
        pings += peer.sent().len();
    }
    assert!(pings >= 4, "pings go on while nothing is read: {pings}");
}

#[test]
fn the_brokers_keep_alive_replaces_ours() {
    let peer = Peer::connected_with(
        Settings {
            version: Version::V5,
            ..Settings::default()
        },
        &[(PropertyId::ServerKeepAlive, Value::TwoByte(5))],
    );
    assert_eq!(
        peer.session.deadline(),
        Some(peer.now + Duration::from_secs(5))
    );
}

#[test]
fn a_missing_connack_ends_the_attempt() {
    let settings = Settings::default();
    let timeout = settings.connack_timeout;
    let mut peer = Peer::new(settings);
    let deadline = peer.session.deadline().unwrap();
    assert_eq!(deadline, peer.now + timeout);
    assert_eq!(
        peer.session.handle_timeout(deadline, true),
        Err(SessionError::ConnAckTimeout(timeout))
    );
}

#[test]
fn authentication_exchanges_reach_their_owner() {
    let mut peer = Peer::new(Settings {
        version: Version::V5,
        ..Settings::default()
    });
    peer.sent();
    let challenge = Auth {
        reason: Reason(0x18),
        properties: properties(
            Place::Auth,
            &[
                (PropertyId::AuthenticationMethod, Value::Text(text("M"))),
                (
                    PropertyId::AuthenticationData,
                    Value::Binary(Bytes::from_static(b"1")),
                ),
            ],
        ),
    };
    let events = peer.gets(Packet::Auth(challenge.clone())).unwrap();
    assert_eq!(events, [Event::Auth(challenge.clone())]);
    peer.session
        .authenticate(Reason(0x18), challenge.properties.clone())
        .unwrap();
    assert_eq!(peer.sent(), [Packet::Auth(challenge)]);
    let events = peer.gets(Packet::ConnAck(ConnAck::default())).unwrap();
    assert!(matches!(events[..], [Event::Connected(_)]));
}

#[test]
fn disconnect_is_the_last_packet() {
    for version in VERSIONS {
        let mut peer = Peer::version(version);
        peer.session
            .disconnect(Reason::SUCCESS, Properties::new())
            .unwrap();
        assert_eq!(peer.sent(), [Packet::Disconnect(Disconnect::default())]);
        assert_eq!(
            peer.session.publish(message("t", QoS::AtMostOnce), 0),
            Err(PublishError::NotConnected)
        );
    }
    let mut peer = Peer::version(Version::V5);
    let events = peer.gets_bytes(&[0xe0, 1, 0x8e]).unwrap();
    assert!(
        matches!(&events[..], [Event::Disconnected(d)] if d.reason == Reason::SESSION_TAKEN_OVER)
    );
}

#[test]
fn an_assigned_client_id_is_used_again() {
    let mut peer = Peer::connected_with(
        Settings {
            version: Version::V5,
            ..Settings::default()
        },
        &[(
            PropertyId::AssignedClientIdentifier,
            Value::Text(text("auto-1")),
        )],
    );
    peer.session.closed();
    peer.session.open(peer.now).unwrap();
    assert!(matches!(&peer.sent()[..], [Packet::Connect(c)] if c.client_id == text("auto-1")));
}
