//! The pieces of the time that a format prints, as glibc's strftime writes them in the C locale.
//!
//! Most of them change once a second at most, so they are written once a second.

use jiff::Timestamp;
use jiff::civil::{DateTime, Weekday};
use jiff::tz::TimeZone;

use crate::digits::{decimal, padded};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// `%Y-%m-%dT%H:%M:%S%z`
    IsoTime,
    /// `%Y-%m-%dT%H:%M:%S.`
    IsoDateTime,
    /// One conversion of strftime.
    Conversion(u8),
}

/// The pieces of one template for the second that was asked for last.
#[derive(Debug)]
pub(super) struct Pieces {
    zone: TimeZone,
    second: i64,
    text: Vec<u8>,
    /// Where each piece ends in the text.
    ends: Vec<usize>,
}

impl Pieces {
    pub fn new() -> Self {
        Self::in_zone(crate::output::time::local_zone())
    }

    pub fn in_zone(zone: TimeZone) -> Self {
        Self {
            zone,
            second: i64::MIN,
            text: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// Brings the pieces to the second of this instant.
    pub fn turn_to(&mut self, at: Timestamp, pieces: &[Piece]) {
        // Rounded down also before 1970, as a second and its nanoseconds are counted.
        let second = at.as_nanosecond().div_euclid(1_000_000_000) as i64;
        if second == self.second {
            return;
        }
        self.second = second;
        self.text.clear();
        self.ends.clear();
        let info = self.zone.to_offset_info(at);
        let local = Local {
            time: info.offset().to_datetime(at),
            second,
            offset: info.offset().seconds(),
            abbreviation: info.abbreviation(),
        };
        for piece in pieces {
            match piece {
                Piece::IsoTime => {
                    local.all(b"FT", b'T', &mut self.text);
                    local.conversion(b'z', &mut self.text);
                }
                Piece::IsoDateTime => {
                    local.all(b"FT", b'T', &mut self.text);
                    self.text.push(b'.');
                }
                Piece::Conversion(letter) => local.conversion(*letter, &mut self.text),
            }
            self.ends.push(self.text.len());
        }
    }

    pub fn get(&self, index: usize) -> &[u8] {
        let begin = match index {
            0 => 0,
            index => self.ends[index - 1],
        };
        &self.text[begin..self.ends[index]]
    }
}

/// A local time, taken apart.
struct Local<'a> {
    time: DateTime,
    /// Since 1970.
    second: i64,
    offset: i32,
    abbreviation: &'a str,
}

impl Local<'_> {
    /// Several conversions with a byte between them.
    fn all(&self, letters: &[u8], between: u8, out: &mut Vec<u8>) {
        for (index, letter) in letters.iter().enumerate() {
            if index > 0 {
                out.push(between);
            }
            self.conversion(*letter, out);
        }
    }

    fn conversion(&self, letter: u8, out: &mut Vec<u8>) {
        let time = &self.time;
        let year = i32::from(time.year());
        let (month, day) = (time.month().unsigned_abs(), time.day().unsigned_abs());
        let (hour, minute) = (time.hour().unsigned_abs(), time.minute().unsigned_abs());
        let hour_of_12 = match hour % 12 {
            0 => 12,
            hour => hour,
        };
        let day_of_year = time.day_of_year().unsigned_abs();
        let weekday = time.weekday();
        let sunday_based = weekday.to_sunday_zero_offset().unsigned_abs();
        let monday_based = weekday.to_monday_zero_offset().unsigned_abs();
        // The first days of a year before its first Sunday or Monday are in week 0.
        let week = |weekday: u8| (day_of_year + 6 - u16::from(weekday)) / 7;
        let mut two = |number: u8| padded::<2>(u32::from(number), out);
        match letter {
            b'd' => two(day),
            b'H' => two(hour),
            b'I' => two(hour_of_12),
            b'm' => two(month),
            b'M' => two(minute),
            b'S' => two(time.second().unsigned_abs()),
            b'C' => two((year / 100) as u8),
            b'y' => two(year.rem_euclid(100) as u8),
            b'g' => two(i32::from(iso(time).0).rem_euclid(100) as u8),
            b'V' => two(iso(time).1),
            b'U' => two(week(sunday_based) as u8),
            b'W' => two(week(monday_based) as u8),
            b'j' => padded::<3>(u32::from(day_of_year), out),
            b'e' => spaced(day, out),
            b'k' => spaced(hour, out),
            b'l' => spaced(hour_of_12, out),
            b'u' => out.push(b'1' + monday_based),
            b'w' => out.push(b'0' + sunday_based),
            b'Y' => signed(i64::from(year), out),
            b'G' => signed(i64::from(iso(time).0), out),
            b's' => signed(self.second, out),
            b'a' => out.extend_from_slice(&day_name(weekday)[..3]),
            b'A' => out.extend_from_slice(day_name(weekday)),
            b'b' | b'h' => out.extend_from_slice(&month_name(month)[..3]),
            b'B' => out.extend_from_slice(month_name(month)),
            b'p' => out.extend_from_slice(if hour < 12 { b"AM" } else { b"PM" }),
            b'P' => out.extend_from_slice(if hour < 12 { b"am" } else { b"pm" }),
            b'c' => {
                self.all(b"abe", b' ', out);
                out.push(b' ');
                self.all(b"TY", b' ', out);
            }
            b'D' | b'x' => self.all(b"mdy", b'/', out),
            b'F' => self.all(b"Ymd", b'-', out),
            b'R' => self.all(b"HM", b':', out),
            b'T' | b'X' => self.all(b"HMS", b':', out),
            b'r' => {
                self.all(b"IMS", b':', out);
                out.push(b' ');
                self.conversion(b'p', out);
            }
            b'z' => {
                out.push(if self.offset < 0 { b'-' } else { b'+' });
                let minutes = self.offset.unsigned_abs() / 60;
                padded::<4>(minutes / 60 * 100 + minutes % 60, out);
            }
            b'Z' => out.extend_from_slice(self.abbreviation.as_bytes()),
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'%' => out.push(b'%'),
            // glibc takes a digit for a width and then misses the conversion; what it does not know
            // it prints as it stands, in that width.
            b'1'..=b'9' => {
                let width = usize::from(letter - b'0');
                super::field::fill(b' ', width.saturating_sub(2), out);
                out.extend_from_slice(&[b'%', letter]);
            }
            unknown => out.extend_from_slice(&[b'%', unknown]),
        }
    }
}

/// The year and the week of ISO 8601.
fn iso(time: &DateTime) -> (i16, u8) {
    let week = time.date().iso_week_date();
    (week.year(), week.week().unsigned_abs())
}

fn spaced(number: u8, out: &mut Vec<u8>) {
    if number < 10 {
        out.push(b' ');
    }
    decimal(u64::from(number), out);
}

fn signed(number: i64, out: &mut Vec<u8>) {
    if number < 0 {
        out.push(b'-');
    }
    decimal(number.unsigned_abs(), out);
}

fn day_name(day: Weekday) -> &'static [u8] {
    match day {
        Weekday::Monday => b"Monday",
        Weekday::Tuesday => b"Tuesday",
        Weekday::Wednesday => b"Wednesday",
        Weekday::Thursday => b"Thursday",
        Weekday::Friday => b"Friday",
        Weekday::Saturday => b"Saturday",
        Weekday::Sunday => b"Sunday",
    }
}

fn month_name(month: u8) -> &'static [u8] {
    match month {
        1 => b"January",
        2 => b"February",
        3 => b"March",
        4 => b"April",
        5 => b"May",
        6 => b"June",
        7 => b"July",
        8 => b"August",
        9 => b"September",
        10 => b"October",
        11 => b"November",
        _ => b"December",
    }
}
