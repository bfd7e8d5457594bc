//! A set of message numbers as ranges, in bounded memory. Pure.

use std::ops::Range;

/// Ranges that are kept. When there are more, the oldest half is only counted from then on.
pub const MAX_RANGES: usize = 1024;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges {
    /// In order, none empty, none touching another.
    ranges: Vec<Range<u64>>,
    /// Numbers in the set, those of forgotten ranges included.
    count: u64,
    forgotten: Option<Forgotten>,
}

/// What is left of ranges that were given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forgotten {
    pub first: u64,
    /// All of them are below this number.
    pub end: u64,
    pub count: u64,
}

impl Ranges {
    /// How many numbers there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn iter(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.ranges.iter().cloned()
    }

    pub fn forgotten(&self) -> Option<Forgotten> {
        self.forgotten
    }

    /// Whether a number is in the set, as far as its ranges are kept.
    pub fn contains(&self, number: u64) -> bool {
        let index = self.ranges.partition_point(|range| range.end <= number);
        self.ranges
            .get(index)
            .is_some_and(|range| range.contains(&number))
    }

    /// Adds numbers above all that were added before.
    pub fn push(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        self.count += range.end - range.start;
        match self.ranges.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => {
                self.ranges.push(range);
                self.shrink();
            }
        }
    }

    /// Adds a number wherever it belongs. A number below the forgotten ones is forgotten with them.
    pub fn insert(&mut self, number: u64) {
        if let Some(forgotten) = &mut self.forgotten
            && number < forgotten.end
        {
            forgotten.count += 1;
            forgotten.first = forgotten.first.min(number);
            self.count += 1;
            return;
        }
        let index = self.ranges.partition_point(|range| range.end < number);
        match self.ranges.get_mut(index) {
            Some(range) if range.contains(&number) => return,
            Some(range) if range.end == number => {
                range.end += 1;
                let end = range.end;
                if let Some(next) = self.ranges.get(index + 1)
                    && next.start == end
                {
                    self.ranges[index].end = next.end;
                    self.ranges.remove(index + 1);
                }
            }
            Some(range) if range.start == number + 1 => range.start = number,
            _ => {
                self.ranges.insert(index, number..number + 1);
                self.shrink();
            }
        }
        self.count += 1;
    }

    /// True when the number was there.
    pub fn remove(&mut self, number: u64) -> bool {
        let index = self.ranges.partition_point(|range| range.end <= number);
        let Some(range) = self.ranges.get_mut(index) else {
            return false;
        };
        if number < range.start {
            return false;
        }
        match (number == range.start, number + 1 == range.end) {
            (true, true) => drop(self.ranges.remove(index)),
            (true, false) => range.start += 1,
            (false, true) => range.end -= 1,
            (false, false) => {
                let rest = number + 1..range.end;
                range.end = number;
                self.ranges.insert(index + 1, rest);
            }
        }
        self.count -= 1;
        true
    }

    /// The ranges of this set without the numbers of another one.
    pub fn without(&self, other: &Self) -> Vec<Range<u64>> {
        let mut rest = Vec::new();
        let mut others = other.ranges.iter().peekable();
        for range in &self.ranges {
            let mut start = range.start;
            while let Some(other) = others.peek() {
                if other.start >= range.end {
                    break;
                }
                if other.start > start {
                    rest.push(start..other.start);
                }
                start = start.max(other.end);
                if other.end > range.end {
                    break;
                }
                others.next();
            }
            if start < range.end {
                rest.push(start..range.end);
            }
        }
        rest
    }

    fn shrink(&mut self) {
        if self.ranges.len() <= MAX_RANGES {
            return;
        }
        // Half at once, so that this costs little for each.
        for range in self.ranges.drain(..MAX_RANGES / 2) {
            let forgotten = self.forgotten.get_or_insert(Forgotten {
                first: range.start,
                end: range.end,
                count: 0,
            });
            forgotten.end = range.end;
            forgotten.count += range.end - range.start;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn numbers(ranges: impl IntoIterator<Item = Range<u64>>) -> Vec<u64> {
        ranges.into_iter().flatten().collect()
    }

    fn set(numbers: &[u64]) -> (Ranges, BTreeSet<u64>) {
        let mut ranges = Ranges::default();
        for number in numbers {
            ranges.insert(*number);
        }
        (ranges, numbers.iter().copied().collect())
    }

    #[test]
    fn memory_stays_bounded_and_the_count_exact() {
        let mut pushed = Ranges::default();
        let mut inserted = Ranges::default();
        for number in (0..100_000).step_by(2) {
            pushed.push(number..number + 1);
            inserted.insert(number);
        }
        for ranges in [pushed, inserted] {
            assert!(ranges.ranges.len() <= MAX_RANGES);
            assert_eq!(ranges.count(), 50_000);
            let forgotten = ranges.forgotten().unwrap();
            assert_eq!(forgotten.first, 0);
            let kept = numbers(ranges.iter()).len() as u64;
            assert_eq!(forgotten.count + kept, 50_000);
        }
    }

    proptest! {
        #[test]
        fn it_is_the_set_of_its_numbers(
            inserted in prop::collection::vec(0..60u64, 0..80),
            removed in prop::collection::vec(0..60u64, 0..40),
        ) {
            let (mut ranges, mut model) = set(&inserted);
            for number in removed {
                prop_assert_eq!(ranges.remove(number), model.remove(&number));
            }
            prop_assert_eq!(ranges.count(), model.len() as u64);
            prop_assert!((0..61).all(|number| ranges.contains(number) == model.contains(&number)));
            prop_assert!(ranges.ranges.windows(2).all(|two| two[0].end < two[1].start));
            prop_assert_eq!(numbers(ranges.iter()), Vec::from_iter(model));
        }

        #[test]
        fn pushing_in_order_is_inserting(lens in prop::collection::vec((0..4u64, 0..4u64), 0..40)) {
            let mut pushed = Ranges::default();
            let mut inserted = Ranges::default();
            let mut at = 0;
            for (gap, len) in lens {
                let range = at + gap..at + gap + len;
                at = range.end;
                pushed.push(range.clone());
                range.for_each(|number| inserted.insert(number));
            }
            prop_assert_eq!(pushed, inserted);
        }

        #[test]
        fn without_is_the_difference(
            one in prop::collection::vec(0..60u64, 0..60),
            two in prop::collection::vec(0..60u64, 0..60),
        ) {
            let ((one, model), (two, others)) = (set(&one), set(&two));
            let difference: Vec<u64> = model.difference(&others).copied().collect();
            prop_assert_eq!(numbers(one.without(&two)), difference);
        }
    }
}
