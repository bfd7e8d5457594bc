//! What can be wrong with a format, and with a message for it: in our words and in mosquitto's.

use std::fmt;
use std::ops::Range;

/// A format that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    pub(super) flaw: Flaw,
    /// The bytes of the format that it is about.
    pub(super) place: Range<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// The format ends within a specifier that begins with `%` or `@`.
    IncompleteSpecifier,
    IncompleteEscape,
    /// The format ends behind a separator.
    SeparatorAlone,
    /// No specifier ends in this byte, which may be the first of several of a character.
    UnknownSpecifier(u8),
    UnknownEscape(u8),
    /// More padding or decimals than anybody means.
    TooWide,
}

impl TemplateError {
    /// In mosquitto's words, without a newline. Bytes, because it prints one byte of the format even
    /// where that is not a whole character.
    pub fn mosquitto_text(&self) -> Vec<u8> {
        let named = |before: &str, byte: u8| [before.as_bytes(), b"'", &[byte], b"'."].concat();
        match self.flaw {
            Flaw::IncompleteSpecifier => b"Error: Incomplete format specifier.".to_vec(),
            // It takes the NUL behind the format for the specifier.
            Flaw::SeparatorAlone => named("Error: Invalid format specifier ", 0),
            Flaw::IncompleteEscape => b"Error: Incomplete escape specifier.".to_vec(),
            Flaw::UnknownSpecifier(byte) => named("Error: Invalid format specifier ", byte),
            Flaw::UnknownEscape(byte) => named("Error: Invalid escape specifier ", byte),
            // mosquitto knows no limit: it prints gigabytes, or overflows.
            Flaw::TooWide => b"Error: Format field too wide.".to_vec(),
        }
    }

    /// In our words, with the place in the format that was typed.
    pub fn describe(&self, format: &[u8]) -> String {
        let what = match self.flaw {
            Flaw::IncompleteSpecifier | Flaw::IncompleteEscape | Flaw::SeparatorAlone => {
                "is incomplete"
            }
            Flaw::UnknownSpecifier(_) => "is no specifier",
            Flaw::UnknownEscape(_) => "is no escape",
            Flaw::TooWide => "asks for too wide a field",
        };
        let (before, from) = format.split_at(self.place.start.min(format.len()));
        // The flaw may end within a character, whose other bytes are 10xxxxxx.
        let (shown, behind) = from.split_at(self.place.len().min(from.len()));
        let rest = behind.iter().take_while(|byte| **byte >> 6 == 0b10).count();
        let shown = &from[..shown.len() + rest];
        format!(
            "'{}' at character {} {what}",
            String::from_utf8_lossy(shown),
            String::from_utf8_lossy(before).chars().count() + 1
        )
    }
}

/// A message that cannot be printed as a format asks; the rest of the format is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Complaint<'a> {
    /// `%f` and a payload that is not 4 bytes long.
    Float { topic: &'a str, len: usize },
    /// `%d` and a payload that is not 8 bytes long.
    Double { topic: &'a str, len: usize },
    /// mosquitto's `%J` and a payload that is not JSON to it.
    Json { topic: &'a str },
}

impl Complaint<'_> {
    /// What mosquitto writes to stderr, with its newline where it has one.
    pub fn mosquitto_text(&self) -> String {
        match self {
            Self::Float { .. } => {
                "requested float printing, but non-float data received".to_owned()
            }
            Self::Double { .. } => {
                "requested double printing, but non-double data received".to_owned()
            }
            Self::Json { topic } => {
                format!("Error: Message payload is not valid JSON on topic {topic}.\n")
            }
        }
    }
}

impl fmt::Display for Complaint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Float { topic, len } => write!(
                f,
                "%f needs a payload of 4 bytes, the one on '{topic}' has {len}"
            ),
            Self::Double { topic, len } => write!(
                f,
                "%d needs a payload of 8 bytes, the one on '{topic}' has {len}"
            ),
            Self::Json { topic } => write!(f, "the payload on '{topic}' is not JSON"),
        }
    }
}
