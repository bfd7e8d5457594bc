//! A question on the terminal whose answer is not shown.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// What came of a question.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// What was typed, without the end of the line.
    Line(Vec<u8>),
    /// The end of input, with nothing typed.
    Ended,
    /// Ctrl-C.
    Interrupted,
}

/// Asks on the terminal of the process, wherever stdin and stdout go.
///
/// # Errors
/// There is no terminal.
pub fn ask_secret(question: &str) -> io::Result<Answer> {
    let mut terminal = Silent::open()?;
    terminal
        .file
        .write_all(super::terminal::visible_line(question).as_bytes())?;
    let answer = read_answer(&mut BufReader::new(&terminal.file).bytes());
    terminal.file.write_all(b"\n")?;
    answer
}

/// The terminal without echo. Signals come as bytes, so that nothing ends the process before `Drop` has put all back.
struct Silent {
    file: File,
    before: Termios,
}

impl Silent {
    fn open() -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
        let before = tcgetattr(&file)?;
        let mut silent = before.clone();
        silent
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG | LocalModes::IEXTEN);
        // What was typed ahead was shown already, and is no secret.
        tcsetattr(&file, OptionalActions::Flush, &silent)?;
        Ok(Self { file, before })
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that is gone.
        let _ = tcsetattr(&self.file, OptionalActions::Flush, &self.before);
    }
}

fn read_answer(keys: &mut impl Iterator<Item = io::Result<u8>>) -> io::Result<Answer> {
    const CTRL_C: u8 = 0x03;
    const CTRL_D: u8 = 0x04;
    const CTRL_U: u8 = 0x15;
    const BACKSPACE: [u8; 2] = [0x08, 0x7f];
    let mut line = Vec::new();
    for key in keys {
        match key? {
            b'\r' | b'\n' => return Ok(Answer::Line(line)),
            CTRL_C => return Ok(Answer::Interrupted),
            CTRL_D if line.is_empty() => return Ok(Answer::Ended),
            CTRL_D => return Ok(Answer::Line(line)),
            CTRL_U => line.clear(),
            key if BACKSPACE.contains(&key) => erase_character(&mut line),
            key => line.push(key),
        }
    }
    Ok(Answer::Ended)
}

/// A character of UTF-8 is a byte and those that continue it.
fn erase_character(line: &mut Vec<u8>) {
    while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_make_an_answer() {
        let line = |text: &str| Answer::Line(text.as_bytes().to_vec());
        for (keys, answer) in [
            ("secret\r", line("secret")),
            ("\n", line("")),
            ("secrex\x7ft\n", line("secret")),
            ("aé\x08b\n", line("ab")),
            ("\x7fa\n", line("a")),
            ("wrong\x15right\n", line("right")),
            ("half\x03", Answer::Interrupted),
            ("\x04", Answer::Ended),
            ("all\x04", line("all")),
            ("hung up", Answer::Ended),
        ] {
            let mut keys = keys.bytes().map(Ok);
            assert_eq!(read_answer(&mut keys).unwrap(), answer);
        }
    }
}
