//! Which of one publisher's messages have arrived at a group that shares its subscriptions: each must
//! come once, to whichever member. The members' messages come in no order, so what is seen stands in
//! a window of bits, and below it in ranges. Exact, in bounded memory. Pure.

use std::collections::VecDeque;

use super::ranges::Ranges;
use super::sequence::{Arrival, Sequence};

/// Numbers of one page.
const PAGE: u64 = 4096;
const WORDS: usize = (PAGE / 64) as usize;
/// Pages of the window: more than a million messages, in 128 KiB.
const MAX_PAGES: usize = 256;

/// One publisher's messages as a group sees them.
#[derive(Debug, Default, Clone)]
pub struct GroupSequence {
    /// The first number of the window; a multiple of the page.
    floor: u64,
    pages: VecDeque<Box<[u64; WORDS]>>,
    /// What has not arrived below the floor.
    missing: Ranges,
    /// One more than the highest number that has arrived.
    next: u64,
}

impl GroupSequence {
    /// The number that comes next if nothing is lost.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Never [`Arrival::OutOfOrder`]: to a group no order is promised.
    pub fn observe(&mut self, number: u64) -> Arrival {
        self.next = self.next.max(number + 1);
        if number < self.floor {
            return self.below(number);
        }
        self.make_room(number);
        let Some(index) = number.checked_sub(self.floor) else {
            return self.below(number);
        };
        let (page, bit) = ((index / PAGE) as usize, index % PAGE);
        let word = &mut self.pages[page][(bit / 64) as usize];
        let mask = 1 << (bit % 64);
        if *word & mask != 0 {
            return Arrival::Duplicate;
        }
        *word |= mask;
        while let Some(first) = self.pages.front()
            && first.iter().all(|word| *word == u64::MAX)
        {
            self.pages.pop_front();
            self.floor += PAGE;
        }
        Arrival::New
    }

    /// Makes the window reach up to a number; its oldest pages give way.
    fn make_room(&mut self, number: u64) {
        let window = PAGE * MAX_PAGES as u64;
        if number - self.floor >= 2 * window {
            // Far ahead: nothing of the window stays.
            while !self.pages.is_empty() {
                self.give_way();
            }
            let floor = (number / PAGE) * PAGE;
            self.missing.push(self.floor..floor);
            self.floor = floor;
        }
        while number - self.floor >= PAGE * self.pages.len() as u64 {
            if self.pages.len() == MAX_PAGES {
                self.give_way();
            }
            self.pages.push_back(Box::new([0; WORDS]));
        }
    }

    /// The oldest page leaves the window; what is missing in it is kept as ranges.
    fn give_way(&mut self) {
        if let Some(page) = self.pages.pop_front() {
            push_missing(&mut self.missing, self.floor, &page, self.floor + PAGE);
            self.floor += PAGE;
        }
    }

    fn below(&mut self, number: u64) -> Arrival {
        if self.missing.remove(number) {
            return Arrival::New;
        }
        let forgotten = self.missing.forgotten();
        if forgotten.is_some_and(|forgotten| (forgotten.first..forgotten.end).contains(&number)) {
            Arrival::Undecided
        } else {
            Arrival::Duplicate
        }
    }

    /// What the group has seen in the end, as if one subscriber had.
    pub fn into_sequence(self) -> Sequence {
        let mut missing = self.missing;
        for (page, start) in self.pages.iter().zip((self.floor..).step_by(PAGE as usize)) {
            push_missing(&mut missing, start, page, self.next);
        }
        Sequence::seen(self.next, missing)
    }
}

/// Adds the numbers of a page, below `end`, that have not arrived.
fn push_missing(missing: &mut Ranges, start: u64, page: &[u64; WORDS], end: u64) {
    for (word, first) in page.iter().zip((start..).step_by(64)) {
        let mut word = *word;
        let mut at = 0;
        while at < 64 && first + at < end {
            let seen = u64::from(word.trailing_ones());
            at += seen;
            word = word.checked_shr(seen as u32).unwrap_or(0);
            let unseen = u64::from(word.trailing_zeros()).min(64 - at.min(64));
            let from = (first + at).min(end);
            missing.push(from..(from + unseen).min(end));
            at += unseen;
            word = word.checked_shr(unseen as u32).unwrap_or(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn missing(sequence: &Sequence) -> Vec<u64> {
        let ranges = sequence.missing().into_iter();
        ranges.flat_map(|ranges| ranges.iter().flatten()).collect()
    }

    #[test]
    fn members_that_take_turns_leave_no_gap_however_far_they_are_apart() {
        let mut group = GroupSequence::default();
        // One member is read dry before the other: a million numbers ahead.
        for start in [0, 1] {
            for number in (start..900_000).step_by(2) {
                assert_eq!(group.observe(number), Arrival::New);
            }
        }
        assert_eq!(group.observe(899_999), Arrival::Duplicate);
        assert_eq!(group.observe(5), Arrival::Duplicate);
        assert!(group.pages.len() <= 1);
        let sequence = group.into_sequence();
        assert_eq!((sequence.next(), sequence.arrived()), (900_000, 900_000));
        assert!(sequence.missing().is_none());
    }

    #[test]
    fn endless_loss_and_great_leaps_stay_bounded_and_counted() {
        let mut group = GroupSequence::default();
        for number in (0..3_000_000).step_by(3) {
            group.observe(number);
        }
        assert_eq!(group.pages.len(), MAX_PAGES);
        group.observe(u64::MAX / 2);
        assert!(group.pages.len() <= MAX_PAGES);
        assert_eq!(group.into_sequence().arrived(), 1_000_001);
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_set_of_all_numbers(
            numbers in prop::collection::vec(
                prop_oneof![0..200u64, 4_000..4_200u64, 1_200_000..1_200_100u64, 9_000_000..9_000_100u64],
                0..200,
            ),
        ) {
            let mut group = GroupSequence::default();
            let mut seen = BTreeSet::new();
            for number in &numbers {
                let expected = if seen.insert(*number) { Arrival::New } else { Arrival::Duplicate };
                prop_assert_eq!(group.observe(*number), expected);
            }
            let sequence = group.into_sequence();
            prop_assert_eq!(sequence.arrived(), seen.len() as u64);
            let next = seen.last().map_or(0, |last| last + 1);
            prop_assert_eq!(sequence.next(), next);
            if next < 10_000 {
                let unseen: Vec<u64> = (0..next).filter(|one| !seen.contains(one)).collect();
                prop_assert_eq!(missing(&sequence), unseen);
            }
        }
    }
}
