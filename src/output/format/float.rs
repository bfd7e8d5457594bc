//! `%f` and `%d`: a payload that is a number in this machine's bytes, as C's `%*.*f` prints it.

use std::io::Write;

use super::field::{Field, fill};

/// No double has more decimals than this; what is asked for beyond are zeros. (Rust's own formatting
/// takes at most 65,535.)
const MOST_DECIMALS: usize = 1_100;

/// Whether the payload was a float.
pub(super) fn write_single(field: &Field, payload: &[u8], out: &mut Vec<u8>) -> bool {
    let Ok(bytes) = payload.try_into() else {
        return false;
    };
    write(field, f64::from(f32::from_ne_bytes(bytes)), out);
    true
}

/// Whether the payload was a double.
pub(super) fn write_double(field: &Field, payload: &[u8], out: &mut Vec<u8>) -> bool {
    let Ok(bytes) = payload.try_into() else {
        return false;
    };
    write(field, f64::from_ne_bytes(bytes), out);
    true
}

fn write(field: &Field, value: f64, out: &mut Vec<u8>) {
    let at = out.len();
    let negative = value.is_sign_negative();
    if negative {
        // glibc shows the sign of a NaN too
        out.push(b'-');
    }
    let mut pad = field.pad();
    if value.is_finite() {
        let decimals = field.precision.unwrap_or(6);
        let exact = decimals.min(MOST_DECIMALS);
        write!(out, "{:.exact$}", value.abs()).expect("memory can be written to");
        fill(b'0', decimals - exact, out);
    } else {
        out.extend_from_slice(if value.is_nan() { b"nan" } else { b"inf" });
        pad = b' ';
    }
    field.align(at, usize::from(negative), pad, out);
}
