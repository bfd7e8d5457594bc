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
use crate::signal::Signals;

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
fn runtime() -> Result<Runtime, Error> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map(|runtime| Runtime(Some(runtime)))
        .map_err(|e| Error::io("cannot start", e))
}

/// Catches signals from now on; inside a runtime.
fn signals() -> Result<Signals, Error> {
    Signals::new().map_err(|e| Error::io("cannot catch signals", e))
}

/// At its end it does not wait for the system's look-up of a name, which goes on when nobody wants to know any more: a
/// signal, or the end of the time for connecting, would have to wait for silent name servers.
struct Runtime(Option<tokio::runtime::Runtime>);

impl Runtime {
    fn block_on<F: Future>(&self, future: F) -> F::Output {
        let runtime = self.0.as_ref().expect("it is there until it is dropped");
        runtime.block_on(future)
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Waits for an instant that there may be.
async fn sleep_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_look_up_that_nobody_waits_for_keeps_nothing() {
        let (release, held) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        let runtime = runtime().unwrap();
        runtime.block_on(async {
            tokio::task::spawn_blocking(move || {
                tell.send("begun").unwrap();
                let _ = held.recv_timeout(Duration::from_secs(20));
                tell.send("ended").unwrap();
            });
        });
        assert_eq!(told.recv(), Ok("begun"));
        drop(runtime);
        assert!(told.try_recv().is_err(), "it was waited for");
        drop(release);
        assert_eq!(told.recv(), Ok("ended"));
    }
}
