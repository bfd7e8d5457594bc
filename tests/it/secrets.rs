//! Passwords and passphrases: every way to give one, and that none is ever shown.

use std::{fs, net::UdpSocket, path::Path, process::Command};

use tempfile::TempDir;

use crate::{
    needs,
    support::{
        Mosquitto, Mozzie, Running, Scripted, Terminal, certs, mozzie, program_at, wait_until,
    },
};

const SECRET: &str = "hunter2 ünsafe";

/// A broker that wants this password, once.
fn wants_the_secret() -> Scripted {
    wants(SECRET)
}

fn wants(secret: &'static str) -> Scripted {
    Scripted::start(move |door| {
        let mut peer = door.accept();
        let connect = peer.welcome(false);
        assert!(connect.body.ends_with(secret.as_bytes()), "{connect:?}");
        peer.drain();
    })
}

/// `mozzie` on a terminal of its own, by script(1).
fn on_a_terminal(command: &str) -> Mozzie {
    let command = command.replacen("mozzie", env!("CARGO_BIN_EXE_mozzie"), 1);
    program_at(Path::new("/usr/bin/script"), "-qec")
        .arg(command)
        .arg("/dev/null")
}

fn answer(run: &mut Running, question: &str, keys: &str) {
    run.wait_for_stdout(question);
    run.write(keys);
}

#[test]
fn a_command_prints_the_password() {
    let broker = wants_the_secret();
    // The rest of what it prints is not the password, and stdin stays for the messages.
    let done = mozzie("pub -t a -l -u me -d")
        .at(broker.port)
        .option(
            "--password-command",
            format!("cat; printf '{SECRET}\\r\\nuser: x\\n'"),
        )
        .stdin("one\ntwo\n")
        .run();
    done.ends(0, "", &["'a'"]);
    broker.finish();
}

#[test]
fn a_command_that_fails_or_prints_nothing_is_2_and_named() {
    for (command, why) in [
        ("echo hunter2; exit 3", "exit status: 3"),
        ("kill -9 $$", "signal: 9"),
        ("true", "printed nothing"),
        ("no-such-program-at-all", "127"),
    ] {
        for option in ["--password-command", "--key-password-command"] {
            let done = mozzie("pub -t a -m x -u me -p 1 --insecure --key k --cert c")
                .option(option, command)
                .run();
            done.fails(2, &[option, why]);
            // only as a part of the command that was typed
            assert_eq!(
                done.stderr.matches("hunter2").count(),
                command.matches("hunter2").count(),
                "{done}"
            );
        }
    }
}

#[test]
fn the_terminal_asks_without_echo_and_is_left_as_it_was() {
    needs!("script");
    let broker = wants("hunter2");
    let mut run = on_a_terminal(&format!(
        "mozzie pub -h 127.0.0.1 -p {} -t a -m x -u me --password-prompt -q 0 && stty -a",
        broker.port
    ))
    .start();
    answer(&mut run, "Password of me: ", "hunterx\x7f2\r");
    run.wait_for_stdout(" echo ");
    let done = run.finish();
    assert_eq!(done.code(), Some(0), "{done}");
    let text = done.stdout_text();
    assert!(!text.contains("hunter"), "{done}");
    assert!(
        text.contains(" icanon ") && text.contains("isig "),
        "{done}"
    );
    broker.finish();
}

#[test]
fn ctrl_c_at_the_question_is_130_and_leaves_the_echo_on() {
    needs!("script");
    let mut run =
        on_a_terminal("mozzie pub -t a -m x -u me -p 1 --password-prompt; echo status=$?; stty -a")
            .start();
    answer(&mut run, "Password of me: ", "hunt\x03");
    run.wait_for_stdout("status=130");
    run.wait_for_stdout(" echo ");
    let done = run.finish();
    assert!(!done.stdout_text().contains("hunt"), "{done}");
}

#[test]
fn a_signal_at_the_question_leaves_the_echo_on() {
    needs!("script");
    for (signal, status) in [("TERM", 143), ("INT", 130)] {
        let run = on_a_terminal(
            "sh -c 'echo pid=$$.; exec mozzie pub -t a -m x -u me -p 1 --password-prompt'; \
             echo status=$?; stty -a",
        )
        .start();
        run.wait_for_stdout("Password of me: ");
        let printed = String::from_utf8_lossy(&run.printed()).into_owned();
        let pid = printed.split(['=', '.']).nth(1).unwrap();
        let killed = Command::new("kill").args(["-s", signal, pid]).status();
        assert!(killed.unwrap().success());
        run.wait_for_stdout(format!("status={status}"));
        run.wait_for_stdout(" echo ");
        run.finish();
    }
}

#[test]
fn a_signal_behind_the_question_ends_the_wait_for_a_pipe_or_a_name() {
    needs!("script", "mkfifo");
    let folder = TempDir::new().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let pipe = pipe.display();
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    for (signal, status, run) in [
        ("TERM", 143, format!("pub -t a -f {pipe}")),
        ("INT", 130, format!("pub -t a --json-lines -f {pipe}")),
        ("TERM", 143, format!("pub -t a -m x --unsent {pipe}")),
        ("INT", 130, format!("sub -t a --append {pipe}")),
        ("TERM", 143, format!("rr -t a -f {pipe}")),
        (
            "TERM",
            143,
            format!("rr -t a --serve --exec cat --cafile {pipe}"),
        ),
        ("INT", 130, format!("doctor --cafile {pipe}")),
        ("TERM", 143, format!("bench -f {pipe}")),
        ("INT", 130, format!("bench --csv {pipe}")),
        // not for a pipe, but for a name server
        ("TERM", 143, "bench -S -h example.org".to_owned()),
    ] {
        let mut running = on_a_terminal(&format!(
            "sh -c 'echo pid=$$.; exec mozzie {run} -u me --password-prompt'; echo status=$?"
        ))
        .env(
            "MOZZIE_NAMESERVER",
            silent.local_addr().unwrap().to_string(),
        )
        .start();
        answer(&mut running, "Password of me: ", "hunter2\r");
        // The terminal is given back.
        running.wait_for_stdout("Password of me: \r\n");
        let printed = String::from_utf8_lossy(&running.printed()).into_owned();
        let pid = printed.split(['=', '.']).nth(1).unwrap();
        let killed = Command::new("kill").args(["-s", signal, pid]).status();
        assert!(killed.unwrap().success(), "{run}");
        running.wait_for_stdout(format!("status={status}"));
        running.finish();
    }
}

#[test]
fn the_question_can_be_suspended_and_comes_again() {
    needs!("tmux", "bash");
    let broker = wants("hunter2");
    let program = Path::new(env!("CARGO_BIN_EXE_mozzie")).display();
    let terminal = Terminal::start(80, 24, "PS1='ready> ' exec bash --norc --noprofile -i");
    terminal.wait_for("bash asks", |screen| screen.trim_end() == "ready>");
    terminal.keys(&format!(
        "{program} pub -h 127.0.0.1 -p {} -t a -m x -u me --password-prompt\r",
        broker.port
    ));
    let asked = |times| {
        terminal.wait_for("the question", |screen| {
            screen.matches("Password of me:").count() == times
                && screen.trim_end().ends_with("Password of me:")
        });
    };
    asked(1);
    terminal.keys("wrong\x1a");
    terminal.wait_for("it has stopped", |screen| {
        screen.contains("Stopped") && screen.trim_end().ends_with("ready>")
    });
    terminal.keys("stty -a | grep -ow -e '-*echo'\r");
    terminal.wait_for("the echo", |screen| screen.contains("\necho\nready>"));
    terminal.keys("fg\r");
    asked(2);
    // A stop that comes as a signal: bash turns the echo on, fg does not turn it off.
    let pid = wait_until("its pid", || {
        let jobs = terminal.run("display-message -p -t it #{pane_pid}");
        let shell = String::from_utf8(jobs.stdout).ok()?;
        let children = format!("/proc/{0}/task/{0}/children", shell.trim());
        let child = fs::read_to_string(children).ok()?.trim().to_owned();
        (!child.is_empty()).then_some(child)
    });
    let stopped = Command::new("kill").args(["-s", "STOP", &pid]).status();
    assert!(stopped.unwrap().success());
    terminal.wait_for("it has stopped again", |screen| {
        screen.matches("Stopped").count() == 2 && screen.trim_end().ends_with("ready>")
    });
    terminal.keys("fg\r");
    asked(3);
    terminal.keys("hunter2\r");
    terminal.wait_for("the end", |screen| screen.trim_end().ends_with("ready>"));
    let screen = terminal.screen();
    assert!(!screen.contains("wrong") && !screen.contains("hunter"));
    broker.finish();
}

#[test]
fn nobody_is_asked_for_a_password_that_cannot_be_used() {
    // The same without a terminal: the question would come first.
    needs!("setsid");
    program_at(Path::new("/usr/bin/setsid"), "--wait")
        .arg(env!("CARGO_BIN_EXE_mozzie"))
        .args("pub -t a -m x -p 1 --password-prompt")
        .run()
        .fails(2, &["a password needs a user name"]);
}

#[test]
fn a_line_that_does_not_end_is_no_password() {
    mozzie("pub -t a -m x -u me --password-file -")
        .stdin_file(Path::new("/dev/zero"))
        .run()
        .fails(
            2,
            &["--password-file: the first line of stdin is longer than 65536"],
        );
}

#[test]
fn without_a_terminal_the_question_is_2() {
    needs!("setsid");
    program_at(Path::new("/usr/bin/setsid"), "--wait")
        .arg(env!("CARGO_BIN_EXE_mozzie"))
        .args("pub -t a -m x -u me -p 1 --password-prompt")
        .run()
        .fails(2, &["--password-prompt", "no terminal", "hint"]);
}

#[test]
fn the_passphrase_of_a_key_can_be_given_in_every_way() {
    needs!("mosquitto", "openssl", "script");
    let broker = Mosquitto::config().tls().client_certificates().start();
    let certs = certs();
    let passphrase = fs::read_to_string(certs.path("passphrase")).unwrap();
    let passphrase = passphrase.trim_end();
    let publish = || {
        mozzie(&format!("pub -h localhost -p {} -t a -m x", broker.port))
            .option("--cafile", certs.path("ca.crt"))
            .option("--cert", certs.path("client-ec.crt"))
            .option("--key", certs.path("client-ec-encrypted.key"))
    };
    publish()
        .option("--key-password", passphrase)
        .run()
        .prints("");
    publish()
        .env("MOZZIE_KEY_PASSWORD", passphrase)
        .run()
        .prints("");
    publish()
        .option(
            "--key-password-command",
            format!("cat {}", certs.path("passphrase").display()),
        )
        .run()
        .prints("");
    publish()
        .run()
        .fails(2, &["encrypted", "--key-password-prompt"]);
    let mut run = on_a_terminal(&format!(
        "mozzie pub -h localhost -p {} -t a -m x --key-password-prompt --cafile '{}' --cert '{}' --key '{}'",
        broker.port,
        certs.path("ca.crt").display(),
        certs.path("client-ec.crt").display(),
        certs.path("client-ec-encrypted.key").display(),
    ))
    .start();
    answer(&mut run, "Passphrase of ", &format!("{passphrase}\r"));
    let done = run.finish();
    assert_eq!(done.code(), Some(0), "{done}");
    assert!(!done.stdout_text().contains(passphrase), "{done}");
}

#[test]
fn one_secret_is_given_in_one_way() {
    for line in [
        "pub -t a -m x -P a --password-file f",
        "pub -t a -m x -P a --password-prompt",
        "pub -t a -m x --password-prompt --password-command c",
        "pub -t a -m x --key-password a --key-password-file f",
        "pub -t a -m x --key-password-file f --key-password-command c",
    ] {
        mozzie(line).run().fails(2, &["cannot be used with"]);
    }
    mozzie("pub -t a -m x -u me -p 1")
        .env("MOZZIE_PASSWORD", "hunter2")
        .env("MOZZIE_PASSWORD_FILE", "f")
        .run()
        .fails(2, &["MOZZIE_PASSWORD and MOZZIE_PASSWORD_FILE"]);
}

#[test]
fn bytes_that_are_no_text_are_a_password_too() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let broker = Scripted::start(|door| {
        for _ in 0..2 {
            let mut peer = door.accept();
            let connect = peer.welcome(false);
            assert!(connect.body.ends_with(b"\x00\x02\xff\xfe"), "{connect:?}");
            peer.drain();
        }
    });
    let bytes = OsStr::from_bytes(b"\xff\xfe");
    let publish = || mozzie("pub -t a -m x -u me").at(broker.port);
    publish().option("-P", bytes).run().prints("");
    publish().env("MOZZIE_PASSWORD", bytes).run().prints("");
    broker.finish();
}

#[test]
fn no_output_ever_has_a_secret_in_it() {
    needs!("mosquitto", "mosquitto_passwd");
    let broker = Mosquitto::config().users(&[("me", "hunter2")]).start();
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, "hunter2-wrong\n").unwrap();
    let port = broker.port;
    let url = format!("mqtt://me:hunter2-wrong@127.0.0.1:{port}/a");
    let login = |words: &str| mozzie(words).at(port).args("-u me");
    for tail in ["-d", "-d --json-errors", "--show-config"] {
        let runs = [
            login("pub -t a -m x").option("-P", "hunter2-wrong"),
            login("pub -t a -m x").option("--password-file", &file),
            login("pub -t a -m x").env("MOZZIE_PASSWORD", "hunter2-wrong"),
            login("sub -t a -V 5").env("MOZZIE_PASSWORD", "hunter2-wrong"),
            login("rr -t a -m x").option("-P", "hunter2-wrong"),
            mozzie("pub -m x").option("-L", &url),
            mozzie("pub -m x").env("MOZZIE_URL", &url),
            login("pub -t a -m x").option("--proxy", format!("http://me:hunter2@127.0.0.1:{port}")),
        ];
        for run in runs {
            let done = run.args(tail).run();
            assert_ne!(done.code(), Some(2), "{done}");
            let text = format!("{}{}", done.stderr, done.stdout_text());
            assert!(!text.contains("hunter2"), "{done}");
            assert!(
                !text.contains("aHVudGVy") && !text.contains("68756e74"),
                "{done}"
            );
        }
    }
}
