//! A broker that sends rubbish, cuts, floods and stalls: never a panic, never a hang, always a documented exit code.

use std::{
    io::Write,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use crate::support::{Done, Scripted, VERSIONS, filters, mozzie, wire};

/// What a broker says at which point, and what follows.
#[derive(Clone, Debug)]
struct Attack {
    name: String,
    version: &'static str,
    command: &'static str,
    /// Sent instead of, or cut from, CONNACK.
    connack: Option<Vec<u8>>,
    /// Sent when the first packet after CONNECT has come.
    then: Vec<u8>,
    /// Close after that; otherwise stay and say nothing.
    close: bool,
}

impl Attack {
    fn run(&self, judge: fn(&Done)) {
        let attack = self.clone();
        let broker = Scripted::start(move |door| {
            // It may come back; every connection is treated alike, until it has gone.
            while let Some(mut peer) = door.accept_within(Duration::from_millis(400)) {
                if peer.next().is_none() {
                    continue;
                }
                let v5 = attack.version == "5";
                let connack = attack
                    .connack
                    .clone()
                    .unwrap_or_else(|| wire::connack(v5, false, 0));
                let accepted = attack.connack.is_none();
                if peer.try_send(connack) && accepted && peer.next().is_some() {
                    peer.try_send(&attack.then);
                }
                if !attack.close {
                    peer.linger(Duration::from_secs(4));
                }
            }
        });
        let done = mozzie(self.command)
            .at(broker.port)
            .version(self.version)
            .args("--connect-timeout 1s")
            .deadline(Duration::from_secs(15))
            .stdin("one\ntwo\n")
            .run();
        let documented = matches!(done.code(), Some(0..=7));
        assert!(
            documented
                && !done.stderr.contains("panicked")
                && !done.stderr.contains("RUST_BACKTRACE"),
            "{}\n{done}",
            self.name
        );
        judge(&done);
    }
}

/// Runs them many at a time, for most of the time each of them waits.
fn run_all(attacks: Vec<Attack>, judge: fn(&Done)) {
    let queue = Arc::new(Mutex::new(attacks));
    let workers: Vec<_> = (0..24)
        .map(|_| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                loop {
                    let Some(attack) = queue.lock().unwrap().pop() else {
                        return;
                    };
                    attack.run(judge);
                }
            })
        })
        .collect();
    let failed = workers
        .into_iter()
        .map(thread::JoinHandle::join)
        .filter(Result::is_err)
        .count();
    assert_eq!(failed, 0, "the failures are above");
}

const SUB: &str = "sub -t a -q 2 -C 1 -W 1";
const PUB: &str = "pub -t a -m x -q 1";

#[test]
fn a_connack_cut_at_every_byte_is_3() {
    let mut attacks = Vec::new();
    for version in VERSIONS {
        let whole = if version == "5" {
            wire::connack_with(&[&[0x21, 0, 9][..], &[0x12], &wire::field("assigned")].concat())
        } else {
            wire::connack(false, false, 0)
        };
        for cut in 0..whole.len() {
            attacks.push(Attack {
                name: format!("CONNACK of {version} cut to {cut} bytes"),
                version,
                command: PUB,
                connack: Some(whole[..cut].to_vec()),
                then: Vec::new(),
                close: true,
            });
        }
    }
    run_all(attacks, |done| {
        done.fails(3, &[]);
    });
}

#[test]
fn a_connack_that_never_comes_whole_is_given_up() {
    let whole = wire::connack_with(&[0x21, 0, 9]);
    let attack = |cut: usize| Attack {
        name: format!("a CONNACK that stops after {cut} bytes"),
        version: "5",
        command: PUB,
        connack: Some(whole[..cut].to_vec()),
        then: Vec::new(),
        close: false,
    };
    let attacks = [0, 1, 3, whole.len() - 1].map(attack).into();
    run_all(attacks, |done| {
        done.fails(3, &["connack"]);
    });
}

#[test]
fn answers_cut_at_every_byte_neither_panic_nor_hang() {
    let mut attacks = Vec::new();
    for version in VERSIONS {
        let v5 = version == "5";
        let properties = [&wire::user_property("k", "v")[..], &[0x01, 1]].concat();
        let answers = [
            (SUB, wire::suback(v5, 1, &[2])),
            (
                SUB,
                [
                    wire::suback(v5, 1, &[2]),
                    wire::publish_with(v5, 2, 9, "a", &properties, "hello"),
                ]
                .concat(),
            ),
            (PUB, wire::ack(wire::PUBACK, 1)),
        ];
        for (command, whole) in answers {
            for cut in 0..whole.len() {
                attacks.push(Attack {
                    name: format!("{command} -V {version}: {cut} of {} bytes", whole.len()),
                    version,
                    // A pub goes on trying; only a limit of its own ends that.
                    command,
                    connack: None,
                    then: whole[..cut].to_vec(),
                    close: true,
                });
            }
        }
    }
    // `pub` sends again for as long as the broker is there, so those cuts end with the door.
    attacks.retain(|attack| attack.command == SUB);
    run_all(attacks, |_| ());
}

#[test]
fn packets_that_break_the_rules_end_the_client_with_an_error_that_names_the_broker() {
    let suback = |v5| wire::suback(v5, 1, &[2]);
    let mut attacks = Vec::new();
    for version in VERSIONS {
        let v5 = version == "5";
        let broken: Vec<(&str, Vec<u8>)> = vec![
            ("a packet of type 0", vec![0x00, 0]),
            ("a packet of type 15", vec![0xf0, 0]),
            ("a CONNECT from the broker", wire::connect(v5, "broker")),
            ("a SUBSCRIBE from the broker", vec![0x82, 5, 0, 1, 0, 0, 0]),
            ("a second CONNACK", wire::connack(v5, false, 0)),
            (
                "a length of five bytes",
                vec![0x30, 0xff, 0xff, 0xff, 0xff, 0x7f],
            ),
            ("a PUBLISH of QoS 3", vec![0x36, 5, 0, 1, b'a', 0, 1]),
            (
                "a PUBLISH shorter than its topic",
                vec![0x30, 4, 0, 200, b'a', b'b'],
            ),
            (
                "a PUBLISH with a wildcard",
                wire::publish(v5, 0, 0, "a/#", "x"),
            ),
            (
                "a PUBLISH with packet identifier 0",
                wire::publish(v5, 1, 0, "a", "x"),
            ),
            (
                "a PUBLISH whose topic is not UTF-8",
                vec![0x30, 5, 0, 2, 0xff, 0xfe, 0],
            ),
            (
                "a PUBLISH whose topic has a NUL",
                vec![0x30, 5, 0, 2, b'a', 0, 0],
            ),
            (
                "an empty topic without an alias",
                wire::publish(v5, 0, 0, "", "x"),
            ),
            ("a SUBACK without codes", wire::suback(v5, 1, &[])),
            (
                "a SUBACK with too many codes",
                wire::suback(v5, 1, &[0, 0, 0]),
            ),
            ("a SUBACK for another packet", wire::suback(v5, 77, &[0])),
            (
                "a SUBACK with an unknown code",
                wire::suback(v5, 1, &[0x42]),
            ),
            ("a SUBACK of one byte", vec![0x90, 1, 0]),
            ("wrong flags on a SUBACK", vec![0x91, 3, 0, 1, 0]),
            ("a PINGRESP with a body", vec![0xd0, 1, 0]),
            ("a PUBREL with wrong flags", vec![0x60, 2, 0, 1]),
            (
                "acknowledgements of nothing",
                [
                    wire::ack(4, 5),
                    wire::ack(5, 6),
                    wire::ack(6, 7),
                    wire::ack(7, 8),
                ]
                .concat(),
            ),
        ];
        for (name, packet) in broken {
            for first in [Vec::new(), suback(v5)] {
                attacks.push(Attack {
                    name: format!("{name} ({version})"),
                    version,
                    command: SUB,
                    connack: None,
                    then: [&first[..], &packet].concat(),
                    close: false,
                });
            }
        }
    }
    let v5_only: Vec<(&str, Vec<u8>)> = vec![
        (
            "an alias beyond the maximum",
            wire::publish_with(true, 0, 0, "a", &[0x23, 0xff, 0xff], "x"),
        ),
        (
            "alias 0",
            wire::publish_with(true, 0, 0, "a", &[0x23, 0, 0], "x"),
        ),
        (
            "a property twice",
            wire::publish_with(true, 0, 0, "a", &[0x01, 1, 0x01, 1], "x"),
        ),
        (
            "a property of another packet",
            wire::publish_with(true, 0, 0, "a", &[0x21, 0, 9], "x"),
        ),
        (
            "an unknown property",
            wire::publish_with(true, 0, 0, "a", &[0x7e, 0], "x"),
        ),
        (
            "properties longer than the packet",
            vec![0x30, 5, 0, 1, b'a', 100, 0],
        ),
        (
            "a cut user property",
            wire::publish_with(true, 0, 0, "a", &[0x26, 0, 9, b'k'], "x"),
        ),
        ("an AUTH out of the blue", vec![0xf0, 2, 0x18, 0]),
        ("a DISCONNECT with an unknown reason", vec![0xe0, 1, 0xee]),
        (
            "a DISCONNECT with rubbish",
            vec![0xe0, 5, 0x80, 0x7f, 1, 2, 3],
        ),
    ];
    for (name, packet) in v5_only {
        attacks.push(Attack {
            name: name.to_owned(),
            version: "5",
            command: SUB,
            connack: None,
            then: [suback(true), packet].concat(),
            close: false,
        });
    }
    run_all(attacks, |_| ());
}

#[test]
fn connacks_that_break_the_rules_are_refused_with_an_error() {
    let broken: Vec<(&str, &'static str, Vec<u8>)> = vec![
        ("reserved flags", "311", vec![0x20, 2, 0xfe, 0]),
        (
            "a return code of 3.1.1 that does not exist",
            "311",
            vec![0x20, 2, 0, 99],
        ),
        ("too long", "311", vec![0x20, 4, 0, 0, 0, 0]),
        ("too short", "311", vec![0x20, 1, 0]),
        ("empty", "311", vec![0x20, 0]),
        ("too short for 5", "5", vec![0x20, 1, 0]),
        ("receive maximum 0", "5", wire::connack_with(&[0x21, 0, 0])),
        (
            "maximum packet size 0",
            "5",
            wire::connack_with(&[0x27, 0, 0, 0, 0]),
        ),
        ("maximum QoS 2", "5", wire::connack_with(&[0x24, 2])),
        (
            "a property twice",
            "5",
            wire::connack_with(&[0x25, 1, 0x25, 1]),
        ),
        ("properties cut", "5", vec![0x20, 4, 0, 0, 9, 0x21]),
        (
            "an announced 256 MiB",
            "5",
            vec![0x20, 0xff, 0xff, 0xff, 0x7f, 0, 0],
        ),
        ("a SUBACK in its place", "311", wire::suback(false, 1, &[0])),
        (
            "a PUBLISH in its place",
            "311",
            wire::publish(false, 0, 0, "a", "x"),
        ),
        ("HTTP", "311", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        ("zeros", "311", vec![0; 64]),
        ("all ones", "5", vec![0xff; 64]),
    ];
    let attacks = broken
        .into_iter()
        .map(|(name, version, bytes)| Attack {
            name: format!("CONNACK: {name}"),
            version,
            command: PUB,
            connack: Some(bytes),
            then: Vec::new(),
            close: false,
        })
        .collect();
    // What is out of range in a CONNACK is the broker's fault in any case; never a success.
    run_all(attacks, |done| {
        assert!(
            done.code() != Some(0) && done.looks_like_an_error() && done.stdout.is_empty(),
            "{done}"
        );
    });
}

#[test]
fn random_bytes_neither_panic_nor_hang() {
    // A fixed seed: a failure can be run again.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut attacks = Vec::new();
    for n in 0..120 {
        let version = VERSIONS[n % 2];
        let length = usize::try_from(random() % 200).unwrap();
        let mut bytes: Vec<u8> = (0..length).map(|_| random().to_le_bytes()[0]).collect();
        // Half of them are framed, so that they get past the first look.
        if n % 4 < 2 {
            bytes = wire::packet(random().to_le_bytes()[0], &bytes);
        }
        let instead_of_connack = n % 8 == 7;
        attacks.push(Attack {
            name: format!("random bytes {n}: {bytes:02x?}"),
            version,
            command: SUB,
            connack: instead_of_connack.then(|| bytes.clone()),
            then: [wire::suback(version == "5", 1, &[2]), bytes].concat(),
            close: n % 3 == 0,
        });
    }
    run_all(attacks, |_| ());
}

#[test]
fn an_announced_256_mib_packet_takes_no_memory_before_it_comes() {
    let (send, ready) = std::sync::mpsc::channel();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let broker = Scripted::welcoming(move |peer| {
        peer.grant();
        peer.send([0x30, 0xff, 0xff, 0xff, 0x7f, 0, 1, b'a']);
        peer.send(vec![b'x'; 100_000]);
        send.send(()).unwrap();
        let _ended = stopped.recv();
    });
    let run = mozzie("sub -t a").at(broker.port).start();
    ready.recv().unwrap();
    run.wait_until_idle();
    if let Some(kib) = run.resident_kib() {
        assert!(
            kib < 64 * 1024,
            "{kib} KiB for a packet of which 100 kB have come"
        );
    }
    run.signal("TERM");
    run.finish().status(0);
    drop(stop);
}

#[test]
fn a_packet_above_the_announced_maximum_ends_the_connection_with_a_reason() {
    let broker = Scripted::start(|door| {
        let mut peer = door.accept();
        let connect = wire::Connect::read(&peer.welcome(false));
        assert!(connect.properties.contains(&(0x27, vec![0, 0, 3, 0xe8])));
        peer.grant();
        peer.send(wire::publish(true, 0, 0, "a", "x".repeat(2000)));
        let disconnect = peer.expect(wire::DISCONNECT);
        assert_eq!(
            disconnect.body.first(),
            Some(&0x95),
            "packet too large: {disconnect:?}"
        );
    });
    let done = mozzie("sub -t a -C 1 -W 2 -D connect maximum-packet-size 1000")
        .at(broker.port)
        .run();
    assert!(done.code() != Some(0) && done.stdout.is_empty(), "{done}");
    broker.finish();
}

#[test]
fn floods_of_acknowledgements_nobody_asked_for_are_survived() {
    for version in VERSIONS {
        let broker = Scripted::welcoming(|peer| {
            peer.grant();
            let mut flood = Vec::new();
            for id in 1..=50_000_u16 {
                flood.extend(wire::ack(wire::PUBACK, id));
                flood.extend(wire::PINGRESP_BYTES);
            }
            let _gone = peer.stream().write_all(&flood);
            peer.try_send(wire::publish(peer.v5, 0, 0, "a", "still here"));
            peer.linger(Duration::from_secs(5));
        });
        let run = mozzie("sub -t a -C 1 -W 10")
            .at(broker.port)
            .version(version)
            .start();
        let done = run.finish();
        assert!(
            matches!(done.code(), Some(0 | 1 | 4)) && !done.stderr.contains("panicked"),
            "{}",
            done.stderr.len()
        );
        assert!(
            done.stderr.len() < 64 * 1024,
            "{} bytes of warnings",
            done.stderr.len()
        );
        if done.code() == Some(0) {
            assert_eq!(done.stdout, b"still here\n");
        }
    }
}

#[test]
fn a_pub_survives_acknowledgements_out_of_order_twice_and_of_others() {
    for version in VERSIONS {
        let broker = Scripted::welcoming(|peer| {
            let ids: Vec<u16> = (0..5).map(|_| peer.expect(wire::PUBLISH).id()).collect();
            peer.send(wire::ack(wire::PUBACK, 999));
            peer.send(wire::ack(wire::PUBCOMP, ids[0]));
            for id in ids.iter().rev() {
                peer.send(wire::ack(wire::PUBACK, *id));
                peer.send(wire::ack(wire::PUBACK, *id));
            }
            peer.linger(Duration::from_secs(5));
        });
        let done = mozzie("pub -t a -l -q 1")
            .at(broker.port)
            .version(version)
            .stdin("1\n2\n3\n4\n5\n")
            .run();
        done.status(0);
        assert!(done.stdout.is_empty(), "{done}");
    }
}

#[test]
fn a_conversation_byte_by_byte_is_understood() {
    for version in VERSIONS {
        let broker = Scripted::start(|door| {
            let mut peer = door.accept();
            peer.connect();
            let v5 = peer.v5;
            peer.send_byte_by_byte(&wire::connack(v5, false, 0));
            let subscribe = peer.expect(wire::SUBSCRIBE);
            let codes = vec![2; filters(&subscribe, v5).len()];
            peer.send_byte_by_byte(&wire::suback(v5, subscribe.id(), &codes));
            let long = "y".repeat(200);
            for (id, text) in [(1, "one"), (2, long.as_str()), (3, "")] {
                peer.send_byte_by_byte(&wire::publish(v5, 1, id, "a", text));
                assert_eq!(peer.expect(wire::PUBACK).id(), id);
            }
            peer.publish(0, 0, "a", "end");
            peer.until_closed();
        });
        let done = mozzie("sub -t a -q 2 -C 4 --json")
            .at(broker.port)
            .version(version)
            .run();
        done.status(0);
        assert_eq!(done.stdout_text().lines().count(), 4, "{done}");
    }
}

#[test]
fn a_broker_that_stops_reading_does_not_hang_a_pub_for_ever() {
    // Keep alive 1 s: a broker that neither reads nor answers pings is left; it never comes back.
    let broker = Scripted::start(|door| {
        let mut peer = door.welcome();
        peer.expect(wire::PUBLISH);
        thread::sleep(Duration::from_secs(3));
    });
    let run = mozzie("pub -t a -m x -q 1 -k 1").at(broker.port).start();
    thread::sleep(Duration::from_millis(3500));
    run.signal("INT");
    let done = run.finish();
    assert!(matches!(done.code(), Some(3 | 7 | 130)), "{done}");
}
