//! The lowest layer over a network: name lookup, and a TCP connection to whichever address answers first.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::{
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{
    DialError, Peer,
    endpoint::{Bind, authority},
    words::uncapitalised,
};

/// How long an attempt may stay unanswered before the next address joins the race (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);

#[derive(Debug, Clone, Copy)]
pub(super) struct Options {
    pub bind: Option<Bind>,
    pub nodelay: bool,
}

/// Why no address could be connected to.
#[derive(Debug)]
pub(super) enum Failure {
    /// The local address cannot be used.
    Bind(IpAddr, io::Error),
    /// No remote address has the local address's family.
    Family(IpAddr),
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
    options: Options,
) -> Result<(TcpStream, SocketAddr), Failure> {
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
        let socket = attempt(address, options)
            .await
            .map_err(|failed| failed.into_failure(vec![address]))?;
        return Ok((socket, address));
    }
    race(interleaved(candidates), options).await
}

async fn race(
    candidates: Vec<SocketAddr>,
    options: Options,
) -> Result<(TcpStream, SocketAddr), Failure> {
    let mut waiting = candidates.iter().copied();
    let mut running = JoinSet::new();
    let mut failed: Option<Failed> = None;
    loop {
        // Also reached at once when an attempt fails: the next address need not wait for its turn then.
        match waiting.next() {
            Some(address) => {
                running.spawn(async move { (address, attempt(address, options).await) });
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
            Some(Ok((address, Ok(socket)))) => return Ok((socket, address)),
            Some(Ok((_, Err(now)))) => failed = Some(Failed::more_telling(failed, now)),
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
    Connect(io::Error),
}

impl Failed {
    fn into_failure(self, tried: Vec<SocketAddr>) -> Failure {
        match self {
            Self::Bind(bind, error) => Failure::Bind(bind, error),
            Self::Connect(error) => Failure::Connect { tried, error },
        }
    }

    /// Of several failures the one nearest to the broker: a refusal came from it, "network unreachable" from here.
    fn more_telling(one: Option<Self>, other: Self) -> Self {
        let rank = |failed: &Self| match failed {
            Self::Bind(..) => 0,
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

async fn attempt(to: SocketAddr, options: Options) -> Result<TcpStream, Failed> {
    let socket = if to.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }
    .map_err(Failed::Connect)?;
    if let Some(bind) = options.bind.and_then(|bind| bind.towards(&to)) {
        socket
            .bind(SocketAddr::new(bind, 0))
            .map_err(|error| Failed::Bind(bind, error))?;
    }
    let stream = socket.connect(to).await.map_err(Failed::Connect)?;
    if options.nodelay {
        stream.set_nodelay(true).map_err(Failed::Connect)?;
    }
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpListener;

    use super::*;
    use crate::net::testing::closed_port;

    const PLAIN: Options = Options {
        bind: None,
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
        let (_, reached) = connect(&[hole, broker.local_addr().unwrap()], PLAIN)
            .await
            .unwrap();
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
        let (_, reached) = connect(&all, PLAIN).await.unwrap();
        assert_eq!(reached, broker.local_addr().unwrap());
        // Two turns waited for would make two of them.
        assert!(started.elapsed() < 2 * STAGGER, "{:?}", started.elapsed());
    }

    #[tokio::test]
    async fn when_every_address_fails_all_are_listed() {
        let (first, second) = (closed_port(), closed_port());
        let all = [first.0, second.0];
        let failure = connect(&all, PLAIN).await.unwrap_err();
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
        };
        let (stream, _) = connect(&all, options).await.unwrap();
        assert_eq!(
            stream.local_addr().unwrap().ip(),
            Ipv4Addr::new(127, 0, 0, 2)
        );
        assert!(stream.nodelay().unwrap());
    }
}
