//! Option files: mosquitto's own, which its names read unasked, and `-o FILE`, which mozzie reads too.

use std::fs;

use tempfile::TempDir;

use crate::needs;
use crate::support::{Mozzie, Scripted, called, free_port, mozzie, theirs, wire};

/// Runs `program` against a broker that welcomes it; the topic, QoS and payload of what it publishes.
fn published(version5: bool, program: impl FnOnce(u16) -> Mozzie) -> Vec<(String, u8, Vec<u8>)> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let broker = Scripted::welcoming(move |peer| {
        let publishes = peer.drain();
        sender.send(publishes).unwrap();
    });
    program(broker.port).at(broker.port).run().prints("");
    broker.finish();
    let publishes = receiver.recv().unwrap();
    publishes
        .iter()
        .map(|p| (p.topic().to_owned(), p.qos(), p.payload(version5).to_vec()))
        .collect()
}

const FILE: &str = "# a comment\n-t from/file\n-q 1\n\n-m two words \"quoted\"\n";

#[test]
fn the_default_file_is_read_and_the_command_line_has_the_last_word() {
    needs!("mosquitto_pub");
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("mosquitto_pub"), FILE).unwrap();
    let home = TempDir::new().unwrap();
    fs::create_dir(home.path().join(".config")).unwrap();
    fs::write(home.path().join(".config/mosquitto_pub"), FILE).unwrap();
    let theirs = |words: &str| theirs("mosquitto_pub", words);
    let ours = |words: &str| called("mosquitto_pub", words);
    for tool in [&theirs as &dyn Fn(&str) -> Mozzie, &ours] {
        let xdg = published(false, |_| {
            tool("-q 0").env("XDG_CONFIG_HOME", folder.path())
        });
        let expected = b"two words \"quoted\"".to_vec();
        assert_eq!(xdg, [("from/file".to_owned(), 0, expected.clone())]);
        let home = published(false, |_| {
            tool("-t typed")
                .without_env("XDG_CONFIG_HOME")
                .env("HOME", home.path())
        });
        assert_eq!(home, [("typed".to_owned(), 1, expected)]);
    }
}

#[test]
fn a_property_cannot_stand_in_a_file_of_mosquittos() {
    let folder = TempDir::new().unwrap();
    let text = "-D publish content-type text/plain\n-t a\n-m b\n";
    fs::write(folder.path().join("mosquitto_pub"), text).unwrap();
    called("mosquitto_pub", "")
        .env("XDG_CONFIG_HOME", folder.path())
        .run()
        .ends(
            1,
            "",
            &["Error: --property argument given but not enough arguments specified."],
        );
}

#[test]
fn o_names_another_file_and_the_default_is_not_read() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("mosquitto_pub"), "--bogus\n").unwrap();
    let file = folder.path().join("other");
    fs::write(&file, FILE).unwrap();
    let publishes = published(false, |_| {
        called("mosquitto_pub", "-o")
            .arg(&file)
            .env("XDG_CONFIG_HOME", folder.path())
    });
    assert_eq!(publishes.len(), 1);
    assert_eq!(publishes[0].0, "from/file");
}

#[test]
fn natively_o_reads_a_file_with_properties_in_it() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("options");
    let text = "-t from/file\n-q 1\n-m x\n-D publish user-property a b c\n";
    fs::write(&file, text).unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    let broker = Scripted::welcoming(move |peer| sender.send(peer.drain()).unwrap());
    mozzie("pub -t typed -o")
        .arg(&file)
        .at(broker.port)
        .run()
        .prints("");
    broker.finish();
    let publishes = receiver.recv().unwrap();
    assert_eq!((publishes[0].topic(), publishes[0].qos()), ("typed", 1));
    let expected = [&[0x26][..], &wire::field("a"), &wire::field("b c")].concat();
    assert_eq!(publishes[0].properties_and_payload(true).0, expected);
}

#[test]
fn natively_an_error_in_an_option_file_names_the_file() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("options");
    for (text, what) in [
        ("--frob x", "options': unexpected argument '--frob'"),
        ("-q 7", "options': invalid value '7' for '--qos"),
        ("-t", "options': a value is required for '--topic"),
        (
            "-D publish foo bar",
            "options': invalid value 'publish foo bar'",
        ),
    ] {
        fs::write(&file, text).unwrap();
        mozzie("pub -t a -m x -o")
            .arg(&file)
            .run()
            .fails(2, &["error: -o '", what]);
    }
}

#[test]
fn natively_what_an_option_needs_may_stand_in_the_file_and_what_excludes_it_is_told() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("options");
    // Those that go on are refused by nobody but the broker that there is not.
    let port = free_port();
    for (typed, text, code, what) in [
        ("rr --serve -t a", "--exec cat", 3, "cannot connect"),
        ("rr --exec cat -t a", "--serve", 3, "cannot connect"),
        (
            "sub -t a --jobs 2 --on-error skip",
            "--exec cat",
            3,
            "cannot connect",
        ),
        (
            "rr --serve -t a",
            "-q 1",
            2,
            "error: the following required arguments were not provided: --exec",
        ),
        (
            "sub -t a",
            "--jobs 2",
            2,
            "options': the following required arguments were not provided: --exec",
        ),
        (
            "sub -t a --jobs 2 --frob",
            "--exec cat",
            2,
            "error: unexpected argument '--frob'",
        ),
        (
            "sub -t a --jobs 2 -v",
            "--json",
            2,
            "options': the argument '--json[=<form>]' cannot be used with '--verbose'",
        ),
        (
            "rr --serve -t a",
            "-m x",
            2,
            "options': the argument '--message <text>' cannot be used with '--serve'",
        ),
        (
            "pub -t a -n",
            "-m x",
            2,
            "options': the argument '--message <text>' cannot be used with '--null-message'",
        ),
    ] {
        fs::write(&file, text).unwrap();
        mozzie(typed)
            .option("-o", &file)
            .at(port)
            .run()
            .fails(code, &[what]);
    }
}

#[test]
fn natively_no_file_is_read_unasked() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("mosquitto_pub"), FILE).unwrap();
    mozzie("pub")
        .env("XDG_CONFIG_HOME", folder.path())
        .run()
        .fails(2, &["no topic given"]);
    mozzie("pub -o /nowhere")
        .run()
        .fails(2, &["-o: cannot read '/nowhere'"]);
}
