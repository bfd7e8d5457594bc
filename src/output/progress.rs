//! One line on stderr that is written over and over, where stderr is a terminal.

use std::io::{self, IsTerminal, Write};

#[derive(Debug)]
pub struct ProgressLine {
    /// Something is on the line.
    shown: bool,
    terminal: bool,
}

impl ProgressLine {
    pub fn new() -> Self {
        Self {
            shown: false,
            terminal: io::stderr().is_terminal(),
        }
    }

    /// Puts the text in the place of what was shown before.
    pub fn show(&mut self, text: &str) {
        if self.terminal {
            self.shown = true;
            self.write(text);
        }
    }

    fn write(&self, text: &str) {
        // Back to the first column, and clear what is left of a longer line before.
        let _ = write!(io::stderr().lock(), "\r{text}\x1b[K");
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if self.shown {
            self.write("");
        }
    }
}
