//! `mozzie man`: the man pages as files.

use crate::cli;
use crate::cli::manual::{ManArgs, page};
use crate::error::Error;

pub fn run(args: &ManArgs) -> Result<(), Error> {
    let mut root = cli::command();
    root.build();
    for (name, text) in page::all(&root) {
        let path = args.dir.join(name);
        std::fs::write(&path, text)
            .map_err(|e| Error::io(format!("cannot write '{}'", path.display()), e))?;
    }
    Ok(())
}
