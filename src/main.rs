//! mozzie: MQTT at the shell.
#[allow(dead_code, unused_imports)]
mod bench;
#[allow(dead_code)]
mod mqtt;
#[allow(dead_code)]
mod output {
    pub mod bench;
}

fn main() {}
