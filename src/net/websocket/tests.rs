//! The WebSocket layer against peers that frame, fragment, refuse and misbehave.

use std::time::Duration;

use proptest::{prelude::*, test_runner::TestRunner};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
};
use tokio_tungstenite::tungstenite::protocol::{
    Message,
    frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

use super::*;
use crate::net::{DialError, dial, testing::*};

async fn accept(stream: TcpStream) -> WebSocketPeer<TcpStream> {
    accept_websocket(stream).await.unwrap()
}

fn endpoint(server: &Server) -> Endpoint {
    let mut endpoint = server.endpoint();
    endpoint.websocket = Some(WebSocket::new("/mqtt", &[]).unwrap());
    endpoint
}

async fn connect(server: &Server) -> Stream {
    dial(&endpoint(server)).await.unwrap().stream
}

#[tokio::test]
async fn frames_of_any_shape_arrive_as_one_stream_of_bytes() {
    let server = serve(|stream| async move {
        let mut peer = accept(stream).await;
        let part = |opcode, fin: bool, bytes: &[u8]| {
            let mut frame = Frame::message(bytes.to_vec(), OpCode::Data(opcode), fin);
            frame.header_mut().is_final = fin;
            Message::Frame(frame)
        };
        peer.send(Message::Binary(b"ab".to_vec().into()))
            .await
            .unwrap();
        peer.send(Message::Binary(Vec::new().into())).await.unwrap();
        peer.send(part(Data::Binary, false, b"c")).await.unwrap();
        peer.send(Message::Ping(b"in between".to_vec().into()))
            .await
            .unwrap();
        peer.send(part(Data::Continue, false, b"")).await.unwrap();
        peer.send(part(Data::Continue, true, b"def")).await.unwrap();
        // Only a client that answers the ping gets the rest.
        while !matches!(peer.next().await.unwrap().unwrap(), Message::Pong(_)) {}
        peer.send(Message::Binary(vec![b'x'; 300_000].into()))
            .await
            .unwrap();
        peer.send(Message::Close(None)).await.unwrap();
        while let Some(Ok(_)) = peer.next().await {}
    })
    .await;
    let mut stream = connect(&server).await;
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    assert_eq!(all.len(), 6 + 300_000);
    assert_eq!(&all[..7], b"abcdefx");
    // Read again after the end: still the end.
    assert_eq!(stream.read(&mut [0; 10]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_frame_of_64_mib_passes() {
    const SIZE: usize = 64 << 20;
    let server = serve(|stream| async move {
        let mut peer = accept(stream).await;
        peer.send(Message::Binary(vec![7; SIZE].into()))
            .await
            .unwrap();
        while let Some(Ok(_)) = peer.next().await {}
    })
    .await;
    let mut stream = connect(&server).await;
    let mut buffer = vec![0; 1 << 20];
    let mut total = 0;
    while total < SIZE {
        let length = stream.read(&mut buffer).await.unwrap();
        assert!(length > 0 && buffer[..length].iter().all(|byte| *byte == 7));
        total += length;
    }
    assert_eq!(total, SIZE);
}

#[tokio::test]
async fn one_write_is_one_binary_frame_and_a_shutdown_closes_properly() {
    let (frames, mut seen) = mpsc::unbounded_channel();
    let server = serve(move |stream| {
        let frames = frames.clone();
        async move {
            let mut peer = accept(stream).await;
            while let Some(message) = peer.next().await {
                let _ = frames.send(message.map_err(|error| error.to_string()));
            }
        }
    })
    .await;
    let mut stream = connect(&server).await;
    assert_eq!(stream.write(b"CONNECT").await.unwrap(), 7);
    stream.flush().await.unwrap();
    let slices = [
        IoSlice::new(b"PUB"),
        IoSlice::new(b""),
        IoSlice::new(b"LISH"),
    ];
    assert!(stream.is_write_vectored());
    assert_eq!(stream.write_vectored(&slices).await.unwrap(), 7);
    assert_eq!(stream.write(&[]).await.unwrap(), 0);
    assert_eq!(
        stream.write(&vec![1; 100_000]).await.unwrap(),
        LARGEST_FRAME_OUT
    );
    stream.shutdown().await.unwrap();
    let mut next = async || {
        tokio::time::timeout(Duration::from_secs(20), seen.recv())
            .await
            .unwrap()
            .unwrap()
    };
    assert_eq!(
        next().await,
        Ok(Message::Binary(b"CONNECT".to_vec().into()))
    );
    assert_eq!(
        next().await,
        Ok(Message::Binary(b"PUBLISH".to_vec().into()))
    );
    assert_eq!(next().await.unwrap().len(), LARGEST_FRAME_OUT);
    assert_eq!(next().await, Ok(Message::Close(None)));
    assert!(stream.write(b"late").await.is_err());
}

#[tokio::test]
async fn nothing_is_lost_while_the_peer_is_slow() {
    let server = serve(|stream| async move {
        let mut peer = accept(stream).await;
        // Reads nothing until the client is stuck, but keeps pinging it.
        for n in 0..2000_u32 {
            peer.send(Message::Ping(n.to_be_bytes().to_vec().into()))
                .await
                .unwrap();
        }
        peer.send(Message::Binary(b"go".to_vec().into()))
            .await
            .unwrap();
        let mut all = Vec::new();
        while let Some(Ok(message)) = peer.next().await {
            if let Message::Binary(frame) = message {
                all.extend_from_slice(&frame);
                if all.ends_with(b"end") {
                    break;
                }
            }
        }
        let expected: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_be_bytes).collect();
        let verdict = if all[..all.len() - 3] == expected {
            b"same"
        } else {
            b"diff"
        };
        peer.send(Message::Binary(verdict.to_vec().into()))
            .await
            .unwrap();
        while let Some(Ok(_)) = peer.next().await {}
    })
    .await;
    let stream = connect(&server).await;
    let (mut from, mut to) = tokio::io::split(stream);
    let write = async {
        let bytes: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_be_bytes).collect();
        for chunk in bytes.chunks(7919) {
            to.write_all(chunk).await.unwrap();
        }
        to.write_all(b"end").await.unwrap();
        to.flush().await.unwrap();
    };
    let read = async {
        let mut answer = [0; 6];
        from.read_exact(&mut answer).await.unwrap();
        answer
    };
    let ((), answer) =
        tokio::time::timeout(Duration::from_secs(60), async { tokio::join!(write, read) })
            .await
            .unwrap();
    assert_eq!(&answer, b"gosame");
}

#[tokio::test]
async fn a_text_frame_is_an_error() {
    let server = serve(|stream| async move {
        let mut peer = accept(stream).await;
        peer.send(Message::Text("hello".into())).await.unwrap();
        while let Some(Ok(_)) = peer.next().await {}
    })
    .await;
    let error = connect(&server).await.read(&mut [0; 10]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert_eq!(
        error.to_string(),
        "the broker sent a text frame; MQTT travels in binary frames"
    );
}

#[tokio::test]
async fn path_host_and_headers_are_sent_as_asked() {
    let (requests, mut seen) = mpsc::unbounded_channel();
    let server = serve(move |mut stream| {
        let requests = requests.clone();
        async move {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            let _ = requests.send(String::from_utf8(request).unwrap());
        }
    })
    .await;
    let mut endpoint = server.endpoint();
    let headers = [
        ("Authorization".to_owned(), "Bearer t0ken".to_owned()),
        ("x-two".to_owned(), "ü".to_owned()),
    ];
    endpoint.websocket = Some(WebSocket::new("/a/b?c=d%20e", &headers).unwrap());
    assert!(!format!("{endpoint:?}").contains("t0ken"));
    assert!(matches!(
        refused(&endpoint).await,
        DialError::WebSocket {
            problem: WebSocketProblem::Closed,
            ..
        }
    ));
    let request = seen.recv().await.unwrap();
    assert!(
        request.starts_with("GET /a/b?c=d%20e HTTP/1.1\r\n"),
        "{request}"
    );
    for line in [
        format!("Host: 127.0.0.1:{}", server.port()),
        "authorization: Bearer t0ken".to_owned(),
        "x-two: ü".to_owned(),
        "Sec-WebSocket-Protocol: mqtt".to_owned(),
    ] {
        assert!(
            request.contains(&format!("\r\n{line}\r\n")),
            "{line} in {request}"
        );
    }

    endpoint.websocket =
        Some(WebSocket::new("/mqtt", &[("host".to_owned(), "other:1".to_owned())]).unwrap());
    refused(&endpoint).await;
    assert!(seen.recv().await.unwrap().contains("\r\nHost: other:1\r\n"));
}

#[test]
fn what_cannot_be_sent_is_refused_before_connecting() {
    let header = |name: &str, value: &str| {
        WebSocket::new("/", &[(name.to_owned(), value.to_owned())]).unwrap_err()
    };
    for path in ["mqtt", "", "/a b", "/a#b", "/\r\nX: y", "//\u{7f}"] {
        assert_eq!(
            WebSocket::new(path, &[]).unwrap_err(),
            WebSocketError::Path(path.to_owned())
        );
    }
    assert_eq!(
        header("a b", "c"),
        WebSocketError::HeaderName("a b".to_owned())
    );
    assert_eq!(
        header("a", "b\r\nc: d"),
        WebSocketError::HeaderValue("a".to_owned())
    );
    assert_eq!(
        header("Upgrade", "x"),
        WebSocketError::ReservedHeader("Upgrade".to_owned())
    );
    assert_eq!(
        header("sec-websocket-protocol", "x"),
        WebSocketError::ReservedHeader("sec-websocket-protocol".to_owned())
    );
    assert!(WebSocket::new("//double", &[]).is_ok());
}

#[tokio::test]
async fn a_refused_upgrade_says_what_the_server_said() {
    let cases: [(&[u8], &str, Option<&str>); 8] = [
        (b"HTTP/1.1 403 Nope\r\n\r\n", "the server refused the upgrade: HTTP 403 Forbidden", Some("credentials")),
        (b"HTTP/1.1 404 X\r\n\r\nbody", "the server refused the upgrade: HTTP 404 Not Found", Some("path")),
        (b"HTTP/1.1 401 X\r\n\r\n", "the server refused the upgrade: HTTP 401 Unauthorized", Some("credentials")),
        (b"HTTP/1.1 200 OK\r\n\r\n<html>", "this is not a WebSocket server: it answered HTTP 200 OK", Some("port")),
        (b"\x20\x02\x00\x05", "this is not a WebSocket server: the answer is not HTTP", Some("port")),
        (b"", "the connection was closed during the upgrade", Some("plain MQTT")),
        (
            b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: no\r\n\r\n",
            "this is not a WebSocket server: key mismatch in \"Sec-WebSocket-Accept\" header",
            Some("port"),
        ),
        (
            b"HTTP/1.1 101 X\r\n\r\n",
            "this is not a WebSocket server: no \"Upgrade: websocket\" header",
            Some("port"),
        ),
    ];
    for (answer, expected, hint) in cases {
        let server = serve(move |stream| say(stream, answer.to_vec())).await;
        let error = refused(&endpoint(&server)).await;
        let begin = format!("WebSocket at ws://127.0.0.1:{}/mqtt: ", server.port());
        assert_eq!(error.to_string(), format!("{begin}{expected}"));
        assert!(
            error.hint().unwrap().contains(hint.unwrap()),
            "{:?}",
            error.hint()
        );
    }
}

#[tokio::test]
async fn a_server_without_the_mqtt_subprotocol_is_refused() {
    let server = serve(|stream| async move {
        let _ = tokio_tungstenite::accept_async(stream).await;
    })
    .await;
    let error = refused(&endpoint(&server)).await;
    assert!(
        error
            .to_string()
            .ends_with("the server does not accept the subprotocol 'mqtt'"),
        "{error}"
    );
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let server = serve(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream
            .write_all(b"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n")
            .await
            .is_ok()
        {}
    })
    .await;
    let error = refused(&endpoint(&server)).await;
    assert!(
        error.to_string().contains("not a WebSocket server"),
        "{error}"
    );
}

#[test]
fn random_frames_from_a_peer_end_with_an_error_or_the_end() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let config = ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    TestRunner::new(config)
        .run(&prop::collection::vec(any::<u8>(), 0..200), |bytes| {
            runtime.block_on(async {
                let server = serve(move |stream| {
                    let bytes = bytes.clone();
                    async move {
                        let peer = accept(stream).await;
                        say(peer.0.into_inner(), bytes).await;
                    }
                })
                .await;
                let mut stream = connect(&server).await;
                let mut all = Vec::new();
                let end =
                    tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut all))
                        .await;
                let _ = end.expect("an end in time");
                let _ = tokio::time::timeout(Duration::from_secs(20), stream.shutdown())
                    .await
                    .expect("in time");
            });
            Ok(())
        })
        .unwrap();
}
