//! PEM files, with the headers of RFC 1421 that encrypted OpenSSL keys still carry and stricter readers refuse.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

/// Lenient about the padding and the unused last bits, as OpenSSL is.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What stands between one `-----BEGIN LABEL-----` and its `-----END LABEL-----`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub label: String,
    pub headers: Vec<(String, String)>,
    pub der: Vec<u8>,
}

impl Section {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// All sections of the file; text around them is allowed (`openssl x509 -text` writes some).
///
/// # Errors
/// What is wrong, with the line.
pub(super) fn sections(file: &[u8]) -> Result<Vec<Section>, String> {
    let mut found = Vec::new();
    let mut open: Option<(Section, String, usize)> = None;
    for (number, line) in file.split(|byte| *byte == b'\n').enumerate() {
        let number = number + 1;
        let line = String::from_utf8_lossy(line);
        let line = line.trim();
        let marker = |kind: &str| {
            line.strip_prefix(kind)
                .and_then(|rest| rest.strip_suffix("-----"))
        };
        match &mut open {
            None => {
                if let Some(label) = marker("-----BEGIN ") {
                    let section = Section {
                        label: label.to_owned(),
                        headers: Vec::new(),
                        der: Vec::new(),
                    };
                    open = Some((section, String::new(), number));
                }
            }
            Some((section, text, began)) => {
                if let Some(label) = marker("-----END ") {
                    if label != section.label {
                        return Err(format!(
                            "line {number}: the PEM section of line {began} ends as another kind"
                        ));
                    }
                    section.der = BASE64.decode(text.as_bytes()).map_err(|_| {
                        format!("line {began}: the PEM section is not valid base64")
                    })?;
                    found.extend(open.take().map(|(section, ..)| section));
                } else if line.starts_with("-----") {
                    return Err(format!(
                        "line {number}: the PEM section of line {began} has no end"
                    ));
                } else if let Some((name, value)) = line.split_once(':') {
                    section
                        .headers
                        .push((name.trim().to_owned(), value.trim().to_owned()));
                } else {
                    text.push_str(line);
                }
            }
        }
    }
    match open {
        Some((.., began)) => Err(format!("line {began}: the PEM section has no end")),
        None => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sections_are_found_between_other_text() {
        let file = b"Subject: CN=x\r\n-----BEGIN A B-----\r\nDEK-Info: AES,00\r\n\r\nAQID\r\nBA==\r\n-----END A B-----\r\n\
            junk\n-----BEGIN C-----\nAQ\n-----END C-----";
        let found = sections(file).expect("valid");
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].label.as_str(), found[0].der.as_slice()),
            ("A B", &[1, 2, 3, 4][..])
        );
        assert_eq!(found[0].header("dek-info"), Some("AES,00"));
        assert_eq!(found[1].der, [1]);
    }

    #[test]
    fn a_damaged_section_is_named_by_its_line() {
        assert!(
            sections(b"x\n-----BEGIN A-----\n???\n-----END A-----")
                .expect_err("base64")
                .starts_with("line 2")
        );
        assert!(
            sections(b"-----BEGIN A-----\nAQ\n")
                .expect_err("no end")
                .contains("no end")
        );
        assert!(
            sections(b"-----BEGIN A-----\n-----BEGIN A-----\n")
                .expect_err("no end")
                .contains("no end")
        );
        assert!(
            sections(b"-----BEGIN A-----\n-----END B-----\n")
                .expect_err("labels")
                .contains("another kind")
        );
        assert_eq!(sections(b"no PEM at all \xff"), Ok(vec![]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(file in "(-----(BEGIN|END) A-----|\n|[A-Za-z:=]{0,5}){0,20}") {
            let _ = sections(file.as_bytes());
        }
    }
}
