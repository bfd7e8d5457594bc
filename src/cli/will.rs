//! The will: what the broker publishes when the connection ends without DISCONNECT.

use std::ffi::OsString;

use clap::Args;

use crate::mqtt::QoS;

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Will")]
pub struct WillArgs {
    /// Topic of the will
    #[arg(long, value_name = "TOPIC")]
    pub will_topic: Option<String>,
    /// Payload of the will [default: empty]
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub will_payload: Option<OsString>,
    /// Quality of service of the will [default: 0]
    #[arg(long, value_name = "QOS")]
    pub will_qos: Option<QoS>,
    /// Make the will a retained message
    #[arg(long)]
    pub will_retain: bool,
}
