//! The command lines of mosquitto_pub, mosquitto_sub and mosquitto_rr.
//!
//! table (the options) → arguments (each judged as it comes, with number, url, proxy, property) → lower (rules
//! between options; the arguments of mozzie's own commands). help: what `--help` prints.

mod arguments;
mod help;
mod lower;
mod number;
mod property;
mod proxy;
pub(super) mod table;
mod url;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use super::{Parsed, options_file};
use crate::dialect::Tool;
use crate::error::{Error, Verdict};

use arguments::{Asked, Typed};

/// Judges the text of `-F`: mosquitto's complaint about it, without a newline. The language lives with
/// the output, which this folder cannot see.
pub type FormatCheck = fn(&OsStr) -> Result<(), Vec<u8>>;

/// Parses the words behind the program's name.
pub fn parse(tool: Tool, words: &[OsString], format: FormatCheck) -> Result<Parsed, Error> {
    let mut typed = Typed::default();
    let asked = read(tool, words, format, &mut typed).map_err(|v| with_hint(v, tool))?;
    match asked {
        Some(Asked::Help) => return Ok(Parsed::Print(help::help(tool))),
        Some(Asked::Version) => return Ok(Parsed::Print(help::version(tool))),
        None => {}
    }
    lower::check(&mut typed, tool).map_err(|v| with_hint(v, tool))?;
    let lowered = lower::command(tool, typed).map_err(|verdict| match tool {
        Tool::Rr if verdict.text.starts_with(b"Error: All of") => with_hint(verdict, tool),
        _ => verdict,
    });
    Ok(Parsed::Run(lowered?))
}

/// The option file first, so that the command line has the last word.
fn read(
    tool: Tool,
    words: &[OsString],
    format: FormatCheck,
    typed: &mut Typed,
) -> Result<Option<Asked>, Verdict> {
    let path = match named_file(words)? {
        Some(path) => Some(path.into()),
        None => options_file::default_path(tool),
    };
    // A missing file, or a home that is nowhere, does no harm.
    let lines = path
        .and_then(|path| options_file::read(&path).ok())
        .unwrap_or_default();
    for line in options_file::lines(&lines) {
        let asked = typed.take(tool, &line, format)?;
        if asked.is_some() {
            return Ok(asked);
        }
    }
    typed.take(tool, words, format)
}

/// The value of `-o`, wherever it stands; looked for before anything is judged.
fn named_file(words: &[OsString]) -> Result<Option<&OsString>, Verdict> {
    let mut places = words.iter().enumerate().filter(|(_, word)| *word == "-o");
    let Some((first, _)) = places.next() else {
        return Ok(None);
    };
    let file = words.get(first + 1).ok_or_else(|| {
        Verdict::usage("Error: -o argument given but no options file specified.\n\n")
    })?;
    match places.next() {
        Some(_) => Err(Verdict::usage("Error: Duplicate -o argument given.\n\n")),
        None => Ok(Some(file)),
    }
}

/// UTF-8 as mosquitto's library takes it, which is without what MQTT only advises against.
fn as_utf8(word: &OsStr) -> Option<&str> {
    let unwelcome = |c: char| {
        let code = u32::from(c);
        c.is_control() || (0xfdd0..=0xfdef).contains(&code) || code & 0xfffe == 0xfffe
    };
    word.to_str()
        .filter(|text| text.len() <= 65_536 && !text.contains(unwelcome))
}

/// A complaint that names a word as it was typed, even where that is no UTF-8.
fn naming(before: &str, word: &OsStr, behind: &str) -> Verdict {
    Verdict::usage([before.as_bytes(), word.as_bytes(), behind.as_bytes()].concat())
}

fn with_hint(mut verdict: Verdict, tool: Tool) -> Verdict {
    verdict
        .text
        .extend_from_slice(format!("\nUse '{tool} --help' to see usage.\n").as_bytes());
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_no_utf8_are_named_as_they_were_typed() {
        let unknown = |_: &OsStr| Err(b"Error: Invalid format specifier '\xff'.".to_vec());
        let cases: [(&[&[u8]], &[u8]); 6] = [
            (&[b"--\xff"], b"Error: Unknown option '--\xff'."),
            (
                &[b"--retain-handling", b"\xff"],
                b"Error: Unknown value '\xff' for --retain-handling.",
            ),
            (
                &[b"--proxy", b"\xff"],
                b"Error: Unsupported proxy protocol: \xff",
            ),
            (
                &[b"-D", b"\xff", b"x", b"y"],
                b"Error: Invalid command \xff given in --property argument.",
            ),
            (
                &[b"-D", b"publish", b"\xff", b"y"],
                b"Error: Invalid property name \xff given in --property argument.",
            ),
            (
                &[b"-F", b"%\xff"],
                b"Error: Invalid format specifier '\xff'.",
            ),
        ];
        for (words, text) in cases {
            let words: Vec<_> = words
                .iter()
                .map(|word| OsStr::from_bytes(word).to_owned())
                .collect();
            let Err(Error::Mosquitto(verdict)) = parse(Tool::Sub, &words, unknown) else {
                panic!("{words:?} is taken");
            };
            assert_eq!(verdict.code, 1);
            let said = verdict.text.strip_prefix(text).map(<[u8]>::first);
            assert_eq!(said, Some(Some(&b'\n')), "{words:?}");
        }
    }

    #[test]
    fn a_password_that_is_no_utf8_is_sent_as_it_was_typed() {
        for words in [
            &[&b"-t"[..], b"a", b"-u", b"u", b"-P", b"p\xff"][..],
            &[b"-L", b"mqtt://u:p\xff@h/a"],
        ] {
            let words: Vec<_> = words
                .iter()
                .map(|word| OsStr::from_bytes(word).to_owned())
                .collect();
            let parsed = parse(Tool::Sub, &words, |_| Ok(())).unwrap();
            let Parsed::Run(crate::cli::Command::Subscribe(args)) = parsed else {
                panic!("not sub");
            };
            let password = args.connection.login.password.unwrap();
            assert_eq!(password.expose(), b"p\xff");
        }
    }

    #[test]
    fn a_websocket_has_mosquittos_host() {
        for (words, host) in [
            ("--ws -h broker -p 9001", Some("broker")),
            ("-L wss://broker:9001/t", Some("broker")),
            ("-h broker", None),
        ] {
            let words = format!("-t a {words}");
            let words: Vec<OsString> = words.split(' ').map(Into::into).collect();
            let parsed = parse(Tool::Sub, &words, |_| Ok(())).unwrap();
            let Parsed::Run(crate::cli::Command::Subscribe(args)) = parsed else {
                panic!("not sub");
            };
            let headers = &args.connection.transport.ws_header;
            let found = headers.first().map(|header| header.value.as_str());
            assert_eq!(found, host, "{words:?}");
        }
    }
}
