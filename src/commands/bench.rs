//! `mozzie bench`: from options to a load, and to its report.

use std::io::{self, IsTerminal};
use std::sync::Arc;

use super::{connect, runtime};
use crate::bench::{self, BenchPlan, Publishers, Report, Stop, Subscribers, TopicTemplate};
use crate::broker::{BrokerPlan, EmbeddedBroker};
use crate::cli::bench::{BenchArgs, DEFAULT_DURATION};
use crate::dialect::Dialect;
use crate::error::Error;
use crate::mqtt::QoS;
use crate::mqtt::properties::Place;
use crate::net::Endpoint;
use crate::output::{self, ProgressLine};
use crate::signal::{Signal, Signals};

pub fn run(args: &BenchArgs) -> Result<(), Error> {
    let (mut plan, endpoint) = plan(args)?;
    plan.check().map_err(bench::BenchError::from)?;
    let broker = if args.load.embedded {
        Some(EmbeddedBroker::start(&BrokerPlan::default())?)
    } else {
        None
    };
    let (report, signal) = runtime()?.block_on(async {
        plan.dial = match &broker {
            Some(broker) => bench::tcp(broker.address()),
            // Looked up once, and not by every connection.
            None => bench::to(endpoint.resolved().await?),
        };
        load(plan).await
    })?;
    show(&report, broker.is_some())?;
    verdict(&report, signal)
}

/// The load, and where to. The plan's own dialer is not the right one yet.
fn plan(args: &BenchArgs) -> Result<(BenchPlan, Arc<Endpoint>), Error> {
    let version = connect::version(&args.connection, &[])?;
    let connection = connect::plan(&args.connection, version, Dialect::Native)?;
    let properties = &args.connection.properties;
    for (option, place) in [
        ("-D unsubscribe", Place::Unsubscribe),
        ("-D disconnect", Place::Disconnect),
    ] {
        if !properties.of(place).is_empty() {
            return Err(Error::usage(
                format!("{option}: bench does not send that"),
                "leave it out",
            ));
        }
    }
    let load = &args.load;
    if load.publishers == 0 && load.subscribers == 0 {
        return Err(Error::usage(
            "--publishers 0 and --subscribers 0 leave nobody to make a load",
            "ask for publishers, subscribers or both",
        ));
    }
    let size = usize::try_from(load.size.0).unwrap_or(usize::MAX);
    // A topic of its own for each run, so that what an earlier one left behind is not counted.
    let topic = match (&load.topic, args.connection.broker.url.as_ref()) {
        (Some(topic), _) => topic.clone(),
        (None, Some(url)) if url.topic.is_some() => url.topic.clone().unwrap_or_default(),
        (None, _) => format!("{}/{:08x}", bench::DEFAULT_TOPIC, fastrand::u32(..)),
    };
    let messages = load.messages.map(|amount| amount.0);
    let duration = match (load.duration, messages) {
        (Some(span), _) => Some(span.0),
        (None, Some(_)) => None,
        (None, None) => Some(DEFAULT_DURATION),
    };
    let workers = load.workers.map(usize::from);
    let base = BenchPlan::new(bench::to(connection.endpoint.as_ref().clone()));
    let plan = BenchPlan {
        client_id_prefix: match connection.identity.client_id.as_str() {
            "" => base.client_id_prefix.clone(),
            typed => typed.to_owned(),
        },
        username: connection.identity.username,
        password: connection.identity.password,
        publish_properties: properties.of(Place::Publish),
        subscribe_properties: properties.of(Place::Subscribe),
        publishers: Publishers {
            count: load.publishers as usize,
            qos: load.qos,
            retain: load.retain,
            size,
            in_flight: connection.settings.max_in_flight,
        },
        subscribers: Subscribers {
            count: load.subscribers as usize,
            qos: load.qos,
        },
        topic: TopicTemplate::new(&topic).map_err(|e| {
            Error::usage(
                format!("-t: '{topic}': {e}"),
                "give a topic name without wildcards; {i} stands for the number of the publisher",
            )
        })?,
        stop: Stop { messages, duration },
        drain: load.drain.0,
        workers: workers.unwrap_or(base.workers),
        session: (*connection.settings).clone(),
        ..base
    };
    Ok((plan, connection.endpoint))
}

async fn load(plan: BenchPlan) -> Result<(Report, Option<Signal>), Error> {
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

fn show(report: &Report, embedded: bool) -> Result<(), Error> {
    let mut text = Vec::new();
    let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    if embedded {
        text.extend_from_slice(b"embedded broker: its work is done by this process too\n");
    }
    output::bench::render_report(report, colour, &mut text)
        .map_err(|e| Error::io("cannot write the result", e))?;
    output::print(&text)
}

/// What the exit code says: whether all that MQTT promises was kept, as far as was seen.
fn verdict(report: &Report, signal: Option<Signal>) -> Result<(), Error> {
    let counts = report.counts();
    let promise = report.promise();
    let lost = report.account.map_or(0, |account| account.lost);
    let wrong = [
        (counts.failed, "failed connections", true),
        (counts.broken, "broken connections", true),
        (counts.refused, "refused messages", true),
        (report.unacknowledged, "unacknowledged messages", true),
        (lost, "lost messages", promise > QoS::AtMostOnce),
        (
            counts.duplicated,
            "repeated messages",
            promise == QoS::ExactlyOnce,
        ),
        (counts.corrupted, "damaged messages", true),
    ];
    let wrong: Vec<String> = wrong
        .into_iter()
        .filter(|(count, _, counts)| *count > 0 && *counts)
        .map(|(count, what, _)| format!("{what}: {count}"))
        .collect();
    if !wrong.is_empty() {
        return Err(Error::BenchFailed(wrong.join(", ")));
    }
    match signal {
        Some(signal) => Err(Error::Interrupted(signal, None)),
        None => Ok(()),
    }
}
