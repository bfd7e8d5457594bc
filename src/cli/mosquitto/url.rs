//! `-L` as mosquitto takes it apart: nothing is decoded, and the first `/`, `@` and `:` count.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::error::Verdict;

#[derive(Debug, PartialEq, Eq)]
pub struct Url<'a> {
    pub tls: bool,
    pub websocket: bool,
    pub username: Option<&'a OsStr>,
    pub password: Option<&'a OsStr>,
    pub host: &'a OsStr,
    /// As typed; without one, the scheme's.
    pub port: Option<&'a OsStr>,
    pub topic: &'a OsStr,
}

const SCHEMES: &[(&str, bool, bool)] = &[
    ("mqtt://", false, false),
    ("mqtts://", true, false),
    ("ws://", false, true),
    ("wss://", true, true),
];

pub fn parse(typed: &OsStr) -> Result<Url<'_>, Verdict> {
    let (rest, tls, websocket) = SCHEMES
        .iter()
        .find_map(|(scheme, tls, websocket)| {
            let (head, rest) = typed.as_bytes().split_at_checked(scheme.len())?;
            head.eq_ignore_ascii_case(scheme.as_bytes()).then_some((
                OsStr::from_bytes(rest),
                *tls,
                *websocket,
            ))
        })
        .ok_or_else(|| Verdict::usage("Error: Unsupported URL scheme.\n\n"))?;
    let (place, topic) = split(rest, b'/').ok_or_else(|| {
        Verdict::usage("Error: Invalid URL for -L argument specified - topic missing.\n")
    })?;
    let (login, place) = match split(place, b'@') {
        Some((login, place)) => (Some(login), place),
        None => (None, place),
    };
    let (username, password) = match login.map(|login| split(login, b':')) {
        Some(Some((user, password))) => (Some(user), Some(password)),
        Some(None) => (login, None),
        None => (None, None),
    };
    let (host, port) = match split(place, b':') {
        Some((host, port)) => (host, Some(port)),
        None => (place, None),
    };
    Ok(Url {
        tls,
        websocket,
        username,
        password,
        host,
        port,
        topic,
    })
}

/// What is before the first such byte, and what is behind it.
fn split(text: &OsStr, at: u8) -> Option<(&OsStr, &OsStr)> {
    let text = text.as_bytes();
    let place = text.iter().position(|byte| *byte == at)?;
    let part = OsStr::from_bytes;
    Some((part(&text[..place]), part(&text[place + 1..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_separators_count() {
        let word = OsStr::new;
        let url = parse(word("MQTTs://us%40er:p:w@host:99/a/b")).unwrap();
        assert_eq!(
            url,
            Url {
                tls: true,
                websocket: false,
                username: Some(word("us%40er")),
                password: Some(word("p:w")),
                host: word("host"),
                port: Some(word("99")),
                topic: word("a/b"),
            }
        );
        let text = |typed| String::from_utf8(parse(word(typed)).unwrap_err().text).unwrap();
        assert!(text("mqtt://host").contains("topic missing"));
        assert!(text("http://host/t").contains("scheme"));
    }
}
