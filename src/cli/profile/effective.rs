//! `--show-config` and `mozzie profile show`: settings as lines of TOML, each with where it comes from, without secrets.

use std::ffi::OsStr;
use std::fmt::Write;

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::option::{self, Kind, Settable};
use super::precedence::{self, Setting, Value};
use super::{Surroundings, is_taken, is_typed, typed_options};
use crate::cli::connection::{ConnectionArgs, DEFAULT_HOST};
use crate::mqtt::Version;

/// A command line that was understood, before and after the settings from outside.
pub struct Effective<'a> {
    pub verb: &'a clap::Command,
    pub typed: &'a ArgMatches,
    pub matches: &'a ArgMatches,
    pub connection: &'a ConnectionArgs,
    pub surroundings: &'a Surroundings,
}

/// Value and source, once for each line.
type Lines = Vec<(String, String)>;

impl Effective<'_> {
    /// Everything that a connection is made with.
    pub fn render(&self) -> String {
        let mut lines = Lines::new();
        for option in option::all() {
            if is_taken(self.verb, &option.name) {
                lines.extend(self.line(&option));
            }
        }
        let profile = match &self.surroundings.profile {
            Some((name, file)) => format!("profile '{name}' of {}", file.path().display()),
            None => "no profile".to_owned(),
        };
        format!(
            "# mozzie {}, {profile}\n{}",
            self.verb.get_name(),
            aligned(&lines)
        )
    }

    fn line(&self, option: &Settable) -> Option<(String, String)> {
        let setting = self
            .surroundings
            .settings
            .iter()
            .find(|s| s.name == option.name);
        if let Some(setting) = setting {
            return Some((rendered(option, &setting.value), setting.origin.to_string()));
        }
        let arg = self
            .verb
            .get_arguments()
            .find(|arg| arg.get_long() == Some(&option.name));
        let Some(id) = arg.map(|arg| arg.get_id().as_str()) else {
            return self.default(option);
        };
        let typed = match self.matches.value_source(id) {
            Some(ValueSource::CommandLine) if is_typed(self.typed, id) => "command line",
            Some(ValueSource::CommandLine) => "option file",
            Some(ValueSource::DefaultValue) if option.kind != Kind::Flag => "default",
            _ => return self.default(option),
        };
        let value = match option.kind {
            Kind::Flag => Value::Flag(true),
            Kind::One | Kind::Many => {
                let words = self.matches.get_raw(id).into_iter().flatten();
                Value::Words(words.map(OsStr::to_owned).collect())
            }
        };
        Some((rendered(option, &value), typed.to_owned()))
    }

    /// What clap does not know as a default, because it hangs on other options.
    fn default(&self, option: &Settable) -> Option<(String, String)> {
        let broker = &self.connection.broker;
        let is_named = broker.url.is_some() || broker.unix.is_some();
        let value = match option.name.as_str() {
            "host" if !is_named => DEFAULT_HOST.to_owned(),
            "port" if !is_named => self.connection.port().to_string(),
            "protocol-version" => self.version().to_string(),
            _ => return None,
        };
        let line = rendered(option, &Value::Words(vec![value.into()]));
        Some((line, "default".to_owned()))
    }

    fn version(&self) -> Version {
        let asked = precedence::asks_for_5(&typed_options(self.verb, self.matches));
        match self.verb.get_name() {
            _ if asked => Version::V5,
            "rr" => Version::V5,
            _ => Version::V311,
        }
    }
}

/// The settings of a profile alone.
pub fn render_profile(settings: &[Setting]) -> String {
    let options = option::all();
    let lines = settings.iter().filter_map(|setting| {
        let option = options.iter().find(|option| option.name == setting.name)?;
        Some((rendered(option, &setting.value), setting.origin.to_string()))
    });
    aligned(&lines.collect())
}

fn rendered(option: &Settable, value: &Value) -> String {
    let name = &option.name;
    let value = match value {
        Value::Flag(on) => on.to_string(),
        Value::Words(words) => {
            let mut words: Vec<String> = words
                .iter()
                .map(|word| literal(option, &option::shown(name, &word.to_string_lossy())))
                .collect();
            match (words.len(), words.pop()) {
                (1, Some(word)) => word,
                (_, last) => {
                    words.extend(last);
                    format!("[{}]", words.join(", "))
                }
            }
        }
    };
    format!("{name} = {value}")
}

/// As TOML writes it.
fn literal(option: &Settable, text: &str) -> String {
    let is_number =
        !text.starts_with('+') && text.parse::<i64>().is_ok_and(|n| n.to_string() == text);
    if is_number && !option.is_text {
        return text.to_owned();
    }
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn aligned(lines: &Lines) -> String {
    const WIDEST: usize = 60;
    let width = |line: &str| line.chars().count();
    let widths = lines.iter().map(|(line, _)| width(line));
    let column = widths.max().unwrap_or(0).min(WIDEST);
    let mut text = String::new();
    for (line, source) in lines {
        let _ = writeln!(text, "{line:column$}  # {source}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_toml_reads_them() {
        let options = option::all();
        let show = |name: &str, words: &[&str]| {
            let option = options.iter().find(|option| option.name == name).unwrap();
            let words = words.iter().map(|word| (*word).into()).collect();
            rendered(option, &Value::Words(words))
        };
        for (name, words, wanted) in [
            ("port", &["1883"][..], "port = 1883"),
            ("host", &["1883"], "host = \"1883\""),
            ("connect-timeout", &["30s"], "connect-timeout = \"30s\""),
            (
                "username",
                &["a\"b\\c\x1b"],
                "username = \"a\\\"b\\\\c\\u001b\"",
            ),
            (
                "ws-header",
                &["a: b", "c: d"],
                "ws-header = [\"a: (hidden)\", \"c: (hidden)\"]",
            ),
            ("will-payload", &[""], "will-payload = \"\""),
        ] {
            let line = show(name, words);
            assert_eq!(line, wanted);
            assert!(toml::de::DeTable::parse(&line).is_ok(), "{line}");
        }
    }
}
