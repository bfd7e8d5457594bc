//! What becomes of a run's result: files, text, and the demands on it. Files are opened, and
//! conditions and the baseline read, before the first connection.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use super::result_file::ResultFile;
use crate::bench::{Baseline, Condition, Demands, Outcome, Progress, Report, Search};
use crate::cli::bench::ResultArgs;
use crate::error::Error;
use crate::output::bench::{
    Csv, HdrLog, Look, render_found, render_found_json, render_json, render_progress, render_report,
};
use crate::output::{Palette, ProgressLine, print};

type Out = BufWriter<ResultFile>;

pub struct Results {
    json: Json,
    csv: Option<(PathBuf, Csv<Out>)>,
    hdr: Option<(PathBuf, HdrLog<Out>)>,
    demands: Demands,
    line: ProgressLine,
    /// Stands before the line of progress.
    note: String,
}

/// Where the JSON goes.
enum Json {
    Nowhere,
    /// In place of the text.
    Stdout,
    File(PathBuf, Out),
}

impl Json {
    fn file(&self) -> Option<(&PathBuf, &Out)> {
        match self {
            Self::Nowhere | Self::Stdout => None,
            Self::File(path, out) => Some((path, out)),
        }
    }

    /// Into the file, if there is one.
    fn write(self, json: &[u8]) -> Result<(), Error> {
        let Self::File(path, mut out) = self else {
            return Ok(());
        };
        let written = out.write_all(json).and_then(|()| out.flush());
        written.map_err(|error| failed("--json", &path, error))
    }
}

impl Results {
    /// # Errors
    /// A file that cannot be written or is no baseline, or a condition that is none.
    pub fn open(args: &ResultArgs) -> Result<Self, Error> {
        let fail_if = args.fail_if.iter();
        let fail_if = fail_if.map(|typed| condition("--fail-if", typed));
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
        each_its_own(&[
            ("--json", json.file()),
            ("--csv", csv.as_ref().map(|(path, out)| (path, out))),
            ("--hdr", hdr.as_ref().map(|(path, out)| (path, out))),
        ])?;
        Ok(Self {
            json,
            csv: csv.map(|(path, out)| (path, Csv::begin(out))),
            hdr: hdr.map(|(path, out)| (path, HdrLog::begin(out))),
            demands: Demands {
                fail_if,
                baseline: baseline.map(|baseline| (baseline, args.max_change.0)),
            },
            line: ProgressLine::new(),
            note: String::new(),
        })
    }

    /// What the line of progress is about from now on.
    pub fn note(&mut self, note: String) {
        self.note = note;
    }

    /// Shows where a run stands, about once a second.
    pub fn show(&mut self, progress: &Progress) {
        let line = render_progress(progress);
        self.line.show(&format!("{}{line}", self.note));
    }

    /// Shows where the run stands whose result it is, and writes what is new into the files.
    pub fn progress(&mut self, progress: &Progress) {
        self.show(progress);
        if let Some((_, csv)) = &mut self.csv {
            csv.row(progress);
        }
        if let Some((_, hdr)) = &mut self.hdr {
            hdr.interval(progress);
        }
    }

    /// Writes and prints what a search has found.
    pub fn finish_search(self, search: &Search, objectives: &[Condition]) -> Result<(), Error> {
        drop(self.line);
        let json = || render_found_json(search, objectives).into_bytes();
        let text = match &self.json {
            Json::Stdout => json(),
            Json::Nowhere | Json::File(..) => {
                let mut text = Vec::new();
                render_found(search, &mut text)
                    .map_err(|error| Error::io("cannot write the result", error))?;
                text
            }
        };
        let written = self.json.write(&json());
        print(&text).and(written)
    }

    /// Judges the run by the demands, and writes and prints the result.
    pub fn finish(self, report: &mut Report, remark: &str) -> Result<(), Error> {
        drop(self.line);
        report.demand(&self.demands);
        let text = match &self.json {
            Json::Stdout => render_json(report).into_bytes(),
            Json::Nowhere | Json::File(..) => text(report, remark)?,
        };
        // A result that cannot be printed, or one file that cannot be written, does not cost the others.
        let json = self.json.write(render_json(report).as_bytes());
        let csv = self.csv.map_or(Ok(()), |(path, csv)| {
            csv.end().map_err(|error| failed("--csv", &path, error))
        });
        let hdr = self.hdr.map_or(Ok(()), |(path, hdr)| {
            hdr.end().map_err(|error| failed("--hdr", &path, error))
        });
        print(&text).and(json).and(csv).and(hdr)
    }
}

pub fn condition(option: &str, typed: &str) -> Result<Condition, Error> {
    typed
        .parse()
        .map_err(|why| Error::usage(format!("{option}: {why}"), ""))
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

/// Refuses two results in one file, by whatever names. What is no regular file may take several.
fn each_its_own(files: &[(&str, Option<(&PathBuf, &Out)>)]) -> Result<(), Error> {
    let mut known: Vec<(&str, (u64, u64))> = Vec::new();
    for (option, file) in files {
        let Some((path, out)) = file else { continue };
        let Some(this) = out.get_ref().identity() else {
            continue;
        };
        if let Some((other, _)) = known.iter().find(|(_, one)| *one == this) {
            return Err(Error::usage(
                format!("{other} and {option} both write '{}'", path.display()),
                "give each a file of its own",
            ));
        }
        known.push((option, this));
    }
    Ok(())
}

fn create(option: &str, path: &Path) -> Result<Out, Error> {
    ResultFile::open(option, path).map(BufWriter::new)
}

fn failed(option: &str, path: &Path, error: io::Error) -> Error {
    Error::io(
        format!("{option}: cannot write '{}'", path.display()),
        error,
    )
}

fn text(report: &Report, remark: &str) -> Result<Vec<u8>, Error> {
    let look = Look {
        colour: Palette::stdout(None).is_on(),
        picture: io::stdout().is_terminal(),
    };
    let mut text = remark.as_bytes().to_vec();
    render_report(report, look, &mut text)
        .map_err(|error| Error::io("cannot write the result", error))?;
    Ok(text)
}

/// What the exit code says of a search.
pub fn search_verdict(search: &Search) -> Result<(), Error> {
    let found = search.found();
    if found.rate.is_some() && found.confirmed {
        return Ok(());
    }
    let broke = found.above.map(|(rate, broke)| (rate, broke.join("; ")));
    Err(Error::BenchFailed {
        why: match broke {
            Some((rate, broke)) => format!("no rate holds: at {rate:.0}/s {broke}"),
            None => "the search came to no end".to_owned(),
        },
        hint: None,
    })
}

/// What the exit code says.
pub fn verdict(report: &Report) -> Result<(), Error> {
    let verdict = &report.verdict;
    match verdict.outcome() {
        Outcome::Fail => {
            let faults = verdict.faults.iter().map(ToString::to_string);
            let all: Vec<String> = faults.chain(verdict.missed.iter().cloned()).collect();
            Err(Error::BenchFailed {
                why: all.join("; "),
                hint: report.hint.map(str::to_owned),
            })
        }
        Outcome::Invalid => {
            let why = verdict.invalid.map(|invalid| invalid.to_string());
            Err(Error::BenchInvalid(why.unwrap_or_default()))
        }
        Outcome::Pass => Ok(()),
    }
}
