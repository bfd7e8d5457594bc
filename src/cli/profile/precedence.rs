//! Which values count: command line over environment over profile, for each option and where options exclude each other.
//!
//! Pure. What is typed is known by name and text; what comes from below as [`Setting`]s that are dropped or kept.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::Path;
use std::rc::Rc;

use super::option::{FORMAT, OUTPUT, PROPERTY};
use crate::cli::url::BrokerUrl;
use crate::error::Error;
use crate::mqtt::Version;

/// A value that was not typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The option's long name.
    pub name: String,
    pub value: Value,
    pub origin: Origin,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Flag(bool),
    Words(Vec<OsString>),
}

/// Where a setting stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// This variable.
    Environment(String),
    Profile {
        file: Rc<Path>,
        line: usize,
        column: usize,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(variable) => f.write_str(variable),
            Self::Profile { file, line, column } => {
                write!(f, "{}:{line}:{column}", file.display())
            }
        }
    }
}

/// An option with its value, whoever gave it.
#[derive(Debug, Clone)]
pub struct Given<'a> {
    pub name: &'a str,
    /// The last word; `None` for a flag.
    pub value: Option<Cow<'a, OsStr>>,
}

impl Setting {
    fn given(&self) -> Given<'_> {
        let value = match &self.value {
            Value::Words(words) => words.last().map(|word| Cow::from(word.as_os_str())),
            Value::Flag(_) => None,
        };
        Given {
            name: &self.name,
            value,
        }
    }

    /// A flag that is off excludes nothing.
    fn is_off(&self) -> bool {
        self.value == Value::Flag(false)
    }
}

/// Only one of each group can be followed.
const EXCLUSIVE: &[&[&str]] = &[
    &["host", "url", "unix"],
    &["port", "unix", "srv"],
    &["bind", "unix"],
    &["proxy", "unix"],
    PASSWORDS,
    KEY_PASSWORDS,
    &["id", "id-prefix"],
    &[OUTPUT, FORMAT],
];

const PASSWORDS: &[&str] = &[
    "password",
    "password-file",
    "password-prompt",
    "password-command",
];
const KEY_PASSWORDS: &[&str] = &[
    "key-password",
    "key-password-file",
    "key-password-prompt",
    "key-password-command",
];
const WEBSOCKET: &[&str] = &["ws", "ws-path", "ws-header"];
/// What turns TLS on.
const TLS: &[&str] = &[
    "cafile",
    "capath",
    "tls-use-os-certs",
    "cert",
    "key",
    "key-password",
    "key-password-file",
    "key-password-prompt",
    "key-password-command",
    "insecure",
    "tls-server-name",
    "tls-alpn",
    "tls-version",
    "ciphers",
    "tls-keylog",
];
/// What another broker than the one in this process needs.
const REMOTE: &[&str] = &[
    "host", "port", "url", "unix", "bind", "proxy", "srv", "no-tls",
];
/// Connection options that only MQTT 5 has, and options of verbs that ask for it.
const MQTT_5: &[&str] = &["session-expiry-interval", PROPERTY];
const MQTT_5_OF_VERBS: &[&str] = &["no-local", "retain-as-published", "retain-handling"];
/// Options of verbs that decide what is printed.
const OUTPUT_OF_VERBS: &[&str] = &[
    "raw",
    "json",
    "verbose",
    "no-newline",
    "format",
    "serve",
    "watch",
    "message-rate",
];

/// Where a verb has this, it makes connections again only with it.
pub const RECONNECT: &str = "reconnect";

/// The lower settings that count beside what was typed.
///
/// # Errors
/// Two settings of one layer that exclude each other.
pub fn settle(typed: &[Given<'_>], layers: Vec<Vec<Setting>>) -> Result<Vec<Setting>, Error> {
    let mut kept: Vec<Setting> = Vec::new();
    for layer in layers {
        let above: Vec<Given<'_>> = kept
            .iter()
            .filter(|setting| !setting.is_off())
            .map(Setting::given)
            .chain(typed.iter().cloned())
            .collect();
        let decided = |setting: &Setting| {
            kept.iter().any(|upper| upper.name == setting.name)
                || above.iter().any(|upper| displaces(upper, &setting.given()))
        };
        let layer: Vec<Setting> = layer
            .into_iter()
            .filter(|setting| !decided(setting))
            .collect();
        refuse_conflicts(&layer)?;
        kept.extend(layer);
    }
    drop_ownerless(typed, &mut kept);
    Ok(kept)
}

/// Whether a value from above leaves no room for one from below.
fn displaces(upper: &Given<'_>, lower: &Given<'_>) -> bool {
    if upper.name == lower.name || exclude_each_other(upper.name, lower.name) {
        return true;
    }
    let is_one_of = |names: &[&str]| names.contains(&lower.name);
    match upper.name {
        "url" => match url(upper) {
            Some(url) => {
                lower.name == "port"
                    || (url.username.is_some() && lower.name == "username")
                    || (url.password.is_some() && is_one_of(PASSWORDS))
                    || (!url.websocket && is_one_of(WEBSOCKET))
                    || (url.tls && lower.name == "no-tls")
            }
            None => false,
        },
        "protocol-version" => is_before_5(upper) && is_one_of(MQTT_5),
        "embedded" => is_one_of(REMOTE) || is_one_of(WEBSOCKET) || is_one_of(TLS),
        name if MQTT_5.contains(&name) || MQTT_5_OF_VERBS.contains(&name) => {
            lower.name == "protocol-version" && is_before_5(lower)
        }
        "credentials" => lower.name == "username" || is_one_of(PASSWORDS),
        "source-ip" => lower.name == "bind",
        name if OUTPUT_OF_VERBS.contains(&name) => is_one_of(&[OUTPUT, FORMAT]),
        _ => false,
    }
}

fn exclude_each_other(a: &str, b: &str) -> bool {
    let one_group = |group: &&[&str]| group.contains(&a) && group.contains(&b);
    EXCLUSIVE.iter().any(one_group)
        || (a == "no-tls" && TLS.contains(&b))
        || (b == "no-tls" && TLS.contains(&a))
}

fn refuse_conflicts(layer: &[Setting]) -> Result<(), Error> {
    let layer: Vec<_> = layer.iter().filter(|setting| !setting.is_off()).collect();
    for (at, one) in layer.iter().enumerate() {
        for other in &layer[at + 1..] {
            let pair = [one.name.as_str(), other.name.as_str()];
            let url_and_port = pair.contains(&"url") && pair.contains(&"port");
            if url_and_port || exclude_each_other(pair[0], pair[1]) {
                return Err(Error::usage(
                    match &one.origin {
                        Origin::Environment(variable) => {
                            format!("{variable} and {} exclude each other", other.origin)
                        }
                        Origin::Profile { .. } => {
                            format!(
                                "{}: {} and {} exclude each other",
                                one.origin, pair[0], pair[1]
                            )
                        }
                    },
                    "keep one of the two",
                ));
            }
        }
    }
    Ok(())
}

/// Variables with a secret may be meant for another command: without a user name or a key they do nothing.
fn drop_ownerless(typed: &[Given<'_>], kept: &mut Vec<Setting>) {
    let given = || {
        let kept = kept.iter().map(Setting::given);
        kept.chain(typed.iter().cloned())
    };
    let has_user = given().any(|given| {
        given.name == "username" || url(&given).is_some_and(|url| url.username.is_some())
    });
    let has_key = given().any(|given| given.name == "key");
    kept.retain(|setting| {
        let name = setting.name.as_str();
        let ownerless =
            (!has_user && PASSWORDS.contains(&name)) || (!has_key && KEY_PASSWORDS.contains(&name));
        !ownerless || matches!(setting.origin, Origin::Profile { .. })
    });
}

/// Settings of how connections are made again are meant for other verbs where this one does not do so. What is typed
/// stays, and is refused.
pub fn drop_idle_retries(typed: &[Given<'_>], kept: &mut Vec<Setting>) {
    let is_given = |name: &str| {
        typed.iter().any(|given| given.name == name)
            || kept.iter().any(|setting| setting.name == name)
    };
    let reconnects = is_given(RECONNECT);
    let pauses = reconnects || is_given("wait-for-broker");
    kept.retain(|setting| match setting.name.as_str() {
        "retry" => reconnects,
        "retry-delay" | "retry-max-delay" => pauses,
        _ => true,
    });
}

/// Whether one of these asks for MQTT 5.
pub fn asks_for_5(given: &[Given<'_>]) -> bool {
    let needs =
        |given: &Given<'_>| MQTT_5.contains(&given.name) || MQTT_5_OF_VERBS.contains(&given.name);
    given.iter().any(needs)
}

fn url(given: &Given<'_>) -> Option<BrokerUrl> {
    let text = given.value.as_ref().filter(|_| given.name == "url")?;
    text.to_str()?.parse().ok()
}

fn is_before_5(given: &Given<'_>) -> bool {
    let text = given.value.as_ref().and_then(|value| value.to_str());
    text.and_then(|text| text.parse().ok())
        .is_some_and(|version: Version| version != Version::V5)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `"host=a ws no-tls=false"` as settings.
    fn settings(text: &str, profile: bool) -> Vec<Setting> {
        let origin = |name: &str| match profile {
            false => Origin::Environment(format!("MOZZIE_{}", name.to_uppercase())),
            true => Origin::Profile {
                file: Path::new("c.toml").into(),
                line: 1,
                column: 1,
            },
        };
        let one = |word: &str| {
            let (name, value) = word.split_once('=').unwrap_or((word, "true"));
            Setting {
                name: name.to_owned(),
                value: match value {
                    "true" | "false" => Value::Flag(value == "true"),
                    value => Value::Words(vec![value.into()]),
                },
                origin: origin(name),
            }
        };
        text.split_whitespace().map(one).collect()
    }

    /// What is kept of the environment and of the profile, beside what is typed; or the error.
    fn kept(typed: &str, environment: &str, profile: &str) -> String {
        let typed = settings(typed, false);
        let typed: Vec<_> = typed.iter().map(Setting::given).collect();
        let layers = vec![settings(environment, false), settings(profile, true)];
        match settle(&typed, layers) {
            Ok(kept) => kept
                .into_iter()
                .map(|setting| match setting.value {
                    Value::Flag(on) => format!("{}={on}", setting.name),
                    Value::Words(words) => {
                        format!("{}={}", setting.name, words[0].to_str().unwrap())
                    }
                })
                .collect::<Vec<_>>()
                .join(" "),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_higher_layer_wins_option_by_option_and_where_options_exclude_each_other() {
        let table = [
            // (typed, environment, profile) → what counts of the lower two
            ("", "", "", ""),
            ("", "host=e", "host=p port=1", "host=e port=1"),
            ("host=t", "host=e port=1", "host=p port=2", "port=1"),
            // another broker: the whole URL goes, and what comes with it
            ("host=t", "url=mqtt://u:p@e:1/t", "port=3", "port=3"),
            ("url=mqtt://t", "host=e port=1", "host=p", ""),
            ("url=mqtt://t", "", "url=mqtts://u:p@p ", ""),
            ("", "host=e", "url=mqtt://p", "host=e"),
            ("", "url=mqtt://e", "host=p port=1 unix=/s", "url=mqtt://e"),
            ("unix=/s", "url=mqtt://e bind=::1", "proxy=http://p", ""),
            ("", "host=e", "unix=/s", "host=e"),
            ("proxy=http://t", "unix=/s", "", ""),
            // a typed port stays beside a URL from below
            ("port=9", "url=mqtt://e:1", "", "url=mqtt://e:1"),
            // a URL's login goes before one from below, and one from above before it
            (
                "url=mqtt://u:p@t",
                "username=e password=x",
                "password-file=/f",
                "",
            ),
            ("url=mqtt://u@t", "username=e password=x", "", "password=x"),
            ("username=t", "url=mqtt://u:p@e", "", "url=mqtt://u:p@e"),
            // the URL says whether it is WebSocket
            ("url=mqtt://t", "ws", "ws-path=/x ws-header=a:b", ""),
            ("url=ws://t", "ws-path=/e", "ws", "ws-path=/e ws=true"),
            // TLS is not lost by accident, only by --no-tls
            ("url=mqtt://t", "cafile=c", "", "cafile=c"),
            ("no-tls", "cafile=c", "insecure cert=c key=k", ""),
            ("cafile=c", "no-tls", "", ""),
            ("", "no-tls=false", "no-tls", "no-tls=false"),
            ("url=mqtts://t", "no-tls", "", ""),
            // a flag that is off displaces only itself
            ("", "ws=false", "ws", "ws=false"),
            ("", "no-tls=false", "cafile=c", "no-tls=false cafile=c"),
            // one password
            (
                "username=u password=t",
                "password-file=/f",
                "password-command=c",
                "",
            ),
            ("username=u", "password=e", "password-prompt", "password=e"),
            ("username=u password-prompt", "password=e", "password=p", ""),
            // a variable with a secret needs an owner, a profile does not
            ("", "password=e", "", ""),
            ("", "password=e", "username=p", "password=e username=p"),
            ("", "", "password=p", "password=p"),
            ("url=mqtt://u@t", "password=e", "", "password=e"),
            ("", "key-password=e", "", ""),
            ("key=k", "key-password-file=e", "", "key-password-file=e"),
            ("id=t", "id-prefix=e", "id=p", ""),
            // versions
            (
                "protocol-version=311",
                "session-expiry-interval=9",
                "property=c",
                "",
            ),
            ("session-expiry-interval=9", "protocol-version=31", "", ""),
            ("no-local", "protocol-version=311", "", ""),
            ("no-local", "protocol-version=5", "", "protocol-version=5"),
            (
                "",
                "protocol-version=5",
                "session-expiry-interval=9",
                "protocol-version=5 session-expiry-interval=9",
            ),
            // a broker of one's own, and what is printed
            ("embedded", "host=h username=u", "ws cafile=c", "username=u"),
            ("json", "output=verbose", "format=%t", ""),
            ("", "output=json", "format=%t", "output=json"),
            // two of one layer
            (
                "",
                "host=h url=mqtt://u",
                "",
                "MOZZIE_HOST and MOZZIE_URL exclude each other",
            ),
            (
                "",
                "",
                "url=mqtt://u port=1",
                "c.toml:1:1: url and port exclude each other",
            ),
            (
                "username=u",
                "password=a password-prompt",
                "",
                "MOZZIE_PASSWORD and MOZZIE_PASSWORD-PROMPT exclude each other",
            ),
            (
                "",
                "",
                "no-tls key=k",
                "c.toml:1:1: no-tls and key exclude each other",
            ),
            ("", "", "no-tls=false key=k", "no-tls=false key=k"),
            // what is displaced cannot conflict
            ("host=t", "host=h url=mqtt://u", "", ""),
        ];
        for (typed, environment, profile, wanted) in table {
            assert_eq!(
                kept(typed, environment, profile),
                wanted,
                "typed '{typed}', environment '{environment}', profile '{profile}'"
            );
        }
    }

    #[test]
    fn how_to_connect_again_counts_only_where_that_is_done() {
        let all = "retry=3 retry-delay=1s retry-max-delay=2s";
        for (typed, below, wanted) in [
            ("", "host=e", "host=e"),
            ("", all, ""),
            ("reconnect", all, all),
            (
                "wait-for-broker=9s",
                all,
                "retry-delay=1s retry-max-delay=2s",
            ),
            (
                "",
                "wait-for-broker=9s retry=3 retry-delay=1s",
                "wait-for-broker=9s retry-delay=1s",
            ),
        ] {
            let typed = settings(typed, false);
            let typed: Vec<_> = typed.iter().map(Setting::given).collect();
            let mut kept = settings(below, false);
            drop_idle_retries(&typed, &mut kept);
            let names = |list: &[Setting]| -> Vec<String> {
                list.iter().map(|setting| setting.name.clone()).collect()
            };
            assert_eq!(names(&kept), names(&settings(wanted, false)), "{below}");
        }
    }

    #[test]
    fn the_tables_name_real_options() {
        let all = super::super::option::all();
        let is_known = |name: &str| all.iter().any(|option| option.name == name);
        let tables = [PASSWORDS, KEY_PASSWORDS, WEBSOCKET, TLS, REMOTE, MQTT_5];
        for name in EXCLUSIVE.iter().chain(&tables).copied().flatten() {
            assert!(is_known(name), "{name}");
        }
        for name in ["retry", "retry-delay", "retry-max-delay", "wait-for-broker"] {
            assert!(is_known(name), "{name}");
        }
        let verbs = crate::cli::command();
        for name in MQTT_5_OF_VERBS.iter().chain(&[RECONNECT]) {
            let is_option = |verb: &clap::Command| {
                verb.get_arguments()
                    .any(|arg| arg.get_long() == Some(*name))
            };
            assert!(verbs.get_subcommands().any(is_option), "{name}");
        }
        // Whatever cannot go with --json decides what is printed.
        for verb in ["sub", "rr"].map(|name| verbs.find_subcommand(name).unwrap()) {
            let json = |arg: &clap::Arg| arg.get_long() == Some("json");
            for arg in verb.get_arguments() {
                let conflicts = verb.get_arg_conflicts_with(arg);
                let decides = json(arg) || conflicts.into_iter().any(json);
                let name = arg.get_long().unwrap_or_default();
                assert!(!decides || OUTPUT_OF_VERBS.contains(&name), "{name}");
            }
        }
        // What cannot be typed together is displaced when one of the two is typed and the other is not.
        let given = |name| Given { name, value: None };
        for verb in verbs.get_subcommands() {
            for arg in verb.get_arguments() {
                let Some(name) = arg.get_long() else { continue };
                for other in verb.get_arg_conflicts_with(arg) {
                    let Some(other) = other.get_long().filter(|other| is_known(other)) else {
                        continue;
                    };
                    assert!(displaces(&given(name), &given(other)), "{name} {other}");
                }
            }
        }
        // Everything under the heading of TLS turns it on, but for the one that turns it off.
        let command =
            <crate::cli::tls::TlsArgs as clap::Args>::augment_args(clap::Command::new(""));
        let tls = command
            .get_arguments()
            .filter(|arg| !arg.is_hide_set())
            .filter_map(clap::Arg::get_long)
            .filter(|name| *name != "no-tls");
        assert_eq!(tls.collect::<Vec<_>>(), TLS);
    }
}
