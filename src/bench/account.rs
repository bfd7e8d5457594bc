//! What every publisher sent against what every subscriber got, and whether it adds up. Pure.

use std::ops::Range;

use super::ranges::Ranges;
use super::recorder::{Counts, Place};
use super::sequence::Sequence;
use super::shape::Shape;
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
    pub duplicated: u64,
    pub out_of_order: u64,
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
            account.unstamped(heard, sent, got)
        };
        account.charge(terms, got, missing);
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
        heard: impl Iterator<Item = usize>,
        sent: &[Sent],
        got: &Got,
    ) -> Missing {
        let (all, excused) = heard
            .filter_map(|publisher| sent.get(publisher))
            .fold((0, 0), |(all, excused), sent| {
                (all + sent.sent, excused + sent.excused.count())
            });
        self.arrived += got.unstamped;
        let missing = all.saturating_sub(got.unstamped).saturating_sub(excused);
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
            self.unstamped(heard, sent, &whole)
        };
        self.charge(terms, &whole, missing);
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
        if promise != QoS::AtLeastOnce {
            breaches.duplicated += got.odd.duplicated;
        }
        breaches.out_of_order += got.odd.out_of_order;
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
        let seen = self.arrived + counts.duplicated + counts.undecided + self.never_sent;
        equal(
            ("received", counts.received),
            ("arrived + duplicated + undecided + never sent", seen),
        );
        if self.never_sent > 0 {
            wrong.push(format!(
                "{} messages came that nobody sent",
                self.never_sent
            ));
        }
        wrong
    }
}

/// One publisher's messages that one subscriber does not have.
#[derive(Debug, Default)]
struct Gaps {
    passed: u64,
    tail: u64,
    never_sent: u64,
    /// The numbers of the first ones.
    first_passed: Vec<u64>,
    first_tail: Vec<u64>,
    exact: bool,
}

impl Gaps {
    fn of(sequence: &Sequence, sent: &Sent) -> Self {
        // Under TLS a message may arrive although its last flush was not heard of.
        let end = sent.sent.max(sequence.next().min(sent.published));
        let none = Ranges::default();
        let missing = sequence.missing().unwrap_or(&none);
        let mut tail = Ranges::default();
        tail.push(sequence.next().min(end)..end);
        let clip = |range: Range<u64>| range.start.min(end)..range.end.min(end);
        let len = |range: &Range<u64>| range.end - range.start;
        let passed = missing.without(&sent.excused).into_iter().map(clip);
        let passed: Vec<_> = passed.collect();
        let tails = tail.without(&sent.excused);
        let first = |ranges: &[Range<u64>]| {
            let numbers = ranges.iter().cloned().flatten();
            numbers.take(MAX_PLACES).collect::<Vec<_>>()
        };
        let above = missing
            .iter()
            .map(|range| len(&range) - len(&clip(range.clone())));
        let mut gaps = Self {
            passed: passed.iter().map(len).sum(),
            tail: tails.iter().map(len).sum(),
            never_sent: sequence
                .next()
                .saturating_sub(end)
                .saturating_sub(above.sum()),
            first_passed: first(&passed),
            first_tail: first(&tails),
            exact: true,
        };
        if let Some(forgotten) = missing.forgotten() {
            gaps.passed += forgotten.count;
            gaps.first_passed.insert(0, forgotten.first);
            gaps.exact = sent.excused.is_empty();
        }
        if let Some(forgotten) = sent.excused.forgotten() {
            // Which of the missing ones these are is not known any more, only how many.
            let excused = forgotten.count.min(gaps.passed + gaps.tail);
            let from_passed = excused.min(gaps.passed);
            gaps.passed -= from_passed;
            gaps.tail -= excused - from_passed;
            gaps.exact = false;
        }
        gaps
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::{BenchPlan, TopicTemplate};
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn terms(publishers: usize, subscribers: usize, topic: &str, qos: QoS) -> Terms<'static> {
        let mut plan = BenchPlan::new(super::super::stream::tcp(([127, 0, 0, 1], 1).into()));
        plan.publishers.count = publishers;
        plan.subscribers.count = subscribers;
        plan.topics = vec![TopicTemplate::new(topic).unwrap()];
        Terms {
            // A test's shape may stay as long as the test.
            shape: Box::leak(Box::new(plan.shape().unwrap())),
            qos,
            stamped: true,
            settled: true,
        }
    }

    fn sent(sent: u64, excused: &[u64]) -> Sent {
        let mut one = Sent {
            offered: sent,
            published: sent,
            sent,
            unanswered: excused.len() as u64,
            acknowledged: sent - excused.len() as u64,
            ..Sent::default()
        };
        excused
            .iter()
            .for_each(|number| one.excused.insert(*number));
        one
    }

    fn got(sequences: &[&[u64]]) -> Got {
        let sequences = sequences.iter().map(|numbers| {
            let mut sequence = Sequence::default();
            for number in *numbers {
                sequence.observe(*number);
            }
            sequence
        });
        Got {
            subscribed: true,
            stayed: true,
            sequences: sequences.collect(),
            ..Got::default()
        }
    }

    fn place(subscriber: u32, publisher: u32, sequence: u64) -> Place {
        Place {
            subscriber,
            publisher,
            sequence,
        }
    }

    fn settle(terms: Terms<'_>, sent: &[Sent], got: &[Got]) -> Account {
        super::settle(terms, sent, got, &[])
    }

    #[test]
    fn what_was_acknowledged_and_did_not_arrive_is_lost_and_named() {
        let terms = terms(2, 2, "a", QoS::AtLeastOnce);
        // Of the first publisher's messages 3 was refused.
        let publishers = [sent(5, &[3]), sent(3, &[])];
        let mut broken = got(&[&[0, 2]]);
        broken.stayed = false;
        let subscribers = [got(&[&[0, 1, 4], &[0, 1]]), broken];
        let account = settle(terms, &publishers, &subscribers);
        assert_eq!(account.arrived, 5 + 2);
        // At the first: 2 of publisher 0 and 2 of publisher 1. At the second 1, and then no more.
        assert_eq!((account.lost, account.cut_off), (2 + 1, 1 + 3));
        assert_eq!(account.expected, 7 + 3 + 4);
        assert_eq!(
            account.breaches.first_lost,
            [place(0, 0, 2), place(0, 1, 2), place(1, 0, 1)]
        );
        assert!(account.exact);
    }

    #[test]
    fn a_refused_message_that_arrives_does_not_hide_a_lost_one() {
        let terms = terms(1, 1, "a", QoS::AtLeastOnce);
        let account = settle(terms, &[sent(4, &[1])], &[got(&[&[0, 1, 3]])]);
        assert_eq!((account.arrived, account.lost), (3, 1));
        assert_eq!(account.breaches.first_lost, [place(0, 0, 2)]);
    }

    #[test]
    fn qos_0_may_lose_and_only_qos_1_may_repeat() {
        for (qos, granted, lost, duplicated) in [
            (0, 2, 0, 5),
            (1, 1, 1, 0),
            (2, 2, 1, 5),
            (2, 1, 1, 0),
            (2, 0, 0, 5),
        ] {
            let qos = QoS::from_u8(qos).unwrap();
            let mut one = got(&[&[0, 2]]);
            one.granted = QoS::from_u8(granted).unwrap();
            one.odd.duplicated = 5;
            let account = settle(terms(1, 1, "a", qos), &[sent(3, &[])], &[one]);
            assert_eq!(account.lost, 1);
            let breaches = &account.breaches;
            assert_eq!((breaches.lost, breaches.duplicated), (lost, duplicated));
        }
    }

    #[test]
    fn what_has_not_come_when_the_drain_is_cut_short_is_pending() {
        let mut terms = terms(1, 1, "a", QoS::AtLeastOnce);
        terms.settled = false;
        let account = settle(terms, &[sent(10, &[])], &[got(&[&[0, 2, 3]])]);
        assert_eq!((account.lost, account.pending), (1, 6));
        assert_eq!(account.breaches.pending, 6);
    }

    #[test]
    fn a_damaged_message_is_not_lost_as_well() {
        let mut one = got(&[&[0, 1, 3]]);
        // One whose stamp was whole, message 1, and one whose stamp was not: message 2.
        one.odd.corrupted = 2;
        one.odd.corrupted_known = 1;
        let account = settle(terms(1, 1, "a", QoS::AtLeastOnce), &[sent(4, &[])], &[one]);
        assert_eq!((account.arrived, account.damaged, account.lost), (2, 2, 0));
        assert!(account.breaches.first_lost.is_empty());
    }

    #[test]
    fn what_nobody_sent_does_not_add_up() {
        let account = settle(
            terms(1, 1, "a", QoS::AtMostOnce),
            &[sent(3, &[])],
            &[got(&[&[0, 1, 2, 7]])],
        );
        assert_eq!((account.arrived, account.never_sent), (3, 1));
        let counts = Counts {
            sent: 3,
            acknowledged: 3,
            received: 4,
            ..Counts::default()
        };
        let wrong = account.contradictions(&counts, QoS::AtMostOnce);
        assert_eq!(wrong, ["1 messages came that nobody sent"]);
    }

    #[test]
    fn counts_that_disagree_are_named() {
        let account = settle(
            terms(1, 1, "a", QoS::AtMostOnce),
            &[sent(3, &[])],
            &[got(&[&[0, 1, 2]])],
        );
        let mut counts = Counts {
            sent: 3,
            acknowledged: 3,
            received: 3,
            ..Counts::default()
        };
        assert!(account.contradictions(&counts, QoS::AtMostOnce).is_empty());
        counts.received = 4;
        assert_eq!(
            account.contradictions(&counts, QoS::AtMostOnce),
            ["received 4 is not arrived + duplicated + undecided + never sent 3"]
        );
    }

    #[test]
    fn a_subscriber_that_never_subscribed_is_owed_nothing() {
        let account = settle(
            terms(1, 1, "a", QoS::AtLeastOnce),
            &[sent(9, &[])],
            &[Got::default()],
        );
        assert_eq!((account.expected, account.lost), (0, 0));
    }

    #[test]
    fn a_group_is_settled_as_one_subscriber() {
        let mut shape = (*terms(2, 3, "a", QoS::AtLeastOnce).shape).clone();
        shape.shared = true;
        let terms = Terms {
            shape: &shape,
            ..terms(2, 3, "a", QoS::AtLeastOnce)
        };
        let members = [got(&[]), got(&[]), got(&[])];
        let seen = got(&[&[0, 1, 3], &[0, 1]]).sequences;
        // A repeated message does not make up for a lost one.
        let account = super::settle(terms, &[sent(4, &[]), sent(2, &[])], &members, &seen);
        assert_eq!((account.expected, account.arrived, account.lost), (6, 5, 1));
        assert_eq!(account.breaches.first_lost, [place(0, 0, 2)]);
    }

    #[test]
    fn without_stamps_only_totals_are_compared() {
        let mut terms = terms(2, 1, "a/{i}", QoS::AtMostOnce);
        terms.stamped = false;
        let mut one = got(&[]);
        one.unstamped = 27;
        let account = settle(terms, &[sent(10, &[]), sent(20, &[])], &[one]);
        assert_eq!((account.expected, account.lost), (30, 3));
    }

    #[test]
    fn endless_gaps_are_still_counted() {
        let even: Vec<u64> = (0..10_000).step_by(2).collect();
        let account = settle(
            terms(1, 1, "a", QoS::AtLeastOnce),
            &[sent(10_000, &[])],
            &[got(&[&even])],
        );
        assert_eq!((account.arrived, account.lost), (5_000, 5_000));
        assert_eq!(account.breaches.first_lost[0], place(0, 0, 1));
        assert!(account.exact);
        // With refusals that are forgotten too it is no longer exact, and says so.
        let odd: Vec<u64> = (1..10_000).step_by(2).collect();
        let account = settle(
            terms(1, 1, "a", QoS::AtLeastOnce),
            &[sent(10_000, &odd)],
            &[got(&[&even])],
        );
        assert_eq!(account.lost, 0);
        assert!(!account.exact);
    }

    proptest! {
        /// Against sets of numbers: what each publisher sent and need not have, and what each pair saw.
        #[test]
        fn it_agrees_with_sets_and_always_adds_up(
            publishers in prop::collection::vec((0..30u64, prop::collection::btree_set(0..30u64, 0..10)), 1..4),
            seen in prop::collection::vec(prop::collection::vec(0..30u64, 0..60), 12),
            subscribers in prop::collection::vec((any::<bool>(), any::<bool>()), 0..4),
            qos in 0..3u8,
            settled in any::<bool>(),
            one_topic in any::<bool>(),
        ) {
            let topic = if one_topic { "a" } else { "a/{i}" };
            let qos = QoS::from_u8(qos).unwrap();
            let mut terms = terms(publishers.len(), subscribers.len(), topic, qos);
            terms.settled = settled;
            let sents: Vec<Sent> = publishers.iter().map(|(total, excused)| {
                let excused: Vec<u64> = excused.iter().copied().filter(|n| n < total).collect();
                sent(*total, &excused)
            }).collect();
            let mut gots = Vec::new();
            let (mut missing, mut arrived) = (0, 0);
            for (index, (subscribed, stayed)) in subscribers.iter().enumerate() {
                let mut sequences = Vec::new();
                for publisher in terms.shape.publishers_of(index) {
                    let (total, excused) = &publishers[publisher];
                    let numbers: Vec<u64> = seen[index * 3 + publisher].iter().copied().filter(|n| n < total).collect();
                    let set: BTreeSet<u64> = numbers.iter().copied().collect();
                    if *subscribed {
                        arrived += set.len() as u64;
                        missing += (0..*total).filter(|n| !set.contains(n) && !excused.contains(n)).count() as u64;
                    }
                    sequences.push(numbers);
                }
                let slices: Vec<&[u64]> = sequences.iter().map(Vec::as_slice).collect();
                gots.push(Got { subscribed: *subscribed, stayed: *stayed, ..got(&slices) });
            }
            let account = settle(terms, &sents, &gots);
            prop_assert_eq!(account.arrived, arrived);
            prop_assert_eq!(account.lost + account.cut_off + account.pending, missing);
            prop_assert_eq!(account.expected, arrived + missing);
            prop_assert_eq!(account.never_sent, 0);
            prop_assert!(account.exact);
            let breaches = &account.breaches;
            prop_assert_eq!(breaches.lost, if qos > QoS::AtMostOnce { account.lost } else { 0 });
            prop_assert_eq!(breaches.first_lost.is_empty(), breaches.lost == 0);
        }
    }
}
