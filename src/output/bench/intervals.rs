//! A bench run second by second: rows of CSV, and HdrHistogram's interval log. Writes where it is told
//! to; the first failure is kept until the end of the run, which is not worth less for it.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use super::json::encoded;
use crate::bench::{Latency, Progress, Timing};

/// One row for each interval, `--csv`. Counts and latencies are those of the interval alone.
pub struct Csv<W: Write> {
    sink: Sink<W>,
    begun: bool,
}

const COLUMNS: &str = "end_s,length_s,phase,open,sent,acknowledged,refused,received,duplicated,\
                       reordered,corrupted,missing,failed,broken";
/// Timings with columns of their own.
const TIMINGS: [Timing; 4] = [
    Timing::Ack,
    Timing::Delivery,
    Timing::SendLag,
    Timing::LoopLag,
];

impl<W: Write> Csv<W> {
    pub fn begin(out: W) -> Self {
        Self {
            sink: Sink::new(out),
            begun: false,
        }
    }

    fn head(&mut self) {
        let mut header = COLUMNS.to_owned();
        for timing in TIMINGS {
            for quantile in ["p50", "p99", "max"] {
                let _ = write!(header, ",{}_{quantile}_ns", timing.name());
            }
        }
        self.sink.line(&header);
    }

    pub fn row(&mut self, progress: &Progress) {
        let Some(interval) = &progress.interval else {
            return;
        };
        if !self.begun {
            self.begun = true;
            self.head();
        }
        let counts = &interval.counts;
        let mut row = format!(
            "{:.3},{:.3},{},{}",
            interval.end.as_secs_f64(),
            (interval.end - interval.start).as_secs_f64(),
            super::phase(progress.phase),
            progress.open
        );
        for count in [
            counts.sent,
            counts.acknowledged,
            counts.refused,
            counts.received,
            counts.duplicated,
            counts.out_of_order,
            counts.corrupted,
            counts.missing(),
            counts.failed,
            counts.broken,
        ] {
            let _ = write!(row, ",{count}");
        }
        for timing in TIMINGS {
            match Latency::of(interval.timings.of(timing)) {
                Some(Latency { p50, p99, max, .. }) => {
                    for time in [p50, p99, max] {
                        let _ = write!(row, ",{}", time.as_nanos());
                    }
                }
                None => row.push_str(",,,"),
            }
        }
        self.sink.line(&row);
    }

    pub fn end(self) -> io::Result<()> {
        self.sink.end()
    }
}

/// `--hdr`: each interval's main timing without a tag, and each timing with its name as the tag.
/// Values are nanoseconds.
pub struct HdrLog<W: Write> {
    sink: Sink<W>,
    begun: bool,
}

impl<W: Write> HdrLog<W> {
    pub fn begin(out: W) -> Self {
        Self {
            sink: Sink::new(out),
            begun: false,
        }
    }

    pub fn interval(&mut self, progress: &Progress) {
        let Some(interval) = &progress.interval else {
            return;
        };
        if !self.begun {
            self.begun = true;
            self.head(SystemTime::now() - progress.elapsed);
        }
        let (start, length) = (interval.start, interval.end - interval.start);
        let main = std::iter::once((String::new(), interval.timings.of(progress.main)));
        let tagged = interval.timings.iter();
        let tagged = tagged.map(|(timing, one)| (format!("Tag={},", timing.name()), one));
        for (tag, histogram) in main.chain(tagged) {
            if histogram.is_empty() {
                continue;
            }
            // The maximum is in milliseconds, as HdrHistogram's own writer has it.
            self.sink.line(&format!(
                "{tag}{:.3},{:.3},{:.3},{}",
                start.as_secs_f64(),
                length.as_secs_f64(),
                histogram.max() as f64 / 1e6,
                encoded(histogram)
            ));
        }
    }

    /// Times count from the start of the run.
    fn head(&mut self, started: SystemTime) {
        let epoch = started.duration_since(SystemTime::UNIX_EPOCH);
        let seconds = epoch.unwrap_or(Duration::ZERO).as_secs_f64();
        for line in [
            &format!("#[mozzie bench {}]", env!("CARGO_PKG_VERSION")),
            "#[Histogram log format version 1.3]",
            &format!("#[StartTime: {seconds:.3} (seconds since epoch)]"),
            &format!("#[BaseTime: {seconds:.3} (seconds since epoch)]"),
            r#""StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram""#,
        ] {
            self.sink.line(line);
        }
    }

    pub fn end(self) -> io::Result<()> {
        self.sink.end()
    }
}

/// Lines into a writer, until it fails.
struct Sink<W: Write> {
    out: W,
    failed: io::Result<()>,
}

impl<W: Write> Sink<W> {
    fn new(out: W) -> Self {
        Self {
            out,
            failed: Ok(()),
        }
    }

    fn line(&mut self, line: &str) {
        if self.failed.is_ok() {
            self.failed = writeln!(self.out, "{line}").and_then(|()| self.out.flush());
        }
    }

    fn end(self) -> io::Result<()> {
        self.failed
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use hdrhistogram::Histogram;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;
    use crate::bench::peer::{Peer, PeerOptions};
    use crate::bench::{BenchPlan, Subscribers, run, tcp};

    fn decoded(encoded: &str) -> Histogram<u64> {
        let bytes = STANDARD.decode(encoded).unwrap();
        Deserializer::new().deserialize(&mut &bytes[..]).unwrap()
    }

    /// HdrHistogram's own reader takes the log, and its intervals add up to the run, as do the rows.
    #[test]
    fn intervals_add_up_to_the_run() {
        let peer = Peer::start(PeerOptions {
            forward: true,
            ack_delay: Some(Duration::from_millis(5)),
            ..PeerOptions::default()
        })
        .unwrap();
        let mut plan = BenchPlan::new(tcp(peer.address()));
        plan.publishers.qos = crate::mqtt::QoS::AtLeastOnce;
        plan.subscribers = Subscribers {
            count: 1,
            ..plan.subscribers
        };
        plan.stop.duration = Some(Duration::from_millis(1200));
        let (mut log, mut rows) = (Vec::new(), Vec::new());
        let mut hdr = HdrLog::begin(&mut log);
        let mut csv = Csv::begin(&mut rows);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let report = runtime.block_on(run(plan, std::future::pending(), |progress| {
            hdr.interval(progress);
            csv.row(progress);
        }));
        let report = report.unwrap();
        hdr.end().unwrap();
        csv.end().unwrap();

        let mut intervals = 0;
        let mut sums = vec![Histogram::<u64>::new(3).unwrap(); 2];
        for entry in IntervalLogIterator::new(&log) {
            let LogEntry::Interval(interval) = entry.unwrap() else {
                continue;
            };
            let one = decoded(interval.encoded_histogram());
            match interval.tag().map(|tag| tag.as_str()) {
                None => {
                    intervals += 1;
                    sums[0].add(one).unwrap();
                }
                Some("ack") => sums[1].add(one).unwrap(),
                Some(_) => {}
            }
        }
        assert!(intervals >= 2);
        let timings = &report.recorder.timings;
        assert_eq!(&sums[0], timings.of(Timing::Delivery));
        assert_eq!(&sums[1], timings.of(Timing::Ack));

        let rows = String::from_utf8(rows).unwrap();
        let mut rows = rows.lines().map(|row| row.split(',').collect::<Vec<_>>());
        let header = rows.next().unwrap();
        let rows: Vec<_> = rows.collect();
        for (name, whole) in [
            ("sent", report.counts().sent),
            ("received", report.counts().received),
        ] {
            let column = header.iter().position(|one| *one == name).unwrap();
            let sum: u64 = rows
                .iter()
                .map(|row| row[column].parse::<u64>().unwrap())
                .sum();
            assert_eq!(sum, whole, "{name}");
        }
        assert!(rows.iter().all(|row| row.len() == header.len()));
    }
}
