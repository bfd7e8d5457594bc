//! mozzie: MQTT at the shell.
#[allow(dead_code, unused_imports)]
mod bench;
#[allow(dead_code)]
mod mqtt;

fn main() {}
