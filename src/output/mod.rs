//! The only folder that writes to stdout or stderr.

mod append_file;
pub mod bench;
mod cjson;
mod colour;
mod display;
pub mod doctor;
mod folder;
pub mod format;
mod json;
pub mod latency;
mod lines;
pub mod message;
mod message_file;
mod progress;
mod prompt;
mod rate;
mod report;
mod sink;
mod spread;
mod table;
mod terminal;
mod time;
mod trace;

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use colored::Colorize;

pub use append_file::AppendFile;
pub use colour::{Color, Palette};
pub use display::Display;
pub use folder::Folder;
use format::Complaint;
pub use lines::Lines;
pub use message_file::MessageFile;
pub use progress::ProgressLine;
pub use prompt::{Answer, Question};
pub use rate::Rate;
pub use sink::Sink;
pub use table::Table;
pub use trace::Trace;

use crate::dialect::Dialect;
use crate::error::Error;
use crate::mqtt::session::{Direction, Observer};

/// Everything that is not data: one line each, on stderr.
///
/// Under a mosquitto name only that client's own texts are printed.
#[derive(Debug)]
pub struct Diagnostics {
    dialect: Dialect,
    quiet: bool,
    /// Natively: JSON in place of text.
    json: bool,
}

impl Diagnostics {
    pub fn new(dialect: Dialect) -> Self {
        let mut diagnostics = Self {
            dialect,
            quiet: false,
            json: false,
        };
        diagnostics.color(None);
        diagnostics
    }

    /// For `--color`; `None` when nothing was said.
    pub fn color(&mut self, forced: Option<bool>) {
        // colored would look at stdout; what is coloured with it goes to stderr.
        let terminal = io::stderr().is_terminal();
        colored::control::set_override(colour::is_coloured(forced, terminal));
    }

    /// For `--json-errors`: warnings and errors as JSON from now on. mosquitto's clients have no such thing.
    pub fn json(&mut self, json: bool) {
        self.json = json && self.dialect.is_native();
    }

    /// For `--quiet`: from now on nothing but errors of the command line.
    pub fn quiet(&mut self, quiet: bool) {
        self.quiet = quiet;
    }

    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// A text that only mosquitto's clients have, in their form.
    pub fn mosquitto(&self, text: impl AsRef<[u8]>) {
        if !self.quiet {
            raw(text.as_ref());
        }
    }

    /// What a format cannot make of a message.
    pub fn complain(&self, complaint: &Complaint<'_>) {
        match (self.dialect, complaint) {
            (Dialect::Native, _) => self.warn(&complaint.to_string()),
            (Dialect::Mosquitto(_), complaint) => self.mosquitto(complaint.mosquitto_text()),
        }
    }

    pub fn warn(&self, text: &str) {
        if self.is_chatty() && self.json {
            line(&report::word("warning", text, None));
        } else if self.is_chatty() {
            line(&format!("mozzie: {} {text}", "warning:".yellow().bold()));
        }
    }

    /// The connection broke, and is tried again after `pause`.
    pub fn retrying(&self, why: &str, pause: Duration, hint: Option<&str>) {
        let pause = pause.as_secs_f32();
        let text = format!("{why}; trying again in {pause:.1} s");
        if self.is_chatty() && self.json {
            line(&report::word("warning", &text, hint));
        } else {
            self.warn(&text);
            if let Some(hint) = hint.filter(|_| self.is_chatty()) {
                line(&hint_line(hint));
            }
        }
    }

    pub fn note(&self, text: &str) {
        if self.is_chatty() && self.json {
            line(&report::word("note", text, None));
        } else if self.is_chatty() {
            line(&format!("mozzie: {text}"));
        }
    }

    fn is_chatty(&self) -> bool {
        self.dialect.is_native() && !self.quiet
    }

    /// Prints every packet, for `-d`; `times` is how often that was said.
    pub fn tracer(&self, times: u8) -> Observer {
        if !self.dialect.is_native() {
            return trace::at_once();
        }
        Box::new(move |sight| {
            let arrow = match sight.direction {
                Direction::Sent => "→".cyan(),
                Direction::Received => "←".cyan(),
            };
            match sight.packet {
                Some(packet) => line(&format!("mozzie: {arrow} {packet}")),
                None => line(&format!(
                    "mozzie: {arrow} {} bytes that are no packet",
                    sight.len
                )),
            }
            if times > 1 {
                raw(trace::hex(sight.bytes, sight.len).as_bytes());
            }
        })
    }

    pub fn error(&self, error: &Error) {
        if let Dialect::Mosquitto(tool) = self.dialect {
            self.mosquitto(error.mosquitto_text(tool));
            if let Error::Mosquitto(verdict) = error {
                // That stdout is closed changes nothing any more.
                let _ = print(verdict.usage.as_bytes());
            }
            return;
        }
        if self.quiet && error.exit_code() != 2 {
            return;
        }
        if self.json {
            line(&report::error(error));
            return;
        }
        line(&format!(
            "mozzie: {} {}",
            "error:".red().bold(),
            terminal::bounded(&error.in_full())
        ));
        if let Some(hint) = error.hint() {
            line(&hint_line(&hint));
        }
    }
}

fn hint_line(hint: &str) -> String {
    format!("  {} {hint}", "hint:".cyan())
}

/// One line on stderr. That stderr is gone must not end what is under way.
fn line(text: &str) {
    progress::make_room();
    let mut text = terminal::visible_line(text);
    text.push('\n');
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Text that is in its final form, for stderr.
fn raw(text: &[u8]) {
    let _ = io::stderr().lock().write_all(text);
}

/// Text as the whole result of a command. A closed pipe is no failure.
pub fn print(text: &[u8]) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::io("cannot write to stdout", error))
        }
        _ => Ok(()),
    }
}
