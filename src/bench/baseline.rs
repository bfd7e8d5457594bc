//! A run against an earlier one: what became worse by more than is allowed. Pure; the earlier one is
//! the text of its JSON result.

use super::figures::{Figure, Unit};

/// What is compared, and whether more of it is better.
const COMPARED: [(&str, bool); 12] = [
    ("rate", true),
    ("received_rate", true),
    ("p50", false),
    ("p99", false),
    ("lost", false),
    ("pending", false),
    ("duplicated", false),
    ("reordered", false),
    ("corrupted", false),
    ("refused", false),
    ("failed", false),
    ("broken", false),
];

/// The figures of an earlier run.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline(Vec<(&'static str, Option<f64>)>);

/// The schema of the JSON result, which is in all results of the kind.
pub const SCHEMA: &str = "mozzie-bench/1";

impl Baseline {
    /// # Errors
    /// Why the text is no result of `--json`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let result: serde_json::Value =
            serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
        match result.get("schema").and_then(|schema| schema.as_str()) {
            Some(SCHEMA) => {}
            Some(other) => return Err(format!("its schema is '{other}' and not '{SCHEMA}'")),
            None => return Err("not a result of bench --json".to_owned()),
        }
        let figures = result.get("figures").ok_or("it has no figures")?;
        let value = |name: &str| figures.get(name)?.as_f64();
        Ok(Self(COMPARED.map(|(name, _)| (name, value(name))).to_vec()))
    }

    /// What is worse by more than this share. A count that was 0 must stay 0, and what was measured
    /// then must be measured now.
    pub fn misses(&self, figures: &[Figure], max_change: f64) -> Vec<String> {
        let mut misses = Vec::new();
        for ((name, then), (_, more_is_better)) in self.0.iter().zip(COMPARED) {
            let Some(then) = then else { continue };
            let figure = figures.iter().find(|figure| figure.name == *name);
            let Some(now) = figure.and_then(|figure| figure.value) else {
                misses.push(format!(
                    "{name}: nothing was measured, in the baseline it was"
                ));
                continue;
            };
            let unit = figure.map_or(Unit::Count, |figure| figure.unit);
            let is_worse = if more_is_better {
                now < then * (1.0 - max_change)
            } else {
                now > then * (1.0 + max_change)
            };
            if is_worse {
                let change = if *then > 0.0 {
                    format!(", {:+.1}%", (now / then - 1.0) * 100.0)
                } else {
                    String::new()
                };
                misses.push(format!(
                    "{name}: {} after {}{change}",
                    unit.show(now),
                    unit.show(*then)
                ));
            }
        }
        misses
    }
}

#[cfg(test)]
mod tests {
    use super::super::figures::unit_of;
    use super::*;
    use proptest::prelude::*;

    fn figure(name: &str, value: Option<f64>) -> Figure {
        Figure {
            name: name.to_owned(),
            unit: unit_of(name).unwrap(),
            value,
        }
    }

    fn baseline(figures: &str) -> Baseline {
        Baseline::parse(&format!(r#"{{"schema":"{SCHEMA}","figures":{figures}}}"#)).unwrap()
    }

    #[test]
    fn what_became_worse_is_named_with_both_figures() {
        let old = baseline(r#"{"rate":1000.5,"p99":2000000,"lost":0,"p50":null}"#);
        let new = [
            figure("rate", Some(850.0)),
            figure("p99", Some(2_100_000.0)),
            figure("lost", Some(1.0)),
        ];
        assert_eq!(
            old.misses(&new, 0.1),
            ["rate: 850/s after 1000/s, -15.0%", "lost: 1 after 0"]
        );
        assert_eq!(old.misses(&new, 0.2), ["lost: 1 after 0"]);
        assert_eq!(old.misses(&new[..1], 0.2).len(), 2);
    }

    #[test]
    fn a_file_that_is_no_result_says_so() {
        for (text, words) in [
            ("", "not JSON"),
            ("[]", "not a result"),
            (r#"{"schema":"other/1"}"#, "'other/1'"),
            (r#"{"schema":"mozzie-bench/1"}"#, "no figures"),
        ] {
            let error = Baseline::parse(text).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    proptest! {
        #[test]
        fn better_is_never_a_miss(then in 0..1_000_000u32, by in 0..1_000_000u32) {
            let old = baseline(&format!(r#"{{"rate":{then},"p99":{}}}"#, then + by));
            let new = [
                figure("rate", Some(f64::from(then) + f64::from(by))),
                figure("p99", Some(f64::from(then))),
            ];
            prop_assert!(old.misses(&new, 0.0).is_empty());
        }
    }
}
