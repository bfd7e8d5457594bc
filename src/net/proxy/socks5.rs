//! SOCKS5 (RFC 1928) with no login or user name and password (RFC 1929), as far as a client's CONNECT needs it.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{Login, ProxyProblem, Target};

const VERSION: u8 = 5;
const NO_LOGIN: u8 = 0;
const USER_PASSWORD: u8 = 2;
const NONE_ACCEPTABLE: u8 = 0xff;

pub(super) async fn connect(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    login: Option<&Login>,
    target: &Target,
) -> Result<(), ProxyProblem> {
    let request = request(target)?;
    greet(stream, login).await?;

    let lost = |error| ProxyProblem::from_io(error, "SOCKS5 request");
    send(stream, &request).await.map_err(lost)?;
    let mut reply = [0; 4];
    stream.read_exact(&mut reply).await.map_err(lost)?;
    let [version, code, _reserved, kind] = reply;
    spoken(version)?;
    // Before the bound address: a proxy that refuses need not send one.
    refused(code, target)?;
    // The bound address means nothing to us, but its bytes must be out of the way.
    let rest = match kind {
        1 => 4,
        3 => usize::from(stream.read_u8().await.map_err(lost)?),
        4 => 16,
        _ => return Err(wrong(format!("address type {kind} in its answer"))),
    };
    let mut bound = [0; 255 + 2];
    stream
        .read_exact(&mut bound[..rest + 2])
        .await
        .map_err(lost)?;
    Ok(())
}

/// Agrees on a way to log in, and logs in.
async fn greet(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    login: Option<&Login>,
) -> Result<(), ProxyProblem> {
    let lost = |error| ProxyProblem::from_io(error, "SOCKS5 greeting");
    let greeting: &[u8] = if login.is_some() {
        &[VERSION, 2, NO_LOGIN, USER_PASSWORD]
    } else {
        &[VERSION, 1, NO_LOGIN]
    };
    send(stream, greeting).await.map_err(lost)?;
    let mut choice = [0; 2];
    stream.read_exact(&mut choice).await.map_err(lost)?;
    let [version, method] = choice;
    spoken(version)?;
    match (method, login) {
        (NO_LOGIN, _) => Ok(()),
        (USER_PASSWORD, Some(login)) => log_in(stream, login).await,
        (NONE_ACCEPTABLE | USER_PASSWORD, None) => Err(ProxyProblem::LoginWanted),
        (NONE_ACCEPTABLE, Some(_)) => Err(ProxyProblem::NoLoginMethod),
        _ => Err(wrong(format!(
            "it chose login method {method}, which was not offered"
        ))),
    }
}

async fn log_in(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    login: &Login,
) -> Result<(), ProxyProblem> {
    let lost = |error| ProxyProblem::from_io(error, "SOCKS5 login");
    let mut message = vec![1];
    for part in [login.user.as_slice(), login.password.expose()] {
        message.push(u8::try_from(part.len()).map_err(|_| ProxyProblem::LoginRefused)?);
        message.extend_from_slice(part);
    }
    send(stream, &message).await.map_err(lost)?;
    // The first byte should be 1; some servers put 5 there, and it decides nothing.
    let mut answer = [0; 2];
    stream.read_exact(&mut answer).await.map_err(lost)?;
    if answer[1] == 0 {
        Ok(())
    } else {
        Err(ProxyProblem::LoginRefused)
    }
}

fn request(target: &Target) -> Result<Vec<u8>, ProxyProblem> {
    let mut request = vec![VERSION, 1, 0];
    let port = match target {
        Target::Address(SocketAddr::V4(address)) => {
            request.push(1);
            request.extend(address.ip().octets());
            address.port()
        }
        Target::Address(SocketAddr::V6(address)) => {
            request.push(4);
            request.extend(address.ip().octets());
            address.port()
        }
        Target::Name(name, port) => {
            let length =
                u8::try_from(name.len()).map_err(|_| ProxyProblem::Target(name.clone()))?;
            request.extend([3, length]);
            request.extend(name.as_bytes());
            *port
        }
    };
    request.extend(port.to_be_bytes());
    Ok(request)
}

fn refused(code: u8, target: &Target) -> Result<(), ProxyProblem> {
    let target = target.to_string();
    let why = match code {
        0 => return Ok(()),
        2 => return Err(ProxyProblem::NotAllowed(target)),
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        _ => return Err(failed(code, target)),
    };
    Err(ProxyProblem::Unreachable { target, why })
}

/// What is the proxy's own trouble and not the broker's.
fn failed(code: u8, target: String) -> ProxyProblem {
    let why = match code {
        1 => "general failure",
        6 => "time to live expired",
        7 => "it does not support CONNECT",
        8 => "it does not support this kind of address",
        _ => "unknown failure",
    };
    ProxyProblem::Failed { target, why }
}

fn spoken(version: u8) -> Result<(), ProxyProblem> {
    match version {
        VERSION => Ok(()),
        b'H' => Err(wrong("it answers like an HTTP server".to_owned())),
        _ => Err(wrong(format!("its answer begins with byte {version}"))),
    }
}

fn wrong(why: String) -> ProxyProblem {
    ProxyProblem::WrongProtocol {
        expected: "SOCKS5",
        why,
    }
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}
