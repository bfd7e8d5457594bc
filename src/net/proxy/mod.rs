//! The layer that asks somebody else to connect: which proxy (`--proxy URL`), and the two protocols behind one door.

mod http;
mod socks5;

use std::{fmt, io, net::IpAddr, net::SocketAddr, str::FromStr};

use percent_encoding::percent_decode_str;

use super::{Secret, Stream, endpoint::authority, words::reason};

/// A proxy as the user typed it: `socks5h://user:password@host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    pub kind: ProxyKind,
    /// A name or an IP address (IPv6 without brackets).
    pub host: String,
    pub port: u16,
    pub login: Option<Login>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyKind {
    /// `socks5h://`: the proxy looks the broker's name up.
    Socks5h,
    /// `socks5://`: we look it up and give the proxy an address.
    Socks5,
    /// `http://`: HTTP CONNECT.
    Http,
}

impl ProxyKind {
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::Socks5h => "socks5h",
            Self::Socks5 => "socks5",
            Self::Http => "http",
        }
    }

    /// 1080 for SOCKS5 (RFC 1928), 3128 (Squid's) for HTTP.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Socks5h | Self::Socks5 => 1080,
            Self::Http => 3128,
        }
    }
}

/// User and password, percent-decoded; any bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    pub user: Vec<u8>,
    pub password: Secret,
}

// None of these shows the URL itself: a password may be in it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ProxyError {
    #[error("a proxy is written as socks5h://[user:password@]host[:port]; '://' is missing")]
    NoScheme,
    #[error(
        "'{0}://' is not a proxy that mozzie knows; known are socks5h://, socks5:// and http://"
    )]
    Scheme(String),
    #[error("the proxy URL has no host")]
    NoHost,
    #[error("'{0}' is not a host name or address (an IPv6 address needs brackets: [::1])")]
    Host(String),
    #[error("'{0}' is not a port from 1 to 65535")]
    Port(String),
    #[error("the proxy URL ends after the port; '{0}' is too much")]
    Path(String),
    #[error("a SOCKS5 user name and password have 1 to 255 bytes each")]
    LoginLength,
    #[error("an HTTP proxy's user name has no ':'")]
    ColonInUser,
}

impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(url: &str) -> Result<Self, ProxyError> {
        let (scheme, rest) = url.split_once("://").ok_or(ProxyError::NoScheme)?;
        let kind = match scheme.to_ascii_lowercase().as_str() {
            "socks5h" => ProxyKind::Socks5h,
            "socks5" => ProxyKind::Socks5,
            "http" => ProxyKind::Http,
            _ => return Err(ProxyError::Scheme(scheme.to_owned())),
        };
        // The last '@', so that one in the password does no harm even unencoded.
        let (login, place) = match rest.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, rest),
        };
        let (place, path) = match place.find(['/', '?', '#']) {
            Some(at) => place.split_at(at),
            None => (place, ""),
        };
        if !matches!(path, "" | "/") {
            return Err(ProxyError::Path(path.to_owned()));
        }
        let (host, port) = host_and_port(place, kind)?;
        let login = login.map(|login| parse_login(login, kind)).transpose()?;
        Ok(Self {
            kind,
            host,
            port,
            login,
        })
    }
}

fn host_and_port(place: &str, kind: ProxyKind) -> Result<(String, u16), ProxyError> {
    let bad_host = || ProxyError::Host(place.to_owned());
    let (host, port) = match place.strip_prefix('[') {
        Some(inside) => {
            let (host, after) = inside.split_once(']').ok_or_else(bad_host)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| bad_host())?;
            let port = match after {
                "" => None,
                after => Some(after.strip_prefix(':').ok_or_else(bad_host)?),
            };
            (host, port)
        }
        None => match place.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, Some(port)),
            Some(_) => return Err(bad_host()),
            None => (place, None),
        },
    };
    if host.is_empty() {
        return Err(ProxyError::NoHost);
    }
    if host.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(bad_host());
    }
    let port = match port {
        None | Some("") => kind.default_port(),
        Some(port) => match port.parse() {
            // `parse` takes "+80" too.
            Ok(number) if number != 0 && port.bytes().all(|b| b.is_ascii_digit()) => number,
            _ => return Err(ProxyError::Port(port.to_owned())),
        },
    };
    Ok((host.to_owned(), port))
}

fn parse_login(text: &str, kind: ProxyKind) -> Result<Login, ProxyError> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let user: Vec<u8> = percent_decode_str(user).collect();
    let password: Vec<u8> = percent_decode_str(password).collect();
    match kind {
        // RFC 1929 gives each a length of 1 to 255; an empty password is sent by every client and taken by most servers.
        ProxyKind::Socks5h | ProxyKind::Socks5
            if user.is_empty() || user.len() > 255 || password.len() > 255 =>
        {
            Err(ProxyError::LoginLength)
        }
        ProxyKind::Http if user.contains(&b':') => Err(ProxyError::ColonInUser),
        _ => Ok(Login {
            user,
            password: Secret::new(password),
        }),
    }
}

/// Without the login.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}://{}",
            self.kind.scheme(),
            authority(&self.host, self.port)
        )
    }
}

/// Where the proxy is to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Address(SocketAddr),
    Name(String, u16),
}

impl Target {
    /// A host as typed, which may turn out to be an address.
    pub(super) fn named(host: &str, port: u16) -> Self {
        match host.parse::<IpAddr>() {
            Ok(ip) => Self::Address(SocketAddr::new(ip, port)),
            Err(_) => Self::Name(host.to_owned(), port),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(host, port) => f.write_str(&authority(host, *port)),
        }
    }
}

/// Why the proxy, once reached, did not connect us.
#[derive(Debug, thiserror::Error)]
pub enum ProxyProblem {
    #[error("it wants a user name and password")]
    LoginWanted,
    #[error("it refused the user name or password")]
    LoginRefused,
    #[error("it accepts none of the ways to log in that mozzie has")]
    NoLoginMethod,
    #[error("its rules do not allow a connection to {0}")]
    NotAllowed(String),
    #[error("it cannot reach {target}: {why}")]
    Unreachable { target: String, why: &'static str },
    /// The trouble may be the proxy's own; mosquitto tells it from the one above.
    #[error("it cannot reach {target}: {why}")]
    Failed { target: String, why: &'static str },
    #[error(
        "it refused the connection to {target}: HTTP {status}{}",
        spaced(reason)
    )]
    Http {
        target: String,
        status: u16,
        reason: String,
    },
    #[error("the host name {0} is too long or has characters that cannot be sent to a proxy")]
    Target(String),
    #[error("it does not speak {expected}: {why}")]
    WrongProtocol { expected: &'static str, why: String },
    #[error("it closed the connection in the middle of the {0}")]
    Closed(&'static str),
    #[error("{}", reason(.0))]
    Io(io::Error),
}

impl ProxyProblem {
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::LoginWanted => "put them into the URL: --proxy scheme://user:password@host:port",
            Self::LoginRefused => {
                "check user and password in --proxy; characters such as '%', ':' and '@' are written %25, %3A, %40"
            }
            Self::NoLoginMethod => {
                "mozzie logs in to a proxy with nothing or with user name and password"
            }
            Self::NotAllowed(_) => {
                "many proxies allow only some hosts and ports; ask whoever runs it"
            }
            Self::Unreachable { .. } | Self::Failed { .. } => {
                "the proxy itself works; check the broker's host and port as seen from there"
            }
            Self::Http {
                status: 400..500, ..
            } => "many proxies allow only port 443; ask whoever runs it",
            Self::Http { .. } => {
                "the proxy itself works; check the broker's host and port as seen from there"
            }
            Self::WrongProtocol { .. } => {
                "check scheme and port in --proxy: socks5h://, socks5:// or http://"
            }
            Self::Closed(_) => "check scheme, port and login in --proxy",
            Self::Target(_) | Self::Io(_) => return None,
        };
        Some(hint.to_owned())
    }

    fn from_io(error: io::Error, during: &'static str) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset => Self::Closed(during),
            _ => Self::Io(error),
        }
    }
}

fn spaced(reason: &str) -> String {
    if reason.is_empty() {
        String::new()
    } else {
        format!(" {reason}")
    }
}

/// Has the proxy at the other end of `stream` connect to `target`. Reads not a byte more than the proxy's answer.
pub(super) async fn connect(
    stream: &mut Stream,
    proxy: &Proxy,
    target: &Target,
) -> Result<(), ProxyProblem> {
    match proxy.kind {
        ProxyKind::Socks5h | ProxyKind::Socks5 => {
            socks5::connect(stream, proxy.login.as_ref(), target).await
        }
        ProxyKind::Http => http::connect(stream, proxy.login.as_ref(), target).await,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::net::{Address, DialError, Endpoint, testing::*};

    /// Why the proxy at that port refuses; the target is `broker.example:1883`.
    async fn problem(url: &str, proxy: &Server) -> ProxyProblem {
        let mut endpoint = Endpoint::tcp("broker.example", 1883);
        let Address::Tcp(tcp) = &mut endpoint.address else {
            panic!("TCP")
        };
        tcp.proxy = Some(Arc::new(format!("{url}:{}", proxy.port()).parse().unwrap()));
        match refused(&endpoint).await {
            DialError::Proxy { problem, .. } => problem,
            other => panic!("not the proxy's fault: {other:?}"),
        }
    }

    #[tokio::test]
    async fn a_socks_login_can_be_wanted_refused_or_right() {
        let proxy = serve(|stream| socks5(stream, Some(("user", "pass")), 5)).await;
        let wanted = problem("socks5h://127.0.0.1", &proxy).await;
        assert!(matches!(wanted, ProxyProblem::LoginWanted), "{wanted:?}");
        let refused = problem("socks5h://user:wrong@127.0.0.1", &proxy).await;
        assert!(matches!(refused, ProxyProblem::LoginRefused), "{refused:?}");
        let right = problem("socks5h://user:pass@127.0.0.1", &proxy).await;
        assert_eq!(
            right.to_string(),
            "it cannot reach broker.example:1883: connection refused"
        );
    }

    #[tokio::test]
    async fn every_socks_refusal_has_its_words() {
        for (code, words) in [
            (1, "it cannot reach broker.example:1883: general failure"),
            (
                2,
                "its rules do not allow a connection to broker.example:1883",
            ),
            (
                3,
                "it cannot reach broker.example:1883: network unreachable",
            ),
            (4, "it cannot reach broker.example:1883: host unreachable"),
            (99, "it cannot reach broker.example:1883: unknown failure"),
        ] {
            let proxy = serve(move |stream| socks5(stream, None, code)).await;
            let problem = problem("socks5h://127.0.0.1", &proxy).await;
            assert_eq!(problem.to_string(), words);
            assert!(problem.hint().is_some());
        }
    }

    #[tokio::test]
    async fn a_peer_that_is_no_socks_proxy_is_recognised() {
        for (answer, words) in [
            (
                &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
                "it does not speak SOCKS5: it answers like an HTTP server",
            ),
            (
                b"\x04\x5a",
                "it does not speak SOCKS5: its answer begins with byte 4",
            ),
            (
                b"\x05\x07",
                "it does not speak SOCKS5: it chose login method 7, which was not offered",
            ),
            (
                // Not offered either, but this one can be helped.
                b"\x05\x02",
                "it wants a user name and password",
            ),
            (
                b"\x05",
                "it closed the connection in the middle of the SOCKS5 greeting",
            ),
            (
                b"\x05\x00\x05\x00\x00",
                "it closed the connection in the middle of the SOCKS5 request",
            ),
            (
                b"\x05\x00\x05\x00\x00\x09",
                "it does not speak SOCKS5: address type 9 in its answer",
            ),
        ] {
            let proxy = serve(move |stream| say(stream, answer.to_vec())).await;
            assert_eq!(
                problem("socks5h://127.0.0.1", &proxy).await.to_string(),
                words
            );
        }
    }

    #[tokio::test]
    async fn every_http_refusal_has_its_words() {
        let endless = [b"HTTP/1.1 200 OK\r\n".to_vec(), vec![b'x'; 20_000]].concat();
        for (url, answer, words) in [
            (
                "http://127.0.0.1",
                &b"HTTP/1.1 407 Login\r\n\r\n"[..],
                "it wants a user name and password",
            ),
            (
                "http://u:p@127.0.0.1",
                b"HTTP/1.1 407 Login\r\n\r\n",
                "it refused the user name or password",
            ),
            (
                "http://127.0.0.1",
                b"HTTP/1.1 403 No\r\n\r\n",
                "its rules do not allow a connection to broker.example:1883",
            ),
            (
                "http://127.0.0.1",
                b"HTTP/1.1 502 Bad\x1b[31m Gateway\r\n\r\n<html>",
                "it refused the connection to broker.example:1883: HTTP 502 Bad[31m Gateway",
            ),
            (
                "http://127.0.0.1",
                b"HTTP/1.1 503\r\n\r\n",
                "it refused the connection to broker.example:1883: HTTP 503",
            ),
            (
                "http://127.0.0.1",
                b"\x05\xff",
                "it does not speak HTTP: its answer is not HTTP",
            ),
            (
                "http://127.0.0.1",
                b"HTTP/1.1 2000 x\r\n\r\n",
                "it does not speak HTTP: its answer has no HTTP status",
            ),
            (
                "http://127.0.0.1",
                b"HTTP/1.1 200 x\r\n\r\nmore",
                "it does not speak HTTP: it sent more than an answer",
            ),
            (
                "http://127.0.0.1",
                b"HTTP/1.1 200 x\r\n",
                "it closed the connection in the middle of the HTTP CONNECT request",
            ),
            (
                "http://127.0.0.1",
                &endless,
                "it does not speak HTTP: its answer is longer than 16384 bytes",
            ),
        ] {
            let answer = answer.to_vec();
            let proxy = serve(move |stream| say(stream, answer.clone())).await;
            assert_eq!(problem(url, &proxy).await.to_string(), words);
        }
    }

    #[tokio::test]
    async fn a_host_that_could_smuggle_headers_is_not_sent() {
        let proxy = serve(silence).await;
        let mut endpoint = Endpoint::tcp("a\r\nX: y", 1883);
        let Address::Tcp(tcp) = &mut endpoint.address else {
            panic!("TCP")
        };
        tcp.proxy = Some(Arc::new(
            format!("http://127.0.0.1:{}", proxy.port())
                .parse()
                .unwrap(),
        ));
        assert!(matches!(
            refused(&endpoint).await,
            DialError::Proxy {
                problem: ProxyProblem::Target(_),
                ..
            }
        ));
    }

    fn parsed(url: &str) -> Proxy {
        url.parse().unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    #[test]
    fn a_proxy_url_is_taken_apart() {
        let proxy = parsed("socks5h://user:pass%3Aword@host:1081");
        assert_eq!(
            (proxy.kind, proxy.host.as_str(), proxy.port),
            (ProxyKind::Socks5h, "host", 1081)
        );
        let login = proxy.login.expect("login");
        assert_eq!(
            (login.user.as_slice(), login.password.expose()),
            (&b"user"[..], &b"pass:word"[..])
        );
        assert_eq!(parsed("SOCKS5://h/").port, 1080);
        assert_eq!(parsed("http://h").port, 3128);
        assert_eq!(parsed("http://[::1]:8080").host, "::1");
        assert_eq!(parsed("http://[::1]").port, 3128);
        let login = parsed("http://a@b:c@d%40@h").login.expect("login");
        assert_eq!(
            (login.user.as_slice(), login.password.expose()),
            (&b"a@b"[..], &b"c@d@"[..])
        );
    }

    #[test]
    fn a_password_is_shown_nowhere() {
        let proxy = parsed("socks5h://user:hunter2@host");
        assert_eq!(proxy.to_string(), "socks5h://host:1080");
        assert!(!format!("{proxy:?}").contains("hunter2"));
        assert!(!format!("{proxy:?}").contains(&format!("{:?}", b"hunter2")));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_proxy_or_refused(text in "((socks5h?|http)://)?[\\[\\]a-z0-9@:/%.]{0,30}") {
            let _ = text.parse::<Proxy>();
        }
    }

    #[test]
    fn a_bad_proxy_url_is_refused_with_the_part_that_is_wrong() {
        let refused = |url: &str| url.parse::<Proxy>().expect_err(url);
        assert_eq!(refused("host:1080"), ProxyError::NoScheme);
        assert_eq!(refused("https://h"), ProxyError::Scheme("https".to_owned()));
        assert_eq!(refused("http://"), ProxyError::NoHost);
        assert_eq!(refused("http://u:p@:80"), ProxyError::NoHost);
        assert_eq!(refused("http://::1"), ProxyError::Host("::1".to_owned()));
        assert_eq!(refused("http://[::1"), ProxyError::Host("[::1".to_owned()));
        assert_eq!(
            refused("http://[::1]80"),
            ProxyError::Host("[::1]80".to_owned())
        );
        assert_eq!(refused("http://h:0"), ProxyError::Port("0".to_owned()));
        assert_eq!(
            refused("http://h:65536"),
            ProxyError::Port("65536".to_owned())
        );
        assert_eq!(refused("http://h:+80"), ProxyError::Port("+80".to_owned()));
        assert_eq!(
            refused("http://h/path"),
            ProxyError::Path("/path".to_owned())
        );
        assert_eq!(refused("socks5h://:p@h"), ProxyError::LoginLength);
        assert_eq!(refused("http://a%3Ab:c@h"), ProxyError::ColonInUser);
    }
}
