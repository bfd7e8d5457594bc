//! The layers below MQTT: which there are, how long each took, and what TLS settled on.

use std::time::{Duration, Instant};

use super::{Examination, Passed};
use crate::error::Error;
use crate::net::{
    self, Address, CertificateFacts, DialError, Dialed, Endpoint, Layer, Steps, Stream, TlsClient,
    TlsProblem, TlsSettings,
};
use crate::output::doctor::Certificate;

/// A certificate that ends sooner is worth a warning.
const ENDS_SOON: Duration = Duration::from_secs(30 * 24 * 3600);
/// Between two attempts while the broker is waited for.
const PAUSE: Duration = Duration::from_millis(500);

impl Examination<'_> {
    /// Connects, and writes down what became of each layer.
    pub(super) async fn open_for_the_first_time(&mut self) -> Option<Stream> {
        let endpoint = self.plan.connection.endpoint.clone();
        let started = Instant::now();
        let (steps, dialed) = loop {
            let mut steps = Steps::default();
            let dialed = net::dial_timed(&endpoint, &mut steps).await;
            let wait = self.plan.wait_for_broker.unwrap_or_default();
            if dialed.is_ok() || started.elapsed() >= wait {
                break (steps, dialed);
            }
            tokio::time::sleep(PAUSE).await;
        };
        let tls_info = dialed.as_ref().ok().and_then(|up| up.stream.tls_info());
        let chain = match (&tls_info, &endpoint.tls) {
            (Some(info), _) => info.chain.clone(),
            (None, Some(tls)) => tls.refused_chain(),
            (None, None) => Vec::new(),
        };
        self.report.certificates = chain.iter().map(certificate).collect();
        let failed_at = dialed.as_ref().err().map(DialError::layer);
        for (name, layer, took) in layers(&endpoint, &steps) {
            match (took, failed_at) {
                (_, Some(failed)) if failed == layer => break,
                (Some(took), _) => {
                    let mut passed = Passed::new(took, "");
                    match layer {
                        Layer::Connect => passed.detail = self.reached(&dialed),
                        Layer::Tls => {
                            if let Some(info) = &tls_info {
                                passed.detail = format!("{}, {}", info.version, info.cipher);
                                if let Some(alpn) = &info.alpn {
                                    passed.detail.push_str(&format!(", ALPN '{alpn}'"));
                                }
                            }
                            if !self.plan.verified {
                                passed.detail.push_str(", certificate not verified");
                            }
                            passed.warning = chain.first().and_then(ends_soon);
                        }
                        Layer::Resolve | Layer::Proxy | Layer::WebSocket => {}
                    }
                    self.conclude(name, Ok(passed));
                }
                // An address needs no look-up.
                (None, _) => {}
            }
        }
        match dialed {
            Ok(dialed) => Some(dialed.stream),
            Err(error) => {
                self.failed_way(&endpoint, &steps, error);
                None
            }
        }
    }

    /// The layer that failed, and those above it.
    fn failed_way(&mut self, endpoint: &Endpoint, steps: &Steps, error: DialError) {
        let failed = error.layer();
        let layers = layers(endpoint, steps);
        let at = layers.iter().position(|(_, layer, _)| *layer == failed);
        let name = at.map_or("connect", |at| layers[at].0);
        self.conclude(name, Err(Error::Dial(error)));
        let above: Vec<_> = layers
            .iter()
            .skip(at.map_or(layers.len(), |at| at + 1))
            .filter(|(_, _, took)| took.is_none())
            .map(|(name, ..)| *name)
            .collect();
        self.skip(&above);
    }

    fn reached(&self, dialed: &Result<Dialed, DialError>) -> String {
        let peer = dialed.as_ref().ok().and_then(|dialed| dialed.peer);
        let is_proxy = match &self.plan.connection.endpoint.address {
            Address::Tcp(tcp) => tcp.proxy.is_some(),
            Address::Unix(_) => false,
        };
        match peer {
            Some(peer) if is_proxy => format!("the proxy at {peer}"),
            Some(peer) => peer.to_string(),
            None => String::new(),
        }
    }
}

/// Whether TLS is spoken where a connection without it came to nothing.
pub(super) async fn speaks_tls(endpoint: &Endpoint, timeout: Duration) -> bool {
    if endpoint.tls.is_some() {
        return false;
    }
    let settings = TlsSettings {
        insecure: true,
        ..TlsSettings::default()
    };
    let mut endpoint = endpoint.clone();
    endpoint.websocket = None;
    endpoint.connect_timeout = timeout;
    endpoint.tls = TlsClient::load(&settings, endpoint.host()).ok();
    match net::dial(&endpoint).await {
        Ok(_) => endpoint.tls.is_some(),
        Err(DialError::Tls { problem, .. }) => !matches!(
            problem,
            TlsProblem::NotTls
                | TlsProblem::Closed { .. }
                | TlsProblem::Other(_)
                | TlsProblem::Io(_)
        ),
        Err(_) => false,
    }
}

/// The layers that this way has, lowest first, with how long each took.
fn layers(endpoint: &Endpoint, steps: &Steps) -> Vec<(&'static str, Layer, Option<Duration>)> {
    let (tcp, proxy) = match &endpoint.address {
        Address::Tcp(tcp) => (true, tcp.proxy.is_some()),
        Address::Unix(_) => (false, false),
    };
    let all = [
        (tcp, "resolve", Layer::Resolve, steps.resolve),
        (true, "connect", Layer::Connect, steps.connect),
        (proxy, "proxy", Layer::Proxy, steps.proxy),
        (endpoint.tls.is_some(), "TLS", Layer::Tls, steps.tls),
        (
            endpoint.websocket.is_some(),
            "WebSocket",
            Layer::WebSocket,
            steps.websocket,
        ),
    ];
    all.into_iter()
        .filter(|(used, ..)| *used)
        .map(|(_, name, layer, took)| (name, layer, took))
        .collect()
}

fn certificate(facts: &CertificateFacts) -> Certificate {
    let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Certificate {
        subject: facts.subject.0.clone(),
        issuer: facts.issuer.0.clone(),
        names: facts.names.clone(),
        not_before: seconds(facts.not_before),
        not_after: seconds(facts.not_after),
    }
}

fn ends_soon(facts: &CertificateFacts) -> Option<String> {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let left = facts.not_after.saturating_sub(now);
    (left < ENDS_SOON).then(|| {
        format!(
            "the broker's certificate ends in {} days: renew it",
            left.as_secs() / (24 * 3600)
        )
    })
}
