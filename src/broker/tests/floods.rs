//! More than somebody can take.

use super::*;

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
