//! The input options (`-m -f -s -l -n`) as a source of payloads: for pub, and for the requests of rr.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;

use super::connect;
use crate::cli::publish::InputArgs;
use crate::error::Error;
use crate::mqtt::packet::MAX_REMAINING_LENGTH;
use crate::mqtt::text::Text;
use crate::payload::Source;

/// Opens what was typed; a payload that is not read line by line comes `repeat` times, with a
/// `pause` after each.
pub fn source(
    input: InputArgs,
    topic: &Text,
    repeat: u64,
    pause: Duration,
) -> Result<Source, Error> {
    // The topic and a full header must fit beside the payload.
    let most = (MAX_REMAINING_LENGTH - 4 - topic.len()) as u64;
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
        return Source::stdin_lines(b'\n').map_err(|e| Error::io("cannot read stdin", e));
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
