//! `mosquitto_sub`: what it prints of what a broker hands on.

use super::{VERSIONS, home};
use crate::needs;
use crate::support::{Client, Mosquitto, Scripted, called, wire};

const TOPIC: &str = "some/topic";

/// Runs `mosquitto_sub` with these options in every version, publishes when it has subscribed, and sees stdout.
fn prints(options: &[&str], publish: impl Fn(&mut Client), expected: &str) {
    for version in VERSIONS {
        let broker = Mosquitto::start();
        let mut publisher = Client::connect(broker.port);
        let mut run = called("mosquitto_sub", &format!("-p {} -V {version}", broker.port));
        for option in options {
            run = run.arg(option);
        }
        let run = run.start();
        broker.subscribed(1);
        publish(&mut publisher);
        run.finish().prints(expected);
    }
}

#[test]
fn a_message_is_printed_and_acknowledged() {
    needs!("mosquitto");
    let send = |payload: &'static str| move |p: &mut Client| p.publish(TOPIC, payload, 1, false);
    prints(
        &["-q", "1", "-t", TOPIC, "-C", "1"],
        send("message"),
        "message\n",
    );
    prints(
        &["-q", "1", "-t", TOPIC, "-C", "1", "-v"],
        send("message"),
        "some/topic message\n",
    );
    prints(
        &["-q", "1", "-t", TOPIC, "-C", "1", "-v"],
        send(""),
        "some/topic (null)\n",
    );
}

#[test]
fn what_is_filtered_out_is_neither_printed_nor_counted() {
    needs!("mosquitto");
    let publish = |publisher: &mut Client| {
        for _ in 0..2 {
            publisher.publish("some/wanted", "recv", 0, false);
            publisher.publish("some/filtered", "filtered", 0, false);
        }
    };
    let options = ["-q", "0", "-t", "some/#", "-T", "some/filtered", "-C", "2"];
    prints(&options, publish, "recv\nrecv\n");
}

#[test]
fn the_topic_can_stand_in_the_option_file() {
    needs!("mosquitto");
    let (home, config) = home("mosquitto_sub", "-t env/config/file/sub\n");
    for version in VERSIONS {
        for (name, folder) in [("HOME", home.path()), ("XDG_CONFIG_HOME", &config)] {
            let broker = Mosquitto::start();
            let words = format!("-p {} -q 1 -V {version} -C 1", broker.port);
            let run = called("mosquitto_sub", &words)
                .without_env("HOME")
                .without_env("XDG_CONFIG_HOME")
                .env(name, folder)
                .start();
            broker.subscribed(1);
            Client::connect(broker.port).publish("env/config/file/sub", "message", 1, false);
            run.finish().prints("message\n");
        }
    }
}

/// One message with all properties but correlation data, from a broker that adds the subscription's identifier.
#[test]
fn every_escape_of_a_format_prints_its_part() {
    needs!("mosquitto");
    let properties = [
        &[0x01, 1, 0x02, 0, 0, 0x0e, 0x10][..],
        &[0x03],
        &wire::field("plain/text"),
        &[0x08],
        &wire::field("/dev/null"),
        &wire::user_property("name1", "value1"),
        &wire::user_property("name2", "value2"),
    ]
    .concat();
    let broker = Mosquitto::start();
    let mut publisher = Client::connect(broker.port);
    let mut subscribed = 0;
    let mut check = |version: &str, payload: &[u8], cases: &[(&str, &str)]| {
        for (format, expected) in cases {
            let words = format!("-p {} -q 1 -t {TOPIC} -C 1 -V {version}", broker.port);
            let mut run = called("mosquitto_sub", &words).option("-F", format);
            if version == "5" {
                run = run.args("-D subscribe subscription-identifier 56");
            }
            let run = run.start();
            subscribed += 1;
            broker.subscribed(subscribed);
            publisher.publish_with(TOPIC, payload, 0, &properties);
            run.finish().prints(format!("{expected}\n"));
        }
    };
    // Before MQTT 5 there are no properties to print.
    check(
        "311",
        b"message",
        &[
            ("%%|%A|%C|%2C|%D|%E|%F|%P|%R|%S|", "%|||  |||||||"),
            ("%l|%02l|%2l|%-2l", "7|07| 7|7 "),
            ("%m|%q|%r|%p|%-12p|", "0|0|0|message|message     |"),
            (
                "%t|%.20t|%-.20t|%12t|%-12t|",
                "some/topic|some/topic|some/topic|  some/topic|some/topic  |",
            ),
            (
                "%8.8t|%12.8t|%-12.8t|",
                "some/top|    some/top|some/top    |",
            ),
            ("%x|%X", "6d657373616765|6D657373616765"),
            (
                "%.1x|%.2x|%.2:x",
                "6 d 6 5 7 3 7 3 6 1 6 7 6 5|6d 65 73 73 61 67 65|6d:65:73:73:61:67:65",
            ),
            ("%18x|%-18x|", "    6d657373616765|6d657373616765    |"),
            (
                r"\\|\a|\n|\r|\t|\v|\e|@@|text",
                "\\|\u{7}|\n|\r|\t|\u{b}|\u{1b}|@|text",
            ),
        ],
    );
    check(
        "5",
        b"message",
        &[
            ("%C|%E|%F|%S|%R", "plain/text|3600|1|56|/dev/null"),
            ("%P", "name1:value1 name2:value2"),
        ],
    );
    check("311", &1.7321f64.to_ne_bytes(), &[("%.3d", "1.732")]);
    check("311", &0.7171f32.to_ne_bytes(), &[("%.3f", "0.717")]);
}

/// The line without its time, which must be one.
fn without_time(line: &[u8]) -> String {
    let line = std::str::from_utf8(line).unwrap();
    let (time, rest) = line
        .strip_prefix(r#"{"tst":""#)
        .and_then(|line| line.split_once('"'))
        .unwrap_or_else(|| panic!("no time in {line}"));
    assert_eq!(
        time.len(),
        "2026-11-20T23:58:42.637160+0000".len(),
        "{time}"
    );
    rest.to_owned()
}

#[test]
fn json_has_every_part_of_a_message() {
    needs!("mosquitto");
    for version in VERSIONS {
        for (qos, middle) in [(0, ""), (1, r#","mid":1"#)] {
            let broker = Mosquitto::start();
            let words = format!(
                "-p {} -q {qos} -t {TOPIC} -C 1 -F %j -V {version}",
                broker.port
            );
            let run = called("mosquitto_sub", &words).start();
            broker.subscribed(1);
            Client::connect(broker.port).publish(TOPIC, "message", qos, false);
            let expected = format!(
                r#","topic":"some/topic","qos":{qos},"retain":false,"payloadlen":7{middle},"payload":"message"}}"#
            );
            assert_eq!(without_time(&run.finish().stdout).trim_end(), expected);
        }
        let broker = Mosquitto::start();
        Client::connect(broker.port).publish(TOPIC, "message", 0, true);
        let words = format!("-p {} -t {TOPIC} -C 1 -F %j -V {version}", broker.port);
        let retained = called("mosquitto_sub", &words).run();
        assert_eq!(
            without_time(&retained.stdout).trim_end(),
            r#","topic":"some/topic","qos":0,"retain":true,"payloadlen":7,"payload":"message"}"#
        );
    }
}

/// mosquitto 2.0 gives subscribers no topic alias, so this broker is scripted.
#[test]
fn json_has_the_properties_in_the_order_of_the_wire() {
    let properties = [
        &[0x01, 1, 0x03][..],
        &wire::field("plain/text"),
        &[0x08],
        &wire::field("/dev/null"),
        &[0x09],
        &wire::field("2357289375902345"),
        &wire::user_property("name", "value4"),
        &wire::user_property("name", "value3"),
        &wire::user_property("name", "value1"),
        &[0x23, 0, 1, 0x0b, 99],
    ]
    .concat();
    let broker = Scripted::welcoming(move |peer| {
        let subscribe = peer.grant();
        assert_eq!(
            subscribe.body[2..5],
            [2, 0x0b, 99],
            "the identifier is asked for"
        );
        peer.send(wire::publish_with(
            true,
            2,
            1,
            TOPIC,
            &properties,
            "message",
        ));
        peer.until_closed();
    });
    let done = called("mosquitto_sub", "-q 1 -F %j -V mqttv5 -C 1")
        .args("-D subscribe subscription-identifier 99 -D connect topic-alias-maximum 100")
        .option("-t", TOPIC)
        .at(broker.port)
        .run();
    broker.finish();
    let expected = concat!(
        r#","topic":"some/topic","qos":1,"retain":false,"payloadlen":7,"mid":1,"properties":{"#,
        r#""payload-format-indicator":1,"content-type":"plain/text","response-topic":"/dev/null","#,
        r#""correlation-data":"2357289375902345","#,
        r#""user-properties":[{"name":"value4"},{"name":"value3"},{"name":"value1"}],"#,
        r#""topic-alias":1,"subscription-identifier":99},"payload":"message"}"#
    );
    assert_eq!(without_time(&done.stdout).trim_end(), expected);
}

#[test]
fn retain_handling_stands_in_the_subscription() {
    for (handling, options) in [("always", 0x00), ("new", 0x10), ("never", 0x20)] {
        let broker = Scripted::start(move |door| {
            let mut peer = door.accept();
            let connect = wire::Connect::read(&peer.connect());
            assert_eq!(
                (
                    connect.client_id.as_str(),
                    connect.flags,
                    connect.keep_alive
                ),
                ("", 2, 60)
            );
            assert_eq!(
                connect.properties,
                [(0x21, vec![0, 1])],
                "-C 1 and nothing else"
            );
            peer.send(wire::connack(true, false, 0));
            let subscribe = peer.expect(wire::SUBSCRIBE);
            assert_eq!(subscribe.id(), 1);
            let filters = crate::support::filters(&subscribe, true);
            assert_eq!(filters, [(TOPIC.to_owned(), options)]);
            peer.send(wire::suback(true, 1, &[0]));
            peer.publish(0, 0, TOPIC, "m");
            peer.until_closed();
        });
        let words = format!("-q 0 -V 5 -C 1 --retain-handling {handling}");
        called("mosquitto_sub", &words)
            .option("-t", TOPIC)
            .at(broker.port)
            .run()
            .prints("m\n");
        broker.finish();
    }
}

/// It says so and ends: no reconnecting for ever to a broker that answers so.
#[test]
fn a_suback_of_another_version_ends_it() {
    let broker = Scripted::welcoming(|peer| {
        let subscribe = peer.expect(wire::SUBSCRIBE);
        peer.send(wire::suback(false, subscribe.id(), &[0]));
        peer.try_send(wire::publish(true, 0, 0, TOPIC, "m"));
        peer.until_closed();
    });
    called("mosquitto_sub", "-V 5 -C 1 -t some/topic")
        .at(broker.port)
        .run()
        .ends(2, "", &["Error: A network protocol error occurred"]);
    broker.finish();
}
