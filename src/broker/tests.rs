//! The embedded broker as clients meet it: mosquitto's for what they can do, bytes on a socket for the rest.
//!
//! Without `mosquitto_pub` and `mosquitto_sub` the tests that need them are skipped aloud, and fail where `CI` is set.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::*;

const VERSIONS: [&str; 3] = ["mqttv31", "mqttv311", "mqttv5"];

/// For everything that is to happen soon. Only a broken broker takes it.
const DEADLINE: Duration = Duration::from_secs(60);

fn broker() -> EmbeddedBroker {
    EmbeddedBroker::start(&BrokerPlan::default()).unwrap()
}

/// `false`, said aloud, where mosquitto's clients are missing.
fn mosquitto_is_here() -> bool {
    let missing = ["mosquitto_pub", "mosquitto_sub"]
        .iter()
        .find(|name| Command::new(name).arg("--help").output().is_err());
    if let Some(name) = missing {
        assert!(std::env::var_os("CI").is_none(), "{name} is missing");
        eprintln!("SKIPPED: {name} is missing");
    }
    missing.is_none()
}

fn client(name: &str, broker: &EmbeddedBroker, arguments: &[&str]) -> Command {
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
fn publish(broker: &EmbeddedBroker, arguments: &[&str], input: &[u8]) {
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
struct Subscriber {
    child: Child,
    stdout: Option<BufReader<ChildStdout>>,
}

impl Subscriber {
    /// It says that it is subscribed, but into a buffer; a message it prints at once. So it gets a retained one, and
    /// the first line is that.
    fn start(broker: &EmbeddedBroker, arguments: &[&str], count: usize) -> Subscriber {
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

    fn lines(mut self) -> Vec<String> {
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

/// Bytes to and from the broker.
struct Wire(TcpStream);

impl Wire {
    fn open(broker: &EmbeddedBroker) -> Wire {
        let stream = TcpStream::connect(broker.address()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Wire(stream)
    }

    /// A 3.1.1 client; keep alive is off.
    fn connect(broker: &EmbeddedBroker, id: &str, clean_session: bool) -> (Wire, Vec<u8>) {
        let mut wire = Wire::open(broker);
        let mut body = b"\x00\x04MQTT\x04".to_vec();
        body.extend([u8::from(clean_session) << 1, 0, 0]);
        string(&mut body, id.as_bytes());
        wire.send(0x10, &body);
        let (kind, connack) = wire.packet();
        assert_eq!((kind, connack[1]), (0x20, 0), "CONNACK");
        (wire, connack)
    }

    /// An MQTT 5 client with the given properties.
    fn connect_v5(broker: &EmbeddedBroker, id: &str, properties: &[u8]) -> (Wire, Vec<u8>) {
        let mut wire = Wire::open(broker);
        let mut body = b"\x00\x04MQTT\x05\x02\x00\x00".to_vec();
        body.push(u8::try_from(properties.len()).unwrap());
        body.extend(properties);
        string(&mut body, id.as_bytes());
        wire.send(0x10, &body);
        let (kind, connack) = wire.packet();
        assert_eq!((kind, connack[1]), (0x20, 0), "CONNACK");
        (wire, connack)
    }

    fn send(&mut self, kind: u8, body: &[u8]) {
        let mut packet = vec![kind];
        let mut length = body.len();
        loop {
            let byte = u8::try_from(length % 128).unwrap();
            length /= 128;
            packet.push(if length > 0 { byte | 0x80 } else { byte });
            if length == 0 {
                break;
            }
        }
        packet.extend(body);
        self.0.write_all(&packet).unwrap();
    }

    fn packet(&mut self) -> (u8, Vec<u8>) {
        let mut byte = [0];
        self.0.read_exact(&mut byte).unwrap();
        let kind = byte[0];
        let (mut length, mut shift) = (0, 0);
        loop {
            self.0.read_exact(&mut byte).unwrap();
            length |= usize::from(byte[0] & 0x7f) << shift;
            shift += 7;
            if byte[0] & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        (kind, body)
    }

    /// Sends DISCONNECT and waits until the broker has closed.
    fn leave(mut self) {
        self.send(0xe0, &[]);
        self.0.shutdown(Shutdown::Write).unwrap();
        assert!(self.is_closed());
    }

    fn subscribe(&mut self, filter: &str, qos: u8) {
        let mut body = vec![0, 1];
        string(&mut body, filter.as_bytes());
        body.push(qos);
        self.send(0x82, &body);
        assert_eq!(self.packet(), (0x90, vec![0, 1, qos]), "SUBACK");
    }

    fn subscribe_v5(&mut self, properties: &[u8], filter: &str) {
        let mut body = vec![0, 1, u8::try_from(properties.len()).unwrap()];
        body.extend(properties);
        string(&mut body, filter.as_bytes());
        body.push(0);
        self.send(0x82, &body);
        assert_eq!(self.packet(), (0x90, vec![0, 1, 0, 0]), "SUBACK");
    }

    fn publish(&mut self, topic: &str, payload: &[u8]) {
        let mut body = Vec::new();
        string(&mut body, topic.as_bytes());
        body.extend(payload);
        self.send(0x30, &body);
    }

    /// Publishes 0, 1, 2 … in windows of unacknowledged messages, and waits for every acknowledgement.
    ///
    /// `mosquitto_pub -l` does not: it leaves before its messages have at QoS 1 and 2.
    fn publish_numbers(&mut self, topic: &str, qos: u8, count: usize) {
        const WINDOW: usize = 2_000;
        for window in (0..count).step_by(WINDOW) {
            let numbers = window..count.min(window + WINDOW);
            let mut packets = Vec::new();
            for number in numbers.clone() {
                let mut body = Vec::new();
                string(&mut body, topic.as_bytes());
                body.extend(id(number - window));
                body.extend(number.to_string().as_bytes());
                packets.extend([0x30 | qos << 1, u8::try_from(body.len()).unwrap()]);
                packets.extend(body);
            }
            self.0.write_all(&packets).unwrap();
            let answer = if qos == 1 { 0x40 } else { 0x50 };
            for number in numbers.clone() {
                assert_eq!(self.packet(), (answer, id(number - window).to_vec()));
            }
            if qos == 2 {
                let releases = numbers.clone().flat_map(|number| {
                    let [high, low] = id(number - window);
                    [0x62, 2, high, low]
                });
                self.0.write_all(&releases.collect::<Vec<_>>()).unwrap();
                for number in numbers {
                    assert_eq!(self.packet(), (0x70, id(number - window).to_vec()));
                }
            }
        }
    }

    /// A round trip through the broker: all that was sent before has been read.
    fn ping(&mut self) {
        self.send(0xc0, &[]);
        assert_eq!(self.packet(), (0xd0, vec![]), "PINGRESP");
    }

    fn is_closed(&mut self) -> bool {
        match self.0.read(&mut [0]) {
            Ok(read) => read == 0,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

fn string(body: &mut Vec<u8>, text: &[u8]) {
    body.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
    body.extend(text);
}

fn id(number: usize) -> [u8; 2] {
    u16::try_from(number + 1).unwrap().to_be_bytes()
}

fn numbers(count: usize) -> String {
    (0..count).map(|number| format!("{number}\n")).collect()
}

#[test]
fn every_version_delivers_at_every_qos() {
    if !mosquitto_is_here() {
        return;
    }
    let broker = broker();
    for from in VERSIONS {
        for to in VERSIONS {
            for qos in ["0", "1", "2"] {
                let subscriber = Subscriber::start(
                    &broker,
                    &["-V", to, "-q", qos, "-t", "a/+", "-F", "%t %q %p"],
                    1,
                );
                publish(
                    &broker,
                    &["-V", from, "-q", qos, "-t", "a/b", "-m", "hello"],
                    b"",
                );
                assert_eq!(
                    subscriber.lines(),
                    [format!("a/b {qos} hello")],
                    "{from} to {to}"
                );
            }
        }
    }
}

#[test]
fn retained_messages_come_with_the_subscription_until_they_are_cleared() {
    if !mosquitto_is_here() {
        return;
    }
    let broker = broker();
    for version in VERSIONS {
        let kept = format!("kept/{version}");
        publish(
            &broker,
            &["-V", version, "-r", "-q", "1", "-t", &kept, "-m", "old"],
            b"",
        );
        publish(
            &broker,
            &["-V", version, "-r", "-q", "1", "-t", &kept, "-m", "new"],
            b"",
        );
        let arguments = ["-V", version, "-t", "kept/#", "-C", "1", "-F", "%t %r %p"];
        let output = client("mosquitto_sub", &broker, &arguments)
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            format!(
                "{kept} 1 new
"
            )
        );
        publish(
            &broker,
            &["-V", version, "-r", "-q", "1", "-t", &kept, "-n"],
            b"",
        );
        let subscriber =
            Subscriber::start(&broker, &["-V", version, "-t", "kept/#", "-F", "%r %p"], 1);
        publish(&broker, &["-t", &kept, "-m", "live"], b"");
        assert_eq!(subscriber.lines(), ["0 live"]);
    }
}

#[test]
fn a_retained_message_is_sent_with_what_is_left_of_its_life() {
    let broker = broker();
    let (mut publisher, _) = Wire::connect_v5(&broker, "publisher", &[]);
    // Message expiry interval, 60 s, retained at QoS 0.
    publisher.send(0x31, b"\x00\x01t\x05\x02\x00\x00\x00\x3cx");
    publisher.ping();
    std::thread::sleep(Duration::from_millis(1_100));
    let (mut subscriber, _) = Wire::connect_v5(&broker, "subscriber", &[]);
    subscriber.subscribe_v5(&[], "t");
    let (kind, body) = subscriber.packet();
    assert_eq!(kind, 0x31);
    assert_eq!(body[..5], *b"\x00\x01t\x05\x02");
    let left = u32::from_be_bytes(body[5..9].try_into().unwrap());
    assert!((30..60).contains(&left), "{left} s are left");
}

#[test]
fn the_will_of_a_client_that_vanishes_is_sent() {
    if !mosquitto_is_here() {
        return;
    }
    let broker = broker();
    for version in VERSIONS {
        let watcher = Subscriber::start(&broker, &["-V", version, "-t", "will"], 1);
        let will = [
            "-V",
            version,
            "-t",
            "x",
            "--will-topic",
            "will",
            "--will-payload",
            version,
        ];
        let mut mortal = Subscriber::start(&broker, &will, 1);
        mortal.child.kill().unwrap();
        assert_eq!(watcher.lines(), [version]);
    }
}

#[test]
fn a_will_asked_for_on_disconnect_is_sent() {
    let broker = broker();
    for (reason, sent) in [(0x04, true), (0x00, false)] {
        let (mut watcher, _) = Wire::connect(&broker, "watcher", true);
        watcher.subscribe("w", 0);
        let mut mortal = Wire::open(&broker);
        mortal.send(
            0x10,
            b"\x00\x04MQTT\x05\x06\x00\x00\x00\x00\x01m\x00\x00\x01w\x00\x04last",
        );
        assert_eq!(mortal.packet().0, 0x20);
        mortal.send(0xe0, &[reason, 0]);
        mortal.0.shutdown(Shutdown::Write).unwrap();
        assert!(mortal.is_closed());
        if sent {
            assert_eq!(watcher.packet(), (0x30, b"\x00\x01wlast".to_vec()));
        } else {
            // Whatever the broker does about the one that left, it has done before it lets it in again.
            drop(Wire::connect_v5(&broker, "m", &[]));
            watcher.ping();
        }
    }
}

#[test]
fn a_shared_subscription_is_served_in_turns() {
    let broker = broker();
    let mut members: Vec<_> = ["one", "two", "three"]
        .map(|id| Wire::connect(&broker, id, true).0)
        .into();
    for member in &mut members {
        member.subscribe("$share/group/t", 0);
    }
    let (mut publisher, _) = Wire::connect(&broker, "publisher", true);
    for _ in 0..30 {
        publisher.publish("t", b"x");
    }
    for member in &mut members {
        for _ in 0..10 {
            assert_eq!(member.packet().0, 0x30);
        }
        member.ping();
    }
}

#[test]
fn a_shared_subscription_leaves_out_who_is_away() {
    let broker = broker();
    let (mut away, _) = Wire::connect(&broker, "away", false);
    away.subscribe("$share/group/t", 1);
    away.leave();
    let (mut here, _) = Wire::connect(&broker, "here", true);
    here.subscribe("$share/group/t", 0);
    let (mut publisher, _) = Wire::connect(&broker, "publisher", true);
    for _ in 0..10 {
        publisher.publish("t", b"x");
    }
    for _ in 0..10 {
        assert_eq!(here.packet().0, 0x30);
    }
}

#[test]
fn a_session_keeps_what_is_published_while_its_client_is_away() {
    if !mosquitto_is_here() {
        return;
    }
    let broker = broker();
    for version in VERSIONS {
        let topic = format!("queue/{version}");
        let mut session = vec!["-V", version, "-c", "-i", version, "-q", "1", "-t", &topic];
        let first = client("mosquitto_sub", &broker, &session)
            .arg("-E")
            .status();
        assert!(first.unwrap().success());
        Wire::connect(&broker, "publisher", true)
            .0
            .publish_numbers(&topic, 1, 2_000);
        session.extend(["-C", "2000"]);
        let output = client("mosquitto_sub", &broker, &session).output().unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            numbers(2_000),
            "{version}"
        );
    }
}

#[test]
fn unacknowledged_messages_come_again_in_their_order() {
    let broker = broker();
    let (mut subscriber, _) = Wire::connect(&broker, "subscriber", false);
    subscriber.subscribe("t", 1);
    let (mut publisher, _) = Wire::connect(&broker, "publisher", true);
    for number in 1..=5 {
        publisher.send(0x32, &[0, 1, b't', 0, number, number]);
        assert_eq!(publisher.packet(), (0x40, vec![0, number]));
    }
    for number in 1..=5 {
        assert_eq!(
            subscriber.packet(),
            (0x32, vec![0, 1, b't', 0, number, number])
        );
    }
    drop(subscriber);
    let (mut subscriber, connack) = Wire::connect(&broker, "subscriber", false);
    assert_eq!(connack, [1, 0], "the session is present");
    for number in 1..=5 {
        assert_eq!(
            subscriber.packet(),
            (0x3a, vec![0, 1, b't', 0, number, number])
        );
    }
}

/// Reads a hundred messages in one connection, leaves it behind, reads on in the next.
fn nothing_is_lost_between_connections(leave: impl Fn(Wire)) {
    const COUNT: usize = 20_000;
    let broker = broker();
    let (mut subscriber, _) = Wire::connect(&broker, "subscriber", false);
    subscriber.subscribe("t", 1);
    let (mut publisher, _) = Wire::connect(&broker, "publisher", true);
    let publishing = std::thread::spawn(move || publisher.publish_numbers("t", 1, COUNT));
    let mut missing: std::collections::BTreeSet<usize> = (0..COUNT).collect();
    let start = Instant::now();
    while !missing.is_empty() {
        for _ in 0..missing.len().min(100) {
            let next = subscriber.0.peek(&mut [0]);
            assert!(
                next.is_ok(),
                "{} are missing, from {:?}",
                missing.len(),
                missing.first()
            );
            let (_, body) = subscriber.packet();
            subscriber.send(0x40, &body[3..5]);
            missing.remove(&std::str::from_utf8(&body[5..]).unwrap().parse().unwrap());
        }
        leave(subscriber);
        subscriber = Wire::connect(&broker, "subscriber", false).0;
        // Each connection comes a little further, or nothing is left to come.
        subscriber.0.set_read_timeout(Some(DEADLINE / 6)).unwrap();
        assert!(start.elapsed() < DEADLINE, "{} are missing", missing.len());
    }
    publishing.join().unwrap();
}

#[test]
fn nothing_is_lost_when_a_connection_breaks() {
    nothing_is_lost_between_connections(drop);
}

#[test]
fn nothing_is_lost_when_a_session_is_taken_over() {
    let left = std::sync::Mutex::new(Vec::new());
    nothing_is_lost_between_connections(|wire| left.lock().unwrap().push(wire));
}

#[test]
fn a_second_client_with_the_same_id_takes_over() {
    let broker = broker();
    let (mut first, _) = Wire::connect(&broker, "same", true);
    let (mut second, _) = Wire::connect(&broker, "same", true);
    assert!(first.is_closed());
    second.ping();
    let (mut third, _) = Wire::connect_v5(&broker, "same", &[]);
    assert!(second.is_closed());
    third.ping();
}

#[test]
fn a_message_from_a_3_1_1_client_carries_what_mqtt_5_subscribers_need() {
    let broker = broker();
    // Topic alias maximum, 5.
    let (mut subscriber, _) = Wire::connect_v5(&broker, "subscriber", b"\x22\x00\x05");
    // Subscription identifier, 7.
    subscriber.subscribe_v5(b"\x0b\x07", "t");
    let (mut publisher, _) = Wire::connect(&broker, "publisher", true);
    publisher.publish("t", b"x");
    publisher.publish("t", b"y");
    let (_, first) = subscriber.packet();
    assert!(
        first.starts_with(b"\x00\x01t\x05") && first.ends_with(b"x"),
        "{first:?}"
    );
    let (_, second) = subscriber.packet();
    assert!(
        second.starts_with(b"\x00\x00\x05") && second.ends_with(b"y"),
        "{second:?}"
    );
    for message in [first, second] {
        let has = |property: &[u8]| {
            message
                .windows(property.len())
                .any(|window| window == property)
        };
        assert!(has(b"\x0b\x07") && has(b"\x23\x00\x01"), "{message:?}");
    }
}

#[test]
fn ten_mebibytes_arrive_whole_at_every_qos() {
    if !mosquitto_is_here() {
        return;
    }
    let broker = broker();
    let payload: Vec<u8> = (0..10 * 1024 * 1024_u32)
        .map(|n| b'a' + u8::try_from(n / 7 % 26).unwrap())
        .collect();
    for (version, qos) in [("mqttv31", "0"), ("mqttv311", "1"), ("mqttv5", "2")] {
        let subscriber = Subscriber::start(&broker, &["-V", version, "-q", qos, "-t", "large"], 1);
        publish(
            &broker,
            &["-V", version, "-q", qos, "-t", "large", "-s"],
            &payload,
        );
        let lines = subscriber.lines();
        assert!(
            lines.len() == 1 && lines[0].as_bytes() == payload,
            "{version}"
        );
    }
}

fn flood(qos: u8, count: usize) {
    let broker = broker();
    let subscriber = Subscriber::start(&broker, &["-q", &qos.to_string(), "-t", "flood"], count);
    if qos == 0 {
        publish(&broker, &["-t", "flood", "-l"], numbers(count).as_bytes());
    } else {
        Wire::connect(&broker, "publisher", true)
            .0
            .publish_numbers("flood", qos, count);
    }
    let received = subscriber.lines().join("\n");
    assert!(
        received == numbers(count).trim_end(),
        "something was lost, repeated or reordered"
    );
}

#[test]
fn a_flood_at_qos_0_loses_nothing() {
    if mosquitto_is_here() {
        flood(0, 200_000);
    }
}

#[test]
fn a_flood_at_qos_1_loses_nothing() {
    if mosquitto_is_here() {
        flood(1, 200_000);
    }
}

#[test]
fn a_flood_at_qos_2_loses_nothing() {
    if mosquitto_is_here() {
        flood(2, 50_000);
    }
}

#[test]
fn a_slow_subscriber_slows_its_publisher_and_loses_nothing() {
    const COUNT: u32 = 2_000;
    let broker = broker();
    let (mut subscriber, _) = Wire::connect(&broker, "subscriber", true);
    subscriber.subscribe("t", 0);
    let (mut publisher, _) = Wire::connect(&broker, "publisher", true);
    let sender = std::thread::spawn(move || {
        let mut payload = vec![0; 64 * 1024];
        for number in 0..COUNT {
            payload[..4].copy_from_slice(&number.to_be_bytes());
            publisher.publish("t", &payload);
        }
        Instant::now()
    });
    let start = Instant::now();
    for number in 0..COUNT {
        // Never silent for as long as the broker's patience, but slower than a second in all.
        if number % 50 == 0 {
            std::thread::sleep(Duration::from_millis(30));
        }
        let (_, body) = subscriber.packet();
        assert_eq!(body[3..7], number.to_be_bytes());
    }
    // 125 MiB do not fit into the 16 MiB before congestion and the sockets' buffers.
    let sent_after = sender.join().unwrap() - start;
    assert!(
        sent_after > start.elapsed() / 2,
        "all was sent after {sent_after:?} of {:?}",
        start.elapsed()
    );
}

#[test]
fn a_subscriber_that_never_reads_costs_its_publisher_a_moment_and_the_broker_a_bounded_queue() {
    let max_queue_bytes = 32 * 1024 * 1024;
    let broker = EmbeddedBroker::start(&BrokerPlan {
        max_queue_bytes,
        ..BrokerPlan::default()
    })
    .unwrap();
    let (mut deaf, _) = Wire::connect(&broker, "deaf", true);
    deaf.subscribe("t", 0);
    let (mut publisher, _) = Wire::connect(&broker, "publisher", true);
    let payload = vec![0; 64 * 1024];
    let count = 128 * 1024 * 1024 / payload.len();
    let start = Instant::now();
    for _ in 0..count {
        publisher.publish("t", &payload);
    }
    publisher.ping();
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
    let mut received = 0;
    deaf.0
        .set_read_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    while deaf.0.peek(&mut [0]).is_ok() {
        deaf.packet();
        received += 1;
    }
    // The sockets' buffers hold some as well.
    let queued = max_queue_bytes / payload.len();
    assert!(
        (queued * 9 / 10..count * 3 / 4).contains(&received),
        "{received} of {count} with room for {queued}"
    );
}

#[test]
fn clients_that_flood_each_other_do_not_wait_for_each_other() {
    let broker = broker();
    let clients = ["a", "b"].map(|id| {
        let (mut client, _) = Wire::connect(&broker, id, true);
        client.subscribe("t", 0);
        client
    });
    let start = Instant::now();
    let threads = clients.map(|mut client| {
        std::thread::spawn(move || {
            let mut reader = Wire(client.0.try_clone().unwrap());
            let reading = std::thread::spawn(move || while reader.packet().0 != 0xd0 {});
            let payload = vec![0; 64 * 1024];
            for _ in 0..1_000 {
                client.publish("t", &payload);
            }
            client.send(0xc0, &[]);
            reading.join().unwrap();
            // The other still sends.
            client
        })
    });
    let _clients = threads.map(|thread| thread.join().unwrap());
    assert!(start.elapsed() < DEADLINE / 2, "{:?}", start.elapsed());
}

#[test]
fn what_a_broker_lets_clients_do_it_says_in_its_connack() {
    let broker = broker();
    let (_, connack) = Wire::connect_v5(&broker, "client", &[]);
    let has = |property: &[u8]| {
        connack
            .windows(property.len())
            .any(|window| window == property)
    };
    assert!(
        has(b"\x27\x0f\xff\xff\xff"),
        "maximum packet size: {connack:?}"
    );
    assert!(has(b"\x22\xff\xff"), "topic alias maximum: {connack:?}");
    // Receive maximum, maximum QoS, retain available and shared subscriptions are at their defaults when absent.
    assert!(
        !has(b"\x25\x00") && !has(b"\x2a\x00"),
        "retained and shared: {connack:?}"
    );
}

#[test]
fn hundreds_connect_at_once() {
    let broker = broker();
    let wires: Vec<_> = (0..400)
        .map(|number: u16| {
            let mut wire = Wire::open(&broker);
            let mut body = b"\x00\x04MQTT\x04\x02\x00\x00".to_vec();
            string(&mut body, number.to_string().as_bytes());
            wire.send(0x10, &body);
            wire
        })
        .collect();
    for mut wire in wires {
        assert_eq!(wire.packet(), (0x20, vec![0, 0]));
    }
}

#[test]
fn shutdown_ends_connections_and_frees_the_port() {
    let broker = broker();
    let address = broker.address();
    let (mut idle, _) = Wire::connect(&broker, "idle", true);
    let (mut subscriber, _) = Wire::connect(&broker, "subscriber", false);
    subscriber.subscribe("t", 1);
    let (mut publisher, _) = Wire::connect(&broker, "publisher", true);
    let flood = std::thread::spawn(move || {
        let packets = [0x30, 4, 0, 1, b't', b'x'].repeat(1_000);
        while publisher.0.write_all(&packets).is_ok() {}
    });
    subscriber.packet();
    let start = Instant::now();
    broker.shutdown();
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
    assert!(idle.is_closed());
    flood.join().unwrap();
    drop(TcpStream::connect(address).unwrap_err());

    let again = EmbeddedBroker::start(&BrokerPlan {
        port: address.port(),
        ..BrokerPlan::default()
    })
    .unwrap();
    assert_eq!(again.address(), address);
    let (_, connack) = Wire::connect(&again, "subscriber", false);
    assert_eq!(connack, [0, 0], "it remembers nothing");
}

#[test]
fn two_brokers_side_by_side_know_nothing_of_each_other() {
    let (one, two) = (broker(), broker());
    assert_ne!(one.address(), two.address());
    let mut subscribers = [&one, &two].map(|broker| Wire::connect(broker, "same", true).0);
    for subscriber in &mut subscribers {
        subscriber.subscribe("#", 0);
    }
    for (broker, payload) in [(&one, b"1"), (&two, b"2")] {
        Wire::connect(broker, "publisher", true)
            .0
            .publish("t", payload);
    }
    for (subscriber, payload) in subscribers.iter_mut().zip([b'1', b'2']) {
        assert_eq!(subscriber.packet(), (0x30, vec![0, 1, b't', payload]));
    }
    one.shutdown();
    assert!(subscribers[0].is_closed());
    subscribers[1].ping();
}

#[test]
fn it_starts_and_stops_inside_another_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async { broker().shutdown() });
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let _listener = TcpListener::bind(taken).unwrap();
    let error = EmbeddedBroker::start(&BrokerPlan {
        port: taken.port(),
        ..BrokerPlan::default()
    })
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("port {} of 127.0.0.1 is in use", taken.port())
    );
    assert!(error.hint().is_some());
}

#[test]
fn an_address_of_another_machine_is_refused() {
    // Of a network set aside for documentation.
    let bind = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let error = EmbeddedBroker::start(&BrokerPlan {
        bind,
        ..BrokerPlan::default()
    })
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "192.0.2.1 is not an address of this machine"
    );
}

#[test]
fn it_listens_on_ipv6_too() {
    let bind = IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);
    match EmbeddedBroker::start(&BrokerPlan {
        bind,
        ..BrokerPlan::default()
    }) {
        Ok(broker) => Wire::connect(&broker, "six", true).0.ping(),
        Err(error) => eprintln!("SKIPPED: there is no IPv6 here: {error}"),
    }
}
