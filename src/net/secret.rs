//! Bytes that must not reach a log: a proxy password, a key's passphrase.

use std::fmt;

use zeroize::Zeroizing;

/// A secret whose `Debug` shows nothing of it. It has no `Display`, so it cannot slip into a message. Its memory is
/// overwritten when it goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
