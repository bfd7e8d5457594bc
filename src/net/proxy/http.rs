//! HTTP CONNECT (RFC 9110, section 9.3.6) with Basic login: just enough HTTP, read strictly and within bounds.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{Login, ProxyProblem, Target};
use crate::net::words::printable;

/// A proxy's answer is a few lines; anything longer is not one.
const LONGEST_ANSWER: usize = 16 * 1024;

pub(super) async fn connect(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    login: Option<&Login>,
    target: &Target,
) -> Result<(), ProxyProblem> {
    let request = request(login, target)?;
    let lost = |error| ProxyProblem::from_io(error, "HTTP CONNECT request");
    stream.write_all(request.as_bytes()).await.map_err(lost)?;
    stream.flush().await.map_err(lost)?;

    let mut answer = Vec::with_capacity(512);
    let end = loop {
        if let Some(end) = end_of_headers(&answer) {
            break end;
        }
        // Says so early, for a peer that sends something else and then waits.
        not_http(&answer)?;
        if answer.len() >= LONGEST_ANSWER {
            return Err(wrong(format!(
                "its answer is longer than {LONGEST_ANSWER} bytes"
            )));
        }
        let mut room = (&mut *stream).take((LONGEST_ANSWER - answer.len()) as u64);
        if room.read_buf(&mut answer).await.map_err(lost)? == 0 {
            return Err(ProxyProblem::Closed("HTTP CONNECT request"));
        }
    };
    not_http(&answer)?;
    let (status, reason) = status_line(&answer[..end])?;
    match status {
        // Nothing we connect to speaks before we do, so bytes after the answer cannot be the broker's.
        200..300 if answer.len() > end => Err(wrong("it sent more than an answer".to_owned())),
        200..300 => Ok(()),
        407 if login.is_none() => Err(ProxyProblem::LoginWanted),
        407 => Err(ProxyProblem::LoginRefused),
        403 => Err(ProxyProblem::NotAllowed(target.to_string())),
        _ => Err(ProxyProblem::Http {
            target: target.to_string(),
            status,
            reason,
        }),
    }
}

fn request(login: Option<&Login>, target: &Target) -> Result<String, ProxyProblem> {
    let place = target.to_string();
    // Nothing may end the line early: the host would otherwise write headers of its own.
    if place.len() > 1024 || place.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(ProxyProblem::Target(printable(&place)));
    }
    let login = match login {
        Some(Login { user, password }) => {
            let pair = [user, b":".as_slice(), password.expose()].concat();
            format!(
                "Proxy-Authorization: Basic {}\r\n",
                BASE64_STANDARD.encode(pair)
            )
        }
        None => String::new(),
    };
    Ok(format!(
        "CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n{login}\r\n"
    ))
}

fn end_of_headers(answer: &[u8]) -> Option<usize> {
    answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .map(|at| at + 4)
}

fn not_http(answer: &[u8]) -> Result<(), ProxyProblem> {
    const BEGIN: &[u8] = b"HTTP/1.";
    let known = answer.len().min(BEGIN.len());
    if answer[..known] == BEGIN[..known] {
        Ok(())
    } else {
        Err(wrong("its answer is not HTTP".to_owned()))
    }
}

/// Status and reason of `HTTP/1.1 200 Connection established`.
fn status_line(head: &[u8]) -> Result<(u16, String), ProxyProblem> {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let mut words = line.splitn(3, ' ');
    let (_version, status, reason) = (
        words.next(),
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    match status.parse() {
        Ok(status @ 100..=599) if status.to_string().len() == 3 => {
            Ok((status, printable(reason.trim())))
        }
        _ => Err(wrong("its answer has no HTTP status".to_owned())),
    }
}

fn wrong(why: String) -> ProxyProblem {
    ProxyProblem::WrongProtocol {
        expected: "HTTP",
        why,
    }
}
