//! Whose command line is spoken: mozzie's own, or that of the mosquitto client by whose name it was called.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

/// mosquitto's three clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    Pub,
    Sub,
    Rr,
}

impl Tool {
    pub const ALL: [Self; 3] = [Self::Pub, Self::Sub, Self::Rr];

    /// The program's name, which is also that of its option file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pub => "mosquitto_pub",
            Self::Sub => "mosquitto_sub",
            Self::Rr => "mosquitto_rr",
        }
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Decides names, texts, defaults and exit codes; what is done is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Native,
    Mosquitto(Tool),
}

impl Dialect {
    /// By the name in `argv[0]`, with or without a path.
    pub fn called_as(program: Option<&OsStr>) -> Self {
        let name = program.and_then(|program| Path::new(program).file_name());
        Tool::ALL
            .into_iter()
            .find(|tool| name.is_some_and(|name| name == tool.name()))
            .map_or(Self::Native, Self::Mosquitto)
    }

    pub fn is_native(self) -> bool {
        self == Self::Native
    }

    /// The exit code of `--help` and `--version`.
    pub fn help_exit_code(self) -> u8 {
        match self {
            Self::Native => 0,
            Self::Mosquitto(_) => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_alone_decides() {
        let called = |name: &str| Dialect::called_as(Some(OsStr::new(name)));
        assert_eq!(called("mozzie"), Dialect::Native);
        assert_eq!(called("mosquitto_pub"), Dialect::Mosquitto(Tool::Pub));
        assert_eq!(called("/a/b/mosquitto_sub"), Dialect::Mosquitto(Tool::Sub));
        assert_eq!(called("./mosquitto_rr"), Dialect::Mosquitto(Tool::Rr));
        assert_eq!(called("mosquitto_pub.old"), Dialect::Native);
        assert_eq!(Dialect::called_as(None), Dialect::Native);
    }
}
