//! `mosquitto_rr`: a request, and the first message on the response topic.

use super::{VERSIONS, home};
use crate::needs;
use crate::support::{Client, Mosquitto, Mozzie, Scripted, called, wire};

const REQUEST: &str = "some/request";
const RESPONSE: &str = "some/response";

/// Runs it against a broker of its own, in every version, while somebody answers.
fn is_answered(
    broker: impl Fn() -> Mosquitto,
    plain: impl Fn(&Mosquitto) -> u16,
    run: impl Fn(Mozzie) -> Mozzie,
) {
    for version in VERSIONS {
        let broker = broker();
        let mut responder = Client::connect(plain(&broker));
        responder.subscribe(REQUEST, 1);
        let words = format!("-p {} -q 1 -V {version} -m message", broker.port);
        let asking = called("mosquitto_rr", &words)
            .option("-t", REQUEST)
            .option("-e", RESPONSE);
        let asking = run(asking).start();
        let request = responder.next();
        assert_eq!(
            (request.qos, request.payload.as_slice()),
            (1, &b"message"[..])
        );
        let expected = match version {
            "mqttv5" => [&[0x08][..], &wire::field(RESPONSE)].concat(),
            _ => Vec::new(),
        };
        assert_eq!(
            request.properties, expected,
            "its own property and no other"
        );
        responder.publish(RESPONSE, "the response", 1, false);
        asking.finish().prints("the response\n");
    }
}

#[test]
fn the_first_message_on_the_response_topic_is_printed() {
    needs!("mosquitto");
    is_answered(Mosquitto::start, |broker| broker.port, |run| run);
}

#[test]
fn an_option_file_adds_to_it() {
    needs!("mosquitto");
    let (home, config) = home(
        "mosquitto_rr",
        "# nothing that the words do not say\n-q 0\n",
    );
    for (name, folder) in [("HOME", home.path()), ("XDG_CONFIG_HOME", &config)] {
        is_answered(
            Mosquitto::start,
            |broker| broker.port,
            |run| {
                run.without_env("HOME")
                    .without_env("XDG_CONFIG_HOME")
                    .env(name, folder)
            },
        );
    }
}

#[test]
fn it_works_over_websockets() {
    needs!("mosquitto");
    if !Mosquitto::config().websockets().start().speaks_websockets() {
        return;
    }
    is_answered(
        || Mosquitto::config().websockets().start(),
        Mosquitto::plain_port,
        |run| run.args("--ws"),
    );
}

#[test]
fn retain_handling_stands_in_the_subscription() {
    for (handling, options) in [("always", 0x00), ("new", 0x10), ("never", 0x20)] {
        let broker = Scripted::start(move |door| {
            let mut peer = door.accept();
            let connect = wire::Connect::read(&peer.connect());
            assert_eq!((connect.client_id.as_str(), connect.flags), ("", 2));
            assert_eq!(
                connect.properties,
                [(0x21, vec![0, 1])],
                "one reply is all it wants"
            );
            peer.send(wire::connack(true, false, 0));
            let subscribe = peer.expect(wire::SUBSCRIBE);
            assert_eq!(subscribe.id(), 1);
            let filters = crate::support::filters(&subscribe, true);
            assert_eq!(filters, [("both".to_owned(), options)]);
            peer.send(wire::suback(true, 1, &[0]));
            let request = peer.expect(wire::PUBLISH);
            let response_topic = [&[0x08][..], &wire::field("both")].concat();
            assert_eq!(
                request.properties_and_payload(true),
                (response_topic.as_slice(), &b"m"[..])
            );
            peer.publish(0, 0, "both", "m");
            peer.until_closed();
        });
        let words = format!("-q 0 -t both -e both -m m -V 5 --retain-handling {handling}");
        called("mosquitto_rr", &words)
            .at(broker.port)
            .run()
            .prints("m\n");
        broker.finish();
    }
}
