//! What `pub` says and keeps when it cannot finish: exit codes, counts, `--unsent`, `--timeout`, `--drain`, `--retry`.

use std::{
    fs,
    io::{Read, Write},
    path::Path,
    process::Command,
    sync::mpsc,
    time::Duration,
};

use crate::{
    needs,
    support::{Client, Done, Mosquitto, Peer, Scripted, VERSIONS, free_port, mozzie, wire},
};

/// The payloads in a file of `--unsent`, in its order.
fn kept(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).expect("a file of UTF-8");
    text.lines()
        .map(|line| {
            let object: serde_json::Value = serde_json::from_str(line).expect("a JSON line");
            object["payload"].as_str().expect("text").to_owned()
        })
        .collect()
}

/// The same, where there may be no file.
fn kept_if_any(file: &Path) -> Vec<String> {
    match file.exists() {
        true => kept(file),
        false => Vec::new(),
    }
}

/// Takes this many publishes, acknowledges the first `acks` of them, and returns to the script.
fn take(peer: &mut Peer, publishes: usize, acks: usize) {
    let ids: Vec<_> = (0..publishes)
        .map(|_| peer.expect(wire::PUBLISH).id())
        .collect();
    for id in &ids[..acks] {
        peer.send(wire::ack(wire::PUBACK, *id));
    }
}

/// A broker that takes three messages, acknowledges one, and then lets nobody in any more.
fn acknowledges_one_of_three() -> Scripted {
    Scripted::start(|door| {
        let mut peer = door.welcome();
        take(&mut peer, 3, 1);
        peer.close();
        door.accept().refuse(wire::NOT_AUTHORIZED);
    })
}

/// A broker of MQTT 5 that refuses its first message: quota exceeded.
fn refuses_the_first() -> Scripted {
    Scripted::welcoming(|peer| {
        let id = peer.expect(wire::PUBLISH).id();
        let body = [&id.to_be_bytes()[..], &[0x97, 0]].concat();
        peer.send(wire::packet(wire::PUBACK << 4, &body));
        peer.until_closed();
    })
}

#[test]
fn what_was_not_acknowledged_is_in_the_file_in_order_and_the_end_is_7() {
    for version in VERSIONS {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rest.json");
        let broker = acknowledges_one_of_three();
        let done = mozzie("pub -t a/b -l -q 1 -r -M 3")
            .at(broker.port)
            .version(version)
            .option("--unsent", &file)
            .stdin("1\n2\n3\n4\n5\n")
            .run();
        done.fails(
            7,
            &[
                "1 of 5 messages acknowledged",
                "not authorized",
                "4 messages",
            ],
        );
        assert_eq!(kept(&file), ["2", "3", "4", "5"]);
        let first: serde_json::Value =
            serde_json::from_str(fs::read_to_string(&file).unwrap().lines().next().unwrap())
                .unwrap();
        assert_eq!(
            (&first["topic"], &first["qos"], &first["retain"]),
            (&"a/b".into(), &1.into(), &true.into()),
            "{first}"
        );
    }
}

#[test]
fn properties_and_any_bytes_are_kept_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rest.json");
    mozzie("pub -V 5 -t a -q 2 -D publish content-type text/x -D publish user-property k v")
        .at(free_port())
        .option("-f", {
            let payload = folder.path().join("payload");
            fs::write(&payload, b"\xff\0x").unwrap();
            payload
        })
        .option("--unsent", &file)
        .run()
        .fails(3, &["1 message added to"]);
    let line: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(line["payload_b64"], "/wB4");
    assert_eq!(line["qos"], 2);
    assert_eq!(line["properties"]["content-type"], "text/x");
    assert_eq!(line["properties"]["user-properties"][0]["k"], "v");
}

#[test]
fn the_file_grows_and_is_left_alone_when_all_is_acknowledged() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rest.json");
    let run = |port| -> Done {
        mozzie("pub -t a -l -q 1")
            .at(port)
            .option("--unsent", &file)
            .stdin("1\n2\n")
            .run()
    };
    run(broker.port).prints("");
    assert_eq!(fs::read(&file).unwrap(), b"", "made, and empty");
    run(free_port()).status(3);
    run(free_port()).status(3);
    run(broker.port).prints("");
    assert_eq!(kept(&file), ["1", "2", "1", "2"]);
}

#[test]
fn a_refused_message_and_the_rest_are_kept_and_the_end_is_5() {
    for (qos, kind) in [(1, wire::PUBACK), (2, wire::PUBREC)] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rest.json");
        let broker = Scripted::welcoming(move |peer| {
            let id = peer.expect(wire::PUBLISH).id();
            // Quota exceeded, with a reason string.
            let body = [&id.to_be_bytes()[..], &[0x97, 7, 0x1f, 0, 4], b"full"].concat();
            peer.send(wire::packet(kind << 4, &body));
            peer.until_closed();
        });
        let done = mozzie("pub -V 5 -t a/b -l -M 1")
            .at(broker.port)
            .args(&format!("-q {qos}"))
            .option("--unsent", &file)
            .stdin("1\n2\n3\n")
            .run();
        done.fails(
            5,
            &[
                "'a/b'",
                "quota exceeded (151)",
                "full",
                "0 of 3 messages acknowledged",
            ],
        );
        assert_eq!(kept(&file), ["1", "2", "3"]);
    }
}

#[test]
fn a_single_refused_message_is_counted_too() {
    let broker = refuses_the_first();
    mozzie("pub -V 5 -t a/b -m x -q 1")
        .at(broker.port)
        .run()
        .fails(
            5,
            &[
                "'a/b'",
                "quota exceeded (151)",
                "0 of 1 messages acknowledged",
            ],
        );
}

#[test]
fn a_file_that_cannot_be_opened_is_2_and_nothing_is_sent() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let mut observer = Client::observing(broker.port, "a");
    mozzie("pub -t a -m x --unsent /no/such/folder/rest")
        .at(broker.port)
        .run()
        .fails(2, &["--unsent", "/no/such/folder/rest"]);
    assert!(observer.until_now(broker.port).is_empty());
}

#[test]
fn a_file_that_is_also_the_input_is_2_and_keeps_its_messages() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rest.json");
    fs::write(&file, "kept\n").unwrap();
    mozzie("pub --json-lines")
        .at(free_port())
        .option("-f", &file)
        .option("--unsent", &file)
        .run()
        .fails(2, &["also the input"]);
    mozzie("pub -t a -l -q 1")
        .at(free_port())
        .option("--unsent", &file)
        .stdin_file(&file)
        .run()
        .fails(2, &["also stdin"]);
    assert_eq!(fs::read(&file).unwrap(), b"kept\n");
}

#[test]
fn a_full_disk_under_the_file_is_1_and_said() {
    if !Path::new("/dev/full").exists() {
        return;
    }
    let broker = acknowledges_one_of_three();
    mozzie("pub -t a -l -q 1 --unsent /dev/full")
        .at(broker.port)
        .stdin("1\n2\n3\n")
        .run()
        .fails(
            1,
            &["1 of 3 messages acknowledged", "--unsent", "no space left"],
        );
}

#[test]
fn a_full_disk_under_the_file_does_not_hide_a_refusal() {
    if !Path::new("/dev/full").exists() {
        return;
    }
    let fails = |option: &str| {
        let broker = refuses_the_first();
        mozzie("pub -V 5 -t a/b -l -q 1 -M 1 --unsent /dev/full")
            .args(option)
            .at(broker.port)
            .stdin("1\n2\n")
            .run()
    };
    let fragments = [
        "'a/b'",
        "quota exceeded (151)",
        "messages acknowledged",
        "--unsent",
        "no space left",
    ];
    fails("").fails(1, &fragments);
    let facts = [
        "\"code\":1,\"kind\":\"io\"",
        "\"reason_code\":151",
        "\"reason\":\"quota exceeded\"",
        "\"topic\":\"a/b\"",
    ];
    fails("--json-errors").ends(1, "", &[&facts[..], &fragments].concat());
}

#[test]
fn the_rest_of_a_pipe_and_of_a_file_is_read_on() {
    let lines: String = (0..100_000).map(|n| format!("line {n}\n")).collect();
    let expected: Vec<_> = lines.lines().skip(1).collect();
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("input");
    fs::write(&input, &lines).unwrap();
    for (n, from_file) in [(0, true), (1, false)] {
        let file = folder.path().join(format!("rest{n}"));
        let broker = acknowledges_one_of_three();
        let run = mozzie("pub -t a -l -q 1 -M 3")
            .at(broker.port)
            .option("--unsent", &file);
        let run = match from_file {
            true => run.stdin_file(&input),
            false => run.stdin(&lines),
        };
        run.run().fails(7, &["1 of 100000 messages acknowledged"]);
        assert!(kept(&file) == expected, "{} lines", kept(&file).len());
    }
}

#[test]
fn what_is_kept_is_sent_as_it_was_and_nothing_else() {
    needs!("mosquitto");
    let real = Mosquitto::start();
    let mut observer = Client::observing(real.port, "#");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rest");
    let broker = acknowledges_one_of_three();
    let done = mozzie("pub -V 5 -t a/b -l -q 1 -M 3 -D publish user-property k v")
        .at(broker.port)
        .option("--unsent", &file)
        .stdin(b"1\n2\n\xff\0\n\n5")
        .run();
    done.fails(7, &["1 of 5 messages acknowledged"]);
    mozzie("pub --json-lines")
        .at(real.port)
        .stdin_file(&file)
        .run()
        .prints("");
    let arrived = observer.until_now(real.port);
    let payloads: Vec<_> = arrived.iter().map(|m| m.payload.as_slice()).collect();
    assert_eq!(payloads, [&b"2"[..], b"\xff\0", b"", b"5"]);
    for message in arrived {
        assert_eq!(
            (message.topic.as_str(), message.qos, message.properties),
            ("a/b", 1, wire::user_property("k", "v"))
        );
    }
}

#[test]
fn repetitions_that_are_left_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rest");
    let broker = acknowledges_one_of_three();
    mozzie("pub -t a -m x -q 1 -M 3 --repeat 5")
        .at(broker.port)
        .option("--unsent", &file)
        .run()
        .fails(7, &["1 of 5"]);
    assert_eq!(kept(&file), ["x"; 4]);
}

#[test]
fn a_timeout_is_7_with_the_count_and_covers_connecting() {
    let broker = Scripted::welcoming(|peer| {
        take(peer, 2, 1);
        peer.until_closed();
    });
    mozzie("pub -t a -l -q 1 --timeout 300ms")
        .at(broker.port)
        .stdin("1\n2\n")
        .run()
        .fails(7, &["1 of 2 messages acknowledged", "0.3 s"]);
    let silent = Scripted::start(|door| door.accept().until_closed());
    mozzie("pub -t a -m x --timeout 300ms")
        .at(silent.port)
        .run()
        .fails(7, &["0 of 1 messages acknowledged", "0.3 s"]);
}

#[test]
fn a_timeout_that_waits_for_input_alone_is_6() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let mut run = mozzie("pub -t a -l -q 1 --timeout 500ms")
        .at(broker.port)
        .start();
    run.write("one\n");
    run.finish().fails(6, &["1 of 1 messages acknowledged"]);
}

#[test]
fn a_signal_waits_for_what_is_under_way() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        for complete in [true, false] {
            let (send, published) = mpsc::channel();
            let (go, signalled) = mpsc::channel::<()>();
            let broker = Scripted::welcoming(move |peer| {
                let id = peer.expect(wire::PUBLISH).id();
                send.send(()).unwrap();
                signalled.recv().unwrap();
                // Late, but in time.
                peer.send(wire::ack(wire::PUBACK, id));
                peer.expect(wire::DISCONNECT);
            });
            let mut run = mozzie("pub -t a -l -q 1").at(broker.port).start();
            run.write("one\n");
            if complete {
                run.close_stdin();
            }
            published.recv().unwrap();
            // Let the end of the input be seen before the signal is.
            run.wait_until_idle();
            run.signal(signal);
            run.wait_until_idle();
            go.send(()).unwrap();
            let done = run.finish();
            match complete {
                // All that was asked for is done, in spite of the signal.
                true => done.prints(""),
                false => done.fails(
                    code,
                    &["1 of 1 messages acknowledged", "not read to its end"],
                ),
            };
        }
    }
}

#[test]
fn drain_says_how_long_a_signal_waits_and_the_rest_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rest");
    let (send, published) = mpsc::channel();
    let broker = Scripted::welcoming(move |peer| {
        take(peer, 2, 1);
        send.send(()).unwrap();
        peer.until_closed();
    });
    let mut run = mozzie("pub -t a -l -q 1 -M 2 --drain 200ms")
        .at(broker.port)
        .option("--unsent", &file)
        .start();
    run.write("1\n2\n3\n4\nhalf a li");
    published.recv().unwrap();
    run.signal("INT");
    run.finish().fails(
        130,
        &[
            "9 bytes of a record whose end had not come",
            "of 4 messages acknowledged",
            "3 messages added to",
        ],
    );
    assert_eq!(kept(&file), ["2", "3", "4"]);
}

#[test]
fn what_ends_before_the_input_leaves_whole_lines_in_the_pipe() {
    // No chunk that is read ends where a line does.
    let all: Vec<String> = (0..400).map(|n| format!("{n:01000}")).collect();
    for (options, signal, code) in [("", Some("TERM"), 143), ("--timeout 300ms", None, 7)] {
        let (send, published) = mpsc::channel();
        let (taken, were_taken) = mpsc::channel();
        let (go, signalled) = mpsc::channel::<()>();
        let broker = Scripted::welcoming(move |peer| {
            let mut payloads = Vec::new();
            while let Some(frame) = peer.next() {
                if frame.kind() != wire::PUBLISH {
                    continue;
                }
                payloads.push(String::from_utf8(frame.payload(false).to_vec()).unwrap());
                if payloads.len() == 1 {
                    send.send(()).unwrap();
                    signalled.recv().unwrap();
                }
                if signal.is_some() {
                    peer.send(wire::ack(wire::PUBACK, frame.id()));
                }
            }
            taken.send(payloads).unwrap();
        });
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rest");
        let (reader, mut writer) = std::io::pipe().unwrap();
        let lines = format!("{}\n", all.join("\n"));
        let producer = std::thread::spawn(move || writer.write_all(lines.as_bytes()).unwrap());
        let run = mozzie("pub -t a -l -q 1 -M 1")
            .args(options)
            .at(broker.port)
            .option("--unsent", &file)
            .stdin_pipe(reader.try_clone().unwrap())
            .start();
        published.recv().unwrap();
        if let Some(signal) = signal {
            run.signal(signal);
            // Let it be seen before the window opens.
            run.wait_until_idle();
        }
        go.send(()).unwrap();
        run.finish().fails(code, &["not read to its end"]);
        let mut found = were_taken.recv().unwrap();
        if signal.is_none() {
            // The first was under way.
            found.clear();
        }
        found.extend(kept_if_any(&file));
        let mut rest = String::new();
        let mut reader = reader;
        reader.read_to_string(&mut rest).unwrap();
        producer.join().unwrap();
        assert!(!rest.is_empty(), "{code}: all was read");
        found.extend(rest.lines().map(str::to_owned));
        let wrong = found.iter().zip(&all).find(|(found, line)| found != line);
        assert_eq!(wrong, None, "{code}");
        assert_eq!(found.len(), all.len(), "{code}");
    }
}

#[test]
fn a_bad_record_is_told_beside_what_was_not_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rest");
    let broker = acknowledges_one_of_three();
    mozzie("pub -q 1 --topic-separator =")
        .at(broker.port)
        .option("--unsent", &file)
        .stdin("a=1\na=2\na=3\nbad\na=5\n")
        .run()
        .fails(7, &["line 4 of stdin", "1 of 3 messages acknowledged"]);
    assert_eq!(kept(&file), ["2", "3"]);
}

#[test]
fn a_file_that_can_grow_no_more_holds_whole_lines_and_is_added_to_behind_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rest");
    let input = folder.path().join("input");
    let lines: String = (0..400).map(|n| format!("{n}\n")).collect();
    fs::write(&input, lines).unwrap();
    let broker = acknowledges_one_of_three();
    let limited = format!(
        "trap '' XFSZ; ulimit -f 8; exec '{}' pub -t a -l -q 1 -M 3 -h 127.0.0.1 -p {} --unsent '{}' <'{}'",
        env!("CARGO_BIN_EXE_mozzie"),
        broker.port,
        file.display(),
        input.display(),
    );
    let out = Command::new("sh").args(["-c", &limited]).output().unwrap();
    let stderr = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("--unsent: cannot write"), "{stderr}");
    let first = kept(&file);
    assert!((10..390).contains(&first.len()), "{}", first.len());
    let expected: Vec<_> = (1..=first.len()).map(|n| n.to_string()).collect();
    assert_eq!(first, expected);

    // As a run leaves it that was killed while it wrote.
    let mut text = fs::read_to_string(&file).unwrap();
    text.truncate(text.len() - 10);
    fs::write(&file, text).unwrap();
    let broker = acknowledges_one_of_three();
    mozzie("pub -t a -l -q 1")
        .at(broker.port)
        .option("--unsent", &file)
        .stdin("x\ny\nz\n")
        .run()
        .fails(7, &["1 of 3"]);
    let text = fs::read_to_string(&file).unwrap();
    let last: Vec<_> = text.lines().skip(first.len()).collect();
    assert_eq!(last.len(), 2, "{last:?}");
    assert!(last[0].contains("\"y\"") && last[1].contains("\"z\""));
}

#[test]
fn a_second_signal_ends_the_drain_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rest");
    let (send, published) = mpsc::channel();
    let broker = Scripted::welcoming(move |peer| {
        take(peer, 1, 0);
        send.send(()).unwrap();
        peer.until_closed();
    });
    let run = mozzie("pub -t a -m x -q 1 --drain 60s")
        .at(broker.port)
        .option("--unsent", &file)
        .start();
    published.recv().unwrap();
    run.signal("INT");
    run.wait_until_idle();
    run.signal("TERM");
    run.finish().fails(130, &["0 of 1 messages acknowledged"]);
    assert_eq!(kept(&file), ["x"]);
}

#[test]
fn retry_says_how_often_and_0_never() {
    for (retry, attempts) in [("0", 0), ("2", 2)] {
        let (send, receive) = mpsc::channel();
        let broker = Scripted::start(move |door| {
            let mut peer = door.welcome();
            take(&mut peer, 2, 1);
            peer.close();
            let mut seen = 0;
            while let Some(again) = door.accept_within(Duration::from_millis(400)) {
                seen += 1;
                again.close();
            }
            send.send(seen).unwrap();
        });
        let done = mozzie("pub -t a -l -q 1 --retry-delay 10ms --retry-max-delay 20ms")
            .at(broker.port)
            .option("--retry", retry)
            .stdin("1\n2\n")
            .run();
        done.fails(7, &["1 of 2 messages acknowledged", "hint:"]);
        assert_eq!(receive.recv().unwrap(), attempts, "{done}");
    }
}

#[test]
fn a_broker_that_ends_every_connection_at_the_message_is_given_up() {
    let cannot_say = "before MQTT 5 (-V 5) it cannot say so";
    for (version, qos, goodbye, fragments) in [
        ("311", "1", &[][..], ["closed the connection", cannot_say]),
        ("311", "2", &[], ["closed the connection", cannot_say]),
        // What passes by itself, but it does not.
        (
            "5",
            "1",
            &[0xe0, 2, 0x83, 0],
            ["implementation", "topic, QoS or size"],
        ),
        (
            "5",
            "2",
            &[0xe0, 2, 0x89, 0],
            ["server busy (137)", "topic, QoS or size"],
        ),
    ] {
        let (send, receive) = mpsc::channel();
        let broker = Scripted::start(move |door| {
            let mut seen = 0;
            while let Some(mut peer) = door.accept_within(Duration::from_secs(1)) {
                seen += 1;
                peer.welcome(false);
                peer.expect(wire::PUBLISH);
                peer.send(goodbye);
                peer.close();
            }
            send.send(seen).unwrap();
        });
        let given_up = ["0 of 1 messages acknowledged", "5 times in a row", "hint:"];
        mozzie("pub -t a -m x --retry forever --retry-delay 10ms --retry-max-delay 20ms")
            .at(broker.port)
            .version(version)
            .option("-q", qos)
            .run()
            .fails(7, &[&given_up[..], &fragments].concat());
        assert_eq!(receive.recv().unwrap(), 5);
    }
}

#[test]
fn no_reason_of_an_acknowledgement_is_tried_again() {
    for reason in [0x80, 0x83, 0x87, 0x90, 0x97, 0x99] {
        for (qos, kind) in [("1", wire::PUBACK), ("2", wire::PUBREC)] {
            let broker = Scripted::start(move |door| {
                let mut peer = door.welcome();
                let id = peer.expect(wire::PUBLISH).id();
                peer.send(wire::ack_with_reason(kind, id, reason));
                peer.until_closed();
                let again = door.accept_within(Duration::from_millis(100));
                assert!(again.is_none(), "it is refused once and for all");
            });
            mozzie("pub -V 5 -t a -m x --retry forever --retry-delay 10ms")
                .at(broker.port)
                .option("-q", qos)
                .run()
                .fails(5, &["'a'", &format!("({reason})"), "0 of 1"]);
            broker.finish();
        }
    }
}

#[test]
fn a_reason_for_the_end_counts_also_when_retries_are_used_up() {
    let broker = Scripted::start(|door| {
        let mut peer = door.welcome();
        peer.grant();
        peer.send([0xe0, 2, 0x8b, 0]);
        peer.until_closed();
    });
    let done = mozzie("sub -V 5 -t a --retry 0 --json-errors")
        .at(broker.port)
        .run();
    done.ends(
        4,
        "",
        &[
            "server shutting down (139); --retry 0",
            "\"kind\":\"ended\"",
            "\"reason_code\":139",
        ],
    );
}

#[test]
fn a_success_starts_the_count_of_retries_anew() {
    let broker = Scripted::start(|door| {
        for _ in 0..4 {
            let mut peer = door.welcome();
            take(&mut peer, 1, 1);
            peer.close();
        }
        door.welcome().drain();
    });
    let lines = "1\n2\n3\n4\n5\n";
    let done = mozzie("pub -t a -l -q 1 -M 1 --retry 1 --retry-delay 10ms")
        .at(broker.port)
        .stdin(lines)
        .run();
    done.status(0);
}

#[test]
fn a_sub_whose_retries_are_used_up_is_3() {
    let broker = Scripted::start(|door| {
        let mut peer = door.welcome();
        peer.grant();
        peer.close();
    });
    let run = mozzie("sub -t a --retry 1 --retry-delay 10ms").at(broker.port);
    let done = run.run();
    done.fails(3, &["1 attempt", "--retry"]);
}

#[test]
fn a_retry_delay_above_the_longest_is_2() {
    mozzie("pub -t a -m x --retry-delay 2s --retry-max-delay 1s")
        .at(free_port())
        .run()
        .fails(2, &["--retry-delay", "--retry-max-delay"]);
    for wrong in [
        "--retry ever",
        "--retry -1",
        "--retry-delay 0",
        "--timeout 0",
        "--drain x",
    ] {
        mozzie("pub -t a -m x").args(wrong).run().status(2);
    }
}

#[test]
fn a_takeover_and_a_redirection_get_words_of_their_own() {
    for (reason, server, fragments) in [
        (0x8e, None, &["session taken over (142)", "-i"][..]),
        (0x98, None, &["administrative action", "runs the broker"]),
        (
            0x9c,
            Some("other.example:1884"),
            &["use another server", "-h other.example -p 1884"],
        ),
        (
            0x9d,
            Some("[::1]:99 b"),
            &["server moved", "-h [::1] -p 99"],
        ),
        (0x9d, None, &["server moved", "ask whoever runs it"]),
    ] {
        let reference = server.map_or(vec![], |server| {
            [&[0x1c][..], &wire::field(server)].concat()
        });
        let disconnect = wire::packet(0xe0, &[&[reason][..], &wire::block(&reference)].concat());
        let sent = disconnect.clone();
        let broker = Scripted::welcoming(move |peer| {
            peer.grant();
            peer.send(&sent);
            peer.until_closed();
        });
        mozzie("sub -V 5 -t a")
            .at(broker.port)
            .run()
            .fails(4, fragments);
        let broker = Scripted::welcoming(move |peer| {
            take(peer, 2, 1);
            peer.send(&disconnect);
            peer.until_closed();
        });
        let done = mozzie("pub -V 5 -t a -l -q 1")
            .at(broker.port)
            .stdin("1\n2\n")
            .run();
        done.fails(7, &[&["1 of 2"], fragments].concat());
    }
}

#[test]
fn a_redirection_in_connack_is_4_and_says_where_to() {
    let broker = Scripted::start(|door| {
        let mut peer = door.accept();
        peer.connect();
        let reference = [&[0x1c][..], &wire::field("[2001:db8::1]")].concat();
        let body = [&[0, 0x9c][..], &wire::block(&reference)].concat();
        peer.send(wire::packet(0x20, &body));
        peer.until_closed();
    });
    mozzie("pub -V 5 -t a -m x --wait-for-broker 30s")
        .at(broker.port)
        .run()
        .fails(4, &["use another server", "-h [2001:db8::1]"]);
}

#[test]
fn what_the_broker_has_not_is_found_before_subscribing() {
    for (property, words, name) in [
        (0x28, "-t a/#", "'a/#': the broker has no wildcard"),
        (0x28, "-t a -t b/+", "'b/+'"),
        (
            0x2a,
            "-t $share/g/a",
            "'$share/g/a': the broker has no shared",
        ),
        (
            0x29,
            "-t a -D subscribe subscription-identifier 7",
            "subscription identifiers",
        ),
    ] {
        let broker = Scripted::start(move |door| {
            let mut peer = door.accept();
            peer.connect();
            peer.send(wire::connack_with(&[property, 0]));
            peer.expect(wire::DISCONNECT);
        });
        mozzie("sub -V 5")
            .args(words)
            .at(broker.port)
            .run()
            .fails(5, &[name]);
    }
}

#[test]
fn a_qos_0_message_that_nobody_confirms_is_no_success() {
    for version in VERSIONS {
        let broker = Scripted::start(|door| {
            let mut peer = door.welcome();
            peer.expect(wire::PUBLISH);
            // The ping behind it stays unanswered.
            assert_eq!(peer.next_raw().expect("a ping").kind(), wire::PINGREQ);
            peer.close();
        });
        mozzie("pub -t a -m x")
            .at(broker.port)
            .version(version)
            .run()
            .fails(7, &["0 of 1 messages acknowledged", "-q 1"]);
    }
}

#[test]
fn a_disconnect_that_answers_qos_0_messages_is_no_success() {
    let broker = Scripted::welcoming(|peer| {
        peer.expect(wire::PUBLISH);
        peer.send([0xe0, 2, 0x95, 0]);
        peer.until_closed();
    });
    mozzie("pub -V 5 -t a -m x")
        .at(broker.port)
        .run()
        .fails(7, &["0 of 1", "packet too large"]);
}

#[test]
fn qos_0_lines_before_a_break_are_counted_as_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rest");
    let (send, arrived) = mpsc::channel();
    let broker = Scripted::start(move |door| {
        let mut peer = door.welcome();
        peer.expect(wire::PUBLISH);
        peer.close();
        let mut again = door.welcome();
        send.send(()).unwrap();
        again.drain();
    });
    let mut run = mozzie("pub -t a -l --retry-delay 10ms")
        .at(broker.port)
        .option("--unsent", &file)
        .start();
    run.write("one\n");
    arrived.recv().unwrap();
    run.write("two\n");
    run.close_stdin();
    run.finish().fails(
        7,
        &["1 of 2 messages acknowledged", "under 1 message of QoS 0"],
    );
}

#[test]
fn qos_0_lines_that_come_slowly_are_confirmed_meanwhile() {
    let (send, confirmed) = mpsc::channel();
    let broker = Scripted::start(move |door| {
        let mut peer = door.welcome();
        peer.expect(wire::PUBLISH);
        let ping = peer.next_raw().unwrap();
        assert_eq!(ping.kind(), wire::PINGREQ);
        peer.send(wire::PINGRESP_BYTES);
        peer.close();
        let mut again = door.welcome();
        send.send(()).unwrap();
        again.expect(wire::DISCONNECT);
    });
    let mut run = mozzie("pub -t a -l").at(broker.port).start();
    run.write("one\n");
    confirmed.recv().unwrap();
    run.close_stdin();
    // Nobody is in doubt about the line.
    run.finish().status(0);
    broker.finish();
}

#[test]
fn a_closed_stderr_does_not_end_the_work() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let mut observer = Client::observing(broker.port, "a");
    let lines: String = (0..2000).map(|n| format!("{n}\n")).collect();
    let done = mozzie("pub -t a -l -q 1 -d")
        .at(broker.port)
        .without_stderr()
        .stdin(&lines)
        .run();
    done.status(0);
    assert_eq!(observer.until_now(broker.port).len(), 2000);
}

#[test]
fn kill_9_leaves_what_was_acknowledged_and_nothing_twice() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let mut observer = Client::observing(broker.port, "a");
    let mut run = mozzie("pub -t a -l -q 2").at(broker.port).start();
    let mut stdin = run.take_stdin();
    let writer = std::thread::spawn(move || {
        use std::io::Write;
        let mut n = 0_u64;
        while writeln!(stdin, "{n}").is_ok() {
            n += 1;
        }
    });
    let mut seen: Vec<_> = (0..500).map(|_| observer.next().payload).collect();
    run.signal("KILL");
    let done = run.finish();
    assert_eq!(done.code(), None, "{done}");
    writer.join().unwrap();
    seen.extend(
        observer
            .until_now(broker.port)
            .into_iter()
            .map(|m| m.payload),
    );
    let expected: Vec<_> = (0..seen.len())
        .map(|n| n.to_string().into_bytes())
        .collect();
    assert!(seen == expected, "a beginning of the lines, each once");
}
