//! A packet in one line, for people who watch a connection. Passwords are not in it.

use std::fmt;

use super::packet::{Ack, Connect, Message, Packet, RetainHandling, SubAck, Subscription};
use super::properties::{Properties, Value};
use super::reason::Reason;

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::Connect(connect) => describe_connect(f, connect),
            Self::ConnAck(connack) => {
                let session = if connack.session_present {
                    ", session present"
                } else {
                    ""
                };
                let reason = connack.reason;
                write!(f, " {} ({}){session}", reason.connect_name(), reason.0)?;
                describe_properties(f, &connack.properties)
            }
            Self::Publish(publish) => {
                if publish.packet_id != 0 {
                    write!(f, " {}", publish.packet_id)?;
                }
                if publish.dup {
                    f.write_str(" dup")?;
                }
                describe_message(f, &publish.message)
            }
            Self::PubAck(ack) | Self::PubRec(ack) | Self::PubRel(ack) | Self::PubComp(ack) => {
                describe_ack(f, ack)
            }
            Self::Subscribe(subscribe) => {
                write!(f, " {}", subscribe.packet_id)?;
                for subscription in &subscribe.subscriptions {
                    describe_subscription(f, subscription)?;
                }
                describe_properties(f, &subscribe.properties)
            }
            Self::SubAck(ack) => describe_answer(f, ack, |reason| match reason.0 {
                0 => "granted QoS 0",
                _ => reason.name(),
            }),
            Self::UnsubAck(ack) => describe_answer(f, ack, |reason| reason.name()),
            Self::Unsubscribe(unsubscribe) => {
                write!(f, " {}", unsubscribe.packet_id)?;
                for filter in &unsubscribe.filters {
                    write!(f, " '{filter}'")?;
                }
                describe_properties(f, &unsubscribe.properties)
            }
            Self::PingReq | Self::PingResp => Ok(()),
            Self::Disconnect(disconnect) => {
                if disconnect.reason != Reason::SUCCESS {
                    write!(f, " {}", disconnect.reason)?;
                }
                describe_properties(f, &disconnect.properties)
            }
            Self::Auth(auth) => {
                write!(f, " {}", auth.reason)?;
                describe_properties(f, &auth.properties)
            }
        }
    }
}

fn describe_connect(f: &mut fmt::Formatter<'_>, connect: &Connect) -> fmt::Result {
    write!(
        f,
        " client id '{}', clean start {}, keep alive {} s",
        connect.client_id, connect.clean_start, connect.keep_alive
    )?;
    if let Some(name) = &connect.username {
        write!(f, ", user '{name}'")?;
    }
    if connect.password.is_some() {
        f.write_str(", password")?;
    }
    if let Some(will) = &connect.will {
        f.write_str(", will")?;
        describe_message(f, will)?;
    }
    describe_properties(f, &connect.properties)
}

fn describe_message(f: &mut fmt::Formatter<'_>, message: &Message) -> fmt::Result {
    write!(f, " '{}' QoS {}", message.topic, message.qos)?;
    if message.retain {
        f.write_str(" retain")?;
    }
    write!(f, ", {} bytes", message.payload.len())?;
    describe_properties(f, &message.properties)
}

fn describe_ack(f: &mut fmt::Formatter<'_>, ack: &Ack) -> fmt::Result {
    write!(f, " {}", ack.packet_id)?;
    if ack.reason != Reason::SUCCESS {
        write!(f, " {}", ack.reason)?;
    }
    describe_properties(f, &ack.properties)
}

fn describe_subscription(f: &mut fmt::Formatter<'_>, one: &Subscription) -> fmt::Result {
    write!(f, " '{}' QoS {}", one.filter, one.qos)?;
    if one.no_local {
        f.write_str(" no local")?;
    }
    if one.retain_as_published {
        f.write_str(" retain as published")?;
    }
    match one.retain_handling {
        RetainHandling::Always => Ok(()),
        RetainHandling::New => f.write_str(" retained when new"),
        RetainHandling::Never => f.write_str(" retained never"),
    }
}

fn describe_answer(
    f: &mut fmt::Formatter<'_>,
    ack: &SubAck,
    name: impl Fn(&Reason) -> &'static str,
) -> fmt::Result {
    write!(f, " {}", ack.packet_id)?;
    for (index, reason) in ack.reasons.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(f, "{comma} {} ({})", name(reason), reason.0)?;
    }
    describe_properties(f, &ack.properties)
}

fn describe_properties(f: &mut fmt::Formatter<'_>, properties: &Properties) -> fmt::Result {
    for property in properties {
        write!(f, ", {} ", property.id().name())?;
        match property.value() {
            Value::Byte(n) => write!(f, "{n}")?,
            Value::TwoByte(n) => write!(f, "{n}")?,
            Value::FourByte(n) | Value::VariableByte(n) => write!(f, "{n}")?,
            Value::Text(text) => write!(f, "'{text}'")?,
            // may be part of a login
            Value::Binary(data) => write!(f, "{} bytes", data.len())?,
            Value::Pair(name, value) => write!(f, "'{name}'='{value}'")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::QoS;
    use crate::packet::{Publish, Secret};
    use crate::text::Text;
    use bytes::Bytes;

    #[test]
    fn packets_are_described_in_one_line_without_secrets() {
        let text = |s: &str| Text::try_from(s).unwrap();
        let connect = Packet::Connect(Box::new(Connect {
            client_id: text("me"),
            clean_start: true,
            keep_alive: 60,
            username: Some(text("user")),
            password: Some(Secret(Bytes::from_static(b"hunter2"))),
            ..Connect::default()
        }));
        assert_eq!(
            connect.to_string(),
            "CONNECT client id 'me', clean start true, keep alive 60 s, user 'user', password"
        );
        assert!(!format!("{connect:?}").contains("hunter2"));
        let publish = Packet::Publish(Publish {
            dup: true,
            packet_id: 7,
            message: Message {
                topic: text("a/b"),
                payload: Bytes::from_static(b"xyz"),
                qos: QoS::AtLeastOnce,
                retain: true,
                ..Message::default()
            },
        });
        assert_eq!(
            publish.to_string(),
            "PUBLISH 7 dup 'a/b' QoS 1 retain, 3 bytes"
        );
    }
}
