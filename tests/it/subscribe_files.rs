//! `mozzie sub --append` and `--output-dir`: what is acknowledged is written, and whole.

use std::{
    collections::BTreeMap,
    fs,
    io::{ErrorKind, Read},
    path::Path,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::{
    needs,
    support::{Client, Mosquitto, Scripted, mozzie, wait_until, wire},
};

/// The files of a folder with what is in them; a file may go, or get its name, while we look.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter_map(|entry| {
            let name = entry.file_name().into_string().expect("names are UTF-8");
            match fs::read(entry.path()) {
                Ok(content) => Some((name, content)),
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(error) => panic!("{name}: {error}"),
            }
        })
        .collect()
}

/// Sends messages at QoS 1 and sees each acknowledged.
fn sends(messages: Vec<(String, Vec<u8>)>) -> Scripted {
    Scripted::welcoming(move |peer| {
        peer.grant();
        for (id, (topic, payload)) in (1..).zip(&messages) {
            peer.publish(1, id, topic, payload);
        }
        for (id, _) in (1..).zip(&messages) {
            assert_eq!(peer.expect(wire::PUBACK).id(), id);
        }
        peer.until_closed();
    })
}

#[test]
fn each_message_becomes_a_file_that_no_topic_leads_out_of_its_folder() {
    let all = TempDir::new().unwrap();
    let folder = all.path().join("new/folder");
    let long = "l".repeat(5000);
    let topics = [
        "a/b",
        "a/b",
        "../../up",
        "..",
        "/etc/passwd",
        "-rf",
        ".",
        &long,
    ];
    let bytes = b"\0\xff\n";
    let messages = topics.map(|topic| (topic.to_owned(), bytes.to_vec()));
    let broker = sends(messages.into());
    mozzie("sub -t # -q 1 -C 8")
        .at(broker.port)
        .option("--output-dir", &folder)
        .run()
        .prints("");
    let found = files(&folder);
    let names: Vec<&str> = found.keys().map(String::as_str).collect();
    let long = "l".repeat(240);
    assert_eq!(
        names,
        [
            "_",
            "_.",
            "_._.._up",
            "_etc_passwd",
            "_rf",
            "a_b",
            "a_b.1",
            &long
        ]
    );
    assert!(found.values().all(|content| content == bytes));
    assert_eq!(fs::read_dir(all.path()).unwrap().count(), 1);
}

#[test]
fn files_are_named_as_asked_for_and_none_is_overwritten() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("t-1.json"), "mine").unwrap();
    let messages = ["x", "y"].map(|payload| ("t".to_owned(), payload.into()));
    let broker = sends(messages.into());
    mozzie("sub -t # -q 1 -C 2 --output-name %t-%q.json -F [%p]")
        .at(broker.port)
        .option("--output-dir", folder.path())
        .run()
        .prints("");
    let found = files(folder.path());
    let expected = [
        ("t-1.json", "mine"),
        ("t-1.1.json", "[x]\n"),
        ("t-1.2.json", "[y]\n"),
    ];
    let expected = expected.map(|(name, content)| (name.to_owned(), content.into()));
    assert_eq!(found, BTreeMap::from(expected));
}

#[test]
fn appending_adds_to_what_is_there_also_for_messages_that_print_nothing() {
    let folder = TempDir::new().unwrap();
    let log = folder.path().join("log");
    fs::write(&log, "before\n").unwrap();
    let messages = ["one", "", "two"].map(|payload| ("t".to_owned(), payload.into()));
    let broker = sends(messages.into());
    mozzie("sub -t t -q 1 -C 3")
        .at(broker.port)
        .option("--append", &log)
        .run()
        .prints("");
    assert_eq!(fs::read_to_string(&log).unwrap(), "before\none\ntwo\n");
}

#[test]
fn what_is_appended_begins_a_line_of_its_own_where_one_was_left_half_written() {
    let folder = TempDir::new().unwrap();
    let log = folder.path().join("log");
    for (options, expected) in [("", "hal\none\n"), ("-N", "halone")] {
        fs::write(&log, "hal").unwrap();
        let broker = sends(vec![("t".to_owned(), b"one".to_vec())]);
        mozzie("sub -t t -q 1 -C 1")
            .args(options)
            .at(broker.port)
            .option("--append", &log)
            .run()
            .prints("");
        assert_eq!(fs::read_to_string(&log).unwrap(), expected);
    }
}

#[test]
fn what_cannot_be_written_to_is_found_before_the_connection() {
    for option in ["--append", "--output-dir"] {
        mozzie("sub -t t -p 1")
            .option(option, "/dev/null/x")
            .run()
            .fails(2, &[option, "/dev/null/x"]);
    }
    mozzie("sub -t t --output-dir x --output-name %z")
        .run()
        .fails(2, &["--output-name", "%z"]);
}

#[test]
fn a_full_disk_is_a_failure_and_nothing_is_acknowledged() {
    if !Path::new("/dev/full").exists() {
        eprintln!("SKIPPED: no /dev/full here");
        return;
    }
    let broker = Scripted::welcoming(|peer| {
        peer.grant();
        peer.publish(1, 1, "t", "x");
        peer.expect(wire::DISCONNECT);
    });
    mozzie("sub -t t -q 1 --append /dev/full")
        .at(broker.port)
        .run()
        .fails(1, &["cannot write to '/dev/full'", "space"]);
}

/// A run whose files cannot grow above some KiB, in blocks of 512 or 1024 bytes.
fn limited(options: &str, port: u16) -> (Option<i32>, String) {
    let shell = format!(
        "trap '' XFSZ; ulimit -f 8; exec '{}' sub -h 127.0.0.1 -p {port} {options}",
        env!("CARGO_BIN_EXE_mozzie")
    );
    let out = Command::new("sh")
        .args(["-c", &shell])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let stderr = String::from_utf8(out.stderr).unwrap();
    (out.status.code(), stderr)
}

#[test]
fn a_file_that_can_grow_no_more_holds_whole_messages_alone() {
    let folder = TempDir::new().unwrap();
    let log = folder.path().join("log");
    let script = || {
        Scripted::welcoming(|peer| {
            peer.grant();
            let mut acknowledged = 0;
            for id in 1..100 {
                if !peer.try_send(wire::publish(false, 1, id, "t", [b'x'; 999])) {
                    break;
                }
                match peer.next() {
                    Some(frame) if frame.kind() == wire::PUBACK => acknowledged += 1,
                    _ => break,
                }
            }
            assert!((1..10).contains(&acknowledged), "{acknowledged}");
        })
    };
    let broker = script();
    let (code, stderr) = limited(
        &format!("-t t -q 1 --append {}", log.display()),
        broker.port,
    );
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("cannot write to"), "{stderr}");
    let length = fs::metadata(&log).unwrap().len();
    assert!(length > 0 && length.is_multiple_of(1000), "{length} bytes");

    let broker = Scripted::welcoming(|peer| {
        peer.grant();
        peer.publish(1, 1, "small", "x");
        peer.publish(1, 2, "large", [b'x'; 20_000]);
        // The first may stand in the same batch.
        peer.until_closed();
        let two = wire::ack(wire::PUBACK, 2);
        assert!(!peer.seen().windows(two.len()).any(|bytes| bytes == two));
    });
    let parts = folder.path().join("parts");
    let options = format!("-t '#' -q 1 --output-dir {}", parts.display());
    let (code, stderr) = limited(&options, broker.port);
    assert_eq!(code, Some(1), "{stderr}");
    let found = files(&parts);
    assert_eq!(found, BTreeMap::from([("small".to_owned(), b"x".to_vec())]));
}

#[test]
fn a_slow_reader_slows_the_acknowledgements_while_pings_go_on() {
    const COUNT: u16 = 400;
    needs!("mkfifo");
    let folder = TempDir::new().unwrap();
    let fifo = folder.path().join("fifo");
    let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    let (slow, is_slow) = std::sync::mpsc::channel();
    let broker = Scripted::welcoming(move |peer| {
        peer.grant();
        for id in 1..=COUNT {
            peer.publish(1, id, "t", format!("{id:0999}"));
        }
        let mut acknowledged = 0;
        let mut pings = 0;
        while acknowledged < COUNT {
            let frame = peer.next_raw().unwrap();
            if frame.kind() == wire::PUBACK {
                acknowledged += 1;
                assert_eq!(frame.id(), acknowledged);
            } else {
                assert_eq!(frame.kind(), wire::PINGREQ);
                peer.send(wire::PINGRESP_BYTES);
                pings += 1;
                if pings == 1 {
                    assert!(acknowledged < COUNT / 2, "{acknowledged} with a full pipe");
                    slow.send(()).unwrap();
                }
            }
        }
        peer.until_closed();
    });
    let run = mozzie("sub -t t -q 1 -k 1")
        .args(&format!("-C {COUNT}"))
        .at(broker.port)
        .option("--append", &fifo)
        .start();
    let mut reader = fs::File::open(&fifo).unwrap();
    is_slow
        .recv_timeout(crate::support::DEADLINE)
        .expect("pings go on");
    let mut all = String::new();
    reader.read_to_string(&mut all).unwrap();
    run.finish().prints("");
    let expected: String = (1..=COUNT).map(|id| format!("{id:0999}\n")).collect();
    assert!(all == expected, "{} bytes", all.len());
}

#[test]
fn a_killed_run_has_lost_nothing_that_it_acknowledged() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let folder = TempDir::new().unwrap();
    let run = || {
        mozzie("sub -t t -q 1 -i keeper -c")
            .at(broker.port)
            .option("--output-dir", folder.path())
    };
    let killed = run().start();
    broker.subscribed(1);
    let mut publisher = Client::connect(broker.port);
    for n in 0..200_u16 {
        let id = n + 1;
        publisher.send(&wire::publish(true, 1, id, "t", n.to_string()));
    }
    wait_until("some files", || {
        (files(folder.path()).len() > 10).then_some(())
    });
    killed.signal("KILL");
    drop(killed);
    broker.wait_for("Sending PUBACK to", 200);
    run().args("--idle-timeout 500ms").run();
    let mut seen: Vec<String> = files(folder.path())
        .into_iter()
        .filter(|(name, _)| !name.starts_with('.'))
        .map(|(_, content)| String::from_utf8(content).unwrap())
        .collect();
    seen.sort_by_key(|text| text.parse::<u16>().expect("no file is half"));
    seen.dedup();
    assert_eq!(seen.len(), 200);
}
