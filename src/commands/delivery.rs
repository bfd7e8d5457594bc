//! What has become of the messages of `pub`: the tally, the file of those that were not acknowledged,
//! and what both mean at the end.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::Error;
use crate::mqtt::QoS;
use crate::mqtt::packet::Message;
use crate::output::{Diagnostics, MessageFile};
use crate::payload::stdin_metadata;
use crate::signal::Signal;

/// How the work ended.
#[derive(Debug)]
pub enum End {
    /// Nothing is under way any more.
    Complete,
    Failed(Error),
    TimedOut(Duration),
    Interrupted(Signal),
}

#[derive(Debug, Default)]
pub struct Tally {
    /// Taken from the source.
    total: u64,
    /// QoS 1 and 2: by the broker. QoS 0: when a connection ended in order after them.
    acknowledged: u64,
    /// QoS 0: in the session's output.
    on_their_way: u64,
    /// QoS 0: written into the connection that stands.
    flushed: u64,
    /// QoS 0: written into a connection that broke, so nobody knows of them.
    unknown: u64,
    /// How the last of these connections broke.
    unknown_why: String,
    refused: u64,
    /// The topic of the first one that was refused, and why it was.
    refusal: Option<(String, String)>,
}

impl Tally {
    pub fn taken(&mut self, count: u64) {
        self.total += count;
    }

    pub fn acknowledged(&mut self) {
        self.acknowledged += 1;
    }

    /// A QoS 0 message was given to the session.
    pub fn set_out(&mut self) {
        self.on_their_way += 1;
    }

    pub fn are_any_on_their_way(&self) -> bool {
        self.on_their_way > 0
    }

    /// All output was written. Whether QoS 0 messages were among it.
    pub fn drained(&mut self) -> bool {
        let flushed = std::mem::take(&mut self.on_their_way);
        self.flushed += flushed;
        flushed > 0
    }

    /// The connection is gone.
    pub fn broke(&mut self, why: &str) {
        let under = std::mem::take(&mut self.on_their_way) + std::mem::take(&mut self.flushed);
        if under > 0 {
            self.unknown += under;
            why.clone_into(&mut self.unknown_why);
        }
    }

    /// What was written counts as delivered, whatever becomes of the connection.
    pub fn trust(&mut self) {
        self.acknowledged += std::mem::take(&mut self.flushed);
    }

    /// Whether the end of the connection decides over QoS 0 messages.
    pub fn depends_on_close(&self) -> bool {
        self.flushed + self.on_their_way > 0
    }

    pub fn closed_in_order(&mut self) {
        self.drained();
        self.trust();
    }

    pub fn refuse(&mut self, topic: &str, why: String) {
        self.refused += 1;
        self.refusal.get_or_insert((topic.to_owned(), why));
    }

    /// `N of M messages acknowledged`.
    pub fn line(&self) -> String {
        format!(
            "{} of {} messages acknowledged",
            self.acknowledged, self.total
        )
    }

    /// What it means for the user. `accepted`: the broker had let us in; `more`: the input may have
    /// more than was taken.
    pub fn judge(self, end: End, accepted: bool, more: bool) -> Result<(), Error> {
        let line = self.line();
        let rest = if more {
            "; the input was not read to its end"
        } else {
            ""
        };
        let all = self.acknowledged == self.total && !more;
        if let End::Interrupted(signal) = end {
            return match all {
                true => Ok(()),
                false => Err(Error::Interrupted(signal, Some(format!("{line}{rest}")))),
            };
        }
        if let Some((topic, why)) = self.refusal {
            let why = match self.total {
                ..=1 => why,
                _ => format!("{why}; {line}"),
            };
            return Err(Error::PublishRefused { topic, why });
        }
        let (acknowledged, total) = (self.acknowledged, self.total);
        let not_acknowledged = |why: String, hint| {
            Err(Error::NotAcknowledged {
                acknowledged,
                total,
                why,
                hint,
            })
        };
        match end {
            End::Interrupted(_) => Ok(()),
            End::Failed(error) if all || !accepted => Err(error),
            End::Failed(error) => {
                not_acknowledged(format!("{}{rest}", error.in_full()), error.hint())
            }
            End::TimedOut(_) if all => Ok(()),
            End::TimedOut(after) => {
                let seconds = after.as_secs_f64();
                if acknowledged == total {
                    let what = format!("the input did not end within {seconds} s; {line}");
                    return Err(Error::TimedOut(what));
                }
                not_acknowledged(format!("time ran out after {seconds} s{rest}"), None)
            }
            End::Complete if self.unknown > 0 => not_acknowledged(
                format!(
                    "the connection broke under {} messages of QoS 0, and nobody knows whether they arrived: {}",
                    self.unknown, self.unknown_why
                ),
                Some(
                    "with -q 1 the broker acknowledges them, and what it has not is sent again"
                        .to_owned(),
                ),
            ),
            End::Complete => Ok(()),
        }
    }
}

/// The file of `--unsent`. The first error of writing it is kept for the end.
#[derive(Debug)]
pub struct Unsent {
    path: PathBuf,
    file: MessageFile,
    error: Option<std::io::Error>,
    /// QoS 0 messages that the session has in its output.
    on_their_way: Vec<Message>,
}

impl Unsent {
    pub fn open(path: &Path) -> Result<Self, Error> {
        let refuse = |error: &std::io::Error| {
            let reason = crate::net::io_reason(error);
            Error::usage(
                format!("--unsent: cannot write '{}': {reason}", path.display()),
                "",
            )
        };
        let file = MessageFile::open(path).map_err(|e| refuse(&e))?;
        if is_stdin(&file) {
            return Err(Error::usage(
                format!("--unsent: '{}' is also stdin", path.display()),
                "give another file; it would be read and written at once",
            ));
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            error: None,
            on_their_way: Vec::new(),
        })
    }

    pub fn path(&self) -> std::path::Display<'_> {
        self.path.display()
    }

    pub fn add(&mut self, message: Message) {
        if self.error.is_none() {
            self.error = self.file.add(message).err();
        }
    }

    /// Whether there is no use in adding more.
    pub fn has_failed(&self) -> bool {
        self.error.is_some()
    }

    /// Remembers a QoS 0 message until it is known to have been written or lost.
    pub fn set_out(&mut self, message: Message) {
        if message.qos == QoS::AtMostOnce {
            self.on_their_way.push(message);
        }
    }

    pub fn drained(&mut self) {
        self.on_their_way.clear();
    }

    /// The connection is gone, with what was on its way.
    pub fn broke(&mut self) {
        for message in std::mem::take(&mut self.on_their_way) {
            self.add(message);
        }
    }

    /// Writes what is left and says how much there was. A failure names `line` too, the tally's.
    pub fn finish(mut self, line: &str, diagnostics: &Diagnostics) -> Result<(), Error> {
        let finished = match self.error.take() {
            Some(error) => Err(error),
            None if self.file.count() == 0 => return Ok(()),
            None => self.file.finish(),
        };
        let path = self.path.display();
        finished
            .map_err(|e| Error::io(format!("{line}, and --unsent: cannot write '{path}'"), e))?;
        let what = match self.file.count() {
            1 => "1 message is".to_owned(),
            count => format!("{count} messages are"),
        };
        diagnostics.note(&format!("{what} in '{path}', to be sent with --json-lines"));
        Ok(())
    }
}

/// To read a file while appending to it would never end.
fn is_stdin(file: &MessageFile) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), stdin_metadata()) {
        (Ok(file), Ok(stdin)) => {
            file.is_file() && (file.dev(), file.ino()) == (stdin.dev(), stdin.ino())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(acknowledged: u64, total: u64) -> Tally {
        Tally {
            total,
            acknowledged,
            ..Tally::default()
        }
    }

    fn lost() -> End {
        End::Failed(Error::ConnectionLost("lost".to_owned()))
    }

    fn code(result: Result<(), Error>) -> u8 {
        result.map_or_else(|error| error.exit_code(), |()| 0)
    }

    #[test]
    fn only_what_is_all_acknowledged_is_a_success() {
        let interrupted = || End::Interrupted(Signal::Interrupt);
        let late = || End::TimedOut(Duration::from_secs(1));
        for (end, acknowledged, more, expected) in [
            (End::Complete, 3, false, 0),
            (interrupted(), 3, false, 0),
            (interrupted(), 3, true, 130),
            (interrupted(), 2, false, 130),
            (End::Interrupted(Signal::Terminate), 2, false, 143),
            (late(), 2, false, 7),
            (late(), 3, true, 6),
            (lost(), 2, false, 7),
            (lost(), 3, true, 7),
            (lost(), 3, false, 3),
        ] {
            let shown = format!("{end:?} {acknowledged} {more}");
            let result = tally(acknowledged, 3).judge(end, true, more);
            assert_eq!(code(result), expected, "{shown}");
        }
        assert_eq!(code(tally(0, 3).judge(lost(), false, true)), 3);
    }

    #[test]
    fn a_refusal_names_topic_reason_and_count() {
        let mut tally = tally(1, 3);
        tally.refuse("a/b", "quota exceeded (151)".to_owned());
        tally.refuse("c", "no".to_owned());
        let error = tally.judge(End::Complete, true, false).unwrap_err();
        assert_eq!(error.exit_code(), 5);
        assert_eq!(
            error.to_string(),
            "the broker refused the message to 'a/b': quota exceeded (151); 1 of 3 messages acknowledged"
        );
    }

    #[test]
    fn qos_0_counts_when_the_connection_has_ended_in_order() {
        let mut tally = Tally::default();
        tally.taken(2);
        tally.set_out();
        assert!(tally.drained());
        tally.broke("it rains");
        tally.set_out();
        assert!(tally.depends_on_close());
        tally.closed_in_order();
        let error = tally.judge(End::Complete, true, false).unwrap_err();
        assert_eq!(error.exit_code(), 7);
        assert!(
            error
                .to_string()
                .starts_with("1 of 2 messages acknowledged: ")
        );
    }
}
