//! The TLS layer: settings as typed → `TlsClient`, with every file opened and checked → a handshake over any stream.

mod certificate;
mod ciphers;
mod error;
mod identity;
mod key;
mod keylog;
mod pem;
mod problem;
mod trust;

use std::{fmt, io, path::PathBuf, str::FromStr, sync::Arc};

use rustls::{
    ClientConfig, ClientConnection, SupportedProtocolVersion, crypto::ring, pki_types::ServerName,
};
use tokio_rustls::TlsConnector;

use super::{Secret, Stream, TlsInfo};
use {identity::Identity, problem::Circumstances, trust::Rejections};

pub use {
    error::TlsError,
    problem::{TlsProblem, explain_io},
};

/// What the user asked for; nothing opened yet.
#[derive(Debug, Clone, Default)]
pub struct TlsSettings {
    /// A PEM file of trusted certificates.
    pub cafile: Option<PathBuf>,
    /// A folder of them.
    pub capath: Option<PathBuf>,
    /// Trust the operating system's as well. Without `cafile` and `capath` they are what is trusted anyway.
    pub use_os_certs: bool,
    /// The client's certificate chain and private key, PEM.
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
    pub key_passphrase: Option<Secret>,
    /// Offered in this order.
    pub alpn: Vec<String>,
    /// Exactly this version; both when `None`.
    pub version: Option<TlsVersion>,
    /// Names as OpenSSL or IANA writes them, with ':' or ',' between. Only these are offered.
    pub ciphers: Option<String>,
    /// Verify nothing.
    pub insecure: bool,
    /// Append the session keys to this file, in the form Wireshark reads.
    pub keylog: Option<PathBuf>,
    /// Ask for this name, and expect it in the certificate, instead of the host's.
    pub server_name: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    V1_2,
    V1_3,
}

impl TlsVersion {
    fn supported(self) -> &'static SupportedProtocolVersion {
        match self {
            Self::V1_2 => &rustls::version::TLS12,
            Self::V1_3 => &rustls::version::TLS13,
        }
    }
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1_2 => "tlsv1.2",
            Self::V1_3 => "tlsv1.3",
        })
    }
}

impl FromStr for TlsVersion {
    type Err = TlsError;

    fn from_str(text: &str) -> Result<Self, TlsError> {
        match text
            .to_ascii_lowercase()
            .trim_start_matches("tls")
            .trim_start_matches('v')
        {
            "1.2" => Ok(Self::V1_2),
            "1.3" => Ok(Self::V1_3),
            _ => Err(TlsError::Version(text.to_owned())),
        }
    }
}

/// Ready to shake hands. A clone costs a few reference counts; all clones share the loaded files.
#[derive(Clone)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
    server_name: ServerName<'static>,
    identity: Arc<Identity>,
    rejections: Rejections,
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClient")
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

impl TlsClient {
    /// Opens and checks every file named in the settings. `host` is whom we connect to (`Endpoint::host`).
    ///
    /// # Errors
    /// The first setting that cannot be used: its option, its file and why.
    pub fn load(settings: &TlsSettings, host: &str) -> Result<Self, TlsError> {
        let name = settings.server_name.as_deref().unwrap_or(host);
        let server_name = ServerName::try_from(name.to_owned())
            .map_err(|_| TlsError::ServerName(name.to_owned()))?;

        let mut provider = ring::default_provider();
        if let Some(list) = &settings.ciphers {
            provider.cipher_suites = ciphers::parse(list)?;
        }
        let versions = versions(settings, &provider.cipher_suites)?;
        let provider = Arc::new(provider);

        let rejections = Rejections::default();
        let verifier = trust::verifier(settings, &provider, &rejections)?;
        let identity = Arc::new(identity::load(settings, &provider)?);
        let key_log = keylog::open(settings.keylog.as_deref())?;

        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)
            .map_err(|error| TlsError::Refused(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(identity.clone());
        for protocol in &settings.alpn {
            // One byte holds the length (RFC 7301).
            if !(1..=255).contains(&protocol.len()) {
                return Err(TlsError::Alpn(protocol.clone()));
            }
            config.alpn_protocols.push(protocol.as_bytes().to_vec());
        }
        config.key_log = key_log;
        // Every connection is a full handshake: what a fleet of separate devices costs a broker. It also keeps no
        // tickets in memory.
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Self {
            config: Arc::new(config),
            server_name,
            identity,
            rejections,
        })
    }

    /// The same, but it resumes sessions; all clones share the tickets, so many in memory.
    #[must_use]
    pub fn resuming(mut self, sessions: usize) -> Self {
        let config = Arc::make_mut(&mut self.config);
        config.resumption = rustls::client::Resumption::in_memory_sessions(sessions);
        self
    }

    /// The same client for another host.
    ///
    /// # Errors
    /// The name is none that a certificate could have.
    pub(super) fn named(&self, host: &str) -> Result<Self, TlsError> {
        let server_name = ServerName::try_from(host.to_owned())
            .map_err(|_| TlsError::ServerName(host.to_owned()))?;
        Ok(Self {
            server_name,
            ..self.clone()
        })
    }

    pub(super) async fn connect(&self, stream: Stream) -> Result<Stream, TlsProblem> {
        let shake =
            TlsConnector::from(self.config.clone()).connect(self.server_name.clone(), stream);
        match shake.await {
            Ok(tls) => Ok(Stream::Tls(Box::new(tls))),
            Err(error) => Err(self.problem(error)),
        }
    }

    /// Whether a broker asked for a client certificate and there is none to show. If the connection then ends without
    /// a word, this is why.
    pub fn lacks_wanted_certificate(&self) -> bool {
        self.identity.was_asked_for() && !self.identity.is_some()
    }

    /// Why a connection of this client failed, in the handshake or in what came right after it.
    pub(super) fn problem(&self, error: io::Error) -> TlsProblem {
        problem::of(error, &self.circumstances())
    }

    fn circumstances(&self) -> Circumstances {
        Circumstances {
            rejected: self.rejections.last(),
            has_certificate: self.identity.is_some(),
            certificate_was_asked_for: self.identity.was_asked_for(),
        }
    }
}

/// The wanted versions that still have a cipher suite.
fn versions(
    settings: &TlsSettings,
    suites: &[rustls::SupportedCipherSuite],
) -> Result<Vec<&'static SupportedProtocolVersion>, TlsError> {
    let wanted = match settings.version {
        Some(version) => vec![version],
        None => vec![TlsVersion::V1_3, TlsVersion::V1_2],
    };
    let usable: Vec<_> = wanted
        .iter()
        .map(|version| version.supported())
        .filter(|version| suites.iter().any(|suite| suite.version() == *version))
        .collect();
    match (usable.is_empty(), settings.version) {
        (true, Some(version)) => Err(TlsError::NoCipherForVersion(version)),
        (true, None) => Err(TlsError::Refused("no cipher suite is left".to_owned())),
        (false, _) => Ok(usable),
    }
}

#[cfg_attr(
    not(test),
    allow(dead_code, reason = "for the histograms of bench and for doctor")
)]
pub(super) fn info(connection: &ClientConnection) -> Option<TlsInfo> {
    Some(TlsInfo {
        version: connection
            .protocol_version()?
            .as_str()
            .map_or("unknown", |name| match name {
                "TLSv1_2" => "TLSv1.2",
                "TLSv1_3" => "TLSv1.3",
                other => other,
            }),
        cipher: ciphers::iana_name(connection.negotiated_cipher_suite()?),
        alpn: connection
            .alpn_protocol()
            .map(|name| String::from_utf8_lossy(name).into_owned()),
    })
}

#[cfg(test)]
mod tests;
