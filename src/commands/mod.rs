//! One verb, one file. The only layer that sees everything.

mod bench;
mod broker;
mod complete;
mod conduct;
mod connect;
mod delivery;
mod display;
mod doctor;
mod ending;
mod endpoint;
mod input;
mod job;
mod link;
mod man;
mod profile;
mod progress;
mod publish;
mod request;
mod secret;
mod subscribe;
mod subscription;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use tokio::time::Instant;

use crate::cli::Command;
use crate::error::Error;
use crate::output::Diagnostics;
use crate::output::format::{JsonDialect, Layout, Template};

/// mosquitto's complaint about the text of `-F`.
pub fn check_format(format: &OsStr) -> Result<(), Vec<u8>> {
    match Template::parse(format.as_bytes(), JsonDialect::Mosquitto(Layout::Line)) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.mosquitto_text()),
    }
}

pub fn run(command: Command, diagnostics: &Diagnostics) -> Result<(), Error> {
    match command {
        Command::Publish(args) => publish::run(*args, diagnostics),
        Command::Subscribe(args) => subscribe::run(*args, diagnostics),
        Command::Request(args) => request::run(*args, diagnostics),
        Command::Bench(args) => bench::run(*args),
        Command::Doctor(args) => doctor::run(*args, diagnostics),
        Command::Broker(args) => broker::run(&args, diagnostics),
        Command::Profile(args) => profile::run(&args, diagnostics),
        Command::Link(args) => link::run(&args),
        Command::Completions(args) => complete::script(args.shell),
        Command::Complete(args) => complete::offer(&args),
        Command::Man(args) => man::run(&args),
    }
}

/// A runtime on this thread alone: pub and sub are one connection each.
fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::io("cannot start", e))
}

/// Waits for an instant that there may be.
async fn sleep_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
