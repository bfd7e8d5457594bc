//! Numbers as C's atoi, atof and strtol read them: what is not one is 0, and what follows is ignored.

/// The leading whole number, 0 without one. Beyond 64 bits it stays at the end of the range.
pub fn whole(typed: &str) -> i64 {
    let (negative, digits) = sign(typed);
    let mut number: i64 = 0;
    for digit in digits.bytes().take_while(u8::is_ascii_digit) {
        number = append(number, negative, 10, i64::from(digit - b'0'));
    }
    number
}

/// One more digit; each end of the range is reached from its own side.
fn append(number: i64, negative: bool, radix: u32, digit: i64) -> i64 {
    let number = number.saturating_mul(i64::from(radix));
    match negative {
        true => number.saturating_sub(digit),
        false => number.saturating_add(digit),
    }
}

/// As [`whole`], in the 32 bits that atoi keeps.
pub fn int(typed: &str) -> i64 {
    i64::from(whole(typed) as i32)
}

/// The leading decimal number, 0 without one.
pub fn decimal(typed: &str) -> f64 {
    if let Some(number) = hexadecimal(typed) {
        return number;
    }
    let typed = behind_blanks(typed);
    (0..=typed.len())
        .rev()
        .filter_map(|end| typed.get(..end))
        .find_map(|text| text.parse().ok())
        .unwrap_or(0.0)
}

/// A number behind 0x, which may have a point, and an exponent of 2 behind a p.
fn hexadecimal(typed: &str) -> Option<f64> {
    let (negative, text) = sign(typed);
    let mut rest = text.strip_prefix("0x").or(text.strip_prefix("0X"))?;
    let (mut number, mut scale) = (0.0, None);
    let mut any = false;
    while let Some(next) = rest.chars().next() {
        match (next.to_digit(16), scale) {
            (Some(digit), _) => {
                (number, any) = (number * 16.0 + f64::from(digit), true);
                scale = scale.map(|places: i64| places + 4);
            }
            (None, None) if next == '.' => scale = Some(0),
            (None, _) => break,
        }
        rest = &rest[next.len_utf8()..];
    }
    let exponent = rest.strip_prefix(['p', 'P']).map_or(0, whole);
    let exponent = exponent.saturating_sub(scale.unwrap_or(0));
    let number = number * 2_f64.powi(exponent.clamp(-2_000, 2_000) as i32);
    any.then_some(if negative { -number } else { number })
}

/// A whole number and nothing behind it; 0x begins a hexadecimal one, 0 an octal one. Beyond 64 bits it stays at the
/// end of the range.
pub fn strict(typed: &str) -> Option<i64> {
    let (negative, digits) = sign(typed);
    let (radix, digits) = match digits.get(..2) {
        Some("0x" | "0X") => (16, &digits[2..]),
        _ if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    let mut number: i64 = 0;
    for digit in digits.chars() {
        let digit = i64::from(digit.to_digit(radix)?);
        number = append(number, negative, radix, digit);
    }
    (!digits.is_empty()).then_some(number)
}

/// Blanks are those of C, not those of Unicode.
fn behind_blanks(typed: &str) -> &str {
    typed.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r'])
}

fn sign(typed: &str) -> (bool, &str) {
    let typed = behind_blanks(typed);
    match typed.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, typed.strip_prefix('+').unwrap_or(typed)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_end_where_c_ends_them() {
        assert_eq!(whole(" 42x"), 42);
        assert_eq!(whole("-7.9"), -7);
        assert_eq!(whole("x"), 0);
        assert_eq!(whole("99999999999999999999"), i64::MAX);
        assert_eq!(whole("-99999999999999999999"), i64::MIN);
        assert_eq!(whole("\u{a0}5"), 0);
        assert_eq!(int("4294967297"), 1);
        assert_eq!(int("-99999999999999999999"), 0);
        assert_eq!(decimal("0.25s"), 0.25);
        assert_eq!(decimal("-1"), -1.0);
        assert_eq!(decimal("x"), 0.0);
        assert_eq!(decimal("0x10"), 16.0);
        assert_eq!(decimal("-0X1.8p1y"), -3.0);
        assert_eq!(decimal("0x"), 0.0);
        assert_eq!(decimal("0x1p-1"), 0.5);
        assert_eq!(strict("5x"), None);
        assert_eq!(strict("-5"), Some(-5));
        assert_eq!(strict("0x1F"), Some(31));
        assert_eq!(strict("-017"), Some(-15));
        assert_eq!(strict("0"), Some(0));
        assert_eq!(strict("08"), None);
        assert_eq!(strict("0x"), None);
        assert_eq!(strict(""), None);
    }
}
