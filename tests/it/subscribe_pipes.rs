//! `mozzie sub` and its stdout: at once, complete, in order, at the reader's pace.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use crate::{
    needs,
    support::{Client, DEADLINE, Mosquitto, Scripted, VERSIONS, mozzie, wire},
};

#[test]
fn a_pipe_sees_each_message_at_once() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    for (n, format) in ["", "-v", "--json"].into_iter().enumerate() {
        let run = mozzie("sub -t now").at(broker.port).args(format).start();
        broker.subscribed(n + 1);
        let mut publisher = Client::connect(broker.port);
        for text in ["one", "two", "three"] {
            publisher.publish("now", text, 0, false);
            // The next is published only when this one has been seen.
            run.wait_for_stdout(text);
        }
        run.interrupt().status(0);
    }
}

#[test]
fn a_closed_output_pipe_is_the_end_and_a_success() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    for (n, format) in ["", "-v", "--json"].into_iter().enumerate() {
        let (mut run, stdout) = mozzie("sub -t head")
            .at(broker.port)
            .args(format)
            .start_unread();
        broker.subscribed(n + 1);
        let mut publisher = Client::connect(broker.port);
        publisher.publish("head", "seen", 0, false);
        let mut lines = BufReader::new(stdout);
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        assert!(line.contains("seen"), "{line}");
        drop(lines);
        // Until it runs its program, a process that another test starts has the pipe's end, too.
        for _ in 0..200 {
            if run.has_ended() {
                break;
            }
            publisher.publish("head", "nobody reads this", 0, false);
            thread::sleep(Duration::from_millis(50));
        }
        run.finish().ends(0, "", &[]);
    }
}

#[test]
fn a_flood_of_200_000_messages_is_complete_and_in_order() {
    let expected: String = (0..200_000).map(|n| format!("f {n}\n")).collect();
    for version in VERSIONS {
        let broker = Scripted::welcoming(|peer| {
            peer.grant();
            let mut flood = Vec::new();
            for n in 0..200_000 {
                flood.extend(wire::publish(peer.v5, 0, 0, "f", n.to_string()));
            }
            peer.send(flood);
            peer.until_closed();
        });
        let done = mozzie("sub -t f -C 200000 -v")
            .at(broker.port)
            .version(version)
            .run();
        done.status(0);
        assert!(
            done.stdout == expected.as_bytes(),
            "200,000 lines in order over {version}"
        );
    }
}

#[test]
fn a_flood_at_qos_1_and_2_through_a_real_broker_is_complete_and_in_order() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let expected: String = (0..20_000).map(|n| format!("{n}\n")).collect();
    for (n, qos) in [1, 2].into_iter().enumerate() {
        let run = mozzie("sub -t f -C 20000")
            .at(broker.port)
            .version(VERSIONS[n])
            .args(&format!("-q {qos}"))
            .start();
        broker.subscribed(n + 1);
        let mut publisher = Client::connect(broker.port);
        let mut flood = Vec::new();
        for n in 0..20_000_u16 {
            flood.extend(wire::publish(true, 1, n + 1, "f", n.to_string()));
        }
        let reader = thread::spawn(move || {
            publisher.send(&flood);
            publisher
        });
        let done = run.finish();
        drop(reader.join().unwrap());
        done.status(0);
        assert!(
            done.stdout == expected.as_bytes(),
            "20,000 lines in order at QoS {qos}\n{done}"
        );
    }
}

#[test]
fn qos_2_duplicates_are_printed_once() {
    for version in VERSIONS {
        let broker = Scripted::welcoming(|peer| {
            peer.grant();
            peer.publish(2, 5, "d", "once");
            assert_eq!(peer.expect(wire::PUBREC).id(), 5);
            // The PUBREC "was lost": the same again, marked as a duplicate.
            peer.send(wire::publish_with(
                peer.v5,
                0x04 | 0x08,
                5,
                "d",
                &[],
                "once",
            ));
            assert_eq!(peer.expect(wire::PUBREC).id(), 5);
            peer.send(wire::ack(wire::PUBREL, 5));
            assert_eq!(peer.expect(wire::PUBCOMP).id(), 5);
            peer.publish(2, 5, "d", "twice");
            peer.expect(wire::PUBREC);
            peer.send(wire::ack(wire::PUBREL, 5));
            peer.until_closed();
        });
        mozzie("sub -t d -q 2 -C 2")
            .at(broker.port)
            .version(version)
            .run()
            .prints("once\ntwice\n");
    }
}

#[test]
fn a_slow_reader_slows_the_broker_while_pings_go_on_and_nothing_is_lost() {
    const MESSAGES: usize = 60_000;
    let payload = [b'x'; 1000];
    let (pinged, ping) = mpsc::channel();
    let broker = Scripted::welcoming(move |peer| {
        peer.grant();
        let mut stream = peer.stream().try_clone().unwrap();
        stream
            .set_write_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let (sent, all_sent) = mpsc::channel();
        thread::spawn(move || {
            for n in 0..MESSAGES {
                let line = [format!("{n} ").as_bytes(), &payload[..]].concat();
                stream
                    .write_all(&wire::publish(false, 0, 0, "s", line))
                    .unwrap();
            }
            sent.send(()).unwrap();
        });
        // While the reader sleeps only pings can come, and the writer above must be stuck.
        for _ in 0..2 {
            let frame = peer.next_raw().expect("the program stays");
            assert_eq!(frame.kind(), wire::PINGREQ, "{frame:?}");
        }
        assert!(
            all_sent.try_recv().is_err(),
            "60 MB went into a program whose reader reads nothing"
        );
        pinged.send(()).unwrap();
        all_sent
            .recv_timeout(DEADLINE)
            .expect("the rest leaves once the reader reads");
        peer.until_closed();
    });
    let (run, mut stdout) = mozzie("sub -t s -k 1")
        .at(broker.port)
        .args(&format!("-C {MESSAGES}"))
        .start_unread();
    ping.recv_timeout(DEADLINE)
        .expect("pings while stdout is blocked");
    if let Some(kib) = run.resident_kib() {
        assert!(kib < 48 * 1024, "{kib} KiB while the reader is slow");
    }
    let mut all = Vec::new();
    stdout.read_to_end(&mut all).unwrap();
    run.finish().ends(0, "", &[]);
    let lines: Vec<&[u8]> = all.split_inclusive(|byte| *byte == b'\n').collect();
    assert_eq!(lines.len(), MESSAGES);
    for (n, line) in lines.into_iter().enumerate() {
        assert!(
            line.starts_with(format!("{n} x").as_bytes()) && line.ends_with(b"x\n"),
            "line {n} is whole"
        );
    }
}

#[test]
fn into_a_file_and_into_dev_full() {
    needs!("mosquitto");
    if !std::path::Path::new("/dev/full").exists() {
        eprintln!("SKIPPED: no /dev/full here");
        return;
    }
    let broker = Mosquitto::start();
    Client::connect(broker.port).publish("full", "kept", 1, true);
    let shell = format!(
        "exec '{}' sub -h 127.0.0.1 -p {} -t full -C 1 >/dev/full",
        env!("CARGO_BIN_EXE_mozzie"),
        broker.port
    );
    let out = Command::new("sh")
        .args(["-c", &shell])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let stderr = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.starts_with("mozzie: error: ") && stderr.to_lowercase().contains("space"),
        "{stderr}"
    );
}

#[test]
fn control_characters_are_made_visible_on_a_terminal_only() {
    needs!("mosquitto", "script");
    let broker = Mosquitto::start();
    Client::connect(broker.port).publish("tty", "\x1b[31mred\x07", 1, true);
    let command = format!(
        "'{}' sub -h 127.0.0.1 -p {} -t tty -C 1",
        env!("CARGO_BIN_EXE_mozzie"),
        broker.port
    );
    // util-linux's script gives the command a terminal of its own.
    let out = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .stdin(Stdio::null())
        .output()
        .expect("script runs");
    if !out.status.success() && out.stdout.is_empty() {
        eprintln!("SKIPPED: this script(1) is another one");
        return;
    }
    assert!(
        !out.stdout.contains(&0x1b) && !out.stdout.contains(&7),
        "{:?}",
        String::from_utf8_lossy(&out.stdout)
    );
    assert!(String::from_utf8_lossy(&out.stdout).contains("red"));
    mozzie("sub -t tty -C 1")
        .at(broker.port)
        .run()
        .prints("\x1b[31mred\x07\n");
}
