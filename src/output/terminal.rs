//! Bytes that are safe to look at: what a terminal would act on is made visible.

use std::borrow::Cow;
use std::fmt::Write;

/// Appends a payload for a terminal: control characters but newline and tab as escapes, bytes that
/// are not UTF-8 as `\xNN`.
pub(super) fn visible(payload: &[u8], out: &mut Vec<u8>) {
    let mut text = String::with_capacity(payload.len());
    for chunk in payload.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' | '\t' => text.push(c),
                c => push_visible(c, &mut text),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    out.extend_from_slice(text.as_bytes());
}

/// A text as one line of at most `width` characters, cut with an ellipsis: what a terminal would act on is made
/// visible, and an end of line is an arrow.
pub(super) fn one_line(text: &[u8], width: usize) -> String {
    let mut line = String::new();
    let mut len = 0;
    let mut escaped = String::new();
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            escaped.clear();
            match c {
                '\n' => escaped.push('↵'),
                c => push_visible(c, &mut escaped),
            }
            if !push_within(&escaped, width, &mut len, &mut line) {
                return line;
            }
        }
        for byte in chunk.invalid() {
            escaped.clear();
            let _ = write!(escaped, "\\x{byte:02x}");
            if !push_within(&escaped, width, &mut len, &mut line) {
                return line;
            }
        }
    }
    line
}

/// Appends what fits. When it does not, an ellipsis takes the last place, and the answer is false.
fn push_within(text: &str, width: usize, len: &mut usize, line: &mut String) -> bool {
    for c in text.chars() {
        if *len == width {
            line.pop();
            if width > 0 {
                line.push('…');
            }
            return false;
        }
        line.push(c);
        *len += 1;
    }
    true
}

/// An error that repeats something very long, such as a topic that is too long, without its middle: what was wrong
/// stands at the end, and who typed it knows the rest.
pub(super) fn bounded(text: &str) -> Cow<'_, str> {
    const KEPT: usize = 500;
    let len = text.chars().count();
    if len <= 4 * KEPT {
        return Cow::Borrowed(text);
    }
    let at = |index: usize| text.char_indices().nth(index).map_or(0, |(at, _)| at);
    let (start, end) = (&text[..at(KEPT)], &text[at(len - KEPT)..]);
    Cow::Owned(format!("{start} … ({} characters) … {end}", len - 2 * KEPT))
}

/// Our own line with somebody else's words in it: only the colours that we put in act.
pub(super) fn visible_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        match colour_len(rest) {
            Some(len) => {
                line.push_str(&rest[..len]);
                rest = &rest[len..];
            }
            None => {
                push_visible(c, &mut line);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    line
}

/// The length of a colour sequence (`ESC [ digits and ; m`) at the start of the text.
fn colour_len(text: &str) -> Option<usize> {
    let body = text.strip_prefix("\x1b[")?;
    let len = body.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    body[len..].starts_with('m').then_some(len + 3)
}

fn push_visible(c: char, out: &mut String) {
    // C1 controls act on terminals too, and bidirectional overrides can make a line lie.
    let dangerous =
        c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if dangerous {
        out.extend(c.escape_default());
    } else {
        out.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_with_something_very_long_keeps_both_ends() {
        let usual = "é".repeat(2000);
        assert_eq!(bounded(&usual), usual);
        let long = format!("topic '{}' is too long", "é".repeat(66_000));
        let shown = bounded(&long);
        assert!(shown.starts_with("topic 'éé") && shown.ends_with("é' is too long"));
        assert!(shown.contains("é … (65020 characters) … é"), "{shown}");
    }

    #[test]
    fn what_a_terminal_would_act_on_is_made_visible() {
        let mut out = Vec::new();
        visible(b"a\tb\n\x1b[2J\x07\r\xff\xc3\xa9\xc2\x9b", &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "a\tb\n\\u{1b}[2J\\u{7}\\r\\xffé\\u{9b}"
        );
        assert_eq!(
            visible_line("\x1b[1;31merror\x1b[0m \x1b[2J é\n"),
            "\x1b[1;31merror\x1b[0m \\u{1b}[2J é\\n"
        );
    }
}
