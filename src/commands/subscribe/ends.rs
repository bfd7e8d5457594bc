//! How `sub` ends, and what its exit code then says.

use std::ops::ControlFlow;

use super::destination::Destination;
use super::subscriber::Subscriber;
use crate::commands::ending;
use crate::error::{Error, Verdict};
use crate::mqtt::reason::Reason;
use crate::signal::{Signal, Signals};

impl Subscriber<'_> {
    /// What was asked for is done, or cannot be.
    pub(super) async fn end(mut self, signals: Signals) -> Result<(), Error> {
        let missed = self.plan.stop.count.filter(|count| self.count < *count);
        let result = match (self.refusal.take(), missed) {
            (Some(refusal), _) => Err(refusal),
            (None, Some(count)) if self.settled => Err(Error::TimedOut(format!(
                "{} of {count} messages, and no more are retained",
                self.count
            ))),
            (None, _) => Ok(()),
        };
        self.leave(signals, result).await
    }

    pub(super) async fn time_is_up(mut self, signals: Signals) -> Result<(), Error> {
        let connected = self.client.session().times_accepted() > 0;
        if !self.diagnostics.dialect().is_native() {
            self.goodbye = Reason::DISCONNECT_WITH_WILL;
            let end = match connected {
                true => Error::TimedOut(String::new()),
                false => Verdict::silent(u8::MAX).into(),
            };
            return self.leave(signals, Err(end)).await;
        }
        let within = format!(
            "within {} s",
            self.plan.stop.timeout.unwrap_or_default().as_secs_f64()
        );
        let result = match (connected, self.plan.stop.count) {
            (false, _) => Err(Error::TimedOut(format!("no connection {within}"))),
            (true, None) if self.is_settling() => Err(Error::TimedOut(format!(
                "the retained messages had not all come {within}"
            ))),
            (true, _) => self.judge_count(&within),
        };
        self.leave(signals, result).await
    }

    /// Nothing came for as long as `--idle-timeout` says.
    pub(super) async fn nothing_came(mut self, signals: Signals) -> Result<(), Error> {
        let idle = self.plan.stop.idle.unwrap_or_default();
        let idle = idle.as_secs_f64();
        let result = match self.client.session().times_accepted() {
            0 => Err(Error::TimedOut(format!("no connection within {idle} s"))),
            _ => self.judge_count(&format!("when none came for {idle} s")),
        };
        self.leave(signals, result).await
    }

    /// Whether as much has come as was asked for: without a count, anything at all.
    fn judge_count(&self, when: &str) -> Result<(), Error> {
        match self.plan.stop.count {
            Some(count) => Err(Error::TimedOut(format!(
                "{} of {count} messages {when}",
                self.count
            ))),
            None if self.count == 0 => Err(Error::TimedOut(format!("no message {when}"))),
            // To listen for so long was all that was asked for.
            None => Ok(()),
        }
    }

    pub(super) async fn interrupted(
        mut self,
        signal: Signal,
        signals: Signals,
    ) -> Result<(), Error> {
        let accepted = self.client.session().times_accepted() > 0;
        if !self.diagnostics.dialect().is_native() {
            self.goodbye = Reason::DISCONNECT_WITH_WILL;
            let result = match accepted {
                true => Ok(()),
                false => Err(Verdict::silent(u8::MAX).into()),
            };
            return self.leave(signals, result).await;
        }
        let stop = self.plan.stop;
        let no_end = stop.count.is_none() && stop.timeout.is_none() && stop.idle.is_none();
        let unlimited = no_end && !self.is_settling();
        if unlimited && accepted {
            return self.leave(signals, Ok(())).await;
        }
        let what = stop
            .count
            .map(|count| format!("{} of {count} messages received", self.count));
        let result = Err(Error::Interrupted(signal, what));
        self.leave(signals, result).await
    }

    pub(super) async fn leave(
        mut self,
        mut signals: Signals,
        result: Result<(), Error>,
    ) -> Result<(), Error> {
        let connected = self.client.session().times_accepted() > 0;
        if let Some(writing) = self.destination.writing() {
            writing.end(connected);
        }
        if self.acknowledges {
            let result = result.and(self.drain(&mut signals).await);
            ending::goodbye_with_acknowledgements(
                self.client,
                Some(self.goodbye),
                self.plan.disconnect,
            )
            .await;
            return result;
        }
        match self.destination {
            Destination::Writing(writing) => {
                ending::leave(
                    self.client,
                    (Some(self.goodbye), self.plan.disconnect),
                    writing.into_sink(),
                    self.trace,
                    signals,
                    result,
                )
                .await
            }
            Destination::Commands(_) => result,
        }
    }

    /// Lets what is under way end, and acknowledges it. A signal ends the waiting.
    async fn drain(&mut self, signals: &mut Signals) -> Result<(), Error> {
        self.destination.close(self.client.session())?;
        let mut connected = true;
        while self.destination.is_busy() {
            tokio::select! {
                progress = self.destination.progress() => {
                    let session = self.client.session();
                    let end = self.destination.progressed(progress, session, self.diagnostics);
                    if let ControlFlow::Break(result) = end {
                        return result;
                    }
                }
                // What comes is not taken, and so not acknowledged.
                event = self.client.next(true), if connected => connected = event.is_ok(),
                signal = signals.next() => {
                    if !self.destination.interrupt() {
                        let what = "not all messages that came were written";
                        return Err(Error::Interrupted(signal, Some(what.to_owned())));
                    }
                }
            }
        }
        self.destination.verdict(self.diagnostics)
    }
}
