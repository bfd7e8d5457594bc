//! `--self-test`: the load against a peer in this process that only drains it. What comes about then is
//! the most that this machine can do, generator and peer together.

use std::time::Duration;

use super::load;
use super::result::Results;
use crate::bench::peer::{Peer, PeerOptions};
use crate::bench::{self, Against, BenchPlan, Report, Sources, Stop};
use crate::cli::bench::SelfTest;
use crate::error::Error;
use crate::signal::Signal;

pub const REMARK: &str = "built-in peer over plain TCP: its work is done by this process too\n";
/// How long the test before a run takes.
const FIRST: Duration = Duration::from_secs(2);

/// As fast as it goes: a rate is no part of it.
pub async fn run(
    plan: &BenchPlan,
    when: SelfTest,
    sources: &Sources,
    results: &mut Results,
) -> Result<(Report, Option<Signal>), Error> {
    let peer = Peer::start(PeerOptions {
        forward: plan.subscribers.count > 0,
        ..PeerOptions::default()
    });
    let peer = peer.map_err(|error| Error::io("--self-test: cannot start the peer", error))?;
    let mut plan = plan.clone();
    plan.dial = bench::tcp_from(peer.address(), sources.towards(&peer.address()));
    plan.against = Against::Peer;
    plan.pace = None;
    if when == SelfTest::First {
        plan.warmup = Duration::ZERO;
        plan.stop = Stop {
            messages: None,
            duration: Some(FIRST),
        };
        results.note("self-test: ".to_owned());
    }
    let (mut report, signal) = load(plan, |progress| match when {
        SelfTest::Only => results.progress(progress),
        SelfTest::First => results.show(progress),
    })
    .await?;
    results.note(String::new());
    report.ceiling = Some(report.rate());
    Ok((report, signal))
}
