//! `mozzie sub --exec`: a message is acknowledged when its command has done its work, and not before.

use std::{fs, path::Path};

use tempfile::TempDir;

use crate::{
    needs,
    support::{Client, Mosquitto, Mozzie, Scripted, VERSIONS, mozzie, wait_until, wire},
};

/// `sub` with a command that finds `folder` in `$DIR`.
fn exec(port: u16, options: &str, command: &str, folder: &TempDir) -> Mozzie {
    mozzie("sub -t t/#")
        .at(port)
        .args(options)
        .option("--exec", command)
        .env("DIR", folder.path())
}

/// Says that it has begun, with a whole line at once, and goes on when the file `go` is there.
const WAITS: &str = "echo $(cat) >>$DIR/begun; \
                     while [ ! -e $DIR/go ]; do sleep 0.02; done";

fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn wait_for_lines(folder: &TempDir, name: &str, count: usize) -> Vec<String> {
    let path = folder.path().join(name);
    wait_until(&format!("{count} lines in {name}"), || {
        let lines = lines(&path);
        (lines.len() >= count).then_some(lines)
    })
}

fn go(folder: &TempDir) {
    fs::write(folder.path().join("go"), "").unwrap();
}

#[test]
fn the_command_gets_the_payload_and_the_rest_in_its_environment() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let folder = TempDir::new().unwrap();
    let command = r#"printf '%s|%s|%s|%s|%s|%s|' "$MQTT_TOPIC" "$MQTT_QOS" "$MQTT_RETAIN" \
        "$MQTT_USER_PROPERTY_RUN_ID" "$MQTT_CONTENT_TYPE" "$MQTT_PAYLOAD_FORMAT_INDICATOR"; cat; echo"#;
    let run = exec(broker.port, "-V 5 -q 1 -C 1", command, &folder).start();
    broker.subscribed(1);
    let properties = [
        &[1, 1, 3][..],
        &wire::field("text/plain"),
        &wire::user_property("run-id", "7"),
    ]
    .concat();
    Client::connect(broker.port).publish_with("t/a b", "one\ntwo", 1 << 1, &properties);
    run.finish().prints("t/a b|1|0|7|text/plain|1|one\ntwo\n");
}

#[test]
fn a_user_property_that_occurs_again_has_its_values_one_a_line() {
    let folder = TempDir::new().unwrap();
    let broker = Scripted::welcoming(|peer| {
        peer.grant();
        let properties = [
            wire::user_property("via", "one"),
            wire::user_property("other", "x"),
            wire::user_property("via", "two"),
            wire::user_property("Via", ""),
        ];
        peer.send(wire::publish_with(
            true,
            0,
            0,
            "t",
            &properties.concat(),
            "x",
        ));
        peer.until_closed();
    });
    let command = r#"printf '%s|' "$MQTT_USER_PROPERTY_VIA" "$MQTT_USER_PROPERTY_OTHER""#;
    exec(broker.port, "-C 1 -V 5", command, &folder)
        .run()
        .prints("one\ntwo\n|x|");
}

#[test]
fn a_shell_that_is_missing_is_named() {
    let folder = TempDir::new().unwrap();
    let broker = Scripted::welcoming(|peer| {
        peer.grant();
        peer.publish(0, 0, "t", "x");
        peer.until_closed();
    });
    exec(broker.port, "--on-error stop", "true", &folder)
        .env("PATH", folder.path())
        .run()
        .fails(
            1,
            &[
                "a message on 't': cannot start the shell 'sh'",
                "no such file",
            ],
        );
}

#[test]
fn variables_of_another_message_are_not_handed_down() {
    let folder = TempDir::new().unwrap();
    let broker = Scripted::welcoming(|peer| {
        peer.grant();
        peer.publish(0, 0, "t", "x");
        peer.until_closed();
    });
    let command = "printf '%s|' $MQTT_CONTENT_TYPE $MQTT_USER_PROPERTY_OLD $MQTT_HOST";
    exec(broker.port, "-C 1", command, &folder)
        .env("MQTT_CONTENT_TYPE", "outer")
        .env("MQTT_USER_PROPERTY_OLD", "outer")
        .env("MQTT_HOST", "kept")
        .run()
        .prints("kept|");
}

#[test]
fn a_form_of_the_message_can_be_what_the_command_reads() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let folder = TempDir::new().unwrap();
    for (n, (format, expected)) in [("-v", "t/a x\n"), ("-F %t=%p", "t/a=x\n")]
        .into_iter()
        .enumerate()
    {
        let run = exec(broker.port, &format!("-C 1 {format}"), "cat", &folder).start();
        broker.subscribed(n + 1);
        Client::connect(broker.port).publish("t/a", "x", 0, false);
        run.finish().prints(expected);
    }
}

#[test]
fn a_message_is_acknowledged_when_the_command_has_ended_with_0_and_not_before() {
    for (version, qos, acknowledgement) in [("311", 1, wire::PUBACK), ("5", 2, wire::PUBREC)] {
        let folder = TempDir::new().unwrap();
        let there = folder.path().to_owned();
        let broker = Scripted::welcoming(move |peer| {
            peer.grant();
            peer.publish(qos, 7, "t/a", "x");
            wait_until("the command", || there.join("begun").exists().then_some(()));
            // An acknowledgement would come before the ping.
            assert_eq!(peer.next_raw().unwrap().kind(), wire::PINGREQ);
            fs::write(there.join("go"), "").unwrap();
            peer.send(wire::PINGRESP_BYTES);
            assert_eq!(peer.expect(acknowledgement).id(), 7);
            peer.expect(wire::DISCONNECT);
        });
        exec(broker.port, "-k 1 -q 2 -C 1", WAITS, &folder)
            .version(version)
            .run()
            .prints("");
    }
}

#[test]
fn a_killed_run_loses_nothing_that_its_command_had_not_finished() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    for (n, version) in VERSIONS.into_iter().enumerate() {
        let qos = n + 1;
        let folder = TempDir::new().unwrap();
        let options = format!("-i worker-{version} -c -q {qos} -C 2");
        let run = || exec(broker.port, &options, WAITS, &folder).version(version);
        let killed = run().start();
        broker.subscribed(3 * n + 1);
        let mut publisher = Client::connect(broker.port);
        publisher.publish("t/work", "one", 2, false);
        publisher.publish("t/work", "two", 2, false);
        wait_for_lines(&folder, "begun", 1);
        killed.signal("KILL");
        drop(killed);
        go(&folder);
        run().run().status(0);
        assert_eq!(wait_for_lines(&folder, "begun", 3), ["one", "one", "two"]);
        // Now the broker has nothing more.
        run().args("--idle-timeout 300ms").run().status(6);
    }
}

#[test]
fn what_runs_while_the_connection_breaks_is_not_run_again() {
    for (version, qos, acknowledgement) in [("311", 1, wire::PUBACK), ("5", 2, wire::PUBREC)] {
        let folder = TempDir::new().unwrap();
        let there = folder.path().to_owned();
        let broker = Scripted::start(move |door| {
            let mut peer = door.welcome();
            peer.grant();
            peer.publish(qos, 7, "t/a", "x");
            wait_until("the command", || there.join("begun").exists().then_some(()));
            peer.close();
            let mut peer = door.accept();
            peer.welcome(true);
            let again = 0x08 | qos << 1;
            peer.send(wire::publish_with(peer.v5, again, 7, "t/a", &[], "x"));
            fs::write(there.join("go"), "").unwrap();
            assert_eq!(peer.expect(acknowledgement).id(), 7);
            peer.until_closed();
        });
        exec(broker.port, "-i x -c -q 2 -C 1", WAITS, &folder)
            .version(version)
            .run()
            .status(0);
        assert_eq!(wait_for_lines(&folder, "begun", 1), ["x"]);
    }
}

#[test]
fn a_failing_command_stops_it_and_its_message_comes_again() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let folder = TempDir::new().unwrap();
    let command = "read line; echo $line >>$DIR/seen; [ $line != bad ] || [ -e $DIR/go ]";
    let run = || exec(broker.port, "-i stopper -c -q 1 -C 2", command, &folder);
    let first = run().start();
    broker.subscribed(1);
    let mut publisher = Client::connect(broker.port);
    for text in ["good\n", "bad\n", "after\n"] {
        publisher.publish("t/x", text, 1, false);
    }
    first
        .finish()
        .fails(1, &["'t/x'", "the command failed with exit status 1"]);
    go(&folder);
    run().run().prints("");
    assert_eq!(
        wait_for_lines(&folder, "seen", 4),
        ["good", "bad", "bad", "after"]
    );
}

#[test]
fn a_failed_message_can_be_skipped_and_that_is_told() {
    let broker = Scripted::welcoming(|peer| {
        peer.grant();
        for id in 1..=3 {
            peer.publish(1, id, "t/a", id.to_string());
        }
        for id in 1..=3 {
            assert_eq!(peer.expect(wire::PUBACK).id(), id);
        }
        peer.until_closed();
    });
    let folder = TempDir::new().unwrap();
    exec(
        broker.port,
        "-q 1 -C 3 --on-error skip",
        "[ $(cat) != 2 ]",
        &folder,
    )
    .run()
    .fails(1, &["skipped", "failed for 1 of 3 messages"]);
}

#[test]
fn a_failed_message_can_be_left_to_the_broker() {
    let broker = Scripted::welcoming(|peer| {
        peer.grant();
        for id in 1..=3 {
            peer.publish(1, id, "t/a", id.to_string());
        }
        for id in [1, 3] {
            assert_eq!(peer.expect(wire::PUBACK).id(), id);
        }
        peer.expect(wire::DISCONNECT);
    });
    let folder = TempDir::new().unwrap();
    let options = "-i left -c -q 1 -C 3 --on-error leave";
    exec(broker.port, options, "[ $(cat) != 2 ]", &folder)
        .run()
        .fails(1, &["left unacknowledged", "failed for 1 of 3 messages"]);
    for options in ["--on-error leave -q 1", "--on-error leave -i x -c"] {
        exec(broker.port, options, "true", &folder)
            .run()
            .fails(2, &["--on-error leave", "-c"]);
    }
}

#[test]
fn a_failed_command_can_be_run_until_it_succeeds() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let folder = TempDir::new().unwrap();
    let command = "echo try >>$DIR/tries; [ $(wc -l <$DIR/tries) -ge 2 ] && cat";
    let options = "-q 2 -C 1 --on-error retry";
    let run = exec(broker.port, options, command, &folder).start();
    broker.subscribed(1);
    Client::connect(broker.port).publish("t/a", "done\n", 2, false);
    run.finish().ends(0, "done\n", &["trying again in"]);
    assert_eq!(wait_for_lines(&folder, "tries", 2).len(), 2);
}

#[test]
fn many_commands_run_at_once_and_are_acknowledged_in_the_order_of_the_messages() {
    const COUNT: u16 = 40;
    let folder = TempDir::new().unwrap();
    let broker = Scripted::welcoming(|peer| {
        peer.grant();
        for id in 1..=COUNT {
            peer.publish(1, id, "t/a", id.to_string());
        }
        for id in 1..=COUNT {
            assert_eq!(peer.expect(wire::PUBACK).id(), id);
        }
        peer.until_closed();
    });
    // Nobody ends before four have begun, and of these the later ones end first.
    let command = "n=$(cat); echo $n >>$DIR/begun; \
                   while [ $(wc -l <$DIR/begun) -lt 4 ]; do sleep 0.02; done; \
                   sleep 0.0$(( (40 - n) % 4 ))";
    let options = format!("-q 1 -C {COUNT} --jobs 4");
    exec(broker.port, &options, command, &folder)
        .run()
        .prints("");
    assert_eq!(wait_for_lines(&folder, "begun", COUNT.into()).len(), 40);
}

#[test]
fn no_more_is_taken_than_commands_may_run() {
    let folder = TempDir::new().unwrap();
    let there = folder.path().to_owned();
    let broker = Scripted::welcoming(move |peer| {
        peer.grant();
        for id in 1..=4 {
            peer.publish(0, 0, "t/a", id.to_string());
        }
        let begun = || lines(&there.join("begun")).len();
        wait_until("two commands", || (begun() >= 2).then_some(()));
        assert_eq!(peer.next_raw().unwrap().kind(), wire::PINGREQ);
        assert_eq!(begun(), 2);
        fs::write(there.join("go"), "").unwrap();
        peer.send(wire::PINGRESP_BYTES);
        peer.until_closed();
    });
    exec(broker.port, "-k 1 -C 4 --jobs 2", WAITS, &folder)
        .run()
        .prints("");
    assert_eq!(wait_for_lines(&folder, "begun", 4).len(), 4);
}

#[test]
fn sigterm_lets_the_command_finish_and_acknowledges_its_message_alone() {
    let folder = TempDir::new().unwrap();
    let broker = Scripted::welcoming(|peer| {
        peer.grant();
        peer.publish(1, 1, "t/a", "one");
        peer.publish(1, 2, "t/a", "two");
        assert_eq!(peer.expect(wire::PUBACK).id(), 1);
        peer.expect(wire::DISCONNECT);
    });
    let run = exec(broker.port, "-q 1", WAITS, &folder).start();
    wait_for_lines(&folder, "begun", 1);
    run.signal("TERM");
    // It has seen the signal before the command ends.
    run.wait_until_idle();
    go(&folder);
    let done = run.finish();
    done.status(0);
    assert_eq!(lines(&folder.path().join("begun")), ["one"], "{done}");
}

#[test]
fn a_second_signal_ends_the_command_and_its_message_stays_with_the_broker() {
    let folder = TempDir::new().unwrap();
    let broker = Scripted::welcoming(|peer| {
        peer.grant();
        peer.publish(1, 1, "t/a", "one");
        peer.expect(wire::DISCONNECT);
    });
    let command = format!("trap 'echo >>$DIR/ended; exit 1' TERM; {WAITS}");
    let run = exec(broker.port, "-q 1", &command, &folder).start();
    wait_for_lines(&folder, "begun", 1);
    run.signal("TERM");
    run.signal("INT");
    run.finish().ends(0, "", &["came and were not handled: 1"]);
    wait_for_lines(&folder, "ended", 1);
}
