//! The language, form by form. What two programs must agree on is in `tests/it/format.rs`; here is
//! what mosquitto 2.1 does and 2.0 does not, and what only a fixed clock can show.

use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::time::{Piece, Pieces};
use super::*;
use crate::mqtt::QoS;
use crate::mqtt::packet::{Message, Publish};
use crate::mqtt::properties::{Place, Property, PropertyId, Value};
use crate::mqtt::text::Text;

const MOSQUITTO: JsonDialect = JsonDialect::Mosquitto(Layout::Line);

fn message(payload: &[u8]) -> Publish {
    Publish {
        message: Message {
            topic: Text::try_from("r/1").unwrap(),
            payload: Bytes::copy_from_slice(payload),
            ..Message::default()
        },
        ..Publish::default()
    }
}

/// What is printed, and what is complained about in mosquitto's words.
fn print(format: &str, publish: &Publish) -> (Vec<u8>, String) {
    let mut writer = Writer::new(Template::parse(format, MOSQUITTO).unwrap(), false);
    let received: Timestamp = "2026-11-20T23:58:42.637160009Z".parse().unwrap();
    let (mut out, mut complaints) = (Vec::new(), String::new());
    let mut complain = |complaint: Complaint<'_>| complaints += &complaint.mosquitto_text();
    writer.write(publish, received, &mut out, &mut complain);
    (out, complaints)
}

#[track_caller]
fn prints(format: &str, payload: &[u8], expected: &str) {
    let (out, complaints) = print(format, &message(payload));
    assert_eq!(
        String::from_utf8_lossy(&out),
        expected,
        "{format} of {payload:?}"
    );
    assert_eq!(complaints, "");
}

#[test]
fn fields_are_padded_and_cut() {
    for (format, expected) in [
        ("%%", "%"),
        ("%5%", "%"),
        ("%l %m %q %r", "2 0 0 0"),
        ("%03l|%3l|%-3l|%-03l|%.0l", "002|  2|2  |2  |2"),
        (
            "%t|%5t|%-5t|%05t|%3.1t|%-3.1t|%.0t",
            "r/1|  r/1|r/1  |  r/1|  r|r  |",
        ),
        ("%10.10t", "       r/1"),
        ("%5p|%-5p|%05p|%1p|%.1p", "   AB|AB   |000AB|A|AB"),
        ("%-040p|", "AB                                      |"),
        // Without a width the payload's length counts as one on the right.
        ("%-p|%-2p|%-1p|", "AB  |AB|A|"),
        ("a\\tb\\\\\\e\\0\\a\\n\\r\\v@@", "a\tb\\\x1b\0\x07\n\r\x0b@"),
        ("é%té", "ér/1é"),
        ("", ""),
    ] {
        prints(format, b"AB", expected);
    }
}

#[test]
fn missing_properties_keep_their_width_but_for_the_response_topic() {
    prints("%A|%5A|%05A|%-05A", b"", "|     |00000|00000");
    prints("%05E|%03F|%02S|%04C|%-4C|", b"", "00000|000|00|0000|    |");
    prints("%C%D%P%R%5R%5D%5P", b"", "");
}

#[test]
fn hexadecimal_digits_stand_in_groups() {
    for (format, expected) in [
        ("%x|%X", "4a4b|4A4B"),
        (
            "%8x|%-8x|%08x|%-08x|",
            "    4a4b|4a4b    |00004a4b|4a4b    |",
        ),
        (
            "%.2x|%.2:x|%.4 x|%.1-x|%.3,X",
            "4a 4b|4a:4b|4a4b|4-a-4-b|4A4,B",
        ),
        ("%.0:x|%:x|%.:x", "4a4b|4a4b|4a4b"),
        // padding is counted in the groups
        ("%08.2:x|%7.2:x", "00:00:4a:4b|  : 4:a4:b"),
        ("%-8.2:x|", "4a:4b    |"),
        // the width cuts bytes but pads digits
        ("%1x|%2x|%3x", "4a|4a4b|4a4b"),
        ("%-1x|%-2x|%-3x|%-x|", "4a |4a4b  |4a4b |4a4b  |"),
    ] {
        prints(format, b"JK", expected);
    }
    prints("%4.2:x|%.2:x", b"", "  :  :|");
    // every separator is itself before any other specifier
    for separator in " !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~".chars() {
        prints(&format!("%.1{separator}x"), b"J", &format!("4{separator}a"));
        prints(&format!("%5.2{separator}t"), b"", "   r/");
    }
}

#[test]
fn floats_are_printed_as_c_does() {
    for (format, value, expected) in [
        ("%d", 1.5, "1.500000"),
        (
            "%.2d|%.0d|%8.1d|%-8.1d|%08.1d",
            1.25,
            "1.25|1|     1.2|1.2     |000001.2",
        ),
        ("%08.1d|%8.1d", -2.5, "-00002.5|    -2.5"),
        ("%d|%08d|%-5d|", f64::INFINITY, "inf|     inf|inf  |"),
        ("%d|%08d", f64::NEG_INFINITY, "-inf|    -inf"),
        ("%d", f64::NAN, "nan"),
        ("%d", -f64::NAN, "-nan"),
        ("%.1d|%d", -0.0, "-0.0|-0.000000"),
        ("%.0d", 1e22, "10000000000000000000000"),
        ("%.20d", 0.1, "0.10000000000000000555"),
    ] {
        prints(format, &value.to_ne_bytes(), expected);
    }
    prints("%f|%.3f", &0.1f32.to_ne_bytes(), "0.100000|0.100");
    prints("%.9f", &0.1f32.to_ne_bytes(), "0.100000001");
    let (long, _) = print("%.5000d", &message(&f64::from_bits(1).to_ne_bytes()));
    assert_eq!((long.len(), long.last()), (5002, Some(&b'0')));
    assert_eq!(
        print("a%db%fc", &message(b"xyz")),
        (
            b"abc".to_vec(),
            "requested double printing, but non-double data received\
             requested float printing, but non-float data received"
                .to_owned()
        )
    );
}

#[test]
fn properties_are_printed_as_they_came() {
    let mut publish = message(b"x");
    publish.packet_id = 7;
    publish.message.qos = QoS::AtLeastOnce;
    publish.message.retain = true;
    let text = |s: &str| Text::try_from(s).unwrap();
    for (id, value) in [
        (PropertyId::UserProperty, Value::Pair(text("k"), text("1"))),
        (PropertyId::ContentType, Value::Text(text("a/b"))),
        (PropertyId::ResponseTopic, Value::Text(text("r/t"))),
        (PropertyId::SubscriptionIdentifier, Value::VariableByte(9)),
        (PropertyId::SubscriptionIdentifier, Value::VariableByte(10)),
        (
            PropertyId::CorrelationData,
            Value::Binary(Bytes::from_static(b"\0c")),
        ),
        (PropertyId::MessageExpiryInterval, Value::FourByte(u32::MAX)),
        (PropertyId::UserProperty, Value::Pair(text("k"), text(""))),
        (PropertyId::PayloadFormatIndicator, Value::Byte(1)),
        (PropertyId::TopicAlias, Value::TwoByte(65_535)),
    ] {
        publish
            .message
            .properties
            .push(Place::Publish, Property::new(id, value).unwrap())
            .unwrap();
    }
    let (out, _) = print("%m%q%r %A %5.2C %D %05E %F %P %-5R|%S", &publish);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "711 65535    a/ \0c -0001 1 k:1 k: r/t  |9"
    );
    let template = Template::parse("%E", JsonDialect::Native(Layout::Line)).unwrap();
    let mut out = Vec::new();
    Writer::new(template, false).write(&publish, Timestamp::UNIX_EPOCH, &mut out, &mut |_| {});
    assert_eq!(out, b"4294967295", "natively it is not signed");
}

#[test]
fn bad_formats_are_named_in_either_words() {
    for (format, text, described) in [
        (
            "%",
            "Error: Incomplete format specifier.",
            "'%' at character 1 is incomplete",
        ),
        (
            "a%0",
            "Error: Incomplete format specifier.",
            "'%0' at character 2 is incomplete",
        ),
        (
            "%-",
            "Error: Incomplete format specifier.",
            "'%-' at character 1 is incomplete",
        ),
        (
            "%.1",
            "Error: Incomplete format specifier.",
            "'%.1' at character 1 is incomplete",
        ),
        (
            "%.1:",
            "Error: Invalid format specifier '\0'.",
            "'%.1:' at character 1 is incomplete",
        ),
        (
            "@",
            "Error: Incomplete format specifier.",
            "'@' at character 1 is incomplete",
        ),
        (
            "é%5Zt",
            "Error: Invalid format specifier 'Z'.",
            "'%5Z' at character 2 is no specifier",
        ),
        (
            "%-0-5p",
            "Error: Invalid format specifier '5'.",
            "'%-0-5' at character 1 is no specifier",
        ),
        (
            "\\",
            "Error: Incomplete escape specifier.",
            "'\\' at character 1 is incomplete",
        ),
        (
            "%t\\q",
            "Error: Invalid escape specifier 'q'.",
            "'\\q' at character 3 is no escape",
        ),
    ] {
        let error = Template::parse(format, MOSQUITTO).unwrap_err();
        assert_eq!(error.mosquitto_text(), text.as_bytes(), "{format}");
        assert_eq!(error.describe(format.as_bytes()), described, "{format}");
    }
    let error = Template::parse("%é", MOSQUITTO).unwrap_err();
    assert_eq!(
        error.mosquitto_text(),
        b"Error: Invalid format specifier '\xc3'."
    );
    assert_eq!(
        error.describe("%é".as_bytes()),
        "'%é' at character 1 is no specifier"
    );
    for format in ["%99999999999999999999t", "%1000001I", "%.1000001f"] {
        assert!(Template::parse(format, MOSQUITTO).is_err(), "{format}");
    }
}

/// Every conversion at instants where they are hard, as glibc 2.36 writes them.
#[test]
fn conversions_are_glibcs() {
    let pieces: Vec<Piece> = "aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyYzZ%EOiQ+137"
        .bytes()
        .map(Piece::Conversion)
        .collect();
    for (at, hours, expected) in [
        (
            "2026-11-20T23:58:42.9Z",
            2,
            "Sat|Saturday|Nov|November|Sat Nov 21 01:58:42 2026|20|21|11/21/26|21|2026-11-21|26|2026|Nov|01|01|325| 1| 1|11|58|\n|AM|am|01:58:42 AM|01:58|1795219122|42|\t|01:58:42|6|46|47|6|46|11/21/26|01:58:42|26|2026|+0200|+02|%|%E|%O|%i|%Q|%+|%1| %3|     %7",
        ),
        (
            "2024-12-31T17:03:04Z",
            -5,
            "Tue|Tuesday|Dec|December|Tue Dec 31 12:03:04 2024|20|31|12/31/24|31|2024-12-31|25|2025|Dec|12|12|366|12|12|12|03|\n|PM|pm|12:03:04 PM|12:03|1735664584|04|\t|12:03:04|2|52|01|2|53|12/31/24|12:03:04|24|2024|-0500|-05|%|%E|%O|%i|%Q|%+|%1| %3|     %7",
        ),
        (
            "2023-01-01T05:00:09Z",
            -5,
            "Sun|Sunday|Jan|January|Sun Jan  1 00:00:09 2023|20|01|01/01/23| 1|2023-01-01|22|2022|Jan|00|12|001| 0|12|01|00|\n|AM|am|12:00:09 AM|00:00|1672549209|09|\t|00:00:09|7|01|52|0|00|01/01/23|00:00:09|23|2023|-0500|-05|%|%E|%O|%i|%Q|%+|%1| %3|     %7",
        ),
    ] {
        let mut kept = Pieces::in_zone(TimeZone::fixed(jiff::tz::offset(hours)));
        kept.turn_to(at.parse().unwrap(), &pieces);
        let all: Vec<_> = (0..pieces.len()).map(|index| kept.get(index)).collect();
        assert_eq!(
            String::from_utf8_lossy(&all.join(&b'|')),
            expected,
            "{at} {hours}"
        );
    }
}

#[test]
fn pieces_turn_with_the_second() {
    let pieces = [Piece::IsoTime, Piece::IsoDateTime, Piece::Conversion(b's')];
    let zone = TimeZone::posix("XXX3:30").unwrap();
    let mut kept = Pieces::in_zone(zone);
    for (at, time, second) in [
        (
            "2026-11-21T00:00:00.999999999Z",
            "2026-11-20T20:30:00",
            "1795219200",
        ),
        ("2026-11-21T00:00:01Z", "2026-11-20T20:30:01", "1795219201"),
        ("1969-12-31T23:59:59.5Z", "1969-12-31T20:29:59", "-1"),
    ] {
        kept.turn_to(at.parse().unwrap(), &pieces);
        assert_eq!(kept.get(0), format!("{time}-0330").as_bytes());
        assert_eq!(kept.get(1), format!("{time}.").as_bytes());
        assert_eq!(kept.get(2), second.as_bytes());
    }
}

#[test]
fn the_instant_is_one_for_the_whole_line() {
    let (out, _) = print("%U @N @s %U", &message(b""));
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "1795219122.637160009 637160009 1795219122 1795219122.637160009"
    );
}

#[test]
fn on_a_terminal_only_the_format_acts() {
    let template = Template::parse("\\e[1m%4p\\e[0m", JsonDialect::Native(Layout::Line)).unwrap();
    let mut out = Vec::new();
    Writer::new(template, true).write(
        &message(b"a\x1b"),
        Timestamp::UNIX_EPOCH,
        &mut out,
        &mut |_| {},
    );
    assert_eq!(String::from_utf8(out).unwrap(), "\x1b[1m  a\\u{1b}\x1b[0m");
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_run(
        format in "[%@\\\\0-9.:a-zA-Zé -]{0,30}",
        payload in proptest::collection::vec(any::<u8>(), 0..10),
    ) {
        match Template::parse(&format, MOSQUITTO) {
            Ok(template) => {
                let mut out = Vec::new();
                let wide = format.bytes().filter(u8::is_ascii_digit).count() > 5;
                if !wide {
                    Writer::new(template, false).write(
                        &message(&payload), Timestamp::UNIX_EPOCH, &mut out, &mut |_| {},
                    );
                }
            }
            Err(error) => prop_assert!(error.describe(format.as_bytes()).starts_with('\'')),
        }
    }
}
