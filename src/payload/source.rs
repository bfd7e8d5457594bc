//! The input modes of `pub` behind one face: payloads that are there, or will be.

use std::io::{self, Read};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::error::{BadRecord, InputError, RecordError};
use super::lines::{Lines, TooLong};

/// Bytes that are read at once.
const CHUNK: usize = 64 * 1024;
/// Chunks that may wait: the input is read little faster than it is published.
const CHUNKS_AHEAD: usize = 2;

/// What a source has to give now.
#[derive(Debug)]
pub enum Next {
    Payload(Bytes),
    /// Nothing yet: await [`Source::ready`].
    Later,
    End,
}

#[derive(Debug)]
pub enum Source {
    /// One payload, several times.
    Repeat {
        payload: Bytes,
        left: u64,
        /// From the acknowledgement of one to the next.
        pause: Duration,
    },
    /// Records of a stream.
    Records(Records),
}

#[derive(Debug)]
pub struct Records {
    /// What the user calls the stream.
    name: String,
    lines: Lines,
    chunks: mpsc::Receiver<io::Result<Bytes>>,
    state: Reading,
}

#[derive(Debug)]
enum Reading {
    Open,
    Failed(Option<io::Error>),
    Closed,
}

impl Source {
    /// Records of a stream as they come, each ended by `delimiter`, which is not empty, and of at most
    /// `limit` bytes. Starts a thread that reads, because reading blocks.
    pub fn records(
        name: impl Into<String>,
        mut input: impl Read + Send + 'static,
        delimiter: Vec<u8>,
        limit: usize,
    ) -> io::Result<Self> {
        let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD);
        std::thread::Builder::new()
            .name("input".to_owned())
            .spawn(move || read_chunks(&mut input, &sender))?;
        Ok(Self::Records(Records {
            name: name.into(),
            lines: Lines::new(delimiter, limit),
            chunks,
            state: Reading::Open,
        }))
    }

    /// The next payload if it is there. An error of the input comes once, at its place.
    pub fn try_next(&mut self) -> Result<Next, InputError> {
        match self {
            Self::Repeat { left: 0, .. } => Ok(Next::End),
            Self::Repeat { payload, left, .. } => {
                *left -= 1;
                Ok(Next::Payload(payload.clone()))
            }
            Self::Records(records) => records.try_next(),
        }
    }

    /// Waits until [`Source::try_next`] has something new to say. Cancel-safe.
    pub async fn ready(&mut self) {
        if let Self::Records(records) = self
            && matches!(records.state, Reading::Open)
        {
            let chunk = records.chunks.recv().await;
            records.take(chunk);
        }
    }

    /// The pause that is wanted between an acknowledgement and the next message.
    pub fn pause(&self) -> Duration {
        match self {
            Self::Repeat { pause, .. } => *pause,
            Self::Records(_) => Duration::ZERO,
        }
    }

    /// Where the payload that came last stood.
    pub fn place(&self) -> String {
        match self {
            Self::Repeat { .. } => "the message".to_owned(),
            Self::Records(records) => records.place(),
        }
    }
}

impl Records {
    fn try_next(&mut self) -> Result<Next, InputError> {
        loop {
            if let Some(record) = self.lines.next() {
                return self.judge(record);
            }
            match &mut self.state {
                Reading::Failed(error) => {
                    let error = error.take();
                    self.state = Reading::Closed;
                    return Err(InputError::Read {
                        input: self.name.clone(),
                        source: error.unwrap_or_else(|| io::ErrorKind::Other.into()),
                    });
                }
                Reading::Closed => {
                    return match self.lines.last() {
                        Some(record) => self.judge(record),
                        None => Ok(Next::End),
                    };
                }
                Reading::Open => match self.chunks.try_recv() {
                    Ok(chunk) => self.take(Some(chunk)),
                    Err(mpsc::error::TryRecvError::Empty) => return Ok(Next::Later),
                    Err(mpsc::error::TryRecvError::Disconnected) => self.take(None),
                },
            }
        }
    }

    fn judge(&self, record: Result<Bytes, TooLong>) -> Result<Next, InputError> {
        let bad = |TooLong| BadRecord {
            place: self.place(),
            why: RecordError::TooLong,
        };
        Ok(Next::Payload(record.map_err(bad)?))
    }

    fn place(&self) -> String {
        let kind = match self.lines.delimiter() {
            b"\n" => "line",
            _ => "record",
        };
        format!("{kind} {} of {}", self.lines.number(), self.name)
    }

    fn take(&mut self, chunk: Option<io::Result<Bytes>>) {
        match chunk {
            Some(Ok(chunk)) => self.lines.push(chunk),
            Some(Err(error)) => self.state = Reading::Failed(Some(error)),
            None => self.state = Reading::Closed,
        }
    }
}

fn read_chunks(input: &mut impl Read, sender: &mpsc::Sender<io::Result<Bytes>>) {
    let mut buffer = vec![0; CHUNK];
    loop {
        let result = match input.read(&mut buffer) {
            Ok(0) => return,
            // a copy of what came, so that a short line that waits does not hold a whole buffer
            Ok(len) => Ok(Bytes::copy_from_slice(&buffer[..len])),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let failed = result.is_err();
        if sender.blocking_send(result).is_err() || failed {
            return;
        }
    }
}
