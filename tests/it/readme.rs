//! The ten examples of the README, as they stand there.

use std::{fs, path::Path};

use tempfile::TempDir;

use crate::{
    needs,
    support::{Client, Mosquitto, Mozzie, program_at},
};

/// The lines below "## Ten examples", without the comments.
fn examples() -> Vec<String> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let (_, rest) = readme.split_once("\n## Ten examples\n").unwrap();
    let (_, block) = rest.split_once("```sh\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let comments = block.lines().filter(|line| line.starts_with("# "));
    assert_eq!(comments.count(), 10, "ten examples");
    block
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with("# "))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_ten_examples_do_what_they_say() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("app.log"), "first\nsecond\n").unwrap();
    let programs = Path::new(env!("CARGO_BIN_EXE_mozzie")).parent().unwrap();
    let mut lines = examples().into_iter();
    let mut next = || -> Mozzie {
        program_at(Path::new("/bin/sh"), "-c")
            .arg(lines.next().unwrap())
            .env("PATH", format!("{}:/usr/bin:/bin", programs.display()))
            .env("MOZZIE_HOST", "127.0.0.1")
            .env("MOZZIE_PORT", broker.port.to_string())
            .in_folder(folder.path())
    };
    let mut seen = Client::observing(broker.port, "#");
    let mut publisher = Client::connect(broker.port);
    // Those of the observer.
    let mut subscriptions = 2;
    let mut subscribed = || {
        subscriptions += 1;
        broker.subscribed(subscriptions);
    };
    let mut comes = |topic: &str, payload: &str| {
        let message = seen.next();
        assert_eq!(
            (message.topic.as_str(), message.payload.as_slice()),
            (topic, payload.as_bytes())
        );
    };

    next().run().prints("");
    comes("mozzie/hello", "hello");

    next().run().prints("");
    comes("logs/app", "first");
    comes("logs/app", "second");

    let five = next().start();
    subscribed();
    for n in 1..=5 {
        let tree = if n % 2 == 0 { "garden" } else { "home" };
        publisher.publish(&format!("{tree}/{n}"), n.to_string(), 0, false);
        comes(&format!("{tree}/{n}"), &n.to_string());
    }
    five.finish()
        .prints("home/1 1\ngarden/2 2\nhome/3 3\ngarden/4 4\nhome/5 5\n");

    let three = next().start();
    subscribed();
    for n in 1..=3 {
        publisher.publish("home/x", n.to_string(), 0, false);
        comes("home/x", &n.to_string());
    }
    three.finish().prints("");
    next().run().prints("");
    for n in 1..=3 {
        comes("copy/x", &n.to_string());
    }

    next().run().prints("");
    comes("home/a", "1");
    comes("home/b", "2");
    next().run().prints("home/a 1\nhome/b 2\n");
    next().run().status(0);
    comes("home/a", "");
    comes("home/b", "");
    subscribed();
    subscribed();

    next().run().prints("");
    comes("t", "{}");

    let service = next().start();
    subscribed();
    next().run().prints("HELLO\n");
    service.finish().status(0);

    let done = next().run();
    done.status(0);
    assert!(done.stdout_text().contains("retained   ok"), "{done}");
    assert!(lines.next().is_none());
}
