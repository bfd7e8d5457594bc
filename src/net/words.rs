//! How operating-system errors and text from the network are worded in messages.

use std::io;

/// An I/O error in a few lower-case words, without the `(os error 111)` that means nothing to most readers.
pub fn reason(error: &io::Error) -> String {
    let known = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::ConnectionReset => "connection reset by the other side",
        io::ErrorKind::ConnectionAborted => "connection aborted",
        io::ErrorKind::BrokenPipe => "connection closed by the other side",
        io::ErrorKind::UnexpectedEof => "connection closed by the other side",
        io::ErrorKind::HostUnreachable => "host unreachable",
        io::ErrorKind::NetworkUnreachable => "network unreachable",
        io::ErrorKind::TimedOut => "the operating system gave up waiting for an answer",
        io::ErrorKind::AddrNotAvailable => "address not available",
        io::ErrorKind::AddrInUse => "address in use",
        io::ErrorKind::PermissionDenied => "permission denied",
        io::ErrorKind::NotFound => "no such file",
        io::ErrorKind::IsADirectory => "is a directory",
        io::ErrorKind::NotADirectory => "not a directory",
        _ => "",
    };
    if known.is_empty() {
        uncapitalised(&error.to_string())
    } else {
        known.to_owned()
    }
}

/// The text as it may stand inside one of our sentences: first letter small, no `(os error N)`, no full stop.
pub(super) fn uncapitalised(text: &str) -> String {
    let text = text
        .split(" (os error")
        .next()
        .unwrap_or(text)
        .trim_end_matches('.');
    let mut rest = text.chars();
    match (rest.next(), text.chars().nth(1)) {
        // "TLS …" keeps its capitals.
        (Some(first), second) if !second.is_some_and(char::is_uppercase) => {
            first.to_lowercase().chain(rest).collect()
        }
        _ => text.to_owned(),
    }
}

/// Text that came from the network, fit for a terminal: control characters gone, length bounded.
pub(super) fn printable(text: &str) -> String {
    const LONGEST: usize = 200;
    let mut shown: String = text
        .chars()
        .filter(|c| !c.is_control())
        .take(LONGEST + 1)
        .collect();
    if shown.chars().count() > LONGEST {
        shown.pop();
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operating_system_errors_lose_their_number_and_capital() {
        assert_eq!(
            reason(&io::Error::from_raw_os_error(111)),
            "connection refused"
        );
        assert_eq!(
            reason(&io::Error::from_raw_os_error(24)),
            "too many open files"
        );
        assert_eq!(uncapitalised("TLS is off."), "TLS is off");
        assert_eq!(uncapitalised(""), "");
    }

    #[test]
    fn text_from_the_network_cannot_drive_the_terminal() {
        assert_eq!(printable("a\x1b[31m\r\nb"), "a[31mb");
        assert_eq!(printable(&"x".repeat(1000)).chars().count(), 201);
    }
}
