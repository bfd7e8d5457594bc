//! `mozzie sub` and retained messages.

use crate::{
    needs,
    support::{Client, Mosquitto, Scripted, VERSIONS, mozzie, wire},
};

fn with_retained() -> (Mosquitto, Client) {
    let broker = Mosquitto::start();
    let mut publisher = Client::connect(broker.port);
    for (topic, text) in [("r/1", "one"), ("r/2", "two")] {
        publisher.publish(topic, text, 1, true);
    }
    (broker, publisher)
}

#[test]
fn retained_messages_come_first_and_r_hides_them() {
    needs!("mosquitto");
    for version in VERSIONS {
        let (broker, mut publisher) = with_retained();
        mozzie("sub -t r/# -C 2 -v")
            .at(broker.port)
            .version(version)
            .run()
            .prints("r/1 one\nr/2 two\n");

        let run = mozzie("sub -t r/# -R -C 1 -v")
            .at(broker.port)
            .version(version)
            .start();
        broker.subscribed(2);
        publisher.publish("r/1", "fresh", 1, true);
        run.finish().prints("r/1 fresh\n");
    }
}

#[test]
fn retained_only_ends_at_the_first_fresh_message() {
    needs!("mosquitto");
    for version in VERSIONS {
        let (broker, mut publisher) = with_retained();
        let run = mozzie("sub -t r/# --retained-only -v")
            .at(broker.port)
            .version(version)
            .start();
        broker.subscribed(1);
        publisher.publish("r/1", "fresh", 1, false);
        run.finish().prints("r/1 one\nr/2 two\n");
    }
}

#[test]
fn retained_only_ends_by_itself_when_all_have_come() {
    needs!("mosquitto");
    let (broker, mut publisher) = with_retained();
    // More than the broker sends without an acknowledgement, and they depend on each other at QoS 2.
    for n in 0..100 {
        publisher.publish(&format!("many/{n}"), "x", 2, true);
    }
    for version in VERSIONS {
        for qos in [0, 1, 2] {
            let sub = |filter: &str| {
                mozzie("sub --retained-only")
                    .at(broker.port)
                    .version(version)
                    .args(&format!("-q {qos} -t {filter}"))
            };
            sub("r/#").args("-v").run().prints("r/1 one\nr/2 two\n");
            sub("none").run().prints("");
            sub("many/#").run().prints("x\n".repeat(100));
        }
    }
}

#[test]
fn retained_only_behind_a_small_window_is_complete() {
    needs!("mosquitto");
    let broker = Mosquitto::config().line("max_inflight_messages 1").start();
    let mut publisher = Client::connect(broker.port);
    for n in 0..50 {
        publisher.publish(&format!("w/{n}"), "x", 2, true);
    }
    for qos in [1, 2] {
        mozzie("sub --retained-only -t w/#")
            .at(broker.port)
            .args(&format!("-q {qos} --idle-timeout 20ms"))
            .run()
            .prints("x\n".repeat(50));
    }
}

#[test]
fn retained_only_goes_on_when_an_exchange_ends_behind_the_ping() {
    for version in VERSIONS {
        let broker = Scripted::welcoming(|peer| {
            peer.grant();
            peer.send(wire::publish_with(peer.v5, 5, 1, "t", &[], "first"));
            peer.expect(wire::PUBREC);
            // A broker with a window of one, which takes its time for PUBREL.
            let ping = peer.next_raw().unwrap();
            assert_eq!(ping.kind(), wire::PINGREQ);
            peer.send(wire::ack(wire::PUBREL, 1));
            peer.send(wire::PINGRESP_BYTES);
            peer.expect(wire::PUBCOMP);
            peer.send(wire::publish_with(peer.v5, 1, 0, "t", &[], "second"));
            peer.until_closed();
        });
        mozzie("sub -t t -q 2 --retained-only --idle-timeout 50ms")
            .at(broker.port)
            .version(version)
            .run()
            .prints("first\nsecond\n");
    }
}

#[test]
fn retained_only_waits_for_a_broker_that_looks_them_up_late() {
    for version in VERSIONS {
        let broker = Scripted::welcoming(|peer| {
            peer.grant();
            // Nothing comes before the ping, and then it does before the answer.
            let ping = peer.next_raw().unwrap();
            assert_eq!(ping.kind(), wire::PINGREQ);
            peer.send(wire::publish_with(peer.v5, 1, 0, "t", &[], "late"));
            peer.publish(0, 0, "t", "live");
            peer.send(wire::PINGRESP_BYTES);
            let ping = peer.next_raw().unwrap();
            assert_eq!(ping.kind(), wire::PINGREQ);
            peer.send(wire::PINGRESP_BYTES);
            peer.expect(wire::DISCONNECT);
        });
        mozzie("sub -t t --retained-only --idle-timeout 50ms")
            .at(broker.port)
            .version(version)
            .run()
            .prints("late\n");
    }
}

#[test]
fn retained_only_begins_again_after_a_break() {
    let broker = Scripted::start(|door| {
        let mut peer = door.welcome();
        peer.grant();
        peer.close();
        let mut peer = door.accept();
        peer.welcome(true);
        peer.grant();
        peer.send(wire::publish_with(peer.v5, 1, 0, "t", &[], "kept"));
        peer.until_closed();
    });
    mozzie("sub -t t --retained-only -i me -c")
        .at(broker.port)
        .run()
        .ends(0, "kept\n", &["connected again"]);
}

#[test]
fn retained_only_with_a_count_says_when_there_are_fewer() {
    needs!("mosquitto");
    let (broker, _publisher) = with_retained();
    mozzie("sub -t r/# --retained-only -C 2")
        .at(broker.port)
        .run()
        .prints("one\ntwo\n");
    mozzie("sub -t r/# --retained-only -C 3")
        .at(broker.port)
        .run()
        .ends(6, "one\ntwo\n", &["2 of 3 messages"]);
}

#[test]
fn retained_only_gives_up_with_w_when_the_broker_is_silent() {
    let broker = Scripted::welcoming(|peer| {
        peer.grant();
        while let Some(frame) = peer.next_raw() {
            if frame.kind() == wire::DISCONNECT {
                return;
            }
        }
    });
    mozzie("sub -t none --retained-only -W 1")
        .at(broker.port)
        .run()
        .fails(6, &["retained", "within 1 s"]);
}

#[test]
fn remove_retained_prints_and_removes() {
    needs!("mosquitto");
    for version in VERSIONS {
        let (broker, _publisher) = with_retained();
        mozzie("sub -t r/# --remove-retained -C 2 -v")
            .at(broker.port)
            .version(version)
            .run()
            .prints("r/1 one\nr/2 two\n");
        let left = Client::observing(broker.port, "r/#").until_now(broker.port);
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn remove_retained_with_retained_only_clears_a_tree() {
    needs!("mosquitto");
    let (broker, mut publisher) = with_retained();
    let run = mozzie("sub -t r/# --remove-retained --retained-only")
        .at(broker.port)
        .start();
    broker.subscribed(1);
    // The removals themselves come back as fresh messages and end it; this one is in case they do not.
    publisher.publish("r/3", "fresh", 0, false);
    run.finish().prints("one\ntwo\n");
    let left = Client::observing(broker.port, "r/#").until_now(broker.port);
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn remove_retained_leaves_what_t_filters_out() {
    needs!("mosquitto");
    let (broker, _publisher) = with_retained();
    mozzie("sub -t r/# -T r/2 --remove-retained -C 1")
        .at(broker.port)
        .run()
        .prints("one\n");
    let left: Vec<_> = Client::observing(broker.port, "r/#").until_now(broker.port);
    assert_eq!(
        left.iter().map(|m| m.topic.as_str()).collect::<Vec<_>>(),
        ["r/2"]
    );
}

#[test]
fn retain_handling_never_sends_none_and_new_only_for_a_new_subscription() {
    needs!("mosquitto");
    let (broker, mut publisher) = with_retained();
    let run = mozzie("sub -t r/# --retain-handling never -C 1")
        .at(broker.port)
        .start();
    broker.subscribed(1);
    publisher.publish("r/9", "fresh", 0, false);
    run.finish().prints("fresh\n");

    let again =
        || mozzie("sub -t r/# --retain-handling new -i again -c -x 60 -q 1").at(broker.port);
    again().args("-C 2").run().prints("one\ntwo\n");
    let run = again().args("-C 1").start();
    broker.subscribed(3);
    publisher.publish("r/9", "fresh again", 1, false);
    run.finish().prints("fresh again\n");
}

#[test]
fn retain_as_published_shows_the_flag_of_a_fresh_message() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    for (n, (option, retain)) in [("", "false"), ("--retain-as-published", "true")]
        .into_iter()
        .enumerate()
    {
        let run = mozzie("sub -V 5 -t rap -R --json -C 1")
            .at(broker.port)
            .args(option)
            .start();
        broker.subscribed(n + 1);
        Client::connect(broker.port).publish("rap", "x", 0, true);
        if option.is_empty() {
            let done = run.finish();
            done.status(0);
            assert!(
                done.stdout_text().contains(&format!("\"retain\":{retain}")),
                "{done}"
            );
        } else {
            // `-R` hides what is marked retained, fresh or not: it is the flag that counts.
            drop(run);
        }
        Client::connect(broker.port).publish("rap", "", 0, true);
    }
    let run = mozzie("sub -t rap --json -C 1 --retain-as-published")
        .at(broker.port)
        .start();
    broker.subscribed(3);
    Client::connect(broker.port).publish("rap", "x", 0, true);
    let done = run.finish();
    done.status(0);
    assert!(done.stdout_text().contains("\"retain\":true"), "{done}");
}
