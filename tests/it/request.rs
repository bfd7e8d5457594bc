//! `mozzie rr`: which reply belongs to which request, when it gives up, and answering with a command.

use std::{
    io::Read,
    time::{Duration, Instant},
};

use crate::{
    needs,
    support::{
        Client, Mosquitto, Running, Scripted, VERSIONS, filters, mozzie,
        wire::{self, Frame},
    },
};

const RESPONSE_TOPIC: u8 = 0x08;
const CORRELATION_DATA: u8 = 0x09;

/// The value of a property of a PUBLISH that is text or binary, without its length.
fn property(frame: &Frame, id: u8) -> Option<Vec<u8>> {
    let (properties, _) = frame.properties_and_payload(true);
    wire::properties(properties)
        .into_iter()
        .find(|(found, _)| *found == id)
        .map(|(_, value)| value[2..].to_vec())
}

/// Where a request wants its reply.
fn response_topic(frame: &Frame) -> String {
    String::from_utf8(property(frame, RESPONSE_TOPIC).expect("a response topic")).unwrap()
}

/// A property block with correlation data.
fn correlation(data: &[u8]) -> Vec<u8> {
    [&[CORRELATION_DATA][..], &wire::field(data)].concat()
}

/// The reply to a request, with its correlation data or other.
fn reply(request: &Frame, data: Option<&[u8]>, payload: &str) -> Vec<u8> {
    let own = property(request, CORRELATION_DATA);
    let data = data.map(<[u8]>::to_vec).or(own).unwrap();
    let topic = response_topic(request);
    wire::publish_with(true, 0, 0, &topic, &correlation(&data), payload)
}

/// Starts `rr --serve` and waits until it listens.
fn serving(broker: &Mosquitto, words: &str, command: &str) -> Running {
    let run = mozzie("rr --serve")
        .args(words)
        .at(broker.port)
        .option("--exec", command)
        .start();
    broker.subscribed(1);
    run
}

#[test]
fn a_request_says_where_its_reply_goes_and_what_it_is_known_by() {
    let broker = Scripted::welcoming(|peer| {
        assert!(peer.v5, "MQTT 5 without being told");
        let subscribe = peer.expect(wire::SUBSCRIBE);
        let [(filter, 1)] = &filters(&subscribe, true)[..] else {
            panic!("one filter of QoS 1: {subscribe:?}");
        };
        peer.send(wire::suback(true, subscribe.id(), &[1]));
        let request = peer.expect(wire::PUBLISH);
        assert_eq!((request.topic(), request.qos()), ("svc", 1));
        assert_eq!(request.payload(true), b"ask");
        assert_eq!(&response_topic(&request), filter);
        let random = filter.strip_prefix("mozzie/rr/").expect("a private topic");
        assert_eq!(random.len(), 32);
        let ids: Vec<u8> = wire::properties(request.properties_and_payload(true).0)
            .iter()
            .map(|(id, _)| *id)
            .collect();
        assert_eq!(ids, [0x03, RESPONSE_TOPIC, CORRELATION_DATA]);
        assert_eq!(property(&request, CORRELATION_DATA).unwrap().len(), 32);
        peer.send(wire::ack(wire::PUBACK, request.id()));
        peer.send(reply(&request, None, "answer"));
        peer.expect(wire::DISCONNECT);
    });
    mozzie("rr -t svc -m ask -q 1 -D publish content-type text/plain")
        .at(broker.port)
        .run()
        .prints("answer\n");
}

#[test]
fn nothing_is_asked_before_the_subscription_is_granted() {
    let broker = Scripted::welcoming(|peer| {
        let subscribe = peer.expect(wire::SUBSCRIBE);
        peer.linger(Duration::from_millis(200));
        assert!(!peer.seen().windows(5).any(|bytes| bytes == b"asked"));
        peer.send(wire::suback(true, subscribe.id(), &[0]));
        peer.stream()
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let request = peer.expect(wire::PUBLISH);
        peer.send(reply(&request, None, "ok"));
        peer.until_closed();
    });
    mozzie("rr -t svc -m asked")
        .at(broker.port)
        .run()
        .prints("ok\n");
}

#[test]
fn only_a_reply_with_the_requests_correlation_data_is_taken() {
    let broker = Scripted::welcoming(|peer| {
        peer.grant();
        let request = peer.expect(wire::PUBLISH);
        peer.send(reply(&request, Some(b"somebody else's"), "foreign"));
        let topic = response_topic(&request);
        peer.send(wire::publish(true, 0, 0, &topic, "without any"));
        let own = correlation(&property(&request, CORRELATION_DATA).unwrap());
        peer.send(wire::publish_with(true, 1, 0, &topic, &own, "retained"));
        peer.send(reply(&request, None, "mine"));
        peer.until_closed();
    });
    let done = mozzie("rr -t svc -m ask").at(broker.port).run();
    done.ends(
        0,
        "mine\n",
        &[
            "warning",
            "not the correlation data of a request of ours; ignored",
            "is retained",
        ],
    );
}

#[test]
fn correlation_data_and_response_topic_can_be_given() {
    let broker = Scripted::welcoming(|peer| {
        let subscribe = peer.grant();
        assert_eq!(filters(&subscribe, true), [("my/replies".to_owned(), 0)]);
        for _ in 0..2 {
            let request = peer.expect(wire::PUBLISH);
            assert_eq!(property(&request, CORRELATION_DATA).unwrap(), b"abc");
            assert_eq!(response_topic(&request), "my/replies");
            let payload = String::from_utf8(request.payload(true).to_vec()).unwrap();
            peer.send(reply(&request, None, &payload));
        }
        peer.until_closed();
    });
    mozzie("rr -t svc -l -e my/replies -D publish correlation-data abc")
        .at(broker.port)
        .stdin("1\n2\n")
        .run()
        .prints("1\n2\n");
}

#[test]
fn replies_are_printed_as_they_come_and_belong_to_their_requests() {
    let broker = Scripted::welcoming(|peer| {
        peer.grant();
        let requests: Vec<_> = (0..3).map(|_| peer.expect(wire::PUBLISH)).collect();
        let mut data: Vec<_> = requests
            .iter()
            .map(|request| property(request, CORRELATION_DATA))
            .collect();
        data.dedup();
        assert_eq!(data.len(), 3, "each has data of its own");
        for request in requests.iter().rev() {
            let payload = String::from_utf8(request.payload(true).to_vec()).unwrap();
            peer.send(reply(request, None, &payload));
        }
        peer.until_closed();
    });
    let done = mozzie("rr -t svc -l --latency")
        .at(broker.port)
        .stdin("a\nb\nc")
        .run();
    let latencies = ["request 3: reply after ", "request 1: reply after ", " ms"];
    done.ends(0, "c\nb\na\n", &latencies);
}

#[test]
fn the_window_bounds_the_requests_that_wait() {
    let broker = Scripted::welcoming(|peer| {
        peer.grant();
        for _ in 0..20 {
            let first = peer.expect(wire::PUBLISH);
            let second = peer.expect(wire::PUBLISH);
            peer.send(b"\xd0\0");
            for request in [first, second] {
                peer.send(reply(&request, None, "r"));
            }
        }
        peer.until_closed();
    });
    let done = mozzie("rr -t svc -l --window 2")
        .at(broker.port)
        .stdin("x\n".repeat(40))
        .run();
    done.prints("r\n".repeat(40));
}

#[test]
fn a_missing_reply_is_exit_6_and_the_error_names_the_request() {
    for version in VERSIONS {
        let broker = Scripted::welcoming(|peer| {
            peer.grant();
            peer.until_closed();
        });
        let begun = Instant::now();
        mozzie("rr -t svc -e r -m ask --timeout 300ms")
            .at(broker.port)
            .version(version)
            .run()
            .fails(6, &["no reply to the request to 'svc' within 0.3 s"]);
        assert!(begun.elapsed() >= Duration::from_millis(300));
    }
}

#[test]
fn a_request_of_many_that_has_no_reply_does_not_stop_the_others() {
    let broker = Scripted::welcoming(|peer| {
        peer.grant();
        let first = peer.expect(wire::PUBLISH);
        let second = peer.expect(wire::PUBLISH);
        // Long after the first has been given up.
        peer.send(reply(&first, None, "in time"));
        peer.expect(wire::PUBLISH);
        peer.send(reply(&second, None, "late"));
        peer.until_closed();
    });
    let mut run = mozzie("rr -t svc -l -W 0.4").at(broker.port).start();
    run.write("1\n2\n");
    run.wait_for_stderr("no reply to request 2 to 'svc' within 0.4 s");
    run.write("3\n");
    run.wait_for_stderr("comes too late for request 2");
    run.close_stdin();
    run.finish().ends(
        6,
        "in time\n",
        &["2 of 3 requests did not get their replies: requests 2, 3"],
    );
}

#[test]
fn several_replies_are_waited_for() {
    for (come, code, words) in [
        (3, 0, [].as_slice()),
        (
            2,
            6,
            ["2 of 3 replies to the request to 'svc' within 0.5 s"].as_slice(),
        ),
    ] {
        let broker = Scripted::welcoming(move |peer| {
            peer.grant();
            let request = peer.expect(wire::PUBLISH);
            for n in 0..come {
                peer.send(reply(&request, None, &n.to_string()));
            }
            peer.until_closed();
        });
        let done = mozzie("rr -t svc -m ask --replies 3 -W 0.5")
            .at(broker.port)
            .run();
        done.ends(code, &"0\n1\n2\n"[..2 * come], words);
    }
}

#[test]
fn time_in_which_stdout_is_full_does_not_count() {
    const REPLIES: usize = 1000;
    let broker = Scripted::welcoming(|peer| {
        peer.grant();
        let request = peer.expect(wire::PUBLISH);
        let one = reply(&request, None, &"x".repeat(1023));
        peer.send(one.repeat(REPLIES));
        peer.until_closed();
    });
    let (run, mut stdout) = mozzie("rr -t svc -m ask -W 0.5")
        .args(&format!("--replies {REPLIES}"))
        .at(broker.port)
        .start_unread();
    // A reader that is slower than the timeout.
    std::thread::sleep(Duration::from_millis(1200));
    let mut printed = Vec::new();
    stdout.read_to_end(&mut printed).unwrap();
    assert_eq!(printed.len(), REPLIES * 1024);
    run.finish().prints("");
}

#[test]
fn before_mqtt_5_the_next_message_is_the_reply_and_requests_take_turns() {
    for version in ["31", "311"] {
        let broker = Scripted::welcoming(|peer| {
            let subscribe = peer.grant();
            assert_eq!(filters(&subscribe, false), [("replies".to_owned(), 0)]);
            for n in 1..=3 {
                let request = peer.expect(wire::PUBLISH);
                assert_eq!(request.payload(false), n.to_string().as_bytes());
                peer.publish(0, 0, "replies", format!("to {n}"));
            }
            peer.until_closed();
        });
        mozzie("rr -t svc -e replies -l")
            .at(broker.port)
            .version(version)
            .stdin("1\n2\n3\n")
            .run()
            .prints("to 1\nto 2\nto 3\n");
    }
}

#[test]
fn refusals_are_exit_5() {
    let broker = Scripted::welcoming(|peer| {
        let subscribe = peer.expect(wire::SUBSCRIBE);
        peer.send(wire::suback(true, subscribe.id(), &[0x87]));
        peer.until_closed();
    });
    mozzie("rr -t svc -m ask -e my/replies")
        .at(broker.port)
        .run()
        .fails(5, &["subscription", "my/replies", "not authorized (135)"]);
    let broker = Scripted::welcoming(|peer| {
        peer.grant();
        let request = peer.expect(wire::PUBLISH);
        peer.send(wire::ack_with_reason(wire::PUBACK, request.id(), 0x87));
        peer.until_closed();
    });
    mozzie("rr -t svc -m ask -q 1")
        .at(broker.port)
        .run()
        .fails(5, &["'svc'", "not authorized (135)"]);
}

#[test]
fn a_topic_that_nobody_is_subscribed_to_is_said_at_once() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    mozzie("rr -t nobody -m ask -q 1 -W 0.3")
        .at(broker.port)
        .run()
        .fails(6, &["nobody is subscribed to 'nobody'", "no reply"]);
}

#[test]
fn a_broken_connection_ends_the_wait_for_replies_that_may_have_come_to_nobody() {
    let broker = Scripted::start(|door| {
        let mut peer = door.welcome();
        peer.grant();
        peer.expect(wire::PUBLISH);
        peer.close();
        door.welcome().until_closed();
    });
    mozzie("rr -t svc -m ask")
        .at(broker.port)
        .run()
        .fails(6, &["no reply to the request", "the connection broke"]);
}

#[test]
fn a_request_that_was_not_acknowledged_is_sent_again_on_the_next_connection() {
    let broker = Scripted::start(|door| {
        let mut peer = door.welcome();
        peer.grant();
        peer.expect(wire::PUBLISH);
        peer.close();
        let mut peer = door.welcome();
        let request = peer.expect(wire::PUBLISH);
        peer.grant();
        peer.send(wire::ack(wire::PUBACK, request.id()));
        peer.send(reply(&request, None, "after all"));
        peer.until_closed();
    });
    mozzie("rr -t svc -m ask -q 1").at(broker.port).run().ends(
        0,
        "after all\n",
        &["trying again", "connected again"],
    );
}

#[test]
fn an_interrupted_request_is_130() {
    let broker = Scripted::welcoming(|peer| {
        peer.grant();
        peer.expect(wire::PUBLISH);
        peer.until_closed();
    });
    let run = mozzie("rr -t svc -m ask -d").at(broker.port).start();
    run.wait_for_stderr("PUBLISH");
    run.interrupt()
        .ends(130, "", &["interrupted", "0 of 1 requests answered"]);
}

#[test]
fn a_request_is_answered_by_what_the_command_prints() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let server = serving(&broker, "-t svc/# -q 1", "tr a-z A-Z");
    for qos in [0, 1, 2] {
        mozzie("rr -t svc/a -m hello")
            .at(broker.port)
            .args(&format!("-q {qos}"))
            .run()
            .prints("HELLO\n");
    }
    mozzie("rr -t svc/a -n --json")
        .at(broker.port)
        .run()
        .status(0);
    mozzie("rr -t svc/a -e r/1 -m hello")
        .at(broker.port)
        .option("-F", "%R|%t|%p|")
        .run()
        .prints("|r/1|HELLO|\n");
    let done = mozzie("rr -t svc/b -l --window 1")
        .at(broker.port)
        .stdin("a\nb\nc\n")
        .run();
    done.prints("A\nB\nC\n");
    server.interrupt().prints("");
}

#[test]
fn before_mqtt_5_replies_go_to_the_topic_of_e() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let server = serving(&broker, "-t svc -e replies -V 311", "tr a-z A-Z");
    mozzie("rr -t svc -e replies -V 311 -m hello")
        .at(broker.port)
        .run()
        .prints("HELLO\n");
    server.interrupt().prints("");
}

#[test]
fn large_payloads_pass_through_a_command_both_ways() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let server = serving(&broker, "-t svc -q 1 -C 1", "cat");
    let payload: Vec<u8> = (0..5_u32 << 20).map(|n| (n ^ n >> 7) as u8).collect();
    let done = mozzie("rr -t svc -s -N -q 1")
        .at(broker.port)
        .stdin(&payload)
        .run();
    assert!(done.stdout == payload, "{} bytes", done.stdout.len());
    server.finish().prints("");
}

#[test]
fn the_command_knows_its_request() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let command = "printf '%s,' $MQTT_TOPIC $MQTT_QOS $MQTT_RETAIN $MQTT_RESPONSE_TOPIC \
                   $MQTT_CORRELATION_DATA $MQTT_CONTENT_TYPE \"$MQTT_USER_PROPERTY_RUN_ID\"";
    let server = serving(&broker, "-t svc/+ -q 2", command);
    mozzie(
        "rr -t svc/a -m x -q 1 -e r/1 -D publish correlation-data az -D publish content-type a/b",
    )
    .at(broker.port)
    .args("-D publish user-property run-id")
    .arg("a b;c")
    .run()
    .prints("svc/a,1,0,r/1,617a,a/b,a b;c,\n");
    server.interrupt().prints("");
}

#[test]
fn a_command_that_fails_gives_a_warning_and_no_reply() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let server = serving(&broker, "-t svc -C 1", "echo partial; exit 7");
    mozzie("rr -t svc -m x -W 0.5")
        .at(broker.port)
        .run()
        .fails(6, &["no reply"]);
    server.finish().fails(
        1,
        &[
            "no reply to a request on 'svc': the command failed with exit status 7",
            "1 of 1 requests got no reply",
        ],
    );
}

#[test]
fn a_request_without_a_response_topic_is_a_warning() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let server = serving(&broker, "-t svc", "cat");
    Client::connect(broker.port).publish("svc", "x", 1, false);
    server.wait_for_stderr("a request on 'svc' has no response topic; ignored");
    mozzie("rr -t svc -m x").at(broker.port).run().prints("x\n");
    server
        .interrupt()
        .ends(0, "", &["has no response topic; ignored"]);
}

#[test]
fn jobs_run_side_by_side() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let folder = tempfile::TempDir::new().unwrap();
    // Each waits for the other: with one job at a time neither would end.
    let command = format!(
        "cd {}; read me; touch $me; while [ ! -e a ] || [ ! -e b ]; do sleep 0.01; done; echo $me",
        folder.path().display()
    );
    let server = serving(&broker, "-t svc --jobs 2 -C 2", &command);
    let done = mozzie("rr -t svc -l -N -W 10")
        .at(broker.port)
        .stdin("a\nb\n")
        .run();
    let mut lines: Vec<_> = done.stdout_text().lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["a", "b"], "{done}");
    server.finish().prints("");
}

#[test]
fn one_job_at_a_time_unless_told() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let folder = tempfile::TempDir::new().unwrap();
    let command = format!(
        "cd {}; mkdir lock || exit 1; sleep 0.05; rmdir lock; cat",
        folder.path().display()
    );
    let server = serving(&broker, "-t svc -C 5", &command);
    let done = mozzie("rr -t svc -l -W 10")
        .at(broker.port)
        .stdin("1\n2\n3\n4\n5\n")
        .run();
    done.prints("1\n2\n3\n4\n5\n");
    server.finish().prints("");
}

#[test]
fn a_burst_of_requests_waits_its_turn_and_none_is_lost() {
    const REQUESTS: usize = 1200;
    let broker = Scripted::welcoming(|peer| {
        peer.grant();
        let mut burst = Vec::new();
        for n in 0..REQUESTS {
            let properties = [&[RESPONSE_TOPIC][..], &wire::field("r")].concat();
            let payload = n.to_string();
            burst.extend(wire::publish_with(true, 0, 0, "s", &properties, payload));
        }
        peer.send(burst);
        let replies = peer.drain();
        let mut payloads: Vec<usize> = replies
            .iter()
            .map(|reply| std::str::from_utf8(reply.payload(true)).unwrap())
            .map(|text| text.parse().unwrap())
            .collect();
        payloads.sort_unstable();
        assert!(payloads.into_iter().eq(0..REQUESTS));
    });
    mozzie("rr --serve -t s --jobs 4 -q 1 --exec cat")
        .args(&format!("-C {REQUESTS}"))
        .at(broker.port)
        .run()
        .prints("");
}

#[test]
fn a_signal_ends_the_server_and_the_command_with_all_that_it_started() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let folder = tempfile::TempDir::new().unwrap();
    let mark = folder.path().join("ended");
    // Its start is told from inside the pipeline: a shell that is signalled while it forks notes that
    // for its trap and waits for the pipeline that it is about to start, which no signal will end.
    let command = format!(
        "trap 'touch {}; exit 1' TERM; while :; do touch {}; sleep 0.02; done | cat",
        mark.display(),
        folder.path().join("started").display()
    );
    let server = serving(&broker, "-t svc", &command);
    let asking = mozzie("rr -t svc -m x").at(broker.port).start();
    crate::support::wait_until("the command", || {
        folder.path().join("started").exists().then_some(())
    });
    server
        .interrupt()
        .ends(0, "", &["the command was ended before it was done"]);
    // Whether the shell's last file is there already when its end is seen is the system's affair.
    crate::support::wait_until("the command's mark", || mark.exists().then_some(()));
    asking.interrupt().status(130);
}

#[test]
fn a_server_short_of_its_count_is_exit_6_and_without_one_0() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    mozzie("rr --serve -t svc --exec cat -C 2 -W 0.3")
        .at(broker.port)
        .run()
        .fails(6, &["0 of 2 requests within 0.3 s"]);
    mozzie("rr --serve -t svc --exec cat -W 0.3")
        .at(broker.port)
        .run()
        .prints("");
}

#[test]
fn wrong_options_are_exit_2_and_name_what_was_typed() {
    for (words, fragments) in [
        ("rr -m x", ["topic", "-t"]),
        ("rr -t a", ["message", "-m"]),
        ("rr -t a -t b -m x", ["'b'", "one topic"]),
        ("rr -t a/# -m x", ["-t", "a/#"]),
        ("rr -t a -e b/+ -m x", ["-e", "b/+"]),
        ("rr -t a -e a -m x", ["'a'", "both"]),
        ("rr -t a -m x -V 311", ["3.1.1", "-e"]),
        (
            "rr -t a -m x -V 311 -D publish content-type x",
            ["-D", "-V"],
        ),
        (
            "rr -t a -e b -m x -D publish response-topic c",
            ["-e", "-D"],
        ),
        ("rr -t a -m x -W 0", ["'0'", "--timeout"]),
        ("rr -t a -m x --replies 0", ["0", "--replies"]),
        ("rr -t a -m x --exec cat", ["--serve", "--exec"]),
        ("rr -t a -m x -C 1", ["--serve", "rr"]),
        ("rr -t a --serve", ["--exec", "rr"]),
        ("rr --serve --exec cat", ["-t", "filter"]),
        ("rr --serve --exec cat -t a -m x", ["--serve", "--message"]),
        ("rr --serve --exec cat -t a -V 311", ["3.1.1", "-e"]),
        ("rr --serve --exec cat -t a/# -e a/b", ["-e", "a/#"]),
        (
            "rr --serve --exec cat -t a -D publish correlation-data x",
            ["correlation-data", "-D"],
        ),
    ] {
        mozzie(words).run().fails(2, &fragments);
    }
}
