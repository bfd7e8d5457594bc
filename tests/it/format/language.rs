//! The language itself: what mozzie prints, and refuses, natively.

use std::process::Command;

use super::{Seed, Sent, mosquitto_sub, ours, ours_by_its_name, sent};
use crate::{
    needs,
    support::{is_2_0, mozzie, wire},
};

/// Stands between formats that are tried in one run. No payload here has it.
const MARK: char = '\u{1}';

/// Formats that 2.0 and 2.1 print alike. Left out: `%f`, `%d`, a width or precision of `%x`, zeros for a missing
/// content type, separators, JSON (each has a test below), and times (a test of their own).
fn formats(count: usize) -> Vec<String> {
    let mut seed = Seed(3);
    let mut formats = vec![
        "%%".to_owned(),
        "%5%".to_owned(),
        "@@".to_owned(),
        r"\\\t\v\a\e\r\n\0".to_owned(),
    ];
    while formats.len() < count {
        let mut format = String::new();
        for _ in 0..=seed.next(2) {
            let letter = *seed.pick(&[
                &'A', &'C', &'D', &'E', &'F', &'P', &'R', &'S', &'X', &'l', &'m', &'p', &'p', &'q',
                &'r', &'t', &'t', &'x',
            ]);
            format.push('%');
            if seed.once_in(3) {
                format.push('-');
            }
            let digits = matches!(letter, 'x' | 'X');
            if !digits {
                if seed.once_in(4) && letter != 'C' {
                    format.push('0');
                }
                if seed.once_in(2) {
                    format.push_str(&(1 + seed.next(24)).to_string());
                }
                if seed.once_in(3) {
                    format.push('.');
                    if !seed.once_in(4) {
                        format.push_str(&seed.next(12).to_string());
                    }
                }
            }
            format.push(letter);
            format.push_str(seed.pick(&["", "", " ", "é", "\\t", "%%", "[", "}x"]));
        }
        formats.push(format);
    }
    formats
}

fn messages() -> Vec<Sent> {
    let all = [
        &[0x01, 1][..],
        &[0x26],
        &wire::field("k"),
        &wire::field("v:1"),
        &[0x03],
        &wire::field("text/plain"),
        &[0x08],
        &wire::field("an/swer/ü"),
        &[0x09],
        &wire::field(b"\0\xffcd"),
        &[0x26],
        &wire::field("k"),
        // 2.1.2 prints this as "(null)" where it is empty.
        &wire::field(if is_2_0() { "" } else { "v" }),
        &[0x02, 0, 1, 0x51, 0x80],
        &[0x0b, 0x81, 0x01],
    ]
    .concat();
    let empty = [
        &[0x03][..],
        &wire::field(""),
        &[0x09],
        &wire::field(""),
        &[0x26],
        &wire::field(""),
        &wire::field(""),
    ];
    vec![
        sent("a", ""),
        sent("a/b/c", "hello"),
        Sent {
            flags: 0x01,
            ..sent("r/1", "AB")
        },
        Sent {
            flags: 0x02,
            id: 7,
            properties: all.clone(),
            ..sent("ü/é", "{\"a\": 1.50}\n")
        },
        Sent {
            flags: 0x04,
            id: 65_535,
            properties: all,
            ..sent("a/topic/of/some/length", b"\0\xff\xfe\x02bin")
        },
        Sent {
            flags: 0x0b,
            id: 300,
            // At these 2.1.2 breaks down.
            properties: if is_2_0() { empty.concat() } else { Vec::new() },
            ..sent("t", "x".repeat(300))
        },
    ]
}

#[test]
fn three_hundred_formats_print_what_mosquitto_sub_prints() {
    needs!("mosquitto_sub");
    let formats = formats(360);
    let messages = messages();
    for version in ["31", "311", "5"] {
        // A format of them all would be cut by nobody, but a failure is easier to read in parts.
        for formats in formats.chunks(60) {
            let mark = MARK.to_string();
            let line = formats
                .iter()
                .map(|format| format!("{format}{MARK}"))
                .collect::<String>();
            for newline in [true, false] {
                let mut options = vec!["-F", &line];
                if !newline {
                    options.push("-N");
                }
                let (theirs, complaints) = mosquitto_sub(version, "UTC", &options, &messages);
                assert_eq!(complaints, "", "mosquitto_sub knows all of these");
                let (ours, complaints) = ours(version, "UTC", &options, &messages);
                assert_eq!(complaints, "");
                let by_its_name = ours_by_its_name(version, "UTC", &options, &messages);
                assert_eq!(by_its_name, (ours.clone(), String::new()));
                let parts = |bytes: &[u8]| {
                    bytes
                        .split(|byte| *byte == mark.as_bytes()[0])
                        .map(<[u8]>::to_vec)
                        .collect::<Vec<_>>()
                };
                let (theirs, ours) = (parts(&theirs), parts(&ours));
                for (index, (theirs, ours)) in theirs.iter().zip(&ours).enumerate() {
                    let (message, format) =
                        (index / formats.len(), &formats[index % formats.len()]);
                    assert_eq!(
                        String::from_utf8_lossy(ours),
                        String::from_utf8_lossy(theirs),
                        "{format:?} of message {message}, version {version}"
                    );
                }
                assert_eq!(ours.len(), theirs.len());
                assert_eq!(ours.len(), formats.len() * messages.len() + 1);
            }
        }
    }
}

#[test]
fn conversions_of_the_time_are_strftimes() {
    needs!("mosquitto_sub");
    let messages = [sent("t", "x")];
    // What no second changes is compared as it is, the rest in its shape.
    let slow = "%a|@A|@b|@B|@C|@d|@D|@e|@F|@g|@G|@h|@H|@I|@j|@k|@l|@m|@M|@n|@p|@P|@R|@t|@u|@U|@V|@w|@W|@x|@y|@Y|@z|@Z\
        |@%|@E|@O|@f|@i|@J|@K|@L|@o|@q|@Q|@v|@0|@1|@2|@3|@9|@+|@-|@_|@^|@#|@:|@ |@é|@\\";
    let slow = slow.replacen('%', "@", 1);
    let fast = "@c|@r|@s|@S|@T|@X|@N|%U|%I|%30I|%-30I|%.10I|%5.4I|%-6.4I|";
    for zone in [
        "UTC",
        "CET-1CEST,M3.5.0,M10.5.0/3",
        "XXX3:30",
        "<-03>3",
        "<+1245>-12:45",
    ] {
        let shape = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "9");
        let run = |options: &[&str]| {
            let (theirs, complaints) = mosquitto_sub("311", zone, options, &messages);
            assert_eq!(complaints, "");
            let (ours, complaints) = ours("311", zone, options, &messages);
            assert_eq!(complaints, "");
            (
                String::from_utf8(ours).unwrap(),
                String::from_utf8(theirs).unwrap(),
            )
        };
        let mut slowly = run(&["-F", &slow]);
        if slowly.0 != slowly.1 {
            // A minute may have ended between the two, but not twice.
            slowly = run(&["-F", &slow]);
        }
        assert_eq!(slowly.0, slowly.1, "{zone}");
        let (ours, theirs) = run(&["-F", fast]);
        assert_eq!(shape(&ours), shape(&theirs), "{zone}");
    }
}

#[test]
fn formats_are_refused_where_mosquitto_sub_refuses_them() {
    needs!("mosquitto_sub");
    let mut seed = Seed(5);
    let mut refused = 0;
    for _ in 0..120 {
        let mut format = "a".repeat(seed.next(2));
        match seed.next(4) {
            0 => {
                format.push('\\');
                // \d and the like have no end in common with what 2.1 added
                format.push_str(seed.pick(&["", "q", "0", "n", "1", "x", "E", "é"]));
            }
            1 => format.push_str(seed.pick(&["@", "@@", "@Z", "@é", "@1"])),
            _ => {
                format.push('%');
                format.push_str(seed.pick(&["", "-", "0", "-0", "5", "-05", "12"]));
                format.push_str(seed.pick(&["", "", ".", ".3"]));
                let letter = char::from(b'A' + u8::try_from(seed.next(58)).unwrap());
                // new in 2.1, or a separator there
                if letter.is_ascii_alphabetic() && !matches!(letter, 'f' | 'd') && !seed.once_in(6)
                {
                    format.push(letter);
                }
            }
        }
        // Nobody listens there: a format that is taken fails later, and differently.
        let theirs = Command::new("mosquitto_sub")
            .args(["-p", "1", "-t", "t", "-F", &format])
            .output()
            .unwrap();
        let theirs = String::from_utf8_lossy(&theirs.stderr).contains("specifier");
        let ours = mozzie("sub -h 127.0.0.1 -p 1 -t t")
            .option("-F", &format)
            .run();
        let wanted = if theirs { 2 } else { 3 };
        assert_eq!(ours.code(), Some(wanted), "{format:?}\n{ours}");
        refused += usize::from(theirs);
    }
    assert!((20..100).contains(&refused), "{refused} of 120 are refused");
}

#[test]
fn a_bad_format_is_a_usage_error_that_names_the_place() {
    mozzie("sub -t t -p 1")
        .option("-F", "%t é%5Zx")
        .run()
        .fails(2, &["-F '%t é%5Zx'", "'%5Z' at character 5"]);
    mozzie("sub -t t -p 1 -F %p --json")
        .run()
        .fails(2, &["--format", "--json"]);
    mozzie("sub -t t -p 1 -F %p -v")
        .run()
        .fails(2, &["--format", "--verbose"]);
}

/// What 2.1 has and 2.0 refuses: floats and the separators of hexadecimal groups.
#[test]
fn formats_that_came_with_2_1() {
    let double = 1.25f64.to_ne_bytes();
    let single = (-0.5f32).to_ne_bytes();
    for (format, payload, printed) in [
        (
            "%d|%.2d|%8.1d|%-8.1d|%08.1d",
            &double[..],
            "1.250000|1.25|     1.2|1.2     |000001.2",
        ),
        ("%f|%.1f|%07.2f", &single, "-0.500000|-0.5|-000.50"),
        ("%.2:x|%.4 X|%.1-x", b"JK", "4a:4b|4A4B|4-a-4-b"),
    ] {
        let (out, _) = ours("5", "UTC", &["-F", format], &[sent("t", payload)]);
        assert_eq!(
            String::from_utf8_lossy(&out),
            format!("{printed}\n"),
            "{format}"
        );
    }
    let (out, complaints) = ours("311", "UTC", &["-F", "a%db%f"], &[sent("t/x", "abc")]);
    assert_eq!(out, b"ab\n");
    assert_eq!(
        complaints,
        "mozzie: warning: %d needs a payload of 8 bytes, the one on 't/x' has 3\n\
         mozzie: warning: %f needs a payload of 4 bytes, the one on 't/x' has 3\n"
    );
}

/// What both know but print differently: 2.0 shows half of the bytes when `%x` has a width, does not group, and
/// pads a missing content type with spaces whatever is asked for.
#[test]
fn formats_that_print_otherwise_since_2_1() {
    let messages = [sent("r/1", "AB")];
    for (format, since, before) in [
        (
            "%8x|%-8x|%08X|",
            "    4142|4142    |00004142|",
            "      41|41      |00000041|",
        ),
        ("%3x|%4x", "4142|4142", " 41|  41"),
        ("%.2x|%.1X", "41 42|4 1 4 2", "4142|4142"),
        ("%05C|%-05C|", "00000|00000|", "     |     |"),
    ] {
        let (out, _) = ours("311", "UTC", &["-F", format], &messages);
        assert_eq!(
            String::from_utf8_lossy(&out),
            format!("{since}\n"),
            "{format}"
        );
        if crate::support::have("mosquitto_sub") && is_2_0() {
            let (out, _) = mosquitto_sub("311", "UTC", &["-F", format], &messages);
            assert_eq!(
                String::from_utf8_lossy(&out),
                format!("{before}\n"),
                "{format} in 2.0"
            );
        }
    }
}

#[test]
fn json_within_a_format_loses_nothing() {
    let lines = |format| {
        let (out, _) = ours(
            "311",
            "UTC",
            &["-F", format],
            &[sent("t", r#"{"a":1.50}"#), sent("t", b"\0\xff")],
        );
        let text = String::from_utf8(out).unwrap();
        text.lines()
            .map(|line| line.split_once("\"payloadlen\"").unwrap().1.to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        lines("%j,"),
        [
            r#":10,"payload":"{\"a\":1.50}"},"#,
            r#":2,"payload_b64":"AP8="},"#
        ]
    );
    assert_eq!(
        lines("%J,"),
        [
            r#":10,"payload":{"a":1.50}},"#,
            r#":2,"payload_b64":"AP8="},"#
        ]
    );
}
