//! `mozzie link`: the names of mosquitto's clients as links to this program.

use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::cli::link::LinkArgs;
use crate::dialect::Tool;
use crate::error::Error;

pub fn run(args: &LinkArgs) -> Result<(), Error> {
    let program =
        std::env::current_exe().map_err(|e| Error::io("cannot find out where mozzie is", e))?;
    if !args.dir.is_dir() {
        let hint = match args.dir.exists() {
            true => "name the folder that the links are to lie in".to_owned(),
            false => format!("make it first: mkdir -p '{}'", args.dir.display()),
        };
        return Err(Error::usage(
            format!("'{}' is not a folder", args.dir.display()),
            hint,
        ));
    }
    let links = Tool::ALL.map(|tool| args.dir.join(tool.name()));
    // All or none: looked at before the first is made.
    if let Some(folder) = links.iter().find(|link| is_folder(link)) {
        return Err(Error::usage(
            format!("'{}' is a folder", folder.display()),
            "it is not replaced, not even with --force; move it away",
        ));
    }
    if !args.force
        && let Some(taken) = links.iter().find(|link| is_other(link, &program))
    {
        return Err(Error::usage(
            format!("'{}' is there already", taken.display()),
            "--force replaces it",
        ));
    }
    for link in links.iter().filter(|link| !is_ours(link, &program)) {
        make(link, &program)
            .map_err(|e| Error::io(format!("cannot make the link '{}'", link.display()), e))?;
    }
    Ok(())
}

fn is_ours(link: &Path, program: &Path) -> bool {
    std::fs::read_link(link).is_ok_and(|target| target == program)
}

fn is_other(link: &Path, program: &Path) -> bool {
    link.symlink_metadata().is_ok() && !is_ours(link, program)
}

fn is_folder(link: &Path) -> bool {
    link.symlink_metadata().is_ok_and(|data| data.is_dir())
}

/// Puts the link in place of what is there in one step, so that the name is never without a program.
fn make(link: &Path, program: &Path) -> io::Result<()> {
    let mut beside = link.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    symlink(program, &beside)?;
    std::fs::rename(&beside, link).inspect_err(|_| {
        let _ = std::fs::remove_file(&beside);
    })
}
