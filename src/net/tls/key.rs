//! A private key out of a PEM file: PKCS#8, PKCS#1 or SEC1, plain or encrypted in either of OpenSSL's two ways.

use std::path::Path;

use aes::{Aes128, Aes192, Aes256};
use cbc::cipher::{BlockModeDecrypt, KeyIvInit, block_padding::Pkcs7};
use md5::{Digest, Md5};
use pkcs8::{
    EncryptedPrivateKeyInfoRef,
    der::{Decode, Tag, Tagged, asn1::AnyRef},
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};

use super::{TlsError, pem};
use crate::net::{
    Secret,
    words::{printable, uncapitalised},
};

/// The first private key of the file, decrypted.
pub(super) fn read(
    path: &Path,
    passphrase: Option<&Secret>,
) -> Result<PrivateKeyDer<'static>, TlsError> {
    let owned = || path.to_owned();
    let file = std::fs::read(path).map_err(|error| TlsError::Read {
        option: "--key",
        path: owned(),
        error,
    })?;
    let sections = pem::sections(&file).map_err(|why| TlsError::BadFile {
        option: "--key",
        path: owned(),
        why,
    })?;
    let section = sections
        .into_iter()
        .find(|section| section.label.ends_with("PRIVATE KEY"))
        .ok_or_else(|| TlsError::NoKey { path: owned() })?;
    decode(section, passphrase).map_err(|problem| match problem {
        Problem::PassphraseMissing => TlsError::PassphraseMissing { path: owned() },
        Problem::PassphraseWrong => TlsError::PassphraseWrong { path: owned() },
        Problem::Encryption(how) => TlsError::KeyEncryption { path: owned(), how },
        Problem::Key(why) => TlsError::BadKey { path: owned(), why },
    })
}

#[derive(Debug)]
enum Problem {
    PassphraseMissing,
    PassphraseWrong,
    Encryption(String),
    Key(String),
}

fn decode(
    section: pem::Section,
    passphrase: Option<&Secret>,
) -> Result<PrivateKeyDer<'static>, Problem> {
    if section.label == "ENCRYPTED PRIVATE KEY" {
        return Ok(PrivatePkcs8KeyDer::from(decrypt_pkcs8(&section.der, passphrase)?).into());
    }
    let encrypted = section
        .header("Proc-Type")
        .is_some_and(|value| value.ends_with("ENCRYPTED"));
    let der = if encrypted {
        decrypt_traditional(&section, passphrase)?
    } else {
        section.der
    };
    match section.label.as_str() {
        "PRIVATE KEY" => Ok(PrivatePkcs8KeyDer::from(der).into()),
        "RSA PRIVATE KEY" => Ok(PrivatePkcs1KeyDer::from(der).into()),
        "EC PRIVATE KEY" => Ok(PrivateSec1KeyDer::from(der).into()),
        other => Err(Problem::Key(format!(
            "'{other}' is not a kind of key that TLS uses today"
        ))),
    }
}

/// `-----BEGIN ENCRYPTED PRIVATE KEY-----`: PKCS#8 with PKCS#5's PBES2.
fn decrypt_pkcs8(der: &[u8], passphrase: Option<&Secret>) -> Result<Vec<u8>, Problem> {
    let info = EncryptedPrivateKeyInfoRef::try_from(der).map_err(|error| {
        // Well-formed on the outside: what the parser stumbles over is an algorithm it does not know.
        if is_one_sequence(der) {
            Problem::Encryption("an old or unusual algorithm".to_owned())
        } else {
            Problem::Key(uncapitalised(&error.to_string()))
        }
    })?;
    let passphrase = passphrase.ok_or(Problem::PassphraseMissing)?;
    match info.decrypt(passphrase.expose()) {
        Ok(document) => Ok(document.as_bytes().to_vec()),
        Err(pkcs8::Error::EncryptedPrivateKey(error)) => Err(match error {
            pkcs8::pkcs5::Error::NoPbes1CryptSupport => {
                Problem::Encryption("PKCS#5 version 1 (PBES1)".to_owned())
            }
            pkcs8::pkcs5::Error::UnsupportedAlgorithm { oid } => {
                Problem::Encryption(format!("algorithm {oid}"))
            }
            pkcs8::pkcs5::Error::AlgorithmParametersInvalid { oid } => {
                Problem::Encryption(format!("algorithm {oid} with unusual parameters"))
            }
            _ => Problem::PassphraseWrong,
        }),
        // Now and then a wrong passphrase gives valid padding, and then no valid key.
        Err(_) => Err(Problem::PassphraseWrong),
    }
}

/// `Proc-Type: 4,ENCRYPTED`: what `openssl genrsa -aes256` wrote for twenty years and `-traditional` still does.
fn decrypt_traditional(
    section: &pem::Section,
    passphrase: Option<&Secret>,
) -> Result<Vec<u8>, Problem> {
    let how = section.header("DEK-Info").unwrap_or_default();
    let (cipher, iv) = how.split_once(',').unwrap_or((how, ""));
    let iv =
        unhex(iv.trim()).ok_or_else(|| Problem::Key("its DEK-Info line is damaged".to_owned()))?;
    let passphrase = || {
        passphrase
            .map(Secret::expose)
            .ok_or(Problem::PassphraseMissing)
    };
    let plain = match cipher.trim().to_ascii_uppercase().as_str() {
        "AES-128-CBC" => {
            decrypt_cbc::<cbc::Decryptor<Aes128>>(&section.der, &iv, passphrase()?, 16)
        }
        "AES-192-CBC" => {
            decrypt_cbc::<cbc::Decryptor<Aes192>>(&section.der, &iv, passphrase()?, 24)
        }
        "AES-256-CBC" => {
            decrypt_cbc::<cbc::Decryptor<Aes256>>(&section.der, &iv, passphrase()?, 32)
        }
        "DES-EDE3-CBC" => {
            decrypt_cbc::<cbc::Decryptor<des::TdesEde3>>(&section.der, &iv, passphrase()?, 24)
        }
        other => {
            return Err(Problem::Encryption(format!("'{}'", printable(other))));
        }
    }?;
    // Padding is a weak check (1 in 256 passes by chance); a key is always one DER sequence that fills the text.
    if is_one_sequence(&plain) {
        Ok(plain)
    } else {
        Err(Problem::PassphraseWrong)
    }
}

fn decrypt_cbc<C: KeyIvInit + BlockModeDecrypt>(
    text: &[u8],
    iv: &[u8],
    passphrase: &[u8],
    key_length: usize,
) -> Result<Vec<u8>, Problem> {
    let salt = iv
        .get(..8)
        .ok_or_else(|| Problem::Key("its DEK-Info line is damaged".to_owned()))?;
    let key = bytes_to_key(passphrase, salt, key_length);
    let cipher = C::new_from_slices(&key, iv)
        .map_err(|_| Problem::Key("its DEK-Info line is damaged".to_owned()))?;
    cipher
        .decrypt_padded_vec::<Pkcs7>(text)
        .map_err(|_| Problem::PassphraseWrong)
}

/// OpenSSL's EVP_BytesToKey with MD5 and one round, which this format is tied to.
fn bytes_to_key(passphrase: &[u8], salt: &[u8], length: usize) -> Vec<u8> {
    let mut key = Vec::new();
    let mut block = Vec::new();
    while key.len() < length {
        block = Md5::new()
            .chain_update(&block)
            .chain_update(passphrase)
            .chain_update(salt)
            .finalize()
            .to_vec();
        key.extend_from_slice(&block);
    }
    key.truncate(length);
    key
}

fn is_one_sequence(der: &[u8]) -> bool {
    AnyRef::from_der(der).is_ok_and(|element| element.tag() == Tag::Sequence)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
        .collect()
}
