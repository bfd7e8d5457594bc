//! `sub --json`: one object a line, keys in a fixed order, nothing lost.

use crate::{
    needs,
    support::{Client, Mosquitto, Scripted, mozzie, wire},
};

/// The lines that `sub --json` prints for these packets of a scripted broker.
fn json(v5: bool, options: &str, packets: Vec<Vec<u8>>) -> Vec<String> {
    let count = packets.len();
    let broker = Scripted::welcoming(move |peer| {
        peer.grant();
        for packet in packets {
            peer.send(packet);
        }
        peer.until_closed();
    });
    let done = mozzie("sub -t # -q 2")
        .at(broker.port)
        .version(if v5 { "5" } else { "311" })
        .args(&format!("-C {count} {options}"))
        .run();
    done.ends(0, &done.stdout, &[]);
    done.stdout_text().lines().map(str::to_owned).collect()
}

/// The line without its time, which is checked here: RFC 3339 with microseconds.
#[track_caller]
fn without_time(line: &str) -> &str {
    let rest = line
        .strip_prefix("{\"tst\":\"")
        .expect("the time comes first");
    let (time, rest) = rest.split_once("\",").expect("the time is a string");
    let shape: String = time
        .chars()
        .map(|c| if c.is_ascii_digit() { '9' } else { c })
        .collect();
    let known = [
        "9999-99-99T99:99:99.999999Z",
        "9999-99-99T99:99:99.999999+99:99",
        "9999-99-99T99:99:99.999999-99:99",
    ];
    assert!(
        known.contains(&shape.as_str()),
        "{time} is RFC 3339 with microseconds"
    );
    rest
}

#[test]
fn an_mqtt_3_message_has_these_keys_in_this_order() {
    let lines = json(
        false,
        "--json",
        vec![
            wire::publish(false, 0, 0, "a/b", "hello"),
            wire::publish(false, 1, 7, "a/b", "with \"quotes\", \\, / and\ttab\n"),
            wire::publish_with(false, 0x02 | 0x08 | 0x01, 8, "ü", &[], "again"),
            wire::publish(false, 2, 9, "a", ""),
        ],
    );
    let lines: Vec<_> = lines.iter().map(|line| without_time(line)).collect();
    assert_eq!(
        lines,
        [
            r#""topic":"a/b","qos":0,"retain":false,"payloadlen":5,"payload":"hello"}"#,
            r#""topic":"a/b","qos":1,"retain":false,"payloadlen":28,"mid":7,"payload":"with \"quotes\", \\, / and\ttab\n"}"#,
            r#""topic":"ü","qos":1,"retain":true,"dup":true,"payloadlen":5,"mid":8,"payload":"again"}"#,
            r#""topic":"a","qos":2,"retain":false,"payloadlen":0,"mid":9,"payload":null}"#,
        ]
    );
}

#[test]
fn bytes_that_are_not_utf_8_are_base64() {
    let lines = json(
        false,
        "--json",
        vec![
            wire::publish(false, 0, 0, "b", b"\xff\xfe"),
            wire::publish(false, 0, 0, "b", b"a\0b\xff"),
            wire::publish(false, 0, 0, "b", b"a\0b"),
        ],
    );
    let lines: Vec<_> = lines.iter().map(|line| without_time(line)).collect();
    assert_eq!(
        lines[0],
        r#""topic":"b","qos":0,"retain":false,"payloadlen":2,"payload_b64":"//4="}"#
    );
    assert_eq!(
        lines[1],
        r#""topic":"b","qos":0,"retain":false,"payloadlen":4,"payload_b64":"YQBi/w=="}"#
    );
    assert_eq!(
        lines[2],
        r#""topic":"b","qos":0,"retain":false,"payloadlen":3,"payload":"a\u0000b"}"#
    );
}

#[test]
fn properties_stand_in_wire_order_with_user_properties_together() {
    let properties = [
        &[0x01, 1][..],
        &[0x03],
        &wire::field("text/plain"),
        &[0x08],
        &wire::field("r/t"),
        &[0x09],
        &wire::field("abc"),
        &wire::user_property("k1", "v1"),
        &wire::user_property("a", "\"ü\""),
        &wire::user_property("k1", "v2"),
        &[0x02, 0, 0, 0x0e, 0x10],
        &[0x0b, 99],
    ]
    .concat();
    let lines = json(
        true,
        "--json",
        vec![wire::publish_with(true, 2, 3, "jt/1", &properties, "x")],
    );
    assert_eq!(
        without_time(&lines[0]),
        concat!(
            r#""topic":"jt/1","qos":1,"retain":false,"payloadlen":1,"mid":3,"properties":{"#,
            r#""payload-format-indicator":1,"content-type":"text/plain","response-topic":"r/t","correlation-data":"abc","#,
            r#""user-properties":[{"k1":"v1"},{"a":"\"ü\""},{"k1":"v2"}],"message-expiry-interval":3600,"#,
            r#""subscription-identifier":99},"payload":"x"}"#
        )
    );
}

#[test]
fn several_subscription_identifiers_are_an_array() {
    let properties = [&[0x0b, 5][..], &[0x0b, 0x80, 0x01]].concat();
    let lines = json(
        true,
        "--json",
        vec![wire::publish_with(true, 0, 0, "t", &properties, "x")],
    );
    let properties = r#""properties":{"subscription-identifier":[5,128]},"payload":"x"}"#;
    assert!(lines[0].ends_with(properties), "{}", lines[0]);
}

#[test]
fn correlation_data_that_is_not_utf_8_is_base64() {
    let properties = [&[0x09][..], &wire::field(b"\0\xff")].concat();
    let lines = json(
        true,
        "--json",
        vec![wire::publish_with(true, 0, 0, "t", &properties, "x")],
    );
    assert!(
        lines[0].contains(r#""properties":{"correlation-data_b64":"AP8="}"#),
        "{}",
        lines[0]
    );
}

#[test]
fn an_mqtt_5_message_without_properties_has_no_such_key() {
    let lines = json(true, "--json", vec![wire::publish(true, 0, 0, "t", "x")]);
    assert_eq!(
        without_time(&lines[0]),
        r#""topic":"t","qos":0,"retain":false,"payloadlen":1,"payload":"x"}"#
    );
}

#[test]
fn an_alias_from_the_broker_is_resolved() {
    let first = [0x23, 0, 1];
    let broker = Scripted::welcoming(move |peer| {
        peer.grant();
        peer.send(wire::publish_with(true, 0, 0, "long/topic", &first, "1"));
        peer.send(wire::publish_with(true, 0, 0, "", &first, "2"));
        peer.until_closed();
    });
    mozzie("sub -t # -C 2 -v -D connect topic-alias-maximum 5")
        .at(broker.port)
        .run()
        .prints("long/topic 1\nlong/topic 2\n");
}

#[test]
fn parsed_puts_json_in_place_digit_for_digit() {
    let payloads = [
        (
            r#"{"a":1.50,"big":12345678901234567890123,"s":"ü\u0041"}"#,
            None,
        ),
        ("[1.0, 2e5 , true]", None),
        ("3.1400", None),
        ("\"text\"", None),
        ("null", None),
        ("not json", Some(r#""not json""#)),
        ("{\"cut\":", Some(r#""{\"cut\":""#)),
        ("1 x", Some("\"1 x\"")),
        ("", Some("null")),
    ];
    let packets = payloads
        .iter()
        .map(|(payload, _)| wire::publish(false, 0, 0, "p", payload))
        .collect();
    let lines = json(false, "--json=parsed", packets);
    for (line, (payload, shown)) in lines.iter().zip(payloads) {
        // Blanks between the tokens may go.
        let expected = format!("\"payload\":{}}}", shown.unwrap_or(payload))
            .replace("5 ", "5")
            .replace(", ", ",");
        assert!(line.ends_with(&expected), "{payload:?} is shown as {line}");
    }
}

#[test]
fn a_parsed_payload_with_line_breaks_stays_on_one_line() {
    let lines = json(
        false,
        "--json=parsed",
        vec![wire::publish(false, 0, 0, "p", "{\n  \"a\": 1.50\r\n}")],
    );
    assert_eq!(lines.len(), 1);
    let value: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
    assert!(
        value["payload"]["a"].is_number() && lines[0].contains("1.50"),
        "{}",
        lines[0]
    );
}

#[test]
fn every_line_is_json_whatever_the_bytes() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let run = mozzie("sub -t j/# -C 256 --json").at(broker.port).start();
    broker.subscribed(1);
    let mut publisher = Client::connect(broker.port);
    for byte in 0..=255 {
        publisher.publish(&format!("j/{byte}"), [b'a', byte, b'z'], 0, false);
    }
    let done = run.finish();
    done.status(0);
    for (byte, line) in done.stdout_text().lines().enumerate() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["topic"], format!("j/{byte}"));
        assert_eq!(value["payloadlen"], 3);
        assert_eq!(value.get("payload").is_some(), byte < 128, "{line}");
        assert_eq!(value.get("payload_b64").is_some(), byte >= 128, "{line}");
    }
}
