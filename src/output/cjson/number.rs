//! Numbers as cJSON reads and prints them: doubles, in as few digits as it thinks will do.

use std::io::Write;

/// Reads a number as C's strtod does: its value, and its length in the text. Other than strtod it
/// knows no `inf`, `nan` and hexadecimal, for cJSON does not hand those to it.
pub(super) fn read(text: &[u8]) -> Option<(f64, usize)> {
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let sign = usize::from(text.first() == Some(&b'-'));
    let whole = digits(sign);
    let mut len = sign + whole;
    let mut decimals = 0;
    if text.get(len) == Some(&b'.') {
        decimals = digits(len + 1);
        len += 1 + decimals;
    }
    if whole + decimals == 0 {
        return None;
    }
    if let Some(b'e' | b'E') = text.get(len) {
        let sign = usize::from(matches!(text.get(len + 1), Some(b'+' | b'-')));
        let exponent = digits(len + 1 + sign);
        // An `e` without digits is not the number's.
        if exponent > 0 {
            len += 1 + sign + exponent;
        }
    }
    let text = std::str::from_utf8(&text[..len]).ok()?;
    Some((text.parse().ok()?, len))
}

/// As cJSON 1.7.16 and later print it.
pub(super) fn write(value: f64, out: &mut Vec<u8>) {
    if !value.is_finite() {
        out.extend_from_slice(b"null");
        return;
    }
    // `as` saturates, like cJSON's own conversion.
    let whole = value as i32;
    if f64::from(whole) == value {
        write!(out, "{whole}").expect("memory can be written to");
        return;
    }
    let at = out.len();
    general(value, 15, out);
    let back = std::str::from_utf8(&out[at..]).map(str::parse);
    // It is satisfied with a neighbour.
    let same = |back: f64| (back - value).abs() <= back.abs().max(value.abs()) * f64::EPSILON;
    if !matches!(back, Ok(Ok(back)) if same(back)) {
        out.truncate(at);
        general(value, 17, out);
    }
}

/// C's `%.{precision}g` for a precision of at most 17.
fn general(value: f64, precision: usize, out: &mut Vec<u8>) {
    let mut buffer = [0; 32];
    let mut rest = &mut buffer[..];
    let decimals = precision - 1;
    write!(rest, "{:.decimals$e}", value.abs()).expect("17 digits and an exponent fit");
    let len = 32 - rest.len();
    let e = buffer[..len].iter().position(|byte| *byte == b'e');
    let (mantissa, exponent) = buffer[..len].split_at(e.unwrap_or(len));
    let exponent: i32 = std::str::from_utf8(exponent.get(1..).unwrap_or_default())
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    let mut digits = [b'0'; 17];
    let mut count = 0;
    for byte in mantissa.iter().filter(|byte| byte.is_ascii_digit()) {
        digits[count] = *byte;
        count += 1;
    }
    while count > 1 && digits[count - 1] == b'0' {
        count -= 1;
    }
    let digits = &digits[..count];
    if value.is_sign_negative() {
        out.push(b'-');
    }
    if exponent < -4 || exponent >= precision as i32 {
        out.push(digits[0]);
        if count > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        let sign = if exponent < 0 { '-' } else { '+' };
        write!(out, "e{sign}{:02}", exponent.abs()).expect("memory can be written to");
    } else if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + exponent.unsigned_abs() as usize - 1, b'0');
        out.extend_from_slice(digits);
    } else {
        let whole = exponent as usize + 1;
        out.extend_from_slice(&digits[..whole.min(count)]);
        if count > whole {
            out.push(b'.');
            out.extend_from_slice(&digits[whole..]);
        } else {
            out.resize(out.len() + whole - count, b'0');
        }
    }
}
