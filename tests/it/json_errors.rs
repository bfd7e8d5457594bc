//! `--json-errors`: every failure as one JSON object on stderr.

use serde_json::Value;

use crate::support::{Scripted, called, mozzie, wire};

fn object(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[test]
fn every_failure_is_one_object_with_the_exit_code_in_it() {
    for (line, kind, code) in [
        ("pub", "usage", 2),
        ("pub --bogus", "usage", 2),
        ("pub -t a -m x -q 7", "usage", 2),
        ("bogus", "usage", 2),
        ("pub -t a -f /no/such/file", "input", 2),
        (
            "pub -t a -m x -p 1 --cafile /no/such/file",
            "tls-settings",
            2,
        ),
        ("pub -t a -m x -h 127.0.0.1 -p 1", "unreachable", 3),
        ("sub -t a -h 127.0.0.1 -p 1", "unreachable", 3),
        ("bench -h 127.0.0.1 -p 1", "unreachable", 3),
        ("profile show nobody", "usage", 2),
    ] {
        for done in [
            mozzie(line).args("--json-errors").run(),
            mozzie(line).env("MOZZIE_JSON_ERRORS", "1").run(),
        ] {
            assert_eq!(done.code(), Some(code), "{done}");
            assert_eq!(done.stderr.lines().count(), 1, "{done}");
            let object = object(&done.stderr);
            assert_eq!(object["code"], code, "{done}");
            assert_eq!(object["kind"], kind, "{done}");
            let message = object["message"].as_str().unwrap();
            assert!(!message.contains("--json-errors"), "{done}");
        }
    }
    mozzie("pub")
        .env("MOZZIE_JSON_ERRORS", "0")
        .run()
        .fails(2, &["no topic given"]);
}

#[test]
fn a_refusal_has_the_brokers_reason() {
    let broker = Scripted::start(|door| {
        let mut peer = door.accept();
        peer.connect();
        // CONNACK: not authorized, with a reason string
        peer.send([
            0x20, 13, 0, 0x87, 10, 0x1f, 0, 7, b'g', b'o', b' ', b'a', b'w', b'a', b'y',
        ]);
        peer.next();
    });
    let done = mozzie("pub -t a -m x -V 5 --json-errors")
        .at(broker.port)
        .run();
    done.status(4);
    let object = object(&done.stderr);
    assert_eq!(object["kind"], "refused", "{done}");
    assert_eq!(object["reason_code"], 0x87, "{done}");
    assert_eq!(object["reason"], "not authorized", "{done}");
    assert_eq!(object["reason_string"], "go away", "{done}");
    assert!(
        object["hint"].as_str().unwrap().contains("password"),
        "{done}"
    );
    broker.finish();
}

#[test]
fn a_refused_message_names_its_topic_and_the_reason() {
    let broker = Scripted::welcoming(|peer| {
        let publish = peer.expect(wire::PUBLISH);
        let id = publish.body[3..5].to_vec();
        peer.send([0x40, 3, id[0], id[1], 0x87]);
        peer.drain();
    });
    let done = mozzie("pub -t a -m x -q 1 -V 5 --json-errors")
        .at(broker.port)
        .run();
    done.status(5);
    let object = object(&done.stderr);
    assert_eq!(object["kind"], "publish-refused", "{done}");
    assert_eq!(object["topic"], "a", "{done}");
    assert_eq!(object["reason_code"], 0x87, "{done}");
    assert_eq!(object["reason"], "not authorized", "{done}");
    broker.finish();
}

#[test]
fn a_refused_subscription_has_the_reason() {
    let broker = Scripted::welcoming(|peer| {
        let subscribe = peer.expect(wire::SUBSCRIBE);
        peer.send(wire::suback(peer.v5, subscribe.id(), &[0x97]));
        peer.next();
    });
    let done = mozzie("sub -t a -V 5 --json-errors").at(broker.port).run();
    done.status(5);
    let object = object(&done.stderr);
    assert_eq!(object["kind"], "subscribe-refused", "{done}");
    assert_eq!(object["reason_code"], 0x97, "{done}");
    broker.finish();
}

#[test]
fn warnings_are_objects_too() {
    let broker = Scripted::start(|door| {
        let mut peer = door.welcome();
        peer.grant();
        drop(peer);
        let mut peer = door.welcome();
        peer.grant();
        peer.publish(0, 0, "a", "x");
        peer.drain();
    });
    let done = mozzie("sub -t a -C 1 --json-errors").at(broker.port).run();
    done.status(0);
    let kinds: Vec<_> = done
        .stderr
        .lines()
        .map(|line| object(line)["kind"].as_str().unwrap().to_owned())
        .collect();
    assert!(kinds.contains(&"warning".to_owned()), "{done}");
    broker.finish();
}

#[test]
fn mosquittos_names_do_not_know_it() {
    let done = called("mosquitto_pub", "-t a -m x -p 1")
        .env("MOZZIE_JSON_ERRORS", "1")
        .run();
    assert!(!done.stderr.contains('{'), "{done}");
}
