//! The files that `mozzie bench` reads: credentials as CSV, messages as JSON lines.

use std::path::Path;

use bytes::Bytes;

use crate::bench::{Credentials, Recorded};
use crate::commands::connect;
use crate::error::Error;
use crate::mqtt::packet::Secret;
use crate::mqtt::text::Text;
use crate::mqtt::topic;
use crate::payload::json_line;

const MAX_FILE: u64 = 1 << 30;

/// Lines of `user,password` or `client identifier,user,password`; a first line that names the columns
/// is passed over.
pub fn credentials(path: &Path) -> Result<Vec<Credentials>, Error> {
    let data = connect::read_input("--credentials", path, MAX_FILE)?;
    let mut rows = Vec::new();
    for (number, line) in lines(&data) {
        let row = credentials_of(line).map_err(|why| {
            Error::usage(
                format!("--credentials: '{}', line {number}: {why}", path.display()),
                "a line is user,password or client identifier,user,password; a text with a comma stands \
                 in double quotes",
            )
        })?;
        rows.extend(row.filter(|_| !(number == 1 && is_heading(line))));
    }
    if rows.is_empty() {
        return Err(Error::usage(
            format!("--credentials: '{}' has no lines", path.display()),
            "a line is user,password or client identifier,user,password",
        ));
    }
    Ok(rows)
}

fn is_heading(line: &[u8]) -> bool {
    line.to_ascii_lowercase().ends_with(b"username,password")
}

fn credentials_of(line: &[u8]) -> Result<Option<Credentials>, String> {
    let text = std::str::from_utf8(line).map_err(|_| "it is not UTF-8".to_owned())?;
    let fields = fields(text)?;
    let (client_id, username, password) = match &fields[..] {
        [username, password] => (None, username, password),
        [client_id, username, password] => (Some(client_id), username, password),
        [_] => return Err("it has 1 column".to_owned()),
        _ => return Err(format!("it has {} columns", fields.len())),
    };
    let text = |field: &String| Text::try_from(field.as_str()).map_err(|e| e.to_string());
    Ok(Some(Credentials {
        client_id: client_id.map(text).transpose()?,
        username: text(username)?,
        password: Secret(Bytes::from(password.clone())),
    }))
}

/// The columns of a line of CSV (RFC 4180).
fn fields(line: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(fields),
            None => return Err("text behind a closing quote".to_owned()),
        }
    }
}

/// Two quotes stand for one.
fn quoted_field(mut rest: &str) -> Result<(String, &str), String> {
    let mut field = String::new();
    loop {
        let end = rest.find('"').ok_or("a quote that does not end")?;
        field.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(after) => {
                field.push('"');
                rest = after;
            }
            None => return Ok((field, rest)),
        }
    }
}

/// Messages as `sub --json` prints them.
pub fn recorded(path: &Path) -> Result<Vec<Recorded>, Error> {
    let data = Bytes::from(connect::read_input("--payload-from", path, MAX_FILE)?);
    let mut messages = Vec::new();
    for (number, line) in lines(&data) {
        // A part of the file, as are the payload and the topic in it: nothing is copied.
        messages.push(recorded_of(&data.slice_ref(line)).map_err(|why| {
            Error::usage(
                format!("--payload-from: '{}', line {number}: {why}", path.display()),
                "a line is a message as sub --json prints it, with topic and payload or payload_b64",
            )
        })?);
    }
    if messages.is_empty() {
        return Err(Error::usage(
            format!("--payload-from: '{}' has no messages", path.display()),
            "record some with sub --json",
        ));
    }
    Ok(messages)
}

fn recorded_of(line: &Bytes) -> Result<Recorded, String> {
    let line = json_line::parse(line).map_err(|error| error.to_string())?;
    let topic = line.topic.ok_or("it has no topic")?;
    topic::parse_name(topic.as_str()).map_err(|error| format!("topic '{topic}' {error}"))?;
    Ok(Recorded {
        topic,
        payload: line.payload,
    })
}

/// Lines that are not empty, with their numbers.
fn lines(data: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    data.split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .zip(1..)
        .filter(|(line, _)| !line.is_empty())
        .map(|(line, number)| (number, line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_of_csv_have_two_or_three_columns() {
        let row = credentials_of(b"dev,\"a,b\",\"say \"\"x\"\"\"")
            .unwrap()
            .unwrap();
        assert_eq!(row.client_id.unwrap().as_str(), "dev");
        assert_eq!(row.username.as_str(), "a,b");
        assert_eq!(row.password.0, "say \"x\"");
        let row = credentials_of(b"user,").unwrap().unwrap();
        assert!(row.client_id.is_none());
        assert!(row.password.0.is_empty());
        for line in ["user", "a,b,c,d", "\"open,b", "\"a\"b,c"] {
            assert!(credentials_of(line.as_bytes()).is_err(), "{line}");
        }
        assert!(is_heading(b"Username,Password"));
        assert!(is_heading(b"client_id,username,password"));
        assert!(!is_heading(b"user,secret"));
    }

    #[test]
    fn a_recorded_line_needs_a_topic_that_can_be_published_to() {
        let of = |line: &str| recorded_of(&Bytes::copy_from_slice(line.as_bytes()));
        let recorded = of(r#"{"topic":"a/b","payload_b64":"/w==","qos":1}"#).unwrap();
        assert_eq!(recorded.topic.as_str(), "a/b");
        assert_eq!(recorded.payload[..], [0xff]);
        for (line, words) in [
            ("[]", "not a JSON object"),
            (r#"{"payload":"x"}"#, "no topic"),
            (r#"{"topic":"a"}"#, "neither 'payload'"),
            (r#"{"topic":"a/+","payload":"x"}"#, "topic 'a/+'"),
            (r#"{"topic":"","payload":"x"}"#, "topic ''"),
        ] {
            let error = of(line).unwrap_err();
            assert!(error.contains(words), "{line}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = credentials_of(&line);
            let _ = recorded_of(&Bytes::from(line));
        }
    }
}
