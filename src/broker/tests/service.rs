//! The broker itself: its start and its end, who may connect, what it says it can do.

use super::*;

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
