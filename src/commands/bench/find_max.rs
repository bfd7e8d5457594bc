//! `--find-max`: run after run at rates that `bench::Search` chooses.

use super::load;
use super::result::{Results, condition};
use crate::bench::{BenchPlan, Condition, Next, Outcome, Pace, Report, Search, Trial, figures};
use crate::cli::bench::{BenchArgs, SearchArgs};
use crate::error::Error;
use crate::signal::Signal;

/// Where a search starts that is given no rate.
const DEFAULT_START: f64 = 1000.0;
/// Runs at a rate of which the last one counts though it is invalid: one that is shows nothing of the
/// broker, and may come from something else on this machine that is soon over.
const TRIES: usize = 3;

/// The conditions that must hold, when a search is asked for.
pub fn objectives(args: &SearchArgs) -> Result<Option<Vec<Condition>>, Error> {
    let typed = match (args.find_max, args.slo.as_deref()) {
        (true, Some(typed)) => typed,
        (true, None) => {
            return Err(Error::usage(
                "--find-max does not know what must hold",
                "give it with --slo, such as --slo 'p99 < 50ms, lost = 0'",
            ));
        }
        (false, _) => return Ok(None),
    };
    let conditions = typed.split(',').map(|one| condition("--slo", one.trim()));
    conditions.collect::<Result<_, _>>().map(Some)
}

/// Searches, and says how it went. A signal ends the search with what was found until then.
pub async fn search(
    plan: &BenchPlan,
    args: &BenchArgs,
    objectives: &[Condition],
    results: &mut Results,
) -> Result<(Search, Option<Signal>), Error> {
    let start = args.pace.rate.map_or(DEFAULT_START, |rate| rate.0);
    let mut search = Search::new(start);
    while let Next::Try(rate) = search.next() {
        let mut plan = plan.clone();
        let mut pace = Pace::constant(rate);
        if let Some(asked) = plan.pace {
            (pace.arrivals, pace.burst) = (asked.arrivals, asked.burst);
        }
        plan.pace = Some(pace);
        results.note(format!("trying {rate:.0}/s: "));
        for left in (0..TRIES).rev() {
            let running = load(plan.clone(), |progress| results.show(progress));
            let (report, signal) = running.await?;
            if signal.is_some() {
                return Ok((search, signal));
            }
            if left > 0 && report.verdict.outcome() == Outcome::Invalid {
                continue;
            }
            search.tried(Trial {
                rate,
                reached: report.rates.sent_per_s,
                broke: broke(&report, objectives),
            });
            break;
        }
    }
    Ok((search, None))
}

/// What did not hold: a promise of MQTT's, an objective, or the rate itself.
fn broke(report: &Report, objectives: &[Condition]) -> Vec<String> {
    let figures = figures(report);
    let faults = report.verdict.faults.iter().map(ToString::to_string);
    let missed = objectives.iter().filter_map(|one| one.miss(&figures));
    let mut broke: Vec<String> = faults.chain(missed).collect();
    match (report.verdict.invalid, report.health.rate) {
        (Some(invalid), _) => broke.push(format!("invalid: {invalid}")),
        (None, Some(rate)) if rate.is_missed() => broke.push(format!(
            "the broker took {:.0}/s of {:.0}/s",
            rate.sent_per_s, rate.planned_per_s
        )),
        (None, _) => {}
    }
    broke
}
