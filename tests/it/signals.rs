//! SIGINT and SIGTERM: what was asked for and not done is 130 or 143; a `sub` without a limit just ends.

use std::{sync::mpsc, time::Duration};

use crate::{
    needs,
    support::{Client, Mosquitto, Scripted, mozzie, wire},
};

const SIGNALS: [(&str, i32); 2] = [("INT", 130), ("TERM", 143)];

#[test]
fn a_sub_without_a_limit_ends_with_0_and_says_goodbye() {
    for (signal, _) in SIGNALS {
        let (ready, subscribed) = mpsc::channel();
        let broker = Scripted::welcoming(move |peer| {
            peer.grant();
            peer.publish(0, 0, "s", "printed");
            ready.send(()).unwrap();
            peer.expect(wire::DISCONNECT);
            assert!(peer.next().is_none(), "nothing after DISCONNECT");
        });
        let run = mozzie("sub -t s").at(broker.port).start();
        subscribed.recv().unwrap();
        run.wait_for_stdout("printed");
        run.signal(signal);
        run.finish().prints("printed\n");
        broker.finish();
    }
}

#[test]
fn a_sub_short_of_its_count_ends_with_130_or_143() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    for (n, (signal, code)) in SIGNALS.into_iter().enumerate() {
        let run = mozzie("sub -t s -C 2").at(broker.port).start();
        broker.subscribed(n + 1);
        Client::connect(broker.port).publish("s", "one", 0, false);
        run.wait_for_stdout("one");
        run.signal(signal);
        let done = run.finish();
        done.status(code);
        assert_eq!(done.stdout, b"one\n", "{done}");
    }
}

#[test]
fn a_sub_that_listens_for_a_while_ends_with_130_or_143_before_that() {
    for option in ["-W 60s", "--idle-timeout 60s"] {
        for (signal, code) in SIGNALS {
            let broker = Scripted::welcoming(|peer| {
                peer.grant();
                peer.publish(0, 0, "s", "one");
                peer.until_closed();
            });
            let run = mozzie("sub -t s").args(option).at(broker.port).start();
            run.wait_for_stdout("one");
            run.signal(signal);
            let done = run.finish();
            done.status(code);
            assert_eq!(done.stdout, b"one\n", "{done}");
        }
    }
}

#[test]
fn a_pub_whose_message_is_not_acknowledged_ends_with_130_or_143() {
    for (signal, code) in SIGNALS {
        let (send, published) = mpsc::channel();
        let broker = Scripted::welcoming(move |peer| {
            peer.expect(wire::PUBLISH);
            send.send(()).unwrap();
            peer.until_closed();
        });
        let run = mozzie("pub -t a -m x -q 1").at(broker.port).start();
        published.recv().unwrap();
        run.signal(signal);
        let done = run.finish();
        done.status(code);
        assert!(done.stdout.is_empty(), "{done}");
    }
}

#[test]
fn a_pub_that_waits_for_lines_ends_with_130() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let mut observer = Client::observing(broker.port, "a");
    let mut run = mozzie("pub -t a -l -q 1").at(broker.port).start();
    run.write("one\n");
    assert_eq!(observer.next().payload, b"one");
    run.signal("INT");
    run.finish().status(130);
}

#[test]
fn a_signal_before_the_broker_answers_ends_at_once() {
    for (signal, code) in SIGNALS {
        let (broker, connected) = Scripted::silent();
        let run = mozzie("pub -t a -m x").at(broker.port).start();
        connected.recv().unwrap();
        run.signal(signal);
        run.finish().status(code);
    }
}

#[test]
fn two_signals_end_a_bench_that_has_not_begun() {
    for pace in ["--rate 100", "--rate 1M --arrivals poisson"] {
        let (broker, connected) = Scripted::silent();
        let run = mozzie(&format!("bench --subscribers 0 -q 1 --duration 2s {pace}"))
            .at(broker.port)
            .start();
        connected.recv().unwrap();
        run.signal("INT");
        run.signal("TERM");
        let done = run.finish();
        // Which of the two comes first, and whether there is time for a result, is chance.
        assert!(matches!(done.code(), Some(130 | 143)), "{done}");
    }
}

#[test]
fn a_second_signal_ends_a_farewell_that_hangs() {
    // The broker stops reading and never acknowledges; whatever the program still waits for, two signals end it.
    let (send, published) = mpsc::channel();
    let (stop, stopped) = mpsc::channel::<()>();
    let broker = Scripted::welcoming(move |peer| {
        peer.expect(wire::PUBLISH);
        send.send(()).unwrap();
        let _ended = stopped.recv_timeout(Duration::from_secs(20));
    });
    let run = mozzie("pub -t a -m x -q 2")
        .at(broker.port)
        .deadline(Duration::from_secs(8))
        .start();
    published.recv().unwrap();
    run.signal("INT");
    run.wait_until_idle();
    run.signal("INT");
    run.finish().status(130);
    drop(stop);
}

#[test]
fn a_signal_while_waiting_for_the_broker_ends_the_wait() {
    let port = crate::support::free_port();
    let run = mozzie("pub -t a -m x --wait-for-broker 60s")
        .at(port)
        .start();
    run.wait_for_stderr("trying again");
    run.signal("INT");
    run.finish().status(130);
}
