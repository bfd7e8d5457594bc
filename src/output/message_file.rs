//! Messages kept in a file, one JSON object a line as `sub --json` prints them.

use std::fs::Metadata;
use std::io;
use std::path::Path;

use jiff::Timestamp;

use super::append_file::AppendFile;
use super::json;
use super::time::Clock;
use crate::mqtt::packet::{Message, Publish};

/// Bytes that are gathered before they are written.
const BATCH: usize = 64 * 1024;

/// A file that messages are appended to.
#[derive(Debug)]
pub struct MessageFile {
    file: AppendFile,
    clock: Clock,
    buffer: Vec<u8>,
    count: u64,
}

impl MessageFile {
    /// Opens the file, or makes it. What it holds stays.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: AppendFile::open(path, true)?,
            clock: Clock::new(),
            buffer: Vec::new(),
            count: 0,
        })
    }

    /// Whether it is this regular file, by whatever name.
    pub fn is(&self, other: &Metadata) -> bool {
        self.file.is(other)
    }

    /// Messages that were added.
    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn add(&mut self, message: Message) -> io::Result<()> {
        let publish = Publish {
            message,
            ..Publish::default()
        };
        json::write(
            &publish,
            false,
            |out| self.clock.write(Timestamp::now(), out),
            &mut self.buffer,
        );
        self.buffer.push(b'\n');
        self.count += 1;
        match self.buffer.len() {
            0..BATCH => Ok(()),
            _ => self.write(),
        }
    }

    /// Writes what is left, as far as the disk.
    pub fn finish(&mut self) -> io::Result<()> {
        self.write()?;
        self.file.sync()
    }

    fn write(&mut self) -> io::Result<()> {
        let buffer = std::mem::take(&mut self.buffer);
        if self.file.append(&buffer).is_err() {
            // As much as there is room for.
            for line in buffer.split_inclusive(|byte| *byte == b'\n') {
                self.file.append(line)?;
            }
        }
        Ok(())
    }
}
