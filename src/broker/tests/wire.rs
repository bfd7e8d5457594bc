//! Bytes to and from the broker.

use super::*;

/// Bytes to and from the broker.
pub(super) struct Wire(pub(super) TcpStream);

impl Wire {
    pub(super) fn open(broker: &EmbeddedBroker) -> Wire {
        let stream = TcpStream::connect(broker.address()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Wire(stream)
    }

    /// A 3.1.1 client; keep alive is off.
    pub(super) fn connect(
        broker: &EmbeddedBroker,
        id: &str,
        clean_session: bool,
    ) -> (Wire, Vec<u8>) {
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
    pub(super) fn connect_v5(
        broker: &EmbeddedBroker,
        id: &str,
        properties: &[u8],
    ) -> (Wire, Vec<u8>) {
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

    pub(super) fn send(&mut self, kind: u8, body: &[u8]) {
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

    pub(super) fn packet(&mut self) -> (u8, Vec<u8>) {
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
    pub(super) fn leave(mut self) {
        self.send(0xe0, &[]);
        self.0.shutdown(Shutdown::Write).unwrap();
        assert!(self.is_closed());
    }

    pub(super) fn subscribe(&mut self, filter: &str, qos: u8) {
        let mut body = vec![0, 1];
        string(&mut body, filter.as_bytes());
        body.push(qos);
        self.send(0x82, &body);
        assert_eq!(self.packet(), (0x90, vec![0, 1, qos]), "SUBACK");
    }

    pub(super) fn subscribe_v5(&mut self, properties: &[u8], filter: &str) {
        let mut body = vec![0, 1, u8::try_from(properties.len()).unwrap()];
        body.extend(properties);
        string(&mut body, filter.as_bytes());
        body.push(0);
        self.send(0x82, &body);
        assert_eq!(self.packet(), (0x90, vec![0, 1, 0, 0]), "SUBACK");
    }

    pub(super) fn publish(&mut self, topic: &str, payload: &[u8]) {
        let mut body = Vec::new();
        string(&mut body, topic.as_bytes());
        body.extend(payload);
        self.send(0x30, &body);
    }

    /// Publishes 0, 1, 2 … in windows of unacknowledged messages, and waits for every acknowledgement.
    ///
    /// `mosquitto_pub -l` does not: it leaves before its messages have at QoS 1 and 2.
    pub(super) fn publish_numbers(&mut self, topic: &str, qos: u8, count: usize) {
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
    pub(super) fn ping(&mut self) {
        self.send(0xc0, &[]);
        assert_eq!(self.packet(), (0xd0, vec![]), "PINGRESP");
    }

    pub(super) fn is_closed(&mut self) -> bool {
        match self.0.read(&mut [0]) {
            Ok(read) => read == 0,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

pub(super) fn string(body: &mut Vec<u8>, text: &[u8]) {
    body.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
    body.extend(text);
}

pub(super) fn id(number: usize) -> [u8; 2] {
    u16::try_from(number + 1).unwrap().to_be_bytes()
}
