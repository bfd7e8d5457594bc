//! Peers for the tests of this folder: servers on port 0 that end when dropped, and an authority with certificates.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream, UnixListener},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::{
    Message,
    handshake::server::{ErrorResponse, Request, Response},
    http::HeaderValue,
    protocol::WebSocketConfig,
};

use super::{DialError, Endpoint, Stream, TlsClient, TlsSettings, dial};

/// What a peer may do with a connection.
pub trait Conversation: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Conversation for T {}

/// A listening peer; ends with the value.
pub struct Server {
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn endpoint(&self) -> Endpoint {
        let mut endpoint = Endpoint::tcp("127.0.0.1", self.port());
        endpoint.connect_timeout = Duration::from_secs(10);
        endpoint
    }
}

pub async fn serve<F, T>(handle: F) -> Server
where
    F: Fn(TcpStream) -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(handle(stream));
        }
    });
    Server { address, task }
}

/// A port that nobody listens on: taken, but not opened, for as long as the socket lives.
pub fn closed_port() -> (SocketAddr, TcpSocket) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    (socket.local_addr().unwrap(), socket)
}

/// `serve` on a Unix socket in a folder of its own.
pub async fn serve_unix<F, T>(handle: F) -> (PathBuf, TempDir, JoinHandle<()>)
where
    F: Fn(tokio::net::UnixStream) -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broker.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(handle(stream));
        }
    });
    (path, folder, task)
}

pub async fn echo(stream: impl Conversation) {
    let (mut from, mut to) = tokio::io::split(stream);
    let mut buffer = vec![0; 8192];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if to.write_all(&buffer[..length]).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

/// Sends the bytes, then reads until the other side goes away.
pub async fn say(mut stream: TcpStream, bytes: Vec<u8>) {
    let _ = stream.write_all(&bytes).await;
    let _ = stream.shutdown().await;
    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
}

/// Reads until the other side goes away and never answers.
pub async fn silence(mut stream: TcpStream) {
    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
}

pub async fn assert_echoes(stream: &mut Stream) {
    let sent: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    let (mut from, mut to) = tokio::io::split(stream);
    let write = async {
        to.write_all(&sent).await.unwrap();
        to.flush().await.unwrap();
    };
    let mut received = vec![0; sent.len()];
    let read = async { from.read_exact(&mut received).await.unwrap() };
    tokio::join!(write, read);
    assert!(received == sent, "the echo differs");
}

pub async fn refused(endpoint: &Endpoint) -> DialError {
    let dialed = tokio::time::timeout(Duration::from_secs(60), dial(endpoint))
        .await
        .expect("an answer in time");
    dialed
        .map(|dialed| dialed.stream)
        .expect_err("the dial should fail")
}

/// A SOCKS5 proxy as far as the tests need one.
pub async fn socks5(mut stream: TcpStream, login: Option<(&'static str, &'static str)>, reply: u8) {
    let mut head = [0; 2];
    stream.read_exact(&mut head).await.unwrap();
    let mut methods = vec![0; usize::from(head[1])];
    stream.read_exact(&mut methods).await.unwrap();
    let wanted = if login.is_some() { 2 } else { 0 };
    if !methods.contains(&wanted) {
        let _ = stream.write_all(&[5, 0xff]).await;
        return;
    }
    stream.write_all(&[5, wanted]).await.unwrap();
    if let Some((user, password)) = login {
        let _version = stream.read_u8().await.unwrap();
        let mut got = Vec::new();
        for _ in 0..2 {
            let mut part = vec![0; usize::from(stream.read_u8().await.unwrap())];
            stream.read_exact(&mut part).await.unwrap();
            got.push(String::from_utf8(part).unwrap());
        }
        let right = got == [user, password];
        stream.write_all(&[1, u8::from(!right)]).await.unwrap();
        if !right {
            return;
        }
    }
    let mut request = [0; 4];
    stream.read_exact(&mut request).await.unwrap();
    let host = match request[3] {
        1 => {
            let mut octets = [0; 4];
            stream.read_exact(&mut octets).await.unwrap();
            Ipv4Addr::from(octets).to_string()
        }
        3 => {
            let mut name = vec![0; usize::from(stream.read_u8().await.unwrap())];
            stream.read_exact(&mut name).await.unwrap();
            String::from_utf8(name).unwrap()
        }
        kind => panic!("address type {kind}"),
    };
    let port = stream.read_u16().await.unwrap();
    if reply != 0 {
        let _ = stream.write_all(&[5, reply, 0, 1, 0, 0, 0, 0, 0, 0]).await;
        return;
    }
    // A name that only the proxy knows shows who resolved it.
    let host = if host == "only.the.proxy.knows" {
        "127.0.0.1".to_owned()
    } else {
        host
    };
    let mut onward = TcpStream::connect((host, port)).await.unwrap();
    // A bound address in name form, the rarest one.
    stream
        .write_all(&[5, 0, 0, 3, 2, b'm', b'e', 0, 0])
        .await
        .unwrap();
    let _ = tokio::io::copy_bidirectional(&mut stream, &mut onward).await;
}

/// An HTTP proxy as far as the tests need one; `login` is the expected Basic credentials in base64.
pub async fn http_proxy(mut stream: TcpStream, login: Option<&'static str>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.unwrap());
    }
    let request = String::from_utf8(request).unwrap();
    if let Some(login) = login
        && !request.contains(&format!("Proxy-Authorization: Basic {login}\r\n"))
    {
        let _ = stream
            .write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            .await;
        return;
    }
    let target = request
        .strip_prefix("CONNECT ")
        .unwrap()
        .split(' ')
        .next()
        .unwrap();
    let target = target.replace("only.the.proxy.knows", "127.0.0.1");
    let Ok(mut onward) = TcpStream::connect(target).await else {
        let _ = stream
            .write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\nno\r\n")
            .await;
        return;
    };
    stream
        .write_all(b"HTTP/1.0 200 Connection established\r\nVia: test\r\n\r\n")
        .await
        .unwrap();
    let _ = tokio::io::copy_bidirectional(&mut stream, &mut onward).await;
}

/// Accepts a WebSocket of subprotocol `mqtt`, with no limit on the size of a frame.
pub async fn accept_websocket<S: Conversation>(stream: S) -> Option<WebSocketPeer<S>> {
    #[allow(clippy::result_large_err)] // tungstenite's signature
    fn subprotocol(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
        assert_eq!(request.headers()["sec-websocket-protocol"], "mqtt");
        response
            .headers_mut()
            .insert("sec-websocket-protocol", HeaderValue::from_static("mqtt"));
        Ok(response)
    }
    let unlimited = WebSocketConfig::default()
        .max_frame_size(None)
        .max_message_size(None);
    let accepted =
        tokio_tungstenite::accept_hdr_async_with_config(stream, subprotocol, Some(unlimited));
    accepted.await.ok().map(WebSocketPeer)
}

/// Accepts a WebSocket and echoes its binary frames.
pub async fn websocket_echo(stream: impl Conversation) {
    let Some(mut websocket) = accept_websocket(stream).await else {
        return;
    };
    while let Some(Ok(message)) = websocket.next().await {
        if message.is_binary() && websocket.send(message).await.is_err() {
            return;
        }
    }
}

/// `next` and `send` without futures-util's extension traits.
pub struct WebSocketPeer<S>(pub tokio_tungstenite::WebSocketStream<S>);

impl<S: Conversation> WebSocketPeer<S> {
    pub async fn next(&mut self) -> Option<Result<Message, tokio_tungstenite::tungstenite::Error>> {
        use futures_core::Stream as _;
        std::future::poll_fn(|cx| std::pin::Pin::new(&mut self.0).poll_next(cx)).await
    }

    pub async fn send(
        &mut self,
        message: Message,
    ) -> Result<(), tokio_tungstenite::tungstenite::Error> {
        use futures_sink::Sink as _;
        std::future::poll_fn(|cx| std::pin::Pin::new(&mut self.0).poll_ready(cx)).await?;
        std::pin::Pin::new(&mut self.0).start_send(message)?;
        std::future::poll_fn(|cx| std::pin::Pin::new(&mut self.0).poll_flush(cx)).await
    }
}

/// A certificate authority with a folder for its files.
pub struct Authority {
    pub issuer: CertifiedIssuer<'static, KeyPair>,
    pub folder: TempDir,
}

pub struct Issued {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: KeyPair,
}

impl Issued {
    pub fn private(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(self.key.serialize_der().into())
    }
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "Test Authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self {
            issuer,
            folder: tempfile::tempdir().unwrap(),
        };
        authority.write("ca.pem", authority.issuer.pem());
        authority
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A certificate for 127.0.0.1 and localhost.
    pub fn issue(&self) -> Issued {
        self.issue_with(|_| ())
    }

    pub fn issue_with(&self, change: impl FnOnce(&mut CertificateParams)) -> Issued {
        let mut params =
            CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Issued {
            chain: vec![certificate.der().clone()],
            key,
        }
    }

    pub fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        Arc::new(roots)
    }

    /// Settings that trust this authority alone.
    pub fn settings(&self) -> TlsSettings {
        TlsSettings {
            cafile: Some(self.path("ca.pem")),
            ..TlsSettings::default()
        }
    }

    pub fn client(&self) -> TlsClient {
        TlsClient::load(&self.settings(), "127.0.0.1").unwrap()
    }

    /// The settings with a client certificate that this authority signed.
    pub fn settings_with_certificate(&self) -> TlsSettings {
        let issued = self.issue();
        let certificate = pem("CERTIFICATE", &issued.chain[0]);
        TlsSettings {
            cert: Some(self.write("client.pem", certificate)),
            key: Some(self.write("client.key", issued.key.serialize_pem())),
            ..self.settings()
        }
    }
}

pub fn pem(label: &str, der: &[u8]) -> String {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        BASE64_STANDARD.encode(der)
    )
}

/// A server configuration for the certificate, any TLS version, no client certificates.
pub fn server_config(issued: &Issued) -> ServerConfig {
    let provider = Arc::new(ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(issued.chain.clone(), issued.private())
        .unwrap()
}

/// The same, wanting client certificates that the authority signed.
pub fn strict_server_config(
    issued: &Issued,
    authority: &Authority,
    version: &'static rustls::SupportedProtocolVersion,
) -> ServerConfig {
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(authority.roots(), provider.clone())
        .build()
        .unwrap();
    ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(issued.chain.clone(), issued.private())
        .unwrap()
}

/// Does the TLS handshake, then echoes.
pub async fn tls_echo(stream: impl Conversation, config: Arc<ServerConfig>) {
    if let Ok(stream) = TlsAcceptor::from(config).accept(stream).await {
        echo(stream).await;
    }
}

pub async fn serve_tls(config: ServerConfig) -> Server {
    let config = Arc::new(config);
    serve(move |stream| tls_echo(stream, config.clone())).await
}

/// Runs openssl; `None`, loudly, where it is not installed (in CI that is a failure).
pub fn openssl(folder: &Path, arguments: &[&str]) -> Option<()> {
    match std::process::Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .output()
    {
        Ok(output) => {
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "openssl {arguments:?}: {error}");
            Some(())
        }
        Err(error) => {
            assert!(
                std::env::var_os("CI").is_none(),
                "openssl is missing: {error}"
            );
            #[allow(clippy::print_stderr)] // a test that does not run must be seen
            {
                eprintln!("SKIPPED: openssl is missing");
            }
            None
        }
    }
}
