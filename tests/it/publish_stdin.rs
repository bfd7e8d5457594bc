//! `mozzie pub -l`: a message a line, at once, none lost, none changed.

use crate::{
    needs,
    support::{Client, Mosquitto, Scripted, VERSIONS, mozzie, wire},
};

#[test]
fn each_line_is_a_message_with_nul_and_carriage_return_kept() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let mut observer = Client::observing(broker.port, "l");
    let lines: [&[u8]; 6] = [
        b"first",
        b"",
        b"ab\0cd",
        b"dos\r",
        b"\xff\xfe \xc3",
        b"no newline at the end",
    ];
    for version in VERSIONS {
        for qos in [0, 1, 2] {
            mozzie("pub -t l -l")
                .at(broker.port)
                .version(version)
                .args(&format!("-q {qos}"))
                .stdin(lines.join(&b'\n'))
                .run()
                .prints("");
            assert_eq!(observer.payloads(lines.len()), lines);
        }
    }
    assert!(
        observer.until_now(broker.port).is_empty(),
        "nothing beyond the lines"
    );
}

#[test]
fn a_newline_at_the_end_makes_no_message_of_its_own() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let mut observer = Client::observing(broker.port, "l");
    mozzie("pub -t l -l")
        .at(broker.port)
        .stdin("one\n\n")
        .run()
        .prints("");
    let payloads: Vec<_> = observer
        .until_now(broker.port)
        .into_iter()
        .map(|m| m.payload)
        .collect();
    assert_eq!(payloads, [b"one".to_vec(), vec![]]);
}

#[test]
fn no_lines_are_no_messages_and_success() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let mut observer = Client::observing(broker.port, "l");
    mozzie("pub -t l -l -q 1")
        .at(broker.port)
        .stdin("")
        .run()
        .prints("");
    assert!(observer.until_now(broker.port).is_empty());
}

#[test]
fn a_slow_pipe_is_published_line_by_line_at_once() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let mut observer = Client::observing(broker.port, "l");
    for qos in [0, 1] {
        let mut run = mozzie("pub -t l -l")
            .at(broker.port)
            .args(&format!("-q {qos}"))
            .start();
        for line in ["one", "two", "three"] {
            run.write(format!("{line}\n"));
            // The pipe stays open and nothing more is written until this one has arrived.
            assert_eq!(observer.next().payload, line.as_bytes());
        }
        run.write("rest without newline");
        run.close_stdin();
        assert_eq!(observer.next().payload, b"rest without newline");
        run.finish().prints("");
    }
}

#[test]
fn a_line_of_256_kibibytes_is_one_message() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let mut observer = Client::observing(broker.port, "l");
    let line: Vec<u8> = (0..256 * 1024)
        .map(|n: u32| if n % 251 == 10 { b'x' } else { (n % 251) as u8 })
        .collect();
    let input = [&line[..], b"\n", &line[1..], b"\nend"].concat();
    mozzie("pub -t l -l -q 1")
        .at(broker.port)
        .stdin(input)
        .run()
        .prints("");
    assert!(
        observer.payloads(3) == [&line[..], &line[1..], b"end"],
        "long lines arrive whole"
    );
}

#[test]
fn a_hundred_thousand_lines_arrive_complete_and_in_order_at_every_qos() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let input: String = (0..100_000).map(|n| format!("line {n}\n")).collect();
    for (qos, version) in [(0, "311"), (1, "5"), (2, "311")] {
        let topic = format!("flood/{qos}");
        let mut observer = Client::observing(broker.port, &topic);
        let counted = std::thread::spawn(move || {
            for n in 0..100_000 {
                let payload = observer.next().payload;
                assert_eq!(payload, format!("line {n}").into_bytes());
            }
        });
        mozzie("pub -l")
            .at(broker.port)
            .version(version)
            .args(&format!("-t {topic} -q {qos}"))
            .stdin(&input)
            // Twenty thousand times from one core to another and back, which a busy machine may take a while for.
            .deadline(std::time::Duration::from_secs(120))
            .run()
            .prints("");
        counted
            .join()
            .expect("every line arrived once and in order");
    }
}

#[test]
fn m_limits_what_is_unacknowledged_at_a_time() {
    for version in VERSIONS {
        let broker = Scripted::welcoming(|peer| {
            let mut waiting = Vec::new();
            for _ in 0..20 {
                waiting.push(peer.expect(wire::PUBLISH).id());
                if waiting.len() == 4 {
                    // Four are out; a fifth must not come before an acknowledgement does.
                    peer.stream()
                        .set_read_timeout(Some(std::time::Duration::from_millis(50)))
                        .unwrap();
                    let mut byte = [0];
                    assert!(
                        peer.stream().peek(&mut byte).is_err(),
                        "a fifth publish before any acknowledgement"
                    );
                    peer.stream()
                        .set_read_timeout(Some(crate::support::DEADLINE))
                        .unwrap();
                    for id in waiting.drain(..) {
                        peer.send(wire::ack(wire::PUBACK, id));
                    }
                }
            }
            peer.until_closed();
        });
        let input: String = (0..20).map(|n| format!("{n}\n")).collect();
        mozzie("pub -t a -l -q 1 -M 4")
            .at(broker.port)
            .version(version)
            .stdin(input)
            .run()
            .prints("");
        broker.finish();
    }
}

#[test]
fn the_brokers_receive_maximum_is_obeyed() {
    let broker = Scripted::start(|door| {
        let mut peer = door.accept();
        peer.connect();
        // Receive Maximum 2.
        peer.send(wire::connack_with(&[0x21, 0, 2]));
        for _ in 0..10 {
            let first = peer.expect(wire::PUBLISH).id();
            let second = peer.expect(wire::PUBLISH).id();
            peer.stream()
                .set_read_timeout(Some(std::time::Duration::from_millis(20)))
                .unwrap();
            assert!(
                peer.stream().peek(&mut [0]).is_err(),
                "a third publish before any acknowledgement"
            );
            peer.stream()
                .set_read_timeout(Some(crate::support::DEADLINE))
                .unwrap();
            peer.send(
                [
                    wire::ack(wire::PUBACK, first),
                    wire::ack(wire::PUBACK, second),
                ]
                .concat(),
            );
        }
        peer.until_closed();
    });
    let input: String = (0..20).map(|n| format!("{n}\n")).collect();
    mozzie("pub -V 5 -t a -l -q 1")
        .at(broker.port)
        .stdin(input)
        .run()
        .prints("");
}

#[test]
fn a_long_flood_of_stdin_does_not_pile_up_in_memory() {
    // A broker that reads nothing: what is not sent must stay in the pipe.
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let broker = Scripted::welcoming(move |_peer| {
        let _ended = stopped.recv();
    });
    let mut run = mozzie("pub -t a -l").at(broker.port).start();
    let line = [&[b'x'; 1023][..], b"\n"].concat();
    let chunk = line.repeat(64);
    let mut stdin = run.take_stdin();
    let writer = std::thread::spawn(move || {
        use std::io::Write;
        let mut written = 0_usize;
        while written < 256 << 20 && stdin.write_all(&chunk).is_ok() {
            written += chunk.len();
        }
        written
    });
    std::thread::sleep(std::time::Duration::from_millis(700));
    if let Some(kib) = run.resident_kib() {
        assert!(
            kib < 64 * 1024,
            "{kib} KiB in memory while the broker does not read"
        );
    }
    drop(run);
    let written = writer.join().unwrap();
    assert!(
        written < 128 << 20,
        "{written} bytes were read ahead of a broker that does not read"
    );
    drop(stop);
}

/// A broker that takes packets of a thousand bytes.
fn takes_a_thousand() -> Scripted {
    Scripted::start(|door| {
        let mut peer = door.accept();
        peer.connect();
        peer.send(wire::connack_with(&[0x27, 0, 0, 3, 0xe8]));
        peer.drain();
    })
}

#[test]
fn a_line_above_the_brokers_maximum_is_not_gathered() {
    let broker = takes_a_thousand();
    let mut run = mozzie("pub -V 5 -t a/b -l -q 1").at(broker.port).start();
    run.write("short\n");
    // It does not end: that its beginning is too long is enough.
    run.write("x".repeat(2000));
    run.wait_for_stderr("error: ");
    let done = run.finish();
    done.fails(
        5,
        &[
            "'a/b'",
            "line 2 of stdin",
            "maximum packet size of 1000 bytes",
            "1 of 2 messages",
        ],
    );
}

#[test]
fn a_line_above_the_brokers_maximum_is_kept_whole_where_that_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rest");
    let broker = takes_a_thousand();
    let long = "x".repeat(200_000);
    mozzie("pub -V 5 -t a/b -l -q 1")
        .at(broker.port)
        .option("--unsent", &file)
        .stdin(format!("short\n{long}\nlast"))
        .run()
        .fails(5, &["'a/b'", "maximum of 1000", "1 of 3 messages"]);
    let kept = std::fs::read_to_string(&file).unwrap();
    assert_eq!(kept.lines().count(), 2);
    assert!(kept.contains(&long));
}

#[test]
fn a_request_above_the_brokers_maximum_is_not_gathered() {
    let broker = Scripted::start(|door| {
        let mut peer = door.accept();
        peer.connect();
        peer.send(wire::connack_with(&[0x27, 0, 0, 3, 0xe8]));
        peer.grant();
        peer.until_closed();
    });
    mozzie("rr -t a/b -l")
        .at(broker.port)
        .stdin("x".repeat(200_000))
        .run()
        .fails(5, &["'a/b'", "maximum packet size of 1000 bytes"]);
}
