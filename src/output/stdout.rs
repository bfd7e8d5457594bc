//! stdout that may be slow: a thread writes, its owner waits without blocking.
//!
//! Messages gather in one buffer while the thread writes another; when both are full the owner must
//! stop reading from the broker ([`Stdout::is_full`]), so nothing is dropped and memory stays bounded.

use std::io::{self, Write};

use tokio::sync::mpsc;

/// Bytes that are gathered before they are handed over in a flood.
const BATCH: usize = 64 * 1024;

pub struct Stdout {
    /// Being filled.
    buffer: Vec<u8>,
    /// To the thread; room for one.
    to_writer: mpsc::Sender<Vec<u8>>,
    /// Buffers that are written and can be filled again, or why writing failed.
    from_writer: mpsc::Receiver<io::Result<Vec<u8>>>,
    /// A buffer is with the thread.
    writing: bool,
    /// Not needed while the thread has one.
    spare: Vec<u8>,
    /// Writing has failed; nothing more is tried.
    failed: bool,
}

impl Stdout {
    pub fn new() -> io::Result<Self> {
        let (to_writer, mut buffers) = mpsc::channel::<Vec<u8>>(1);
        let (done, from_writer) = mpsc::channel(2);
        std::thread::Builder::new()
            .name("stdout".to_owned())
            .spawn(move || {
                // Not locked for good: nobody else prints, and the standard library's line buffer
                // would cut batches up, so it is flushed around.
                let mut stdout = io::stdout().lock();
                while let Some(mut buffer) = buffers.blocking_recv() {
                    let result = stdout.write_all(&buffer).and_then(|()| stdout.flush());
                    buffer.clear();
                    if done.blocking_send(result.map(|()| buffer)).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self {
            buffer: Vec::new(),
            to_writer,
            from_writer,
            writing: false,
            spare: Vec::new(),
            failed: false,
        })
    }

    /// Where to append the next message.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Enough is gathered to be handed over at once.
    pub fn has_batch(&self) -> bool {
        self.buffer.len() >= BATCH
    }

    /// No more must be appended before [`Stdout::ready`].
    pub fn is_full(&self) -> bool {
        self.writing && self.has_batch()
    }

    /// Whether a write is under way, so that [`Stdout::ready`] will come.
    pub fn is_writing(&self) -> bool {
        self.writing
    }

    /// Hands over what is gathered, unless the thread is busy.
    pub fn flush(&mut self) {
        if self.writing || self.failed || self.buffer.is_empty() {
            return;
        }
        let full = std::mem::replace(&mut self.buffer, std::mem::take(&mut self.spare));
        // The channel has room for one, and none is with the thread. If the thread has died, `ready`
        // says so.
        if self.to_writer.try_send(full).is_ok() {
            self.writing = true;
        }
    }

    /// Waits until the thread has written what it had. Cancel-safe.
    pub async fn ready(&mut self) -> io::Result<()> {
        let written = self.from_writer.recv().await;
        self.writing = false;
        match written.unwrap_or_else(|| Err(io::ErrorKind::BrokenPipe.into())) {
            Ok(spare) => {
                self.spare = spare;
                Ok(())
            }
            Err(error) => {
                self.failed = true;
                self.buffer.clear();
                Err(error)
            }
        }
    }

    /// Writes all that is left.
    pub async fn finish(&mut self) -> io::Result<()> {
        loop {
            self.flush();
            if !self.writing {
                return Ok(());
            }
            self.ready().await?;
        }
    }
}
