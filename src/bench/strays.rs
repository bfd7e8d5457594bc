//! Messages that came at the wrong time: a second time, or after a later one. Kept by their numbers,
//! because what a publisher itself sent again is nobody's fault. Pure.

use super::ranges::Ranges;

/// One publisher's, at one subscriber.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Strays {
    /// Came more than once.
    pub repeated: Ranges,
    /// Came after a later one whose order with it MQTT keeps.
    pub overtaken: Ranges,
}

/// Numbers that nothing excuses.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Unexcused {
    pub count: u64,
    /// The first so many of them that are known.
    pub first: Vec<u64>,
    /// Otherwise the count is the least that it can be.
    pub exact: bool,
}

impl Unexcused {
    pub fn of(numbers: &Ranges, excused: &Ranges, most: usize) -> Self {
        let rest = numbers.without(excused);
        let known: u64 = rest.iter().map(|range| range.end - range.start).sum();
        let forgotten = numbers.forgotten().map_or(0, |forgotten| forgotten.count);
        // Which ones were forgotten is not known: as many of them are excused as may be.
        let unmatched = match (excused.is_empty(), forgotten) {
            (true, _) => 0,
            (false, 0) => excused.forgotten().map_or(0, |forgotten| forgotten.count),
            (false, _) => excused.count(),
        };
        let first = numbers.forgotten().map(|forgotten| forgotten.first);
        let first = first.filter(|_| excused.is_empty());
        Self {
            count: (known + forgotten).saturating_sub(unmatched),
            first: first
                .into_iter()
                .chain(rest.into_iter().flatten())
                .take(most)
                .collect(),
            exact: unmatched == 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(numbers: impl IntoIterator<Item = u64>) -> Ranges {
        let mut ranges = Ranges::default();
        numbers.into_iter().for_each(|number| ranges.insert(number));
        ranges
    }

    #[test]
    fn what_is_excused_is_not_counted_and_not_named() {
        let unexcused = Unexcused::of(&set([3, 4, 5, 9]), &set([4, 5, 6]), 8);
        assert_eq!((unexcused.count, unexcused.exact), (2, true));
        assert_eq!(unexcused.first, [3, 9]);
        let all = Unexcused::of(&set(0..20), &Ranges::default(), 3);
        assert_eq!((all.count, all.first), (20, vec![0, 1, 2]));
    }

    #[test]
    fn more_than_is_kept_is_a_bound() {
        let many = set((0..10_000).step_by(2));
        let all = Unexcused::of(&many, &Ranges::default(), 2);
        assert_eq!((all.count, all.exact), (5_000, true));
        assert_eq!(all.first[0], 0);
        let some = Unexcused::of(&many, &set([0, 9_998]), 2);
        assert!(!some.exact);
        assert!((4_997..=4_998).contains(&some.count), "{}", some.count);
    }

    proptest! {
        #[test]
        fn it_never_blames_for_more_than_the_difference(
            numbers in prop::collection::btree_set(0..5_000u64, 0..2_500),
            excused in prop::collection::btree_set(0..5_000u64, 0..2_500),
        ) {
            let difference = numbers.difference(&excused).count() as u64;
            let unexcused = Unexcused::of(&set(numbers), &set(excused), 8);
            prop_assert!(unexcused.count <= difference);
            if unexcused.exact {
                prop_assert_eq!(unexcused.count, difference);
            }
        }
    }
}
