//! What may stand as the value of one option: a closed set, a profile, or what the shell knows best.

use std::any::TypeId;

use clap::{Arg, ValueHint};

use super::{Candidate, Offer};
use crate::cli::profile;
use crate::cli::property;
use crate::cli::values::RetryCount;
use crate::mqtt::properties::{Kind, PropertyId};
use crate::mqtt::{QoS, Version};
use crate::net::TlsVersion;

/// What goes on from the words that the value already has.
pub fn offer(option: &Arg, words: &[String], profiles: impl FnOnce() -> Vec<String>) -> Offer {
    if option.get_id() == property::ID {
        return Offer::Words(property_words(words));
    }
    if option.get_id() == profile::ID {
        let mut names: Vec<_> = profiles()
            .into_iter()
            .map(|name| Candidate::new(name, ""))
            .collect();
        if !option.is_positional() {
            names.push(Candidate::new(profile::NONE, "no profile at all"));
        }
        return Offer::Words(names);
    }
    let possible = option.get_possible_values();
    if !possible.is_empty() {
        let shown = possible.iter().filter(|value| !value.is_hide_set());
        return Offer::Words(
            shown
                .map(|value| Candidate::new(value.get_name(), super::first_line(value.get_help())))
                .collect(),
        );
    }
    match option.get_value_hint() {
        ValueHint::FilePath | ValueHint::AnyPath => Offer::Files,
        ValueHint::DirPath => Offer::Folders,
        ValueHint::CommandString => Offer::Commands,
        _ => Offer::Words(of_type(option.get_value_parser().type_id())),
    }
}

fn of_type(type_id: impl PartialEq<TypeId>) -> Vec<Candidate> {
    let words: &[(&str, &str)] = if type_id == TypeId::of::<QoS>() {
        &[
            ("0", "at most once"),
            ("1", "at least once"),
            ("2", "exactly once"),
        ]
    } else if type_id == TypeId::of::<Version>() {
        &[("31", "MQTT 3.1"), ("311", "MQTT 3.1.1"), ("5", "MQTT 5")]
    } else if type_id == TypeId::of::<TlsVersion>() {
        &[("tlsv1.2", "TLS 1.2"), ("tlsv1.3", "TLS 1.3")]
    } else if type_id == TypeId::of::<RetryCount>() {
        &[("forever", "never give up"), ("0", "do not connect again")]
    } else {
        &[]
    };
    words
        .iter()
        .map(|(word, help)| Candidate::new(*word, *help))
        .collect()
}

/// `COMMAND NAME VALUE`, with `user-property` one word more.
fn property_words(words: &[String]) -> Vec<Candidate> {
    let [command, rest @ ..] = words else {
        let commands = property::COMMANDS.iter();
        return commands
            .map(|(command, _)| Candidate::new(*command, ""))
            .collect();
    };
    let known = property::COMMANDS
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(command));
    let Some((_, place)) = known else {
        return Vec::new();
    };
    match rest {
        [] => PropertyId::ALL
            .iter()
            .filter(|id| property::may_be_set(**id, *place))
            .map(|id| Candidate::new(id.name(), kind(id.kind())))
            .collect(),
        [name] if PropertyId::from_name(name).is_some_and(|id| id.kind() == Kind::Byte) => {
            vec![Candidate::new("0", ""), Candidate::new("1", "")]
        }
        _ => Vec::new(),
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Byte => "0 or 1",
        Kind::TwoByte | Kind::FourByte | Kind::VariableByte => "a number",
        Kind::Text => "a text",
        Kind::Binary => "any bytes",
        Kind::Pair => "a name and a value",
    }
}
