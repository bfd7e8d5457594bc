//! Stands in for SRV look-ups where they are not built in (feature `srv`).

use std::{convert::Infallible, fmt, net::SocketAddr};

use super::DialError;

#[derive(Debug, Clone)]
pub struct Target {
    pub host: String,
    pub port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateName {
    Domain,
    Target,
}

#[derive(Debug, Clone)]
pub struct Srv {
    never: Infallible,
    pub(super) certificate: CertificateName,
}

#[derive(Debug, Clone)]
pub enum SrvProblem {}

impl fmt::Display for SrvProblem {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl SrvProblem {
    pub fn hint(&self) -> &'static str {
        match *self {}
    }
}

impl Srv {
    pub fn new(_: bool, _: Option<SocketAddr>, _: CertificateName) -> Option<Self> {
        None
    }

    pub(super) fn name(&self, _: &str) -> String {
        match self.never {}
    }

    pub(super) async fn targets(&self, _: &str) -> Result<Vec<Target>, DialError> {
        match self.never {}
    }
}
