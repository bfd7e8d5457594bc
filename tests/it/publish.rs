//! `mozzie pub`: one message from an argument, a file or stdin, repeated or not, at every QoS.

use std::{fs, time::Instant};

use tempfile::TempDir;

use crate::{
    needs,
    support::{Client, Mosquitto, VERSIONS, mozzie},
};

#[test]
fn a_message_arrives_as_typed_in_every_version_and_qos_and_nothing_is_printed() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let mut observer = Client::observing(broker.port, "p/#");
    for version in ["31", "311", "5"] {
        for qos in [0, 1, 2] {
            let topic = format!("p/{version}/{qos}");
            mozzie("pub -i me -m hällo")
                .at(broker.port)
                .version(version)
                .args(&format!("-t {topic} -q {qos}"))
                .run()
                .prints("");
            let message = observer.next();
            assert_eq!((message.topic, message.payload), (topic, "hällo".into()));
            assert_eq!((message.qos, message.retain), (qos, false));
        }
    }
}

#[test]
fn every_spelling_of_a_version_is_that_version() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let spellings = [
        ("31 3.1 mqttv31", "p1"),
        ("311 3.1.1 mqttv311", "p2"),
        ("5 5.0 mqttv5", "p5"),
    ];
    for (names, logged) in spellings {
        for name in names.split(' ') {
            let id = format!("spelled-{name}");
            mozzie("pub -t a -m x")
                .at(broker.port)
                .version(name)
                .args(&format!("-i {id}"))
                .run()
                .prints("");
            let log = broker.log_text();
            let line = log
                .lines()
                .find(|line| line.contains(&format!("as {id} ")))
                .expect("the broker logs the client");
            assert!(line.contains(&format!("({logged},")), "{name}: {line}");
        }
    }
}

#[test]
fn the_default_version_is_3_1_1_and_an_option_of_mqtt_5_switches_to_5() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    mozzie("pub -t a -m x -i plain")
        .at(broker.port)
        .run()
        .prints("");
    mozzie("pub -t a -m x -i expiring -x 10")
        .at(broker.port)
        .run()
        .prints("");
    mozzie("pub -t a -m x -i typed -D publish content-type text/plain")
        .at(broker.port)
        .run()
        .prints("");
    let log = broker.log_text();
    assert!(log.contains("as plain (p2,"), "{log}");
    assert!(log.contains("as expiring (p5,"), "{log}");
    assert!(log.contains("as typed (p5,"), "{log}");
}

#[test]
fn a_file_arrives_byte_for_byte() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let mut observer = Client::observing(broker.port, "f");
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("with blanks and ü.bin");
    let every_byte: Vec<u8> = (0..=255).cycle().take(256 * 1024).collect();
    for (content, qos) in [
        (every_byte.as_slice(), 1),
        (b"", 0),
        (b"no newline", 2),
        (b"a\r\n\r\n\0b\n", 1),
    ] {
        fs::write(&file, content).unwrap();
        mozzie("pub -t f")
            .at(broker.port)
            .args(&format!("-q {qos}"))
            .option("-f", &file)
            .run()
            .prints("");
        assert!(
            observer.next().payload == content,
            "{} bytes arrive unchanged",
            content.len()
        );
    }
}

#[test]
fn ten_mebibytes_arrive_byte_for_byte() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let mut observer = Client::observing(broker.port, "big");
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("big");
    let big: Vec<u8> = (0..10 << 20).map(|n: u32| (n ^ n >> 7) as u8).collect();
    fs::write(&file, &big).unwrap();
    for version in VERSIONS {
        mozzie("pub -t big -q 1")
            .at(broker.port)
            .version(version)
            .option("-f", &file)
            .run()
            .prints("");
        assert!(
            observer.next().payload == big,
            "ten mebibytes arrive unchanged over {version}"
        );
    }
    mozzie("pub -t big -q 2 -s")
        .at(broker.port)
        .stdin(&big)
        .run()
        .prints("");
    assert!(
        observer.next().payload == big,
        "ten mebibytes of stdin arrive unchanged"
    );
}

#[test]
fn stdin_is_one_message_with_s() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let mut observer = Client::observing(broker.port, "s");
    for content in [&b"one\ntwo\n"[..], b"\0\xff\xfe\r\n", b"x"] {
        mozzie("pub -t s -s -q 1")
            .at(broker.port)
            .stdin(content)
            .run()
            .prints("");
        assert_eq!(observer.next().payload, content);
    }
}

#[test]
fn n_publishes_an_empty_message_and_r_retains() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let mut observer = Client::observing(broker.port, "n");
    mozzie("pub -t n -m kept -r")
        .at(broker.port)
        .run()
        .prints("");
    let message = observer.next();
    assert_eq!(
        (message.payload.as_slice(), message.retain),
        (&b"kept"[..], true)
    );
    assert_eq!(Client::observing(broker.port, "n").next().payload, b"kept");

    mozzie("pub -t n -n -r").at(broker.port).run().prints("");
    assert!(observer.next().payload.is_empty());
    assert!(
        Client::observing(broker.port, "n")
            .until_now(broker.port)
            .is_empty(),
        "the retained message is gone"
    );
}

#[test]
fn an_empty_m_is_an_empty_message() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let mut observer = Client::observing(broker.port, "n");
    mozzie("pub -t n")
        .at(broker.port)
        .option("-m", "")
        .run()
        .prints("");
    assert!(observer.next().payload.is_empty());
}

#[test]
fn a_message_may_begin_with_a_hyphen() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let mut observer = Client::observing(broker.port, "n");
    for text in ["-17.5", "-m", "--help", "- "] {
        mozzie("pub -t n")
            .at(broker.port)
            .option("-m", text)
            .run()
            .prints("");
        assert_eq!(observer.next().payload, text.as_bytes());
    }
}

#[test]
fn repeat_sends_that_often_and_waits_the_delay_between() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let mut observer = Client::observing(broker.port, "rep");
    for qos in [0, 1, 2] {
        let start = Instant::now();
        mozzie("pub -t rep -m x --repeat 4 --repeat-delay 0.1")
            .at(broker.port)
            .args(&format!("-q {qos}"))
            .run()
            .prints("");
        let took = start.elapsed().as_secs_f64();
        assert_eq!(observer.payloads(4), [b"x", b"x", b"x", b"x"]);
        assert!(
            (0.29..2.0).contains(&took),
            "four messages with 0.1 s between took {took} s"
        );
    }
    assert!(
        observer.until_now(broker.port).is_empty(),
        "no more than asked"
    );
    mozzie("pub -t rep -m y --repeat 50 -q 2")
        .at(broker.port)
        .run()
        .prints("");
    assert_eq!(observer.payloads(50), vec![b"y"; 50]);
}

#[test]
fn a_password_can_come_from_a_file_from_stdin_and_from_the_environment() {
    needs!("mosquitto", "mosquitto_passwd");
    let broker = Mosquitto::config()
        .users(&[("alice", "s3cret pass")])
        .start();
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, "s3cret pass\n").unwrap();
    let publish = || mozzie("pub -t a -m x -u alice").at(broker.port);
    publish().option("-P", "s3cret pass").run().prints("");
    publish().option("--pw", "s3cret pass").run().prints("");
    publish().option("--password-file", &file).run().prints("");
    publish()
        .args("--password-file -")
        .stdin("s3cret pass\n")
        .run()
        .prints("");
    publish()
        .env("MOZZIE_PASSWORD", "s3cret pass")
        .run()
        .prints("");
    publish()
        .env("MOZZIE_PASSWORD", "s3cret pass")
        .option("-P", "wrong")
        .run()
        .fails(4, &["not authorized"]);
}
