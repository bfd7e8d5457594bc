//! A payload read as JSON and printed again, as cJSON does both: it is generous in what it takes, and
//! what it prints is what it has understood.

use super::{Layout, Object, comma, escape, number};

/// Objects and arrays within each other.
const DEEPEST: usize = 1000;

/// Appends the payload anew, standing `depth` deep; false when it is not JSON (what was appended then
/// is of no use).
pub(super) fn write(payload: &[u8], layout: Layout, depth: usize, out: &mut Vec<u8>) -> bool {
    // To mosquitto it is a C string that must be as long as the payload.
    if payload.contains(&0) {
        return false;
    }
    let text = payload.strip_prefix(b"\xef\xbb\xbf").unwrap_or(payload);
    let mut reader = Reader {
        text,
        at: 0,
        layout,
        nested: 0,
        depth,
    };
    reader.space();
    if reader.value(out).is_none() {
        return false;
    }
    reader.space();
    reader.at == text.len()
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    layout: Layout,
    /// Open objects and arrays of the payload.
    nested: usize,
    /// Open objects of the message around it.
    depth: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &[u8] {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Every control character counts as space.
    fn space(&mut self) {
        while self.peek().is_some_and(|byte| byte <= b' ') {
            self.at += 1;
        }
    }

    fn value(&mut self, out: &mut Vec<u8>) -> Option<()> {
        for word in [&b"null"[..], b"false", b"true"] {
            if self.rest().starts_with(word) {
                self.at += word.len();
                out.extend_from_slice(word);
                return Some(());
            }
        }
        match self.peek()? {
            b'"' => self.string(out),
            b'-' | b'0'..=b'9' => {
                let (value, len) = number::read(self.rest())?;
                self.at += len;
                number::write(value, out);
                Some(())
            }
            b'[' => self.nest(|reader| reader.array(out)),
            b'{' => self.nest(|reader| reader.object(out)),
            _ => None,
        }
    }

    fn nest(&mut self, inner: impl FnOnce(&mut Self) -> Option<()>) -> Option<()> {
        if self.nested >= DEEPEST {
            return None;
        }
        self.nested += 1;
        self.at += 1;
        self.space();
        inner(self)?;
        self.nested -= 1;
        Some(())
    }

    fn array(&mut self, out: &mut Vec<u8>) -> Option<()> {
        out.push(b'[');
        if !self.take(b']') {
            loop {
                self.space();
                self.value(out)?;
                self.space();
                if !self.take(b',') {
                    break;
                }
                comma(self.layout, out);
            }
            self.take(b']').then_some(())?;
        }
        out.push(b']');
        Some(())
    }

    fn object(&mut self, out: &mut Vec<u8>) -> Option<()> {
        let depth = self.depth + self.nested - 1;
        let mut object = Object::open(self.layout, depth, out);
        if !self.take(b'}') {
            loop {
                self.space();
                object.next(out);
                (self.peek() == Some(b'"')).then_some(())?;
                self.string(out)?;
                self.space();
                self.take(b':').then_some(())?;
                object.colon(out);
                self.space();
                self.value(out)?;
                self.space();
                if !self.take(b',') {
                    break;
                }
            }
            self.take(b'}').then_some(())?;
        }
        object.close(out);
        Some(())
    }

    /// A string, from its first quote.
    fn string(&mut self, out: &mut Vec<u8>) -> Option<()> {
        self.at += 1;
        let mut len = 0;
        loop {
            match self.rest().get(len)? {
                b'"' => break,
                b'\\' => len += 2,
                _ => len += 1,
            }
        }
        let text = &self.text[self.at..self.at + len];
        self.at += len + 1;
        out.push(b'"');
        // What an escape makes a NUL ends the string that cJSON prints, but not the one that it reads.
        let mut end = None;
        let mut rest = text;
        while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
            escape(&rest[..at], out);
            let (c, used) = character(&rest[at..])?;
            let mut utf8 = [0; 4];
            if !escape(c.encode_utf8(&mut utf8).as_bytes(), out) {
                end.get_or_insert(out.len());
            }
            rest = &rest[at + used..];
        }
        escape(rest, out);
        out.truncate(end.unwrap_or(out.len()));
        out.push(b'"');
        Some(())
    }
}

/// The character that the escape at the start of the text means, and the length of the escape.
fn character(text: &[u8]) -> Option<(char, usize)> {
    let plain = match text.get(1)? {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        quoted @ (b'"' | b'\\' | b'/') => char::from(*quoted),
        b'u' => {
            let first = unit(text.get(2..6)?);
            let second = || {
                let second = text.get(6..12)?.strip_prefix(b"\\u")?;
                char::decode_utf16([first, unit(second)]).next()?.ok()
            };
            // Half of a pair is nothing by itself.
            return match char::from_u32(u32::from(first)) {
                Some(c) => Some((c, 6)),
                None => second().map(|c| (c, 12)),
            };
        }
        _ => return None,
    };
    Some((plain, 2))
}

/// Four hexadecimal digits; anything else is 0 to cJSON.
fn unit(digits: &[u8]) -> u16 {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    digits
        .iter()
        .try_fold(0, |unit, byte| Some(unit << 4 | digit(byte)?))
        .and_then(|unit| u16::try_from(unit).ok())
        .unwrap_or(0)
}
