//! Every way to a broker: URLs, IPv6, Unix sockets, WebSockets, proxies, and some of them stacked.

use crate::{
    needs,
    support::{Client, HttpProxy, Mosquitto, Scripted, Socks, certs, free_port, mozzie},
};

#[test]
fn a_url_names_broker_login_and_topic() {
    needs!("mosquitto", "mosquitto_passwd");
    let broker = Mosquitto::config()
        .users(&[("al/ice", "p@ss:wo/rd"), ("bob", "plain")])
        .start();
    let port = broker.port;
    let good = [
        format!("mqtt://al%2Fice:p%40ss%3Awo%2Frd@127.0.0.1:{port}/u/t"),
        format!("mqtt://bob:plain@localhost:{port}/u/t"),
        format!("MQTT://bob:plain@[::1]:{port}/u/t"),
    ];
    for url in &good {
        mozzie("pub -m x -q 1").option("-L", url).run().prints("");
    }
    assert_eq!(
        broker.log_text().matches("'u/t'").count(),
        3,
        "{}",
        broker.log_text()
    );
    // The topic part is optional, and parts may be given as options.
    let bare = format!("mqtt://127.0.0.1:{port}");
    mozzie("pub -t u/t -m x -u bob -P plain")
        .option("-L", &bare)
        .run()
        .prints("");
    mozzie("pub -t u/t -m x -u bob -P plain")
        .option("--url", format!("{bare}/"))
        .run()
        .prints("");
    let wrong = format!("mqtt://bob:secret-word@127.0.0.1:{port}/u/t");
    let done = mozzie("pub -m x").option("-L", wrong).run();
    done.fails(4, &["not authorized"]);
    assert!(
        !done.stderr.contains("secret-word"),
        "a password is never printed\n{done}"
    );
}

#[test]
fn a_url_names_what_sub_subscribes_to() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let run = mozzie("sub -C 2 -v")
        .option("-L", format!("mqtt://127.0.0.1:{}/s/#", broker.port))
        .start();
    broker.subscribed(1);
    let mut publisher = Client::connect(broker.port);
    publisher.publish("s/1", "one", 0, false);
    publisher.publish("s/2", "two", 0, false);
    run.finish().prints("s/1 one\ns/2 two\n");
}

#[test]
fn the_environment_names_a_broker_and_the_command_line_beats_it() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let port = broker.port.to_string();
    let run = || mozzie("pub -t a -m x").env("MOZZIE_HOST", "127.0.0.1");
    run().env("MOZZIE_PORT", &port).run().prints("");
    run()
        .env("MOZZIE_PORT", free_port().to_string())
        .option("-p", &port)
        .run()
        .prints("");
    run().env("MOZZIE_PORT", "many").run().fails(2, &["many"]);
}

#[test]
fn ipv6_and_names_with_several_addresses_work() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    for host in ["::1", "localhost", "127.0.0.1"] {
        mozzie("pub -t a -m x")
            .args(&format!("-h {host} -p {}", broker.port))
            .run()
            .prints("");
    }
    // Only IPv4 listens here; `localhost` may be looked up as ::1 first.
    let broker = Scripted::welcoming(|peer| peer.until_closed());
    mozzie("pub -t a -m x")
        .args(&format!("-h localhost -p {}", broker.port))
        .run()
        .prints("");
}

#[test]
fn the_local_address_can_be_chosen() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let run = |address: &str| {
        mozzie("pub -t a -m x")
            .at(broker.port)
            .args(&format!("-A {address}"))
            .run()
    };
    run("127.0.0.1").prints("");
    if cfg!(target_os = "linux") {
        run("127.0.0.7").prints("");
        assert!(
            broker.log_text().contains("connection from 127.0.0.7"),
            "{}",
            broker.log_text()
        );
    }
    run("::1").fails(3, &["::1", "same family"]);
    run("192.0.2.55").fails(3, &["192.0.2.55"]);
}

#[test]
fn a_unix_socket_is_a_broker_too() {
    needs!("mosquitto");
    let broker = Mosquitto::config().also_unix().start();
    mozzie("pub -t a -m kept -r -q 1")
        .option("--unix", broker.unix())
        .run()
        .prints("");
    mozzie("sub -t a -C 1")
        .option("--unix", broker.unix())
        .run()
        .prints("kept\n");
    mozzie("pub -t a -m x")
        .option("--unix", "/no/such/socket")
        .run()
        .fails(3, &["/no/such/socket"]);
}

#[test]
fn websockets_carry_every_version_and_big_messages() {
    needs!("mosquitto");
    let broker = Mosquitto::config().websockets().start();
    if !broker.speaks_websockets() {
        return;
    }
    for version in ["31", "311", "5"] {
        let at = format!("-h 127.0.0.1 -p {} --ws -V {version}", broker.port);
        // Client libraries often stop at 10 KiB; mosquitto's own tests use this size.
        let big = "w".repeat(65_556);
        mozzie("pub -t ws -r -q 1 -s")
            .args(&at)
            .stdin(&big)
            .run()
            .prints("");
        mozzie("sub -t ws -C 1")
            .args(&at)
            .run()
            .prints(format!("{big}\n"));
    }
    let url = format!("ws://127.0.0.1:{}/topic/in/url", broker.port);
    mozzie("pub -m x -q 1").option("-L", url).run().prints("");
    assert!(broker.log_text().contains("topic/in/url"));
}

#[test]
fn the_websocket_handshake_has_path_headers_and_subprotocol() {
    let (send, receive) = std::sync::mpsc::channel();
    let broker = Scripted::start(move |door| {
        let mut peer = door.accept();
        send.send(String::from_utf8(peer.first_bytes()).unwrap())
            .unwrap();
        peer.try_send("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
        peer.linger_raw();
    });
    mozzie("pub -t a -m x --ws --ws-path /deep/path?q=1")
        .at(broker.port)
        .option("--ws-header", "Authorization: Bearer abc.def")
        .option("--ws-header", "X-Two: 2")
        .run()
        .fails(3, &["403"]);
    let request = receive.recv().unwrap();
    let lower = request.to_lowercase();
    assert!(
        request.starts_with("GET /deep/path?q=1 HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(
        lower.contains("\r\nauthorization: bearer abc.def\r\n")
            && lower.contains("\r\nx-two: 2\r\n"),
        "{request}"
    );
    assert!(
        lower.contains("\r\nsec-websocket-protocol: mqtt"),
        "{request}"
    );
    assert!(
        lower.contains(&format!("\r\nhost: 127.0.0.1:{}\r\n", broker.port)),
        "{request}"
    );
}

#[test]
fn the_websocket_path_is_mqtt_unless_told() {
    let (send, receive) = std::sync::mpsc::channel();
    let broker = Scripted::start(move |door| {
        let mut peer = door.accept();
        send.send(String::from_utf8(peer.first_bytes()).unwrap())
            .unwrap();
        peer.close();
    });
    mozzie("pub -t a -m x --ws")
        .at(broker.port)
        .run()
        .fails(3, &["websocket"]);
    assert!(
        receive
            .recv()
            .unwrap()
            .starts_with("GET /mqtt HTTP/1.1\r\n")
    );
}

#[test]
fn secure_websockets_work_by_option_and_by_url() {
    needs!("mosquitto", "openssl");
    let broker = Mosquitto::config().websockets().tls().start();
    if !broker.speaks_websockets() {
        return;
    }
    let ca = certs().path("ca.crt");
    let port = broker.port;
    mozzie("pub -t a -m x -q 1 --ws")
        .args(&format!("-h localhost -p {port}"))
        .option("--cafile", &ca)
        .run()
        .prints("");
    mozzie("pub -m x -q 1")
        .option("-L", format!("wss://localhost:{port}/a"))
        .option("--cafile", &ca)
        .run()
        .prints("");
    mozzie("pub -m x")
        .option("-L", format!("wss://localhost:{port}/a"))
        .run()
        .fails(3, &["certificate"]);
}

#[test]
fn websockets_to_a_plain_port_and_plain_to_websockets_are_3() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    mozzie("pub -t a -m x --ws")
        .at(broker.port)
        .run()
        .fails(3, &["websocket"]);
    let broker = Mosquitto::config().websockets().start();
    if broker.speaks_websockets() {
        // What comes back is HTTP.
        mozzie("pub -t a -m x")
            .at(broker.port)
            .run()
            .fails(3, &["it is HTTP, not MQTT", "use --ws"]);
    }
}

#[test]
fn a_socks_proxy_is_used_with_and_without_login() {
    needs!("mosquitto", "microsocks");
    let broker = Mosquitto::start();
    let proxy = Socks::open();
    let publish = |proxy: String| {
        mozzie("pub -t a -m x -q 1")
            .at(broker.port)
            .option("--proxy", proxy)
            .run()
    };
    publish(format!("socks5h://127.0.0.1:{}", proxy.port)).prints("");
    let proxy = Socks::with_login("us:er", "p@ss");
    publish(format!("socks5h://us%3Aer:p%40ss@127.0.0.1:{}", proxy.port)).prints("");
    publish(format!("socks5h://us%3Aer:wrong@127.0.0.1:{}", proxy.port))
        .fails(3, &["proxy", "refused"]);
    publish(format!("socks5h://127.0.0.1:{}", proxy.port)).fails(3, &["proxy", "user name"]);
    publish(format!("socks5h://127.0.0.1:{}", free_port())).fails(3, &["proxy", "refused"]);
    publish("socks5h://no-such-proxy.invalid:1080".to_owned())
        .fails(3, &["proxy", "no-such-proxy.invalid"]);
}

#[test]
fn a_socks_proxy_that_cannot_reach_the_broker_is_3() {
    needs!("microsocks");
    let proxy = Socks::open();
    let url = format!("socks5h://127.0.0.1:{}", proxy.port);
    let port = free_port();
    mozzie("pub -t a -m x")
        .at(port)
        .option("--proxy", url)
        .run()
        .fails(3, &["proxy", &port.to_string()]);
}

#[test]
fn an_http_proxy_is_asked_to_connect() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let proxy = HttpProxy::start(None);
    let url = format!("http://me:secret@127.0.0.1:{}", proxy.port);
    mozzie("pub -t a -m x -q 1")
        .at(broker.port)
        .option("--proxy", url)
        .run()
        .prints("");
    let requests = proxy.requests();
    assert_eq!(
        requests[0],
        format!("CONNECT 127.0.0.1:{} HTTP/1.1", broker.port)
    );
    let login = requests
        .iter()
        .find(|line| line.to_lowercase().starts_with("proxy-authorization:"));
    assert!(
        login.is_some_and(|line| line.ends_with("Basic bWU6c2VjcmV0")),
        "{requests:?}"
    );

    let proxy = HttpProxy::start(Some("407 Proxy Authentication Required"));
    let url = format!("http://127.0.0.1:{}", proxy.port);
    mozzie("pub -t a -m x")
        .at(broker.port)
        .option("--proxy", url)
        .run()
        .fails(3, &["proxy", "user name"]);
    let proxy = HttpProxy::start(Some("403 Forbidden"));
    let url = format!("http://127.0.0.1:{}", proxy.port);
    mozzie("pub -t a -m x")
        .at(broker.port)
        .option("--proxy", url)
        .run()
        .fails(3, &["proxy", "127.0.0.1"]);
}

#[test]
fn layers_stack() {
    needs!("mosquitto", "openssl", "microsocks");
    let ca = certs().path("ca.crt");
    let tls = Mosquitto::config().tls().start();
    let http = HttpProxy::start(None);
    mozzie("pub -t a -m x -q 1")
        .args(&format!(
            "-h localhost -p {} --proxy http://127.0.0.1:{}",
            tls.port, http.port
        ))
        .option("--cafile", &ca)
        .run()
        .prints("");
    let wss = Mosquitto::config().websockets().tls().start();
    if !wss.speaks_websockets() {
        return;
    }
    let socks = Socks::with_login("u", "p");
    let at = format!("--proxy socks5h://u:p@127.0.0.1:{}", socks.port);
    let url = format!("wss://localhost:{}/a", wss.port);
    mozzie("pub -m kept -r -q 1 -V 5")
        .option("-L", &url)
        .args(&at)
        .option("--cafile", &ca)
        .run()
        .prints("");
    mozzie("sub -C 1")
        .option("-L", &url)
        .args(&at)
        .option("--cafile", &ca)
        .run()
        .prints("kept\n");
}

#[test]
fn a_broker_that_accepts_and_says_nothing_times_out_with_3() {
    let broker = Scripted::start(|door| {
        let mut peer = door.accept();
        peer.linger_raw();
    });
    mozzie("pub -t a -m x --connect-timeout 1s")
        .at(broker.port)
        .run()
        .fails(3, &["connack", "1 s"]);
}
