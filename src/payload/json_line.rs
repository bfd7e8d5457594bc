//! One line of JSON lines as a message: what `sub --json`, `sub --json=parsed` and, as far as it lost
//! nothing, `mosquitto_sub -F %j` print.
//!
//! Text without escapes is not copied: it stays part of the line.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_core::Deserializer;
use serde_core::de::{DeserializeSeed, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::error::RecordError;
use crate::mqtt::QoS;
use crate::mqtt::properties::{Kind, Place, Properties, Property, PropertyId, Value};
use crate::mqtt::text::Text;

const USER_PROPERTIES: &str = "user-properties";
const CORRELATION_DATA_B64: &str = "correlation-data_b64";

/// What a line says about a message; what it does not say is left to the options.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Line {
    /// Not checked to be a topic name yet.
    pub topic: Option<Text>,
    pub payload: Bytes,
    pub qos: Option<QoS>,
    pub retain: bool,
    pub properties: Properties,
}

/// What stands in a line, not yet understood.
#[derive(Default)]
struct Members<'a> {
    topic: Option<&'a RawValue>,
    payload: Option<&'a RawValue>,
    payload_b64: Option<&'a RawValue>,
    /// The payload is the text of a JSON value even where that is a string or null.
    parsed: Option<&'a RawValue>,
    qos: Option<&'a RawValue>,
    retain: Option<&'a RawValue>,
    properties: Option<&'a RawValue>,
    payloadlen: Option<&'a RawValue>,
    tst: Option<&'a RawValue>,
}

/// Parses a line. Keys that are not known, or that mean something only to who received the message,
/// are passed over.
pub fn parse(line: &Bytes) -> Result<Line, RecordError> {
    let json = std::str::from_utf8(line).map_err(|_| RecordError::NotUtf8)?;
    let members = members(json)?;
    let mut message = Line {
        payload: payload(line, &members)?,
        ..Line::default()
    };
    if let Some(raw) = members.topic {
        message.topic = Some(text(line, "topic", raw)?);
    }
    if let Some(raw) = members.qos {
        let level = raw.get().parse().ok().and_then(QoS::from_u8);
        message.qos = Some(level.ok_or_else(|| expected("qos", "0, 1 or 2"))?);
    }
    if let Some(raw) = members.retain {
        // mosquitto 2.0 prints a number.
        message.retain = match raw.get() {
            "true" | "1" => true,
            "false" | "0" => false,
            _ => return Err(expected("retain", "true or false")),
        };
    }
    if let Some(raw) = members.properties.filter(|raw| raw.get() != "null") {
        message.properties = properties(line, raw)?;
    }
    Ok(message)
}

fn expected(key: &'static str, expected: &'static str) -> RecordError {
    RecordError::Value { key, expected }
}

fn members(json: &str) -> Result<Members<'_>, RecordError> {
    let mut members = Members::default();
    let mut repeated = None;
    let walked = for_each_member(json, |key, value| {
        let (name, slot) = match key.as_ref() {
            "topic" => ("topic", &mut members.topic),
            "payload" => ("payload", &mut members.payload),
            "payload_b64" => ("payload_b64", &mut members.payload_b64),
            "parsed" => ("parsed", &mut members.parsed),
            "qos" => ("qos", &mut members.qos),
            "retain" => ("retain", &mut members.retain),
            "properties" => ("properties", &mut members.properties),
            "payloadlen" => ("payloadlen", &mut members.payloadlen),
            "tst" => ("tst", &mut members.tst),
            _ => return,
        };
        if slot.replace(value).is_some() {
            repeated = Some(name);
        }
    });
    walked.map_err(|error| {
        let what = error.to_string();
        let what = what.split(" at line ").next().unwrap_or_default();
        RecordError::Syntax {
            what: what.to_owned(),
            column: error.column(),
        }
    })?;
    match repeated {
        Some(key) => Err(RecordError::Repeated(key)),
        None => Ok(members),
    }
}

fn payload(line: &Bytes, members: &Members<'_>) -> Result<Bytes, RecordError> {
    let is_json_text = match members.parsed.map(RawValue::get) {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(expected("parsed", "true or false")),
    };
    match (members.payload, members.payload_b64) {
        (Some(_), Some(_)) => Err(expected("payload", "left out beside 'payload_b64'")),
        (None, None) => Err(RecordError::NoPayload),
        (None, Some(raw)) => base64(line, "payload_b64", raw),
        (Some(raw), None) if is_json_text => Ok(shared(line, raw.get())),
        (Some(raw), None) if raw.get() == "null" => not_cut(members, Bytes::new()),
        (Some(raw), None) if is_string(raw) => not_cut(members, string(line, "payload", raw)?),
        (Some(raw), None) => Ok(shared(line, raw.get())),
    }
}

/// Refuses a text that mosquitto has cut at its first NUL, or has parsed.
///
/// Only in lines of mosquitto's, which its form of the time tells: in ours the payload is whole, and
/// who edits a payload need not mind its length.
fn not_cut(members: &Members<'_>, payload: Bytes) -> Result<Bytes, RecordError> {
    let len = members
        .payloadlen
        .and_then(|raw| raw.get().parse::<u64>().ok())
        .filter(|len| *len != payload.len() as u64);
    match len {
        Some(expected) if members.tst.is_some_and(is_time_of_mosquitto) => Err(RecordError::Cut {
            expected,
            found: payload.len(),
        }),
        _ => Ok(payload),
    }
}

/// Whether a time has mosquitto's offset, `+0000`, where ours is `+00:00` or `Z`.
fn is_time_of_mosquitto(tst: &RawValue) -> bool {
    let time = tst.get().trim_end_matches('"').as_bytes();
    time.last_chunk()
        .is_some_and(|[sign, digits @ ..]: &[u8; 5]| {
            matches!(sign, b'+' | b'-') && digits.iter().all(u8::is_ascii_digit)
        })
}

fn properties(line: &Bytes, raw: &RawValue) -> Result<Properties, RecordError> {
    if !raw.get().starts_with('{') {
        return Err(expected("properties", "an object"));
    }
    let mut properties = Properties::new();
    let mut result = Ok(());
    let walked = for_each_member(raw.get(), |key, raw| {
        if result.is_ok() {
            result = add_property(line, &key, raw, &mut properties);
        }
    });
    walked.map_err(|_| expected("properties", "an object"))?;
    result.map(|()| properties)
}

/// Adds what a publisher may set; passes over all else.
fn add_property(
    line: &Bytes,
    key: &str,
    raw: &RawValue,
    properties: &mut Properties,
) -> Result<(), RecordError> {
    let mut push = |id, value| -> Result<(), RecordError> {
        properties.push(Place::Publish, Property::new(id, value)?)?;
        Ok(())
    };
    match key {
        USER_PROPERTIES => {
            return for_each_pair(line, raw, |name, value| {
                push(PropertyId::UserProperty, Value::Pair(name, value))
            });
        }
        CORRELATION_DATA_B64 => {
            let data = base64(line, CORRELATION_DATA_B64, raw)?;
            return push(PropertyId::CorrelationData, Value::Binary(data));
        }
        _ => {}
    }
    let Some(id) = PropertyId::from_name(key) else {
        return Ok(());
    };
    let of_receiver = [PropertyId::SubscriptionIdentifier, PropertyId::TopicAlias];
    if of_receiver.contains(&id) || !id.allowed_in(Place::Publish) {
        return Ok(());
    }
    let value = match id.kind() {
        Kind::Byte => raw.get().parse().ok().map(Value::Byte),
        Kind::FourByte => raw.get().parse().ok().map(Value::FourByte),
        Kind::Text => Some(Value::Text(text(line, id.name(), raw)?)),
        Kind::Binary => Some(Value::Binary(string(line, id.name(), raw)?)),
        // user properties have a key of their own, and a publisher has none of the others
        Kind::Pair | Kind::TwoByte | Kind::VariableByte => return Ok(()),
    };
    let value = value.ok_or_else(|| {
        expected(
            id.name(),
            match id.kind() {
                Kind::Byte => "0 or 1",
                _ => "a number from 0 to 4294967295",
            },
        )
    })?;
    push(id, value)
}

/// The members of the objects in an array, each a name and a text.
fn for_each_pair(
    line: &Bytes,
    raw: &RawValue,
    mut each: impl FnMut(Text, Text) -> Result<(), RecordError>,
) -> Result<(), RecordError> {
    let wrong = || expected(USER_PROPERTIES, "an array of objects with texts");
    let objects: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(|_| wrong())?;
    let mut result = Ok(());
    for object in objects {
        let walked = for_each_member(object.get(), |name, raw| {
            if result.is_ok() {
                result = pair(line, name, raw).and_then(|(name, value)| each(name, value));
            }
        });
        walked.map_err(|_| wrong())?;
    }
    result
}

fn pair(line: &Bytes, name: Cow<'_, str>, raw: &RawValue) -> Result<(Text, Text), RecordError> {
    let name = match name {
        Cow::Borrowed(name) => Text::from_bytes(shared(line, name)),
        Cow::Owned(name) => Text::try_from(name),
    };
    let name = name.map_err(|error| RecordError::Text {
        key: USER_PROPERTIES,
        error,
    })?;
    Ok((name, text(line, USER_PROPERTIES, raw)?))
}

fn text(line: &Bytes, key: &'static str, raw: &RawValue) -> Result<Text, RecordError> {
    Text::from_bytes(string(line, key, raw)?).map_err(|error| RecordError::Text { key, error })
}

fn base64(line: &Bytes, key: &'static str, raw: &RawValue) -> Result<Bytes, RecordError> {
    let data = STANDARD.decode(string(line, key, raw)?);
    data.map(Bytes::from).map_err(|_| expected(key, "base64"))
}

fn is_string(raw: &RawValue) -> bool {
    raw.get().starts_with('"')
}

/// What a JSON string stands for.
fn string(line: &Bytes, key: &'static str, raw: &RawValue) -> Result<Bytes, RecordError> {
    let quoted = raw.get().strip_prefix('"');
    match quoted.and_then(|text| text.strip_suffix('"')) {
        None => Err(expected(key, "a string")),
        Some(text) if !text.contains('\\') => Ok(shared(line, text)),
        Some(_) => serde_json::from_str::<String>(raw.get())
            .map(Bytes::from)
            // the one thing in a string that JSON allows and Unicode does not
            .map_err(|_| expected(key, "without half of a surrogate pair")),
    }
}

/// A piece of the line, without a copy.
fn shared(line: &Bytes, part: &str) -> Bytes {
    line.slice_ref(part.as_bytes())
}

/// Walks through a JSON object in its order.
fn for_each_member<'a>(
    text: &'a str,
    each: impl FnMut(Cow<'a, str>, &'a RawValue),
) -> Result<(), serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(text);
    json.deserialize_map(Object(each))?;
    json.end()
}

struct Object<F>(F);

impl<'de, F: FnMut(Cow<'de, str>, &'de RawValue)> Visitor<'de> for Object<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        while let Some(key) = members.next_key_seed(Key)? {
            let value = members.next_value()?;
            (self.0)(key, value);
        }
        Ok(())
    }
}

/// A key, which is a copy only where it has escapes.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(json: &str) -> Result<Line, RecordError> {
        parse(&Bytes::copy_from_slice(json.as_bytes()))
    }

    #[track_caller]
    fn payload_of(members: &str) -> Vec<u8> {
        let line = line(&format!("{{{members}}}")).expect(members);
        line.payload.to_vec()
    }

    #[test]
    fn what_a_line_does_not_say_is_left_open() {
        assert_eq!(line(r#"{"payload":null}"#), Ok(Line::default()));
        let unknown = r#" { "mid":1,"dup":true,"tst":[],"x":{"topic":1},"payload":"a" } "#;
        let expected = Line {
            payload: Bytes::from_static(b"a"),
            ..Line::default()
        };
        assert_eq!(line(unknown), Ok(expected));
    }

    #[test]
    fn payloads_are_text_base64_or_json() {
        for (members, payload) in [
            (r#""payload":"a\u0000\"\ud83d\ude00é""#, "a\0\"😀é"),
            (r#""payload_b64":"AGE=""#, "\0a"),
            (r#""payload":null"#, ""),
            (r#""payload":"""#, ""),
            (
                r#""payload":{"a":1.50,"b\u00e9":[1e2,12345678901234567890123]}"#,
                r#"{"a":1.50,"b\u00e9":[1e2,12345678901234567890123]}"#,
            ),
            (r#""payload":-0.0"#, "-0.0"),
            (r#""payload":true"#, "true"),
            (r#""parsed":true,"payload":"a\n""#, r#""a\n""#),
            (r#""parsed":true,"payload":null"#, "null"),
            (r#""parsed":false,"payload":"a""#, "a"),
        ] {
            assert_eq!(payload_of(members), payload.as_bytes(), "{members}");
        }
    }

    #[test]
    fn mosquittos_lines_are_taken_where_they_lost_nothing() {
        let old = r#""tst":"2026-11-20T23:58:44.358846Z+0000","retain":1,"qos":2"#;
        let members = format!(r#"{{{old},"topic":"t","payloadlen":1,"payload":"a"}}"#);
        let line = line(&members).unwrap();
        assert!(line.retain && line.qos == Some(QoS::ExactlyOnce));
        assert_eq!(
            super::tests::line(&members.replace(":1,\"payload\"", ":5,\"payload\"")),
            Err(RecordError::Cut {
                expected: 5,
                found: 1
            })
        );
        // In our own lines a length is what it was before somebody changed the payload.
        let ours = r#""tst":"2026-11-20T23:58:44.358846+00:00","payloadlen":5,"payload":"a""#;
        assert_eq!(payload_of(ours), b"a");
    }

    #[test]
    fn properties_keep_their_order() {
        let json = concat!(
            r#"{"payload":null,"properties":{"content-type":"a\tb","user-properties":[{"k":"1"},{"k":"2","é\n":""}],"#,
            r#""topic-alias":7,"subscription-identifier":[1,2],"subscription-identifier":3,"unknown":{},"#,
            r#""message-expiry-interval":4294967295,"correlation-data_b64":"/w==","response-topic":"r/t","#,
            r#""payload-format-indicator":1}}"#
        );
        let shown: Vec<_> = line(json)
            .unwrap()
            .properties
            .iter()
            .map(|property| format!("{:?}", property.value()))
            .collect();
        assert_eq!(
            shown,
            [
                r#"Text("a\tb")"#,
                r#"Pair("k", "1")"#,
                r#"Pair("k", "2")"#,
                r#"Pair("é\n", "")"#,
                "FourByte(4294967295)",
                r#"Binary(b"\xff")"#,
                r#"Text("r/t")"#,
                "Byte(1)",
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (json, words) in [
            (
                "",
                "not a JSON object: EOF while parsing a value at column 0",
            ),
            (
                "{\"a\":1",
                "not a JSON object: EOF while parsing an object at column 6",
            ),
            ("[]", "expected an object"),
            ("{} x", "trailing characters at column 4"),
            ("{}", "neither 'payload' nor 'payload_b64'"),
            (r#"{"payload":1,"payload":2}"#, "'payload' occurs twice"),
            (
                r#"{"payload":"a","payload_b64":"YQ=="}"#,
                "'payload' must be left out",
            ),
            (r#"{"payload_b64":"a"}"#, "'payload_b64' must be base64"),
            (r#"{"payload_b64":7}"#, "'payload_b64' must be a string"),
            (
                r#"{"payload":"\ud800"}"#,
                "'payload' must be without half of a surrogate pair",
            ),
            (
                r#"{"payload":null,"topic":null}"#,
                "'topic' must be a string",
            ),
            (
                r#"{"payload":null,"topic":"a\u0000"}"#,
                "'topic': contains the character U+0000",
            ),
            (r#"{"payload":null,"qos":3}"#, "'qos' must be 0, 1 or 2"),
            (r#"{"payload":null,"qos":"1"}"#, "'qos' must be 0, 1 or 2"),
            (
                r#"{"payload":null,"retain":2}"#,
                "'retain' must be true or false",
            ),
            (
                r#"{"payload":null,"parsed":1}"#,
                "'parsed' must be true or false",
            ),
            (
                r#"{"payload":null,"properties":[]}"#,
                "'properties' must be an object",
            ),
        ] {
            let error = line(json).expect_err(json).to_string();
            assert!(error.contains(words), "{json}: {error}");
        }
        for (property, words) in [
            (r#""content-type":1"#, "'content-type' must be a string"),
            (
                r#""message-expiry-interval":-1"#,
                "'message-expiry-interval' must be a number from 0",
            ),
            (
                r#""payload-format-indicator":2"#,
                "payload-format-indicator must be 0 or 1",
            ),
            (
                r#""payload-format-indicator":300"#,
                "'payload-format-indicator' must be 0 or 1",
            ),
            (
                r##""response-topic":"a/#""##,
                "response-topic must be a topic name",
            ),
            (
                r#""correlation-data":"a","correlation-data_b64":"""#,
                "correlation-data occurs twice",
            ),
            (
                r#""user-properties":{"a":"b"}"#,
                "'user-properties' must be an array",
            ),
            (
                r#""user-properties":["a"]"#,
                "'user-properties' must be an array",
            ),
            (
                r#""user-properties":[{"a":1}]"#,
                "'user-properties' must be a string",
            ),
        ] {
            let json = format!("{{\"payload\":null,\"properties\":{{{property}}}}}");
            let error = line(&json).expect_err(&json).to_string();
            assert!(error.contains(words), "{json}: {error}");
        }
        assert_eq!(
            parse(&Bytes::from_static(b"\xff")),
            Err(RecordError::NotUtf8)
        );
        // nesting has no limit, and needs none
        let deep = format!(
            "{{\"payload\":{}1{}}}",
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        assert_eq!(line(&deep).unwrap().payload.len(), 200_001);
    }

    #[test]
    fn plain_text_is_not_copied() {
        let line = Bytes::from_static(
            br#"{"topic":"a/b","payload":"text","properties":{"content-type":"c"}}"#,
        );
        let inside = line.as_ptr_range();
        let message = parse(&line).unwrap();
        assert!(inside.contains(&message.payload.as_ptr()));
        assert!(inside.contains(&message.topic.unwrap().as_bytes().as_ptr()));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&Bytes::from(bytes));
        }

        #[test]
        fn nothing_like_a_line_makes_it_panic(
            pieces in proptest::collection::vec(prop_oneof![
                Just("{"), Just("}"), Just("["), Just("]"), Just(":"), Just(","), Just("\""), Just("\\"),
                Just("\"topic\":"), Just("\"payload\":"), Just("\"payload_b64\":"), Just("\"properties\":{"),
                Just("\"user-properties\":["), Just("\"correlation-data\":"), Just("null"), Just("1"),
                Just("\"a\""), Just("\"\\u00e9\""), Just("\"\\ud800\""), Just("é"), Just("\0"), Just(" "),
            ], 0..30),
            good in any::<bool>(),
        ) {
            let body = pieces.concat();
            let json = if good { format!("{{\"payload\":{body}}}") } else { body };
            let _ = line(&json);
        }
    }
}
