//! Which of one publisher's messages have arrived at one subscriber: exact, in memory that grows only
//! with the number of gaps. Pure.

/// Gaps that are remembered. When there are more, the oldest are given up: a message that arrives
/// in one of those after all counts as a duplicate, and as lost.
const MAX_GAPS: usize = 1024;

/// What an arriving message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// The next one, or one after a gap.
    New,
    /// It fills a gap: a later message came before it.
    OutOfOrder,
    Duplicate,
}

/// One publisher's messages as one subscriber sees them.
#[derive(Debug, Default, Clone)]
pub struct Sequence {
    /// One more than the highest number that has arrived.
    next: u64,
    /// Numbers below `next` that have not arrived.
    missing: u64,
    /// Where they are, in order; absent as long as nothing is missing.
    #[expect(
        clippy::box_collection,
        reason = "there is one of these for each pair of clients, and few have gaps"
    )]
    gaps: Option<Box<Vec<Gap>>>,
}

/// Numbers from `start` up to and without `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Gap {
    start: u64,
    end: u64,
}

impl Sequence {
    /// The number that comes next if nothing is lost.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// How many different messages have arrived.
    pub fn arrived(&self) -> u64 {
        self.next - self.missing
    }

    pub fn observe(&mut self, number: u64) -> Arrival {
        if number == self.next {
            self.next += 1;
            return Arrival::New;
        }
        if number > self.next {
            self.open_gap(number);
            return Arrival::New;
        }
        if self.fill(number) {
            Arrival::OutOfOrder
        } else {
            Arrival::Duplicate
        }
    }

    fn open_gap(&mut self, number: u64) {
        let gaps = self.gaps.get_or_insert_default();
        if gaps.len() >= MAX_GAPS {
            // Half at once, so that this costs little for each.
            gaps.drain(..MAX_GAPS / 2);
        }
        gaps.push(Gap {
            start: self.next,
            end: number,
        });
        self.missing += number - self.next;
        self.next = number + 1;
    }

    fn fill(&mut self, number: u64) -> bool {
        let Some(gaps) = &mut self.gaps else {
            return false;
        };
        let index = gaps.partition_point(|gap| gap.end <= number);
        let Some(&gap) = gaps.get(index) else {
            return false;
        };
        if number < gap.start {
            return false;
        }
        match (number == gap.start, number + 1 == gap.end) {
            (true, true) => {
                gaps.remove(index);
            }
            (true, false) => gaps[index].start += 1,
            (false, true) => gaps[index].end -= 1,
            (false, false) => {
                gaps[index].end = number;
                gaps.insert(
                    index + 1,
                    Gap {
                        start: number + 1,
                        end: gap.end,
                    },
                );
            }
        }
        if gaps.is_empty() {
            self.gaps = None;
        }
        self.missing -= 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn a_perfect_stream_needs_no_memory() {
        let mut sequence = Sequence::default();
        for number in 0..10_000 {
            assert_eq!(sequence.observe(number), Arrival::New);
        }
        assert_eq!(sequence.arrived(), 10_000);
        assert!(sequence.gaps.is_none());
        assert!(size_of::<Sequence>() <= 24);
    }

    #[test]
    fn gaps_stay_bounded_and_arrivals_exact_under_endless_loss() {
        let mut sequence = Sequence::default();
        for number in (0..100_000).step_by(2) {
            sequence.observe(number);
        }
        assert_eq!(sequence.arrived(), 50_000);
        assert!(sequence.gaps.is_some_and(|gaps| gaps.len() <= MAX_GAPS));
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_set_of_all_numbers(numbers in prop::collection::vec(0..60u64, 0..200)) {
            let mut sequence = Sequence::default();
            let mut seen = HashSet::new();
            for number in numbers {
                let highest = seen.iter().max().copied();
                let expected = match (seen.insert(number), highest) {
                    (false, _) => Arrival::Duplicate,
                    (true, Some(highest)) if number < highest => Arrival::OutOfOrder,
                    (true, _) => Arrival::New,
                };
                prop_assert_eq!(sequence.observe(number), expected);
                prop_assert_eq!(sequence.arrived(), seen.len() as u64);
            }
        }
    }
}
