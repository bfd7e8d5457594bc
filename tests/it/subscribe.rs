//! `mozzie sub`: which messages are printed, how, and when it ends.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::{
    needs,
    support::{Client, DEADLINE, Mosquitto, Peer, Scripted, VERSIONS, mozzie, wire},
};

#[test]
fn each_payload_is_a_line_in_every_version_and_qos() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let mut publisher = Client::connect(broker.port);
    let mut runs = 0;
    for version in ["31", "311", "5"] {
        for qos in [0, 1, 2] {
            let run = mozzie("sub -t s/# -C 3")
                .at(broker.port)
                .version(version)
                .args(&format!("-q {qos}"))
                .start();
            runs += 1;
            broker.subscribed(runs);
            publisher.publish("s/1", "one", 0, false);
            publisher.publish("s/2", "zwei zwei", 1, false);
            publisher.publish("s/3/deep", "drei", 2, false);
            run.finish().prints("one\nzwei zwei\ndrei\n");
        }
    }
}

#[test]
fn several_topics_are_one_stream_and_overlapping_ones_do_not_disturb() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let run = mozzie("sub -t a/+ -t b -t c/# -C 4 -v")
        .at(broker.port)
        .start();
    broker.subscribed(1);
    let mut publisher = Client::connect(broker.port);
    for topic in ["a/1", "b", "not/asked/for", "c", "c/d/e"] {
        publisher.publish(topic, topic.to_uppercase(), 1, false);
    }
    run.finish().prints("a/1 A/1\nb B\nc C\nc/d/e C/D/E\n");
}

#[test]
fn v_prints_the_topic_before_the_payload_and_n_leaves_the_newline_out() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let table = [
        ("", "x y\nend\n"),
        ("-N", "x yend"),
        ("-v", "t/a x y\nt/b (null)\nt/c end\n"),
        ("-v -N", "t/a x yt/c end"),
    ];
    for (n, (options, expected)) in table.into_iter().enumerate() {
        // `-T` marks the end without being printed; `-C` would count differently where an empty payload prints nothing.
        let run = mozzie("sub -t t/#").at(broker.port).args(options).start();
        broker.subscribed(n + 1);
        let mut publisher = Client::connect(broker.port);
        publisher.publish("t/a", "x y", 0, false);
        publisher.publish("t/b", "", 0, false);
        publisher.publish("t/c", "end", 0, false);
        run.wait_for_stdout("end");
        run.interrupt().prints(expected);
    }
}

#[test]
fn bytes_are_printed_as_they_came() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let every_byte: Vec<u8> = (0..=255).collect();
    let long: Vec<u8> = every_byte.iter().copied().cycle().take(300_000).collect();
    for (n, version) in VERSIONS.into_iter().enumerate() {
        let run = mozzie("sub -t raw -C 3 -N")
            .at(broker.port)
            .version(version)
            .start();
        broker.subscribed(n + 1);
        let mut publisher = Client::connect(broker.port);
        publisher.publish("raw", &every_byte, 1, false);
        publisher.publish("raw", b"\xff\0\n\r\n", 0, false);
        publisher.publish("raw", &long, 2, false);
        run.finish()
            .prints([&every_byte[..], b"\xff\0\n\r\n", &long].concat());
    }
}

#[test]
fn ten_mebibytes_are_printed_byte_for_byte() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let run = mozzie("sub -t big -C 1 -q 1").at(broker.port).start();
    broker.subscribed(1);
    let big: Vec<u8> = (0..10 << 20).map(|n: u32| (n ^ n >> 9) as u8).collect();
    Client::connect(broker.port).publish("big", &big, 1, false);
    let done = run.finish();
    done.status(0);
    assert!(
        done.stdout.len() == big.len() + 1 && done.stdout.starts_with(&big),
        "{} bytes",
        done.stdout.len()
    );
}

#[test]
fn filtered_topics_are_neither_printed_nor_counted() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let run = mozzie("sub -t a/# -T a/noise/# -T a/+/secret -C 2 -v")
        .at(broker.port)
        .start();
    broker.subscribed(1);
    let mut publisher = Client::connect(broker.port);
    for topic in ["a/noise", "a/x", "a/noise/deep", "a/y/secret", "a/y"] {
        publisher.publish(topic, "m", 0, false);
    }
    run.finish().prints("a/x m\na/y m\n");
}

#[test]
fn u_takes_a_subscription_back() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let run = mozzie("sub -t a -t b -U a -C 1 -v").at(broker.port).start();
    broker.wait_for("Received UNSUBSCRIBE from", 1);
    let mut publisher = Client::connect(broker.port);
    publisher.publish("a", "no", 0, false);
    publisher.publish("b", "yes", 0, false);
    run.finish().prints("b yes\n");
}

#[test]
fn c_ends_after_that_many_even_when_more_have_come() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    for (n, version) in VERSIONS.into_iter().enumerate() {
        let run = mozzie("sub -t c -C 5 -q 2")
            .at(broker.port)
            .version(version)
            .start();
        broker.subscribed(n + 1);
        let mut publisher = Client::connect(broker.port);
        for n in 0..50 {
            publisher.publish("c", n.to_string(), 0, false);
        }
        run.finish().prints("0\n1\n2\n3\n4\n");
    }
}

#[test]
fn w_gives_up_with_6_and_keeps_what_was_printed() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let start = Instant::now();
    mozzie("sub -t w -W 1")
        .at(broker.port)
        .run()
        .ends(6, "", &["mozzie: ", "1"]);
    assert!(
        (0.9..4.0).contains(&start.elapsed().as_secs_f64()),
        "took {:?}",
        start.elapsed()
    );

    let run = mozzie("sub -t w -C 3 -W 1").at(broker.port).start();
    broker.subscribed(2);
    Client::connect(broker.port).publish("w", "one of three", 0, false);
    run.finish().ends(6, "one of three\n", &["mozzie: "]);
}

#[test]
fn w_does_not_matter_when_the_count_is_reached() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let run = mozzie("sub -t w -C 1 -W 10").at(broker.port).start();
    broker.subscribed(1);
    Client::connect(broker.port).publish("w", "here", 0, false);
    run.finish().prints("here\n");
}

#[test]
fn w_without_a_count_is_a_time_to_listen() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let run = mozzie("sub -t w -W 1").at(broker.port).start();
    broker.subscribed(1);
    Client::connect(broker.port).publish("w", "in time", 0, false);
    run.finish().prints("in time\n");
}

#[test]
fn w_takes_fractions_and_units() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    for (typed, seconds) in [("200ms", 0.2), ("0.3", 0.3), ("0.005m", 0.3)] {
        let start = Instant::now();
        mozzie("sub -t w -W").arg(typed).at(broker.port).run().ends(
            6,
            "",
            &[&format!("no message within {seconds} s")],
        );
        assert!(start.elapsed().as_secs_f64() >= seconds, "{typed}");
    }
}

#[test]
fn idle_timeout_ends_when_nothing_comes_any_more() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    mozzie("sub -t i --idle-timeout 200ms")
        .at(broker.port)
        .run()
        .fails(6, &["no message", "0.2 s"]);
    for (n, (options, code, says)) in [("", 0, ""), ("-C 99", 6, "of 99 messages")]
        .into_iter()
        .enumerate()
    {
        let run = mozzie("sub -t i --idle-timeout 1s")
            .args(options)
            .at(broker.port)
            .start();
        broker.subscribed(n + 2);
        let mut publisher = Client::connect(broker.port);
        let start = Instant::now();
        let mut sent = String::new();
        // Each begins the time anew.
        while start.elapsed().as_secs_f64() < 1.3 {
            publisher.publish("i", "x", 0, false);
            sent.push_str("x\n");
            std::thread::sleep(Duration::from_millis(50));
        }
        let says: &[&str] = if says.is_empty() { &[] } else { &[says] };
        run.finish().ends(code, sent, says);
    }
}

#[test]
fn the_longest_topic_is_printed_whole() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let topic = "t".repeat(65_535);
    let run = mozzie("sub -t + -C 1 -v").at(broker.port).start();
    broker.subscribed(1);
    mozzie("pub -m x")
        .at(broker.port)
        .option("-t", &topic)
        .run()
        .prints("");
    run.finish().prints(format!("{topic} x\n"));
}

#[test]
fn e_ends_once_subscribed() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    for version in VERSIONS {
        mozzie("sub -t a -t b -E")
            .at(broker.port)
            .version(version)
            .run()
            .prints("");
    }
    broker.subscribed(2);
}

#[test]
fn e_with_a_kept_session_collects_what_comes_meanwhile() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    for (version, session) in [("311", "-c"), ("5", "-c -x 60")] {
        let id = format!("keeper-{version}");
        let sub = || {
            mozzie("sub -t kept -q 1")
                .at(broker.port)
                .version(version)
                .args(&format!("-i {id} {session}"))
        };
        sub().args("-E").run().prints("");
        let mut publisher = Client::connect(broker.port);
        for text in ["one", "two", "three"] {
            publisher.publish("kept", text, 1, false);
        }
        sub().args("-C 3").run().prints("one\ntwo\nthree\n");
    }
}

#[test]
fn no_local_hides_the_publishers_own_messages() {
    // One process cannot publish and subscribe, so the will is its own message: it comes when the session is taken over.
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let run = mozzie("sub -t nl -C 1 --no-local").at(broker.port).start();
    broker.subscribed(1);
    Client::connect(broker.port).publish("nl", "from another", 0, false);
    run.finish().prints("from another\n");
}

#[test]
fn a_shared_subscription_gets_each_message_once() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let members: Vec<_> = (0..2)
        .map(|_| {
            mozzie("sub -V 5 -t $share/group/s -q 1")
                .at(broker.port)
                .start()
        })
        .collect();
    broker.subscribed(2);
    let mut publisher = Client::connect(broker.port);
    for n in 0..10 {
        publisher.publish("s", n.to_string(), 1, false);
    }
    broker.wait_for("Received PUBACK from", 10);
    let mut lines: Vec<String> = Vec::new();
    for member in members {
        let done = member.interrupt();
        done.status(0);
        lines.extend(done.stdout_text().lines().map(str::to_owned));
    }
    lines.sort();
    assert_eq!(lines, (0..10).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn sys_topics_are_printed_when_asked_for() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let done = mozzie("sub -t $SYS/broker/version -C 1")
        .at(broker.port)
        .run();
    done.status(0);
    assert!(done.stdout.starts_with(b"mosquitto version"), "{done}");
}

/// More messages at once than there are packet identifiers.
const FLOOD: usize = 70_000;

/// Sends so many QoS 2 messages at once and then the others, each as soon as a packet identifier is free; answers
/// every PUBREC, and ends with a message of QoS 0. Acknowledgements come in the order of the messages.
fn flood(peer: &mut Peer, at_once: usize) {
    let id = |number: usize| (number % 65_535) as u16 + 1;
    let publish = |v5: bool, number: usize, id| wire::publish(v5, 2, id, "t", number.to_string());
    let v5 = peer.v5;
    let all: Vec<Vec<u8>> = (0..at_once)
        .map(|number| publish(v5, number, id(number)))
        .collect();
    peer.send(all.concat());
    let mut due: VecDeque<u16> = (0..at_once).map(id).collect();
    let (mut sent, mut completed) = (at_once, 0);
    while completed < FLOOD {
        let frame = peer.expect_any(&[wire::PUBREC, wire::PUBCOMP]);
        if frame.kind() == wire::PUBREC {
            assert_eq!(Some(frame.id()), due.pop_front(), "after {completed}");
            peer.send(wire::ack(wire::PUBREL, frame.id()));
            continue;
        }
        completed += 1;
        if sent < FLOOD {
            peer.send(publish(v5, sent, frame.id()));
            due.push_back(frame.id());
            sent += 1;
        }
    }
    assert_eq!(due.len(), 0);
    peer.publish(0, 0, "t", "end");
    peer.until_closed();
}

#[test]
fn more_messages_than_packet_identifiers_come_once_each_and_in_order() {
    // 2.0.11 goes round its identifiers while they are in use, which MQTT 5 lets no broker do.
    for (version, at_once) in [("311", 65_535), ("5", 65_535), ("311", FLOOD)] {
        let broker = Scripted::welcoming(move |peer| {
            peer.grant();
            flood(peer, at_once);
        });
        let done = mozzie("sub -q 2 -t t")
            .args(&format!("-C {}", FLOOD + 1))
            .version(version)
            .at(broker.port)
            .deadline(3 * DEADLINE)
            .run();
        assert_eq!(done.code(), Some(0), "{version}: {}", done.stderr);
        let expected = (0..FLOOD).map(|number| number.to_string());
        let expected = expected.chain(["end".to_owned()]);
        let text = done.stdout_text();
        let odd = text.lines().map(str::to_owned).zip(expected);
        let odd = odd.enumerate().find(|(_, (got, sent))| got != sent);
        assert_eq!(odd, None, "{version}");
        assert_eq!(text.lines().count(), FLOOD + 1, "{version}");
        broker.finish();
    }
}
