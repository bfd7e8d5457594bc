//! `mozzie broker`: the embedded broker until it is told to stop.

use super::runtime;
use crate::broker::{BrokerPlan, EmbeddedBroker};
use crate::cli::broker::BrokerArgs;
use crate::error::Error;
use crate::output::{self, Diagnostics};

pub fn run(args: &BrokerArgs, diagnostics: &Diagnostics) -> Result<(), Error> {
    let plan = BrokerPlan {
        bind: args.bind,
        port: args.port,
        ..BrokerPlan::default()
    };
    runtime()?.block_on(async {
        let mut signals = super::signals()?;
        let broker = EmbeddedBroker::start(&plan)?;
        // The URL alone on stdout, so that a script can read where a free port was found.
        output::print(format!("mqtt://{}\n", broker.address()).as_bytes())?;
        diagnostics
            .note("the broker runs until Ctrl-C; it lets anybody in who can reach its address");
        signals.next().await;
        broker.shutdown();
        Ok(())
    })
}
