//! TLS against real brokers: trust, names, dates, client certificates, and every way to get it wrong.

use std::fs;

use tempfile::TempDir;

use crate::{
    needs,
    support::{Client, Mosquitto, Scripted, certs, free_port, mozzie},
};

/// `mozzie pub` to `host` with the tests' authority trusted.
fn publish(host: &str, port: u16) -> crate::support::Mozzie {
    mozzie("pub -t tls -m x -q 1").args(&format!("-h {host} -p {port}"))
}

#[test]
fn a_certificate_of_a_trusted_authority_is_accepted_by_name_and_address() {
    needs!("mosquitto", "openssl");
    let broker = Mosquitto::config().tls().start();
    let certs = certs();
    for version in ["31", "311", "5"] {
        for host in ["localhost", "127.0.0.1", "::1"] {
            publish(host, broker.port)
                .version(version)
                .option("--cafile", certs.path("ca.crt"))
                .run()
                .prints("");
        }
    }
    publish("localhost", broker.port)
        .option("--capath", certs.path("capath"))
        .run()
        .prints("");
}

#[test]
fn sub_over_tls_prints_what_comes() {
    needs!("mosquitto", "openssl");
    let broker = Mosquitto::config().tls().start();
    let ca = certs().path("ca.crt");
    let at = format!("-h localhost -p {}", broker.port);
    let run = mozzie("sub -t tls -C 2")
        .args(&at)
        .option("--cafile", &ca)
        .start();
    broker.subscribed(1);
    let long = "y".repeat(100_000);
    mozzie("pub -t tls -l -q 2")
        .args(&at)
        .option("--cafile", &ca)
        .stdin(format!("x\n{long}\n"))
        .run()
        .prints("");
    run.finish().prints(format!("x\n{long}\n"));
}

#[test]
fn an_unknown_authority_is_3_and_named_with_a_hint() {
    needs!("mosquitto", "openssl");
    let broker = Mosquitto::config().tls().start();
    publish("localhost", broker.port)
        .option("--cafile", certs().path("other-ca.crt"))
        .run()
        .fails(
            3,
            &["certificate", "mozzie tests", "not trusted", "\n  hint: "],
        );
    // Any TLS option turns TLS on; without a CA file the system's authorities count, and ours is not among them.
    publish("localhost", broker.port)
        .args("--tls-use-os-certs")
        .run()
        .fails(3, &["certificate"]);
}

#[test]
fn an_expired_certificate_is_3_and_says_when() {
    needs!("mosquitto", "openssl");
    let broker = Mosquitto::config().tls_with(certs(), "expired").start();
    publish("localhost", broker.port)
        .option("--cafile", certs().path("ca.crt"))
        .run()
        .fails(3, &["expired", "2021-01-01"]);
}

#[test]
fn a_certificate_for_another_name_is_3_and_says_both_names() {
    needs!("mosquitto", "openssl");
    let broker = Mosquitto::config().tls_with(certs(), "wrong-name").start();
    let ca = certs().path("ca.crt");
    publish("localhost", broker.port)
        .option("--cafile", &ca)
        .run()
        .fails(3, &["'localhost'", "other.example"]);
    publish("127.0.0.1", broker.port)
        .option("--cafile", &ca)
        .run()
        .fails(3, &["127.0.0.1", "other.example"]);
    publish("localhost", broker.port)
        .option("--cafile", &ca)
        .args("--tls-server-name other.example")
        .run()
        .prints("");
}

#[test]
fn a_certificate_with_only_a_common_name_is_3_and_says_why() {
    needs!("mosquitto", "openssl");
    let broker = Mosquitto::config().tls_with(certs(), "cn-only").start();
    publish("localhost", broker.port)
        .option("--cafile", certs().path("ca.crt"))
        .run()
        .fails(3, &["subject alternative name", "localhost"]);
}

#[test]
fn insecure_accepts_any_certificate_and_still_encrypts() {
    needs!("mosquitto", "openssl");
    for name in ["server", "expired", "wrong-name", "cn-only"] {
        let broker = Mosquitto::config().tls_with(certs(), name).start();
        publish("localhost", broker.port)
            .args("--insecure")
            .run()
            .prints("");
        publish("127.0.0.1", broker.port)
            .args("--insecure")
            .option("--cafile", certs().path("other-ca.crt"))
            .run()
            .prints("");
    }
}

#[test]
fn a_client_certificate_logs_in_with_every_form_of_key() {
    needs!("mosquitto", "openssl");
    let broker = Mosquitto::config().tls().client_certificates().start();
    let certs = certs();
    let forms = [
        ("client-ec.crt", "client-ec.key", false),
        ("client-ec.crt", "client-ec-sec1.key", false),
        ("client-ec.crt", "client-ec-encrypted.key", true),
        ("client-rsa.crt", "client-rsa.key", false),
        ("client-rsa.crt", "client-rsa-pkcs1.key", false),
        ("client-rsa.crt", "client-rsa-traditional.key", true),
    ];
    for (certificate, key, encrypted) in forms {
        let mut run = publish("localhost", broker.port)
            .option("--cafile", certs.path("ca.crt"))
            .option("--cert", certs.path(certificate))
            .option("--key", certs.path(key));
        if encrypted {
            run = run.option("--key-password-file", certs.path("passphrase"));
        }
        run.run().prints("");
    }
    let log = broker.log_text();
    assert!(
        log.contains("u'alice'") && log.contains("u'bob'"),
        "the certificates' names are the users\n{log}"
    );
}

#[test]
fn the_environment_names_the_key_its_passphrase_and_the_certificate() {
    needs!("mosquitto", "openssl");
    let broker = Mosquitto::config().tls().client_certificates().start();
    let certs = certs();
    publish("localhost", broker.port)
        .env("MOZZIE_CAFILE", certs.path("ca.crt"))
        .env("MOZZIE_CERT", certs.path("client-ec.crt"))
        .env("MOZZIE_KEY", certs.path("client-ec-encrypted.key"))
        .env("MOZZIE_KEY_PASSWORD_FILE", certs.path("passphrase"))
        .run()
        .prints("");
}

#[test]
fn a_missing_client_certificate_is_3_and_says_so() {
    needs!("mosquitto", "openssl");
    let broker = Mosquitto::config().tls().client_certificates().start();
    for version in ["tlsv1.2", "tlsv1.3"] {
        publish("localhost", broker.port)
            .option("--cafile", certs().path("ca.crt"))
            .args("--tls-version")
            .arg(version)
            .run()
            .fails(
                3,
                &[
                    "error: TLS with localhost:",
                    ": the broker wants a client certificate\n",
                    "\n  hint: give one with --cert",
                ],
            );
    }
}

#[test]
fn bench_names_the_client_certificate_that_is_missing() {
    needs!("mosquitto", "openssl");
    let broker = Mosquitto::config().tls().client_certificates().start();
    mozzie("bench -n 1")
        .args(&format!("-h localhost -p {}", broker.port))
        .option("--cafile", certs().path("ca.crt"))
        .run()
        .fails(3, &["TLS: the broker wants a client certificate", "--cert"]);
}

#[test]
fn a_refused_client_certificate_is_3_and_says_so() {
    needs!("mosquitto", "openssl");
    let broker = Mosquitto::config().tls().client_certificates().start();
    let certs = certs();
    for version in ["tlsv1.2", "tlsv1.3"] {
        publish("localhost", broker.port)
            .option("--cafile", certs.path("ca.crt"))
            .option("--cert", certs.path("other-ca.crt"))
            .option("--key", certs.path("other-ca.key"))
            .args("--tls-version")
            .arg(version)
            .run()
            .fails(
                3,
                &[
                    "error: TLS with localhost:",
                    ": the broker refused the client certificate: its authority is not trusted\n",
                    "\n  hint: the broker must trust the authority",
                ],
            );
    }
}

#[test]
fn keys_and_certificates_that_cannot_be_used_are_2_before_any_connection() {
    needs!("openssl");
    let certs = certs();
    let ca = certs.path("ca.crt");
    let port = free_port();
    // Nobody listens there: a failure of the connection would be 3.
    let run = |cert: &str, key: &str, pass: Option<&str>| {
        let mut run = publish("localhost", port)
            .option("--cafile", &ca)
            .option("--cert", certs.path(cert))
            .option("--key", certs.path(key));
        if let Some(pass) = pass {
            run = run.option("--key-password-file", certs.path(pass));
        }
        run.run()
    };
    run(
        "client-ec.crt",
        "client-ec-encrypted.key",
        Some("wrong-passphrase"),
    )
    .fails(2, &["client-ec-encrypted.key"]);
    run("client-ec.crt", "client-ec-encrypted.key", None)
        .fails(2, &["client-ec-encrypted.key", "passphrase"]);
    run(
        "client-ec.crt",
        "client-rsa-traditional.key",
        Some("wrong-passphrase"),
    )
    .fails(2, &["client-rsa-traditional.key"]);
    run("client-ec.crt", "client-rsa.key", None).fails(2, &["client-rsa.key"]);
    run("client-ec.crt", "garbage.pem", None).fails(2, &["garbage.pem"]);
    run("client-ec.crt", "empty.pem", None).fails(2, &["empty.pem"]);
    run("client-ec.crt", "no-such-file", None).fails(2, &["no-such-file"]);
    run("garbage.pem", "client-ec.key", None).fails(2, &["garbage.pem"]);
    run("no-such-file", "client-ec.key", None).fails(2, &["no-such-file"]);
    publish("localhost", port)
        .option("--cafile", certs.path("garbage.pem"))
        .run()
        .fails(2, &["garbage.pem"]);
    publish("localhost", port)
        .option("--cafile", certs.path("empty.pem"))
        .run()
        .fails(2, &["empty.pem"]);
    publish("localhost", port)
        .option("--cafile", certs.path("nothing"))
        .run()
        .fails(2, &["nothing"]);
    publish("localhost", port)
        .option("--capath", certs.path("nothing"))
        .run()
        .fails(2, &["nothing"]);
    let half = publish("localhost", port)
        .option("--cafile", &ca)
        .option("--cert", certs.path("client-ec.crt"));
    half.run().fails(2, &["--key"]);
    let half = publish("localhost", port)
        .option("--cafile", &ca)
        .option("--key", certs.path("client-ec.key"));
    half.run().fails(2, &["--cert"]);
}

#[test]
fn tls_versions_can_be_chosen() {
    needs!("mosquitto", "openssl");
    let broker = Mosquitto::config().tls().start();
    let ca = certs().path("ca.crt");
    for version in ["tlsv1.2", "tlsv1.3"] {
        publish("localhost", broker.port)
            .option("--cafile", &ca)
            .args("--tls-version")
            .arg(version)
            .run()
            .prints("");
    }
}

#[test]
fn a_tls_version_that_the_broker_does_not_have_is_3_and_named() {
    needs!("mosquitto", "openssl");
    let broker = Mosquitto::config().tls_of_version("tlsv1.3").start();
    let run = || publish("localhost", broker.port).option("--cafile", certs().path("ca.crt"));
    run().args("--tls-version tlsv1.3").run().prints("");
    run()
        .args("--tls-version tlsv1.2")
        .run()
        .fails(3, &["version", "1.2"]);
}

#[test]
fn the_handshake_offers_the_server_name_and_the_alpn_protocols() {
    let hello = |options: &str| {
        let (send, receive) = std::sync::mpsc::channel();
        let broker = Scripted::start(move |door| send.send(door.accept().first_bytes()).unwrap());
        let at = format!("pub -t a -m x -h localhost -p {} {options}", broker.port);
        mozzie(&at).run().status(3);
        receive.recv().unwrap()
    };
    let has = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    let bytes = hello("--insecure");
    assert!(has(&bytes, b"\0\x09localhost") && !has(&bytes, b"\x04mqtt"));
    let bytes = hello("--insecure --tls-server-name other.example --tls-alpn mqtt,x-amzn-mqtt-ca");
    assert!(has(&bytes, b"\0\x0dother.example") && !has(&bytes, b"localhost"));
    assert!(has(&bytes, b"\x04mqtt\x0ex-amzn-mqtt-ca"));
}

#[test]
fn ciphers_can_be_chosen() {
    needs!("mosquitto", "openssl");
    let broker = Mosquitto::config().tls().start();
    let ca = certs().path("ca.crt");
    for ciphers in [
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305",
    ] {
        publish("localhost", broker.port)
            .option("--cafile", &ca)
            .args("--tls-version tlsv1.2 --ciphers")
            .arg(ciphers)
            .run()
            .prints("");
    }
    publish("localhost", broker.port)
        .option("--cafile", &ca)
        .args("--ciphers RC4-MD5")
        .run()
        .fails(2, &["RC4-MD5"]);
}

#[test]
fn alpn_can_be_offered() {
    needs!("mosquitto", "openssl");
    let broker = Mosquitto::config().tls().start();
    publish("localhost", broker.port)
        .option("--cafile", certs().path("ca.crt"))
        .args("--tls-alpn mqtt")
        .run()
        .prints("");
}

#[test]
fn a_key_log_is_written_where_asked() {
    needs!("mosquitto", "openssl");
    let broker = Mosquitto::config().tls().start();
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("keys");
    let run = || publish("localhost", broker.port).option("--cafile", certs().path("ca.crt"));
    run().option("--tls-keylog", &file).run().prints("");
    assert!(fs::read_to_string(&file).unwrap().contains("CLIENT_"));
    let by_environment = folder.path().join("sslkeylog");
    run().env("SSLKEYLOGFILE", &by_environment).run().prints("");
    assert!(
        fs::read_to_string(&by_environment)
            .unwrap()
            .contains("CLIENT_")
    );
    // The variable is for every program of the user; one that cannot be written does no harm.
    run()
        .env("SSLKEYLOGFILE", folder.path().join("no/such/folder"))
        .run()
        .status(0);
}

#[test]
fn tls_to_a_plain_port_is_3_and_says_so() {
    needs!("mosquitto", "openssl");
    let broker = Mosquitto::start();
    publish("localhost", broker.port)
        .option("--cafile", certs().path("ca.crt"))
        .run()
        .fails(3, &["tls"]);
    let broker = Scripted::start(|door| {
        let mut peer = door.accept();
        peer.try_send([0x20, 2, 0, 0]);
        peer.linger_raw();
    });
    publish("127.0.0.1", broker.port)
        .args("--insecure")
        .run()
        .fails(3, &["tls"]);
}

#[test]
fn plain_to_a_tls_port_is_3() {
    needs!("mosquitto", "openssl");
    let broker = Mosquitto::config().tls().start();
    publish("localhost", broker.port)
        .run()
        .fails(3, &["connection"]);
    mozzie("sub -t a")
        .args(&format!("-h localhost -p {}", broker.port))
        .run()
        .fails(3, &["connection"]);
}

#[test]
fn no_tls_option_ever_sends_a_password_in_plain_text() {
    let options = [
        "--insecure",
        "--tls-version tlsv1.3",
        "--tls-alpn mqtt",
        "--tls-use-os-certs",
        "--tls-server-name localhost",
        "--ciphers ECDHE-ECDSA-AES128-GCM-SHA256",
    ];
    for option in options {
        let (send, receive) = std::sync::mpsc::channel();
        let broker = Scripted::start(move |door| {
            let mut peer = door.accept();
            send.send(peer.first_bytes()).unwrap();
        });
        let done = mozzie("pub -t a -m x -u alice -P s3cret")
            .at(broker.port)
            .args(option)
            .run();
        assert_eq!(done.code(), Some(3), "{done}");
        let bytes = receive.recv().unwrap();
        assert!(
            bytes.starts_with(&[0x16, 0x03]),
            "{option} begins with a TLS handshake: {bytes:?}"
        );
    }
}

#[test]
fn mqtts_urls_and_the_environment_turn_tls_on() {
    needs!("mosquitto", "openssl");
    let broker = Mosquitto::config().tls().start();
    let mut runs = 0;
    let url = format!("mqtts://localhost:{}/from/url", broker.port);
    let ca = certs().path("ca.crt");
    mozzie("pub -m x")
        .option("-L", &url)
        .option("--cafile", &ca)
        .run()
        .prints("");
    mozzie("pub -m x")
        .option("-L", &url)
        .env("MOZZIE_CAFILE", &ca)
        .run()
        .prints("");
    mozzie("pub -m x")
        .option("-L", url.replace("mqtts", "MQTTS"))
        .args("--insecure")
        .run()
        .prints("");
    mozzie("pub -m x")
        .option("-L", &url)
        .run()
        .fails(3, &["certificate"]);
    runs += broker.log_text().matches("from/url").count();
    assert!(runs >= 3, "{}", broker.log_text());
}

#[test]
fn a_big_message_crosses_tls_both_ways() {
    needs!("mosquitto", "openssl");
    let broker = Mosquitto::config().tls().start();
    let ca = certs().path("ca.crt");
    let at = format!("-h localhost -p {}", broker.port);
    let big = vec![b'z'; 3 << 20];
    mozzie("pub -t big -r -q 1 -s")
        .args(&at)
        .option("--cafile", &ca)
        .stdin(&big)
        .run()
        .prints("");
    let done = mozzie("sub -t big -C 1 -N")
        .args(&at)
        .option("--cafile", &ca)
        .run();
    done.status(0);
    assert!(done.stdout == big, "three mebibytes come back unchanged");
}

#[test]
fn a_plain_client_of_the_tests_is_not_let_in_where_tls_is_asked_for() {
    // The proof that the brokers of this module really ask for TLS.
    needs!("mosquitto", "openssl");
    let broker = Mosquitto::config().tls().start();
    assert!(std::panic::catch_unwind(|| Client::connect(broker.port)).is_err());
}
