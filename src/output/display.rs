//! What `sub` does with messages on stdout: prints each, or shows what there is of them.

use std::time::Instant;

use super::format::Complaint;
use super::lines::Lines;
use super::message::Printer;
use super::rate::Rate;
use super::table::Table;
use crate::mqtt::packet::Publish;

pub enum Display {
    /// One after the other.
    Messages(Printer),
    /// mosquitto_sub's `--watch`, with the broker's name.
    Lines(Lines, String, Printer),
    /// `--watch`.
    Table(Box<Table>),
    /// `--message-rate`.
    Rate(Rate),
}

impl Display {
    /// What stands before all messages.
    pub fn begin(&mut self, now: Instant, out: &mut Vec<u8>) {
        match self {
            Self::Messages(_) => {}
            Self::Rate(rate) => rate.begin(now),
            Self::Lines(lines, broker, _) => lines.begin(broker, out),
            Self::Table(table) => table.begin(out),
        }
    }

    /// Shows a message. What a format cannot make of it, `complain` hears.
    pub fn show(
        &mut self,
        publish: &Publish,
        out: &mut Vec<u8>,
        complain: &mut dyn FnMut(Complaint<'_>),
    ) {
        match self {
            Self::Messages(printer) => printer.print(publish, out, complain),
            Self::Lines(lines, _, printer) => {
                lines.go_to(&publish.message.topic, out);
                printer.print(publish, out, complain);
                lines.behind(out);
            }
            Self::Table(table) => table.hear(&publish.message, Instant::now()),
            Self::Rate(rate) => rate.count(),
        }
    }

    /// A message that is not shown, by chance: mosquitto_sub gives it a line all the same.
    pub fn leave_out(&mut self, publish: &Publish, out: &mut Vec<u8>) {
        if let Self::Lines(lines, ..) = self {
            lines.go_to(&publish.message.topic, out);
        }
    }

    /// When [`Display::turn`] is due, if ever.
    pub fn due(&self) -> Option<Instant> {
        match self {
            Self::Messages(_) | Self::Lines(..) => None,
            Self::Table(table) => Some(table.due()),
            Self::Rate(rate) => Some(rate.due()),
        }
    }

    /// Time has passed. `idle`: what was shown before has left, so a picture is worth its bytes.
    pub fn turn(&mut self, now: Instant, idle: bool, out: &mut Vec<u8>) {
        match self {
            Self::Messages(_) | Self::Lines(..) => {}
            Self::Table(table) => table.turn(now, idle, out),
            Self::Rate(rate) => rate.write(now, out),
        }
    }

    /// A word about the connection, where it has a place; else it belongs on stderr.
    pub fn note(&mut self, text: &str) -> bool {
        match self {
            Self::Table(table) => {
                table.note(text);
                true
            }
            Self::Messages(_) | Self::Lines(..) | Self::Rate(_) => false,
        }
    }

    /// What stands behind all messages. `connected`: there could have been some.
    pub fn end(&mut self, connected: bool, now: Instant, out: &mut Vec<u8>) {
        match self {
            Self::Messages(_) | Self::Lines(..) => {}
            Self::Table(table) => table.end(out),
            Self::Rate(rate) if connected => rate.write(now, out),
            Self::Rate(_) => {}
        }
    }
}
