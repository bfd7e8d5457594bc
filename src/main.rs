//! mozzie: MQTT at the shell. Parse, run, exit code: the only place that exits.

mod bench;
mod broker;
mod cli;
mod client;
mod commands;
mod dialect;
mod digits;
mod error;
mod net;
mod output;
mod payload;
mod signal;

use std::process::ExitCode;

use mozzie_mqtt as mqtt;

use cli::Parsed;
use dialect::Dialect;
use output::Diagnostics;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let dialect = Dialect::called_as(arguments.first().map(AsRef::as_ref));
    let mut diagnostics = Diagnostics::new(dialect);
    diagnostics.json(dialect.is_native() && cli::asks_for_json_errors(&arguments));
    let result = match cli::parse(arguments, dialect, commands::check_format) {
        Ok(Parsed::Run(command)) => {
            diagnostics.quiet(command.is_quiet());
            diagnostics.color(command.color());
            if dialect.is_native() && command.takes_settings() {
                warn_of_surroundings(&diagnostics);
            }
            commands::run(command, &diagnostics)
        }
        Ok(Parsed::ShowConfig(text)) => {
            warn_of_surroundings(&diagnostics);
            output::print(text.as_bytes())
        }
        Ok(Parsed::Print(text)) => match output::print(text.as_bytes()) {
            Ok(()) => std::process::exit(i32::from(dialect.help_exit_code())),
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    match result {
        // Not a return: a thread that still reads stdin must not keep the process.
        Ok(()) => std::process::exit(0),
        Err(error) => {
            diagnostics.error(&error);
            std::process::exit(i32::from(error.exit_code_in(dialect)))
        }
    }
}

fn warn_of_surroundings(diagnostics: &Diagnostics) {
    for warning in cli::profile::warnings() {
        diagnostics.warn(&warning);
    }
}
