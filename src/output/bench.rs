//! The result of a bench run, and its one line of progress, for people. Writes where it is told to.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

use crate::bench::{Latency, Phase, Progress, Reasons, Report};
use crate::mqtt::QoS;

/// Width of the column that names a line.
const NAME: usize = 16;

/// Writes the result, at most 80 columns wide unless a broker's reason is longer.
pub fn render_report(report: &Report, colour: bool, out: &mut impl Write) -> io::Result<()> {
    let mut table = Table { out, colour };
    setup(report, &mut table)?;
    messages(report, &mut table)?;
    latencies(report, &mut table)?;
    connections(report, &mut table)?;
    effort(report, &mut table)
}

/// One line without its end: phase, elapsed, rate, acknowledged, p99, time left.
pub fn render_progress(progress: &Progress) -> String {
    let mut line = String::new();
    let phase = match progress.phase {
        Phase::Connecting => "connecting",
        Phase::Publishing => "publishing",
        Phase::Draining => "draining",
        Phase::Disconnecting => "disconnecting",
    };
    // Writing to a string cannot fail.
    let _ = write!(line, "{phase} {}s", progress.elapsed.as_secs());
    if progress.phase == Phase::Connecting {
        let (open, clients) = (progress.open as u64, progress.clients as u64);
        let _ = write!(
            line,
            "  {} of {} connected",
            grouped(open),
            grouped(clients)
        );
        return line;
    }
    let counts = &progress.counts;
    if counts.sent > 0 {
        let _ = write!(line, "  sent {}/s", rate(progress.sent_per_s));
    }
    if counts.acknowledged > 0 {
        let _ = write!(line, "  acked {}", grouped(counts.acknowledged));
    }
    if counts.received > 0 {
        let _ = write!(line, "  received {}/s", rate(progress.received_per_s));
    }
    if let Some(p99) = progress.p99 {
        let _ = write!(line, "  p99 {}", duration(p99));
    }
    if counts.broken > 0 {
        let _ = write!(line, "  {} broken", grouped(counts.broken));
    }
    if let Some(left) = progress.left {
        let _ = write!(line, "  {}s left", left.as_secs_f64().round());
    }
    line
}

struct Table<'a, W: Write> {
    out: &'a mut W,
    colour: bool,
}

impl<W: Write> Table<'_, W> {
    fn heading(&mut self, text: &str) -> io::Result<()> {
        let (bold, plain) = if self.colour {
            ("\x1b[1m", "\x1b[0m")
        } else {
            ("", "")
        };
        writeln!(self.out, "\n{bold}{}{plain}", text.trim_end())
    }

    fn line(&mut self, name: &str, rest: &str) -> io::Result<()> {
        let line = format!("  {name:<NAME$}{rest}");
        writeln!(self.out, "{}", line.trim_end())
    }

    /// A line that tells of something wrong.
    fn alarm(&mut self, name: &str, rest: &str) -> io::Result<()> {
        if !self.colour {
            return self.line(name, rest);
        }
        let line = format!("  {name:<NAME$}{rest}");
        writeln!(self.out, "\x1b[31m{}\x1b[0m", line.trim_end())
    }

    fn reasons(&mut self, reasons: &Reasons) -> io::Result<()> {
        for (reason, count) in reasons.iter() {
            writeln!(self.out, "    {} \u{d7} {reason}", grouped(count))?;
        }
        Ok(())
    }
}

fn setup<W: Write>(report: &Report, table: &mut Table<'_, W>) -> io::Result<()> {
    let setup = &report.setup;
    let mut parts = Vec::new();
    if setup.publishers.count > 0 {
        let (count, qos) = (setup.publishers.count, setup.publishers.qos);
        parts.push(format!("{} at QoS {qos}", plural(count, "publisher")));
    }
    if setup.subscribers.count > 0 {
        let (count, qos) = (setup.subscribers.count, setup.subscribers.qos);
        parts.push(format!("{} at QoS {qos}", plural(count, "subscriber")));
    }
    parts.push(format!("{} bytes", grouped(setup.publishers.size as u64)));
    parts.push(format!("MQTT {}", setup.version));
    writeln!(table.out, "{}", parts.join(", "))?;
    if report.interrupted {
        table.alarm("interrupted", "before the end that was planned")?;
    }
    Ok(())
}

fn messages<W: Write>(report: &Report, table: &mut Table<'_, W>) -> io::Result<()> {
    let counts = report.counts();
    let rates = &report.rates;
    let figure = |count: u64, per_s: f64| format!("{:>15}{:>15}/s", grouped(count), rate(per_s));
    let number = |count: u64| format!("{:>15}", grouped(count));
    let width = NAME + 2;
    let heading = format!("{:<width$}{:>15}{:>17}", "messages", "count", "rate");
    table.heading(&heading)?;
    if report.setup.publishers.count > 0 {
        table.line("sent", &figure(counts.sent, rates.sent_per_s))?;
        if report.setup.publishers.qos != QoS::AtMostOnce {
            let figure = figure(counts.acknowledged, rates.acknowledged_per_s);
            table.line("acknowledged", &figure)?;
        }
    }
    if counts.refused > 0 {
        table.alarm("refused", &number(counts.refused))?;
        table.reasons(&report.recorder.refusals)?;
    }
    if report.unacknowledged > 0 {
        table.alarm("unacknowledged", &number(report.unacknowledged))?;
    }
    if report.setup.subscribers.count > 0 {
        table.line("received", &figure(counts.received, rates.received_per_s))?;
    }
    if let Some(account) = &report.account {
        table.line("expected", &number(account.expected))?;
        if account.lost > 0 {
            table.alarm("lost", &number(account.lost))?;
        } else {
            table.line("lost", &number(0))?;
        }
        if account.cut_off > 0 {
            let rest = number(account.cut_off) + "  not received on broken connections";
            table.alarm("cut off", &rest)?;
        }
    }
    let odd = [
        ("duplicated", counts.duplicated, ""),
        ("out of order", counts.out_of_order, ""),
        ("corrupted", counts.corrupted, ""),
        ("foreign", counts.foreign, "  not of this run"),
        ("unexpected", counts.unexpected, "  answers to nothing"),
    ];
    for (name, count, remark) in odd {
        if count > 0 {
            table.alarm(name, &(number(count) + remark))?;
        }
    }
    Ok(())
}

fn latencies<W: Write>(report: &Report, table: &mut Table<'_, W>) -> io::Result<()> {
    let lines = [
        ("to acknowledge", report.ack()),
        ("to subscriber", report.delivery()),
        ("to connect", report.connect()),
    ];
    if lines.iter().all(|(_, latency)| latency.is_none()) {
        return Ok(());
    }
    let columns = ["p50", "p90", "p99", "p99.9", "max", "mean"];
    let width = NAME + 2;
    let mut heading = format!("{:<width$}", "latency");
    for column in columns {
        let _ = write!(heading, "{column:>10}");
    }
    table.heading(&heading)?;
    for (name, latency) in lines {
        let Some(latency) = latency else { continue };
        let Latency {
            p50,
            p90,
            p99,
            p99_9,
            max,
            mean,
            ..
        } = latency;
        let mut rest = String::new();
        for figure in [p50, p90, p99, p99_9, max, mean] {
            let _ = write!(rest, "{:>10}", duration(figure));
        }
        table.line(name, &rest)?;
    }
    Ok(())
}

fn connections<W: Write>(report: &Report, table: &mut Table<'_, W>) -> io::Result<()> {
    let counts = report.counts();
    if counts.failed == 0 && counts.broken == 0 {
        return Ok(());
    }
    table.heading("connections")?;
    table.line("connected", &format!("{:>15}", grouped(counts.connected)))?;
    for (name, count) in [("failed", counts.failed), ("broken", counts.broken)] {
        if count > 0 {
            table.alarm(name, &format!("{:>15}", grouped(count)))?;
        }
    }
    table.reasons(&report.recorder.connection_errors)
}

fn effort<W: Write>(report: &Report, table: &mut Table<'_, W>) -> io::Result<()> {
    let times = &report.times;
    table.heading("effort")?;
    table.line(
        "time",
        &format!(
            "{} connecting, {} publishing, {} draining",
            duration(times.connect),
            duration(times.publish),
            duration(times.drain)
        ),
    )?;
    if let Some(cpu) = report.cpu {
        let mut rest = format!(
            "{} in {}",
            duration(cpu),
            plural(report.setup.workers, "thread")
        );
        if let Some(each) = report.cpu_per_message() {
            let _ = write!(rest, ", {} for each message", duration(each));
        }
        table.line("processor", &rest)?;
    }
    Ok(())
}

fn plural(count: usize, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} {what}{s}", grouped(count as u64))
}

/// Digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn rate(per_s: f64) -> String {
    if per_s < 10.0 {
        format!("{per_s:.1}")
    } else {
        grouped(per_s.round() as u64)
    }
}

/// Three digits and a unit.
fn duration(duration: Duration) -> String {
    let ns = duration.as_nanos() as f64;
    let (value, unit) = match ns {
        ns if ns < 999.5 => return format!("{ns:.0} ns"),
        ns if ns < 999.5e3 => (ns / 1e3, "us"),
        ns if ns < 999.5e6 => (ns / 1e6, "ms"),
        ns => (ns / 1e9, "s"),
    };
    match value {
        value if value < 9.995 => format!("{value:.2} {unit}"),
        value if value < 99.95 => format!("{value:.1} {unit}"),
        value => format!("{value:.0} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_and_their_unit() {
        let table = [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_000, "1.00 us"),
            (12_345, "12.3 us"),
            (999_400, "999 us"),
            (999_600, "1.00 ms"),
            (9_996_000, "10.0 ms"),
            (1_500_000_000, "1.50 s"),
            (120_000_000_000, "120 s"),
        ];
        for (ns, text) in table {
            assert_eq!(duration(Duration::from_nanos(ns)), text);
        }
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(123), "123");
        assert_eq!(rate(0.25), "0.2");
        assert_eq!(rate(1234.5), "1,235");
    }

    #[test]
    fn a_report_names_what_went_wrong_and_fits_80_columns() {
        use crate::bench::peer::{Faults, Peer, PeerOptions};
        use crate::bench::{BenchPlan, Subscribers, run, tcp};
        use crate::mqtt::Version;

        let peer = Peer::start(PeerOptions {
            forward: true,
            faults: Faults {
                lose_every: Some(7),
                refuse_every: Some(10),
                corrupt_every: Some(9),
                ..Faults::default()
            },
            ..PeerOptions::default()
        })
        .unwrap();
        let mut plan = BenchPlan::new(tcp(peer.address()));
        plan.session.version = Version::V5;
        plan.publishers.qos = QoS::AtLeastOnce;
        plan.subscribers = Subscribers {
            count: 1,
            qos: QoS::AtLeastOnce,
        };
        plan.stop.messages = Some(630);
        plan.drain = Duration::from_millis(500);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let mut lines = Vec::new();
        let report = runtime.block_on(run(plan, std::future::pending(), |progress| {
            lines.push(render_progress(progress));
        }));
        let mut text = Vec::new();
        render_report(&report.unwrap(), false, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        for line in text.lines().chain(lines.iter().map(String::as_str)) {
            assert!(line.chars().count() <= 80, "{line}");
        }
        for words in [
            "1 publisher at QoS 1, 1 subscriber at QoS 1, 64 bytes, MQTT 5",
            "  sent                        630",
            "  acknowledged                567",
            "  refused                      63",
            "    63 \u{d7} quota exceeded (151)",
            "  to subscriber",
        ] {
            assert!(text.contains(words), "{words}\n{text}");
        }
    }
}
