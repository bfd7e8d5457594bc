//! A message as one JSON object a line: lossless, always valid UTF-8.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use crate::mqtt::packet::Publish;
use crate::mqtt::properties::{Properties, PropertyId, Value};

/// Appends the object without a newline. `tst` writes the value of `"tst"`.
pub(super) fn write(
    publish: &Publish,
    parsed: bool,
    tst: impl FnOnce(&mut Vec<u8>),
    out: &mut Vec<u8>,
) {
    let message = &publish.message;
    out.extend_from_slice(b"{\"tst\":\"");
    tst(out);
    out.extend_from_slice(b"\",\"topic\":");
    string(message.topic.as_str(), out);
    out.extend_from_slice(b",\"qos\":");
    out.push(b'0' + message.qos as u8);
    out.extend_from_slice(b",\"retain\":");
    out.extend_from_slice(if message.retain { b"true" } else { b"false" });
    if publish.dup {
        out.extend_from_slice(b",\"dup\":true");
    }
    out.extend_from_slice(b",\"payloadlen\":");
    number(message.payload.len() as u64, out);
    if publish.packet_id != 0 {
        out.extend_from_slice(b",\"mid\":");
        number(u64::from(publish.packet_id), out);
    }
    if !message.properties.is_empty() {
        out.extend_from_slice(b",\"properties\":");
        properties(&message.properties, out);
    }
    out.push(b',');
    payload(&message.payload, parsed, out);
    out.push(b'}');
}

fn payload(payload: &[u8], parsed: bool, out: &mut Vec<u8>) {
    if payload.is_empty() {
        out.extend_from_slice(b"\"payload\":null");
        return;
    }
    match std::str::from_utf8(payload) {
        Ok(text) => {
            let json = parsed.then(|| serde_json::from_str::<&RawValue>(text));
            match json.and_then(Result::ok).map(RawValue::get) {
                Some(json) => {
                    // Otherwise these would look like text, and like nothing, to who publishes it again.
                    if json.starts_with('"') || json == "null" {
                        out.extend_from_slice(b"\"parsed\":true,");
                    }
                    out.extend_from_slice(b"\"payload\":");
                    without_space(json.as_bytes(), out);
                }
                None => {
                    out.extend_from_slice(b"\"payload\":");
                    string(text, out);
                }
            }
        }
        Err(_) => {
            out.extend_from_slice(b"\"payload_b64\":");
            base64(payload, out);
        }
    }
}

/// Copies JSON text without the white space between its tokens: numbers and strings stay as they
/// are, and the object stays on its line.
fn without_space(json: &[u8], out: &mut Vec<u8>) {
    let mut in_string = false;
    let mut escaped = false;
    for &byte in json {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else if byte.is_ascii_whitespace() {
            continue;
        } else {
            in_string = byte == b'"';
        }
        out.push(byte);
    }
}

fn properties(properties: &Properties, out: &mut Vec<u8>) {
    out.push(b'{');
    let mut first = true;
    let mut seen_pairs = false;
    let mut seen_identifier = false;
    for property in properties {
        let id = property.id();
        // What may repeat is one list where the first stands.
        match id {
            PropertyId::UserProperty if std::mem::replace(&mut seen_pairs, true) => continue,
            PropertyId::SubscriptionIdentifier if std::mem::replace(&mut seen_identifier, true) => {
                continue;
            }
            _ => {}
        }
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        out.push(b'"');
        match (id, property.value()) {
            (PropertyId::UserProperty, _) => {
                out.extend_from_slice(b"user-properties\":");
                user_properties(properties, out);
            }
            (PropertyId::SubscriptionIdentifier, _) => {
                out.extend_from_slice(b"subscription-identifier\":");
                identifiers(properties, out);
            }
            (_, Value::Binary(data)) => match std::str::from_utf8(data) {
                Ok(text) => {
                    out.extend_from_slice(id.name().as_bytes());
                    out.extend_from_slice(b"\":");
                    string(text, out);
                }
                Err(_) => {
                    out.extend_from_slice(id.name().as_bytes());
                    out.extend_from_slice(b"_b64\":");
                    base64(data, out);
                }
            },
            (_, value) => {
                out.extend_from_slice(id.name().as_bytes());
                out.extend_from_slice(b"\":");
                match value {
                    Value::Byte(n) => number(u64::from(*n), out),
                    Value::TwoByte(n) => number(u64::from(*n), out),
                    Value::FourByte(n) | Value::VariableByte(n) => number(u64::from(*n), out),
                    Value::Text(text) => string(text.as_str(), out),
                    // both have an arm of their own above
                    Value::Binary(_) | Value::Pair(..) => out.extend_from_slice(b"null"),
                }
            }
        }
    }
    out.push(b'}');
}

fn user_properties(properties: &Properties, out: &mut Vec<u8>) {
    let pairs = properties
        .iter()
        .filter_map(|property| match property.value() {
            Value::Pair(name, value) => Some((name, value)),
            _ => None,
        });
    for (index, (name, value)) in pairs.enumerate() {
        out.extend_from_slice(if index == 0 { b"[{" } else { b",{" });
        string(name.as_str(), out);
        out.push(b':');
        string(value.as_str(), out);
        out.push(b'}');
    }
    out.push(b']');
}

/// One number, or an array where overlapping subscriptions matched.
fn identifiers(properties: &Properties, out: &mut Vec<u8>) {
    let all: Vec<u32> = properties
        .iter()
        .filter_map(|property| match property.value() {
            Value::VariableByte(id) => Some(*id),
            _ => None,
        })
        .collect();
    if let [one] = all[..] {
        number(u64::from(one), out);
        return;
    }
    for (index, id) in all.iter().enumerate() {
        out.push(if index == 0 { b'[' } else { b',' });
        number(u64::from(*id), out);
    }
    out.push(b']');
}

fn string(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("a string into memory always goes");
}

fn number(number: u64, out: &mut Vec<u8>) {
    serde_json::to_writer(out, &number).expect("a number into memory always goes");
}

fn base64(data: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let at = out.len();
    out.resize(at + base64::encoded_len(data.len(), true).unwrap_or(0), 0);
    let len = STANDARD
        .encode_slice(data, &mut out[at..])
        .expect("the room is made for it");
    out.truncate(at + len);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::QoS;
    use crate::mqtt::packet::Message;
    use crate::mqtt::properties::{Place, Property};
    use crate::mqtt::text::Text;
    use crate::payload::json_line;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn text(s: &str) -> Text {
        Text::try_from(s).unwrap()
    }

    fn json(publish: &Publish, parsed: bool) -> String {
        let mut out = Vec::new();
        write(publish, parsed, |out| out.extend_from_slice(b"T"), &mut out);
        String::from_utf8(out).unwrap()
    }

    fn with_payload(payload: &'static [u8]) -> Publish {
        Publish {
            message: Message {
                topic: text("t"),
                payload: Bytes::from_static(payload),
                ..Message::default()
            },
            ..Publish::default()
        }
    }

    #[test]
    fn keys_stand_in_their_order() {
        let mut properties = Properties::new();
        for (id, value) in [
            (PropertyId::ContentType, Value::Text(text("text/plain"))),
            (PropertyId::UserProperty, Value::Pair(text("k"), text("1"))),
            (PropertyId::SubscriptionIdentifier, Value::VariableByte(7)),
            (
                PropertyId::CorrelationData,
                Value::Binary(Bytes::from_static(b"\xff\x00")),
            ),
            (PropertyId::UserProperty, Value::Pair(text("k"), text("2"))),
            (PropertyId::SubscriptionIdentifier, Value::VariableByte(9)),
            (PropertyId::PayloadFormatIndicator, Value::Byte(1)),
        ] {
            properties
                .push(Place::Publish, Property::new(id, value).unwrap())
                .unwrap();
        }
        let publish = Publish {
            dup: true,
            packet_id: 5,
            message: Message {
                topic: text("a/\"é"),
                payload: Bytes::from_static(b"x\ty"),
                qos: QoS::AtLeastOnce,
                retain: true,
                properties,
            },
        };
        assert_eq!(
            json(&publish, false),
            r#"{"tst":"T","topic":"a/\"é","qos":1,"retain":true,"dup":true,"payloadlen":3,"mid":5,"properties":{"content-type":"text/plain","user-properties":[{"k":"1"},{"k":"2"}],"subscription-identifier":[7,9],"correlation-data_b64":"/wA=","payload-format-indicator":1},"payload":"x\ty"}"#
        );
    }

    #[test]
    fn payloads_keep_every_byte() {
        let end = |publish, parsed| {
            let json: String = json(&publish, parsed);
            json.split_once("payloadlen\":").unwrap().1.to_owned()
        };
        assert_eq!(end(with_payload(b""), false), r#"0,"payload":null}"#);
        assert_eq!(
            end(with_payload(b"a\0b"), false),
            r#"3,"payload":"a\u0000b"}"#
        );
        assert_eq!(
            end(with_payload(b"\xff"), false),
            r#"1,"payload_b64":"/w=="}"#
        );
        assert_eq!(
            end(
                with_payload(b" {\"a\" : 1.50,\n \"b\\\" c\": [ 1e2, 12345678901234567890123 ]}"),
                true
            ),
            r#"57,"payload":{"a":1.50,"b\" c":[1e2,12345678901234567890123]}}"#
        );
        assert_eq!(end(with_payload(b"{oops"), true), r#"5,"payload":"{oops"}"#);
    }

    #[test]
    fn json_that_looks_like_text_or_nothing_is_marked() {
        for (payload, end) in [
            (&b"\"on\"\n"[..], r#"5,"parsed":true,"payload":"on"}"#),
            (b"null", r#"4,"parsed":true,"payload":null}"#),
            (b"on", r#"2,"payload":"on"}"#),
            (b"", r#"0,"payload":null}"#),
        ] {
            let line = json(&with_payload(payload), true);
            assert!(line.ends_with(end), "{line}");
        }
    }

    fn any_text(pattern: &'static str) -> impl Strategy<Value = Text> {
        pattern.prop_map(|text| Text::try_from(text).unwrap())
    }

    fn any_properties() -> impl Strategy<Value = Properties> {
        let text = || any_text("[^\\x00]{0,20}");
        let values = prop_oneof![
            (0..=1u8).prop_map(|n| (PropertyId::PayloadFormatIndicator, Value::Byte(n))),
            any::<u32>().prop_map(|n| (PropertyId::MessageExpiryInterval, Value::FourByte(n))),
            text().prop_map(|text| (PropertyId::ContentType, Value::Text(text))),
            any_text("[^\\x00+#]{1,20}")
                .prop_map(|text| (PropertyId::ResponseTopic, Value::Text(text))),
            any_bytes().prop_map(|data| (PropertyId::CorrelationData, Value::Binary(data))),
            (text(), text())
                .prop_map(|(name, value)| (PropertyId::UserProperty, Value::Pair(name, value))),
        ];
        proptest::collection::vec(values, 0..8).prop_map(|values| {
            let mut properties = Properties::new();
            for (id, value) in values {
                // what may not stand twice stands once
                let _ = properties.push(Place::Publish, Property::new(id, value).unwrap());
            }
            properties
        })
    }

    fn any_bytes() -> impl Strategy<Value = Bytes> {
        let json = r#"[ \n]{0,2}("[a-z]{0,3}"|null|true|-?[1-9][0-9]{0,30}(\.[0-9]{1,3}0)?|\{"a": \[\]\})[ \n]{0,2}"#;
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..60).prop_map(Bytes::from),
            any::<String>().prop_map(Bytes::from),
            json.prop_map(Bytes::from),
        ]
    }

    proptest! {
        #[test]
        fn a_line_is_the_message_again(
            topic in any_text("[^\\x00+#]{1,30}"),
            payload in any_bytes(),
            qos in 0..3u8,
            retain in any::<bool>(),
            dup in any::<bool>(),
            properties in any_properties(),
        ) {
            // User properties stand together in a line, so those of the message must too.
            let (pairs, others): (Vec<_>, Vec<_>) =
                properties.iter().cloned().partition(|p| p.id() == PropertyId::UserProperty);
            let mut properties = Properties::new();
            for property in pairs.into_iter().chain(others) {
                properties.push(Place::Publish, property).unwrap();
            }
            let qos = QoS::from_u8(qos).unwrap();
            let message = Message { topic, payload, qos, retain, properties };
            let mut publish = Publish { dup, packet_id: u16::from(dup), message };
            let line = json(&publish, false);
            // what only a receiver has
            for identifier in [1, 2] {
                let identifier = Property::new(PropertyId::SubscriptionIdentifier, Value::VariableByte(identifier));
                publish.message.properties.push(Place::Publish, identifier.unwrap()).unwrap();
            }
            let received = json(&publish, false);
            let parsed = json(&publish, true);
            let message = publish.message;
            for line in [line, received, parsed] {
                prop_assert!(!line.contains('\n'));
                let back = json_line::parse(&Bytes::from(line.clone())).unwrap();
                prop_assert_eq!(back.topic.as_ref(), Some(&message.topic));
                prop_assert_eq!(back.qos, Some(message.qos));
                prop_assert_eq!(back.retain, message.retain);
                let identifier = PropertyId::SubscriptionIdentifier;
                prop_assert_eq!(back.properties, message.properties.without(identifier));
                if back.payload != message.payload {
                    // of parsed JSON the blanks between its tokens go
                    let mut expected = Vec::new();
                    let blanks: &[_] = &[' ', '\n', '\t', '\r'];
                    let text = std::str::from_utf8(&message.payload).unwrap().trim_matches(blanks);
                    prop_assert!(serde_json::from_str::<&RawValue>(text).is_ok(), "{}", line);
                    without_space(text.as_bytes(), &mut expected);
                    prop_assert_eq!(&back.payload, &expected);
                }
            }
        }

        #[test]
        fn every_payload_makes_a_valid_line_that_gives_it_back(data in proptest::collection::vec(any::<u8>(), 0..100)) {
            let mut publish = with_payload(b"");
            publish.message.payload = Bytes::from(data.clone());
            for parsed in [false, true] {
                let line = json(&publish, parsed);
                prop_assert!(!line.contains('\n'));
                let value: serde_json::Value = serde_json::from_str(&line).unwrap();
                if !parsed {
                    let back = match (value.get("payload"), value.get("payload_b64")) {
                        (Some(serde_json::Value::String(text)), None) => text.clone().into_bytes(),
                        (Some(serde_json::Value::Null), None) => vec![],
                        (None, Some(serde_json::Value::String(text))) => STANDARD.decode(text).unwrap(),
                        other => panic!("{other:?}"),
                    };
                    prop_assert_eq!(&back, &data);
                }
            }
        }
    }
}
