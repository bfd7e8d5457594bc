//! What becomes of a run's result: files, text, and the demands on it. Files are opened, and
//! conditions and the baseline read, before the first connection.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use crate::bench::{Baseline, Condition, Demands, Outcome, Progress, Report};
use crate::cli::bench::ResultArgs;
use crate::error::Error;
use crate::net::io_reason;
use crate::output::bench::{Csv, HdrLog, Look, render_json, render_report};
use crate::output::print;

type Out = BufWriter<File>;

pub struct Results {
    json: Json,
    csv: Option<(PathBuf, Csv<Out>)>,
    hdr: Option<(PathBuf, HdrLog<Out>)>,
    demands: Demands,
}

/// Where the JSON goes.
enum Json {
    Nowhere,
    /// In place of the text.
    Stdout,
    File(PathBuf, Out),
}

impl Results {
    /// # Errors
    /// A file that cannot be written or is no baseline, or a condition that is none.
    pub fn open(args: &ResultArgs) -> Result<Self, Error> {
        let fail_if = args.fail_if.iter().map(|typed| condition(typed));
        let fail_if = fail_if.collect::<Result<_, _>>()?;
        let baseline = args.baseline.as_deref().map(baseline).transpose()?;
        let json = match &args.json {
            None => Json::Nowhere,
            Some(path) if path.as_os_str() == "-" => Json::Stdout,
            Some(path) => Json::File(path.clone(), create("--json", path)?),
        };
        let file = |option: &str, path: &Option<PathBuf>| {
            let path = path.as_ref();
            path.map(|path| Ok::<_, Error>((path.clone(), create(option, path)?)))
                .transpose()
        };
        let csv = file("--csv", &args.csv)?;
        let hdr = file("--hdr", &args.hdr)?;
        Ok(Self {
            json,
            csv: csv.map(|(path, out)| (path, Csv::begin(out))),
            hdr: hdr.map(|(path, out)| (path, HdrLog::begin(out))),
            demands: Demands {
                fail_if,
                baseline: baseline.map(|baseline| (baseline, args.max_change.0)),
            },
        })
    }

    /// Takes what is new, about once a second.
    pub fn progress(&mut self, progress: &Progress) {
        if let Some((_, csv)) = &mut self.csv {
            csv.row(progress);
        }
        if let Some((_, hdr)) = &mut self.hdr {
            hdr.interval(progress);
        }
    }

    /// Judges the run by the demands, and writes and prints the result.
    pub fn finish(self, report: &mut Report, remark: &str) -> Result<(), Error> {
        report.demand(&self.demands);
        let text = match &self.json {
            Json::Stdout => render_json(report).into_bytes(),
            Json::Nowhere | Json::File(..) => text(report, remark)?,
        };
        print(&text)?;
        if let Json::File(path, mut out) = self.json {
            let json = render_json(report);
            let written = out.write_all(json.as_bytes()).and_then(|()| out.flush());
            written.map_err(|error| failed("--json", &path, error))?;
        }
        if let Some((path, csv)) = self.csv {
            csv.end().map_err(|error| failed("--csv", &path, error))?;
        }
        if let Some((path, hdr)) = self.hdr {
            hdr.end().map_err(|error| failed("--hdr", &path, error))?;
        }
        Ok(())
    }
}

fn condition(typed: &str) -> Result<Condition, Error> {
    typed
        .parse()
        .map_err(|why| Error::usage(format!("--fail-if: {why}"), ""))
}

fn baseline(path: &Path) -> Result<Baseline, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Input {
        option: "--baseline",
        path: path.to_owned(),
        source,
    })?;
    Baseline::parse(&text).map_err(|why| {
        Error::usage(
            format!("--baseline: '{}': {why}", path.display()),
            "give a file that bench --json has written",
        )
    })
}

fn create(option: &str, path: &Path) -> Result<Out, Error> {
    let file = File::create(path).map_err(|error| {
        let why = io_reason(&error);
        Error::usage(
            format!("{option}: cannot write '{}': {why}", path.display()),
            "",
        )
    })?;
    Ok(BufWriter::new(file))
}

fn failed(option: &str, path: &Path, error: io::Error) -> Error {
    Error::io(
        format!("{option}: cannot write '{}'", path.display()),
        error,
    )
}

fn text(report: &Report, remark: &str) -> Result<Vec<u8>, Error> {
    let terminal = io::stdout().is_terminal();
    let look = Look {
        colour: terminal && std::env::var_os("NO_COLOR").is_none(),
        picture: terminal,
    };
    let mut text = remark.as_bytes().to_vec();
    render_report(report, look, &mut text)
        .map_err(|error| Error::io("cannot write the result", error))?;
    Ok(text)
}

/// What the exit code says.
pub fn verdict(report: &Report) -> Result<(), Error> {
    let verdict = &report.verdict;
    match verdict.outcome() {
        Outcome::Fail => {
            let faults = verdict.faults.iter().map(ToString::to_string);
            let all: Vec<String> = faults.chain(verdict.missed.iter().cloned()).collect();
            Err(Error::BenchFailed(all.join("; ")))
        }
        Outcome::Invalid => {
            let why = verdict.invalid.map(|invalid| invalid.to_string());
            Err(Error::BenchInvalid(why.unwrap_or_default()))
        }
        Outcome::Pass => Ok(()),
    }
}
