//! `mozzie bench`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::connection::ConnectionArgs;
use super::values::{Amount, Change, Span};
use crate::mqtt::QoS;

#[derive(Debug, Clone, Args)]
pub struct BenchArgs {
    #[command(flatten)]
    pub load: LoadArgs,
    #[command(flatten)]
    pub result: ResultArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Result")]
pub struct ResultArgs {
    /// Write the whole result as JSON: into a file, or in place of the text
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    pub json: Option<PathBuf>,
    /// Write a row of CSV a second into a file
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Write the latencies of each second into a file, as HdrHistogram's interval log
    #[arg(long, value_name = "FILE")]
    pub hdr: Option<PathBuf>,
    /// End with 8 if a figure of the JSON result is like this, such as 'p99 > 20ms', 'lost > 0' or
    /// 'rate < 50k'; may be repeated
    #[arg(long, value_name = "CONDITION")]
    pub fail_if: Vec<String>,
    /// End with 8 if the run is worse than an earlier one, whose JSON result this file is
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// How much worse than the baseline it may be
    #[arg(
        long,
        value_name = "PERCENT",
        default_value = "10%",
        requires = "baseline"
    )]
    pub max_change: Change,
}

/// How long a run takes that is given no end.
pub const DEFAULT_DURATION: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Load")]
pub struct LoadArgs {
    /// Start a broker in this process and load that
    #[arg(long, conflicts_with_all = ["host", "port", "url", "unix"])]
    pub embedded: bool,
    /// Connections that publish
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    pub publishers: u32,
    /// Connections that subscribe
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    pub subscribers: u32,
    /// Quality of service of both: 0, 1 or 2
    #[arg(short, long, value_name = "QOS", default_value = "0")]
    pub qos: QoS,
    /// Bytes of payload; from 16 on each carries a stamp by which loss, repeats and latency are known
    #[arg(long, value_name = "BYTES", default_value = "64")]
    pub size: Amount,
    /// Publish this many messages in all
    #[arg(short = 'n', long, value_name = "COUNT")]
    pub messages: Option<Amount>,
    /// Publish for this long [default: 10s without -n]
    #[arg(long, value_name = "TIME")]
    pub duration: Option<Span>,
    /// Topic; with {i} in it each publisher has its own, and subscribers share them out
    /// [default: mozzie/bench/ and a random number]
    #[arg(short, long, value_name = "TOPIC")]
    pub topic: Option<String>,
    /// Ask the broker to retain the messages
    #[arg(short, long)]
    pub retain: bool,
    /// Wait this long for messages that are due but do not come
    #[arg(long, value_name = "TIME", default_value = "5s")]
    pub drain: Span,
    /// Threads that make the load [default: one for each core]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..))]
    pub workers: Option<u16>,
}
