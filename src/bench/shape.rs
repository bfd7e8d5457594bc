//! Who hears whom, from the topics of the publishers and the filters of the subscribers. Pure.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use crate::mqtt::topic;

/// Which publishers each subscriber hears.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shape {
    /// By subscriber, the number of what it hears: many hear the same.
    subscribers: Vec<usize>,
    heard: Vec<Heard>,
    /// Of each of these, whether several filters match a topic: MQTT lets a broker send it once for each
    /// (MQTT 5, section 3.3.4).
    overlapping: Vec<bool>,
    /// By publisher, how often each of its messages is delivered.
    deliveries: Vec<usize>,
    /// The subscribers form one group, in which each message goes to one of them.
    pub shared: bool,
}

/// Publishers in the order of their numbers. Their places in it are called slots.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Heard {
    /// `first`, `first + step`, …: nearly always.
    Every {
        first: usize,
        step: usize,
        count: usize,
    },
    These(Vec<usize>),
}

impl Heard {
    fn new(publishers: Vec<usize>) -> Self {
        let first = publishers.first().copied().unwrap_or(0);
        let step = match publishers[..] {
            [one, two, ..] => two - one,
            _ => 1,
        };
        let is_even = publishers
            .iter()
            .enumerate()
            .all(|(slot, publisher)| *publisher == first + slot * step);
        if is_even {
            Self::Every {
                first,
                step,
                count: publishers.len(),
            }
        } else {
            Self::These(publishers)
        }
    }

    fn slot(&self, publisher: usize) -> Option<usize> {
        match self {
            Self::Every { first, step, count } => {
                let ahead = publisher.checked_sub(*first)?;
                // Most shapes need no division, and it would be one for each message.
                let slot = match step {
                    1 => ahead,
                    _ if ahead % step == 0 => ahead / step,
                    _ => return None,
                };
                (slot < *count).then_some(slot)
            }
            Self::These(publishers) => publishers.binary_search(&publisher).ok(),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Every { count, .. } => *count,
            Self::These(publishers) => publishers.len(),
        }
    }

    fn publisher(&self, slot: usize) -> usize {
        match self {
            Self::Every { first, step, .. } => first + slot * step,
            Self::These(publishers) => publishers[slot],
        }
    }
}

/// A subscriber gets some of a publisher's topics and not the others, so that nobody could tell what
/// it should get.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a subscriber hears only some of the topics of a publisher: not '{missed}'")]
pub struct PartlyHeard {
    missed: String,
}

/// The topics of all publishers: lists of topics, each with the publishers that publish to all of them.
#[derive(Debug, Default)]
pub struct Topics {
    lists: Vec<List>,
    /// Each topic with the lists that it is in.
    by_name: BTreeMap<String, Vec<usize>>,
}

#[derive(Debug)]
struct List {
    topics: Vec<String>,
    publishers: Vec<usize>,
}

impl Topics {
    /// Adds publishers with their topics, each of them different.
    pub fn add(&mut self, topics: Vec<String>, publishers: Vec<usize>) {
        for topic in &topics {
            let lists = self.by_name.entry(topic.clone()).or_default();
            lists.push(self.lists.len());
        }
        self.lists.push(List { topics, publishers });
    }

    /// The topics that a filter matches, with their lists.
    fn matching(&self, filter: &str) -> impl Iterator<Item = (&String, &Vec<usize>)> {
        // Only what starts as the filter does is looked at: each subscriber's filter is matched.
        let literal = filter.split(['+', '#']).next().unwrap_or_default();
        // "a/#" matches "a" too.
        let literal = literal.strip_suffix('/').unwrap_or(literal).to_owned();
        let from = (Bound::Included(literal.clone()), Bound::Unbounded);
        self.by_name
            .range::<String, _>(from)
            .take_while(move |(name, _)| name.starts_with(&literal))
            .filter(move |(name, _)| topic::matches(filter, name))
    }

    /// The publishers that somebody with these filters hears, and whether some of it by several filters.
    fn heard(&self, filters: &[String]) -> Result<(Heard, bool), PartlyHeard> {
        let mut matched: HashMap<usize, Vec<&String>> = HashMap::new();
        let mut overlapping = false;
        for filter in filters {
            for (name, lists) in self.matching(filter) {
                for list in lists {
                    let names = matched.entry(*list).or_default();
                    if names.contains(&name) {
                        overlapping = true;
                    } else {
                        names.push(name);
                    }
                }
            }
        }
        let mut publishers = Vec::new();
        for (list, names) in matched {
            let list = &self.lists[list];
            if let Some(missed) = list.topics.iter().find(|topic| !names.contains(topic)) {
                return Err(PartlyHeard {
                    missed: missed.clone(),
                });
            }
            publishers.extend_from_slice(&list.publishers);
        }
        publishers.sort_unstable();
        Ok((Heard::new(publishers), overlapping))
    }
}

impl Shape {
    /// `filters` are those of one subscriber after the other, `publishers` their number.
    pub fn new<E: From<PartlyHeard>>(
        topics: &Topics,
        publishers: usize,
        filters: impl Iterator<Item = Result<Vec<String>, E>>,
        shared: bool,
    ) -> Result<Self, E> {
        let mut shape = Self {
            deliveries: vec![0; publishers],
            shared,
            ..Self::default()
        };
        let mut known: HashMap<Vec<String>, usize> = HashMap::new();
        for filters in filters {
            let filters = filters?;
            let number = match known.get(&filters) {
                Some(number) => *number,
                None => {
                    let number = shape.heard.len();
                    let (heard, overlapping) = topics.heard(&filters)?;
                    shape.heard.push(heard);
                    shape.overlapping.push(overlapping);
                    known.insert(filters, number);
                    number
                }
            };
            shape.subscribers.push(number);
        }
        for subscriber in 0..shape.subscribers.len() {
            let heard = &shape.heard[shape.subscribers[subscriber]];
            for slot in 0..heard.len() {
                let deliveries = &mut shape.deliveries[heard.publisher(slot)];
                *deliveries = if shared { 1 } else { *deliveries + 1 };
            }
        }
        Ok(shape)
    }

    /// Which of the publishers that a subscriber hears a publisher is; `None` if it does not hear it.
    pub fn slot(&self, publisher: usize, subscriber: usize) -> Option<usize> {
        self.heard[self.subscribers[subscriber]].slot(publisher)
    }

    /// Whether several filters of a subscriber match a topic that it hears.
    pub fn overlaps(&self, subscriber: usize) -> bool {
        self.overlapping[self.subscribers[subscriber]]
    }

    /// The publishers that a subscriber hears, in the order of their slots.
    pub fn publishers_of(&self, subscriber: usize) -> impl Iterator<Item = usize> {
        let heard = &self.heard[self.subscribers[subscriber]];
        (0..heard.len()).map(|slot| heard.publisher(slot))
    }

    /// How often each message of a publisher is to be delivered.
    pub fn deliveries_of(&self, publisher: usize) -> usize {
        self.deliveries[publisher]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }

    fn shape(publishers: &[&[&str]], subscribers: &[&[&str]]) -> Result<Shape, PartlyHeard> {
        let mut topics = Topics::default();
        for (number, list) in publishers.iter().enumerate() {
            topics.add(texts(list), vec![number]);
        }
        let filters = subscribers.iter().map(|filters| Ok(texts(filters)));
        Shape::new(&topics, publishers.len(), filters, false)
    }

    #[test]
    fn filters_and_their_wildcards_decide_who_hears_whom() {
        let shape = shape(
            &[&["a/0"], &["a/1"], &["b"], &["a"]],
            &[&["a/#"], &["a/+", "b"], &["a/1"], &["c"], &["#"]],
        )
        .unwrap();
        let heard = |subscriber| shape.publishers_of(subscriber).collect::<Vec<_>>();
        assert_eq!(heard(0), [0, 1, 3]);
        assert_eq!(heard(1), [0, 1, 2]);
        assert_eq!(heard(2), [1]);
        assert!(heard(3).is_empty());
        assert_eq!(heard(4), [0, 1, 2, 3]);
        assert_eq!(shape.slot(3, 0), Some(2));
        assert_eq!(shape.slot(2, 0), None);
        let deliveries: Vec<_> = (0..4).map(|p| shape.deliveries_of(p)).collect();
        assert_eq!(deliveries, [3, 4, 2, 2]);
    }

    #[test]
    fn filters_that_match_a_topic_twice_hear_it_once() {
        let shape = shape(&[&["a/0", "a/1"]], &[&["a/+", "a/0", "#"]]).unwrap();
        assert_eq!(shape.publishers_of(0).count(), 1);
        assert!(shape.overlaps(0));
    }

    #[test]
    fn filters_side_by_side_do_not_overlap() {
        let shape = shape(&[&["a/0"], &["b"]], &[&["a/+", "b"], &["a/#", "a/0"]]).unwrap();
        assert!(!shape.overlaps(0));
        assert!(shape.overlaps(1));
    }

    #[test]
    fn some_topics_of_a_publisher_without_the_others_are_refused() {
        let error = shape(&[&["a", "b"]], &[&["a"]]).unwrap_err();
        assert!(error.to_string().contains("'b'"), "{error}");
        assert!(shape(&[&["a", "b"]], &[&["c"]]).is_ok());
    }

    #[test]
    fn a_group_gets_each_message_once() {
        let mut topics = Topics::default();
        topics.add(texts(&["a"]), vec![0, 1]);
        let filters = (0..3).map(|_| Ok::<_, PartlyHeard>(texts(&["a"])));
        let shape = Shape::new(&topics, 2, filters, true).unwrap();
        assert_eq!(shape.deliveries_of(1), 1);
        assert_eq!(shape.slot(1, 2), Some(1));
    }

    proptest! {
        #[test]
        fn it_agrees_with_matching_every_filter_with_every_topic(
            publishers in prop::collection::vec("[ab]/[abc](/[ab])?", 0..12),
            subscribers in prop::collection::vec(
                prop::collection::vec("(\\+|a|b)/(\\+|a|b|#)|#", 1..3), 0..6),
        ) {
            let lists: Vec<Vec<&str>> = publishers.iter().map(|one| vec![one.as_str()]).collect();
            let lists: Vec<&[&str]> = lists.iter().map(Vec::as_slice).collect();
            let filters: Vec<Vec<&str>> =
                subscribers.iter().map(|some| some.iter().map(String::as_str).collect()).collect();
            let filters: Vec<&[&str]> = filters.iter().map(Vec::as_slice).collect();
            let shape = shape(&lists, &filters).unwrap();
            for (subscriber, filters) in subscribers.iter().enumerate() {
                let expected: Vec<usize> = (0..publishers.len())
                    .filter(|publisher| filters.iter()
                        .any(|filter| topic::matches(filter, &publishers[*publisher])))
                    .collect();
                let heard: Vec<usize> = shape.publishers_of(subscriber).collect();
                for (slot, publisher) in heard.iter().enumerate() {
                    prop_assert_eq!(shape.slot(*publisher, subscriber), Some(slot));
                }
                prop_assert_eq!(heard, expected);
            }
        }
    }
}
