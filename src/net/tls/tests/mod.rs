//! TLS settings against good and bad files, and handshakes against good and bad servers.
//!
//! `files`: what the options name. Handshakes that are `accepted`, and that are `refused`, with the words for why.

mod accepted;
mod files;
mod refused;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::net::{DialError, Endpoint, dial, testing::*};

fn endpoint(server: &Server, client: TlsClient) -> Endpoint {
    let mut endpoint = server.endpoint();
    endpoint.tls = Some(client);
    endpoint
}

async fn problem(server: &Server, client: TlsClient) -> TlsProblem {
    match refused(&endpoint(server, client)).await {
        DialError::Tls { problem, .. } => problem,
        other => panic!("not TLS's fault: {other:?}"),
    }
}

fn load(settings: &TlsSettings) -> Result<TlsClient, TlsError> {
    TlsClient::load(settings, "127.0.0.1")
}
