//! `mozzie bench`: from options to a load, and to its report.

mod files;
mod plan;
mod result;

use super::runtime;
use crate::bench::{self, BenchPlan, Demand, Report};
use result::Results;

use crate::broker::{BrokerPlan, EmbeddedBroker};
use crate::cli::bench::BenchArgs;
use crate::error::Error;
use crate::net::{Address, Endpoint};
use crate::output::{self, ProgressLine};
use crate::signal::{Signal, Signals};

pub fn run(args: &BenchArgs) -> Result<(), Error> {
    let (mut plan, endpoint, sources) = plan::plan(args)?;
    plan.check().map_err(bench::BenchError::from)?;
    let mut results = Results::open(&args.result)?;
    bench::prepare(&demand(&plan, &endpoint, sources.len(), args.load.embedded))?;
    let broker = if args.load.embedded {
        Some(EmbeddedBroker::start(&BrokerPlan::default())?)
    } else {
        None
    };
    let (mut report, signal) = runtime()?.block_on(async {
        plan.dial = match &broker {
            Some(broker) => bench::tcp(broker.address()),
            // Looked up once, and not by every connection.
            None => bench::from_each(endpoint.resolved().await?, sources),
        };
        load(plan, &mut results).await
    })?;
    let remark = match broker {
        Some(_) => "embedded broker: its work is done by this process too\n",
        None => "",
    };
    results.finish(&mut report, remark)?;
    result::verdict(&report)?;
    match signal {
        Some(signal) => Err(Error::Interrupted(signal, None)),
        None => Ok(()),
    }
}

/// What the plan asks of this machine.
fn demand(plan: &BenchPlan, endpoint: &Endpoint, sources: usize, embedded: bool) -> Demand {
    let addresses = match endpoint.address {
        Address::Tcp(_) => sources.max(1),
        Address::Unix(_) => 0,
    };
    Demand {
        connections: plan.clients() as u64,
        workers: plan.workers as u64,
        tls: endpoint.tls.is_some(),
        addresses: addresses as u64,
        both_ends: embedded,
    }
}

async fn load(plan: BenchPlan, results: &mut Results) -> Result<(Report, Option<Signal>), Error> {
    let mut signals = Signals::new().map_err(|e| Error::io("cannot catch signals", e))?;
    let mut line = ProgressLine::new();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let stopped = async move {
        // A sender that is gone means that nobody can say stop any more, not that somebody did.
        if stopped.await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let run = bench::run(plan, stopped, |progress| {
        line.show(&output::bench::render_progress(progress));
        results.progress(progress);
    });
    let mut run = std::pin::pin!(run);
    let mut stop = Some(stop);
    let mut first = None;
    loop {
        tokio::select! {
            report = &mut run => return Ok((report?, first)),
            signal = signals.next() => match stop.take() {
                // The first ends publishing; the result still comes.
                Some(stop) => {
                    first = Some(signal);
                    let _ = stop.send(());
                }
                None => return Err(Error::Interrupted(signal, Some("no result".to_owned()))),
            }
        }
    }
}
