//! What it takes to hold Debian's clients (2.0) beside mozzie under their names (2.1).

/// Debian's client has races of its own (its DISCONNECT, now and then, does not leave before it closes), so it may show
/// more than once what it does; mozzie has one try.
pub const THEIR_TRIES: usize = 4;

/// What it says on stderr: 2.0's library texts end in a full stop, 2.1's do not.
pub fn as_2_1(stderr: &str) -> String {
    let library = [
        "Error: The ",
        "Error: A ",
        "Error: Authorisation failed",
        "Error: Proxy error",
        "Error: Invalid function ",
        "Connection error: Connection ",
    ];
    let lines = stderr.lines().map(|line| {
        let line = line.replace(".).", ").");
        match line.strip_suffix('.') {
            Some(rest) if library.iter().any(|l| line.starts_with(l)) => format!("{rest}\n"),
            _ => format!("{line}\n"),
        }
    });
    lines.collect()
}
