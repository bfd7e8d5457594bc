//! Messages of ours: their flows, the window, what the broker cannot take, aliases.

use super::*;

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
        let events = peer.gets(Packet::PubAck(Ack::of(1))).unwrap();
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
        assert_eq!(peer.gets(Packet::PubRec(Ack::of(1))).unwrap(), []);
        assert_eq!(peer.sent(), [Packet::PubRel(Ack::of(1))]);
        assert_eq!(peer.session.unacknowledged(), 1);
        let events = peer.gets(Packet::PubComp(Ack::of(1))).unwrap();
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
            peer.gets(Packet::PubRec(Ack::of(1))).unwrap();
            peer.gets(Packet::PubRec(Ack::of(3))).unwrap();
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
fn the_window_is_the_smaller_of_ours_and_the_brokers() {
    let mut peer = Peer::telling(&[(PropertyId::ReceiveMaximum, Value::TwoByte(2))]);
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
    peer.gets(Packet::PubRec(Ack::of(2))).unwrap();
    assert_eq!(peer.session.room(), 0, "PUBREC does not make room");
    peer.gets(Packet::PubComp(Ack::of(2))).unwrap();
    assert_eq!(peer.session.room(), 1);
}

#[test]
fn a_smaller_window_after_a_reconnect_holds_kept_publishes_back() {
    let mut peer = Peer::version(Version::V5);
    for token in 1..=3 {
        peer.publish(QoS::AtLeastOnce, token);
    }
    peer.reconnected_by(telling(&[(PropertyId::ReceiveMaximum, Value::TwoByte(1))]));
    for id in 1..=3 {
        assert!(matches!(&peer.sent()[..], [Packet::Publish(p)] if p.packet_id == id));
        assert_eq!(peer.session.room(), 0);
        peer.gets(Packet::PubAck(Ack::of(id))).unwrap();
    }
    assert_eq!(peer.session.room(), 1);
}

#[test]
fn what_the_broker_cannot_take_is_refused_before_it_is_sent() {
    let mut peer = Peer::telling(&[
        (PropertyId::MaximumQos, Value::Byte(1)),
        (PropertyId::RetainAvailable, Value::Byte(0)),
        (PropertyId::MaximumPacketSize, Value::FourByte(30)),
        (PropertyId::TopicAliasMaximum, Value::TwoByte(3)),
    ]);
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
    let mut beyond_all = message("t", QoS::AtMostOnce);
    beyond_all.payload = vec![0; 268_435_455].into();
    assert!(
        matches!(
            peer.session.publish(beyond_all, 1),
            Err(PublishError::Encode(_))
        ),
        "that is not the broker's limit"
    );
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
    let events = peer.reconnected_by(telling(&[(PropertyId::MaximumQos, Value::Byte(1))]));
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
    peer.reconnected_by(telling(&alias));
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
    let mut peer = Peer::telling(&[(PropertyId::TopicAliasMaximum, Value::TwoByte(5))]);
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
fn a_lent_buffer_comes_back_and_unwritten_output_stays() {
    let mut peer = Peer::version(Version::V311);
    let mut buffer = BytesMut::with_capacity(4096);
    assert!(peer.session.lend_buffer(&mut buffer));
    peer.session
        .publish(message("t", QoS::AtMostOnce), 0)
        .unwrap();
    let whole = peer.session.output().to_vec();
    peer.session.wrote(3, peer.now);
    peer.session.take_back(&mut buffer);
    assert!(buffer.is_empty() && buffer.capacity() > 4000);
    assert_eq!(peer.session.output(), &whole[3..]);

    // What is there is not to be overtaken.
    assert!(!peer.session.lend_buffer(&mut buffer));
    peer.session.wrote(whole.len() - 3, peer.now);
    assert!(peer.session.lend_buffer(&mut buffer));

    // A buffer that is nearly full of output stays where that is.
    let mut large = message("t", QoS::AtMostOnce);
    large.payload = vec![0; 4000].into();
    peer.session.publish(large, 0).unwrap();
    peer.session.take_back(&mut buffer);
    assert_eq!(peer.session.output().len(), 4006);
    assert!(buffer.capacity() < 4000);
}

#[test]
fn unsolicited_acknowledgements_are_warnings() {
    for version in VERSIONS {
        let mut peer = Peer::version(version);
        peer.publish(QoS::AtLeastOnce, 1);
        peer.sent();
        for (packet, name) in [
            (Packet::PubAck(Ack::of(99)), "PUBACK"),
            (Packet::PubComp(Ack::of(1)), "PUBCOMP"),
            (Packet::PubRec(Ack::of(1)), "PUBREC"),
        ] {
            assert!(
                matches!(peer.gets(packet).unwrap()[..], [Event::Unexpected { packet, .. }] if packet == name)
            );
        }
        assert_eq!(peer.session.unacknowledged(), 1);
        // PUBREL for nothing is answered
        peer.sent();
        peer.gets(Packet::PubRel(Ack::of(77))).unwrap();
        assert!(matches!(&peer.sent()[..], [Packet::PubComp(a)] if a.packet_id == 77));
    }
}
