//! The result of `mozzie doctor`: a table for people, JSON for scripts.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::terminal::visible_line;
use super::{Color, Palette};
use crate::mqtt::session::Limits;

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    Passed,
    /// It works, and something about it is worth knowing.
    Warning {
        hint: String,
    },
    /// `code` is the exit code that the failure has.
    Failed {
        error: String,
        hint: Option<String>,
        code: u8,
    },
    /// Something that it needs had failed before.
    Skipped,
}

#[derive(Debug, Clone)]
pub struct Check {
    pub name: &'static str,
    pub finding: Finding,
    pub took: Option<Duration>,
    pub detail: String,
}

/// A certificate that the broker showed; dates in seconds since 1970.
#[derive(Debug, Clone)]
pub struct Certificate {
    pub subject: Option<String>,
    pub issuer: Option<String>,
    pub names: Vec<String>,
    pub not_before: i64,
    pub not_after: i64,
}

#[derive(Debug, Default)]
pub struct Report {
    /// Where the broker is, as the user would type it.
    pub broker: String,
    pub checks: Vec<Check>,
    /// The broker's own first.
    pub certificates: Vec<Certificate>,
    /// What CONNACK allows; `None` before MQTT 5, where it says nothing, and without a CONNACK.
    pub limits: Option<Limits>,
}

impl Report {
    /// How many checks failed, of how many that were made, and the exit code of the first.
    pub fn failures(&self) -> (usize, usize, Option<u8>) {
        let codes: Vec<u8> = self
            .checks
            .iter()
            .filter_map(|check| match check.finding {
                Finding::Failed { code, .. } => Some(code),
                _ => None,
            })
            .collect();
        let made = self
            .checks
            .iter()
            .filter(|check| check.finding != Finding::Skipped)
            .count();
        (codes.len(), made, codes.first().copied())
    }

    pub fn table(&self, palette: Palette) -> String {
        let width = self
            .checks
            .iter()
            .map(|check| check.name.len())
            .max()
            .unwrap_or_default();
        let mut out = visible_line(&format!("broker {}", self.broker));
        out.push_str("\n\n");
        for check in &self.checks {
            write_check(check, width, palette, &mut out);
        }
        for (index, certificate) in self.certificates.iter().enumerate() {
            write_certificate(index, certificate, &mut out);
        }
        if let Some(limits) = &self.limits {
            out.push_str("\nwhat the broker allows\n");
            for (name, value) in rows(limits) {
                let _ = writeln!(out, "  {name:<26} {value}");
            }
        }
        out
    }

    pub fn json(&self) -> String {
        let checks: Vec<Value> = self.checks.iter().map(check_value).collect();
        let certificates: Vec<Value> = self.certificates.iter().map(certificate_value).collect();
        let (_, _, code) = self.failures();
        let mut report = json!({
            "broker": self.broker,
            "ok": code.is_none(),
            "exit_code": code.unwrap_or(0),
            "checks": checks,
        });
        if let Value::Object(report) = &mut report {
            if !certificates.is_empty() {
                report.insert("certificates".to_owned(), certificates.into());
            }
            if let Some(limits) = &self.limits {
                report.insert("limits".to_owned(), limits_value(limits));
            }
        }
        format!("{report}\n")
    }
}

fn write_check(check: &Check, width: usize, palette: Palette, out: &mut String) {
    let (word, color) = match check.finding {
        Finding::Passed => ("ok", Color::Green),
        Finding::Warning { .. } => ("warning", Color::Yellow),
        Finding::Failed { .. } => ("FAILED", Color::Red),
        Finding::Skipped => ("skipped", Color::BrightBlack),
    };
    let took = check.took.map(milliseconds).unwrap_or_default();
    let detail = match &check.finding {
        Finding::Failed { error, .. } => error,
        _ => &check.detail,
    };
    // Padded before it is painted: colours have no width.
    let word = palette.paint(&format!("{word:<7}"), color);
    let name = check.name;
    let line = format!("  {name:<width$}  {word}  {took:>10}  ");
    out.push_str(&line);
    out.push_str(&visible_line(detail));
    out.truncate(out.trim_end().len());
    out.push('\n');
    let hint = match &check.finding {
        Finding::Warning { hint } => Some(hint),
        Finding::Failed { hint, .. } => hint.as_ref(),
        Finding::Passed | Finding::Skipped => None,
    };
    if let Some(hint) = hint {
        let mark = palette.paint("hint:", Color::Cyan);
        let _ = writeln!(out, "  {:width$}  {mark} {}", "", visible_line(hint));
    }
}

fn milliseconds(took: Duration) -> String {
    format!("{:.2} ms", took.as_secs_f64() * 1000.0)
}

fn write_certificate(index: usize, certificate: &Certificate, out: &mut String) {
    let title = match index {
        0 => "\ncertificate of the broker".to_owned(),
        n => format!("certificate {} of the chain", n + 1),
    };
    let unnamed = "(unnamed)";
    let rows = [
        ("subject", certificate.subject.as_deref().unwrap_or(unnamed)),
        ("issuer", certificate.issuer.as_deref().unwrap_or(unnamed)),
        ("names", &certificate.names.join(", ")),
        (
            "valid",
            &format!(
                "{} to {}",
                date(certificate.not_before),
                date(certificate.not_after)
            ),
        ),
    ];
    let _ = writeln!(out, "{title}");
    for (name, value) in rows.into_iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(out, "  {name:<8} {}", visible_line(value));
    }
}

fn date(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(
        |_| "a date out of range".to_owned(),
        |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}

fn rows(limits: &Limits) -> [(&'static str, String); 8] {
    let yes_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    [
        ("maximum QoS", limits.maximum_qos.to_string()),
        (
            "maximum packet size",
            format!("{} bytes", limits.maximum_packet_size),
        ),
        ("receive maximum", limits.receive_maximum.to_string()),
        (
            "topic alias maximum",
            limits.topic_alias_maximum.to_string(),
        ),
        ("retained messages", yes_no(limits.retain_available)),
        (
            "wildcard subscriptions",
            yes_no(limits.wildcard_subscriptions),
        ),
        ("shared subscriptions", yes_no(limits.shared_subscriptions)),
        (
            "subscription identifiers",
            yes_no(limits.subscription_identifiers),
        ),
    ]
}

fn check_value(check: &Check) -> Value {
    let mut value = Map::new();
    value.insert("name".to_owned(), check.name.into());
    let (result, more) = match &check.finding {
        Finding::Passed => ("ok", json!({})),
        Finding::Warning { hint } => ("warning", json!({ "hint": hint })),
        Finding::Failed { error, hint, code } => (
            "failed",
            json!({ "error": error, "hint": hint, "exit_code": code }),
        ),
        Finding::Skipped => ("skipped", json!({})),
    };
    value.insert("result".to_owned(), result.into());
    if let Some(took) = check.took {
        value.insert("ms".to_owned(), (took.as_micros() as f64 / 1000.0).into());
    }
    if !check.detail.is_empty() {
        value.insert("detail".to_owned(), check.detail.clone().into());
    }
    if let Value::Object(more) = more {
        value.extend(more);
    }
    Value::Object(value)
}

fn certificate_value(certificate: &Certificate) -> Value {
    json!({
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "names": certificate.names,
        "not_before": date(certificate.not_before),
        "not_after": date(certificate.not_after),
    })
}

fn limits_value(limits: &Limits) -> Value {
    json!({
        "maximum_qos": limits.maximum_qos as u8,
        "maximum_packet_size": limits.maximum_packet_size,
        "receive_maximum": limits.receive_maximum,
        "topic_alias_maximum": limits.topic_alias_maximum,
        "retain_available": limits.retain_available,
        "wildcard_subscriptions": limits.wildcard_subscriptions,
        "shared_subscriptions": limits.shared_subscriptions,
        "subscription_identifiers": limits.subscription_identifiers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let check = |name, finding, detail: &str| Check {
            name,
            finding,
            took: None,
            detail: detail.to_owned(),
        };
        Report {
            broker: "broker:1883".to_owned(),
            checks: vec![
                Check {
                    took: Some(Duration::from_micros(1234)),
                    ..check("connect", Finding::Passed, "[::1]:1883")
                },
                check(
                    "login",
                    Finding::Failed {
                        error: "refused \x1b[2J".to_owned(),
                        hint: Some("try".to_owned()),
                        code: 4,
                    },
                    "",
                ),
                check("QoS 0", Finding::Skipped, ""),
            ],
            ..Report::default()
        }
    }

    #[test]
    fn the_table_is_aligned_and_safe_to_look_at() {
        assert_eq!(
            report().table(Palette::OFF),
            "broker broker:1883\n\n  \
             connect  ok          1.23 ms  [::1]:1883\n  \
             login    FAILED               refused \\u{1b}[2J\n           hint: try\n  \
             QoS 0    skipped\n"
        );
    }

    #[test]
    fn the_first_failure_gives_the_exit_code() {
        assert_eq!(report().failures(), (1, 2, Some(4)));
        let json: Value = serde_json::from_str(&report().json()).unwrap();
        assert_eq!(json["exit_code"], 4);
        assert_eq!(json["checks"][0]["ms"], 1.234);
        assert_eq!(json["checks"][1]["hint"], "try");
        assert_eq!(json["checks"][2]["result"], "skipped");
    }
}
