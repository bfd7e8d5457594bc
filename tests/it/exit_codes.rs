//! Every exit code of the program's own names, with what is said on stderr.

use crate::{
    needs,
    support::{Client, Mosquitto, Scripted, VERSIONS, filters, free_port, mozzie, wire},
};

#[test]
fn help_and_version_are_0_and_go_to_stdout() {
    for words in [
        "--help",
        "pub --help",
        "sub --help",
        "bench --help",
        "broker --help",
    ] {
        let done = mozzie(words).run();
        done.ends(0, &done.stdout, &[]);
        assert!(done.stdout_text().contains("Usage: mozzie"), "{done}");
    }
    let done = mozzie("--version").run();
    done.prints(format!("mozzie {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn help_says_what_each_command_does() {
    let done = mozzie("--help").run();
    let list = done.stdout_text();
    for (command, about) in [
        ("pub", "Publish messages"),
        ("sub", "Subscribe to topics and print what comes"),
        (
            "rr",
            "Send requests and print the replies, or answer requests",
        ),
        ("bench", "Load-test a broker"),
        ("broker", "Run a broker on this machine"),
    ] {
        assert!(
            list.contains(&format!("  {command:<11}  {about}\n")),
            "{done}"
        );
        let own = mozzie(command).arg("--help").run();
        assert!(own.stdout_text().starts_with(about), "{own}");
    }
}

#[test]
fn no_subcommand_is_2_and_shows_what_there_is() {
    let done = mozzie("").run();
    done.fails(2, &["no command", "pub", "sub", "--help"]);
}

#[test]
fn connection_refused_is_3_at_once_and_names_the_address() {
    let port = free_port();
    for command in [
        "pub -t a -m x",
        "pub -t a -l",
        "sub -t a",
        "sub -t a -C 1 -W 5",
    ] {
        let done = mozzie(command).at(port).run();
        done.fails(3, &[&format!("127.0.0.1:{port}"), "refused"]);
    }
}

#[test]
fn a_name_that_does_not_exist_is_3_and_named() {
    for command in ["pub -t a -m x", "sub -t a"] {
        mozzie(command)
            .args("-h no-such-host.invalid")
            .run()
            .fails(3, &["no-such-host.invalid"]);
    }
}

#[test]
fn a_host_with_a_port_in_it_gets_a_hint_to_p() {
    mozzie("pub -t a -m x -h broker.invalid:1884")
        .run()
        .fails(3, &["broker.invalid:1884", "hint:", "-p"]);
}

#[test]
fn a_broker_that_hangs_up_before_connack_is_3() {
    for version in VERSIONS {
        let broker = Scripted::start(|door| {
            let mut peer = door.accept();
            peer.connect();
            peer.close();
        });
        mozzie("pub -t a -m x")
            .at(broker.port)
            .version(version)
            .run()
            .fails(3, &["closed"]);
    }
}

#[test]
fn something_that_is_not_mqtt_is_3() {
    let broker = Scripted::start(|door| {
        let mut peer = door.accept();
        peer.connect();
        peer.try_send("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n");
        peer.linger(std::time::Duration::from_millis(300));
    });
    mozzie("pub -t a -m x")
        .at(broker.port)
        .run()
        .fails(3, &["broker"]);
}

#[test]
fn every_refusal_of_a_connack_is_4_and_named() {
    let v3 = [
        (1, "protocol version"),
        (2, "identifier"),
        (3, "unavailable"),
        (4, "bad user name or password"),
        (5, "not authorized"),
    ];
    let v5 = [
        (0x80, "unspecified"),
        (0x84, "unsupported protocol version"),
        (0x85, "client identifier not valid"),
        (0x86, "bad user name or password"),
        (0x87, "not authorized"),
        (0x88, "server unavailable"),
        (0x89, "server busy"),
        (0x8a, "banned"),
        (0x95, "packet too large"),
        (0x97, "quota exceeded"),
        (0x9c, "use another server"),
        (0x9f, "connection rate exceeded"),
    ];
    let table = v3
        .map(|(code, name)| ("311", code, name))
        .into_iter()
        .chain(v5.map(|(code, name)| ("5", code, name)));
    for (version, code, name) in table {
        for command in ["pub -t a -m x", "sub -t a"] {
            let broker = Scripted::start(move |door| {
                let mut peer = door.accept();
                peer.connect();
                peer.send(wire::connack(peer.v5, false, code));
                peer.until_closed();
                assert!(
                    door.accept_within(std::time::Duration::from_millis(20))
                        .is_none(),
                    "a refusal never loops"
                );
            });
            mozzie(command)
                .at(broker.port)
                .version(version)
                .run()
                .fails(4, &[name, &format!("({code})")]);
        }
    }
}

#[test]
fn a_refused_login_at_a_real_broker_is_4_with_a_hint() {
    needs!("mosquitto", "mosquitto_passwd");
    let broker = Mosquitto::config().users(&[("alice", "right")]).start();
    for version in ["31", "311", "5"] {
        for login in ["-u alice -P wrong", "-u nobody -P right", ""] {
            for command in ["pub -t a -m x", "sub -t a"] {
                mozzie(command)
                    .at(broker.port)
                    .version(version)
                    .args(login)
                    .run()
                    .fails(
                        4,
                        &["refused the connection", "not authorized", "\n  hint: "],
                    );
            }
        }
        mozzie("pub -t a -m x -u alice -P right")
            .at(broker.port)
            .version(version)
            .run()
            .prints("");
    }
}

#[test]
fn a_broker_of_mqtt_3_alone_is_named_when_asked_for_5() {
    let broker = Scripted::start(|door| {
        let mut peer = door.accept();
        peer.connect();
        // An MQTT 3 answer: unacceptable protocol version.
        peer.send([0x20, 2, 0, 1]);
        peer.until_closed();
    });
    let done = mozzie("pub -V 5 -t a -m x").at(broker.port).run();
    done.fails(4, &["mqtt 3"]);
}

#[test]
fn a_disconnect_with_a_reason_is_4_and_names_it() {
    for (code, name) in [
        (0x8e, "session taken over"),
        (0x98, "administrative action"),
        (0x97, "quota exceeded"),
    ] {
        // A message that was under way is one that was not acknowledged: 7 tells that, and the reason is said as well.
        for (command, exit) in [("sub -t a", 4), ("pub -t a -m x -q 1", 7)] {
            let broker = Scripted::start(move |door| {
                let mut peer = door.welcome();
                if peer.expect_any(&[wire::SUBSCRIBE, wire::PUBLISH]).kind() == wire::SUBSCRIBE {
                    peer.send(wire::suback(true, 1, &[0]));
                }
                // The short form, as mosquitto sends it.
                peer.send([0xe0, 1, code]);
                peer.until_closed();
            });
            let done = mozzie(command).at(broker.port).version("5").run();
            done.fails(exit, &[name, &format!("({code})")]);
        }
    }
}

#[test]
fn what_the_broker_says_is_shown_with_its_control_characters_made_harmless() {
    for command in ["pub -t a -m x", "sub -t a"] {
        let broker = Scripted::start(|door| {
            let mut peer = door.accept();
            peer.connect();
            let reason_string =
                [&[0x1f][..], &wire::field("come back \u{1b}[2J on Monday")].concat();
            let elsewhere = [&[0x1c][..], &wire::field("other.example")].concat();
            let block = wire::block(&[reason_string, elsewhere].concat());
            peer.send(wire::packet(0x20, &[&[0, 0x9d][..], &block].concat()));
            peer.until_closed();
        });
        let done = mozzie(command).at(broker.port).version("5").run();
        done.fails(
            4,
            &["server moved", "come back", "on monday", "other.example"],
        );
        assert!(!done.stderr.contains('\u{1b}'), "{done}");
    }
}

#[test]
fn a_bench_whose_messages_are_refused_prints_its_result_and_ends_with_8() {
    needs!("mosquitto");
    let broker = Mosquitto::config()
        .acl("topic read #\ntopic write open/#\n")
        .start();
    let bench = |topic: &str| {
        mozzie("bench --subscribers 0 -V 5 -q 1 -n 1")
            .at(broker.port)
            .option("-t", topic)
            .run()
    };
    let done = bench("closed/a");
    done.status(8);
    assert!(done.stderr.contains("refused: 1"), "{done}");
    assert!(done.stdout_text().contains("refused"), "{done}");
    bench("open/a").status(0);
}

#[test]
fn a_publish_that_the_acl_refuses_is_5_and_names_the_topic() {
    needs!("mosquitto");
    let broker = Mosquitto::config()
        .acl("topic read #\ntopic write open/#\n")
        .start();
    for qos in [1, 2] {
        let publish = |words: &str| {
            mozzie(words)
                .at(broker.port)
                .args(&format!("-V 5 -q {qos}"))
                .run()
        };
        publish("pub -t secret/x -m no").fails(5, &["not authorized", "(135)", "secret/x"]);
        publish("pub -t open/x -m yes").prints("");
        let done = mozzie("pub -t secret/x -l")
            .at(broker.port)
            .args(&format!("-V 5 -q {qos}"))
            .stdin("1\n2\n")
            .run();
        done.fails(5, &["not authorized"]);
    }
}

#[test]
fn a_refused_publish_does_not_stop_the_rest() {
    // Every second message is refused: all are sent, and the end says so.
    for (qos, kind) in [(1, wire::PUBACK), (2, wire::PUBREC)] {
        let (send, receive) = std::sync::mpsc::channel();
        let broker = Scripted::welcoming(move |peer| {
            let mut seen = Vec::new();
            while let Some(frame) = peer.next() {
                match frame.kind() {
                    wire::PUBLISH => {
                        let reason = if seen.len() % 2 == 0 { 0 } else { 0x97 };
                        seen.push(frame.payload(true).to_vec());
                        peer.try_send(wire::ack_with_reason(kind, frame.id(), reason));
                    }
                    wire::PUBREL => drop(peer.try_send(wire::ack(wire::PUBCOMP, frame.id()))),
                    _ => {}
                }
            }
            send.send(seen).unwrap();
        });
        let done = mozzie("pub -V 5 -t a -l")
            .at(broker.port)
            .args(&format!("-q {qos}"))
            .stdin("1\n2\n3\n4\n")
            .run();
        done.fails(5, &["quota exceeded", "(151)"]);
        assert_eq!(receive.recv().unwrap(), [b"1", b"2", b"3", b"4"]);
    }
}

#[test]
fn an_answer_with_a_reason_that_there_is_not_is_named_by_its_number() {
    for (qos, kind) in [(1, wire::PUBACK), (2, wire::PUBREC)] {
        for (reason, exit, words) in [
            // whatever it means, it refuses
            (0xfe, 5, "refused the message to 'a': unknown reason (254)"),
            // It may mean anything.
            (0x55, 7, "it cannot have the reason code 85"),
        ] {
            let broker = Scripted::welcoming(move |peer| {
                let id = peer.expect(wire::PUBLISH).id();
                peer.send(wire::ack_with_reason(kind, id, reason));
                peer.until_closed();
            });
            mozzie("pub -V 5 -t a -m x")
                .at(broker.port)
                .args(&format!("-q {qos}"))
                .run()
                .fails(exit, &[words, "0 of 1 messages acknowledged"]);
        }
    }
}

#[test]
fn a_puback_that_says_no_matching_subscribers_is_a_success() {
    let broker = Scripted::welcoming(|peer| {
        let id = peer.expect(wire::PUBLISH).id();
        peer.send(wire::ack_with_reason(wire::PUBACK, id, 0x10));
        peer.until_closed();
    });
    mozzie("pub -V 5 -t a -m x -q 1")
        .at(broker.port)
        .run()
        .prints("");
}

#[test]
fn a_refused_subscription_is_5_and_names_the_filter() {
    for (version, code) in [("311", 0x80), ("5", 0x87), ("5", 0x8f), ("5", 0xa2)] {
        let broker = Scripted::welcoming(move |peer| {
            let subscribe = peer.expect(wire::SUBSCRIBE);
            let codes = vec![code; filters(&subscribe, peer.v5).len()];
            peer.send(wire::suback(peer.v5, subscribe.id(), &codes));
            peer.until_closed();
        });
        mozzie("sub -t no/entry/#")
            .at(broker.port)
            .version(version)
            .run()
            .fails(5, &["no/entry/#", "refused"]);
    }
}

#[test]
fn e_does_not_hide_a_refused_subscription() {
    let broker = Scripted::welcoming(|peer| {
        let subscribe = peer.expect(wire::SUBSCRIBE);
        peer.send(wire::suback(peer.v5, subscribe.id(), &[0, 0x80]));
        peer.until_closed();
    });
    mozzie("sub -t fine -t refused/one -E")
        .at(broker.port)
        .run()
        .fails(5, &["refused/one"]);
}

#[test]
fn strict_takes_no_refusal() {
    let broker = Scripted::welcoming(|peer| {
        let subscribe = peer.expect(wire::SUBSCRIBE);
        peer.send(wire::suback(peer.v5, subscribe.id(), &[0, 0x80]));
        peer.until_closed();
    });
    mozzie("sub -t fine -t refused/one --strict")
        .at(broker.port)
        .run()
        .fails(5, &["refused/one"]);
}

#[test]
fn a_lower_qos_than_asked_for_is_said_once() {
    let broker = Scripted::start(|door| {
        for connection in 0..2 {
            let mut peer = door.welcome();
            let subscribe = peer.expect(wire::SUBSCRIBE);
            peer.send(wire::suback(peer.v5, subscribe.id(), &[1, 2]));
            if connection == 1 {
                peer.publish(0, 0, "low", "x");
                peer.until_closed();
            }
        }
    });
    let done = mozzie("sub -t low -t high -q 2 -C 1").at(broker.port).run();
    let said = "granted QoS 1 instead of 2 for 'low'";
    assert_eq!(done.stderr.matches(said).count(), 1, "{done}");
    assert!(!done.stderr.contains("'high'"), "{done}");
}

#[test]
fn a_partly_refused_subscription_is_said() {
    let broker = Scripted::welcoming(|peer| {
        let subscribe = peer.expect(wire::SUBSCRIBE);
        peer.send(wire::suback(peer.v5, subscribe.id(), &[0, 0x80]));
        peer.publish(0, 0, "fine", "x");
        peer.until_closed();
    });
    let done = mozzie("sub -t fine -t refused/one -C 1")
        .at(broker.port)
        .run();
    assert!(
        done.stderr.contains("refused/one") && done.stdout == b"x\n",
        "{done}"
    );
}

#[test]
fn a_qos_above_the_brokers_maximum_is_a_failure_that_says_so() {
    let broker = Scripted::start(|door| {
        let mut peer = door.accept();
        peer.connect();
        // Maximum QoS 0.
        peer.send(wire::connack_with(&[0x24, 0]));
        peer.until_closed();
        assert!(
            !peer.seen().windows(2).any(|w| w[0] == 0x32),
            "no QoS 1 publish to a broker that has none"
        );
    });
    mozzie("pub -V 5 -t a -m x -q 1")
        .at(broker.port)
        .run()
        .fails(5, &["qos"]);
}

#[test]
fn a_retained_message_to_a_broker_without_retain_is_a_failure_that_says_so() {
    needs!("mosquitto");
    let broker = Mosquitto::config().line("retain_available false").start();
    mozzie("pub -V 5 -t a -m x -r -q 1")
        .at(broker.port)
        .run()
        .fails(5, &["retain"]);
}

#[test]
fn a_payload_above_the_brokers_maximum_packet_size_is_a_failure_that_says_so() {
    let broker = Scripted::start(|door| {
        let mut peer = door.accept();
        peer.connect();
        // Maximum Packet Size 100.
        peer.send(wire::connack_with(&[0x27, 0, 0, 0, 100]));
        peer.until_closed();
    });
    let message = "x".repeat(200);
    mozzie("pub -V 5 -t a")
        .option("-m", &message)
        .at(broker.port)
        .run()
        .fails(5, &["100"]);
}

#[test]
fn a_real_brokers_packet_limit_is_obeyed() {
    needs!("mosquitto");
    let broker = Mosquitto::config().line("max_packet_size 2000").start();
    let message = "x".repeat(3000);
    mozzie("pub -V 5 -t a -q 1")
        .option("-m", &message)
        .at(broker.port)
        .run()
        .fails(5, &["2000"]);
    mozzie("pub -V 5 -t a -q 1 -m short")
        .at(broker.port)
        .run()
        .prints("");
}

#[test]
fn time_that_runs_out_before_the_broker_answers_is_6_or_3() {
    // -W covers the connection as well: a broker that never answers must not hold a sub for longer.
    let broker = Scripted::start(|door| {
        let mut peer = door.accept();
        peer.connect();
        peer.until_closed();
    });
    mozzie("sub -t a -C 1 -W 1")
        .at(broker.port)
        .run()
        .fails(6, &["1"]);
}

#[test]
fn messages_left_unacknowledged_are_7_and_counted() {
    // The broker takes three messages, acknowledges one and refuses to let the client in again.
    let broker = Scripted::start(|door| {
        let mut peer = door.welcome();
        let first = peer.expect(wire::PUBLISH).id();
        peer.expect(wire::PUBLISH);
        peer.expect(wire::PUBLISH);
        peer.send(wire::ack(wire::PUBACK, first));
        peer.close();
        door.accept().refuse(wire::NOT_AUTHORIZED);
    });
    let done = mozzie("pub -t a -l -q 1")
        .at(broker.port)
        .stdin("1\n2\n3\n")
        .run();
    done.fails(7, &["1 of 3", "not authorized"]);
}

#[test]
fn a_trace_with_d_goes_to_stderr_and_leaves_stdout_to_the_messages() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let done = mozzie("pub -t d -m x -q 1 -r -d").at(broker.port).run();
    done.ends(
        0,
        "",
        &["connect", "connack", "publish", "puback", "disconnect"],
    );
    let done = mozzie("sub -t d -C 1 -d").at(broker.port).run();
    done.ends(0, "x\n", &["subscribe", "suback", "publish"]);
}

#[test]
#[cfg(not(feature = "broker"))]
fn a_mozzie_without_the_embedded_broker_says_so() {
    mozzie("broker")
        .run()
        .fails(1, &["without the embedded broker", "hint:"]);
}

#[test]
fn qos_0_messages_count_only_when_they_were_written() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let mut observer = Client::observing(broker.port, "a");
    mozzie("pub -t a -m x -q 0")
        .at(broker.port)
        .run()
        .prints("");
    assert_eq!(observer.next().payload, b"x");
}

#[cfg(not(feature = "srv"))]
#[test]
fn srv_records_that_are_not_built_in_are_one_clear_error() {
    mozzie("pub -S -h example.org -t a -m x")
        .run()
        .fails(2, &["-S", "built without", "hint: name the broker with -h"]);
}
