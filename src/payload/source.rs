//! The input modes of `pub` behind one face: payloads that are there, or will be.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::lines::Lines;
use crate::mqtt::packet::MAX_REMAINING_LENGTH;

/// Bytes that are read from stdin at once.
const CHUNK: usize = 64 * 1024;
/// Chunks that may wait: stdin is read little faster than it is published.
const CHUNKS_AHEAD: usize = 2;

/// What a source has to give now.
#[derive(Debug)]
pub enum Next {
    Payload(Bytes),
    /// Nothing yet: await [`Source::ready`].
    Later,
    End,
    /// Reading was stopped, and all that was read has been given.
    Stopped,
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
    /// Records of stdin.
    Lines(StdinLines),
}

#[derive(Debug)]
pub struct StdinLines {
    lines: Lines,
    chunks: Chunks,
    /// Tells the reading thread to stop after the chunk that it waits for.
    stop: Arc<AtomicBool>,
    state: Reading,
}

/// What the reading thread sends; an empty chunk is the end of the input.
type Chunks = mpsc::Receiver<io::Result<Bytes>>;

#[derive(Debug)]
enum Reading {
    Open,
    Failed(Option<io::Error>),
    Ended,
    Stopped,
}

impl Source {
    /// Records of stdin as they come, each ended by `delimiter`. Starts a thread that reads, because
    /// reading stdin blocks.
    pub fn stdin_lines(delimiter: u8) -> io::Result<Self> {
        let (chunks, stop) = start_reading()?;
        Ok(Self::Lines(StdinLines {
            lines: Lines::new(delimiter),
            chunks,
            stop,
            state: Reading::Open,
        }))
    }

    /// Reads no more; what was read is still given, and then [`Next::Stopped`].
    pub fn stop_reading(&mut self) {
        if let Self::Lines(stdin) = self {
            stdin.stop.store(true, Ordering::Relaxed);
        }
    }

    /// Reads on after [`Source::stop_reading`].
    pub fn read_on(&mut self) -> io::Result<()> {
        if let Self::Lines(stdin) = self {
            stdin.stop.store(false, Ordering::Relaxed);
            if let Reading::Stopped = stdin.state {
                (stdin.chunks, stdin.stop) = start_reading()?;
                stdin.state = Reading::Open;
            }
        }
        Ok(())
    }

    /// Whether all there is can be taken without waiting for whoever makes the input.
    pub fn is_complete(&self) -> bool {
        match self {
            Self::Repeat { .. } => true,
            Self::Lines(_) => stdin_metadata().is_ok_and(|metadata| metadata.is_file()),
        }
    }

    /// The next payload if it is there. An error of the input comes once, at its place.
    pub fn try_next(&mut self) -> io::Result<Next> {
        match self {
            Self::Repeat { left: 0, .. } => Ok(Next::End),
            Self::Repeat { payload, left, .. } => {
                *left -= 1;
                Ok(Next::Payload(payload.clone()))
            }
            Self::Lines(stdin) => stdin.try_next(),
        }
    }

    /// Waits until [`Source::try_next`] has something new to say. Cancel-safe.
    pub async fn ready(&mut self) {
        if let Self::Lines(stdin) = self
            && matches!(stdin.state, Reading::Open)
        {
            let chunk = stdin.chunks.recv().await;
            stdin.take(chunk);
        }
    }

    /// The pause that is wanted between an acknowledgement and the next message.
    pub fn pause(&self) -> Duration {
        match self {
            Self::Repeat { pause, .. } => *pause,
            Self::Lines(_) => Duration::ZERO,
        }
    }
}

impl StdinLines {
    fn try_next(&mut self) -> io::Result<Next> {
        loop {
            if let Some(record) = self.lines.next() {
                return Ok(Next::Payload(record));
            }
            if self.lines.partial_len() > MAX_REMAINING_LENGTH {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a line is longer than an MQTT packet can be",
                ));
            }
            match &mut self.state {
                Reading::Failed(error) => {
                    let error = error.take();
                    self.state = Reading::Ended;
                    return Err(error.unwrap_or_else(|| io::ErrorKind::Other.into()));
                }
                Reading::Ended => {
                    return Ok(self.lines.last().map_or(Next::End, Next::Payload));
                }
                Reading::Stopped => return Ok(Next::Stopped),
                Reading::Open => match self.chunks.try_recv() {
                    Ok(chunk) => self.take(Some(chunk)),
                    Err(mpsc::error::TryRecvError::Empty) => return Ok(Next::Later),
                    Err(mpsc::error::TryRecvError::Disconnected) => self.take(None),
                },
            }
        }
    }

    fn take(&mut self, chunk: Option<io::Result<Bytes>>) {
        match chunk {
            Some(Ok(chunk)) if chunk.is_empty() => self.state = Reading::Ended,
            Some(Ok(chunk)) => self.lines.push(chunk),
            Some(Err(error)) => self.state = Reading::Failed(Some(error)),
            None => self.state = Reading::Stopped,
        }
    }
}

/// What stdin is.
pub fn stdin_metadata() -> io::Result<std::fs::Metadata> {
    std::fs::File::from(io::stdin().as_fd().try_clone_to_owned()?).metadata()
}

fn start_reading() -> io::Result<(Chunks, Arc<AtomicBool>)> {
    let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    std::thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(move || read_chunks(&mut io::stdin().lock(), &sender, &stopped))?;
    Ok((chunks, stop))
}

/// Sends what it reads, the end of the input as an empty chunk. It ends there, at an error, when
/// nobody listens, and when it is stopped.
fn read_chunks(input: &mut impl Read, sender: &mpsc::Sender<io::Result<Bytes>>, stop: &AtomicBool) {
    let mut buffer = vec![0; CHUNK];
    while !stop.load(Ordering::Relaxed) {
        let result = match input.read(&mut buffer) {
            // a copy of what came, so that a short line that waits does not hold a whole buffer
            Ok(len) => Ok(Bytes::copy_from_slice(&buffer[..len])),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let is_last = result.as_ref().map_or(true, Bytes::is_empty);
        if sender.blocking_send(result).is_err() || is_last {
            return;
        }
    }
}
