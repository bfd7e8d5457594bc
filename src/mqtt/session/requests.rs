//! SUBSCRIBE and UNSUBSCRIBE, and what the broker answers to them.

use super::event::{Event, SessionError};
use super::{Phase, Session, protocol_error};
use crate::packet::{Packet, SubAck, Subscribe, Subscription, Unsubscribe};
use crate::properties::Properties;
use crate::text::Text;

impl Session {
    /// Asks for subscriptions; [`Event::Subscribed`] answers with the returned packet id.
    /// `None` while not connected or while all packet ids are taken.
    pub fn subscribe(
        &mut self,
        subscriptions: Vec<Subscription>,
        properties: Properties,
    ) -> Result<Option<u16>, SessionError> {
        let count = subscriptions.len();
        self.request(count, |packet_id| {
            Packet::Subscribe(Subscribe {
                packet_id,
                subscriptions,
                properties,
            })
        })
    }

    /// Ends subscriptions; [`Event::Unsubscribed`] answers with the returned packet id.
    pub fn unsubscribe(
        &mut self,
        filters: Vec<Text>,
        properties: Properties,
    ) -> Result<Option<u16>, SessionError> {
        let count = filters.len();
        self.request(count, |packet_id| {
            Packet::Unsubscribe(Unsubscribe {
                packet_id,
                filters,
                properties,
            })
        })
    }

    fn request(
        &mut self,
        filters: usize,
        packet: impl FnOnce(u16) -> Packet,
    ) -> Result<Option<u16>, SessionError> {
        if self.phase != Phase::Connected || self.outbound.is_full() {
            return Ok(None);
        }
        let packet_id = self.outbound.next_packet_id();
        self.write(&packet(packet_id))?;
        self.outbound.push_request(filters);
        Ok(Some(packet_id))
    }

    pub(super) fn handle_answer(
        &mut self,
        packet: &'static str,
        ack: SubAck,
        event: fn(SubAck) -> Event,
    ) -> Result<Option<Event>, SessionError> {
        let Some((index, filters)) = self.outbound.find_request(ack.packet_id) else {
            return Ok(Some(Event::Unexpected {
                packet,
                packet_id: ack.packet_id,
            }));
        };
        // An UNSUBACK before MQTT 5 carries no reason codes.
        let empty_is_right = packet == "UNSUBACK" && !self.settings.version.has_properties();
        if ack.reasons.len() != filters && !(empty_is_right && ack.reasons.is_empty()) {
            return Err(protocol_error(format!(
                "{packet} with {} reason codes for {filters} topic filters",
                ack.reasons.len()
            )));
        }
        self.outbound.complete(index);
        Ok(Some(event(ack)))
    }
}
