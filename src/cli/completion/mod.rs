//! What may stand at the cursor of a command line, for the shells: verbs, options and their values. The same for
//! mosquitto's names, whose options are those of a verb as far as `mosquitto::table` has them.

mod value;

use std::ffi::OsString;

use clap::{Arg, Args, ValueEnum};

use super::mosquitto::table;
use super::{property, spelling};
use crate::dialect::{Dialect, Tool};

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
    Elvish,
    Powershell,
}

/// `mozzie completions`.
#[derive(Debug, Args)]
#[command(
    after_help = "The script completes mosquitto_pub, mosquitto_sub and mosquitto_rr as well. To have it in every \
                  shell:\n\n  \
                  bash        mozzie completions bash > ~/.local/share/bash-completion/completions/mozzie\n              \
                  or in ~/.bashrc: source <(mozzie completions bash)\n  \
                  zsh         mozzie completions zsh > FOLDER/_mozzie, a folder of $fpath\n              \
                  or in ~/.zshrc, behind compinit: source <(mozzie completions zsh)\n  \
                  fish        mozzie completions fish > ~/.config/fish/completions/mozzie.fish\n  \
                  elvish      in rc.elv: eval (mozzie completions elvish | slurp)\n  \
                  PowerShell  in $PROFILE: mozzie completions powershell | Out-String | Invoke-Expression"
)]
pub struct CompletionsArgs {
    pub shell: Shell,
}

/// `mozzie complete`, which the scripts call.
#[derive(Debug, Args)]
#[command(hide = true)]
pub struct CompleteArgs {
    /// The word at the cursor, up to it
    #[arg(long, allow_hyphen_values = true, default_value = "")]
    pub word: OsString,
    /// The words before it, from the program's name on
    #[arg(last = true)]
    pub words: Vec<OsString>,
}

/// What a shell is to offer in place of the word at the cursor.
#[derive(Debug, PartialEq, Eq)]
pub enum Offer {
    /// One of these.
    Words(Vec<Candidate>),
    Files,
    Folders,
    /// Programs.
    Commands,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Candidate {
    pub word: String,
    /// What it means in a line, or nothing.
    pub help: String,
}

impl Candidate {
    fn new(word: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            word: word.into(),
            help: help.into(),
        }
    }
}

/// What may stand in place of `cursor` behind `words`, of which the first is the program's name. `profiles` is asked
/// for their names where one is meant.
pub fn offer(words: &[String], cursor: &str, profiles: impl FnOnce() -> Vec<String>) -> Offer {
    let mut line = Line::of(words.first().map_or("", String::as_str));
    for word in words.iter().skip(1) {
        line.step(word);
    }
    let mut offer = line.offer(cursor, profiles);
    if let Offer::Words(candidates) = &mut offer {
        candidates.retain(|candidate| candidate.word.starts_with(cursor));
    }
    offer
}

/// How far a command line has been read.
struct Line {
    command: clap::Command,
    /// Whose names count, when they are not mozzie's own.
    tool: Option<Tool>,
    /// The option that waits for its value, and the words that it has got.
    open: Option<(Arg, Vec<String>)>,
    operands: usize,
    /// Behind `--` all words are operands.
    options_ended: bool,
}

impl Line {
    fn of(program: &str) -> Self {
        let tool = match Dialect::called_as(Some(program.as_ref())) {
            Dialect::Native => None,
            Dialect::Mosquitto(tool) => Some(tool),
        };
        let mut command = super::command();
        command.build();
        let verb = tool.and_then(|tool| {
            command.find_subcommand(match tool {
                Tool::Pub => "pub",
                Tool::Sub => "sub",
                Tool::Rr => "rr",
            })
        });
        if let Some(verb) = verb.cloned() {
            command = verb;
        }
        Self {
            command,
            tool,
            open: None,
            operands: 0,
            options_ended: false,
        }
    }

    fn step(&mut self, word: &str) {
        if let Some((option, words)) = &mut self.open {
            words.push(word.to_owned());
            if words.len() >= words_wanted(option, words) {
                self.open = None;
            }
        } else if !self.options_ended && word == "--" {
            self.options_ended = true;
        } else if !self.options_ended && word.starts_with('-') {
            let option = spelling::awaiting_value(&self.command, word);
            self.open = option.map(|option| (option.clone(), Vec::new()));
        } else if let Some(verb) = self.command.find_subcommand(word) {
            self.command = verb.clone();
        } else {
            self.operands += 1;
        }
    }

    fn offer(&self, cursor: &str, profiles: impl FnOnce() -> Vec<String>) -> Offer {
        if let Some((option, words)) = &self.open {
            return value::offer(option, words, profiles);
        }
        if !self.options_ended && cursor.starts_with('-') {
            let attached = cursor
                .strip_prefix("--")
                .and_then(|rest| rest.split_once('='));
            return match attached {
                Some((name, _)) => self.attached_value(name, profiles),
                None => Offer::Words(self.options(cursor)),
            };
        }
        if self.command.has_subcommands() {
            let verbs = self.command.get_subcommands();
            let shown = verbs.filter(|verb| !verb.is_hide_set());
            return Offer::Words(
                shown
                    .map(|verb| Candidate::new(verb.get_name(), first_line(verb.get_about())))
                    .collect(),
            );
        }
        match self.command.get_positionals().nth(self.operands) {
            Some(operand) => value::offer(operand, &[], profiles),
            None if self.options_ended => Offer::Words(Vec::new()),
            None => Offer::Words(self.options(cursor)),
        }
    }

    /// The value in `--name=value`; its candidates have the name before them.
    fn attached_value(&self, name: &str, profiles: impl FnOnce() -> Vec<String>) -> Offer {
        let option = spelling::long(&self.command, name).filter(|arg| arg.get_id() != property::ID);
        let Some(option) = option else {
            return Offer::Words(Vec::new());
        };
        let mut offer = value::offer(option, &[], profiles);
        if let Offer::Words(candidates) = &mut offer {
            for candidate in candidates {
                candidate.word.insert_str(0, &format!("--{name}="));
            }
        }
        offer
    }

    /// Long names, and the short ones where one may be meant or there is no other.
    fn options(&self, cursor: &str) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for arg in self.command.get_arguments() {
            if arg.is_hide_set() || arg.is_positional() {
                continue;
            }
            let help = first_line(arg.get_help());
            let short = arg.get_short().map(|letter| format!("-{letter}"));
            let short = short.filter(|name| self.is_known(name));
            let aliases = arg.get_visible_aliases().unwrap_or_default();
            let mut longs = arg
                .get_long()
                .into_iter()
                .chain(aliases)
                .map(|name| format!("--{name}"));
            let long = longs.find(|name| self.is_known(name));
            if let Some(short) = short.filter(|_| cursor == "-" || long.is_none()) {
                candidates.push(Candidate::new(short, help.clone()));
            }
            candidates.extend(long.map(|long| Candidate::new(long, help)));
        }
        candidates
    }

    fn is_known(&self, name: &str) -> bool {
        self.tool
            .is_none_or(|tool| table::find(tool, name).is_some())
    }
}

/// How many words make the value of an option that has got these.
fn words_wanted(option: &Arg, words: &[String]) -> usize {
    let is_user_property = |name: &String| name.eq_ignore_ascii_case(property::USER_PROPERTY);
    match option.get_id() == property::ID {
        true if words.get(1).is_some_and(is_user_property) => property::WORDS + 1,
        true => property::WORDS,
        false => 1,
    }
}

fn first_line(help: Option<&clap::builder::StyledStr>) -> String {
    let text = help.map(ToString::to_string).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words offered at the end of a line, which is split at blanks.
    fn words(line: &str) -> Vec<String> {
        match at_end(line) {
            Offer::Words(candidates) => candidates.into_iter().map(|c| c.word).collect(),
            other => panic!("{line}: {other:?}"),
        }
    }

    fn at_end(line: &str) -> Offer {
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let cursor = words.pop().unwrap();
        offer(&words, &cursor, || {
            vec!["home".to_owned(), "work".to_owned()]
        })
    }

    #[test]
    fn values_of_options_are_offered_where_they_stand() {
        for (line, wanted) in [
            ("mozzie b", &["bench", "broker"][..]),
            ("mozzie pub -V ", &["31", "311", "5"]),
            ("mozzie pub -V 3", &["31", "311"]),
            ("mozzie pub -rq ", &["0", "1", "2"]),
            (
                "mozzie pub --will-qos=",
                &["--will-qos=0", "--will-qos=1", "--will-qos=2"],
            ),
            ("mozzie sub --json=p", &["--json=parsed"]),
            ("mozzie sub --retain-h", &["--retain-handling"]),
            ("mozzie sub --retain-handling n", &["new", "never"]),
            ("mozzie sub --tls-version ", &["tlsv1.2", "tlsv1.3"]),
            ("mozzie sub --retry ", &["forever", "0"]),
            ("mozzie sub --profile ", &["home", "work", "none"]),
            ("mozzie profile show ", &["home", "work"]),
            ("mozzie profile ", &["list", "show", "check"]),
            ("mozzie completions z", &["zsh"]),
            ("mozzie pub -t ", &[]),
            ("mozzie pub -m -V --qu", &["--quiet"]),
            ("mozzie pub -m -- --qu", &["--quiet"]),
            ("mozzie pub -m x -- --qu", &[]),
            ("mozzie pub nothing --qu", &["--quiet"]),
        ] {
            assert_eq!(words(line), wanted, "{line}");
        }
    }

    #[test]
    fn files_folders_and_commands_are_left_to_the_shell() {
        for (line, wanted) in [
            ("mozzie pub -f ", Offer::Files),
            ("mozzie pub --cafile=a", Offer::Files),
            ("mozzie sub --capath ", Offer::Folders),
            ("mozzie sub --output-dir ", Offer::Folders),
            ("mozzie link ", Offer::Folders),
            ("mozzie sub --exec ", Offer::Commands),
            ("mozzie sub --password-command ", Offer::Commands),
            ("mosquitto_pub --cert ", Offer::Files),
            ("/usr/bin/mosquitto_sub --capath ", Offer::Folders),
        ] {
            assert_eq!(at_end(line), wanted, "{line}");
        }
    }

    #[test]
    fn properties_are_offered_word_by_word() {
        for (line, wanted) in [
            (
                "mozzie pub -D ",
                &[
                    "connect",
                    "publish",
                    "subscribe",
                    "unsubscribe",
                    "disconnect",
                    "will",
                ][..],
            ),
            ("mozzie pub -D w", &["will"]),
            (
                "mozzie pub -D publish co",
                &["content-type", "correlation-data"],
            ),
            (
                "mozzie pub -D connect request-p",
                &["request-problem-information"],
            ),
            ("mozzie sub -D publish sub", &[]),
            ("mozzie sub -D subscribe sub", &["subscription-identifier"]),
            (
                "mozzie pub -D publish payload-format-indicator ",
                &["0", "1"],
            ),
            ("mozzie pub -D publish user-property ", &[]),
            ("mozzie pub -D publish user-property -a --qu", &[]),
            (
                "mozzie pub -D publish user-property -a -b --qu",
                &["--quiet"],
            ),
            ("mosquitto_rr -D nothing ", &[]),
        ] {
            assert_eq!(words(line), wanted, "{line}");
        }
    }

    #[test]
    fn the_names_of_mosquitto_have_its_options_alone() {
        assert_eq!(words("mosquitto_pub --rep"), ["--repeat", "--repeat-delay"]);
        assert_eq!(words("mosquitto_sub --rep"), [""; 0]);
        assert_eq!(words("mosquitto_sub --json"), [""; 0]);
        assert_eq!(words("mosquitto_sub -V m"), [""; 0]);
        assert_eq!(words("mosquitto_sub -V 5"), ["5"]);
        assert!(words("mosquitto_sub ").contains(&"-W".to_owned()));
        assert!(!words("mosquitto_sub -").contains(&"--timeout".to_owned()));
        assert!(words("mosquitto_pub -").contains(&"--pw".to_owned()));
    }

    #[test]
    fn no_word_panics_and_every_option_of_every_verb_can_be_offered() {
        for verb in super::super::Command::NAMES {
            let offered = words(&format!("mozzie {verb} -"));
            assert!(offered.contains(&"--help".to_owned()), "{verb}");
            for option in offered {
                at_end(&format!("mozzie {verb} {option} "));
                at_end(&format!("mozzie {verb} {option}="));
            }
        }
        for line in ["", " ", "mozzie", "mozzie é -é", "mosquitto_pub é -D é é é"] {
            at_end(line);
        }
    }
}
