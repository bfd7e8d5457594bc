//! Sizes of payloads: `64`, `16..1k`, `64:90,1k..64k:10`.

use std::str::FromStr;

use crate::cli::values::Amount;

/// Sizes and ranges of sizes in bytes, each with its weight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SizeShares(pub Vec<SizeShare>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizeShare {
    /// Both included.
    pub from: usize,
    pub to: usize,
    pub weight: u32,
}

impl FromStr for SizeShares {
    type Err = String;

    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        let refuse = || {
            format!(
                "'{typed}' is not a size (use bytes such as 64 or 1k, a range such as 16..1k, or several \
                 with weights such as 64:90,16k:10)"
            )
        };
        let size = |text: &str| {
            let amount = text.parse::<Amount>().map_err(|_| refuse())?;
            usize::try_from(amount.0).map_err(|_| refuse())
        };
        let shares = typed.split(',').map(|share| {
            let (sizes, weight) = match share.split_once(':') {
                Some((sizes, weight)) => (sizes, weight.parse().map_err(|_| refuse())?),
                None => (share, 1),
            };
            let (from, to) = match sizes.split_once("..") {
                Some((from, to)) => (size(from)?, size(to)?),
                None => (size(sizes)?, size(sizes)?),
            };
            if weight == 0 || from > to {
                return Err(refuse());
            }
            Ok(SizeShare { from, to, weight })
        });
        Ok(Self(shares.collect::<Result<_, _>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(from: usize, to: usize, weight: u32) -> SizeShare {
        SizeShare { from, to, weight }
    }

    #[test]
    fn sizes_are_one_a_range_or_several_with_weights() {
        for (typed, shares) in [
            ("64", vec![share(64, 64, 1)]),
            ("16..1k", vec![share(16, 1000, 1)]),
            (
                "64:90,1ki..64ki:10",
                vec![share(64, 64, 90), share(1024, 65_536, 10)],
            ),
        ] {
            assert_eq!(typed.parse(), Ok(SizeShares(shares)), "{typed}");
        }
        for typed in ["", "big", "5..", "9..5", "64:0", "64:x", "64,", "-1"] {
            assert!(typed.parse::<SizeShares>().is_err(), "{typed}");
        }
    }
}
