//! Cuts a stream of chunks into records, each without its delimiter and without a copy where one
//! chunk holds it whole.

use bytes::{Buf, Bytes, BytesMut};

#[derive(Debug)]
pub(super) struct Lines {
    delimiter: u8,
    /// The beginning of a record whose end has not come.
    partial: BytesMut,
    chunk: Bytes,
}

impl Lines {
    pub fn new(delimiter: u8) -> Self {
        Self {
            delimiter,
            partial: BytesMut::new(),
            chunk: Bytes::new(),
        }
    }

    /// Takes the next chunk; the one before must be used up.
    pub fn push(&mut self, chunk: Bytes) {
        debug_assert!(self.chunk.is_empty(), "a chunk would be lost");
        self.chunk = chunk;
    }

    /// The next whole record.
    pub fn next(&mut self) -> Option<Bytes> {
        let Some(end) = self.chunk.iter().position(|byte| *byte == self.delimiter) else {
            self.partial.extend_from_slice(&self.chunk);
            self.chunk = Bytes::new();
            return None;
        };
        let mut record = self.chunk.split_to(end);
        self.chunk.advance(1);
        if !self.partial.is_empty() {
            self.partial.extend_from_slice(&record);
            record = self.partial.split().freeze();
        }
        Some(record)
    }

    /// What is left at the end of the input: a last record without a delimiter.
    pub fn last(&mut self) -> Option<Bytes> {
        (!self.partial.is_empty()).then(|| self.partial.split().freeze())
    }

    /// Bytes of a record whose end has not come.
    pub fn partial_len(&self) -> usize {
        self.partial.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut lines = Lines::new(b'\n');
        let mut records = Vec::new();
        for chunk in chunks {
            lines.push(Bytes::copy_from_slice(chunk));
            while let Some(record) = lines.next() {
                records.push(record.to_vec());
            }
        }
        records.extend(lines.last().map(|record| record.to_vec()));
        records
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

    proptest! {
        #[test]
        fn chunk_borders_do_not_matter(
            data in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..200),
            at in proptest::collection::vec(0..200usize, 0..6),
        ) {
            let mut borders: Vec<_> = at.into_iter().map(|b| b.min(data.len())).collect();
            borders.sort_unstable();
            let mut chunks = Vec::new();
            let mut start = 0;
            for border in borders {
                chunks.push(&data[start..border]);
                start = border;
            }
            chunks.push(&data[start..]);
            prop_assert_eq!(cut(&chunks), cut(&[&data]));
        }
    }
}
