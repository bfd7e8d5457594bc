//! A file that is appended to: each piece whole or not at all, and none behind half a line.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

#[derive(Debug)]
pub struct AppendFile {
    file: File,
    /// It ends within a line, and lines are to come.
    within_line: bool,
}

impl AppendFile {
    /// Opens the file, or makes it. What it holds stays; with `lines` what comes begins a line of its
    /// own, also where a run was killed, or its disk full, in the middle of one.
    pub fn open(path: &Path, lines: bool) -> io::Result<Self> {
        let file = File::options().append(true).create(true).open(path)?;
        let is_file = file.metadata()?.is_file();
        Ok(Self {
            file,
            within_line: lines && is_file && ends_within_line(path),
        })
    }

    /// Whether it is this regular file, by whatever name.
    pub fn is(&self, other: &Metadata) -> bool {
        self.file.metadata().is_ok_and(|file| {
            file.is_file() && (file.dev(), file.ino()) == (other.dev(), other.ino())
        })
    }

    /// Writes all, or leaves the file as it was: half a message must not look like one.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.within_line && !bytes.is_empty() {
            self.write_whole(b"\n")?;
            self.within_line = false;
        }
        self.write_whole(bytes)
    }

    fn write_whole(&mut self, bytes: &[u8]) -> io::Result<()> {
        let before = self.file.metadata()?;
        let mut written = 0;
        while written < bytes.len() {
            let error = match self.file.write(&bytes[written..]) {
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Ok(count) => {
                    written += count;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            let ours = before.len() + written as u64;
            // Not what another has appended meanwhile.
            if before.is_file() && self.file.metadata().is_ok_and(|now| now.len() == ours) {
                // The first error is the one to tell.
                let _ = self.file.set_len(before.len());
            }
            return Err(error);
        }
        Ok(())
    }

    /// Waits until what was appended is on the disk.
    pub fn sync(&self) -> io::Result<()> {
        match self.file.sync_data() {
            // a pipe or a device
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            done => done,
        }
    }
}

/// Whether the last byte is no newline; who may only write cannot know.
fn ends_within_line(path: &Path) -> bool {
    let last = || -> io::Result<u8> {
        let mut file = File::open(path)?;
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        Ok(last[0])
    };
    last().is_ok_and(|byte| byte != b'\n')
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_half_a_line_is_ended_and_only_where_lines_are_to_come() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("log");
        for (there, lines, expected) in [
            ("", true, "new\n"),
            ("whole\n", true, "whole\nnew\n"),
            ("hal", true, "hal\nnew\n"),
            ("hal", false, "halnew\n"),
        ] {
            fs::write(&path, there).unwrap();
            let mut file = AppendFile::open(&path, lines).unwrap();
            file.append(b"").unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), there);
            file.append(b"new\n").unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), expected);
        }
    }
}
