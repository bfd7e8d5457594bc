//! `mozzie link`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Called by one of these names, mozzie speaks that program's command line: its options, \
                        option files, texts and exit codes."
)]
pub struct LinkArgs {
    /// Folder to make the links in
    #[arg(value_hint = clap::ValueHint::DirPath)]
    pub dir: PathBuf,
    /// Replace files that are there already
    #[arg(long)]
    pub force: bool,
}
