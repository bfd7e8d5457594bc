//! The arrows of the architecture, held by reading the sources.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file under src/, relative to src/, with its text.
fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let src = root().join("src");
    let mut paths = Vec::new();
    walk(&src, &mut paths);
    paths.sort();
    let read = |path: PathBuf| {
        (
            path.strip_prefix(&src).unwrap().to_owned(),
            fs::read_to_string(&path).unwrap(),
        )
    };
    paths.into_iter().map(read).collect()
}

/// The code that goes into the program: no comments, no unit tests.
fn code(path: &Path, text: &str) -> String {
    let name = path.file_stem().unwrap_or_default();
    if ["tests", "testing", "model"]
        .iter()
        .any(|test| name == *test)
        || path.components().any(|c| c.as_os_str() == "tests")
    {
        return String::new();
    }
    let text = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default();
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| format!("{line}\n")).collect()
}

/// The lines of program code with one of these words outside the allowed places.
fn strays(words: &[&str], allowed: impl Fn(&Path) -> bool) -> Vec<String> {
    let mut strays = Vec::new();
    for (path, text) in sources() {
        if allowed(&path) {
            continue;
        }
        for line in code(&path, &text).lines() {
            if words.iter().any(|word| line.contains(word)) {
                strays.push(format!("src/{}: {}", path.display(), line.trim()));
            }
        }
    }
    strays
}

#[test]
fn only_mqtt_names_rumqttc() {
    assert_eq!(
        strays(&["rumqttc"], |path| path.starts_with("mqtt")),
        [""; 0]
    );
}

#[test]
fn only_broker_names_rmqtt() {
    assert_eq!(
        strays(&["rmqtt::", "use rmqtt"], |path| path.starts_with("broker")),
        [""; 0]
    );
}

#[test]
fn only_output_prints() {
    let words = [
        "println!", "print!(", "eprint!(", "stdout()", "stderr()", "dbg!(",
    ];
    let found = strays(&words, |path| path.starts_with("output"));
    // Whether stdout is a terminal is a question, not output.
    let found: Vec<_> = found
        .into_iter()
        .filter(|line| !line.contains("is_terminal()"))
        .collect();
    assert_eq!(found, [""; 0]);
}

#[test]
fn only_main_exits() {
    assert_eq!(
        strays(
            &["process::exit", "ExitCode", "process::abort"],
            |path| path == Path::new("main.rs")
        ),
        [""; 0]
    );
}

#[test]
fn the_protocol_does_no_io() {
    let words = [
        "std::net",
        "tokio",
        "std::fs",
        "Instant::now",
        "SystemTime::now",
        "std::thread",
        "crate::net",
    ];
    let found = strays(&words, |path| !path.starts_with("mqtt"));
    assert_eq!(found, [""; 0]);
}

#[test]
fn nothing_points_back_up() {
    // (folder, what it must not use); mqtt is a package, which cannot use any of them
    let forbidden = [
        (
            "net",
            [
                "cli", "commands", "client", "bench", "broker", "output", "payload",
            ]
            .as_slice(),
        ),
        (
            "payload",
            &[
                "cli", "commands", "client", "bench", "broker", "output", "net",
            ],
        ),
        ("client", &["cli", "commands", "bench", "broker", "output"]),
        ("bench", &["cli", "commands", "broker", "output"]),
        ("broker", &["cli", "commands", "client", "bench", "output"]),
        ("cli", &["commands", "client", "bench", "broker", "output"]),
        ("output", &["cli", "commands", "client", "broker", "net"]),
    ];
    let mut found = Vec::new();
    for (folder, layers) in forbidden {
        let words: Vec<String> = layers
            .iter()
            .map(|layer| format!("crate::{layer}::"))
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        found.extend(strays(&words, |path| !path.starts_with(folder)));
    }
    assert_eq!(found, [""; 0]);
}

#[test]
fn every_file_says_what_it_is_for() {
    let missing: Vec<_> = sources()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//! "))
        .map(|(path, _)| path)
        .collect();
    assert_eq!(missing, Vec::<PathBuf>::new());
}

#[test]
fn architecture_names_every_folder_and_file() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md is there");
    let names = |text: &str, name: &str| {
        text.split(|c: char| !(c.is_alphanumeric() || c == '_'))
            .any(|word| word == name)
    };
    let sources = sources();
    // The head of a folder's own module may name its files instead: `net/tls/` has too many for the map.
    let head = |folder: &Path| {
        let module = [folder.join("mod.rs"), folder.with_extension("rs")];
        let text = sources
            .iter()
            .find(|(path, _)| module.contains(path))
            .map_or("", |(_, text)| text);
        text.lines()
            .take_while(|line| line.starts_with("//!"))
            .collect::<String>()
    };
    let mut missing = Vec::new();
    for (path, _) in &sources {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let folder = path.parent().unwrap();
        let folder_name = folder.file_name().and_then(|name| name.to_str());
        let named = if stem == "mod" {
            folder_name.unwrap_or(stem)
        } else {
            stem
        };
        let is_test = ["tests", "testing", "model"].contains(&named);
        if !is_test && !names(&map, named) && !names(&head(folder), named) {
            missing.push(path.display().to_string());
        }
    }
    assert_eq!(
        missing, [""; 0],
        "neither ARCHITECTURE.md nor the head of their folder names these"
    );

    // And what it names as a file is there.
    let exists = |name: &str| {
        let name = name.trim_start_matches("src/");
        sources.iter().any(|(path, _)| path.ends_with(name))
            || root().join(name).exists()
            || root().join("src").join(name).exists()
    };
    let gone: Vec<&str> = map
        .split(|c: char| c.is_whitespace() || "`()[],;".contains(c))
        .filter(|word| word.ends_with(".rs") && !word.contains('{') && !exists(word))
        .collect();
    assert_eq!(
        gone, [""; 0],
        "ARCHITECTURE.md names files that are not there"
    );
}
