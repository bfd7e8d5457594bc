//! The figures of a report by name: what the JSON result lists, and what thresholds and baselines
//! compare. Pure.

use std::fmt::Write as _;
use std::time::Duration;

use super::report::Report;
use super::timing::{Latency, Timing};

/// What a figure is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Count,
    PerSecond,
    /// Nanoseconds.
    Time,
    /// 1 is all of it.
    Share,
}

impl Unit {
    /// A value with its unit, short.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Count => format!("{value:.0}"),
            Self::PerSecond => format!("{value:.0}/s"),
            Self::Share => format!("{:.1}%", value * 100.0),
            Self::Time => {
                let (value, unit) = match value {
                    ns if ns < 1e3 => return format!("{ns:.0}ns"),
                    ns if ns < 1e6 => (ns / 1e3, "us"),
                    ns if ns < 1e9 => (ns / 1e6, "ms"),
                    ns => (ns / 1e9, "s"),
                };
                format!("{}{unit}", (value * 1000.0).round() / 1000.0)
            }
        }
    }
}

/// One figure of a run; `None` when there was nothing to measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    pub name: String,
    pub unit: Unit,
    pub value: Option<f64>,
}

type Get = fn(&Report) -> Option<f64>;

/// Everything but the latencies, in the order of the result.
const PLAIN: &[(&str, Unit, Get)] = &[
    ("rate", Unit::PerSecond, |r| Some(r.rate())),
    ("sent_rate", Unit::PerSecond, |r| Some(r.rates.sent_per_s)),
    ("acknowledged_rate", Unit::PerSecond, |r| {
        Some(r.rates.acknowledged_per_s)
    }),
    ("received_rate", Unit::PerSecond, |r| {
        Some(r.rates.received_per_s)
    }),
    ("connected_rate", Unit::PerSecond, Report::connected_per_s),
    ("planned_rate", Unit::PerSecond, |r| {
        r.health.rate.map(|rate| rate.planned_per_s)
    }),
    ("offered", Unit::Count, |r| count(r.account.offered)),
    ("sent", Unit::Count, |r| count(r.counts().sent)),
    ("acknowledged", Unit::Count, |r| {
        count(r.counts().acknowledged)
    }),
    ("refused", Unit::Count, |r| count(r.counts().refused)),
    ("unacknowledged", Unit::Count, |r| {
        count(r.account.unacknowledged)
    }),
    ("expected", Unit::Count, |r| count(r.account.expected)),
    ("received", Unit::Count, |r| count(r.counts().received)),
    ("arrived", Unit::Count, |r| count(r.account.arrived)),
    ("lost", Unit::Count, |r| count(r.account.lost)),
    ("cut_off", Unit::Count, |r| count(r.account.cut_off)),
    ("pending", Unit::Count, |r| count(r.account.pending)),
    ("duplicated", Unit::Count, |r| count(r.duplicated())),
    ("reordered", Unit::Count, |r| count(r.counts().out_of_order)),
    ("corrupted", Unit::Count, |r| count(r.counts().corrupted)),
    ("undecided", Unit::Count, |r| count(r.counts().undecided)),
    ("never_sent", Unit::Count, |r| count(r.account.never_sent)),
    ("foreign", Unit::Count, |r| count(r.counts().foreign)),
    ("unexpected", Unit::Count, |r| count(r.counts().unexpected)),
    ("connected", Unit::Count, |r| count(r.counts().connected)),
    ("failed", Unit::Count, |r| count(r.counts().failed)),
    ("broken", Unit::Count, |r| count(r.counts().broken)),
    ("churned", Unit::Count, |r| count(r.counts().churned)),
    ("reconnected", Unit::Count, |r| {
        count(r.counts().reconnected)
    }),
    ("connect_time", Unit::Time, |r| time(r.times.connect)),
    ("publish_time", Unit::Time, |r| time(r.times.publish)),
    ("drain_time", Unit::Time, |r| time(r.times.drain)),
    ("cpu", Unit::Time, |r| r.cpu().and_then(time)),
    ("cpu_per_message", Unit::Time, |r| {
        r.cpu_per_message().and_then(time)
    }),
    ("cpu_busiest", Unit::Share, |r| r.health.busiest),
    ("socket_full", Unit::Share, |r| Some(r.health.socket_full)),
    ("ceiling", Unit::PerSecond, |r| r.ceiling),
    ("ceiling_share", Unit::Share, Report::ceiling_share),
];

fn count(count: u64) -> Option<f64> {
    Some(count as f64)
}

fn time(time: Duration) -> Option<f64> {
    Some(time.as_nanos() as f64)
}

/// The names of a latency's figures.
pub const QUANTILES: [&str; 7] = ["p50", "p90", "p99", "p99.9", "p99.99", "max", "mean"];

/// All figures, always the same ones in the same order. The latencies stand first for the run's main
/// timing (`p99`), then for each timing (`ack_p99`).
pub fn figures(report: &Report) -> Vec<Figure> {
    let mut figures: Vec<Figure> = PLAIN
        .iter()
        .map(|(name, unit, get)| Figure {
            name: (*name).to_owned(),
            unit: *unit,
            value: get(report),
        })
        .collect();
    let main = report.setup.main_timing();
    let all = Timing::ALL.into_iter();
    let timings = std::iter::once((String::new(), main))
        .chain(all.map(|timing| (format!("{}_", timing.name()), timing)));
    for (prefix, timing) in timings {
        let latency = report.latency(timing).map(|latency| latency.quantiles());
        for (index, quantile) in QUANTILES.iter().enumerate() {
            figures.push(Figure {
                name: format!("{prefix}{quantile}"),
                unit: Unit::Time,
                value: latency.and_then(|latency| time(latency[index])),
            });
        }
    }
    figures
}

impl Latency {
    /// In the order of [`QUANTILES`].
    pub fn quantiles(&self) -> [Duration; QUANTILES.len()] {
        [
            self.p50,
            self.p90,
            self.p99,
            self.p99_9,
            self.p99_99,
            self.max,
            self.mean,
        ]
    }
}

/// The unit of a figure, if there is one of this name.
pub fn unit_of(name: &str) -> Option<Unit> {
    if let Some((_, unit, _)) = PLAIN.iter().find(|(plain, ..)| *plain == name) {
        return Some(*unit);
    }
    let quantile = Timing::ALL
        .into_iter()
        .filter_map(|timing| name.strip_prefix(timing.name())?.strip_prefix('_'))
        .find(|rest| QUANTILES.contains(rest))
        .unwrap_or(name);
    QUANTILES.contains(&quantile).then_some(Unit::Time)
}

/// All names in a sentence, for whoever typed one that is not among them.
pub fn names() -> String {
    let mut text = String::new();
    for name in PLAIN.iter().map(|(name, ..)| *name).chain(QUANTILES) {
        let _ = write!(text, "{name} ");
    }
    let timings: Vec<&str> = Timing::ALL.into_iter().map(Timing::name).collect();
    let _ = write!(
        text,
        "and the last {} also as {}_p99 and so on",
        QUANTILES.len(),
        timings.join("_p99, ")
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_with_their_unit() {
        for (unit, value, text) in [
            (Unit::Count, 12.0, "12"),
            (Unit::PerSecond, 41_234.5, "41234/s"),
            (Unit::Share, 0.955, "95.5%"),
            (Unit::Time, 999.0, "999ns"),
            (Unit::Time, 20_500_000.0, "20.5ms"),
            (Unit::Time, 1_234_567_890.0, "1.235s"),
        ] {
            assert_eq!(unit.show(value), text);
        }
    }

    #[test]
    fn latencies_have_a_name_for_each_timing() {
        assert_eq!(unit_of("p99"), Some(Unit::Time));
        assert_eq!(unit_of("delivery_from_send_p99.99"), Some(Unit::Time));
        assert_eq!(unit_of("ack_max"), Some(Unit::Time));
        assert_eq!(unit_of("lost"), Some(Unit::Count));
        for unknown in [
            "",
            "p98",
            "ack",
            "ack_",
            "ack_p98",
            "Lost",
            "delivery_from_p99",
        ] {
            assert_eq!(unit_of(unknown), None, "{unknown}");
        }
        assert!(names().contains("lost duplicated") || names().contains("lost"));
    }
}
