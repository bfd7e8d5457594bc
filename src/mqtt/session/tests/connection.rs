//! The connection: its beginning, its life signs, its end.

use super::*;

#[test]
fn a_pong_answers_the_last_ping() {
    for version in VERSIONS {
        let mut peer = Peer::version(version);
        assert_eq!(peer.gets(Packet::PingResp).unwrap(), []);
        peer.session.ping().unwrap();
        peer.session.ping().unwrap();
        assert_eq!(peer.sent(), [Packet::PingReq, Packet::PingReq]);
        assert_eq!(peer.gets(Packet::PingResp).unwrap(), []);
        assert_eq!(peer.gets(Packet::PingResp).unwrap(), [Event::Pong]);
        assert_eq!(peer.gets(Packet::PingResp).unwrap(), []);
        peer.session.ping().unwrap();
        peer.reconnected(false);
        assert_eq!(
            peer.gets(Packet::PingResp).unwrap(),
            [],
            "of another connection"
        );
    }
}

#[test]
fn session_present_after_a_clean_start_is_no_resumption() {
    let mut peer = Peer::version(Version::V311);
    peer.publish(QoS::AtLeastOnce, 1);
    peer.sent();
    peer.reconnected(true);
    assert!(!peer.session.is_resumed());
    assert!(matches!(&peer.sent()[..], [Packet::Publish(p)] if !p.dup));
}

#[test]
fn a_reconnect_does_not_wipe_a_session_that_the_broker_was_asked_to_keep() {
    let mut peer = Peer::connected(announcing(&[(
        PropertyId::SessionExpiryInterval,
        Value::FourByte(60),
    )]));
    peer.session.closed();
    peer.session.open(peer.now).unwrap();
    assert!(matches!(&peer.sent()[..], [Packet::Connect(c)] if !c.clean_start));
}

#[test]
fn connections_that_are_refused_name_the_reason() {
    for (version, code, words) in [
        (Version::V311, 5, "not authorized (5)"),
        (Version::V31, 4, "bad user name or password (4)"),
        (Version::V5, 0x87, "not authorized (135)"),
    ] {
        let mut peer = Peer::new(Settings {
            version,
            ..Settings::default()
        });
        let error = peer
            .gets(Packet::ConnAck(ConnAck {
                reason: Reason(code),
                ..ConnAck::default()
            }))
            .unwrap_err();
        assert!(error.to_string().ends_with(words), "{error}");
    }
    let mut peer = Peer::new(announcing(&[]));
    let error = peer.gets_bytes(&[0x20, 2, 0, 1]).unwrap_err();
    assert!(error.to_string().contains("speaks only MQTT 3"), "{error}");
}

#[test]
fn protocol_violations_end_the_connection() {
    for version in VERSIONS {
        for bytes in [
            &[0x20, 2, 0, 0][..],
            &[0xc0, 0],
            &[0x82, 6, 0, 1, 0, 1, b'a', 0],
        ] {
            let mut peer = Peer::version(version);
            assert!(peer.gets_bytes(bytes).is_err(), "{version} {bytes:02x?}");
            assert_eq!(
                peer.gets_bytes(&[0xd0, 0]),
                Ok(vec![]),
                "nothing is read after the end"
            );
        }
        let mut peer = Peer::new(Settings {
            version,
            ..Settings::default()
        });
        assert!(
            peer.gets_bytes(&[0xd0, 0]).is_err(),
            "PINGRESP before CONNACK"
        );
    }
}

#[test]
fn a_packet_above_our_announced_maximum_is_refused() {
    let mut peer = Peer::connected(announcing(&[(
        PropertyId::MaximumPacketSize,
        Value::FourByte(100),
    )]));
    assert!(matches!(
        peer.gets_bytes(&[0x30, 0x7f]),
        Err(SessionError::Decode(DecodeError::TooLarge {
            limit: 100,
            ..
        }))
    ));
    assert!(matches!(&peer.sent()[..], [Packet::Disconnect(d)] if d.reason.0 == 0x95));
}

#[test]
fn silence_is_met_with_a_ping_and_then_with_the_end() {
    for version in VERSIONS {
        let interval = Duration::from_secs(10);
        let mut peer = Peer::connected(Settings {
            version,
            keep_alive: interval,
            ..Settings::default()
        });
        let start = peer.now;
        assert_eq!(peer.session.deadline(), Some(start + interval));
        peer.session
            .handle_timeout(start + interval / 2, true)
            .unwrap();
        assert_eq!(peer.sent(), []);
        peer.now = start + interval;
        peer.session.handle_timeout(peer.now, true).unwrap();
        assert_eq!(peer.sent(), [Packet::PingReq]);
        peer.now += interval / 2;
        peer.gets(Packet::PingResp).unwrap();
        assert_eq!(
            peer.session.deadline(),
            Some(start + interval * 2),
            "counted from the last packet sent"
        );
        peer.now = start + interval * 2;
        peer.session.handle_timeout(peer.now, true).unwrap();
        assert_eq!(peer.sent(), [Packet::PingReq]);
        assert_eq!(
            peer.session.handle_timeout(start + interval * 3, true),
            Err(SessionError::KeepAliveTimeout(interval))
        );
    }
}

#[test]
fn silence_that_is_ours_does_not_end_the_connection() {
    let interval = Duration::from_secs(10);
    let mut peer = Peer::connected(Settings {
        keep_alive: interval,
        ..Settings::default()
    });
    let mut pings = 0;
    for _ in 0..10 {
        peer.now += interval;
        peer.session.handle_timeout(peer.now, false).unwrap();
        pings += peer.sent().len();
    }
    assert!(pings >= 4, "pings go on while nothing is read: {pings}");
}

#[test]
fn the_brokers_keep_alive_replaces_ours() {
    let peer = Peer::telling(&[(PropertyId::ServerKeepAlive, Value::TwoByte(5))]);
    assert_eq!(
        peer.session.deadline(),
        Some(peer.now + Duration::from_secs(5))
    );
}

#[test]
fn a_missing_connack_ends_the_attempt() {
    let settings = Settings::default();
    let timeout = settings.connack_timeout;
    let mut peer = Peer::new(settings);
    let deadline = peer.session.deadline().unwrap();
    assert_eq!(deadline, peer.now + timeout);
    assert_eq!(
        peer.session.handle_timeout(deadline, true),
        Err(SessionError::ConnAckTimeout(timeout))
    );
}

#[test]
fn authentication_exchanges_reach_their_owner() {
    let mut peer = Peer::new(announcing(&[]));
    peer.sent();
    let challenge = Auth {
        reason: Reason(0x18),
        properties: properties(
            Place::Auth,
            &[
                (PropertyId::AuthenticationMethod, Value::Text(text("M"))),
                (
                    PropertyId::AuthenticationData,
                    Value::Binary(Bytes::from_static(b"1")),
                ),
            ],
        ),
    };
    let events = peer.gets(Packet::Auth(challenge.clone())).unwrap();
    assert_eq!(events, [Event::Auth(challenge.clone())]);
    peer.session
        .authenticate(Reason(0x18), challenge.properties.clone())
        .unwrap();
    assert_eq!(peer.sent(), [Packet::Auth(challenge)]);
    let events = peer.gets(Packet::ConnAck(ConnAck::default())).unwrap();
    assert!(matches!(events[..], [Event::Connected(_)]));
}

#[test]
fn disconnect_is_the_last_packet() {
    for version in VERSIONS {
        let mut peer = Peer::version(version);
        peer.session
            .disconnect(Reason::SUCCESS, Properties::new())
            .unwrap();
        assert_eq!(peer.sent(), [Packet::Disconnect(Disconnect::default())]);
        assert_eq!(
            peer.session.publish(message("t", QoS::AtMostOnce), 0),
            Err(PublishError::NotConnected)
        );
    }
    let mut peer = Peer::version(Version::V5);
    let events = peer.gets_bytes(&[0xe0, 1, 0x8e]).unwrap();
    assert!(
        matches!(&events[..], [Event::Disconnected(d)] if d.reason == Reason::SESSION_TAKEN_OVER)
    );
}

#[test]
fn an_assigned_client_id_is_used_again() {
    let mut peer = Peer::telling(&[(
        PropertyId::AssignedClientIdentifier,
        Value::Text(text("auto-1")),
    )]);
    peer.session.closed();
    peer.session.open(peer.now).unwrap();
    assert!(matches!(&peer.sent()[..], [Packet::Connect(c)] if c.client_id == text("auto-1")));
}
