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

use super::{Parsed, options_file};
use crate::dialect::Tool;
use crate::error::{Error, Verdict};

use arguments::{Asked, Typed};

/// Judges the text of `-F`: mosquitto's complaint about it, without a newline. The language lives with
/// the output, which this folder cannot see.
pub type FormatCheck = fn(&OsStr) -> Result<(), String>;

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
        Tool::Rr if verdict.text.starts_with("Error: All of") => with_hint(verdict, tool),
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

fn with_hint(mut verdict: Verdict, tool: Tool) -> Verdict {
    verdict
        .text
        .push_str(&format!("\nUse '{tool} --help' to see usage.\n"));
    verdict
}
