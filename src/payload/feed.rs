//! A source as a publisher takes from it: it may have nothing yet, take one back, or have ended.

use std::io;
use std::time::Duration;

use bytes::Bytes;

use super::error::{BadRecord, InputError};
use super::source::{Next, Source};

#[derive(Debug)]
pub struct Feed {
    source: Source,
    /// The source has said "later".
    waits: bool,
    ended: bool,
    error: Option<InputError>,
    /// A payload that could not be published yet.
    held: Option<Bytes>,
    /// Repetitions that are not wanted since reading was stopped.
    set_aside: u64,
    /// Reading was stopped before the input's end.
    cut_short: bool,
}

impl Feed {
    pub fn new(source: Source) -> Self {
        Self {
            source,
            waits: false,
            ended: false,
            error: None,
            held: None,
            set_aside: 0,
            cut_short: false,
        }
    }

    /// The next payload, if there is one now.
    pub fn next(&mut self) -> Option<Bytes> {
        if self.held.is_some() {
            return self.held.take();
        }
        if self.ended || self.waits {
            return None;
        }
        match self.source.try_next() {
            Ok(Next::Payload(payload)) => return Some(payload),
            Ok(Next::Later) => self.waits = true,
            Ok(Next::End) => self.ended = true,
            Ok(Next::Stopped) => {
                self.ended = true;
                self.cut_short = true;
            }
            Err(error) => {
                self.error = Some(error);
                self.ended = true;
            }
        }
        None
    }

    /// Takes back what [`Feed::next`] gave.
    pub fn put_back(&mut self, payload: Bytes) {
        self.held = Some(payload);
    }

    /// Whether [`Feed::ready`] must be awaited before there is more.
    pub fn is_waiting(&self) -> bool {
        self.waits
    }

    /// Waits for more. Cancel-safe.
    pub async fn ready(&mut self) {
        self.source.ready().await;
        self.waits = false;
    }

    /// Nothing more will come.
    pub fn has_ended(&self) -> bool {
        self.ended && self.held.is_none()
    }

    /// The broker takes packets of so many bytes.
    pub fn fit(&mut self, maximum: usize) {
        self.source.fit(maximum);
    }

    /// Reads no more; what was read is still given.
    pub fn stop_reading(&mut self) {
        self.source.stop_reading();
        self.waits = false;
        if let Source::Repeat { left, .. } = &mut self.source {
            self.set_aside += std::mem::take(left);
        }
    }

    /// Reads on after [`Feed::stop_reading`].
    pub fn read_on(&mut self) -> io::Result<()> {
        self.source.read_on()?;
        self.waits = false;
        if let Source::Repeat { left, .. } = &mut self.source {
            *left += std::mem::take(&mut self.set_aside);
            self.ended = false;
        }
        if std::mem::take(&mut self.cut_short) {
            self.ended = false;
        }
        Ok(())
    }

    /// Whether all there is can be taken without waiting for whoever makes the input.
    pub fn is_complete(&self) -> bool {
        self.source.is_complete()
    }

    /// Bytes that were read of a record whose end has not come.
    pub fn unfinished(&self) -> usize {
        self.source.unfinished()
    }

    /// Repetitions that [`Feed::stop_reading`] has left out.
    pub fn set_aside(&self) -> u64 {
        self.set_aside
    }

    /// Whether the input may have more than has been given.
    pub fn may_have_more(&self) -> bool {
        !self.has_ended() || self.cut_short
    }

    /// No more is wanted.
    pub fn stop(&mut self) {
        self.ended = true;
        self.held = None;
    }

    /// Why the input ended before its end.
    pub fn take_error(&mut self) -> Option<InputError> {
        self.error.take()
    }

    /// Why the last record could not be given, and goes on behind it.
    pub fn pass_over(&mut self) -> Option<BadRecord> {
        match self.error.take() {
            Some(InputError::Bad(bad)) => {
                self.ended = false;
                Some(bad)
            }
            other => {
                self.error = other;
                None
            }
        }
    }

    /// Where the payload that came last stood, such as `line 3 of stdin`.
    pub fn place(&self) -> String {
        self.source.place()
    }

    /// The pause that is wanted between an acknowledgement and the next message.
    pub fn pause(&self) -> Duration {
        self.source.pause()
    }
}
