//! One line on stderr that is written over and over, where stderr is a terminal.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::termios;

use super::terminal::one_line;

/// What terminals have when they do not say.
const USUAL_COLUMNS: usize = 80;

/// Something is on the line. There is one terminal, so there is one such line.
static SHOWN: AtomicBool = AtomicBool::new(false);

#[derive(Debug)]
pub struct ProgressLine {
    terminal: bool,
}

impl ProgressLine {
    pub fn new() -> Self {
        Self {
            terminal: io::stderr().is_terminal(),
        }
    }

    pub fn is_visible(&self) -> bool {
        self.terminal
    }

    /// Puts the text in the place of what was shown before.
    pub fn show(&mut self, text: &str) {
        if self.terminal {
            SHOWN.store(true, Ordering::Relaxed);
            // A line that is wrapped could not be taken back.
            write(&one_line(text.as_bytes(), columns() - 1));
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        make_room();
    }
}

/// Erases the line, if there is one, for what else is to be said.
pub(super) fn make_room() {
    if SHOWN.swap(false, Ordering::Relaxed) {
        write("");
    }
}

fn columns() -> usize {
    match termios::tcgetwinsize(io::stderr()) {
        Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
        _ => USUAL_COLUMNS,
    }
}

fn write(text: &str) {
    // Back to the first column, and clear what is left of a longer line before.
    let _ = write!(io::stderr().lock(), "\r{text}\x1b[K");
}
