//! `config.toml`: named profiles, read and judged with file, line and column.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::option::{self, Kind, PROPERTY, Settable};
use super::precedence::{Origin, Setting, Value};
use super::{connect_property, output_form};
use crate::error::Error;

/// The key of the profile that counts when none is asked for.
const DEFAULT: &str = "default-profile";
/// The table that holds the profiles.
const PROFILES: &str = "profile";

/// The file as it was read.
#[derive(Debug)]
pub struct ConfigFile {
    path: Rc<Path>,
    text: String,
    /// Whether others than the owner can read or write it.
    is_open_to_others: bool,
}

/// Its name, and its settings.
type Profile<'t> = (&'t Spanned<Cow<'t, str>>, &'t DeTable<'t>);

/// Where the file is looked for.
pub fn path() -> Option<PathBuf> {
    let folder = |name| std::env::var_os(name).filter(|path| !path.is_empty());
    let config = match folder("XDG_CONFIG_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(&folder("HOME")?).join(".config"),
    };
    Some(config.join("mozzie").join("config.toml"))
}

impl ConfigFile {
    /// The file, if there is one.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open() -> Result<Option<Self>, Error> {
        let Some(path) = path() else {
            return Ok(None);
        };
        let refuse = |error: &io::Error| {
            Error::usage(
                format!(
                    "cannot read '{}': {}",
                    path.display(),
                    crate::net::io_reason(error)
                ),
                "",
            )
        };
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(refuse(&error)),
        };
        let mut text = String::new();
        let mode = file
            .metadata()
            .map_err(|e| refuse(&e))?
            .permissions()
            .mode();
        file.read_to_string(&mut text).map_err(|e| refuse(&e))?;
        Ok(Some(Self {
            path: path.into(),
            text,
            is_open_to_others: mode & 0o077 != 0,
        }))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of the profiles, as the file has them.
    ///
    /// # Errors
    /// The file is no TOML, or not of profiles.
    pub fn names(&self) -> Result<Vec<String>, Error> {
        let table = self.table()?;
        let mut profiles: Vec<_> = self.profiles(&table)?;
        profiles.sort_by_key(|(name, _)| name.span().start);
        Ok(profiles
            .into_iter()
            .map(|(name, _)| name.get_ref().to_string())
            .collect())
    }

    /// The profile that counts when none is asked for.
    ///
    /// # Errors
    /// As of `names`; the default is no text.
    pub fn default_name(&self) -> Result<Option<String>, Error> {
        let table = self.table()?;
        self.profiles(&table)?;
        match table.get_ref().get(DEFAULT) {
            None => Ok(None),
            Some(value) => match value.get_ref().as_str() {
                Some(name) => Ok(Some(name.to_owned())),
                None => Err(self.wrong_type(DEFAULT, "a text", value)),
            },
        }
    }

    /// The settings of one profile, in the order of the file.
    ///
    /// # Errors
    /// There is no such profile, a key or a value in it is wrong, or others can read the passwords of the file.
    pub fn profile(&self, name: &str, options: &[Settable]) -> Result<Vec<Setting>, Error> {
        let table = self.table()?;
        self.refuse_shared_secrets(&table)?;
        let profiles = self.profiles(&table)?;
        let Some((_, profile)) = profiles.iter().find(|(key, _)| key.get_ref() == name) else {
            let names = profiles.iter().map(|(name, _)| name.get_ref().as_ref());
            return Err(Error::usage(
                format!("there is no profile '{name}' in '{}'", self.path.display()),
                match nearest(name, names) {
                    Some(near) => format!("did you mean '{near}'?"),
                    None => "'mozzie profile list' shows those there are".to_owned(),
                },
            ));
        };
        let mut settings: Vec<(usize, Setting)> = Vec::new();
        for (key, value) in profile.iter() {
            settings.push((key.span().start, self.setting(key, value, options)?));
        }
        settings.sort_by_key(|(at, _)| *at);
        Ok(settings.into_iter().map(|(_, setting)| setting).collect())
    }

    /// Everything that is wrong with the keys and types of the file, in its order.
    pub fn problems(&self, options: &[Settable]) -> Vec<Error> {
        let table = match self.table() {
            Ok(table) => table,
            Err(error) => return vec![error],
        };
        let mut problems = self.strays(&table);
        let profiles = Self::tables(&table);
        if let Some(secret) = self.shared_secret(&table) {
            problems.push(secret);
        }
        if let Some(value) = table.get_ref().get(DEFAULT) {
            let known = |name| profiles.iter().any(|(key, _)| key.get_ref() == name);
            let error = match value.get_ref().as_str() {
                None => Some(self.wrong_type(DEFAULT, "a text", value)),
                Some(name) if known(name) => None,
                Some(name) => {
                    Some(self.refuse(&value.span(), &format!("there is no profile '{name}'"), ""))
                }
            };
            problems.extend(error.map(|error| (value.span().start, error)));
        }
        for (key, value) in profiles.iter().flat_map(|(_, profile)| profile.iter()) {
            let wrong = self.setting(key, value, options).err();
            problems.extend(wrong.map(|error| (key.span().start, error)));
        }
        problems.sort_by_key(|(at, _)| *at);
        problems.into_iter().map(|(_, error)| error).collect()
    }

    fn table(&self) -> Result<Spanned<DeTable<'_>>, Error> {
        DeTable::parse(&self.text).map_err(|error| {
            let message = error.message().replace('\n', ", ");
            self.refuse(&error.span().unwrap_or(0..0), &message, "")
        })
    }

    /// The profiles, when nothing but profiles and the default stands in the file.
    fn profiles<'t>(&self, table: &'t Spanned<DeTable<'_>>) -> Result<Vec<Profile<'t>>, Error> {
        match self.strays(table).into_iter().next() {
            Some((_, error)) => Err(error),
            None => Ok(Self::tables(table)),
        }
    }

    /// All tables that can be profiles.
    fn tables<'t>(table: &'t Spanned<DeTable<'_>>) -> Vec<Profile<'t>> {
        let named = table.get_ref().get(PROFILES);
        let named = named.and_then(|profiles| profiles.get_ref().as_table());
        let tables = named.into_iter().flat_map(|named| named.iter());
        tables
            .filter_map(|(name, profile)| Some((name, profile.get_ref().as_table()?)))
            .collect()
    }

    /// What is neither a profile nor the default, with its place in the text.
    fn strays(&self, table: &Spanned<DeTable<'_>>) -> Vec<(usize, Error)> {
        let mut strays = Vec::new();
        for (key, value) in table.get_ref().iter() {
            let name = key.get_ref().as_ref();
            if name == PROFILES {
                let Some(named) = value.get_ref().as_table() else {
                    let error = self.wrong_type(PROFILES, "a table of profiles", value);
                    strays.push((key.span().start, error));
                    continue;
                };
                let loose = named
                    .iter()
                    .filter(|(_, value)| !value.get_ref().is_table());
                strays.extend(loose.map(|(name, _)| {
                    let what = format!("'{}' stands in no profile", name.get_ref());
                    let hint = format!("begin one with a line such as [{PROFILES}.home]");
                    (name.span().start, self.refuse(&name.span(), &what, &hint))
                }));
            } else if name != DEFAULT {
                let what = format!("'{name}' is neither {DEFAULT} nor a profile");
                let hint = match nearest(name, [DEFAULT].into_iter()) {
                    Some(near) => format!("did you mean '{near}'?"),
                    None => format!("a profile begins with a line such as [{PROFILES}.{name}]"),
                };
                strays.push((key.span().start, self.refuse(&key.span(), &what, &hint)));
            }
        }
        strays
    }

    fn setting(
        &self,
        key: &Spanned<Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
        options: &[Settable],
    ) -> Result<Setting, Error> {
        let name = key.get_ref().as_ref();
        let Some(option) = options.iter().find(|option| option.name == name) else {
            let names = options.iter().map(|option| option.name.as_str());
            return Err(self.refuse(
                &key.span(),
                &format!("'{name}' is not a setting of a profile"),
                &match nearest(name, names) {
                    Some(near) => format!("did you mean '{near}'?"),
                    None => {
                        "a setting is a connection option without its hyphens, such as host or \
                             cafile, or topic-prefix, output or format"
                            .to_owned()
                    }
                },
            ));
        };
        let (line, column) = self.place(key.span().start);
        let mut setting = Setting {
            name: name.to_owned(),
            value: self.value(option, value)?,
            origin: Origin::Profile {
                file: self.path.clone(),
                line,
                column,
            },
        };
        output_form(&setting)?;
        if name == PROPERTY {
            connect_property(&mut setting)?;
        }
        Ok(setting)
    }

    fn value(&self, option: &Settable, value: &Spanned<DeValue<'_>>) -> Result<Value, Error> {
        let name = &option.name;
        match (option.kind, value.get_ref()) {
            (Kind::Flag, DeValue::Boolean(on)) => Ok(Value::Flag(*on)),
            (Kind::Flag, _) => Err(self.wrong_type(name, "true or false", value)),
            (Kind::Many, DeValue::Array(items)) => {
                let words = items.iter().map(|item| {
                    self.word(option, item)
                        .ok_or_else(|| self.wrong_type(name, "texts", item))
                });
                Ok(Value::Words(words.collect::<Result<_, _>>()?))
            }
            (Kind::One | Kind::Many, _) => match self.word(option, value) {
                Some(word) => Ok(Value::Words(vec![word])),
                None => {
                    let wanted = match (option.kind, option.is_text) {
                        (Kind::Many, _) => "a text or a list of texts",
                        (_, true) => "a text",
                        (_, false) => "a number or a text",
                    };
                    Err(self.wrong_type(name, wanted, value))
                }
            },
        }
    }

    /// A value in the words of the command line; `None` for a type that it cannot have.
    fn word(&self, option: &Settable, value: &Spanned<DeValue<'_>>) -> Option<OsString> {
        match value.get_ref() {
            DeValue::String(text) if option.is_path => Some(self.resolve(text)),
            DeValue::String(text) => Some(OsString::from(text.as_ref())),
            DeValue::Integer(number) if !option.is_text && number.radix() == 10 => {
                Some(number.as_str().into())
            }
            DeValue::Float(number) if !option.is_text => Some(number.as_str().into()),
            _ => None,
        }
    }

    /// A path as a shell has it with `~`, or beside the file.
    fn resolve(&self, text: &str) -> OsString {
        let home = || std::env::var_os("HOME").map(PathBuf::from);
        match text.strip_prefix("~/").zip(home()) {
            _ if text == "-" => text.into(),
            Some((below, home)) => home.join(below).into(),
            None => self
                .path
                .parent()
                .unwrap_or(Path::new(""))
                .join(text)
                .into(),
        }
    }

    fn refuse_shared_secrets(&self, table: &Spanned<DeTable<'_>>) -> Result<(), Error> {
        match self.shared_secret(table) {
            Some((_, error)) => Err(error),
            None => Ok(()),
        }
    }

    /// A secret that others can read, with its place in the text.
    fn shared_secret(&self, table: &Spanned<DeTable<'_>>) -> Option<(usize, Error)> {
        if !self.is_open_to_others {
            return None;
        }
        let profiles = Self::tables(table);
        let mut settings = profiles.iter().flat_map(|(_, profile)| profile.iter());
        let (key, _) =
            settings.find(|(key, value)| holds_secret(key.get_ref(), value.get_ref()))?;
        let what = format!(
            "'{}' is secret, and others can read this file",
            key.get_ref()
        );
        let hint = format!("chmod 600 '{}'", self.path.display());
        Some((key.span().start, self.refuse(&key.span(), &what, &hint)))
    }

    fn wrong_type(&self, name: &str, wanted: &str, value: &Spanned<DeValue<'_>>) -> Error {
        let found = match value.get_ref() {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.refuse(
            &value.span(),
            &format!("{name} takes {wanted}, not {found}"),
            "",
        )
    }

    fn refuse(&self, at: &Range<usize>, what: &str, hint: &str) -> Error {
        let (line, column) = self.place(at.start);
        Error::usage(
            format!("{}:{line}:{column}: {what}", self.path.display()),
            hint,
        )
    }

    /// Line and column, from 1.
    fn place(&self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        (line, before[line_start..].chars().count() + 1)
    }
}

fn holds_secret(key: &str, value: &DeValue<'_>) -> bool {
    let text = value.as_str().unwrap_or_default();
    option::is_secret(key)
        || (matches!(key, "url" | "proxy") && option::password_span(text).is_some())
}

/// The known name that was most likely meant.
pub(super) fn nearest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|name| (strsim::jaro_winkler(typed, name), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str, is_open_to_others: bool) -> ConfigFile {
        ConfigFile {
            path: Path::new("/home/me/.config/mozzie/config.toml").into(),
            text: text.to_owned(),
            is_open_to_others,
        }
    }

    fn profile(text: &str) -> Result<String, String> {
        file(text, false)
            .profile("p", &option::all())
            .map(|settings| {
                let shown = settings.into_iter().map(|setting| match setting.value {
                    Value::Flag(on) => format!("{}={on}", setting.name),
                    Value::Words(words) => {
                        let words: Vec<_> =
                            words.iter().map(|word| word.to_str().unwrap()).collect();
                        format!("{}={}", setting.name, words.join("|"))
                    }
                });
                shown.collect::<Vec<_>>().join(" ")
            })
            .map_err(|error| format!("{error} ({})", error.hint().unwrap_or_default()))
    }

    #[test]
    fn a_profile_becomes_settings_in_the_order_of_the_file() {
        assert_eq!(
            profile(
                "default-profile = 'p'\n[profile.other]\nhost = 'x'\n[profile.p]\nws = true\nport = 8_883\n\
                 host = \"h\"\ntls-version = 1.3\nwait-for-broker = '1.5s'\nws-header = ['a: b', 'c: d']\n\
                 cafile = 'ca.pem'\nkey = '/k'\npassword-file = '-'\ninsecure = false\n\
                 property = 'connect user-property a b'\noutput = 'json'\n"
            ),
            Ok("ws=true port=8883 host=h tls-version=1.3 wait-for-broker=1.5s ws-header=a: b|c: d \
                cafile=/home/me/.config/mozzie/ca.pem key=/k password-file=- insecure=false \
                property=connect\u{1f}user-property\u{1f}a\u{1f}b output=json"
                .to_owned())
        );
        let names = file("[profile.b]\n[profile.a]\n", false).names();
        assert_eq!(names.unwrap(), ["b", "a"]);
        assert!(file("", false).names().unwrap().is_empty());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place_and_a_suggestion() {
        for (text, wanted) in [
            ("[profile.p]\nhots = 'x'", "config.toml:2:1: 'hots' is not"),
            ("[profile.p]\nhots = 'x'", "(did you mean 'host'?)"),
            ("[profile.p]\nxyzzy = 1", "(a setting is a connection"),
            (
                "[profile.p]\nport = true",
                ":2:8: port takes a number or a text, not true",
            ),
            (
                "[profile.p]\n  host = 5",
                ":2:10: host takes a text, not a number",
            ),
            (
                "[profile.p]\nws = 'yes'",
                "ws takes true or false, not a text",
            ),
            (
                "[profile.p]\nws-header = ['a: b', 1]",
                ":2:22: ws-header takes texts",
            ),
            ("[profile.p]\nport = [1]", "not a list"),
            ("[profile.p]\nhost = 1979-05-27", "not a date"),
            ("[profile.p.host]", "not a table"),
            ("[profile.p]\nport = 0x10", "port takes"),
            (
                "[profile.p]\noutput = 'xml'",
                ":2:1: 'xml' is no form of output",
            ),
            ("[profile.p]\nproperty = 'publish content-type a'", ":2:1:"),
            ("[profile.p1]", "(did you mean 'p1'?)"),
            (
                "[profile.zebra]",
                "('mozzie profile list' shows those there are)",
            ),
            ("[p]\nhost = 'x'", ":1:2: 'p' is neither"),
            ("[p]\nhost = 'x'", "[profile.p]"),
            ("[profile]\nhost = 'x'", ":2:1: 'host' stands in no profile"),
            (
                "profile = 1",
                "profile takes a table of profiles, not a number",
            ),
            (
                "[profile.p]\nhost = 'x'\nhost = 'y'",
                "config.toml:3:1: duplicate key",
            ),
            ("[profile.p]\nhost = x", "config.toml:2:8: "),
            ("[profile.p", "config.toml:1:"),
        ] {
            let error = profile(text).unwrap_err();
            assert!(error.contains(wanted), "{text}\n{error}\nhas no {wanted}");
        }
        let error = file("default-profile = 1", false)
            .default_name()
            .unwrap_err();
        assert!(error.to_string().contains("default-profile takes a text"));
    }

    #[test]
    fn a_mistake_beside_a_password_does_not_show_it() {
        for text in [
            "[profile.p]\npassword = hunter2",
            "[profile.p]\npassword = 'hunter2",
            "[profile.p]\npassword = ['hunter2']",
            "[profile.p]\npassword = 'hunter2' x",
        ] {
            let error = profile(text).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn secrets_that_others_can_read_are_refused() {
        for (text, refused) in [
            ("password = 'x'", true),
            ("key-password = 'x'", true),
            ("url = 'mqtt://u:p@h'", true),
            ("proxy = 'http://u:p@h'", true),
            ("url = 'mqtt://u@h'", false),
            ("password-file = 'x'", false),
        ] {
            let text = format!("[profile.p]\n[profile.other]\n{text}\n");
            let found = file(&text, true).profile("p", &option::all());
            assert_eq!(found.is_err(), refused, "{text}");
            if let Err(error) = found {
                let hint = error.hint().unwrap();
                assert_eq!(hint, "chmod 600 '/home/me/.config/mozzie/config.toml'");
            }
            assert!(file(&text, false).profile("p", &option::all()).is_ok());
        }
    }

    #[test]
    fn all_problems_are_found() {
        let text = "default-profile = 'x'\n[profile.a]\nhots = 1\nws = 1\npassword = 'p'\n[profile.b]\nport = []\n";
        let problems = file(text, true).problems(&option::all());
        let shown: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(shown.len(), 5, "{shown:#?}");
        assert!(
            file("[profile.a]\nport = 1", true)
                .problems(&option::all())
                .is_empty()
        );
    }
}
