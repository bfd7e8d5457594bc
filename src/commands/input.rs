//! The input options (`-m -f -s -l -n`, and for pub those of records) as payloads and messages.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;

use super::connect;
use crate::cli::publish::{InputArgs, MessageArgs, RecordArgs};
use crate::error::{Error, Refusal};
use crate::mqtt::Version;
use crate::mqtt::packet::MAX_REMAINING_LENGTH;
use crate::mqtt::properties::Properties;
use crate::mqtt::session::PublishError;
use crate::mqtt::text::Text;
use crate::payload::{Form, InputError, Messages, Options, Source, Stream, TopicMap, TopicMaps};

/// What a line of JSON may have for each byte of a packet: a control character is `\u0001`.
const JSON_BYTES: usize = 6;

/// What `pub` is to publish. Records are read from stdin or from the file of `-f`; `topic` is that of
/// the command line.
pub fn messages(
    input: InputArgs,
    records: RecordArgs,
    message: &MessageArgs,
    topic: Option<Text>,
    properties: Properties,
    version: Version,
) -> Result<Messages, Error> {
    let topic_maps = topic_maps(&records, topic.is_some())?;
    if records.skip_bad && !records.have_topics() {
        return Err(Error::usage(
            "--skip-bad needs --json-lines or --topic-separator",
            "lines of payloads alone are never bad",
        ));
    }
    let form = match (&records, &topic) {
        (
            RecordArgs {
                json_lines: true, ..
            },
            _,
        ) => Form::Json,
        (
            RecordArgs {
                topic_separator: Some(separator),
                ..
            },
            _,
        ) => Form::TopicAndPayload {
            separator: separator.0.clone(),
        },
        (_, Some(topic)) => Form::Payload {
            topic: topic.clone(),
        },
        (_, None) => return Err(connect::no_topic()),
    };
    let options = Options {
        topic,
        topic_maps,
        qos: message.qos,
        retain: message.retain,
        properties,
        version,
        skip_bad: records.skip_bad,
    };
    let longest = options.longest_payload();
    let limit = match form {
        Form::Payload { .. } => longest,
        Form::TopicAndPayload { .. } => MAX_REMAINING_LENGTH + usize::from(u16::MAX),
        Form::Json => JSON_BYTES * MAX_REMAINING_LENGTH,
    };
    let source = match form {
        Form::Payload { .. } if records.delimiter.is_none() => {
            source(input, longest, message.repeat, message.repeat_delay.0)?
        }
        _ => {
            let delimiter = records.delimiter.map_or_else(|| b"\n".to_vec(), |d| d.0);
            record_source(input.file.as_deref(), delimiter, limit)?
        }
    };
    Ok(Messages::new(source, form, options))
}

fn topic_maps(records: &RecordArgs, has_topic: bool) -> Result<TopicMaps, Error> {
    let refuse = |what: &str, hint: &str| Error::usage(format!("--topic-map {what}"), hint);
    let mut maps = Vec::new();
    for typed in &records.topic_maps {
        let map = TopicMap::parse(typed).map_err(|error| {
            refuse(
                &format!("'{typed}': {error}"),
                "an example: --topic-map 'home/+/# => copy/+/#'",
            )
        })?;
        maps.push(map);
    }
    match maps.is_empty() {
        false if !records.have_topics() => Err(refuse(
            "needs --json-lines or --topic-separator",
            "other records have no topic that could be changed",
        )),
        false if has_topic => Err(refuse(
            "cannot go with a topic in -L",
            "leave out the topic, which all messages would get",
        )),
        _ => Ok(TopicMaps::new(maps)),
    }
}

/// Records of stdin, or of a file, which is opened here.
fn record_source(file: Option<&Path>, delimiter: Vec<u8>, limit: usize) -> Result<Source, Error> {
    let stream = match file.filter(|path| *path != Path::new("-")) {
        None => Stream::stdin().map_err(|e| Error::io("cannot read stdin", e))?,
        Some(path) => Stream::file(path).map_err(|source| Error::Input {
            option: "-f",
            path: path.to_owned(),
            source,
        })?,
    };
    Source::records(stream, delimiter, limit).map_err(|e| Error::io("cannot start to read", e))
}

/// An input that ended before its end; `done` is what became of what came before. `topic` is that of a
/// payload which is too large.
pub fn broken_off(error: InputError, topic: &str, done: &str, hint: &'static str) -> Error {
    match error {
        InputError::TooLarge { maximum, .. } => {
            let size = maximum + 1;
            let why = Refusal::from(PublishError::TooLarge { size, maximum });
            Error::PublishRefused {
                topic: topic.to_owned(),
                why: why.worded(format!("{error}; {done}")),
            }
        }
        InputError::Read { input, source } => {
            Error::io(format!("cannot read more of {input} after {done}"), source)
        }
        InputError::Bad(bad) => Error::BadRecord {
            what: format!("{bad}; {done} before it"),
            hint,
        },
    }
}

/// Opens what was typed; a payload that is not read line by line comes `repeat` times, with a
/// `pause` after each. None has more than `longest` bytes.
pub fn source(
    input: InputArgs,
    longest: usize,
    repeat: u64,
    pause: Duration,
) -> Result<Source, Error> {
    let most = longest as u64;
    let payload = if let Some(text) = input.message {
        connect::os_bytes(text).into()
    } else if let Some(path) = input.file {
        connect::read_input("-f", &path, most)?.into()
    } else if input.stdin_file {
        let all = connect::read_input("-s", Path::new("-"), most)?;
        if all.is_empty() {
            // The command before the pipe may have failed: that must not look like a message.
            return Err(Error::EmptyInput);
        }
        all.into()
    } else if input.null_message {
        Bytes::new()
    } else if input.stdin_lines {
        return record_source(None, b"\n".to_vec(), longest);
    } else {
        return Err(Error::usage(
            "no message given",
            "give it with -m TEXT, -f FILE, -s (stdin), -l (stdin line by line) or -n (empty)",
        ));
    };
    Ok(Source::Repeat {
        payload,
        left: repeat,
        pause,
    })
}
