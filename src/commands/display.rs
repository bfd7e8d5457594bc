//! Output options → how messages are shown.

use std::io::{self, IsTerminal};
use std::os::unix::ffi::OsStrExt;
use std::time::Instant;

use crate::cli::subscribe::{JsonForm, OutputArgs, SubscribeArgs};
use crate::dialect::Dialect;
use crate::error::Error;
use crate::net::{Address, Endpoint};
use crate::output::format::{JsonDialect, Layout, Template};
use crate::output::message::{Format, Printer};
use crate::output::{Display, Lines, Rate, Table};

/// How messages are shown.
pub fn plan(args: &SubscribeArgs, broker: &Endpoint, dialect: Dialect) -> Result<Display, Error> {
    let now = Instant::now();
    if args.live.message_rate {
        return Ok(Display::Rate(Rate::new(now)));
    }
    let watch = args.live.watch;
    if watch && dialect.is_native() {
        if !io::stdout().is_terminal() {
            return Err(Error::usage(
                "--watch: stdout is no terminal",
                "leave it out; -v and --json print each message",
            ));
        }
        return Ok(Display::Table(Box::new(Table::new(
            broker.to_string(),
            now,
        ))));
    }
    let printer = Printer::new(format(&args.output, dialect)?);
    Ok(match (watch, &broker.address) {
        (false, _) => Display::Messages(printer),
        (true, Address::Tcp(tcp)) => Display::Lines(Lines::new(), tcp.host.to_string(), printer),
        (true, Address::Unix(path)) => {
            Display::Lines(Lines::new(), path.display().to_string(), printer)
        }
    })
}

/// How a message is printed.
pub fn format(args: &OutputArgs, dialect: Dialect) -> Result<Format, Error> {
    let newline = !args.no_newline;
    let visible = io::stdout().is_terminal();
    let layout = match args.pretty {
        false => Layout::Line,
        true => Layout::Pretty,
    };
    if let Some(format) = &args.format {
        let json = match dialect {
            Dialect::Native => JsonDialect::Native(layout),
            Dialect::Mosquitto(_) => JsonDialect::Mosquitto(layout),
        };
        let template = Template::parse(format.as_bytes(), json).map_err(|e| {
            Error::usage(
                format!(
                    "-F '{}': {}",
                    format.display(),
                    e.describe(format.as_bytes())
                ),
                "a % stands for itself as %%, an @ as @@, a \\ as \\\\",
            )
        })?;
        return Ok(Format::Template {
            template,
            newline,
            visible: visible && dialect.is_native(),
        });
    }
    Ok(match args.json {
        Some(form) => Format::Json {
            parsed: form == JsonForm::Parsed,
            layout,
        },
        None if args.pretty && dialect.is_native() => {
            return Err(Error::usage(
                "--pretty spreads JSON, and there is none",
                "add --json, or -F with %j or %J",
            ));
        }
        None => Format::Raw {
            topic: args.verbose,
            newline,
            visible,
        },
    })
}
