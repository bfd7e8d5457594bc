//! mozzie: MQTT at the shell.

// Nothing calls it yet; the line goes when the first command does.
#[allow(dead_code)]
mod net;

fn main() {}
