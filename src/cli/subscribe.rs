//! `mozzie sub`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::connection::{ConnectionArgs, DebugArgs};
use super::values::{Percent, Span};
use crate::mqtt::QoS;
use crate::mqtt::packet::RetainHandling;

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Payloads are printed raw, one a line; on a terminal their control characters are made \
                        visible. Messages go to stdout, everything else to stderr."
)]
pub struct SubscribeArgs {
    #[command(flatten)]
    pub subscription: SubscriptionArgs,
    #[command(flatten)]
    pub stop: StopArgs,
    #[command(flatten)]
    pub retained: RetainedArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub destination: DestinationArgs,
    #[command(flatten)]
    pub live: LiveArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    #[command(flatten)]
    pub debug: DebugArgs,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Subscription")]
pub struct SubscriptionArgs {
    /// Topic filter to subscribe to; may be repeated
    #[arg(short, long = "topic", value_name = "FILTER")]
    pub topics: Vec<String>,
    /// Do not print messages whose topic matches this filter; may be repeated
    #[arg(short = 'T', long = "filter-out", value_name = "FILTER")]
    pub filter_out: Vec<String>,
    /// Print only this share of the messages, chosen by chance
    #[arg(long, value_name = "PERCENT")]
    pub random_filter: Option<Percent>,
    /// Unsubscribe from this filter, after subscribing; may be repeated
    #[arg(short = 'U', long = "unsubscribe", value_name = "FILTER")]
    pub unsubscribe: Vec<String>,
    /// Highest quality of service to receive with: 0, 1 or 2
    #[arg(short, long, value_name = "QOS", default_value = "0")]
    pub qos: QoS,
    /// End with 5 when the broker refuses any of the subscriptions, not only when it refuses all
    #[arg(long)]
    pub strict: bool,
    /// Do not receive what this connection publishes itself (MQTT 5)
    #[arg(long)]
    pub no_local: bool,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "When to stop")]
pub struct StopArgs {
    /// End after this many messages
    #[arg(short = 'C', long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// End after this time; exit 6 when what was asked for has not arrived by then: the messages of -C,
    /// or without it any at all
    #[arg(short = 'W', long, value_name = "TIME", value_parser = super::values::positive)]
    pub timeout: Option<Span>,
    /// End when nothing has come for this time; exit 6 as with -W
    #[arg(long, value_name = "TIME", value_parser = super::values::positive)]
    pub idle_timeout: Option<Span>,
    /// End when the broker has answered the subscriptions
    #[arg(short = 'E', long)]
    pub exit_after_suback: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RetainHandlingArg {
    Always,
    New,
    Never,
}

impl From<RetainHandlingArg> for RetainHandling {
    fn from(typed: RetainHandlingArg) -> Self {
        match typed {
            RetainHandlingArg::Always => Self::Always,
            RetainHandlingArg::New => Self::New,
            RetainHandlingArg::Never => Self::Never,
        }
    }
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Retained messages")]
pub struct RetainedArgs {
    /// Do not print retained messages
    #[arg(short = 'R', long, conflicts_with_all = ["retained_only", "remove_retained"])]
    pub no_retained: bool,
    /// Print only retained messages, and end when they have all come: when none has come for the time
    /// of --idle-timeout, half a second if not given, and the broker answers a ping
    #[arg(long)]
    pub retained_only: bool,
    /// Remove each retained message that comes from the broker
    #[arg(long, conflicts_with_all = ["append", "output_dir", "exec"])]
    pub remove_retained: bool,
    /// Show the retain flag as the publisher set it (MQTT 5)
    #[arg(long)]
    pub retain_as_published: bool,
    /// When the broker sends retained messages: on every subscribe, only a new one, or never (MQTT 5) [default: always]
    #[arg(long, value_name = "WHEN")]
    pub retain_handling: Option<RetainHandlingArg>,
}

/// What `--json` does with a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum JsonForm {
    /// As a string, or in base64 when it is not UTF-8
    Text,
    /// As the JSON value that it is, digit for digit; other payloads as with 'text'
    Parsed,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Print the topic and a space before each payload
    #[arg(short, long, conflicts_with = "json")]
    pub verbose: bool,
    /// Print no newline after a payload
    #[arg(short = 'N', long = "no-newline", conflicts_with = "json")]
    pub no_newline: bool,
    /// Print each message as one JSON object a line [default form: text]
    #[arg(long, value_name = "FORM", num_args = 0..=1, require_equals = true, default_missing_value = "text")]
    pub json: Option<JsonForm>,
    /// Print each message in this form: %t topic, %p payload, %q QoS, %I time, %j JSON, ...
    ///
    /// %t topic, %p payload, %x and %X payload in hexadecimal digits, %l payload length, %f and %d a
    /// payload of 4 or 8 bytes as a number, %q QoS, %r retain, %m packet identifier, %j and %J the
    /// message as --json and --json=parsed print it; %A topic alias, %C content type, %D correlation
    /// data, %E message expiry interval, %F payload format indicator, %P user properties, %R response
    /// topic, %S subscription identifier; %I the time in ISO 8601, %U in seconds since 1970, @X as X of
    /// strftime, @N its nanoseconds; %% and @@ themselves; \ \0 \a \e \n \r \t \v as in C.
    ///
    /// Between % and its letter, in this order: - to align left, 0 to pad with zeros, the least width,
    /// and behind a dot the most bytes of a text, the decimals of a number, or the digits of a
    /// hexadecimal group with the separator of groups behind it.
    #[arg(short = 'F', long, value_name = "FORMAT", conflicts_with_all = ["json", "verbose"])]
    pub format: Option<OsString>,
    /// Spread JSON (--json, %j, %J) over lines, indented with tabs
    #[arg(long)]
    pub pretty: bool,
    /// Print payloads and topics as they are also on a terminal, which then acts on what is in them
    #[arg(long, conflicts_with = "json")]
    pub raw: bool,
}

/// What to do about a command that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnError {
    /// Run it again, after pauses of 1 s that grow to 60 s
    Retry,
    /// Acknowledge the message and go on; exit 1 at the end
    Skip,
    /// Take no more messages, and exit 1; the message is not acknowledged
    Stop,
    /// Go on; the broker sends the message again on the next connection of this session
    Leave,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Instead of stdout")]
pub struct DestinationArgs {
    /// Append messages to this file, and acknowledge those of QoS 1 and 2 when they are written
    #[arg(long, value_name = "FILE", conflicts_with_all = ["output_dir", "exec", "watch", "message_rate"])]
    pub append: Option<PathBuf>,
    /// Write each message to a file of its own in this folder, and acknowledge it when that is complete
    ///
    /// A file holds the payload and nothing else, or what --json, -F or -v make of the message. It gets
    /// its name when it is complete. No file is overwritten: where a name is taken, a number is added.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["exec", "watch", "message_rate"], value_hint = clap::ValueHint::DirPath)]
    pub output_dir: Option<PathBuf>,
    /// Names of the files, in the form of -F [default: %t]
    ///
    /// Slashes and control characters become underscores, also those of a topic, and so does a dot or a
    /// hyphen at the beginning. Names are cut after 240 bytes. Where the file system has no hard links,
    /// as FAT has not, so do '"', '*', ':', '<', '>', '?' and '|'.
    #[arg(long, value_name = "FORMAT", requires = "output_dir")]
    pub output_name: Option<OsString>,
    /// Run this command for each message, and acknowledge it when the command has ended with 0
    ///
    /// The command finds the payload on its stdin (or what --json, -F or -v make of the message), and
    /// in its environment MQTT_TOPIC, MQTT_QOS, MQTT_RETAIN and the properties: MQTT_CONTENT_TYPE,
    /// MQTT_RESPONSE_TOPIC, MQTT_CORRELATION_DATA in hexadecimal digits, MQTT_MESSAGE_EXPIRY_INTERVAL,
    /// MQTT_PAYLOAD_FORMAT_INDICATOR, and MQTT_USER_PROPERTY_ with each name in capitals; a
    /// name that occurs again has its values one a line; --json has all there is on its stdin.
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["watch", "message_rate"], value_hint = clap::ValueHint::CommandString)]
    pub exec: Option<String>,
    /// Commands that may run at once [default: 1]
    #[arg(long, value_name = "COUNT", requires = "exec", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// What to do when a command fails [default: stop]
    #[arg(long, value_name = "WHAT", requires = "exec")]
    pub on_error: Option<OnError>,
}

/// In place of the messages.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct LiveArgs {
    /// Show the topics as a live table on the terminal: last value, count, rate, age, and whether it is retained
    #[arg(short, long, conflicts_with_all = ["verbose", "no_newline", "json", "format", "pretty"])]
    pub watch: bool,
    /// Print how many messages came in each second
    #[arg(long, conflicts_with_all = ["watch", "verbose", "no_newline", "json", "format", "pretty"])]
    pub message_rate: bool,
}
