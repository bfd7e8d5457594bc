//! How long a reply took, as mosquitto_rr's `--latency` prints it.

use std::io::Write;
use std::time::Duration;

/// Appends the line: nanoseconds, microseconds or milliseconds, from a second on a bare number of seconds.
pub fn mosquitto(after: Duration, out: &mut Vec<u8>) {
    let nanoseconds = after.subsec_nanos();
    // Writing to memory does not fail.
    let _ = match (after.as_secs(), nanoseconds) {
        (seconds @ 1.., _) => writeln!(out, "Latency: {seconds}.{nanoseconds:09}"),
        (0, ..1_000) => writeln!(out, "Latency: {nanoseconds}ns"),
        (0, ..1_000_000) => writeln!(out, "Latency: {:.6}µs", f64::from(nanoseconds) / 1e3),
        (0, _) => writeln!(out, "Latency: {:.6}ms", f64::from(nanoseconds) / 1e6),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_follows_the_size() {
        for (nanoseconds, line) in [
            (999, "Latency: 999ns\n"),
            (22_408, "Latency: 22.408000µs\n"),
            (1_000_000, "Latency: 1.000000ms\n"),
            (999_999_999, "Latency: 999.999999ms\n"),
            (1_000_000_007, "Latency: 1.000000007\n"),
        ] {
            let mut out = Vec::new();
            mosquitto(Duration::from_nanos(nanoseconds), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), line);
        }
    }
}
