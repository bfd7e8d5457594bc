//! A connection that breaks after it has worked once is made again; one that never worked fails at once.

use std::{
    collections::HashSet,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use crate::{
    needs,
    support::{
        BadLink, Client, DEADLINE, Mosquitto, Peer, Scripted, VERSIONS, filters, free_port, mozzie,
        wire,
    },
};

#[test]
fn sub_subscribes_again_and_goes_on() {
    for version in VERSIONS {
        let broker = Scripted::start(|door| {
            for text in ["one", "two", "three"] {
                let mut peer = door.welcome();
                let subscribe = peer.grant();
                let names: Vec<_> = filters(&subscribe, peer.v5)
                    .into_iter()
                    .map(|(name, _)| name)
                    .collect();
                assert_eq!(names, ["a/#", "b"]);
                peer.publish(0, 0, "b", text);
                if text == "three" {
                    peer.until_closed();
                } else {
                    peer.close();
                }
            }
        });
        let done = mozzie("sub -t a/# -t b -C 3")
            .at(broker.port)
            .version(version)
            .run();
        done.status(0);
        assert_eq!(done.stdout_text(), "one\ntwo\nthree\n", "{done}");
    }
}

#[test]
fn sub_survives_a_restart_of_a_real_broker() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let run = mozzie("sub -t r -C 2 -q 1").at(broker.port).start();
    broker.subscribed(1);
    Client::connect(broker.port).publish("r", "before", 1, false);
    run.wait_for_stdout("before");
    let broker = broker.stop().start();
    broker.subscribed(1);
    Client::connect(broker.port).publish("r", "after", 1, false);
    let done = run.finish();
    done.status(0);
    assert_eq!(done.stdout_text(), "before\nafter\n", "{done}");
}

#[test]
fn pub_sends_what_was_not_acknowledged_again() {
    for version in VERSIONS {
        for qos in [1, 2] {
            let (send, receive) = mpsc::channel();
            let broker = Scripted::start(move |door| {
                let mut peer = door.welcome();
                // Two arrive, neither is acknowledged.
                peer.expect(wire::PUBLISH);
                peer.expect(wire::PUBLISH);
                peer.close();
                let mut again = door.welcome();
                let v5 = again.v5;
                let publishes = again.drain();
                let texts: Vec<_> = publishes
                    .iter()
                    .map(|p| (p.payload(v5).to_vec(), p.dup()))
                    .collect();
                send.send(texts).unwrap();
            });
            let done = mozzie("pub -t a -l")
                .at(broker.port)
                .version(version)
                .args(&format!("-q {qos}"))
                .stdin("1\n2\n3\n")
                .run();
            done.status(0);
            // The broker forgot the session, so they are new messages and not duplicates [MQTT-3.1.3.1-1].
            let expected: Vec<_> = [b"1", b"2", b"3"].map(|text| (text.to_vec(), false)).into();
            assert_eq!(receive.recv().unwrap(), expected, "{done}");
        }
    }
}

#[test]
fn pub_resumes_a_kept_session_with_dup_and_the_same_identifiers() {
    for (version, session) in [("311", "-c -i me"), ("5", "-c -x 60 -i me")] {
        let broker = Scripted::start(|door| {
            let mut peer = door.welcome();
            let first = peer.expect(wire::PUBLISH);
            let second = peer.expect(wire::PUBLISH);
            assert!(!first.dup() && !second.dup());
            peer.close();
            let mut again = door.accept();
            again.welcome(true);
            for earlier in [first, second] {
                let repeated = again.expect(wire::PUBLISH);
                assert!(repeated.dup(), "resent in a kept session: {repeated:?}");
                assert_eq!(
                    (repeated.id(), repeated.body.as_slice()),
                    (earlier.id(), earlier.body.as_slice())
                );
                again.send(wire::ack(wire::PUBACK, repeated.id()));
            }
            again.until_closed();
        });
        let run = mozzie("pub -t a -l -q 1")
            .at(broker.port)
            .version(version)
            .args(session)
            .stdin("1\n2\n")
            .run();
        run.status(0);
        broker.finish();
    }
}

#[test]
fn qos_2_goes_on_where_it_stopped_in_a_kept_session() {
    let broker = Scripted::start(|door| {
        let mut peer = door.welcome();
        let id = peer.expect(wire::PUBLISH).id();
        peer.send(wire::ack(wire::PUBREC, id));
        assert_eq!(peer.expect(wire::PUBREL).id(), id);
        peer.close();
        let mut again = door.accept();
        again.welcome(true);
        assert_eq!(
            again.expect(wire::PUBREL).id(),
            id,
            "the message itself must not be sent a second time"
        );
        again.send(wire::ack(wire::PUBCOMP, id));
        again.until_closed();
    });
    mozzie("pub -t a -m x -q 2 -c -i me")
        .at(broker.port)
        .run()
        .status(0);
    broker.finish();
}

/// Where the link breaks: in handshakes, in the middle of packets and of bursts.
const CUTS: &[usize] = &[9000, 40, 20_001, 3, 70_007, 150, 33_333, 4100];

#[test]
fn every_line_crosses_a_link_that_breaks_again_and_again() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let lines: Vec<String> = (0..20_000).map(|n| format!("line {n}")).collect();
    let input = lines.join("\n");
    for (version, qos, session) in [
        ("311", 1, ""),
        ("5", 1, "-c -x 60 -i v5"),
        ("311", 2, "-c -i v3"),
        ("5", 2, "-c -x 60 -i v5-2"),
    ] {
        let topic = format!("link/{qos}/{version}");
        let mut observer = Client::observing(broker.port, &topic);
        let link = BadLink::to(broker.port, CUTS);
        let done = mozzie("pub -l")
            .at(link.port)
            .version(version)
            .args(&format!("-t {topic} -q {qos} {session}"))
            .stdin(&input)
            .run();
        done.status(0);
        assert!(link.connections() > 5, "the link did break: {done}");
        let mut arrived: Vec<String> = Vec::new();
        for message in observer.until_now(broker.port) {
            arrived.push(String::from_utf8(message.payload).unwrap());
        }
        if qos == 2 {
            // The session is kept on both sides, so exactly once and in order.
            assert!(
                arrived == lines,
                "{} of {} lines, in order: {done}",
                arrived.len(),
                lines.len()
            );
        } else {
            let mut seen = HashSet::new();
            let firsts: Vec<String> = arrived
                .into_iter()
                .filter(|line| seen.insert(line.clone()))
                .collect();
            assert!(
                firsts == lines,
                "{} of {} lines, each first in order: {done}",
                firsts.len(),
                lines.len()
            );
        }
    }
}

#[test]
fn a_qos_2_message_that_comes_again_in_a_kept_session_is_printed_once() {
    for (version, session) in [("311", "-c -i me"), ("5", "-c -x 60 -i me")] {
        for recorded in [false, true] {
            let broker = Scripted::start(move |door| {
                let mut peer = door.welcome();
                peer.grant();
                peer.publish(2, 5, "a", "once");
                if recorded {
                    assert_eq!(peer.expect(wire::PUBREC).id(), 5);
                }
                peer.close();
                let mut again = door.accept();
                again.welcome(true);
                again.send(wire::publish_with(again.v5, 0x0c, 5, "a", &[], "once"));
                assert_eq!(again.expect(wire::PUBREC).id(), 5);
                again.send(wire::ack(wire::PUBREL, 5));
                assert_eq!(again.expect(wire::PUBCOMP).id(), 5);
                again.publish(0, 0, "a", "end");
                again.until_closed();
            });
            let done = mozzie("sub -t a -q 2 -C 2")
                .at(broker.port)
                .version(version)
                .args(session)
                .run();
            done.status(0);
            assert_eq!(done.stdout_text(), "once\nend\n", "{done}");
        }
    }
}

#[test]
fn every_message_is_printed_though_the_link_breaks_again_and_again() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    for (n, (version, qos, session)) in [
        ("311", 2, "-c -i back-3"),
        ("5", 2, "-c -x 60 -i back-5"),
        ("5", 1, "-c -x 60 -i back-1"),
    ]
    .into_iter()
    .enumerate()
    {
        let link = BadLink::to(broker.port, CUTS);
        let topic = format!("back/{n}");
        let sub = || {
            mozzie("sub")
                .version(version)
                .args(&format!("-t {topic} -q {qos} {session}"))
        };
        // The session is there before the first message, so the broker keeps what it cannot deliver.
        sub().at(broker.port).args("-E").run().prints("");
        let mut publisher = Client::connect(broker.port);
        let mut run = sub().at(link.port).start();
        run.close_stdin();
        for n in 0..3000 {
            publisher.publish(&topic, format!("message {n}"), qos, false);
        }
        run.wait_for_stdout("message 2999\n");
        let done = run.interrupt();
        done.status(0);
        assert!(link.connections() > 3, "the link did break: {done}");
        // Not once each even at QoS 2: mosquitto 2.0 sometimes publishes again what it had sent PUBREL for.
        let printed = done.stdout_text();
        let mut seen = HashSet::new();
        let firsts: Vec<&str> = printed.lines().filter(|line| seen.insert(*line)).collect();
        let expected: Vec<String> = (0..3000).map(|n| format!("message {n}")).collect();
        assert!(
            firsts == expected,
            "{} of 3000: {}",
            firsts.len(),
            done.stderr
        );
    }
}

#[test]
fn lines_that_come_while_the_broker_is_away_are_sent_later() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let mut observer = Client::observing(broker.port, "l");
    let mut run = mozzie("pub -t l -l -q 1").at(broker.port).start();
    run.write("before\n");
    assert_eq!(observer.next().payload, b"before");
    let config = broker.stop();
    run.write("while away\n");
    let broker = config.line("queue_qos0_messages true").start();
    // The message may be there before the observer is: a kept retained copy would not be, so ask the log.
    broker.wait_for("Received PUBLISH from", 1);
    run.close_stdin();
    run.finish().status(0);
}

#[test]
fn it_backs_off_between_attempts() {
    let (send, receive) = mpsc::channel();
    let broker = Scripted::start(move |door| {
        door.welcome().close();
        let mut attempts = Vec::new();
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(2500) {
            if let Some(peer) = door.accept_within(Duration::from_millis(100)) {
                attempts.push(start.elapsed());
                peer.close();
            }
        }
        send.send(attempts).unwrap();
    });
    let run = mozzie("sub -t a").at(broker.port).start();
    let attempts = receive.recv().unwrap();
    run.interrupt().status(0);
    assert!(
        (1..=12).contains(&attempts.len()),
        "attempts in 2.5 s: {attempts:?}"
    );
}

/// A broker that grants every subscription, sends `last`, and closes; it tells how often it did.
fn grants_and_hangs_up(last: fn(&mut Peer)) -> (Scripted, mpsc::Receiver<u32>) {
    let (send, receive) = mpsc::channel();
    let broker = Scripted::start(move |door| {
        let mut seen = 0;
        while let Some(mut peer) = door.accept_within(Duration::from_secs(2)) {
            seen += 1;
            peer.welcome(false);
            peer.grant();
            last(&mut peer);
            peer.close();
        }
        send.send(seen).unwrap();
    });
    (broker, receive)
}

#[test]
fn a_broker_that_accepts_and_hangs_up_is_given_up() {
    let retained = |peer: &mut Peer| peer.send(wire::publish_with(peer.v5, 1, 0, "a", &[], "x"));
    let special = |peer: &mut Peer| peer.send([0xe0, 2, 0x83, 0]);
    let closed = "closed the connection, 5 times in a row";
    for (version, last, code, stdout, fragment) in [
        ("311", (|_| {}) as fn(&mut Peer), 3, "", closed),
        ("5", |_| {}, 3, "", closed),
        // It comes with each subscription again.
        ("311", retained, 3, "x\nx\nx\nx\nx\n", closed),
        ("5", special, 4, "", "error (131), 5 times in a row"),
    ] {
        let (broker, seen) = grants_and_hangs_up(last);
        let done = mozzie("sub -t a --retry forever --retry-delay 10ms")
            .at(broker.port)
            .version(version)
            .run();
        done.ends(code, stdout, &[fragment, "hint: "]);
        assert_eq!(seen.recv().unwrap(), 5, "{done}");
    }
}

#[test]
fn messages_between_the_breaks_make_it_go_on() {
    let (broker, seen) = grants_and_hangs_up(|peer| peer.publish(0, 0, "a", "x"));
    let done = mozzie("sub -t a -C 12 --retry-delay 10ms -i same")
        .at(broker.port)
        .run();
    done.status(0);
    // A reason to tell, and none to give up.
    let told = "is another client using the client identifier 'same'?";
    assert_eq!(done.stderr.matches(told).count(), 1, "{done}");
    assert_eq!(seen.recv().unwrap(), 12, "{done}");
}

#[test]
fn two_clients_with_one_identifier_are_told_and_one_gives_up() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let (send, ended) = mpsc::channel();
    for _ in 0..2 {
        let send = send.clone();
        let sub = mozzie("sub -V 311 -t a -C 1 -i same --retry-delay 20ms").at(broker.port);
        thread::spawn(move || send.send(sub.run()));
    }
    let loser = ended.recv_timeout(DEADLINE).expect("one gives up");
    loser.fails(3, &["5 times in a row", "client identifier 'same'"]);
    let told = loser.stderr.matches("is another client").count();
    assert_eq!(told, 2, "once on the way, once at the end: {loser}");
    Client::connect(broker.port).publish("a", "x", 0, true);
    let winner = ended
        .recv_timeout(DEADLINE)
        .expect("the other is left alone");
    winner.status(0);
}

#[test]
fn what_happens_is_said_on_stderr_once() {
    let broker = Scripted::start(|door| {
        let mut peer = door.welcome();
        peer.grant();
        peer.close();
        let mut peer = door.welcome();
        peer.grant();
        peer.publish(0, 0, "a", "x");
        peer.until_closed();
    });
    let done = mozzie("sub -t a -C 1").at(broker.port).run();
    done.status(0);
    let lines = done.stderr.lines().count();
    assert!(
        (1..=4).contains(&lines) && done.stderr.lines().all(|line| line.starts_with("mozzie: ")),
        "{done}"
    );
}

#[test]
fn wait_for_broker_waits_for_one_that_starts_later() {
    let port = free_port();
    for command in ["pub -t a -m x -q 1", "sub -t a -E"] {
        let run = mozzie(command)
            .at(port)
            .args("--wait-for-broker 15s")
            .start();
        run.wait_for_stderr("trying again");
        let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
        let broker = Scripted::with_listener(listener, |door| {
            let mut peer = door.welcome();
            while let Some(frame) = peer.next() {
                match frame.kind() {
                    wire::PUBLISH => peer.send(wire::ack(wire::PUBACK, frame.id())),
                    wire::SUBSCRIBE => peer.send(wire::suback(peer.v5, frame.id(), &[0])),
                    _ => {}
                }
            }
        });
        run.finish().status(0);
        broker.finish();
    }
}

#[test]
fn wait_for_broker_gives_up_with_3_when_the_time_is_over() {
    let start = Instant::now();
    mozzie("pub -t a -m x --wait-for-broker 1s")
        .at(free_port())
        .run()
        .fails(3, &["refused"]);
    assert!(
        (0.8..4.0).contains(&start.elapsed().as_secs_f64()),
        "took {:?}",
        start.elapsed()
    );
}

#[test]
fn wait_for_broker_does_not_wait_out_a_refused_login() {
    needs!("mosquitto", "mosquitto_passwd");
    let broker = Mosquitto::config().users(&[("alice", "right")]).start();
    let start = Instant::now();
    mozzie("pub -t a -m x -u alice -P wrong --wait-for-broker 30s")
        .at(broker.port)
        .run()
        .fails(4, &["not authorized"]);
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "took {:?}",
        start.elapsed()
    );
    assert_eq!(broker.log_text().matches("New client connected").count(), 0);
}

#[test]
fn a_login_that_is_refused_on_the_way_back_never_loops() {
    for version in VERSIONS {
        let broker = Scripted::start(|door| {
            let mut peer = door.welcome();
            peer.grant();
            peer.close();
            door.accept().refuse(wire::BAD_LOGIN);
            assert!(
                door.accept_within(Duration::from_millis(500)).is_none(),
                "no third attempt"
            );
        });
        let done = mozzie("sub -t a").at(broker.port).version(version).run();
        done.ends(4, "", &["bad user name or password"]);
    }
}

#[test]
fn a_broker_that_is_busy_on_the_way_back_is_tried_again() {
    let broker = Scripted::start(|door| {
        let mut peer = door.welcome();
        peer.grant();
        peer.close();
        let mut busy = door.accept();
        busy.connect();
        busy.send(wire::connack(true, false, 0x89));
        busy.until_closed();
        let mut peer = door.welcome();
        peer.grant();
        peer.publish(0, 0, "a", "x");
        peer.until_closed();
    });
    let done = mozzie("sub -V 5 -t a -C 1").at(broker.port).run();
    done.status(0);
    assert_eq!(done.stdout, b"x\n", "{done}");
}

#[test]
fn the_brokers_keep_alive_counts_and_not_ones_own() {
    let broker = Scripted::start(|door| {
        let mut peer = door.accept();
        peer.connect();
        // Server Keep Alive 1.
        peer.send(wire::connack_with(&[0x13, 0, 1]));
        peer.grant();
        let ping = peer.next_raw().expect("the program stays");
        assert_eq!(ping.kind(), wire::PINGREQ);
        peer.send(wire::PINGRESP_BYTES);
        peer.publish(0, 0, "a", "x");
        peer.until_closed();
    });
    mozzie("sub -V 5 -t a -C 1 -k 600")
        .at(broker.port)
        .run()
        .prints("x\n");
}

#[test]
fn qos_0_lines_that_a_broken_connection_swallowed_are_no_success() {
    let broker = Scripted::start(|door| {
        let mut peer = door.welcome();
        peer.expect(wire::PUBLISH);
        // What lies unread makes this a reset.
        peer.close();
        door.accept().refuse(wire::NOT_AUTHORIZED);
    });
    let input = "some line\n".repeat(200_000);
    let done = mozzie("pub -t a -l -q 0")
        .at(broker.port)
        .stdin(input)
        .run();
    assert!(
        matches!(done.code(), Some(4 | 7)) && done.looks_like_an_error(),
        "{done}"
    );
}

#[test]
fn a_broker_that_stops_answering_pings_is_left() {
    let (send, receive) = mpsc::channel();
    let broker = Scripted::start(move |door| {
        let mut peer = door.welcome();
        peer.grant();
        let start = Instant::now();
        // Silent from here on: the ping stays unanswered.
        while peer.next_raw().is_some() {}
        send.send(start.elapsed()).unwrap();
        let mut again = door.welcome();
        again.grant();
        again.publish(0, 0, "a", "x");
        again.until_closed();
    });
    let done = mozzie("sub -t a -C 1 -k 1").at(broker.port).run();
    done.status(0);
    assert_eq!(done.stdout, b"x\n", "{done}");
    assert!(receive.recv().unwrap() < Duration::from_secs(5));
}
