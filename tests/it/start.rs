//! The list of what a start runs (`start/order.ld`) names functions that there are.
//!
//! Nothing else would say so: the linker passes over names that it does not find, and what a start touches then lies
//! scattered again. A build for tests has the names of its functions; a release is stripped of them.
#![cfg(all(target_os = "linux", debug_assertions))]

use std::{collections::BTreeSet, fs, path::Path};

/// Whether a `*` in the pattern can stand for what the name has there.
fn is_match(pattern: &str, name: &str) -> bool {
    let (start, mut rest) = pattern.split_once('*').unwrap_or((pattern, ""));
    let Some(mut name) = name.strip_prefix(start) else {
        return false;
    };
    while let Some((piece, after)) = rest.split_once('*') {
        let Some(at) = name.find(piece) else {
            return false;
        };
        name = &name[at + piece.len()..];
        rest = after;
    }
    name.ends_with(rest)
}

#[test]
fn what_the_list_for_the_linker_names_is_in_the_program() {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("start/order.ld");
    let list = fs::read_to_string(list).unwrap();
    let patterns: Vec<&str> = list
        .lines()
        .filter_map(|line| line.trim().strip_prefix("*(.text*.")?.strip_suffix(')'))
        .collect();
    assert!(patterns.len() > 500, "{}", patterns.len());

    let program = fs::read(env!("CARGO_BIN_EXE_mozzie")).unwrap();
    let names: BTreeSet<&str> = program
        .split(|&byte| byte == 0)
        .filter(|name| name.starts_with(b"_ZN") || name.starts_with(b"_R"))
        .filter_map(|name| str::from_utf8(name).ok())
        .collect();
    let is_found = |pattern: &&&str| {
        let start = pattern.split('*').next().unwrap_or_default();
        let mut candidates = names.range(start..).take_while(|n| n.starts_with(start));
        candidates.any(|name| is_match(pattern, name))
    };
    // Another compiler or fewer features change some; the release has a few that its optimizations make.
    let found = patterns.iter().filter(is_found).count();
    assert!(
        found * 4 > patterns.len() * 3,
        "{found} of {} are there; start/trace writes the list anew",
        patterns.len()
    );
}
