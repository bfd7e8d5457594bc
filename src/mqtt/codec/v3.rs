//! MQTT 3.1.1 and 3.1 bodies through rumqttc. 3.1 is 3.1.1 with another name and level in CONNECT.

use bytes::{BufMut, BytesMut};
use rumqttc_v4::mqttbytes::v4;

use super::{DecodeError, EncodeError, Frame, RumQoS, qos, rum_qos, text};
use crate::Version;
use crate::packet::{
    Ack, ConnAck, Connect, Disconnect, Message, Packet, Publish, RetainHandling, Secret, SubAck,
    Subscribe, Subscription, Unsubscribe,
};
use crate::properties::Properties;
use crate::reason::Reason;

const NAME_V311: &[u8] = &[0, 4, b'M', b'Q', b'T', b'T', 4];
const NAME_V31: &[u8] = &[0, 6, b'M', b'Q', b'I', b's', b'd', b'p', 3];

pub(super) fn decode(
    version: Version,
    frame: Frame,
    mut bytes: BytesMut,
) -> Result<Packet, DecodeError> {
    if frame.kind == 1 && version == Version::V31 {
        bytes = rename_connect(&bytes, NAME_V31, NAME_V311)
            .ok_or_else(|| frame.malformed("not a CONNECT of MQTT 3.1"))?;
    }
    if let Some(refusal) = own_code(frame, &bytes) {
        return Ok(refusal);
    }
    let packet = v4::Packet::read(&mut bytes, usize::MAX).map_err(|e| frame.malformed(e))?;
    Ok(match packet {
        v4::Packet::Publish(p) => Packet::Publish(Publish {
            dup: p.dup,
            packet_id: p.pkid,
            message: Message {
                topic: text(frame, p.topic)?,
                payload: p.payload,
                qos: qos(p.qos),
                retain: p.retain,
                properties: Properties::new(),
            },
        }),
        v4::Packet::PubAck(p) => Packet::PubAck(Ack::of(p.pkid)),
        v4::Packet::PubRec(p) => Packet::PubRec(Ack::of(p.pkid)),
        v4::Packet::PubRel(p) => Packet::PubRel(Ack::of(p.pkid)),
        v4::Packet::PubComp(p) => Packet::PubComp(Ack::of(p.pkid)),
        v4::Packet::ConnAck(p) => Packet::ConnAck(ConnAck {
            session_present: p.session_present,
            reason: Reason(p.code as u8),
            properties: Properties::new(),
        }),
        v4::Packet::SubAck(p) => Packet::SubAck(SubAck {
            packet_id: p.pkid,
            reasons: p
                .return_codes
                .iter()
                .map(|code| match code {
                    v4::SubscribeReasonCode::Success(granted) => Reason(*granted as u8),
                    v4::SubscribeReasonCode::Failure => Reason(0x80),
                })
                .collect(),
            properties: Properties::new(),
        }),
        v4::Packet::UnsubAck(p) => Packet::UnsubAck(SubAck {
            packet_id: p.pkid,
            ..SubAck::default()
        }),
        v4::Packet::PingReq => Packet::PingReq,
        v4::Packet::PingResp => Packet::PingResp,
        v4::Packet::Disconnect => Packet::Disconnect(Disconnect::default()),
        v4::Packet::Connect(c) => Packet::Connect(Box::new(connect(frame, c)?)),
        v4::Packet::Subscribe(p) => Packet::Subscribe(Subscribe {
            packet_id: p.pkid,
            subscriptions: p
                .filters
                .into_iter()
                .map(|f| {
                    Ok(Subscription {
                        filter: text(frame, f.path.into())?,
                        qos: qos(f.qos),
                        no_local: false,
                        retain_as_published: false,
                        retain_handling: RetainHandling::Always,
                    })
                })
                .collect::<Result<_, DecodeError>>()?,
            properties: Properties::new(),
        }),
        v4::Packet::Unsubscribe(p) => Packet::Unsubscribe(Unsubscribe {
            packet_id: p.pkid,
            filters: p
                .topics
                .into_iter()
                .map(|filter| text(frame, filter.into()))
                .collect::<Result<_, _>>()?,
            properties: Properties::new(),
        }),
    })
}

/// CONNACK and SUBACK with a code that MQTT 3 does not have, and that refuses all the same. rumqttc knows only its.
fn own_code(frame: Frame, bytes: &[u8]) -> Option<Packet> {
    let properties = Properties::new();
    match (frame.kind, bytes.get(frame.header_len..)?) {
        (2, [flags @ 0..=1, code]) if *code > 5 => Some(Packet::ConnAck(ConnAck {
            session_present: *flags == 1,
            reason: Reason(*code),
            properties,
        })),
        (9, [high, low, codes @ ..])
            if codes.iter().any(|code| *code > 0x80)
                && codes.iter().all(|code| matches!(code, 0..=2 | 0x80..)) =>
        {
            Some(Packet::SubAck(SubAck {
                packet_id: u16::from_be_bytes([*high, *low]),
                reasons: codes.iter().map(|code| Reason(*code)).collect(),
                properties,
            }))
        }
        _ => None,
    }
}

fn connect(frame: Frame, c: v4::Connect) -> Result<Connect, DecodeError> {
    let (username, password) = match c.auth {
        v4::ConnectAuth::None => (None, None),
        v4::ConnectAuth::Username { username } => (Some(username), None),
        v4::ConnectAuth::UsernamePassword { username, password } => {
            (Some(username), Some(Secret(password)))
        }
    };
    Ok(Connect {
        client_id: text(frame, c.client_id.into())?,
        clean_start: c.clean_session,
        keep_alive: c.keep_alive,
        username: username.map(|name| text(frame, name.into())).transpose()?,
        password,
        will: c
            .last_will
            .map(|will| {
                Ok(Message {
                    topic: text(frame, will.topic.into())?,
                    payload: will.message,
                    qos: qos(will.qos),
                    retain: will.retain,
                    properties: Properties::new(),
                })
            })
            .transpose()?,
        properties: Properties::new(),
    })
}

pub(super) fn encode(
    version: Version,
    packet: &Packet,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    let packet = to_rumqttc(packet)?;
    let name = packet.packet_type();
    packet
        .write(out, usize::MAX)
        .map_err(|e| EncodeError::Invalid {
            packet: super::PACKET_NAMES[name as usize],
            what: e.to_string(),
        })?;
    if version == Version::V31
        && let Some(renamed) = rename_connect(out, NAME_V311, NAME_V31)
    {
        *out = renamed;
    }
    Ok(())
}

fn to_rumqttc(packet: &Packet) -> Result<v4::Packet, EncodeError> {
    let invalid = |what: &str| EncodeError::Invalid {
        packet: packet.name(),
        what: what.to_owned(),
    };
    Ok(match packet {
        Packet::Connect(c) => {
            let mut connect = v4::Connect::new(c.client_id.as_str());
            connect.keep_alive = c.keep_alive;
            connect.clean_session = c.clean_start;
            connect.auth = match (&c.username, &c.password) {
                (None, None) => v4::ConnectAuth::None,
                (Some(name), None) => v4::ConnectAuth::Username {
                    username: name.to_string(),
                },
                (Some(name), Some(password)) => v4::ConnectAuth::UsernamePassword {
                    username: name.to_string(),
                    password: password.0.clone(),
                },
                // [MQTT-3.1.2-22]
                (None, Some(_)) => return Err(invalid("a password without a user name")),
            };
            connect.last_will = c.will.as_ref().map(|will| v4::LastWill {
                topic: will.topic.to_string(),
                message: will.payload.clone(),
                qos: rum_qos(will.qos),
                retain: will.retain,
            });
            v4::Packet::Connect(connect)
        }
        Packet::ConnAck(c) => {
            let code = match c.reason.0 {
                0 => v4::ConnectReturnCode::Success,
                1 => v4::ConnectReturnCode::RefusedProtocolVersion,
                2 => v4::ConnectReturnCode::BadClientId,
                3 => v4::ConnectReturnCode::ServiceUnavailable,
                4 => v4::ConnectReturnCode::BadUserNamePassword,
                5 => v4::ConnectReturnCode::NotAuthorized,
                _ => return Err(invalid("a return code that MQTT 3 does not have")),
            };
            v4::Packet::ConnAck(v4::ConnAck::new(code, c.session_present))
        }
        Packet::Subscribe(s) => v4::Packet::Subscribe(v4::Subscribe {
            pkid: s.packet_id,
            filters: s
                .subscriptions
                .iter()
                .map(|one| v4::SubscribeFilter::new(one.filter.to_string(), rum_qos(one.qos)))
                .collect(),
        }),
        Packet::SubAck(s) => {
            let codes = s.reasons.iter().map(|reason| match reason.0 {
                0 => v4::SubscribeReasonCode::Success(RumQoS::AtMostOnce),
                1 => v4::SubscribeReasonCode::Success(RumQoS::AtLeastOnce),
                2 => v4::SubscribeReasonCode::Success(RumQoS::ExactlyOnce),
                _ => v4::SubscribeReasonCode::Failure,
            });
            v4::Packet::SubAck(v4::SubAck::new(s.packet_id, codes.collect()))
        }
        Packet::Unsubscribe(u) => v4::Packet::Unsubscribe(v4::Unsubscribe {
            pkid: u.packet_id,
            topics: u.filters.iter().map(ToString::to_string).collect(),
        }),
        Packet::UnsubAck(u) => v4::Packet::UnsubAck(v4::UnsubAck::new(u.packet_id)),
        Packet::Disconnect(_) => v4::Packet::Disconnect,
        Packet::PingReq => v4::Packet::PingReq,
        Packet::PingResp => v4::Packet::PingResp,
        Packet::Auth(_) => return Err(invalid("MQTT 3 has no such packet")),
        Packet::Publish(_)
        | Packet::PubAck(_)
        | Packet::PubRec(_)
        | Packet::PubRel(_)
        | Packet::PubComp(_) => return Err(invalid("it is written by codec/mod.rs")),
    })
}

/// The same CONNECT with another protocol name and level.
fn rename_connect(packet: &[u8], from: &[u8], to: &[u8]) -> Option<BytesMut> {
    let frame = super::frame(packet).ok().flatten()?;
    if frame.kind != 1 {
        return None;
    }
    let body = packet.get(frame.header_len..)?.strip_prefix(from)?;
    let mut renamed = BytesMut::with_capacity(packet.len() + 4);
    renamed.put_u8(packet[0]);
    crate::properties::write_variable_byte(&mut renamed, to.len() + body.len());
    renamed.extend_from_slice(to);
    renamed.extend_from_slice(body);
    Some(renamed)
}
