//! `mozzie broker`.

use std::net::IpAddr;

use clap::Args;

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Anyone who can reach the address may connect: by default that is this machine alone."
)]
pub struct BrokerArgs {
    /// Port to listen on; 0 for a free one
    #[arg(short, long, default_value_t = 1883)]
    pub port: u16,
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub bind: IpAddr,
}
