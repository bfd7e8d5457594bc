//! Packets as the specification has them, what rumqttc misreads, and bytes that nobody should send.

use super::*;
use crate::packet::*;
use crate::properties::Value;
use crate::properties::{Property, PropertyId};
use crate::reason::Reason;
use crate::text::Text;
use proptest::prelude::*;

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];

fn text(s: &str) -> Text {
    Text::try_from(s).unwrap()
}

fn decode_all(version: Version, bytes: &[u8]) -> Result<Option<Packet>, DecodeError> {
    decode(version, &mut BytesMut::from(bytes), MAX_PACKET_SIZE)
}

fn encoded(version: Version, packet: &Packet) -> Vec<u8> {
    let mut out = BytesMut::from(&b"before"[..]);
    encode(version, packet, &mut out).unwrap();
    out[6..].to_vec()
}

fn list(place: Place, properties: &[(PropertyId, Value)]) -> Properties {
    let mut all = Properties::new();
    for (id, value) in properties {
        all.push(place, Property::new(*id, value.clone()).unwrap())
            .unwrap();
    }
    all
}

fn user_property(place: Place) -> Properties {
    list(
        place,
        &[(
            PropertyId::UserProperty,
            Value::Pair(text("name"), text("value")),
        )],
    )
}

/// One packet of every type, as full as its version allows.
fn examples(version: Version) -> Vec<Packet> {
    let v5 = version == Version::V5;
    let props = |place| {
        if v5 {
            user_property(place)
        } else {
            Properties::new()
        }
    };
    let reason = |code| if v5 { Reason(code) } else { Reason(0) };
    let message = |qos, place| Message {
        topic: text("a/é"),
        payload: Bytes::from_static(b"\0\xff payload"),
        qos,
        retain: true,
        properties: props(place),
    };
    let ack = |place| Ack {
        packet_id: 9,
        reason: reason(0x92),
        properties: props(place),
    };
    let mut packets = vec![
        Packet::Connect(Box::new(Connect {
            client_id: text("me"),
            clean_start: true,
            keep_alive: 60,
            username: Some(text("user")),
            password: Some(Secret(Bytes::from_static(b"\0pw"))),
            will: Some(message(QoS::ExactlyOnce, Place::Will)),
            properties: props(Place::Connect),
        })),
        Packet::Connect(Box::new(Connect {
            client_id: text("me"),
            ..Connect::default()
        })),
        Packet::ConnAck(ConnAck {
            session_present: true,
            reason: Reason(0),
            properties: props(Place::ConnAck),
        }),
        Packet::Publish(Publish {
            dup: true,
            packet_id: 7,
            message: message(QoS::AtLeastOnce, Place::Publish),
        }),
        Packet::Publish(Publish {
            dup: false,
            packet_id: 0,
            message: message(QoS::AtMostOnce, Place::Publish),
        }),
        Packet::PubAck(Ack {
            packet_id: 9,
            reason: reason(0x87),
            properties: props(Place::Ack),
        }),
        Packet::PubRec(Ack {
            packet_id: 9,
            reason: reason(0x97),
            properties: Properties::new(),
        }),
        Packet::PubRel(ack(Place::Ack)),
        Packet::PubComp(Ack::of(0xffff)),
        Packet::Subscribe(Subscribe {
            packet_id: 1,
            subscriptions: vec![
                Subscription {
                    filter: text("a/#"),
                    qos: QoS::AtLeastOnce,
                    no_local: v5,
                    retain_as_published: v5,
                    retain_handling: if v5 {
                        RetainHandling::Never
                    } else {
                        RetainHandling::Always
                    },
                },
                Subscription {
                    filter: text("+"),
                    ..Subscription::default()
                },
            ],
            properties: props(Place::Subscribe),
        }),
        Packet::SubAck(SubAck {
            packet_id: 1,
            reasons: vec![Reason(0), Reason(1), Reason(2), Reason(0x80)],
            properties: props(Place::Ack),
        }),
        Packet::Unsubscribe(Unsubscribe {
            packet_id: 2,
            filters: vec![text("a/#"), text("b")],
            properties: props(Place::Unsubscribe),
        }),
        Packet::UnsubAck(SubAck {
            packet_id: 2,
            reasons: if v5 {
                vec![Reason(0), Reason(0x11)]
            } else {
                vec![]
            },
            properties: props(Place::Ack),
        }),
        Packet::PingReq,
        Packet::PingResp,
        Packet::Disconnect(Disconnect::default()),
    ];
    if v5 {
        packets.extend([
            Packet::Disconnect(Disconnect {
                reason: Reason(0x8e),
                properties: Properties::new(),
            }),
            Packet::Disconnect(Disconnect {
                reason: Reason(0),
                properties: user_property(Place::Disconnect),
            }),
            Packet::Auth(Auth {
                reason: Reason(0x18),
                properties: list(
                    Place::Auth,
                    &[(PropertyId::AuthenticationMethod, Value::Text(text("SCRAM")))],
                ),
            }),
            Packet::Auth(Auth::default()),
            Packet::PubAck(Ack {
                packet_id: 3,
                reason: Reason(0),
                properties: user_property(Place::Ack),
            }),
        ]);
    }
    packets
}

#[test]
fn every_packet_comes_back_as_it_was() {
    for version in VERSIONS {
        for packet in examples(version) {
            let bytes = encoded(version, &packet);
            assert_eq!(
                decode_all(version, &bytes),
                Ok(Some(packet.clone())),
                "{version} {bytes:02x?}"
            );
            for cut in 0..bytes.len() {
                assert_eq!(
                    decode_all(version, &bytes[..cut]),
                    Ok(None),
                    "{version} {packet:?} cut at {cut}"
                );
            }
        }
    }
}

#[test]
fn packets_look_as_the_specification_says() {
    let connect = |version| {
        encoded(
            version,
            &Packet::Connect(Box::new(Connect {
                client_id: text("c"),
                clean_start: true,
                keep_alive: 60,
                ..Connect::default()
            })),
        )
    };
    assert_eq!(
        connect(Version::V31),
        b"\x10\x0f\0\x06MQIsdp\x03\x02\0\x3c\0\x01c"
    );
    assert_eq!(
        connect(Version::V311),
        b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01c"
    );
    assert_eq!(
        connect(Version::V5),
        b"\x10\x0e\0\x04MQTT\x05\x02\0\x3c\0\0\x01c"
    );

    // MQTT 3.1.1 section 3.3.2.4: PUBLISH a/b, packet id 10
    let publish = |version, qos| {
        encoded(
            version,
            &Packet::Publish(Publish {
                dup: false,
                packet_id: 10,
                message: Message {
                    topic: text("a/b"),
                    payload: Bytes::from_static(b"x"),
                    qos,
                    ..Message::default()
                },
            }),
        )
    };
    assert_eq!(
        publish(Version::V311, QoS::AtMostOnce),
        b"\x30\x06\0\x03a/bx"
    );
    assert_eq!(
        publish(Version::V311, QoS::AtLeastOnce),
        b"\x32\x08\0\x03a/b\0\x0ax"
    );
    assert_eq!(
        publish(Version::V5, QoS::ExactlyOnce),
        b"\x34\x09\0\x03a/b\0\x0a\0x"
    );
    assert_eq!(
        encoded(
            Version::V5,
            &Packet::Disconnect(Disconnect {
                reason: Reason(4),
                ..Disconnect::default()
            })
        ),
        b"\xe0\x01\x04"
    );
    assert_eq!(
        encoded(
            Version::V311,
            &Packet::Disconnect(Disconnect {
                reason: Reason(4),
                ..Disconnect::default()
            })
        ),
        b"\xe0\0"
    );
}

#[test]
fn publish_is_written_as_rumqttc_writes_it() {
    for packet_id in [1, 256, 65_535] {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            for len in [0, 1, 120, 127, 128, 16_383, 16_384, 2_097_152] {
                let message = Message {
                    topic: text("topic/é"),
                    payload: Bytes::from(vec![7; len]),
                    qos,
                    retain: len % 2 == 0,
                    properties: Properties::new(),
                };
                let packet = Packet::Publish(Publish {
                    dup: false,
                    packet_id: if qos == QoS::AtMostOnce { 0 } else { packet_id },
                    message: message.clone(),
                });
                let mut theirs = BytesMut::new();
                let mut publish = rumqttc_v5::mqttbytes::v5::Publish::new(
                    "topic/é",
                    rumqttc_v5::mqttbytes::qos(qos as u8).unwrap(),
                    message.payload.clone(),
                    None,
                );
                publish.retain = message.retain;
                if qos != QoS::AtMostOnce {
                    publish.pkid = packet_id;
                }
                publish.write(&mut theirs).unwrap();
                assert_eq!(encoded(Version::V5, &packet), theirs);
                assert_eq!(publish_size(Version::V5, &message), theirs.len());
                assert_eq!(
                    publish_size(Version::V311, &message),
                    encoded(Version::V311, &packet).len()
                );
            }
        }
    }
}

proptest! {
    #[test]
    fn a_plain_publish_is_read_as_its_version_reads_it(
        version in prop::sample::select(vec![Version::V311, Version::V5]),
        first in 0x30..0x40u8,
        topic in "[a/+#é\0]{0,4}",
        rest in prop::collection::vec(prop_oneof![Just(0), any::<u8>()], 0..6),
    ) {
        let mut body = (topic.len() as u16).to_be_bytes().to_vec();
        body.extend_from_slice(topic.as_bytes());
        body.extend_from_slice(&rest);
        let mut input = BytesMut::from(&[first, body.len() as u8][..]);
        input.extend_from_slice(&body);
        let whole = frame(&input).unwrap().unwrap();
        let theirs = match version {
            Version::V5 => v5::decode(whole, input.clone()),
            Version::V31 | Version::V311 => v3::decode(version, whole, input.clone()),
        };
        let before = input.clone();
        let len = whole.len();
        prop_assert_eq!(decode_plain_publish(version, &mut input, len - 1), None);
        let mut cut = before.clone();
        cut.truncate(len - 1);
        prop_assert_eq!(decode_plain_publish(version, &mut cut, len), None);
        match decode_plain_publish(version, &mut input, len) {
            Some(publish) => {
                prop_assert_eq!(Ok(Packet::Publish(publish)), theirs);
                prop_assert!(input.is_empty());
            }
            None => prop_assert_eq!(input, before),
        }
    }
}

proptest! {
    #[test]
    fn a_short_acknowledgement_is_what_the_whole_decoder_makes_of_it(
        version in prop::sample::select(vec![Version::V311, Version::V5]),
        first in prop_oneof![Just(0x40), Just(0x50), Just(0x62), Just(0x70), any::<u8>()],
        id in prop_oneof![Just(0), any::<u16>()],
        rest in prop::collection::vec(any::<u8>(), 0..3),
    ) {
        let [high, low] = id.to_be_bytes();
        let mut input = BytesMut::from(&[first, 2, high, low][..]);
        let whole = input.clone();
        input.extend_from_slice(&rest);
        let before = input.clone();
        prop_assert_eq!(decode_short_ack(&mut input, 3), None);
        prop_assert_eq!(decode_short_ack(&mut BytesMut::from(&whole[..3]), 4), None);
        match decode_short_ack(&mut input, 4) {
            Some((kind, packet_id)) => {
                let frame = frame(&whole).unwrap().unwrap();
                let theirs = match version {
                    Version::V5 => v5::decode(frame, whole),
                    Version::V31 | Version::V311 => v3::decode(version, frame, whole),
                };
                let ack = Ack::of(packet_id);
                let ours = match kind {
                    AckKind::PubAck => Packet::PubAck(ack),
                    AckKind::PubRec => Packet::PubRec(ack),
                    AckKind::PubRel => Packet::PubRel(ack),
                    AckKind::PubComp => Packet::PubComp(ack),
                };
                prop_assert_eq!(Ok(ours), theirs);
                prop_assert_eq!(&input[..], &rest[..]);
            }
            None => {
                prop_assert!(id == 0 || ![0x40, 0x50, 0x62, 0x70].contains(&first));
                prop_assert_eq!(input, before);
            }
        }
    }
}

#[test]
fn property_order_is_kept_on_the_wire() {
    let properties = list(
        Place::Publish,
        &[
            (PropertyId::ContentType, Value::Text(text("t"))),
            (PropertyId::UserProperty, Value::Pair(text("k"), text("v"))),
            (PropertyId::PayloadFormatIndicator, Value::Byte(1)),
        ],
    );
    let packet = Packet::Publish(Publish {
        dup: false,
        packet_id: 0,
        message: Message {
            topic: text("t"),
            properties,
            ..Message::default()
        },
    });
    let bytes = encoded(Version::V5, &packet);
    assert_eq!(
        bytes,
        b"\x30\x11\0\x01t\x0d\x03\0\x01t\x26\0\x01k\0\x01v\x01\x01"
    );
    assert_eq!(decode_all(Version::V5, &bytes), Ok(Some(packet)));
}

#[test]
fn what_rumqttc_misreads_is_read_right() {
    let disconnect = |reason| {
        Ok(Some(Packet::Disconnect(Disconnect {
            reason: Reason(reason),
            properties: Properties::new(),
        })))
    };
    assert_eq!(
        decode_all(Version::V5, &[0xe0, 0x01, 0x8e]),
        disconnect(0x8e)
    );
    assert_eq!(decode_all(Version::V5, &[0xe0, 0x00]), disconnect(0));
    assert_eq!(
        decode_all(Version::V5, &[0xf0, 0x00]),
        Ok(Some(Packet::Auth(Auth::default())))
    );
    assert_eq!(
        decode_all(Version::V5, &[0x20, 0x02, 0x00, 0x01]),
        Err(DecodeError::OldBroker(1))
    );
    // short forms of acknowledgements (section 3.4.2.1)
    assert_eq!(
        decode_all(Version::V5, &[0x40, 0x03, 0x00, 0x05, 0x10]),
        Ok(Some(Packet::PubAck(Ack {
            packet_id: 5,
            reason: Reason(0x10),
            properties: Properties::new()
        })))
    );
}

#[test]
fn whole_but_malformed_packets_are_refused_at_once() {
    let table: &[(Version, &[u8])] = &[
        (Version::V5, &[0x20, 0x03, 0x00, 0x00, 0x05]), // property length beyond the packet
        (Version::V5, &[0x20, 0x01, 0x00]),
        (Version::V5, &[0x20, 0x03, 0x02, 0x00, 0x00]), // reserved flag
        (Version::V5, &[0x40, 0x02, 0x00, 0x00]),       // packet id 0
        (Version::V5, &[0x40, 0x01, 0x00]),
        (Version::V5, &[0x41, 0x02, 0x00, 0x01]), // flags
        (Version::V5, &[0x60, 0x02, 0x00, 0x01]), // PUBREL needs flags 2
        (Version::V5, &[0x90, 0x03, 0x00, 0x01, 0x00]), // no reason code
        (Version::V5, &[0x30, 0x02, 0x00, 0x05]), // topic beyond the packet
        (Version::V5, &[0x36, 0x05, 0x00, 0x01, b't', 0x00, 0x01]), // QoS 3
        (Version::V5, &[0x30, 0x04, 0x00, 0x01, b'+', 0x00]), // wildcard in a topic name
        (
            Version::V5,
            &[0x32, 0x06, 0x00, 0x01, b't', 0x00, 0x00, 0x00],
        ), // packet id 0
        (Version::V5, &[0x30, 0x04, 0x00, 0x01, 0xff, 0x00]), // not UTF-8
        (Version::V5, &[0xe0, 0x03, 0x00, 0x01, 0x26]), // cut property
        (Version::V5, &[0xf0, 0x02, 0x55, 0x00]), // no such AUTH reason
        (Version::V5, &[0x00, 0x00]),
        (Version::V5, &[0xd0, 0xff, 0xff, 0xff, 0xff, 0x01]),
        (Version::V5, &[0x20, 0x03, 0x00, 0x04, 0x00]), // no such reason
        (Version::V311, &[0x20, 0x03, 0x00, 0x00, 0x00]),
        (Version::V311, &[0x20, 0x00]),
        (Version::V311, &[0x90, 0x03, 0x00, 0x01, 0x03]),
        (Version::V311, &[0x90, 0x02, 0x00, 0x01]),
        (Version::V311, &[0x30, 0x02, 0x00, 0x00]), // empty topic
        (Version::V311, &[0xf0, 0x00]),
        (Version::V311, &[0xd1, 0x00]),
    ];
    for (version, bytes) in table {
        assert!(
            matches!(
                decode_all(*version, bytes),
                Err(DecodeError::Malformed { .. })
            ),
            "{version} {bytes:02x?}: {:?}",
            decode_all(*version, bytes)
        );
    }
}

#[test]
fn reason_codes_that_there_are_not_are_refusals_or_named() {
    for (kind, refused, taken) in [
        (0x40, 0xfe, 0x10),
        (0x50, 0x82, 0x10),
        (0x62, 0x80, 0x00),
        (0x70, 0xfe, 0x92),
    ] {
        let bytes = |code| [kind, 3, 0, 5, code];
        for code in [refused, taken] {
            let ack = match decode_all(Version::V5, &bytes(code)) {
                Ok(Some(
                    Packet::PubAck(ack)
                    | Packet::PubRec(ack)
                    | Packet::PubRel(ack)
                    | Packet::PubComp(ack),
                )) => ack,
                other => panic!("{other:?}"),
            };
            assert_eq!((ack.packet_id, ack.reason), (5, Reason(code)));
        }
        let error = decode_all(Version::V5, &bytes(0x55)).unwrap_err();
        assert!(error.to_string().contains("reason code 85"), "{error}");
    }
    let disconnect = decode_all(Version::V5, &[0xe0, 2, 0xfe, 0]).unwrap();
    assert!(matches!(disconnect, Some(Packet::Disconnect(d)) if d.reason == Reason(0xfe)));
}

#[test]
fn a_packet_over_the_limit_is_refused_by_its_header() {
    let mut input = BytesMut::from(&[0x30, 0xff, 0xff, 0xff, 0x7f][..]);
    assert_eq!(
        decode(Version::V311, &mut input, 1000),
        Err(DecodeError::TooLarge {
            packet: "PUBLISH",
            size: MAX_PACKET_SIZE,
            limit: 1000
        })
    );
    assert_eq!(decode(Version::V311, &mut input, MAX_PACKET_SIZE), Ok(None));
    assert!(
        input.capacity() < 4 << 20,
        "an announced size is not memory"
    );
}

#[test]
fn the_longest_payload_fills_a_packet_of_mqtt() {
    for version in VERSIONS {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
            let mut message = Message {
                topic: text("a/b"),
                qos,
                ..Message::default()
            };
            let longest = longest_payload(version, &message);
            // Never touched, so not taken from anybody.
            message.payload = vec![0; longest].into();
            assert_eq!(
                publish_size(version, &message),
                crate::packet::MAX_PACKET_SIZE
            );
            assert_eq!(longest_payload(version, &message), longest);
        }
    }
}

#[test]
fn what_cannot_be_encoded_leaves_the_buffer_alone() {
    let mut out = BytesMut::from(&b"kept"[..]);
    for (version, packet) in [
        (Version::V311, Packet::Auth(Auth::default())),
        (Version::V311, Packet::PubAck(Ack::default())),
        (Version::V5, Packet::Subscribe(Subscribe::default())),
        (
            Version::V311,
            Packet::Connect(Box::new(Connect {
                client_id: text("c"),
                password: Some(Secret::default()),
                ..Connect::default()
            })),
        ),
    ] {
        let result = encode(version, &packet, &mut out);
        // an empty SUBSCRIBE is a mistake of ours, not of rumqttc's: it only must not panic
        if !matches!(packet, Packet::Subscribe(_)) {
            assert!(result.is_err(), "{packet:?}");
            assert_eq!(&out[..], b"kept");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn random_bytes_never_panic(data in proptest::collection::vec(any::<u8>(), 0..80)) {
        for version in VERSIONS {
            let _ = decode_all(version, &data);
        }
    }

    #[test]
    fn random_bodies_never_panic(first: u8, data in proptest::collection::vec(any::<u8>(), 0..80)) {
        let mut bytes = vec![first, data.len() as u8];
        bytes.extend(data);
        for version in VERSIONS {
            // a whole frame is a packet or an error, never a wait for more
            prop_assert_ne!(decode_all(version, &bytes), Ok(None));
        }
    }

    #[test]
    fn damaged_packets_never_panic(version in 0..3usize, index: prop::sample::Index, at: prop::sample::Index, byte: u8) {
        let version = VERSIONS[version];
        let packets = examples(version);
        let mut bytes = encoded(version, &packets[index.index(packets.len())]);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = decode_all(version, &bytes);
    }
}
