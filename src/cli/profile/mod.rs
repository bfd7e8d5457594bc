//! Profiles, the environment, and which of all values counts: what surrounds the typed options of a connection.
//!
//! [`option`] is what can be set, [`file`] and [`environment`] read it, [`precedence`] decides, [`effective`] shows it.

pub mod effective;
mod environment;
pub mod file;
pub mod option;
mod precedence;

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Subcommand};

use super::connection::ConnectionArgs;
use super::property;
use crate::error::Error;
use file::ConfigFile;
use option::{FORMAT, OUTPUT, OUTPUT_FORMS};
pub use precedence::Setting;
use precedence::{Given, RECONNECT, Value};

/// The variables that are no connection options.
const PROFILE_VARIABLE: &str = "MOZZIE_PROFILE";
pub const JSON_ERRORS_VARIABLE: &str = "MOZZIE_JSON_ERRORS";
pub const NAMESERVER_VARIABLE: &str = "MOZZIE_NAMESERVER";
const OTHERS: &[&str] = &[PROFILE_VARIABLE, JSON_ERRORS_VARIABLE, NAMESERVER_VARIABLE];
/// The name that asks for no profile at all, not even the default one.
pub(super) const NONE: &str = "none";
/// clap's name of what takes a profile's name.
pub(super) const ID: &str = "profile";
/// The options of this group that no profile can have.
const PROFILE: &[&str] = &["profile", "show-config"];

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Profile")]
pub struct ProfileArgs {
    /// Take the options that are not given here from this profile, see 'mozzie profile --help';
    /// 'none' for no profile at all
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Put this before every topic and filter of the command line
    #[arg(long, value_name = "TEXT")]
    pub topic_prefix: Option<String>,
    /// Print what the connection would be made with, and where each value comes from; connect to nobody
    #[arg(long)]
    pub show_config: bool,
}

/// `mozzie profile`.
#[derive(Debug, Clone, Args)]
#[command(
    disable_help_subcommand = true,
    after_help = "Profiles stand in $XDG_CONFIG_HOME/mozzie/config.toml, or else in ~/.config/mozzie/config.toml:\n\n  \
                  default-profile = \"home\"      # for who asks for none\n\n  \
                  [profile.home]\n  \
                  host = \"broker.example.org\"   # any connection option, without its hyphens\n  \
                  cafile = \"ca.pem\"             # beside this file\n  \
                  username = \"me\"\n  \
                  password-command = \"pass show mqtt/home\"\n  \
                  topic-prefix = \"home/\"\n  \
                  output = \"json\"               # raw, verbose, json, json=parsed; or: format = \"%t %p\"\n\n\
                  What is typed counts before a variable (MOZZIE_HOST for --host, and so on), that before the profile."
)]
pub struct ProfileCommandArgs {
    #[command(subcommand)]
    pub action: ProfileAction,
}

#[derive(Debug, Clone, Subcommand)]
pub enum ProfileAction {
    /// Print the names of the profiles
    List,
    /// Print the settings of a profile, without its secrets
    Show {
        /// Name of the profile [default: MOZZIE_PROFILE, or default-profile of the file]
        #[arg(id = ID, value_name = "NAME")]
        name: Option<String>,
    },
    /// Look for mistakes in the whole file
    Check,
}

/// The name of the profile that counts: typed, of the environment, or the file's default.
///
/// # Errors
/// The file cannot be read or understood.
pub fn chosen(typed: Option<&str>, file: Option<&ConfigFile>) -> Result<Option<String>, Error> {
    let variable = || {
        let name = std::env::var_os(PROFILE_VARIABLE).filter(|name| !name.is_empty())?;
        Some(name.to_string_lossy().into_owned())
    };
    let name = match (typed.map(str::to_owned).or_else(variable), file) {
        (Some(name), _) => Some(name),
        (None, Some(file)) => file.default_name()?,
        (None, None) => None,
    };
    Ok(name.filter(|name| name != NONE))
}

/// What surrounds one command line.
pub struct Surroundings {
    /// The profile that counts, with its file.
    pub profile: Option<(String, ConfigFile)>,
    /// What counts beside what was typed.
    pub settings: Vec<Setting>,
}

/// Reads the environment and the profile, and keeps what counts. The usual case, in which there is neither, costs little.
///
/// # Errors
/// A variable, the file or a profile is wrong.
pub fn surroundings(verb: &clap::Command, matches: &ArgMatches) -> Result<Surroundings, Error> {
    let typed = matches.get_one::<String>("profile").map(String::as_str);
    let file = match typed {
        Some(NONE) => None,
        _ => ConfigFile::open()?,
    };
    let name = chosen(typed, file.as_ref())?;
    let profile = match (name, file) {
        (None, _) => None,
        (Some(name), Some(file)) => Some((name, file)),
        (Some(name), None) => return Err(no_file(&name)),
    };
    let mut settings = Vec::new();
    if profile.is_some() || environment::has_settings() {
        let options: Vec<_> = option::all();
        let mut layers = vec![environment::settings(&options, |name| {
            std::env::var_os(name)
        })?];
        if let Some((name, file)) = &profile {
            layers.push(file.profile(name, &options)?);
        }
        for layer in &mut layers {
            layer.retain(|setting| is_taken(verb, &setting.name));
        }
        let typed = typed_options(verb, matches);
        settings = precedence::settle(&typed, layers)?;
        if is_taken(verb, RECONNECT) {
            precedence::drop_idle_retries(&typed, &mut settings);
        }
    }
    Ok(Surroundings { profile, settings })
}

/// What is to be said of the environment, though it is no reason not to run.
pub fn warnings() -> Vec<String> {
    if !environment::has_settings() {
        return Vec::new();
    }
    let names = std::env::vars_os().map(|(name, _)| name);
    environment::unknown(&option::all(), names)
}

pub fn no_file(name: &str) -> Error {
    let path = file::path().unwrap_or_default();
    Error::usage(
        format!(
            "there is no profile '{name}': '{}' is not there",
            path.display()
        ),
        "'mozzie profile --help' shows what to write into it",
    )
}

/// Whether a verb has the option. A form of output belongs to those that print messages.
fn is_taken(verb: &clap::Command, name: &str) -> bool {
    let wanted = match name {
        OUTPUT | FORMAT => "verbose",
        other => other,
    };
    verb.get_arguments()
        .any(|arg| arg.get_long() == Some(wanted))
}

fn typed_options<'a>(verb: &'a clap::Command, matches: &'a ArgMatches) -> Vec<Given<'a>> {
    verb.get_arguments()
        .filter(|arg| is_typed(matches, arg.get_id().as_str()))
        .filter_map(|arg| {
            let id = arg.get_id().as_str();
            Some(Given {
                name: arg.get_long()?,
                value: matches
                    .get_raw(id)
                    .and_then(Iterator::last)
                    .map(std::borrow::Cow::from),
            })
        })
        .collect()
}

fn is_typed(matches: &ArgMatches, id: &str) -> bool {
    matches.value_source(id) == Some(ValueSource::CommandLine)
}

/// The settings in the words of the command line.
pub fn words(settings: &[Setting]) -> Vec<OsString> {
    let mut words = Vec::new();
    for setting in settings {
        match &setting.value {
            Value::Flag(true) => words.push(format!("--{}", setting.name).into()),
            Value::Flag(false) => {}
            Value::Words(values) if setting.name == OUTPUT => {
                let form = values.first().map(|form| form.to_string_lossy());
                if let Some(form) = form.filter(|form| form != "raw") {
                    words.push(format!("--{form}").into());
                }
            }
            Value::Words(values) => words.extend(values.iter().map(|value| {
                let mut word = OsString::from(format!("--{}=", setting.name));
                word.push(value);
                word
            })),
        }
    }
    words
}

/// Refuses a form of output that there is not.
fn output_form(setting: &Setting) -> Result<(), Error> {
    match &setting.value {
        Value::Words(words) if setting.name == OUTPUT => {
            let form = words.first().map(|word| word.to_string_lossy());
            match form.filter(|form| !OUTPUT_FORMS.contains(&form.as_ref())) {
                None => Ok(()),
                Some(form) => Err(Error::usage(
                    format!("{}: '{form}' is no form of output", setting.origin),
                    format!("use one of {}, or format", OUTPUT_FORMS.join(", ")),
                )),
            }
        }
        _ => Ok(()),
    }
}

/// Brings properties into the form of the command line. Only what every verb sends can be set from outside.
fn connect_property(setting: &mut Setting) -> Result<(), Error> {
    let origin = setting.origin.clone();
    let Value::Words(words) = &mut setting.value else {
        return Ok(());
    };
    for word in words {
        let text = word.to_string_lossy();
        if !["connect ", "will "]
            .iter()
            .any(|place| text.starts_with(place))
        {
            return Err(Error::usage(
                format!("{origin}: only properties of connect and will can be set here"),
                "write it as 'connect NAME VALUE'; give the others with -D",
            ));
        }
        *word = property::joined(&text);
    }
    Ok(())
}

/// What is left to do when the settings have become options: where a URL from below meets what stands above it.
pub fn adjust_url(connection: &mut ConnectionArgs, verb: &clap::Command, typed: &ArgMatches) {
    let Some(url) = connection.broker.url.as_mut() else {
        return;
    };
    let typed = typed_options(verb, typed);
    let is_typed = |name: &str| typed.iter().any(|given| given.name == name);
    if is_typed("url") {
        return;
    }
    // A port from the same layer was refused, so this one stands above.
    if let Some(port) = connection.broker.port.take() {
        url.port = Some(port);
    }
    url.tls &= !connection.tls.no_tls;
    if is_typed("topic") {
        url.topic = None;
    }
}

/// A topic or filter behind its prefix. That of a shared subscription begins behind the group's name; those of
/// the broker itself (`$SYS`) stay as they are.
pub fn prefixed(prefix: &str, topic: &str) -> String {
    let shared = topic
        .strip_prefix("$share/")
        .and_then(|shared| shared.split_once('/'));
    match shared {
        Some((group, filter)) => format!("$share/{group}/{prefix}{filter}"),
        None if topic.starts_with('$') => topic.to_owned(),
        None => format!("{prefix}{topic}"),
    }
}

/// An error about one of the settings, with its origin.
pub fn named(error: Error, settings: &[Setting]) -> Error {
    let Error::Usage { message, hint } = error else {
        return error;
    };
    let is_about = |setting: &&Setting| {
        let name = &setting.name;
        [
            format!("'--{name}'"),
            format!("'--{name} "),
            format!("'--{name}["),
        ]
        .iter()
        .any(|option| message.contains(option))
    };
    let message = match settings.iter().find(is_about) {
        Some(setting) => format!("{}: {message}", setting.origin),
        None => message,
    };
    Error::Usage { message, hint }
}

/// The settings of a profile without anything around it.
///
/// # Errors
/// As of [`ConfigFile::profile`]; settings that exclude each other.
pub fn alone(name: &str, file: &ConfigFile) -> Result<Vec<Setting>, Error> {
    let settings = file.profile(name, &option::all())?;
    precedence::settle(&[], vec![settings])
}

/// Whether a variable that is a switch says yes; a word that is neither counts as yes.
pub fn is_on(value: &std::ffi::OsStr) -> bool {
    environment::flag("", value).unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use super::prefixed;

    #[test]
    fn a_prefix_goes_before_the_topic_proper() {
        for (topic, wanted) in [
            ("a/b", "home/a/b"),
            ("#", "home/#"),
            ("/a", "home//a"),
            ("$share/g/a/+", "$share/g/home/a/+"),
            ("$SYS/#", "$SYS/#"),
        ] {
            assert_eq!(prefixed("home/", topic), wanted);
        }
    }
}
