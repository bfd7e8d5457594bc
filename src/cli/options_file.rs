//! Option files: one option a line. mosquitto's clients read theirs unasked, `mozzie pub -o FILE` when told.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::dialect::Tool;

/// mosquitto cuts its lines here; the rest is the next line.
const LONGEST: usize = 1023;

/// The file that a mosquitto client reads by itself.
pub fn default_path(tool: Tool) -> Option<PathBuf> {
    let folder = |name| std::env::var_os(name).filter(|path| !path.is_empty());
    match folder("XDG_CONFIG_HOME") {
        Some(folder) => Some(Path::new(&folder).join(tool.name())),
        None => Some(
            Path::new(&folder("HOME")?)
                .join(".config")
                .join(tool.name()),
        ),
    }
}

pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    std::fs::read(path)
}

/// The words of each line, as mosquitto reads them: the option, and all behind the first blank as its
/// value. `#` in the first column makes a comment; nothing is quoted.
pub fn lines(text: &[u8]) -> impl Iterator<Item = Vec<OsString>> {
    text.split_inclusive(|byte| *byte == b'\n')
        .flat_map(|line| line.chunks(LONGEST))
        .filter(|line| !line.starts_with(b"#"))
        .filter_map(|line| {
            let line = trim(line);
            let begin = line.iter().position(|byte| *byte != b' ')?;
            let line = &line[begin..];
            let words = match line.iter().position(|byte| *byte == b' ') {
                Some(blank) if blank + 1 < line.len() => vec![&line[..blank], &line[blank + 1..]],
                Some(blank) => vec![&line[..blank]],
                None => vec![line],
            };
            Some(
                words
                    .into_iter()
                    .map(|word| OsString::from_vec(word.to_vec()))
                    .collect(),
            )
        })
}

/// The words of all lines for mozzie's own command line, where `-D` gets the words that it needs.
pub fn native_words(text: &[u8]) -> Vec<OsString> {
    let mut words = Vec::new();
    for line in lines(text) {
        match &line[..] {
            [option, value] if option == "-D" || option == "--property" => {
                words.push(option.clone());
                words.extend(property_words(value.as_encoded_bytes()));
            }
            _ => words.extend(line),
        }
    }
    words
}

/// COMMAND NAME VALUE, where the value may have blanks; COMMAND user-property NAME VALUE.
pub fn property_words(value: &[u8]) -> Vec<OsString> {
    let is_pair = value
        .split(|byte| *byte == b' ')
        .nth(1)
        .is_some_and(|name| name.eq_ignore_ascii_case(b"user-property"));
    value
        .splitn(if is_pair { 4 } else { 3 }, |byte| *byte == b' ')
        .map(|word| OsString::from_vec(word.to_vec()))
        .collect()
}

fn trim(line: &[u8]) -> &[u8] {
    let end = line
        .iter()
        .rposition(|byte| !matches!(byte, b'\n' | b'\r'))
        .map_or(0, |last| last + 1);
    &line[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Vec<String>> {
        lines(text.as_bytes())
            .map(|line| line.into_iter().map(|w| w.into_string().unwrap()).collect())
            .collect()
    }

    #[test]
    fn the_first_blank_splits_and_nothing_is_quoted() {
        assert_eq!(
            read("-t a b  c \n# -q 1\n\n--quiet\r\n-m \"x\"\n-d "),
            [
                vec!["-t", "a b  c "],
                vec!["--quiet"],
                vec!["-m", "\"x\""],
                vec!["-d"],
            ]
        );
        assert_eq!(read(" # no comment"), [["#", "no comment"]]);
        let long = format!("-m {}", "x".repeat(1100));
        let cut = read(&long);
        assert_eq!(cut.len(), 2);
        assert_eq!(cut[0][1].len(), 1020);
    }

    #[test]
    fn natively_a_property_gets_its_words() {
        let words =
            native_words(b"-D publish user-property a b c\n-D publish content-type a b\n-t x");
        assert_eq!(
            words,
            [
                "-D",
                "publish",
                "user-property",
                "a",
                "b c",
                "-D",
                "publish",
                "content-type",
                "a b",
                "-t",
                "x"
            ]
        );
    }
}
