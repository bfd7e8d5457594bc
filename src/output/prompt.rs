//! A question on the terminal whose answer is not shown.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::thread;

use rustix::process::{Signal, kill_current_process_group};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::sync::oneshot;

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

/// What the keys make.
#[derive(Debug, PartialEq, Eq)]
enum Keys {
    Answer(Answer),
    /// Ctrl-Z.
    Suspend,
}

/// Stands on the terminal of the process, wherever stdin and stdout go. `Drop` leaves the terminal as it was.
pub struct Question {
    terminal: Silent,
    text: String,
    keys: oneshot::Receiver<io::Result<Keys>>,
}

impl Question {
    /// # Errors
    /// There is no terminal.
    pub fn ask(text: &str) -> io::Result<Self> {
        let mut terminal = Silent::open()?;
        let text = super::terminal::visible_line(text);
        let keys = terminal.show(&text)?;
        Ok(Self {
            terminal,
            text,
            keys,
        })
    }

    /// Cancel-safe.
    pub async fn answer(&mut self) -> io::Result<Answer> {
        loop {
            let keys = (&mut self.keys)
                .await
                .unwrap_or(Ok(Keys::Answer(Answer::Ended)));
            match keys? {
                Keys::Answer(answer) => return Ok(answer),
                Keys::Suspend => {
                    self.terminal.restore();
                    self.terminal.file.write_all(b"\n")?;
                    // All that stands in the pipeline stops, as if the terminal had said so.
                    kill_current_process_group(Signal::TSTP)?;
                    self.terminal.silence()?;
                    self.keys = self.terminal.show(&self.text)?;
                }
            }
        }
    }

    /// To be called behind SIGCONT: a shell may have turned the echo on meanwhile.
    pub fn continued(&mut self) -> io::Result<()> {
        if tcgetattr(&self.terminal.file)?
            .local_modes
            .contains(LocalModes::ECHO)
        {
            self.terminal.silence()?;
            self.terminal.file.write_all(self.text.as_bytes())?;
        }
        Ok(())
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.terminal.restore();
        // Nothing can be done about a terminal that is gone.
        let _ = self.terminal.file.write_all(b"\n");
    }
}

/// The terminal without echo. Keys that would make signals come as bytes, so that nothing ends the process before all
/// is put back.
struct Silent {
    file: File,
    before: Termios,
}

impl Silent {
    fn open() -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
        let before = tcgetattr(&file)?;
        let silent = Self { file, before };
        silent.silence()?;
        Ok(silent)
    }

    fn silence(&self) -> io::Result<()> {
        let mut silent = self.before.clone();
        silent
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG | LocalModes::IEXTEN);
        // What was typed ahead was shown already, and is no secret.
        Ok(tcsetattr(&self.file, OptionalActions::Flush, &silent)?)
    }

    fn restore(&self) {
        let _ = tcsetattr(&self.file, OptionalActions::Flush, &self.before);
    }

    /// Writes the question. A thread waits for the keys, for a terminal cannot be polled everywhere; it reads no
    /// further than the answer, because stdin may be the same terminal.
    fn show(&mut self, text: &str) -> io::Result<oneshot::Receiver<io::Result<Keys>>> {
        self.file.write_all(text.as_bytes())?;
        let file = self.file.try_clone()?;
        let (tell, keys) = oneshot::channel();
        thread::Builder::new().spawn(move || {
            // Nobody listens any more when a signal has ended the question.
            let _ = tell.send(read_answer(&mut BufReader::new(file).bytes()));
        })?;
        Ok(keys)
    }
}

fn read_answer(keys: &mut impl Iterator<Item = io::Result<u8>>) -> io::Result<Keys> {
    const CTRL_C: u8 = 0x03;
    const CTRL_D: u8 = 0x04;
    const CTRL_U: u8 = 0x15;
    const CTRL_Z: u8 = 0x1a;
    const BACKSPACE: [u8; 2] = [0x08, 0x7f];
    let mut line = Vec::new();
    for key in keys {
        let answer = match key? {
            b'\r' | b'\n' => Answer::Line(line),
            CTRL_C => Answer::Interrupted,
            CTRL_D if line.is_empty() => Answer::Ended,
            CTRL_D => Answer::Line(line),
            CTRL_Z => return Ok(Keys::Suspend),
            CTRL_U => {
                line.clear();
                continue;
            }
            key if BACKSPACE.contains(&key) => {
                erase_character(&mut line);
                continue;
            }
            key => {
                line.push(key);
                continue;
            }
        };
        return Ok(Keys::Answer(answer));
    }
    Ok(Keys::Answer(Answer::Ended))
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
            assert_eq!(read_answer(&mut keys).unwrap(), Keys::Answer(answer));
        }
        let mut keys = b"half\x1a".iter().copied().map(Ok);
        assert_eq!(read_answer(&mut keys).unwrap(), Keys::Suspend);
    }
}
