//! Conditions on the figures of a run: `p99 > 20ms`, `lost = 0`. Pure.

use std::fmt;
use std::str::FromStr;

use super::baseline::Baseline;
use super::figures::{self, Figure, Unit};

/// A comparison of a figure with a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    name: String,
    unit: Unit,
    comparison: Comparison,
    value: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
}

impl Comparison {
    /// Longer ones first, so that none is taken for the start of another.
    const ALL: [(&str, Self); 7] = [
        (">=", Self::GreaterOrEqual),
        ("<=", Self::LessOrEqual),
        ("==", Self::Equal),
        ("!=", Self::NotEqual),
        (">", Self::Greater),
        ("<", Self::Less),
        ("=", Self::Equal),
    ];

    fn text(self) -> &'static str {
        let known = Self::ALL.iter().rev().find(|(_, one)| *one == self);
        known.map_or("", |(text, _)| text)
    }

    fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Equal => left == right,
            Self::NotEqual => left != right,
        }
    }
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        let at = typed.find(['<', '>', '=', '!']);
        let found = at.and_then(|at| {
            let (name, rest) = typed.split_at(at);
            let known = Comparison::ALL.iter();
            let (sign, comparison) = known.clone().find(|(sign, _)| rest.starts_with(sign))?;
            Some((name.trim(), *comparison, rest[sign.len()..].trim()))
        });
        let Some((name, comparison, value)) = found else {
            return Err(format!(
                "'{typed}' is not a condition (use a figure, one of > >= < <= = !=, and a value, such as \
                 'p99 > 20ms')"
            ));
        };
        let unit = figures::unit_of(name).ok_or_else(|| {
            format!(
                "there is no figure '{name}' (the figures are: {})",
                figures::names()
            )
        })?;
        let value = parse(value, unit)
            .ok_or_else(|| format!("'{value}' is not a value of {name} ({})", example(unit)))?;
        Ok(Self {
            name: name.to_owned(),
            unit,
            comparison,
            value,
        })
    }
}

fn example(unit: Unit) -> &'static str {
    match unit {
        Unit::Count => "use a number, such as 5 or 10k",
        Unit::PerSecond => "use a rate, such as 50000, 50k or 50k/s",
        Unit::Time => "use a time with its unit, such as 20ms, 500us or 1.5s",
        Unit::Share => "use percent, such as 90%",
    }
}

fn parse(typed: &str, unit: Unit) -> Option<f64> {
    let typed = match unit {
        Unit::PerSecond => typed.strip_suffix("/s").unwrap_or(typed),
        _ => typed,
    };
    let end = typed.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, suffix) = typed.split_at(end.unwrap_or(typed.len()));
    let number: f64 = number.parse().ok()?;
    let factor = match (unit, suffix.trim()) {
        (Unit::Count | Unit::PerSecond, suffix) => match suffix {
            "" => 1.0,
            "k" | "K" => 1e3,
            "m" | "M" => 1e6,
            "g" | "G" => 1e9,
            _ => return None,
        },
        (Unit::Time, suffix) => match suffix {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            // Nothing is nothing in every unit.
            "" if number == 0.0 => 1.0,
            _ => return None,
        },
        (Unit::Share, "%") => 0.01,
        (Unit::Share, _) => return None,
    };
    Some(number * factor)
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.unit.show(self.value);
        write!(f, "{} {} {value}", self.name, self.comparison.text())
    }
}

impl Condition {
    /// Whether it holds, and what was found; `None` when there was nothing to measure.
    fn test(&self, figures: &[Figure]) -> Option<(bool, f64)> {
        let figure = figures.iter().find(|figure| figure.name == self.name)?;
        let value = figure.value?;
        Some((self.comparison.holds(value, self.value), value))
    }

    /// As `--fail-if` takes it: what is wrong when it holds. A figure that was not measured cannot
    /// show that all is well.
    pub fn failure(&self, figures: &[Figure]) -> Option<String> {
        match self.test(figures) {
            Some((false, _)) => None,
            Some((true, found)) => Some(format!("{self}: it is {}", self.unit.show(found))),
            None => Some(format!("{self}: nothing was measured")),
        }
    }

    /// As `--slo` takes it: what is wrong when it does not hold.
    #[cfg_attr(
        not(test),
        allow(dead_code, reason = "for the search of the highest rate")
    )]
    pub fn miss(&self, figures: &[Figure]) -> Option<String> {
        match self.test(figures) {
            Some((true, _)) => None,
            Some((false, found)) => Some(format!("{self} is missed: {}", self.unit.show(found))),
            None => Some(format!("{self}: nothing was measured")),
        }
    }
}

/// All that is asked of a run beyond what MQTT promises.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Demands {
    /// None of these may hold.
    pub fail_if: Vec<Condition>,
    /// An earlier run, and the share by which this one may be worse.
    pub baseline: Option<(Baseline, f64)>,
}

impl Demands {
    /// What was not met, each in its own words.
    pub fn misses(&self, figures: &[Figure]) -> Vec<String> {
        let failures = self.fail_if.iter();
        let mut misses: Vec<String> = failures.filter_map(|one| one.failure(figures)).collect();
        if let Some((baseline, max_change)) = &self.baseline {
            misses.extend(baseline.misses(figures, *max_change));
        }
        misses
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn figures(name: &str, value: Option<f64>) -> Vec<Figure> {
        vec![Figure {
            name: name.to_owned(),
            unit: figures::unit_of(name).unwrap(),
            value,
        }]
    }

    #[test]
    fn conditions_are_read_with_units_and_without_blanks() {
        for (typed, shown) in [
            ("p99 > 20ms", "p99 > 20ms"),
            ("p99>=1.5s", "p99 >= 1.5s"),
            ("ack_p99.9 < 500 us", "ack_p99.9 < 500us"),
            ("lost > 0", "lost > 0"),
            ("lost==0", "lost = 0"),
            ("rate<50k/s", "rate < 50000/s"),
            ("sent != 1M", "sent != 1000000"),
            ("cpu_busiest > 90%", "cpu_busiest > 90.0%"),
            ("max > 0", "max > 0ns"),
        ] {
            let condition: Condition = typed.parse().unwrap();
            assert_eq!(condition.to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_condition_says_what_is() {
        for (typed, words) in [
            ("p99", "'p99' is not a condition"),
            ("", "'' is not a condition"),
            (
                "p98 > 20ms",
                "there is no figure 'p98' (the figures are: rate ",
            ),
            ("> 20ms", "there is no figure ''"),
            ("p99 > 20", "use a time with its unit"),
            ("p99 > fast", "'fast' is not a value of p99"),
            ("lost > 5ms", "use a number"),
            ("rate < 50k/m", "use a rate"),
            ("socket_full > 0.5", "use percent"),
            ("p99 !< 20ms", "is not a condition"),
        ] {
            let error = typed.parse::<Condition>().unwrap_err();
            assert!(error.contains(words), "{typed}: {error}");
        }
    }

    #[test]
    fn a_miss_names_the_condition_and_the_figure() {
        let condition: Condition = "p99 > 20ms".parse().unwrap();
        let failure = |value| condition.failure(&figures("p99", value));
        assert_eq!(
            failure(Some(35_200_000.0)).unwrap(),
            "p99 > 20ms: it is 35.2ms"
        );
        assert_eq!(failure(Some(20_000_000.0)), None);
        assert_eq!(failure(None).unwrap(), "p99 > 20ms: nothing was measured");
        let objective: Condition = "lost = 0".parse().unwrap();
        let miss = |value| objective.miss(&figures("lost", value));
        assert_eq!(miss(Some(3.0)).unwrap(), "lost = 0 is missed: 3");
        assert_eq!(miss(Some(0.0)), None);
        assert!(miss(None).is_some());
    }

    proptest! {
        #[test]
        fn one_side_of_a_comparison_always_holds(value in 0..1000u32, limit in 0..1000u32) {
            let figures = figures("lost", Some(f64::from(value)));
            for (one, other) in [(">", "<="), ("<", ">="), ("=", "!=")] {
                let holds = |sign: &str| {
                    let condition: Condition = format!("lost {sign} {limit}").parse().unwrap();
                    let failed = condition.failure(&figures).is_some();
                    assert_eq!(failed, condition.miss(&figures).is_none());
                    failed
                };
                prop_assert_ne!(holds(one), holds(other));
            }
        }

        #[test]
        fn whatever_is_typed_is_no_panic(typed in ".*") {
            let _ = typed.parse::<Condition>();
        }
    }
}
