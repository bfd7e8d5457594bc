//! `-D` as mosquitto judges it: word by word while parsing, and once more as a whole at the end.

use bytes::Bytes;

use super::number;
use crate::cli::property::{COMMANDS, PropertyArgs};
use crate::error::Verdict;
use crate::mqtt::properties::{Kind, Place, Property, PropertyId, Value};
use crate::mqtt::text::Text;

/// Commands that mosquitto knows by name and whose packets nobody can give a property.
const REFUSED: &[(&str, Place)] = &[
    ("auth", Place::Auth),
    ("connack", Place::ConnAck),
    ("puback", Place::Ack),
    ("pubcomp", Place::Ack),
    ("pubrec", Place::Ack),
    ("pubrel", Place::Ack),
    ("suback", Place::Ack),
    ("unsuback", Place::Ack),
];

/// Properties in the order of typing; they are checked only when all is typed.
#[derive(Debug, Default)]
pub struct Typed(Vec<(Place, PropertyId, Value)>);

impl Typed {
    pub fn has(&self, place: Place, id: PropertyId) -> bool {
        self.0.iter().any(|(p, i, _)| (*p, *i) == (place, id))
    }

    pub fn push(&mut self, place: Place, id: PropertyId, value: Value) {
        self.0.push((place, id, value));
    }

    /// Takes the words of one `-D`; gives back how many there were.
    pub fn take(&mut self, words: &[&str]) -> Result<usize, Verdict> {
        let too_few =
            || refuse("Error: --property argument given but not enough arguments specified.");
        let [command, name, value, ..] = words else {
            return Err(too_few());
        };
        let known = |list: &[(&str, Place)]| {
            list.iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(command))
                .map(|(_, place)| *place)
        };
        let settable = known(COMMANDS);
        let place = settable.or_else(|| known(REFUSED)).ok_or_else(|| {
            refuse(&format!(
                "Error: Invalid command {command} given in --property argument."
            ))
        })?;
        let id = PropertyId::from_name(name).ok_or_else(|| {
            refuse(&format!(
                "Error: Invalid property name {name} given in --property argument."
            ))
        })?;
        let is_pair = id.kind() == Kind::Pair;
        if is_pair && words.len() < 4 {
            return Err(too_few());
        }
        let tolerated = place == Place::Will && id == PropertyId::ReasonString;
        if !id.allowed_in(place) && !tolerated {
            return Err(refuse(&format!(
                "Error: {name} property not allowed for {command} in --property argument."
            )));
        }
        let from_brokers = id == PropertyId::SubscriptionIdentifier && place == Place::Publish;
        if settable.is_none() || from_brokers {
            return Err(refuse(&format!(
                "Error: {name} property not supported for {command} in --property argument."
            )));
        }
        let value = match is_pair {
            true => Value::Pair(text(name, value)?, text(name, words[3])?),
            false => parse(id, name, value)?,
        };
        self.push(place, id, value);
        Ok(if is_pair { 4 } else { 3 })
    }

    /// The checked properties of each packet.
    pub fn check(self) -> Result<PropertyArgs, Verdict> {
        let mut checked = PropertyArgs::default();
        for (place, packet) in [
            (Place::Connect, "CONNECT"),
            (Place::Publish, "PUBLISH"),
            (Place::Subscribe, "SUBSCRIBE"),
            (Place::Unsubscribe, "UNSUBSCRIBE"),
            (Place::Disconnect, "DISCONNECT"),
            (Place::Will, "Will"),
        ] {
            for (_, id, value) in self.0.iter().filter(|(p, _, _)| *p == place) {
                // accepted by mosquitto's checker, and in no will of the specification
                if !id.allowed_in(place) {
                    continue;
                }
                let property = match id {
                    // Brokers judge these.
                    PropertyId::PayloadFormatIndicator
                    | PropertyId::ResponseTopic
                    | PropertyId::SubscriptionIdentifier => Property::unjudged(*id, value.clone()),
                    _ => Property::new(*id, value.clone()),
                };
                let property = property.map_err(|_| {
                    Verdict::usage(format!(
                        "Error in {packet} properties: \
                         A network protocol error occurred when communicating with the broker\n"
                    ))
                })?;
                checked.push(place, property).map_err(|_| {
                    Verdict::usage(format!(
                        "Error in {packet} properties: Duplicate property in property list\n"
                    ))
                })?;
            }
        }
        Ok(checked)
    }
}

fn refuse(text: &str) -> Verdict {
    Verdict::usage(format!("{text}\n\n"))
}

fn text(name: &str, typed: &str) -> Result<Text, Verdict> {
    Text::try_from(typed).map_err(|_| {
        refuse(&format!(
            "Error: Property value too long for property {name}."
        ))
    })
}

fn parse(id: PropertyId, name: &str, typed: &str) -> Result<Value, Verdict> {
    let within = |number: i64, maximum: u32| {
        u32::try_from(number)
            .ok()
            .filter(|number| *number <= maximum)
            .ok_or_else(|| {
                refuse(&format!(
                    "Error: Property value ({number}) out of range for property {name}."
                ))
            })
    };
    // Short numbers may be followed by anything, long ones by nothing.
    let short = |maximum| within(number::whole(typed), maximum);
    let long = || match number::strict(typed) {
        Some(number) => within(number, u32::MAX),
        None => Err(refuse(&format!(
            "Error: Property value '{typed}' not a number."
        ))),
    };
    Ok(match id.kind() {
        Kind::Byte => Value::Byte(short(255)? as u8),
        Kind::TwoByte => Value::TwoByte(short(65_535)? as u16),
        Kind::FourByte => Value::FourByte(long()?),
        Kind::VariableByte => match long()? {
            // More than the field holds; the text is the library's.
            268_435_456.. => {
                return Err(Verdict::usage(format!("Error adding property {name} 4\n")));
            }
            value => Value::VariableByte(value),
        },
        Kind::Text | Kind::Pair => Value::Text(text(name, typed)?),
        Kind::Binary => Value::Binary(Bytes::copy_from_slice(typed.as_bytes())),
    })
}
