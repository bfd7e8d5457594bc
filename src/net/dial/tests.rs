//! Every combination of layers, and each layer against a peer that talks nonsense.

use std::sync::{Arc, atomic::AtomicUsize, atomic::Ordering};

use proptest::{prelude::*, test_runner::TestRunner};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::net::Bind;
use crate::net::{TlsClient, WebSocket, testing::*};

fn websocket() -> WebSocket {
    WebSocket::new(WebSocket::DEFAULT_PATH, &[]).unwrap()
}

fn through_proxy(endpoint: &mut Endpoint, url: String) {
    let Address::Tcp(tcp) = &mut endpoint.address else {
        panic!("a proxy needs TCP")
    };
    tcp.proxy = Some(Arc::new(url.parse().unwrap()));
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Direct,
    Socks5h,
    Socks5,
    Http,
}

#[tokio::test]
async fn every_combination_of_layers_carries_bytes_both_ways() {
    let authority = Authority::new();
    let config = Arc::new(server_config(&authority.issue()));
    let tls_config = config.clone();
    let wss_config = config.clone();
    let plain = serve(echo).await;
    let tls = serve(move |stream| tls_echo(stream, tls_config.clone())).await;
    let ws = serve(websocket_echo).await;
    let wss = serve(move |stream| {
        let acceptor = TlsAcceptor::from(wss_config.clone());
        async move { websocket_echo(acceptor.accept(stream).await.unwrap()).await }
    })
    .await;
    let socks = serve(|stream| socks5(stream, Some(("us:er", "p@ss")), 0)).await;
    let http = serve(|stream| http_proxy(stream, Some("dXNlcjpwYXNz"))).await;

    for (with_tls, with_websocket, broker) in [
        (false, false, &plain),
        (true, false, &tls),
        (false, true, &ws),
        (true, true, &wss),
    ] {
        for way in [Way::Direct, Way::Socks5h, Way::Socks5, Way::Http] {
            let mut endpoint = broker.endpoint();
            match way {
                Way::Direct => {}
                Way::Socks5h => {
                    endpoint.address =
                        Address::Tcp(TcpAddress::new("only.the.proxy.knows", broker.port()));
                    through_proxy(
                        &mut endpoint,
                        format!("socks5h://us%3Aer:p%40ss@127.0.0.1:{}", socks.port()),
                    );
                }
                Way::Socks5 => {
                    through_proxy(
                        &mut endpoint,
                        format!("socks5://us%3Aer:p%40ss@127.0.0.1:{}", socks.port()),
                    );
                }
                Way::Http => {
                    endpoint.address =
                        Address::Tcp(TcpAddress::new("only.the.proxy.knows", broker.port()));
                    through_proxy(
                        &mut endpoint,
                        format!("http://user:pass@127.0.0.1:{}", http.port()),
                    );
                }
            }
            if let Address::Tcp(tcp) = &mut endpoint.address {
                tcp.bind = Some(Bind::look_up("127.0.0.1").unwrap());
                tcp.nodelay = true;
            }
            endpoint.tls = with_tls.then(|| authority.client());
            endpoint.websocket = with_websocket.then(websocket);

            let mut steps = Steps::default();
            let mut dialed = dial_timed(&endpoint, &mut steps)
                .await
                .unwrap_or_else(|error| panic!("{way:?} {endpoint:?}: {error}"));
            assert_echoes(&mut dialed.stream).await;
            assert!(steps.connect.is_some());
            assert_eq!(steps.proxy.is_some(), way != Way::Direct);
            assert_eq!(steps.tls.is_some(), with_tls);
            assert_eq!(steps.websocket.is_some(), with_websocket);
            assert_eq!(dialed.stream.tls_info().is_some(), with_tls);
            let expected = match way {
                Way::Direct => broker.address,
                Way::Socks5 | Way::Socks5h => socks.address,
                Way::Http => http.address,
            };
            assert_eq!(dialed.peer, Some(expected));
        }
    }
}

#[tokio::test]
async fn every_upper_layer_works_over_a_unix_socket() {
    let authority = Authority::new();
    let config = Arc::new(server_config(&authority.issue()));
    let kind = Arc::new(AtomicUsize::new(0));
    let asked = kind.clone();
    let (path, _folder, _task) = serve_unix(move |stream| {
        let (config, kind) = (config.clone(), asked.load(Ordering::SeqCst));
        async move {
            match kind {
                0 => echo(stream).await,
                1 => tls_echo(stream, config).await,
                2 => websocket_echo(stream).await,
                _ => websocket_echo(TlsAcceptor::from(config).accept(stream).await.unwrap()).await,
            }
        }
    })
    .await;
    for layers in 0..4 {
        kind.store(layers, Ordering::SeqCst);
        let mut endpoint = Endpoint::unix(&path);
        // Without a name of its own a Unix socket is 'localhost', which the certificate has.
        endpoint.tls = (layers & 1 != 0)
            .then(|| TlsClient::load(&authority.settings(), endpoint.host()).unwrap());
        endpoint.websocket = (layers & 2 != 0).then(websocket);
        let mut dialed = dial(&endpoint)
            .await
            .unwrap_or_else(|error| panic!("{layers}: {error}"));
        assert_echoes(&mut dialed.stream).await;
        assert_eq!(dialed.peer, None);
    }
}

#[tokio::test]
async fn an_endpoint_resolved_beforehand_asks_no_name_server() {
    let broker = serve(echo).await;
    let mut endpoint = Endpoint::tcp("localhost", broker.port());
    endpoint.connect_timeout = Duration::from_secs(10);
    let resolved = endpoint.resolved().await.unwrap();
    let mut steps = Steps::default();
    dial_timed(&resolved, &mut steps).await.unwrap();
    assert_eq!(steps.resolve, None);
    dial_timed(&endpoint, &mut steps).await.unwrap();
    assert!(steps.resolve.is_some());
}

#[tokio::test]
async fn silence_is_a_timeout_that_names_the_layer() {
    let authority = Authority::new();
    let peer = serve(silence).await;
    let mut endpoint = peer.endpoint();
    endpoint.connect_timeout = Duration::from_millis(50);

    let mut tls = endpoint.clone();
    tls.tls = Some(authority.client());
    let error = refused(&tls).await;
    assert_eq!(error.layer(), Layer::Tls);
    let expected = format!(
        "TLS handshake timed out after 50ms: no answer from 127.0.0.1:{}",
        peer.port()
    );
    assert_eq!(error.to_string(), expected);
    assert!(error.hint().unwrap().contains("TLS port"));

    let mut ws = endpoint.clone();
    ws.websocket = Some(websocket());
    assert!(matches!(
        refused(&ws).await,
        DialError::TimedOut {
            layer: Layer::WebSocket,
            ..
        }
    ));

    for scheme in ["socks5h", "http"] {
        let mut proxied = endpoint.clone();
        through_proxy(
            &mut proxied,
            format!("{scheme}://127.0.0.1:{}", peer.port()),
        );
        assert!(matches!(
            refused(&proxied).await,
            DialError::TimedOut {
                layer: Layer::Proxy,
                ..
            }
        ));
    }
}

#[tokio::test]
async fn a_refused_connection_names_host_and_port_and_whom_it_was_for() {
    let (closed, _kept) = closed_port();
    let port = closed.port();
    let endpoint = Endpoint::tcp("127.0.0.1", port);
    let error = refused(&endpoint).await;
    assert_eq!(
        error.to_string(),
        format!("cannot connect to broker 127.0.0.1:{port}: connection refused")
    );
    let hint = match cfg!(feature = "broker") {
        true => format!(
            "no broker listens there: check the port, or start one with 'mozzie broker -p {port}'"
        ),
        false => "is a broker listening there? check host and port".to_owned(),
    };
    assert_eq!(error.hint().unwrap(), hint);

    let mut proxied = Endpoint::tcp("broker.example", 1883);
    through_proxy(&mut proxied, format!("socks5h://127.0.0.1:{port}"));
    let error = refused(&proxied).await;
    assert_eq!(
        error.to_string(),
        format!("cannot connect to proxy 127.0.0.1:{port}: connection refused")
    );
}

#[tokio::test]
async fn a_name_that_cannot_be_looked_up_is_named() {
    // Longer than any name may be, so that no name server is asked.
    let host = "x".repeat(300);
    let error = refused(&Endpoint::tcp(host.as_str(), 1883)).await;
    assert!(
        matches!(
            &error,
            DialError::NameNotFound {
                peer: Peer::Broker,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(
        error
            .to_string()
            .starts_with(&format!("cannot look up the broker name '{host}': ")),
        "{error}"
    );
    assert!(
        !error.to_string().contains("lookup address information"),
        "{error}"
    );
}

#[tokio::test]
async fn a_local_address_must_exist_and_be_of_the_right_family() {
    let broker = serve(echo).await;
    let bound_to = |local: &str| {
        let mut endpoint = broker.endpoint();
        let Address::Tcp(tcp) = &mut endpoint.address else {
            panic!()
        };
        tcp.bind = Some(Bind::look_up(local).unwrap());
        endpoint
    };
    // TEST-NET-1 is nobody's address.
    let error = refused(&bound_to("192.0.2.1")).await;
    assert_eq!(
        error.to_string(),
        "cannot connect from the local address 192.0.2.1: address not available"
    );
    let error = refused(&bound_to("::1")).await;
    assert_eq!(
        error.to_string(),
        "cannot connect from the local address ::1: '127.0.0.1' has no IPv6 address"
    );
    assert!(error.hint().unwrap().contains("same family"));
}

#[tokio::test]
async fn a_unix_socket_that_is_missing_dead_or_too_long_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no.sock");
    let error = refused(&Endpoint::unix(&path)).await;
    assert_eq!(
        error.to_string(),
        format!(
            "cannot connect to the unix socket '{}': no such file",
            path.display()
        )
    );
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let error = refused(&Endpoint::unix(&path)).await;
    assert!(error.to_string().ends_with("connection refused"), "{error}");
    assert!(error.hint().unwrap().contains("no broker listens"));
    for (other, what) in [
        (folder.path().to_owned(), "it is a folder and no socket"),
        (folder.path().join("file"), "it is a file and no socket"),
    ] {
        if what.contains("file") {
            std::fs::write(&other, "").unwrap();
        }
        let error = refused(&Endpoint::unix(&other)).await;
        assert!(error.to_string().contains(what), "{error}");
        let hint = error.hint().unwrap_or_default();
        assert!(hint.contains("the socket itself"), "{hint}");
    }
    let error = refused(&Endpoint::unix("x".repeat(200))).await;
    assert!(
        error
            .to_string()
            .ends_with("empty or too long for a socket"),
        "{error}"
    );
}

#[tokio::test]
async fn the_end_of_the_stream_is_an_end_on_every_layer() {
    let authority = Authority::new();
    let config = Arc::new(server_config(&authority.issue()));
    // Both peers drop the TCP connection without TLS's or WebSocket's goodbye.
    let tls = serve(move |stream| {
        let acceptor = TlsAcceptor::from(config.clone());
        async move {
            let mut stream = acceptor.accept(stream).await.unwrap();
            stream.write_all(b"bye").await.unwrap();
            stream.flush().await.unwrap();
        }
    })
    .await;
    let ws = serve(|stream| async move {
        let mut websocket = accept_websocket(stream).await.unwrap();
        websocket.send(b"bye".to_vec().into()).await.unwrap();
    })
    .await;
    let mut endpoints = [tls.endpoint(), ws.endpoint()];
    endpoints[0].tls = Some(authority.client());
    endpoints[1].websocket = Some(websocket());
    for endpoint in endpoints {
        let mut stream = dial(&endpoint).await.unwrap().stream;
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"bye");
    }
}

#[test]
fn a_dial_in_progress_stays_small() {
    // Bench has thousands of them at once.
    let endpoint = Endpoint::tcp("127.0.0.1", 1);
    let dialing = dial(&endpoint);
    assert!(size_of_val(&dialing) <= 4096, "{}", size_of_val(&dialing));
}

#[test]
fn random_bytes_from_a_peer_end_with_an_error_on_every_layer() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let authority = Authority::new();
    let client = authority.client();
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        // Beginnings that get past the first check.
        prop::collection::vec(any::<u8>(), 0..100).prop_map(|rest| [&[5, 0][..], &[5, 0, 0, 3], &rest].concat()),
        "HTTP/1.1 [0-9]{3}[ -~\r\n]{0,100}".prop_map(String::into_bytes),
        "HTTP/1.1 (101|200) x\r\n(Upgrade: websocket\r\n)?([a-zA-Z-]{1,20}: [ -~]{0,20}\r\n){0,5}(\r\n)?.{0,20}"
            .prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(|rest| [&[22, 3, 3, 0, 100, 2, 0, 0, 96, 3, 3][..], &rest].concat()),
    ];
    let config = ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    TestRunner::new(config)
        .run(&bytes, |bytes| {
            runtime.block_on(async {
                let peer = serve(move |stream| say(stream, bytes.clone())).await;
                let mut tls = peer.endpoint();
                tls.tls = Some(client.clone());
                let mut ws = peer.endpoint();
                ws.websocket = Some(websocket());
                let mut socks = peer.endpoint();
                through_proxy(
                    &mut socks,
                    format!("socks5h://u:p@127.0.0.1:{}", peer.port()),
                );
                let mut http = peer.endpoint();
                through_proxy(&mut http, format!("http://127.0.0.1:{}", peer.port()));
                for endpoint in [tls, ws] {
                    let error = refused(&endpoint).await;
                    assert!(!error.to_string().contains('\x1b'));
                }
                for endpoint in [socks, http] {
                    // A short random answer may happen to be a "yes".
                    let done = tokio::time::timeout(Duration::from_secs(20), dial(&endpoint)).await;
                    if let Err(error) = done.expect("an answer in time") {
                        let _ = (error.to_string(), error.hint());
                    }
                }
            });
            Ok(())
        })
        .unwrap();
}
