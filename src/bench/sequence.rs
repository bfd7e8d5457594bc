//! Which of one publisher's messages have arrived at one subscriber: exact, in memory that grows only
//! with the number of gaps, and that within bounds. Pure.

use super::ranges::Ranges;

/// What an arriving message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// The next one, or one after a gap.
    New,
    /// It fills a gap: a later message came before it.
    OutOfOrder,
    Duplicate,
    /// It lies so far back, behind so many gaps, that it can no longer be told whether it fills one.
    Undecided,
}

/// One publisher's messages as one subscriber sees them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Sequence {
    /// One more than the highest number that has arrived.
    next: u64,
    /// Numbers below `next` that have not arrived; absent as long as nothing is missing, because
    /// there is one of these for each pair of clients.
    missing: Option<Box<Ranges>>,
}

impl Sequence {
    /// What was seen elsewhere: all below `next` but what is missing.
    pub fn seen(next: u64, missing: Ranges) -> Self {
        let missing = (!missing.is_empty()).then(|| Box::new(missing));
        Self { next, missing }
    }

    /// The number that comes next if nothing is lost.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// How many different messages have arrived.
    pub fn arrived(&self) -> u64 {
        self.next - self.missing().map_or(0, Ranges::count)
    }

    pub fn has_arrived(&self, number: u64) -> bool {
        number < self.next
            && !self
                .missing()
                .is_some_and(|missing| missing.contains(number))
    }

    /// What has not arrived although a later one has.
    pub fn missing(&self) -> Option<&Ranges> {
        self.missing.as_deref()
    }

    pub fn observe(&mut self, number: u64) -> Arrival {
        if number == self.next {
            self.next += 1;
            return Arrival::New;
        }
        if number > self.next {
            let gap = self.next..number;
            self.missing.get_or_insert_default().push(gap);
            self.next = number + 1;
            return Arrival::New;
        }
        let Some(missing) = &mut self.missing else {
            return Arrival::Duplicate;
        };
        if missing.remove(number) {
            if missing.is_empty() {
                self.missing = None;
            }
            return Arrival::OutOfOrder;
        }
        let forgotten = missing.forgotten();
        if forgotten.is_some_and(|forgotten| (forgotten.first..forgotten.end).contains(&number)) {
            Arrival::Undecided
        } else {
            Arrival::Duplicate
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ranges::MAX_RANGES;
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
        assert!(sequence.missing().is_none());
        assert!(size_of::<Sequence>() <= 16);
    }

    #[test]
    fn gaps_stay_bounded_and_arrivals_exact_under_endless_loss() {
        let mut sequence = Sequence::default();
        for number in (0..100_000).step_by(2) {
            sequence.observe(number);
        }
        assert_eq!(sequence.arrived(), 50_000);
        assert!(sequence.missing().unwrap().iter().count() <= MAX_RANGES);
        // What lies behind what is still known is neither a repeat nor a late one.
        assert_eq!(sequence.observe(1), Arrival::Undecided);
        assert_eq!(sequence.observe(99_998), Arrival::Duplicate);
        assert_eq!(sequence.observe(99_997), Arrival::OutOfOrder);
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
