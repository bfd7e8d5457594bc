//! `mosquitto_pub`: what reaches a subscriber.

use std::fs;

use tempfile::TempDir;

use super::{VERSIONS, home};
use crate::needs;
use crate::support::{Client, Mosquitto, Mozzie, called, wire};

const TOPIC: &str = "some/topic";

/// Runs `mosquitto_pub` in every version against a broker of its own, and sees what a subscriber receives: QoS and
/// payload of each message.
fn sends(run: impl Fn(u16, &str) -> Mozzie, expected: &[(u8, &str)]) {
    for version in VERSIONS {
        let broker = Mosquitto::start();
        let mut observer = Client::observing(broker.port, TOPIC);
        run(broker.port, version).run().prints("");
        for (qos, payload) in expected {
            let message = observer.next();
            assert_eq!(
                (
                    message.qos,
                    String::from_utf8_lossy(&message.payload).as_ref()
                ),
                (*qos, *payload)
            );
        }
        assert_eq!(observer.until_now(broker.port), []);
    }
}

fn publish(port: u16, version: &str, words: &str) -> Mozzie {
    called("mosquitto_pub", &format!("-p {port} -V {version} {words}"))
}

#[test]
fn a_message_is_published() {
    needs!("mosquitto");
    sends(
        |port, version| publish(port, version, "-q 1 -t some/topic -m message"),
        &[(1, "message")],
    );
    sends(
        |port, version| publish(port, version, "-q 0 -t some/topic -n"),
        &[(0, "")],
    );
}

#[test]
fn a_message_is_repeated() {
    needs!("mosquitto");
    let words = "-q 1 -t some/topic -m message --repeat 2 --repeat-delay 0.1";
    sends(
        |port, version| publish(port, version, words),
        &[(1, "message"), (1, "message")],
    );
}

#[test]
fn a_file_is_one_message() {
    needs!("mosquitto");
    let folder = TempDir::new().unwrap();
    for text in ["line1\nline2\n", ""] {
        let file = folder.path().join("data");
        fs::write(&file, text).unwrap();
        sends(
            |port, version| publish(port, version, "-q 1 -t some/topic -f").arg(&file),
            &[(1, text)],
        );
    }
}

#[test]
fn stdin_is_one_message_or_one_for_each_line() {
    needs!("mosquitto");
    let stdin = "message1\nmessage2";
    sends(
        |port, version| publish(port, version, "-q 1 -t some/topic -s").stdin(stdin),
        &[(1, stdin)],
    );
    sends(
        |port, version| publish(port, version, "-q 2 -t some/topic -l").stdin(stdin),
        &[(2, "message1"), (2, "message2")],
    );
}

#[test]
fn options_can_stand_in_files() {
    needs!("mosquitto");
    let (home, config) = home("mosquitto_pub", "-t some/topic\n-m message\n");
    for (name, folder) in [("HOME", home.path()), ("XDG_CONFIG_HOME", &config)] {
        sends(
            |port, version| {
                publish(port, version, "-q 1")
                    .without_env("HOME")
                    .without_env("XDG_CONFIG_HOME")
                    .env(name, folder)
            },
            &[(1, "message")],
        );
    }
    let file = config.join("other");
    sends(
        |port, version| {
            let lines = format!("-p {port}\n-V {version}\n-q 1\n-t some/topic\n-m message\n");
            fs::write(&file, lines).unwrap();
            called("mosquitto_pub", "-o").arg(&file)
        },
        &[(1, "message")],
    );
}

#[test]
fn a_url_names_broker_and_topic() {
    needs!("mosquitto");
    sends(
        |port, version| {
            let url = format!("mqtt://localhost:{port}/{TOPIC}");
            called("mosquitto_pub", "-m message")
                .version(version)
                .option("-L", url)
        },
        &[(0, "message")],
    );
}

/// The topic alias is between the publisher and the broker; it does not travel.
#[test]
fn properties_travel_with_the_message() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let mut observer = Client::observing(broker.port, TOPIC);
    publish(broker.port, "mqttv5", "-q 1 -t some/topic -m message")
        .args("-D publish content-type application/json -D publish correlation-data some-data")
        .args("-D publish message-expiry-interval 59 -D publish payload-format-indicator 1")
        .args("-D publish response-topic /dev/null -D publish topic-alias 4")
        .args("-D publish user-property publish up")
        .run()
        .prints("");
    let message = observer.next();
    assert_eq!(
        (message.qos, message.payload.as_slice()),
        (1, &b"message"[..])
    );
    let mut properties = wire::properties(&message.properties);
    properties.sort();
    let expected = [
        (0x01, vec![1]),
        (0x02, vec![0, 0, 0, 59]),
        (0x03, wire::field("application/json")),
        (0x08, wire::field("/dev/null")),
        (0x09, wire::field("some-data")),
        (0x26, wire::user_property("publish", "up")[1..].to_vec()),
    ];
    assert_eq!(properties, expected);
}

#[test]
fn a_unix_socket_can_be_named_relative_to_where_one_stands() {
    needs!("mosquitto");
    for version in VERSIONS {
        let broker = Mosquitto::config().also_unix().start();
        let mut observer = Client::observing(broker.port, TOPIC);
        let socket = broker.unix();
        called("mosquitto_pub", "-q 1 -t some/topic -m message -V")
            .arg(version)
            .option("--unix", socket.file_name().unwrap())
            .in_folder(socket.parent().unwrap())
            .run()
            .prints("");
        assert_eq!(observer.next().payload, b"message");
    }
}
