//! Each layer's common failures end in the next step.

use std::time::Duration;

use crate::{
    needs,
    support::{Mosquitto, Scripted, Socks, VERSIONS, certs, free_port, mozzie, wire},
};

/// A scripted listener that answers the first bytes with these.
fn answering(bytes: &'static [u8]) -> Scripted {
    Scripted::start(move |door| {
        let mut peer = door.accept();
        peer.first_bytes();
        peer.try_send(bytes);
        peer.linger(Duration::from_millis(300));
    })
}

#[test]
fn what_answers_in_place_of_a_broker_is_recognised() {
    for (answer, what, hint) in [
        // an alert: protocol version
        (
            b"\x15\x03\x01\x00\x02\x02\x46".as_slice(),
            "it is TLS, not MQTT",
            "is a TLS listener: use mqtts://, or --cafile",
        ),
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            "it is HTTP, not MQTT",
            "--ws",
        ),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "it is SSH, not MQTT", "1883"),
    ] {
        for command in ["pub -t a -m x", "sub -t a"] {
            let listener = answering(answer);
            mozzie(command)
                .at(listener.port)
                .run()
                .fails(3, &[what, "hint:", hint]);
        }
    }
}

#[test]
fn a_broker_that_has_accepted_us_is_not_asked_about_its_port() {
    // A second CONNACK, and what is no packet at all.
    for answer in [[0x20, 2, 0, 0], [0xff, 2, 0, 0]] {
        let broker = Scripted::welcoming(move |peer| {
            peer.grant();
            peer.send(answer);
            peer.until_closed();
        });
        let done = mozzie("sub -t a").at(broker.port).run();
        done.fails(1, &["hint: -dd shows"]);
        assert!(!done.stderr.contains("MQTT port"), "{done}");
    }
    // Before that it may be anything.
    for answer in [b"\x90\x03\x00\x01\x00".as_slice(), b""] {
        let done = mozzie("sub -t a").at(answering(answer).port).run();
        assert!(done.stderr.contains("is this an MQTT port?"), "{done}");
    }
}

#[test]
fn a_refused_connection_to_this_machine_names_mozzie_broker() {
    let done = mozzie("pub -t a -m x").at(free_port()).run();
    done.fails(3, &["refused", "hint:"]);
    assert_eq!(
        done.stderr.contains("mozzie broker"),
        cfg!(feature = "broker"),
        "{done}"
    );
}

#[test]
fn a_broker_of_another_version_is_told_by_v() {
    for (version, answer, hint) in [
        ("5", [0x20, 2, 0, 1].as_slice(), "-V 311"),
        ("5", &[0x20, 3, 0, 0x84, 0], "-V 311"),
        ("311", &[0x20, 2, 0, 1], "-V"),
    ] {
        let broker = Scripted::start(move |door| {
            let mut peer = door.accept();
            peer.connect();
            peer.send(answer);
            peer.linger(Duration::from_millis(300));
        });
        mozzie("pub -t a -m x")
            .at(broker.port)
            .version(version)
            .run()
            .fails(4, &["hint:", hint]);
    }
}

#[test]
fn tls_and_plain_listeners_are_told_apart() {
    needs!("mosquitto", "openssl");
    let plain = Mosquitto::start();
    let tls = Mosquitto::config().tls().start();
    mozzie("pub -t a -m x --cafile")
        .arg(certs().path("ca.crt"))
        .at(plain.port)
        .run()
        .fails(3, &["hint:", "plain-text listener"]);
    mozzie("pub -t a -m x")
        .at(tls.port)
        .run()
        .fails(3, &["hint:", "--cafile or mqtts://"]);
    mozzie("pub -t a -m x --cafile")
        .arg(certs().path("other-ca.crt"))
        .at(tls.port)
        .run()
        .fails(3, &["not trusted", "hint:", "--cafile"]);
}

#[test]
fn a_websocket_path_a_login_and_a_proxy_have_their_hints() {
    let web = answering(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    mozzie("pub -t a -m x --ws-path /wrong")
        .at(web.port)
        .run()
        .fails(3, &["404", "hint: check the path"]);
    let proxy = Socks::with_login("me", "right");
    mozzie("pub -t a -m x -h 127.0.0.1 -p 1883 --proxy")
        .arg(format!("socks5h://me:wrong@127.0.0.1:{}", proxy.port))
        .run()
        .fails(3, &["proxy", "hint:"]);
    mozzie("pub -t a -m x -h 127.0.0.1 --proxy")
        .arg(format!("http://127.0.0.1:{}", free_port()))
        .run()
        .fails(3, &["hint: is the proxy running? check --proxy"]);
    mozzie("pub -t a -m x -h no-such-host.invalid")
        .run()
        .fails(3, &["no-such-host.invalid", "hint:"]);
}

#[test]
fn a_refused_message_or_subscription_has_the_next_step() {
    for (reason, hint) in [
        (0x80, "access control"),
        (0x87, "access control"),
        (0x97, "mozzie doctor"),
    ] {
        let broker = Scripted::welcoming(move |peer| {
            let publish = peer.expect(wire::PUBLISH);
            let id = publish.id().to_be_bytes();
            peer.send([0x40, 3, id[0], id[1], reason]);
            peer.drain();
        });
        mozzie("pub -t a -m x -q 1 -V 5")
            .at(broker.port)
            .run()
            .fails(5, &["refused the message to 'a'", "hint:", hint]);
    }
    for version in VERSIONS {
        let broker = Scripted::welcoming(|peer| {
            let subscribe = peer.expect(wire::SUBSCRIBE);
            peer.send(wire::suback(peer.v5, subscribe.id(), &[0x80]));
            peer.drain();
        });
        mozzie("sub -t a")
            .at(broker.port)
            .version(version)
            .run()
            .fails(5, &["refused the subscription", "hint:", "access control"]);
    }
}

#[test]
fn debugging_twice_shows_bytes_and_no_password() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let done = mozzie(
        "pub -V 5 -q 1 -t topic/of/mine -m payload -u me -P hunter2 -D publish user-property k v",
    )
    .at(broker.port)
    .arg("-d")
    .run();
    done.status(0);
    for line in [
        "mozzie: → CONNECT client id '', clean start true, keep alive 60 s, user 'me', password",
        "mozzie: ← CONNACK success (0), topic-alias-maximum",
        "mozzie: → PUBLISH 1 'topic/of/mine' QoS 1, 7 bytes, user-property 'k'='v'",
        "mozzie: ← PUBACK 1",
        "mozzie: → DISCONNECT",
    ] {
        assert!(done.stderr.contains(line), "{line}\n{done}");
    }
    assert!(!done.stderr.contains("0000  "), "no bytes yet\n{done}");
    let twice = mozzie("pub -t topic/of/mine -m payload -u me -P hunter2 -dd")
        .at(broker.port)
        .run();
    twice.status(0);
    assert!(twice.stderr.contains("  0000  10 "), "{twice}");
    assert!(twice.stderr.contains("....MQTT"), "{twice}");
    assert!(
        twice.stderr.contains("9 bytes more are not shown"),
        "the password and its length\n{twice}"
    );
    assert!(!twice.stderr.contains("hunter"), "{twice}");
    assert!(!twice.stderr.contains("68 75 6e"), "{twice}");
    let large = mozzie("pub -t a -q 1 -dd -m")
        .arg("x".repeat(5000))
        .at(broker.port)
        .run();
    large.status(0);
    assert!(
        large.stderr.contains("3984 bytes more are not shown"),
        "{large}"
    );
}
