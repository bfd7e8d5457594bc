//! mozzie: MQTT at the shell.
#[allow(dead_code)]
mod mqtt;

// Nothing calls it yet; the line goes when the first command does.
#[allow(dead_code)]
mod net;

fn main() {}
