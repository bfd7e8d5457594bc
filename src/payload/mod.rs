//! Where the bytes of messages come from.

mod feed;
mod lines;
mod source;

pub use feed::Feed;
pub use source::{Source, stdin_metadata};
