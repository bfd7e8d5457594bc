//! The usual shapes of a load by their names: `fan-in:500`.

use std::str::FromStr;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShapeName {
    pub kind: ShapeKind,
    pub clients: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShapeKind {
    /// Pairs of one publisher and one subscriber, each with a topic of its own.
    OneToOne,
    /// Many publishers with a topic each, one subscriber that hears them all.
    FanIn,
    /// One publisher, many subscribers.
    FanOut,
    /// As many publishers as subscribers, which share the messages in one group.
    Shared,
    /// Nothing but connections.
    Connections,
}

const NAMES: [(&str, ShapeKind, u32); 5] = [
    ("one-to-one", ShapeKind::OneToOne, 10),
    ("fan-in", ShapeKind::FanIn, 10),
    ("fan-out", ShapeKind::FanOut, 10),
    ("shared", ShapeKind::Shared, 10),
    ("connections", ShapeKind::Connections, 1000),
];

impl FromStr for ShapeName {
    type Err = String;

    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        let (name, clients) = match typed.split_once(':') {
            Some((name, clients)) => (name, Some(clients)),
            None => (typed, None),
        };
        let refuse = || {
            format!(
                "'{typed}' is not a shape (use one-to-one, fan-in, fan-out, shared or connections, and a \
                 number behind it, such as fan-in:500)"
            )
        };
        let (_, kind, default) = NAMES.iter().find(|one| one.0 == name).ok_or_else(refuse)?;
        let clients = match clients {
            Some(clients) => clients.parse().ok().filter(|count| *count > 0),
            None => Some(*default),
        };
        Ok(Self {
            kind: *kind,
            clients: clients.ok_or_else(refuse)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_have_a_name_and_a_number() {
        let shape = |kind, clients| Ok(ShapeName { kind, clients });
        assert_eq!("fan-in:500".parse(), shape(ShapeKind::FanIn, 500));
        assert_eq!("connections".parse(), shape(ShapeKind::Connections, 1000));
        for typed in ["", "star", "fan-in:", "fan-in:0", "fan-in:x", "Fan-In"] {
            assert!(typed.parse::<ShapeName>().is_err(), "{typed}");
        }
    }
}
