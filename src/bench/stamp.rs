//! The stamp at the start of every payload that has room for it: which run, which publisher, which
//! message, when, and whether it arrived unharmed. Pure; the clock is the caller's.
//!
//! Sixteen bytes, most significant first:
//!
//! | bits | field |
//! |---|---|
//! | 16 | run |
//! | 20 | publisher |
//! | 44 | instant, ns |
//! | 32 | sequence |
//! | 16 | checksum |
//!
//! Instant and sequence wrap; [`Stamp::age`] and [`Stamp::unwrap_sequence`] undo that, so a run may
//! last as long as it likes.

/// Bytes of a stamp; a shorter payload carries none.
pub const STAMP_LEN: usize = 16;
/// Bytes of a [`Lag`] behind a stamp.
pub const LAG_LEN: usize = 8;
/// How many publishers a stamp can tell apart.
pub const MAX_PUBLISHERS: usize = 1 << 20;

const INSTANT_BITS: u32 = 44;
const INSTANT_MASK: u64 = (1 << INSTANT_BITS) - 1;

/// The largest prime below 2^16.
const MODULUS: u64 = 65_521;
/// Starts the checksum, so that zeros are not a stamp.
const SEED: u64 = 0x6d6f;
/// One weight for each 16-bit word: exchanged words show.
const WEIGHTS: [u64; 7] = [3, 7919, 1_009, 104, 51_817, 30_011, 611];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    pub run: u16,
    /// Below [`MAX_PUBLISHERS`].
    pub publisher: u32,
    /// The low 32 bits of the publisher's message number, which starts at 0.
    pub sequence: u32,
    /// The low 44 bits of the instant from which latency counts, in ns of the process clock.
    pub instant: u64,
}

/// The bytes are no stamp: changed on the way, or not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken;

impl Stamp {
    pub fn new(run: u16, publisher: u32, sequence: u64, now_ns: u64) -> Self {
        Self {
            run,
            publisher,
            sequence: sequence as u32,
            instant: now_ns & INSTANT_MASK,
        }
    }

    // Two halves: shifting what a register does not hold is a call in a program that is built for size.
    pub fn encode(&self) -> [u8; STAMP_LEN] {
        let publisher = self.publisher & (MAX_PUBLISHERS as u32 - 1);
        let instant = self.instant & INSTANT_MASK;
        let high = u64::from(self.run) << 48 | u64::from(publisher) << 28 | instant >> 16;
        let low = instant << 48 | u64::from(self.sequence) << 16;
        let low = low | u64::from(checksum(high, low));
        let mut bytes = [0; STAMP_LEN];
        bytes[..8].copy_from_slice(&high.to_be_bytes());
        bytes[8..].copy_from_slice(&low.to_be_bytes());
        bytes
    }

    pub fn decode(bytes: [u8; STAMP_LEN]) -> Result<Self, Broken> {
        let [a, b, c, d, e, f, g, h, rest @ ..] = bytes;
        let high = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        let low = u64::from_be_bytes(rest);
        if low as u16 != checksum(high, low) {
            return Err(Broken);
        }
        Ok(Self {
            run: (high >> 48) as u16,
            publisher: (high >> 28) as u32 & (MAX_PUBLISHERS as u32 - 1),
            sequence: (low >> 16) as u32,
            instant: (high << 16 | low >> 48) & INSTANT_MASK,
        })
    }

    /// Nanoseconds since the stamp's instant, which must be less than 4.8 hours ago.
    pub fn age(&self, now_ns: u64) -> u64 {
        now_ns.wrapping_sub(self.instant) & INSTANT_MASK
    }

    /// The full message number: the one with the stamp's low bits that is nearest to `expected`.
    pub fn unwrap_sequence(&self, expected: u64) -> u64 {
        let ahead = self.sequence.wrapping_sub(expected as u32) as i32;
        expected
            .checked_add_signed(i64::from(ahead))
            .unwrap_or(u64::from(self.sequence))
    }
}

/// How much later than its stamp's instant a message was sent, in ns: in an open loop the two differ.
/// Eight bytes: 48 bits of it, and a checksum of 16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lag(pub u64);

impl Lag {
    const MAX: u64 = (1 << 48) - 1;

    pub fn encode(self) -> [u8; LAG_LEN] {
        let bits = self.0.min(Self::MAX) << 16;
        (bits | u64::from(checksum(0, bits))).to_be_bytes()
    }

    pub fn decode(bytes: [u8; LAG_LEN]) -> Result<Self, Broken> {
        let bits = u64::from_be_bytes(bytes);
        if bits as u16 == checksum(0, bits) {
            Ok(Self(bits >> 16))
        } else {
            Err(Broken)
        }
    }
}

/// A weighted sum of the words above the checksum, which is the low half's last, modulo a prime: a changed word
/// shows unless it changed by a multiple of the prime, which no single bit does.
fn checksum(high: u64, low: u64) -> u16 {
    let word = |half: u64, shift: u32| half >> shift & 0xffff;
    let [a, b, c, d, e, f, g] = WEIGHTS;
    let sum = SEED
        + a * word(low, 16)
        + b * word(low, 32)
        + c * word(low, 48)
        + d * word(high, 0)
        + e * word(high, 16)
        + f * word(high, 32)
        + g * word(high, 48);
    // Without a division: 2^16 leaves 15, so that twice this is below twice the modulus.
    let fold = |sum: u64| (sum >> 16) * ((1 << 16) - MODULUS) + (sum & 0xffff);
    let rest = fold(fold(sum));
    (if rest < MODULUS { rest } else { rest - MODULUS }) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_stamp() -> impl Strategy<Value = Stamp> {
        (
            any::<u16>(),
            0..MAX_PUBLISHERS as u32,
            any::<u64>(),
            any::<u64>(),
        )
            .prop_map(|(run, publisher, sequence, now)| Stamp::new(run, publisher, sequence, now))
    }

    #[test]
    fn zeros_and_text_are_no_stamp() {
        assert_eq!(Stamp::decode([0; STAMP_LEN]), Err(Broken));
        assert_eq!(Stamp::decode(*b"hello, subscribe"), Err(Broken));
    }

    proptest! {
        #[test]
        fn a_checksum_is_the_rest_of_the_weighted_sum(high: u64, low: u64) {
            let bits = u128::from(high) << 64 | u128::from(low);
            let words = (1..8).map(|index| (bits >> (16 * index)) as u16);
            let weighted = words.zip(WEIGHTS).map(|(word, weight)| u64::from(word) * weight);
            let sum = SEED + weighted.sum::<u64>();
            prop_assert_eq!(u64::from(checksum(high, low)), sum % MODULUS);
        }

        #[test]
        fn a_lag_survives_its_bytes_and_changed_bits_show(lag in 0..=Lag::MAX, bit in 0..64_u32) {
            let bytes = Lag(lag).encode();
            prop_assert_eq!(Lag::decode(bytes), Ok(Lag(lag)));
            let changed = (u64::from_be_bytes(bytes) ^ 1 << bit).to_be_bytes();
            prop_assert_eq!(Lag::decode(changed), Err(Broken));
        }

        #[test]
        fn a_stamp_survives_its_bytes(stamp in any_stamp()) {
            prop_assert_eq!(Stamp::decode(stamp.encode()), Ok(stamp));
        }

        #[test]
        fn every_single_changed_bit_shows(stamp in any_stamp(), bit in 0..8 * STAMP_LEN) {
            let mut bytes = stamp.encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(Stamp::decode(bytes), Err(Broken));
        }

        #[test]
        fn an_age_is_exact_across_the_wrap(sent in any::<u64>(), age in 0..INSTANT_MASK) {
            let stamp = Stamp::new(1, 2, 3, sent);
            prop_assert_eq!(stamp.age(sent.wrapping_add(age)), age);
        }

        #[test]
        fn a_sequence_near_the_expected_one_is_found_again(
            expected in 0..u64::MAX / 2,
            offset in -1_000_000_000i64..1_000_000_000,
        ) {
            let Some(sequence) = expected.checked_add_signed(offset) else { return Ok(()) };
            let stamp = Stamp::new(1, 2, sequence, 3);
            prop_assert_eq!(stamp.unwrap_sequence(expected), sequence);
        }
    }
}
