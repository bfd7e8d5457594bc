//! MQTT bytes written down by hand, independent of the program's own codecs.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
};

pub const CONNECT: u8 = 1;
pub const CONNACK: u8 = 2;
pub const PUBLISH: u8 = 3;
pub const PUBACK: u8 = 4;
pub const PUBREC: u8 = 5;
pub const PUBREL: u8 = 6;
pub const PUBCOMP: u8 = 7;
pub const SUBSCRIBE: u8 = 8;
pub const SUBACK: u8 = 9;
pub const UNSUBSCRIBE: u8 = 10;
pub const PINGREQ: u8 = 12;
pub const DISCONNECT: u8 = 14;

/// Refusals of a login in CONNACK: the return code of MQTT 3 and the reason code of MQTT 5.
pub const BAD_LOGIN: (u8, u8) = (4, 0x86);
pub const NOT_AUTHORIZED: (u8, u8) = (5, 0x87);

pub const PINGRESP_BYTES: [u8; 2] = [0xd0, 0];

/// A whole packet as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Type and flags.
    pub first: u8,
    pub body: Vec<u8>,
}

impl Frame {
    pub fn kind(&self) -> u8 {
        self.first >> 4
    }

    pub fn qos(&self) -> u8 {
        self.first >> 1 & 3
    }

    pub fn retain(&self) -> bool {
        self.first & 1 == 1
    }

    pub fn dup(&self) -> bool {
        self.first & 8 == 8
    }

    /// The packet identifier of every packet that begins with one.
    pub fn id(&self) -> u16 {
        match self.kind() {
            PUBLISH => {
                let topic = self.topic().len();
                u16::from_be_bytes([self.body[2 + topic], self.body[3 + topic]])
            }
            _ => u16::from_be_bytes([self.body[0], self.body[1]]),
        }
    }

    /// The topic of a PUBLISH.
    pub fn topic(&self) -> &str {
        let length = usize::from(u16::from_be_bytes([self.body[0], self.body[1]]));
        std::str::from_utf8(&self.body[2..2 + length]).expect("a topic is UTF-8")
    }

    /// The properties of a PUBLISH of MQTT 5 as bytes, and its payload; for MQTT 3 the properties are empty.
    pub fn properties_and_payload(&self, v5: bool) -> (&[u8], &[u8]) {
        let rest = &self.body[2 + self.topic().len() + if self.qos() > 0 { 2 } else { 0 }..];
        if !v5 {
            return (&[], rest);
        }
        let (length, used) = read_varint(rest)
            .expect("a property length")
            .expect("a whole property length");
        rest[used..].split_at(length)
    }

    pub fn payload(&self, v5: bool) -> &[u8] {
        self.properties_and_payload(v5).1
    }

    pub fn bytes(&self) -> Vec<u8> {
        packet(self.first, &self.body)
    }
}

/// A stream cut into packets.
pub struct Frames {
    pub stream: TcpStream,
    buffer: Vec<u8>,
    /// Everything that came, packets and rests of them.
    pub seen: Vec<u8>,
}

impl Frames {
    pub fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("a TCP option");
        stream
            .set_read_timeout(Some(super::DEADLINE))
            .expect("a TCP option");
        stream
            .set_write_timeout(Some(super::DEADLINE))
            .expect("a TCP option");
        Self {
            stream,
            buffer: Vec::new(),
            seen: Vec::new(),
        }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// The next packet; `None` at the end of the stream, an error when nothing comes before the read timeout.
    pub fn next(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.buffered() {
                return Ok(Some(frame));
            }
            let mut chunk = [0; 64 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                // A debugger or a stopped process; with a read timeout the system does not go on by itself.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(n) => {
                    self.buffer.extend_from_slice(&chunk[..n]);
                    if self.seen.len() < 1 << 20 {
                        self.seen.extend_from_slice(&chunk[..n]);
                    }
                }
            }
        }
    }

    fn buffered(&mut self) -> Option<Frame> {
        let (length, used) =
            read_varint(self.buffer.get(1..)?).expect("the client sends whole packets")?;
        let end = 1 + used + length;
        if self.buffer.len() < end {
            return None;
        }
        let frame = Frame {
            first: self.buffer[0],
            body: self.buffer[1 + used..end].to_vec(),
        };
        self.buffer.drain(..end);
        Some(frame)
    }
}

/// A variable byte integer at the start of `bytes`: its value and its length; `None` when it is cut.
pub fn read_varint(bytes: &[u8]) -> Result<Option<(usize, usize)>, &'static str> {
    let mut value = 0;
    for (n, byte) in bytes.iter().enumerate() {
        if n == 4 {
            return Err("a variable byte integer of more than four bytes");
        }
        value |= usize::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            return Ok(Some((value, n + 1)));
        }
    }
    Ok(None)
}

pub fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(value & 0x7f).expect("seven bits");
        value >>= 7;
        bytes.push(if value > 0 { low | 0x80 } else { low });
        if value == 0 {
            return bytes;
        }
    }
}

/// A string or binary field: two bytes of length, then the bytes.
pub fn field(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    let length = u16::try_from(bytes.len()).expect("a field of at most 65,535 bytes");
    [&length.to_be_bytes(), bytes].concat()
}

pub fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    [&[first][..], &varint(body.len()), body].concat()
}

/// A property block: its length, then the properties.
pub fn block(properties: &[u8]) -> Vec<u8> {
    [&varint(properties.len())[..], properties].concat()
}

pub fn connect(v5: bool, id: &str) -> Vec<u8> {
    let level = if v5 { 5 } else { 4 };
    let mut body = field("MQTT");
    body.extend([level, 0x02, 0, 0]);
    if v5 {
        // Topic aliases and subscription identifiers come with the messages; nothing needs asking for.
        body.push(0);
    }
    body.extend(field(id));
    packet(0x10, &body)
}

pub fn connack(v5: bool, session_present: bool, code: u8) -> Vec<u8> {
    let flags = u8::from(session_present);
    if v5 {
        vec![0x20, 3, flags, code, 0]
    } else {
        vec![0x20, 2, flags, code]
    }
}

/// CONNACK of MQTT 5 with properties.
pub fn connack_with(properties: &[u8]) -> Vec<u8> {
    packet(0x20, &[&[0, 0][..], &block(properties)].concat())
}

pub fn suback(v5: bool, id: u16, codes: &[u8]) -> Vec<u8> {
    acknowledgement(0x90, v5, id, codes)
}

pub fn unsuback(v5: bool, id: u16, codes: &[u8]) -> Vec<u8> {
    acknowledgement(0xb0, v5, id, if v5 { codes } else { &[] })
}

fn acknowledgement(first: u8, v5: bool, id: u16, codes: &[u8]) -> Vec<u8> {
    let properties: &[u8] = if v5 { &[0] } else { &[] };
    packet(first, &[&id.to_be_bytes()[..], properties, codes].concat())
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP without a reason, which every version may send.
pub fn ack(kind: u8, id: u16) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    vec![kind << 4 | if kind == PUBREL { 2 } else { 0 }, 2, high, low]
}

/// The same with a reason (MQTT 5).
pub fn ack_with_reason(kind: u8, id: u16, reason: u8) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    vec![kind << 4, 3, high, low, reason]
}

pub fn publish(v5: bool, qos: u8, id: u16, topic: &str, payload: impl AsRef<[u8]>) -> Vec<u8> {
    publish_with(v5, qos << 1, id, topic, &[], payload)
}

/// `flags` are the low four bits: DUP 8, QoS 2 and 4, RETAIN 1.
pub fn publish_with(
    v5: bool,
    flags: u8,
    id: u16,
    topic: &str,
    properties: &[u8],
    payload: impl AsRef<[u8]>,
) -> Vec<u8> {
    let mut body = field(topic);
    if flags & 6 != 0 {
        body.extend(id.to_be_bytes());
    }
    if v5 {
        body.extend(block(properties));
    }
    body.extend(payload.as_ref());
    packet(0x30 | flags, &body)
}

/// A property block cut into identifiers and values as they stand on the wire.
pub fn properties(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut properties = Vec::new();
    while let Some((&id, rest)) = bytes.split_first() {
        let text = |at: usize| at + 2 + usize::from(u16::from_be_bytes([rest[at], rest[at + 1]]));
        let length = match id {
            0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2a => 1,
            0x13 | 0x21..=0x23 => 2,
            0x02 | 0x11 | 0x18 | 0x27 => 4,
            0x0b => read_varint(rest).unwrap().unwrap().1,
            0x26 => text(text(0)),
            _ => text(0),
        };
        properties.push((id, rest[..length].to_vec()));
        bytes = &rest[length..];
    }
    properties
}

/// A user property.
pub fn user_property(name: &str, value: &str) -> Vec<u8> {
    [&[0x26][..], &field(name), &field(value)].concat()
}

/// A CONNECT taken apart.
#[derive(Debug, PartialEq, Eq)]
pub struct Connect {
    pub protocol: String,
    pub level: u8,
    pub flags: u8,
    pub keep_alive: u16,
    pub properties: Vec<(u8, Vec<u8>)>,
    pub client_id: String,
    pub will_properties: Vec<(u8, Vec<u8>)>,
    pub will: Option<(String, Vec<u8>)>,
    pub user: Option<String>,
    pub password: Option<Vec<u8>>,
}

impl Connect {
    pub fn read(frame: &Frame) -> Self {
        let mut rest = &frame.body[..];
        let mut take = |length: usize| {
            let (taken, left) = rest.split_at(length);
            rest = left;
            taken.to_vec()
        };
        let text = |take: &mut dyn FnMut(usize) -> Vec<u8>| {
            let length = take(2);
            take(usize::from(u16::from_be_bytes([length[0], length[1]])))
        };
        let utf8 = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        let block = |take: &mut dyn FnMut(usize) -> Vec<u8>, v5: bool| {
            // The property blocks of these tests are shorter than 128 bytes.
            if v5 {
                properties(&{
                    let length = take(1)[0];
                    take(usize::from(length))
                })
            } else {
                Vec::new()
            }
        };
        let protocol = utf8(text(&mut take));
        let level = take(1)[0];
        let flags = take(1)[0];
        let keep_alive = take(2);
        let v5 = level == 5;
        let properties = block(&mut take, v5);
        let client_id = utf8(text(&mut take));
        let has_will = flags & 4 != 0;
        let will_properties = if has_will {
            block(&mut take, v5)
        } else {
            Vec::new()
        };
        let will = has_will.then(|| (utf8(text(&mut take)), text(&mut take)));
        let user = (flags & 0x80 != 0).then(|| utf8(text(&mut take)));
        let password = (flags & 0x40 != 0).then(|| text(&mut take));
        assert!(rest.is_empty(), "CONNECT ends where it must");
        Self {
            protocol,
            level,
            flags,
            keep_alive: u16::from_be_bytes([keep_alive[0], keep_alive[1]]),
            properties,
            client_id,
            will_properties,
            will,
            user,
            password,
        }
    }
}
