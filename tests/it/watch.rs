//! What `mozzie sub` shows in place of the messages: `--watch` on a real terminal (tmux's), `--message-rate`; and
//! both as mosquitto_sub has them.

use std::{fs, path::Path, process::Command};

use tempfile::TempDir;

use crate::{
    needs,
    support::{Client, Mosquitto, Scripted, Terminal, called, mozzie, wire},
};

#[test]
fn watch_is_a_live_table_that_survives_resizing_and_leaves_the_terminal_as_it_was() {
    needs!("tmux", "mosquitto");
    let broker = Mosquitto::start();
    let program = Path::new(env!("CARGO_BIN_EXE_mozzie")).display();
    let terminal = Terminal::start(
        80,
        8,
        &format!(
            "trap : INT; echo before; before=$(stty -g); \
             {program} sub --watch -t '#' -h 127.0.0.1 -p {}; \
             echo ended $?; [ \"$before\" = \"$(stty -g)\" ] && echo same; cat",
            broker.port
        ),
    );
    broker.subscribed(1);
    terminal.wait_for("the empty table", |screen| screen.contains("0 topics"));
    let mut publisher = Client::connect(broker.port);
    publisher.publish("home/attic", "two\nlines", 0, false);
    publisher.publish("home/kitchen", "20.5", 0, false);
    publisher.publish("home/kitchen", "20.6", 0, false);
    terminal.wait_for("both topics", |screen| {
        let lines: Vec<_> = screen.lines().collect();
        lines[0].contains("2 topics  3 messages")
            && lines[1].starts_with("TOPIC ")
            && lines[2].starts_with("home/attic ")
            && lines[2].ends_with("two↵lines")
            && lines[3].starts_with("home/kitchen ")
            && lines[3].ends_with("20.6")
    });
    terminal.run("resize-window -t it -x 40 -y 5");
    terminal.wait_for("the narrow table", |screen| {
        !screen.contains("RATE") && screen.contains("20.6")
    });
    for n in 0..20 {
        publisher.publish(&format!("many/{n}"), "x", 0, false);
    }
    terminal.wait_for("a part of the topics", |screen| {
        screen.contains("3 of 22 topics")
    });
    terminal.run("resize-window -t it -x 100 -y 40");
    terminal.wait_for("all topics", |screen| {
        screen.contains("22 topics  23 messages") && screen.contains("many/19")
    });
    terminal.run("send-keys -t it x C-c");
    terminal.wait_for("the screen from before", |screen| {
        screen.starts_with("before\n")
            && screen.contains("ended 0\nsame")
            && !screen.contains("TOPIC")
    });
    let modes = terminal.run("display-message -p -t it #{alternate_on}#{cursor_flag}#{wrap_flag}");
    assert_eq!(String::from_utf8_lossy(&modes.stdout), "011\n");
}

#[test]
fn watch_leaves_the_terminal_as_it_was_whatever_ends_it() {
    needs!("tmux", "mosquitto");
    let program = Path::new(env!("CARGO_BIN_EXE_mozzie")).display();
    for (end, code) in [("the broker", 3), ("SIGTERM", 0)] {
        let broker = Mosquitto::start();
        let folder = TempDir::new().unwrap();
        let pid = folder.path().join("pid");
        let terminal = Terminal::start(
            80,
            8,
            &format!(
                "before=$(stty -g); sh -c 'echo $$ > {}; exec {program} sub --watch -t \"#\" -h 127.0.0.1 -p {} \
                 --retry 0' 2>/dev/null; echo ended $?; [ \"$before\" = \"$(stty -g)\" ] && echo same; cat",
                pid.display(),
                broker.port
            ),
        );
        broker.subscribed(1);
        terminal.wait_for("the empty table", |screen| screen.contains("0 topics"));
        // A key that would end it without a word is none.
        terminal.run("send-keys -t it C-\\");
        Client::connect(broker.port).publish("a", "still here", 0, false);
        terminal.wait_for("a topic", |screen| screen.contains("still here"));
        if end == "SIGTERM" {
            let pid = fs::read_to_string(&pid).unwrap();
            let killed = Command::new("kill")
                .args(["-s", "TERM", pid.trim()])
                .status();
            assert!(killed.unwrap().success());
        } else {
            drop(broker);
        }
        terminal.wait_for(end, |screen| {
            screen.trim_end() == format!("ended {code}\nsame")
        });
        let modes =
            terminal.run("display-message -p -t it #{alternate_on}#{cursor_flag}#{wrap_flag}");
        assert_eq!(String::from_utf8_lossy(&modes.stdout), "011\n", "{end}");
    }
}

#[test]
fn watch_needs_a_terminal() {
    mozzie("sub --watch -t a")
        .run()
        .fails(2, &["--watch", "no terminal"]);
}

/// Five messages and then silence.
fn five(version_5: bool) -> Scripted {
    Scripted::welcoming(move |peer| {
        peer.grant();
        for topic in ["a", "b", "a", "c", "b"] {
            peer.send(wire::publish_with(version_5, 0, 0, topic, &[], b"x"));
        }
        while peer.next().is_some() {}
    })
}

/// The sum of lines such as "3 msgs/s".
#[track_caller]
fn sum(stdout: &[u8]) -> u64 {
    let text = std::str::from_utf8(stdout).unwrap();
    let counts = text.lines().map(|line| {
        let count = line.strip_suffix(" msgs/s").expect(line);
        count.parse::<u64>().expect(line)
    });
    counts.sum()
}

#[test]
fn message_rate_counts_every_message_once() {
    let broker = five(false);
    let done = mozzie("sub -t # --message-rate -C 5").at(broker.port).run();
    done.status(0);
    assert_eq!(sum(&done.stdout), 5, "{done}");
    let broker = five(false);
    let done = mozzie("sub -t # --message-rate -T a -W 1")
        .at(broker.port)
        .run();
    done.status(0);
    assert_eq!(sum(&done.stdout), 3, "{done}");
    // Where nothing could come nothing is counted.
    mozzie("sub -t a --message-rate -h 127.0.0.1 -p 1")
        .run()
        .fails(3, &["127.0.0.1:1"]);
    mozzie("sub -t a --message-rate --json")
        .run()
        .fails(2, &["--message-rate", "--json"]);
}

#[test]
fn message_rate_under_mosquittos_name_knows_no_limits_and_no_filters() {
    let broker = five(false);
    let done = called("mosquitto_sub", "-t # --message-rate -w -C 1 -T a -W 2")
        .at(broker.port)
        .run();
    done.status(27);
    assert_eq!(done.stderr, "Timed out\n");
    assert_eq!(sum(&done.stdout), 5, "{done}");
    let lines = done.stdout.split(|byte| *byte == b'\n').count() - 1;
    assert!(lines <= 2, "one line for each second\n{done}");
}

#[test]
fn watch_under_mosquittos_name_gives_each_topic_its_line() {
    let broker = five(false);
    let done = called("mosquitto_sub", "-t # -w -v -C 5")
        .at(broker.port)
        .run();
    done.prints(
        "\x1b[2J\x1b[1;1HBroker: 127.0.0.1\n\
         \x1b[2;1Ha x\n\x1b[2;1H\n\
         \x1b[3;1Hb x\n\x1b[3;1H\n\
         \x1b[2;1Ha x\n\x1b[3;1H\n\
         \x1b[4;1Hc x\n\x1b[4;1H\n\
         \x1b[3;1Hb x\n\x1b[4;1H\n",
    );
    // before it connects, and whatever becomes of that
    let done = called("mosquitto_sub", "-t # --watch -h 127.0.0.1 -p 1").run();
    assert_eq!(done.stdout, b"\x1b[2J\x1b[1;1HBroker: 127.0.0.1\n");
    done.status(1);
}
