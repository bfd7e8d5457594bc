//! Whole numbers as decimal digits, without the detour over formatting machinery.

/// The last digits of a number, with leading zeros.
pub(super) fn padded<const COUNT: usize>(mut number: u32, out: &mut Vec<u8>) {
    let mut digits = [b'0'; COUNT];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    out.extend_from_slice(&digits);
}
