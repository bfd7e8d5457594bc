//! The result of a bench run, and its one line of progress, for people. Writes where it is told to.

mod found;
mod intervals;
mod json;
mod picture;

use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

use crate::bench::{Arrivals, Outcome, Phase, Progress, Reasons, Report, Timing};
use crate::mqtt::QoS;

pub use found::{render_found, render_found_json};
pub use intervals::{Csv, HdrLog};
pub use json::render_json;

/// Width of the column that names a line.
const NAME: usize = 16;

/// From so many connections on it says something how many came about in a second.
const MANY: u64 = 10;

/// A shorter time between two looks is what was tried and not kept.
const GATHERED: Duration = Duration::from_micros(10);

/// How the result is to look.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    pub colour: bool,
    /// With a picture of the latencies.
    pub picture: bool,
}

/// Writes the result, at most 80 columns wide unless a broker's reason is longer.
pub fn render_report(report: &Report, look: Look, out: &mut impl Write) -> io::Result<()> {
    let colour = look.colour;
    let mut table = Table { out, colour };
    setup(report, &mut table)?;
    messages(report, &mut table)?;
    latencies(report, &mut table)?;
    if look.picture {
        pictured(report, &mut table)?;
    }
    connections(report, &mut table)?;
    effort(report, &mut table)?;
    verdict(report, &mut table)
}

/// One line without its end: phase, elapsed and time left, rate, acknowledged, p99, missing; what is most wanted
/// first, because a narrow terminal cuts it.
pub fn render_progress(progress: &Progress) -> String {
    let mut line = format!("{} {}s", phase(progress.phase), progress.elapsed.as_secs());
    // Writing to a string cannot fail.
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
    if let Some(left) = progress.left {
        let _ = write!(line, ", {}s left", left.as_secs_f64().round());
    }
    let counts = &progress.counts;
    if counts.sent > 0 {
        let _ = write!(line, "  sent {}/s", rate(progress.sent_per_s));
    }
    if counts.acknowledged > 0 {
        let _ = write!(line, "  acked {}", grouped(counts.acknowledged));
    }
    if let Some(p99) = progress.p99 {
        let _ = write!(line, "  p99 {}", duration(p99));
    }
    if counts.missing() > 0 {
        let _ = write!(line, "  {} lost", grouped(counts.missing()));
    }
    if counts.broken > 0 {
        let _ = write!(line, "  {} broken", grouped(counts.broken));
    }
    if counts.received > 0 {
        let _ = write!(line, "  received {}/s", rate(progress.received_per_s));
    }
    line
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Connecting => "connecting",
        Phase::Publishing => "publishing",
        Phase::Draining => "draining",
        Phase::Disconnecting => "disconnecting",
    }
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
    if setup.idle > 0 {
        parts.push(plural(setup.idle, "idle connection"));
    }
    if setup.publishers.count > 0 {
        parts.push(size(setup.sizes));
        if let Some(pace) = setup.pace {
            let (from, to, over) = pace.course();
            parts.push(if over.is_zero() {
                format!("{}/s", rate(to))
            } else {
                format!("{} to {}/s over {}", rate(from), rate(to), duration(over))
            });
            if pace.arrivals == Arrivals::Poisson {
                parts.push("at random".to_owned());
            }
        }
    }
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
    let figure = |count: u64, per_s: f64| format!("{}{:>15}/s", number(count), rate(per_s));
    if report.setup.publishers.count + report.setup.subscribers.count == 0 {
        return Ok(());
    }
    let width = NAME + 2;
    let heading = format!("{:<width$}{:>15}{:>17}", "messages", "count", "rate");
    table.heading(&heading)?;
    if report.setup.publishers.count > 0 {
        let offered = report.account.offered;
        if offered > counts.sent {
            let rest = number(offered) + "  due until the end, and not all sent";
            table.alarm("offered", &rest)?;
        }
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
    if report.account.unacknowledged > 0 {
        let rest = number(report.account.unacknowledged);
        table.alarm("unacknowledged", &rest)?;
    }
    if report.setup.subscribers.count > 0 {
        table.line("received", &figure(counts.received, rates.received_per_s))?;
    }
    let account = &report.account;
    // Where others publish, nothing is known of what should come.
    if account.expected > 0 && report.setup.publishers.count > 0 {
        table.line("expected", &number(account.expected))?;
        let exact = if account.exact { "" } else { "  at least" };
        let lost = number(account.lost) + exact;
        if account.lost > 0 {
            table.alarm("lost", &lost)?;
        } else {
            table.line("lost", &lost)?;
        }
    } else if report.is_unheard() {
        let rest = number(0) + "  no filter matches a topic that is published to";
        table.alarm("expected", &rest)?;
    }
    let odd = [
        (
            "cut off",
            account.cut_off,
            "  not received on broken connections",
        ),
        (
            "not yet arrived",
            account.pending,
            "  when the run was ended",
        ),
        (
            "duplicated",
            report.duplicated(),
            if account.surplus > 0 {
                "  more than were sent, if no other client sent them"
            } else {
                ""
            },
        ),
        ("reordered", counts.out_of_order, ""),
        ("corrupted", counts.corrupted, ""),
        (
            "undecided",
            counts.undecided,
            "  repeated or reordered, behind too many gaps",
        ),
        ("never sent", account.never_sent, "  came all the same"),
        ("foreign", counts.foreign, "  not of this run"),
        ("unexpected", counts.unexpected, "  answers to nothing"),
    ];
    for (name, count, remark) in odd {
        if count > 0 {
            table.alarm(name, &(number(count) + remark))?;
        }
    }
    if !report.setup.unverified().is_empty() {
        table.line(
            "no stamps",
            "  only counted: which were lost, repeated, reordered and how",
        )?;
        table.line(
            "",
            "  late is not known; with MQTT 5, or --stamp payload, it is",
        )?;
    }
    Ok(())
}

fn latencies<W: Write>(report: &Report, table: &mut Table<'_, W>) -> io::Result<()> {
    // In a closed loop a message is sent when it is planned, so once is enough.
    let is_open = report.health.rate.is_some();
    let lines = [
        ("to acknowledge", Timing::Ack, true),
        ("  from sending", Timing::AckFromSend, is_open),
        ("to subscriber", Timing::Delivery, true),
        ("  from sending", Timing::DeliveryFromSend, is_open),
        ("send lag", Timing::SendLag, is_open),
        ("to connect", Timing::Connect, true),
        ("  TCP", Timing::Tcp, true),
        ("  TLS", Timing::Tls, true),
        ("  CONNACK", Timing::Connack, true),
        ("SUBACK", Timing::Suback, true),
    ];
    let lines = lines.into_iter().filter(|(_, _, shown)| *shown);
    let measured: Vec<_> = lines
        .filter_map(|(name, timing, _)| Some((name, report.latency(timing)?)))
        .collect();
    if measured.is_empty() {
        return Ok(());
    }
    let columns = ["p50", "p90", "p99", "p99.9", "p99.99", "max", "mean"];
    let mut heading = format!("{:<NAME$}", "latency");
    for column in columns {
        let _ = write!(heading, "{column:>9}");
    }
    table.heading(&heading)?;
    for (name, latency) in measured {
        let mut line = format!("  {name:<width$}", width = NAME - 2);
        for figure in latency.quantiles() {
            let _ = write!(line, "{:>9}", duration(figure));
        }
        writeln!(table.out, "{line}")?;
    }
    Ok(())
}

/// The main latencies as a line of blocks.
fn pictured<W: Write>(report: &Report, table: &mut Table<'_, W>) -> io::Result<()> {
    let histogram = report.recorder.timings.of(report.setup.main_timing());
    let Some((low, blocks, high)) = picture::picture(histogram, 40) else {
        return Ok(());
    };
    let low = duration(low);
    writeln!(
        table.out,
        "\n  {low:>width$} {blocks} {}",
        duration(high),
        width = NAME - 1
    )
}

fn verdict<W: Write>(report: &Report, table: &mut Table<'_, W>) -> io::Result<()> {
    let verdict = &report.verdict;
    table.heading("verdict")?;
    for fault in &verdict.faults {
        let mut rest = number(fault.count);
        if let Some(first) = fault.first.first() {
            let _ = write!(rest, "  publisher {}, message", first.publisher);
            let same = fault
                .first
                .iter()
                .filter(|one| one.publisher == first.publisher);
            let mut numbers: Vec<u64> = same.map(|one| one.sequence).collect();
            numbers.dedup();
            for (index, number) in numbers.iter().take(3).enumerate() {
                let _ = write!(rest, "{} {number}", if index > 0 { "," } else { "" });
            }
            if fault.count > 3 {
                rest.push_str(" …");
            }
        }
        table.alarm(fault.kind.name(), &rest)?;
    }
    for text in report.contradictions() {
        table.alarm("", &text)?;
    }
    for miss in &verdict.missed {
        table.alarm("missed", miss)?;
    }
    if let Some(invalid) = verdict.invalid {
        table.alarm("invalid", &invalid.to_string())?;
    }
    let outcome = verdict.outcome();
    if outcome == Outcome::Pass {
        table.line(outcome.name(), "")
    } else {
        table.alarm(outcome.name(), "")
    }
}

fn connections<W: Write>(report: &Report, table: &mut Table<'_, W>) -> io::Result<()> {
    let counts = report.counts();
    if counts.failed + counts.broken + counts.churned + counts.reconnected == 0 {
        return Ok(());
    }
    table.heading("connections")?;
    table.line("connected", &number(counts.connected))?;
    for (name, count) in [("failed", counts.failed), ("broken", counts.broken)] {
        if count > 0 {
            table.alarm(name, &number(count))?;
        }
    }
    if counts.churned > 0 {
        table.line("churned", &(number(counts.churned) + "  ended on purpose"))?;
    }
    if counts.reconnected > 0 {
        table.line("reconnected", &number(counts.reconnected))?;
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
    let connected = report.counts().connected;
    if let Some(per_s) = report.connected_per_s()
        && connected >= MANY
    {
        let rest = format!("{} connections, {}/s", grouped(connected), rate(per_s));
        table.line("connecting", &rest)?;
    }
    if let Some(cpu) = report.cpu() {
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
    if let Some(busiest) = report.health.busiest {
        let mut rest = format!("busiest thread {:.0} % of its core", busiest * 100.0);
        if report.setup.publishers.count > 0 {
            let full = report.health.socket_full * 100.0;
            let _ = write!(rest, ", sockets full {full:.0} %");
        }
        if report.gathered >= GATHERED {
            let _ = write!(rest, ", one look in {}", duration(report.gathered));
        }
        table.line("generator", &rest)?;
    }
    if let (Some(ceiling), Some(share)) = (report.ceiling, report.ceiling_share()) {
        let mut rest = format!("{}/s for this load on this machine", rate(ceiling));
        if share != 1.0 {
            let _ = write!(rest, ", this run came to {:.0} %", share * 100.0);
        }
        table.line("ceiling", &rest)?;
    }
    if let Some(lag) = report.latency(Timing::LoopLag) {
        let rest = format!("p99 {}, max {}", duration(lag.p99), duration(lag.max));
        table.line("loop lag", &rest)?;
    }
    Ok(())
}

fn size((min, max): (usize, usize)) -> String {
    let bytes = plural(max, "byte");
    match min < max {
        true => format!("{} to {bytes}", grouped(min as u64)),
        false => bytes,
    }
}

fn plural(count: usize, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} {what}{s}", grouped(count as u64))
}

/// A count in its column.
fn number(count: u64) -> String {
    format!("{:>15}", grouped(count))
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
    if per_s > 0.0 && per_s < 10.0 {
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
        assert_eq!(size((1, 1)), "1 byte");
        assert_eq!(size((64, 64)), "64 bytes");
        assert_eq!(size((1, 1024)), "1 to 1,024 bytes");
        assert_eq!(rate(0.0), "0");
        assert_eq!(rate(0.25), "0.2");
        assert_eq!(rate(1234.5), "1,235");
    }

    const LOOK: Look = Look {
        colour: false,
        picture: true,
    };

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
        render_report(&report.unwrap(), LOOK, &mut text).unwrap();
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
            "  lost                         81  publisher 0, message 6, 13, 20 …",
            "  corrupted                    54  publisher 0, message 8, 17, 26 …",
            "  FAIL",
        ] {
            assert!(text.contains(words), "{words}\n{text}");
        }
    }
}
