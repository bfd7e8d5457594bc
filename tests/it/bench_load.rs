//! The load that `mozzie bench` makes: when messages are due, who sends what to whom, and as whom.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::needs;
use crate::support::wire::{self, Frame};
use crate::support::{Done, Door, Mosquitto, Peer, Scripted, certs, free_port, mozzie};

fn json(done: &Done) -> Value {
    let text = done.stdout_text();
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}\n{}", done.stderr))
}

fn figure(json: &Value, name: &str) -> f64 {
    json["figures"][name]
        .as_f64()
        .unwrap_or_else(|| panic!("no {name} in {json}"))
}

/// What must be true of the result of a run against an honest broker. Whether the machine let the
/// generator run in time is not the test's business.
fn whole(json: &Value) {
    assert_eq!(json["adds_up"], true, "{}", json["contradictions"]);
    assert_eq!(json["faults"], Value::Array(Vec::new()), "{json}");
    assert_eq!(figure(json, "expected"), figure(json, "arrived"));
}

/// A run against mosquitto.
fn run(broker: &Mosquitto, options: &str) -> Value {
    json(&mozzie("bench --json").at(broker.port).args(options).run())
}

/// Acknowledges so many publishes, and does something in between.
fn acknowledge(peer: &mut Peer, count: usize, mut between: impl FnMut(usize)) -> Vec<Frame> {
    let mut frames = Vec::new();
    for number in 0..count {
        let publish = peer.expect(wire::PUBLISH);
        between(number);
        if publish.qos() > 0 {
            peer.send(wire::ack(wire::PUBACK, publish.id()));
        }
        frames.push(publish);
    }
    peer.drain();
    frames
}

#[test]
fn a_broker_that_stalls_for_a_second_shows_in_the_p99_of_an_open_loop() {
    let stall = |number| {
        if number == 100 {
            thread::sleep(Duration::from_secs(1));
        }
    };
    let broker = Scripted::welcoming(move |peer| {
        acknowledge(peer, 400, stall);
    });
    // One in flight: the stall holds a single message at the broker, and two hundred that are due.
    let done = mozzie("bench --json --subscribers 0 -q 1 -M 1 --rate 200/s -n 400")
        .at(broker.port)
        .run();
    broker.finish();
    let json = json(&done);
    whole(&json);
    assert_eq!(figure(&json, "acknowledged"), 400.0);
    let second = 0.9e9;
    assert!(figure(&json, "ack_p99") > second, "{json}");
    assert!(figure(&json, "send_lag_p99") > second, "{json}");
    // The broker held it up, and not the generator.
    assert_ne!(json["verdict"], "INVALID", "{json}");
}

#[test]
fn a_closed_loop_has_no_send_lag() {
    let broker = Scripted::welcoming(|peer| {
        acknowledge(peer, 50, |_| {});
    });
    let done = mozzie("bench --json --subscribers 0 -q 1 -n 50")
        .at(broker.port)
        .run();
    broker.finish();
    done.status(0);
    assert_eq!(json(&done)["figures"]["send_lag_p99"], Value::Null);
}

#[test]
fn a_rate_for_a_time_sends_what_the_two_make_and_no_more() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    for options in [
        "--rate 500/s --duration 400ms",
        "--rate 500/s --duration 400ms --burst 4 --publishers 5",
        "--ramp 0..1k over 400ms --duration 400ms --publishers 3",
        "--rate 30k/min --duration 400ms --publishers 7 --workers 3",
    ] {
        let json = run(&broker, options);
        whole(&json);
        assert_eq!(figure(&json, "offered"), 200.0, "{options}");
        // A machine that does not let the generator run leaves some unsent.
        let sent = figure(&json, "sent");
        assert!((1.0..=200.0).contains(&sent), "{options}: {sent}");
    }
    let json = run(
        &broker,
        "--rate 1k/s --arrivals poisson -n 200 --publishers 3 -q 1",
    );
    whole(&json);
    assert_eq!(figure(&json, "acknowledged"), 200.0);
}

#[test]
fn what_a_slow_broker_did_not_take_is_offered_and_not_sent() {
    let broker = Scripted::welcoming(|peer| {
        for _ in 0..10 {
            let publish = peer.expect(wire::PUBLISH);
            peer.send(wire::ack(wire::PUBACK, publish.id()));
        }
        peer.until_closed();
    });
    let file = tempfile::NamedTempFile::new().unwrap();
    let done = mozzie("bench --subscribers 0 -q 1 -M 1 --rate 100/s --duration 1s --drain 200ms")
        .at(broker.port)
        .option("--json", file.path())
        .run();
    broker.finish();
    let text = done.stdout_text();
    assert!(text.contains("  offered                     100"), "{done}");
    let json: Value = serde_json::from_reader(file.as_file()).unwrap();
    assert_eq!(figure(&json, "offered"), 100.0);
    assert!(figure(&json, "sent") <= 11.0);
    assert_eq!(figure(&json, "acknowledged"), 10.0);
}

#[test]
fn a_warm_up_is_sent_and_not_measured() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let options = "--rate 200/s --warmup 500ms --duration 500ms -q 1 --hdr ";
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log.hlog");
    let done = mozzie("bench --json")
        .at(broker.port)
        .args(options)
        .arg(&log)
        .run();
    let json = json(&done);
    whole(&json);
    assert_eq!(figure(&json, "offered"), 200.0);
    let rate = figure(&json, "sent_rate");
    // Half of the messages in half of the time; with the warm-up's among them it were twice as much.
    assert!(rate < 300.0, "{rate}");
    let with_number = run(&broker, "--rate 200/s --warmup 300ms -n 40 --publishers 3");
    whole(&with_number);
    assert_eq!(figure(&with_number, "sent"), 100.0);
    // While the rate rises, each moment behind the planned end is worth more than one before it.
    let ramp = run(&broker, "--ramp 0..1k over 1s --duration 200ms");
    assert_eq!(figure(&ramp, "planned_rate"), 100.0, "{ramp}");
    assert_eq!(figure(&ramp, "sent"), 20.0);
    // The second one is due long after the end.
    let none = run(&broker, "--rate 1/s --warmup 10ms --duration 100ms");
    assert_eq!(none["verdict"], "PASS", "{none}");
    assert_eq!(figure(&none, "sent"), 1.0);
}

#[test]
fn the_usual_shapes_deliver_to_whom_they_should() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    for (shape, connected, arrived) in [
        ("one-to-one:3", 6.0, 60.0),
        ("fan-in:5", 6.0, 60.0),
        ("fan-out:4", 5.0, 240.0),
        ("shared:3", 6.0, 60.0),
    ] {
        for qos in [0, 1] {
            let json = run(&broker, &format!("--shape {shape} -n 60 -q {qos} -V 5"));
            whole(&json);
            assert_eq!(json["verdict"], "PASS", "{shape}");
            assert_eq!(figure(&json, "connected"), connected, "{shape}");
            assert_eq!(figure(&json, "arrived"), arrived, "{shape}");
        }
    }
    let json = run(&broker, "--shape connections:20 --duration 200ms");
    assert_eq!(figure(&json, "connected"), 20.0);
    assert_eq!(figure(&json, "sent"), 0.0);
}

#[test]
fn roles_mix_and_each_has_its_own_topics_and_qos() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let json = run(
        &broker,
        "--publishers 3 --subscribers 2 --idle 4 -n 90 --publish-qos 2 --subscribe-qos 1 \
         -t a/{i}/x -t b --filter a/+/x --filter b/#",
    );
    whole(&json);
    assert_eq!(figure(&json, "connected"), 9.0);
    assert_eq!(figure(&json, "arrived"), 180.0);
    // The second publisher's topic is the second one, and nobody asks for it.
    let json = run(
        &broker,
        "--publishers 3 -n 90 -t a/{i}/{n} -t b/{c} --filter a/2/+ --filter a/0/#",
    );
    whole(&json);
    assert_eq!(figure(&json, "arrived"), 60.0);
}

#[test]
fn payloads_of_all_kinds_arrive() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let folder = tempfile::tempdir().unwrap();
    let recorded = folder.path().join("recorded.jsonl");
    let lines =
        "{\"topic\":\"r/1\",\"payload\":\"x\"}\n\n{\"topic\":\"r/2\",\"payload_b64\":\"AP8=\"}\n";
    std::fs::write(&recorded, lines).unwrap();
    let recorded = recorded.to_str().unwrap();
    for options in [
        "-m text --stamp none -V 5",
        "-m {n} --stamp payload --shared g --subscribers 2 -V 5",
        "--size 16..2k",
        "--size 0..40",
        "--size 16:9,3k..4k:1 -q 1",
        "--message {\"n\":{n},\"t\":{time}}",
        &format!("--payload-from {recorded} -q 1 --publishers 3"),
        &format!("-f {recorded}"),
        "--topic-alias -t a/{i}/{n} --publishers 2 -q 2",
        "-V 5 -D publish user-property a b -D publish content-type c --size 9",
    ] {
        let json = run(&broker, &format!("-n 300 {options}"));
        whole(&json);
        assert_eq!(figure(&json, "arrived"), 300.0, "{options}");
    }
}

#[test]
fn templates_and_recordings_are_what_goes_over_the_wire() {
    let broker = Scripted::start(|door| {
        let mut peer = door.accept();
        let connect = peer.welcome(false);
        let login = String::from_utf8_lossy(&connect.body).into_owned();
        assert!(
            login.contains("dev0") && login.contains("u0") && login.contains("pw-dev0"),
            "{login}"
        );
        let frames = acknowledge(&mut peer, 2, |_| {});
        assert_eq!(frames[1].topic(), "a/dev0/1");
        assert_eq!(frames[1].payload(true), b"{\"n\":1,\"c\":0}");
    });
    mozzie("bench --subscribers 0 -n 2 -i dev{c} -u u{i} -P pw-{client} -t a/{client}/{n}")
        .args("-m {\"n\":{n},\"c\":{c}}")
        .at(broker.port)
        .run()
        .status(0);
    broker.finish();
}

#[test]
fn credentials_come_from_the_lines_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("people.csv");
    std::fs::write(
        &file,
        "client_id,username,password\none,anna,a\ntwo,\"ber,t\",b\n",
    )
    .unwrap();
    let broker = Scripted::start(|door: &Door| {
        let logins: Vec<String> = (0..2)
            .map(|_| {
                let mut peer = door.accept();
                let connect = peer.welcome(false);
                String::from_utf8_lossy(&connect.body).into_owned()
            })
            .collect();
        let all = logins.concat();
        for word in ["one", "anna", "two", "ber,t"] {
            assert!(all.contains(word), "{all}");
        }
    });
    let bench = |count: usize| {
        mozzie("bench --shape")
            .arg(format!("connections:{count}"))
            .args("--duration 100ms --drain 0s --credentials")
            .arg(&file)
            .at(broker.port)
            .run()
    };
    bench(3).fails(2, &["client identifiers for 2 of 3 connections"]);
    bench(2);
    broker.finish();
}

#[test]
fn connections_come_from_the_source_addresses_in_turn() {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = thread::spawn(move || {
        let mut seen: Vec<IpAddr> = (0..3).map(|_| listener.accept().unwrap().1.ip()).collect();
        seen.sort_unstable();
        seen
    });
    mozzie("bench --shape connections:3 --duration 100ms --source-ip 127.0.0.2-3,127.0.0.9")
        .at(port)
        .run()
        .fails(3, &[]);
    let expected = [2, 3, 9].map(|last| IpAddr::from([127, 0, 0, last]));
    assert_eq!(seen.join().unwrap(), expected);
}

#[cfg(feature = "broker")]
#[test]
fn the_embedded_broker_is_connected_to_from_the_source_addresses() {
    let load = "bench --embedded -n 10 --source-ip";
    mozzie(load).arg("127.0.0.2-3").run().status(0);
    // Of a block that is for documents: no machine has it.
    let done = mozzie(load).arg("192.0.2.1").run();
    done.fails(3, &["192.0.2.1", "not available"]);
}

#[test]
fn too_few_open_files_are_refused_with_the_next_step() {
    let done = Command::new("sh")
        .args([
            "-c",
            "ulimit -n 100; exec \"$0\" bench --shape connections:500 -p 1",
        ])
        .arg(env!("CARGO_BIN_EXE_mozzie"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("500 connections need"), "{stderr}");
    assert!(stderr.contains("hint: raise the hard limit"), "{stderr}");
}

#[test]
fn churned_connections_come_back_and_a_kept_session_loses_nothing() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    for cut in ["", "--churn-cut"] {
        let json = run(
            &broker,
            &format!(
                "--rate 500/s -n 500 -q 1 -c -i keep --churn 30/s {cut} --publishers 2 --subscribers 2"
            ),
        );
        assert_eq!(json["adds_up"], true, "{}", json["contradictions"]);
        assert!(figure(&json, "reconnected") > 5.0, "{json}");
        assert_eq!(figure(&json, "broken"), 0.0);
        assert_eq!(figure(&json, "lost"), 0.0, "{json}");
        assert_eq!(figure(&json, "acknowledged"), 500.0);
        assert_eq!(figure(&json, "arrived"), 1000.0);
    }
    // What came while nobody was there is cut off, and not lost.
    let json = run(
        &broker,
        "--rate 500/s --duration 1s -q 1 --churn 30/s --publishers 2 --subscribers 2",
    );
    assert_eq!(json["adds_up"], true, "{}", json["contradictions"]);
    assert_eq!(figure(&json, "lost"), 0.0, "{json}");
    let done = mozzie("bench --shape connections:5 --churn 30/s --duration 500ms")
        .at(broker.port)
        .run();
    done.status(0);
    let text = done.stdout_text();
    for name in ["churned", "reconnected"] {
        let line = text
            .lines()
            .find(|line| line.trim_start().starts_with(name));
        let count = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        assert!(count.is_some_and(|count: u64| count > 5), "{text}");
    }
}

#[test]
fn a_broken_connection_is_made_again_when_that_is_wanted() {
    let broker = Scripted::start(|door: &Door| {
        let mut first = door.welcome();
        first.expect(wire::PUBLISH);
        first.close();
        acknowledge(&mut door.welcome(), 20, |_| {});
    });
    let done = mozzie("bench --json --subscribers 0 -q 1 -n 20 --reconnect")
        .at(broker.port)
        .run();
    broker.finish();
    let json = json(&done);
    assert_eq!(figure(&json, "acknowledged"), 20.0);
    assert_eq!(figure(&json, "broken"), 1.0);
    assert_eq!(figure(&json, "reconnected"), 1.0);
}

#[test]
fn what_is_sent_late_for_want_of_a_connection_is_not_the_generators_fault() {
    for qos in ["0", "1"] {
        let broker = Scripted::start(|door: &Door| {
            let mut first = door.welcome();
            for _ in 0..10 {
                let publish = first.expect(wire::PUBLISH);
                if publish.qos() > 0 {
                    first.send(wire::ack(wire::PUBACK, publish.id()));
                }
            }
            first.close();
            let mut second = door.welcome();
            while let Some(frame) = second.next() {
                if frame.kind() == wire::PUBLISH && frame.qos() > 0 {
                    second.send(wire::ack(wire::PUBACK, frame.id()));
                }
            }
        });
        // The pause is half a second at least.
        let done = mozzie("bench --json --subscribers 0 --rate 100 --duration 3s --reconnect")
            .option("-q", qos)
            .option("--retry-delay", "1s")
            .at(broker.port)
            .run();
        broker.finish();
        let json = json(&done);
        assert_eq!(figure(&json, "reconnected"), 1.0);
        assert!(figure(&json, "send_lag_max") > 0.4e9, "{json}");
        assert!(figure(&json, "socket_full") > 0.1, "{json}");
        assert_eq!(json["invalid"], Value::Null, "{json}");
    }
}

#[test]
fn pauses_before_connecting_again_grow_and_attempts_are_counted() {
    let broker = Scripted::start(|door: &Door| {
        let mut first = door.welcome();
        // So that it has read CONNACK, which a reset could take away.
        first.expect(wire::PUBLISH);
        first.close();
        for _ in 0..2 {
            door.accept().close();
        }
    });
    let done =
        mozzie("bench --json --subscribers 0 -q 1 -n 20 --reconnect --retry 2 --retry-delay 10ms")
            .at(broker.port)
            .run();
    broker.finish();
    done.status(8);
    let json = json(&done);
    assert_eq!(figure(&json, "connected"), 1.0);
    assert_eq!(figure(&json, "broken"), 3.0);
    assert_eq!(figure(&json, "acknowledged"), 0.0);
}

#[test]
fn a_broker_that_is_not_there_yet_is_waited_for_when_that_is_wanted() {
    let port = free_port();
    mozzie("bench -n 10 --wait-for-broker 300ms")
        .at(port)
        .run()
        .fails(3, &["cannot connect"]);
    let run = mozzie("bench --json -n 10 --subscribers 0 -i dev{c} --wait-for-broker 1m")
        .at(port)
        .start();
    // Long enough that the first attempts are in vain, or the test shows less.
    thread::sleep(Duration::from_millis(300));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    let broker = Scripted::with_listener(listener, |door: &Door| {
        let mut first = door.accept();
        let connect = first.welcome(false);
        assert!(String::from_utf8_lossy(&connect.body).contains("dev0"));
        assert!(
            first
                .drain()
                .iter()
                .all(|frame| frame.kind() == wire::DISCONNECT)
        );
        acknowledge(&mut door.welcome(), 10, |_| {});
    });
    let done = run.finish();
    broker.finish();
    done.status(0);
    assert_eq!(figure(&json(&done), "connected"), 1.0);
}

/// The usual pauses would take half a minute for so many attempts.
#[test]
fn the_pauses_while_the_broker_is_waited_for_are_those_that_were_asked_for() {
    let broker = Scripted::start(|door: &Door| {
        for _ in 0..12 {
            door.accept().close();
        }
        door.welcome().drain();
        acknowledge(&mut door.welcome(), 10, |_| {});
    });
    let done = mozzie("bench --json -n 10 --subscribers 0 --wait-for-broker 5s --retry-delay 10ms")
        .args("--retry-max-delay 20ms")
        .at(broker.port)
        .run();
    broker.finish();
    done.status(0);
    assert_eq!(figure(&json(&done), "connected"), 1.0);
}

#[test]
fn a_profile_for_other_verbs_may_say_how_to_connect_again() {
    let broker = Scripted::welcoming(|peer| {
        acknowledge(peer, 10, |_| {});
    });
    let done = mozzie("bench -n 10 --subscribers 0")
        .at(broker.port)
        .env("MOZZIE_RETRY", "3")
        .env("MOZZIE_RETRY_DELAY", "1s")
        .env("MOZZIE_RETRY_MAX_DELAY", "2s")
        .run();
    broker.finish();
    done.status(0);
}

#[test]
fn a_load_with_a_rate_ends_though_its_publishing_never_began() {
    mozzie("bench --rate 100 --duration 1m")
        .at(free_port())
        .run()
        .fails(3, &["none of 2 connections succeeded"]);
    let (broker, connected) = Scripted::silent();
    let run = mozzie("bench --json --subscribers 0 --rate 100 --duration 1m")
        .at(broker.port)
        .start();
    connected.recv().unwrap();
    run.signal("INT");
    let done = run.finish();
    broker.finish();
    done.status(130);
    let json = json(&done);
    assert_eq!(json["interrupted"], true);
    assert_eq!(figure(&json, "offered"), 0.0);
}

#[test]
fn a_broker_without_the_version_is_refused_with_the_next_step() {
    for (options, hint) in [("-m text", "use -V 311"), ("", "wants another version")] {
        let broker = Scripted::start(|door: &Door| {
            for _ in 0..2 {
                let mut peer = door.accept();
                peer.connect();
                // Of MQTT 3.1.1, whatever was asked for.
                peer.send(wire::connack(false, false, 1));
                peer.until_closed();
            }
        });
        mozzie("bench -n 5")
            .args(options)
            .at(broker.port)
            .run()
            .fails(4, &["none of 2 connections succeeded", hint]);
        broker.finish();
    }
}

#[test]
fn the_only_connection_says_alone_why_it_failed() {
    let done = mozzie("bench -n 5 --subscribers 0").at(free_port()).run();
    done.fails(3, &["error: cannot connect to broker", "refused"]);
}

#[test]
fn the_help_names_every_place_of_a_template() {
    for options in ["--help", "--help-all"] {
        let done = mozzie("bench").arg(options).run();
        let text = done.stdout_text();
        let words: Vec<&str> = text.split_whitespace().collect();
        let text = words.join(" ");
        for place in [
            "{i}", "{c}", "{role}", "{client}", "{user}", "{n}", "{time}", "{random}",
        ] {
            assert!(text.contains(&format!("{place} ")), "{place}: {done}");
        }
    }
}

#[test]
fn numbers_that_make_no_load_are_refused() {
    for (options, words) in [
        ("-n 0", "'0' is none at all"),
        ("--duration 0s", "--duration"),
        ("--ramp 0..0 over 1s", "--ramp: '0..0 over 1s' is no rate"),
        ("--publishers 0 -n 5", "-n"),
        ("--publishers 0 --rate 5", "--rate"),
        ("--stamp payload --size 15", "no room for a stamp"),
        ("--stamp property -V 311", "--stamp property needs MQTT 5"),
    ] {
        mozzie("bench -h 127.0.0.1 -p 1")
            .args(options)
            .run()
            .fails(2, &[words]);
    }
}

#[test]
fn subscribers_that_cannot_hear_what_is_published_are_no_silent_success() {
    let broker = Scripted::start(|door: &Door| {
        let mut subscriber = door.welcome();
        subscriber.grant();
        acknowledge(&mut door.welcome(), 5, |_| {});
        subscriber.drain();
    });
    let done = mozzie("bench -n 5 -t a --filter b --workers 1")
        .at(broker.port)
        .run();
    broker.finish();
    done.status(0);
    let text = done.stdout_text();
    assert!(text.contains("no filter matches a topic"), "{done}");
}

#[test]
fn a_window_of_nothing_is_as_wide_as_the_broker_has_it() {
    let broker = Scripted::start(|door: &Door| {
        let mut peer = door.welcome();
        let all: Vec<_> = (0..30).map(|_| peer.expect(wire::PUBLISH)).collect();
        for publish in all {
            peer.send(wire::ack(wire::PUBACK, publish.id()));
        }
        peer.drain();
    });
    let json = json(
        &mozzie("bench --json -n 30 -q 1 -M 0 --subscribers 0")
            .at(broker.port)
            .run(),
    );
    broker.finish();
    whole(&json);
    assert_eq!(figure(&json, "acknowledged"), 30.0);
}

#[test]
fn a_rate_is_that_of_the_whole_time_when_a_broker_takes_nothing_more() {
    for options in ["", "--rate 100"] {
        let broker = Scripted::start(|door: &Door| {
            let mut peer = door.welcome();
            for _ in 0..20 {
                peer.expect(wire::PUBLISH);
            }
            peer.until_closed();
        });
        let done = mozzie("bench --json -q 1 --subscribers 0 --duration 1s --drain 100ms")
            .args(options)
            .at(broker.port)
            .run();
        broker.finish();
        done.status(8);
        let json = json(&done);
        assert_eq!(figure(&json, "sent"), 20.0);
        let rate = figure(&json, "sent_rate");
        assert!(rate <= 20.5, "{rate}");
        if !options.is_empty() {
            assert!(figure(&json, "socket_full") > 0.5, "{json}");
        }
    }
}

#[test]
fn what_others_publish_is_received_when_nobody_here_does() {
    let broker = Scripted::welcoming(|peer| {
        peer.grant();
        for _ in 0..5 {
            peer.publish(0, 0, "a", "what somebody else says");
        }
        peer.drain();
    });
    let done = mozzie("bench --json --publishers 0 --duration 300ms --drain 0s -t a")
        .at(broker.port)
        .run();
    broker.finish();
    done.status(0);
    let json = json(&done);
    assert_eq!(json["adds_up"], true, "{}", json["contradictions"]);
    assert_eq!(
        (figure(&json, "received"), figure(&json, "lost")),
        (5.0, 0.0)
    );
}

#[test]
fn slow_subscribers_get_everything_in_the_end() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let json = run(&broker, "-n 200 -q 1 --slow-subscriber 20ms --rate 1k/s");
    whole(&json);
    assert_eq!(figure(&json, "arrived"), 200.0);
}

/// With one message in flight a publisher sends one for each look at its socket, so a run of 400 ms with a look in 5 ms
/// at most has no more than 81 for each of two publishers.
#[test]
fn what_comes_between_two_looks_is_served_together() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let load = "-q 1 -M 1 --publishers 2 --subscribers 2 -t a/{i} --workers 1 --duration 400ms";
    let json = run(&broker, &format!("{load} --gather 5ms"));
    whole(&json);
    assert_eq!(json["setup"]["gather_us"], 5000);
    assert_eq!(json["gathered"], 5_000_000);
    let sent = figure(&json, "sent");
    assert!((1.0..=162.0).contains(&sent), "{json}");
    // It is the worker that waits, not the broker.
    let json = run(&broker, &format!("{load} --gather off"));
    assert_eq!(json["setup"]["gather_us"], 0);
    assert_eq!(json["gathered"], 0);
    assert!(figure(&json, "sent") > sent, "{json}");
    let json = run(&broker, "-n 1");
    assert_eq!(json["setup"]["gather_us"], Value::Null, "to be found");
}

/// As mosquitto does, which breaks the connection of a client that has more than 20 messages of QoS 2 in flight.
#[test]
fn a_window_that_may_be_too_wide_for_the_broker_is_named() {
    for (window, is_named) in [("-M 200", true), ("-M 0", true), ("-M 20", false)] {
        let broker = Scripted::welcoming(|peer| {
            peer.expect(wire::PUBLISH);
        });
        let done = mozzie("bench -q 2 --publishers 1 --subscribers 0 -n 1000 --drain 1s")
            .args(window)
            .at(broker.port)
            .run();
        broker.finish();
        done.status(8);
        assert_eq!(done.stderr.contains("fewer with -M"), is_named, "{done}");
    }
}

#[test]
fn a_connect_rate_spreads_the_connections() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let file = tempfile::NamedTempFile::new().unwrap();
    let done = mozzie("bench --shape connections:20 --connect-rate 50/s --duration 100ms")
        .at(broker.port)
        .option("--json", file.path())
        .run();
    let json: Value = serde_json::from_reader(file.as_file()).unwrap();
    assert_eq!(figure(&json, "connected"), 20.0);
    assert!(figure(&json, "connected_rate") < 20.0 / 0.3, "{json}");
    let text = done.stdout_text();
    assert!(
        text.contains("  connecting      20 connections, "),
        "{done}"
    );
    // The twentieth comes at the earliest 0.38 s after the first; two workers count for themselves.
    assert!(figure(&json, "connect_time") > 0.3e9, "{json}");
}

#[test]
fn tls_and_websockets_carry_a_load_too() {
    needs!("mosquitto", "openssl");
    let broker = Mosquitto::config().tls().start();
    for resumption in ["off", "on"] {
        let done = mozzie("bench --json -q 1 -n 500 --publishers 3 --churn 20/s")
            .args(&format!(
                "-h localhost -p {} --tls-resumption {resumption}",
                broker.port
            ))
            .option("--cafile", certs().path("ca.crt"))
            .run();
        let json = json(&done);
        assert_eq!(json["adds_up"], true, "{}", json["contradictions"]);
        assert_eq!(figure(&json, "acknowledged"), 500.0);
        assert!(figure(&json, "tls_p50") > 0.0);
    }
    let broker = Mosquitto::config().websockets().start();
    let json = run(&broker, "--ws -n 200 -q 1 --publishers 2");
    whole(&json);
    assert_eq!(figure(&json, "arrived"), 200.0);
}
