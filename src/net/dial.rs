//! Puts the layers on top of each other and times them.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::{
    Address, DialError, Endpoint, Layer, Lease, Peer, Proxy, ProxyKind, Stream, TcpAddress,
    TlsProblem, WebSocketProblem,
    endpoint::authority,
    proxy::{self, Target as ProxyTarget},
    srv::{CertificateName, Srv, Target},
    tcp,
    tls::explain_io,
    unix,
};

/// An open connection.
#[derive(Debug)]
pub struct Dialed {
    pub stream: Stream,
    pub steps: Steps,
    /// The address at the other end of the TCP connection: the broker's, or the proxy's.
    #[cfg_attr(not(test), allow(dead_code, reason = "for doctor"))]
    pub peer: Option<SocketAddr>,
    /// The local port, when it was lent: to be kept as long as the stream.
    pub port: Option<Lease>,
}

/// How long each layer took; `None` for a layer that took no part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Steps {
    pub resolve: Option<Duration>,
    /// The TCP or Unix connection.
    pub connect: Option<Duration>,
    pub proxy: Option<Duration>,
    pub tls: Option<Duration>,
    pub websocket: Option<Duration>,
}

/// Opens a connection. Dropping the future gives it up and leaves nothing behind.
///
/// # Errors
/// The layer that failed and why; see `DialError`.
pub async fn dial(endpoint: &Endpoint) -> Result<Dialed, DialError> {
    dial_timed(endpoint, &mut Steps::default()).await
}

/// The same, and writes down how long each layer took, also those before the one that failed.
///
/// # Errors
/// As `dial`'s.
pub async fn dial_timed(endpoint: &Endpoint, steps: &mut Steps) -> Result<Dialed, DialError> {
    match &endpoint.address {
        Address::Tcp(TcpAddress {
            srv: Some(srv),
            host,
            ..
        }) => Box::pin(dial_by_record(endpoint, host, srv, steps)).await,
        Address::Tcp(_) | Address::Unix(_) => dial_one(endpoint, steps).await,
    }
}

/// One target after the other, until one can be reached.
async fn dial_by_record(
    endpoint: &Endpoint,
    domain: &str,
    srv: &Srv,
    steps: &mut Steps,
) -> Result<Dialed, DialError> {
    let mut looked_up = Steps::default();
    let mut failed = Ok(());
    let found = targets(endpoint, domain, srv, &mut looked_up).await?;
    for target in found {
        // The steps of the target that was tried last, behind the look-up of the record.
        *steps = looked_up;
        let dialed = match endpoint.at(target, srv) {
            Ok(endpoint) => dial_one(&endpoint, steps).await,
            Err(error) => Err(error),
        };
        match dialed {
            Ok(dialed) => return Ok(dialed),
            Err(error) => failed = Err(error),
        }
    }
    failed?;
    // The look-up would have failed before.
    Err(DialError::NameNotFound {
        peer: Peer::Broker,
        host: domain.to_owned(),
        reason: "no address".to_owned(),
    })
}

async fn targets(
    endpoint: &Endpoint,
    domain: &str,
    srv: &Srv,
    steps: &mut Steps,
) -> Result<Vec<Target>, DialError> {
    let clock = Clock::start(Layer::Resolve, endpoint.connect_timeout);
    clock
        .run(srv.targets(domain), &mut steps.resolve, || {
            format!("the name servers for '{}'", srv.name(domain))
        })
        .await
}

async fn dial_one(endpoint: &Endpoint, steps: &mut Steps) -> Result<Dialed, DialError> {
    let limit = endpoint.connect_timeout;
    let (mut stream, peer, port) = match &endpoint.address {
        Address::Unix(path) => {
            let clock = Clock::start(Layer::Connect, limit);
            let stream = clock
                .run(unix::connect(path), &mut steps.connect, || {
                    path.display().to_string()
                })
                .await?;
            (stream, None, None)
        }
        Address::Tcp(address) => tcp_or_proxy(address, limit, steps).await?,
    };

    if let Some(tls) = &endpoint.tls {
        // Boxed, here and below, so that a dial without these layers does not carry the room for them.
        let shake = Box::pin(async {
            tls.connect(stream).await.map_err(|problem| DialError::Tls {
                with: endpoint.to_string(),
                problem,
            })
        });
        let clock = Clock::start(Layer::Tls, limit);
        stream = clock
            .run(shake, &mut steps.tls, || endpoint.to_string())
            .await?;
    }

    if let Some(websocket) = &endpoint.websocket {
        let upgrade = Box::pin(async {
            websocket
                .upgrade(stream, endpoint)
                .await
                .map_err(|problem| match (problem, &endpoint.tls) {
                    // With TLS 1.3 a broker refuses a client certificate only after the handshake.
                    (WebSocketProblem::Io(error), Some(tls)) if explain_io(&error).is_some() => {
                        DialError::Tls {
                            with: endpoint.to_string(),
                            problem: tls.problem(error),
                        }
                    }
                    (WebSocketProblem::Closed, Some(tls)) if tls.lacks_wanted_certificate() => {
                        let problem = TlsProblem::Closed {
                            certificate_wanted: true,
                        };
                        DialError::Tls {
                            with: endpoint.to_string(),
                            problem,
                        }
                    }
                    (problem, _) => DialError::WebSocket {
                        url: websocket.url(endpoint),
                        problem,
                    },
                })
        });
        let clock = Clock::start(Layer::WebSocket, limit);
        stream = clock
            .run(upgrade, &mut steps.websocket, || endpoint.to_string())
            .await?;
    }

    Ok(Dialed {
        stream,
        steps: *steps,
        peer,
        port,
    })
}

impl Endpoint {
    /// The same endpoint with its first hop's name already looked up, so that thousands of dials ask the name server
    /// once. (A `socks5://` proxy's target is still looked up each time.)
    ///
    /// # Errors
    /// As `dial`'s for the name lookup.
    pub async fn resolved(&self) -> Result<Self, DialError> {
        let mut endpoint = self.clone();
        if let Address::Tcp(TcpAddress {
            srv: Some(srv),
            host,
            ..
        }) = &self.address
        {
            let found = targets(self, host, srv, &mut Steps::default()).await?;
            if let Some(first) = found.into_iter().next() {
                endpoint = self.at(first, srv)?;
            }
        }
        if let Address::Tcp(address) = &mut endpoint.address {
            let found = first_hop(address, self.connect_timeout, &mut Steps::default()).await?;
            address.resolved = Some(found.into());
        }
        Ok(endpoint)
    }
}

impl Endpoint {
    /// The same way to the target of a record.
    fn at(&self, target: Target, srv: &Srv) -> Result<Self, DialError> {
        let mut endpoint = self.clone();
        if srv.certificate == CertificateName::Target
            && let Some(tls) = &self.tls
        {
            let named = tls
                .named(&target.host)
                .map_err(|error| DialError::NameNotFound {
                    peer: Peer::Broker,
                    host: target.host.clone(),
                    reason: error.to_string(),
                });
            endpoint.tls = Some(named?);
        }
        if let Address::Tcp(address) = &mut endpoint.address {
            address.host = target.host.into();
            address.port = target.port;
            address.srv = None;
        }
        Ok(endpoint)
    }
}

/// One layer's time allowance, and the clock for its entry in `Steps`.
struct Clock {
    layer: Layer,
    limit: Duration,
    started: Instant,
}

impl Clock {
    fn start(layer: Layer, limit: Duration) -> Self {
        Self {
            layer,
            limit,
            started: Instant::now(),
        }
    }

    async fn run<T>(
        self,
        work: impl Future<Output = Result<T, DialError>>,
        took: &mut Option<Duration>,
        from: impl FnOnce() -> String,
    ) -> Result<T, DialError> {
        match tokio::time::timeout(self.limit, work).await {
            Ok(done) => {
                let done = done?;
                *took = Some(took.unwrap_or_default() + self.started.elapsed());
                Ok(done)
            }
            Err(_) => Err(DialError::TimedOut {
                layer: self.layer,
                from: from(),
                after: self.limit,
            }),
        }
    }
}

async fn tcp_or_proxy(
    address: &TcpAddress,
    limit: Duration,
    steps: &mut Steps,
) -> Result<(Stream, Option<SocketAddr>, Option<Lease>), DialError> {
    let (peer, host, port) = hop(address);
    let found = match &address.resolved {
        Some(found) => found.to_vec(),
        None => first_hop(address, limit, steps).await?,
    };
    let clock = Clock::start(Layer::Connect, limit);
    let connect = async {
        let options = tcp::Options {
            bind: address.bind,
            ports: address.ports.clone(),
            nodelay: address.nodelay,
        };
        tcp::connect(&found, &options)
            .await
            .map_err(|failure| failure.into_error(peer, host, port))
    };
    let tcp::Connected {
        stream,
        peer: reached,
        port: lent,
    } = clock
        .run(connect, &mut steps.connect, || {
            format!("{peer} {}", authority(host, port))
        })
        .await?;
    let mut stream = Stream::Tcp(stream);
    if let Some(proxy) = &address.proxy {
        through(&mut stream, proxy, address, limit, steps).await?;
    }
    Ok((stream, Some(reached), lent))
}

/// Asks the proxy at the other end of the stream to go on to the broker.
async fn through(
    stream: &mut Stream,
    proxy: &Proxy,
    address: &TcpAddress,
    limit: Duration,
    steps: &mut Steps,
) -> Result<(), DialError> {
    let targets = match proxy.kind {
        ProxyKind::Socks5 => {
            let clock = Clock::start(Layer::Resolve, limit);
            let lookup = tcp::resolve(Peer::Broker, &address.host, address.port);
            let found = clock
                .run(lookup, &mut steps.resolve, || address.host.to_string())
                .await?;
            // The proxy connects for us, so there is no race to run: the system's first choice it is.
            found.first().map(|found| ProxyTarget::Address(*found))
        }
        ProxyKind::Socks5h | ProxyKind::Http => {
            Some(ProxyTarget::named(&address.host, address.port))
        }
    };
    let target = targets.ok_or_else(|| DialError::NameNotFound {
        peer: Peer::Broker,
        host: address.host.to_string(),
        reason: "no address".to_owned(),
    })?;
    let clock = Clock::start(Layer::Proxy, limit);
    let ask = async {
        let problem = |problem| DialError::Proxy {
            proxy: proxy.to_string(),
            problem,
        };
        proxy::connect(stream, proxy, &target)
            .await
            .map_err(problem)
    };
    clock.run(ask, &mut steps.proxy, || proxy.to_string()).await
}

/// Whom we connect to ourselves.
fn hop(address: &TcpAddress) -> (Peer, &str, u16) {
    match &address.proxy {
        Some(proxy) => (Peer::Proxy, &proxy.host, proxy.port),
        None => (Peer::Broker, &address.host, address.port),
    }
}

async fn first_hop(
    address: &TcpAddress,
    limit: Duration,
    steps: &mut Steps,
) -> Result<Vec<SocketAddr>, DialError> {
    let (peer, host, port) = hop(address);
    if let Some(literal) = tcp::literal(host, port) {
        return Ok(vec![literal]);
    }
    let clock = Clock::start(Layer::Resolve, limit);
    clock
        .run(tcp::resolve(peer, host, port), &mut steps.resolve, || {
            format!("the name server for '{host}'")
        })
        .await
}

#[cfg(test)]
mod tests;
