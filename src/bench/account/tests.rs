//! The account against what was done, and against sets of numbers.

use super::*;
use crate::bench::plan::{BenchPlan, TopicTemplate};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn terms(publishers: usize, subscribers: usize, topic: &str, qos: QoS) -> Terms<'static> {
    let mut plan = BenchPlan::new(crate::bench::stream::tcp(([127, 0, 0, 1], 1).into()));
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
        let strays = one.strays.entry(0).or_default();
        (0..5).for_each(|number| strays.repeated.insert(number));
        let account = settle(terms(1, 1, "a", qos), &[sent(3, &[])], &[one]);
        assert_eq!(account.lost, 1);
        let breaches = &account.breaches;
        assert_eq!((breaches.lost, breaches.duplicated), (lost, duplicated));
    }
}

#[test]
fn what_was_sent_again_may_come_twice_and_late_and_nothing_else() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut one = got(&[&[0, 1, 2, 3, 4]]);
        let strays = one.strays.entry(0).or_default();
        (1..=3).for_each(|number| strays.repeated.insert(number));
        [2, 4]
            .into_iter()
            .for_each(|number| strays.overtaken.insert(number));
        let mut publisher = sent(5, &[]);
        (2..=3).for_each(|number| publisher.sent_again.insert(number));
        let breaches = settle(terms(1, 1, "a", qos), &[publisher], &[one]).breaches;
        assert_eq!(breaches.out_of_order, 1);
        assert_eq!(breaches.first_out_of_order, [place(0, 0, 4)]);
        if qos == QoS::ExactlyOnce {
            assert_eq!(breaches.duplicated, 1);
            assert_eq!(breaches.first_duplicated, [place(0, 0, 1)]);
        } else {
            assert_eq!(breaches.duplicated, 0);
        }
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
    assert_eq!(wrong, ["1 message came that nobody sent"]);
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
