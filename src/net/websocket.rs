//! The topmost layer: MQTT inside the binary frames of a WebSocket, subprotocol `mqtt`.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use futures_core::Stream as _;
use futures_sink::Sink as _;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        Error as WsError, Message,
        error::{ProtocolError, SubProtocolError},
        handshake::client::{Request, generate_key},
        http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header},
        protocol::WebSocketConfig,
    },
};

use super::{
    Address, Endpoint, Stream, endpoint,
    words::{printable, reason, uncapitalised},
};

/// One write becomes one frame of at most this size. It bounds what waits in memory while the socket is full.
const LARGEST_FRAME_OUT: usize = 64 * 1024;

/// The largest MQTT packet (a remaining length of 268,435,455 and its header) fits in one frame, with room to spare
/// for a broker that puts several packets into it.
const LARGEST_FRAME_IN: usize = (256 << 20) + (64 << 10);

/// Allocated per connection, so small: bench opens thousands. Frames larger than this grow it for their time.
const READ_BUFFER: usize = 8 * 1024;

/// A WebSocket to ask for, its headers already checked.
#[derive(Debug, Clone)]
pub struct WebSocket(Arc<Ask>);

#[derive(Debug)]
struct Ask {
    path: String,
    /// Marked sensitive, so that `Debug` shows no token.
    headers: HeaderMap,
}

/// What is wrong with the settings.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum WebSocketError {
    #[error(
        "'{0}' is not a WebSocket path: it begins with '/' and has no spaces, control characters or '#'"
    )]
    Path(String),
    #[error("'{0}' is not an HTTP header name")]
    HeaderName(String),
    #[error("the value of the header '{0}' has characters that HTTP does not allow")]
    HeaderValue(String),
    #[error("the header '{0}' belongs to the WebSocket handshake and cannot be set")]
    ReservedHeader(String),
}

/// Why the upgrade failed.
#[derive(Debug, thiserror::Error)]
pub enum WebSocketProblem {
    #[error("the server refused the upgrade: HTTP {status}{}", spaced(reason))]
    Http { status: u16, reason: String },
    #[error("the server does not accept the subprotocol 'mqtt'")]
    Subprotocol,
    #[error("this is not a WebSocket server: {0}")]
    NotWebSocket(String),
    #[error("the connection was closed during the upgrade")]
    Closed,
    #[error("{}", reason(.0))]
    Io(io::Error),
}

impl WebSocketProblem {
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Http {
                status: 401 | 403, ..
            } => "the server wants other credentials; check the --ws-header options",
            Self::Http { status: 404, .. } => {
                "check the path; many brokers use /mqtt, some /ws or /"
            }
            Self::Http {
                status: 300..400, ..
            } => "the server wants another address or TLS (wss)",
            Self::Http {
                status: 400 | 426, ..
            } => "is this a WebSocket listener, and is the path right?",
            Self::Http {
                status: 500..600, ..
            } => "a gateway in front of the broker may not reach it",
            Self::Http { .. } => "check host, port and path",
            Self::Subprotocol => "is this WebSocket an MQTT listener? check the path",
            Self::NotWebSocket(_) => {
                "check the port, and the path; a WebSocket listener has a port of its own"
            }
            Self::Closed => {
                "a plain MQTT or TLS listener closes like this; is this the WebSocket port?"
            }
            Self::Io(_) => return None,
        };
        Some(hint.to_owned())
    }
}

fn spaced(reason: &str) -> String {
    if reason.is_empty() {
        String::new()
    } else {
        format!(" {reason}")
    }
}

impl WebSocket {
    pub const DEFAULT_PATH: &str = "/mqtt";

    /// A WebSocket at `path` (a query may follow it), with extra request headers. `Host` may be among them.
    ///
    /// # Errors
    /// A path or header that cannot be sent.
    pub fn new(path: &str, headers: &[(String, String)]) -> Result<Self, WebSocketError> {
        let valid = path.starts_with('/') && !path.contains('#') && uri(path).is_some();
        if !valid {
            return Err(WebSocketError::Path(path.to_owned()));
        }
        let mut checked = HeaderMap::new();
        for (name, value) in headers {
            let parsed = HeaderName::from_bytes(name.trim().as_bytes())
                .map_err(|_| WebSocketError::HeaderName(name.clone()))?;
            if parsed == header::CONNECTION
                || parsed == header::UPGRADE
                || parsed == header::CONTENT_LENGTH
                || parsed == header::TRANSFER_ENCODING
                || parsed.as_str().starts_with("sec-websocket-")
            {
                return Err(WebSocketError::ReservedHeader(name.clone()));
            }
            let mut value = HeaderValue::from_bytes(value.trim().as_bytes())
                .map_err(|_| WebSocketError::HeaderValue(name.clone()))?;
            value.set_sensitive(true);
            if parsed == header::HOST {
                // Host goes through a text-only path when the request is written.
                value
                    .to_str()
                    .map_err(|_| WebSocketError::HeaderValue(name.clone()))?;
                checked.insert(parsed, value);
            } else {
                checked.append(parsed, value);
            }
        }
        Ok(Self(Arc::new(Ask {
            path: path.to_owned(),
            headers: checked,
        })))
    }

    /// The URL for messages.
    pub(super) fn url(&self, endpoint: &Endpoint) -> String {
        let scheme = if endpoint.tls.is_some() { "wss" } else { "ws" };
        match &endpoint.address {
            Address::Tcp(_) => format!("{scheme}://{endpoint}{}", self.0.path),
            Address::Unix(_) => format!("{endpoint} ({scheme}, {})", self.0.path),
        }
    }

    pub(super) async fn upgrade(
        &self,
        stream: Stream,
        endpoint: &Endpoint,
    ) -> Result<Stream, WebSocketProblem> {
        let request = self.request(endpoint)?;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            // Written at once; the caller does its own batching and one write is one frame.
            .write_buffer_size(0)
            // A frame is only accepted when nothing waits, so this bounds the answers to a flood of pings.
            .max_write_buffer_size(2 * LARGEST_FRAME_OUT)
            .max_frame_size(Some(LARGEST_FRAME_IN))
            .max_message_size(Some(LARGEST_FRAME_IN));
        let (inner, _) = client_async_with_config(request, stream, Some(config))
            .await
            .map_err(problem)?;
        Ok(Stream::WebSocket(Box::new(WebSocketIo {
            inner,
            unread: Bytes::new(),
            ended: false,
        })))
    }

    fn request(&self, endpoint: &Endpoint) -> Result<Request, WebSocketProblem> {
        let unusable = |what: &str| {
            WebSocketProblem::NotWebSocket(format!("the {what} cannot be written as HTTP"))
        };
        let mut request = Request::new(());
        *request.uri_mut() = uri(&self.0.path).ok_or_else(|| unusable("path"))?;
        let host = match &endpoint.address {
            Address::Tcp(tcp) => {
                let default_port = if endpoint.tls.is_some() { 443 } else { 80 };
                let authority = endpoint::authority(&tcp.host, tcp.port);
                if tcp.port == default_port {
                    let length = authority.len() - format!(":{default_port}").len();
                    authority[..length].to_owned()
                } else {
                    authority
                }
            }
            Address::Unix(_) => endpoint.host().to_owned(),
        };
        let headers = request.headers_mut();
        headers.insert(
            header::HOST,
            HeaderValue::from_str(&host).map_err(|_| unusable("host"))?,
        );
        headers.extend(self.0.headers.clone());
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(
            header::SEC_WEBSOCKET_VERSION,
            HeaderValue::from_static("13"),
        );
        headers.insert(
            header::SEC_WEBSOCKET_PROTOCOL,
            HeaderValue::from_static("mqtt"),
        );
        let key = HeaderValue::from_str(&generate_key()).map_err(|_| unusable("key"))?;
        headers.insert(header::SEC_WEBSOCKET_KEY, key);
        Ok(request)
    }
}

/// Only path and query of it are sent; the real host goes into the `Host` header, so any host will do here.
fn uri(path: &str) -> Option<Uri> {
    format!("ws://broker{path}").parse().ok()
}

fn problem(error: WsError) -> WebSocketProblem {
    match error {
        WsError::Http(response) => {
            let status = response.status();
            let known = status.canonical_reason().unwrap_or_default();
            if status == StatusCode::SWITCHING_PROTOCOLS || status.is_success() {
                let answered = format!("it answered HTTP {} {known}", status.as_u16());
                return WebSocketProblem::NotWebSocket(answered.trim_end().to_owned());
            }
            WebSocketProblem::Http {
                status: status.as_u16(),
                reason: known.to_owned(),
            }
        }
        WsError::Protocol(ProtocolError::SecWebSocketSubProtocolError(which)) => match which {
            SubProtocolError::NoSubProtocol
            | SubProtocolError::InvalidSubProtocol
            | SubProtocolError::ServerSentSubProtocolNoneRequested => WebSocketProblem::Subprotocol,
        },
        WsError::Protocol(ProtocolError::HandshakeIncomplete) => WebSocketProblem::Closed,
        WsError::Protocol(ProtocolError::HttparseError(_)) => {
            WebSocketProblem::NotWebSocket("the answer is not HTTP".to_owned())
        }
        WsError::Protocol(error) => {
            WebSocketProblem::NotWebSocket(uncapitalised(&error.to_string()))
        }
        WsError::Io(error) => match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset => WebSocketProblem::Closed,
            _ => WebSocketProblem::Io(error),
        },
        WsError::AttackAttempt => {
            WebSocketProblem::NotWebSocket("the answer is too long".to_owned())
        }
        other => WebSocketProblem::NotWebSocket(printable(&uncapitalised(&other.to_string()))),
    }
}

/// The frames of a WebSocket as a stream of bytes: their borders mean nothing to MQTT \[MQTT-6.0.0-2\].
#[derive(Debug)]
pub struct WebSocketIo {
    inner: WebSocketStream<Stream>,
    /// The rest of a frame that did not fit into the reader's buffer.
    unread: Bytes,
    ended: bool,
}

impl WebSocketIo {
    pub(super) fn under(&self) -> &Stream {
        self.inner.get_ref()
    }

    /// Room for a frame, with everything before it handed to the layer below.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Not `poll_ready`: that one also says yes while answers to pings wait, and then a frame may find no room.
        Pin::new(&mut self.inner).poll_flush(cx).map_err(into_io)
    }

    fn send(&mut self, frame: Bytes) -> io::Result<usize> {
        let length = frame.len();
        Pin::new(&mut self.inner)
            .start_send(Message::Binary(frame))
            .map_err(into_io)?;
        Ok(length)
    }
}

impl AsyncRead for WebSocketIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if !this.unread.is_empty() {
                let length = this.unread.len().min(buf.remaining());
                buf.put_slice(&this.unread[..length]);
                this.unread.advance(length);
                if this.unread.is_empty() {
                    // Gives the frame's memory back now, not with the next frame.
                    this.unread = Bytes::new();
                }
                return Poll::Ready(Ok(()));
            }
            if this.ended || buf.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            match ready!(Pin::new(&mut this.inner).poll_next(cx)) {
                Some(Ok(Message::Binary(frame))) => this.unread = frame,
                // Answered by tungstenite; the answer leaves with the next read.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Text(_))) => {
                    this.ended = true;
                    let text = "the broker sent a text frame; MQTT travels in binary frames";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, text)));
                }
                Some(Ok(Message::Close(_))) => {
                    this.ended = true;
                    // The close answer is a courtesy: whether it still gets through changes nothing here.
                    let _ = Pin::new(&mut this.inner).poll_flush(cx);
                }
                None => this.ended = true,
                Some(Err(error)) => {
                    this.ended = true;
                    match error {
                        // Gone without the closing handshake: the end all the same, as with TLS.
                        WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {}
                        error => return Poll::Ready(Err(into_io(error))),
                    }
                }
            }
        }
    }
}

impl AsyncWrite for WebSocketIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        ready!(this.poll_room(cx))?;
        let length = buf.len().min(LARGEST_FRAME_OUT);
        Poll::Ready(this.send(Bytes::copy_from_slice(&buf[..length])))
    }

    /// All slices in one frame.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let length = bufs
            .iter()
            .map(|slice| slice.len())
            .sum::<usize>()
            .min(LARGEST_FRAME_OUT);
        if length == 0 {
            return Poll::Ready(Ok(0));
        }
        ready!(this.poll_room(cx))?;
        let mut frame = BytesMut::with_capacity(length);
        for slice in bufs {
            let room = length - frame.len();
            frame.extend_from_slice(&slice[..slice.len().min(room)]);
        }
        Poll::Ready(this.send(frame.freeze()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner)
            .poll_flush(cx)
            .map_err(into_io)
    }

    /// Sends a close frame, then shuts the layer below down. It does not wait for the broker's own close frame.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match ready!(Pin::new(&mut this.inner).poll_close(cx)) {
            Ok(()) | Err(WsError::AlreadyClosed | WsError::ConnectionClosed) => {}
            Err(error) => return Poll::Ready(Err(into_io(error))),
        }
        Pin::new(this.inner.get_mut()).poll_shutdown(cx)
    }
}

/// I/O errors of the layer below pass as they are, so that `explain_io` still finds what is inside them.
fn into_io(error: WsError) -> io::Error {
    match error {
        WsError::Io(error) => error,
        WsError::ConnectionClosed | WsError::AlreadyClosed => io::ErrorKind::BrokenPipe.into(),
        WsError::Protocol(ProtocolError::SendAfterClosing) => io::ErrorKind::BrokenPipe.into(),
        WsError::Capacity(_) => io::Error::new(
            io::ErrorKind::InvalidData,
            "the broker sent too large a frame",
        ),
        other => {
            let text = format!(
                "the broker broke the WebSocket protocol: {}",
                uncapitalised(&other.to_string())
            );
            io::Error::new(io::ErrorKind::InvalidData, printable(&text))
        }
    }
}

#[cfg(test)]
mod tests;
