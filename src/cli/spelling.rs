//! Which option of a command a word spells, by clap's definitions but without clap's parser.

use clap::{Arg, ArgAction};

/// The option whose value is the next word: `--topic`, `-t`, or a cluster such as `-rt`.
pub fn awaiting_value<'a>(command: &'a clap::Command, word: &str) -> Option<&'a Arg> {
    match word.strip_prefix("--") {
        Some(name) => long(command, name).filter(|arg| takes_value(arg)),
        None => last_of_cluster(command, word),
    }
}

pub fn long<'a>(command: &'a clap::Command, name: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|arg| {
        let aliases = || arg.get_all_aliases().unwrap_or_default();
        arg.get_long() == Some(name) || aliases().contains(&name)
    })
}

fn takes_value(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)
        && arg
            .get_num_args()
            .is_none_or(|range| range.min_values() > 0)
}

/// Of letters behind one hyphen the first that takes a value ends the options; what follows is its value.
fn last_of_cluster<'a>(command: &'a clap::Command, word: &str) -> Option<&'a Arg> {
    let mut letters = word.strip_prefix('-')?.chars();
    while let Some(letter) = letters.next() {
        let option = command
            .get_arguments()
            .find(|arg| arg.get_short() == Some(letter))?;
        if takes_value(option) {
            return letters.as_str().is_empty().then_some(option);
        }
    }
    None
}
