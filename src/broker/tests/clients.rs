//! Mosquitto's clients against the broker.

use super::*;

/// `false`, said aloud, where mosquitto's clients are missing.
pub(super) fn mosquitto_is_here() -> bool {
    let missing = ["mosquitto_pub", "mosquitto_sub"]
        .iter()
        .find(|name| Command::new(name).arg("--help").output().is_err());
    if let Some(name) = missing {
        assert!(std::env::var_os("CI").is_none(), "{name} is missing");
        eprintln!("SKIPPED: {name} is missing");
    }
    missing.is_none()
}

pub(super) fn client(name: &str, broker: &EmbeddedBroker, arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    command
        .args([
            "-h",
            "127.0.0.1",
            "-p",
            &broker.address().port().to_string(),
        ])
        .args(arguments);
    command
}

/// Publishes and waits for its end; `lines` go to stdin for `-l` and `-s`.
pub(super) fn publish(broker: &EmbeddedBroker, arguments: &[&str], input: &[u8]) {
    let mut child = client("mosquitto_pub", broker, arguments)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    assert!(
        child.wait().unwrap().success(),
        "mosquitto_pub {arguments:?}"
    );
}

/// A `mosquitto_sub` whose subscription the broker has granted, to end after so many messages.
pub(super) struct Subscriber {
    pub(super) child: Child,
    stdout: Option<BufReader<ChildStdout>>,
}

impl Subscriber {
    /// It says that it is subscribed, but into a buffer; a message it prints at once. So it gets a retained one, and
    /// the first line is that.
    pub(super) fn start(broker: &EmbeddedBroker, arguments: &[&str], count: usize) -> Subscriber {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let ready = format!("ready/{}", STARTED.fetch_add(1, SeqCst));
        let mut herald = Wire::connect(broker, &ready, true).0;
        let mut body = Vec::new();
        string(&mut body, ready.as_bytes());
        body.push(b'!');
        herald.send(0x31, &body);
        herald.ping();
        let mut child = client("mosquitto_sub", broker, arguments)
            .args(["-t", &ready, "-C", &(count + 1).to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        assert_ne!(
            stdout.read_line(&mut String::new()).unwrap(),
            0,
            "mosquitto_sub {arguments:?} ended early"
        );
        Subscriber {
            child,
            stdout: Some(stdout),
        }
    }

    pub(super) fn lines(mut self) -> Vec<String> {
        let stdout = self.stdout.take().unwrap();
        let (done, lines) = mpsc::channel();
        std::thread::spawn(move || done.send(stdout.lines().map(Result::unwrap).collect()));
        lines
            .recv_timeout(DEADLINE)
            .expect("the subscriber got all it waits for")
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
