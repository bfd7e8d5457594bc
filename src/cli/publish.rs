//! `mozzie pub`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::connection::{ConnectionArgs, DebugArgs};
use super::values::{self, Escaped, Span};
use crate::mqtt::QoS;

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Exit 0 means that the broker acknowledged every message (at QoS 0: that it answered a \
                        ping behind the last one)."
)]
pub struct PublishArgs {
    #[command(flatten)]
    pub message: MessageArgs,
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub records: RecordArgs,
    #[command(flatten)]
    pub delivery: DeliveryArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    #[command(flatten)]
    pub debug: DebugArgs,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Message")]
pub struct MessageArgs {
    /// Topic to publish to
    #[arg(short, long, value_name = "TOPIC")]
    pub topic: Option<String>,
    /// Quality of service: 0, 1 or 2 [default: 0, or that of each JSON line]
    #[arg(short, long, value_name = "QOS")]
    pub qos: Option<QoS>,
    /// Ask the broker to retain the message
    #[arg(short, long)]
    pub retain: bool,
    /// Publish the message this many times (with -m, -f, -n or -s)
    #[arg(long, value_name = "COUNT", default_value_t = 1, conflicts_with_all = ["stdin_lines",
          "json_lines", "topic_separator", "delimiter"],
          value_parser = clap::value_parser!(u64).range(1..))]
    pub repeat: u64,
    /// Wait this long after a message is acknowledged before it is repeated
    #[arg(long, value_name = "TIME", default_value = "0s")]
    pub repeat_delay: Span,
}

/// How long a signal waits for what is under way.
pub const DEFAULT_DRAIN: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Delivery")]
pub struct DeliveryArgs {
    /// Give up when not all messages are acknowledged after this time
    #[arg(long, value_name = "TIME", value_parser = values::positive)]
    pub timeout: Option<Span>,
    /// Append every message that is not acknowledged to this file, for 'pub --json-lines < FILE'
    #[arg(long, value_name = "FILE")]
    pub unsent: Option<PathBuf>,
    /// After SIGINT or SIGTERM, wait this long for the acknowledgement of what was read
    #[arg(long, value_name = "TIME", default_value_t = Span(DEFAULT_DRAIN))]
    pub drain: Span,
}

impl Default for DeliveryArgs {
    fn default() -> Self {
        Self {
            timeout: None,
            unsent: None,
            drain: Span(DEFAULT_DRAIN),
        }
    }
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Input, one of these")]
#[group(multiple = false)]
pub struct InputArgs {
    /// Publish this text
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    pub message: Option<OsString>,
    /// Publish the whole file as one message
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Publish all of stdin as one message
    #[arg(short, long)]
    pub stdin_file: bool,
    /// Publish each line of stdin as a message, as it comes
    #[arg(short = 'l', long = "stdin-line")]
    pub stdin_lines: bool,
    /// Publish an empty message
    #[arg(short, long)]
    pub null_message: bool,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Records of stdin or of the file of -f, each a message")]
pub struct RecordArgs {
    /// Publish what 'sub --json' printed, one message a line, in MQTT 5 unless -V says otherwise. -t, -q, -r and -D
    /// publish go before what a line says
    #[arg(long, conflicts_with_all = ["message", "stdin_file", "null_message", "topic_separator"])]
    pub json_lines: bool,
    /// Publish lines of a topic, this text and a payload; its first occurrence counts
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true,
          conflicts_with_all = ["message", "stdin_file", "null_message"])]
    pub topic_separator: Option<Escaped>,
    /// End records with this text in place of a newline; \0 \n \r \t \xNN and \\ are understood, here and in
    /// --topic-separator
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true,
          conflicts_with_all = ["message", "stdin_file", "null_message"])]
    pub delimiter: Option<Escaped>,
    /// Change the topics of records: 'FILTER => TOPIC', with + and # on the right for what they matched on the left,
    /// in order. May be repeated: the first that matches counts, and what none matches keeps its topic
    #[arg(long = "topic-map", value_name = "MAP", conflicts_with = "topic")]
    pub topic_maps: Vec<String>,
    /// Go on after a record that is no message, and say at the end how many there were; otherwise the first ends it,
    /// with exit 1, when what came before is acknowledged
    #[arg(long)]
    pub skip_bad: bool,
}

impl RecordArgs {
    /// Whether the input is cut into records in a way of its own.
    pub fn are_any(&self) -> bool {
        self.json_lines || self.topic_separator.is_some() || self.delimiter.is_some()
    }

    /// Whether a record says where it goes.
    pub fn have_topics(&self) -> bool {
        self.json_lines || self.topic_separator.is_some()
    }
}
