//! mozzie: MQTT at the shell. Parse, run, exit code: the only place that exits.

mod bench;
mod broker;
mod cli;
mod client;
mod commands;
mod error;
mod mqtt;
mod net;
mod output;
mod payload;
mod signal;

use std::process::ExitCode;

use cli::Parsed;

fn main() -> ExitCode {
    let result = match cli::parse(std::env::args_os()) {
        Ok(Parsed::Run(command)) => commands::run(command),
        Ok(Parsed::Print(text)) => output::print(text.as_bytes()),
        Err(error) => Err(error),
    };
    match result {
        // Not a return: a thread that still reads stdin must not keep the process.
        Ok(()) => std::process::exit(0),
        Err(error) => {
            output::Diagnostics::new().error(&error);
            std::process::exit(i32::from(error.exit_code()))
        }
    }
}
