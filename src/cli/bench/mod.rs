//! `mozzie bench`.

mod rate;
mod shape;
mod size;
mod sources;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::connection::ConnectionArgs;
use super::values::{Amount, Change, Span, positive, some_amount};
use crate::mqtt::QoS;

pub use rate::{Ramp, Rate};
pub use shape::{ShapeKind, ShapeName};
pub use size::SizeShares;
pub use sources::SourceAddresses;

#[derive(Debug, Clone, Args)]
#[command(after_help = PLACES)]
pub struct BenchArgs {
    #[command(flatten)]
    pub load: LoadArgs,
    #[command(flatten)]
    pub topic: TopicArgs,
    #[command(flatten)]
    pub pace: PaceArgs,
    #[command(flatten)]
    pub payload: PayloadArgs,
    #[command(flatten)]
    pub clients: ClientArgs,
    #[command(flatten)]
    pub search: SearchArgs,
    #[command(flatten)]
    pub result: ResultArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Search and self-test")]
pub struct SearchArgs {
    /// Search the highest rate at which --slo holds, with runs of --duration (5s) each, from --rate (1k) on
    #[arg(long, conflicts_with_all = ["messages", "ramp", "csv", "hdr", "fail_if", "baseline"])]
    pub find_max: bool,
    /// What must hold, with commas between: 'p99 < 50ms, lost = 0'
    #[arg(long, value_name = "CONDITIONS", requires = "find_max")]
    pub slo: Option<String>,
    /// Load a built-in peer over plain TCP in place of a broker, as fast as it goes: this machine's
    /// ceiling. With =first so for two seconds, and then the broker
    #[arg(long, value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "only",
          conflicts_with_all = ["find_max", "embedded"])]
    pub self_test: Option<SelfTest>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SelfTest {
    /// The built-in peer alone
    Only,
    /// The built-in peer, then the broker
    First,
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

/// What has no meaning on the way to a broker in the same process.
const OF_A_REMOTE_BROKER: [&str; 26] = [
    "host",
    "port",
    "url",
    "srv",
    "unix",
    "bind",
    "cafile",
    "capath",
    "tls_use_os_certs",
    "cert",
    "key",
    "key_password",
    "key_password_file",
    "key_password_prompt",
    "key_password_command",
    "insecure",
    "tls_server_name",
    "tls_alpn",
    "tls_version",
    "ciphers",
    "tls_keylog",
    "tls_resumption",
    "ws",
    "ws_path",
    "ws_header",
    "proxy",
];

/// How long a run takes that is given no end.
pub const DEFAULT_DURATION: Duration = Duration::from_secs(10);
/// How long each run of a search takes.
pub const SEARCH_DURATION: Duration = Duration::from_secs(5);

/// Where a connection's number and other things can stand. `UNSPLIT` keeps clap from ending a line at {n}.
const PLACES: &str = "Templates: {i} number of the connection in its role, {c} number among all connections, \
                      {role} p, s or i, {client} client identifier, {user} user name; in a message also \
                      {\u{2060}n} number of the message, {time} milliseconds since 1970, {random} a number.";

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Load")]
pub struct LoadArgs {
    /// Start a broker in this process and load that
    #[arg(long, conflicts_with_all = OF_A_REMOTE_BROKER)]
    pub embedded: bool,
    /// Usual load of so many clients: one-to-one, fan-in, fan-out, shared or connections, such as fan-in:500
    #[arg(long, value_name = "SHAPE[:COUNT]")]
    pub shape: Option<ShapeName>,
    /// Connections that publish [default: 1, with --idle alone 0]
    #[arg(long, value_name = "COUNT")]
    pub publishers: Option<u32>,
    /// Connections that subscribe [default: 1, with --idle alone 0]
    #[arg(long, value_name = "COUNT")]
    pub subscribers: Option<u32>,
    /// Connections that do nothing but stay
    #[arg(long, value_name = "COUNT")]
    pub idle: Option<u32>,
    /// Quality of service of publishers and subscribers: 0, 1 or 2
    #[arg(short, long, value_name = "QOS", default_value = "0")]
    pub qos: QoS,
    /// Quality of service of publishers alone
    #[arg(long, value_name = "QOS")]
    pub publish_qos: Option<QoS>,
    /// Quality of service of subscribers alone
    #[arg(long, value_name = "QOS")]
    pub subscribe_qos: Option<QoS>,
    /// Publish this many messages in all
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = some_amount)]
    pub messages: Option<Amount>,
    /// Publish for this long [default: 10s without -n]
    #[arg(long, value_name = "TIME", value_parser = positive)]
    pub duration: Option<Span>,
    /// Before that, publish for this long without counting it for rates and latencies
    #[arg(
        long,
        value_name = "TIME",
        default_value = "0s",
        hide_default_value = true
    )]
    pub warmup: Span,
    /// Wait this long for messages that are due but do not come
    #[arg(long, value_name = "TIME", default_value = "5s")]
    pub drain: Span,
    /// Where each message carries the stamp by which loss, repeats, order, damage and latency are known
    #[arg(long, value_name = "WHERE", default_value = "auto")]
    pub stamp: StampPlace,
    /// Threads that make the load [default: one for each core]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..))]
    pub workers: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StampPlace {
    /// In bench's own payloads from 16 bytes on, else in a property: then MQTT 5 is spoken. Nowhere with an older -V
    Auto,
    /// In the payload; 28 bytes behind one that is yours
    Payload,
    /// In the user property 'mozzie' (MQTT 5)
    Property,
    /// Nowhere: messages are only counted
    None,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Topics")]
pub struct TopicArgs {
    /// Topic to publish to; may be repeated, publishers share them out. With {i} in it each publisher
    /// has its own [default: mozzie/bench/ and a random number]
    #[arg(short, long, value_name = "TEMPLATE")]
    pub topic: Vec<String>,
    /// What every subscriber asks for; may be repeated [default: the topics, shared out if there are
    /// several for each subscriber]
    #[arg(long, value_name = "TEMPLATE")]
    pub filter: Vec<String>,
    /// Subscribers share their subscriptions in this group: each message goes to one of them
    #[arg(long, value_name = "GROUP")]
    pub shared: Option<String>,
    /// Ask the broker to retain the messages
    #[arg(short, long)]
    pub retain: bool,
    /// Publish with topic aliases as far as the broker takes them (MQTT 5)
    #[arg(long)]
    pub topic_alias: bool,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Pace")]
pub struct PaceArgs {
    /// Open loop: publish so much over all publishers, however slow the broker is, such as 50k/s or 30/min
    /// [default: as fast as -M and the socket allow]
    #[arg(long, value_name = "RATE", value_parser = rate::positive_rate, conflicts_with = "ramp")]
    pub rate: Option<Rate>,
    /// Open loop whose rate rises or falls evenly and then stays, such as '0..100k over 60s'
    // Three words, so that it need not be quoted.
    #[arg(long, value_name = "RATE..RATE over TIME", num_args = 1..=3)]
    pub ramp: Vec<String>,
    /// How an open loop's messages are spread over the time
    #[arg(long, value_name = "KIND", default_value = "constant")]
    pub arrivals: ArrivalsKind,
    /// Messages that a publisher publishes at once in an open loop, at the same rate in all
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub burst: u32,
    /// Look at the sockets once in this time at most, so that what is answered and what follows travel together; off for as
    /// soon as something comes, auto to find in a closed loop what the broker takes most with
    #[arg(long, value_name = "TIME|off|auto", default_value = "auto", value_parser = gathering)]
    pub gather: Gather,
}

#[derive(Debug, Clone, Copy)]
pub enum Gather {
    Auto,
    Off,
    Every(Span),
}

/// Well below what counts as late by the generator's own fault.
const LONGEST_GATHER: Duration = Duration::from_millis(5);

fn gathering(typed: &str) -> Result<Gather, String> {
    match (typed, positive(typed)) {
        ("auto", _) => Ok(Gather::Auto),
        ("off", _) => Ok(Gather::Off),
        (_, Ok(span)) if span.0 <= LONGEST_GATHER => Ok(Gather::Every(span)),
        _ => Err(format!(
            "'{typed}' is no time between two looks (use one up to 5ms, such as 200us, or off, or auto)"
        )),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ArrivalsKind {
    /// At equal distances
    Constant,
    /// At random, independent of each other
    Poisson,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Payload, one of these")]
#[group(multiple = false)]
pub struct PayloadArgs {
    /// Bytes: one size, a range such as 16..1k, or several with weights such as 64:90,16k:10
    #[arg(long, value_name = "BYTES", default_value = "64")]
    pub size: SizeShares,
    /// This text, a template
    #[arg(short, long, value_name = "TEMPLATE", allow_hyphen_values = true)]
    pub message: Option<OsString>,
    /// This file
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Messages recorded with `sub --json`, with their topics, again and again
    #[arg(long, value_name = "FILE")]
    pub payload_from: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connections")]
pub struct ClientArgs {
    /// Make so many connections a second at most
    #[arg(long, value_name = "RATE", value_parser = rate::positive_rate)]
    pub connect_rate: Option<Rate>,
    /// Connect from these local addresses in turn, some 28,000 times from each: 10.0.0.1,10.0.0.5-9,10.0.1.0/24
    #[arg(long, value_name = "ADDRESSES", conflicts_with = "bind")]
    pub source_ip: Option<SourceAddresses>,
    /// User names and passwords in turn from the lines of this file: [client identifier,]user,password
    #[arg(long, value_name = "FILE.csv", conflicts_with_all = ["username",
          "password", "password_file", "password_prompt", "password_command"])]
    pub credentials: Option<PathBuf>,
    /// Make broken connections again, as --retry, --retry-delay and --retry-max-delay say
    #[arg(long)]
    pub reconnect: bool,
    /// While publishing, end so many connections and make them again
    #[arg(long, value_name = "RATE", value_parser = rate::positive_rate)]
    pub churn: Option<Rate>,
    /// End them without DISCONNECT
    #[arg(long, requires = "churn")]
    pub churn_cut: bool,
    /// Subscribers wait this long after each time they have read
    #[arg(long, value_name = "TIME", value_parser = positive)]
    pub slow_subscriber: Option<Span>,
    /// Whether TLS sessions are resumed when connections are made again
    #[arg(long, value_name = "ON|OFF", default_value = "off")]
    pub tls_resumption: Switch,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    On,
    Off,
}
