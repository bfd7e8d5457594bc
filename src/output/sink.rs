//! Where messages are written, at its own pace: a thread writes, its owner waits without blocking.
//!
//! Messages gather in one batch while the thread writes another; when both are full the owner must
//! stop reading from the broker ([`Sink::is_full`]), so nothing is dropped and memory stays bounded.

use std::io::{self, Write};

use tokio::sync::mpsc;

use super::append_file::AppendFile;
use super::folder::Folder;

/// Bytes that are gathered before they are handed over in a flood.
const BATCH: usize = 64 * 1024;
/// Files that are.
const BATCH_FILES: usize = 256;

/// What goes to the thread at once.
#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    /// Names of files, each with the end of its content in the bytes.
    files: Vec<(Vec<u8>, usize)>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.files.is_empty()
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.files.clear();
    }
}

pub struct Sink {
    name: String,
    /// Being filled.
    batch: Batch,
    /// To the thread; room for one.
    to_writer: mpsc::Sender<Batch>,
    /// Batches that are written and can be filled again, or why writing failed.
    from_writer: mpsc::Receiver<io::Result<Batch>>,
    /// A batch is with the thread.
    writing: bool,
    /// Not needed while the thread has one.
    spare: Batch,
    /// Writing has failed; nothing more is tried.
    failed: bool,
}

impl Sink {
    pub fn standard_output() -> io::Result<Self> {
        Self::new("stdout".to_owned(), |batch| {
            // The standard library's line buffer would cut batches up, so it is flushed around.
            let mut stdout = io::stdout().lock();
            stdout.write_all(&batch.bytes)?;
            stdout.flush()
        })
    }

    /// A file that is appended to.
    pub fn append(name: String, mut file: AppendFile) -> io::Result<Self> {
        Self::new(name, move |batch| file.append(&batch.bytes))
    }

    /// Each message a file.
    pub fn folder(name: String, mut folder: Folder) -> io::Result<Self> {
        Self::new(name, move |batch| {
            let mut start = 0;
            for (name, end) in &batch.files {
                folder.write(name, &batch.bytes[start..*end])?;
                start = *end;
            }
            Ok(())
        })
    }

    fn new(
        name: String,
        mut write: impl FnMut(&Batch) -> io::Result<()> + Send + 'static,
    ) -> io::Result<Self> {
        let (to_writer, mut batches) = mpsc::channel::<Batch>(1);
        let (done, from_writer) = mpsc::channel(2);
        std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || {
                while let Some(mut batch) = batches.blocking_recv() {
                    let result = write(&batch);
                    batch.clear();
                    if done.blocking_send(result.map(|()| batch)).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self {
            name,
            batch: Batch::default(),
            to_writer,
            from_writer,
            writing: false,
            spare: Batch::default(),
            failed: false,
        })
    }

    /// What it writes to, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where to append the next message.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.batch.bytes
    }

    /// What was appended since the last call is the content of a file with this name.
    pub fn end_file(&mut self, name: Vec<u8>) {
        self.batch.files.push((name, self.batch.bytes.len()));
    }

    /// Enough is gathered to be handed over at once.
    pub fn has_batch(&self) -> bool {
        self.batch.bytes.len() >= BATCH || self.batch.files.len() >= BATCH_FILES
    }

    /// No more must be appended before [`Sink::ready`].
    pub fn is_full(&self) -> bool {
        self.writing && self.has_batch()
    }

    /// Whether a write is under way, so that [`Sink::ready`] will come.
    pub fn is_writing(&self) -> bool {
        self.writing
    }

    /// Whether all that was appended is written.
    pub fn is_idle(&self) -> bool {
        !self.writing && !self.failed && self.batch.is_empty()
    }

    /// Hands over what is gathered, unless the thread is busy. Whether it did.
    pub fn flush(&mut self) -> bool {
        if self.writing || self.failed || self.batch.is_empty() {
            return false;
        }
        let full = std::mem::replace(&mut self.batch, std::mem::take(&mut self.spare));
        // The channel has room for one, and none is with the thread. If the thread has died, `ready`
        // says so.
        let _ = self.to_writer.try_send(full);
        self.writing = true;
        true
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
                self.batch.clear();
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
