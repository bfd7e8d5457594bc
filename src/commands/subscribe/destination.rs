//! Where messages go, and what is acknowledged once they are there.

use std::io;
use std::ops::ControlFlow;
use std::time::Instant;

use tokio::task::JoinError;

use super::exec::{CommandPlan, Commands, Ended};
use crate::commands::ending;
use crate::error::Error;
use crate::mqtt::packet::Publish;
use crate::mqtt::session::{Receipt, Session};
use crate::output::format::Template;
use crate::output::message::{Format, Printer};
use crate::output::{AppendFile, Diagnostics, Display, Folder, Sink};

/// What is to become of messages, checked and opened.
pub enum DestinationPlan {
    Stdout(Display),
    Append {
        name: String,
        file: AppendFile,
        format: Format,
    },
    Files {
        name: String,
        folder: Folder,
        names: Template,
        format: Format,
    },
    Commands(CommandPlan),
}

impl DestinationPlan {
    /// Whether messages are acknowledged only when they have arrived there. On stdout they are when
    /// they have been read: who reads it says nothing back.
    pub fn acknowledges(&self) -> bool {
        !matches!(self, Self::Stdout(_))
    }
}

pub enum Destination {
    Writing(Writing),
    Commands(Commands),
}

/// What [`Destination::progress`] waits for.
pub enum Progress {
    Written(io::Result<()>),
    Ended(Option<Result<Ended, JoinError>>),
}

impl Destination {
    pub fn new(plan: DestinationPlan) -> Result<Self, Error> {
        let messages = |format| Display::Messages(Printer::new(format));
        let writing = |sink: io::Result<Sink>, display, names: Option<Template>| {
            let sink = sink.map_err(|e| Error::io("cannot start writing", e))?;
            let names = names.map(|template| {
                Printer::new(Format::Template {
                    template,
                    newline: false,
                    visible: false,
                })
            });
            Ok(Self::Writing(Writing {
                display,
                names,
                sink,
                gathered: Vec::new(),
                leaving: Vec::new(),
            }))
        };
        match plan {
            DestinationPlan::Stdout(display) => writing(Sink::standard_output(), display, None),
            DestinationPlan::Append { name, file, format } => {
                writing(Sink::append(name, file), messages(format), None)
            }
            DestinationPlan::Files {
                name,
                folder,
                names,
                format,
            } => writing(Sink::folder(name, folder), messages(format), Some(names)),
            DestinationPlan::Commands(plan) => Ok(Self::Commands(Commands::new(plan))),
        }
    }

    pub fn take(&mut self, publish: &Publish, receipt: Option<Receipt>, diagnostics: &Diagnostics) {
        match self {
            Self::Writing(writing) => writing.take(publish, receipt, diagnostics),
            Self::Commands(commands) => commands.take(publish, receipt, diagnostics),
        }
    }

    /// What writes, if something does.
    pub fn writing(&mut self) -> Option<&mut Writing> {
        match self {
            Self::Writing(writing) => Some(writing),
            Self::Commands(_) => None,
        }
    }

    /// No more must be taken before [`Destination::progress`].
    pub fn is_full(&self) -> bool {
        match self {
            Self::Writing(writing) => writing.sink.is_full(),
            Self::Commands(commands) => commands.is_full(),
        }
    }

    /// Something is under way, so that [`Destination::progress`] will come.
    pub fn is_busy(&self) -> bool {
        match self {
            Self::Writing(writing) => writing.sink.is_writing(),
            Self::Commands(commands) => commands.is_busy(),
        }
    }

    /// Messages that were taken are still being handled. What is only written is not waited for here.
    pub fn is_working(&self) -> bool {
        match self {
            Self::Writing(_) => false,
            Self::Commands(commands) => commands.is_busy(),
        }
    }

    /// No more messages must come, for one has failed.
    pub fn is_stopped(&self) -> bool {
        match self {
            Self::Writing(_) => false,
            Self::Commands(commands) => commands.is_stopped(),
        }
    }

    /// Hands over what has gathered.
    pub fn flush(&mut self, session: &mut Session) -> Result<(), Error> {
        match self {
            Self::Writing(writing) => writing.flush(session),
            Self::Commands(_) => Ok(()),
        }
    }

    /// Hands over what has gathered if it is much.
    pub fn flush_batch(&mut self, session: &mut Session) -> Result<(), Error> {
        match self {
            Self::Writing(writing) if writing.sink.has_batch() => writing.flush(session),
            Self::Writing(_) | Self::Commands(_) => Ok(()),
        }
    }

    /// Waits until something of what is under way is done. Cancel-safe.
    pub async fn progress(&mut self) -> Progress {
        match self {
            Self::Writing(writing) => Progress::Written(writing.sink.ready().await),
            Self::Commands(commands) => Progress::Ended(commands.ended().await),
        }
    }

    /// Acknowledges what is done. A break is the end of it all, and no failure where nobody reads what
    /// we write any more.
    pub fn progressed(
        &mut self,
        progress: Progress,
        session: &mut Session,
        diagnostics: &Diagnostics,
    ) -> ControlFlow<Result<(), Error>> {
        let done = match (self, progress) {
            (Self::Writing(writing), Progress::Written(Err(error))) => {
                return ControlFlow::Break(ending::output_result(&writing.sink, Err(error)));
            }
            (Self::Writing(writing), Progress::Written(Ok(()))) => writing.written(session),
            (Self::Commands(commands), Progress::Ended(Some(ended))) => {
                commands.settle(ended, session, diagnostics)
            }
            // Nothing was under way.
            (Self::Writing(_), Progress::Ended(_)) | (Self::Commands(_), _) => Ok(()),
        };
        match done {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(Err(error)),
        }
    }

    /// Nothing more will be taken.
    pub fn close(&mut self, session: &mut Session) -> Result<(), Error> {
        match self {
            Self::Writing(writing) => writing.flush(session),
            Self::Commands(commands) => commands.close(session),
        }
    }

    /// Who waits for the end does not want to wait. Whether it is worth to go on waiting.
    pub fn interrupt(&mut self) -> bool {
        match self {
            Self::Writing(_) => false,
            Self::Commands(commands) => {
                commands.interrupt();
                true
            }
        }
    }

    /// How it went, when nothing is under way any more.
    pub fn verdict(&mut self, diagnostics: &Diagnostics) -> Result<(), Error> {
        match self {
            Self::Writing(_) => Ok(()),
            Self::Commands(commands) => commands.verdict(diagnostics),
        }
    }
}

/// Messages that a thread writes.
pub struct Writing {
    display: Display,
    /// What makes the name of each file, where each message gets one.
    names: Option<Printer>,
    sink: Sink,
    /// Messages to be acknowledged with the batch that gathers, and with the one that is being written.
    gathered: Vec<Receipt>,
    leaving: Vec<Receipt>,
}

impl Writing {
    /// Where more may be written among the messages.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        self.sink.buffer()
    }

    /// What stands before all messages.
    pub fn begin(&mut self) {
        self.display.begin(Instant::now(), self.sink.buffer());
    }

    /// When [`Writing::turn`] is due, if ever.
    pub fn due(&self) -> Option<Instant> {
        self.display.due()
    }

    /// Time has passed for what is shown.
    pub fn turn(&mut self) {
        let idle = !self.sink.is_writing();
        self.display.turn(Instant::now(), idle, self.sink.buffer());
    }

    /// A word about the connection, if it has a place among the messages.
    pub fn note(&mut self, text: &str) -> bool {
        self.display.note(text)
    }

    /// A message that is not shown, by chance.
    pub fn leave_out(&mut self, publish: &Publish) {
        self.display.leave_out(publish, self.sink.buffer());
    }

    /// Counts a message of which nothing else is made, if that is all that is shown.
    pub fn only_counts(&mut self) -> bool {
        match &mut self.display {
            Display::Rate(rate) => {
                rate.count();
                true
            }
            Display::Messages(_) | Display::Lines(..) | Display::Table(_) => false,
        }
    }

    /// What stands behind all messages. `connected`: there could have been some.
    pub fn end(&mut self, connected: bool) {
        let now = Instant::now();
        self.display.end(connected, now, self.sink.buffer());
    }

    pub fn into_sink(self) -> Sink {
        self.sink
    }

    fn take(&mut self, publish: &Publish, receipt: Option<Receipt>, diagnostics: &Diagnostics) {
        self.display.show(publish, self.sink.buffer(), &mut |what| {
            diagnostics.complain(&what);
        });
        if let Some(names) = &mut self.names {
            let mut name = Vec::new();
            names.print(publish, &mut name, &mut |what| diagnostics.complain(&what));
            self.sink.end_file(name);
        }
        self.gathered.extend(receipt);
    }

    fn flush(&mut self, session: &mut Session) -> Result<(), Error> {
        if self.sink.flush() {
            std::mem::swap(&mut self.gathered, &mut self.leaving);
        } else if self.sink.is_idle() {
            // Messages of which nothing is printed.
            acknowledge(&mut self.gathered, session)?;
        }
        Ok(())
    }

    fn written(&mut self, session: &mut Session) -> Result<(), Error> {
        acknowledge(&mut self.leaving, session)?;
        self.flush(session)
    }
}

fn acknowledge(receipts: &mut Vec<Receipt>, session: &mut Session) -> Result<(), Error> {
    for receipt in receipts.drain(..) {
        session.acknowledge(receipt)?;
    }
    Ok(())
}
