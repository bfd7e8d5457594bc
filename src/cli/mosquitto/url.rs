//! `-L` as mosquitto takes it apart: nothing is decoded, and the first `/`, `@` and `:` count.

use crate::error::Verdict;

#[derive(Debug, PartialEq, Eq)]
pub struct Url<'a> {
    pub tls: bool,
    pub websocket: bool,
    pub username: Option<&'a str>,
    pub password: Option<&'a str>,
    pub host: &'a str,
    /// As typed; empty means the scheme's.
    pub port: Option<&'a str>,
    pub topic: &'a str,
}

const SCHEMES: &[(&str, bool, bool)] = &[
    ("mqtt://", false, false),
    ("mqtts://", true, false),
    ("ws://", false, true),
    ("wss://", true, true),
];

pub fn parse(typed: &str) -> Result<Url<'_>, Verdict> {
    let (rest, tls, websocket) = SCHEMES
        .iter()
        .find_map(|(scheme, tls, websocket)| {
            let head = typed.get(..scheme.len())?;
            head.eq_ignore_ascii_case(scheme)
                .then(|| (&typed[scheme.len()..], *tls, *websocket))
        })
        .ok_or_else(|| Verdict::usage("Error: Unsupported URL scheme.\n\n"))?;
    let (place, topic) = rest.split_once('/').ok_or_else(|| {
        Verdict::usage("Error: Invalid URL for -L argument specified - topic missing.\n")
    })?;
    let (login, place) = match place.split_once('@') {
        Some((login, place)) => (Some(login), place),
        None => (None, place),
    };
    let (username, password) = match login.map(|login| login.split_once(':')) {
        Some(Some((user, password))) => (Some(user), Some(password)),
        Some(None) => (login, None),
        None => (None, None),
    };
    let (host, port) = match place.split_once(':') {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_separators_count() {
        let url = parse("MQTTs://us%40er:p:w@host:99/a/b").unwrap();
        assert_eq!(
            url,
            Url {
                tls: true,
                websocket: false,
                username: Some("us%40er"),
                password: Some("p:w"),
                host: "host",
                port: Some("99"),
                topic: "a/b",
            }
        );
        assert!(
            parse("mqtt://host")
                .unwrap_err()
                .text
                .contains("topic missing")
        );
        assert!(parse("http://host/t").unwrap_err().text.contains("scheme"));
    }
}
