//! SUBSCRIBE and UNSUBSCRIBE.

use super::*;
use crate::packet::{SubAck, Subscription};

#[test]
fn subscriptions_are_answered_by_packet_id() {
    for version in VERSIONS {
        let mut peer = Peer::version(version);
        let subscription = |filter: &str| Subscription {
            filter: topic::parse_filter(filter).unwrap(),
            ..Subscription::default()
        };
        let id = peer
            .session
            .subscribe(
                vec![subscription("a/#"), subscription("b")],
                Properties::new(),
            )
            .unwrap();
        assert_eq!(id, Some(1));
        assert!(matches!(&peer.sent()[..], [Packet::Subscribe(s)] if s.packet_id == 1));
        let suback = |packet_id, reasons: &[u8]| {
            Packet::SubAck(SubAck {
                packet_id,
                reasons: reasons.iter().map(|r| Reason(*r)).collect(),
                properties: Properties::new(),
            })
        };
        assert!(matches!(
            peer.gets(suback(2, &[0])).unwrap()[..],
            [Event::Unexpected {
                packet: "SUBACK",
                packet_id: 2
            }]
        ));
        assert!(matches!(
            &peer.gets(suback(1, &[1, 0x80])).unwrap()[..],
            [Event::Subscribed(s)] if s.reasons == [Reason(1), Reason(0x80)]
        ));
        let id = peer
            .session
            .unsubscribe(vec![text("a/#")], Properties::new())
            .unwrap();
        assert_eq!(id, Some(2));
        let reasons = if version == Version::V5 {
            vec![Reason(0)]
        } else {
            vec![]
        };
        let unsuback = SubAck {
            packet_id: 2,
            reasons,
            properties: Properties::new(),
        };
        assert!(matches!(
            &peer.gets(Packet::UnsubAck(unsuback)).unwrap()[..],
            [Event::Unsubscribed(_)]
        ));
        // a wrong number of reason codes ends the connection
        peer.session
            .subscribe(vec![subscription("a")], Properties::new())
            .unwrap();
        assert!(matches!(
            peer.gets(suback(3, &[0, 0])),
            Err(SessionError::Protocol { .. })
        ));
    }
}
