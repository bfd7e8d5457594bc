//! `mozzie broker` and `bench --embedded`: the program against itself.
#![cfg(feature = "broker")]

use crate::support::{Client, Running, free_port, mozzie, wait_until};

/// Starts `mozzie broker` on a free port and reads from its stdout where it listens.
pub fn broker() -> (Running, u16) {
    let run = mozzie("broker --port 0").start();
    run.wait_for_stdout("\n");
    let url = String::from_utf8(run.printed()).unwrap();
    let port = url
        .strip_prefix("mqtt://127.0.0.1:")
        .and_then(|rest| rest.strip_suffix('\n'));
    let port = port.expect("a URL and nothing else").parse().unwrap();
    assert_ne!(port, 0);
    (run, port)
}

#[test]
fn messages_cross_the_embedded_broker_in_every_version_and_qos() {
    let (_broker, port) = broker();
    for version in ["31", "311", "5"] {
        for qos in [0, 1, 2] {
            // Retained, so that nothing depends on who is there first.
            let topic = format!("e/{version}/{qos}");
            mozzie("pub -m hello -r")
                .at(port)
                .version(version)
                .args(&format!("-t {topic} -q {qos}"))
                .run()
                .prints("");
            mozzie("sub -C 1 -v")
                .at(port)
                .version(version)
                .args(&format!("-t {topic} -q {qos}"))
                .run()
                .prints(format!("{topic} hello\n"));
        }
    }
}

#[test]
fn retained_only_is_complete_though_this_broker_looks_them_up_behind_the_suback() {
    let (_broker, port) = broker();
    let mut publisher = Client::connect(port);
    for n in 0..300 {
        publisher.publish(&format!("kept/{n}"), "x", 1, true);
    }
    for qos in [0, 1, 2] {
        mozzie("sub -t kept/# --retained-only")
            .at(port)
            .args(&format!("-q {qos}"))
            .run()
            .prints("x\n".repeat(300));
        mozzie("sub -t none --retained-only")
            .at(port)
            .args(&format!("-q {qos}"))
            .run()
            .prints("");
    }
}

#[test]
fn ten_thousand_lines_cross_the_embedded_broker_in_order() {
    let (_broker, port) = broker();
    let input: String = (0..10_000).map(|n| format!("{n}\n")).collect();
    for qos in [0, 1, 2] {
        let topic = format!("lines/{qos}");
        let run = mozzie("sub")
            .at(port)
            .args(&format!("-t {topic} -q {qos}"))
            .start();
        // A marker that is published until it arrives says that the subscription stands.
        let mut publisher = Client::connect(port);
        let probe = wait_until("the subscription", || {
            publisher.publish(&topic, "ready", 0, false);
            run.has_printed("ready\n").then(|| run.printed())
        });
        assert!(probe.starts_with(b"ready\n"));
        mozzie("pub -l")
            .at(port)
            .args(&format!("-t {topic} -q {qos}"))
            .stdin(&input)
            .run()
            .prints("");
        run.wait_for_stdout("\n9999\n");
        let printed = run.printed();
        let text = String::from_utf8(printed).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| *line != "ready").collect();
        assert_eq!(lines.join("\n") + "\n", input, "QoS {qos}");
    }
}

#[test]
fn the_embedded_broker_ends_on_a_signal_and_closes_its_port() {
    for signal in ["INT", "TERM"] {
        let (run, port) = broker();
        let mut client = Client::connect(port);
        client.publish("a", "x", 1, false);
        run.signal(signal);
        // It runs until it is told to stop, so being told is success.
        let done = run.finish();
        done.status(0);
        assert_eq!(done.stdout_text(), format!("mqtt://127.0.0.1:{port}\n"));
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    }
}

#[test]
fn the_embedded_broker_listens_where_it_is_told() {
    let port = free_port();
    let run = mozzie("broker --bind ::1 --port")
        .arg(port.to_string())
        .start();
    run.wait_for_stdout(format!("mqtt://[::1]:{port}\n"));
    mozzie(&format!("pub -h ::1 -p {port} -t a -m x -q 1"))
        .run()
        .prints("");
    run.interrupt().status(0);
}

#[test]
fn a_port_that_is_taken_is_an_error_that_names_it() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let done = mozzie("broker --port").arg(port.to_string()).run();
    done.fails(1, &[&port.to_string(), "in use"]);
}

#[test]
fn properties_and_shared_subscriptions_cross_the_embedded_broker() {
    let (_broker, port) = broker();
    mozzie("pub -t p -m x -r -q 1 -D publish content-type text/plain -D publish user-property k v")
        .at(port)
        .run()
        .prints("");
    let done = mozzie("sub -V 5 -t p -C 1 --json").at(port).run();
    done.status(0);
    let text = done.stdout_text();
    assert!(
        text.contains(r#""content-type":"text/plain""#)
            && text.contains(r#""user-properties":[{"k":"v"}]"#),
        "{text}"
    );
    mozzie("sub -V 5 -t $share/g/p -E")
        .at(port)
        .run()
        .prints("");
}

#[test]
fn bench_embedded_ends_by_itself_with_a_result() {
    // At QoS 0 tens of thousands of messages may be in sockets and queues at the end, which takes a machine that does much
    // else longer to drain than a test waits.
    let done = mozzie("bench --embedded -q 1 --duration 300ms").run();
    done.status(0);
    let text = done.stdout_text().to_lowercase();
    for word in ["sent", "received", "lost", "p50", "p99", "p99.9", "max"] {
        assert!(text.contains(word), "{word} is in the result\n{done}");
    }
    assert!(
        !done.stderr.contains('\r') && !done.stderr.contains('\x1b'),
        "no progress line into a pipe\n{done}"
    );
}

#[test]
fn bench_counts_what_it_was_told_to_send() {
    for qos in [0, 1, 2] {
        let done = mozzie("bench --embedded -n 5000 --publishers 2 --subscribers 2")
            .args(&format!("-q {qos}"))
            .run();
        done.status(0);
        let text = done.stdout_text().replace([',', ' ', '\u{202f}'], "");
        assert!(
            text.contains("5000") && text.contains("10000"),
            "5,000 sent and 10,000 received\n{done}"
        );
    }
}

#[test]
fn bench_against_a_port_where_nobody_listens_is_3() {
    mozzie("bench --duration 1s")
        .at(free_port())
        .run()
        .fails(3, &["refused"]);
}

#[test]
fn bench_is_ended_by_a_signal_with_130() {
    let run = mozzie("bench --embedded -q 1 --duration 60s").start();
    run.wait_until_it_catches_signals();
    run.signal("INT");
    run.finish().status(130);
}
