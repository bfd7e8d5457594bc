//! The connection as the MQTT side sees it: bytes in, bytes out, whatever the layers underneath.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::client::TlsStream;

use super::{tls::CertificateFacts, websocket::WebSocketIo};

/// A connection of any kind. Each upper layer holds a `Stream` of its own underneath, boxed, so that an idle
/// plain-TCP connection costs a few dozen bytes.
///
/// Data is certain to be on its way only after a flush: TLS and WebSocket keep what the socket would not take.
#[derive(Debug)]
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<Stream>>),
    WebSocket(Box<WebSocketIo>),
}

/// What the TLS handshake settled on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsInfo {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// IANA's name, such as `TLS_AES_128_GCM_SHA256`.
    pub cipher: String,
    pub alpn: Option<String>,
    /// The broker's certificates as it sent them, its own first.
    pub chain: Vec<CertificateFacts>,
}

impl Stream {
    pub fn tls_info(&self) -> Option<TlsInfo> {
        match self {
            Self::Tcp(_) | Self::Unix(_) => None,
            Self::Tls(tls) => super::tls::info(tls.get_ref().1),
            Self::WebSocket(websocket) => websocket.under().tls_info(),
        }
    }
}

/// Calls the same method on whatever is inside.
macro_rules! inner {
    ($stream:expr, $io:ident => $call:expr) => {
        match $stream.get_mut() {
            Stream::Tcp(inner) => {
                let $io = Pin::new(inner);
                $call
            }
            Stream::Unix(inner) => {
                let $io = Pin::new(inner);
                $call
            }
            Stream::Tls(inner) => {
                let $io = Pin::new(&mut **inner);
                $call
            }
            Stream::WebSocket(inner) => {
                let $io = Pin::new(&mut **inner);
                $call
            }
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Unix(unix) => Pin::new(unix).poll_read(cx, buf),
            Self::Tls(tls) => match ready!(Pin::new(&mut **tls).poll_read(cx, buf)) {
                // Many brokers close without TLS's goodbye. MQTT packets carry their own length, so a connection cut
                // short cannot pass for a complete one and this is an end like any other.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
                done => Poll::Ready(done),
            },
            Self::WebSocket(websocket) => Pin::new(&mut **websocket).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        inner!(self, io => io.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        inner!(self, io => io.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(tcp) => tcp.is_write_vectored(),
            Self::Unix(unix) => unix.is_write_vectored(),
            Self::Tls(tls) => tls.is_write_vectored(),
            Self::WebSocket(websocket) => websocket.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        inner!(self, io => io.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        inner!(self, io => io.poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_connection_stays_small() {
        assert!(size_of::<Stream>() <= 48, "{}", size_of::<Stream>());
    }

    #[test]
    fn a_stream_can_move_between_threads() {
        fn movable<T: Send + Unpin>() {}
        movable::<Stream>();
    }
}
