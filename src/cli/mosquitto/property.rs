//! `-D` as mosquitto judges it: word by word while parsing; a packet as a whole when its library is to send it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use bytes::Bytes;

use super::{as_utf8, naming, number};
use crate::cli::property::{COMMANDS, PropertyArgs};
use crate::error::Verdict;
use crate::mqtt::properties::{Kind, Place, Property, PropertyId, Value};
use crate::mqtt::text::Text;

/// Commands that mosquitto knows by name and whose packets nobody can give a property.
const REFUSED: &[(&str, Place)] = &[
    ("auth", Place::Auth),
    // of this one it does not say so
    ("connack", Place::ConnAck),
    ("puback", Place::Ack),
    ("pubcomp", Place::Ack),
    ("pubrec", Place::Ack),
    ("pubrel", Place::Ack),
    ("suback", Place::Ack),
    ("unsuback", Place::Ack),
];

/// Why mosquitto's library takes the properties of a packet for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    Value,
    Repeated,
}

impl Flaw {
    /// The library's text, and its number.
    pub fn error(self) -> (&'static str, u8) {
        match self {
            Self::Value => (
                "A network protocol error occurred when communicating with the broker",
                2,
            ),
            Self::Repeated => ("Duplicate property in property list", 22),
        }
    }
}

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

    /// Takes the words of one `-D`, with which these begin; gives back how many there were.
    pub fn take(&mut self, words: &[OsString]) -> Result<usize, Verdict> {
        let too_few =
            || refuse("Error: --property argument given but not enough arguments specified.");
        let [command, name, value, ..] = words else {
            return Err(too_few());
        };
        let known = |list: &[(&str, Place)]| {
            list.iter()
                .find(|(known, _)| command.eq_ignore_ascii_case(known))
                .map(|(_, place)| *place)
        };
        let settable = known(COMMANDS);
        let place = settable.or_else(|| known(REFUSED)).ok_or_else(|| {
            let behind = " given in --property argument.\n\n";
            naming("Error: Invalid command ", command, behind)
        })?;
        let name_text = name.to_string_lossy();
        let id = PropertyId::from_name(&name_text).ok_or_else(|| {
            let behind = " given in --property argument.\n\n";
            naming("Error: Invalid property name ", name, behind)
        })?;
        let (name, command) = (&*name_text, command.to_string_lossy());
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
        if place == Place::ConnAck {
            return Err(Verdict::usage(""));
        }
        let from_brokers = id == PropertyId::SubscriptionIdentifier && place == Place::Publish;
        if settable.is_none() || from_brokers {
            return Err(refuse(&format!(
                "Error: {name} property not supported for {command} in --property argument."
            )));
        }
        let value = match is_pair {
            true => Value::Pair(text(id, name, value)?, text(id, name, &words[3])?),
            false => parse(id, name, value)?,
        };
        self.push(place, id, value);
        Ok(if is_pair { 4 } else { 3 })
    }

    /// Whether the packet has any.
    pub fn are_there_any(&self, place: Place) -> bool {
        self.0.iter().any(|(p, _, _)| *p == place)
    }

    /// The first flaw among those of one packet: from the first on, its value and whether it comes again.
    pub fn flaw(&self, place: Place) -> Option<Flaw> {
        let of_packet = || {
            let entries = self.0.iter().filter(move |(p, _, _)| *p == place);
            entries.map(|(_, id, value)| (*id, value))
        };
        of_packet().enumerate().find_map(|(index, (id, value))| {
            if id != PropertyId::SubscriptionIdentifier && Property::new(id, value.clone()).is_err()
            {
                return Some(Flaw::Value);
            }
            let again = of_packet().skip(index + 1).any(|(other, _)| other == id);
            (again && id.kind() != Kind::Pair).then_some(Flaw::Repeated)
        })
    }

    /// The properties of each packet. A packet that has a flaw gets none, because it is not sent.
    pub fn checked(&self) -> PropertyArgs {
        let mut checked = PropertyArgs::default();
        let flawed: Vec<Place> = COMMANDS
            .iter()
            .map(|(_, place)| *place)
            .filter(|place| self.flaw(*place).is_some())
            .collect();
        for (place, id, value) in &self.0 {
            // Accepted by mosquitto's checker, and in no will of the specification.
            if flawed.contains(place) || !id.allowed_in(*place) {
                continue;
            }
            let property = Property::unjudged(*id, value.clone()).expect("a value of its kind");
            checked.push(*place, property).expect("no flaw was found");
        }
        checked
    }
}

fn refuse(text: &str) -> Verdict {
    Verdict::usage(format!("{text}\n\n"))
}

/// Text that the library takes; the number is its own of the kind.
fn text(id: PropertyId, name: &str, typed: &OsStr) -> Result<Text, Verdict> {
    let kind = if id.kind() == Kind::Pair { 7 } else { 6 };
    as_utf8(typed)
        .and_then(|text| Text::try_from(text).ok())
        .ok_or_else(|| Verdict::usage(format!("Error adding property {name} {kind}\n")))
}

fn too_long(name: &str) -> Verdict {
    refuse(&format!(
        "Error: Property value too long for property {name}."
    ))
}

fn parse(id: PropertyId, name: &str, typed: &OsStr) -> Result<Value, Verdict> {
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
    let number = |maximum| within(number::whole(&typed.to_string_lossy()), maximum);
    Ok(match id.kind() {
        Kind::Byte => Value::Byte(number(255)? as u8),
        Kind::TwoByte => Value::TwoByte(number(65_535)? as u16),
        Kind::FourByte => Value::FourByte(number(u32::MAX)?),
        Kind::VariableByte => match number(u32::MAX)? {
            // More than the field holds; the text is the library's.
            268_435_456.. => {
                return Err(Verdict::usage(format!("Error adding property {name} 4\n")));
            }
            value => Value::VariableByte(value),
        },
        Kind::Text | Kind::Pair => Value::Text(text(id, name, typed)?),
        Kind::Binary if typed.len() > 65_535 => return Err(too_long(name)),
        Kind::Binary => Value::Binary(Bytes::copy_from_slice(typed.as_bytes())),
    })
}
