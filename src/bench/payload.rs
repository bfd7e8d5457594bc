//! Payload bytes: a stamp and a filler, carved from one block after the other, so that a message
//! costs no allocation of its own.

use bytes::{Bytes, BytesMut};

use super::stamp::{STAMP_LEN, Stamp};

/// Bytes of one block. A message that waits for its acknowledgement keeps its whole block alive, so
/// blocks are small; one allocation still serves hundreds of small messages.
const BLOCK_LEN: usize = 16 * 1024;

/// The payloads of one worker's publishers; also what its subscribers compare with.
pub struct Payloads {
    /// What every payload of the run looks like, with room for the stamp.
    pattern: Bytes,
    block: BytesMut,
}

impl Payloads {
    pub fn new(size: usize) -> Self {
        // Text that compresses badly and shows where it was cut: digits of the position.
        let pattern: Vec<u8> = (0..size)
            .map(|at| b'0' + (at.wrapping_mul(2_654_435_761) >> 7) as u8 % 75)
            .collect();
        Self {
            pattern: pattern.into(),
            block: BytesMut::new(),
        }
    }

    /// A payload that carries `stamp` where it has room for it.
    pub fn next(&mut self, stamp: &Stamp) -> Bytes {
        let size = self.pattern.len();
        if size < STAMP_LEN {
            return self.pattern.clone();
        }
        if self.block.capacity() < size {
            self.block.reserve(size.max(BLOCK_LEN));
        }
        self.block.extend_from_slice(&stamp.encode());
        self.block.extend_from_slice(&self.pattern[STAMP_LEN..]);
        self.block.split().freeze()
    }

    /// Whether everything behind the stamp is as it was sent.
    pub fn is_intact(&self, payload: &[u8]) -> bool {
        payload.len() == self.pattern.len()
            && payload.get(STAMP_LEN..) == self.pattern.get(STAMP_LEN..)
    }

    pub fn size(&self) -> usize {
        self.pattern.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_of_every_size_have_their_size_and_are_intact() {
        for size in [0, 1, 15, 16, 17, 1000, BLOCK_LEN + 1] {
            let mut payloads = Payloads::new(size);
            for sequence in 0..3 {
                let stamp = Stamp::new(1, 2, sequence, 3);
                let payload = payloads.next(&stamp);
                assert_eq!(payload.len(), size);
                assert!(payloads.is_intact(&payload));
                if let Some(start) = payload.first_chunk() {
                    assert_eq!(Stamp::decode(*start), Ok(stamp));
                }
            }
        }
    }

    #[test]
    fn a_changed_or_cut_filler_shows() {
        let mut payloads = Payloads::new(40);
        let payload = payloads.next(&Stamp::new(1, 2, 3, 4));
        let mut changed = payload.to_vec();
        changed[39] ^= 1;
        assert!(!payloads.is_intact(&changed));
        assert!(!payloads.is_intact(&payload[..39]));
    }
}
