//! placeholder
use crate::cli::broker::BrokerArgs;
use crate::error::Error;
use crate::output::Diagnostics;
pub fn run(_: &BrokerArgs, _: &Diagnostics) -> Result<(), Error> {
    Ok(())
}
