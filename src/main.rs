//! mozzie: MQTT at the shell.
#[allow(dead_code)]
mod mqtt;

fn main() {}
