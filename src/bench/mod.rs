//! The load engine: a plan in, a report out. It never prints and knows no command line.
//!
//! One thread for each core with its own runtime, connections, buffers and recorder; every connection
//! is one `mqtt::Session`, the machine that `pub` and `sub` run too. Per message nothing is shared,
//! locked or allocated; recorders leave their thread once a second.
//!
//! `run` (stages, report) → `worker` (thread, commands, timers) → `connection` (stream and session)
//! → `publisher`, `subscriber`. Pure parts: `plan`, `pace`, `shape`, `stamp`, `seal`, `sequence`, `account`, `timing`,
//! `recorder`, `report`.

mod account;
mod baseline;
mod clock;
mod connection;
mod error;
mod figures;
mod gather;
mod group;
mod health;
mod identity;
mod in_flight;
mod limits;
mod pace;
mod payload;
mod payloads;
pub mod peer;
mod plan;
mod publisher;
mod ranges;
mod ready;
mod recorder;
mod report;
mod run;
mod seal;
mod search;
mod sequence;
mod shape;
mod shared;
mod sizes;
mod stamp;
mod strays;
mod stream;
mod subscriber;
mod template;
#[cfg(test)]
mod tests;
mod threshold;
mod timers;
mod timing;
mod tuner;
mod verdict;
mod worker;

pub use account::{Got, Sent};
pub use baseline::{Baseline, SCHEMA as BASELINE_SCHEMA};
pub use error::{BenchError, ConnectionError};
pub use figures::figures;
pub use gather::Gathering;
pub use health::Effort;
pub use identity::{Credentials, Identities, Password};
pub use limits::{Demand, prepare};
pub use pace::{Arrivals, Pace};
#[cfg(test)]
pub use payload::Stamps;
pub use payload::{Payload, Recorded, Stamping};
pub use plan::{
    Against, BenchPlan, Churn, DEFAULT_TOPIC, FilterTemplate, PlanError, Publishers, Stop,
    Subscribers, TopicTemplate,
};
pub use ranges::Ranges;
pub use recorder::{Place, Reasons};
pub use report::{Phase, Progress, Report};
pub use run::run;
pub use search::{Next, Search, Trial};
pub use sequence::Sequence;
pub use sizes::{Share as SizeShare, Sizes};
pub use stamp::STAMP_LEN;
pub use strays::Strays;
#[cfg(test)]
pub use stream::tcp;
pub use stream::{Sources, from_each, tcp_from, to};
pub use template::{Template, UnknownPlace};
pub use threshold::{Condition, Demands};
pub use timing::{Latency, Timing};
#[cfg(test)]
pub use verdict::FaultKind;
pub use verdict::Outcome;
