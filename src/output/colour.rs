//! Whether a stream is coloured, and the colours of what goes to stdout.

use std::io::{self, IsTerminal};

pub use colored::Color;

/// Paints, or leaves text as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Palette {
    on: bool,
}

impl Palette {
    pub const OFF: Self = Self { on: false };

    /// For stdout; `forced` is what the user said.
    pub fn stdout(forced: Option<bool>) -> Self {
        Self {
            on: is_coloured(forced, io::stdout().is_terminal()),
        }
    }

    pub fn is_on(self) -> bool {
        self.on
    }

    /// What is appended from here on is coloured.
    pub fn begin(self, color: Color, out: &mut Vec<u8>) {
        if self.on {
            out.extend_from_slice(format!("\x1b[{}m", color.to_fg_str()).as_bytes());
        }
    }

    pub fn end(self, out: &mut Vec<u8>) {
        if self.on {
            out.extend_from_slice(b"\x1b[0m");
        }
    }

    /// The text between the sequences that begin and end the colour.
    pub fn paint(self, text: &str, color: Color) -> String {
        match self.on {
            true => format!("\x1b[{}m{text}\x1b[0m", color.to_fg_str()),
            false => text.to_owned(),
        }
    }
}

/// What the user said counts most, then the environment's no, then whether anybody looks. No variable colours a pipe.
pub(super) fn is_coloured(forced: Option<bool>, terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is = |name: &str, no: &str| std::env::var_os(name).is_some_and(|value| value == no);
    let unwanted = || set("NO_COLOR") || is("CLICOLOR", "0") || is("TERM", "dumb");
    forced.unwrap_or_else(|| terminal && !unwanted())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_counts_most() {
        assert!(is_coloured(Some(true), false));
        assert!(!is_coloured(Some(false), true));
        assert!(!is_coloured(None, false));
    }

    #[test]
    fn text_is_painted_or_left_alone() {
        let on = Palette { on: true };
        assert_eq!(on.paint("a", Color::Cyan), "\x1b[36ma\x1b[0m");
        assert_eq!(Palette { on: false }.paint("a", Color::Cyan), "a");
    }
}
