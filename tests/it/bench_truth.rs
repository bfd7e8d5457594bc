//! `mozzie bench` against brokers that do wrong on purpose: verdict and counts say exactly what was done.

use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::support::wire::{self, Frame};
use crate::support::{DEADLINE, Done, Door, Peer, Scripted, filters, mozzie};

/// What the broker makes of the messages of one publisher, by their number from 0.
type Deed = fn(usize, &Frame, &mut Hand<'_>);

/// The broker's hand on one subscriber.
struct Hand<'a> {
    subscriber: &'a mut Peer,
    publisher: &'a mut Peer,
    qos: u8,
    next_id: u16,
    held: Vec<Frame>,
}

impl Hand<'_> {
    fn acknowledge(&mut self, publish: &Frame) {
        match publish.qos() {
            0 => {}
            1 => self.publisher.send(wire::ack(wire::PUBACK, publish.id())),
            _ => {
                self.publisher.send(wire::ack(wire::PUBREC, publish.id()));
            }
        }
    }

    fn pass_on(&mut self, publish: &Frame) {
        let payload = publish.payload(self.publisher.v5).to_vec();
        self.pass_on_payload(publish, &payload);
    }

    fn pass_on_payload(&mut self, publish: &Frame, payload: &[u8]) {
        self.next_id += 1;
        let (properties, _) = publish.properties_and_payload(self.publisher.v5);
        let (flags, id) = (self.qos << 1, self.next_id);
        let v5 = self.subscriber.v5;
        let packet = wire::publish_with(v5, flags, id, publish.topic(), properties, payload);
        self.subscriber.send(packet);
    }
}

const MESSAGES: usize = 100;

/// One subscriber and one publisher with 100 messages; the broker does the deed to each.
fn run(qos: u8, granted: u8, options: &str, deed: Deed) -> (Done, Value) {
    let broker = Scripted::start(move |door| serve(door, qos, granted, deed));
    let drain = if options.contains("--drain") {
        ""
    } else {
        "--drain 300ms"
    };
    let window = match options.contains("-M") {
        true => String::new(),
        false => format!("-M {MESSAGES}"),
    };
    let done = mozzie("bench --json --workers 1")
        .args(drain)
        .at(broker.port)
        .args(&format!("-q {qos} -n {MESSAGES}"))
        .args(&window)
        .args(options)
        .run();
    broker.finish();
    let json = serde_json::from_str(&done.stdout_text()).unwrap();
    (done, json)
}

fn serve(door: &Door, qos: u8, granted: u8, deed: Deed) {
    let mut subscriber = door.welcome();
    let subscribe = subscriber.expect(wire::SUBSCRIBE);
    let v5 = subscriber.v5;
    let granted_all = vec![granted; filters(&subscribe, v5).len()];
    subscriber.send(wire::suback(v5, subscribe.id(), &granted_all));
    let mut publisher = door.welcome();
    let mut hand = Hand {
        subscriber: &mut subscriber,
        publisher: &mut publisher,
        qos: qos.min(granted),
        next_id: 0,
        held: Vec::new(),
    };
    for number in 0..MESSAGES {
        // The answers to PUBREC come in between.
        let publish = loop {
            let frame = hand.publisher.expect_any(&[wire::PUBLISH, wire::PUBREL]);
            if frame.kind() == wire::PUBLISH {
                break frame;
            }
            let complete = wire::ack(wire::PUBCOMP, frame.id());
            hand.publisher.send(complete);
        };
        deed(number, &publish, &mut hand);
    }
    // Both sides at once, because either may be waited for.
    thread::scope(|scope| {
        scope.spawn(|| drop(subscriber.drain()));
        scope.spawn(|| drop(publisher.drain()));
    });
}

fn figure(json: &Value, name: &str) -> u64 {
    json["figures"][name].as_f64().unwrap_or(f64::NAN) as u64
}

/// The numbers that a fault names, and its count.
fn fault(json: &Value, what: &str) -> (u64, Vec<u64>) {
    let faults = json["faults"].as_array().unwrap();
    let fault = faults.iter().find(|fault| fault["what"] == what);
    let fault = fault.unwrap_or_else(|| panic!("no fault {what} in {faults:?}"));
    let first = fault["first"].as_array().unwrap();
    let numbers = first.iter().map(|one| one["message"].as_u64().unwrap());
    (fault["count"].as_u64().unwrap(), numbers.collect())
}

fn adds_up(json: &Value) {
    assert_eq!(json["adds_up"], true, "{}", json["contradictions"]);
    let sum = ["arrived", "lost", "cut_off", "pending"]
        .iter()
        .map(|name| figure(json, name))
        .sum::<u64>();
    let corrupted = figure(json, "corrupted");
    assert_eq!(figure(json, "expected"), sum + corrupted);
}

fn honest(_: usize, publish: &Frame, hand: &mut Hand<'_>) {
    hand.acknowledge(publish);
    hand.pass_on(publish);
}

#[test]
fn a_broker_that_does_right_passes_at_every_qos_and_version() {
    for version in ["-V 311", "-V 5"] {
        for qos in 0..3 {
            let (done, json) = run(qos, qos, version, honest);
            done.status(0);
            adds_up(&json);
            assert_eq!(json["verdict"], "PASS");
            assert_eq!(json["faults"], Value::Array(Vec::new()));
            assert_eq!(figure(&json, "arrived"), 100);
            assert_eq!(figure(&json, "acknowledged"), if qos > 0 { 100 } else { 0 });
        }
    }
}

fn loses_every_tenth(number: usize, publish: &Frame, hand: &mut Hand<'_>) {
    hand.acknowledge(publish);
    if number % 10 != 3 {
        hand.pass_on(publish);
    }
}

#[test]
fn losing_breaks_the_promise_of_qos_1_and_2_and_not_of_qos_0() {
    for (qos, granted) in [(1, 1), (2, 2), (1, 2), (2, 1)] {
        let (done, json) = run(qos, granted, "", loses_every_tenth);
        done.status(8);
        assert!(
            done.stderr
                .contains("lost: 10 (first: publisher 0, message 3)"),
            "{done}"
        );
        assert!(done.stderr.contains("max_queued_messages"), "{done}");
        adds_up(&json);
        assert_eq!(json["verdict"], "FAIL");
        assert_eq!(figure(&json, "lost"), 10);
        assert_eq!(
            fault(&json, "lost"),
            (10, vec![3, 13, 23, 33, 43, 53, 63, 73])
        );
        let missing = &json["subscribers"][0]["partial"][0]["missing"]["ranges"];
        assert_eq!(missing[9], serde_json::json!([93, 93]));
    }
    for (qos, granted) in [(0, 0), (1, 0), (0, 2)] {
        let (done, json) = run(qos, granted, "", loses_every_tenth);
        done.status(0);
        adds_up(&json);
        assert_eq!(
            (figure(&json, "lost"), &json["verdict"]),
            (10, &"PASS".into())
        );
    }
}

#[test]
fn messages_lost_at_the_end_are_lost_too() {
    let (done, json) = run(1, 1, "", |number, publish, hand| {
        hand.acknowledge(publish);
        if number < 97 {
            hand.pass_on(publish);
        }
    });
    done.status(8);
    adds_up(&json);
    assert_eq!(fault(&json, "lost"), (3, vec![97, 98, 99]));
}

#[test]
fn without_a_drain_what_has_not_come_is_not_yet_lost() {
    // All are withheld. The last ten are not acknowledged, for such a run does not wait for that and leaves.
    let (done, json) = run(1, 1, "--drain 0s -M 10", |number, publish, hand| {
        if number < 90 {
            hand.acknowledge(publish);
        }
    });
    done.status(8);
    assert_eq!(figure(&json, "lost"), 0);
    assert_eq!(fault(&json, "not yet arrived").0, figure(&json, "pending"));
    assert!(figure(&json, "pending") > 0);
    adds_up(&json);
}

fn repeats_every_tenth(number: usize, publish: &Frame, hand: &mut Hand<'_>) {
    honest(number, publish, hand);
    if number % 10 == 4 {
        hand.pass_on(publish);
    }
}

#[test]
fn repeating_breaks_the_promise_of_qos_0_and_2_and_not_of_qos_1() {
    for (qos, granted) in [(0, 0), (2, 2), (2, 0)] {
        let (done, json) = run(qos, granted, "", repeats_every_tenth);
        done.status(8);
        adds_up(&json);
        assert_eq!(figure(&json, "duplicated"), 10);
        assert_eq!(
            fault(&json, "duplicated"),
            (10, vec![4, 14, 24, 34, 44, 54, 64, 74])
        );
    }
    for (qos, granted) in [(1, 1), (2, 1)] {
        let (done, json) = run(qos, granted, "", repeats_every_tenth);
        done.status(0);
        adds_up(&json);
        assert_eq!(figure(&json, "duplicated"), 10);
        assert_eq!(figure(&json, "received"), 110);
        assert_eq!(figure(&json, "arrived"), 100);
    }
}

#[test]
fn what_two_filters_match_may_come_twice() {
    for stamp in ["payload", "none"] {
        let options = format!("-t a/b --filter a/+ --filter a/b --stamp {stamp}");
        let (done, json) = run(2, 2, &options, |number, publish, hand| {
            honest(number, publish, hand);
            hand.pass_on(publish);
        });
        done.status(0);
        adds_up(&json);
        assert_eq!(figure(&json, "duplicated"), 100);
    }
}

fn reorders_every_twentieth(number: usize, publish: &Frame, hand: &mut Hand<'_>) {
    hand.acknowledge(publish);
    match number % 20 {
        // Held back until two others have passed it.
        5 => hand.held.push(publish.clone()),
        7 => {
            hand.pass_on(publish);
            let held = hand.held.remove(0);
            hand.pass_on(&held);
        }
        _ => hand.pass_on(publish),
    }
}

#[test]
fn reordering_breaks_the_promise_of_every_qos() {
    for qos in 0..3 {
        let (done, json) = run(qos, qos, "", reorders_every_twentieth);
        done.status(8);
        adds_up(&json);
        assert_eq!(figure(&json, "reordered"), 5);
        assert_eq!(fault(&json, "reordered"), (5, vec![5, 25, 45, 65, 85]));
        assert_eq!((figure(&json, "lost"), figure(&json, "arrived")), (0, 100));
    }
}

#[test]
fn a_changed_byte_is_a_corrupted_message_and_no_lost_one() {
    // In the filler, so that the stamp still says which message it was; and in a stamp alone.
    for (size, known) in [(64, vec![6, 56]), (16, vec![])] {
        let (done, json) = run(1, 1, &format!("--size {size}"), |number, publish, hand| {
            hand.acknowledge(publish);
            let mut payload = publish.payload(hand.publisher.v5).to_vec();
            if number % 50 == 6 {
                *payload.last_mut().unwrap() ^= 0x20;
            }
            hand.pass_on_payload(publish, &payload);
        });
        done.status(8);
        adds_up(&json);
        assert_eq!(figure(&json, "corrupted"), 2);
        assert_eq!((figure(&json, "lost"), figure(&json, "arrived")), (0, 98));
        assert_eq!(fault(&json, "corrupted"), (2, known));
    }
}

fn changes_the_first_byte(number: usize, publish: &Frame, hand: &mut Hand<'_>) {
    hand.acknowledge(publish);
    let mut payload = publish.payload(hand.publisher.v5).to_vec();
    if number % 50 == 6 {
        payload[0] ^= 0x20;
    }
    hand.pass_on_payload(publish, &payload);
}

/// A recording of three messages on these topics.
fn recording(topics: [&str; 3]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    let lines = topics.map(|topic| format!("{{\"topic\":\"{topic}\",\"payload\":\"text\"}}\n"));
    std::fs::write(file.path(), lines.concat()).unwrap();
    file
}

#[test]
fn what_is_done_to_a_users_own_payload_shows_wherever_its_stamp_is() {
    let recorded = recording(["a", "a", "a"]);
    let from = format!("--payload-from {}", recorded.path().display());
    for (options, stamp) in [
        ("-m text{n}", "property"),
        ("-m text --stamp payload", "behind-payload"),
        ("--size 4", "property"),
        ("--size 40 --stamp property --rate 1k/s", "property"),
        (&from, "property"),
        (&format!("{from} --stamp payload -V 311"), "behind-payload"),
    ] {
        // A machine that is not let run in time makes a run with a rate invalid, when it would pass.
        let (done, json) = run(2, 2, options, honest);
        assert!(json["verdict"] != "FAIL", "{options}: {done}");
        assert_eq!(figure(&json, "arrived"), 100, "{options}");
        assert_eq!(json["setup"]["stamp"], stamp, "{options}");
        assert_eq!(json["setup"]["unverified"], Value::Array(Vec::new()));
        assert!(figure(&json, "delivery_p50") > 0, "{options}");
        let deeds: [(&str, Deed, _); 4] = [
            ("lost", loses_every_tenth, (10, 3)),
            ("duplicated", repeats_every_tenth, (10, 4)),
            ("reordered", reorders_every_twentieth, (5, 5)),
            ("corrupted", changes_the_first_byte, (2, 6)),
        ];
        for (what, deed, (count, first)) in deeds {
            let (done, json) = run(2, 2, options, deed);
            done.status(8);
            adds_up(&json);
            let (found, places) = fault(&json, what);
            assert_eq!((found, places[0]), (count, first), "{options}: {what}");
            assert_eq!(json["faults"].as_array().unwrap().len(), 1, "{done}");
        }
    }
}

#[test]
fn order_is_kept_on_a_topic_and_not_across_the_topics_of_a_recording() {
    // The held ones are on a, a, b, a, a; behind 46 comes no b before it.
    for (topics, breaches) in [
        (["a", "b", "c"], vec![]),
        (["a", "b", "a"], vec![6, 26, 66, 86]),
    ] {
        let recorded = recording(topics);
        let from = format!("--payload-from {}", recorded.path().display());
        let (done, json) = run(1, 1, &from, |number, publish, hand| {
            hand.acknowledge(publish);
            match number % 20 {
                6 => hand.held.push(publish.clone()),
                8 => {
                    hand.pass_on(publish);
                    let held = hand.held.remove(0);
                    hand.pass_on(&held);
                }
                _ => hand.pass_on(publish),
            }
        });
        adds_up(&json);
        assert_eq!(figure(&json, "reordered"), 5);
        if breaches.is_empty() {
            done.status(0);
        } else {
            done.status(8);
            assert_eq!(fault(&json, "reordered"), (4, breaches));
        }
    }
}

#[test]
fn without_stamps_totals_are_all_that_is_judged_and_the_result_says_so() {
    let unstamped = "-m text --stamp none";
    for (deed, name, count, verdict) in [
        (honest as Deed, "lost", 0, "PASS"),
        (loses_every_tenth, "lost", 10, "FAIL"),
        (repeats_every_tenth, "duplicated", 10, "FAIL"),
        (changes_the_first_byte, "corrupted", 2, "FAIL"),
        // Which one came when is not known.
        (reorders_every_twentieth, "reordered", 0, "PASS"),
    ] {
        let (_, json) = run(2, 2, unstamped, deed);
        adds_up(&json);
        assert_eq!(figure(&json, name), count, "{name}");
        assert_eq!(json["verdict"], verdict, "{name}");
        let unverified = &json["setup"]["unverified"];
        assert!(
            unverified.to_string().contains("duplicated"),
            "{unverified}"
        );
    }
    // What QoS 1 allows.
    let (done, json) = run(1, 1, unstamped, repeats_every_tenth);
    done.status(0);
    adds_up(&json);
    assert_eq!(figure(&json, "duplicated"), 10);
}

#[test]
fn a_refusal_is_counted_with_its_reason_and_excuses_the_message() {
    let (done, json) = run(1, 1, "-V 5", |number, publish, hand| match number % 10 {
        // Refused and not passed on.
        1 => {
            let refusal = wire::ack_with_reason(wire::PUBACK, publish.id(), 0x97);
            hand.publisher.send(refusal);
        }
        // Acknowledged and lost: the refused one does not make up for it.
        2 if number == 42 => hand.acknowledge(publish),
        _ => honest(number, publish, hand),
    });
    done.status(8);
    adds_up(&json);
    assert_eq!(figure(&json, "refused"), 10);
    assert_eq!(figure(&json, "acknowledged"), 90);
    assert_eq!(json["refusals"][0]["reason"], "quota exceeded (151)");
    assert_eq!(json["refusals"][0]["count"], 10);
    assert_eq!(fault(&json, "lost"), (1, vec![42]));
    let excused = &json["publishers"][0]["excused"]["ranges"];
    assert_eq!(excused[1], serde_json::json!([11, 11]));
}

#[test]
fn what_is_never_acknowledged_is_named_and_need_not_arrive() {
    let (done, json) = run(1, 1, "", |number, publish, hand| {
        if number % 50 != 10 {
            honest(number, publish, hand);
        }
    });
    done.status(8);
    adds_up(&json);
    assert_eq!(figure(&json, "unacknowledged"), 2);
    assert_eq!((figure(&json, "lost"), figure(&json, "arrived")), (0, 98));
}

/// Takes part in a QoS 2 flow until the publisher has no more to say.
fn take_qos_2(publisher: &mut Peer, count: usize, mut take: impl FnMut(&Frame)) {
    for _ in 0..count {
        let publish = publisher.expect(wire::PUBLISH);
        take(&publish);
        publisher.send(wire::ack(wire::PUBREC, publish.id()));
        let release = publisher.expect(wire::PUBREL);
        publisher.send(wire::ack(wire::PUBCOMP, release.id()));
    }
}

#[test]
fn what_a_publisher_sends_again_after_a_lost_session_is_not_the_brokers_fault() {
    // The broker has passed 5 on when the connection breaks, and forgets that; or 3 twice besides.
    for repeats in [false, true] {
        let broker = Scripted::start(move |door: &Door| {
            let mut subscriber = door.welcome();
            let subscribe = subscriber.expect(wire::SUBSCRIBE);
            subscriber.send(wire::suback(false, subscribe.id(), &[2]));
            let mut id = 0;
            let mut pass_on = |publish: &Frame| {
                id += 1;
                subscriber.publish(2, id, publish.topic(), publish.payload(false));
                id
            };
            let mut first = door.welcome();
            take_qos_2(&mut first, 5, |publish| {
                if pass_on(publish) == 4 && repeats {
                    pass_on(publish);
                }
            });
            pass_on(&first.expect(wire::PUBLISH));
            first.close();
            let mut second = door.welcome();
            take_qos_2(&mut second, 5, |publish| {
                pass_on(publish);
            });
            thread::scope(|scope| {
                scope.spawn(|| drop(subscriber.drain()));
                scope.spawn(|| drop(second.drain()));
            });
        });
        let done = mozzie("bench --json --workers 1 -q 2 -n 10 -M 1 --reconnect --drain 300ms")
            .at(broker.port)
            .run();
        broker.finish();
        let json: Value = serde_json::from_str(&done.stdout_text()).unwrap();
        adds_up(&json);
        assert_eq!(figure(&json, "acknowledged"), 10);
        assert_eq!((figure(&json, "arrived"), figure(&json, "lost")), (10, 0));
        assert_eq!(figure(&json, "duplicated"), 1 + u64::from(repeats));
        let again = &json["publishers"][0]["sent_again"]["ranges"];
        assert_eq!(*again, serde_json::json!([[5, 5]]));
        if repeats {
            assert_eq!(fault(&json, "duplicated"), (1, vec![3]));
        } else {
            // That the connection broke is one, all the same.
            let faults = json["faults"].as_array().unwrap();
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert_eq!(fault(&json, "broken connections").0, 1);
        }
    }
}

#[test]
fn a_late_answer_shows_in_the_latencies() {
    let (done, json) = run(1, 1, "", |number, publish, hand| {
        if number == MESSAGES - 1 {
            thread::sleep(Duration::from_millis(150));
        }
        honest(number, publish, hand);
    });
    done.status(0);
    for name in ["ack_max", "delivery_max", "max"] {
        assert!(figure(&json, name) >= 150_000_000, "{name}");
    }
}

#[test]
fn a_payload_of_somebody_else_is_foreign_and_nothing_else() {
    let (done, json) = run(0, 0, "", |number, publish, hand| {
        if number == 0 {
            hand.pass_on_payload(publish, b"what somebody else says, 16 bytes and more");
        }
        honest(number, publish, hand);
    });
    done.status(0);
    adds_up(&json);
    assert_eq!(figure(&json, "foreign"), 1);
}

#[test]
fn conditions_decide_the_exit_code_and_are_named_when_missed() {
    let (done, json) = run(1, 1, "--fail-if lost>0 --fail-if p99>1m", honest);
    done.status(0);
    assert_eq!(json["missed"], Value::Array(Vec::new()));
    let options = "--fail-if sent>=100 --fail-if ack_p50>0ns --fail-if rate<1 --fail-if tls_p99>1s";
    let (done, json) = run(1, 1, options, honest);
    done.status(8);
    assert_eq!(json["verdict"], "FAIL");
    let missed: Vec<&str> = json["missed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|miss| miss.as_str().unwrap())
        .collect();
    assert_eq!(missed.len(), 3, "{missed:?}");
    assert_eq!(missed[0], "sent >= 100: it is 100");
    assert!(missed[1].starts_with("ack_p50 > 0ns: it is "));
    assert_eq!(missed[2], "tls_p99 > 1s: nothing was measured");
    assert!(
        done.stderr.contains("sent >= 100: it is 100; ack_p50"),
        "{done}"
    );
}

#[test]
fn a_condition_that_is_none_opens_no_connection() {
    for (condition, words) in [
        ("p98 > 1ms", ["--fail-if", "'p98'"]),
        ("p99 > 20", ["--fail-if", "20ms"]),
        ("often", ["--fail-if", "'often'"]),
    ] {
        mozzie("bench -h 127.0.0.1 -p 1 --fail-if")
            .arg(condition)
            .run()
            .fails(2, &words);
    }
}

#[test]
fn a_baseline_is_compared_and_every_miss_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("old.json");
    let (_, json) = run(1, 1, "", honest);
    let with = |rate: f64, p99: f64| {
        let mut json = json.clone();
        json["figures"]["rate"] = rate.into();
        json["figures"]["p99"] = p99.into();
        for slack in ["received_rate", "p50"] {
            json["figures"][slack] = Value::Null;
        }
        std::fs::write(&old, json.to_string()).unwrap();
    };
    let options = format!("--baseline {}", old.display());
    with(1.0, 60e9);
    let (done, _) = run(1, 1, &options, honest);
    done.status(0);
    with(1e12, 1.0);
    let (done, json) = run(
        1,
        1,
        &format!("{options} --max-change 50%"),
        loses_every_tenth,
    );
    done.status(8);
    let missed = json["missed"].to_string();
    for words in ["rate: ", "p99: ", "lost: 10 after 0"] {
        assert!(missed.contains(words), "{missed}");
    }
    std::fs::write(&old, "{}").unwrap();
    mozzie("bench -h 127.0.0.1 -p 1 --baseline")
        .arg(&old)
        .run()
        .fails(
            2,
            &["--baseline", "old.json", "not a result of bench --json"],
        );
    mozzie("bench -h 127.0.0.1 -p 1 --baseline /no/such/file")
        .run()
        .fails(2, &["--baseline", "/no/such/file"]);
}

#[test]
fn files_are_opened_first_and_hold_the_whole_run() {
    for option in ["--json", "--csv", "--hdr"] {
        mozzie("bench -h 127.0.0.1 -p 1")
            .args(&format!("{option} /no/such/folder/file"))
            .run()
            .fails(2, &[option, "/no/such/folder/file"]);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::os::unix::fs::symlink("result", path("link")).unwrap();
    mozzie("bench -h 127.0.0.1 -p 1")
        .option("--csv", path("result"))
        .option("--hdr", path("link"))
        .run()
        .fails(2, &["--csv and --hdr both write", "a file of its own"]);
    let broker = Scripted::start(|door| serve(door, 1, 1, honest));
    let done = mozzie("bench --drain 300ms -q 1 --workers 1")
        .at(broker.port)
        .args(&format!("-n {MESSAGES}"))
        .option("--json", path("json"))
        .option("--csv", path("csv"))
        .option("--hdr", path("hlog"))
        .run();
    broker.finish();
    done.status(0);
    assert!(done.stdout_text().contains("  PASS"), "{done}");
    let read = |name: &str| std::fs::read_to_string(path(name)).unwrap();
    let json: Value = serde_json::from_str(&read("json")).unwrap();
    assert_eq!(json["schema"], "mozzie-bench/1");
    let csv = read("csv");
    let mut rows = csv.lines().map(|row| row.split(',').collect::<Vec<_>>());
    let header = rows.next().unwrap();
    let column = header.iter().position(|name| *name == "sent").unwrap();
    let mut sent = 0;
    for row in rows {
        assert_eq!(row.len(), header.len());
        sent += row[column].parse::<usize>().unwrap();
    }
    assert_eq!(sent, MESSAGES);
    let hlog = read("hlog");
    assert!(hlog.contains("#[Histogram log format version 1.3]"));
    let encoded = json["histograms"]["delivery"].as_str().unwrap();
    assert!(encoded.starts_with("HISTFAAA"), "{encoded}");
    // A short run is one interval, so the log has the very histogram of the result.
    assert!(
        hlog.lines()
            .any(|line| line.starts_with("Tag=delivery,") && line.ends_with(encoded))
    );
    assert!(
        hlog.lines()
            .any(|line| !line.starts_with("Tag=") && line.ends_with(encoded))
    );
}

#[test]
fn a_run_without_a_result_leaves_the_files_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("old.json"), "an earlier result").unwrap();
    std::fs::write(path("old.csv"), "earlier rows").unwrap();
    mozzie("bench -n 5")
        .at(crate::support::free_port())
        .option("--json", path("old.json"))
        .option("--csv", path("old.csv"))
        .option("--hdr", path("new.hlog"))
        .run()
        .fails(3, &["cannot connect"]);
    let read = |name: &str| std::fs::read_to_string(path(name)).unwrap();
    assert_eq!(read("old.json"), "an earlier result");
    assert_eq!(read("old.csv"), "earlier rows");
    assert!(!path("new.hlog").exists());
}

#[test]
fn a_result_that_cannot_be_printed_is_in_the_files_all_the_same() {
    let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else {
        eprintln!("skipped: no /dev/full here");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("json");
    let broker = Scripted::start(|door| serve(door, 0, 0, honest));
    let done = std::process::Command::new(env!("CARGO_BIN_EXE_mozzie"))
        .args(["bench", "--drain", "300ms", "--workers", "1"])
        .args(["-n", &MESSAGES.to_string(), "-h", "127.0.0.1"])
        .args(["-p", &broker.port.to_string(), "--json"])
        .arg(&json)
        .stdout(full)
        .output()
        .unwrap();
    broker.finish();
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    let json: Value = serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap();
    assert_eq!(json["schema"], "mozzie-bench/1");
}

#[test]
fn a_file_that_cannot_be_written_is_an_error() {
    if !std::path::Path::new("/dev/full").exists() {
        eprintln!("skipped: no /dev/full here");
        return;
    }
    for option in ["--json", "--csv", "--hdr"] {
        let broker = Scripted::start(|door| serve(door, 0, 0, honest));
        let done = mozzie("bench --drain 300ms --workers 1")
            .at(broker.port)
            .args(&format!("-n {MESSAGES} {option} /dev/full"))
            .run();
        broker.finish();
        assert_eq!(done.code(), Some(1), "{done}");
        assert!(
            done.stderr
                .contains(&format!("{option}: cannot write '/dev/full'")),
            "{done}"
        );
    }
}

#[test]
fn a_generator_that_was_held_makes_the_run_invalid_and_ends_with_9() {
    let (began, begun) = std::sync::mpsc::channel();
    let broker = Scripted::welcoming(move |peer| {
        for _ in 0..50 {
            peer.expect(wire::PUBLISH);
        }
        began.send(()).unwrap();
        peer.drain();
    });
    let run = mozzie("bench --json --subscribers 0 --rate 200/s --duration 1500ms")
        .at(broker.port)
        .start();
    begun.recv_timeout(DEADLINE).unwrap();
    // It stands still for longer than it may be late; the broker has nothing to do with it.
    run.signal("STOP");
    thread::sleep(Duration::from_millis(300));
    run.signal("CONT");
    let done = run.finish();
    broker.finish();
    done.status(9);
    assert!(done.stderr.contains("the run is invalid: "), "{done}");
    let json: Value = serde_json::from_str(&done.stdout_text()).unwrap();
    assert_eq!(json["verdict"], "INVALID");
    let why = json["invalid"].as_str().unwrap();
    assert!(
        why.contains("did not let the generator run in time"),
        "{why}"
    );
    assert!(figure(&json, "send_lag_max") >= 200_000_000);
    adds_up(&json);
}
