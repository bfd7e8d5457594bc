//! Where `pub` and mosquitto_pub do different things, as one value that is made at the start.

use crate::client::Reconnect;
use crate::dialect::Dialect;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conduct {
    /// With `-l`, of which mosquitto_pub tells a refused connection otherwise.
    pub line_by_line: bool,
    pub reconnect: Reconnect,
    /// Whether a terminal is shown how far it is.
    pub shows_progress: bool,
    pub qos_0: Qos0,
    pub refused: Refused,
    pub beyond: Beyond,
    pub unfinished: Unfinished,
}

/// When a message of QoS 0 counts as acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Qos0 {
    /// The broker has answered a ping behind it.
    Confirmed,
    /// It is written, and the connection ended in order.
    Written,
}

/// What a message is worth that the broker refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It is the end, and a failure.
    Failure,
    /// A warning; it counts as acknowledged.
    Warning,
}

/// What becomes of a message that is beyond what the broker has told of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// It is refused before it is sent.
    Refused,
    /// The same, but where it is only retain, that is left out in silence.
    WithoutRetain,
    /// The same, and the refusal is told as the loss of the connection that mosquitto_pub makes of it.
    Disconnects,
}

/// What becomes of messages when a signal or an error comes before their end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfinished {
    /// A signal waits for those under way; the rest of the input is counted, and kept if that is wanted.
    Accounted,
    /// They are left, and what ended the connection is told before what became of them.
    Left,
}

impl Conduct {
    /// `line_by_line`: with `-l`, for which alone mosquitto_pub connects again.
    pub fn of(dialect: Dialect, line_by_line: bool) -> Self {
        match dialect {
            Dialect::Native => Self {
                line_by_line,
                reconnect: Reconnect::WhenAccepted,
                shows_progress: true,
                qos_0: Qos0::Confirmed,
                refused: Refused::Failure,
                beyond: Beyond::Refused,
                unfinished: Unfinished::Accounted,
            },
            Dialect::Mosquitto(_) => Self {
                line_by_line,
                reconnect: match line_by_line {
                    true => Reconnect::WhenAccepted,
                    false => Reconnect::Never,
                },
                beyond: match line_by_line {
                    true => Beyond::WithoutRetain,
                    false => Beyond::Disconnects,
                },
                shows_progress: false,
                qos_0: Qos0::Written,
                refused: Refused::Warning,
                unfinished: Unfinished::Left,
            },
        }
    }
}
