//! Completion scripts and man pages, from the command line's own definition.

use std::path::Path;

use clap_complete::Shell;

use crate::cli;
use crate::error::Error;
use crate::output;

pub fn completions(shell: Shell) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), "mozzie", &mut script);
    output::print(&script)
}

pub fn man_pages(dir: &Path) -> Result<(), Error> {
    clap_mangen::generate_to(cli::command(), dir)
        .map_err(|e| Error::io(format!("cannot write man pages to '{}'", dir.display()), e))
}
