//! Where messages come from: bytes of the command line, files and stdin, and what they mean.

mod error;
mod feed;
pub mod json_line;
mod lines;
mod messages;
mod source;
mod topic_map;

pub use error::InputError;
pub use feed::Feed;
pub use messages::{Form, Messages, Options};
pub use source::{Source, Stream, stdin};
pub use topic_map::{TopicMap, TopicMaps};
