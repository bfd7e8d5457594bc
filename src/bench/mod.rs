//! The load engine: a plan in, a report out. It never prints and knows no command line.

mod account;
mod clock;
mod payload;
mod plan;
mod recorder;
mod sequence;
mod stamp;
mod stream;

pub use plan::{BenchPlan, DEFAULT_TOPIC, PlanError, Publishers, Stop, Subscribers, TopicTemplate};
