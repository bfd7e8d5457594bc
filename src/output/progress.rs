//! One line on stderr that is written over and over, where stderr is a terminal.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

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
            write(text);
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

fn write(text: &str) {
    // Back to the first column, and clear what is left of a longer line before.
    let _ = write!(io::stderr().lock(), "\r{text}\x1b[K");
}
