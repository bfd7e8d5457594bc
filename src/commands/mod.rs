//! One verb, one file. The only layer that sees everything.

mod bench;
mod broker;
mod complete;
mod connect;
mod publish;
mod subscribe;

use crate::cli::Command;
use crate::error::Error;
use crate::output::Diagnostics;

pub fn run(command: Command) -> Result<(), Error> {
    let diagnostics = Diagnostics::new();
    match command {
        Command::Publish(args) => publish::run(*args, &diagnostics),
        Command::Subscribe(args) => subscribe::run(*args, &diagnostics),
        Command::Bench(args) => bench::run(&args),
        Command::Broker(args) => broker::run(&args, &diagnostics),
        Command::Completions(args) => complete::completions(args.shell),
        Command::Man(args) => complete::man_pages(&args.dir),
    }
}

/// A runtime on this thread alone: pub and sub are one connection each.
fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::io("cannot start", e))
}
