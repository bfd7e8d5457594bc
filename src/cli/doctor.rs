//! `mozzie doctor`.

use clap::Args;

use super::connection::{ConnectionArgs, DebugArgs};
use super::values::{self, Amount, Span};

#[derive(Debug, Clone, Args)]
#[command(
    visible_alias = super::DOCTOR_ALIAS,
    after_help = "Exit 0 means that every check passed; else the exit code is that of the first that did not: 3 not \
                  reached, 4 refused or ended by the broker, 5 a message or subscription refused, or a feature that \
                  the broker does not have, 6 an answer or a message that did not come, 1 anything else. A warning \
                  changes nothing."
)]
pub struct DoctorArgs {
    #[command(flatten)]
    pub checks: CheckArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    #[command(flatten)]
    pub debug: DebugArgs,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Checks")]
pub struct CheckArgs {
    /// Publish only below this topic [default: mozzie/doctor/ and a random number]
    #[arg(short, long, value_name = "TOPIC")]
    pub topic: Option<String>,
    /// Largest payload to try, in bytes, also as 64k or 1mi; 0 tries none
    #[arg(long, value_name = "SIZE", default_value = "1mi")]
    pub max_payload: Amount,
    /// Give up waiting for an answer or a message after this time
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = values::positive)]
    pub timeout: Span,
    /// Print the result as one JSON object
    #[arg(long)]
    pub json: bool,
}
