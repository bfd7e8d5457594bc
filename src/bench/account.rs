//! What every publisher sent against what every subscriber got. Pure.

use super::plan::Shape;

/// One publisher's part of the account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent {
    pub sent: u64,
    pub acknowledged: u64,
}

/// One subscriber's part of the account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Got {
    /// Its subscriptions stood when publishing began.
    pub subscribed: bool,
    /// It was connected until the end.
    pub stayed: bool,
    /// Different messages by publisher, in the order of [`Shape::publishers_of`]. Without stamps
    /// all messages are in the first one.
    pub arrived: Vec<u64>,
}

/// Deliveries, one for each message and subscriber: `expected = arrived + lost + cut_off`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Account {
    /// Deliveries that had to happen, and those that need not have but did. A message that was
    /// refused, or sent at QoS 1 or 2 and never acknowledged, need not arrive.
    pub expected: u64,
    pub arrived: u64,
    /// Missing at a subscriber that was there until the end.
    pub lost: u64,
    /// Missing at a subscriber whose connection broke.
    pub cut_off: u64,
}

/// Settles the account. `promised` says that publishers wait for acknowledgements.
pub fn settle(shape: Shape, sent: &[Sent], got: &[Got], promised: bool, stamped: bool) -> Account {
    let mut account = Account::default();
    let excused = |publisher: &Sent| {
        if promised {
            publisher.sent.saturating_sub(publisher.acknowledged)
        } else {
            0
        }
    };
    for (subscriber, got) in got.iter().enumerate().filter(|(_, got)| got.subscribed) {
        let mut pair = |sent: u64, excused: u64, arrived: u64| {
            let missing = sent.saturating_sub(arrived).saturating_sub(excused);
            account.expected += arrived + missing;
            account.arrived += arrived;
            if got.stayed {
                account.lost += missing;
            } else {
                account.cut_off += missing;
            }
        };
        let heard = shape.publishers_of(subscriber).filter_map(|p| sent.get(p));
        if stamped {
            for (slot, publisher) in heard.enumerate() {
                let arrived = got.arrived.get(slot).copied().unwrap_or(0);
                pair(publisher.sent, excused(publisher), arrived);
            }
        } else {
            let (all, all_excused) = heard.fold((0, 0), |(all, all_excused), publisher| {
                (all + publisher.sent, all_excused + excused(publisher))
            });
            pair(all, all_excused, got.arrived.iter().sum());
        }
    }
    account
}

#[cfg(test)]
mod tests {
    use super::super::plan::{BenchPlan, TopicTemplate};
    use super::*;
    use proptest::prelude::*;

    fn shape(publishers: usize, subscribers: usize, topic: &str) -> Shape {
        let mut plan = BenchPlan::new(super::super::stream::tcp(([127, 0, 0, 1], 1).into()));
        plan.publishers.count = publishers;
        plan.subscribers.count = subscribers;
        plan.topic = TopicTemplate::new(topic).unwrap();
        plan.shape()
    }

    fn sent(sent: u64, acknowledged: u64) -> Sent {
        Sent { sent, acknowledged }
    }

    fn got(arrived: &[u64], stayed: bool) -> Got {
        Got {
            subscribed: true,
            stayed,
            arrived: arrived.to_vec(),
        }
    }

    #[test]
    fn what_was_acknowledged_and_did_not_arrive_is_lost() {
        let shape = shape(2, 2, "a");
        let publishers = [sent(100, 90), sent(50, 50)];
        let subscribers = [got(&[95, 49], true), got(&[80, 20], false)];
        let account = settle(shape, &publishers, &subscribers, true, true);
        assert_eq!(
            account,
            Account {
                expected: 95 + 50 + 90 + 50,
                arrived: 95 + 49 + 80 + 20,
                lost: 1,
                cut_off: 10 + 30,
            }
        );
    }

    #[test]
    fn a_subscriber_that_never_subscribed_is_owed_nothing() {
        let account = settle(
            shape(1, 1, "a"),
            &[sent(9, 9)],
            &[Got::default()],
            true,
            true,
        );
        assert_eq!(account, Account::default());
    }

    #[test]
    fn without_stamps_only_totals_are_compared() {
        let account = settle(
            shape(2, 1, "a/{i}"),
            &[sent(10, 0), sent(20, 0)],
            &[got(&[27], true)],
            false,
            false,
        );
        assert_eq!((account.expected, account.lost), (30, 3));
    }

    proptest! {
        #[test]
        fn it_always_adds_up(
            publishers in prop::collection::vec((0..100u64, 0..100u64), 0..5),
            subscribers in prop::collection::vec(
                (any::<bool>(), any::<bool>(), prop::collection::vec(0..100u64, 0..6)), 0..5),
            promised in any::<bool>(),
            stamped in any::<bool>(),
        ) {
            let shape = shape(publishers.len().max(1), subscribers.len(), "a/{i}");
            let publishers: Vec<_> = publishers.into_iter().map(|(s, a)| sent(s, a)).collect();
            let subscribers: Vec<_> = subscribers
                .into_iter()
                .map(|(subscribed, stayed, arrived)| Got { subscribed, stayed, arrived })
                .collect();
            let account = settle(shape, &publishers, &subscribers, promised, stamped);
            prop_assert_eq!(account.expected, account.arrived + account.lost + account.cut_off);
        }
    }
}
