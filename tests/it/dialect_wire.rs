//! What goes over the wire, stdout, stderr and the exit code: the same words through mosquitto's clients and
//! through mozzie under their names, against one scripted broker, for MQTT 3.1, 3.1.1 and 5.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::mpsc;

use crate::needs;
use crate::support::{
    Done, Mozzie, Scripted, THEIR_TRIES, as_2_1, called, debug_as_2_1, is_2_0, mozzie, theirs, wire,
};

/// What the broker answers.
#[derive(Clone, Copy, Default)]
struct Answers {
    connack: Option<&'static [u8]>,
    /// Reason of SUBACK, PUBACK and PUBREC; 0 grants and acknowledges.
    suback: u8,
    puback: u8,
    /// Sent behind SUBACK.
    then: &'static [u8],
    /// Sent behind what answers PUBLISH.
    reply: &'static [u8],
}

/// Everything that the client sent, in hexadecimal, and how it ended.
fn run(program: Mozzie, version: &str, answers: Answers) -> (Vec<String>, Done) {
    let (sender, receiver) = mpsc::channel();
    let v5 = version == "5";
    let broker = Scripted::start(move |door| {
        let mut peer = door.accept();
        let mut seen = Vec::new();
        while let Some(frame) = peer.next_raw() {
            // Identifiers that are made by chance.
            let bytes = without_random_id(frame.bytes());
            seen.push(bytes.iter().map(|b| format!("{b:02x}")).collect::<String>());
            let mut answer = match frame.kind() {
                wire::CONNECT => match answers.connack {
                    Some(connack) => connack.to_vec(),
                    None => wire::connack(v5, false, 0),
                },
                wire::SUBSCRIBE => {
                    let filters = crate::support::filters(&frame, v5).len();
                    wire::suback(v5, frame.id(), &vec![answers.suback; filters])
                }
                wire::UNSUBSCRIBE if v5 => {
                    let id = frame.id().to_be_bytes();
                    wire::packet(0xb0, &[id[0], id[1], 0, 0])
                }
                wire::UNSUBSCRIBE => wire::packet(0xb0, &frame.id().to_be_bytes()),
                wire::PUBLISH if frame.qos() > 0 => {
                    let kind = if frame.qos() == 1 { 0x40 } else { 0x50 };
                    let id = frame.id().to_be_bytes();
                    match answers.puback {
                        0 => wire::packet(kind, &id),
                        reason => wire::packet(kind, &[id[0], id[1], reason, 0]),
                    }
                }
                wire::PUBREL => wire::packet(0x70, &frame.id().to_be_bytes()),
                _ => Vec::new(),
            };
            if frame.kind() == wire::PUBLISH {
                answer.extend_from_slice(answers.reply);
            }
            if frame.kind() == wire::SUBSCRIBE {
                answer.extend_from_slice(answers.then);
            }
            let refused = frame.kind() == wire::CONNECT && answer[3] != 0;
            peer.try_send(answer);
            if refused {
                break;
            }
        }
        sender.send(seen).unwrap();
    });
    let done = program.at(broker.port).version(version).run();
    broker.finish();
    (receiver.recv().unwrap(), done)
}

fn without_random_id(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(at) = bytes.windows(5).position(|w| w == b"mosq-") {
        let end = (at + 23).min(bytes.len());
        bytes[at + 5..end].fill(b'x');
    }
    bytes
}

/// Hides the identifier in what `-d` prints.
fn shown(done: &Done) -> Vec<u8> {
    let mut text = done.stdout.clone();
    let mut from = 0;
    while let Some(at) = text[from..].windows(5).position(|w| w == b"mosq-") {
        let begin = from + at + 5;
        let end = (begin + 18).min(text.len());
        text[begin..end].fill(b'x');
        from = end;
    }
    text
}

fn compare(tool: &str, words: &str, version: &str, answers: Answers) {
    let (our_packets, ours) = run(called(tool, words), version, answers);
    let ours_all = (
        our_packets,
        String::from_utf8_lossy(&shown(&ours)).into_owned(),
        ours.stderr.clone(),
        ours.code(),
    );
    let mut theirs_all = None;
    for _ in 0..THEIR_TRIES {
        let (mut packets, theirs) = run(theirs(tool, words), version, answers);
        let last = ours_all.0.last();
        if packets.len() + 1 == ours_all.0.len() && last.is_some_and(|p| p.starts_with("e0")) {
            packets.extend(last.cloned());
        }
        let stdout = debug_as_2_1(&String::from_utf8_lossy(&shown(&theirs)));
        let all = (packets, stdout, as_2_1(&theirs.stderr), theirs.code());
        if all == ours_all {
            return;
        }
        theirs_all = Some(all);
    }
    assert_eq!(
        theirs_all.as_ref(),
        Some(&ours_all),
        "packets, stdout, stderr and exit code of {tool} {words} -V {version}: theirs and ours"
    );
}

const EVERY: [&str; 3] = ["31", "311", "5"];

#[test]
fn pub_sends_the_same_packets() {
    needs!("mosquitto_pub");
    for version in EVERY {
        for words in [
            "-t a -m x",
            "-t a -m x -d",
            "--topic a --message x --qos 1 --debug",
            "-t a -m x -q 2 -d",
            "-t a -t b -n -r --retain",
            "-t a --null-message --repeat 3",
            // one after the other
            "-t a -m x --repeat 3 -q 2 -d",
            "-t a -m x --repeat 2 --repeat-delay 0.05 -q 1",
            "-t a -m x -i me -k 33 -u user -P pass -M 5 -c",
            "-t a -m x --id me --keepalive 5 --username user --pw pass --disable-clean-session",
            "-t a -m x --will-topic w --will-payload p --will-qos 1 --will-retain",
            "-t a -m x --will-topic w",
            "-t a -m x --will-qos 2",
            "-t a -m x --nodelay --quiet -A 127.0.0.1",
            "-t a -m x -A localhost",
            "-t a -m x --insecure --ciphers x --tls-alpn mqtt --tls-version tlsv1.3",
            "-t a -l",
            "-t a --stdin-line",
            "-L mqtt://user:pass@elsewhere/a -m x",
            "--url MQTT://user@elsewhere:99/a/b -m x -q 1",
            "--protocol-version mqttv31 -t a -m x",
            "-t a -m x --host elsewhere --port 99",
            "-t a -m x --keyform pem --key /x --cert /y",
        ] {
            compare("mosquitto_pub", words, version, Answers::default());
        }
    }
}

#[test]
fn sub_sends_the_same_packets_and_prints_the_same() {
    needs!("mosquitto_sub");
    // two messages of QoS 0: one retained, one not
    let v3 = Answers {
        then: b"\x31\x05\0\x01ahi\x30\x03\0\x01b\x30\x05\0\x01cyo",
        ..Answers::default()
    };
    let v5 = Answers {
        then: b"\x31\x06\0\x01a\0hi\x30\x04\0\x01b\0\x30\x06\0\x01c\0yo",
        ..Answers::default()
    };
    for version in EVERY {
        let answers = if version == "5" { v5 } else { v3 };
        for words in [
            "-t # -C 3",
            "-t # -C 3 -d -q 1",
            "-t # -v -C 3",
            "-t # -v -N -C 3",
            "-t # -N -C 3",
            "-t # -R -C 2",
            "-t # -T a -C 2 -v",
            "-t # --retained-only",
            "-t a -t b -t c -E -q 2",
            "-t a -U b -C 1",
            "-t a -W 1",
            "-t a -C 2 -i me -c -k 7 -u me",
            "-t a -C 1 --retain-as-published",
            "-t # -C 3 -F %t|%p|%q|%r|%l|%x\\n",
            "-t # -C 3 -N -v -F <%8t> -d",
            // To mosquitto, 1000 are all: it divides by ten once more than its manual does.
            "--topic # -C 3 --verbose --random-filter 1000",
            "-t # --filter-out a -C 2",
            "-t a --unsubscribe b -C 1",
            "-t # --remove-retained -W 1",
            "-L mqtt://me:pw@elsewhere/a/# -C 1",
        ] {
            compare("mosquitto_sub", words, version, answers);
        }
    }
}

#[test]
fn rr_sends_the_same_packets_and_takes_the_first_message_for_the_reply() {
    needs!("mosquitto_rr");
    for version in ["311", "5"] {
        // of any correlation data, and on any topic
        let reply: &'static [u8] = match version {
            "5" => b"\x30\x0c\0\x01r\x04\x09\0\x01chi\n!",
            _ => b"\x30\x07\0\x01rhi\n!",
        };
        let answers = Answers {
            reply,
            ..Answers::default()
        };
        for words in [
            "-t a -e r -m x",
            "-t a -e r -n -v",
            "-t a -t b -e r -m x -q 1 -N",
            "-t a -e r -m x -i me -k 9 -u user -P pass -W 5",
            "-t a -e r -m x -F %t=%p --will-topic w",
            "-t a -e other -m x -v",
            "-t r -e r -m x",
        ] {
            compare("mosquitto_rr", words, version, answers);
        }
        let (packets, done) = run(
            called("mosquitto_rr", "-t a -e r -m x -N --latency"),
            version,
            answers,
        );
        let kinds: Vec<_> = packets.iter().map(|packet| &packet[..1]).collect();
        assert_eq!(kinds, ["1", "8", "3"], "no DISCONNECT behind the reply");
        let stdout = String::from_utf8(done.stdout.clone()).unwrap();
        let latency = stdout.strip_prefix("hi\n!Latency: ").expect(&stdout);
        assert!(
            ["ns\n", "µs\n", "ms\n"]
                .iter()
                .any(|unit| latency.ends_with(unit)),
            "{stdout}"
        );
        let words = "-t a -e r -m x -W 1 -d";
        compare("mosquitto_rr", words, version, Answers::default());
    }
    for words in [
        "-t a -e r -m x -W 1 -D publish correlation-data c -D publish content-type t",
        "-t a -e r -m x -W 1 -D subscribe user-property a b -D disconnect user-property a b",
    ] {
        compare("mosquitto_rr", words, "5", Answers::default());
    }
    let refused = Answers {
        suback: 0x87,
        ..Answers::default()
    };
    compare("mosquitto_rr", "-t a -e r -m x", "5", refused);
}

#[test]
fn properties_go_out_in_the_order_typed() {
    needs!("mosquitto_sub", "mosquitto_pub");
    for words in [
        "-t a -m x -D publish content-type t -D publish user-property a b -D publish user-property a b",
        "-t a -m x -D publish Response-Topic r -D publish correlation-data c -D publish message-expiry-interval 9",
        "-t a -m x -D connect user-property a b -x 7 -D connect request-problem-information 0",
        "-t a -m x -D connect receive-maximum 7 -D connect topic-alias-maximum 3",
        "-t a -m x -D disconnect reason-string bye -D disconnect user-property a b",
        "-t a -m x --will-topic w -D will will-delay-interval 5 -D will content-type t",
        "-t a -m x --property connect session-expiry-interval 16 --property Publish Content-Type t",
        "-t a -m x -D will user-property a b -D subscribe user-property a b",
        // also to a broker that takes no aliases
        "-t a -m x -D publish payload-format-indicator 1 -D publish topic-alias 3 -d",
        "-t a -m x --repeat 3 -D publish topic-alias 3",
        // a number ends where its digits end
        "-t a -m x -D publish message-expiry-interval 5x -D connect session-expiry-interval 0x1F",
    ] {
        compare("mosquitto_pub", words, "5", Answers::default());
    }
    for words in [
        "-t a -E -D subscribe subscription-identifier 9 -D subscribe user-property a b",
        "-t a -E -D subscribe subscription-identifier 0",
        "-t a -E -D subscribe subscription-identifier 268435455",
        "-t a -E -U b -D unsubscribe user-property a b",
        "-t a -E -x 60 -R -c -i me",
        "-t a -E -x 0 -C 19",
        "-t a -E -C 20",
    ] {
        compare("mosquitto_sub", words, "5", Answers::default());
    }
}

#[test]
fn refusals_end_with_mosquittos_codes_and_texts() {
    needs!("mosquitto_sub", "mosquitto_pub");
    for version in EVERY {
        let refusals: &[&'static [u8]] = match version {
            "5" => &[
                b"\x20\x03\0\x87\0",
                b"\x20\x03\0\x84\0",
                b"\x20\x03\0\x86\0",
                b"\x20\x03\0\x9c\0",
            ],
            _ => &[
                b"\x20\x02\0\x01",
                b"\x20\x02\0\x02",
                b"\x20\x02\0\x03",
                b"\x20\x02\0\x04",
                b"\x20\x02\0\x05",
            ],
        };
        for connack in refusals {
            let answers = Answers {
                connack: Some(connack),
                ..Answers::default()
            };
            // Of that last packet 2.0 says nothing.
            let debug = if version == "5" && is_2_0() { "" } else { "-d" };
            compare(
                "mosquitto_pub",
                &format!("-t a -m x {debug}"),
                version,
                answers,
            );
            compare("mosquitto_pub", "-t a -m x --quiet", version, answers);
            let code = connack[3];
            if version == "5" && !is_2_0() {
                // 2.1.2 now and then comes back to it for ever.
                let program = called("mosquitto_sub", "-t a -d");
                let (_, sub) = run(program, version, answers);
                assert_eq!(sub.code(), Some(i32::from(code)));
                let goodbye = "Client null sending DISCONNECT\n".repeat(2);
                assert!(sub.stdout_text().ends_with(&goodbye), "{sub}");
            } else {
                compare("mosquitto_sub", &format!("-t a {debug}"), version, answers);
            }
            let program = called("mosquitto_pub", "-t a -l");
            let (_, lines) = run(program, version, answers);
            assert!(
                lines
                    .stderr
                    .ends_with("\nError: The connection was refused\n"),
                "{lines}"
            );
            let program = called("mosquitto_rr", "-t a -e b -m x");
            let (_, request) = run(program, version, answers);
            assert_eq!(request.code(), Some(i32::from(code)));
            if (version, code) == ("311", 5) {
                // a number that MQTT 5 does not know
                assert_eq!(request.stderr, "Connection error: Unknown reason\n");
            }
        }
        let denied = Answers {
            suback: 0x80,
            ..Answers::default()
        };
        compare("mosquitto_sub", "-t a -t b -d", version, denied);
        compare("mosquitto_sub", "-t a -E", version, denied);
    }
    for reason in [0x87, 0x97] {
        let refused = Answers {
            puback: reason,
            ..Answers::default()
        };
        for words in ["-t a -m x -q 1", "-t a -m x -q 2", "-t a -m x -q 1 --quiet"] {
            compare("mosquitto_pub", words, "5", refused);
        }
    }
    let bye = Answers {
        then: b"\xe0\x02\x8b\0",
        ..Answers::default()
    };
    // It comes back to a broker that ends the connection; 2.0 ended with 0.
    if is_2_0() {
        let (_, done) = run(called("mosquitto_sub", "-t a -W 2"), "5", bye);
        done.ends(27, "", &["Timed out"]);
    } else {
        compare("mosquitto_sub", "-t a -W 2", "5", bye);
    }
    let no_retain = Answers {
        connack: Some(b"\x20\x05\0\0\x02\x25\0"),
        ..Answers::default()
    };
    compare("mosquitto_pub", "-t a -m x -r", "5", no_retain);
}

#[test]
fn what_is_beyond_the_broker_ends_as_in_2_1() {
    const QOS_1: &[u8] = b"\x20\x05\0\0\x02\x24\x01";
    const TWENTY_BYTES: &[u8] = b"\x20\x08\0\0\x05\x27\0\0\0\x14";
    const LOST: &str = "Error: The connection was lost\n";
    let long = "x".repeat(20);
    let single = format!("-t a -m {long} -q 1");
    for (tool, words, connack, code, text) in [
        (
            "mosquitto_pub",
            "-t a -m x -q 2",
            QOS_1,
            7,
            "Error: Message QoS not supported on broker, try a lower QoS.\nError: The connection was lost\n",
        ),
        (
            "mosquitto_pub",
            "-t a -l -q 2",
            QOS_1,
            24,
            "Error: Requested QoS not supported on server\n",
        ),
        ("mosquitto_pub", &single, TWENTY_BYTES, 7, LOST),
        (
            "mosquitto_pub",
            "-t a -l",
            TWENTY_BYTES,
            25,
            "Error: Packet larger than supported by the server\n",
        ),
        (
            "mosquitto_rr",
            &format!("{single} -e r"),
            TWENTY_BYTES,
            25,
            "Error: Packet larger than supported by the server\n",
        ),
    ] {
        let answers = Answers {
            connack: Some(connack),
            ..Answers::default()
        };
        let program = called(tool, words).stdin(format!("{long}\n"));
        let (packets, done) = run(program, "5", answers);
        assert_eq!((done.code(), done.stderr.as_str()), (Some(code), text));
        assert!(done.stdout.is_empty(), "{done}");
        assert!(
            !packets.iter().any(|packet| packet.starts_with('3')),
            "{packets:?}"
        );
    }
}

#[test]
fn sub_that_only_unsubscribes_is_allowed_in_2_1() {
    let (packets, done) = run(
        called("mosquitto_sub", "-U a -U b -E"),
        "311",
        Answers::default(),
    );
    done.ends(0, "", &[]);
    assert_eq!(packets[1..3], ["a2050001000161", "a2050002000162"]);
    // Without -E it waits, although nothing can come.
    let waiting = called("mosquitto_sub", "-U a -W 1");
    let (_, done) = run(waiting, "311", Answers::default());
    done.ends(27, "", &["Timed out"]);
}

/// The library judges a packet when it is to be sent, and 2.1 asks it only then.
#[test]
fn properties_that_make_no_publish_end_the_connection_in_2_1() {
    for (words, code, text) in [
        (
            "-m x -D publish topic-alias 0",
            7,
            "Error: Protocol error when communicating with broker.\nError: The connection was lost\n",
        ),
        (
            "-m x -D publish payload-format-indicator 2",
            7,
            "Error: Protocol error when communicating with broker.\nError: The connection was lost\n",
        ),
        (
            "-m x -D publish response-topic a/#",
            7,
            "Error: Protocol error when communicating with broker.\nError: The connection was lost\n",
        ),
        (
            "-m x -D publish content-type a -D publish content-type b",
            7,
            "Error: The connection was lost\n",
        ),
        (
            "-l -D publish content-type a -D publish content-type b",
            22,
            "Error: Duplicate property in property list\n",
        ),
    ] {
        let ours = called("mosquitto_pub", &format!("-t a {words}"))
            .stdin("x\n")
            .run();
        assert_eq!(
            (ours.code(), ours.stderr.as_str()),
            (Some(code), text),
            "{ours}"
        );
        if !crate::support::have("mosquitto_pub") || is_2_0() {
            continue;
        }
        let program = theirs("mosquitto_pub", &format!("-t a {words}")).stdin("x\n");
        let (_, theirs) = run(program, "5", Answers::default());
        assert_eq!(
            (theirs.code(), theirs.stderr.as_str()),
            (Some(code), text),
            "{theirs}"
        );
    }
}

#[test]
fn retain_handling_is_an_option_of_2_1() {
    let words = "-t a -E --retain-handling new";
    let (packets, done) = run(called("mosquitto_sub", words), "5", Answers::default());
    done.ends(0, "", &[]);
    assert_eq!(packets[1], "820700010000016110");
    // -R asks for none as well, and the last word counts.
    for (words, options) in [
        ("--retain-handling always -R", "20"),
        ("-R --retain-handling always", "00"),
    ] {
        let words = format!("-t a -E {words}");
        let (packets, _) = run(called("mosquitto_sub", &words), "5", Answers::default());
        assert_eq!(packets[1], format!("8207000100000161{options}"), "{words}");
    }
}

#[test]
fn a_format_is_bytes_and_need_not_be_text() {
    needs!("mosquitto_sub");
    let answers = Answers {
        then: b"\x30\x05\0\x01ahi",
        ..Answers::default()
    };
    let format = OsStr::from_bytes(b"\xff<%p>\xc3");
    let words = "-t a -C 1";
    let program = theirs("mosquitto_sub", words);
    let (_, theirs) = run(program.option("-F", format), "311", answers);
    let (_, ours) = run(
        called("mosquitto_sub", words).option("-F", format),
        "311",
        answers,
    );
    ours.prints(b"\xff<hi>\xc3\n");
    assert_eq!(theirs.stdout, ours.stdout);
    let (_, native) = run(mozzie("sub -t a -C 1").option("-F", format), "311", answers);
    native.prints(b"\xff<hi>\xc3\n");
}
