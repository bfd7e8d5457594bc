//! The messages that a publisher sends: what a source gives, in one of the forms that its records can
//! have, with the user's options over it.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use bytes::Bytes;

use super::error::{BadRecord, InputError, RecordError};
use super::feed::Feed;
use super::json_line;
use super::source::Source;
use super::topic_map::TopicMaps;
use crate::mqtt::codec;
use crate::mqtt::packet::Message;
use crate::mqtt::properties::{Place, Properties, PropertyId};
use crate::mqtt::text::Text;
use crate::mqtt::topic::{TopicError, check_name};
use crate::mqtt::{QoS, Version};

/// Bad records that wait to be told.
const TOLD: u64 = 5;

/// What a record is.
#[derive(Debug)]
pub enum Form {
    /// The payload; topic and all else are the options'.
    Payload { topic: Text },
    /// Topic and payload with this between them; it is not empty.
    TopicAndPayload { separator: Vec<u8> },
    /// A line of JSON.
    Json,
}

/// What the user has said for all messages.
#[derive(Debug)]
pub struct Options {
    /// In place of the record's.
    pub topic: Option<Text>,
    /// For what has no topic from `topic`.
    pub topic_maps: TopicMaps,
    /// In place of the record's.
    pub qos: Option<QoS>,
    /// Also where the record does not say so.
    pub retain: bool,
    /// In place of the record's of the same name; user properties behind the record's.
    pub properties: Properties,
    pub version: Version,
    /// What becomes of a record that is no message.
    pub skip_bad: bool,
}

#[derive(Debug)]
pub struct Messages {
    feed: Feed,
    form: Form,
    options: Options,
    /// A message that could not be published yet.
    held: Option<Message>,
    skipped: u64,
    complaints: Vec<BadRecord>,
    error: Option<BadRecord>,
}

impl Messages {
    pub fn new(source: Source, form: Form, options: Options) -> Self {
        Self {
            feed: Feed::new(source),
            form,
            options,
            held: None,
            skipped: 0,
            complaints: Vec::new(),
            error: None,
        }
    }

    /// The next message, if there is one now.
    pub fn next(&mut self) -> Option<Message> {
        if self.held.is_some() {
            return self.held.take();
        }
        loop {
            let Some(record) = self.feed.next() else {
                let bad = self.options.skip_bad.then(|| self.feed.pass_over());
                self.skip(bad.flatten()?);
                continue;
            };
            let why = match self.options.message(&self.form, record) {
                Ok(Some(message)) => return Some(message),
                Ok(None) => continue,
                Err(why) => why,
            };
            let place = self.feed.place();
            let bad = BadRecord { place, why };
            if !self.options.skip_bad {
                self.error = Some(bad);
                self.feed.stop();
                return None;
            }
            self.skip(bad);
        }
    }

    fn skip(&mut self, bad: BadRecord) {
        self.skipped += 1;
        if self.skipped <= TOLD {
            self.complaints.push(bad);
        }
    }

    /// Takes back what [`Messages::next`] gave.
    pub fn put_back(&mut self, message: Message) {
        self.held = Some(message);
    }

    /// Whether [`Messages::ready`] must be awaited before there is more.
    pub fn is_waiting(&self) -> bool {
        self.feed.is_waiting()
    }

    /// Waits for more. Cancel-safe.
    pub async fn ready(&mut self) {
        self.feed.ready().await;
    }

    /// Nothing more will come.
    pub fn has_ended(&self) -> bool {
        self.feed.has_ended() && self.held.is_none()
    }

    /// The broker takes packets of so many bytes. Of a payload no more is then gathered; what else a
    /// record holds may be longer than its packet.
    pub fn fit(&mut self, maximum: usize) {
        if let Form::Payload { .. } = self.form {
            self.feed.fit(maximum);
        }
    }

    /// The topic of all messages, where records are payloads.
    pub fn topic(&self) -> Option<&Text> {
        match &self.form {
            Form::Payload { topic } => Some(topic),
            Form::TopicAndPayload { .. } | Form::Json => None,
        }
    }

    /// Reads no more; what was read is still given.
    pub fn stop_reading(&mut self) {
        self.feed.stop_reading();
    }

    /// Reads on after [`Messages::stop_reading`].
    pub fn read_on(&mut self) -> io::Result<()> {
        self.feed.read_on()
    }

    /// Whether all there is can be taken without waiting for whoever makes the input.
    pub fn is_complete(&self) -> bool {
        self.feed.is_complete()
    }

    /// Bytes that were read of a record whose end has not come.
    pub fn unfinished(&self) -> usize {
        self.feed.unfinished()
    }

    /// Repetitions that [`Messages::stop_reading`] has left out.
    pub fn set_aside(&self) -> u64 {
        self.feed.set_aside()
    }

    /// Whether the input may have more than has been given.
    pub fn may_have_more(&self) -> bool {
        self.held.is_some() || self.feed.may_have_more()
    }

    /// Why the input ended before its end.
    pub fn take_error(&mut self) -> Option<InputError> {
        let bad = self.error.take().map(InputError::Bad);
        bad.or_else(|| self.feed.take_error())
    }

    /// The pause that is wanted between an acknowledgement and the next message.
    pub fn pause(&self) -> Duration {
        self.feed.pause()
    }

    /// Records that were no messages and have been passed over.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The first of those, each once.
    pub fn complaints(&mut self) -> std::vec::Drain<'_, BadRecord> {
        self.complaints.drain(..)
    }
}

impl Options {
    /// The longest payload, in bytes, that goes into a packet with all this.
    pub fn longest_payload(&self) -> usize {
        let around = Message {
            topic: self.topic.clone().unwrap_or_default(),
            payload: Bytes::new(),
            qos: self.qos.unwrap_or_default(),
            retain: self.retain,
            properties: self.properties.clone(),
        };
        codec::longest_payload(self.version, &around)
    }

    /// What a record says, under the options; nothing where it is blank.
    fn message(&self, form: &Form, record: Bytes) -> Result<Option<Message>, RecordError> {
        let message = match form {
            Form::Payload { topic } => Message {
                topic: topic.clone(),
                payload: record,
                qos: self.qos.unwrap_or_default(),
                retain: self.retain,
                properties: self.properties.clone(),
            },
            Form::TopicAndPayload { separator } => {
                let (topic, payload) = split(&record, separator)?;
                let topic = Text::from_bytes(topic).map_err(|error| RecordError::Text {
                    key: "topic",
                    error,
                })?;
                self.packet(Message {
                    topic: self.topic(Some(topic))?,
                    payload,
                    qos: self.qos.unwrap_or_default(),
                    retain: self.retain,
                    properties: self.properties.clone(),
                })?
            }
            Form::Json => {
                if record.iter().all(u8::is_ascii_whitespace) {
                    return Ok(None);
                }
                let line = json_line::parse(&record)?;
                if !line.properties.is_empty() && !self.version.has_properties() {
                    return Err(RecordError::NeedsV5(self.version));
                }
                self.packet(Message {
                    topic: self.topic(line.topic)?,
                    payload: line.payload,
                    qos: self.qos.or(line.qos).unwrap_or_default(),
                    retain: self.retain || line.retain,
                    properties: self.properties(line.properties)?,
                })?
            }
        };
        Ok(Some(message))
    }

    /// The message, unless it is too large for any packet. Of payloads alone the source knows.
    fn packet(&self, message: Message) -> Result<Message, RecordError> {
        match message.payload.len() > codec::longest_payload(self.version, &message) {
            false => Ok(message),
            true => Err(RecordError::TooLong),
        }
    }

    fn topic(&self, of_record: Option<Text>) -> Result<Text, RecordError> {
        if let Some(topic) = &self.topic {
            return Ok(topic.clone());
        }
        let topic = of_record.ok_or(RecordError::NoTopic)?;
        let refuse = |topic: &str, error| RecordError::Topic {
            topic: topic.to_owned(),
            error,
        };
        let topic = match self.topic_maps.apply(topic.as_str()) {
            Cow::Borrowed(_) => topic,
            Cow::Owned(mapped) => Text::try_from(mapped)
                .map_err(|error| refuse(topic.as_str(), TopicError::Text(error)))?,
        };
        check_name(topic.as_str()).map_err(|error| refuse(topic.as_str(), error))?;
        Ok(topic)
    }

    fn properties(&self, of_record: Properties) -> Result<Properties, RecordError> {
        if self.properties.is_empty() {
            return Ok(of_record);
        }
        let mut all = of_record;
        for property in &self.properties {
            let id = property.id();
            if id != PropertyId::UserProperty {
                all = all.without(id);
            }
            all.push(Place::Publish, property.clone())?;
        }
        Ok(all)
    }
}

/// What stands before and behind the first separator.
fn split(record: &Bytes, separator: &[u8]) -> Result<(Bytes, Bytes), RecordError> {
    let at = record
        .windows(separator.len())
        .position(|window| window == separator)
        .ok_or_else(|| RecordError::NoSeparator(separator.escape_ascii().to_string()))?;
    Ok((record.slice(..at), record.slice(at + separator.len()..)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::properties::{Property, Value};
    use crate::payload::{Stream, TopicMap};

    fn text(text: &str) -> Text {
        Text::try_from(text).unwrap()
    }

    fn options() -> Options {
        Options {
            topic: None,
            topic_maps: TopicMaps::default(),
            qos: None,
            retain: false,
            properties: Properties::new(),
            version: Version::V5,
            skip_bad: false,
        }
    }

    fn properties(list: &[(PropertyId, Value)]) -> Properties {
        let mut properties = Properties::new();
        for (id, value) in list.iter().cloned() {
            let property = Property::new(id, value).unwrap();
            properties.push(Place::Publish, property).unwrap();
        }
        properties
    }

    const LINE: &str = r#"{"topic":"a/b","qos":2,"retain":true,"payload":"p",
        "properties":{"content-type":"c","user-properties":[{"k":"1"}]}}"#;

    fn json(options: &Options, line: &str) -> Result<Option<Message>, RecordError> {
        options.message(&Form::Json, Bytes::copy_from_slice(line.as_bytes()))
    }

    #[test]
    fn options_go_before_what_a_line_says() {
        let from_line = json(&options(), LINE).unwrap().unwrap();
        let content_type = |text: &str| (PropertyId::ContentType, Value::Text(self::text(text)));
        let pair = |value: &str| {
            (
                PropertyId::UserProperty,
                Value::Pair(text("k"), text(value)),
            )
        };
        let expected = Message {
            topic: text("a/b"),
            payload: Bytes::from_static(b"p"),
            qos: QoS::ExactlyOnce,
            retain: true,
            properties: properties(&[content_type("c"), pair("1")]),
        };
        assert_eq!(from_line, expected);
        let all = Options {
            topic: Some(text("t")),
            qos: Some(QoS::AtMostOnce),
            properties: properties(&[pair("2"), content_type("d")]),
            ..options()
        };
        let expected = Message {
            topic: text("t"),
            qos: QoS::AtMostOnce,
            properties: properties(&[pair("1"), pair("2"), content_type("d")]),
            ..expected
        };
        assert_eq!(json(&all, LINE), Ok(Some(expected)));
        let retain = Options {
            retain: true,
            ..options()
        };
        let line = r#"{"topic":"t","payload":"","retain":false}"#;
        assert!(json(&retain, line).unwrap().unwrap().retain);
    }

    #[test]
    fn topics_are_mapped_and_checked() {
        let map = |map: &str| Options {
            topic_maps: TopicMaps::new(vec![TopicMap::parse(map).unwrap()]),
            ..options()
        };
        let topic = |options: &Options, line| json(options, line).map(|m| m.unwrap().topic);
        assert_eq!(topic(&map("a/# => x/#"), LINE), Ok(text("x/b")));
        let missing = r#"{"payload":null}"#;
        assert_eq!(topic(&options(), missing), Err(RecordError::NoTopic));
        let empty = topic(&map("a/# => #"), r#"{"topic":"a","payload":null}"#).unwrap_err();
        assert_eq!(empty.to_string(), "topic '' is empty");
        let filter = topic(&options(), r#"{"topic":"a/+","payload":null}"#).unwrap_err();
        assert!(
            filter
                .to_string()
                .starts_with("topic 'a/+' contains the wildcard '+'")
        );
    }

    #[test]
    fn properties_need_mqtt_5_and_blank_lines_are_nothing() {
        let old = Options {
            version: Version::V311,
            ..options()
        };
        assert_eq!(json(&old, LINE), Err(RecordError::NeedsV5(Version::V311)));
        for line in [
            r#"{"topic":"t","payload":null}"#,
            r#"{"topic":"t","payload":null,"properties":{"subscription-identifier":1}}"#,
        ] {
            assert!(json(&old, line).is_ok());
        }
        for line in ["", " \r", "\t"] {
            assert_eq!(json(&old, line), Ok(None));
        }
    }

    #[test]
    fn the_first_separator_splits_topic_from_payload() {
        let form = |separator: &str| Form::TopicAndPayload {
            separator: separator.into(),
        };
        let split = |separator, record: &'static [u8]| {
            let message = options().message(&form(separator), Bytes::from_static(record));
            message.map(|m| m.map(|m| (m.topic.to_string(), m.payload)))
        };
        let is = |topic: &str, payload: &'static [u8]| {
            Ok(Some((topic.to_owned(), Bytes::from_static(payload))))
        };
        assert_eq!(split(" ", b"a/b  x \xff\0"), is("a/b", b" x \xff\0"));
        assert_eq!(split("::", b"a:b::c::d"), is("a:b", b"c::d"));
        assert_eq!(split("\t", b"t\t"), is("t", b""));
        for (separator, record, words) in [
            ("\t", &b"a b"[..], "'\\t', which separates"),
            ("\t", b"", "'\\t', which separates"),
            ("\t", b"\tb", "topic '' is empty"),
            ("\t", b"#\tb", "wildcard '#'"),
            ("\t", b"\xff\tb", "'topic': not valid UTF-8"),
        ] {
            let error = split(separator, record).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    /// All messages of an input, and what became of the rest.
    fn read(input: &'static str, limit: usize, skip_bad: bool) -> (Vec<Text>, Messages) {
        let source = Source::records(Stream::of(input.as_bytes()), b"\n".to_vec(), limit).unwrap();
        let options = Options {
            skip_bad,
            ..options()
        };
        let mut messages = Messages::new(source, Form::Json, options);
        let mut topics = Vec::new();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        while !messages.has_ended() {
            match messages.next() {
                Some(message) => topics.push(message.topic),
                None if messages.is_waiting() => runtime.block_on(messages.ready()),
                None => {}
            }
        }
        (topics, messages)
    }

    const INPUT: &str = concat!(
        r#"{"topic":"1","payload":"a"}"#,
        "\n\n",
        r#"{"topic":"3","payload":"more than there may be of a line, far more"}"#,
        "\n",
        r#"{"topic":"4"}"#,
        "\n",
        r#"{"topic":"5","payload":"b"}"#
    );

    #[test]
    fn a_bad_record_ends_the_input_and_is_named() {
        for (limit, place, why) in [
            (1000, "line 4 of stdin", "neither"),
            (40, "line 3 of stdin", "larger"),
        ] {
            let (topics, mut messages) = read(INPUT, limit, false);
            assert_eq!(topics.first(), Some(&text("1")));
            assert!(!topics.contains(&text("5")));
            let error = messages.take_error().unwrap().to_string();
            assert!(error.starts_with(place) && error.contains(why), "{error}");
        }
    }

    #[test]
    fn bad_records_can_be_passed_over() {
        let (topics, mut messages) = read(INPUT, 40, true);
        assert_eq!(topics, [text("1"), text("5")]);
        assert!(messages.take_error().is_none());
        assert_eq!(messages.skipped(), 2);
        let told: Vec<_> = messages.complaints().map(|bad| bad.place).collect();
        assert_eq!(told, ["line 3 of stdin", "line 4 of stdin"]);
        assert_eq!(messages.complaints().count(), 0);
    }
}
