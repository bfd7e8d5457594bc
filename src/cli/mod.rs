//! What the user typed: clap's definitions and value types. No I/O, nothing opened.

pub mod bench;
pub mod broker;
pub mod completion;
pub mod connection;
pub mod doctor;
pub mod link;
pub mod manual;
pub mod mosquitto;
mod options_file;
pub mod profile;
pub mod property;
pub mod publish;
pub mod request;
mod spelling;
pub mod subscribe;
pub mod tls;
pub mod url;
pub mod values;
pub mod will;

use std::ffi::OsString;
use std::path::Path;

use clap::builder::PossibleValuesParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, FromArgMatches, Parser};

use crate::dialect::Dialect;
use crate::error::Error;

#[derive(Debug, Parser)]
#[command(
    name = "mozzie",
    version,
    about = "MQTT at the shell: publish, subscribe, request and reply, load-test a broker",
    long_about = None,
    disable_help_flag = true,
    disable_version_flag = true,
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 done, 2 wrong usage, 3 broker not reached, 4 connection refused, 5 publish or \
                  subscription refused, 6 time ran out, 7 messages not acknowledged, 8 bench failed, 9 bench \
                  invalid, 130/143 interrupted, 1 anything else."
)]
struct Root {
    /// Print help, a line or two for each option
    #[arg(long, action = clap::ArgAction::HelpShort, global = true, display_order = 1000)]
    help: Option<bool>,
    /// Print help with all details, examples and exit codes
    #[arg(long, action = clap::ArgAction::HelpLong, global = true, display_order = 1001)]
    help_all: Option<bool>,
    /// Print the version
    #[arg(long, action = clap::ArgAction::Version, display_order = 1002)]
    version: Option<bool>,
}

/// What makes the help complete: the option, and the verb that is read as a command with this option.
const ALL_HELP: &str = "--help-all";
const HELP: &str = "help";

/// The other name of `doctor`.
const DOCTOR_ALIAS: &str = "check";

/// The verbs. Not clap's `Subcommand`, which always makes all of them: one has some eighty options,
/// and making them is a good part of a short run.
macro_rules! verbs {
    ($($name:literal $variant:ident($args:ty) $about:literal;)*) => {
        #[derive(Debug)]
        pub enum Command { $($variant($args)),* }

        impl Command {
            const NAMES: &[&str] = &[$($name),*];

            /// The definition of one verb.
            fn verb(name: &str) -> Option<clap::Command> {
                match name {
                    $($name => {
                        // What is said of the verb is not the first line of some group's documentation.
                        let verb = <$args>::augment_args(clap::Command::new($name));
                        let verb = verb.about($about).long_about(None::<&str>).arg(json_errors());
                        Some(verb.mut_args(below_zero))
                    })*
                    _ => None,
                }
            }

            fn from_matches(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
                match matches.subcommand() {
                    $(Some(($name, matches)) => <$args>::from_arg_matches(matches).map(Self::$variant),)*
                    _ => Err(clap::Error::new(ErrorKind::MissingSubcommand)),
                }
            }
        }
    };
}

/// -C -1 and -W -1s are a wrong count and a wrong time, and no option -1.
fn below_zero(option: clap::Arg) -> clap::Arg {
    let has_unit = option.get_value_names().is_some_and(|names| {
        matches!(
            names,
            [name] if ["BYTES", "PERCENT", "RATE", "SIZE", "TIME"].contains(&name.as_str())
        )
    });
    match option.get_action().takes_values() {
        true if has_unit => option.allow_hyphen_values(true),
        true => option.allow_negative_numbers(true),
        false => option,
    }
}

verbs! {
    "pub" Publish(Box<publish::PublishArgs>) "Publish messages";
    "sub" Subscribe(Box<subscribe::SubscribeArgs>) "Subscribe to topics and print what comes";
    "rr" Request(Box<request::RequestArgs>) "Send requests and print the replies, or answer requests";
    "bench" Bench(Box<bench::BenchArgs>) "Load-test a broker";
    "doctor" Doctor(Box<doctor::DoctorArgs>) "Check the way to a broker and what it can do, step by step";
    "broker" Broker(broker::BrokerArgs) "Run a broker on this machine";
    "profile" Profile(profile::ProfileCommandArgs) "Show the profiles: brokers with their options, by name";
    "link" Link(link::LinkArgs) "Make links by whose names mozzie is mosquitto_pub, mosquitto_sub and mosquitto_rr";
    "completions" Completions(completion::CompletionsArgs) "Print a completion script for a shell";
    "complete" Complete(completion::CompleteArgs) "Print what may stand at the cursor of a command line";
    "man" Man(manual::ManArgs) "Write the man pages into a folder";
}

impl Command {
    /// Whether only the result is wanted, and no word on what went wrong.
    pub fn is_quiet(&self) -> bool {
        self.debug_args().is_some_and(|debug| debug.quiet)
    }

    /// Whether to use colours, where that was said.
    pub fn color(&self) -> Option<bool> {
        self.debug_args()?.color.forced()
    }

    fn debug_args(&self) -> Option<&connection::DebugArgs> {
        match self {
            Self::Publish(args) => Some(&args.debug),
            Self::Subscribe(args) => Some(&args.debug),
            Self::Request(args) => Some(&args.debug),
            Self::Doctor(args) => Some(&args.debug),
            Self::Bench(_)
            | Self::Broker(_)
            | Self::Profile(_)
            | Self::Link(_)
            | Self::Completions(_)
            | Self::Complete(_)
            | Self::Man(_) => None,
        }
    }

    /// Whether the environment has a say in it.
    pub fn takes_settings(&self) -> bool {
        match self {
            Self::Publish(_)
            | Self::Subscribe(_)
            | Self::Request(_)
            | Self::Bench(_)
            | Self::Doctor(_) => true,
            Self::Broker(_)
            | Self::Profile(_)
            | Self::Link(_)
            | Self::Completions(_)
            | Self::Complete(_)
            | Self::Man(_) => false,
        }
    }

    fn connection_mut(&mut self) -> Option<&mut connection::ConnectionArgs> {
        match self {
            Self::Publish(args) => Some(&mut args.connection),
            Self::Subscribe(args) => Some(&mut args.connection),
            Self::Request(args) => Some(&mut args.connection),
            Self::Bench(args) => Some(&mut args.connection),
            Self::Doctor(args) => Some(&mut args.connection),
            Self::Broker(_)
            | Self::Profile(_)
            | Self::Link(_)
            | Self::Completions(_)
            | Self::Complete(_)
            | Self::Man(_) => None,
        }
    }

    /// The topics and filters that were typed, in the places where they are.
    fn topics_mut(&mut self) -> Vec<&mut String> {
        match self {
            Self::Publish(args) => args.message.topic.iter_mut().collect(),
            Self::Subscribe(args) => {
                let args = &mut args.subscription;
                let all = [
                    &mut args.topics,
                    &mut args.filter_out,
                    &mut args.unsubscribe,
                ];
                all.into_iter().flatten().collect()
            }
            Self::Request(args) => {
                let args = &mut args.exchange;
                args.topics
                    .iter_mut()
                    .chain(&mut args.response_topic)
                    .collect()
            }
            Self::Bench(args) => {
                let args = &mut args.topic;
                args.topic.iter_mut().chain(&mut args.filter).collect()
            }
            Self::Doctor(args) => args.checks.topic.iter_mut().collect(),
            Self::Broker(_)
            | Self::Profile(_)
            | Self::Link(_)
            | Self::Completions(_)
            | Self::Complete(_)
            | Self::Man(_) => Vec::new(),
        }
    }
}

/// Every verb has it. Not a field of theirs: it must be known when the command line is not understood.
fn json_errors() -> clap::Arg {
    clap::Arg::new("json-errors")
        .long("json-errors")
        .help("Print warnings and errors as JSON objects, one a line")
        .action(clap::ArgAction::SetTrue)
        .global(true)
        .help_heading("Diagnosis")
}

/// Whether errors are to be JSON. A text that reads like the option, as in `-m --json-errors`, is taken for it.
pub fn asks_for_json_errors(arguments: &[OsString]) -> bool {
    let typed = arguments.iter().take_while(|word| *word != "--");
    typed.into_iter().any(|word| word == "--json-errors")
        || std::env::var_os(profile::JSON_ERRORS_VARIABLE)
            .is_some_and(|value| profile::is_on(&value))
}

/// What a command line asks for.
pub enum Parsed {
    Run(Command),
    /// `--help` or `--version`: text for stdout.
    Print(String),
    /// `--show-config`: the same, of what surrounds the command line too.
    ShowConfig(String),
}

/// Parses a command line; help and version are results, everything else that is refused is an error.
pub fn parse(
    arguments: Vec<OsString>,
    dialect: Dialect,
    format: mosquitto::FormatCheck,
) -> Result<Parsed, Error> {
    if let Dialect::Mosquitto(tool) = dialect {
        return mosquitto::parse(tool, arguments.get(1..).unwrap_or_default(), format);
    }
    match parse_native(arguments) {
        Ok(parsed) => Ok(parsed),
        Err(Stopped::Help(text)) => Ok(Parsed::Print(text)),
        Err(Stopped::Error(error) | Stopped::Incomplete(error)) => Err(error),
    }
}

/// Why a command line is not run.
enum Stopped {
    /// Help or the version was asked for.
    Help(String),
    Error(Error),
    /// An option is without another that it needs, which is all that is wrong.
    Incomplete(Error),
}

/// How a command line is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// As it was typed: an option comes once.
    Typed,
    /// The same, without what is yet to come: nothing is missing.
    Part,
    /// With words from elsewhere before those that were typed: the last of several for one option counts.
    Merged,
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// What was typed, over the option file, over the environment, over the profile.
fn parse_native(mut arguments: Vec<OsString>) -> Result<Parsed, Stopped> {
    if arguments.get(1).is_some_and(|verb| verb == HELP) {
        arguments.remove(1);
        arguments.push(ALL_HELP.into());
    }
    let (typed, command, lack) = match Line::parse(&arguments, Reading::Typed) {
        Ok((typed, command)) => (typed, command, None),
        // The option file may have the rest.
        Err(Stopped::Incomplete(error)) => {
            let Ok((typed, command)) = Line::parse(&arguments, Reading::Part) else {
                return Err(Stopped::Incomplete(error));
            };
            (typed, command, Some(error))
        }
        Err(stopped) => return Err(stopped),
    };
    let file = command
        .debug_args()
        .and_then(|debug| debug.options_file.clone());
    let (file, lack) = match (file, lack) {
        (None, None) => return surrounded(arguments, &typed, &typed, command),
        (None, Some(error)) => return Err(Stopped::Incomplete(error)),
        (Some(file), lack) => (file, lack),
    };
    let arguments = with_file(arguments, &file)?;
    let parsed = Line::parse(&arguments, Reading::Merged);
    let (merged, command) = parsed.map_err(|stopped| match (stopped, lack) {
        // The file has not helped.
        (Stopped::Incomplete(_), Some(error)) => Stopped::Incomplete(error),
        // Without the file the line was right.
        (Stopped::Error(error) | Stopped::Incomplete(error), _) => {
            Stopped::Error(in_file(error, &file))
        }
        (help, _) => help,
    })?;
    surrounded(arguments, &typed, &merged, command)
}

/// The command with what the environment and a profile add to a line. `typed` is that line without the option file.
fn surrounded(
    arguments: Vec<OsString>,
    typed: &Line,
    line: &Line,
    mut command: Command,
) -> Result<Parsed, Stopped> {
    if command.connection_mut().is_none() {
        return Ok(Parsed::Run(command));
    }
    let around = profile::surroundings(line.verb(), line.matches())?;
    let words = profile::words(&around.settings);
    let full = if words.is_empty() {
        None
    } else {
        let arguments = behind_verb(arguments, words);
        let (full, surrounded) =
            Line::parse(&arguments, Reading::Merged).map_err(|stopped| match stopped {
                Stopped::Error(error) | Stopped::Incomplete(error) => {
                    Stopped::Error(profile::named(error, &around.settings))
                }
                help => help,
            })?;
        command = surrounded;
        Some(full)
    };
    let Some(connection) = command.connection_mut() else {
        return Ok(Parsed::Run(command));
    };
    profile::adjust_url(connection, line.verb(), line.matches());
    if connection.profile.show_config {
        let effective = profile::effective::Effective {
            verb: line.verb(),
            typed: typed.matches(),
            matches: full.as_ref().unwrap_or(line).matches(),
            connection,
            surroundings: &around,
        };
        return Ok(Parsed::ShowConfig(effective.render()));
    }
    if let Some(prefix) = connection.profile.topic_prefix.clone() {
        for topic in command.topics_mut() {
            *topic = profile::prefixed(&prefix, topic);
        }
    }
    Ok(Parsed::Run(command))
}

/// What is wrong with the values of a profile that stand in the file in the right form.
///
/// # Errors
/// The first of them.
pub fn check_profile(name: &str, file: &profile::file::ConfigFile) -> Result<(), Error> {
    let settings = profile::alone(name, file)?;
    let mut arguments = vec!["mozzie".into(), "sub".into()];
    arguments.extend(profile::words(&settings));
    match Line::parse(&arguments, Reading::Typed) {
        Ok(_) | Err(Stopped::Help(_)) => Ok(()),
        Err(Stopped::Error(error) | Stopped::Incomplete(error)) => {
            Err(profile::named(error, &settings))
        }
    }
}

/// The words of an option file go before those that were typed, which so have the last word.
fn with_file(typed: Vec<OsString>, file: &Path) -> Result<Vec<OsString>, Error> {
    let text = options_file::read(file).map_err(|source| Error::Input {
        option: "-o",
        path: file.to_owned(),
        source,
    })?;
    Ok(behind_verb(typed, options_file::native_words(&text)))
}

fn in_file(error: Error, file: &Path) -> Error {
    match error {
        Error::Usage { message, hint } => {
            Error::usage(format!("-o '{}': {message}", file.display()), hint)
        }
        other => other,
    }
}

fn behind_verb(mut arguments: Vec<OsString>, words: Vec<OsString>) -> Vec<OsString> {
    let verb_end = arguments.len().min(2);
    arguments.splice(verb_end..verb_end, words);
    arguments
}

/// A command line that clap has understood.
struct Line {
    root: clap::Command,
    matches: clap::ArgMatches,
}

impl Line {
    fn parse(arguments: &[OsString], reading: Reading) -> Result<(Self, Command), Stopped> {
        let typed = arguments.get(1).and_then(|verb| verb.to_str());
        let verb = typed.and_then(|typed| {
            let wanted = match typed {
                DOCTOR_ALIAS => "doctor",
                typed => typed,
            };
            Command::NAMES.iter().copied().find(|name| *name == wanted)
        });
        let mut root = match verb.and_then(Command::verb) {
            Some(verb) => Root::command()
                .subcommand(verb.args_override_self(reading == Reading::Merged))
                // clap looks for what is missing when all else is right.
                .ignore_errors(reading == Reading::Part),
            None => command(),
        };
        if arguments.iter().any(|word| word == ALL_HELP) {
            root = match verb {
                Some(name) => {
                    root.mut_subcommand(name, |verb| manual::documented(verb, Some(name)))
                }
                None => manual::documented(root, None),
            };
        }
        let words = property::join_words(arguments.to_vec(), &root);
        let parsed = root
            .try_get_matches_from_mut(words)
            .and_then(|matches| Ok((Command::from_matches(&matches)?, matches)));
        match parsed {
            Ok((command, matches)) => Ok((Self { root, matches }, command)),
            Err(error) if error.kind() == ErrorKind::InvalidUtf8 => {
                Err(Stopped::Error(not_utf8(arguments, verb)))
            }
            Err(error) => Err(Stopped::of(error.format(&mut root), verb)),
        }
    }

    fn verb(&self) -> &clap::Command {
        let name = self.matches.subcommand_name();
        name.and_then(|name| self.root.find_subcommand(name))
            .unwrap_or(&self.root)
    }

    /// What was typed behind the verb.
    fn matches(&self) -> &clap::ArgMatches {
        self.matches
            .subcommand()
            .map_or(&self.matches, |(_, matches)| matches)
    }
}

/// What keeps clap from taking `{n}` for the end of a line. It is not printed.
pub(crate) const UNSPLIT: char = '\u{2060}';

impl Stopped {
    fn of(error: clap::Error, verb: Option<&str>) -> Self {
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                Self::Help(error.render().to_string().replace(UNSPLIT, ""))
            }
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand if verb.is_none() => {
                Self::Error(Error::usage(
                    "no command given",
                    "say what to do: mozzie pub, sub, rr, bench, doctor or broker; mozzie --help lists all",
                ))
            }
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Self::Error(Error::usage(
                "mozzie profile: nothing to do is given",
                "say list, show or check",
            )),
            ErrorKind::MissingRequiredArgument => Self::Incomplete(usage_error(&error, verb)),
            _ => Self::Error(usage_error(&error, verb)),
        }
    }
}

/// clap does not say which value it was. That itself is not shown: it may be a secret.
fn not_utf8(arguments: &[OsString], verb: Option<&str>) -> Error {
    let options: Vec<_> = arguments
        .windows(2)
        .filter(|pair| pair[1].to_str().is_none())
        .map(|pair| {
            let value = pair[1].to_string_lossy();
            match value.split_once('=') {
                Some((long, _)) if long.starts_with("--") => long.to_owned(),
                _ if value.starts_with('-') => value.chars().take(2).collect(),
                _ => pair[0].to_string_lossy().into_owned(),
            }
        })
        .collect();
    let message = format!("the value of {} is not UTF-8", options.join(" or "));
    Error::usage(message, more_help(verb))
}

fn more_help(verb: Option<&str>) -> String {
    match verb {
        Some(verb) => format!("try 'mozzie {verb} --help'"),
        None => "try 'mozzie --help'".to_owned(),
    }
}

/// clap's text in our form: one line, and the way to more help as the hint.
fn usage_error(error: &clap::Error, verb: Option<&str>) -> Error {
    let text = error.render().to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or("wrong command line");
    let mut message = first.strip_prefix("error: ").unwrap_or(first).to_owned();
    // A login in a URL must not be shown again.
    if let Some(ContextValue::String(value)) = error.get(ContextKind::InvalidValue)
        && let Some((scheme, rest)) = value.split_once("://")
        && let Some((_, host)) = rest.rsplit_once('@')
    {
        message = message.replace(value, &format!("{scheme}://…@{host}"));
    }
    let mut tip = None;
    for line in lines {
        if let Some(text) = line.strip_prefix("tip: ") {
            tip = Some(text.to_owned());
        } else if line.starts_with("Usage: ") || line.starts_with("For more information") {
            break;
        } else {
            message.push(' ');
            message.push_str(line);
        }
    }
    Error::usage(message, tip.unwrap_or_else(|| more_help(verb)))
}

/// The whole command line, for completions, man pages and the README.
pub fn command() -> clap::Command {
    let verbs: Vec<_> = Command::NAMES
        .iter()
        .copied()
        .filter_map(Command::verb)
        .collect();
    let is_hidden = |name: &str| {
        let mut hidden = verbs.iter().filter(|verb| verb.is_hide_set());
        hidden.any(|verb| verb.get_name() == name)
    };
    let names: Vec<_> = Command::NAMES
        .iter()
        .copied()
        .filter(|name| !is_hidden(name))
        .collect();
    let help = clap::Command::new(HELP)
        .about("Print all about a command, as 'mozzie COMMAND --help-all' does")
        .arg(
            clap::Arg::new("command")
                .value_name("COMMAND")
                .value_parser(PossibleValuesParser::new(names)),
        );
    Root::command().subcommands(verbs).subcommand(help)
}
