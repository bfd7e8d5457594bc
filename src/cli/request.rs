//! `mozzie rr`.

use clap::Args;

use super::connection::{ConnectionArgs, DebugArgs};
use super::publish::InputArgs;
use super::subscribe::{OutputArgs, RetainHandlingArg};
use super::values::Span;
use crate::mqtt::QoS;

pub const DEFAULT_WINDOW: u16 = 20;
pub const DEFAULT_JOBS: u16 = 1;

#[derive(Debug, Clone, Args)]
#[command(
    override_usage = "mozzie rr -t TOPIC <-m TEXT | -f FILE | -s | -l | -n> [OPTIONS]\n       \
                      mozzie rr --serve -t FILTER --exec COMMAND [OPTIONS]",
    after_help = "Speaks MQTT 5 unless -V says otherwise. Each request carries random correlation data, and only a \
                  reply that brings it back is taken. Before MQTT 5 there is none: whatever comes to the topic of -e \
                  is the reply, and requests go out one after the other.\n\n\
                  With --serve the command runs through 'sh -c' for each request: the payload is its stdin, its \
                  stdout, byte for byte, the reply. MQTT_TOPIC, MQTT_QOS, MQTT_RETAIN, MQTT_RESPONSE_TOPIC, \
                  MQTT_CORRELATION_DATA (hexadecimal), MQTT_CONTENT_TYPE and MQTT_USER_PROPERTY_<NAME> (a name \
                  that occurs again has its values one a line) are in its environment. When it fails there is no reply, but a warning."
)]
pub struct RequestArgs {
    #[command(flatten)]
    pub exchange: ExchangeArgs,
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub replies: RepliesArgs,
    #[command(flatten)]
    pub serve: ServeArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    #[command(flatten)]
    pub debug: DebugArgs,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Request and reply")]
pub struct ExchangeArgs {
    /// Topic to send requests to; with --serve the filter to take them from, which may be repeated
    #[arg(short, long = "topic", value_name = "TOPIC")]
    pub topics: Vec<String>,
    /// Topic for the replies [default: a random one below mozzie/rr/]; with --serve the one for
    /// requests that name none
    #[arg(short = 'e', long, value_name = "TOPIC")]
    pub response_topic: Option<String>,
    /// Quality of service of requests and replies: 0, 1 or 2
    #[arg(short, long, value_name = "QOS", default_value = "0")]
    pub qos: QoS,
    /// Wait this long for the replies to a request; exit 6 when one is missing. With --serve: end
    /// after this time
    #[arg(short = 'W', long, value_name = "TIME", value_parser = super::values::positive)]
    pub timeout: Option<Span>,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Replies")]
pub struct RepliesArgs {
    /// Wait for this many replies to each request
    #[arg(long, value_name = "COUNT", default_value_t = 1, conflicts_with = "serve",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub replies: u64,
    /// Say on stderr how long each reply took
    #[arg(long, conflicts_with = "serve")]
    pub latency: bool,
    /// Requests of -l that may wait for their replies at once; replies are printed as they come, with
    /// 1 in the order of the requests
    #[arg(long, value_name = "COUNT", default_value_t = DEFAULT_WINDOW, conflicts_with = "serve",
          value_parser = clap::value_parser!(u16).range(1..))]
    pub window: u16,
    /// Ignore retained messages; always on, accepted for mosquitto's sake
    #[arg(short = 'R', long, hide = true)]
    pub no_retained: bool,
    /// mosquitto_rr's `--retain-as-published`.
    #[arg(skip)]
    pub retain_as_published: bool,
    /// mosquitto_rr's `--retain-handling`.
    #[arg(skip)]
    pub retain_handling: Option<RetainHandlingArg>,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Answering requests")]
pub struct ServeArgs {
    /// Answer requests instead of sending them
    #[arg(long, requires = "exec", conflicts_with_all = ["message", "file", "stdin_file", "stdin_lines",
          "null_message", "verbose", "no_newline", "json", "format", "pretty"])]
    pub serve: bool,
    /// Command that makes the reply of a request: payload on its stdin, reply on its stdout
    #[arg(long, value_name = "COMMAND", value_hint = clap::ValueHint::CommandString)]
    pub exec: Option<String>,
    /// Commands that may run at once
    #[arg(long, value_name = "COUNT", default_value_t = DEFAULT_JOBS,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: u16,
    /// End after this many requests
    #[arg(short = 'C', long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
}
