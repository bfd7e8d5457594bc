//! Payload bytes, carved from one block after the other, so that a message costs no allocation of its
//! own; and what a payload that arrived turns out to be.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};

use super::payload::{Payload, Stamps};
use super::seal::{PROPERTY_LEN, SEAL_LEN, Seal, digest};
use super::sizes::Sizes;
use super::stamp::{Broken, LAG_LEN, Lag, STAMP_LEN, Stamp};
use super::template::Template;
use crate::mqtt::packet::Message;
use crate::mqtt::text::Text;

/// Bytes of one block. A message that waits for its acknowledgement keeps its whole block alive, so
/// blocks are small; one allocation still serves hundreds of small messages.
const BLOCK_LEN: usize = 16 * 1024;

/// What is known of payloads beforehand.
enum Content {
    /// The filler of a message follows from its number.
    Filler(Sizes),
    /// One of these, by their digests, in these sizes.
    These {
        digests: HashSet<u32>,
        sizes: RangeInclusive<usize>,
    },
    Anything,
}

impl Content {
    fn of(payload: &Payload) -> Self {
        let digests = match payload {
            Payload::Filler(sizes) => return Self::Filler(sizes.clone()),
            Payload::Text(text) if text.places().next().is_some() => return Self::Anything,
            Payload::Text(text) => HashSet::from([digest(&text.text())]),
            Payload::Recorded(messages) => {
                messages.iter().map(|one| digest(&one.payload)).collect()
            }
        };
        let (least, most) = payload.bounds();
        Self::These {
            digests,
            sizes: least..=most,
        }
    }
}

/// What a message that arrived turns out to be.
#[derive(Debug, PartialEq, Eq)]
pub enum Reading {
    Stamped {
        stamp: Stamp,
        /// How late it was sent, in ns, where it says so.
        lag: Option<u64>,
        /// The payload is as it was sent.
        intact: bool,
    },
    /// One of the run's whose stamp is broken.
    Broken,
    /// None of the run's.
    Foreign,
}

/// The payloads of one worker's publishers; also what its subscribers compare with.
pub struct Payloads {
    content: Content,
    stamps: Stamps,
    /// Messages say how late they were sent.
    lagged: bool,
    run: u16,
    /// The name of the user property with the stamp.
    name: Text,
    /// What every filler looks like, with room for the stamp.
    pattern: Bytes,
    block: BytesMut,
    /// Milliseconds from 1970 to the start of the process's clock.
    epoch_ms: u64,
}

impl Payloads {
    /// In an open loop messages also say how late they were sent, where all have room for it.
    /// `now_ns` is what the process's clock says now.
    ///
    /// Without a payload of its own, the run receives what others publish.
    pub fn new(
        payload: Option<&Payload>,
        stamps: Stamps,
        open_loop: bool,
        run: u16,
        now_ns: u64,
    ) -> Self {
        let content = match payload {
            Some(payload) => Content::of(payload),
            None => Content::Anything,
        };
        let longest = match &content {
            Content::Filler(sizes) => sizes.max(),
            Content::These { .. } | Content::Anything => 0,
        };
        // Text that compresses badly and shows where it was cut: digits of the position.
        let pattern: Vec<u8> = (0..longest)
            .map(|at| b'0' + (at.wrapping_mul(2_654_435_761) >> 7) as u8 % 75)
            .collect();
        let unix = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let has_room = match (stamps, &content) {
            (Stamps::Filler, Content::Filler(sizes)) => sizes.min() >= STAMP_LEN + LAG_LEN,
            (stamps, _) => matches!(stamps, Stamps::Behind | Stamps::Property),
        };
        Self {
            content,
            stamps,
            lagged: open_loop && has_room,
            run,
            name: Seal::name(),
            pattern: pattern.into(),
            block: BytesMut::new(),
            epoch_ms: (unix.as_millis() as u64).saturating_sub(now_ns / 1_000_000),
        }
    }

    /// Filler of the message's size, with the stamp in it if that is where stamps are.
    pub fn filler(&mut self, stamp: &Stamp, lag: Lag) -> Bytes {
        let size = self.size_of(stamp);
        if self.stamps != Stamps::Filler {
            return self.pattern.slice(..size);
        }
        self.make_room(size);
        self.block.extend_from_slice(&stamp.encode());
        if self.lagged {
            self.block.extend_from_slice(&lag.encode());
        }
        let head = self.head_len();
        if size > head {
            self.block.extend_from_slice(&self.pattern[head..size]);
        }
        self.block.split().freeze()
    }

    fn make_room(&mut self, size: usize) {
        if self.block.capacity() < size {
            self.block.reserve(size.max(BLOCK_LEN));
        }
    }

    /// Adds the stamp to a message whose payload is done, where it does not stand in there already.
    pub fn seal(&mut self, message: &mut Message, stamp: Stamp, lag: Lag) {
        let seal = |payload: &[u8]| Seal::of(payload, stamp, lag);
        match self.stamps {
            Stamps::None | Stamps::Filler => {}
            Stamps::Behind => {
                let payload = &message.payload;
                let seal = seal(payload).encode();
                self.make_room(payload.len() + SEAL_LEN);
                self.block.extend_from_slice(payload);
                self.block.extend_from_slice(&seal);
                message.payload = self.block.split().freeze();
            }
            Stamps::Property => {
                self.make_room(PROPERTY_LEN);
                let seal = seal(&message.payload);
                seal.add_to(&mut message.properties, &self.name, &mut self.block);
            }
        }
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
        self.stamps != Stamps::None
    }

    fn size_of(&self, stamp: &Stamp) -> usize {
        match &self.content {
            Content::Filler(sizes) => sizes.of(stamp.publisher, stamp.sequence),
            Content::These { .. } | Content::Anything => 0,
        }
    }

    /// Bytes before the filler.
    fn head_len(&self) -> usize {
        STAMP_LEN + if self.lagged { LAG_LEN } else { 0 }
    }

    /// What a message of stamped ones is. That its stamp is of this run is not looked at.
    pub fn read(&self, message: &Message) -> Reading {
        let payload = &message.payload[..];
        let sealed = |seal: Seal, payload: &[u8]| Reading::Stamped {
            stamp: seal.stamp,
            lag: self.lagged.then_some(seal.lag.0),
            intact: seal.fits(payload),
        };
        match self.stamps {
            Stamps::None => Reading::Foreign,
            Stamps::Filler => self.read_filler(payload),
            Stamps::Behind => match payload.split_last_chunk::<SEAL_LEN>() {
                Some((payload, bytes)) => match Seal::decode(*bytes) {
                    Ok(seal) => sealed(seal, payload),
                    Err(Broken) if Seal::was_behind(payload, bytes, self.run) => Reading::Broken,
                    Err(Broken) => Reading::Foreign,
                },
                None => Reading::Foreign,
            },
            Stamps::Property => match Seal::beside(message) {
                Some(Ok(seal)) => sealed(seal, payload),
                Some(Err(Broken)) => Reading::Broken,
                None => Reading::Foreign,
            },
        }
    }

    fn read_filler(&self, payload: &[u8]) -> Reading {
        let stamp = payload.first_chunk().map(|start| Stamp::decode(*start));
        match stamp {
            Some(Ok(stamp)) => {
                let lag = self.lag(payload);
                Reading::Stamped {
                    stamp,
                    lag,
                    intact: self.is_intact(&stamp, lag, payload),
                }
            }
            // A stamp that is broken or cut off, unless it never was one of ours.
            Some(Err(Broken)) | None if self.has_size(payload.len()) => Reading::Broken,
            Some(Err(Broken)) | None => Reading::Foreign,
        }
    }

    /// How late a message was sent; `None` where it does not say so.
    fn lag(&self, payload: &[u8]) -> Option<u64> {
        if !self.lagged {
            return None;
        }
        let bytes = payload.get(STAMP_LEN..)?.first_chunk()?;
        Lag::decode(*bytes).ok().map(|lag| lag.0)
    }

    /// Whether the payload is as long as it was sent, and everything behind the stamp as it was.
    fn is_intact(&self, stamp: &Stamp, lag: Option<u64>, payload: &[u8]) -> bool {
        let head = self.head_len();
        payload.len() == self.size_of(stamp)
            && payload.get(head..) == self.pattern.get(head..payload.len())
            && (!self.lagged || lag.is_some())
    }

    /// Whether a payload without a stamp may be one of ours, as it was sent.
    pub fn is_ours(&self, payload: &[u8]) -> bool {
        match &self.content {
            Content::Filler(_) => self.has_size(payload.len()) && self.pattern.starts_with(payload),
            Content::These { digests, .. } => digests.contains(&digest(payload)),
            Content::Anything => true,
        }
    }

    /// Whether some message of the run has this size.
    pub fn has_size(&self, size: usize) -> bool {
        match &self.content {
            Content::Filler(sizes) => (sizes.min()..=sizes.max()).contains(&size),
            Content::These { sizes, .. } => sizes.contains(&size),
            Content::Anything => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::payload::{Recorded, Stamping};
    use super::super::sizes::Share;
    use super::super::template::Names;
    use super::*;
    use std::sync::Arc;

    const RUN: u16 = 1;

    fn payloads(payload: Payload, asked: Stamping) -> Payloads {
        let stamps = payload.stamps(asked, true);
        Payloads::new(Some(&payload), stamps, true, RUN, 0)
    }

    fn message(payload: impl Into<Bytes>) -> Message {
        Message {
            topic: Text::try_from("a").unwrap(),
            payload: payload.into(),
            qos: crate::mqtt::QoS::AtMostOnce,
            retain: false,
            properties: crate::mqtt::properties::Properties::new(),
        }
    }

    fn stamped(stamp: Stamp, lag: Option<u64>, intact: bool) -> Reading {
        Reading::Stamped { stamp, lag, intact }
    }

    #[test]
    fn payloads_of_every_size_have_their_size_and_are_intact() {
        for size in [16, 17, 1000, BLOCK_LEN + 1] {
            let mut payloads = payloads(Payload::Filler(Sizes::fixed(size)), Stamping::Auto);
            for sequence in 0..3 {
                let stamp = Stamp::new(RUN, 2, sequence, 3);
                let mut message = message(payloads.filler(&stamp, Lag(5)));
                payloads.seal(&mut message, stamp, Lag(5));
                assert_eq!(message.payload.len(), size);
                assert!(message.properties.is_empty());
                let lag = (size >= 24).then_some(5);
                assert_eq!(payloads.read(&message), stamped(stamp, lag, true));
            }
        }
        for size in [0, 1, 15] {
            let filler = Payload::Filler(Sizes::fixed(size));
            let mut payloads = payloads(filler, Stamping::None);
            let payload = payloads.filler(&Stamp::new(RUN, 2, 3, 4), Lag(0));
            assert_eq!(payload.len(), size);
            assert!(payloads.is_ours(&payload));
        }
    }

    #[test]
    fn a_changed_or_cut_filler_shows() {
        let sizes = Sizes::new(&[Share {
            from: 40,
            to: 90,
            weight: 1,
        }]);
        let mut payloads = payloads(Payload::Filler(sizes.unwrap()), Stamping::Auto);
        for sequence in 0..50 {
            let stamp = Stamp::new(RUN, 2, sequence, 4);
            let payload = payloads.filler(&stamp, Lag(5));
            let read = |bytes: &[u8]| payloads.read(&message(bytes.to_vec()));
            assert_eq!(read(&payload), stamped(stamp, Some(5), true));
            let mut changed = payload.to_vec();
            changed[39] ^= 1;
            assert_eq!(read(&changed), stamped(stamp, Some(5), false));
            changed[39] ^= 1;
            changed[20] ^= 1;
            assert_eq!(read(&changed), stamped(stamp, None, false));
            let cut = &payload[..payload.len() - 1];
            assert_eq!(read(cut), stamped(stamp, Some(5), false));
        }
    }

    #[test]
    fn a_users_payload_is_sealed_and_a_change_of_either_shows() {
        for (asked, len) in [(Stamping::Payload, 4 + SEAL_LEN), (Stamping::Property, 4)] {
            let text = Payload::Text(Arc::new(Template::new(b"text")));
            let mut payloads = payloads(text, asked);
            let stamp = Stamp::new(RUN, 2, 3, 4);
            let mut sent = message("text");
            payloads.seal(&mut sent, stamp, Lag(5));
            assert_eq!(sent.payload.len(), len);
            assert!(sent.payload.starts_with(b"text"));
            assert_eq!(payloads.read(&sent), stamped(stamp, Some(5), true));
            let mut changed = sent.clone();
            let mut bytes = changed.payload.to_vec();
            bytes[1] ^= 1;
            changed.payload = bytes.into();
            assert_eq!(payloads.read(&changed), stamped(stamp, Some(5), false));
            assert_eq!(payloads.read(&message("text")), Reading::Foreign);
            let other = "what somebody else says, more than 28 bytes";
            assert_eq!(payloads.read(&message(other)), Reading::Foreign);
        }
    }

    #[test]
    fn of_texts_without_stamps_it_is_known_whether_they_are_whole() {
        let recorded = |payload: &'static str| Recorded {
            topic: Text::try_from("a").unwrap(),
            payload: payload.into(),
        };
        let messages = [recorded("one"), recorded("three")];
        for payload in [
            Payload::Recorded(messages.to_vec().into()),
            Payload::Text(Arc::new(Template::literal(b"three".to_vec()))),
        ] {
            let payloads = payloads(payload, Stamping::None);
            assert!(payloads.is_ours(b"three"));
            assert!(!payloads.is_ours(b"thrEe"));
            assert!(payloads.has_size(5) && !payloads.has_size(6));
        }
        let changing = Payload::Text(Arc::new(Template::new(b"{n}")));
        assert!(payloads(changing, Stamping::None).is_ours(b"12"));
    }

    #[test]
    fn a_text_is_filled_for_every_message() {
        let template = Arc::new(Template::new(b"{\"n\":{n}}").bind(&Names::default()));
        let mut payloads = payloads(Payload::Text(template.clone()), Stamping::Auto);
        assert_eq!(&payloads.text(&template, 7, 0)[..], b"{\"n\":7}");
        assert_eq!(&payloads.text(&template, 8, 0)[..], b"{\"n\":8}");
        let long = Template::new(&vec![b'x'; 3 * BLOCK_LEN]);
        assert_eq!(payloads.text(&long, 0, 0).len(), 3 * BLOCK_LEN);
    }
}
