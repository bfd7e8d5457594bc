//! The ways to the broker: WebSockets, SOCKS5, TLS.

use std::net::UdpSocket;

use super::VERSIONS;
use crate::needs;
use crate::support::{Client, Mosquitto, Socks, called, certs};

const TOPIC: &str = "some/topic";

#[test]
fn websockets_carry_small_and_large_messages_both_ways() {
    needs!("mosquitto");
    // longer than the buffers and limits that libraries come with
    let large = "abcdefghijklmnopqrstuvwxyz0123456789".repeat(1821);
    for version in VERSIONS {
        let broker = Mosquitto::config().websockets().start();
        if !broker.speaks_websockets() {
            return;
        }
        let mut observer = Client::observing(broker.plain_port(), TOPIC);
        let words = format!("-p {} -q 1 -t {TOPIC} -V {version} --ws", broker.port);
        // the observer has subscribed twice
        for (subscribed, payload) in [(3, "message"), (4, &large)] {
            let run = called("mosquitto_sub", &words).args("-C 1").start();
            broker.subscribed(subscribed);
            called("mosquitto_pub", &words)
                .option("-m", payload)
                .run()
                .prints("");
            assert_eq!(observer.next().payload, payload.as_bytes());
            run.finish().prints(format!("{payload}\n"));
        }
    }
}

#[test]
fn a_socks_proxy_carries_a_message_by_name_and_by_address() {
    needs!("mosquitto", "microsocks");
    let broker = Mosquitto::start();
    let mut observer = Client::observing(broker.port, TOPIC);
    let open = Socks::open();
    let locked = Socks::with_login("user", "pass:word");
    for version in VERSIONS {
        for host in ["localhost", "127.0.0.1"] {
            for (login, proxy) in [("", &open), ("user:pass%3Aword@", &locked)] {
                let words = format!("-h {host} -p {} -q 1 -t {TOPIC} -m message", broker.port);
                called("mosquitto_pub", &words)
                    .version(version)
                    .option("--proxy", format!("socks5h://{login}{host}:{}", proxy.port))
                    .run()
                    .prints("");
                assert_eq!(observer.next().payload, b"message");
            }
        }
    }
}

#[test]
fn a_socks_proxy_that_refuses_the_login_ends_it() {
    needs!("mosquitto", "microsocks");
    let broker = Mosquitto::start();
    let locked = Socks::with_login("user", "pass:word");
    for version in VERSIONS {
        let words = format!("-h localhost -p {} -q 1 -t {TOPIC} -m message", broker.port);
        let done = called("mosquitto_pub", &words)
            .version(version)
            .option(
                "--proxy",
                format!("socks5h://wrong:auth@localhost:{}", locked.port),
            )
            .run();
        assert_eq!(
            (done.code(), done.stderr.as_str()),
            (Some(11), "Error: Authorisation failed\n")
        );
    }
}

/// An address of this machine that no certificate of the tests names, if it has one. Nothing is sent.
fn other_address() -> Option<String> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback()).then(|| address.to_string())
}

#[test]
fn tls_holds_the_name_against_the_certificate_unless_told_not_to() {
    needs!("mosquitto", "openssl");
    let broker = Mosquitto::config().tls().start();
    let publish = |host: &str, more: &str| {
        let words = format!("-d -h {host} -p {} -t {TOPIC} -m message", broker.port);
        called("mosquitto_pub", &words)
            .args(more)
            .option("--cafile", certs().path("ca.crt"))
            // It can neither be made nor written.
            .env("SSLKEYLOGFILE", "/no/such/folder/keylog")
            .run()
    };
    assert_eq!(publish("127.0.0.1", "").code(), Some(0));
    let Some(other) = other_address() else {
        eprintln!("SKIPPED: this machine has only loopback");
        return;
    };
    publish(&other, "").ends(14, "", &["Error: Protocol error"]);
    // The alert that goes with a name that is not the certificate's.
    broker.wait_for("bad certificate", 1);
    assert_eq!(publish(&other, "--insecure").code(), Some(0));
}
