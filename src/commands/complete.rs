//! Completion: the scripts that shells read, and what those ask at each TAB.

use crate::cli::completion::{self, CompleteArgs, Offer, Shell};
use crate::cli::profile::file::ConfigFile;
use crate::error::Error;
use crate::output;

/// Prints a shell's script, which is the file below `completions/`.
pub fn script(shell: Shell) -> Result<(), Error> {
    output::print(match shell {
        Shell::Bash => include_bytes!("../../completions/mozzie.bash"),
        Shell::Zsh => include_bytes!("../../completions/_mozzie"),
        Shell::Fish => include_bytes!("../../completions/mozzie.fish"),
        Shell::Elvish => include_bytes!("../../completions/mozzie.elv"),
        Shell::Powershell => include_bytes!("../../completions/mozzie.ps1"),
    })
}

/// Prints a line with the kind of the offer, then each candidate, a tab and what it means.
pub fn offer(args: &CompleteArgs) -> Result<(), Error> {
    let words: Vec<String> = args
        .words
        .iter()
        .map(|w| w.to_string_lossy().into_owned())
        .collect();
    let text = match completion::offer(&words, &args.word.to_string_lossy(), profile_names) {
        Offer::Files => "files\n".to_owned(),
        Offer::Folders => "folders\n".to_owned(),
        Offer::Commands => "commands\n".to_owned(),
        Offer::Words(candidates) => candidates
            .iter()
            .fold("words\n".to_owned(), |text, candidate| {
                text + &candidate.word + "\t" + &candidate.help + "\n"
            }),
    };
    output::print(text.as_bytes())
}

/// None where the file cannot be read: completing is no time for errors.
fn profile_names() -> Vec<String> {
    let file = ConfigFile::open().ok().flatten();
    file.and_then(|file| file.names().ok()).unwrap_or_default()
}
