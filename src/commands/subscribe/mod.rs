//! `mozzie sub`: from topic filters to messages on stdout, in files, or with commands.
//!
//! `plan` is what it is to do, `subscriber` does it until one of its `ends`; `destination` is where
//! messages go, `exec` one that runs commands; `retained` knows when the retained messages have all come.

mod destination;
mod ends;
mod exec;
mod plan;
mod retained;
mod subscriber;

use subscriber::Subscriber;

use super::secret;
use crate::cli::subscribe::SubscribeArgs;
use crate::error::Error;
use crate::output::{Diagnostics, Trace};

pub fn run(args: SubscribeArgs, diagnostics: &Diagnostics) -> Result<(), Error> {
    let dialect = diagnostics.dialect();
    let mixed_in = (args.debug.debug > 0 && !dialect.is_native()).then(Trace::default);
    let trace = (args.debug.debug > 0).then(|| match &mixed_in {
        Some(trace) => trace.observer(),
        None => diagnostics.tracer(args.debug.debug),
    });
    let asks = secret::asks(&args.connection);
    let (plan, destination) = secret::planned(asks, move || plan::plan(args, dialect))?;
    super::runtime()?.block_on(async {
        let signals = super::signals()?;
        Subscriber::new(plan, destination, trace, mixed_in, diagnostics)?
            .run(signals)
            .await
    })
}
