//! What goes out: messages with their exchanges of acknowledgements, as far as the window and the broker's
//! limits allow, and once more on the next connection.

use super::event::{Acknowledged, Event, PublishError, SessionError};
use super::outbound::{Resend, Stage};
use super::{Direction, Phase, Session, show, unexpected};
use crate::QoS;
use crate::codec::{self, EncodeError, PublishForm};
use crate::packet::{Ack, MAX_PACKET_SIZE, Message, Packet, Publish};
use crate::properties::PropertyId;
use crate::reason::Reason;

impl Session {
    /// How many more QoS 1 or 2 messages [`Session::publish`] takes now.
    pub fn room(&self) -> usize {
        if self.phase != Phase::Connected {
            return 0;
        }
        self.outbound.room(self.window())
    }

    /// Publishes of QoS 1 and 2 that are not yet acknowledged.
    pub fn unacknowledged(&self) -> usize {
        self.outbound.unacknowledged()
    }

    /// Those publishes, in the order of sending. The broker may have got each of them.
    pub fn unacknowledged_messages(&self) -> impl Iterator<Item = &Message> {
        self.outbound.messages()
    }

    /// Publishes a message whose topic is a valid topic name. At QoS 1 and 2 the session keeps it
    /// until [`Event::Acknowledged`] returns `token`. Returns the packet id, 0 at QoS 0.
    pub fn publish(&mut self, message: Message, token: u64) -> Result<u16, PublishError> {
        let packet_id = self.send_publish(&message)?;
        if packet_id != 0 {
            self.outbound.push_sent(message, token);
        }
        Ok(packet_id)
    }

    /// The same for a message that the caller may need again: it is taken only when the session keeps it,
    /// and is what it was at QoS 0 and when it cannot be published.
    pub fn publish_from(&mut self, message: &mut Message, token: u64) -> Result<u16, PublishError> {
        let packet_id = self.send_publish(message)?;
        if packet_id != 0 {
            self.outbound.push_sent(std::mem::take(message), token);
        }
        Ok(packet_id)
    }

    /// Writes a new PUBLISH. Returns the packet id by which it must be kept, 0 at QoS 0.
    fn send_publish(&mut self, message: &Message) -> Result<u16, PublishError> {
        if self.phase != Phase::Connected {
            return Err(PublishError::NotConnected);
        }
        self.check(message)?;
        if message.qos == QoS::AtMostOnce {
            self.write_publish(message, 0, false)?;
            return Ok(0);
        }
        if self.outbound.room(self.window()) == 0 {
            return Err(PublishError::WindowFull);
        }
        let packet_id = self.outbound.next_packet_id();
        self.write_publish(message, packet_id, false)?;
        Ok(packet_id)
    }

    fn window(&self) -> usize {
        let own = match self.settings.max_in_flight {
            0 => u16::MAX,
            limit => limit,
        };
        usize::from(own.min(self.limits.receive_maximum))
    }

    /// Whether this broker can take the message at all.
    fn check(&self, message: &Message) -> Result<(), PublishError> {
        let limits = &self.limits;
        if message.qos > limits.maximum_qos {
            return Err(PublishError::QosNotSupported {
                wanted: message.qos,
                maximum: limits.maximum_qos,
            });
        }
        if message.retain && !limits.retain_available {
            return Err(PublishError::RetainNotSupported);
        }
        if let Some(alias) = message.properties.number(PropertyId::TopicAlias)
            && alias > u32::from(limits.topic_alias_maximum)
            && !self.settings.any_alias
        {
            return Err(PublishError::TopicAlias {
                alias: alias as u16,
                maximum: limits.topic_alias_maximum,
            });
        }
        let size = codec::publish_size(self.settings.version, message);
        if size > limits.maximum_packet_size {
            if size > MAX_PACKET_SIZE {
                // No broker is to blame.
                let packet = "PUBLISH";
                return Err(EncodeError::TooLarge { packet, size }.into());
            }
            return Err(PublishError::TooLarge {
                size,
                maximum: limits.maximum_packet_size,
            });
        }
        Ok(())
    }

    fn write_publish(
        &mut self,
        message: &Message,
        packet_id: u16,
        dup: bool,
    ) -> Result<(), EncodeError> {
        let aliases = self.limits.topic_alias_maximum > 0 || self.settings.any_alias;
        let (topic, alias): (&[u8], _) = if !aliases {
            (message.topic.as_bytes(), None)
        } else {
            self.outbound_aliases.apply(
                message,
                self.settings.alias_topics,
                self.limits.topic_alias_maximum,
            )
        };
        let form = PublishForm {
            dup,
            packet_id,
            topic,
            alias,
        };
        let before = self.output.len();
        codec::encode_publish(self.settings.version, message, form, &mut self.output)?;
        if let Some(observer) = &mut self.observer {
            let packet = Packet::Publish(Publish {
                dup,
                packet_id,
                message: message.clone(),
            });
            show(
                observer,
                Direction::Sent,
                Some(&packet),
                &self.output[before..],
            );
        }
        Ok(())
    }

    /// Sends kept publishes and releases in their order, as far as the window goes.
    pub(super) fn resend(&mut self) -> Result<(), SessionError> {
        let window = self.window();
        while let Some(resend) = self.outbound.next_resend(window) {
            match resend {
                Resend::Release { packet_id } => {
                    self.write_ack(Packet::PubRel, packet_id, Reason::SUCCESS)?;
                }
                Resend::Publish {
                    index,
                    packet_id,
                    dup,
                } => {
                    let message = self.outbound.take_message(index);
                    let sent = self.check(&message).and_then(|()| {
                        self.write_publish(&message, packet_id, dup)
                            .map_err(PublishError::from)
                    });
                    match sent {
                        Ok(()) => self.outbound.put_back(index, message),
                        Err(error) => {
                            let token = self.outbound.complete(index);
                            let message = Box::new(message);
                            self.events.push_back(Event::Undeliverable {
                                token,
                                message,
                                error,
                            });
                        }
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn handle_puback(&mut self, ack: Ack) -> Result<Option<Event>, SessionError> {
        match self.outbound.find(ack.packet_id) {
            Some((index, Stage::Sent, QoS::AtLeastOnce)) => {
                self.finish(index, ack, QoS::AtLeastOnce)
            }
            _ => Ok(Some(unexpected("PUBACK", &ack))),
        }
    }

    pub(super) fn handle_pubrec(&mut self, ack: Ack) -> Result<Option<Event>, SessionError> {
        match self.outbound.find(ack.packet_id) {
            Some((index, Stage::Sent, QoS::ExactlyOnce)) if ack.reason.is_error() => {
                self.finish(index, ack, QoS::ExactlyOnce)
            }
            Some((index, Stage::Sent | Stage::Released, QoS::ExactlyOnce)) => {
                self.outbound.release(index);
                self.write_ack(Packet::PubRel, ack.packet_id, Reason::SUCCESS)?;
                Ok(None)
            }
            _ => {
                if self.settings.version.has_properties() && !ack.reason.is_error() {
                    // section 4.3.3: the broker may forget the packet id
                    self.write_ack(
                        Packet::PubRel,
                        ack.packet_id,
                        Reason::PACKET_IDENTIFIER_NOT_FOUND,
                    )?;
                }
                Ok(Some(unexpected("PUBREC", &ack)))
            }
        }
    }

    pub(super) fn handle_pubcomp(&mut self, mut ack: Ack) -> Result<Option<Event>, SessionError> {
        match self.outbound.find(ack.packet_id) {
            Some((index, Stage::Released, QoS::ExactlyOnce)) => {
                // The broker had taken the message before we released it; that it has since
                // forgotten the packet id is no refusal.
                if ack.reason == Reason::PACKET_IDENTIFIER_NOT_FOUND {
                    ack.reason = Reason::SUCCESS;
                }
                self.finish(index, ack, QoS::ExactlyOnce)
            }
            _ => Ok(Some(unexpected("PUBCOMP", &ack))),
        }
    }

    fn finish(&mut self, index: usize, ack: Ack, qos: QoS) -> Result<Option<Event>, SessionError> {
        let refused = ack
            .reason
            .is_error()
            .then(|| Box::new(self.outbound.take_message(index)));
        let token = self.outbound.complete(index);
        if self.outbound.has_resends() {
            self.resend()?;
        }
        Ok(Some(Event::Acknowledged(Acknowledged {
            token,
            packet_id: ack.packet_id,
            qos,
            reason: ack.reason,
            properties: ack.properties,
            refused,
        })))
    }
}
