//! SRV records (RFC 2782): where a domain says that its brokers are.
//!
//! choice: the order in which to try them, pure · query: one question over UDP and TCP · servers: whom to ask.

mod choice;
mod query;
mod servers;

use std::net::SocketAddr;

use super::DialError;

use choice::Record;
pub use servers::Servers;

/// Where a broker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub host: String,
    pub port: u16,
}

/// Which name a certificate must have when a record leads to another host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateName {
    /// The domain that was asked for: whoever forges a record gains nothing (RFC 6125, section 6.2.1).
    Domain,
    /// The target's, as mosquitto's clients have it.
    Target,
}

/// A look-up to make for each connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Srv {
    /// `_mqtt` or `_secure-mqtt`.
    service: &'static str,
    /// Instead of the system's name servers.
    server: Option<SocketAddr>,
    pub(super) certificate: CertificateName,
}

/// Why a look-up gives no broker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SrvProblem {
    #[error("there is no such record")]
    NoRecord,
    #[error("the domain says that it has no such service")]
    NoService,
    #[error("that is no name that a name server could be asked for")]
    Name,
    #[error("no name server answers: {0}")]
    NoAnswer(String),
}

impl SrvProblem {
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoRecord | Self::NoService => {
                "leave out -S and name the broker itself with -h and -p"
            }
            Self::Name => "-S takes a domain such as example.org",
            Self::NoAnswer(_) => "check the network and /etc/resolv.conf, or leave out -S",
        }
    }
}

impl Srv {
    /// `server` is asked instead of those of resolv.conf.
    pub fn new(
        tls: bool,
        server: Option<SocketAddr>,
        certificate: CertificateName,
    ) -> Option<Self> {
        Some(Self {
            service: if tls { "_secure-mqtt" } else { "_mqtt" },
            server,
            certificate,
        })
    }

    /// The name whose records are asked for.
    pub(super) fn name(&self, domain: &str) -> String {
        format!("{}._tcp.{}", self.service, domain.trim_end_matches('.'))
    }

    /// The brokers of a domain in the order in which to try them; never none.
    pub(super) async fn targets(&self, domain: &str) -> Result<Vec<Target>, DialError> {
        let mut servers = Servers::system();
        if let Some(server) = self.server {
            servers = servers.only(server);
        }
        let found = match self.records(domain, &servers).await {
            Ok(records) => choice::order(records, |most| fastrand::u32(0..=most)),
            Err(problem) => Err(problem),
        };
        found.map_err(|problem| DialError::Srv {
            name: self.name(domain),
            problem,
        })
    }

    /// The records of the domain, or else of the first search domain below which there are any, as mosquitto's clients
    /// (with `ares_search`) and the C library find hosts.
    async fn records(&self, domain: &str, servers: &Servers) -> Result<Vec<Record>, SrvProblem> {
        let name = self.name(domain);
        let dot = if domain.ends_with('.') { "." } else { "" };
        for searched in servers.names(&format!("{name}{dot}")) {
            match query::ask(&searched, servers).await {
                Ok(records) if records.is_empty() => {}
                // too long only behind the search domain
                Err(SrvProblem::Name) if searched != name => {}
                found => return found,
            }
        }
        Ok(Vec::new())
    }
}
