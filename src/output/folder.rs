//! A folder that gets a file for each message: complete or not there, and never in the place of another.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Bytes of a name, so that a number still fits into what file systems take (255).
const MAX_NAME: usize = 240;
/// An ending such as `jpeg`: a number goes before it.
const MAX_EXTENSION: usize = 5;
/// Names whose next number is remembered.
const REMEMBERED: usize = 10_000;

/// What the name of a file begins and ends with that is not complete; no message's file is hidden.
const PREFIX: &str = ".mozzie-";
const SUFFIX: &str = ".part";

#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Where a file grows before it gets its name.
    part: PathBuf,
    naming: Naming,
    /// The next number of each name that was used.
    next: HashMap<Vec<u8>, u64>,
}

/// How a complete file gets its name, which must be free. Not every file system has each of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Naming {
    /// Unlike a renaming, a link never takes the place of a file that is there.
    Link,
    /// A renaming that does not either: FAT has no links.
    Rename,
    /// The name is taken with an empty file, which the complete one replaces. Who is killed in between
    /// leaves the empty one.
    Reservation,
}

impl Naming {
    fn give(self, part: &Path, name: &Path) -> io::Result<()> {
        match self {
            Self::Link => fs::hard_link(part, name),
            Self::Rename => rename_without_replacing(part, name),
            Self::Reservation => {
                File::create_new(name)?;
                fs::rename(part, name).inspect_err(|_| {
                    // It is ours, and stands for nothing.
                    let _ = fs::remove_file(name);
                })
            }
        }
    }

    /// What else may be tried after this error, if the file system lacks this.
    fn instead(self, error: &io::Error) -> Option<Self> {
        use io::ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
        match (self, error.kind()) {
            // EPERM is what Linux says on FAT.
            (Self::Link, PermissionDenied | Unsupported | InvalidInput) => Some(Self::Rename),
            (Self::Rename, InvalidInput | Unsupported) => Some(Self::Reservation),
            _ => None,
        }
    }
}

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn rename_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn rename_without_replacing(_from: &Path, _to: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

impl Folder {
    /// Makes the folder unless it is there, and tries whether files can be written.
    pub fn open(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        remove_abandoned_parts(path);
        // Two that write here may have one process id: each in its own container.
        let part = format!(
            "{PREFIX}{}-{:08x}{SUFFIX}",
            std::process::id(),
            fastrand::u32(..)
        );
        let folder = Self {
            path: path.to_owned(),
            part: path.join(part),
            naming: Naming::Link,
            next: HashMap::new(),
        };
        folder.write_part(b"")?;
        fs::remove_file(&folder.part)?;
        Ok(folder)
    }

    /// Writes a file and then gives it this name, or the name with the first number that is free.
    pub fn write(&mut self, name: &[u8], content: &[u8]) -> io::Result<()> {
        match self.write_and_name(name, content) {
            // Another may have taken it for an abandoned one before it was locked.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.write_and_name(name, content)
            }
            written => written,
        }
    }

    fn write_and_name(&mut self, name: &[u8], content: &[u8]) -> io::Result<()> {
        let written = self
            .write_part(content)
            .and_then(|_locked| self.give_name(&safe(name)));
        // After an error half a file may be left; under its own name it would look like a whole one.
        match fs::remove_file(&self.part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => written.and(Err(error)),
            _ => written,
        }
    }

    /// The file is locked as long as it is open, so that others see that somebody is at it.
    fn write_part(&self, content: &[u8]) -> io::Result<File> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&self.part)?;
        // Where there are no locks, none is seen by others either.
        let _ = file.try_lock();
        file.write_all(content)?;
        Ok(file)
    }

    fn give_name(&mut self, name: &[u8]) -> io::Result<()> {
        let mut number = self.next.get(name).copied().unwrap_or(0);
        loop {
            let mut file_name = numbered(name, number);
            if self.naming != Naming::Link {
                allow_on_fat(&mut file_name);
            }
            let path = self.path.join(OsStr::from_bytes(&file_name));
            match self.naming.give(&self.part, &path) {
                Ok(()) => break,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => self.naming = self.naming.instead(&error).ok_or(error)?,
            }
        }
        if self.next.len() >= REMEMBERED {
            self.next.clear();
        }
        self.next.insert(name.to_owned(), number + 1);
        Ok(())
    }
}

/// Removes what those have left that were killed while they wrote.
fn remove_abandoned_parts(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let is_part = name.as_bytes().starts_with(PREFIX.as_bytes())
            && name.as_bytes().ends_with(SUFFIX.as_bytes());
        let path = entry.path();
        if is_part
            && let Ok(file) = OpenOptions::new().write(true).open(&path)
            && file.try_lock().is_ok()
        {
            // It disturbs nobody if it stays.
            let _ = fs::remove_file(path);
        }
    }
}

/// A name that stays in its folder and is not hidden there, whatever a topic holds.
fn safe(name: &[u8]) -> Vec<u8> {
    let mut safe: Vec<u8> = name
        .iter()
        .map(|byte| match byte {
            b'/' | b'\\' | 0x7f => b'_',
            byte if *byte < b' ' => b'_',
            byte => *byte,
        })
        .collect();
    match safe.first_mut() {
        None => safe.push(b'_'),
        // Also `.` and `..`, and what a command would take for an option.
        Some(first) if matches!(*first, b'.' | b'-') => *first = b'_',
        Some(_) => {}
    }
    let (stem, extension) = split(&safe);
    let mut most = (MAX_NAME - extension.len()).min(stem.len());
    if most < stem.len() {
        // not through the middle of a character
        while most > 0 && stem[most] & 0xc0 == 0x80 {
            most -= 1;
        }
        return [&stem[..most], extension].concat();
    }
    safe
}

/// Replaces what FAT has in no name. Where there are no links, there may be this limit.
fn allow_on_fat(name: &mut [u8]) {
    for byte in name {
        if b"\"*:<>?|".contains(byte) {
            *byte = b'_';
        }
    }
}

fn numbered(name: &[u8], number: u64) -> Vec<u8> {
    if number == 0 {
        return name.to_owned();
    }
    let (stem, extension) = split(name);
    [stem, format!(".{number}").as_bytes(), extension].concat()
}

/// A name and its extension with the dot, where it has one.
fn split(name: &[u8]) -> (&[u8], &[u8]) {
    let Some(dot) = name.iter().rposition(|byte| *byte == b'.') else {
        return (name, b"");
    };
    let extension = &name[dot + 1..];
    let looks_like_one = extension.len() <= MAX_EXTENSION
        && extension.first().is_some_and(u8::is_ascii_alphabetic)
        && extension.iter().all(u8::is_ascii_alphanumeric);
    match looks_like_one && dot > 0 {
        true => name.split_at(dot),
        false => (name, b""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAYS: [Naming; 3] = [Naming::Link, Naming::Rename, Naming::Reservation];

    fn text(bytes: &[u8]) -> String {
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn names_stay_in_the_folder() {
        for (name, expected) in [
            ("a/b/c", "a_b_c"),
            ("/etc/passwd", "_etc_passwd"),
            ("..", "_."),
            ("../x", "_._x"),
            (".hidden", "_hidden"),
            ("-rf", "_rf"),
            ("", "_"),
            ("a\0b\nc\x7f", "a_b_c_"),
            ("größe", "größe"),
        ] {
            assert_eq!(text(&safe(name.as_bytes())), expected, "{name:?}");
        }
    }

    #[test]
    fn long_names_are_cut_between_characters_and_keep_their_extension() {
        let name = safe(format!("{}.jpg", "ä".repeat(300)).as_bytes());
        assert!(name.len() <= MAX_NAME, "{}", name.len());
        assert!(text(&name).ends_with("ä.jpg"));
        assert_eq!(safe(&[b'x'; 300]).len(), MAX_NAME);
    }

    #[test]
    fn a_number_goes_before_an_extension() {
        for (name, expected) in [
            ("a", "a.7"),
            ("a.jpg", "a.7.jpg"),
            ("a.1", "a.1.7"),
            ("v1.description", "v1.description.7"),
        ] {
            assert_eq!(text(&numbered(name.as_bytes(), 7)), expected);
            assert_eq!(text(&numbered(name.as_bytes(), 0)), name);
        }
    }

    #[test]
    fn parts_of_the_killed_are_removed_and_those_of_the_living_stay() {
        let dir = tempfile::TempDir::new().unwrap();
        let living = Folder::open(dir.path()).unwrap();
        let locked = living.write_part(b"half").unwrap();
        fs::write(dir.path().join(".mozzie-7-0.part"), "half").unwrap();
        fs::write(dir.path().join(".mozzie-8.part"), "half").unwrap();
        fs::write(dir.path().join(".other.part"), "mine").unwrap();
        Folder::open(dir.path()).unwrap();
        drop(locked);
        let mut found: Vec<PathBuf> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        found.sort();
        assert_eq!(found, [living.part, dir.path().join(".other.part")]);
    }

    #[test]
    fn a_part_that_was_taken_for_abandoned_is_written_again() {
        for naming in WAYS {
            let dir = tempfile::TempDir::new().unwrap();
            let mut folder = Folder::open(dir.path()).unwrap();
            folder.naming = naming;
            for n in 0..100 {
                let other = dir.path().to_owned();
                let sweep = std::thread::spawn(move || remove_abandoned_parts(&other));
                folder.write(b"t", format!("{n}").as_bytes()).unwrap();
                sweep.join().unwrap();
            }
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 100, "{naming:?}");
        }
    }

    #[test]
    fn a_name_that_cannot_be_given_is_free_again() {
        let dir = tempfile::TempDir::new().unwrap();
        let name = dir.path().join("t");
        for naming in WAYS {
            let error = naming.give(&dir.path().join("gone"), &name).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{naming:?}");
            assert!(!name.exists(), "{naming:?}");
        }
    }

    #[test]
    fn a_file_system_that_lacks_one_way_gets_the_next() {
        let error = |errno: rustix::io::Errno| io::Error::from(errno);
        use rustix::io::Errno;
        for (naming, lack, next) in [
            (Naming::Link, Errno::PERM, Some(Naming::Rename)),
            (Naming::Link, Errno::OPNOTSUPP, Some(Naming::Rename)),
            (Naming::Link, Errno::NOSPC, None),
            (Naming::Rename, Errno::INVAL, Some(Naming::Reservation)),
            (Naming::Rename, Errno::NOSYS, Some(Naming::Reservation)),
            (Naming::Rename, Errno::ACCESS, None),
            (Naming::Reservation, Errno::PERM, None),
        ] {
            assert_eq!(naming.instead(&error(lack)), next, "{naming:?} {lack}");
        }
        let mut name = b"a:b?.jpg".to_vec();
        allow_on_fat(&mut name);
        assert_eq!(name, b"a_b_.jpg");
    }

    #[test]
    fn no_file_takes_the_place_of_another_and_no_part_is_left() {
        for naming in WAYS {
            let dir = tempfile::TempDir::new().unwrap();
            fs::write(dir.path().join("t.1"), "there before").unwrap();
            let mut folder = Folder::open(dir.path()).unwrap();
            folder.naming = naming;
            for content in ["one", "two", "three"] {
                folder.write(b"t", content.as_bytes()).unwrap();
            }
            let mut found: Vec<(String, String)> = fs::read_dir(dir.path())
                .unwrap()
                .map(|entry| entry.unwrap())
                .map(|entry| {
                    let name = entry.file_name().into_string().unwrap();
                    (name, fs::read_to_string(entry.path()).unwrap())
                })
                .collect();
            found.sort();
            let expected = [
                ("t", "one"),
                ("t.1", "there before"),
                ("t.2", "two"),
                ("t.3", "three"),
            ];
            assert_eq!(
                found,
                expected.map(|(name, content)| (name.to_owned(), content.to_owned())),
                "{naming:?}"
            );
        }
    }
}
