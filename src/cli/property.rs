//! `-D COMMAND NAME VALUE` and `-D COMMAND user-property NAME VALUE`: MQTT 5 properties.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};

use bytes::Bytes;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches};

use crate::mqtt::properties::{
    Kind, Place, Properties, Property, PropertyError, PropertyId, Value,
};
use crate::mqtt::text::Text;

/// Commands that `-D` knows, where their properties stand, and which of those a user may set.
pub(super) const COMMANDS: &[(&str, Place)] = &[
    ("connect", Place::Connect),
    ("publish", Place::Publish),
    ("subscribe", Place::Subscribe),
    ("unsubscribe", Place::Unsubscribe),
    ("disconnect", Place::Disconnect),
    ("will", Place::Will),
];

/// The properties of each packet, in the order in which they were typed.
#[derive(Debug, Clone, Default)]
pub struct PropertyArgs(HashMap<Place, Properties>);

impl PropertyArgs {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn of(&self, place: Place) -> Properties {
        self.0.get(&place).cloned().unwrap_or_default()
    }

    /// Adds a property that is checked already.
    pub(super) fn push(&mut self, place: Place, property: Property) -> Result<(), PropertyError> {
        self.0.entry(place).or_default().push(place, property)
    }

    /// Drops what belongs to a packet that will not be sent.
    pub(super) fn forget(&mut self, place: Place) {
        self.0.remove(&place);
    }

    /// The word by which `-D` knows a packet.
    pub fn command(place: Place) -> &'static str {
        let known = COMMANDS.iter().find(|(_, known)| *known == place);
        known.map_or("", |(command, _)| command)
    }

    fn add(&mut self, words: &[&str]) -> Result<(), String> {
        let [command, name, values @ ..] = words else {
            return Err("a property needs a command, a name and a value".to_owned());
        };
        let place = COMMANDS
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(command))
            .map(|(_, place)| *place)
            .ok_or_else(|| {
                format!(
                    "'{command}' takes no properties (use connect, publish, subscribe, unsubscribe, disconnect or will)"
                )
            })?;
        let id = PropertyId::from_name(name)
            .ok_or_else(|| format!("'{name}' is not a property of MQTT 5"))?;
        // Only brokers put subscription identifiers into PUBLISH [MQTT-3.3.4-6].
        let reserved = id == PropertyId::SubscriptionIdentifier && place == Place::Publish;
        if reserved || !id.allowed_in(place) {
            return Err(format!("'{name}' cannot be set for {command}"));
        }
        let value = match (id.kind(), values) {
            (Kind::Pair, [name, value]) => Value::Pair(text(name)?, text(value)?),
            (Kind::Pair, _) => {
                return Err(format!(
                    "'user-property' needs a name and a value: -D {command} user-property NAME VALUE"
                ));
            }
            (kind, [value]) => parse(kind, id, value)?,
            (_, _) => {
                return Err(format!(
                    "'{name}' takes one value: -D {command} {name} VALUE"
                ));
            }
        };
        let property = Property::new(id, value).map_err(|e| e.to_string())?;
        self.0
            .entry(place)
            .or_default()
            .push(place, property)
            .map_err(|e| e.to_string())
    }
}

fn text(typed: &str) -> Result<Text, String> {
    Text::try_from(typed).map_err(|e| format!("'{typed}' is {e}"))
}

fn parse(kind: Kind, id: PropertyId, typed: &str) -> Result<Value, String> {
    let number = |maximum: u32| -> Result<u32, String> {
        match typed.parse::<u32>() {
            Ok(number) if number <= maximum => Ok(number),
            _ => Err(format!(
                "'{typed}' is not a value for {} (use a number from 0 to {maximum})",
                id.name()
            )),
        }
    };
    Ok(match kind {
        Kind::Byte => Value::Byte(number(1)? as u8),
        Kind::TwoByte => Value::TwoByte(number(65_535)? as u16),
        Kind::FourByte => Value::FourByte(number(u32::MAX)?),
        Kind::VariableByte => Value::VariableByte(number(268_435_455)?),
        Kind::Text | Kind::Pair => Value::Text(text(typed)?),
        Kind::Binary => Value::Binary(Bytes::copy_from_slice(typed.as_bytes())),
    })
}

const ID: &str = "property";
const VALUE_NAME: &str = "COMMAND NAME VALUE";
/// Between the words of one occurrence once they are joined: ASCII's unit separator.
const SEPARATOR: char = '\u{1f}';

/// Joins the words of each `-D` into one value.
///
/// How many there are (three, with `user-property` four) depends on the second, and any may begin
/// with a hyphen, neither of which clap can express. Values of other options are stepped over, so a
/// `-m -D` stays what it is.
pub fn join_words(arguments: Vec<OsString>, root: &clap::Command) -> Vec<OsString> {
    let verb = arguments.get(1).and_then(|verb| verb.to_str());
    let Some(command) = verb.and_then(|verb| root.find_subcommand(verb)) else {
        return arguments;
    };
    let takes_value = |arg: &Arg| {
        matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)
            && arg
                .get_num_args()
                .is_none_or(|range| range.min_values() > 0)
    };
    let mut joined = Vec::with_capacity(arguments.len());
    let mut words = arguments.into_iter();
    joined.extend(words.by_ref().take(2));
    while let Some(word) = words.next() {
        let text = word.to_str().unwrap_or_default();
        if text == "--" {
            joined.push(word);
            break;
        }
        let option = match text.strip_prefix("--") {
            Some(name) => command.get_arguments().find(|arg| is_named(arg, name)),
            None => last_short(command, text, takes_value),
        };
        let is_property = option.is_some_and(|arg| arg.get_id() == ID);
        let wants_value = option.is_some_and(takes_value);
        joined.push(word);
        if is_property {
            let mut parts: Vec<OsString> = words.by_ref().take(3).collect();
            if parts
                .get(1)
                .is_some_and(|name| name.eq_ignore_ascii_case("user-property"))
            {
                parts.extend(words.next());
            }
            joined.push(parts.join(OsStr::new(&SEPARATOR.to_string())));
        } else if wants_value {
            joined.extend(words.next());
        }
    }
    joined.extend(words);
    joined
}

fn is_named(arg: &Arg, name: &str) -> bool {
    let aliases = || arg.get_all_aliases().unwrap_or_default();
    arg.get_long() == Some(name) || aliases().contains(&name)
}

/// One `-D` written in one text, as in an option file, in the form that its words are joined to.
pub(super) fn joined(text: &str) -> OsString {
    let words = super::options_file::property_words(text.as_bytes());
    words.join(OsStr::new(&SEPARATOR.to_string()))
}

/// The same text again.
pub(super) fn shown(joined: &str) -> String {
    joined.replace(SEPARATOR, " ")
}

/// The option at the end of a cluster such as `-rD`, if its value is the next word.
fn last_short<'a>(
    command: &'a clap::Command,
    text: &str,
    takes_value: impl Fn(&Arg) -> bool,
) -> Option<&'a Arg> {
    let mut letters = text.strip_prefix('-')?.chars();
    while let Some(letter) = letters.next() {
        let option = command
            .get_arguments()
            .find(|arg| arg.get_short() == Some(letter))?;
        if takes_value(option) {
            return letters.as_str().is_empty().then_some(option);
        }
    }
    None
}

// By hand because one occurrence is several words, and properties must keep the order of typing.
impl clap::Args for PropertyArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        command.arg(
            Arg::new(ID)
                .short('D')
                .long("property")
                .help("Add an MQTT 5 property: COMMAND NAME VALUE, or COMMAND user-property NAME VALUE")
                .long_help(
                    "Add an MQTT 5 property. COMMAND is connect, publish, subscribe, unsubscribe, disconnect or \
                     will; NAME is the specification's in lower case with hyphens, such as content-type. May be \
                     given several times",
                )
                .value_name(VALUE_NAME)
                .allow_hyphen_values(true)
                .action(ArgAction::Append)
                .help_heading("Session"),
        )
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for PropertyArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut args = Self::default();
        if let Some(occurrences) = matches.get_many::<String>(ID) {
            for joined in occurrences {
                let words: Vec<&str> = joined.split(SEPARATOR).collect();
                args.add(&words).map_err(|what| {
                    clap::Error::raw(
                        ErrorKind::ValueValidation,
                        format!(
                            "invalid value '{}' for '--property <{VALUE_NAME}>': {what}\n",
                            words.join(" ")
                        ),
                    )
                })?;
            }
        }
        Ok(args)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_joined_only_where_they_belong_to_a_property() {
        let join = |line: &str| {
            let words = line.split(' ').map(OsString::from).collect();
            join_words(words, &crate::cli::command())
                .into_iter()
                .map(|word| word.into_string().unwrap().replace(SEPARATOR, "|"))
                .collect::<Vec<_>>()
                .join(" ")
        };
        for (typed, joined) in [
            (
                "mozzie pub -D publish user-property a -5 -t x",
                "mozzie pub -D publish|user-property|a|-5 -t x",
            ),
            (
                "mozzie pub -rD publish content-type -t -t x",
                "mozzie pub -rD publish|content-type|-t -t x",
            ),
            (
                "mozzie pub --property connect receive-maximum 5 -m -D a b c",
                "mozzie pub --property connect|receive-maximum|5 -m -D a b c",
            ),
            ("mozzie pub -m-D -- -D a b c", "mozzie pub -m-D -- -D a b c"),
            ("mozzie pub -D connect", "mozzie pub -D connect"),
            ("mozzie -D a b c", "mozzie -D a b c"),
        ] {
            assert_eq!(join(typed), joined);
        }
    }

    #[test]
    fn properties_are_checked_against_their_packet() {
        let mut args = PropertyArgs::default();
        args.add(&["publish", "Content-Type", "text/plain"])
            .unwrap();
        args.add(&["publish", "user-property", "a", "b"]).unwrap();
        args.add(&["publish", "user-property", "a", "b"]).unwrap();
        args.add(&["connect", "receive-maximum", "5"]).unwrap();
        assert_eq!(args.of(Place::Publish).iter().count(), 3);
        assert_eq!(
            args.of(Place::Connect).number(PropertyId::ReceiveMaximum),
            Some(5)
        );
        for words in [
            &["puback", "user-property", "a", "b"][..],
            &["publish", "no-such-thing", "1"],
            &["publish", "receive-maximum", "1"],
            &["publish", "subscription-identifier", "1"],
            &["publish", "content-type", "again"],
            &["publish", "user-property", "a"],
            &["publish", "topic-alias", "0"],
            &["publish", "topic-alias", "70000"],
            &["publish", "message-expiry-interval", "soon"],
            &["publish", "response-topic", "a/#"],
            &["connect", "receive-maximum", "1", "2"],
        ] {
            assert!(args.add(words).is_err(), "{words:?}");
        }
    }
}
