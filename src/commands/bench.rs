//! `mozzie bench`: from options to a load, and to its report.

mod files;
mod find_max;
mod plan;
mod result;
mod result_file;
mod self_test;
mod wait;

use super::{runtime, secret};
use crate::bench::{self, Against, BenchPlan, Condition, Demand, Progress, Report, Sources};
use plan::Planned;
use result::Results;

use crate::broker::{BrokerPlan, EmbeddedBroker};
use crate::cli::bench::{BenchArgs, SelfTest};
use crate::error::Error;
use crate::net::{Address, Endpoint, PortRange};
use crate::signal::Signal;

/// All that is known and open before the first connection.
struct Prepared {
    args: BenchArgs,
    planned: Planned,
    objectives: Option<Vec<Condition>>,
    results: Results,
}

fn prepare(args: BenchArgs) -> Result<Prepared, Error> {
    let planned = plan::plan(&args)?;
    planned.load.check().map_err(bench::BenchError::from)?;
    Ok(Prepared {
        planned,
        objectives: find_max::objectives(&args.search)?,
        results: Results::open(&args.result)?,
        args,
    })
}

pub fn run(args: BenchArgs) -> Result<(), Error> {
    let asks = secret::asks(&args.connection);
    let Prepared {
        args,
        planned,
        objectives,
        mut results,
    } = secret::planned(asks, move || prepare(args))?;
    let Planned {
        load: mut plan,
        endpoint,
        sources,
        wait_for_broker,
    } = planned;
    let self_test = args.search.self_test;
    let both_ends = args.load.embedded || self_test.is_some();
    let range = PortRange::of_system();
    let demand = demand(&plan, &endpoint, sources.len(), both_ends);
    bench::prepare(&demand, range.as_ref())?;
    let sources = Sources::new(&sources, range.as_ref());
    let runtime = runtime()?;
    let mut ceiling = None;
    if let Some(when) = self_test {
        let (mut report, signal) =
            runtime.block_on(self_test::run(&plan, when, &sources, &mut results))?;
        if when == SelfTest::Only || signal.is_some() {
            return conclude(results, &mut report, self_test::REMARK, signal);
        }
        ceiling = report.ceiling;
    }
    let broker = if args.load.embedded {
        Some(EmbeddedBroker::start(&BrokerPlan::default())?)
    } else {
        None
    };
    if let (Some(wait), None) = (wait_for_broker, &broker) {
        runtime.block_on(wait::until_accepted(&plan, &endpoint, &sources, wait))?;
    }
    plan.dial = match &broker {
        Some(broker) => {
            plan.against = Against::Embedded;
            bench::tcp_from(broker.address(), sources)
        }
        // Looked up once, and not by every connection.
        None => bench::from_each(runtime.block_on(resolved(&endpoint))?, sources),
    };
    if let Some(objectives) = objectives {
        let searching = find_max::search(&plan, &args, &objectives, &mut results);
        let (search, signal) = runtime.block_on(searching)?;
        results.finish_search(&search, &objectives)?;
        interrupted(signal)?;
        return result::search_verdict(&search);
    }
    let (mut report, signal) =
        runtime.block_on(load(plan, |progress| results.progress(progress)))?;
    report.ceiling = ceiling;
    let remark = match broker {
        Some(_) => "embedded broker: its work is done by this process too\n",
        None => "",
    };
    conclude(results, &mut report, remark, signal)
}

/// The endpoint with its name looked up, unless a signal comes first.
async fn resolved(endpoint: &Endpoint) -> Result<Endpoint, Error> {
    let mut signals = super::signals()?;
    tokio::select! {
        found = endpoint.resolved() => Ok(found?),
        signal = signals.next() => Err(Error::Interrupted(signal, Some("no result".to_owned()))),
    }
}

fn conclude(
    results: Results,
    report: &mut Report,
    remark: &str,
    signal: Option<Signal>,
) -> Result<(), Error> {
    results.finish(report, remark)?;
    result::verdict(report)?;
    interrupted(signal)
}

fn interrupted(signal: Option<Signal>) -> Result<(), Error> {
    match signal {
        Some(signal) => Err(Error::Interrupted(signal, None)),
        None => Ok(()),
    }
}

/// What the plan asks of this machine.
fn demand(plan: &BenchPlan, endpoint: &Endpoint, sources: usize, both_ends: bool) -> Demand {
    let addresses = match endpoint.address {
        Address::Tcp(_) => sources.max(1),
        Address::Unix(_) => 0,
    };
    Demand {
        connections: plan.clients() as u64,
        workers: plan.workers as u64,
        tls: endpoint.tls.is_some(),
        addresses: addresses as u64,
        both_ends,
    }
}

async fn load(
    plan: BenchPlan,
    on_progress: impl FnMut(&Progress),
) -> Result<(Report, Option<Signal>), Error> {
    let mut signals = super::signals()?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let stopped = async move {
        // A sender that is gone means that nobody can say stop any more, not that somebody did.
        if stopped.await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let run = bench::run(plan, stopped, on_progress);
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
