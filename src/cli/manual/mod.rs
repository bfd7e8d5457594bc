//! What the manual says beyond the options: examples, exit codes, variables, files. For `--help-all` and, made by
//! [`page`], for the man pages.

pub mod page;

use std::path::PathBuf;

use clap::Args;

/// `mozzie man`.
#[derive(Debug, Args)]
#[command(hide = true)]
pub struct ManArgs {
    /// Folder to write the pages into
    #[arg(value_hint = clap::ValueHint::DirPath)]
    pub dir: PathBuf,
}

/// A shell line and what it does.
type Example = (&'static str, &'static str);

/// The examples of a verb, or of the program as a whole.
fn examples(verb: Option<&str>) -> &'static [Example] {
    match verb {
        None => &[
            (
                "mozzie pub -t home/lamp -m on -q 1",
                "publish one message and see it acknowledged",
            ),
            (
                "mozzie sub -t 'home/#' -v",
                "print what comes, with its topics",
            ),
            (
                "mozzie rr -t service/upper -m hello",
                "send a request and print the reply",
            ),
            (
                "mozzie bench --embedded",
                "load-test the broker that mozzie brings along",
            ),
        ],
        Some("pub") => &[
            (
                "mozzie pub -t home/lamp -m on -q 1",
                "one message, acknowledged",
            ),
            (
                "tail -f app.log | mozzie pub -t logs/app -l -q 1",
                "every line as a message, as it comes",
            ),
            (
                "mozzie pub -t logs/app -l -q 1 --timeout 1m --unsent rest.json < app.log",
                "a file, for a minute at most; what is not acknowledged by then is kept",
            ),
            (
                "mozzie pub --json-lines < rest.json",
                "send the rest, with its topics, QoS and properties",
            ),
            (
                "mozzie pub -t t -m '{}' -D publish content-type application/json -D publish user-property run 42",
                "MQTT 5 properties",
            ),
            (
                "mozzie pub -h broker.example.org --cafile ca.pem --cert me.pem --key me.key -t t -m hi",
                "TLS with an authority of your own and a client certificate",
            ),
        ],
        Some("sub") => &[
            (
                "mozzie sub -t 'home/#' -t 'garden/#' -v -C 5",
                "five messages, with their topics",
            ),
            (
                "mozzie sub -V 5 -t '#' --json | jq .topic",
                "messages as JSON, with their properties",
            ),
            ("mozzie sub -t 'home/#' --watch", "a live table of topics"),
            (
                "mozzie sub -t 'old/#' --retained-only -v",
                "what is retained below a topic",
            ),
            (
                "mozzie sub -t jobs -q 1 -i worker -c --exec 'import-job \"$MQTT_TOPIC\"'",
                "each message through a command, acknowledged when that has succeeded",
            ),
            (
                "mozzie sub -t 'cam/#' -q 1 --output-dir pictures --output-name '%t.jpg'",
                "a file for each message",
            ),
        ],
        Some("rr") => &[
            (
                "mozzie rr -t service/upper -m hello --timeout 2s --latency",
                "ask, and say how long it took",
            ),
            (
                "mozzie rr --serve -t service/upper --exec 'tr a-z A-Z'",
                "answer with what a command prints",
            ),
            (
                "printf 'one\\ntwo\\n' | mozzie rr -t service/upper -l",
                "every line a request, on one connection",
            ),
            (
                "mozzie rr -t devices/who -n --replies 3 --timeout 5s --json",
                "three replies to one request",
            ),
        ],
        Some("bench") => &[
            (
                "mozzie bench --embedded",
                "ten seconds against a broker in the same process",
            ),
            (
                "mozzie bench -h broker.example.org -q 1 --publishers 10 --subscribers 10 --duration 30s",
                "QoS 1 over twenty connections for half a minute",
            ),
        ],
        Some("broker") => &[
            ("mozzie broker", "for this machine alone, on port 1883"),
            (
                "mozzie broker --bind 0.0.0.0 -p 1884",
                "for everybody who can reach port 1884",
            ),
        ],
        Some("profile") => &[
            ("mozzie profile check", "look for mistakes in the file"),
            ("mozzie sub --profile home -t '#'", "use a profile"),
            (
                "mozzie sub --profile home -t '#' --show-config",
                "see what would be used, and where it comes from",
            ),
        ],
        Some("doctor") => &[
            (
                "mozzie doctor -h broker.example.org --cafile ca.pem -u me --password-prompt",
                "the way to a broker and what it can do, step by step",
            ),
            (
                "mozzie check --json | jq .checks",
                "the same for a script, here with the broker of this machine",
            ),
        ],
        Some("link") => &[(
            "mozzie link ~/bin",
            "mosquitto_pub, mosquitto_sub and mosquitto_rr as links",
        )],
        Some("completions") => &[(
            "mozzie completions fish > ~/.config/fish/completions/mozzie.fish",
            "for fish",
        )],
        Some(_) => &[],
    }
}

const ANY_EXIT: &[(&str, &str)] = &[
    ("0", "all that was asked for is done"),
    ("1", "any failure without a code of its own"),
    ("2", "the command line, or a file that it names, is wrong"),
];

/// Of the verbs that connect to a broker.
const BROKER_EXIT: &[(&str, &str)] = &[
    (
        "3",
        "the broker could not be reached: name, TCP, proxy, TLS, WebSocket",
    ),
    (
        "4",
        "the broker refused the connection, or ended it with a reason",
    ),
    ("5", "the broker refused a publish or a subscription"),
    ("6", "time ran out before what was asked for had arrived"),
    ("7", "some messages were not acknowledged"),
    ("8", "bench: a threshold was missed"),
    (
        "9",
        "bench: the run is invalid, for the generator was the bottleneck",
    ),
    (
        "130, 143",
        "interrupted by SIGINT, SIGTERM before the work was complete",
    ),
];

fn exit_codes(verb: Option<&str>) -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    let more = match verb {
        Some(verb) if !connects(verb) => &[][..],
        _ => BROKER_EXIT,
    };
    ANY_EXIT.iter().chain(more)
}

/// Whether a verb has the connection options.
fn connects(verb: &str) -> bool {
    matches!(verb, "pub" | "sub" | "rr" | "bench" | "doctor")
}

/// The definition with all that `--help-all` prints. `verb` is `None` for the program as a whole.
pub fn documented(command: clap::Command, verb: Option<&str>) -> clap::Command {
    let mut text = command
        .get_after_help()
        .map_or_else(String::new, ToString::to_string);
    // The exit codes in a line are for the short help.
    if verb.is_none() {
        text.clear();
    }
    if !examples(verb).is_empty() {
        push_heading(&mut text, "Examples:");
        for (line, what) in examples(verb) {
            text.push_str(&format!("\n  # {what}\n  {line}\n"));
        }
        text.truncate(text.trim_end().len());
    }
    push_heading(&mut text, "Exit codes:");
    for (code, meaning) in exit_codes(verb) {
        text.push_str(&format!("\n  {code:8}  {meaning}"));
    }
    command.after_long_help(text)
}

fn push_heading(text: &mut String, heading: &str) {
    if !text.is_empty() {
        text.push_str("\n\n");
    }
    text.push_str(heading);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    /// The words of a shell line that has no quotes but whole words in '…'.
    fn words(line: &str) -> Vec<OsString> {
        let mut words = Vec::new();
        let mut rest = line.trim();
        while !rest.is_empty() {
            let (word, after) = match rest.strip_prefix('\'') {
                Some(quoted) => quoted.split_once('\'').expect("the quote ends"),
                None => rest.split_once(' ').unwrap_or((rest, "")),
            };
            words.push(word.into());
            rest = after.trim_start();
        }
        words
    }

    #[test]
    fn every_example_is_a_command_line_that_is_understood() {
        let verbs = super::super::Command::NAMES.iter().map(|name| Some(*name));
        for verb in verbs.chain([None]) {
            for (line, _) in examples(verb) {
                let own = line
                    .split(" | ")
                    .find(|part| part.starts_with("mozzie "))
                    .unwrap_or_default();
                let own = own
                    .split(" > ")
                    .next()
                    .and_then(|own| own.split(" < ").next())
                    .unwrap_or_default();
                assert!(own.starts_with("mozzie "), "{line}");
                assert!(
                    super::super::Line::parse(&words(own), super::super::Reading::Typed).is_ok(),
                    "{line}"
                );
            }
        }
    }
}
