//! The input modes of `pub` behind one face: payloads that are there, or will be.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc as blocking};
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
    /// Records of a stream.
    Records(Records),
}

/// Bytes that are read as they come.
pub struct Stream {
    /// What the user calls it.
    name: String,
    /// Read by one thread at a time.
    input: Arc<Mutex<dyn Read + Send>>,
    /// Whether nobody has to be waited for.
    is_file: bool,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

impl Stream {
    pub fn stdin() -> io::Result<Self> {
        let file = stdin()?;
        Ok(Self {
            name: "stdin".to_owned(),
            is_file: file.metadata()?.is_file(),
            input: Arc::new(Mutex::new(file)),
        })
    }

    pub fn file(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        Ok(Self {
            name: format!("'{}'", path.display()),
            is_file: file.metadata()?.is_file(),
            input: Arc::new(Mutex::new(file)),
        })
    }

    #[cfg(test)]
    pub fn of(input: impl Read + Send + 'static) -> Self {
        Self {
            name: "stdin".to_owned(),
            input: Arc::new(Mutex::new(input)),
            is_file: false,
        }
    }
}

/// Stdin without a buffer: what is not asked for stays there.
pub fn stdin() -> io::Result<File> {
    Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?))
}

#[derive(Debug)]
pub struct Records {
    stream: Stream,
    lines: Lines,
    /// Bytes that a record may have at any broker.
    limit: usize,
    /// Those that its packet may have at this one.
    maximum: Option<usize>,
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
    /// Reading was stopped within a record, whose rest is taken byte by byte: what stands behind it
    /// stays where it is.
    Finishing(Rest),
}

#[derive(Debug)]
struct Rest {
    /// Each asks for a byte, which comes as a chunk.
    ask: blocking::Sender<()>,
    chunks: Chunks,
    asked: bool,
}

impl Source {
    /// Records of a stream as they come, each ended by `delimiter`, which is not empty, and of at most
    /// `limit` bytes. Starts a thread that reads, because reading blocks.
    pub fn records(stream: Stream, delimiter: Vec<u8>, limit: usize) -> io::Result<Self> {
        let (chunks, stop) = start_reading(&stream)?;
        Ok(Self::Records(Records {
            stream,
            lines: Lines::new(delimiter, limit),
            limit,
            maximum: None,
            chunks,
            stop,
            state: Reading::Open,
        }))
    }

    /// The broker takes packets of so many bytes, so no more of a record has to be gathered to know
    /// that it cannot be sent.
    pub fn fit(&mut self, maximum: usize) {
        if let Self::Records(records) = self {
            records.maximum = (maximum < records.limit).then_some(maximum);
            records.lines.limit(records.limit.min(maximum));
        }
    }

    /// Reads no more than the end of the record that is being read; what was read is still given, and
    /// then [`Next::Stopped`].
    pub fn stop_reading(&mut self) {
        if let Self::Records(records) = self {
            records.stop.store(true, Ordering::Relaxed);
        }
    }

    /// Reads on after [`Source::stop_reading`].
    pub fn read_on(&mut self) -> io::Result<()> {
        if let Self::Records(records) = self {
            records.stop.store(false, Ordering::Relaxed);
            if let Reading::Stopped = records.state {
                records.restart()?;
            }
        }
        Ok(())
    }

    /// Bytes that were read of a record whose end has not come.
    pub fn unfinished(&self) -> usize {
        match self {
            Self::Repeat { .. } => 0,
            Self::Records(records) => records.lines.unfinished(),
        }
    }

    /// Whether all there is can be taken without waiting for whoever makes the input.
    pub fn is_complete(&self) -> bool {
        match self {
            Self::Repeat { .. } => true,
            Self::Records(records) => records.stream.is_file,
        }
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
        let Self::Records(records) = self else {
            return;
        };
        let chunk = match &mut records.state {
            Reading::Open => records.chunks.recv().await,
            Reading::Finishing(rest) => rest.next().await,
            Reading::Failed(_) | Reading::Ended | Reading::Stopped => return,
        };
        records.take(chunk);
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
                    self.state = Reading::Ended;
                    return Err(InputError::Read {
                        input: self.stream.name.clone(),
                        source: error.unwrap_or_else(|| io::ErrorKind::Other.into()),
                    });
                }
                Reading::Ended => {
                    return match self.lines.last() {
                        Some(record) => self.judge(record),
                        None => Ok(Next::End),
                    };
                }
                Reading::Stopped if !self.stop.load(Ordering::Relaxed) => {
                    if let Err(error) = self.restart() {
                        self.state = Reading::Failed(Some(error));
                    }
                }
                Reading::Stopped => match self.lines.unfinished() {
                    0 => return Ok(Next::Stopped),
                    _ => self.state = finish_record(&self.stream),
                },
                Reading::Finishing(_) if self.lines.unfinished() == 0 => {
                    self.state = Reading::Stopped;
                }
                Reading::Finishing(_) => return Ok(Next::Later),
                Reading::Open => match self.chunks.try_recv() {
                    Ok(chunk) => self.take(Some(chunk)),
                    Err(mpsc::error::TryRecvError::Empty) => return Ok(Next::Later),
                    Err(mpsc::error::TryRecvError::Disconnected) => self.take(None),
                },
            }
        }
    }

    fn restart(&mut self) -> io::Result<()> {
        (self.chunks, self.stop) = start_reading(&self.stream)?;
        self.state = Reading::Open;
        Ok(())
    }

    fn judge(&self, record: Result<Bytes, TooLong>) -> Result<Next, InputError> {
        let place = || self.place();
        match (record, self.maximum) {
            (Ok(record), _) => Ok(Next::Payload(record)),
            (Err(TooLong), Some(maximum)) => Err(InputError::TooLarge {
                place: place(),
                maximum,
            }),
            (Err(TooLong), None) => Err(InputError::Bad(BadRecord {
                place: place(),
                why: RecordError::TooLong,
            })),
        }
    }

    fn place(&self) -> String {
        let kind = match self.lines.delimiter() {
            b"\n" => "line",
            _ => "record",
        };
        format!("{kind} {} of {}", self.lines.number(), self.stream.name)
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

impl Rest {
    /// The next byte. Cancel-safe.
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        if !self.asked {
            self.asked = self.ask.send(()).is_ok();
        }
        let byte = self.chunks.recv().await;
        self.asked = false;
        byte
    }
}

fn finish_record(stream: &Stream) -> Reading {
    let (ask, asked) = blocking::channel();
    let (sender, chunks) = mpsc::channel(1);
    let input = Arc::clone(&stream.input);
    let thread = std::thread::Builder::new().name("input".to_owned());
    let started = thread.spawn(move || {
        if let Ok(mut input) = input.lock() {
            while asked.recv().is_ok() {
                let byte = read_once(&mut *input, &mut [0]);
                if sender.blocking_send(byte).is_err() {
                    return;
                }
            }
        }
    });
    match started {
        Ok(_) => Reading::Finishing(Rest {
            ask,
            chunks,
            asked: false,
        }),
        Err(error) => Reading::Failed(Some(error)),
    }
}

fn start_reading(stream: &Stream) -> io::Result<(Chunks, Arc<AtomicBool>)> {
    let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let input = Arc::clone(&stream.input);
    std::thread::Builder::new()
        .name("input".to_owned())
        .spawn(move || {
            if let Ok(mut input) = input.lock() {
                read_chunks(&mut *input, &sender, &stopped);
            }
        })?;
    Ok((chunks, stop))
}

/// What comes next, as far as the buffer goes; empty at the end of the input.
fn read_once(input: &mut dyn Read, buffer: &mut [u8]) -> io::Result<Bytes> {
    loop {
        match input.read(buffer) {
            // a copy of what came, so that a short line that waits does not hold a whole buffer
            Ok(len) => return Ok(Bytes::copy_from_slice(&buffer[..len])),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Sends what it reads, the end of the input as an empty chunk. It ends there, at an error, when
/// nobody listens, and when it is stopped.
fn read_chunks(input: &mut dyn Read, sender: &mpsc::Sender<io::Result<Bytes>>, stop: &AtomicBool) {
    let mut buffer = vec![0; CHUNK];
    while !stop.load(Ordering::Relaxed) {
        let result = read_once(input, &mut buffer);
        let is_last = result.as_ref().map_or(true, Bytes::is_empty);
        if sender.blocking_send(result).is_err() || is_last {
            return;
        }
    }
}
