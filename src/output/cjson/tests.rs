//! What mosquitto_sub prints, taken down from the real one (2.0.11 with cJSON 1.7.15) and from what
//! is known of 2.1. The two are compared side by side in `tests/it/format.rs`.

use bytes::Bytes;

use super::*;
use crate::mqtt::QoS;
use crate::mqtt::packet::Message;
use crate::mqtt::properties::{Place, Property, PropertyId};
use crate::mqtt::text::Text;

fn text(s: &str) -> Text {
    Text::try_from(s).unwrap()
}

fn with_payload(payload: &[u8]) -> Publish {
    Publish {
        message: Message {
            topic: text("t"),
            payload: Bytes::copy_from_slice(payload),
            ..Message::default()
        },
        ..Publish::default()
    }
}

fn print(publish: &Publish, parsed: bool, layout: Layout) -> Option<String> {
    let mut out = Vec::new();
    let tst = Time {
        before: b"D.",
        microseconds: 42,
        behind: b"+0100",
    };
    let done = write(publish, parsed, &tst, layout, &mut out);
    assert!(done || out.is_empty(), "nothing is left of a failure");
    // One char a byte, for not all of it is UTF-8.
    done.then(|| out.iter().copied().map(char::from).collect())
}

fn escaped(payload: &[u8]) -> String {
    let line = print(&with_payload(payload), false, Layout::Line).unwrap();
    let (_, payload) = line.split_once("\"payload\":").unwrap();
    payload.strip_suffix('}').unwrap().to_owned()
}

fn parsed(payload: &[u8]) -> Option<String> {
    let line = print(&with_payload(payload), true, Layout::Line)?;
    let (_, payload) = line.split_once("\"payload\":").unwrap();
    Some(payload.strip_suffix('}').unwrap().to_owned())
}

fn with_properties() -> Publish {
    let mut properties = Properties::new();
    for (id, value) in [
        (PropertyId::PayloadFormatIndicator, Value::Byte(1)),
        (PropertyId::ContentType, Value::Text(text("text/plain"))),
        (
            PropertyId::UserProperty,
            Value::Pair(text("k1"), text("v1")),
        ),
        (
            PropertyId::CorrelationData,
            Value::Binary(Bytes::from_static(b"a\0b")),
        ),
        (
            PropertyId::UserProperty,
            Value::Pair(text("k1"), text("\"")),
        ),
        (PropertyId::MessageExpiryInterval, Value::FourByte(u32::MAX)),
        (PropertyId::TopicAlias, Value::TwoByte(1)),
        (PropertyId::SubscriptionIdentifier, Value::VariableByte(99)),
        (PropertyId::SubscriptionIdentifier, Value::VariableByte(5)),
    ] {
        properties
            .push(Place::Publish, Property::new(id, value).unwrap())
            .unwrap();
    }
    let mut publish = with_payload(br#"{"a":[1,{"b":{}},[],{"c":[[1,2],{}]}],"e":{}}"#);
    publish.packet_id = 7;
    publish.message.qos = QoS::AtLeastOnce;
    publish.message.retain = true;
    publish.message.properties = properties;
    publish
}

#[test]
fn keys_stand_in_mosquittos_order() {
    assert_eq!(
        print(&with_properties(), true, Layout::Line).unwrap(),
        r#"{"tst":"D.000042+0100","topic":"t","qos":1,"retain":true,"payloadlen":45,"mid":7,"properties":{"payload-format-indicator":1,"content-type":"text/plain","user-properties":[{"k1":"v1"},{"k1":"\""}],"correlation-data":"a","message-expiry-interval":4294967295,"topic-alias":1,"subscription-identifier":99,"subscription-identifier":5},"payload":{"a":[1,{"b":{}},[],{"c":[[1,2],{}]}],"e":{}}}"#
    );
}

#[test]
fn pretty_is_one_key_a_line_behind_tabs() {
    assert_eq!(
        print(&with_properties(), true, Layout::Pretty).unwrap(),
        "{\n\t\"tst\":\t\"D.000042+0100\",\n\t\"topic\":\t\"t\",\n\t\"qos\":\t1,\n\t\"retain\":\ttrue,\n\
         \t\"payloadlen\":\t45,\n\t\"mid\":\t7,\n\t\"properties\":\t{\n\
         \t\t\"payload-format-indicator\":\t1,\n\t\t\"content-type\":\t\"text/plain\",\n\
         \t\t\"user-properties\":\t[{\n\t\t\t\t\"k1\":\t\"v1\"\n\t\t\t}, {\n\t\t\t\t\"k1\":\t\"\\\"\"\n\t\t\t}],\n\
         \t\t\"correlation-data\":\t\"a\",\n\t\t\"message-expiry-interval\":\t4294967295,\n\
         \t\t\"topic-alias\":\t1,\n\t\t\"subscription-identifier\":\t99,\n\t\t\"subscription-identifier\":\t5\n\t},\n\
         \t\"payload\":\t{\n\t\t\"a\":\t[1, {\n\t\t\t\t\"b\":\t{\n\t\t\t\t}\n\t\t\t}, [], {\n\
         \t\t\t\t\"c\":\t[[1, 2], {\n\t\t\t\t\t}]\n\t\t\t}],\n\t\t\"e\":\t{\n\t\t}\n\t}\n}"
    );
}

#[test]
fn payloads_are_c_strings() {
    assert_eq!(escaped(b""), "null");
    assert_eq!(escaped(b"a\0b\xff"), r#""a""#);
    assert_eq!(
        escaped(b"\xff\xfe\x01\x1f\x7f\"\\/\x08\x0c\n\r\t\x0b"),
        "\"\u{ff}\u{fe}\\u0001\\u001f\u{7f}\\\"\\\\/\\b\\f\\n\\r\\t\\u000b\""
    );
    assert_eq!(escaped("héllo".as_bytes()), "\"h\u{c3}\u{a9}llo\"");
}

#[test]
fn parsed_payloads_are_printed_as_cjson_understood_them() {
    for (payload, printed) in [
        (&b""[..], "null"),
        (b" 1 ", "1"),
        (b"\x01\x02{}\x03", "{}"),
        (b"\xef\xbb\xbf{}", "{}"),
        (b"01", "1"),
        (b"1.", "1"),
        (b"-.5", "-0.5"),
        (b"1E5", "100000"),
        (b"1e999", "null"),
        (b"-1e999", "null"),
        (b"1e-999", "0"),
        (b"5e-324", "4.94065645841247e-324"),
        (b"0.30000000000000004", "0.3"),
        (b"1.50", "1.5"),
        (b"12345678901234567890", "1.2345678901234567e+19"),
        (b"1e15", "1e+15"),
        (b"100000000000000", "100000000000000"),
        (b"2147483648", "2147483648"),
        (b"-2147483649", "-2147483649"),
        (b"0.0001", "0.0001"),
        (b"0.00001", "1e-05"),
        (b"3.141592653589793", "3.1415926535897931"),
        (b"1.7976931348623157e308", "1.79769313486232e+308"),
        (b"9007199254740993", "9.00719925474099e+15"),
        (b"-1.5E+3", "-1500"),
        (b"[ ]", "[]"),
        (b"{ }", "{}"),
        (br#"{"a":1,"a":2}"#, r#"{"a":1,"a":2}"#),
        (br#""a\u0000b""#, r#""a""#),
        (br#"{"a\u0000b":1}"#, r#"{"a":1}"#),
        (br#""\uZZZZ""#, r#""""#),
        (
            br#""\/\u00e9\ud83d\ude00""#,
            "\"/\u{c3}\u{a9}\u{f0}\u{9f}\u{98}\u{80}\"",
        ),
        (b"\"a\tb\x01\xff\x7f\"", "\"a\\tb\\u0001\u{ff}\u{7f}\""),
    ] {
        let shown = String::from_utf8_lossy(payload);
        assert_eq!(parsed(payload).as_deref(), Some(printed), "{shown}");
    }
    for payload in [
        "1 x",
        "1\0",
        "nullx",
        "True",
        "-",
        ".5",
        "+1",
        "1e",
        "1e+",
        "1-2",
        "0x10",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{\"a\":}",
        "{1:2}",
        "\"abc",
        "\"\\ud83d\"",
        "\"\\ude00\"",
        "\"\\ud83dx\"",
        "\"\\ud83d\\u0041\"",
        "\"\\q\"",
        "\"\\\"",
        "\"\\u12\"",
        "\"a\\u000",
        "\0",
        " ",
        "{",
        "[",
        "{}}",
    ] {
        assert_eq!(parsed(payload.as_bytes()), None, "{payload:?}");
    }
}

/// cJSON prints it as an integer since 1.7.16; the 1.7.15 that stands beside mosquitto 2.0.11 in
/// Debian 12 prints `-0`.
#[test]
fn negative_zero_is_zero() {
    assert_eq!(parsed(b"-0").as_deref(), Some("0"));
}

#[test]
fn a_thousand_levels_are_the_limit() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = |depth| format!("{}1{}", open.repeat(depth), close.repeat(depth));
        assert_eq!(parsed(nested(1000).as_bytes()), Some(nested(1000)));
        assert_eq!(parsed(nested(1001).as_bytes()), None);
    }
}
