//! One picture of the table for a screen of any size: no line is longer and there are no more lines than fit.

use std::io::Write;
use std::time::{Duration, Instant};

use colored::Colorize;

use super::screen::Size;
use super::{Row, Table};
use crate::mqtt::text::Text;
use crate::output::terminal::one_line;

/// Lines above the topics: the summary and the titles.
const HEAD: usize = 2;
/// Columns of a number, right-aligned, and of what stands between columns.
const NUMBER: usize = 8;
const GAP: usize = 2;
/// Below this width there is room for topic, count and value only.
const NARROW: usize = 60;
const LEAST_TOPIC: usize = 5;

/// Where the columns begin, counted from 1 as terminals do.
struct Columns {
    topic: usize,
    count: usize,
    /// Rate, age and the mark of retained messages, where there is room.
    details: Option<(usize, usize, usize)>,
    value: usize,
    value_width: usize,
}

impl Columns {
    fn of(width: usize, longest_topic: usize) -> Self {
        let numbers = match width < NARROW {
            true => GAP + NUMBER + GAP,
            false => 3 * (GAP + NUMBER) + GAP + 1 + GAP,
        };
        let room = width.saturating_sub(numbers);
        let topic = longest_topic.clamp(LEAST_TOPIC, (room / 2).max(LEAST_TOPIC));
        let count = 1 + topic + GAP;
        let rate = count + NUMBER + GAP;
        let age = rate + NUMBER + GAP;
        let retained = age + NUMBER + GAP;
        let (details, value) = match width < NARROW {
            true => (None, count + NUMBER + GAP),
            false => (Some((rate, age, retained)), retained + 1 + GAP),
        };
        Self {
            topic,
            count,
            details,
            value,
            value_width: (width + 1).saturating_sub(value),
        }
    }
}

/// Appends the picture. Every cell begins with a move to its column, so that characters of double width cannot push
/// the others out of their places.
pub fn draw(table: &Table, now: Instant, size: Size, out: &mut Vec<u8>) {
    let room = size.rows.saturating_sub(HEAD);
    let shown = shown(table, room);
    let longest = shown
        .iter()
        .map(|(topic, _)| topic.as_str().chars().count());
    let columns = Columns::of(size.columns, longest.max().unwrap_or(0));
    summary(table, shown.len(), size, out);
    if size.rows >= HEAD {
        titles(&columns, size, out);
    }
    for (at, (topic, row)) in shown.iter().enumerate() {
        line(HEAD + 1 + at, out);
        cells(topic.as_str(), row, now, &columns, size, out);
    }
    for at in HEAD + 1 + shown.len()..=size.rows {
        line(at, out);
        out.extend_from_slice(b"\x1b[K");
    }
    // What somebody else writes to the terminal goes where the next picture covers it.
    line(1, out);
}

/// The topics that there is room for: all, or those that were heard last. In the order of their names.
fn shown(table: &Table, room: usize) -> Vec<(&Text, &Row)> {
    let mut rows: Vec<_> = table.rows.iter().collect();
    if rows.len() > room {
        rows.sort_by_key(|(_, row)| std::cmp::Reverse(row.heard));
        rows.truncate(room);
        rows.sort_by_key(|(topic, _)| *topic);
    }
    rows
}

fn line(row: usize, out: &mut Vec<u8>) {
    // Writing to memory does not fail, here and below.
    let _ = write!(out, "\x1b[{row};1H");
}

/// A text from this column on, as far as the screen goes.
fn cell(column: usize, text: &str, size: Size, out: &mut Vec<u8>) {
    if let Some(room) = (size.columns + 1)
        .checked_sub(column)
        .filter(|room| *room > 0)
    {
        let text: String = text.chars().take(room).collect();
        let _ = write!(out, "\x1b[{column}G{text}");
    }
}

fn summary(table: &Table, shown: usize, size: Size, out: &mut Vec<u8>) {
    let mut text = format!("{}  ", table.broker);
    let topics = table.rows.len();
    if shown < topics {
        text.push_str(&format!("{shown} of {topics} topics, those heard last  "));
    } else {
        text.push_str(&format!("{topics} {}  ", plural(topics as u64, "topic")));
    }
    let messages = table.all.count;
    text.push_str(&format!("{messages} {}", plural(messages, "message")));
    if table.all.measured {
        text.push_str(&format!("  {}/s", short(table.all.per_second)));
    }
    if table.unlisted > 0 {
        text.push_str(&format!(
            "  {} of topics that are not listed",
            table.unlisted
        ));
    }
    if !table.note.is_empty() {
        text.push_str(&format!("  ({})", table.note));
    }
    line(1, out);
    out.extend_from_slice(one_line(text.as_bytes(), size.columns).as_bytes());
    out.extend_from_slice(b"\x1b[K");
}

fn plural(count: u64, noun: &str) -> String {
    match count {
        1 => noun.to_owned(),
        _ => format!("{noun}s"),
    }
}

fn titles(columns: &Columns, size: Size, out: &mut Vec<u8>) {
    let width = columns.topic;
    let mut text = format!("{:width$}  {:>NUMBER$}", "TOPIC", "COUNT");
    if columns.details.is_some() {
        text.push_str(&format!("  {:>NUMBER$}  {:>NUMBER$}  R", "RATE", "AGE"));
    }
    text.push_str("  VALUE");
    line(2, out);
    let cut: String = text.chars().take(size.columns).collect();
    out.extend_from_slice(cut.bold().to_string().as_bytes());
    out.extend_from_slice(b"\x1b[K");
}

fn cells(topic: &str, row: &Row, now: Instant, columns: &Columns, size: Size, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\x1b[K");
    cell(1, &tail(topic, columns.topic), size, out);
    let count = format!("{:>NUMBER$}", row.meter.count);
    cell(columns.count, &count, size, out);
    if let Some((rate, age, retained)) = columns.details {
        if row.meter.measured {
            let per_second = format!("{}/s", short(row.meter.per_second));
            cell(rate, &format!("{per_second:>NUMBER$}"), size, out);
        }
        let since = span(now.saturating_duration_since(row.heard));
        cell(age, &format!("{since:>NUMBER$}"), size, out);
        if row.retained {
            cell(retained, "r", size, out);
        }
    }
    let value = match row.len {
        0 => "(empty)".to_owned(),
        _ => one_line(&row.value, columns.value_width),
    };
    cell(columns.value, &value, size, out);
}

/// The end of a topic, which says more than its beginning.
fn tail(topic: &str, width: usize) -> String {
    let text = one_line(topic.as_bytes(), usize::MAX);
    let len = text.chars().count();
    if len <= width {
        return text;
    }
    let end: String = text.chars().skip(len + 1 - width).collect();
    format!("…{end}")
}

/// A number in few characters.
fn short(number: f64) -> String {
    match number {
        ..9.95 => format!("{number:.1}"),
        ..999.5 => format!("{number:.0}"),
        ..999_950.0 => format!("{:.1}k", number / 1e3),
        _ => format!("{:.1}M", number / 1e6),
    }
}

fn span(age: Duration) -> String {
    match age.as_secs() {
        seconds @ ..60 => format!("{seconds}s"),
        seconds @ ..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        seconds @ ..86_400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        seconds => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::mqtt::packet::Message;

    fn message(topic: &str, payload: &[u8], retain: bool) -> Message {
        Message {
            topic: Text::try_from(topic).unwrap(),
            payload: Bytes::copy_from_slice(payload),
            retain,
            ..Message::default()
        }
    }

    /// The screen after the picture, as a terminal without wrapping would have it.
    fn seen(table: &Table, now: Instant, rows: usize, columns: usize) -> Vec<String> {
        colored::control::set_override(false);
        let mut out = Vec::new();
        draw(table, now, Size { rows, columns }, &mut out);
        let text = String::from_utf8(out).unwrap();
        let mut screen = vec![vec!['#'; columns]; rows];
        let (mut row, mut column) = (0, 0);
        let mut rest = text.as_str();
        while let Some(c) = rest.chars().next() {
            let Some(sequence) = rest.strip_prefix("\x1b[") else {
                assert!(!c.is_control(), "{c:?} gets to the terminal");
                assert!(column < columns, "line {row} is too long: {text:?}");
                screen[row][column] = c;
                column += 1;
                rest = &rest[c.len_utf8()..];
                continue;
            };
            let end = sequence.find(|c: char| c.is_ascii_alphabetic()).unwrap();
            let numbers: Vec<usize> = sequence[..end]
                .split(';')
                .filter_map(|n| n.parse().ok())
                .collect();
            match (&sequence[end..=end], &numbers[..]) {
                ("H", [to, 1]) => (row, column) = (to - 1, 0),
                ("G", [to]) => column = to - 1,
                ("K", []) => screen[row].iter_mut().skip(column).for_each(|c| *c = ' '),
                other => panic!("{other:?}"),
            }
            rest = &sequence[end + 1..];
        }
        let lines = screen.into_iter().map(|line| line.into_iter().collect());
        lines
            .map(|line: String| line.trim_end().to_owned())
            .collect()
    }

    fn table(now: Instant) -> Table {
        let mut table = Table::new("broker:1883".to_owned(), now);
        table.note("");
        table
    }

    #[test]
    fn each_topic_has_its_last_value_count_rate_age_and_mark() {
        let start = Instant::now();
        let mut table = table(start);
        table.hear(&message("home/kitchen", b"20.5", true), start);
        table.hear(&message("home/attic", b"first", false), start);
        for _ in 0..30 {
            table.hear(
                &message("home/attic", b"two\nlines\x1b[2J\xff", false),
                start,
            );
        }
        table.hear(&message("gone", b"", false), start);
        let second = start + Duration::from_secs(1);
        table.turn(second, false, &mut Vec::new());
        let seen = seen(&table, start + Duration::from_secs(65), 6, 80);
        assert_eq!(
            seen,
            [
                "broker:1883  3 topics  33 messages  33/s",
                "TOPIC            COUNT      RATE       AGE  R  VALUE",
                "gone                 1     1.0/s     1m05s     (empty)",
                "home/attic          31      31/s     1m05s     two↵lines\\u{1b}[2J\\xff",
                "home/kitchen         1     1.0/s     1m05s  r  20.5",
                "",
            ]
        );
    }

    #[test]
    fn of_many_topics_those_heard_last_are_shown() {
        let start = Instant::now();
        let mut table = table(start);
        for n in 0..100 {
            let at = start + Duration::from_millis((n * 37) % 100);
            table.hear(&message(&format!("t/{n:02}"), b"x", false), at);
        }
        let seen = seen(&table, start + Duration::from_secs(1), 5, 40);
        assert_eq!(seen[0], "broker:1883  3 of 100 topics, those hea…");
        let topics: Vec<_> = seen[2..].iter().map(|line| &line[..4]).collect();
        // 37 n is 99, 98 and 97 modulo 100
        assert_eq!(topics, ["t/27", "t/54", "t/81"]);
    }

    #[test]
    fn long_topics_keep_their_end_and_long_values_their_beginning() {
        let start = Instant::now();
        let mut table = table(start);
        let topic = "a/very/long/topic/name/that/does/not/fit";
        table.hear(&message(topic, &[b'v'; 5000], false), start);
        let seen = seen(&table, start, 3, 30);
        assert_eq!(seen[2], "…/not/fit         1  vvvvvvvv…");
    }

    #[test]
    fn topics_beyond_the_list_are_counted() {
        let start = Instant::now();
        let mut table = table(start);
        for n in 0..super::super::LISTED + 3 {
            table.hear(&message(&n.to_string(), b"", false), start);
        }
        assert_eq!(table.rows.len(), super::super::LISTED);
        let seen = seen(&table, start, 2, 100);
        assert!(
            seen[0].contains("3 of topics that are not listed"),
            "{seen:?}"
        );
    }

    #[test]
    fn rates_forget() {
        let start = Instant::now();
        let mut table = table(start);
        for _ in 0..100 {
            table.hear(&message("a", b"x", false), start);
        }
        for second in 1..=30 {
            table.turn(start + Duration::from_secs(second), false, &mut Vec::new());
        }
        assert_eq!(short(table.all.per_second), "0.3");
        for (number, text) in [(9.94, "9.9"), (10.2, "10"), (1500.0, "1.5k"), (2e6, "2.0M")] {
            assert_eq!(short(number), text);
        }
        for (seconds, text) in [(59, "59s"), (60, "1m00s"), (7260, "2h01m"), (180_000, "2d")] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }

    proptest! {
        #[test]
        fn every_picture_stays_within_its_screen(
            rows in 1_usize..12,
            columns in 1_usize..120,
            messages in proptest::collection::vec(("[a-zé/]{1,60}", proptest::collection::vec(any::<u8>(), 0..80)), 0..30),
        ) {
            let start = Instant::now();
            let mut table = table(start);
            for (topic, payload) in &messages {
                table.hear(&message(topic, payload, false), start);
            }
            seen(&table, start, rows, columns);
        }
    }
}
