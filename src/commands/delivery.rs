//! What has become of the messages of `pub`: the tally, the file of those that were not acknowledged,
//! and what both mean at the end.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, Refusal};
use crate::mqtt::packet::Message;
use crate::output::{Diagnostics, MessageFile};
use crate::payload::stdin;
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
    /// By the broker; QoS 0 by its answer to a PINGREQ behind them.
    acknowledged: u64,
    /// QoS 0: in the session's output.
    on_their_way: u64,
    /// QoS 0: given to the session for this connection, and not acknowledged.
    unconfirmed: u64,
    /// As many of these are covered by the PINGREQ that was sent.
    marked: u64,
    /// QoS 0: counted as acknowledged once they were written, for mosquitto_pub.
    trusted: u64,
    /// QoS 0: written into a connection that broke, so nobody knows of them.
    unknown: u64,
    /// How the last of these connections broke.
    unknown_why: String,
    /// The topic of the first one that was refused, and why it was.
    refusal: Option<(String, Refusal)>,
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
        self.unconfirmed += 1;
    }

    pub fn are_any_on_their_way(&self) -> bool {
        self.on_their_way > 0
    }

    /// All output was written. Whether QoS 0 messages were among it.
    pub fn drained(&mut self) -> bool {
        std::mem::take(&mut self.on_their_way) > 0
    }

    /// QoS 0 messages for which no PINGREQ was sent, while none is out.
    pub fn unmarked(&self) -> u64 {
        match self.marked {
            0 => self.unconfirmed,
            _ => 0,
        }
    }

    /// A PINGREQ goes out behind all QoS 0 messages.
    pub fn mark(&mut self) {
        self.marked = self.unconfirmed;
    }

    /// It was answered. Returns how many messages that acknowledges.
    pub fn confirmed(&mut self) -> u64 {
        let marked = std::mem::take(&mut self.marked);
        self.acknowledged += marked;
        self.unconfirmed -= marked;
        marked
    }

    /// What was written counts as delivered, whatever becomes of it.
    pub fn trust(&mut self) {
        self.trusted += self.unconfirmed;
        self.acknowledged += std::mem::take(&mut self.unconfirmed);
    }

    pub fn has_trusted(&self) -> bool {
        self.trusted > 0
    }

    /// The connection did not end in order, so what was trusted may be lost.
    pub fn distrust(&mut self, why: &str) {
        let trusted = std::mem::take(&mut self.trusted);
        self.acknowledged -= trusted;
        self.unknown += trusted;
        why.clone_into(&mut self.unknown_why);
    }

    /// The connection is gone.
    pub fn broke(&mut self, why: &str) {
        self.marked = 0;
        self.on_their_way = 0;
        if self.unconfirmed > 0 {
            self.unknown += std::mem::take(&mut self.unconfirmed);
            why.clone_into(&mut self.unknown_why);
        }
    }

    pub fn are_any_unconfirmed(&self) -> bool {
        self.unconfirmed > 0
    }

    pub fn refuse(&mut self, topic: &str, why: impl Into<Refusal>) {
        self.refusal.get_or_insert((topic.to_owned(), why.into()));
    }

    /// How many the broker has acknowledged, and how many were taken from the source.
    pub fn counts(&self) -> (u64, u64) {
        (self.acknowledged, self.total)
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
        let (acknowledged, total) = (self.acknowledged, self.total);
        let not_acknowledged = |why: String, hint, cause| {
            Err(Error::NotAcknowledged {
                acknowledged,
                total,
                why,
                hint,
                cause,
            })
        };
        match (end, self.refusal) {
            (End::Interrupted(_), _) if all => Ok(()),
            (End::Interrupted(signal), refusal) => {
                let refusal = refusal.map_or_else(String::new, |(topic, why)| {
                    format!("; {} the message to '{topic}': {why}", why.refuser())
                });
                let what = format!("{line}{rest}{refusal}");
                Err(Error::Interrupted(signal, Some(what)))
            }
            (_, Some((topic, why))) => {
                let text = format!("{why}; {line}");
                let why = why.worded(text);
                Err(Error::PublishRefused { topic, why })
            }
            (End::Failed(error), None) if all || !accepted => Err(error),
            (End::Failed(error), None) => {
                let why = format!("{}{rest}", error.in_full());
                not_acknowledged(why, error.hint(), Some(Box::new(error)))
            }
            (End::TimedOut(_), None) if all => Ok(()),
            (End::TimedOut(after), None) => {
                let seconds = after.as_secs_f64();
                if acknowledged == total {
                    let what = format!("the input did not end within {seconds} s; {line}");
                    return Err(Error::TimedOut(what));
                }
                not_acknowledged(format!("time ran out after {seconds} s{rest}"), None, None)
            }
            (End::Complete, None) if self.unknown > 0 => not_acknowledged(
                format!(
                    "the connection broke under {} of QoS 0, and nobody knows whether they arrived: {}",
                    messages(self.unknown),
                    self.unknown_why
                ),
                Some(
                    "with -q 1 the broker acknowledges them, and what it has not is sent again"
                        .to_owned(),
                ),
                None,
            ),
            (End::Complete, None) => Ok(()),
        }
    }
}

/// The file of `--unsent`. The first error of writing it is kept for the end.
#[derive(Debug)]
pub struct Unsent {
    path: PathBuf,
    file: MessageFile,
    error: Option<std::io::Error>,
    /// QoS 0 messages that are not acknowledged, and the bytes they take, about.
    unconfirmed: VecDeque<Message>,
    bytes: usize,
}

/// From here on nothing more is sent at QoS 0 before the broker has answered.
const MAX_UNCONFIRMED: usize = 4 << 20;
/// What a message takes beside its payload, about.
const OVERHEAD: usize = 200;

impl Unsent {
    /// Opens the file, which must not be one that messages are read from: stdin or `input`.
    pub fn open(path: &Path, input: Option<&Path>) -> Result<Self, Error> {
        let refuse = |error: &std::io::Error| {
            let reason = crate::net::io_reason(error);
            Error::usage(
                format!("--unsent: cannot write '{}': {reason}", path.display()),
                "",
            )
        };
        let file = MessageFile::open(path).map_err(|e| refuse(&e))?;
        let inputs = [
            ("stdin", stdin().and_then(|stdin| stdin.metadata()).ok()),
            ("the input", input.and_then(|path| path.metadata().ok())),
        ];
        for (name, input) in inputs {
            if input.is_some_and(|input| file.is(&input)) {
                return Err(Error::usage(
                    format!("--unsent: '{}' is also {name}", path.display()),
                    "give another file; it would be read and written at once",
                ));
            }
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            error: None,
            unconfirmed: VecDeque::new(),
            bytes: 0,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
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

    /// Remembers a QoS 0 message until it is acknowledged or lost.
    pub fn set_out(&mut self, message: Message) {
        self.bytes += message.payload.len() + OVERHEAD;
        self.unconfirmed.push_back(message);
    }

    pub fn is_full(&self) -> bool {
        self.bytes > MAX_UNCONFIRMED
    }

    /// The first so many of these are acknowledged.
    pub fn confirmed(&mut self, count: u64) {
        for _ in 0..count {
            if let Some(message) = self.unconfirmed.pop_front() {
                self.bytes -= message.payload.len() + OVERHEAD;
            }
        }
    }

    /// The connection is gone: what it had may have arrived or not.
    pub fn broke(&mut self) {
        self.bytes = 0;
        for message in std::mem::take(&mut self.unconfirmed) {
            self.add(message);
        }
    }

    /// Writes what is left and says how much there was.
    pub fn finish(mut self, diagnostics: &Diagnostics) -> std::io::Result<()> {
        let finished = match self.error.take() {
            Some(error) => Err(error),
            None if self.file.count() == 0 => return Ok(()),
            None => self.file.finish(),
        };
        finished?;
        let (what, path) = (messages(self.file.count()), self.path.display());
        diagnostics.note(&format!(
            "{what} added to '{path}', to be sent with --json-lines"
        ));
        Ok(())
    }
}

fn messages(count: u64) -> String {
    match count {
        1 => "1 message".to_owned(),
        _ => format!("{count} messages"),
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
    fn qos_0_counts_when_a_ping_behind_it_was_answered() {
        let mut tally = Tally::default();
        tally.taken(3);
        tally.set_out();
        assert!(tally.drained());
        tally.broke("it rains");
        tally.set_out();
        assert_eq!(tally.unmarked(), 1);
        tally.mark();
        tally.set_out();
        assert_eq!(tally.unmarked(), 0, "one ping at a time");
        assert_eq!(tally.confirmed(), 1);
        assert_eq!(tally.unmarked(), 1, "the last came behind the ping");
        tally.broke("it snows");
        let error = tally.judge(End::Complete, true, false).unwrap_err();
        assert_eq!(error.exit_code(), 7);
        assert!(
            error
                .to_string()
                .ends_with("2 messages of QoS 0, and nobody knows whether they arrived: it snows")
        );
        assert!(
            error
                .to_string()
                .starts_with("1 of 3 messages acknowledged: ")
        );
    }
}
