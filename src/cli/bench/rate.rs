//! How often: `50k/s`, and how that changes: `0..100k over 60s`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::cli::values::Span;

/// Events a second, at most: one in a nanosecond.
const MAX_RATE: f64 = 1e9;

/// Events a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate(pub f64);

impl FromStr for Rate {
    type Err = String;

    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        let refuse =
            || format!("'{typed}' is not a rate (use a number such as 500, 50k/s or 30/min)");
        let lower = typed.to_ascii_lowercase();
        let (number, seconds) = match lower.split_once('/') {
            None => (lower.as_str(), 1.0),
            Some((number, "s" | "sec")) => (number, 1.0),
            Some((number, "m" | "min")) => (number, 60.0),
            Some((number, "h")) => (number, 3600.0),
            Some(_) => return Err(refuse()),
        };
        let (number, factor) = match number.strip_suffix(['k', 'm']) {
            Some(rest) if number.ends_with('k') => (rest, 1e3),
            Some(rest) => (rest, 1e6),
            None => (number, 1.0),
        };
        let plain = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit() || c == '.');
        let per_s = number.parse::<f64>().map_err(|_| refuse())? * factor / seconds;
        match per_s {
            _ if !plain => Err(refuse()),
            per_s if per_s <= MAX_RATE => Ok(Self(per_s)),
            _ => Err(format!("'{typed}' is too much (1000m/s at most)")),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", self.0)
    }
}

/// A rate that is not zero.
pub fn positive_rate(typed: &str) -> Result<Rate, String> {
    match typed.parse::<Rate>()? {
        Rate(per_s) if per_s > 0.0 => Ok(Rate(per_s)),
        _ => Err(format!("'{typed}' is no rate at all (use more than 0)")),
    }
}

/// A rate that rises or falls evenly for some time, and then stays.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ramp {
    pub from: Rate,
    pub to: Rate,
    pub over: Duration,
}

impl FromStr for Ramp {
    type Err = String;

    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        let refuse = || {
            format!(
                "'{typed}' is not a ramp (use two rates and a time, such as '0..100k over 60s')"
            )
        };
        let (rates, over) = typed.split_once(" over ").ok_or_else(refuse)?;
        let (from, to) = rates.split_once("..").ok_or_else(refuse)?;
        let ramp = Self {
            from: from.trim().parse()?,
            to: to.trim().parse()?,
            over: over.trim().parse::<Span>()?.0,
        };
        if ramp.over.is_zero() {
            return Err(refuse());
        }
        if ramp.from.0 + ramp.to.0 <= 0.0 {
            return Err(format!(
                "'{typed}' is no rate at all (use more than 0 at one end)"
            ));
        }
        Ok(ramp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_take_factors_and_times() {
        for (typed, per_s) in [
            ("500", 500.0),
            ("50k/s", 50_000.0),
            ("1.5k", 1_500.0),
            ("2M/s", 2e6),
            ("30/min", 0.5),
            ("6m/min", 100_000.0),
            ("36/h", 0.01),
            ("0", 0.0),
        ] {
            assert_eq!(typed.parse(), Ok(Rate(per_s)), "{typed}");
        }
        for typed in [
            "", "k", "/s", "5/d", "-1", "1e3", "nan", "inf", "5g", "9999m", "5k k",
        ] {
            assert!(typed.parse::<Rate>().is_err(), "{typed}");
        }
        assert!(positive_rate("0/s").is_err());
    }

    #[test]
    fn ramps_have_two_rates_and_a_time() {
        let ramp = Ramp {
            from: Rate(0.0),
            to: Rate(100_000.0),
            over: Duration::from_secs(60),
        };
        assert_eq!("0..100k over 60s".parse(), Ok(ramp));
        assert_eq!("0/s .. 100k/s over 1m".parse(), Ok(ramp));
        for typed in [
            "",
            "0..5",
            "0 over 60s",
            "0..x over 1s",
            "0..5 over 0s",
            "0..0 over 1s",
            "0..5 over x",
        ] {
            assert!(typed.parse::<Ramp>().is_err(), "{typed}");
        }
    }
}
