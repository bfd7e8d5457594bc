//! How large payloads are. Pure: the size of a message follows from its number, so a subscriber knows
//! how long each must be.

use std::fmt;
use std::sync::Arc;

/// One size, a range in which all are equally frequent, or several of these with their weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sizes {
    shares: Arc<[Share]>,
    min: usize,
    max: usize,
    /// Of all weights.
    sum: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Bytes, both included.
    pub from: usize,
    pub to: usize,
    /// Not 0.
    pub weight: u32,
}

impl Sizes {
    pub fn fixed(size: usize) -> Self {
        Self::new(&[Share {
            from: size,
            to: size,
            weight: 1,
        }])
        .expect("one share with a weight is a distribution")
    }

    /// `None` without a share, with a weight of 0 or a range that ends before it begins.
    pub fn new(shares: &[Share]) -> Option<Self> {
        let min = shares.iter().map(|share| share.from).min()?;
        let max = shares.iter().map(|share| share.to).max()?;
        if shares
            .iter()
            .any(|one| one.weight == 0 || one.from > one.to)
        {
            return None;
        }
        Some(Self {
            shares: shares.into(),
            min,
            max,
            sum: shares.iter().map(|share| u64::from(share.weight)).sum(),
        })
    }

    pub fn min(&self) -> usize {
        self.min
    }

    pub fn max(&self) -> usize {
        self.max
    }

    /// The size of a publisher's message.
    pub fn of(&self, publisher: u32, message: u32) -> usize {
        if self.min == self.max {
            return self.min;
        }
        let random = mix(u64::from(publisher) << 32 | u64::from(message));
        let mut point = random % self.sum;
        for share in self.shares.iter() {
            let weight = u64::from(share.weight);
            if point < weight {
                let sizes = (share.to - share.from) as u64 + 1;
                return share.from + (mix(random) % sizes) as usize;
            }
            point -= weight;
        }
        self.max
    }
}

/// Spreads neighbouring numbers over all of them (SplitMix64's last step).
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max {
            self.min.fmt(f)
        } else {
            write!(f, "{}..{}", self.min, self.max)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn share(from: usize, to: usize, weight: u32) -> Share {
        Share { from, to, weight }
    }

    #[test]
    fn weights_decide_how_frequent_a_size_is() {
        let sizes = Sizes::new(&[share(10, 10, 3), share(1000, 1000, 1)]).unwrap();
        let small = (0..10_000).filter(|n| sizes.of(5, *n) == 10).count();
        assert!((7_300..7_700).contains(&small), "{small}");
        assert_eq!(sizes.to_string(), "10..1000");
        assert_eq!(Sizes::fixed(64).to_string(), "64");
    }

    #[test]
    fn every_size_of_a_range_comes_and_no_other() {
        let sizes = Sizes::new(&[share(16, 20, 1)]).unwrap();
        let mut seen: Vec<usize> = (0..1_000).map(|n| sizes.of(0, n)).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, [16, 17, 18, 19, 20]);
    }

    #[test]
    fn what_is_no_distribution_is_refused() {
        assert!(Sizes::new(&[]).is_none());
        assert!(Sizes::new(&[share(1, 1, 0)]).is_none());
        assert!(Sizes::new(&[share(2, 1, 1)]).is_none());
    }

    proptest! {
        #[test]
        fn sizes_stay_within_their_bounds(
            shares in prop::collection::vec((0..500usize, 0..500usize, 1..9u32), 1..5),
            publisher: u32,
            message: u32,
        ) {
            let shares: Vec<_> = shares.into_iter().map(|(a, b, w)| share(a.min(b), a.max(b), w)).collect();
            let sizes = Sizes::new(&shares).unwrap();
            let size = sizes.of(publisher, message);
            prop_assert!(shares.iter().any(|one| (one.from..=one.to).contains(&size)));
            prop_assert!((sizes.min()..=sizes.max()).contains(&size));
        }
    }
}
