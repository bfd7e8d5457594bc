//! Warnings and errors as JSON objects, one a line, for `--json-errors`.

use std::fmt::Write;

use crate::error::Error;

/// `{"code":…,"kind":…,"message":…}` and what else there is: hint, reason_code, reason, reason_string,
/// server_reference, topic.
pub(super) fn error(error: &Error) -> String {
    let facts = error.facts();
    let (code, name) = facts.reason.map(|(reason, name)| (reason.0, name)).unzip();
    let mut object = Object::new();
    object.number("code", Some(error.exit_code()));
    object.text("kind", Some(facts.kind));
    object.text("message", Some(&error.in_full()));
    object.text("hint", error.hint().as_deref());
    object.number("reason_code", code);
    object.text("reason", name.as_deref());
    object.text("reason_string", facts.reason_string.as_deref());
    object.text("server_reference", facts.server_reference.as_deref());
    object.text("topic", facts.topic.as_deref());
    object.end()
}

/// A word on the way that is no failure.
pub(super) fn word(kind: &str, message: &str, hint: Option<&str>) -> String {
    let mut object = Object::new();
    object.text("kind", Some(kind));
    object.text("message", Some(message));
    object.text("hint", hint);
    object.end()
}

/// Members in the order in which they are given.
struct Object(String);

impl Object {
    fn new() -> Self {
        Self("{".to_owned())
    }

    fn key(&mut self, key: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        let _ = write!(self.0, "\"{key}\":");
    }

    fn number(&mut self, key: &str, value: Option<u8>) {
        if let Some(value) = value {
            self.key(key);
            let _ = write!(self.0, "{value}");
        }
    }

    fn text(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.key(key);
            // as a value of JSON it is quoted and escaped
            let _ = write!(self.0, "{}", serde_json::Value::from(value));
        }
    }

    fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::packet::ConnAck;
    use crate::mqtt::properties::{Place, Properties, Property, PropertyId, Value};
    use crate::mqtt::reason::Reason;
    use crate::mqtt::text::Text;

    #[test]
    fn an_error_is_one_object_with_what_there_is() {
        assert_eq!(
            error(&Error::usage("a \"b\"\n\u{1b}", "")),
            r#"{"code":2,"kind":"usage","message":"a \"b\"\n\u001b"}"#
        );
        let mut properties = Properties::default();
        let why = Value::Text(Text::try_from("closed").unwrap());
        let why = Property::new(PropertyId::ReasonString, why).unwrap();
        properties.push(Place::ConnAck, why).unwrap();
        let refused = Error::Refused(ConnAck {
            session_present: false,
            reason: Reason::SERVER_BUSY,
            properties,
        });
        assert_eq!(
            error(&refused),
            r#"{"code":4,"kind":"refused","message":"the broker refused the connection: server busy (137): closed","reason_code":137,"reason":"server busy","reason_string":"closed"}"#
        );
        assert_eq!(
            word("warning", "x", None),
            r#"{"kind":"warning","message":"x"}"#
        );
        assert_eq!(
            word("warning", "x", Some("y")),
            r#"{"kind":"warning","message":"x","hint":"y"}"#
        );
    }
}
