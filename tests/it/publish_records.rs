//! Records of `mozzie pub` that say more than a payload: JSON lines, topic and payload, other delimiters.

use crate::{
    needs,
    support::{Client, Mosquitto, Scripted, mozzie, program_at, wire},
};

/// Topic, payload, QoS, retain and property bytes.
type Sent = (String, Vec<u8>, u8, bool, Vec<u8>);

/// What the program publishes to a broker that acknowledges everything, and how it ends.
fn published(
    v5: bool,
    options: &str,
    input: impl AsRef<[u8]>,
) -> (Vec<Sent>, crate::support::Done) {
    let (sender, sent) = std::sync::mpsc::channel();
    let broker = Scripted::welcoming(move |peer| {
        while let Some(frame) = peer.next() {
            match frame.kind() {
                wire::PUBLISH => {
                    let (properties, payload) = frame.properties_and_payload(v5);
                    let topic = frame.topic().to_owned();
                    let message = (
                        topic,
                        payload.to_vec(),
                        frame.qos(),
                        frame.retain(),
                        properties.to_vec(),
                    );
                    sender.send(message).unwrap();
                    match frame.qos() {
                        0 => {}
                        1 => peer.send(wire::ack(wire::PUBACK, frame.id())),
                        _ => peer.send(wire::ack(wire::PUBREC, frame.id())),
                    }
                }
                wire::PUBREL => peer.send(wire::ack(wire::PUBCOMP, frame.id())),
                _ => {}
            }
        }
    });
    let done = mozzie("pub")
        .at(broker.port)
        .args(options)
        .stdin(input)
        .run();
    broker.finish();
    (sent.into_iter().collect(), done)
}

fn plain(topic: &str, payload: impl AsRef<[u8]>, qos: u8, retain: bool) -> Sent {
    (
        topic.to_owned(),
        payload.as_ref().to_vec(),
        qos,
        retain,
        Vec::new(),
    )
}

const EVERYTHING: &str = concat!(
    r#"{"tst":"2026-11-21T01:02:03.000004+00:00","topic":"a/é","qos":2,"retain":true,"dup":true,"payloadlen":3,"mid":7,"#,
    r#""properties":{"content-type":"t","user-properties":[{"b":"1"},{"a":"\u0001"},{"b":"2"}],"topic-alias":3,"#,
    r#""subscription-identifier":[1,2],"correlation-data_b64":"AP8=","response-topic":"r/t","#,
    r#""message-expiry-interval":60,"payload-format-indicator":0},"payload_b64":"/wB4"}"#,
    "\n"
);

fn everything() -> Sent {
    let properties = [
        &[0x03][..],
        &wire::field("t"),
        &wire::user_property("b", "1"),
        &wire::user_property("a", "\u{1}"),
        &wire::user_property("b", "2"),
        &[0x09],
        &wire::field(b"\0\xff"),
        &[0x08],
        &wire::field("r/t"),
        &[0x02, 0, 0, 0, 60, 0x01, 0],
    ]
    .concat();
    ("a/é".to_owned(), b"\xff\0x".to_vec(), 2, true, properties)
}

#[test]
fn a_json_line_is_published_with_all_that_it_says() {
    let input = [EVERYTHING, "\n", r#"{"payload":{"a":1.50},"topic":"b"}"#].concat();
    let (sent, done) = published(true, "--json-lines", &input);
    done.prints("");
    assert_eq!(sent, [everything(), plain("b", r#"{"a":1.50}"#, 0, false)]);
}

#[test]
fn options_go_before_what_the_lines_say() {
    let options = "--json-lines -t t -q 1 -D publish content-type c -D publish user-property z 9";
    let (sent, done) = published(true, options, EVERYTHING);
    done.prints("");
    let (topic, payload, qos, retain, properties) = &sent[0];
    assert_eq!(
        (topic.as_str(), payload.as_slice(), *qos, *retain),
        ("t", &b"\xff\0x"[..], 1, true)
    );
    let properties = wire::properties(properties);
    let of = |id| -> Vec<_> {
        properties
            .iter()
            .filter(|(i, _)| *i == id)
            .map(|(_, value)| value.clone())
            .collect()
    };
    assert_eq!(of(0x03), [wire::field("c")]);
    let last = wire::user_property("z", "9")[1..].to_vec();
    assert_eq!((of(0x26).len(), of(0x26).last()), (4, Some(&last)));
    let (sent, _) = published(
        true,
        "--json-lines -r",
        r#"{"topic":"a","payload":"","retain":false}"#,
    );
    assert_eq!(sent, [plain("a", "", 0, true)]);
}

#[test]
fn json_lines_are_mqtt_5_unless_v_says_otherwise() {
    let plain_line = "{\"topic\":\"a\",\"payload\":\"x\",\"qos\":1}\n";
    let (sent, done) = published(false, "--json-lines -V 311", plain_line);
    done.prints("");
    assert_eq!(sent, [plain("a", "x", 1, false)]);
    let (sent, done) = published(
        false,
        "--json-lines -V 3.1.1",
        [plain_line, EVERYTHING].concat(),
    );
    done.fails(
        1,
        &[
            "line 2 of stdin",
            "properties",
            "MQTT 5",
            "3.1.1",
            "1 of 1 messages acknowledged",
        ],
    );
    assert_eq!(sent.len(), 1);
}

#[test]
fn a_bad_line_ends_it_when_what_came_before_is_acknowledged() {
    let input = "{\"topic\":\"a\",\"payload\":\"1\",\"qos\":1}\n\n{\"topic\":\"a\",\"payload\":\n{\"topic\":\"a\",\"payload\":\"2\"}\n";
    let (sent, done) = published(true, "--json-lines", input);
    done.fails(
        1,
        &[
            "line 3 of stdin",
            "not a JSON object",
            "1 of 1 messages acknowledged",
            "--skip-bad",
        ],
    );
    assert_eq!(sent, [plain("a", "1", 1, false)]);
}

#[test]
fn skip_bad_goes_on_and_counts() {
    let bad = "nonsense\n".repeat(7);
    let input = format!(
        "{{\"topic\":\"a\",\"payload\":\"1\"}}\n{bad}{{\"topic\":\"a\",\"payload\":\"2\",\"qos\":2}}\n"
    );
    let (sent, done) = published(true, "--json-lines --skip-bad", &input);
    done.ends(0, "", &["line 2 of stdin", "line 6 of stdin", "skipped 7"]);
    assert!(!done.stderr.contains("line 7"), "{done}");
    assert_eq!(sent, [plain("a", "1", 0, false), plain("a", "2", 2, false)]);
}

#[test]
fn a_file_of_json_lines_is_read_like_stdin() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lines");
    std::fs::write(&file, [EVERYTHING, "bad"].concat()).unwrap();
    let (sent, done) = published(true, &format!("--json-lines -f {}", file.display()), "");
    done.fails(1, &["line 2 of", "lines'"]);
    assert_eq!(sent, [everything()]);
    mozzie("pub --json-lines -f /no/such/file")
        .run()
        .fails(2, &["-f", "/no/such/file"]);
}

#[test]
fn topics_are_mapped() {
    let line = |topic: &str| format!("{{\"topic\":\"{topic}\",\"payload\":null}}\n");
    let input: String = ["a/b/c", "a", "x/1/y", "$SYS/a", "other"]
        .map(line)
        .concat();
    let broker = |map: &'static [&str]| {
        let (sender, topics) = std::sync::mpsc::channel();
        let broker = Scripted::welcoming(move |peer| {
            while let Some(frame) = peer.next() {
                if frame.kind() == wire::PUBLISH {
                    sender.send(frame.topic().to_owned()).unwrap();
                }
            }
        });
        let mut run = mozzie("pub --json-lines").at(broker.port);
        for map in map {
            run = run.option("--topic-map", map);
        }
        run.stdin(&input).run().prints("");
        broker.finish();
        topics.into_iter().collect::<Vec<String>>()
    };
    assert_eq!(
        broker(&["a/# => b/#", "x/+/+ => +/x", "a/b/c => never"]),
        ["b/b/c", "b", "1/x", "$SYS/a", "other"]
    );
    assert_eq!(
        broker(&["#=>copy/#"]),
        ["copy/a/b/c", "copy/a", "copy/x/1/y", "$SYS/a", "copy/other"]
    );
}

#[test]
fn a_topic_and_a_payload_stand_in_one_line() {
    let (sent, done) = published(
        false,
        r"-l -q 1 --topic-separator \t",
        b"a/b\tx\ty\0\xff\nc\t",
    );
    done.prints("");
    assert_eq!(
        sent,
        [
            plain("a/b", b"x\ty\0\xff", 1, false),
            plain("c", "", 1, false)
        ]
    );
    let (sent, done) = published(false, "--topic-separator ::", "a::1\nno separator\nb::2\n");
    done.fails(1, &["line 2 of stdin", "'::'", "1 of 1"]);
    assert_eq!(sent, [plain("a", "1", 0, false)]);
    let (sent, done) = published(false, "--topic-separator :: --skip-bad", "a::1\n#::\nb::2");
    done.ends(0, "", &["line 2 of stdin", "wildcard", "skipped 1"]);
    assert_eq!(sent, [plain("a", "1", 0, false), plain("b", "2", 0, false)]);
}

#[test]
fn records_end_with_any_delimiter() {
    for (delimiter, input) in [
        (r"\0", &b"one\n\xff\0\0three"[..]),
        (r"\x1e\n", b"one\n\xff\x1e\n\x1e\nthree"),
        ("--", b"one\n\xff----three"),
    ] {
        let (sent, done) = published(false, &format!("-t t --delimiter {delimiter}"), input);
        done.prints("");
        let payloads: Vec<_> = sent.into_iter().map(|sent| sent.1).collect();
        assert_eq!(payloads, [&b"one\n\xff"[..], b"", b"three"], "{delimiter}");
    }
    let json = "{\"topic\":\"a\",\n \"payload\":1}\0{\"topic\":\"b\"}";
    let (sent, done) = published(true, r"--json-lines --delimiter \0", json);
    done.fails(1, &["record 2 of stdin", "payload"]);
    assert_eq!(sent, [plain("a", "1", 0, false)]);
}

#[test]
fn options_that_do_not_fit_are_refused() {
    for (words, map, fragments) in [
        (
            "--json-lines -m x",
            "",
            &["--json-lines", "cannot be used with"][..],
        ),
        (
            "--json-lines --topic-separator x",
            "",
            &["cannot be used with"],
        ),
        ("-t a --delimiter x -s", "", &["cannot be used with"]),
        (
            "-t a -l --delimiter x --repeat 2",
            "",
            &["cannot be used with"],
        ),
        (r"-t a --delimiter \q", "", &["without a meaning"]),
        ("--delimiter x", "", &["no topic given"]),
        ("-t a -l --skip-bad", "", &["--skip-bad needs --json-lines"]),
        ("-l", "a => b", &["--topic-map needs --json-lines"]),
        ("--json-lines -t a", "a => b", &["cannot be used with"]),
        (
            "--json-lines -L mqtt://localhost/a",
            "a => b",
            &["--topic-map", "-L"],
        ),
        (
            "--json-lines",
            "a/+ => b/+/+",
            &["'a/+ => b/+/+'", "more '+'"],
        ),
        ("--json-lines", "a => b/#", &["'#' right", "an example"]),
        ("--json-lines", "a b", &["=>"]),
    ] {
        let mut run = mozzie("pub").args(words);
        if !map.is_empty() {
            run = run.option("--topic-map", map);
        }
        run.stdin("").run().fails(2, fragments);
    }
}

/// Messages of every kind, each on a topic of its own below `in/`.
fn publish_all_kinds(client: &mut Client) -> Vec<(Vec<u8>, u8, bool, Vec<u8>)> {
    let properties = [
        &[0x01, 0][..],
        &[0x03],
        &wire::field("a \"type\" é"),
        &[0x08],
        &wire::field("r/é"),
        &[0x09],
        &wire::field(b"\0\xff\xfe"),
        &wire::user_property("k", "1"),
        &wire::user_property("", "\\"),
        &wire::user_property("k", "2"),
    ]
    .concat();
    let text_correlation = [&[0x09][..], &wire::field("text")].concat();
    let payloads: [&[u8]; 8] = [
        b"text",
        b"",
        b"a\0b\xff\n",
        b"{\"a\": 1.50}",
        b"null",
        b"\"s\"",
        b"\xf0\x9f\x98\x80\r\n",
        b"12345678901234567890",
    ];
    let mut all = Vec::new();
    for (n, payload) in payloads.iter().enumerate() {
        for qos in 0..3 {
            // an empty retained message would remove, and not be there for who comes later
            let retain = n % 2 == 0;
            let properties = [&properties[..], &text_correlation, b""][(n + usize::from(qos)) % 3];
            let topic = format!("in/{n}/{qos}");
            client.publish_with(&topic, payload, qos << 1 | u8::from(retain), properties);
            all.push((payload.to_vec(), qos, retain, properties.to_vec()));
        }
    }
    all
}

#[test]
fn what_sub_prints_as_json_pub_publishes_again() {
    needs!("mosquitto");
    for json in ["--json", "--json=parsed"] {
        let broker = Mosquitto::start();
        let subscriber = mozzie("sub -V 5 -q 2 -t in/# --retain-as-published -C 24")
            .arg(json)
            .at(broker.port)
            .start();
        broker.subscribed(1);
        let sent = publish_all_kinds(&mut Client::connect(broker.port));
        let lines = subscriber.finish();
        lines.status(0);
        let mut observer = Client::observing(broker.port, "out/#");
        mozzie("pub --json-lines")
            .option("--topic-map", "in/# => out/#")
            .at(broker.port)
            .stdin(&lines.stdout)
            .run()
            .prints("");
        // Between messages of different QoS a broker need not keep the order.
        let mut again: Vec<_> = sent.iter().map(|_| observer.next()).collect();
        again.sort_by(|a, b| a.topic.cmp(&b.topic));
        for (index, (message, (payload, qos, retain, properties))) in
            again.into_iter().zip(sent).enumerate()
        {
            let payload = match (json, payload.as_slice()) {
                // blanks between the tokens of parsed JSON go
                ("--json=parsed", b"{\"a\": 1.50}") => b"{\"a\":1.50}".to_vec(),
                _ => payload,
            };
            assert_eq!(message.topic, format!("out/{}/{}", index / 3, index % 3));
            assert_eq!(message.payload, payload);
            assert_eq!(
                (message.qos, message.retain),
                (qos, retain),
                "{}",
                message.topic
            );
            assert_eq!(
                wire::properties(&message.properties),
                wire::properties(&properties)
            );
        }
        assert!(observer.until_now(broker.port).is_empty());
    }
}

#[test]
fn retained_messages_are_copied() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let mut client = Client::connect(broker.port);
    for (topic, payload) in [("in/a", &b"\xff\0"[..]), ("in/b", b"text")] {
        client.publish(topic, payload, 1, true);
    }
    let lines = mozzie("sub -V 5 -q 1 -t in/# --json -C 2")
        .at(broker.port)
        .run();
    mozzie("pub --json-lines")
        .option("--topic-map", "in/+ => out/+")
        .at(broker.port)
        .stdin(&lines.stdout)
        .run()
        .prints("");
    let copies = mozzie("sub -q 1 -t out/# --json -C 2")
        .at(broker.port)
        .run();
    let copies = copies.stdout_text();
    assert!(
        copies.contains(r#""topic":"out/a","qos":1,"retain":true"#)
            && copies.contains(r#""payload_b64":"/wA="}"#),
        "{copies}"
    );
    assert!(
        copies.contains(r#""topic":"out/b","qos":1,"retain":true"#),
        "{copies}"
    );
}

#[test]
fn what_mosquitto_sub_prints_is_published_unless_it_is_cut() {
    needs!("mosquitto", "mosquitto_sub");
    let broker = Mosquitto::start();
    let mut client = Client::connect(broker.port);
    client.publish("in/text", "a \"text\"\té", 1, true);
    client.publish("in/z", b"cut\0here", 1, true);
    let port = broker.port.to_string();
    let lines = program_at(
        "/usr/bin/mosquitto_sub".as_ref(),
        "-V 5 -q 1 -t in/# -F %j -C 2 -p",
    )
    .arg(&port)
    .run();
    lines.status(0);
    let mut lines: Vec<_> = lines
        .stdout_text()
        .lines()
        .map(|line| format!("{line}\n"))
        .collect();
    lines.sort_by_key(|line| line.contains("in/z"));
    let mut observer = Client::observing(broker.port, "out/#");
    mozzie("pub --json-lines")
        .option("--topic-map", "in/+ => out/+")
        .at(broker.port)
        .stdin(lines.concat())
        .run()
        .fails(1, &["line 2 of stdin", "8 bytes and has 3", "1 of 1"]);
    let messages = observer.until_now(broker.port);
    let [message] = &messages[..] else {
        panic!("{messages:?}")
    };
    assert_eq!((message.topic.as_str(), message.qos), ("out/text", 1));
    assert_eq!(message.payload, "a \"text\"\té".as_bytes());
}

#[test]
fn mosquittos_names_do_not_know_these_options() {
    for words in [
        "--json-lines",
        "--topic-separator x",
        "--delimiter x",
        "--skip-bad",
        "--topic-map x",
    ] {
        let done = crate::support::called("mosquitto_pub", "-t a -l")
            .args(words)
            .stdin("")
            .run();
        done.status(1);
        assert!(done.stderr.contains("Unknown option '--"), "{done}");
    }
}
