//! A connection's part as a publisher. In a closed loop it keeps its window, or at QoS 0 its output,
//! full; in an open loop it publishes whatever is due by its schedule, late or not.

use std::sync::Arc;

use super::account::Sent;
use super::clock::Now;
use super::in_flight::{InFlight, Published};
use super::pace::Schedule;
use super::payload::Payload;
use super::plan::BenchPlan;
use super::ranges::Ranges;
use super::shared::Shared;
use super::stamp::{Lag, Stamp};
use super::template::{Names, Template};
use super::timing::Timing;
use crate::mqtt::QoS;
use crate::mqtt::codec::EncodeError;
use crate::mqtt::packet::Message;
use crate::mqtt::session::{Acknowledged, PublishError, Session};
use crate::mqtt::text::{Text, TextError};

/// Messages that share one reading of the clock. It is read before them, so it can only make a
/// latency longer.
const MESSAGES_PER_CLOCK: u64 = 16;

pub struct Publisher {
    index: u32,
    topic: Topic,
    /// What its messages carry, where that is a text.
    text: Option<Arc<Template>>,
    /// Absent in a closed loop.
    schedule: Option<Schedule>,
    /// Since when a message is due that the window does not let go, or there is no connection, in ns.
    held_since: Option<u64>,
    /// Number of the next message.
    next: u64,
    /// Messages to send.
    limit: u64,
    batch: Batch,
    /// QoS 1 and 2.
    in_flight: InFlight,
    acknowledged: u64,
    refused: Ranges,
    sent_again: Ranges,
}

enum Topic {
    Fixed(Text),
    /// Another one for each message.
    Changing(Template),
}

/// Messages that were put into the output one after another, so that every byte that leaves can be
/// turned into a number of messages.
#[derive(Debug, Default)]
struct Batch {
    /// Position of its first byte in all that the connection writes.
    start: u64,
    /// Where each message ends, from there.
    ends: Vec<u32>,
    sent: usize,
}

impl Publisher {
    pub fn new(plan: &BenchPlan, names: &Names, seed: u64) -> Result<Self, TextError> {
        let topic = plan.topic(names);
        let text = match &plan.payload {
            Payload::Text(text) if text.needs_names() => Some(Arc::new(text.bind(names))),
            Payload::Text(text) => Some(text.clone()),
            Payload::Filler(_) | Payload::Recorded(_) => None,
        };
        let count = plan.publishers.count;
        let limit = if plan.warmup.is_zero() {
            plan.stop.share(names.index, count)
        } else {
            u64::MAX
        };
        let pace = plan.pace.as_ref();
        Ok(Self {
            index: names.index as u32,
            topic: if topic.is_fixed() {
                Topic::Fixed(Text::from_bytes(topic.text().into())?)
            } else {
                Topic::Changing(topic)
            },
            text,
            schedule: pace.map(|pace| Schedule::new(pace, names.index, count, seed)),
            held_since: None,
            next: 0,
            limit,
            batch: Batch::default(),
            in_flight: InFlight::default(),
            acknowledged: 0,
            refused: Ranges::default(),
            sent_again: Ranges::default(),
        })
    }

    pub fn index(&self) -> usize {
        self.index as usize
    }

    pub fn is_done(&self) -> bool {
        self.next >= self.limit
    }

    /// Everything that was published has left.
    pub fn is_flushed(&self) -> bool {
        self.batch.sent == self.batch.ends.len()
    }

    /// Messages that have left.
    pub fn sent(&self) -> u64 {
        self.next - (self.batch.ends.len() - self.batch.sent) as u64
    }

    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// The warm-up is over: from here on messages count towards the plan's number.
    pub fn begin_measuring(&mut self, shared: &Shared) {
        let plan = &shared.plan;
        let share = plan.stop.share(self.index(), plan.publishers.count);
        let late = self.due_before(shared, shared.measure_from, u64::MAX);
        self.limit = self.next.saturating_add(late).saturating_add(share);
    }

    /// Messages of the schedule that were due before an instant and are not published.
    fn due_before(&self, shared: &Shared, instant: u64, limit: u64) -> u64 {
        match (&self.schedule, &shared.plan.pace) {
            (Some(schedule), Some(pace)) => {
                let end = instant.saturating_sub(shared.start);
                schedule.due_before(pace, end, limit)
            }
            _ => 0,
        }
    }

    /// Its part of the account. The numbers of what was refused are taken out of it.
    pub fn take_totals(&mut self, shared: &Shared) -> Sent {
        let late = self.due_before(shared, shared.end, self.limit - self.next);
        let mut excused = std::mem::take(&mut self.refused);
        let refused = excused.count();
        self.in_flight
            .numbers()
            .for_each(|number| excused.insert(number));
        Sent {
            offered: self.next + late,
            published: self.next,
            sent: self.sent(),
            acknowledged: self.acknowledged,
            refused,
            unanswered: excused.count() - refused,
            excused,
            sent_again: std::mem::take(&mut self.sent_again),
        }
    }

    /// Publishes as much as is due and as the window, and the bytes meant for one write, allow.
    /// `written` is the number of bytes that the connection has written so far. Returns when the next
    /// message is due, in ns, if that is all that it waits for.
    pub fn fill(
        &mut self,
        session: &mut Session,
        shared: &mut Shared,
        written: u64,
    ) -> Option<u64> {
        if !shared.publishing || self.is_done() || !self.is_flushed() {
            return None;
        }
        let publishers = shared.plan.publishers;
        let mut now = shared.clock.now();
        let mut room = self.limit - self.next;
        if publishers.qos != QoS::AtMostOnce {
            room = room.min(session.room() as u64);
        }
        self.note_window(room, now, shared);
        self.batch.start = written + session.output().len() as u64;
        self.batch.ends.clear();
        self.batch.sent = 0;
        let before = session.output().len();
        let mut messages = 0;
        while messages < room && session.output().len() < shared.batch_len {
            if messages % MESSAGES_PER_CLOCK == MESSAGES_PER_CLOCK - 1 {
                now = shared.clock.now();
            }
            let planned = match &self.schedule {
                None => now.ns,
                Some(schedule) => match shared.start.saturating_add(schedule.due()) {
                    // What is due only after the end is never sent; the last instant of all is never.
                    due if due >= shared.end => return None,
                    // It counts towards the plan's number, which begins then.
                    due if shared.warming_up && due >= shared.measure_from => return Some(due),
                    due if due > now.ns => return Some(due),
                    due => due,
                },
            };
            if let Err(error) = self.publish(session, planned, now, shared) {
                self.give_up(&error, shared);
                break;
            }
            let end = session.output().len() - before;
            self.batch.ends.push(end as u32);
            self.next += 1;
            messages += 1;
        }
        None
    }

    fn publish(
        &mut self,
        session: &mut Session,
        planned: u64,
        now: Now,
        shared: &mut Shared,
    ) -> Result<(), PublishError> {
        let publishers = shared.plan.publishers;
        let stamp = Stamp::new(shared.run, self.index, self.next, planned);
        let lag = Lag(now.ns.saturating_sub(planned));
        let recorded = shared.plan.recorded(self.index, self.next);
        let (topic, payload) = match (recorded, &self.text) {
            (Some(message), _) => (message.topic.clone(), message.payload.clone()),
            (None, Some(text)) => {
                let payload = shared.payloads.text(text, self.next, now.ns);
                (self.topic(now, shared)?, payload)
            }
            (None, None) => {
                let payload = shared.payloads.filler(&stamp, lag);
                (self.topic(now, shared)?, payload)
            }
        };
        let mut message = Message {
            topic,
            payload,
            qos: publishers.qos,
            retain: publishers.retain,
            properties: shared.plan.publish_properties.clone(),
        };
        shared.payloads.seal(&mut message, stamp, lag);
        session.publish(message, self.next)?;
        if publishers.qos != QoS::AtMostOnce {
            self.in_flight.push(Published {
                planned,
                sent: now.ns,
            });
        }
        if let (Some(schedule), Some(pace)) = (&mut self.schedule, &shared.plan.pace) {
            schedule.advance(pace);
            if planned >= shared.measure_from {
                let lag = now.ns.saturating_sub(planned);
                shared.recorder.record(Timing::SendLag, lag);
            }
        }
        Ok(())
    }

    fn topic(&self, now: Now, shared: &mut Shared) -> Result<Text, PublishError> {
        match &self.topic {
            Topic::Fixed(topic) => Ok(topic.clone()),
            Topic::Changing(template) => {
                let topic = shared.payloads.text(template, self.next, now.ns);
                let size = topic.len();
                // The plan's check leaves nothing but the length that can be wrong with it.
                Text::from_bytes(topic).map_err(|_| {
                    PublishError::Encode(EncodeError::TooLarge {
                        packet: "PUBLISH",
                        size,
                    })
                })
            }
        }
    }

    /// Adds up for how long messages that were due waited for the broker's acknowledgements: then it
    /// is not the generator that is late.
    fn note_window(&mut self, room: u64, now: Now, shared: &mut Shared) {
        let Some(schedule) = &self.schedule else {
            return;
        };
        if room == 0 {
            let due = shared.start.saturating_add(schedule.due());
            self.held_since.get_or_insert(due.max(now.ns));
        } else if let Some(since) = self.held_since.take() {
            shared.recorder.socket_full_ns += now.ns.saturating_sub(since);
        }
    }

    /// There is no connection, so nothing that is due can be sent; the generator is not to blame.
    pub fn hold(&mut self, now: Now, shared: &Shared) {
        if self.schedule.is_some() && shared.publishing && !self.is_done() {
            self.held_since.get_or_insert(now.ns);
        }
    }

    pub fn take_held_since(&mut self) -> Option<u64> {
        self.held_since.take()
    }

    /// This broker cannot take the message, so it cannot take any: they are all alike.
    fn give_up(&mut self, error: &PublishError, shared: &mut Shared) {
        self.limit = self.next;
        shared.recorder.counts.refused += 1;
        shared.recorder.refusals.count(error.to_string());
    }

    /// All bytes up to `written` have left.
    pub fn flushed(&mut self, written: u64, now: Now, shared: &mut Shared) {
        let batch = &mut self.batch;
        if batch.sent == batch.ends.len() {
            return;
        }
        let left = written.saturating_sub(batch.start);
        let sent = batch.ends[batch.sent..].partition_point(|end| u64::from(*end) <= left);
        self.count_sent(sent, now, shared);
    }

    fn count_sent(&mut self, sent: usize, now: Now, shared: &mut Shared) {
        self.batch.sent += sent;
        shared.recorder.counts.sent += sent as u64;
        shared.recorder.last.sent = now.ns;
    }

    /// The connection is gone and will be made again. What had not left counts as sent: at QoS 0 it is
    /// lost with the connection, and otherwise the session sends it again.
    pub fn cut(&mut self, now: Now, shared: &mut Shared) {
        self.count_sent(self.batch.ends.len() - self.batch.sent, now, shared);
    }

    /// The connection is made again, and the session sends again what was not acknowledged. To a kept
    /// session of QoS 2 that is no second message; all else may come twice.
    pub fn reconnected(&mut self, resumed: bool, qos: QoS) {
        if !resumed || qos == QoS::AtLeastOnce {
            let again = &mut self.sent_again;
            self.in_flight.numbers().for_each(|one| again.insert(one));
        }
    }

    /// A message was answered; its token is its number.
    pub fn answered(&mut self, ack: &Acknowledged, now: Now, shared: &mut Shared) {
        if ack.reason.is_error() {
            self.refuse(ack.token, ack.reason.to_string(), shared);
            return;
        }
        let recorder = &mut shared.recorder;
        let Some(published) = self.in_flight.take(ack.token) else {
            recorder.counts.unexpected += 1;
            return;
        };
        self.acknowledged += 1;
        recorder.counts.acknowledged += 1;
        recorder.last.acknowledged = now.ns;
        if published.planned >= shared.measure_from {
            let since = |instant: u64| now.ns.saturating_sub(instant);
            recorder.record(Timing::Ack, since(published.planned));
            // In a closed loop the two are the same.
            if self.schedule.is_some() {
                recorder.record(Timing::AckFromSend, since(published.sent));
            }
        }
    }

    /// The broker refused a message, or cannot take it any more.
    pub fn refuse(&mut self, number: u64, reason: String, shared: &mut Shared) {
        if self.in_flight.take(number).is_some() {
            self.refused.insert(number);
        }
        shared.recorder.counts.refused += 1;
        shared.recorder.refusals.count(reason);
    }
}
