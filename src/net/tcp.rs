//! The lowest layer over a network: name lookup, and a TCP connection to whichever address answers first.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::{TcpSocket, TcpStream},
    task::{JoinSet, yield_now},
    time::{Instant, sleep_until},
};

use super::{
    DialError, Lease, LocalPorts, Peer,
    endpoint::{Bind, authority},
    words::uncapitalised,
};

/// How long an attempt may stay unanswered before the next address joins the race (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);

/// How long a connection may wait for a local port on which the one before is still closing.
const CLOSING: Duration = Duration::from_secs(1);
/// Ports tried in a row before others get their turn.
const TRIES: usize = 64;

#[derive(Debug, Clone)]
pub(super) struct Options {
    pub bind: Option<Bind>,
    /// The ports of `bind` to take in turn; otherwise the system chooses.
    pub ports: Option<Arc<LocalPorts>>,
    pub nodelay: bool,
}

#[derive(Debug)]
pub(super) struct Connected {
    pub stream: TcpStream,
    /// The address that answered.
    pub peer: SocketAddr,
    /// The local port, when it was lent.
    pub port: Option<Lease>,
}

/// Why no address could be connected to.
#[derive(Debug)]
pub(super) enum Failure {
    /// The local address cannot be used.
    Bind(IpAddr, io::Error),
    /// No remote address has the local address's family.
    Family(IpAddr),
    /// No local port is left for another connection there; of this local address, when one was asked for.
    NoPort(Option<IpAddr>),
    Connect {
        tried: Vec<SocketAddr>,
        error: io::Error,
    },
}

impl Failure {
    pub(super) fn into_error(self, peer: Peer, host: &str, port: u16) -> DialError {
        match self {
            Self::Bind(bind, error) => DialError::Bind { bind, error },
            Self::Family(bind) => DialError::BindFamily {
                bind,
                host: host.to_owned(),
            },
            Self::NoPort(bind) => DialError::NoLocalPort {
                peer,
                to: authority(host, port),
                bind,
            },
            Self::Connect { tried, error } => DialError::Connect {
                peer,
                to: authority(host, port),
                tried,
                error,
            },
        }
    }
}

/// The address itself, when the host is one and no lookup is needed.
pub(super) fn literal(host: &str, port: u16) -> Option<SocketAddr> {
    host.parse::<IpAddr>()
        .ok()
        .map(|ip| SocketAddr::new(ip, port))
}

/// The resolver's reason, without the words that std puts before all of them.
pub(super) fn lookup_reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text
        .strip_prefix("failed to lookup address information: ")
        .unwrap_or(&text);
    match text {
        // musl's words, which say nothing without the question.
        "Try again" => "temporary failure in name resolution".into(),
        _ => uncapitalised(text),
    }
}

/// Every address of the name, in the system's order of preference (RFC 6724).
pub(super) async fn resolve(
    peer: Peer,
    host: &str,
    port: u16,
) -> Result<Vec<SocketAddr>, DialError> {
    if let Some(literal) = literal(host, port) {
        return Ok(vec![literal]);
    }
    let not_found = |reason: String| DialError::NameNotFound {
        peer,
        host: host.to_owned(),
        reason,
    };
    let found = tokio::net::lookup_host((host, port))
        .await
        .map_err(|error| not_found(lookup_reason(&error)))?;
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in found {
        // A hosts file may well list the same address twice.
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        Err(not_found("it has no address".to_owned()))
    } else {
        Ok(addresses)
    }
}

/// The first connection to succeed, out of attempts that start one after another ("happy eyeballs", RFC 8305).
pub(super) async fn connect(
    addresses: &[SocketAddr],
    options: &Options,
) -> Result<Connected, Failure> {
    let candidates = match options.bind {
        Some(bind) => {
            let same: Vec<_> = addresses
                .iter()
                .copied()
                .filter(|a| bind.towards(a).is_some())
                .collect();
            match bind {
                Bind::One(bind) if same.is_empty() && !addresses.is_empty() => {
                    return Err(Failure::Family(bind));
                }
                _ => same,
            }
        }
        None => addresses.to_vec(),
    };
    // By far the most common case, and bench dials it by the thousand: no task, no timer.
    if let [address] = candidates[..] {
        return attempt(address, options)
            .await
            .map_err(|failed| failed.into_failure(vec![address]));
    }
    race(interleaved(candidates), options).await
}

async fn race(candidates: Vec<SocketAddr>, options: &Options) -> Result<Connected, Failure> {
    let mut waiting = candidates.iter().copied();
    let mut running = JoinSet::new();
    let mut failed: Option<Failed> = None;
    loop {
        // Also reached at once when an attempt fails: the next address need not wait for its turn then.
        match waiting.next() {
            Some(address) => {
                let options = options.clone();
                running.spawn(async move { attempt(address, &options).await });
            }
            None if running.is_empty() => {
                let failed = failed
                    .unwrap_or_else(|| Failed::Connect(io::ErrorKind::AddrNotAvailable.into()));
                return Err(failed.into_failure(candidates));
            }
            None => {}
        }
        let next_turn = Instant::now() + STAGGER;
        let ended = if waiting.len() > 0 {
            tokio::select! {
                ended = running.join_next() => ended,
                () = sleep_until(next_turn) => continue,
            }
        } else {
            running.join_next().await
        };
        match ended {
            // Dropping the set ends the other attempts.
            Some(Ok(Ok(connected))) => return Ok(connected),
            Some(Ok(Err(now))) => failed = Some(Failed::more_telling(failed, now)),
            // An attempt neither panics nor is cancelled while we wait for it; an error beats an assumption.
            Some(Err(error)) => {
                failed = Some(Failed::more_telling(
                    failed,
                    Failed::Connect(io::Error::other(error)),
                ))
            }
            None => {}
        }
    }
}

/// Alternates between the families, beginning with the one the system put first (RFC 8305, section 4).
fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let v6_first = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|a| a.is_ipv6() == v6_first);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut mixed = Vec::with_capacity(first.len() + second.len());
    loop {
        let pair = (first.next(), second.next());
        if pair == (None, None) {
            return mixed;
        }
        mixed.extend(pair.0.into_iter().chain(pair.1));
    }
}

enum Failed {
    Bind(IpAddr, io::Error),
    NoPort(Option<IpAddr>),
    Connect(io::Error),
}

impl Failed {
    fn into_failure(self, tried: Vec<SocketAddr>) -> Failure {
        match self {
            Self::Bind(bind, error) => Failure::Bind(bind, error),
            Self::NoPort(bind) => Failure::NoPort(bind),
            Self::Connect(error) => Failure::Connect { tried, error },
        }
    }

    /// Of several failures the one nearest to the broker: a refusal came from it, "network unreachable" from here.
    fn more_telling(one: Option<Self>, other: Self) -> Self {
        let rank = |failed: &Self| match failed {
            Self::Bind(..) => 0,
            Self::NoPort(_) => 2,
            Self::Connect(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => 4,
                io::ErrorKind::TimedOut => 3,
                io::ErrorKind::NetworkUnreachable | io::ErrorKind::AddrNotAvailable => 1,
                _ => 2,
            },
        };
        match one {
            Some(one) if rank(&one) >= rank(&other) => one,
            _ => other,
        }
    }
}

async fn attempt(to: SocketAddr, options: &Options) -> Result<Connected, Failed> {
    let bind = options.bind.and_then(|bind| bind.towards(&to));
    let (stream, port) = match (bind, &options.ports) {
        (Some(bind), Some(ports)) => {
            let (stream, lease) = attempt_from(bind, ports, to).await?;
            (stream, Some(lease))
        }
        (bind, _) => match attempt_once(bind.map(|bind| (bind, 0)), to).await {
            Ok(stream) => (stream, None),
            Err(Failed::Connect(error)) if lacks_port(&error, bind, to) => {
                return Err(Failed::NoPort(bind));
            }
            Err(Failed::Bind(bind, error)) if error.kind() == io::ErrorKind::AddrInUse => {
                return Err(Failed::NoPort(Some(bind)));
            }
            Err(failed) => return Err(failed),
        },
    };
    if options.nodelay {
        stream.set_nodelay(true).map_err(Failed::Connect)?;
    }
    Ok(Connected {
        stream,
        peer: to,
        port,
    })
}

/// From one port after the other, until one is to be had.
async fn attempt_from(
    bind: IpAddr,
    ports: &Arc<LocalPorts>,
    to: SocketAddr,
) -> Result<(TcpStream, Lease), Failed> {
    let give_up = Instant::now() + CLOSING;
    let mut tries = 0;
    loop {
        let lease = match ports.lend(Instant::now().into_std()) {
            Ok(lease) => lease,
            Err(Some(again)) if again <= give_up.into_std() => {
                sleep_until(again.into()).await;
                continue;
            }
            Err(_) => return Err(Failed::NoPort(Some(bind))),
        };
        match attempt_once(Some((bind, lease.port())), to).await {
            Ok(stream) => return Ok((stream, lease)),
            // Others have it, with or without SO_REUSEADDR; or a connection has both ends.
            Err(Failed::Bind(_, error)) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(Failed::Connect(error)) if error.kind() == io::ErrorKind::AddrNotAvailable => {}
            Err(failed) => return Err(failed),
        }
        lease.refuse(Instant::now().into_std());
        tries += 1;
        if tries % TRIES == 0 {
            yield_now().await;
        }
    }
}

/// From this address and port; port 0 lets the system choose.
async fn attempt_once(from: Option<(IpAddr, u16)>, to: SocketAddr) -> Result<TcpStream, Failed> {
    let socket = if to.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }
    .map_err(Failed::Connect)?;
    if let Some((bind, port)) = from {
        if port > 0 {
            // With it a connection that was closed, and is kept for a minute in case of late packets, is no obstacle.
            socket.set_reuseaddr(true).map_err(Failed::Connect)?;
        }
        socket
            .bind(SocketAddr::new(bind, port))
            .map_err(|error| Failed::Bind(bind, error))?;
    }
    socket.connect(to).await.map_err(Failed::Connect)
}

/// Whether it is a port that was missing. A system without any address to connect from says the same (IPv6 that is
/// turned off), and says it of UDP too, whose ports are others; connecting that sends nothing.
fn lacks_port(error: &io::Error, bind: Option<IpAddr>, to: SocketAddr) -> bool {
    let any = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    error.kind() == io::ErrorKind::AddrNotAvailable
        && UdpSocket::bind((bind.unwrap_or(any), 0)).is_ok_and(|udp| udp.connect(to).is_ok())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpListener;

    use super::*;
    use crate::net::testing::closed_port;

    const PLAIN: Options = Options {
        bind: None,
        ports: None,
        nodelay: false,
    };

    #[test]
    fn the_resolvers_reason_is_the_same_whatever_the_c_library() {
        for text in ["Temporary failure in name resolution", "Try again"] {
            let error = io::Error::other(format!("failed to lookup address information: {text}"));
            let reason = lookup_reason(&error);
            assert_eq!(reason, "temporary failure in name resolution");
        }
    }

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// A listener whose queue is full: Linux then leaves further connections unanswered, as a firewall would.
    async fn black_hole() -> (SocketAddr, impl Sized) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        loop {
            match tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address))
                .await
            {
                Ok(stream) => waiting.push(stream.unwrap()),
                Err(_) => return (address, (listener, waiting)),
            }
        }
    }

    #[test]
    fn families_alternate_beginning_with_the_systems_choice() {
        let mixed = interleaved(addresses(&[
            "[::1]:1",
            "[::2]:1",
            "[::3]:1",
            "1.1.1.1:1",
            "2.2.2.2:1",
        ]));
        assert_eq!(
            mixed,
            addresses(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"])
        );
        let mixed = interleaved(addresses(&["1.1.1.1:1", "[::1]:1", "[::2]:1"]));
        assert_eq!(mixed, addresses(&["1.1.1.1:1", "[::1]:1", "[::2]:1"]));
    }

    #[tokio::test]
    async fn a_silent_address_delays_the_next_by_a_quarter_second_only() {
        let (hole, _keep) = black_hole().await;
        let broker = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let started = Instant::now();
        let reached = connect(&[hole, broker.local_addr().unwrap()], &PLAIN)
            .await
            .unwrap()
            .peer;
        assert_eq!(reached, broker.local_addr().unwrap());
        assert!(started.elapsed() >= STAGGER);
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "{:?}",
            started.elapsed()
        );
    }

    #[tokio::test]
    async fn a_refused_address_is_followed_by_the_next_at_once() {
        let broker = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (first, second) = (closed_port(), closed_port());
        let started = Instant::now();
        let all = [first.0, second.0, broker.local_addr().unwrap()];
        let reached = connect(&all, &PLAIN).await.unwrap().peer;
        assert_eq!(reached, broker.local_addr().unwrap());
        // Two turns waited for would make two of them.
        assert!(started.elapsed() < 2 * STAGGER, "{:?}", started.elapsed());
    }

    #[tokio::test]
    async fn when_every_address_fails_all_are_listed() {
        let (first, second) = (closed_port(), closed_port());
        let all = [first.0, second.0];
        let failure = connect(&all, &PLAIN).await.unwrap_err();
        let error = failure
            .into_error(Peer::Broker, "broker.example", 1883)
            .to_string();
        let expected = "cannot connect to broker broker.example:1883: connection refused (tried 127.0.0.1, 127.0.0.1)";
        assert_eq!(error, expected);
    }

    #[tokio::test]
    async fn a_local_address_leaves_the_other_family_out() {
        let broker = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let mut all = addresses(&["[::1]:9"]);
        all.push(broker.local_addr().unwrap());
        let options = Options {
            bind: Some(IpAddr::from([127, 0, 0, 2]).into()),
            nodelay: true,
            ..PLAIN
        };
        let stream = connect(&all, &options).await.unwrap().stream;
        assert_eq!(
            stream.local_addr().unwrap().ip(),
            Ipv4Addr::new(127, 0, 0, 2)
        );
        assert!(stream.nodelay().unwrap());
    }

    #[cfg(target_os = "linux")]
    mod lent_ports {
        use super::*;
        use crate::net::PortRange;

        const FROM: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 7));

        /// Three ports in a row that nobody has at `FROM`, below those that the system gives.
        fn three() -> (Options, u16) {
            let first = (20_000..30_000)
                .step_by(3)
                .find(|first| {
                    let free = |port| std::net::TcpListener::bind((FROM, port)).is_ok();
                    fastrand::bool() && (*first..first + 3).all(free)
                })
                .unwrap();
            let range = PortRange::new(&format!("{first} {}", first + 2), "").unwrap();
            let options = Options {
                bind: Some(FROM.into()),
                ports: Some(Arc::new(LocalPorts::new(range, 0))),
                nodelay: false,
            };
            (options, first)
        }

        #[tokio::test]
        async fn a_port_is_taken_again_right_after_its_connection_was_closed() {
            let (options, first) = three();
            let broker = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let to = [broker.local_addr().unwrap()];
            let mut open = Vec::new();
            for _ in 0..3 {
                let ours = connect(&to, &options).await.unwrap();
                open.push((ours, broker.accept().await.unwrap()));
            }
            let ports: Vec<u16> = open.iter().map(|(_, (_, from))| from.port()).collect();
            assert_eq!(ports, [first, first + 1, first + 2]);
            let failure = connect(&to, &options).await.unwrap_err();
            assert!(
                matches!(failure, Failure::NoPort(Some(FROM))),
                "{failure:?}"
            );
            // We close first, so it is here that the connection rests.
            let (ours, theirs) = open.remove(1);
            drop(ours);
            drop(theirs);
            let again = connect(&to, &options).await.unwrap();
            assert_eq!(again.stream.local_addr().unwrap().port(), first + 1);
        }

        #[tokio::test]
        async fn ports_that_others_have_are_passed_over() {
            let (options, first) = three();
            let broker = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let to = [broker.local_addr().unwrap()];
            // One listens; one has its connection to the same broker, and would share its port.
            let _listens = std::net::TcpListener::bind((FROM, first)).unwrap();
            let other = TcpSocket::new_v4().unwrap();
            other.set_reuseaddr(true).unwrap();
            other.bind((FROM, first + 1).into()).unwrap();
            let _other = other.connect(to[0]).await.unwrap();
            let ours = connect(&to, &options).await.unwrap();
            assert_eq!(ours.stream.local_addr().unwrap().port(), first + 2);
            let failure = connect(&to, &options).await.unwrap_err();
            let text = failure.into_error(Peer::Broker, "b", 1883).to_string();
            assert_eq!(
                text,
                "cannot connect to broker b:1883 from 127.0.0.7: no local port is free"
            );
        }

        #[tokio::test]
        async fn an_address_that_is_not_ours_is_not_tried_with_every_port() {
            let (options, _) = three();
            let elsewhere = IpAddr::from([192, 0, 2, 1]);
            let options = Options {
                bind: Some(elsewhere.into()),
                ..options
            };
            let to = [([127, 0, 0, 1], 9).into()];
            let failure = connect(&to, &options).await.unwrap_err();
            assert!(
                matches!(failure, Failure::Bind(from, _) if from == elsewhere),
                "{failure:?}"
            );
        }
    }
}
