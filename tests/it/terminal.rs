//! What a terminal gets that a pipe does not: safe payloads, colours, progress. The terminal is script(1)'s.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
    sync::mpsc,
};

use tempfile::TempDir;

use crate::{
    needs,
    support::{Client, Mosquitto, Scripted, Terminal, mozzie, wire},
};

/// Runs a shell line in a terminal; `mozzie` in it is the program.
fn on_terminal(line: &str) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_mozzie")).display();
    let line = line.replace("mozzie ", &format!("{program} "));
    Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .output()
        .expect("script runs")
}

/// A broker with a retained message that would clear the screen.
fn hostile() -> Mosquitto {
    let broker = Mosquitto::start();
    let mut publisher = Client::connect(broker.port);
    publisher.publish("a/b", b"x\x1b[2J\xff", 1, true);
    broker.wait_for("Sending PUBACK", 1);
    broker
}

#[track_caller]
fn shown(broker: &Mosquitto, options: &str, env: &str) -> String {
    let port = broker.port;
    let line = format!("{env} mozzie sub -h 127.0.0.1 -p {port} -t a/b -C 1 {options}");
    let done = on_terminal(&line);
    assert!(done.status.success(), "{done:?}");
    done.stdout.escape_ascii().to_string()
}

#[test]
fn payloads_are_safe_and_topics_coloured_on_a_terminal_alone() {
    needs!("mosquitto", "script");
    let broker = hostile();
    let safe = r"x\\u{1b}[2J\\xff\r\n";
    assert_eq!(shown(&broker, "", ""), safe);
    assert_eq!(
        shown(&broker, "-v", ""),
        format!(r"\x1b[36ma/b\x1b[0m {safe}")
    );
    let plain = format!("a/b {safe}");
    for no in ["NO_COLOR=1", "CLICOLOR=0", "TERM=dumb"] {
        assert_eq!(shown(&broker, "-v", no), plain, "{no}");
    }
    assert_eq!(shown(&broker, "-v --color never", ""), plain);
    assert_eq!(
        shown(&broker, "-v --color always", "NO_COLOR=1"),
        format!(r"\x1b[36ma/b\x1b[0m {safe}")
    );
    assert_eq!(shown(&broker, "--raw", ""), r"x\x1b[2J\xff\r\n");

    let piped = mozzie("sub -t a/b -C 1 -v").at(broker.port).run();
    piped.prints(b"a/b x\x1b[2J\xff\n");
    let forced = mozzie("sub -t a/b -C 1 -v --color always")
        .at(broker.port)
        .run();
    forced.prints(b"\x1b[36ma/b\x1b[0m x\x1b[2J\xff\n");
}

#[test]
fn errors_are_coloured_on_a_terminal_alone() {
    needs!("script");
    let refused = "pub -t a/+ -m x";
    let done = on_terminal(&format!("mozzie {refused}"));
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(text.contains("\x1b[1;31merror:\x1b[0m"), "{text:?}");
    let done = mozzie(refused).run();
    assert!(!done.stderr.contains('\x1b'), "{done}");
    let done = mozzie(&format!("{refused} --color always")).run();
    assert!(done.stderr.contains("\x1b[1;31merror:"), "{done}");
}

#[test]
fn a_long_run_of_pub_shows_progress_and_erases_it() {
    needs!("mosquitto", "script");
    let broker = Mosquitto::start();
    let port = broker.port;
    let slow = "(for i in 1 2 3; do echo $i; sleep 0.6; done)";
    let publish = format!("mozzie pub -h 127.0.0.1 -p {port} -q 1 -t a -l");
    let done = on_terminal(&format!("{slow} | {publish}"));
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{text:?}");
    assert!(text.contains("messages acknowledged, "), "{text:?}");
    assert!(text.contains("0 in flight"), "{text:?}");
    assert!(text.ends_with("\r\x1b[K"), "erased at the end: {text:?}");
    for quiet in ["2>/dev/null", "--quiet"] {
        let done = on_terminal(&format!("{slow} | {publish} {quiet}"));
        assert_eq!(done.stdout, b"", "{quiet}");
    }
    let done = on_terminal(&format!("echo 1 | {publish}"));
    assert_eq!(done.stdout, b"", "a short run says nothing");
}

#[test]
fn a_bench_shows_one_line_that_a_narrow_terminal_does_not_wrap() {
    needs!("tmux");
    let broker = Scripted::welcoming(|peer| {
        while let Some(frame) = peer.next() {
            if frame.kind() == wire::PUBLISH {
                peer.send(wire::ack(wire::PUBACK, frame.id()));
            }
        }
    });
    let terminal = Terminal::start(
        40,
        60,
        &format!(
            "{} bench -h 127.0.0.1 -p {} --subscribers 0 -q 1 --rate 1234 --duration 3s; echo ended; cat",
            Path::new(env!("CARGO_BIN_EXE_mozzie")).display(),
            broker.port
        ),
    );
    terminal.wait_for("one line of progress", |screen| {
        screen.trim_end().lines().count() == 1
            && screen.starts_with("publishing 2s, 1s left  sent ")
    });
    terminal.wait_for("the result, and nothing else", |screen| {
        screen.trim_end().ends_with("ended") && screen.starts_with("1 publisher at QoS 1")
    });
    broker.finish();
}

#[test]
fn a_large_file_shows_what_is_left_to_write() {
    needs!("tmux");
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("large");
    // More than the buffers of the sockets hold.
    fs::write(&file, vec![b'x'; 32 << 20]).unwrap();
    let (read, seen) = mpsc::channel();
    let broker = Scripted::welcoming(move |peer| {
        seen.recv().unwrap();
        let publish = peer.expect(wire::PUBLISH);
        peer.send(wire::ack(wire::PUBACK, publish.id()));
        peer.drain();
    });
    let terminal = Terminal::start(
        80,
        5,
        &format!(
            "{} pub -h 127.0.0.1 -p {} -q 1 -t a -f {}; echo ended $?; cat",
            Path::new(env!("CARGO_BIN_EXE_mozzie")).display(),
            broker.port,
            file.display()
        ),
    );
    terminal.wait_for("the progress", |screen| {
        screen.starts_with("0 messages acknowledged, 0/s, 1 in flight, ")
            && screen.trim_end().ends_with(" MiB to write")
    });
    read.send(()).unwrap();
    terminal.wait_for("the end, and nothing else", |screen| {
        screen.trim_end() == "ended 0"
    });
    broker.finish();
}
