//! What the user typed: clap's definitions and value types. No I/O, nothing opened.

pub mod bench;
pub mod broker;
pub mod connection;
pub mod link;
pub mod mosquitto;
mod options_file;
pub mod property;
pub mod publish;
pub mod request;
pub mod subscribe;
pub mod tls;
pub mod url;
pub mod values;
pub mod will;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue};
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
    /// Print help
    #[arg(long, action = clap::ArgAction::HelpShort, global = true, display_order = 1000)]
    help: Option<bool>,
    /// Print the version
    #[arg(long, action = clap::ArgAction::Version, display_order = 1001)]
    version: Option<bool>,
}

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
                    // After the options: clap takes a group's documentation for the verb's own text.
                    $($name => Some(<$args>::augment_args(clap::Command::new($name)).about($about)),)*
                    _ => None,
                }
            }

            fn from_matches(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
                match matches.subcommand() {
                    $(Some(($name, matches)) => <$args>::from_arg_matches(matches).map(Self::$variant),)*
                    _ => Err(clap::Error::new(clap::error::ErrorKind::MissingSubcommand)),
                }
            }
        }
    };
}

verbs! {
    "pub" Publish(Box<publish::PublishArgs>) "Publish messages";
    "sub" Subscribe(Box<subscribe::SubscribeArgs>) "Subscribe to topics and print what comes";
    "rr" Request(Box<request::RequestArgs>) "Send requests and print the replies, or answer requests";
    "bench" Bench(Box<bench::BenchArgs>) "Load-test a broker";
    "broker" Broker(broker::BrokerArgs) "Run a broker on this machine";
    "link" Link(link::LinkArgs) "Make links by whose names mozzie is mosquitto_pub, mosquitto_sub and mosquitto_rr";
    "completions" Completions(CompletionsArgs) "Print a completion script for a shell";
    "man" Man(ManArgs) "Write the man pages into a folder";
}

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
#[command(hide = true)]
pub struct ManArgs {
    pub dir: PathBuf,
}

impl Command {
    /// Whether only the result is wanted, and no word on what went wrong.
    pub fn is_quiet(&self) -> bool {
        self.debug_args().is_some_and(|debug| debug.quiet)
    }

    fn debug_args(&self) -> Option<&connection::DebugArgs> {
        match self {
            Self::Publish(args) => Some(&args.debug),
            Self::Subscribe(args) => Some(&args.debug),
            Self::Request(args) => Some(&args.debug),
            Self::Bench(_)
            | Self::Broker(_)
            | Self::Link(_)
            | Self::Completions(_)
            | Self::Man(_) => None,
        }
    }
}

/// What a command line asks for.
pub enum Parsed {
    Run(Command),
    /// `--help` or `--version`: text for stdout.
    Print(String),
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
    let parsed = parse_native(&arguments, false)?;
    let file = match &parsed {
        Parsed::Run(command) => command.debug_args().and_then(|d| d.options_file.clone()),
        Parsed::Print(_) => None,
    };
    match file {
        Some(file) => parse_native(&with_file(arguments, &file)?, true),
        None => Ok(parsed),
    }
}

/// The words of an option file go before those that were typed, which so have the last word.
fn with_file(typed: Vec<OsString>, file: &Path) -> Result<Vec<OsString>, Error> {
    let text = options_file::read(file).map_err(|source| Error::Input {
        option: "-o",
        path: file.to_owned(),
        source,
    })?;
    let mut typed = typed.into_iter();
    let mut words: Vec<_> = typed.by_ref().take(2).collect();
    words.extend(options_file::native_words(&text));
    words.extend(typed);
    Ok(words)
}

/// With `overriding`, the last of several words for one option counts.
fn parse_native(arguments: &[OsString], overriding: bool) -> Result<Parsed, Error> {
    use clap::error::ErrorKind;
    let typed = arguments.get(1).and_then(|verb| verb.to_str());
    let verb = typed.and_then(|typed| Command::NAMES.iter().copied().find(|name| *name == typed));
    let mut root = match verb.and_then(Command::verb) {
        Some(verb) => Root::command().subcommand(verb.args_override_self(overriding)),
        None => command(),
    };
    let arguments = property::join_words(arguments.to_vec(), &root);
    let parsed = root
        .try_get_matches_from_mut(arguments)
        .and_then(|matches| Command::from_matches(&matches))
        .map_err(|error| error.format(&mut root));
    match parsed {
        Ok(command) => Ok(Parsed::Run(command)),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                Ok(Parsed::Print(error.render().to_string()))
            }
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Err(Error::usage(
                "no command given",
                "say what to do: mozzie pub, sub, rr, bench or broker; mozzie --help lists all",
            )),
            _ => Err(usage_error(&error, verb)),
        },
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
    let hint = tip.unwrap_or_else(|| match verb {
        Some(verb) => format!("try 'mozzie {verb} --help'"),
        None => "try 'mozzie --help'".to_owned(),
    });
    Error::usage(message, hint)
}

/// The whole command line, for completions, man pages and the README.
pub fn command() -> clap::Command {
    let verbs = Command::NAMES.iter().copied().filter_map(Command::verb);
    Root::command().subcommands(verbs)
}
