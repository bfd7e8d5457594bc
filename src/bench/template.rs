//! Text with places for numbers and names in it, for topics, client identifiers, logins and payloads.
//! Pure. What stands in braces and is no name of a place is text in a payload, so JSON needs no quoting; in
//! topics and client identifiers a word in braces that is none is a slip.

use bytes::BytesMut;

use crate::digits::decimal;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// `{i}`: the connection's number among those of its role, from 0.
    Index,
    /// `{c}`: the connection's number among all, from 0.
    Connection,
    /// `{role}`: `p`, `s` or `i`.
    Role,
    /// `{client}`: the client identifier.
    Client,
    /// `{user}`: the user name.
    User,
    /// `{n}`: the message's number at its publisher, from 0.
    Message,
    /// `{time}`: milliseconds since 1970.
    Time,
    /// `{random}`: an integer below 2^32.
    Random,
}

impl Place {
    const ALL: [(&'static str, Self); 8] = [
        ("{i}", Self::Index),
        ("{c}", Self::Connection),
        ("{role}", Self::Role),
        ("{client}", Self::Client),
        ("{user}", Self::User),
        ("{n}", Self::Message),
        ("{time}", Self::Time),
        ("{random}", Self::Random),
    ];

    /// Whether it differs from message to message.
    pub fn changes(self) -> bool {
        matches!(self, Self::Message | Self::Time | Self::Random)
    }

    fn name(self) -> &'static str {
        Self::ALL[self as usize].0
    }
}

/// What stands in braces and is no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no place {0}")]
pub struct UnknownPlace(String);

impl UnknownPlace {
    pub const HINT: &str = "the places are {i}, {c}, {role}, {client} and {user}, in a topic also {n}, {time} and {random}";
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Vec<u8>),
    Place(Place),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

/// Who a connection is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    pub index: usize,
    pub connection: usize,
    pub role: &'static str,
    pub client: String,
    pub user: String,
}

impl Template {
    pub fn new(text: &[u8]) -> Self {
        let mut parts = Vec::new();
        let mut literal = Vec::new();
        let mut rest = text;
        while let [first, behind @ ..] = rest {
            let found = Place::ALL
                .iter()
                .find(|(name, _)| rest.starts_with(name.as_bytes()));
            match found {
                Some((name, place)) => {
                    if !literal.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut literal)));
                    }
                    parts.push(Part::Place(*place));
                    rest = &rest[name.len()..];
                }
                None => {
                    literal.push(*first);
                    rest = behind;
                }
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Self(parts)
    }

    /// Of a topic, a filter or a client identifier.
    pub fn of_name(text: &str) -> Result<Self, UnknownPlace> {
        for (start, _) in text.match_indices('{') {
            let Some((word, _)) = text[start + 1..].split_once('}') else {
                break;
            };
            let is_word = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
            let name = format!("{{{word}}}");
            if is_word && Place::ALL.iter().all(|(known, _)| *known != name) {
                return Err(UnknownPlace(name));
            }
        }
        Ok(Self::new(text.as_bytes()))
    }

    /// Text without places.
    pub fn literal(text: Vec<u8>) -> Self {
        Self(vec![Part::Text(text)])
    }

    pub fn has(&self, wanted: Place) -> bool {
        self.places().any(|place| place == wanted)
    }

    pub fn places(&self) -> impl Iterator<Item = Place> {
        self.0.iter().filter_map(|part| match part {
            Part::Place(place) => Some(*place),
            Part::Text(_) => None,
        })
    }

    /// Whether it is the same for all messages of a connection.
    pub fn is_fixed(&self) -> bool {
        !self.places().any(Place::changes)
    }

    /// Whether it differs from connection to connection.
    pub fn needs_names(&self) -> bool {
        self.places().any(|place| !place.changes())
    }

    /// Fills in who the connection is; what differs from message to message stays open.
    #[must_use]
    pub fn bind(&self, names: &Names) -> Self {
        let mut bound = Vec::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => bound.extend_from_slice(text),
                Part::Place(place) => match place {
                    Place::Index => bound.extend_from_slice(names.index.to_string().as_bytes()),
                    Place::Connection => {
                        bound.extend_from_slice(names.connection.to_string().as_bytes());
                    }
                    Place::Role => bound.extend_from_slice(names.role.as_bytes()),
                    Place::Client => bound.extend_from_slice(names.client.as_bytes()),
                    Place::User => bound.extend_from_slice(names.user.as_bytes()),
                    Place::Message | Place::Time | Place::Random => {
                        bound.extend_from_slice(place.name().as_bytes());
                    }
                },
            }
        }
        Self::new(&bound)
    }

    /// The text as far as it is known: what differs from message to message shows its name.
    pub fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for part in &self.0 {
            match part {
                Part::Text(literal) => text.extend_from_slice(literal),
                Part::Place(place) => text.extend_from_slice(place.name().as_bytes()),
            }
        }
        text
    }

    /// Appends the text of message number `number` of a bound template.
    pub fn write(&self, number: u64, unix_ms: u64, out: &mut BytesMut) {
        for part in &self.0 {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Place(Place::Message) => decimal(number, out),
                Part::Place(Place::Time) => decimal(unix_ms, out),
                Part::Place(Place::Random) => decimal(u64::from(fastrand::u32(..)), out),
                // Bound templates have no others.
                Part::Place(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str, number: u64) -> String {
        let names = Names {
            index: 3,
            connection: 13,
            role: "p",
            client: "me".to_owned(),
            user: "you".to_owned(),
        };
        let mut out = BytesMut::new();
        Template::new(text.as_bytes())
            .bind(&names)
            .write(number, 99, &mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn places_are_filled_and_everything_else_stays() {
        let table = [
            ("", ""),
            ("plain", "plain"),
            ("a/{i}/{c}/{role}", "a/3/13/p"),
            ("{client}@{user}", "me@you"),
            ("{\"n\":{n},\"t\":{time}}", "{\"n\":1203,\"t\":99}"),
            ("{x}{{i}}{", "{x}{3}{"),
            ("{n}{n}", "12031203"),
        ];
        for (text, expected) in table {
            assert_eq!(filled(text, 1203), expected, "{text}");
        }
        assert_eq!(filled("{n}", u64::MAX), u64::MAX.to_string());
        assert_eq!(filled("{n}", 0), "0");
        let random: u64 = filled("{random}", 0).parse().unwrap();
        assert!(random < 1 << 32);
    }

    #[test]
    fn a_word_in_braces_that_is_no_place_is_no_part_of_a_name() {
        for (text, unknown) in [
            ("a/{id}/{i}", Some("{id}")),
            ("{i}{{foo}", Some("{foo}")),
            ("a/{i}/{c}/{role}/{client}/{user}/{n}/{time}/{random}", None),
            ("{}/{I}/{3f2b}/{a b}/{\u{e4}}/{a", None),
        ] {
            let unknown = unknown.map(|name| UnknownPlace(name.to_owned()));
            assert_eq!(Template::of_name(text).err(), unknown, "{text}");
        }
    }

    #[test]
    fn every_place_shows_its_own_name() {
        for (name, place) in Place::ALL {
            assert_eq!(place.name(), name);
        }
    }

    #[test]
    fn what_changes_with_the_message_stays_open_until_then() {
        let template = Template::new(b"a/{i}/{n}");
        assert!(!template.is_fixed());
        let bound = template.bind(&Names::default());
        assert_eq!(bound.text(), b"a/0/{n}");
        assert!(Template::new(b"a/{i}").is_fixed());
        assert!(Template::new(b"a/{i}").has(Place::Index));
    }
}
