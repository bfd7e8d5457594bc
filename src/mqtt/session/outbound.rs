//! What waits for an acknowledgement: one ring, in the order of sending, for everything that takes a
//! packet id.
//!
//! Packet ids follow the ring: they run 1, 2, 3 … and after 65535 from 1 again, so an id is found by
//! arithmetic. An entry that ends before older ones stays as a gap until they end too.

use std::collections::VecDeque;

use crate::QoS;
use crate::packet::Message;

/// Packet ids that exist, hence the longest ring.
const IDS: usize = 65_535;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// To be sent when the window allows.
    Queued,
    /// PUBLISH sent.
    Sent,
    /// PUBREC received; PUBREL to be sent on the new connection.
    ToRelease,
    /// PUBREL sent.
    Released,
    /// SUBSCRIBE or UNSUBSCRIBE sent, for so many filters.
    Request(usize),
    /// Ended; a gap in the ring.
    Done,
}

#[derive(Debug)]
struct Entry {
    stage: Stage,
    /// It went out on an earlier connection of the same session.
    dup: bool,
    token: u64,
    /// Of a publish, until it ends.
    message: Option<Message>,
}

#[derive(Debug)]
pub(super) enum Resend {
    Publish {
        index: usize,
        packet_id: u16,
        dup: bool,
    },
    Release {
        packet_id: u16,
    },
}

#[derive(Debug, Default)]
pub(super) struct Outbound {
    ring: VecDeque<Entry>,
    /// The place of the ring's front among all ids: one less than its id.
    front: usize,
    /// Index of the next entry that may have to be sent again; the ring's length when there is none.
    resend_at: usize,
    /// Publishes that count against the window.
    in_flight: usize,
    /// Publishes that have not ended.
    publishes: usize,
}

impl Outbound {
    pub fn is_full(&self) -> bool {
        self.ring.len() >= IDS
    }

    /// New publishes that may go out: none while older ones wait, so the order is kept.
    pub fn room(&self, window: usize) -> usize {
        if self.has_resends() {
            return 0;
        }
        window
            .saturating_sub(self.in_flight)
            .min(IDS - self.ring.len())
    }

    pub fn unacknowledged(&self) -> usize {
        self.publishes
    }

    pub fn next_packet_id(&self) -> u16 {
        self.packet_id(self.ring.len())
    }

    fn packet_id(&self, index: usize) -> u16 {
        wrapped(self.front + index) as u16 + 1
    }

    pub fn push_sent(&mut self, message: Message, token: u64) {
        self.in_flight += 1;
        self.publishes += 1;
        self.push(Stage::Sent, token, Some(message));
    }

    pub fn push_request(&mut self, filters: usize) {
        self.push(Stage::Request(filters), 0, None);
    }

    fn push(&mut self, stage: Stage, token: u64, message: Option<Message>) {
        let nothing_to_resend = !self.has_resends();
        self.ring.push_back(Entry {
            stage,
            dup: false,
            token,
            message,
        });
        if nothing_to_resend {
            self.resend_at = self.ring.len();
        }
    }

    fn index_of(&self, id: u16) -> Option<usize> {
        let place = usize::from(id).checked_sub(1)?;
        let index = wrapped(place + IDS - self.front);
        (index < self.ring.len()).then_some(index)
    }

    /// The publish that a packet id stands for.
    pub fn find(&self, id: u16) -> Option<(usize, Stage, QoS)> {
        let index = self.index_of(id)?;
        let entry = &self.ring[index];
        let qos = entry.message.as_ref().map(|one| one.qos);
        Some((index, entry.stage, qos.unwrap_or_default()))
    }

    /// The SUBSCRIBE or UNSUBSCRIBE that a packet id stands for, and its number of filters.
    pub fn find_request(&self, id: u16) -> Option<(usize, usize)> {
        let index = self.index_of(id)?;
        match self.ring[index].stage {
            Stage::Request(filters) => Some((index, filters)),
            _ => None,
        }
    }

    pub fn release(&mut self, index: usize) {
        self.ring[index].stage = Stage::Released;
    }

    /// Every publish that has not ended, in the order of sending.
    pub fn messages(&self) -> impl Iterator<Item = &Message> {
        self.ring.iter().filter_map(|entry| entry.message.as_ref())
    }

    /// Ends an entry and returns its token.
    pub fn complete(&mut self, index: usize) -> u64 {
        let entry = &mut self.ring[index];
        match entry.stage {
            Stage::Sent | Stage::Released => {
                self.in_flight -= 1;
                self.publishes -= 1;
            }
            Stage::Queued | Stage::ToRelease => self.publishes -= 1,
            Stage::Request(_) | Stage::Done => {}
        }
        entry.stage = Stage::Done;
        let token = entry.token;
        entry.message = None;
        while let Some(front) = self.ring.front()
            && front.stage == Stage::Done
        {
            self.ring.pop_front();
            self.front = wrapped(self.front + 1);
            self.resend_at = self.resend_at.saturating_sub(1);
        }
        token
    }

    /// The connection is gone: what was sent must be sent again on the next one.
    pub fn close(&mut self) {
        for entry in &mut self.ring {
            match entry.stage {
                Stage::Sent => {
                    entry.stage = Stage::Queued;
                    entry.dup = true;
                }
                Stage::Released => entry.stage = Stage::ToRelease,
                Stage::Request(_) => entry.stage = Stage::Done,
                Stage::Queued | Stage::ToRelease | Stage::Done => {}
            }
        }
        self.in_flight = 0;
        self.resend_at = 0;
    }

    /// A connection is up. Where the broker has lost the session everything starts anew: also a
    /// message whose PUBREC came, because the broker may have passed it on only at PUBREL.
    pub fn reopen(&mut self, resumed: bool) {
        self.in_flight = 0;
        self.resend_at = 0;
        if resumed {
            return;
        }
        for entry in &mut self.ring {
            entry.dup = false;
            if entry.stage == Stage::ToRelease {
                entry.stage = Stage::Queued;
            }
        }
    }

    pub fn has_resends(&self) -> bool {
        self.resend_at < self.ring.len()
    }

    /// The next thing to send again, which then counts as sent; `None` at the end or when the window
    /// is full.
    pub fn next_resend(&mut self, window: usize) -> Option<Resend> {
        while self.has_resends() {
            let index = self.resend_at;
            let packet_id = self.packet_id(index);
            let entry = &mut self.ring[index];
            match entry.stage {
                Stage::Queued if self.in_flight >= window => return None,
                Stage::Queued => {
                    entry.stage = Stage::Sent;
                    self.in_flight += 1;
                    self.resend_at += 1;
                    return Some(Resend::Publish {
                        index,
                        packet_id,
                        dup: entry.dup,
                    });
                }
                Stage::ToRelease => {
                    entry.stage = Stage::Released;
                    self.in_flight += 1;
                    self.resend_at += 1;
                    return Some(Resend::Release { packet_id });
                }
                Stage::Sent | Stage::Released | Stage::Request(_) | Stage::Done => {
                    self.resend_at += 1;
                }
            }
        }
        None
    }

    /// Lends the message of an entry to its encoder.
    pub fn take_message(&mut self, index: usize) -> Message {
        self.ring[index].message.take().unwrap_or_default()
    }

    pub fn put_back(&mut self, index: usize, message: Message) {
        self.ring[index].message = Some(message);
    }
}

/// A place among the ids, counted on beyond the last of them.
fn wrapped(place: usize) -> usize {
    if place < IDS { place } else { place - IDS }
}
