//! `mozzie rr`: requests with their replies, from either side.
//!
//! `ask` sends requests and prints the replies, `outstanding` knows which reply belongs to which
//! request; `serve` answers requests with what a command prints.

mod ask;
mod outstanding;
mod serve;

use super::secret;
use crate::cli::request::RequestArgs;
use crate::error::Error;
use crate::mqtt::QoS;
use crate::mqtt::packet::Subscription;
use crate::mqtt::text::Text;
use crate::output::{Diagnostics, Sink, Trace};

pub fn run(args: RequestArgs, diagnostics: &Diagnostics) -> Result<(), Error> {
    let dialect = diagnostics.dialect();
    let mixed_in = (args.debug.debug > 0 && !dialect.is_native()).then(Trace::default);
    let trace = (args.debug.debug > 0).then(|| match &mixed_in {
        Some(trace) => trace.observer(),
        None => diagnostics.tracer(args.debug.debug),
    });
    let asks = secret::asks(&args.connection);
    let runtime = super::runtime()?;
    if args.serve.serve {
        let plan = secret::planned(asks, move || serve::plan(args))?;
        runtime.block_on(async {
            serve::Server::new(plan, trace, diagnostics)
                .run(super::signals()?)
                .await
        })
    } else {
        let plan = secret::planned(asks, move || ask::plan(args, dialect))?;
        runtime.block_on(async {
            let stdout =
                Sink::standard_output().map_err(|e| Error::io("cannot start writing", e))?;
            ask::Asker::new(plan, stdout, trace, mixed_in, diagnostics)
                .run(super::signals()?)
                .await
        })
    }
}

/// One filter with nothing special about it.
fn subscription(filter: Text, qos: QoS) -> Subscription {
    Subscription {
        filter,
        qos,
        ..Subscription::default()
    }
}
