//! What waits for a client that is away, and what comes again.

use super::*;

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
