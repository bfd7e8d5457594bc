//! Whom we trust: `--cafile`, `--capath`, the operating system, or (`--insecure`) anybody.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustls::{
    CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};

use super::{
    TlsError, TlsSettings,
    certificate::{self, Facts},
    pem,
};
use crate::net::words::uncapitalised;

pub(super) fn verifier(
    settings: &TlsSettings,
    provider: &Arc<CryptoProvider>,
    rejections: &Rejections,
) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    let mut named = Vec::new();
    if let Some(path) = &settings.cafile {
        named.extend(certificates("--cafile", path)?);
    }
    if let Some(path) = &settings.capath {
        named.extend(folder(path)?);
    }
    // After the files: a mistyped one is worth knowing even when nothing is verified.
    if settings.insecure {
        return Ok(Arc::new(Anybody(provider.clone())));
    }

    let mut roots = RootCertStore::empty();
    let mut why = None;
    for certificate in &named {
        if let Err(error) = roots.add(certificate.clone()) {
            why = Some(error);
        }
    }
    let (path, option) = match (&settings.cafile, &settings.capath) {
        (Some(path), _) => (Some(path), "--cafile"),
        (None, path) => (path.as_ref(), "--capath"),
    };
    if let (true, Some(path), Some(error)) = (roots.is_empty(), path, why) {
        let why = format!(
            "no certificate in it can be used as an authority: {}",
            uncapitalised(&error.to_string())
        );
        return Err(TlsError::BadFile {
            option,
            path: path.clone(),
            why,
        });
    }
    if named.is_empty() || settings.use_os_certs {
        operating_system(&mut roots)?;
    }

    let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|error| TlsError::Refused(error.to_string()))?;
    Ok(Arc::new(Verifier {
        webpki,
        named,
        rejections: rejections.clone(),
    }))
}

/// All certificates of a PEM file, at least one.
pub(super) fn certificates(
    option: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let file = std::fs::read(path).map_err(|error| TlsError::Read {
        option,
        path: path.to_owned(),
        error,
    })?;
    let sections = pem::sections(&file).map_err(|why| TlsError::BadFile {
        option,
        path: path.to_owned(),
        why,
    })?;
    let found: Vec<_> = sections
        .into_iter()
        // The second is what older tools write for the same thing.
        .filter(|section| matches!(section.label.as_str(), "CERTIFICATE" | "X509 CERTIFICATE"))
        .map(|section| CertificateDer::from(section.der))
        .collect();
    if found.is_empty() {
        Err(TlsError::NoCertificate {
            option,
            path: path.to_owned(),
        })
    } else {
        Ok(found)
    }
}

/// The certificates of every PEM file in a folder. OpenSSL reads only files named by a hash; those are among them.
fn folder(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let option = "--capath";
    let unreadable = |error| TlsError::Read {
        option,
        path: path.to_owned(),
        error,
    };
    let mut found: Vec<CertificateDer<'static>> = Vec::new();
    let mut unread = None;
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        if !file.is_file() {
            continue;
        }
        match certificates(option, &file) {
            Ok(certificates) => {
                for certificate in certificates {
                    // A hashed folder has each certificate twice: the file and the link named by the hash.
                    if !found.contains(&certificate) {
                        found.push(certificate);
                    }
                }
            }
            Err(error @ TlsError::Read { .. }) => unread = Some(error),
            // Such a folder also holds keys, revocation lists and READMEs: what is not a certificate is passed over.
            Err(_) => {}
        }
    }
    match (found.is_empty(), unread) {
        (false, _) => Ok(found),
        (true, Some(error)) => Err(error),
        (true, None) => Err(TlsError::NoCertificate {
            option,
            path: path.to_owned(),
        }),
    }
}

fn operating_system(roots: &mut RootCertStore) -> Result<(), TlsError> {
    let loaded = rustls_native_certs::load_native_certs();
    let (usable, _unusable) = roots.add_parsable_certificates(loaded.certs);
    match (usable, loaded.errors.first()) {
        (0, Some(error)) => Err(TlsError::NoOsCertificates(uncapitalised(
            &error.to_string(),
        ))),
        (0, None) => Err(TlsError::NoOsCertificates("none was found".to_owned())),
        // One bad file among many must not stop everything.
        _ => Ok(()),
    }
}

/// The chain refused last, for the words of the error: rustls's own errors do not carry it, and changing them
/// would change the alert that the broker sees. Shared by the connections to one broker, which shows them all the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Rejections(Arc<Mutex<Vec<CertificateDer<'static>>>>);

impl Rejections {
    /// The server's own certificate of that chain.
    pub(super) fn last(&self) -> Option<Facts> {
        certificate::facts(self.chain().first()?)
    }

    /// The server's own certificate first.
    pub(super) fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn note(&self, own: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = std::iter::once(own)
            .chain(intermediates)
            .map(|certificate| certificate.clone().into_owned())
            .collect();
    }
}

/// webpki's verdict, with one exception that OpenSSL makes too: a certificate that the user named himself is
/// trusted as the server's own even though it says it is an authority. `openssl req -x509` writes such certificates,
/// and half of all private brokers run on one.
#[derive(Debug)]
struct Verifier {
    webpki: Arc<WebPkiServerVerifier>,
    /// From `--cafile` and `--capath`.
    named: Vec<CertificateDer<'static>>,
    rejections: Rejections,
}

impl Verifier {
    fn named_by_the_user(
        &self,
        certificate: &CertificateDer<'_>,
        server_name: &ServerName<'_>,
        now: UnixTime,
    ) -> Option<Result<ServerCertVerified, Error>> {
        if !self.named.contains(certificate) {
            return None;
        }
        let facts = certificate::facts(certificate)?;
        let seconds =
            |time: Duration| UnixTime::since_unix_epoch(Duration::from_secs(time.as_secs()));
        let (not_before, not_after) = (seconds(facts.not_before), seconds(facts.not_after));
        Some(if now < not_before {
            Err(CertificateError::NotValidYetContext {
                time: now,
                not_before,
            }
            .into())
        } else if now > not_after {
            Err(CertificateError::ExpiredContext {
                time: now,
                not_after,
            }
            .into())
        } else {
            ParsedCertificate::try_from(certificate)
                .and_then(|parsed| verify_server_name(&parsed, server_name))
                .map(|()| ServerCertVerified::assertion())
        })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let mut verdict = self.webpki.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        if super::problem::is_authority_as_server(&verdict)
            && let Some(again) = self.named_by_the_user(end_entity, server_name, now)
        {
            verdict = again;
        }
        if verdict.is_err() {
            self.rejections.note(end_entity, intermediates);
        }
        verdict
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

/// `--insecure`: not even the handshake's signature is checked, because that already needs a certificate webpki can read.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
