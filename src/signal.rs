//! SIGINT and SIGTERM as something to wait for, and SIGCONT.

use std::io;

/// SIGCONT, once it is waited for.
pub use tokio::signal::unix::Signal as Continued;
use tokio::signal::unix::{self, SignalKind};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Interrupt,
    Terminate,
}

impl Signal {
    /// 128 and the signal's number, as shells have it.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

/// Catches both signals from now on.
pub struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

impl Signals {
    /// Must be called inside a runtime.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: unix::signal(SignalKind::interrupt())?,
            terminate: unix::signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next one. Cancel-safe.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
        }
    }
}

/// SIGCONT, which does what it always does, too. Must be called inside a runtime.
pub fn continued() -> io::Result<Continued> {
    let number = rustix::process::Signal::CONT.as_raw();
    unix::signal(SignalKind::from_raw(number))
}
