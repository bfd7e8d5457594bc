//! The specification's flows as tables, for each version.
//!
//! `publishing`, `receiving`, `requests` as the session's own files; `connection`: its beginning, its life signs, its end.

mod connection;
mod publishing;
mod receiving;
mod requests;

use bytes::Bytes;

use super::*;
use crate::packet::{MAX_PACKET_SIZE, Message, Publish};
use crate::properties::{Place, Property, Value};
use crate::text::Text;
use crate::{QoS, Version, topic};

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];

struct Peer {
    session: Session,
    version: Version,
    now: Instant,
    input: BytesMut,
}

fn text(s: &str) -> Text {
    Text::try_from(s).unwrap()
}

fn properties(place: Place, list: &[(PropertyId, Value)]) -> Properties {
    let mut all = Properties::new();
    for (id, value) in list {
        all.push(place, Property::new(*id, value.clone()).unwrap())
            .unwrap();
    }
    all
}

/// A client that speaks MQTT 5, and what its CONNECT tells of it.
fn announcing(list: &[(PropertyId, Value)]) -> Settings {
    Settings {
        version: Version::V5,
        connect_properties: properties(Place::Connect, list),
        ..Settings::default()
    }
}

/// A CONNACK with these properties.
fn telling(list: &[(PropertyId, Value)]) -> ConnAck {
    ConnAck {
        properties: properties(Place::ConnAck, list),
        ..ConnAck::default()
    }
}

fn message(topic: &str, qos: QoS) -> Message {
    Message {
        topic: topic::parse_name(topic).unwrap(),
        payload: Bytes::from_static(b"x"),
        qos,
        ..Message::default()
    }
}

impl Peer {
    fn new(settings: Settings) -> Self {
        let now = Instant::now();
        let version = settings.version;
        let identity = Identity {
            client_id: text("me"),
            ..Identity::default()
        };
        let mut session = Session::new(Arc::new(settings), identity, now);
        session.open(now).unwrap();
        Self {
            session,
            version,
            now,
            input: BytesMut::new(),
        }
    }

    fn connected(settings: Settings) -> Self {
        Self::connected_with(settings, &[])
    }

    fn connected_with(settings: Settings, list: &[(PropertyId, Value)]) -> Self {
        let mut peer = Self::new(settings);
        peer.sent();
        let events = peer.gets(Packet::ConnAck(telling(list))).unwrap();
        assert!(matches!(events[..], [Event::Connected(_)]));
        peer
    }

    /// An MQTT 5 broker whose CONNACK tells this of itself.
    fn telling(list: &[(PropertyId, Value)]) -> Self {
        Self::connected_with(announcing(&[]), list)
    }

    fn version(version: Version) -> Self {
        Self::connected(Settings {
            version,
            ..Settings::default()
        })
    }

    fn reconnected(&mut self, session_present: bool) -> Vec<Event> {
        self.reconnected_by(ConnAck {
            session_present,
            ..ConnAck::default()
        })
    }

    fn reconnected_by(&mut self, connack: ConnAck) -> Vec<Event> {
        self.session.closed();
        self.input.clear();
        self.session.open(self.now).unwrap();
        self.sent();
        self.gets(Packet::ConnAck(connack)).unwrap()
    }

    /// What the session has written since the last call.
    fn sent(&mut self) -> Vec<Packet> {
        let mut bytes = BytesMut::from(self.session.output());
        self.session.wrote(bytes.len(), self.now);
        let mut packets = Vec::new();
        while let Some(packet) = codec::decode(self.version, &mut bytes, MAX_PACKET_SIZE).unwrap() {
            packets.push(packet);
        }
        packets
    }

    fn gets(&mut self, packet: Packet) -> Result<Vec<Event>, SessionError> {
        codec::encode(self.version, &packet, &mut self.input).unwrap();
        self.events()
    }

    fn gets_bytes(&mut self, bytes: &[u8]) -> Result<Vec<Event>, SessionError> {
        self.input.extend_from_slice(bytes);
        self.events()
    }

    fn events(&mut self) -> Result<Vec<Event>, SessionError> {
        let mut events = Vec::new();
        while let Some(event) = self.session.next(self.now, &mut self.input)? {
            events.push(event);
        }
        Ok(events)
    }

    fn publish(&mut self, qos: QoS, token: u64) -> u16 {
        self.session.publish(message("t", qos), token).unwrap()
    }
}
