//! `mozzie sub` and retained messages.

use crate::{
    needs,
    support::{Client, Mosquitto, VERSIONS, mozzie},
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
fn retained_only_without_any_gives_up_with_w() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    mozzie("sub -t none --retained-only -W 1")
        .at(broker.port)
        .run()
        .ends(6, "", &["mozzie: "]);
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
