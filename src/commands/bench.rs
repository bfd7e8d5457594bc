//! placeholder
use crate::cli::bench::BenchArgs;
use crate::error::Error;
use crate::output::Diagnostics;
pub fn run(_: BenchArgs, _: &Diagnostics) -> Result<(), Error> {
    Ok(())
}
