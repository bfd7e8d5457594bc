//! What comes in: messages, their topic aliases resolved, and their acknowledgements, which the session gives at
//! once or its owner in its own time.

use super::event::{Event, SessionError};
use super::inbound::{Arrival, Receipt, State};
use super::{Phase, Session, protocol_error};
use crate::QoS;
use crate::packet::{Ack, Packet, Publish};
use crate::properties::PropertyId;
use crate::reason::Reason;

/// What a message is that came in.
pub(super) enum Admitted {
    /// For the owner, with a receipt where the owner is to acknowledge it.
    New(Option<Receipt>),
    /// The owner has heard it already.
    Known,
}

impl Session {
    /// From now on messages of QoS 1 and 2 are acknowledged when the owner says so
    /// ([`Session::acknowledge`]), in the order in which they came, and no sooner.
    pub fn acknowledge_by_owner(&mut self) {
        self.by_owner = true;
    }

    /// The owner has handled the message with this receipt, also if the connection it came on is gone:
    /// when the broker sends it again it is acknowledged and not delivered a second time.
    pub fn acknowledge(&mut self, receipt: Receipt) -> Result<(), SessionError> {
        self.settle(receipt, State::Handled)
    }

    /// The message with this receipt is not to be acknowledged on this connection, and those behind it
    /// need not wait for it. The broker sends it again on the next one, if it keeps the session.
    pub fn leave(&mut self, receipt: Receipt) -> Result<(), SessionError> {
        self.settle(receipt, State::Left)
    }

    fn settle(&mut self, receipt: Receipt, state: State) -> Result<(), SessionError> {
        self.inbound.settle(receipt, state);
        self.write_due()
    }

    /// Messages of QoS 1 and 2 whose exchange with the broker has begun and not ended.
    pub fn unfinished(&self) -> usize {
        self.inbound.unfinished()
    }

    /// Takes a message in. It stays where it is, for to move one costs about as much as to find it in the input.
    pub(super) fn admit(&mut self, publish: &mut Publish) -> Result<Admitted, SessionError> {
        if self.settings.version.has_properties() {
            self.resolve_alias(publish)?;
        }
        let packet_id = publish.packet_id;
        match publish.message.qos {
            QoS::AtMostOnce => {}
            _ if self.by_owner => {
                return Ok(match self.hold(publish, State::Open)? {
                    Some(receipt) => Admitted::New(Some(receipt)),
                    None => Admitted::Known,
                });
            }
            QoS::AtLeastOnce => self.write_ack(Packet::PubAck, packet_id, Reason::SUCCESS)?,
            QoS::ExactlyOnce if self.inbound.may_answer() => {
                let is_new = !self.inbound.is_answered(publish);
                if is_new {
                    self.check_receive_maximum(self.inbound.unfinished())?;
                    self.inbound.received(packet_id);
                }
                self.write_ack(Packet::PubRec, packet_id, Reason::SUCCESS)?;
                if !is_new {
                    return Ok(Admitted::Known);
                }
            }
            QoS::ExactlyOnce => {
                if self.hold(publish, State::Handled)?.is_none() {
                    return Ok(Admitted::Known);
                }
                self.write_due()?;
            }
        }
        Ok(Admitted::New(None))
    }

    /// Keeps a message until it may be acknowledged; its receipt, when the owner is to hear of it.
    fn hold(&mut self, publish: &Publish, state: State) -> Result<Option<Receipt>, SessionError> {
        if publish.message.qos == QoS::ExactlyOnce && self.inbound.is_answered(publish) {
            self.write_ack(Packet::PubRec, publish.packet_id, Reason::SUCCESS)?;
            return Ok(None);
        }
        let before = self.inbound.unfinished();
        match self.inbound.hold(publish, state) {
            Arrival::New(receipt) => {
                self.check_receive_maximum(before)?;
                Ok(Some(receipt))
            }
            Arrival::Known => {
                // It may have been handled while there was no connection.
                self.write_due()?;
                Ok(None)
            }
        }
    }

    /// Whether the broker may send one more, of `unfinished` (section 4.9). Where we named no maximum there are as many
    /// as there are packet ids, and a broker that gives one to two messages loses nothing by it.
    fn check_receive_maximum(&self, unfinished: usize) -> Result<(), SessionError> {
        let properties = &self.settings.connect_properties;
        let Some(maximum) = properties.number(PropertyId::ReceiveMaximum) else {
            return Ok(());
        };
        if unfinished >= maximum as usize {
            return Err(SessionError::Protocol {
                reason: Reason::RECEIVE_MAXIMUM_EXCEEDED,
                what: format!("more than the receive maximum of {maximum} messages"),
            });
        }
        Ok(())
    }

    fn resolve_alias(&mut self, publish: &mut Publish) -> Result<(), SessionError> {
        let alias = publish.message.properties.number(PropertyId::TopicAlias);
        let topic = &mut publish.message.topic;
        let Some(alias) = alias else {
            return if topic.is_empty() {
                Err(protocol_error(
                    "a PUBLISH without topic and topic alias".to_owned(),
                ))
            } else {
                Ok(())
            };
        };
        let maximum = self
            .settings
            .connect_properties
            .number(PropertyId::TopicAliasMaximum)
            .unwrap_or(0);
        let invalid = |what: String| SessionError::Protocol {
            reason: Reason::TOPIC_ALIAS_INVALID,
            what,
        };
        if alias > maximum {
            return Err(invalid(format!(
                "topic alias {alias} above our maximum of {maximum}"
            )));
        }
        if topic.is_empty() {
            *topic = self
                .inbound_aliases
                .get(alias as u16)
                .ok_or_else(|| invalid(format!("topic alias {alias} stands for no topic yet")))?
                .clone();
        } else {
            self.inbound_aliases.set(alias as u16, topic.clone());
        }
        Ok(())
    }

    pub(super) fn handle_pubrel(&mut self, ack: Ack) -> Result<Option<Event>, SessionError> {
        let reason = if self.inbound.release(ack.packet_id) {
            Reason::SUCCESS
        } else {
            Reason::PACKET_IDENTIFIER_NOT_FOUND
        };
        self.write_ack(Packet::PubComp, ack.packet_id, reason)?;
        self.write_due()?;
        Ok(None)
    }

    /// Acknowledges what the owner has handled, as far as the order allows.
    fn write_due(&mut self) -> Result<(), SessionError> {
        while self.phase == Phase::Connected
            && let Some((packet_id, qos)) = self.inbound.next_due()
        {
            if qos == QoS::ExactlyOnce {
                self.inbound.received(packet_id);
                self.write_ack(Packet::PubRec, packet_id, Reason::SUCCESS)?;
            } else {
                self.write_ack(Packet::PubAck, packet_id, Reason::SUCCESS)?;
            }
        }
        Ok(())
    }
}
