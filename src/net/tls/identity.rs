//! Who we are: `--cert` and `--key`.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use rustls::{
    SignatureScheme,
    client::ResolvesClientCert,
    crypto::CryptoProvider,
    sign::{CertifiedKey, SigningKey},
};

use super::{TlsError, TlsSettings, certificate, key, trust};
use crate::net::words::uncapitalised;

/// Our certificate and key, if we have one, and whether a broker wanted to see it.
#[derive(Debug)]
pub(super) struct Identity {
    ours: Option<Arc<CertifiedKey>>,
    asked_for: AtomicBool,
}

impl Identity {
    pub(super) fn is_some(&self) -> bool {
        self.ours.is_some()
    }

    pub(super) fn was_asked_for(&self) -> bool {
        self.asked_for.load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for Identity {
    // Sent whatever authorities and signatures the broker lists, as OpenSSL does: its refusal says more than silence.
    fn resolve(
        &self,
        _issuers: &[&[u8]],
        _schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        self.asked_for.store(true, Ordering::Relaxed);
        self.ours.clone()
    }

    fn has_certs(&self) -> bool {
        self.ours.is_some()
    }
}

pub(super) fn load(
    settings: &TlsSettings,
    provider: &CryptoProvider,
) -> Result<Identity, TlsError> {
    let ours = match (&settings.cert, &settings.key) {
        (None, None) => None,
        (Some(_), None) => return Err(TlsError::CertWithoutKey),
        (None, Some(_)) => return Err(TlsError::KeyWithoutCert),
        (Some(cert), Some(key)) => {
            let chain = trust::certificates("--cert", cert)?;
            let private = key::read(key, settings.key_passphrase.as_ref())?;
            let signing = provider
                .key_provider
                .load_private_key(private)
                .map_err(|error| TlsError::BadKey {
                    path: key.clone(),
                    why: uncapitalised(&error.to_string()),
                })?;
            let Some(facts) = chain.first().and_then(|first| certificate::facts(first)) else {
                let why = "its first certificate cannot be read".to_owned();
                return Err(TlsError::BadFile {
                    option: "--cert",
                    path: cert.clone(),
                    why,
                });
            };
            // Not rustls's own check, which refuses certificates of version 1. Whether those are good enough for a
            // client is for the broker to say; plain `openssl x509 -req` writes them.
            if public_key(&*signing).is_some_and(|ours| ours != facts.public_key) {
                return Err(TlsError::KeyMismatch {
                    key: key.clone(),
                    cert: cert.clone(),
                });
            }
            Some(Arc::new(CertifiedKey::new(chain, signing)))
        }
    };
    Ok(Identity {
        ours,
        asked_for: AtomicBool::new(false),
    })
}

fn public_key(key: &dyn SigningKey) -> Option<Vec<u8>> {
    key.public_key().map(|key| key.as_ref().to_vec())
}
