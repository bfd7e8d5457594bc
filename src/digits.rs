//! Whole numbers as decimal digits, without the detour over formatting machinery or an allocation.

use bytes::BufMut;

pub fn decimal(mut number: u64, out: &mut impl BufMut) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.put_slice(&digits[at..]);
}

/// The last digits of a number, with leading zeros.
pub fn padded<const COUNT: usize>(mut number: u32, out: &mut Vec<u8>) {
    let mut digits = [b'0'; COUNT];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    out.extend_from_slice(&digits);
}
