//! `--proxy` as mosquitto takes it apart: `socks5h://[user[:password]@]host[:port]`.

use std::ffi::OsStr;

use super::{naming, number};
use crate::error::Verdict;
use crate::net::{Login, Proxy, ProxyKind, Secret};

/// What it refuses without a word of its own.
fn unnamed() -> Verdict {
    Verdict::usage("")
}

fn bad(text: &str) -> Verdict {
    Verdict::usage(format!("Error: {text}\n"))
}

pub fn parse(typed: &OsStr) -> Result<Proxy, Verdict> {
    let text = typed.to_string_lossy();
    let rest = text
        .strip_prefix("socks5h://")
        .ok_or_else(|| naming("Error: Unsupported proxy protocol: ", typed, "\n"))?;
    let (login, place) = match rest.split_once('@') {
        Some((login, place)) => (Some(login), place),
        None => (None, rest),
    };
    let login = login.map(split_login).transpose()?;
    let (host, port) = split_place(place)?;
    let login = login.map(decode_login).transpose()?;
    let port = match port {
        None => 1080,
        Some(port) => {
            let port = number::int(port);
            u16::try_from(port)
                .ok()
                .filter(|port| *port > 0)
                .ok_or_else(|| bad(&format!("Invalid proxy port {port}")))?
        }
    };
    Ok(Proxy {
        kind: ProxyKind::Socks5h,
        host: host.to_owned(),
        port,
        login,
    })
}

fn split_login(login: &str) -> Result<(&str, &str), Verdict> {
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    match password.split_once(':') {
        _ if user.is_empty() && login.contains(':') => Err(unnamed()),
        Some(("", _)) => Err(unnamed()),
        Some(_) => Err(bad("Username cannot contain ':'.")),
        None => Ok((user, password)),
    }
}

fn decode_login((user, password): (&str, &str)) -> Result<Login, Verdict> {
    Ok(Login {
        user: decode(user)?,
        password: Secret::new(decode(password)?),
    })
}

/// `%25`, `%3a` and `%40` stand for what a URL has a use for; any other is an error. (mosquitto takes `%40` for a colon.)
fn decode(text: &str) -> Result<Vec<u8>, Verdict> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        (rest, _) = match (byte, after) {
            (b'%', [b'2', b'5', after @ ..]) => (after, decoded.push(b'%')),
            (b'%', [b'3', b'a' | b'A', after @ ..]) => (after, decoded.push(b':')),
            (b'%', [b'4', b'0', after @ ..]) => (after, decoded.push(b'@')),
            (b'%', _) => return Err(unnamed()),
            (byte, after) => (after, decoded.push(*byte)),
        };
    }
    Ok(decoded)
}

/// Host and port. Brackets are for IPv6 addresses, and what is in them is not looked at.
fn split_place(place: &str) -> Result<(&str, Option<&str>), Verdict> {
    let mut host = None;
    let mut in_brackets = false;
    let mut start = 0;
    for (at, byte) in place.bytes().enumerate() {
        match byte {
            b'[' | b']' if host.is_some() => return Err(bad("Duplicate IPv6 address.")),
            b'[' => (in_brackets, start) = (true, at + 1),
            b']' => {
                host = Some(&place[start..at]);
                in_brackets = false;
                start = at + 1;
            }
            b':' if in_brackets => {}
            // between brackets and port
            b':' if start == at && place[..at].ends_with(']') => start = at + 1,
            b':' if host.is_some() => return Err(unnamed()),
            b':' => {
                host = Some(&place[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    let rest = Some(&place[start..]).filter(|rest| !rest.is_empty());
    match host {
        Some(host) => Ok((host, rest)),
        None => rest
            .map(|host| (host, None))
            .ok_or_else(|| bad("Invalid proxy.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(url: &str) -> (String, u16, Option<(String, Vec<u8>)>) {
        let proxy = parse(OsStr::new(url)).unwrap();
        let login = proxy.login.map(|login| {
            let user = String::from_utf8(login.user).unwrap();
            (user, login.password.expose().to_vec())
        });
        (proxy.host, proxy.port, login)
    }

    #[test]
    fn hosts_ports_and_logins_are_found() {
        let plain = |host: &str, port| (host.to_owned(), port, None);
        assert_eq!(taken("socks5h://host"), plain("host", 1080));
        assert_eq!(taken("socks5h://host:9x"), plain("host", 9));
        assert_eq!(taken("socks5h://[::1]:9"), plain("::1", 9));
        assert_eq!(taken("socks5h://[::1]"), plain("::1", 1080));
        assert_eq!(
            taken("socks5h://u%3Av%40:p%25@[fe80::1]:9"),
            (
                "fe80::1".to_owned(),
                9,
                Some(("u:v@".to_owned(), b"p%".to_vec()))
            )
        );
    }

    #[test]
    fn what_is_refused_has_mosquittos_words_or_none() {
        for (url, text) in [
            (
                "http://host",
                "Error: Unsupported proxy protocol: http://host\n",
            ),
            ("socks5h://", "Error: Invalid proxy.\n"),
            (
                "socks5h://a:b:c@host",
                "Error: Username cannot contain ':'.\n",
            ),
            ("socks5h://[a][b]", "Error: Duplicate IPv6 address.\n"),
            ("socks5h://host:0", "Error: Invalid proxy port 0\n"),
            ("socks5h://:p@host", ""),
            ("socks5h://host:1:2", ""),
            ("socks5h://u%2@host", ""),
            ("socks5h://u%41@host", ""),
        ] {
            let refused = parse(OsStr::new(url)).unwrap_err().text;
            assert_eq!(String::from_utf8(refused).unwrap(), text, "{url}");
        }
    }
}
