//! Passwords and passphrases: given, or read from a file, the terminal or a command.

use std::cell::OnceCell;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use tokio::sync::{mpsc, oneshot};

use super::connect::read_input;
use super::job::SHELL;
use crate::cli::connection::{ConnectionArgs, LoginArgs};
use crate::cli::tls::TlsArgs;
use crate::error::Error;
use crate::net::{Secret, io_reason};
use crate::output::{Answer, Question};
use crate::payload::stdin;
use crate::signal::{self, Continued, Signal, Signals};

/// More than any secret is long.
const LIMIT: u64 = 64 * 1024;

/// The options by which one secret can be given; at most one of them is.
struct Ways<'a> {
    given: Option<&'a Secret>,
    file: Option<&'a PathBuf>,
    file_option: &'static str,
    prompt: Option<String>,
    prompt_option: &'static str,
    command: Option<&'a String>,
    command_option: &'static str,
}

/// Whether the terminal is to be asked for anything.
pub fn asks(args: &ConnectionArgs) -> bool {
    args.login.password_prompt || args.tls.key_password_prompt
}

/// A question on its way to the thread that has the terminal and the signals.
struct Wanted {
    option: &'static str,
    question: String,
    answer: oneshot::Sender<Result<Secret, Error>>,
}

thread_local! {
    /// Whom the thread that makes a plan asks.
    static ASKED: OnceCell<mpsc::UnboundedSender<Wanted>> = const { OnceCell::new() };
}

/// Makes a plan, in which secrets may be asked for on the terminal when `asks` says so.
///
/// A question catches signals, and they are never what they were again: tokio keeps them. What the plan then waits for,
/// such as a pipe in place of a file, no signal would end. So such a plan is made on a thread of its own, which is left
/// behind when one comes, and the questions are asked here.
pub fn planned<T: Send + 'static>(
    asks: bool,
    make: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    if !asks {
        return make();
    }
    let (ask, mut questions) = mpsc::unbounded_channel();
    let (tell, mut made) = oneshot::channel();
    super::runtime()?.block_on(async {
        let mut signals = super::signals()?;
        let mut continued =
            signal::continued().map_err(|e| Error::io("cannot catch signals", e))?;
        thread::Builder::new()
            .name("plan".to_owned())
            .spawn(move || {
                ASKED.with(|asked| asked.set(ask)).ok();
                // Nobody listens any more when a signal has come.
                tell.send(make()).ok();
            })
            .map_err(|e| Error::io("cannot start a thread", e))?;
        loop {
            tokio::select! {
                made = &mut made => {
                    let gone = |_| Error::io("cannot make a plan", io::ErrorKind::Other.into());
                    return made.map_err(gone)?;
                }
                Some(wanted) = questions.recv() => {
                    let Wanted { option, question, answer } = wanted;
                    let secret = from_terminal(option, &question, &mut signals, &mut continued).await;
                    answer.send(secret).ok();
                }
                signal = signals.next() => return Err(Error::Interrupted(signal, None)),
            }
        }
    })
}

pub fn password_is_given(args: &LoginArgs) -> bool {
    args.password.is_some()
        || args.password_file.is_some()
        || args.password_prompt
        || args.password_command.is_some()
}

pub fn password(args: &LoginArgs) -> Result<Option<Secret>, Error> {
    let question = || match &args.username {
        Some(name) => format!("Password of {name}: "),
        None => "Password: ".to_owned(),
    };
    read(&Ways {
        given: args.password.as_ref(),
        file: args.password_file.as_ref(),
        file_option: "--password-file",
        prompt: args.password_prompt.then(question),
        prompt_option: "--password-prompt",
        command: args.password_command.as_ref(),
        command_option: "--password-command",
    })
}

pub fn key_passphrase(args: &TlsArgs) -> Result<Option<Secret>, Error> {
    let question = || match &args.key {
        Some(key) => format!("Passphrase of {}: ", key.display()),
        None => "Passphrase of the key: ".to_owned(),
    };
    read(&Ways {
        given: args.key_password.as_ref(),
        file: args.key_password_file.as_ref(),
        file_option: "--key-password-file",
        prompt: args.key_password_prompt.then(question),
        prompt_option: "--key-password-prompt",
        command: args.key_password_command.as_ref(),
        command_option: "--key-password-command",
    })
}

fn read(ways: &Ways<'_>) -> Result<Option<Secret>, Error> {
    if let Some(secret) = ways.given {
        Ok(Some(secret.clone()))
    } else if let Some(path) = ways.file {
        from_file(ways.file_option, path).map(Some)
    } else if let Some(question) = &ways.prompt {
        from_asked(ways.prompt_option, question.clone()).map(Some)
    } else if let Some(command) = ways.command {
        from_command(ways.command_option, command).map(Some)
    } else {
        Ok(None)
    }
}

fn from_file(option: &'static str, path: &Path) -> Result<Secret, Error> {
    if path != Path::new("-") {
        let data = read_input(option, path, LIMIT)?;
        return Ok(first_line(&data));
    }
    // Byte by byte, and no more than a line may have.
    #[expect(
        clippy::unbuffered_bytes,
        reason = "the rest of stdin can be the messages"
    )]
    let line = stdin().and_then(|stdin| {
        let line = stdin
            .take(LIMIT + 1)
            .bytes()
            .take_while(|byte| !matches!(byte, Ok(b'\n')));
        line.collect::<io::Result<Vec<u8>>>()
    });
    match line {
        Ok(line) if line.len() as u64 > LIMIT => Err(Error::usage(
            format!("{option}: the first line of stdin is longer than {LIMIT} bytes"),
            "",
        )),
        Ok(line) => Ok(first_line(&line)),
        Err(error) => Err(Error::usage(
            format!("{option}: cannot read stdin: {}", io_reason(&error)),
            "",
        )),
    }
}

/// Has the question asked.
fn from_asked(option: &'static str, question: String) -> Result<Secret, Error> {
    let (tell, answer) = oneshot::channel();
    let wanted = Wanted {
        option,
        question,
        answer: tell,
    };
    let sent = ASKED.with(|asked| asked.get().and_then(|asked| asked.send(wanted).ok()));
    sent.and_then(|()| answer.blocking_recv().ok())
        .unwrap_or_else(|| Err(no_terminal(option, &io::ErrorKind::NotConnected.into())))
}

fn no_terminal(option: &str, error: &io::Error) -> Error {
    Error::usage(
        format!(
            "{option}: there is no terminal to ask on: {}",
            io_reason(error)
        ),
        "without a terminal, give it with a file or a command",
    )
}

/// Asks. A signal must not end the process while the terminal shows nothing of what is typed.
async fn from_terminal(
    option: &str,
    question: &str,
    signals: &mut Signals,
    continued: &mut Continued,
) -> Result<Secret, Error> {
    let no_terminal = |error| no_terminal(option, &error);
    let mut question = Question::ask(question).map_err(no_terminal)?;
    let answer = loop {
        tokio::select! {
            answer = question.answer() => break answer.map_err(no_terminal)?,
            signal = signals.next() => return Err(Error::Interrupted(signal, None)),
            _ = continued.recv() => question.continued().map_err(no_terminal)?,
        }
    };
    match answer {
        Answer::Line(line) => Ok(Secret::new(line)),
        Answer::Ended => Err(Error::usage(format!("{option}: nothing was typed"), "")),
        Answer::Interrupted => Err(Error::Interrupted(Signal::Interrupt, None)),
    }
}

/// The first line that the command prints. It has no stdin: that may be the messages.
fn from_command(option: &str, command: &str) -> Result<Secret, Error> {
    let refuse = |why: String| {
        Error::usage(
            format!("{option} '{command}': {why}"),
            "the command must print the secret as its first line and end with 0",
        )
    };
    let done = Command::new(SHELL)
        .args(["-c", command])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| {
            refuse(format!(
                "cannot start the shell '{SHELL}': {}",
                io_reason(&error)
            ))
        })?;
    if !done.status.success() {
        return Err(refuse(format!("it failed ({})", done.status)));
    }
    if done.stdout.is_empty() {
        return Err(refuse("it printed nothing".to_owned()));
    }
    Ok(first_line(&done.stdout))
}

fn first_line(data: &[u8]) -> Secret {
    let line = data.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Secret::new(line.strip_suffix(b"\r").unwrap_or(line))
}
