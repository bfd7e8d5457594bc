//! The instant of a message as text, cheap enough for every message.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::digits::padded;

/// Local time in RFC 3339 with microseconds. Only the microseconds change within a second, so the
/// rest is kept.
#[derive(Debug)]
pub(super) struct Clock {
    zone: TimeZone,
    second: i64,
    /// `2026-11-21T00:14:38.`
    date_time: String,
    /// `+00:00`
    offset: String,
}

impl Clock {
    pub fn new() -> Self {
        Self {
            zone: local_zone(),
            second: i64::MIN,
            date_time: String::new(),
            offset: String::new(),
        }
    }

    pub fn write(&mut self, at: Timestamp, out: &mut Vec<u8>) {
        if at.as_second() != self.second {
            let zoned = at.to_zoned(self.zone.clone());
            self.second = at.as_second();
            self.date_time = zoned.strftime("%Y-%m-%dT%H:%M:%S.").to_string();
            self.offset = zoned.strftime("%:z").to_string();
        }
        out.extend_from_slice(self.date_time.as_bytes());
        padded::<6>(at.subsec_nanosecond().unsigned_abs() / 1000, out);
        out.extend_from_slice(self.offset.as_bytes());
    }
}

/// The zone of this machine and environment; as glibc has it UTC where that is not to be found.
pub(super) fn local_zone() -> TimeZone {
    match TimeZone::system() {
        zone if zone.is_unknown() => TimeZone::UTC,
        zone => zone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_with_microseconds() {
        let mut clock = Clock {
            zone: TimeZone::fixed(jiff::tz::offset(2)),
            ..Clock::new()
        };
        for (at, text) in [
            (
                "2026-11-20T23:58:42.637160Z",
                "2026-11-21T01:58:42.637160+02:00",
            ),
            (
                "2026-11-20T23:58:42.000001Z",
                "2026-11-21T01:58:42.000001+02:00",
            ),
            ("2026-11-20T23:58:43Z", "2026-11-21T01:58:43.000000+02:00"),
        ] {
            let mut out = Vec::new();
            clock.write(at.parse().unwrap(), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
