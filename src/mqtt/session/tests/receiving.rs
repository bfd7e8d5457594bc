//! Messages for us: their flows, who acknowledges them, our receive maximum, the broker's aliases.

use super::*;

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
        assert_eq!(peer.sent(), [Packet::PubAck(Ack::of(5))]);
        assert_eq!(
            peer.gets(publish(QoS::ExactlyOnce, 5, false))
                .unwrap()
                .len(),
            1
        );
        assert_eq!(peer.sent(), [Packet::PubRec(Ack::of(5))]);
        // repeated before PUBREL: answered, not delivered again
        assert_eq!(peer.gets(publish(QoS::ExactlyOnce, 5, true)).unwrap(), []);
        assert_eq!(peer.sent(), [Packet::PubRec(Ack::of(5))]);
        peer.gets(Packet::PubRel(Ack::of(5))).unwrap();
        assert_eq!(peer.sent(), [Packet::PubComp(Ack::of(5))]);
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
                Packet::PubAck(Ack::of(1)),
                Packet::PubRec(Ack::of(2)),
                Packet::PubAck(Ack::of(3))
            ]
        );
        peer.session.acknowledge(one).unwrap();
        assert_eq!(peer.sent(), [], "once is enough");
        peer.gets(Packet::PubRel(Ack::of(2))).unwrap();
        assert_eq!(peer.sent(), [Packet::PubComp(Ack::of(2))]);
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
    assert_eq!(peer.sent(), [Packet::PubAck(Ack::of(1))]);
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
    assert_eq!(peer.sent(), [Packet::PubRec(Ack::of(1))]);
    assert_eq!(peer.gets(inbound(QoS::ExactlyOnce, 1, true)).unwrap(), []);
    assert_eq!(peer.sent(), [Packet::PubRec(Ack::of(1))]);
    peer.gets(Packet::PubRel(Ack::of(1))).unwrap();
    peer.sent();
    peer.takes(QoS::ExactlyOnce, 1);
}

#[test]
fn what_the_owner_has_counts_against_our_receive_maximum() {
    let mut peer = Peer::connected(announcing(&[(
        PropertyId::ReceiveMaximum,
        Value::TwoByte(2),
    )]));
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
fn inbound_aliases_are_resolved_and_checked() {
    let settings = || announcing(&[(PropertyId::TopicAliasMaximum, Value::TwoByte(2))]);
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
fn more_qos_2_than_our_receive_maximum_is_refused() {
    let mut peer = Peer::connected(announcing(&[(
        PropertyId::ReceiveMaximum,
        Value::TwoByte(1),
    )]));
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
fn another_message_under_an_unreleased_packet_id_is_new() {
    for by_owner in [false, true] {
        let mut peer = Peer::version(Version::V311);
        if by_owner {
            peer.session.acknowledge_by_owner();
        }
        for _ in 0..2 {
            let events = peer.gets(inbound(QoS::ExactlyOnce, 1, false)).unwrap();
            assert!(matches!(&events[..], [Event::Message(..)]), "{events:?}");
            if by_owner {
                peer.session.acknowledge(receipt(&events)).unwrap();
            }
            assert_eq!(peer.sent(), [Packet::PubRec(Ack::of(1))]);
        }
    }
}

/// All that a broker without a window sends at once: more messages than there are packet ids.
#[test]
fn a_flood_of_qos_2_is_delivered_whole_and_answered_in_order_part_by_part() {
    const ALL: usize = 70_000;
    for by_owner in [false, true] {
        let mut peer = Peer::version(Version::V311);
        if by_owner {
            peer.session.acknowledge_by_owner();
        }
        let packet_id = |number: usize| (number % 65_535 + 1) as u16;
        let mut answered = Vec::new();
        for number in 0..ALL {
            let message = inbound(QoS::ExactlyOnce, packet_id(number), false);
            let events = peer.gets(message).unwrap();
            assert!(matches!(&events[..], [Event::Message(..)]), "{events:?}");
            if by_owner {
                peer.session.acknowledge(receipt(&events)).unwrap();
            }
            answered.extend(peer.sent());
        }
        assert_eq!(answered.len(), 1000);
        let mut released = 0;
        while released < answered.len() {
            let Packet::PubRec(received) = &answered[released] else {
                panic!("{:?}", answered[released]);
            };
            assert_eq!(received.packet_id, packet_id(released));
            released += 1;
            peer.gets(Packet::PubRel(Ack::of(received.packet_id)))
                .unwrap();
            let mut sent = peer.sent().into_iter();
            assert_eq!(
                sent.next(),
                Some(Packet::PubComp(Ack::of(packet_id(released - 1))))
            );
            answered.extend(sent);
        }
        assert_eq!(released, ALL);
        assert_eq!(peer.session.unfinished(), 0);
    }
}

#[test]
fn what_waits_to_be_answered_is_not_delivered_again_on_a_resumed_session() {
    let mut peer = Peer::connected(Settings {
        version: Version::V311,
        clean_start: false,
        ..Settings::default()
    });
    for packet_id in 1..=1001 {
        peer.gets(inbound(QoS::ExactlyOnce, packet_id, false))
            .unwrap();
    }
    assert_eq!(peer.sent().len(), 1000);
    peer.reconnected(true);
    for packet_id in [1000, 1001] {
        let repeated = inbound(QoS::ExactlyOnce, packet_id, true);
        assert_eq!(peer.gets(repeated).unwrap(), []);
        assert_eq!(peer.sent(), [Packet::PubRec(Ack::of(packet_id))]);
    }
    // those that the broker never releases hold up nothing
    peer.gets(inbound(QoS::ExactlyOnce, 2, false)).unwrap();
    assert_eq!(peer.sent(), [Packet::PubRec(Ack::of(2))]);
}
