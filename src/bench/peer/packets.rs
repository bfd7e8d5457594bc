//! What the peer answers to a packet, and whom it hands a publish on to.

use std::time::Instant;

use super::routes::Subscription;
use super::thread::Thread;
use crate::mqtt::properties::variable_byte_len;

/// A packet that is not what it should be: the connection is closed.
pub struct Malformed;

impl Thread {
    /// Handles whole packets and returns how many bytes are left.
    pub(super) fn packets(&mut self, index: usize, mut input: &[u8]) -> Result<usize, Malformed> {
        while let [first, rest @ ..] = input {
            let Some((len, rest)) = variable_byte(rest) else {
                // Five bytes would be a length of more than four.
                return if input.len() < 5 {
                    Ok(input.len())
                } else {
                    Err(Malformed)
                };
            };
            let Some((body, rest)) = rest.split_at_checked(len) else {
                break;
            };
            self.packet(index, *first, body).ok_or(Malformed)?;
            input = rest;
        }
        Ok(input.len())
    }

    /// `None` when the packet is malformed, or the connection is over.
    fn packet(&mut self, index: usize, first: u8, body: &[u8]) -> Option<()> {
        let client = self.clients[index].as_mut()?;
        match first >> 4 {
            1 => {
                let name_len = usize::from(u16::from_be_bytes(*body.first_chunk()?));
                client.has_properties = *body.get(2 + name_len)? == 5;
                let refused = self.options.faults.refuse_connections;
                match (client.has_properties, refused) {
                    (true, refused) => {
                        let reason = if refused { 0x87 } else { 0 };
                        client.output.extend_from_slice(&[0x20, 3, 0, reason, 0]);
                    }
                    (false, refused) => {
                        let code = if refused { 5 } else { 0 };
                        client.output.extend_from_slice(&[0x20, 2, 0, code]);
                    }
                }
            }
            3 => self.publish(index, first, body)?,
            4 | 7 => client.in_flight = client.in_flight.saturating_sub(1),
            5 => {
                let [high, low] = *body.first_chunk()?;
                client.output.extend_from_slice(&[0x62, 2, high, low]);
            }
            6 => {
                let [high, low] = *body.first_chunk()?;
                self.acknowledge(index, [0x70, 2, high, low]);
            }
            8 => self.subscribe(index, body)?,
            12 => client.output.extend_from_slice(&[0xd0, 0]),
            _ => return None,
        }
        Some(())
    }

    fn subscribe(&mut self, index: usize, body: &[u8]) -> Option<()> {
        let client = self.clients[index].as_mut()?;
        client.subscribes = true;
        let (id, mut rest) = body.split_first_chunk::<2>()?;
        if client.has_properties {
            let (len, after) = variable_byte(rest)?;
            rest = after.get(len..)?;
        }
        let mut reasons = Vec::new();
        while !rest.is_empty() {
            let (filter, after) = text(rest)?;
            let (options, after) = after.split_first()?;
            rest = after;
            if self.options.faults.refuse_subscriptions {
                reasons.push(0x80);
                continue;
            }
            let qos = (options & 3).min(2);
            reasons.push(qos);
            let filter = std::str::from_utf8(filter).ok()?;
            self.routes
                .subscribe(filter, Subscription { client: index, qos });
        }
        let properties: &[u8] = if client.has_properties { &[0] } else { &[] };
        client.output.push(0x90);
        push_variable_byte(&mut client.output, 2 + properties.len() + reasons.len());
        client.output.extend_from_slice(id);
        client.output.extend_from_slice(properties);
        client.output.extend_from_slice(&reasons);
        Some(())
    }

    fn publish(&mut self, index: usize, first: u8, body: &[u8]) -> Option<()> {
        let client = self.clients[index].as_mut()?;
        let (topic, mut rest) = text(body)?;
        let qos = first >> 1 & 3;
        self.publishes += 1;
        let at =
            |every: Option<u64>| every.is_some_and(|every| self.publishes.is_multiple_of(every));
        let faults = &self.options.faults;
        if faults.close_at.is_some_and(|at| self.publishes >= at) {
            for other in (0..self.clients.len()).filter(|other| *other != index) {
                self.close(other);
            }
            return None;
        }
        let (lost, repeated, corrupted) = (
            at(faults.lose_every),
            at(faults.repeat_every),
            at(faults.corrupt_every),
        );
        let refused = at(faults.refuse_every) && client.has_properties && qos > 0;
        if qos > 0 {
            let ([high, low], after) = rest.split_first_chunk::<2>()?;
            rest = after;
            let kind = if qos == 1 { 0x40 } else { 0x50 };
            if refused {
                // Quota exceeded.
                client
                    .output
                    .extend_from_slice(&[kind, 3, *high, *low, 0x97]);
            } else {
                self.acknowledge(index, [kind, 2, *high, *low]);
            }
        }
        if self.options.forward && !lost && !refused {
            let mut properties: &[u8] = &[];
            if self.clients[index].as_ref()?.has_properties {
                let (len, after) = variable_byte(rest)?;
                (properties, rest) = after.split_at_checked(len)?;
            }
            for _ in 0..1 + u8::from(repeated) {
                self.forward(topic, properties, rest, qos, corrupted);
            }
        }
        Some(())
    }

    fn forward(
        &mut self,
        topic: &[u8],
        properties: &[u8],
        payload: &[u8],
        qos: u8,
        corrupted: bool,
    ) {
        let Some(route) = self.routes.route(topic) else {
            return;
        };
        route.turn += 1;
        let turn = route.turn;
        let groups = route.groups.iter();
        let members = groups.map(|members| &members[turn % members.len()]);
        for subscription in route.all.iter().chain(members) {
            let Some(client) = &mut self.clients[subscription.client] else {
                continue;
            };
            let qos = qos.min(subscription.qos);
            let id_len = if qos > 0 { 2 } else { 0 };
            let properties_len = if client.has_properties {
                variable_byte_len(properties.len()) + properties.len()
            } else {
                0
            };
            let len = 2 + topic.len() + id_len + properties_len + payload.len();
            let output = &mut client.output;
            output.push(0x30 | qos << 1);
            push_variable_byte(output, len);
            output.extend_from_slice(&(topic.len() as u16).to_be_bytes());
            output.extend_from_slice(topic);
            if qos > 0 {
                client.in_flight += 1;
                client.packet_id = client.packet_id.checked_add(1).unwrap_or(1);
                output.extend_from_slice(&client.packet_id.to_be_bytes());
            }
            if client.has_properties {
                push_variable_byte(output, properties.len());
                output.extend_from_slice(properties);
            }
            output.extend_from_slice(payload);
            if corrupted && let Some(last) = output.last_mut() {
                *last ^= 1;
            }
            client.waker.wake_by_ref();
            if !client.congested && client.is_behind() {
                client.congested = true;
                self.congested += 1;
            }
        }
    }

    fn acknowledge(&mut self, index: usize, packet: [u8; 4]) {
        match (self.options.ack_delay, &mut self.clients[index]) {
            (Some(delay), _) => self
                .delayed
                .push_back((Instant::now() + delay, index, packet)),
            (None, Some(client)) => client.output.extend_from_slice(&packet),
            (None, None) => {}
        }
    }
}

/// A variable byte integer and what follows it.
fn variable_byte(input: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    for (index, byte) in input.iter().enumerate().take(4) {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, &input[index + 1..]));
        }
    }
    None
}

fn push_variable_byte(output: &mut Vec<u8>, mut value: usize) {
    while value >= 128 {
        output.push((value % 128) as u8 | 128);
        value /= 128;
    }
    output.push(value as u8);
}

/// A text with its length in front, and what follows it.
fn text(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = input.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))
}
