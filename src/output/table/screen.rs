//! The terminal of a picture: a screen of its own, and afterwards everything as it was.

use std::io::{self, IsTerminal, Write};

use rustix::termios::{self, LocalModes, OptionalActions, SpecialCodeIndex, Termios};

/// Lines and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub rows: usize,
    pub columns: usize,
}

/// What terminals have when they do not say.
const USUAL: Size = Size {
    rows: 24,
    columns: 80,
};

/// The other screen, no cursor, and lines that are cut instead of wrapped.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
const LEAVE: &[u8] = b"\x1b[?7h\x1b[?25h\x1b[?1049l";
const CLEAR: &[u8] = b"\x1b[2J";
/// No key at all (_POSIX_VDISABLE): 0 but on the BSDs and macOS.
const DISABLED: u8 = if cfg!(target_os = "linux") { 0 } else { 0xff };

#[derive(Debug, Default)]
pub struct Screen {
    size: Option<Size>,
    entered: bool,
    /// How the keyboard was before it was told not to echo.
    keyboard: Option<Termios>,
}

impl Screen {
    pub fn enter(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(ENTER);
        self.entered = true;
        if io::stdin().is_terminal()
            && let Ok(before) = termios::tcgetattr(io::stdin())
        {
            let mut silent = before.clone();
            // Ctrl-C stays what it is; Ctrl-Z and Ctrl-\ would leave the picture behind on somebody else's terminal.
            silent.local_modes.remove(LocalModes::ECHO);
            silent.special_codes[SpecialCodeIndex::VSUSP] = DISABLED;
            silent.special_codes[SpecialCodeIndex::VQUIT] = DISABLED;
            // In the background a terminal refuses, or stops us: then keys may well echo.
            if is_foreground()
                && termios::tcsetattr(io::stdin(), OptionalActions::Now, &silent).is_ok()
            {
                self.keyboard = Some(before);
            }
        }
    }

    pub fn leave(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.entered) {
            out.extend_from_slice(LEAVE);
        }
        self.restore_keyboard();
    }

    fn restore_keyboard(&mut self) {
        if let Some(before) = self.keyboard.take() {
            // What was typed meanwhile was for nobody. A terminal that is gone cannot be restored.
            let _ = termios::tcsetattr(io::stdin(), OptionalActions::Flush, &before);
        }
    }

    pub fn clear(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(CLEAR);
    }

    pub fn size(&self) -> Size {
        self.size.unwrap_or(USUAL)
    }

    /// Looks at the size again; whether it is another.
    pub fn measure(&mut self) -> bool {
        let size = match termios::tcgetwinsize(io::stdout()) {
            Ok(size) if size.ws_row > 0 && size.ws_col > 0 => Size {
                rows: usize::from(size.ws_row),
                columns: usize::from(size.ws_col),
            },
            _ => USUAL,
        };
        self.size.replace(size) != Some(size)
    }
}

impl Drop for Screen {
    /// What a panic leaves to do.
    fn drop(&mut self) {
        if self.entered {
            let _ = io::stdout().write_all(LEAVE);
            let _ = io::stdout().flush();
        }
        self.restore_keyboard();
    }
}

fn is_foreground() -> bool {
    termios::tcgetpgrp(io::stdin()).is_ok_and(|group| group == rustix::process::getpgrp())
}
