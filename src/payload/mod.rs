//! Where the bytes of messages come from.

mod lines;
pub mod source;

pub use source::Source;
