//! Value types that several options share.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;
use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::net::Secret;

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum When {
    #[default]
    Auto,
    Always,
    Never,
}

impl When {
    /// What was said, if anything.
    pub fn forced(self) -> Option<bool> {
        match self {
            Self::Auto => None,
            Self::Always => Some(true),
            Self::Never => Some(false),
        }
    }
}

/// A time span: a number with the unit `ms`, `s`, `m` or `h`; seconds without one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        let refuse = || {
            format!(
                "'{typed}' is not a time span (use a number with us, ms, s, m or h, such as 1.5s)"
            )
        };
        let unit_at = typed
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(typed.len());
        let (number, unit) = typed.split_at(unit_at);
        let seconds_per_unit = match unit {
            "us" => 1e-6,
            "ms" => 0.001,
            "" | "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(refuse()),
        };
        let number: f64 = number.parse().map_err(|_| refuse())?;
        Duration::try_from_secs_f64(number * seconds_per_unit)
            .map(Self)
            .map_err(|_| refuse())
    }
}

/// A time span that is not zero.
pub fn positive(typed: &str) -> Result<Span, String> {
    match typed.parse::<Span>()? {
        span if span.0.is_zero() => Err(format!("'{typed}' is no time at all (use more than 0)")),
        span => Ok(span),
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.0.as_secs_f64())
    }
}

/// A count or a size in bytes: a number, also with `k`, `m` or `g` (powers of 1000) or `ki`, `mi`,
/// `gi` (powers of 1024), and a `b` behind it that changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount(pub u64);

/// An amount that is not zero.
pub fn some_amount(typed: &str) -> Result<Amount, String> {
    match typed.parse::<Amount>()? {
        Amount(0) => Err(format!("'{typed}' is none at all (use more than 0)")),
        amount => Ok(amount),
    }
}

impl FromStr for Amount {
    type Err = String;

    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        let refuse =
            || format!("'{typed}' is not an amount (use a number such as 500, 64k or 1mi)");
        let lower = typed.to_ascii_lowercase();
        let lower = match lower.strip_suffix('b') {
            Some(rest) if !rest.is_empty() => rest,
            _ => &lower,
        };
        let unit_at = lower
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(lower.len());
        let (number, unit) = lower.split_at(unit_at);
        let factor: u64 = match unit {
            "" => 1,
            "k" => 1000,
            "m" => 1_000_000,
            "g" => 1_000_000_000,
            "ki" => 1 << 10,
            "mi" => 1 << 20,
            "gi" => 1 << 30,
            _ => return Err(refuse()),
        };
        if let Ok(whole) = number.parse::<u64>() {
            return whole.checked_mul(factor).map(Self).ok_or_else(refuse);
        }
        let amount = number.parse::<f64>().map_err(|_| refuse())? * factor as f64;
        if amount.fract() != 0.0 || amount > 9e15 {
            return Err(refuse());
        }
        Ok(Self(amount as u64))
    }
}

/// A share of 0.1 to 100 percent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Percent(pub f64);

impl FromStr for Percent {
    type Err = String;

    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        match typed.parse() {
            Ok(percent) if (0.1..=100.0).contains(&percent) => Ok(Self(percent)),
            _ => Err(format!(
                "'{typed}' is not a percentage (use a number from 0.1 to 100)"
            )),
        }
    }
}

/// A change in percent, with or without the sign.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change(pub f64);

impl FromStr for Change {
    type Err = String;

    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        match typed.strip_suffix('%').unwrap_or(typed).trim().parse() {
            Ok(percent) if (0.0..=1000.0).contains(&percent) => Ok(Self(percent / 100.0)),
            _ => Err(format!(
                "'{typed}' is not a change (use percent from 0 to 1000, such as 10%)"
            )),
        }
    }
}

/// A secret: any bytes, never shown again.
pub fn secret() -> impl TypedValueParser<Value = Secret> {
    OsStringValueParser::new().map(|typed| Secret::new(typed.into_encoded_bytes()))
}

/// Seconds between pings: 0 for none.
pub fn keep_alive(typed: &str) -> Result<u16, String> {
    typed.parse().map_err(|_| {
        format!("'{typed}' is not a keep alive time (use whole seconds from 0 to 65535)")
    })
}

/// A session expiry interval in seconds; 4294967295 never expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionExpiry(pub u32);

impl FromStr for SessionExpiry {
    type Err = String;

    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        match typed {
            "-1" | "∞" | "never" => Ok(Self(u32::MAX)),
            _ => typed.parse().map(Self).map_err(|_| {
                format!(
                    "'{typed}' is not a session expiry interval (use seconds from 0 to 4294967295, or -1 for never)"
                )
            }),
        }
    }
}

/// How many attempts there may be; `None` for any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RetryCount(pub Option<u32>);

impl FromStr for RetryCount {
    type Err = String;

    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        match typed {
            "forever" => Ok(Self(None)),
            _ => typed.parse().map(|count| Self(Some(count))).map_err(|_| {
                format!("'{typed}' is not a number of attempts (use a number, 0 or forever)")
            }),
        }
    }
}

/// Bytes, at least one, typed with the escapes `\0 \n \r \t \xNN` and `\\`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Escaped(pub Vec<u8>);

impl FromStr for Escaped {
    type Err = String;

    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        let mut bytes = Vec::new();
        let mut rest = typed;
        while let Some((plain, escaped)) = rest.split_once('\\') {
            bytes.extend_from_slice(plain.as_bytes());
            let (byte, len) = unescape(escaped).ok_or_else(|| {
                format!(
                    "'{typed}' has a '\\' without a meaning (use \\0, \\n, \\r, \\t, \\xNN or \\\\)"
                )
            })?;
            bytes.push(byte);
            rest = &escaped[len..];
        }
        bytes.extend_from_slice(rest.as_bytes());
        match bytes.is_empty() {
            true => Err("an empty text separates nothing".to_owned()),
            false => Ok(Self(bytes)),
        }
    }
}

/// What stands behind a backslash: the byte that it means and how long it is.
fn unescape(escaped: &str) -> Option<(u8, usize)> {
    let byte = match escaped.as_bytes().first()? {
        b'0' => 0,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'\\' => b'\\',
        b'x' => {
            let digits = escaped.get(1..3)?;
            let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            let byte = u8::from_str_radix(digits, 16).ok().filter(|_| is_hex)?;
            return Some((byte, 3));
        }
        _ => return None,
    };
    Some((byte, 1))
}

/// A header for the WebSocket upgrade, `Name: value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub name: String,
    pub value: String,
}

impl FromStr for Header {
    type Err = String;

    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        match typed.split_once(':') {
            Some((name, value)) if !name.trim().is_empty() => Ok(Self {
                name: name.trim().to_owned(),
                value: value.trim().to_owned(),
            }),
            _ => Err(format!("'{typed}' is not a header (use 'Name: value')")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_take_units_and_fractions() {
        for (typed, milliseconds) in [
            ("5", 5000),
            ("0.5", 500),
            ("1.5s", 1500),
            ("250ms", 250),
            ("3000us", 3),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("0", 0),
        ] {
            assert_eq!(
                typed.parse(),
                Ok(Span(Duration::from_millis(milliseconds))),
                "{typed}"
            );
        }
        for typed in ["", "s", "5x", "-1", "1.2.3", "1e300h", "."] {
            assert!(typed.parse::<Span>().is_err(), "{typed}");
        }
    }

    #[test]
    fn retries_are_a_number_or_forever() {
        assert_eq!("forever".parse(), Ok(RetryCount(None)));
        assert_eq!("0".parse(), Ok(RetryCount(Some(0))));
        assert_eq!("12".parse(), Ok(RetryCount(Some(12))));
        for typed in ["", "-1", "ever", "1.5"] {
            assert!(typed.parse::<RetryCount>().is_err(), "{typed}");
        }
    }

    #[test]
    fn escapes_stand_for_bytes() {
        for (typed, bytes) in [
            (" ", &b" "[..]),
            ("\\0", b"\0"),
            (r"\x1e", b"\x1e"),
            (r"a\n\r\t\\\xFFz", b"a\n\r\t\\\xffz"),
            (r"\\0", b"\\0"),
            ("é", "é".as_bytes()),
        ] {
            assert_eq!(typed.parse(), Ok(Escaped(bytes.to_vec())), "{typed}");
        }
        for typed in ["", r"\", r"a\q", r"\x1", r"\x+1", r"\xé", r"\\\"] {
            assert!(typed.parse::<Escaped>().is_err(), "{typed}");
        }
    }

    #[test]
    fn amounts_take_units() {
        for (typed, amount) in [
            ("0", 0),
            ("16", 16),
            ("1k", 1000),
            ("1.5k", 1500),
            ("64ki", 65_536),
            ("64KiB", 65_536),
            ("2M", 2_000_000),
            ("1GB", 1_000_000_000),
        ] {
            assert_eq!(typed.parse(), Ok(Amount(amount)), "{typed}");
        }
        for typed in [
            "",
            "k",
            "b",
            "1.0001k",
            "-1",
            "1t",
            "99999999999999999999",
            "1e9",
        ] {
            assert!(typed.parse::<Amount>().is_err(), "{typed}");
        }
    }
}
