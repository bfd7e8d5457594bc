//! What `pub` and `sub` put on the wire, byte for byte, seen by a scripted broker.

use std::sync::mpsc;

use crate::support::{
    Scripted, filters, mozzie,
    wire::{self, Connect, Frame},
};

/// Runs `words` against a broker that accepts and acknowledges everything; returns CONNECT and what followed.
fn seen(words: &str) -> (Connect, Vec<Frame>) {
    let (send, receive) = mpsc::channel();
    let broker = Scripted::start(move |door| {
        let mut peer = door.accept();
        let connect = peer.welcome(false);
        let mut frames = Vec::new();
        while let Some(frame) = peer.next() {
            match (frame.kind(), frame.qos()) {
                (wire::PUBLISH, 1) => drop(peer.try_send(wire::ack(wire::PUBACK, frame.id()))),
                (wire::PUBLISH, 2) => drop(peer.try_send(wire::ack(wire::PUBREC, frame.id()))),
                (wire::PUBREL, _) => drop(peer.try_send(wire::ack(wire::PUBCOMP, frame.id()))),
                (wire::SUBSCRIBE, _) => {
                    let codes: Vec<u8> = filters(&frame, peer.v5)
                        .iter()
                        .map(|(_, options)| options & 3)
                        .collect();
                    peer.try_send(wire::suback(peer.v5, frame.id(), &codes));
                }
                (wire::UNSUBSCRIBE, _) => {
                    let codes = vec![0; filters(&frame, peer.v5).len()];
                    peer.try_send(wire::unsuback(peer.v5, frame.id(), &codes));
                }
                _ => {}
            }
            frames.push(frame);
        }
        send.send((Connect::read(&connect), frames)).unwrap();
    });
    mozzie(words).at(broker.port).run().prints("");
    broker.finish();
    receive.recv().unwrap()
}

#[test]
fn mqtt_3_1_says_mqisdp_3_and_3_1_1_says_mqtt_4() {
    for (version, protocol, level) in [("31", "MQIsdp", 3), ("311", "MQTT", 4), ("5", "MQTT", 5)] {
        let (connect, _) = seen(&format!("pub -t a -m b -i me -V {version}"));
        assert_eq!(
            (connect.protocol.as_str(), connect.level),
            (protocol, level)
        );
        assert_eq!(
            (connect.flags, connect.client_id.as_str()),
            (0x02, "me"),
            "a clean session and nothing else"
        );
        assert_eq!(
            (connect.will, connect.user, connect.password),
            (None, None, None)
        );
    }
}

#[test]
fn connect_carries_login_will_and_keep_alive() {
    for version in ["311", "5"] {
        let (connect, _) = seen(&format!(
            "pub -t a -m b -i me -V {version} -k 33 -u alice -P s:e@c/ret \
             --will-topic last/words --will-payload gone --will-qos 1 --will-retain"
        ));
        assert_eq!(connect.flags, 0x80 | 0x40 | 0x20 | 0x08 | 0x04 | 0x02);
        assert_eq!(connect.keep_alive, 33);
        assert_eq!(
            connect.will,
            Some(("last/words".to_owned(), b"gone".to_vec()))
        );
        assert_eq!(
            (connect.user.as_deref(), connect.password.as_deref()),
            (Some("alice"), Some(&b"s:e@c/ret"[..]))
        );
    }
}

#[test]
fn the_keep_alive_is_60_seconds_unless_told() {
    assert_eq!(seen("pub -t a -m b").0.keep_alive, 60);
}

#[test]
fn a_kept_session_is_asked_for_with_c_and_x() {
    assert_eq!(seen("pub -t a -m b -i me -c").0.flags, 0);
    let (connect, _) = seen("pub -t a -m b -i me -V 5 -c -x 90");
    assert_eq!(
        (connect.flags, connect.properties),
        (0, vec![(0x11, vec![0, 0, 0, 90])])
    );
    // Under MQTT 5 a session that is kept but has no expiry would end with the connection.
    let (connect, _) = seen("pub -t a -m b -i me -V 5 -c");
    assert_eq!(
        (connect.flags, connect.properties),
        (0, vec![(0x11, vec![0xff; 4])])
    );
    for never in ["4294967295", "∞"] {
        let (connect, _) = seen(&format!("pub -t a -m b -i me -x {never}"));
        assert_eq!(connect.properties, [(0x11, vec![0xff; 4])]);
    }
}

#[test]
fn a_client_id_prefix_is_followed_by_something_of_its_own() {
    let ids: Vec<_> = (0..2)
        .map(|_| seen("pub -t a -m b -I pre-").0.client_id)
        .collect();
    assert!(
        ids.iter().all(|id| id.len() > 4 && id.starts_with("pre-")) && ids[0] != ids[1],
        "{ids:?}"
    );
}

#[test]
fn without_an_identifier_the_broker_chooses_except_in_3_1_which_needs_one() {
    for version in ["311", "5"] {
        assert_eq!(seen(&format!("pub -t a -m b -V {version}")).0.client_id, "");
    }
    let id = seen("pub -t a -m b -V 31").0.client_id;
    assert!((1..=23).contains(&id.len()), "{id}");
}

#[test]
fn connect_properties_keep_their_order() {
    let (connect, _) = seen(
        "pub -t a -m b -D connect receive-maximum 7 -D connect user-property k1 v1 \
         -D connect maximum-packet-size 5000 -D connect user-property k2 v2 -D connect request-problem-information 0",
    );
    let pair = |name, value| wire::user_property(name, value)[1..].to_vec();
    assert_eq!(
        connect.properties,
        [
            (0x21, vec![0, 7]),
            (0x26, pair("k1", "v1")),
            (0x27, vec![0, 0, 0x13, 0x88]),
            (0x26, pair("k2", "v2")),
            (0x17, vec![0]),
        ]
    );
}

#[test]
fn will_properties_travel_with_the_will() {
    let (connect, _) = seen(
        "pub -t a -m b --will-topic w --will-payload gone -D will will-delay-interval 5 -D will content-type text/plain",
    );
    assert_eq!(
        connect.will_properties,
        [(0x18, vec![0, 0, 0, 5]), (0x03, wire::field("text/plain"))]
    );
}

#[test]
fn a_publish_carries_every_property_in_the_order_typed() {
    let (_, frames) = seen(
        "pub -t a -m b -q 1 -D publish user-property z last -D publish payload-format-indicator 1 \
         -D publish message-expiry-interval 3600 -D publish content-type text/plain -D publish response-topic r/t \
         -D publish correlation-data abc -D publish user-property a first -D publish user-property a again",
    );
    let expected = [
        wire::user_property("z", "last"),
        vec![0x01, 1],
        vec![0x02, 0, 0, 0x0e, 0x10],
        [&[0x03][..], &wire::field("text/plain")].concat(),
        [&[0x08][..], &wire::field("r/t")].concat(),
        [&[0x09][..], &wire::field("abc")].concat(),
        wire::user_property("a", "first"),
        wire::user_property("a", "again"),
    ]
    .concat();
    assert_eq!(
        frames[0].bytes(),
        wire::publish_with(true, 0x02, 1, "a", &expected, "b")
    );
}

#[test]
fn a_property_value_may_begin_with_a_hyphen() {
    let (_, frames) = seen("pub -t a -m b -D publish user-property offset -5");
    let offset = wire::user_property("offset", "-5");
    assert_eq!(
        frames[0].bytes(),
        wire::publish_with(true, 0, 0, "a", &offset, "b")
    );
}

#[test]
fn property_names_may_be_written_in_any_case() {
    let (_, frames) = seen("pub -t a -m b -D PUBLISH Content-Type text/plain");
    let content_type = [&[0x03][..], &wire::field("text/plain")].concat();
    assert_eq!(
        frames[0].bytes(),
        wire::publish_with(true, 0, 0, "a", &content_type, "b")
    );
}

#[test]
fn a_publish_is_as_small_as_it_can_be() {
    for (qos, first) in [(0, 0x30), (1, 0x32), (2, 0x34)] {
        let (_, frames) = seen(&format!("pub -V 311 -t a/b -m hi -q {qos}"));
        let id: &[u8] = if qos > 0 { &[0, 1] } else { &[] };
        let body = [&[0, 3, b'a', b'/', b'b'][..], id, b"hi"].concat();
        assert_eq!(frames[0].bytes(), wire::packet(first, &body));
        let kinds: Vec<u8> = frames.iter().map(Frame::kind).collect();
        let expected: &[u8] = if qos == 2 {
            &[wire::PUBLISH, wire::PUBREL, wire::DISCONNECT]
        } else {
            &[wire::PUBLISH, wire::DISCONNECT]
        };
        assert_eq!(kinds, expected);
    }
}

#[test]
fn packet_identifiers_count_from_one() {
    let (_, frames) = seen("pub -t a -m x -q 1 --repeat 5");
    let ids: Vec<u16> = frames
        .iter()
        .filter(|frame| frame.kind() == wire::PUBLISH)
        .map(Frame::id)
        .collect();
    assert_eq!(ids, [1, 2, 3, 4, 5]);
}

#[test]
fn a_topic_alias_names_the_topic_once() {
    let (send, receive) = mpsc::channel();
    let broker = Scripted::start(move |door| {
        let mut peer = door.accept();
        peer.connect();
        // Topic Alias Maximum 10.
        peer.send(wire::connack_with(&[0x22, 0, 10]));
        send.send(peer.drain()).unwrap();
    });
    mozzie("pub -t a/long/topic -m x --repeat 3 -D publish topic-alias 4")
        .at(broker.port)
        .run()
        .prints("");
    let publishes = receive.recv().unwrap();
    let topics: Vec<&str> = publishes.iter().map(Frame::topic).collect();
    assert_eq!(topics, ["a/long/topic", "", ""]);
    for publish in &publishes {
        assert_eq!(
            publish.properties_and_payload(true),
            (&[0x23, 0, 4][..], &b"x"[..])
        );
    }
}

#[test]
fn disconnect_carries_its_properties() {
    let (_, frames) = seen("pub -t a -m b -V 5 -D disconnect user-property why done");
    let disconnect = frames.last().unwrap();
    let block = wire::block(&wire::user_property("why", "done"));
    assert_eq!(
        disconnect.bytes(),
        wire::packet(0xe0, &[&[0][..], &block].concat())
    );
}

#[test]
fn subscribe_asks_for_every_topic_at_the_qos_and_ends_with_e() {
    for version in ["311", "5"] {
        let (_, frames) = seen(&format!("sub -V {version} -t a/+ -t b/# -t $SYS/c -q 1 -E"));
        assert_eq!(frames[0].kind(), wire::SUBSCRIBE);
        assert_eq!(frames[0].first, 0x82);
        let asked: Vec<_> = frames
            .iter()
            .filter(|frame| frame.kind() == wire::SUBSCRIBE)
            .collect();
        let all: Vec<_> = asked
            .iter()
            .flat_map(|frame| filters(frame, version == "5"))
            .collect();
        let names: Vec<_> = all
            .iter()
            .map(|(name, options)| (name.as_str(), options & 3))
            .collect();
        assert_eq!(names, [("a/+", 1), ("b/#", 1), ("$SYS/c", 1)]);
        assert_eq!(frames.last().unwrap().kind(), wire::DISCONNECT);
    }
}

#[test]
fn subscription_options_of_mqtt_5_stand_in_their_byte() {
    let table = [
        ("", 0x00),
        ("-q 2", 0x02),
        ("--no-local", 0x04),
        ("--retain-as-published", 0x08),
        ("--retain-handling always", 0x00),
        ("--retain-handling new", 0x10),
        ("--retain-handling never", 0x20),
        (
            "-q 1 --no-local --retain-as-published --retain-handling new",
            0x1d,
        ),
    ];
    for (options, byte) in table {
        let (connect, frames) = seen(&format!("sub -V 5 -t a -E {options}"));
        assert_eq!(connect.level, 5);
        assert_eq!(
            filters(&frames[0], true),
            [("a".to_owned(), byte)],
            "{options}"
        );
    }
    // Each of them switches to MQTT 5 by itself.
    for (options, _) in &table[2..] {
        assert_eq!(
            seen(&format!("sub -t a -E {options}")).0.level,
            5,
            "{options}"
        );
    }
}

#[test]
fn subscribe_and_unsubscribe_carry_their_properties() {
    let (_, frames) = seen(
        "sub -t a -U b -E -D subscribe subscription-identifier 99 -D subscribe user-property s 1 \
         -D unsubscribe user-property u 2",
    );
    let subscribe = frames
        .iter()
        .find(|frame| frame.kind() == wire::SUBSCRIBE)
        .unwrap();
    let length = usize::from(subscribe.body[2]);
    let pair = |name, value| wire::user_property(name, value)[1..].to_vec();
    assert_eq!(
        wire::properties(&subscribe.body[3..3 + length]),
        [(0x0b, vec![99]), (0x26, pair("s", "1"))]
    );
    let unsubscribe = frames
        .iter()
        .find(|frame| frame.kind() == wire::UNSUBSCRIBE)
        .unwrap();
    assert_eq!(unsubscribe.first, 0xa2);
    assert_eq!(
        wire::properties(&unsubscribe.body[3..3 + usize::from(unsubscribe.body[2])]),
        [(0x26, pair("u", "2"))]
    );
    assert_eq!(filters(unsubscribe, true), [("b".to_owned(), 0)]);
}

#[test]
fn u_alone_unsubscribes_and_needs_no_topic() {
    let (_, frames) = seen("sub -U gone/# -i me -c -E");
    assert!(frames.iter().all(|frame| frame.kind() != wire::SUBSCRIBE));
    let unsubscribe = frames
        .iter()
        .find(|frame| frame.kind() == wire::UNSUBSCRIBE)
        .unwrap();
    assert_eq!(filters(unsubscribe, false), [("gone/#".to_owned(), 0)]);
}
