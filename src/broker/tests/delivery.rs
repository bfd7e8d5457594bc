//! What reaches whom: every version and QoS, retained messages, wills, shared subscriptions.

use super::*;

#[test]
fn every_version_delivers_at_every_qos() {
    if !mosquitto_is_here() {
        return;
    }
    let broker = broker();
    for from in VERSIONS {
        for to in VERSIONS {
            for qos in ["0", "1", "2"] {
                let subscriber = Subscriber::start(
                    &broker,
                    &["-V", to, "-q", qos, "-t", "a/+", "-F", "%t %q %p"],
                    1,
                );
                publish(
                    &broker,
                    &["-V", from, "-q", qos, "-t", "a/b", "-m", "hello"],
                    b"",
                );
                assert_eq!(
                    subscriber.lines(),
                    [format!("a/b {qos} hello")],
                    "{from} to {to}"
                );
            }
        }
    }
}

#[test]
fn retained_messages_come_with_the_subscription_until_they_are_cleared() {
    if !mosquitto_is_here() {
        return;
    }
    let broker = broker();
    for version in VERSIONS {
        let kept = format!("kept/{version}");
        publish(
            &broker,
            &["-V", version, "-r", "-q", "1", "-t", &kept, "-m", "old"],
            b"",
        );
        publish(
            &broker,
            &["-V", version, "-r", "-q", "1", "-t", &kept, "-m", "new"],
            b"",
        );
        let arguments = ["-V", version, "-t", "kept/#", "-C", "1", "-F", "%t %r %p"];
        let output = client("mosquitto_sub", &broker, &arguments)
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            format!(
                "{kept} 1 new
"
            )
        );
        publish(
            &broker,
            &["-V", version, "-r", "-q", "1", "-t", &kept, "-n"],
            b"",
        );
        let subscriber =
            Subscriber::start(&broker, &["-V", version, "-t", "kept/#", "-F", "%r %p"], 1);
        publish(&broker, &["-t", &kept, "-m", "live"], b"");
        assert_eq!(subscriber.lines(), ["0 live"]);
    }
}

#[test]
fn a_retained_message_is_sent_with_what_is_left_of_its_life() {
    let broker = broker();
    let (mut publisher, _) = Wire::connect_v5(&broker, "publisher", &[]);
    // Message expiry interval, 60 s, retained at QoS 0.
    publisher.send(0x31, b"\x00\x01t\x05\x02\x00\x00\x00\x3cx");
    publisher.ping();
    std::thread::sleep(Duration::from_millis(1_100));
    let (mut subscriber, _) = Wire::connect_v5(&broker, "subscriber", &[]);
    subscriber.subscribe_v5(&[], "t");
    let (kind, body) = subscriber.packet();
    assert_eq!(kind, 0x31);
    assert_eq!(body[..5], *b"\x00\x01t\x05\x02");
    let left = u32::from_be_bytes(body[5..9].try_into().unwrap());
    assert!((30..60).contains(&left), "{left} s are left");
}

#[test]
fn the_will_of_a_client_that_vanishes_is_sent() {
    if !mosquitto_is_here() {
        return;
    }
    let broker = broker();
    for version in VERSIONS {
        let watcher = Subscriber::start(&broker, &["-V", version, "-t", "will"], 1);
        let will = [
            "-V",
            version,
            "-t",
            "x",
            "--will-topic",
            "will",
            "--will-payload",
            version,
        ];
        let mut mortal = Subscriber::start(&broker, &will, 1);
        mortal.child.kill().unwrap();
        assert_eq!(watcher.lines(), [version]);
    }
}

#[test]
fn a_will_asked_for_on_disconnect_is_sent() {
    let broker = broker();
    for (reason, sent) in [(0x04, true), (0x00, false)] {
        let (mut watcher, _) = Wire::connect(&broker, "watcher", true);
        watcher.subscribe("w", 0);
        let mut mortal = Wire::open(&broker);
        mortal.send(
            0x10,
            b"\x00\x04MQTT\x05\x06\x00\x00\x00\x00\x01m\x00\x00\x01w\x00\x04last",
        );
        assert_eq!(mortal.packet().0, 0x20);
        mortal.send(0xe0, &[reason, 0]);
        mortal.0.shutdown(Shutdown::Write).unwrap();
        assert!(mortal.is_closed());
        if sent {
            assert_eq!(watcher.packet(), (0x30, b"\x00\x01wlast".to_vec()));
        } else {
            // Whatever the broker does about the one that left, it has done before it lets it in again.
            drop(Wire::connect_v5(&broker, "m", &[]));
            watcher.ping();
        }
    }
}

#[test]
fn a_shared_subscription_is_served_in_turns() {
    let broker = broker();
    let mut members: Vec<_> = ["one", "two", "three"]
        .map(|id| Wire::connect(&broker, id, true).0)
        .into();
    for member in &mut members {
        member.subscribe("$share/group/t", 0);
    }
    let (mut publisher, _) = Wire::connect(&broker, "publisher", true);
    for _ in 0..30 {
        publisher.publish("t", b"x");
    }
    for member in &mut members {
        for _ in 0..10 {
            assert_eq!(member.packet().0, 0x30);
        }
        member.ping();
    }
}

#[test]
fn a_shared_subscription_leaves_out_who_is_away() {
    let broker = broker();
    let (mut away, _) = Wire::connect(&broker, "away", false);
    away.subscribe("$share/group/t", 1);
    away.leave();
    let (mut here, _) = Wire::connect(&broker, "here", true);
    here.subscribe("$share/group/t", 0);
    let (mut publisher, _) = Wire::connect(&broker, "publisher", true);
    for _ in 0..10 {
        publisher.publish("t", b"x");
    }
    for _ in 0..10 {
        assert_eq!(here.packet().0, 0x30);
    }
}

#[test]
fn a_message_from_a_3_1_1_client_carries_what_mqtt_5_subscribers_need() {
    let broker = broker();
    // Topic alias maximum, 5.
    let (mut subscriber, _) = Wire::connect_v5(&broker, "subscriber", b"\x22\x00\x05");
    // Subscription identifier, 7.
    subscriber.subscribe_v5(b"\x0b\x07", "t");
    let (mut publisher, _) = Wire::connect(&broker, "publisher", true);
    publisher.publish("t", b"x");
    publisher.publish("t", b"y");
    let (_, first) = subscriber.packet();
    assert!(
        first.starts_with(b"\x00\x01t\x05") && first.ends_with(b"x"),
        "{first:?}"
    );
    let (_, second) = subscriber.packet();
    assert!(
        second.starts_with(b"\x00\x00\x05") && second.ends_with(b"y"),
        "{second:?}"
    );
    for message in [first, second] {
        let has = |property: &[u8]| {
            message
                .windows(property.len())
                .any(|window| window == property)
        };
        assert!(has(b"\x0b\x07") && has(b"\x23\x00\x01"), "{message:?}");
    }
}

#[test]
fn ten_mebibytes_arrive_whole_at_every_qos() {
    if !mosquitto_is_here() {
        return;
    }
    let broker = broker();
    let payload: Vec<u8> = (0..10 * 1024 * 1024_u32)
        .map(|n| b'a' + u8::try_from(n / 7 % 26).unwrap())
        .collect();
    for (version, qos) in [("mqttv31", "0"), ("mqttv311", "1"), ("mqttv5", "2")] {
        let subscriber = Subscriber::start(&broker, &["-V", version, "-q", qos, "-t", "large"], 1);
        publish(
            &broker,
            &["-V", version, "-q", qos, "-t", "large", "-s"],
            &payload,
        );
        let lines = subscriber.lines();
        assert!(
            lines.len() == 1 && lines[0].as_bytes() == payload,
            "{version}"
        );
    }
}
