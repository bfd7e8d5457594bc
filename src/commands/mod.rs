//! One verb, one file. The only layer that sees everything.

mod bench;
mod broker;
mod complete;
mod connect;
mod link;
mod publish;
mod subscribe;

use std::ffi::OsStr;

use crate::cli::Command;
use crate::error::Error;
use crate::output::Diagnostics;

/// mosquitto's complaint about the text of `-F`.
pub fn check_format(_format: &OsStr) -> Result<(), String> {
    Ok(())
}

pub fn run(command: Command, diagnostics: &Diagnostics) -> Result<(), Error> {
    match command {
        Command::Publish(args) => publish::run(*args, diagnostics),
        Command::Subscribe(args) => subscribe::run(*args, diagnostics),
        Command::Bench(args) => bench::run(&args),
        Command::Broker(args) => broker::run(&args, diagnostics),
        Command::Link(args) => link::run(&args),
        Command::Completions { shell } => complete::completions(shell),
        Command::Man { dir } => complete::man_pages(&dir),
    }
}

/// A runtime on this thread alone: pub and sub are one connection each.
fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::io("cannot start", e))
}
