//! `mozzie doctor` against real brokers, and against scripted ones that refuse things.

use serde_json::Value;

use crate::{
    needs,
    support::{
        Client, Done, HttpProxy, Mosquitto, Scripted, Socks, VERSIONS, certs, free_port, mozzie,
        wire,
    },
};

/// The JSON report, and each check as "name result".
#[track_caller]
fn report(done: &Done) -> (Value, Vec<String>) {
    let report: Value = serde_json::from_slice(&done.stdout).expect("a JSON report");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let checks = report["checks"].as_array().expect("checks").iter();
    let checks = checks
        .map(|check| format!("{} {}", text(&check["name"]), text(&check["result"])))
        .collect();
    (report, checks)
}

/// The check of this name.
#[track_caller]
fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    let checks = report["checks"].as_array().expect("checks");
    checks
        .iter()
        .find(|check| check["name"] == name)
        .unwrap_or_else(|| panic!("no check {name} in {report}"))
}

const FEATURES: [&str; 8] = [
    "subscribe ok",
    "QoS 0 ok",
    "QoS 1 ok",
    "QoS 2 ok",
    "retained ok",
    "wildcard ok",
    "shared ok",
    "payload ok",
];

#[test]
fn a_healthy_broker_passes_every_check_and_keeps_nothing() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let mut everything = Client::observing(broker.port, "#");
    for version in VERSIONS {
        let done = mozzie("doctor --json --max-payload 100k")
            .at(broker.port)
            .version(version)
            .run();
        done.status(0);
        let (report, checks) = report(&done);
        assert_eq!(checks[..2], ["connect ok", "login ok"], "{done}");
        assert_eq!(checks[2..], FEATURES, "{done}");
        assert_eq!(report["ok"], true);
        assert_eq!(report["exit_code"], 0);
        assert!(report["checks"][0]["ms"].as_f64().unwrap() > 0.0);
        assert_eq!(check(&report, "payload")["detail"], "100000 bytes");
        assert_eq!(report.get("limits").is_some(), version == "5");
    }
    let seen = everything.until_now(broker.port);
    assert!(
        seen.iter()
            .all(|message| message.topic.starts_with("mozzie/doctor/")),
        "only below its own topic"
    );
    let mut late = Client::observing(broker.port, "#");
    assert!(
        late.until_now(broker.port).is_empty(),
        "nothing is retained"
    );
}

#[test]
fn the_table_is_for_people_and_check_is_another_name() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let done = mozzie("check -t my/own --max-payload 0 -V 5")
        .at(broker.port)
        .run();
    done.status(0);
    let text = done.stdout_text();
    assert!(text.starts_with(&format!("broker 127.0.0.1:{}\n\n", broker.port)));
    assert!(text.contains("  QoS 2      ok"), "{done}");
    assert!(text.contains("my/own/wildcard/+/#"), "{done}");
    assert!(text.contains("receive maximum"), "{done}");
    assert!(!text.contains("payload"), "none was to be tried\n{done}");
    assert!(!text.contains('\x1b'), "no colours into a pipe\n{done}");
    assert!(done.stderr.is_empty(), "{done}");
    let coloured = mozzie("doctor --max-payload 0 --color always")
        .at(broker.port)
        .run();
    assert!(coloured.stdout_text().contains("\x1b[32mok"), "{coloured}");
}

#[test]
fn tls_shows_the_chain_also_where_it_is_not_trusted() {
    needs!("mosquitto", "openssl");
    let broker = Mosquitto::config().tls().start();
    let ca = certs().path("ca.crt");
    let good = mozzie("doctor --json -h localhost --max-payload 1k")
        .args(&format!("-p {}", broker.port))
        .option("--cafile", &ca)
        .run();
    good.status(0);
    let (good, checks) = report(&good);
    assert_eq!(
        checks[..4],
        ["resolve ok", "connect ok", "TLS ok", "login ok"]
    );
    let own = &good["certificates"][0];
    assert_eq!(own["issuer"], "mozzie tests");
    assert!(
        own["names"]
            .as_array()
            .unwrap()
            .contains(&"localhost".into())
    );
    assert_eq!(own["not_before"], "2020-01-01T00:00:00Z");

    let bad = mozzie("doctor --json --cafile")
        .arg(certs().path("other-ca.crt"))
        .at(broker.port)
        .run();
    bad.status(3);
    let (bad, checks) = report(&bad);
    assert_eq!(checks[..3], ["connect ok", "TLS failed", "login skipped"]);
    let hint = check(&bad, "TLS")["hint"].as_str().unwrap();
    assert!(hint.contains("--cafile"), "{hint}");
    assert_eq!(bad["certificates"][0]["issuer"], "mozzie tests");
}

#[test]
fn a_tls_listener_is_found_out_where_plain_mqtt_was_tried() {
    needs!("mosquitto", "openssl");
    let broker = Mosquitto::config().tls().start();
    let done = mozzie("doctor").at(broker.port).run();
    done.status(3);
    let text = done.stdout_text();
    assert!(
        text.contains("this is a TLS listener: use mqtts://"),
        "{done}"
    );
    assert!(text.contains("payload    skipped"), "{done}");
}

#[test]
fn websockets_are_a_step_of_their_own() {
    needs!("mosquitto");
    let broker = Mosquitto::config().websockets().start();
    if !broker.speaks_websockets() {
        return;
    }
    let done = mozzie("doctor --json --ws --max-payload 100k")
        .at(broker.port)
        .run();
    done.status(0);
    let (_, checks) = report(&done);
    assert_eq!(checks[..3], ["connect ok", "WebSocket ok", "login ok"]);
    assert_eq!(checks[3..], FEATURES);
}

#[test]
fn every_way_to_a_broker_has_its_steps() {
    needs!("mosquitto", "openssl", "microsocks");
    let broker = Mosquitto::config().also_unix().start();
    let tls = Mosquitto::config().tls().start();
    let socks = Socks::open();
    let http = HttpProxy::start(None);
    let (socks, remote) = (
        format!("socks5://127.0.0.1:{}", socks.port),
        format!("socks5h://127.0.0.1:{}", socks.port),
    );
    let http = format!("http://127.0.0.1:{}", http.port);
    let ca = certs().path("ca.crt").display().to_string();
    let unix = broker.unix().display().to_string();
    for (options, port, steps) in [
        (
            vec!["--proxy", &socks],
            Some(broker.port),
            "resolve connect proxy",
        ),
        (vec!["--proxy", &remote], Some(broker.port), "connect proxy"),
        (vec!["--proxy", &http], Some(broker.port), "connect proxy"),
        (
            vec!["--proxy", &socks, "--cafile", &ca],
            Some(tls.port),
            "resolve connect proxy TLS",
        ),
        (
            vec!["--proxy", &http, "--cafile", &ca],
            Some(tls.port),
            "connect proxy TLS",
        ),
        (vec!["--unix", &unix], None, "connect"),
    ] {
        let mut run = mozzie("doctor --json --max-payload 10k");
        for option in &options {
            run = run.arg(option);
        }
        let done = port.into_iter().fold(run, |run, port| run.at(port)).run();
        done.status(0);
        let (report, checks) = report(&done);
        let steps = steps.split(' ').chain(["login"]);
        let steps = steps.map(|name| format!("{name} ok")).collect::<Vec<_>>();
        assert_eq!(checks[..steps.len()], steps, "{options:?}");
        assert_eq!(checks[steps.len()..], FEATURES, "{options:?}");
        assert_eq!(
            report["certificates"].is_array(),
            options.contains(&"--cafile"),
            "{done}"
        );
    }
}

#[test]
fn what_access_control_forbids_is_named_and_another_topic_helps() {
    needs!("mosquitto");
    let broker = Mosquitto::config()
        .acl("topic deny mozzie/#\ntopic readwrite open/#\n")
        .start();
    for version in VERSIONS {
        let doctor = || {
            mozzie("doctor --json --max-payload 1k --timeout 200ms")
                .at(broker.port)
                .version(version)
        };
        let done = doctor().run();
        let (report, checks) = report(&done);
        assert_eq!(checks[2..4], ["subscribe ok", "QoS 0 failed"], "{done}");
        for name in ["QoS 0", "QoS 1", "retained", "wildcard", "shared"] {
            let hint = check(&report, name)["hint"].as_str().unwrap();
            assert!(hint.contains("access control"), "{name}: {hint}");
        }
        // The size is not the reason, so no other is tried.
        assert_eq!(check(&report, "payload")["result"], "skipped", "{done}");
        assert_eq!(
            done.code(),
            check(&report, "QoS 0")["exit_code"]
                .as_i64()
                .map(|code| code as i32)
        );
        if version == "5" {
            assert_eq!(check(&report, "retained")["exit_code"], 5, "{done}");
            assert!(!done.stderr.contains("could not be removed"), "{done}");
        }
        doctor().args("--topic open/to/all").run().status(0);
    }
}

#[test]
fn a_refused_login_is_4_and_says_what_to_check() {
    needs!("mosquitto", "mosquitto_passwd");
    let broker = Mosquitto::config().users(&[("me", "right")]).start();
    for version in VERSIONS {
        let done = mozzie("doctor --json -u me -P wrong")
            .at(broker.port)
            .version(version)
            .run();
        done.status(4);
        let (report, checks) = report(&done);
        assert_eq!(
            checks[..3],
            ["connect ok", "login failed", "subscribe skipped"]
        );
        let hint = check(&report, "login")["hint"].as_str().unwrap();
        assert!(hint.contains("-u and the password"), "{hint}");
        assert_eq!(report["exit_code"], 4);
    }
    mozzie("doctor -u me -P right --max-payload 1k")
        .at(broker.port)
        .run()
        .status(0);
}

#[test]
fn a_broker_that_is_not_there_is_3() {
    let done = mozzie("doctor --json").at(free_port()).run();
    done.status(3);
    let (report, checks) = report(&done);
    assert_eq!(checks[..2], ["connect failed", "login skipped"]);
    assert!(check(&report, "connect")["hint"].is_string());
    assert!(done.looks_like_an_error(), "{done}");
    let done = mozzie("doctor --json -h no-such-host.invalid").run();
    done.status(3);
    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(check(&report, "resolve")["result"], "failed");
}

/// A broker that sends every message back to whom it came from if it is to, and has no more than these properties of
/// CONNACK say.
fn scripted(properties: &'static [u8], sends_back: bool) -> Scripted {
    Scripted::start(move |door| {
        let mut peer = door.accept();
        peer.connect();
        peer.send(wire::connack_with(properties));
        while let Some(frame) = peer.next() {
            let answer = match frame.kind() {
                wire::SUBSCRIBE => wire::suback(true, frame.id(), &[2]),
                wire::UNSUBSCRIBE => wire::unsuback(true, frame.id(), &[0]),
                wire::PUBLISH if sends_back => {
                    if frame.qos() == 1 {
                        peer.try_send(wire::ack(wire::PUBACK, frame.id()));
                    }
                    wire::publish(true, 0, 0, frame.topic(), frame.payload(true))
                }
                _ => continue,
            };
            peer.try_send(answer);
        }
    })
}

#[test]
fn what_a_broker_does_not_have_is_5() {
    // maximum QoS 1, no retained messages, no shared and no wildcard subscriptions
    let broker = scripted(&[0x24, 1, 0x25, 0, 0x2a, 0, 0x28, 0], true);
    let done = mozzie("doctor --json --max-payload 1k")
        .at(broker.port)
        .run();
    done.status(5);
    let (report, checks) = report(&done);
    assert_eq!(
        checks,
        [
            "connect ok",
            "login ok",
            "subscribe ok",
            "QoS 0 ok",
            // it came back with QoS 0
            "QoS 1 warning",
            "QoS 2 failed",
            "retained failed",
            "wildcard failed",
            "shared failed",
            "payload ok"
        ],
        "{done}"
    );
    assert_eq!(report["limits"]["maximum_qos"], 1);
    assert_eq!(report["limits"]["retain_available"], false);
    for name in ["QoS 2", "retained", "wildcard", "shared"] {
        let hint = check(&report, name)["hint"].as_str().unwrap();
        assert!(
            hint.contains("does not have this"),
            "not access control: {hint}"
        );
    }
    assert_eq!(
        done.stderr, "mozzie: error: 4 of 10 checks failed\n",
        "nothing was retained, so nothing is left behind"
    );
}

#[test]
fn a_message_that_is_dropped_in_silence_is_6() {
    let broker = scripted(&[], false);
    let done = mozzie("doctor --json --timeout 100ms")
        .at(broker.port)
        .run();
    done.status(6);
    let (report, checks) = report(&done);
    assert!(checks.contains(&"QoS 0 failed".to_owned()), "{done}");
    let silent = check(&report, "QoS 0");
    assert_eq!(silent["error"], "no return of the message within 0.1 s");
    let hint = silent["hint"].as_str().unwrap();
    assert!(hint.contains("access control"), "{hint}");
}

#[test]
fn a_signal_ends_it_and_takes_the_retained_message_back() {
    // It acknowledges what it retains and then says no more of it.
    let broker = Scripted::start(|door| {
        let mut peer = door.accept();
        peer.connect();
        peer.send(wire::connack_with(&[0x2a, 0]));
        let mut retained = Vec::new();
        while let Some(frame) = peer.next() {
            match frame.kind() {
                wire::SUBSCRIBE => {
                    peer.try_send(wire::suback(true, frame.id(), &[2]));
                }
                wire::PUBLISH => {
                    if frame.retain() {
                        retained.push(frame.payload(true).len());
                    }
                    match frame.qos() {
                        0 => {}
                        1 => drop(peer.try_send(wire::ack(wire::PUBACK, frame.id()))),
                        _ => drop(peer.try_send(wire::ack(wire::PUBREC, frame.id()))),
                    }
                    peer.try_send(wire::publish(
                        true,
                        0,
                        0,
                        frame.topic(),
                        frame.payload(true),
                    ));
                }
                wire::PUBREL => drop(peer.try_send(wire::ack(wire::PUBCOMP, frame.id()))),
                _ => {}
            }
        }
        assert_eq!(
            retained.len(),
            2,
            "one that is kept and one that removes it"
        );
        assert!(retained[0] > 0 && retained[1] == 0);
    });
    let run = mozzie("doctor -d --timeout 30s").at(broker.port).start();
    run.wait_for_stderr("/retained' QoS 0\n");
    run.interrupt().status(130);
}

#[test]
fn the_largest_payload_is_found_where_the_bound_is_too_large() {
    needs!("mosquitto");
    let broker = Mosquitto::config().line("message_size_limit 1000").start();
    let done = mozzie("doctor --json --max-payload 4096 --timeout 1s")
        .at(broker.port)
        .run();
    let (report, _) = report(&done);
    let payload = check(&report, "payload");
    assert_eq!(payload["result"], "warning", "{done}");
    let detail = payload["detail"].as_str().unwrap();
    assert!(detail.starts_with("512 bytes, but not 1024: "), "{detail}");
    done.status(0);

    let broker = Mosquitto::config().line("max_packet_size 2000").start();
    let done = mozzie("doctor --json -t a --max-payload 4096")
        .at(broker.port)
        .run();
    done.status(0);
    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    let payload = check(&report, "payload");
    assert_eq!(payload["result"], "ok", "{done}");
    let detail = payload["detail"].as_str().unwrap();
    assert!(detail.contains("maximum packet size"), "{detail}");
}

#[test]
fn a_broker_of_mqtt_3_1_1_alone_is_spoken_to_in_3_1_1() {
    let broker = Scripted::start(|door| {
        let mut first = door.accept();
        first.connect();
        assert!(first.v5);
        first.send([0x20, 2, 0, 1]);
        let mut second = door.welcome();
        assert!(!second.v5);
        let subscribe = second.expect(wire::SUBSCRIBE);
        second.send(wire::suback(false, subscribe.id(), &[0x80]));
        second.until_closed();
    });
    let done = mozzie("doctor --json").at(broker.port).run();
    done.status(5);
    let (report, checks) = report(&done);
    assert_eq!(
        checks[..4],
        [
            "connect ok",
            "login ok",
            "subscribe failed",
            "QoS 0 skipped"
        ]
    );
    let detail = check(&report, "login")["detail"].as_str().unwrap();
    assert!(detail.contains("does not speak MQTT 5"), "{detail}");
}

#[test]
fn a_connection_that_breaks_in_one_check_is_made_again_for_the_next() {
    let broker = Scripted::start(|door| {
        let mut first = door.accept();
        first.connect();
        first.send(wire::connack(true, false, 0));
        first.grant();
        first.grant();
        first.expect(wire::PUBLISH);
        first.close();
        let mut second = door.accept();
        second.connect();
        second.send(wire::connack(true, false, 0));
        second.grant();
        second.close();
        // and no more
    });
    let done = mozzie("doctor --json").at(broker.port).run();
    done.status(3);
    let (report, checks) = report(&done);
    assert_eq!(
        checks[..4],
        ["connect ok", "login ok", "subscribe ok", "QoS 0 failed"],
        "{done}"
    );
    assert!(!checks.contains(&"QoS 1 skipped".to_owned()), "{done}");
    let hint = check(&report, "QoS 0")["hint"].as_str().unwrap();
    assert!(hint.contains("access control"), "{hint}");
}

#[test]
fn wrong_options_are_2() {
    mozzie("doctor -t a/+/b").run().fails(2, &["-t", "a/+/b"]);
    mozzie("doctor --max-payload much")
        .run()
        .fails(2, &["--max-payload"]);
    mozzie("doctor -D publish content-type x")
        .run()
        .fails(2, &["-D publish", "doctor"]);
}

#[cfg(feature = "broker")]
#[test]
fn the_embedded_broker_passes() {
    let (_broker, port) = crate::embedded::broker();
    for version in VERSIONS {
        let done = mozzie("doctor --json --max-payload 100k")
            .at(port)
            .version(version)
            .run();
        done.status(0);
        assert_eq!(report(&done).1[2..], FEATURES, "{done}");
    }
}
