//! Neutral packets to bytes and back: framing, size limits, and what all versions write alike.
//!
//! The bodies of packets are rumqttc's work (`v3`, `v5`). PUBLISH and the four acknowledgements are
//! written, and in their plain forms read, here: they are the hot path, and a payload must not be copied into a
//! packet value first.

mod v3;
mod v5;

use std::fmt;

use bytes::{Buf, BufMut, Bytes, BytesMut};
// One type in both crates.
use rumqttc_v5::mqttbytes::QoS as RumQoS;

use super::QoS;
use super::Version;
use super::packet::{Ack, MAX_REMAINING_LENGTH, Message, Packet, Publish};
use super::properties::{
    ALIAS_LEN, Place, Properties, PropertyError, variable_byte_len, write_variable_byte,
};
use super::text::Text;

/// Why bytes from the peer are not a packet that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("malformed {packet}: {what}")]
    Malformed { packet: &'static str, what: String },
    /// Sizes are of the whole packet, in bytes.
    #[error("{packet} of {size} bytes is larger than the maximum packet size of {limit}")]
    TooLarge {
        packet: &'static str,
        size: usize,
        limit: usize,
    },
    /// Before CONNACK there came something else than MQTT.
    #[error("the answer is not a broker's: it is {0}, not MQTT")]
    NotMqtt(Stranger),
    /// A CONNACK in the form of MQTT 3 came to an MQTT 5 client.
    #[error("the broker speaks only MQTT 3 (return code {0})")]
    OldBroker(u8),
}

/// Who answers where a broker was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stranger {
    Tls,
    Http,
    Ssh,
}

impl Stranger {
    /// Who it is by the first bytes, which are no CONNACK: a TLS alert or handshake record, or a greeting.
    pub fn by_first_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x15 | 0x16, 0x03, ..] => Some(Self::Tls),
            [b'H', b'T', b'T', b'P', b'/', ..] => Some(Self::Http),
            [b'S', b'S', b'H', b'-', ..] => Some(Self::Ssh),
            _ => None,
        }
    }
}

impl fmt::Display for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls => "TLS",
            Self::Http => "HTTP",
            Self::Ssh => "SSH",
        })
    }
}

/// Why a packet cannot be put into bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    #[error("{packet} cannot be encoded: {what}")]
    Invalid { packet: &'static str, what: String },
    #[error("{packet} would be {size} bytes, more than MQTT can express")]
    TooLarge { packet: &'static str, size: usize },
}

const PACKET_NAMES: [&str; 16] = [
    "packet of type 0",
    "CONNECT",
    "CONNACK",
    "PUBLISH",
    "PUBACK",
    "PUBREC",
    "PUBREL",
    "PUBCOMP",
    "SUBSCRIBE",
    "SUBACK",
    "UNSUBSCRIBE",
    "UNSUBACK",
    "PINGREQ",
    "PINGRESP",
    "DISCONNECT",
    "AUTH",
];

/// A whole packet's place in the input.
#[derive(Debug, Clone, Copy)]
struct Frame {
    kind: u8,
    /// The fixed header's first byte and its length bytes.
    header_len: usize,
    remaining_len: usize,
}

impl Frame {
    fn len(self) -> usize {
        self.header_len + self.remaining_len
    }

    fn name(self) -> &'static str {
        PACKET_NAMES[usize::from(self.kind)]
    }

    fn malformed(self, what: impl ToString) -> DecodeError {
        DecodeError::Malformed {
            packet: self.name(),
            what: what.to_string(),
        }
    }
}

/// Finds the next packet's borders; `None` while its fixed header is not complete.
fn frame(input: &[u8]) -> Result<Option<Frame>, DecodeError> {
    let Some((&first, rest)) = input.split_first() else {
        return Ok(None);
    };
    let kind = first >> 4;
    let mut remaining_len = 0;
    for (index, &byte) in rest.iter().take(4).enumerate() {
        remaining_len |= usize::from(byte & 0x7f) << (7 * index);
        if byte < 128 {
            return Ok(Some(Frame {
                kind,
                header_len: index + 2,
                remaining_len,
            }));
        }
    }
    if rest.len() < 4 {
        return Ok(None);
    }
    Err(DecodeError::Malformed {
        packet: PACKET_NAMES[usize::from(kind)],
        what: "remaining length of more than four bytes".to_owned(),
    })
}

/// Takes the next packet from `input`; `None` when more bytes are needed.
///
/// `limit` is the largest packet that is accepted, in bytes. It is judged by the fixed header alone,
/// so a peer cannot make us buffer more.
pub fn decode(
    version: Version,
    input: &mut BytesMut,
    limit: usize,
) -> Result<Option<Packet>, DecodeError> {
    let Some(frame) = frame(input)? else {
        return Ok(None);
    };
    let len = frame.len();
    if len > limit {
        return Err(DecodeError::TooLarge {
            packet: frame.name(),
            size: len,
            limit,
        });
    }
    if input.len() < len {
        // One growth to the whole packet instead of many doublings; bounded because a peer that only
        // announces a large packet must not cost us its size.
        input.reserve((len - input.len()).min(1 << 20));
        return Ok(None);
    }
    let bytes = input.split_to(len);
    let packet = match version {
        Version::V5 => v5::decode(frame, bytes),
        Version::V31 | Version::V311 => v3::decode(version, frame, bytes),
    }?;
    Ok(Some(packet))
}

/// One of the four acknowledgements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckKind {
    PubAck,
    PubRec,
    PubRel,
    PubComp,
}

/// Takes an acknowledgement from `input` that is as nearly all are: whole, without reason and properties, which is
/// the same in all versions. What is wrong with another, or what else it has, is for [`decode`] to say.
pub fn decode_short_ack(input: &mut BytesMut, limit: usize) -> Option<(AckKind, u16)> {
    const LEN: usize = 4;
    let (kind, id) = match input.first_chunk::<LEN>()? {
        [0x40, 2, id @ ..] => (AckKind::PubAck, id),
        [0x50, 2, id @ ..] => (AckKind::PubRec, id),
        [0x62, 2, id @ ..] => (AckKind::PubRel, id),
        [0x70, 2, id @ ..] => (AckKind::PubComp, id),
        _ => return None,
    };
    let packet_id = u16::from_be_bytes(*id);
    if packet_id == 0 || LEN > limit {
        return None;
    }
    input.advance(LEN);
    Some((kind, packet_id))
}

/// Takes a PUBLISH from `input` that is as nearly all are: whole, with an ASCII topic and without properties. What is
/// wrong with another, or what else it has, is for [`decode`] to say.
pub fn decode_plain_publish(
    version: Version,
    input: &mut BytesMut,
    limit: usize,
) -> Option<Publish> {
    let first = *input.first()?;
    let (qos, dup) = match first & 0xfe {
        0x30 => (QoS::AtMostOnce, false),
        0x32 | 0x3a => (QoS::AtLeastOnce, first & 0x08 != 0),
        0x34 | 0x3c => (QoS::ExactlyOnce, first & 0x08 != 0),
        _ => return None,
    };
    let Ok(Some(frame)) = frame(input) else {
        return None;
    };
    if frame.len() > limit {
        return None;
    }
    let body = input.get(frame.header_len..frame.len())?;
    let (len, mut rest) = body.split_first_chunk()?;
    let topic_len = usize::from(u16::from_be_bytes(*len));
    let (topic, after) = rest.split_at_checked(topic_len)?;
    let is_plain = |byte: &u8| byte.is_ascii() && !matches!(byte, 0 | b'+' | b'#');
    if topic.is_empty() || !topic.iter().all(is_plain) {
        return None;
    }
    rest = after;
    let mut packet_id = 0;
    if qos != QoS::AtMostOnce {
        let (id, after) = rest.split_first_chunk()?;
        packet_id = u16::from_be_bytes(*id);
        if packet_id == 0 {
            return None;
        }
        rest = after;
    }
    if version.has_properties() {
        rest = rest.strip_prefix(&[0])?;
    }
    let payload_at = frame.len() - rest.len();
    let mut bytes = input.split_to(frame.len()).freeze();
    let payload = bytes.split_off(payload_at);
    bytes.advance(frame.header_len + 2);
    bytes.truncate(topic_len);
    Some(Publish {
        dup,
        packet_id,
        message: Message {
            topic: Text::from_plain_ascii(bytes),
            payload,
            qos,
            retain: first & 0x01 != 0,
            properties: Properties::new(),
        },
    })
}

/// Appends a packet to `out`; on an error `out` is as it was.
pub fn encode(version: Version, packet: &Packet, out: &mut BytesMut) -> Result<(), EncodeError> {
    match packet {
        Packet::Publish(publish) => {
            let form = PublishForm {
                dup: publish.dup,
                packet_id: publish.packet_id,
                topic: publish.message.topic.as_bytes(),
                alias: None,
            };
            encode_publish(version, &publish.message, form, out)
        }
        Packet::PubAck(ack) => write_ack(version, 0x40, ack, out),
        Packet::PubRec(ack) => write_ack(version, 0x50, ack, out),
        Packet::PubRel(ack) => write_ack(version, 0x62, ack, out),
        Packet::PubComp(ack) => write_ack(version, 0x70, ack, out),
        Packet::PingReq => {
            out.extend_from_slice(&[0xc0, 0]);
            Ok(())
        }
        Packet::PingResp => {
            out.extend_from_slice(&[0xd0, 0]);
            Ok(())
        }
        _ => {
            // rumqttc leaves bytes behind when it fails, and its CONNECT needs an empty buffer.
            let mut scratch = BytesMut::new();
            match version {
                Version::V5 => v5::encode(packet, &mut scratch)?,
                Version::V31 | Version::V311 => v3::encode(version, packet, &mut scratch)?,
            }
            out.unsplit(scratch);
            Ok(())
        }
    }
}

/// How a message goes into its PUBLISH this time.
#[derive(Debug, Clone, Copy)]
pub struct PublishForm<'a> {
    pub dup: bool,
    pub packet_id: u16,
    /// The message's topic, or nothing where an alias stands for it.
    pub topic: &'a [u8],
    /// A topic alias to add; the message itself must not carry one then.
    pub alias: Option<u16>,
}

/// The remaining length of a PUBLISH, in bytes.
fn publish_remaining_len(version: Version, message: &Message, form: &PublishForm<'_>) -> usize {
    let mut len = 2 + form.topic.len() + message.payload.len();
    if message.qos != QoS::AtMostOnce {
        len += 2;
    }
    if version.has_properties() {
        let block = message.properties.block_len() + form.alias.map_or(0, |_| ALIAS_LEN);
        len += variable_byte_len(block) + block;
    }
    len
}

/// The size of a message's whole PUBLISH with its full topic, in bytes.
pub fn publish_size(version: Version, message: &Message) -> usize {
    let form = PublishForm {
        dup: false,
        packet_id: 0,
        topic: message.topic.as_bytes(),
        alias: None,
    };
    let len = publish_remaining_len(version, message, &form);
    1 + variable_byte_len(len) + len
}

/// The longest payload, in bytes, with which this message still is a packet, whoever takes it.
pub fn longest_payload(version: Version, message: &Message) -> usize {
    let form = PublishForm {
        dup: false,
        packet_id: 0,
        topic: message.topic.as_bytes(),
        alias: None,
    };
    let rest = publish_remaining_len(version, message, &form) - message.payload.len();
    MAX_REMAINING_LENGTH.saturating_sub(rest)
}

/// Appends a PUBLISH to `out`. The message's topic must be a valid topic name.
pub fn encode_publish(
    version: Version,
    message: &Message,
    form: PublishForm<'_>,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    let len = publish_remaining_len(version, message, &form);
    if len > MAX_REMAINING_LENGTH {
        return Err(EncodeError::TooLarge {
            packet: "PUBLISH",
            size: len,
        });
    }
    out.reserve(len + 5);
    let mut first = 0x30 | (message.qos as u8) << 1;
    first |= u8::from(message.retain);
    first |= u8::from(form.dup) << 3;
    if len < 128 {
        // In one piece, for each call into the buffer costs as much as what it writes.
        let [high, low] = (form.topic.len() as u16).to_be_bytes();
        out.extend_from_slice(&[first, len as u8, high, low]);
    } else {
        out.put_u8(first);
        write_variable_byte(out, len);
        out.put_u16(form.topic.len() as u16);
    }
    out.extend_from_slice(form.topic);
    if message.qos != QoS::AtMostOnce {
        out.put_u16(form.packet_id);
    }
    if version.has_properties() {
        match form.alias {
            None if message.properties.is_empty() => out.put_u8(0),
            None => message.properties.write(out),
            Some(alias) => message.properties.write_with_alias(alias, out),
        }
    }
    out.extend_from_slice(&message.payload);
    Ok(())
}

/// PUBACK, PUBREC, PUBREL, PUBCOMP: the packet id, then in MQTT 5 the reason and the properties
/// where they say something (section 3.4.2.1).
fn write_ack(
    version: Version,
    first: u8,
    ack: &Ack,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    if ack.packet_id == 0 {
        return Err(EncodeError::Invalid {
            packet: PACKET_NAMES[usize::from(first >> 4)],
            what: "packet identifier 0".to_owned(),
        });
    }
    if !version.has_properties() || (ack.reason.0 == 0 && ack.properties.is_empty()) {
        let [high, low] = ack.packet_id.to_be_bytes();
        out.extend_from_slice(&[first, 2, high, low]);
        return Ok(());
    }
    let block = ack.properties.block_len();
    let properties_len = if block == 0 {
        0
    } else {
        variable_byte_len(block) + block
    };
    out.put_u8(first);
    write_variable_byte(out, 3 + properties_len);
    out.put_u16(ack.packet_id);
    out.put_u8(ack.reason.0);
    if block > 0 {
        ack.properties.write(out);
    }
    Ok(())
}

/// Reads a property block that must end where its packet ends.
fn read_last_properties(
    frame: Frame,
    bytes: &Bytes,
    at: usize,
    place: Place,
) -> Result<Properties, DecodeError> {
    let (properties, rest) = read_properties(frame, bytes, at, place)?;
    if rest.has_remaining() {
        return Err(frame.malformed("bytes after the properties"));
    }
    Ok(properties)
}

/// Reads the property block at `at` bytes behind the fixed header, and returns what follows it.
fn read_properties(
    frame: Frame,
    bytes: &Bytes,
    at: usize,
    place: Place,
) -> Result<(Properties, Bytes), DecodeError> {
    let mut rest = bytes.clone();
    let at = frame.header_len + at;
    if at >= rest.len() {
        return Err(frame.malformed(PropertyError::Cut));
    }
    rest.advance(at);
    let properties = Properties::read(&mut rest, place).map_err(|e| frame.malformed(e))?;
    Ok((properties, rest))
}

fn text(frame: Frame, bytes: Bytes) -> Result<Text, DecodeError> {
    Text::from_bytes(bytes).map_err(|e| frame.malformed(e))
}

fn qos(qos: RumQoS) -> QoS {
    match qos {
        RumQoS::AtMostOnce => QoS::AtMostOnce,
        RumQoS::AtLeastOnce => QoS::AtLeastOnce,
        RumQoS::ExactlyOnce => QoS::ExactlyOnce,
    }
}

fn rum_qos(qos: QoS) -> RumQoS {
    match qos {
        QoS::AtMostOnce => RumQoS::AtMostOnce,
        QoS::AtLeastOnce => RumQoS::AtLeastOnce,
        QoS::ExactlyOnce => RumQoS::ExactlyOnce,
    }
}

#[cfg(test)]
mod tests;
