//! What can be wrong with the TLS settings, found before the first connection.

use std::{io, path::PathBuf};

use super::{TlsVersion, ciphers};
use crate::net::words::reason;

// The I/O errors are worded into the messages, so none is also a `#[source]`.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{option} '{}': {}", path.display(), reason(error))]
    Read {
        option: &'static str,
        path: PathBuf,
        error: io::Error,
    },
    #[error("{option} '{}': there is no PEM certificate in it", path.display())]
    NoCertificate { option: &'static str, path: PathBuf },
    #[error("{option} '{}': {why}", path.display())]
    BadFile {
        option: &'static str,
        path: PathBuf,
        why: String,
    },
    #[error("the operating system's trusted certificates cannot be used: {0}")]
    NoOsCertificates(String),
    #[error("--cert needs --key, the private key that belongs to it")]
    CertWithoutKey,
    #[error("--key needs --cert, the certificate that belongs to it")]
    KeyWithoutCert,
    #[error("--key '{}': there is no PEM private key in it", path.display())]
    NoKey { path: PathBuf },
    #[error("--key '{}': the key is encrypted and there is no passphrase", path.display())]
    PassphraseMissing { path: PathBuf },
    #[error("--key '{}': the passphrase is wrong", path.display())]
    PassphraseWrong { path: PathBuf },
    #[error("--key '{}': the key is encrypted with {how}, which mozzie cannot undo", path.display())]
    KeyEncryption { path: PathBuf, how: String },
    #[error("--key '{}': the key cannot be used: {why}", path.display())]
    BadKey { path: PathBuf, why: String },
    #[error("--key '{}' does not belong to the certificate in --cert '{}'", key.display(), cert.display())]
    KeyMismatch { key: PathBuf, cert: PathBuf },
    #[error("'{0}' is not a TLS version; known are tlsv1.2 and tlsv1.3")]
    Version(String),
    #[error(
        "--ciphers: '{name}' is not a cipher that mozzie has; it has {}",
        ciphers::accepted()
    )]
    UnknownCipher { name: String },
    #[error("--ciphers: the list is empty; mozzie has {}", ciphers::accepted())]
    NoCipher,
    #[error("--ciphers: none of them belongs to {0}")]
    NoCipherForVersion(TlsVersion),
    #[error("--tls-alpn: '{0}' must have 1 to 255 bytes")]
    Alpn(String),
    #[error("'{0}' is not a host name or IP address, so no certificate can be checked against it")]
    ServerName(String),
    #[error("--tls-keylog '{}': {}", path.display(), reason(error))]
    Keylog { path: PathBuf, error: io::Error },
    #[error("these TLS settings cannot be combined: {0}")]
    Refused(String),
}

impl TlsError {
    /// The next step, when there is a sensible one.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoCertificate { .. } => {
                "a PEM file has lines like -----BEGIN CERTIFICATE-----; convert DER with: openssl x509 -inform der"
            }
            Self::NoOsCertificates(_) => {
                "name the broker's authority with --cafile, or install ca-certificates"
            }
            Self::PassphraseMissing { .. } => {
                "give the passphrase with --key-password-prompt, --key-password-file or --key-password-command"
            }
            Self::KeyEncryption { .. } => {
                "convert it with: openssl pkcs8 -topk8 -v2 aes-256-cbc -in KEY -out NEW"
            }
            Self::NoKey { .. } => {
                "a PEM key has a line like -----BEGIN PRIVATE KEY-----; is this the certificate?"
            }
            Self::BadKey { .. } => {
                "keys that work: RSA of 2048 to 8192 bits, ECDSA P-256 and P-384, Ed25519"
            }
            Self::KeyMismatch { .. } => {
                "both must come from the same request; compare openssl x509 -pubkey and pkey -pubout"
            }
            Self::ServerName(_) => "give the name in the certificate with --tls-server-name",
            Self::Read { .. }
            | Self::BadFile { .. }
            | Self::CertWithoutKey
            | Self::KeyWithoutCert
            | Self::PassphraseWrong { .. }
            | Self::Version(_)
            | Self::UnknownCipher { .. }
            | Self::NoCipher
            | Self::NoCipherForVersion(_)
            | Self::Alpn(_)
            | Self::Keylog { .. }
            | Self::Refused(_) => return None,
        };
        Some(hint.to_owned())
    }
}
