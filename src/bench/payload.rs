//! Payload bytes, carved from one block after the other, so that a message costs no allocation of its
//! own.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};

use super::sizes::Sizes;
use super::stamp::{LAG_LEN, Lag, STAMP_LEN, Stamp};
use super::template::Template;
use crate::mqtt::text::Text;

/// Bytes of one block. A message that waits for its acknowledgement keeps its whole block alive, so
/// blocks are small; one allocation still serves hundreds of small messages.
const BLOCK_LEN: usize = 16 * 1024;

/// What messages carry.
#[derive(Debug, Clone)]
pub enum Payload {
    /// A stamp where there is room for it, then filler.
    Filler(Sizes),
    /// The user's text or file. It carries no stamp, so messages are only counted.
    Text(Arc<Template>),
    /// The user's messages, one after the other and then from the start again, each with its topic.
    Recorded(Arc<[Recorded]>),
}

/// A message of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub topic: Text,
    pub payload: Bytes,
}

impl Payload {
    /// Whether every message carries a stamp. Otherwise messages are only counted, and there is no
    /// latency to the subscriber and no telling of duplicates.
    pub fn is_stamped(&self) -> bool {
        match self {
            Self::Filler(sizes) => sizes.min() >= STAMP_LEN,
            Self::Text(_) | Self::Recorded(_) => false,
        }
    }

    /// Bytes of the smallest and the largest payload; of a text as it was typed.
    pub fn bounds(&self) -> (usize, usize) {
        match self {
            Self::Filler(sizes) => (sizes.min(), sizes.max()),
            Self::Text(text) => (text.text().len(), text.text().len()),
            Self::Recorded(messages) => {
                let sizes = || messages.iter().map(|message| message.payload.len());
                (sizes().min().unwrap_or(0), sizes().max().unwrap_or(0))
            }
        }
    }
}

/// The payloads of one worker's publishers; also what its subscribers compare with.
pub struct Payloads {
    /// Of what is not filler there is nothing to compare with.
    sizes: Option<Sizes>,
    stamped: bool,
    /// Each stamp is followed by how late its message was sent.
    lagged: bool,
    /// What every filler looks like, with room for the stamp.
    pattern: Bytes,
    block: BytesMut,
    /// Milliseconds from 1970 to the start of the process's clock.
    epoch_ms: u64,
}

impl Payloads {
    /// In an open loop messages also say how late they were sent, where all have room for it.
    /// `now_ns` is what the process's clock says now.
    pub fn new(payload: &Payload, open_loop: bool, now_ns: u64) -> Self {
        let sizes = match payload {
            Payload::Filler(sizes) => Some(sizes.clone()),
            Payload::Text(_) | Payload::Recorded(_) => None,
        };
        let longest = sizes.as_ref().map_or(0, Sizes::max);
        // Text that compresses badly and shows where it was cut: digits of the position.
        let pattern: Vec<u8> = (0..longest)
            .map(|at| b'0' + (at.wrapping_mul(2_654_435_761) >> 7) as u8 % 75)
            .collect();
        let unix = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            stamped: payload.is_stamped(),
            lagged: open_loop
                && sizes
                    .as_ref()
                    .is_some_and(|sizes| sizes.min() >= STAMP_LEN + LAG_LEN),
            sizes,
            pattern: pattern.into(),
            block: BytesMut::new(),
            epoch_ms: (unix.as_millis() as u64).saturating_sub(now_ns / 1_000_000),
        }
    }

    /// Filler of the message's size that carries `stamp` if the run's messages do.
    pub fn filler(&mut self, stamp: &Stamp, lag: Lag) -> Bytes {
        let size = self.size_of(stamp);
        if !self.stamped {
            return self.pattern.slice(..size);
        }
        if self.block.capacity() < size {
            self.block.reserve(size.max(BLOCK_LEN));
        }
        self.block.extend_from_slice(&stamp.encode());
        if self.lagged {
            self.block.extend_from_slice(&lag.encode());
        }
        self.block
            .extend_from_slice(&self.pattern[self.head_len()..size]);
        self.block.split().freeze()
    }

    /// A bound template's text for message number `number`.
    pub fn text(&mut self, template: &Template, number: u64, now_ns: u64) -> Bytes {
        // Room for most texts, so that few are moved while they are written.
        if self.block.capacity() < BLOCK_LEN / 16 {
            self.block.reserve(BLOCK_LEN);
        }
        let unix_ms = self.epoch_ms + now_ns / 1_000_000;
        template.write(number, unix_ms, &mut self.block);
        self.block.split().freeze()
    }

    pub fn are_stamped(&self) -> bool {
        self.stamped
    }

    fn size_of(&self, stamp: &Stamp) -> usize {
        match &self.sizes {
            Some(sizes) => sizes.of(stamp.publisher, stamp.sequence),
            None => 0,
        }
    }

    /// Bytes before the filler.
    fn head_len(&self) -> usize {
        STAMP_LEN + if self.lagged { LAG_LEN } else { 0 }
    }

    /// How late a message was sent; `None` where it does not say so.
    pub fn lag(&self, payload: &[u8]) -> Option<u64> {
        if !self.lagged {
            return None;
        }
        let bytes = payload.get(STAMP_LEN..)?.first_chunk()?;
        Lag::decode(*bytes).ok().map(|lag| lag.0)
    }

    /// Whether the payload is as long as it was sent, and everything behind the stamp as it was.
    pub fn is_intact(&self, stamp: &Stamp, payload: &[u8]) -> bool {
        let head = self.head_len();
        payload.len() == self.size_of(stamp)
            && payload.get(head..) == self.pattern.get(head..payload.len())
            && (!self.lagged || self.lag(payload).is_some())
    }

    /// Whether a payload without a stamp may be one of ours.
    pub fn is_ours(&self, payload: &[u8]) -> bool {
        match &self.sizes {
            Some(_) => self.has_size(payload.len()) && self.pattern.starts_with(payload),
            None => true,
        }
    }

    /// Whether some message of the run has this size.
    pub fn has_size(&self, size: usize) -> bool {
        let sizes = self.sizes.as_ref();
        sizes.is_none_or(|sizes| (sizes.min()..=sizes.max()).contains(&size))
    }
}

#[cfg(test)]
mod tests {
    use super::super::sizes::Share;
    use super::super::template::Names;
    use super::*;

    fn fillers(sizes: Sizes) -> Payloads {
        Payloads::new(&Payload::Filler(sizes), true, 0)
    }

    #[test]
    fn payloads_of_every_size_have_their_size_and_are_intact() {
        for size in [16, 17, 1000, BLOCK_LEN + 1] {
            let mut payloads = fillers(Sizes::fixed(size));
            for sequence in 0..3 {
                let stamp = Stamp::new(1, 2, sequence, 3);
                let payload = payloads.filler(&stamp, Lag(5));
                assert_eq!(payload.len(), size);
                assert!(payloads.is_intact(&stamp, &payload));
                assert_eq!(payloads.lag(&payload), (size >= 24).then_some(5));
                assert_eq!(Stamp::decode(*payload.first_chunk().unwrap()), Ok(stamp));
            }
        }
        for size in [0, 1, 15] {
            let payload = fillers(Sizes::fixed(size)).filler(&Stamp::new(1, 2, 3, 4), Lag(0));
            assert_eq!(payload.len(), size);
            assert!(fillers(Sizes::fixed(size)).is_ours(&payload));
        }
    }

    #[test]
    fn a_changed_or_cut_filler_shows() {
        let sizes = Sizes::new(&[Share {
            from: 40,
            to: 90,
            weight: 1,
        }]);
        let mut payloads = fillers(sizes.unwrap());
        for sequence in 0..50 {
            let stamp = Stamp::new(1, 2, sequence, 4);
            let payload = payloads.filler(&stamp, Lag(5));
            assert!(payloads.is_intact(&stamp, &payload));
            let mut changed = payload.to_vec();
            for at in [39, 20] {
                changed[at] ^= 1;
                assert!(!payloads.is_intact(&stamp, &changed));
                changed[at] ^= 1;
            }
            assert!(!payloads.is_intact(&stamp, &payload[..payload.len() - 1]));
        }
    }

    #[test]
    fn a_text_is_filled_for_every_message() {
        let template = Arc::new(Template::new(b"{\"n\":{n}}").bind(&Names::default()));
        let mut payloads = Payloads::new(&Payload::Text(template.clone()), true, 0);
        assert_eq!(&payloads.text(&template, 7, 0)[..], b"{\"n\":7}");
        assert_eq!(&payloads.text(&template, 8, 0)[..], b"{\"n\":8}");
        let long = Template::new(&vec![b'x'; 3 * BLOCK_LEN]);
        assert_eq!(payloads.text(&long, 0, 0).len(), 3 * BLOCK_LEN);
    }
}
