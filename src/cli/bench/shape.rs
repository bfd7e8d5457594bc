//! The usual shapes of a load by their names: `fan-in:500`.

use std::str::FromStr;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShapeName {
    pub kind: ShapeKind,
    /// As typed.
    pub count: Option<u32>,
}

impl ShapeName {
    /// How many there are of what it has many of.
    pub fn clients(self) -> u32 {
        let usual = match self.kind {
            ShapeKind::Connections => 1000,
            ShapeKind::OneToOne | ShapeKind::FanIn | ShapeKind::FanOut | ShapeKind::Shared => 10,
        };
        self.count.unwrap_or(usual)
    }
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

const NAMES: [(&str, ShapeKind); 5] = [
    ("one-to-one", ShapeKind::OneToOne),
    ("fan-in", ShapeKind::FanIn),
    ("fan-out", ShapeKind::FanOut),
    ("shared", ShapeKind::Shared),
    ("connections", ShapeKind::Connections),
];

impl FromStr for ShapeName {
    type Err = String;

    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        let (name, count) = match typed.split_once(':') {
            Some((name, count)) => (name, Some(count)),
            None => (typed, None),
        };
        let refuse = || {
            format!(
                "'{typed}' is not a shape (use one-to-one, fan-in, fan-out, shared or connections, and a \
                 number behind it, such as fan-in:500)"
            )
        };
        let (_, kind) = NAMES.iter().find(|one| one.0 == name).ok_or_else(refuse)?;
        let positive = |count: &str| count.parse().ok().filter(|count| *count > 0);
        let count = count.map(|count| positive(count).ok_or_else(refuse));
        Ok(Self {
            kind: *kind,
            count: count.transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_have_a_name_and_a_number() {
        for (typed, kind, count, clients) in [
            ("fan-in:500", ShapeKind::FanIn, Some(500), 500),
            ("shared", ShapeKind::Shared, None, 10),
            ("connections", ShapeKind::Connections, None, 1000),
        ] {
            let shape: ShapeName = typed.parse().unwrap();
            assert_eq!(shape, ShapeName { kind, count }, "{typed}");
            assert_eq!(shape.clients(), clients, "{typed}");
        }
        for typed in ["", "star", "fan-in:", "fan-in:0", "fan-in:x", "Fan-In"] {
            assert!(typed.parse::<ShapeName>().is_err(), "{typed}");
        }
    }
}
