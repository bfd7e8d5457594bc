//! mozzie: MQTT at the shell.

fn main() {}
