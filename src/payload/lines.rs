//! Cuts a stream of chunks into records, each without its delimiter and without a copy where one
//! chunk holds it whole.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;

/// A record is longer than the limit. Its rest is passed over.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

#[derive(Debug)]
pub(super) struct Lines {
    /// Never empty.
    delimiter: Vec<u8>,
    /// Bytes that a record may have.
    limit: usize,
    /// The beginning of a record whose end has not come.
    partial: BytesMut,
    /// In a record that was too long: `partial` is then no more than a piece of a delimiter.
    passing_over: bool,
    chunk: Bytes,
    number: u64,
}

impl Lines {
    pub fn new(delimiter: Vec<u8>, limit: usize) -> Self {
        debug_assert!(!delimiter.is_empty(), "a record must end somewhere");
        Self {
            delimiter,
            limit,
            partial: BytesMut::new(),
            passing_over: false,
            chunk: Bytes::new(),
            number: 0,
        }
    }

    /// How many bytes a record may have from here on.
    pub fn limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// The number of the record that came last, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Bytes of a record whose end has not come, when all chunks are used up.
    pub fn unfinished(&self) -> usize {
        self.partial.len()
    }

    pub fn delimiter(&self) -> &[u8] {
        &self.delimiter
    }

    /// Takes the next chunk; the one before must be used up.
    pub fn push(&mut self, chunk: Bytes) {
        debug_assert!(self.chunk.is_empty(), "a chunk would be lost");
        self.chunk = chunk;
    }

    /// The next whole record.
    pub fn next(&mut self) -> Option<Result<Bytes, TooLong>> {
        loop {
            let Some(end) = self.end_of_record() else {
                return self.keep_chunk().then(|| self.too_long());
            };
            let mut record = self.chunk.split_to(end);
            if !self.partial.is_empty() {
                self.partial.extend_from_slice(&record);
                record = self.partial.split().freeze();
            }
            if std::mem::take(&mut self.passing_over) {
                continue;
            }
            record.truncate(record.len() - self.delimiter.len());
            return Some(self.judge(record));
        }
    }

    /// What is left at the end of the input: a last record without a delimiter.
    pub fn last(&mut self) -> Option<Result<Bytes, TooLong>> {
        let record = self.partial.split().freeze();
        (!record.is_empty() && !self.passing_over).then(|| self.judge(record))
    }

    fn judge(&mut self, record: Bytes) -> Result<Bytes, TooLong> {
        self.number += 1;
        match record.len() > self.limit {
            false => Ok(record),
            true => Err(TooLong),
        }
    }

    /// Where in the chunk the first delimiter ends; it may have begun in a chunk before.
    fn end_of_record(&self) -> Option<usize> {
        let (last, head) = self.delimiter.split_last()?;
        let mut from = 0;
        while let Some(at) = memchr(*last, &self.chunk[from..]) {
            let end = from + at;
            if head.is_empty() {
                return Some(end + 1);
            }
            let here = &self.chunk[..end];
            let found = match head.len().checked_sub(end) {
                None | Some(0) => here.ends_with(head),
                Some(before) => {
                    let (before, after) = head.split_at(before);
                    here == after && self.partial.ends_with(before)
                }
            };
            if found {
                return Some(end + 1);
            }
            from = end + 1;
        }
        None
    }

    /// Puts the chunk aside; true when the record is too long by now.
    fn keep_chunk(&mut self) -> bool {
        self.partial.extend_from_slice(&self.chunk);
        self.chunk = Bytes::new();
        if self.passing_over {
            self.forget_all_but_a_delimiter();
        }
        // What may be a delimiter's beginning does not count yet.
        self.partial.len() > self.limit + self.delimiter.len() - 1
    }

    fn too_long(&mut self) -> Result<Bytes, TooLong> {
        self.number += 1;
        self.passing_over = true;
        self.forget_all_but_a_delimiter();
        Err(TooLong)
    }

    /// Keeps only what may be the beginning of a delimiter, and gives the memory back.
    fn forget_all_but_a_delimiter(&mut self) {
        let kept = self.delimiter.len() - 1;
        let useless = self.partial.len().saturating_sub(kept);
        self.partial.advance(useless);
        self.partial = BytesMut::from(&self.partial[..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut_at(delimiter: &[u8], limit: usize, chunks: &[&[u8]]) -> Vec<Result<Vec<u8>, TooLong>> {
        let mut lines = Lines::new(delimiter.to_vec(), limit);
        let mut records = Vec::new();
        for chunk in chunks {
            lines.push(Bytes::copy_from_slice(chunk));
            while let Some(record) = lines.next() {
                records.push(record.map(|record| record.to_vec()));
                assert_eq!(lines.number(), records.len() as u64);
            }
        }
        records.extend(lines.last().map(|record| record.map(|r| r.to_vec())));
        assert_eq!(lines.number(), records.len() as u64);
        records
    }

    fn cut(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
        let records = cut_at(b"\n", 1000, chunks).into_iter();
        records
            .map(|record| record.expect("none is too long"))
            .collect()
    }

    /// What the specification of a delimiter says, without chunks.
    fn model(delimiter: &[u8], limit: usize, mut data: &[u8]) -> Vec<Result<Vec<u8>, TooLong>> {
        let mut records = Vec::new();
        let judge = |record: &[u8]| match record.len() > limit {
            false => Ok(record.to_vec()),
            true => Err(TooLong),
        };
        while let Some(at) = data.windows(delimiter.len()).position(|w| w == delimiter) {
            records.push(judge(&data[..at]));
            data = &data[at + delimiter.len()..];
        }
        if !data.is_empty() {
            records.push(judge(data));
        }
        records
    }

    fn chunks<'a>(data: &'a [u8], at: &[usize]) -> Vec<&'a [u8]> {
        let mut borders: Vec<_> = at.iter().map(|b| *b.min(&data.len())).collect();
        borders.sort_unstable();
        let mut chunks = Vec::new();
        let mut start = 0;
        for border in borders {
            chunks.push(&data[start..border]);
            start = border;
        }
        chunks.push(&data[start..]);
        chunks
    }

    #[test]
    fn records_keep_every_byte_but_the_delimiter() {
        assert_eq!(
            cut(&[b"a\r\n\n\0b\nend"]),
            [&b"a\r"[..], b"", b"\0b", b"end"]
        );
        assert_eq!(cut(&[b"a\n"]), [b"a"]);
        assert_eq!(cut(&[b"\n"]), [b""]);
        assert!(cut(&[b""]).is_empty());
        assert_eq!(cut(&[b"a", b"b", b"\nc", b"\n"]), [&b"ab"[..], b"c"]);
    }

    #[test]
    fn a_long_record_is_said_once_and_its_rest_is_not_kept() {
        let mut lines = Lines::new(b"--".to_vec(), 8);
        for _ in 0..1000 {
            lines.push(Bytes::from_static(&[b'x'; 64]));
            while lines.next().is_some() {}
            assert!(lines.partial.len() <= 64 + 8);
        }
        assert_eq!(lines.number(), 1);
        lines.push(Bytes::from_static(b"-"));
        assert!(lines.next().is_none());
        lines.push(Bytes::from_static(b"-good--"));
        assert_eq!(lines.next(), Some(Ok(Bytes::from_static(b"good"))));
        assert_eq!(lines.number(), 2);
    }

    proptest! {
        #[test]
        fn chunk_borders_and_long_delimiters_do_not_matter(
            data in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'a'), Just(b'b')], 0..200),
            delimiter in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'a')], 1..4),
            at in proptest::collection::vec(0..200usize, 0..12),
        ) {
            let records = cut_at(&delimiter, 1000, &chunks(&data, &at));
            prop_assert_eq!(records, model(&delimiter, 1000, &data));
        }

        #[test]
        fn long_records_do_not_disturb_the_others(
            data in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b';'), any::<u8>()], 0..200),
            at in proptest::collection::vec(0..200usize, 0..12),
            limit in 0..20usize,
        ) {
            for delimiter in [&b"\n"[..], b";\n"] {
                // The end of the input ends a record as a delimiter does.
                let mut data = data.clone();
                data.extend_from_slice(delimiter);
                let records = cut_at(delimiter, limit, &chunks(&data, &at));
                prop_assert_eq!(records, model(delimiter, limit, &data));
            }
        }
    }
}
