//! What every publisher sent against what every subscriber got, and whether it adds up. Pure.

mod gaps;

use std::collections::BTreeMap;

use gaps::Gaps;

use super::ranges::Ranges;
use super::recorder::{Counts, Place};
use super::sequence::Sequence;
use super::shape::Shape;
use super::strays::{Strays, Unexcused};
use crate::mqtt::QoS;

/// One publisher's part of the account. Messages are numbered from 0 in the order of publishing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    /// Messages that it was to send by then.
    pub offered: u64,
    /// Those of them that were handed to its session.
    pub published: u64,
    /// Those of them that left; the first so many.
    pub sent: u64,
    pub acknowledged: u64,
    pub refused: u64,
    /// QoS 1 and 2: published, and no answer came.
    pub unanswered: u64,
    /// QoS 1 and 2: what was refused, or never acknowledged, so that it need not arrive.
    pub excused: Ranges,
    /// What the publisher itself sent a second time, so that it may arrive twice, and after what it had
    /// sent meanwhile: at QoS 1 all that was not acknowledged when a connection broke, at QoS 2 only
    /// where the broker had not kept the session.
    pub sent_again: Ranges,
}

/// One subscriber's part of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Got {
    /// Its subscriptions stood when publishing began.
    pub subscribed: bool,
    /// It was connected until the end.
    pub stayed: bool,
    /// It came back once and its session had not been kept: what is missing may have been for nobody.
    pub renewed: bool,
    /// The lowest QoS that it was granted.
    pub granted: QoS,
    /// By publisher, in the order of [`Shape::publishers_of`], as far as one was heard of.
    pub sequences: Vec<Sequence>,
    /// Messages without stamps, which cannot be told apart.
    pub unstamped: u64,
    pub odd: Odd,
    /// By publisher.
    pub strays: BTreeMap<u32, Strays>,
}

impl Default for Got {
    fn default() -> Self {
        Self {
            subscribed: false,
            stayed: false,
            renewed: false,
            granted: QoS::ExactlyOnce,
            sequences: Vec::new(),
            unstamped: 0,
            odd: Odd::default(),
            strays: BTreeMap::new(),
        }
    }
}

/// What was not right with the messages of one subscriber.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Odd {
    pub duplicated: u64,
    pub out_of_order: u64,
    pub corrupted: u64,
    /// Those of the corrupted ones whose stamp still said which message they were, when it was not
    /// there yet: they stand in the sequences.
    pub corrupted_known: u64,
}

impl Odd {
    fn add(&mut self, other: &Self) {
        self.duplicated += other.duplicated;
        self.out_of_order += other.out_of_order;
        self.corrupted += other.corrupted;
        self.corrupted_known += other.corrupted_known;
    }
}

/// What a run promised, as far as the account needs it.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    pub shape: &'a Shape,
    /// Of the publishers.
    pub qos: QoS,
    pub stamped: bool,
    /// Nothing was due any more at the end, or nothing came for as long as the plan waits.
    pub settled: bool,
}

impl Terms<'_> {
    /// Whether a subscriber that was granted this QoS may get a message twice.
    fn may_repeat(&self, subscriber: usize, granted: QoS) -> bool {
        self.qos.min(granted) == QoS::AtLeastOnce || self.shape.overlaps(subscriber)
    }
}

/// The whole account. At QoS 1 and 2 `published = acknowledged + refused + unanswered`; with one
/// delivery for each message and subscriber `expected = arrived + damaged + lost + cut off + pending`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    pub offered: u64,
    pub published: u64,
    pub sent: u64,
    pub acknowledged: u64,
    /// By an answer of the broker's.
    pub refused: u64,
    /// Sent and neither acknowledged nor refused; 0 at QoS 0.
    pub unacknowledged: u64,
    /// Published and not answered, whether it left or not.
    pub unanswered: u64,
    /// Deliveries that had to happen, and those that need not have but did. A message that was
    /// refused, or sent at QoS 1 or 2 and never acknowledged, need not arrive.
    pub expected: u64,
    /// Unharmed, each counted once.
    pub arrived: u64,
    /// Arrived with another content.
    pub damaged: u64,
    /// Missing although a later message of the publisher came, or at the end of a whole drain.
    pub lost: u64,
    /// Missing at a subscriber whose connection broke.
    pub cut_off: u64,
    /// Not arrived when the run ended before its drain did.
    pub pending: u64,
    /// Without stamps: so many more came than were sent, so that at least so many came twice, or were
    /// somebody else's.
    pub surplus: u64,
    /// Messages that came and that nobody had sent.
    pub never_sent: u64,
    /// All numbers above are exact: no publisher or subscriber had more gaps than are kept.
    pub exact: bool,
    pub breaches: Breaches,
}

/// What breaks a promise of MQTT's. QoS 0 may lose; QoS 1 may repeat.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Breaches {
    pub lost: u64,
    pub first_lost: Vec<Place>,
    pub pending: u64,
    /// Messages that came more often than they were sent.
    pub duplicated: u64,
    pub first_duplicated: Vec<Place>,
    pub out_of_order: u64,
    pub first_out_of_order: Vec<Place>,
}

/// Places that are named.
pub const MAX_PLACES: usize = 8;

/// Settles the account.
///
/// `group` is what a group that shares its subscriptions has seen between its members, by publisher.
pub fn settle(terms: Terms<'_>, sent: &[Sent], got: &[Got], group: &[Sequence]) -> Account {
    let mut account = Account {
        exact: true,
        ..Account::default()
    };
    for publisher in sent {
        account.offered += publisher.offered;
        account.published += publisher.published;
        account.sent += publisher.sent;
        account.acknowledged += publisher.acknowledged;
        account.refused += publisher.refused;
        if terms.qos > QoS::AtMostOnce {
            let answered = publisher.acknowledged + publisher.refused;
            account.unacknowledged += publisher.sent.saturating_sub(answered);
            account.unanswered += publisher.unanswered;
        }
    }
    if sent.is_empty() {
        // Somebody else publishes; nothing is known of what should come.
        account.arrived = got.iter().map(|got| got.unstamped).sum();
        account.expected = account.arrived;
        return account;
    }
    if terms.shape.shared {
        account.group(terms, sent, got, group);
        return account;
    }
    for (subscriber, got) in got.iter().enumerate().filter(|(_, got)| got.subscribed) {
        let heard = terms.shape.publishers_of(subscriber);
        let missing = if terms.stamped {
            let silent = Sequence::default();
            let seen = got.sequences.iter().chain(std::iter::repeat(&silent));
            account.stamped(heard.zip(seen), subscriber, sent, &got.odd)
        } else {
            account.unstamped(terms, subscriber, heard, sent, got)
        };
        account.charge(terms, got, missing);
        account.judge_strays(terms, subscriber, got, sent);
    }
    account
}

/// What one subscriber did not get.
#[derive(Debug, Default)]
struct Missing {
    /// Later messages of the same publisher came.
    passed: u64,
    first_passed: Vec<Place>,
    /// After the last that came.
    tail: u64,
    first_tail: Vec<Place>,
}

/// Places are named up to a limit.
fn name(places: &mut Vec<Place>, more: impl IntoIterator<Item = Place>) {
    let room = MAX_PLACES.saturating_sub(places.len());
    places.extend(more.into_iter().take(room));
}

impl Account {
    /// `heard` are the publishers that a subscriber hears, with what it has seen of each.
    fn stamped<'a>(
        &mut self,
        heard: impl Iterator<Item = (usize, &'a Sequence)>,
        subscriber: usize,
        sent: &[Sent],
        odd: &Odd,
    ) -> Missing {
        let mut missing = Missing::default();
        let before = self.arrived;
        for (publisher, sequence) in heard {
            let Some(sent) = sent.get(publisher) else {
                continue;
            };
            let gaps = Gaps::of(sequence, sent);
            self.exact &= gaps.exact;
            self.never_sent += gaps.never_sent;
            self.arrived += sequence.arrived() - gaps.never_sent;
            missing.passed += gaps.passed;
            missing.tail += gaps.tail;
            let place = |sequence| Place {
                subscriber: subscriber as u32,
                publisher: publisher as u32,
                sequence,
            };
            name(
                &mut missing.first_passed,
                gaps.first_passed.into_iter().map(place),
            );
            name(
                &mut missing.first_tail,
                gaps.first_tail.into_iter().map(place),
            );
        }
        // What arrived damaged is neither there nor lost.
        let known = odd.corrupted_known.min(self.arrived - before);
        self.arrived -= known;
        self.damaged += known;
        let mut unknown = odd.corrupted.saturating_sub(odd.corrupted_known);
        for part in [&mut missing.passed, &mut missing.tail] {
            let taken = unknown.min(*part);
            *part -= taken;
            unknown -= taken;
            self.damaged += taken;
        }
        missing
    }

    /// Without stamps only totals can be compared.
    fn unstamped(
        &mut self,
        terms: Terms<'_>,
        subscriber: usize,
        heard: impl Iterator<Item = usize>,
        sent: &[Sent],
        got: &Got,
    ) -> Missing {
        let (all, published, excused) = heard.filter_map(|publisher| sent.get(publisher)).fold(
            (0, 0, 0),
            |(all, published, excused), sent| {
                let more = sent.excused.count();
                (all + sent.sent, published + sent.published, excused + more)
            },
        );
        // More than were published came more than once, whichever these are.
        let arrived = got.unstamped.min(published);
        self.surplus += got.unstamped - arrived;
        self.arrived += arrived;
        if !terms.may_repeat(subscriber, got.granted) {
            self.breaches.duplicated += got.unstamped - arrived;
        }
        let missing = all.saturating_sub(arrived).saturating_sub(excused);
        let damaged = got.odd.corrupted.min(missing);
        self.damaged += damaged;
        Missing {
            tail: missing - damaged,
            ..Missing::default()
        }
    }

    /// A group that shares its subscriptions gets each message once, at whichever member: it is settled
    /// as one subscriber, number 0.
    fn group(&mut self, terms: Terms<'_>, sent: &[Sent], got: &[Got], group: &[Sequence]) {
        let mut whole = Got {
            stayed: true,
            ..Got::default()
        };
        for member in got.iter().filter(|got| got.subscribed) {
            whole.subscribed = true;
            whole.stayed &= member.stayed;
            // What was on its way to a member that left may be anywhere.
            whole.renewed |= member.renewed || !member.stayed;
            whole.granted = whole.granted.min(member.granted);
            whole.unstamped += member.unstamped;
            whole.odd.add(&member.odd);
        }
        if !whole.subscribed {
            return;
        }
        let heard = (0..sent.len()).filter(|publisher| terms.shape.deliveries_of(*publisher) > 0);
        let missing = if terms.stamped {
            let silent = Sequence::default();
            let seen = |publisher| (publisher, group.get(publisher).unwrap_or(&silent));
            self.stamped(heard.map(seen), 0, sent, &whole.odd)
        } else {
            self.unstamped(terms, 0, heard, sent, &whole)
        };
        self.charge(terms, &whole, missing);
        for (number, member) in got.iter().enumerate().filter(|(_, got)| got.subscribed) {
            let granted = whole.granted;
            let member = Got {
                granted,
                strays: member.strays.clone(),
                ..Got::default()
            };
            self.judge_strays(terms, number, &member, sent);
        }
    }

    /// Which of the messages that came twice or too late break a promise.
    fn judge_strays(&mut self, terms: Terms<'_>, subscriber: usize, got: &Got, sent: &[Sent]) {
        let may_repeat = terms.may_repeat(subscriber, got.granted);
        let none = Ranges::default();
        for (publisher, strays) in &got.strays {
            let again = sent
                .get(*publisher as usize)
                .map_or(&none, |sent| &sent.sent_again);
            let place = |sequence| Place {
                subscriber: subscriber as u32,
                publisher: *publisher,
                sequence,
            };
            let breaches = &mut self.breaches;
            for (numbers, count, first) in [
                (
                    Some(&strays.repeated).filter(|_| !may_repeat),
                    &mut breaches.duplicated,
                    &mut breaches.first_duplicated,
                ),
                (
                    Some(&strays.overtaken),
                    &mut breaches.out_of_order,
                    &mut breaches.first_out_of_order,
                ),
            ] {
                let Some(numbers) = numbers else { continue };
                let unexcused = Unexcused::of(numbers, again, MAX_PLACES);
                *count += unexcused.count;
                self.exact &= unexcused.exact;
                name(first, unexcused.first.into_iter().map(place));
            }
        }
    }

    /// Says what a subscriber's missing messages are, and which promises that breaks.
    fn charge(&mut self, terms: Terms<'_>, got: &Got, missing: Missing) {
        let promise = terms.qos.min(got.granted);
        let mut lost = missing.passed;
        let mut pending = 0;
        let mut first = if lost > 0 {
            missing.first_passed
        } else {
            Vec::new()
        };
        if got.renewed {
            self.cut_off += std::mem::take(&mut lost);
            first.clear();
        }
        match (got.stayed && !got.renewed, terms.settled) {
            (false, _) => self.cut_off += missing.tail,
            (true, false) => pending = missing.tail,
            (true, true) if missing.tail > 0 => {
                lost += missing.tail;
                name(&mut first, missing.first_tail);
            }
            (true, true) => {}
        }
        self.lost += lost;
        self.pending += pending;
        self.expected = self.arrived + self.damaged + self.lost + self.cut_off + self.pending;
        let breaches = &mut self.breaches;
        if promise > QoS::AtMostOnce {
            breaches.lost += lost;
            breaches.pending += pending;
            name(&mut breaches.first_lost, first);
        }
    }

    /// Where counts that were taken independently of each other do not agree; empty when all do.
    pub fn contradictions(&self, counts: &Counts, qos: QoS) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut equal = |left: (&str, u64), right: (&str, u64)| {
            if left.1 != right.1 {
                wrong.push(format!(
                    "{} {} is not {} {}",
                    left.0, left.1, right.0, right.1
                ));
            }
        };
        equal(("sent", counts.sent), ("by publisher", self.sent));
        equal(
            ("acknowledged", counts.acknowledged),
            ("by publisher", self.acknowledged),
        );
        if qos > QoS::AtMostOnce {
            equal(
                ("published", self.published),
                (
                    "acknowledged + refused + unanswered",
                    self.acknowledged + self.refused + self.unanswered,
                ),
            );
        }
        let duplicated = counts.duplicated + self.surplus;
        let seen = self.arrived + duplicated + counts.undecided + self.never_sent;
        equal(
            ("received", counts.received),
            ("arrived + duplicated + undecided + never sent", seen),
        );
        if self.never_sent > 0 {
            let s = if self.never_sent == 1 { "" } else { "s" };
            wrong.push(format!(
                "{} message{s} came that nobody sent",
                self.never_sent
            ));
        }
        wrong
    }
}

#[cfg(test)]
mod tests;
