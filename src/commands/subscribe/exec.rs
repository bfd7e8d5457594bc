//! Messages that are handed to a command, each acknowledged when its command has done its work.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use crate::cli::subscribe::OnError;
use crate::commands::job::{self, JobError, Output};
use crate::error::Error;
use crate::mqtt::packet::{Message, Publish};
use crate::mqtt::session::{Receipt, Session};
use crate::net::Backoff;
use crate::output::Diagnostics;
use crate::output::message::{Format, Printer};

/// Pauses before a command that failed is run again.
const RETRY: Backoff = Backoff {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(60),
    spread: 0.5,
};

/// Messages that may wait for a job, and their bytes. More than the usual window of a broker, so that
/// the connection is read, and its end noticed, while commands take their time.
const MAX_WAITING: usize = 100;
const MAX_WAITING_BYTES: usize = 1 << 20;

/// What `--exec` is to do, checked.
pub struct CommandPlan {
    pub command: Arc<str>,
    pub jobs: usize,
    pub on_error: OnError,
    /// What a command gets to read, unless it is the payload as it is.
    pub format: Option<Format>,
}

/// A message on its way through the command.
struct Task {
    message: Message,
    stdin: Bytes,
    receipt: Option<Receipt>,
    /// Runs that failed.
    failures: u32,
}

/// A run that has ended, or was given up before it began.
pub struct Ended {
    task: Task,
    result: Result<(), JobError>,
}

pub struct Commands {
    command: Arc<str>,
    jobs: usize,
    on_error: OnError,
    printer: Option<Printer>,
    running: JoinSet<Ended>,
    /// Messages for which no job is free.
    waiting: VecDeque<Task>,
    waiting_bytes: usize,
    /// Dropped to end the pauses before retries.
    pauses: watch::Sender<()>,
    /// Dropped to end what runs.
    runs: watch::Sender<()>,
    /// Nothing is begun any more.
    closed: bool,
    taken: u64,
    failed: u64,
    /// Messages that came and were given back to the broker, as far as it keeps them.
    unhandled: u64,
    /// The failure that ends it all.
    stopped_by: Option<Error>,
}

impl Commands {
    pub fn new(plan: CommandPlan) -> Self {
        Self {
            command: plan.command,
            jobs: plan.jobs,
            on_error: plan.on_error,
            printer: plan.format.map(Printer::new),
            running: JoinSet::new(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            pauses: watch::Sender::new(()),
            runs: watch::Sender::new(()),
            closed: false,
            taken: 0,
            failed: 0,
            unhandled: 0,
            stopped_by: None,
        }
    }

    /// No more must be taken before a run has ended.
    pub fn is_full(&self) -> bool {
        self.waiting.len() >= MAX_WAITING || self.waiting_bytes >= MAX_WAITING_BYTES
    }

    pub fn is_busy(&self) -> bool {
        !self.running.is_empty()
    }

    pub fn is_stopped(&self) -> bool {
        self.stopped_by.is_some()
    }

    pub fn take(&mut self, publish: &Publish, receipt: Option<Receipt>, diagnostics: &Diagnostics) {
        let stdin = match &mut self.printer {
            None => publish.message.payload.clone(),
            Some(printer) => {
                let mut text = Vec::new();
                printer.print(publish, &mut text, &mut |what| diagnostics.complain(&what));
                text.into()
            }
        };
        self.taken += 1;
        self.waiting_bytes += stdin.len();
        self.waiting.push_back(Task {
            message: publish.message.clone(),
            stdin,
            receipt,
            failures: 0,
        });
        self.begin();
    }

    fn begin(&mut self) {
        while self.running.len() < self.jobs
            && let Some(task) = self.waiting.pop_front()
        {
            self.waiting_bytes -= task.stdin.len();
            self.run(task, Duration::ZERO);
        }
    }

    fn run(&mut self, task: Task, pause: Duration) {
        let command = Arc::clone(&self.command);
        let mut pauses = self.pauses.subscribe();
        let stop = self.runs.subscribe();
        self.running.spawn(async move {
            if !pause.is_zero() {
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    _ = pauses.changed() => return Ended { task, result: Err(JobError::Stopped) },
                }
            }
            let stdin = task.stdin.clone();
            let result = job::run(&command, &task.message, stdin, Output::Inherited, stop).await;
            Ended {
                task,
                result: result.map(drop),
            }
        });
    }

    /// Waits for the end of a run. Only while [`Commands::is_busy`]. Cancel-safe.
    pub async fn ended(&mut self) -> Option<Result<Ended, JoinError>> {
        self.running.join_next().await
    }

    /// Acknowledges the message of a run that has ended, or does what is to be done about its failure.
    pub fn settle(
        &mut self,
        ended: Result<Ended, JoinError>,
        session: &mut Session,
        diagnostics: &Diagnostics,
    ) -> Result<(), Error> {
        match ended {
            Ok(Ended { task, result }) => self.judge(task, result, session, diagnostics)?,
            // Only an abort, or a fault of ours: the message stays with the broker.
            Err(_) => self.unhandled += 1,
        }
        self.begin();
        Ok(())
    }

    fn judge(
        &mut self,
        mut task: Task,
        result: Result<(), JobError>,
        session: &mut Session,
        diagnostics: &Diagnostics,
    ) -> Result<(), Error> {
        let error = match result {
            Ok(()) => return acknowledge(session, &task),
            Err(JobError::Stopped) => return self.give_back(&task, session),
            Err(error) => error,
        };
        task.failures += 1;
        let topic = &task.message.topic;
        match self.on_error {
            OnError::Retry if self.closed => {
                diagnostics.warn(&format!("a message on '{topic}': {error}"));
                self.give_back(&task, session)
            }
            OnError::Retry => {
                let pause = RETRY.pause(task.failures - 1, fastrand::f64());
                diagnostics.warn(&format!(
                    "a message on '{topic}': {error}; trying again in {:.1} s",
                    pause.as_secs_f32()
                ));
                self.run(task, pause);
                Ok(())
            }
            OnError::Skip => {
                self.failed += 1;
                diagnostics.warn(&format!("a message on '{topic}': {error}; skipped"));
                acknowledge(session, &task)
            }
            OnError::Leave => {
                self.failed += 1;
                diagnostics.warn(&format!(
                    "a message on '{topic}': {error}; left unacknowledged"
                ));
                leave(session, &task)
            }
            OnError::Stop => {
                self.failed += 1;
                let failure = Error::Command(format!("a message on '{topic}': {error}"));
                leave(session, &task)?;
                match &self.stopped_by {
                    // The first is the reason; the others were running already.
                    Some(_) => diagnostics.warn(&failure.to_string()),
                    None => self.stopped_by = Some(failure),
                }
                self.close(session)
            }
        }
    }

    /// The message was not handled, and is not acknowledged.
    fn give_back(&mut self, task: &Task, session: &mut Session) -> Result<(), Error> {
        self.unhandled += 1;
        leave(session, task)
    }

    /// Begins nothing more; what runs may end by itself.
    pub fn close(&mut self, session: &mut Session) -> Result<(), Error> {
        self.closed = true;
        self.pauses = watch::Sender::new(());
        self.waiting_bytes = 0;
        for task in std::mem::take(&mut self.waiting) {
            self.give_back(&task, session)?;
        }
        Ok(())
    }

    /// Ends what runs, in order the first time, at once the second.
    pub fn interrupt(&mut self) {
        if self.runs.receiver_count() == 0 {
            self.running.abort_all();
        }
        self.runs = watch::Sender::new(());
    }

    /// How it went, when nothing runs any more.
    pub fn verdict(&mut self, diagnostics: &Diagnostics) -> Result<(), Error> {
        if self.unhandled > 0 {
            diagnostics.note(&format!(
                "messages that came and were not handled: {}",
                self.unhandled
            ));
        }
        match self.stopped_by.take() {
            Some(failure) => Err(failure),
            None if self.failed > 0 => Err(Error::Command(format!(
                "the command failed for {} of {} messages",
                self.failed, self.taken
            ))),
            None => Ok(()),
        }
    }
}

fn acknowledge(session: &mut Session, task: &Task) -> Result<(), Error> {
    task.receipt
        .map_or(Ok(()), |receipt| Ok(session.acknowledge(receipt)?))
}

fn leave(session: &mut Session, task: &Task) -> Result<(), Error> {
    task.receipt
        .map_or(Ok(()), |receipt| Ok(session.leave(receipt)?))
}
