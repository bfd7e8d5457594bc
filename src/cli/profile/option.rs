//! What can be set from outside the command line: every connection option, read off clap's own definitions.

use std::any::TypeId;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, Args};

use super::PROFILE;
use crate::cli::connection::ConnectionArgs;
use crate::cli::url::BrokerUrl;
use crate::cli::values::Header;
use crate::net::{Proxy, Secret};

/// The form in which sub and rr print when no option says it: a word for their output options.
pub const OUTPUT: &str = "output";
pub const OUTPUT_FORMS: &[&str] = &["raw", "verbose", "json", "json=parsed"];
pub const FORMAT: &str = "format";
pub const PROPERTY: &str = "property";

/// An option by its long name, which is its key in a profile and, in capitals behind `MOZZIE_`, its variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settable {
    pub name: String,
    pub kind: Kind,
    /// In TOML only text will do; a number would be a mistake.
    pub is_text: bool,
    /// In a profile relative to the folder of the file.
    pub is_path: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Flag,
    One,
    Many,
}

impl Settable {
    fn of(arg: &Arg) -> Option<Self> {
        let name = arg.get_long()?;
        if arg.is_hide_set() || PROFILE.contains(&name) {
            return None;
        }
        let kind = match arg.get_action() {
            ArgAction::SetTrue => Kind::Flag,
            ArgAction::Append => Kind::Many,
            _ => Kind::One,
        };
        let type_id = arg.get_value_parser().type_id();
        let is = |id: TypeId| type_id == id;
        let is_path = is(TypeId::of::<PathBuf>());
        let texts = [
            TypeId::of::<String>(),
            TypeId::of::<OsString>(),
            TypeId::of::<BrokerUrl>(),
            TypeId::of::<Proxy>(),
            TypeId::of::<Header>(),
            TypeId::of::<Secret>(),
        ];
        Some(Self {
            name: name.to_owned(),
            kind,
            is_text: is_path || texts.into_iter().any(is),
            is_path,
        })
    }

    pub fn variable(&self) -> String {
        let name = self.name.to_ascii_uppercase().replace('-', "_");
        format!("{}{name}", super::environment::PREFIX)
    }
}

/// All of them, in the order of `--help`.
pub fn all() -> Vec<Settable> {
    let connection = ConnectionArgs::augment_args(clap::Command::new(""));
    let text = |name: &str| Settable {
        name: name.to_owned(),
        kind: Kind::One,
        is_text: true,
        is_path: false,
    };
    let mut all: Vec<_> = connection
        .get_arguments()
        .filter_map(Settable::of)
        .collect();
    all.extend([text(OUTPUT), text(FORMAT)]);
    all
}

/// Whether the value must not be shown at all.
pub fn is_secret(name: &str) -> bool {
    matches!(name, "password" | "key-password")
}

/// A value as it may be shown: without what is secret in it.
pub fn shown(name: &str, value: &str) -> String {
    const HIDDEN: &str = "(hidden)";
    match name {
        _ if is_secret(name) => HIDDEN.to_owned(),
        "url" | "proxy" => match password_span(value) {
            Some((begin, end)) => format!("{}{HIDDEN}{}", &value[..begin], &value[end..]),
            None => value.to_owned(),
        },
        "ws-header" => {
            let header = value.split_once(':').map_or(value, |(header, _)| header);
            format!("{header}: {HIDDEN}")
        }
        PROPERTY => {
            let text = crate::cli::property::shown(value);
            match text.split_once("authentication-data ") {
                Some((before, _)) => format!("{before}authentication-data {HIDDEN}"),
                None => text,
            }
        }
        _ => value.to_owned(),
    }
}

/// Where the password of a URL stands in it.
pub fn password_span(url: &str) -> Option<(usize, usize)> {
    let login = url.find("://")? + 3;
    let end = login + url[login..].rfind('@')?;
    let colon = login + url[login..end].find(':')?;
    Some((colon + 1, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_connection_option_is_settable_and_knows_its_form() {
        let all = all();
        let find = |name: &str| all.iter().find(|option| option.name == name).unwrap();
        let form = |name| {
            let option = find(name);
            (option.kind, option.is_text, option.is_path)
        };
        assert_eq!(form("host"), (Kind::One, true, false));
        assert_eq!(form("port"), (Kind::One, false, false));
        assert_eq!(form("password"), (Kind::One, true, false));
        assert_eq!(form("cafile"), (Kind::One, true, true));
        assert_eq!(form("ws"), (Kind::Flag, false, false));
        assert_eq!(form("ws-header"), (Kind::Many, true, false));
        assert_eq!(form(PROPERTY), (Kind::Many, true, false));
        assert_eq!(form("topic-prefix"), (Kind::One, true, false));
        assert_eq!(find("max-inflight").variable(), "MOZZIE_MAX_INFLIGHT");
        for hidden in ["psk", "profile", "show-config"] {
            assert!(all.iter().all(|option| option.name != hidden), "{hidden}");
        }
    }

    #[test]
    fn what_is_shown_has_no_secret_in_it() {
        for (name, value, wanted) in [
            ("password", "hunter2", "(hidden)"),
            (
                "url",
                "mqtt://me:hun@ter2@h:1/t",
                "mqtt://me:(hidden)@h:1/t",
            ),
            ("url", "mqtt://me@h/t", "mqtt://me@h/t"),
            ("proxy", "http://a:hunter2@p", "http://a:(hidden)@p"),
            (
                "ws-header",
                "Authorization: hunter2",
                "Authorization: (hidden)",
            ),
            (
                PROPERTY,
                "connect\u{1f}authentication-data\u{1f}hunter2",
                "connect authentication-data (hidden)",
            ),
            ("username", "me", "me"),
        ] {
            assert_eq!(shown(name, value), wanted);
        }
    }
}
