//! `%x` and `%X`: a payload in hexadecimal digits, in groups.

use super::field::{Field, fill};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Lower,
    Upper,
}

impl Case {
    fn digits(self) -> &'static [u8; 16] {
        match self {
            Self::Lower => b"0123456789abcdef",
            Self::Upper => b"0123456789ABCDEF",
        }
    }
}

/// The width cuts the payload to as many bytes and pads what has fewer digits. Padding on the left
/// counts as digits for the groups.
pub(super) fn write(field: &Field, case: Case, payload: &[u8], out: &mut Vec<u8>) {
    let shown = field.cut(payload);
    let digits = case.digits();
    let nibbles = shown.iter().flat_map(|byte| {
        [
            digits[usize::from(byte >> 4)],
            digits[usize::from(byte & 15)],
        ]
    });
    let missing = if field.left {
        0
    } else {
        field.width.saturating_sub(shown.len() * 2)
    };
    match field.precision {
        None | Some(0) => {
            fill(field.pad(), missing, out);
            out.extend(nibbles);
        }
        Some(group) => {
            let padding = std::iter::repeat_n(field.pad(), missing);
            let last = missing + shown.len() * 2;
            for (index, digit) in padding.chain(nibbles).enumerate() {
                out.push(digit);
                // Not behind the payload's last digit, but behind padding without one.
                let ends = index + 1 == last && !shown.is_empty();
                if (index + 1) % group == 0 && !ends {
                    out.push(field.separator);
                }
            }
        }
    }
    if field.left {
        // Where the width is too small, or there is none, C's printf takes what is missing, which is
        // then negative, without its sign. Without a width it counts bytes rather than digits.
        let len = match field.width {
            0 => shown.len(),
            _ => shown.len() * 2,
        };
        fill(b' ', field.width.abs_diff(len), out);
    }
}
