//! `-D COMMAND NAME VALUE` and `-D COMMAND user-property NAME VALUE`: MQTT 5 properties.

use std::collections::HashMap;

use bytes::Bytes;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches};

use crate::mqtt::properties::{Kind, Place, Properties, Property, PropertyId, Value};
use crate::mqtt::text::Text;

/// Commands that `-D` knows, where their properties stand, and which of those a user may set.
const COMMANDS: &[(&str, Place)] = &[
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

    fn add(&mut self, words: &[&str]) -> Result<(), String> {
        let [command, name, values @ ..] = words else {
            return Err("a property needs a command, a name and a value".to_owned());
        };
        let place = COMMANDS
            .iter()
            .find(|(known, _)| known == command)
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

// By hand because each occurrence takes three or four words, which derive would run together.
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
                .value_names(["COMMAND", "NAME", "VALUE"])
                .num_args(3..=4)
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
        if let Some(occurrences) = matches.get_occurrences::<String>(ID) {
            for words in occurrences {
                let words: Vec<&str> = words.map(String::as_str).collect();
                args.add(&words).map_err(|what| {
                    clap::Error::raw(
                        ErrorKind::ValueValidation,
                        format!("invalid value for '-D {}': {what}\n", words.join(" ")),
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
