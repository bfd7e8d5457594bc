//! The load engine: a plan in, a report out. It never prints and knows no command line.
//!
//! One thread for each core with its own runtime, connections, buffers and recorder; every connection
//! is one `mqtt::Session`, the machine that `pub` and `sub` run too. Per message nothing is shared,
//! locked or allocated; recorders leave their thread once a second.
//!
//! `run` (stages, report) → `worker` (thread, commands, timers) → `connection` (stream and session)
//! → `publisher`, `subscriber`. Pure parts: `plan`, `stamp`, `sequence`, `account`, `recorder`,
//! `report`.

mod account;
mod clock;
mod connection;
mod error;
mod payload;
#[cfg_attr(not(test), allow(dead_code, reason = "for the tests and tests/perf"))]
pub mod peer;
mod plan;
mod publisher;
mod ready;
mod recorder;
mod report;
mod run;
mod sequence;
mod stamp;
mod stream;
mod subscriber;
#[cfg(test)]
mod tests;
mod worker;

pub use error::{BenchError, ConnectionError};
pub use plan::{BenchPlan, DEFAULT_TOPIC, Publishers, Stop, Subscribers, TopicTemplate};
pub use recorder::Reasons;
pub use report::{Latency, Phase, Progress, Report};
pub use run::run;
pub use stream::{tcp, to};
