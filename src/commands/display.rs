//! Output options → how messages are shown.

use std::ffi::OsStr;
use std::io::{self, IsTerminal};
use std::os::unix::ffi::OsStrExt;
use std::time::Instant;

use crate::cli::subscribe::{JsonForm, OutputArgs, SubscribeArgs};
use crate::cli::values::When;
use crate::dialect::Dialect;
use crate::error::Error;
use crate::net::{Address, Endpoint};
use crate::output::format::{JsonDialect, Layout, Template};
use crate::output::message::{Format, Printer};
use crate::output::{Display, Lines, Palette, Rate, Table};

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
    let printer = Printer::new(format(&args.output, args.debug.color, dialect)?);
    Ok(match (watch, &broker.address) {
        (false, _) => Display::Messages(printer),
        (true, Address::Tcp(tcp)) => Display::Lines(Lines::new(), tcp.host.to_string(), printer),
        (true, Address::Unix(path)) => {
            Display::Lines(Lines::new(), path.display().to_string(), printer)
        }
    })
}

/// How a message is printed on stdout, where a terminal must be kept from acting on what it is shown.
pub fn format(args: &OutputArgs, color: When, dialect: Dialect) -> Result<Format, Error> {
    let visible = io::stdout().is_terminal() && !args.raw;
    let palette = match dialect {
        Dialect::Native => Palette::stdout(color.forced()),
        Dialect::Mosquitto(_) => Palette::OFF,
    };
    format_with(args, dialect, visible, palette)
}

/// How a message is written where no terminal is.
pub fn plain_format(args: &OutputArgs, dialect: Dialect) -> Result<Format, Error> {
    format_with(args, dialect, false, Palette::OFF)
}

fn format_with(
    args: &OutputArgs,
    dialect: Dialect,
    visible: bool,
    palette: Palette,
) -> Result<Format, Error> {
    let newline = !args.no_newline;
    let layout = match args.pretty {
        false => Layout::Line,
        true => Layout::Pretty,
    };
    if let Some(format) = &args.format {
        let json = match dialect {
            Dialect::Native => JsonDialect::Native(layout),
            Dialect::Mosquitto(_) => JsonDialect::Mosquitto(layout),
        };
        let template = template("-F", format, json)?;
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
            palette,
        },
    })
}

/// What was typed for an option that takes the language of `-F`.
pub fn template(option: &str, typed: &OsStr, json: JsonDialect) -> Result<Template, Error> {
    Template::parse(typed.as_bytes(), json).map_err(|e| {
        Error::usage(
            format!(
                "{option} '{}': {}",
                typed.display(),
                e.describe(typed.as_bytes())
            ),
            "a % stands for itself as %%, an @ as @@, a \\ as \\\\",
        )
    })
}
