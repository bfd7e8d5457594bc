//! What came in at QoS 1 and 2: which of it is acknowledged, which is still with the owner, and in what
//! order acknowledgements go out.

use std::collections::{HashSet, VecDeque};
use std::num::NonZeroU64;

use crate::QoS;
use crate::packet::Publish;

/// How many exchanges of QoS 2 are to be between PUBREC and PUBREL. A broker that keeps a window has its own, mostly
/// smaller; mosquitto 2.0.11 sends a long queue at once, and looks for each PUBREC through all that is
/// open before it: with everything answered at once that takes it minutes, in which it hears no ping.
const RELEASES_AT_ONCE: usize = 1000;

/// What an owner that acknowledges messages itself gives back when it has handled one. After the
/// session it belongs to is lost it stands for nothing and does no harm. Never zero, so that none takes no
/// room in an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Receipt(NonZeroU64);

/// A PUBLISH as the owner is to hear of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    New(Receipt),
    /// The owner has it already.
    Known,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// With the owner.
    Open,
    Handled,
    /// Not to be acknowledged on this connection.
    Left,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    receipt: Receipt,
    packet_id: u16,
    qos: QoS,
    state: State,
}

impl Held {
    fn is(&self, publish: &Publish) -> bool {
        self.packet_id == publish.packet_id && self.qos == publish.message.qos
    }
}

#[derive(Debug, Default)]
pub(super) struct Inbound {
    /// QoS 2 packet ids that were acknowledged with PUBREC and wait for PUBREL.
    unreleased: HashSet<u16>,
    /// How many of them this connection brought. Those of an earlier one may never be released, where the broker
    /// has given up the message.
    releases_due: usize,
    /// Not acknowledged, in the order in which this connection brought them, with the owner or because
    /// too many wait for PUBREL: acknowledgements must keep it [MQTT-4.6.0-2] [MQTT-4.6.0-3].
    held: VecDeque<Held>,
    /// Not acknowledged on an earlier connection of this session; the broker will send them again.
    carried: Vec<Held>,
    receipts: u64,
}

impl Inbound {
    /// Messages whose exchange has not ended.
    pub fn unfinished(&self) -> usize {
        self.unreleased.len() + self.held.len()
    }

    /// Whether a PUBLISH of QoS 2 is one that was answered with PUBREC before. Without DUP it is another message: the
    /// broker has given up the one before, or, as mosquitto 2.0.11 does, goes round its packet ids too soon.
    pub fn is_answered(&self, publish: &Publish) -> bool {
        publish.dup && self.unreleased.contains(&publish.packet_id)
    }

    /// Whether nothing that came before has to be acknowledged first, and one more PUBREC may go out.
    pub fn may_answer(&self) -> bool {
        self.held.is_empty() && self.carried.is_empty() && self.may_release()
    }

    fn may_release(&self) -> bool {
        self.releases_due < RELEASES_AT_ONCE
    }

    /// PUBREC goes out.
    pub fn received(&mut self, packet_id: u16) {
        self.unreleased.insert(packet_id);
        self.releases_due += 1;
    }

    /// PUBREL came. Whether there was something to release.
    pub fn release(&mut self, packet_id: u16) -> bool {
        self.releases_due = self.releases_due.saturating_sub(1);
        self.unreleased.remove(&packet_id)
    }

    /// Takes a message that is not acknowledged yet: it is open with the owner, or handled and has to wait.
    pub fn hold(&mut self, publish: &Publish, state: State) -> Arrival {
        // Without DUP it is another message, though the packet id be that of one which the broker has
        // given up since: to deliver twice is better than to lose.
        if publish.dup {
            if self.held.iter().any(|held| held.is(publish)) {
                return Arrival::Known;
            }
            if let Some(index) = self.carried.iter().position(|held| held.is(publish)) {
                self.held.push_back(self.carried.swap_remove(index));
                return Arrival::Known;
            }
        } else {
            // What is repeated comes before what is new [MQTT-4.6.0-1], so no more of it will come.
            self.carried.clear();
        }
        let receipt = Receipt(NonZeroU64::MIN.saturating_add(self.receipts));
        self.receipts += 1;
        self.held.push_back(Held {
            receipt,
            packet_id: publish.packet_id,
            qos: publish.message.qos,
            state,
        });
        Arrival::New(receipt)
    }

    /// What became of a message; nothing when its receipt is stale.
    pub fn settle(&mut self, receipt: Receipt, state: State) {
        // Unless the broker has sent some of it again, receipts follow each other.
        let first = self.held.front().map_or(0, |held| held.receipt.0.get());
        let place = receipt.0.get().wrapping_sub(first) as usize;
        if let Some(held) = self
            .held
            .get_mut(place)
            .filter(|held| held.receipt == receipt)
        {
            held.state = state;
            return;
        }
        let mut all = self.held.iter_mut().chain(&mut self.carried);
        if let Some(held) = all.find(|held| held.receipt == receipt) {
            held.state = state;
        }
    }

    /// The next message whose acknowledgement may go out now.
    pub fn next_due(&mut self) -> Option<(u16, QoS)> {
        loop {
            let held = *self.held.front().filter(|held| held.state != State::Open)?;
            let waits = held.qos == QoS::ExactlyOnce && held.state == State::Handled;
            if waits && !self.may_release() {
                return None;
            }
            self.held.pop_front();
            if held.state == State::Handled {
                return Some((held.packet_id, held.qos));
            }
        }
    }

    /// The connection is gone. What was left comes again, as if for the first time.
    pub fn close(&mut self) {
        self.releases_due = 0;
        self.carried.extend(self.held.drain(..));
        self.carried.retain(|held| held.state != State::Left);
    }

    /// The broker knows nothing of the messages any more.
    pub fn forget(&mut self) {
        self.unreleased.clear();
        self.releases_due = 0;
        self.held.clear();
        self.carried.clear();
    }
}
