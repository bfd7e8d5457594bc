//! The end of `pub`, when nothing is sent any more: what becomes of the rest of the input, and what is said of all.

use std::time::Duration;

use tokio::time::Instant;

use super::tell_skipped;
use crate::commands::conduct::{Conduct, Unfinished};
use crate::commands::delivery::{End, Tally, Unsent};
use crate::commands::{input, sleep_until};
use crate::error::{Error, Verdict, refusal_of_lines};
use crate::mqtt::reason::Reason;
use crate::mqtt::session::Session;
use crate::mqtt::text::Text;
use crate::output::Diagnostics;
use crate::payload::{InputError, Messages};
use crate::signal::Signals;

/// Messages that are kept between two looks at signals.
const REST_AT_ONCE: usize = 1000;
/// How long the end of a record that is half read is waited for when time is over.
const RECORD_END: Duration = Duration::from_secs(1);

/// What is left when nothing is sent any more.
pub struct Outcome<'a> {
    pub messages: Messages,
    pub tally: Tally,
    pub unsent: Option<Unsent>,
    pub conduct: Conduct,
    pub diagnostics: &'a Diagnostics,
}

impl Outcome<'_> {
    pub fn keep_unacknowledged(&mut self, session: &Session) {
        if let Some(unsent) = &mut self.unsent {
            for message in session.unacknowledged_messages() {
                unsent.add(message.clone());
            }
        }
    }

    pub fn broke(&mut self, why: &str) {
        self.tally.broke(why);
        if let Some(unsent) = &mut self.unsent {
            unsent.broke();
        }
    }

    /// Takes what was read, and with `--unsent` the rest of the input too: all of it, but when time
    /// is over only what does not have to be waited for.
    pub async fn take_the_rest(&mut self, end: &End, signals: &mut Signals) {
        let in_time = matches!(end, End::Complete | End::Failed(_));
        let read_on = self.unsent.is_some() && (in_time || self.messages.is_complete());
        if !read_on || self.messages.read_on().is_err() {
            self.messages.stop_reading();
        }
        let mut waited = false;
        let record_end = Instant::now() + RECORD_END;
        loop {
            for _ in 0..REST_AT_ONCE {
                let Some(message) = self.messages.next() else {
                    break;
                };
                self.tally.taken(1);
                if let Some(unsent) = &mut self.unsent {
                    unsent.add(message);
                }
            }
            tell_skipped(&mut self.messages, self.diagnostics);
            let waits = self.messages.is_waiting();
            let failed = self.unsent.as_ref().is_some_and(Unsent::has_failed);
            let nothing_read = waits && self.messages.unfinished() == 0;
            if self.messages.has_ended() || failed || (nothing_read && !read_on) {
                break;
            }
            if let (true, true, false, Some(unsent)) = (read_on, waits, waited, &self.unsent) {
                waited = true;
                let path = unsent.path().display();
                self.diagnostics
                    .note(&format!("the rest of the input goes to '{path}'"));
            }
            tokio::select! {
                biased;
                _ = signals.next() => break,
                () = self.messages.ready(), if waits => {}
                () = tokio::task::yield_now(), if !waits => {}
                () = sleep_until(Some(record_end)), if waits && !read_on => break,
            }
        }
        let lost = self.messages.unfinished();
        if lost > 0 {
            self.diagnostics.warn(&format!(
                "{lost} bytes of a record whose end had not come were read, and are in no message"
            ));
        }
        self.tally.taken(self.messages.set_aside());
    }

    /// What mosquitto_pub tells of, whatever is unacknowledged; all else is judged by what became of the messages.
    pub fn judge_as_mosquitto(self, end: End, accepted: bool) -> Result<(), Error> {
        let lines = self.conduct.line_by_line;
        match end {
            // a broker that breaks the protocol
            End::Failed(error @ Error::Session(_)) => Err(error),
            // Without a reason it takes the broker's DISCONNECT for its own, and trusts that all is well.
            End::Failed(Error::Ended(bye)) if bye.reason != Reason::SUCCESS => {
                Err(Verdict::not_connected().into())
            }
            end => match self.judge(end, accepted) {
                Err(Error::Refused(connack)) if lines => Err(refusal_of_lines(&connack).into()),
                judged => judged,
            },
        }
    }

    pub fn judge(mut self, end: End, accepted: bool) -> Result<(), Error> {
        let input_error = self.messages.take_error();
        if let Some(InputError::TooLarge { .. }) = input_error {
            self.tally.taken(1);
        }
        let more = match self.conduct.unfinished {
            Unfinished::Accounted => self.messages.may_have_more() && input_error.is_none(),
            Unfinished::Left => matches!(end, End::Interrupted(_)),
        };
        let more = more && !matches!(end, End::Complete);
        let line = self.tally.line();
        let verdict = self.tally.judge(end, accepted, more);
        let verdict = match self.unsent {
            Some(unsent) => keep(unsent, verdict, &line, self.diagnostics),
            None => verdict,
        };
        let skipped = self.messages.skipped();
        if skipped > 0 {
            self.diagnostics
                .warn(&format!("skipped {skipped} that were no messages"));
        }
        let read = match input_error {
            None => Ok(()),
            Some(error) => {
                let topic = self.messages.topic();
                let hint = match topic {
                    Some(_) => "is each record ended? --delimiter says by what",
                    None => "--skip-bad goes on behind it",
                };
                let topic = topic.map_or("", Text::as_str);
                Err(input::broken_off(error, topic, &line, hint))
            }
        };
        if let (Err(_), Err(error)) = (&verdict, &read) {
            // What the exit code cannot say as well.
            self.diagnostics.warn(&error.in_full());
        }
        verdict.and(read)
    }
}

/// Ends the file of `--unsent`. That it cannot be written hides nothing of the verdict.
fn keep(
    unsent: Unsent,
    verdict: Result<(), Error>,
    line: &str,
    diagnostics: &Diagnostics,
) -> Result<(), Error> {
    let path = unsent.path().to_owned();
    let Err(source) = unsent.finish(diagnostics) else {
        return verdict;
    };
    Err(Error::Unsent {
        outcome: told(&verdict, line),
        path,
        source,
        verdict: verdict.err().map(Box::new),
    })
}

/// The verdict with the tally's line, which most verdicts hold already.
fn told(verdict: &Result<(), Error>, line: &str) -> String {
    match verdict.as_ref().map_err(Error::in_full) {
        Ok(()) => line.to_owned(),
        Err(why) if why.contains(line) => why,
        Err(why) => format!("{line}: {why}"),
    }
}
