//! `--watch`: the topics as a live table, with the last value, count, rate and age of each.
//!
//! Here: what the table knows. frame: one picture of it, a pure function · screen: the terminal.

mod frame;
mod screen;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use self::screen::Screen;
use crate::mqtt::packet::Message;
use crate::mqtt::text::Text;

/// How often the picture may change.
const BLINK: Duration = Duration::from_millis(250);
/// How often it is drawn anew without a message: ages grow.
const SECOND: Duration = Duration::from_secs(1);
/// Bytes of a payload that are kept; no line is that long.
const KEPT: usize = 1024;
/// Topics that are listed; the messages of more are only counted.
const LISTED: usize = 50_000;
/// Seconds over which a rate forgets.
const MEMORY: f64 = 5.0;

/// Messages a second, as an average that forgets.
#[derive(Debug, Default)]
struct Meter {
    count: u64,
    recent: u64,
    per_second: f64,
    /// Whether there has been a second to measure.
    measured: bool,
}

impl Meter {
    fn hear(&mut self) {
        self.count += 1;
        self.recent += 1;
    }

    fn turn(&mut self, passed: Duration) {
        let seconds = passed.as_secs_f64();
        let now = std::mem::take(&mut self.recent) as f64 / seconds;
        let weight = match std::mem::replace(&mut self.measured, true) {
            false => 1.0,
            true => 1.0 - (-seconds / MEMORY).exp(),
        };
        self.per_second += (now - self.per_second) * weight;
    }
}

/// What is known of one topic.
#[derive(Debug)]
struct Row {
    meter: Meter,
    /// The beginning of the last payload.
    value: Vec<u8>,
    len: usize,
    retained: bool,
    heard: Instant,
}

#[derive(Debug)]
pub struct Table {
    broker: String,
    rows: BTreeMap<Text, Row>,
    all: Meter,
    /// Messages of topics that are not listed.
    unlisted: u64,
    note: String,
    /// Something was heard since the last picture.
    changed: bool,
    screen: Screen,
    /// When rates were last reckoned, and the picture last drawn.
    reckoned: Instant,
    drawn: Option<Instant>,
    due: Instant,
}

impl Table {
    pub fn new(broker: String, now: Instant) -> Self {
        Self {
            broker,
            rows: BTreeMap::new(),
            all: Meter::default(),
            unlisted: 0,
            note: "connecting".to_owned(),
            changed: true,
            screen: Screen::default(),
            reckoned: now,
            drawn: None,
            due: now,
        }
    }

    pub fn begin(&mut self, out: &mut Vec<u8>) {
        self.screen.enter(out);
    }

    pub fn end(&mut self, out: &mut Vec<u8>) {
        self.screen.leave(out);
    }

    pub fn note(&mut self, text: &str) {
        text.clone_into(&mut self.note);
        self.changed = true;
    }

    pub fn hear(&mut self, message: &Message, now: Instant) {
        self.changed = true;
        self.all.hear();
        if !self.rows.contains_key(&message.topic) {
            if self.rows.len() >= LISTED {
                self.unlisted += 1;
                return;
            }
            let row = Row {
                meter: Meter::default(),
                value: Vec::new(),
                len: 0,
                retained: false,
                heard: now,
            };
            self.rows.insert(message.topic.clone(), row);
        }
        if let Some(row) = self.rows.get_mut(&message.topic) {
            row.meter.hear();
            row.value.clear();
            let kept = message.payload.len().min(KEPT);
            row.value.extend_from_slice(&message.payload[..kept]);
            row.len = message.payload.len();
            row.retained = message.retain;
            row.heard = now;
        }
    }

    pub fn due(&self) -> Instant {
        self.due
    }

    /// Reckons rates once a second, and draws when there is something new to see.
    pub fn turn(&mut self, now: Instant, idle: bool, out: &mut Vec<u8>) {
        self.due = now + BLINK;
        let passed = now - self.reckoned;
        if passed >= SECOND {
            self.reckoned = now;
            self.all.turn(passed);
            for row in self.rows.values_mut() {
                row.meter.turn(passed);
            }
        }
        let resized = self.screen.measure();
        let aged = self.drawn.is_none_or(|drawn| now - drawn >= SECOND);
        if idle && (self.changed || aged || resized) {
            self.changed = false;
            self.drawn = Some(now);
            if resized {
                self.screen.clear(out);
            }
            frame::draw(self, now, self.screen.size(), out);
        }
    }
}
