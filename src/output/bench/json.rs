//! The result of a bench run as JSON, schema `mozzie-bench/1`: all that the text says, and all that an
//! exact merge of several runs needs. README.md documents it.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};

use crate::bench::{
    BASELINE_SCHEMA, Effort, Gathering, Got, Pace, Place, Ranges, Reasons, Report, Sent, Sequence,
    Strays, figures,
};

/// The whole text, with a newline at its end.
pub fn render_json(report: &Report) -> String {
    let mut result = Object::new("\n  ");
    result
        .text("schema", BASELINE_SCHEMA)
        .text("mozzie", env!("CARGO_PKG_VERSION"))
        .text("started", &started(report))
        .number("run", u64::from(report.run))
        .boolean("interrupted", report.interrupted);
    result.raw("setup", &setup(report));
    result.raw("workers", &array(report.efforts.iter().map(worker)));
    result.number("gathered", report.gathered.as_nanos() as u64);
    verdict(report, &mut result);
    let mut all = Object::new("\n    ");
    for figure in figures(report) {
        let value = figure.value.filter(|value| value.is_finite());
        all.raw(&figure.name, &or_null(value));
    }
    result.raw("figures", &all.end());
    result
        .raw("refusals", &reasons(&report.recorder.refusals))
        .raw(
            "connection_errors",
            &reasons(&report.recorder.connection_errors),
        );
    let mut histograms = Object::new("\n    ");
    for (timing, histogram) in report.recorder.timings.iter() {
        if !histogram.is_empty() {
            histograms.text(timing.name(), &encoded(histogram));
        }
    }
    result.raw("histograms", &histograms.end());
    sequences(report, &mut result);
    let mut text = result.end();
    text.push('\n');
    text
}

fn setup(report: &Report) -> String {
    let setup = &report.setup;
    let (publishers, subscribers) = (&setup.publishers, &setup.subscribers);
    let texts = |texts: &[String]| array(texts.iter().map(|text| quoted(text)));
    let mut load = Object::new("\n    ");
    load.text("against", setup.against.name())
        .text("version", &setup.version.to_string())
        .number("publishers", publishers.count as u64)
        .number("publish_qos", publishers.qos as u64)
        .boolean("retain", publishers.retain)
        .number("size", setup.sizes.1 as u64)
        .number("smallest_size", setup.sizes.0 as u64)
        .text("stamp", setup.stamps.name())
        .raw(
            "unverified",
            &array(setup.unverified().iter().map(|one| quoted(one))),
        )
        .number("in_flight", u64::from(publishers.in_flight))
        .number("subscribers", subscribers.count as u64)
        .number("subscribe_qos", subscribers.qos as u64)
        .number("idle", setup.idle as u64)
        .raw("topics", &texts(&setup.topics))
        .raw("filters", &texts(&setup.filters))
        .raw("shared", &or_null(setup.group.as_deref().map(quoted)))
        .boolean("topic_alias", setup.topic_alias)
        .raw("pace", &or_null(setup.pace.as_ref().map(pace)))
        .raw(
            "gather_us",
            &or_null(match setup.gather {
                Gathering::Auto => None,
                Gathering::Off => Some(0),
                Gathering::Every(every) => Some(every.as_micros()),
            }),
        )
        .raw("messages", &or_null(setup.stop.messages))
        .raw(
            "duration_ms",
            &or_null(setup.stop.duration.map(|time| time.as_millis())),
        )
        .number("warmup_ms", setup.warmup.as_millis() as u64)
        .number("drain_ms", setup.drain.as_millis() as u64)
        .number("workers", setup.workers as u64)
        .raw("connect_rate", &or_null(setup.connect_rate))
        .boolean("reconnect", setup.reconnect)
        .raw("churn_rate", &or_null(setup.churn.map(|churn| churn.per_s)))
        .boolean("churn_cut", setup.churn.is_some_and(|churn| churn.cut))
        .raw(
            "slow_subscriber_ms",
            &or_null(setup.slow_subscriber.map(|time| time.as_millis())),
        )
        .number("keep_alive_s", setup.keep_alive.as_secs())
        .boolean("clean_start", setup.clean_start);
    load.end()
}

/// When messages of an open loop were due.
fn pace(pace: &Pace) -> String {
    let (from, to, over) = pace.course();
    let mut one = Object::new("");
    one.raw("from", &from.to_string())
        .raw("to", &to.to_string())
        .number("over_ms", over.as_millis() as u64)
        .text("arrivals", pace.arrivals.name())
        .number("burst", u64::from(pace.burst));
    one.end()
}

fn or_null(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "null".to_owned(), |value| value.to_string())
}

/// A histogram in HdrHistogram's V2 form, compressed, as base64.
pub fn encoded(histogram: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    // Into memory, and no count is beyond an i64: nothing can fail.
    let _ = V2DeflateSerializer::new().serialize(histogram, &mut bytes);
    STANDARD.encode(bytes)
}

fn started(report: &Report) -> String {
    jiff::Timestamp::try_from(report.started)
        .map(|time| format!("{time:.6}"))
        .unwrap_or_default()
}

fn verdict(report: &Report, result: &mut Object) {
    let verdict = &report.verdict;
    result.text("verdict", verdict.outcome().name());
    let invalid = verdict.invalid.map(|invalid| invalid.to_string());
    match invalid {
        Some(invalid) => result.text("invalid", &invalid),
        None => result.raw("invalid", "null"),
    };
    let faults = verdict.faults.iter().map(|fault| {
        let mut one = Object::new("");
        one.text("what", fault.kind.name())
            .number("count", fault.count)
            .raw("first", &array(fault.first.iter().map(place)));
        one.end()
    });
    result.raw("faults", &array(faults));
    let wrong = report.contradictions();
    let missed = verdict.missed.iter().map(|miss| quoted(miss));
    result
        .raw("missed", &array(missed))
        .boolean("adds_up", wrong.is_empty())
        .raw(
            "contradictions",
            &array(wrong.iter().map(|text| quoted(text))),
        )
        .boolean("exact", report.account.exact);
}

/// While messages were published.
fn worker(effort: &Effort) -> String {
    let mut one = Object::new("");
    match effort.publishing {
        Some(spent) => one
            .number("cpu", spent.cpu.as_nanos() as u64)
            .number("time", spent.time.as_nanos() as u64),
        None => one.raw("cpu", "null").raw("time", "null"),
    };
    one.end()
}

fn place(place: &Place) -> String {
    let mut one = Object::new("");
    one.number("publisher", u64::from(place.publisher))
        .number("message", place.sequence)
        .number("subscriber", u64::from(place.subscriber));
    one.end()
}

fn reasons(reasons: &Reasons) -> String {
    array(reasons.iter().map(|(reason, count)| {
        let mut one = Object::new("");
        one.text("reason", reason).number("count", count);
        one.end()
    }))
}

/// What the account was settled from. Of the pairs of a subscriber and a publisher only those are
/// listed that are not whole.
fn sequences(report: &Report, result: &mut Object) {
    let publishers = report.sent.iter().map(publisher);
    result.raw("publishers", &array(publishers));
    let subscribers = report.got.iter().enumerate().map(|(index, got)| {
        let heard = report.shape.publishers_of(index);
        let pairs = heard.zip(&got.sequences);
        let pairs = pairs.filter_map(|(publisher, sequence)| partial(report, publisher, sequence));
        subscriber(got, &array(pairs))
    });
    result.raw("subscribers", &array(subscribers));
    let group = report.group.iter().enumerate();
    let pairs = group.filter_map(|(publisher, sequence)| partial(report, publisher, sequence));
    result.raw("group", &array(pairs));
}

fn publisher(sent: &Sent) -> String {
    let mut one = Object::new("");
    one.number("offered", sent.offered)
        .number("published", sent.published)
        .number("sent", sent.sent)
        .number("acknowledged", sent.acknowledged)
        .number("refused", sent.refused)
        .raw("excused", &ranges(Some(&sent.excused)))
        .raw("sent_again", &ranges(Some(&sent.sent_again)));
    one.end()
}

fn subscriber(got: &Got, partial: &str) -> String {
    let mut one = Object::new("");
    one.boolean("subscribed", got.subscribed)
        .boolean("stayed", got.stayed)
        .number("granted", got.granted as u64)
        .number("unstamped", got.unstamped)
        .number("duplicated", got.odd.duplicated)
        .number("reordered", got.odd.out_of_order)
        .number("corrupted", got.odd.corrupted)
        .number("corrupted_known", got.odd.corrupted_known)
        .number("heard", got.sequences.len() as u64)
        .raw("partial", partial)
        .raw("strays", &array(got.strays.iter().map(strays)));
    one.end()
}

/// What came twice, or after a later one.
fn strays((publisher, strays): (&u32, &Strays)) -> String {
    let mut one = Object::new("");
    one.number("publisher", u64::from(*publisher))
        .raw("repeated", &ranges(Some(&strays.repeated)))
        .raw("overtaken", &ranges(Some(&strays.overtaken)));
    one.end()
}

/// What was seen of a publisher, unless that is everything.
fn partial(report: &Report, publisher: usize, sequence: &Sequence) -> Option<String> {
    let sent = report.sent.get(publisher).map_or(0, |sent| sent.sent);
    if sequence.next() == sent && sequence.missing().is_none() {
        return None;
    }
    let mut one = Object::new("");
    one.number("publisher", publisher as u64)
        .number("next", sequence.next())
        .raw("missing", &ranges(sequence.missing()));
    Some(one.end())
}

fn ranges(ranges: Option<&Ranges>) -> String {
    let mut one = Object::new("");
    let kept = ranges.into_iter().flat_map(Ranges::iter);
    let forgotten = ranges.and_then(Ranges::forgotten);
    one.raw(
        "ranges",
        &array(kept.map(|Range { start, end }| format!("[{start},{}]", end - 1))),
    )
    .number(
        "forgotten",
        forgotten.map_or(0, |forgotten| forgotten.count),
    );
    one.end()
}

pub fn array(items: impl IntoIterator<Item = String>) -> String {
    let items: Vec<String> = items.into_iter().collect();
    format!("[{}]", items.join(","))
}

pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// An object whose keys keep their order.
pub struct Object {
    text: String,
    /// What stands before each key.
    indent: &'static str,
}

impl Object {
    pub fn new(indent: &'static str) -> Self {
        Self {
            text: "{".to_owned(),
            indent,
        }
    }

    pub fn raw(&mut self, key: &str, value: &str) -> &mut Self {
        if self.text.len() > 1 {
            self.text.push(',');
        }
        self.text.push_str(self.indent);
        self.text.push_str(&quoted(key));
        self.text.push(':');
        self.text.push_str(value);
        self
    }

    pub fn text(&mut self, key: &str, value: &str) -> &mut Self {
        self.raw(key, &quoted(value))
    }

    pub fn number(&mut self, key: &str, value: u64) -> &mut Self {
        self.raw(key, &value.to_string())
    }

    pub fn boolean(&mut self, key: &str, value: bool) -> &mut Self {
        self.raw(key, if value { "true" } else { "false" })
    }

    pub fn end(mut self) -> String {
        if self.text.len() > 1 {
            // The brace stands where the line of the object began.
            let indent = self.indent.strip_suffix("  ").unwrap_or(self.indent);
            self.text.push_str(indent);
        }
        self.text.push('}');
        self.text
    }
}
