//! MQTT 5 bodies through rumqttc, with the properties read and written by `mqtt::properties`, and by
//! hand what rumqttc 0.34 does not take: the short DISCONNECT and AUTH, and a CONNACK of MQTT 3.

use bytes::{BufMut, Bytes, BytesMut};
use rumqttc_v5::mqttbytes::{FixedHeader, v5};

use super::{
    DecodeError, EncodeError, Frame, frame, qos, read_last_properties, read_properties, rum_qos,
    text, variable_byte_len,
};
use crate::packet::{
    Ack, Auth, ConnAck, Connect, Disconnect, Message, Packet, Publish, RetainHandling, Secret,
    SubAck, Subscribe, Subscription, Unsubscribe,
};
use crate::properties::{Place, Properties, write_variable_byte};
use crate::reason::Reason;

/// Protocol name, level, flags and keep alive in front of CONNECT's properties.
const CONNECT_HEADER_LEN: usize = 10;

pub(super) fn decode(frame: Frame, bytes: BytesMut) -> Result<Packet, DecodeError> {
    let bytes = bytes.freeze();
    let body = bytes.slice(frame.header_len..);
    // What rumqttc does not take, or takes for something else.
    match (frame.kind, body.len()) {
        (2, 2) => return Err(DecodeError::OldBroker(body[1])),
        (14 | 15, 0 | 1) if bytes[0] & 0x0f == 0 => {
            let reason = Reason(body.first().copied().unwrap_or(0));
            let properties = Properties::new();
            return Ok(if frame.kind == 14 {
                Packet::Disconnect(Disconnect { reason, properties })
            } else {
                Packet::Auth(Auth { reason, properties })
            });
        }
        _ => {}
    }
    if frame.kind == 3 {
        return publish(frame, bytes);
    }
    // A copy, which the small packets can afford: rumqttc wants a buffer of its own.
    let mut whole = BytesMut::from(&bytes[..]);
    if let Some((at, refusal)) = place_of_reason(frame.kind)
        && let Some(code) = whole.get_mut(frame.header_len + at)
    {
        // It knows only the codes of the specification; any of these refuses.
        if *code >= 0x80 {
            *code = refusal.0;
        } else if !is_known(frame.kind, *code) {
            return Err(frame.malformed(format!("it cannot have the reason code {code}")));
        }
    }
    let packet = v5::Packet::read(&mut whole, None).map_err(|e| frame.malformed(e))?;
    let ack = |packet_id: u16| -> Result<Ack, DecodeError> {
        Ok(Ack {
            packet_id,
            reason: Reason(body.get(2).copied().unwrap_or(0)),
            properties: match body.len() {
                0..=3 => Properties::new(),
                _ => read_last_properties(frame, &bytes, 3, Place::Ack)?,
            },
        })
    };
    Ok(match packet {
        v5::Packet::Publish(_) => return Err(frame.malformed("not a PUBLISH")),
        v5::Packet::PubAck(p) => Packet::PubAck(ack(p.pkid)?),
        v5::Packet::PubRec(p) => Packet::PubRec(ack(p.pkid)?),
        v5::Packet::PubRel(p) => Packet::PubRel(ack(p.pkid)?),
        v5::Packet::PubComp(p) => Packet::PubComp(ack(p.pkid)?),
        v5::Packet::ConnAck(p) => Packet::ConnAck(ConnAck {
            session_present: p.session_present,
            reason: Reason(body[1]),
            properties: read_last_properties(frame, &bytes, 2, Place::ConnAck)?,
        }),
        v5::Packet::SubAck(p) => Packet::SubAck(sub_ack(frame, &bytes, p.pkid)?),
        v5::Packet::UnsubAck(p) => Packet::UnsubAck(sub_ack(frame, &bytes, p.pkid)?),
        v5::Packet::PingReq => Packet::PingReq,
        v5::Packet::PingResp => Packet::PingResp,
        v5::Packet::Disconnect(_) => Packet::Disconnect(Disconnect {
            reason: Reason(body[0]),
            properties: read_last_properties(frame, &bytes, 1, Place::Disconnect)?,
        }),
        v5::Packet::Auth(_) => Packet::Auth(Auth {
            reason: Reason(body[0]),
            properties: read_last_properties(frame, &bytes, 1, Place::Auth)?,
        }),
        v5::Packet::Connect(c, will, auth) => {
            Packet::Connect(Box::new(connect(frame, &bytes, c, will, auth)?))
        }
        v5::Packet::Subscribe(s) => Packet::Subscribe(Subscribe {
            packet_id: s.pkid,
            subscriptions: s
                .filters
                .into_iter()
                .map(|f| {
                    Ok(Subscription {
                        filter: text(frame, f.path.into())?,
                        qos: qos(f.qos),
                        no_local: f.nolocal,
                        retain_as_published: f.preserve_retain,
                        retain_handling: match f.retain_forward_rule {
                            v5::RetainForwardRule::OnEverySubscribe => RetainHandling::Always,
                            v5::RetainForwardRule::OnNewSubscribe => RetainHandling::New,
                            v5::RetainForwardRule::Never => RetainHandling::Never,
                        },
                    })
                })
                .collect::<Result<_, DecodeError>>()?,
            properties: read_properties(frame, &bytes, 2, Place::Subscribe)?.0,
        }),
        v5::Packet::Unsubscribe(u) => Packet::Unsubscribe(Unsubscribe {
            packet_id: u.pkid,
            filters: u
                .filters
                .into_iter()
                .map(|filter| text(frame, filter.into()))
                .collect::<Result<_, _>>()?,
            properties: read_properties(frame, &bytes, 2, Place::Unsubscribe)?.0,
        }),
    })
}

/// Where a packet that answers has its reason code, behind the fixed header, and one that refuses.
fn place_of_reason(kind: u8) -> Option<(usize, Reason)> {
    match kind {
        2 => Some((1, Reason::UNSPECIFIED_ERROR)),
        4 | 5 => Some((2, Reason::UNSPECIFIED_ERROR)),
        6 | 7 => Some((2, Reason::PACKET_IDENTIFIER_NOT_FOUND)),
        14 => Some((0, Reason::UNSPECIFIED_ERROR)),
        _ => None,
    }
}

/// Whether such a packet can have a reason code below 0x80.
fn is_known(kind: u8, code: u8) -> bool {
    match kind {
        4 | 5 => matches!(code, 0 | 0x10),
        14 => matches!(code, 0 | 0x04),
        _ => code == 0,
    }
}

/// PUBLISH without copying its payload.
fn publish(frame: Frame, bytes: Bytes) -> Result<Packet, DecodeError> {
    let header = FixedHeader::new(bytes[0], frame.header_len - 1, frame.remaining_len);
    let p = v5::Publish::read(header, bytes.clone()).map_err(|e| frame.malformed(e))?;
    // An empty block is the common case, and rumqttc has seen that already.
    let (properties, payload) = if p.properties.is_none() {
        (Properties::new(), p.payload)
    } else {
        let at = 2 + p.topic.len() + if p.pkid == 0 { 0 } else { 2 };
        read_properties(frame, &bytes, at, Place::Publish)?
    };
    Ok(Packet::Publish(Publish {
        dup: p.dup,
        packet_id: p.pkid,
        message: Message {
            topic: text(frame, p.topic)?,
            payload,
            qos: qos(p.qos),
            retain: p.retain,
            properties,
        },
    }))
}

fn sub_ack(frame: Frame, bytes: &Bytes, packet_id: u16) -> Result<SubAck, DecodeError> {
    let (properties, reasons) = read_properties(frame, bytes, 2, Place::Ack)?;
    Ok(SubAck {
        packet_id,
        reasons: reasons.iter().map(|code| Reason(*code)).collect(),
        properties,
    })
}

fn connect(
    frame: Frame,
    bytes: &Bytes,
    c: v5::Connect,
    will: Option<v5::LastWill>,
    auth: v5::ConnectAuth,
) -> Result<Connect, DecodeError> {
    let (properties, rest) = read_properties(frame, bytes, CONNECT_HEADER_LEN, Place::Connect)?;
    let will_at = bytes.len() - rest.len() - frame.header_len + 2 + c.client_id.len();
    let (username, password) = match auth {
        v5::ConnectAuth::None => (None, None),
        v5::ConnectAuth::Username { username } => (Some(username), None),
        v5::ConnectAuth::Password { password } => (None, Some(Secret(password))),
        v5::ConnectAuth::UsernamePassword { username, password } => {
            (Some(username), Some(Secret(password)))
        }
    };
    Ok(Connect {
        client_id: text(frame, c.client_id.into())?,
        clean_start: c.clean_start,
        keep_alive: c.keep_alive,
        username: username.map(|n| text(frame, n.into())).transpose()?,
        password,
        will: will
            .map(|will| {
                Ok(Message {
                    topic: text(frame, will.topic)?,
                    payload: will.message,
                    qos: qos(will.qos),
                    retain: will.retain,
                    properties: read_properties(frame, bytes, will_at, Place::Will)?.0,
                })
            })
            .transpose()?,
        properties,
    })
}

pub(super) fn encode(packet: &Packet, out: &mut BytesMut) -> Result<(), EncodeError> {
    let name = packet.name();
    let mut write = |packet: v5::Packet| {
        packet
            .write(out, None)
            .map(|_| ())
            .map_err(|e| EncodeError::Invalid {
                packet: name,
                what: e.to_string(),
            })
    };
    match packet {
        Packet::Connect(c) => {
            let (connect, will, auth) = from_connect(c);
            write(v5::Packet::Connect(connect, will, auth))?;
            let will_at = CONNECT_HEADER_LEN + 1 + 2 + c.client_id.len();
            if let Some(will) = &c.will {
                splice(name, out, will_at, &will.properties)?;
            }
            splice(name, out, CONNECT_HEADER_LEN, &c.properties)
        }
        Packet::Subscribe(s) => {
            write(v5::Packet::Subscribe(v5::Subscribe {
                pkid: s.packet_id,
                filters: s.subscriptions.iter().map(subscribe_filter).collect(),
                properties: None,
            }))?;
            splice(name, out, 2, &s.properties)
        }
        Packet::Unsubscribe(u) => {
            write(v5::Packet::Unsubscribe(v5::Unsubscribe {
                pkid: u.packet_id,
                filters: u.filters.iter().map(ToString::to_string).collect(),
                properties: None,
            }))?;
            splice(name, out, 2, &u.properties)
        }
        // The rest is a few fields and a property block; the reason codes are ours.
        Packet::ConnAck(c) => {
            let head = [u8::from(c.session_present), c.reason.0];
            block(out, 0x20, &head, &c.properties, &[]);
            Ok(())
        }
        Packet::SubAck(s) => {
            acknowledge(out, 0x90, s);
            Ok(())
        }
        Packet::UnsubAck(s) => {
            acknowledge(out, 0xb0, s);
            Ok(())
        }
        Packet::Disconnect(d) if d.reason == Reason::SUCCESS && d.properties.is_empty() => {
            out.extend_from_slice(&[0xe0, 0]);
            Ok(())
        }
        Packet::Disconnect(d) if d.properties.is_empty() => {
            // section 3.14.2.2.1: no property length is needed when there are none
            out.extend_from_slice(&[0xe0, 1, d.reason.0]);
            Ok(())
        }
        Packet::Disconnect(d) => {
            block(out, 0xe0, &[d.reason.0], &d.properties, &[]);
            Ok(())
        }
        Packet::Auth(a) => {
            block(out, 0xf0, &[a.reason.0], &a.properties, &[]);
            Ok(())
        }
        Packet::PingReq
        | Packet::PingResp
        | Packet::Publish(_)
        | Packet::PubAck(_)
        | Packet::PubRec(_)
        | Packet::PubRel(_)
        | Packet::PubComp(_) => Err(EncodeError::Invalid {
            packet: name,
            what: "it is written by codec/mod.rs".to_owned(),
        }),
    }
}

fn from_connect(c: &Connect) -> (v5::Connect, Option<v5::LastWill>, v5::ConnectAuth) {
    let connect = v5::Connect {
        keep_alive: c.keep_alive,
        client_id: c.client_id.to_string(),
        clean_start: c.clean_start,
        properties: None,
    };
    let will = c.will.as_ref().map(|will| v5::LastWill {
        topic: will.topic.shared(),
        message: will.payload.clone(),
        qos: rum_qos(will.qos),
        retain: will.retain,
        properties: None,
    });
    let auth = match (&c.username, &c.password) {
        (None, None) => v5::ConnectAuth::None,
        (Some(name), None) => v5::ConnectAuth::Username {
            username: name.to_string(),
        },
        (None, Some(password)) => v5::ConnectAuth::Password {
            password: password.0.clone(),
        },
        (Some(name), Some(password)) => v5::ConnectAuth::UsernamePassword {
            username: name.to_string(),
            password: password.0.clone(),
        },
    };
    (connect, will, auth)
}

fn subscribe_filter(one: &Subscription) -> v5::SubscribeFilter {
    v5::SubscribeFilter {
        path: one.filter.to_string(),
        qos: rum_qos(one.qos),
        nolocal: one.no_local,
        preserve_retain: one.retain_as_published,
        retain_forward_rule: match one.retain_handling {
            RetainHandling::Always => v5::RetainForwardRule::OnEverySubscribe,
            RetainHandling::New => v5::RetainForwardRule::OnNewSubscribe,
            RetainHandling::Never => v5::RetainForwardRule::Never,
        },
    }
}

fn acknowledge(out: &mut BytesMut, first: u8, ack: &SubAck) {
    let codes: Vec<u8> = ack.reasons.iter().map(|reason| reason.0).collect();
    block(
        out,
        first,
        &ack.packet_id.to_be_bytes(),
        &ack.properties,
        &codes,
    );
}

/// Writes a packet that is a few bytes, a property block and a few bytes more.
fn block(out: &mut BytesMut, first: u8, head: &[u8], properties: &Properties, tail: &[u8]) {
    let len = properties.block_len();
    out.put_u8(first);
    write_variable_byte(out, head.len() + variable_byte_len(len) + len + tail.len());
    out.extend_from_slice(head);
    properties.write(out);
    out.extend_from_slice(tail);
}

/// Puts a property block in the place of the empty one that rumqttc wrote `at` bytes behind the
/// fixed header.
fn splice(
    name: &'static str,
    out: &mut BytesMut,
    at: usize,
    properties: &Properties,
) -> Result<(), EncodeError> {
    if properties.is_empty() {
        return Ok(());
    }
    let invalid = |what: &str| EncodeError::Invalid {
        packet: name,
        what: what.to_owned(),
    };
    let frame = frame(out)
        .ok()
        .flatten()
        .ok_or_else(|| invalid("no fixed header"))?;
    let at = frame.header_len + at;
    if out.get(at) != Some(&0) {
        return Err(invalid("no empty property block where one belongs"));
    }
    let block = properties.block_len();
    let remaining_len = frame.remaining_len - 1 + variable_byte_len(block) + block;
    if remaining_len > crate::packet::MAX_REMAINING_LENGTH {
        return Err(EncodeError::TooLarge {
            packet: name,
            size: remaining_len,
        });
    }
    let mut spliced = BytesMut::with_capacity(remaining_len + 5);
    spliced.put_u8(out[0]);
    write_variable_byte(&mut spliced, remaining_len);
    spliced.extend_from_slice(&out[frame.header_len..at]);
    properties.write(&mut spliced);
    spliced.extend_from_slice(&out[at + 1..]);
    *out = spliced;
    Ok(())
}
