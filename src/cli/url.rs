//! `-L`: a broker, a login and a topic in one URL.

use std::str::FromStr;

use percent_encoding::percent_decode_str;

/// A broker URL: `mqtt[s]://` or `ws[s]://`, `[user[:password]@]host[:port][/topic]`.
///
/// User, password and topic are percent-decoded; an IPv6 address stands in brackets.
#[derive(Clone, PartialEq, Eq)]
pub struct BrokerUrl {
    pub tls: bool,
    pub websocket: bool,
    pub username: Option<String>,
    pub password: Option<Vec<u8>>,
    pub host: String,
    pub port: Option<u16>,
    pub topic: Option<String>,
}

impl std::fmt::Debug for BrokerUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // without the login
        f.debug_struct("BrokerUrl")
            .field("tls", &self.tls)
            .field("websocket", &self.websocket)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}

impl FromStr for BrokerUrl {
    type Err = String;

    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = typed.split_once("://").ok_or(
            "a broker URL starts with mqtt://, mqtts://, ws:// or wss://, such as mqtt://localhost/topic",
        )?;
        let (tls, websocket) = match scheme.to_ascii_lowercase().as_str() {
            "mqtt" => (false, false),
            "mqtts" => (true, false),
            "ws" => (false, true),
            "wss" => (true, true),
            _ => {
                return Err(format!(
                    "unknown scheme '{scheme}' (use mqtt, mqtts, ws or wss)"
                ));
            }
        };
        let (authority, topic) = match rest.split_once('/') {
            Some((authority, topic)) => (authority, Some(topic)),
            None => (rest, None),
        };
        // The last '@' ends the login, so one in a password that was not encoded is understood.
        let (login, host_port) = match authority.rsplit_once('@') {
            Some((login, host_port)) => (Some(login), host_port),
            None => (None, authority),
        };
        let (username, password) = match login.map(|login| login.split_once(':')) {
            None => (None, None),
            Some(Some((user, password))) => (
                Some(text("user name", user)?),
                Some(decode_password(password)?),
            ),
            Some(None) => (login.map(|user| text("user name", user)).transpose()?, None),
        };
        let (host, port) = split_host_port(host_port)?;
        let topic = topic
            .filter(|topic| !topic.is_empty())
            .map(|topic| text("topic", topic))
            .transpose()?;
        Ok(Self {
            tls,
            websocket,
            username,
            password,
            host,
            port,
            topic,
        })
    }
}

/// Every `%` must begin a byte in hexadecimal; otherwise the login would silently be another one.
fn is_encoded(text: &str) -> bool {
    text.match_indices('%').all(|(at, _)| {
        let digits = text.as_bytes().get(at + 1..at + 3);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

const ENCODING: &str = "has a '%' without two hexadecimal digits behind it (write %25 for '%')";

fn decode_password(encoded: &str) -> Result<Vec<u8>, String> {
    if !is_encoded(encoded) {
        return Err(format!("the password {ENCODING}"));
    }
    Ok(percent_decode_str(encoded).collect())
}

fn text(what: &str, encoded: &str) -> Result<String, String> {
    if !is_encoded(encoded) {
        return Err(format!("the {what} '{encoded}' {ENCODING}"));
    }
    percent_decode_str(encoded)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| format!("the {what} is not UTF-8 after percent-decoding"))
}

fn split_host_port(typed: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) = match typed.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest
                .split_once(']')
                .ok_or_else(|| format!("'{typed}' lacks a ']' behind the IPv6 address"))?;
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(format!("'{host}' is not an IPv6 address"));
            }
            match after.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if after.is_empty() => (host, None),
                None => return Err(format!("'{after}' behind the IPv6 address is not a port")),
            }
        }
        None => match typed.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err(format!(
                    "'{typed}' is ambiguous: write an IPv6 address in brackets, such as [::1]"
                ));
            }
            Some((host, port)) => (host, Some(port)),
            None => (typed, None),
        },
    };
    if host.is_empty() {
        return Err("the host is missing".to_owned());
    }
    let port = port
        .map(|port| match port.parse::<u16>() {
            Ok(number) if number > 0 => Ok(number),
            _ => Err(format!("'{port}' is not a port (use 1 to 65535)")),
        })
        .transpose()?;
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let url: BrokerUrl = "mqtts://us%40er:p%3Aw%2Fx@[::1]:8884/a/b%20c"
            .parse()
            .unwrap();
        assert_eq!(
            url,
            BrokerUrl {
                tls: true,
                websocket: false,
                username: Some("us@er".to_owned()),
                password: Some(b"p:w/x".to_vec()),
                host: "::1".to_owned(),
                port: Some(8884),
                topic: Some("a/b c".to_owned()),
            }
        );
        let url: BrokerUrl = "WS://example.org".parse().unwrap();
        assert!(url.websocket && !url.tls && url.port.is_none() && url.topic.is_none());
        let url: BrokerUrl = "mqtt://u:p@ss@h/t".parse().unwrap();
        assert_eq!(url.password, Some(b"p@ss".to_vec()));
        assert_eq!(url.host, "h");
        let url: BrokerUrl = "mqtt://u@h//t".parse().unwrap();
        assert_eq!((url.password, url.topic), (None, Some("/t".to_owned())));
        for typed in [
            "localhost",
            "http://h",
            "mqtt://",
            "mqtt://:1883/t",
            "mqtt://h:0",
            "mqtt://h:x",
            "mqtt://::1/t",
            "mqtt://[::1",
            "mqtt://[zz]/t",
            "mqtt://h/%ff",
            "mqtt://u%ZZ@h",
            "mqtt://h/50%",
        ] {
            assert!(typed.parse::<BrokerUrl>().is_err(), "{typed}");
        }
    }
}
