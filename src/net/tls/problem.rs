//! Why a handshake failed, out of what rustls and the socket say, in words that name the way out.

use std::{io, net::IpAddr};

use rustls::{
    AlertDescription, CertificateError, Error, PeerIncompatible,
    client::danger::ServerCertVerified,
    pki_types::{ServerName, UnixTime},
};

use super::certificate::Facts;
use crate::net::words::{printable, reason, uncapitalised};

#[derive(Debug, thiserror::Error)]
pub enum TlsProblem {
    #[error("the broker's certificate expired on {0}")]
    Expired(String),
    #[error("the broker's certificate is not valid before {0}")]
    NotYetValid(String),
    #[error(
        "the broker's certificate is not for '{expected}'; it is for {}",
        listed(presented)
    )]
    WrongName {
        expected: String,
        presented: Vec<String>,
    },
    #[error(
        "the broker's certificate has no subject alternative name{}, so it cannot be matched with '{expected}'",
        only_common_name(common_name)
    )]
    NoAlternativeName {
        expected: String,
        common_name: Option<String>,
    },
    #[error("the broker's certificate {subject} is self-signed and not among the trusted ones")]
    SelfSigned { subject: String },
    #[error("the broker's certificate is signed by {issuer}, which is not trusted")]
    UnknownAuthority { issuer: String },
    #[error("the broker's certificate {subject} is an authority's and not a server's")]
    AuthorityAsServer { subject: String },
    #[error("the broker's certificate is of X.509 version {0}; TLS needs version 3")]
    OldCertificate(u8),
    #[error("the broker's certificate is refused: {0}")]
    BadCertificate(String),

    #[error("the answer is not TLS")]
    NotTls,
    #[error("the connection was closed {}", if *.certificate_wanted { "after the broker asked for a client certificate" } else { "during the handshake" })]
    Closed { certificate_wanted: bool },
    #[error("the broker wants a client certificate")]
    CertificateWanted,
    #[error("the broker refused the client certificate: {0}")]
    CertificateRefused(String),
    #[error("the broker and mozzie have no TLS version in common: {0}")]
    NoCommonVersion(String),
    #[error("the broker refused the handshake: no cipher or other parameter in common")]
    NoCommonParameters,
    #[error("the broker does not know the server name it was asked for")]
    UnknownServerName,
    #[error("the broker accepts none of the application protocols (ALPN) offered")]
    NoCommonAlpn,
    #[error("the broker ended the handshake: {0}")]
    Alert(String),
    #[error("{0}")]
    Other(String),
    #[error("{}", reason(.0))]
    Io(io::Error),
}

impl TlsProblem {
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Expired(_) => {
                "renew the broker's certificate; check this machine's clock; --insecure skips the check"
            }
            Self::NotYetValid(_) => "check this machine's clock and the broker's",
            Self::WrongName { .. } => {
                "connect with one of those names, or expect another with --tls-server-name"
            }
            Self::NoAlternativeName { .. } => {
                "TLS clients no longer read the common name (RFC 9525); issue a certificate with subjectAltName=DNS:NAME \
                 or IP:ADDRESS, or skip the check with --insecure"
            }
            Self::SelfSigned { .. } => "if it is the broker's, name it with --cafile",
            Self::UnknownAuthority { .. } => {
                "name the authority's certificate with --cafile; the broker may also lack its intermediate certificate"
            }
            Self::AuthorityAsServer { .. } => {
                "if it is the broker's, name this very certificate with --cafile, or issue one with basicConstraints=CA:FALSE"
            }
            Self::OldCertificate(_) => {
                "issue it again with extensions (openssl x509 -req … -extfile with subjectAltName)"
            }
            Self::BadCertificate(_) => "issue another certificate; --insecure skips the check",
            Self::NotTls => {
                "this looks like a plain-text listener; check the port, or drop the TLS options"
            }
            Self::Closed {
                certificate_wanted: true,
            }
            | Self::CertificateWanted => "give one with --cert and --key",
            Self::Closed {
                certificate_wanted: false,
            } => "a plain-text listener closes like this; is this the TLS port? (often 8883)",
            Self::CertificateRefused(_) => {
                "the broker must trust the authority that signed --cert; its log says more"
            }
            Self::NoCommonVersion(_) => {
                "mozzie speaks TLS 1.2 and 1.3; check --tls-version and the broker's settings"
            }
            Self::NoCommonParameters => {
                "check --ciphers and --tls-version, and the broker's settings and log"
            }
            Self::UnknownServerName => {
                "connect with the broker's name, or ask for another with --tls-server-name"
            }
            Self::NoCommonAlpn => {
                "check --tls-alpn; brokers behind port 443 often expect 'mqtt' or 'x-amzn-mqtt-ca'"
            }
            Self::Alert(_) => "the broker's log may say more",
            Self::Other(_) | Self::Io(_) => return None,
        };
        Some(hint.to_owned())
    }
}

/// What else is known when a handshake fails.
pub(super) struct Circumstances {
    /// The certificate that our own checks refused last.
    pub rejected: Option<Facts>,
    pub has_certificate: bool,
    pub certificate_was_asked_for: bool,
}

pub(super) fn of(error: io::Error, circumstances: &Circumstances) -> TlsProblem {
    match inside(&error) {
        Some(error) => of_rustls(error, circumstances),
        None => match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe => TlsProblem::Closed {
                certificate_wanted: circumstances.certificate_was_asked_for
                    && !circumstances.has_certificate,
            },
            _ => TlsProblem::Io(error),
        },
    }
}

/// The same for an error on an open connection; `None` when TLS has nothing to do with it. With TLS 1.3 a broker's "no" to our certificate, or to its
/// absence, arrives only with the first read after the handshake.
pub fn explain_io(error: &io::Error) -> Option<TlsProblem> {
    let error = inside(error)?;
    // An alert about certificates can only be about ours, and only one alert says that there was none.
    let unknown = Circumstances {
        rejected: None,
        has_certificate: true,
        certificate_was_asked_for: true,
    };
    Some(of_rustls(error, &unknown))
}

/// rustls's error, however deep in wrappings.
fn inside(error: &io::Error) -> Option<&Error> {
    let mut inner: &(dyn std::error::Error + 'static) = error.get_ref()?;
    loop {
        if let Some(found) = inner.downcast_ref::<Error>() {
            return Some(found);
        }
        inner = match inner.downcast_ref::<io::Error>() {
            Some(wrapped) => wrapped.get_ref()?,
            None => inner.source()?,
        };
    }
}

fn of_rustls(error: &Error, circumstances: &Circumstances) -> TlsProblem {
    match error {
        Error::InvalidCertificate(error) => of_certificate(error, circumstances.rejected.as_ref()),
        Error::AlertReceived(alert) => of_alert(*alert, circumstances),
        // The very first bytes make no sense; later ones would not decrypt instead.
        Error::InvalidMessage(_) => TlsProblem::NotTls,
        Error::PeerIncompatible(
            why @ (PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled),
        ) => TlsProblem::NoCommonVersion(match why {
            PeerIncompatible::ServerDoesNotSupportTls12Or13 => {
                "the broker's newest is older than TLS 1.2".to_owned()
            }
            _ => "the broker chose one that --tls-version or --ciphers excludes".to_owned(),
        }),
        Error::NoCertificatesPresented => {
            TlsProblem::BadCertificate("the broker sent none".to_owned())
        }
        Error::NoApplicationProtocol => TlsProblem::NoCommonAlpn,
        Error::PeerIncompatible(why) => {
            TlsProblem::Other(format!("the broker's TLS does not fit: {why:?}"))
        }
        Error::PeerMisbehaved(why) => {
            TlsProblem::Other(format!("the broker broke the TLS protocol: {why:?}"))
        }
        other => TlsProblem::Other(printable(&uncapitalised(&other.to_string()))),
    }
}

fn of_certificate(error: &CertificateError, rejected: Option<&Facts>) -> TlsProblem {
    let subject = || rejected.map_or_else(String::new, |facts| facts.subject.to_string());
    match error {
        CertificateError::ExpiredContext { not_after, .. } => TlsProblem::Expired(date(*not_after)),
        CertificateError::Expired => TlsProblem::BadCertificate("it has expired".to_owned()),
        CertificateError::NotValidYetContext { not_before, .. } => {
            TlsProblem::NotYetValid(date(*not_before))
        }
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => {
            let expected = name(expected);
            match rejected {
                Some(facts) if !facts.has_alternative_names => TlsProblem::NoAlternativeName {
                    expected,
                    common_name: facts.common_name.clone(),
                },
                _ => TlsProblem::WrongName {
                    expected,
                    presented: presented.iter().map(|n| presented_name(n)).collect(),
                },
            }
        }
        CertificateError::UnknownIssuer => match rejected {
            Some(facts) if facts.self_issued => TlsProblem::SelfSigned {
                subject: facts.subject.to_string(),
            },
            Some(facts) => TlsProblem::UnknownAuthority {
                issuer: facts.issuer.to_string(),
            },
            None => TlsProblem::UnknownAuthority {
                issuer: "an authority".to_owned(),
            },
        },
        CertificateError::Other(_) if is_authority(error) => {
            TlsProblem::AuthorityAsServer { subject: subject() }
        }
        _ => match rejected {
            Some(facts) if facts.version < 3 => TlsProblem::OldCertificate(facts.version),
            _ => TlsProblem::BadCertificate(words(error)),
        },
    }
}

fn words(error: &CertificateError) -> String {
    match error {
        CertificateError::BadEncoding => "it cannot be read".to_owned(),
        CertificateError::BadSignature => "its signature is wrong".to_owned(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "it may not be used for a server (extended key usage)".to_owned()
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "it is signed with an old or unusual algorithm, such as SHA-1".to_owned()
        }
        CertificateError::UnhandledCriticalExtension => {
            "it has a critical extension that is not known".to_owned()
        }
        other => printable(&uncapitalised(&other.to_string())),
    }
}

fn of_alert(alert: AlertDescription, circumstances: &Circumstances) -> TlsProblem {
    let wanted = circumstances.certificate_was_asked_for;
    let sent = wanted && circumstances.has_certificate;
    match alert {
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
            TlsProblem::CertificateWanted
        }
        // What TLS 1.2 says instead of `CertificateRequired`.
        AlertDescription::HandshakeFailure | AlertDescription::BadCertificate
            if wanted && !sent =>
        {
            TlsProblem::CertificateWanted
        }
        AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => {
            TlsProblem::NoCommonParameters
        }
        AlertDescription::ProtocolVersion => {
            TlsProblem::NoCommonVersion("it refuses those offered".to_owned())
        }
        AlertDescription::UnrecognisedName => TlsProblem::UnknownServerName,
        AlertDescription::NoApplicationProtocol => TlsProblem::NoCommonAlpn,
        AlertDescription::UnknownCA if sent => {
            TlsProblem::CertificateRefused("its authority is not trusted".to_owned())
        }
        AlertDescription::CertificateExpired if sent => {
            TlsProblem::CertificateRefused("it has expired".to_owned())
        }
        AlertDescription::CertificateRevoked if sent => {
            TlsProblem::CertificateRefused("it is revoked".to_owned())
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::AccessDenied
        | AlertDescription::DecryptError
            if sent =>
        {
            TlsProblem::CertificateRefused(alert_name(alert))
        }
        other => TlsProblem::Alert(alert_name(other)),
    }
}

/// `BadCertificate` → "alert bad certificate".
fn alert_name(alert: AlertDescription) -> String {
    let mut words = "alert".to_owned();
    let name = alert
        .as_str()
        .map_or_else(|| format!(" {}", u8::from(alert)), str::to_owned);
    for letter in name.chars() {
        if letter.is_uppercase() && !words.ends_with(char::is_uppercase) {
            words.push(' ');
        }
        words.push(letter);
    }
    // "unknown CA" keeps its capitals.
    words
        .split(' ')
        .map(uncapitalised)
        .collect::<Vec<_>>()
        .join(" ")
}

/// webpki's verdict on a certificate that is an authority's but stands where a server's should.
pub(super) fn is_authority_as_server(verdict: &Result<ServerCertVerified, Error>) -> bool {
    matches!(verdict, Err(Error::InvalidCertificate(error)) if is_authority(error))
}

fn is_authority(error: &CertificateError) -> bool {
    // rustls has no variant for it, and naming webpki's needs webpki as a dependency of ours: the error's own word.
    matches!(error, CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity"))
}

fn name(name: &ServerName<'_>) -> String {
    name.to_str().into_owned()
}

/// `DnsName("a.example")` and `IpAddress(127.0.0.1)`, as webpki writes them, without the wrapping; an address as
/// everybody else writes it, for webpki has `0::1`.
fn presented_name(text: &str) -> String {
    let bare = text
        .split_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'))
        .unwrap_or(text)
        .trim_matches('"');
    bare.parse::<IpAddr>()
        .map_or_else(|_| printable(bare), |address| address.to_string())
}

fn listed(names: &[String]) -> String {
    const MOST: usize = 8;
    let mut shown = names
        .iter()
        .take(MOST)
        .map(|name| format!("'{name}'"))
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > MOST {
        shown.push_str(&format!(" and {} more", names.len() - MOST));
    }
    if shown.is_empty() {
        "no host name or address".to_owned()
    } else {
        shown
    }
}

fn only_common_name(name: &Option<String>) -> String {
    name.as_ref().map_or_else(String::new, |name| {
        format!(", only the common name '{name}'")
    })
}

fn date(time: UnixTime) -> String {
    i64::try_from(time.as_secs())
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .map_or_else(
            || "a date out of range".to_owned(),
            |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        )
}
