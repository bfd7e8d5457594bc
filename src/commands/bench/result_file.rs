//! A file for a result: opened before the run, so that what cannot be written is known then; what it held stays in
//! it until there is something to write, and a new one in which nothing came to stand is removed.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::net::io_reason;

pub struct ResultFile {
    path: PathBuf,
    file: File,
    is_new: bool,
    begun: bool,
}

impl ResultFile {
    pub fn open(option: &str, path: &Path) -> Result<Self, Error> {
        let mut options = OpenOptions::new();
        options.write(true);
        let opened = match options.clone().create_new(true).open(path) {
            Ok(file) => Ok((file, true)),
            // Also where a link leads to nothing yet.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let file = options.create(true).truncate(false).open(path);
                file.map(|file| (file, false))
            }
            Err(error) => Err(error),
        };
        let (file, is_new) = opened.map_err(|error| {
            let why = io_reason(&error);
            Error::usage(
                format!("{option}: cannot write '{}': {why}", path.display()),
                "",
            )
        })?;
        Ok(Self {
            path: path.to_owned(),
            file,
            is_new,
            begun: false,
        })
    }

    /// Which file it is, by whatever name. Nothing where that does not matter: what is no regular file may
    /// take several results.
    pub fn identity(&self) -> Option<(u64, u64)> {
        let about = self.regular()?;
        Some((about.dev(), about.ino()))
    }

    fn regular(&self) -> Option<Metadata> {
        self.file.metadata().ok().filter(Metadata::is_file)
    }
}

impl Write for ResultFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.begun {
            if self.regular().is_some() {
                self.file.set_len(0)?;
            }
            self.begun = true;
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for ResultFile {
    fn drop(&mut self) {
        // Another run may have written into it meanwhile.
        let is_empty = || self.regular().is_some_and(|about| about.len() == 0);
        if self.is_new && !self.begun && is_empty() {
            // An empty file is a blemish and no failure.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_held_stays_until_there_is_something_to_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old");
        std::fs::write(&path, "a result of some length").unwrap();
        drop(ResultFile::open("--json", &path).unwrap());
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "a result of some length"
        );
        let mut file = ResultFile::open("--json", &path).unwrap();
        file.write_all(b"new").unwrap();
        file.write_all(b"er").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "newer");
    }

    #[test]
    fn a_new_file_in_which_nothing_came_to_stand_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new");
        drop(ResultFile::open("--csv", &path).unwrap());
        assert!(!path.exists());
        let file = ResultFile::open("--csv", &path).unwrap();
        std::fs::write(&path, "of another run").unwrap();
        drop(file);
        assert!(path.exists());
    }
}
