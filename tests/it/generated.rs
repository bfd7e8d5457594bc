//! Files that are generated from the program and kept beside it: completions, man pages, the README's usage blocks.
//!
//! `UPDATE_GENERATED=1 cargo test --test it generated` writes them anew.
#![cfg(feature = "broker")]

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::support::mozzie;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The file is what the program makes now, or is made so when the caller asks for that.
#[track_caller]
fn check(path: &Path, fresh: &str) {
    if env::var_os("UPDATE_GENERATED").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, fresh).unwrap();
        return;
    }
    let kept = fs::read_to_string(path).unwrap_or_default();
    let shown = path.strip_prefix(root()).unwrap_or(path).display();
    assert!(
        kept == fresh,
        "{shown} is not what the program prints now; UPDATE_GENERATED=1 cargo test writes it anew"
    );
}

#[test]
fn completions_are_what_the_program_prints() {
    for (shell, file) in [
        ("bash", "mozzie.bash"),
        ("zsh", "_mozzie"),
        ("fish", "mozzie.fish"),
        ("elvish", "mozzie.elv"),
        ("powershell", "mozzie.ps1"),
    ] {
        let done = mozzie("completions").arg(shell).run();
        done.ends(0, &done.stdout, &[]);
        // Built into the program, so never written anew from it.
        let kept = fs::read_to_string(root().join("completions").join(file)).unwrap();
        assert!(
            kept == done.stdout_text(),
            "{file} is not what the program prints"
        );
    }
}

#[test]
fn man_pages_are_what_the_program_writes() {
    let folder = TempDir::new().unwrap();
    mozzie("man").arg(folder.path()).run().prints("");
    let mut fresh: Vec<PathBuf> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    fresh.sort();
    let names: Vec<_> = fresh
        .iter()
        .map(|path| path.file_name().unwrap().to_owned())
        .collect();
    for page in [
        "mozzie.1",
        "mozzie-pub.1",
        "mozzie-sub.1",
        "mozzie-rr.1",
        "mozzie-bench.1",
        "mozzie-broker.1",
    ] {
        assert!(
            names.iter().any(|name| name == page),
            "{page} is written: {names:?}"
        );
    }
    for path in &fresh {
        check(
            &root()
                .join("completions/man")
                .join(path.file_name().unwrap()),
            &fs::read_to_string(path).unwrap(),
        );
    }
    let kept = fs::read_dir(root().join("completions/man"))
        .into_iter()
        .flatten();
    for entry in kept {
        assert!(
            names.contains(&entry.unwrap().file_name()),
            "a man page that the program no longer writes"
        );
    }
}

/// In README.md a line `<!-- mozzie pub --help -->` is followed by a fenced block with what that prints.
#[test]
fn the_readme_shows_the_help_that_the_program_prints() {
    let path = root().join("README.md");
    let readme = fs::read_to_string(&path).expect("README.md is there");
    let mut fresh = String::new();
    let mut lines = readme.lines();
    let mut blocks = 0;
    while let Some(line) = lines.next() {
        fresh.push_str(line);
        fresh.push('\n');
        let command = line
            .strip_prefix("<!-- mozzie ")
            .and_then(|rest| rest.strip_suffix(" -->"));
        let Some(command) = command else { continue };
        blocks += 1;
        let done = mozzie(command).run();
        done.ends(0, &done.stdout, &[]);
        let opening = lines.next().expect("a fenced block follows the comment");
        assert!(
            opening.starts_with("```"),
            "a fenced block follows `{line}`"
        );
        lines
            .by_ref()
            .find(|line| *line == "```")
            .expect("the fenced block ends");
        fresh.push_str(&format!(
            "{opening}\n{}\n```\n",
            done.stdout_text().trim_end()
        ));
    }
    assert!(
        blocks > 0,
        "README.md shows the help of a command, marked by <!-- mozzie … --help -->"
    );
    check(&path, &fresh);
}
