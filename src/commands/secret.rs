//! Passwords and passphrases: given, or read from a file, the terminal or a command.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::connect::read_input;
use super::job::SHELL;
use crate::cli::connection::LoginArgs;
use crate::cli::tls::TlsArgs;
use crate::error::Error;
use crate::net::{Secret, io_reason};
use crate::output::{Answer, Question};
use crate::payload::stdin;
use crate::signal::{self, Signal, Signals};

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
        from_terminal(ways.prompt_option, question).map(Some)
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

/// Asks. A signal must not end the process while the terminal shows nothing of what is typed.
fn from_terminal(option: &str, question: &str) -> Result<Secret, Error> {
    let no_terminal = |error: io::Error| {
        Error::usage(
            format!(
                "{option}: there is no terminal to ask on: {}",
                io_reason(&error)
            ),
            "without a terminal, give it with a file or a command",
        )
    };
    let answer = super::runtime()?.block_on(async {
        let no_signals = |e| Error::io("cannot catch signals", e);
        let mut signals = Signals::new().map_err(no_signals)?;
        let mut continued = signal::continued().map_err(no_signals)?;
        let mut question = Question::ask(question).map_err(no_terminal)?;
        loop {
            tokio::select! {
                answer = question.answer() => return answer.map_err(no_terminal),
                signal = signals.next() => return Err(Error::Interrupted(signal, None)),
                _ = continued.recv() => question.continued().map_err(no_terminal)?,
            }
        }
    })?;
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
