//! `mozzie profile`: what the configuration file has.

use crate::cli;
use crate::cli::profile::file::{self, ConfigFile};
use crate::cli::profile::{ProfileAction, ProfileCommandArgs, chosen, effective, no_file, option};
use crate::error::Error;
use crate::output::{self, Diagnostics};

pub fn run(args: &ProfileCommandArgs, diagnostics: &Diagnostics) -> Result<(), Error> {
    let file = ConfigFile::open()?;
    match &args.action {
        ProfileAction::List => list(file.as_ref()),
        ProfileAction::Show { name } => show(name.as_deref(), file.as_ref()),
        ProfileAction::Check => check(file.as_ref(), diagnostics),
    }
}

fn list(file: Option<&ConfigFile>) -> Result<(), Error> {
    let mut text = String::new();
    for name in file.map_or(Ok(Vec::new()), ConfigFile::names)? {
        text.push_str(&name);
        text.push('\n');
    }
    output::print(text.as_bytes())
}

fn show(name: Option<&str>, file: Option<&ConfigFile>) -> Result<(), Error> {
    let name = chosen(name, file)?.ok_or_else(|| {
        Error::usage(
            "no profile is chosen",
            "name one; 'mozzie profile list' shows those there are",
        )
    })?;
    let file = file.ok_or_else(|| no_file(&name))?;
    let settings = file.profile(&name, &option::all())?;
    output::print(effective::render_profile(&settings).as_bytes())
}

/// Each mistake is an error of its own; the last one is the command's.
fn check(file: Option<&ConfigFile>, diagnostics: &Diagnostics) -> Result<(), Error> {
    let Some(file) = file else {
        let path = file::path().unwrap_or_default();
        return output::print(format!("{}: not there\n", path.display()).as_bytes());
    };
    let options = option::all();
    let mut problems = file.problems(&options);
    for name in file.names().unwrap_or_default() {
        // Where the keys of a profile are wrong, its values cannot be judged.
        if file.profile(&name, &options).is_ok() {
            problems.extend(cli::check_profile(&name, file).err());
        }
    }
    if let Some(last) = problems.pop() {
        for problem in &problems {
            diagnostics.error(problem);
        }
        return Err(last);
    }
    let count = match file.names()?.len() {
        1 => "1 profile".to_owned(),
        count => format!("{count} profiles"),
    };
    output::print(format!("{}: {count}, no mistakes\n", file.path().display()).as_bytes())
}
