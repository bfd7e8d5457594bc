//! What `sub` is to do: from what was typed to what can be run, its files opened.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::destination::DestinationPlan;
use super::exec::CommandPlan;
use crate::cli::subscribe::{OnError, OutputArgs, SubscribeArgs};
use crate::client::{ConnectionPlan, Reconnect};
use crate::commands::subscription::Subscriptions;
use crate::commands::{connect, display};
use crate::dialect::Dialect;
use crate::error::Error;
use crate::mqtt::QoS;
use crate::mqtt::packet::{RetainHandling, Subscription};
use crate::mqtt::properties::{Place, Properties};
use crate::mqtt::text::Text;
use crate::net::io_reason;
use crate::output::format::{JsonDialect, Layout};
use crate::output::message::Format;
use crate::output::{AppendFile, Folder};

/// What files are called: after their topic.
const DEFAULT_NAME: &str = "%t";

/// What `sub` is to do, checked.
pub struct SubscribePlan {
    pub connection: ConnectionPlan,
    pub subscriptions: Subscriptions,
    pub unsubscribe: Vec<Text>,
    pub unsubscribe_properties: Properties,
    pub disconnect: Properties,
    pub filter_out: Vec<Text>,
    pub retained: Retained,
    pub remove_retained: bool,
    /// A subscription that is refused is the end.
    pub strict: bool,
    pub stop: Stop,
    /// Of the messages that count, how many in a hundred are printed.
    pub random_percent: Option<f64>,
}

/// Which messages count, by their retain flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retained {
    All,
    None,
    /// Until all have come; under mosquitto's name until the first that is not.
    Only,
}

#[derive(Debug, Clone, Copy)]
pub struct Stop {
    pub count: Option<u64>,
    pub timeout: Option<Duration>,
    /// How long nothing may come.
    pub idle: Option<Duration>,
    pub after_suback: bool,
}

pub fn plan(
    args: SubscribeArgs,
    dialect: Dialect,
) -> Result<(SubscribePlan, DestinationPlan), Error> {
    let retained = &args.retained;
    let version = connect::version(
        &args.connection,
        &[
            ("--no-local", args.subscription.no_local),
            ("--retain-as-published", retained.retain_as_published),
            ("--retain-handling", retained.retain_handling.is_some()),
        ],
    )?;
    let filters = connect::filters(
        &args.subscription.topics,
        args.connection.broker.url.as_ref(),
    )?;
    let list = |option: &str, typed: &[String]| -> Result<Vec<Text>, Error> {
        typed
            .iter()
            .map(|filter| connect::topic_filter(option, filter))
            .collect()
    };
    let unsubscribe = list("-U", &args.subscription.unsubscribe)?;
    if filters.is_empty() && unsubscribe.is_empty() {
        return Err(Error::usage(
            "no topic filter given",
            "give one with -t, such as -t 'home/#'",
        ));
    }
    let shared = filters
        .iter()
        .find(|filter| filter.as_str().starts_with("$share/"));
    if let (true, Some(filter)) = (args.subscription.no_local, shared) {
        // [MQTT-3.8.3-4]
        return Err(Error::usage(
            format!("--no-local cannot go with the shared subscription '{filter}'"),
            "leave out --no-local",
        ));
    }
    let properties = &args.connection.properties;
    if !properties.of(Place::Publish).is_empty() {
        return Err(Error::usage(
            "-D publish: sub publishes no messages of its own",
            "leave it out",
        ));
    }
    let subscriptions = filters
        .into_iter()
        .map(|filter| Subscription {
            filter,
            qos: args.subscription.qos,
            no_local: args.subscription.no_local,
            retain_as_published: retained.retain_as_published,
            retain_handling: retained
                .retain_handling
                .map_or(RetainHandling::Always, Into::into),
        })
        .collect();
    let mut connection = connect::plan(&args.connection, version, dialect)?;
    if !dialect.is_native() {
        connection.reconnect = Reconnect::WhenReached;
    }
    let plan = SubscribePlan {
        subscriptions: Subscriptions::new(subscriptions, properties.of(Place::Subscribe)),
        unsubscribe,
        unsubscribe_properties: properties.of(Place::Unsubscribe),
        disconnect: properties.of(Place::Disconnect),
        filter_out: list("-T", &args.subscription.filter_out)?,
        retained: match (retained.no_retained, retained.retained_only) {
            (true, _) => Retained::None,
            (_, true) => Retained::Only,
            _ => Retained::All,
        },
        remove_retained: retained.remove_retained,
        stop: Stop {
            count: args.stop.count,
            timeout: args.stop.timeout.map(|span| span.0),
            idle: args.stop.idle_timeout.map(|span| span.0),
            after_suback: args.stop.exit_after_suback,
        },
        strict: args.subscription.strict,
        random_percent: args.subscription.random_filter.map(|percent| percent.0),
        connection,
    };
    // Last, for it may make files.
    let destination = destination(&args, &plan.connection, dialect)?;
    Ok((plan, destination))
}

/// Opens what messages go to.
fn destination(
    args: &SubscribeArgs,
    connection: &ConnectionPlan,
    dialect: Dialect,
) -> Result<DestinationPlan, Error> {
    let typed = &args.destination;
    if let Some(command) = &typed.exec {
        let on_error = typed.on_error.unwrap_or(OnError::Stop);
        let kept = !connection.settings.clean_start && args.subscription.qos != QoS::AtMostOnce;
        if on_error == OnError::Leave && !kept {
            return Err(Error::usage(
                "--on-error leave: the broker would not keep what is left",
                "add -q 1 and a session that it keeps: -i NAME -c",
            ));
        }
        return Ok(DestinationPlan::Commands(CommandPlan {
            command: command.as_str().into(),
            jobs: usize::from(typed.jobs.unwrap_or(1)),
            on_error,
            format: match has_format(&args.output) {
                true => Some(whole(display::plain_format(&args.output, dialect)?)),
                false => None,
            },
        }));
    }
    let cannot = |option: &str, path: &Path, error: io::Error| {
        Error::usage(
            format!(
                "{option}: cannot write to '{}': {}",
                path.display(),
                io_reason(&error)
            ),
            "name a place where you may write",
        )
    };
    if let Some(path) = &typed.append {
        let format = display::plain_format(&args.output, dialect)?;
        let file = AppendFile::open(path, format.ends_lines());
        return Ok(DestinationPlan::Append {
            name: format!("'{}'", path.display()),
            file: file.map_err(|error| cannot("--append", path, error))?,
            format,
        });
    }
    if let Some(path) = &typed.output_dir {
        let names = typed
            .output_name
            .as_deref()
            .unwrap_or(OsStr::new(DEFAULT_NAME));
        let json = JsonDialect::Native(Layout::Line);
        return Ok(DestinationPlan::Files {
            name: format!("'{}'", path.display()),
            names: display::template("--output-name", names, json)?,
            format: whole(display::plain_format(&args.output, dialect)?),
            folder: Folder::open(path).map_err(|error| cannot("--output-dir", path, error))?,
        });
    }
    Ok(DestinationPlan::Stdout(display::plan(
        args,
        &connection.endpoint,
        dialect,
    )?))
}

fn has_format(args: &OutputArgs) -> bool {
    args.verbose || args.json.is_some() || args.format.is_some()
}

/// A format for one message that stands alone: a payload as it is.
fn whole(format: Format) -> Format {
    match format {
        Format::Raw {
            topic: false,
            visible,
            palette,
            ..
        } => Format::Raw {
            topic: false,
            newline: false,
            visible,
            palette,
        },
        other => other,
    }
}
