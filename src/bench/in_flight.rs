//! What one publisher has published at QoS 1 and 2 and has not heard about yet. Pure.

use std::collections::VecDeque;

/// When a message was planned and when it was published, in ns of the process clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    pub planned: u64,
    pub sent: u64,
}

/// A ring by message number, as wide as the window.
#[derive(Debug, Default)]
pub struct InFlight {
    /// The number of the first entry.
    base: u64,
    entries: VecDeque<Option<Published>>,
}

impl InFlight {
    /// The next message was published.
    pub fn push(&mut self, published: Published) {
        self.entries.push_back(Some(published));
    }

    /// The message was answered; `None` when it was not waiting for an answer.
    pub fn take(&mut self, number: u64) -> Option<Published> {
        let index = usize::try_from(number.checked_sub(self.base)?).ok()?;
        let published = self.entries.get_mut(index)?.take();
        while let Some(None) = self.entries.front() {
            self.entries.pop_front();
            self.base += 1;
        }
        published
    }

    /// The numbers that wait for an answer.
    pub fn numbers(&self) -> impl Iterator<Item = u64> + '_ {
        let waiting = self.entries.iter().zip(self.base..);
        waiting.filter_map(|(entry, number)| entry.map(|_| number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn it_agrees_with_a_map(steps in prop::collection::vec(prop::option::of(0..40u64), 0..120)) {
            let mut in_flight = InFlight::default();
            let mut map = BTreeMap::new();
            let mut next = 0;
            for step in steps {
                match step {
                    None => {
                        let published = Published { planned: next, sent: next + 1 };
                        in_flight.push(published);
                        map.insert(next, published);
                        next += 1;
                    }
                    Some(number) => prop_assert_eq!(in_flight.take(number), map.remove(&number)),
                }
                prop_assert!(in_flight.entries.front().is_none_or(Option::is_some));
                prop_assert!(in_flight.numbers().eq(map.keys().copied()));
            }
        }
    }
}
