//! UTF-8 text that shares its buffer, so a topic leaves the read buffer without a copy.

use std::fmt;

use bytes::Bytes;

/// An MQTT UTF-8 string: at most 65,535 bytes, well-formed, without U+0000
/// [MQTT-1.5.4-1] [MQTT-1.5.4-2].
#[derive(Clone, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct Text(Bytes);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    #[error("not valid UTF-8")]
    NotUtf8,
    #[error("contains the character U+0000, which MQTT forbids")]
    Null,
    #[error("{0} bytes long, MQTT allows 65535")]
    TooLong(usize),
}

impl Text {
    pub fn from_bytes(bytes: Bytes) -> Result<Self, TextError> {
        check(std::str::from_utf8(&bytes).map_err(|_| TextError::NotUtf8)?)?;
        Ok(Self(bytes))
    }

    /// From ASCII without NUL, at most 65,535 bytes of it: the caller has looked.
    pub(super) fn from_plain_ascii(bytes: Bytes) -> Self {
        debug_assert!(bytes.is_ascii() && !bytes.contains(&0));
        Self(bytes)
    }

    pub fn as_str(&self) -> &str {
        // Checked again because unsafe code is forbidden here; a topic is short.
        std::str::from_utf8(&self.0).expect("a Text is checked when it is made")
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn shared(&self) -> Bytes {
        self.0.clone()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn check(text: &str) -> Result<(), TextError> {
    if text.len() > usize::from(u16::MAX) {
        return Err(TextError::TooLong(text.len()));
    }
    if text.as_bytes().contains(&0) {
        return Err(TextError::Null);
    }
    Ok(())
}

impl TryFrom<&str> for Text {
    type Error = TextError;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        check(text)?;
        Ok(Self(Bytes::copy_from_slice(text.as_bytes())))
    }
}

impl TryFrom<String> for Text {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        check(&text)?;
        Ok(Self(Bytes::from(text.into_bytes())))
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_refuses_what_mqtt_forbids() {
        assert_eq!(Text::try_from("a\0b"), Err(TextError::Null));
        assert_eq!(
            Text::try_from("x".repeat(65_536)),
            Err(TextError::TooLong(65_536))
        );
        assert_eq!(
            Text::from_bytes(Bytes::from_static(&[0xed, 0xa0, 0x80])),
            Err(TextError::NotUtf8)
        );
        assert_eq!(
            Text::try_from("x".repeat(65_535)).map(|t| t.len()),
            Ok(65_535)
        );
        assert_eq!(
            Text::try_from("\u{feff}é").map(|t| t.to_string()),
            Ok("\u{feff}é".to_owned())
        );
    }
}
