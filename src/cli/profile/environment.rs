//! The variables `MOZZIE_<NAME>` as settings.

use std::ffi::{OsStr, OsString};

use super::file::nearest;
use super::option::{Kind, PROPERTY, Settable};
use super::precedence::{Origin, Setting, Value};
use super::{OTHERS, connect_property, output_form};
use crate::error::Error;

pub const PREFIX: &str = "MOZZIE_";

/// Whether any variable may be a setting. Most runs have none, and need no table of them.
pub fn has_settings() -> bool {
    std::env::vars_os().any(|(name, _)| name.as_encoded_bytes().starts_with(PREFIX.as_bytes()))
}

/// The settings of the variables that `read` knows.
///
/// # Errors
/// A flag that is neither on nor off, a property that is none of a connection.
pub fn settings(
    options: &[Settable],
    read: impl Fn(&str) -> Option<OsString>,
) -> Result<Vec<Setting>, Error> {
    let mut settings = Vec::new();
    for option in options {
        let variable = option.variable();
        let Some(text) = read(&variable) else {
            continue;
        };
        let value = match option.kind {
            Kind::Flag => Value::Flag(flag(&variable, &text)?),
            Kind::One => Value::Words(vec![text]),
            Kind::Many => Value::Words(lines(text)),
        };
        let mut setting = Setting {
            name: option.name.clone(),
            value,
            origin: Origin::Environment(variable),
        };
        output_form(&setting)?;
        if option.name == PROPERTY {
            connect_property(&mut setting)?;
        }
        settings.push(setting);
    }
    Ok(settings)
}

/// A sentence for each name that reads like one of our variables and is none: a typing error would be ignored in silence.
pub fn unknown(options: &[Settable], names: impl Iterator<Item = OsString>) -> Vec<String> {
    let key = |variable: &str| {
        let name = variable.strip_prefix(PREFIX).unwrap_or(variable);
        name.to_ascii_lowercase().replace('_', "-")
    };
    let others = OTHERS.iter().map(|variable| (*variable).to_owned());
    let known: Vec<_> = options
        .iter()
        .map(Settable::variable)
        .chain(others)
        .map(|variable| (key(&variable), variable))
        .collect();
    let mut unknown: Vec<_> = names
        .filter_map(|name| {
            let name = name.to_string_lossy().into_owned();
            let is_strange =
                name.starts_with(PREFIX) && known.iter().all(|(_, variable)| *variable != name);
            is_strange.then_some(name)
        })
        .collect();
    unknown.sort();
    let sentence = |name: &String| {
        let typed = key(name);
        let near = nearest(&typed, known.iter().map(|(key, _)| key.as_str()));
        let near = known.iter().find(|(key, _)| Some(key.as_str()) == near);
        match near {
            Some((_, near)) => {
                format!("{name} is no variable of mozzie's; did you mean {near}?")
            }
            None => format!("{name} is no variable of mozzie's"),
        }
    };
    unknown.iter().map(sentence).collect()
}

/// Whether a variable that is a switch is on.
///
/// # Errors
/// Anything but the usual words for yes and no.
pub fn flag(variable: &str, text: &OsStr) -> Result<bool, Error> {
    match text.to_ascii_lowercase().to_str() {
        Some("1" | "true" | "yes" | "on") => Ok(true),
        Some("0" | "false" | "no" | "off" | "") => Ok(false),
        _ => Err(Error::usage(
            format!("{variable}: '{}' is neither on nor off", text.display()),
            "use 1, true, yes or on; 0, false, no or off",
        )),
    }
}

/// One value a line.
fn lines(text: OsString) -> Vec<OsString> {
    match text.to_str() {
        Some(text) => text.lines().map(OsString::from).collect(),
        None => vec![text],
    }
}

#[cfg(test)]
mod tests {
    use super::super::option;
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Vec<(String, Value)>, String> {
        let find = |wanted: &str| {
            let found = variables.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| OsString::from(value))
        };
        settings(&option::all(), find)
            .map(|settings| settings.into_iter().map(|s| (s.name, s.value)).collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn variables_become_settings() {
        let words = |words: &[&str]| Value::Words(words.iter().map(OsString::from).collect());
        assert_eq!(
            read(&[
                ("MOZZIE_HOST", "h"),
                ("MOZZIE_WS", "yes"),
                ("MOZZIE_INSECURE", "0"),
                ("MOZZIE_WS_HEADER", "a: 1\nb: 2"),
                ("MOZZIE_PROPERTY", "connect user-property a b c"),
                ("MOZZIE_PORT_", "1"),
            ]),
            Ok(vec![
                ("host".to_owned(), words(&["h"])),
                (
                    "property".to_owned(),
                    words(&["connect\u{1f}user-property\u{1f}a\u{1f}b c"])
                ),
                ("insecure".to_owned(), Value::Flag(false)),
                ("ws".to_owned(), Value::Flag(true)),
                ("ws-header".to_owned(), words(&["a: 1", "b: 2"])),
            ])
        );
        for (variable, value, part) in [
            ("MOZZIE_WS", "maybe", "MOZZIE_WS: 'maybe'"),
            ("MOZZIE_OUTPUT", "xml", "MOZZIE_OUTPUT: 'xml'"),
            (
                "MOZZIE_PROPERTY",
                "publish content-type a",
                "MOZZIE_PROPERTY",
            ),
        ] {
            let error = read(&[(variable, value)]).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_variable_that_is_none_of_ours_is_named_with_the_one_that_was_meant() {
        let said = |name: &str| unknown(&option::all(), [OsString::from(name)].into_iter());
        let meant = |name: &str, near: &str| {
            let text = format!("{name} is no variable of mozzie's; did you mean {near}?");
            assert_eq!(said(name), [text]);
        };
        meant("MOZZIE_PASWORD", "MOZZIE_PASSWORD");
        meant("MOZZIE_CA_FILE", "MOZZIE_CAFILE");
        meant("MOZZIE_host", "MOZZIE_HOST");
        meant("MOZZIE_PROFIL", "MOZZIE_PROFILE");
        meant("MOZZIE_NAME_SERVER", "MOZZIE_NAMESERVER");
        assert_eq!(
            said("MOZZIE_XYZZY"),
            ["MOZZIE_XYZZY is no variable of mozzie's"]
        );
        for known in OTHERS {
            assert!(said(known).is_empty(), "{known}");
        }
        for option in option::all() {
            assert!(said(&option.variable()).is_empty(), "{option:?}");
        }
        assert!(said("PASWORD").is_empty());
    }
}
