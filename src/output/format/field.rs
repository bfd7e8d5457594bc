//! Width, precision and padding, as C's printf and mosquitto's own code have them.

use crate::digits::decimal;

/// What may stand between the `%` and its letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    /// At least this many bytes; 0 when none was typed.
    pub width: usize,
    /// Most bytes of a text, decimals of a float, or nibbles in a group of hexadecimal digits.
    pub precision: Option<usize>,
    pub left: bool,
    pub zero: bool,
    /// Between groups of hexadecimal digits.
    pub separator: u8,
}

impl Default for Field {
    fn default() -> Self {
        Self {
            width: 0,
            precision: None,
            left: false,
            zero: false,
            separator: b' ',
        }
    }
}

impl Field {
    /// With which byte mosquitto itself pads (printf decides for itself). Also left of nothing: it
    /// does not ask for the alignment then.
    pub fn pad(&self) -> u8 {
        if self.zero { b'0' } else { b' ' }
    }

    /// A property that is not there.
    pub fn blank(&self, out: &mut Vec<u8>) {
        fill(self.pad(), self.width, out);
    }

    /// `%*.*s`
    pub fn text(&self, text: &[u8], out: &mut Vec<u8>) {
        let at = out.len();
        let most = self.precision.unwrap_or(usize::MAX).min(text.len());
        out.extend_from_slice(&text[..most]);
        self.align(at, 0, b' ', out);
    }

    /// `%*d`; the precision says nothing here.
    pub fn number(&self, number: i64, out: &mut Vec<u8>) {
        let at = out.len();
        if number < 0 {
            out.push(b'-');
        }
        decimal(number.unsigned_abs(), out);
        self.align(at, usize::from(number < 0), self.pad(), out);
    }

    /// Brings what was written since `at` to the width. On the right it is always spaces; on the left
    /// padding goes behind a sign unless it is spaces.
    pub fn align(&self, at: usize, sign: usize, pad: u8, out: &mut Vec<u8>) {
        let missing = self.width.saturating_sub(out.len() - at);
        if missing == 0 {
            return;
        }
        if self.left {
            fill(b' ', missing, out);
        } else {
            fill(pad, missing, out);
            let begin = if pad == b' ' { at } else { at + sign };
            out[begin..].rotate_right(missing);
        }
    }

    /// `%p`: unlike a text it is cut at the width, and the precision says nothing.
    pub fn payload(&self, payload: &[u8], out: &mut Vec<u8>) {
        let shown = self.cut(payload);
        if !self.left {
            fill(self.pad(), self.width.saturating_sub(shown.len()), out);
        }
        out.extend_from_slice(shown);
        if self.left {
            fill(b' ', self.width.abs_diff(shown.len()), out);
        }
    }

    pub fn cut<'a>(&self, payload: &'a [u8]) -> &'a [u8] {
        match self.width {
            0 => payload,
            width => &payload[..width.min(payload.len())],
        }
    }
}

pub(super) fn fill(byte: u8, count: usize, out: &mut Vec<u8>) {
    out.resize(out.len() + count, byte);
}
