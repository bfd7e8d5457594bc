//! What `rr` is to ask: from what was typed to what can be run.

use std::time::Duration;

use bytes::Bytes;

use crate::cli::request::{DEFAULT_JOBS, RequestArgs, ServeArgs};
use crate::client::{ConnectionPlan, Reconnect};
use crate::commands::subscription::Subscriptions;
use crate::commands::{connect, display, input};
use crate::dialect::Dialect;
use crate::error::Error;
use crate::mqtt::Version;
use crate::mqtt::codec;
use crate::mqtt::packet::{Message, RetainHandling, Subscription};
use crate::mqtt::properties::{Place, Properties, Property, PropertyId, Value};
use crate::mqtt::text::Text;
use crate::output::message::Format;
use crate::payload::Feed;

/// What a reply is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Correlation {
    /// Data of its own for each request.
    Random,
    /// What the user gave with `-D`, for all requests.
    Fixed(Bytes),
    /// Only by the topic, before MQTT 5.
    None,
    /// By nothing: to mosquitto_rr the first message that comes is the reply.
    First,
}

impl Correlation {
    pub(super) fn next(&self) -> Option<Bytes> {
        match self {
            // Text, so that it survives responders that take it for text, and reads well in a trace.
            Self::Random => Some(format!("{:032x}", fastrand::u128(..)).into()),
            Self::Fixed(data) => Some(data.clone()),
            Self::None | Self::First => None,
        }
    }
}

/// What `rr` is to ask, checked.
pub struct AskPlan {
    pub(super) connection: ConnectionPlan,
    pub(super) subscriptions: Subscriptions,
    pub(super) response_topic: Text,
    /// Every request, but for its payload and its correlation data.
    pub(super) template: Message,
    pub(super) correlation: Correlation,
    pub(super) feed: Feed,
    /// Requests come from the lines of stdin.
    pub(super) many: bool,
    /// Requests that may wait at once.
    pub(super) window: usize,
    pub(super) replies: u64,
    pub(super) timeout: Option<Duration>,
    pub(super) latency: bool,
    /// A retained message is no reply.
    pub(super) no_retained: bool,
    pub(super) format: Format,
    pub(super) disconnect: Properties,
}

pub fn plan(args: RequestArgs, dialect: Dialect) -> Result<AskPlan, Error> {
    only_with_serve(&args.serve)?;
    let exchange = &args.exchange;
    let url = args.connection.broker.url.as_ref();
    if let [_, second, ..] = exchange.topics.as_slice() {
        return Err(Error::usage(
            format!("-t '{second}': a request goes to one topic"),
            "leave out all -t but one; only --serve takes several",
        ));
    }
    let topic = connect::one_topic(exchange.topics.first().map(String::as_str), url)?;
    let version = connect::version_or(Version::V5, &args.connection, &[])?;
    let properties = &args.connection.properties;
    connect::no_properties_of("rr", properties, &[Place::Unsubscribe])?;
    let mut request_properties = properties.of(Place::Publish);
    let in_properties = request_properties.text(PropertyId::ResponseTopic).cloned();
    let response_topic = match (&exchange.response_topic, &in_properties) {
        (Some(_), Some(_)) => {
            return Err(Error::usage(
                "-e and -D publish response-topic say the same thing",
                "leave one of them out",
            ));
        }
        (Some(typed), None) => connect::topic_name("-e", typed)?,
        (None, Some(topic)) => topic.clone(),
        (None, None) if version.has_properties() => {
            connect::text("-e", &format!("mozzie/rr/{:032x}", fastrand::u128(..)))?
        }
        (None, None) => {
            return Err(Error::usage(
                format!("a request of MQTT {version} cannot say where its reply is to go"),
                "give the topic on which it will come with -e, or leave out -V",
            ));
        }
    };
    if response_topic == topic && dialect.is_native() {
        return Err(Error::usage(
            format!("'{topic}' cannot be both the request's topic and the reply's"),
            "give another topic with -e, or none",
        ));
    }
    let correlation = match request_properties.get(PropertyId::CorrelationData) {
        _ if !dialect.is_native() => Correlation::First,
        Some(Value::Binary(data)) => Correlation::Fixed(data.clone()),
        _ if version.has_properties() => Correlation::Random,
        _ => Correlation::None,
    };
    if version.has_properties() && in_properties.is_none() {
        let value = Value::Text(response_topic.clone());
        add(&mut request_properties, PropertyId::ResponseTopic, value)?;
    }
    // Replies that cannot be told apart must come one after the other.
    let window = match correlation {
        Correlation::Random => usize::from(args.replies.window),
        Correlation::Fixed(_) | Correlation::None | Correlation::First => 1,
    };
    // mosquitto_rr's request has what the user gave, and nothing else.
    if correlation != Correlation::First {
        request_properties = request_properties.without(PropertyId::CorrelationData);
    }
    let mut connection = connect::plan(&args.connection, version, dialect)?;
    if !dialect.is_native() {
        connection.reconnect = Reconnect::Never;
    }
    let many = args.input.stdin_lines;
    let template = Message {
        topic,
        payload: Bytes::new(),
        qos: exchange.qos,
        retain: false,
        properties: request_properties,
    };
    let mut example = template.clone();
    if let Some(data) = correlation.next() {
        add(
            &mut example.properties,
            PropertyId::CorrelationData,
            Value::Binary(data),
        )?;
    }
    let longest = codec::longest_payload(version, &example);
    Ok(AskPlan {
        subscriptions: Subscriptions::new(
            vec![Subscription {
                retain_as_published: args.replies.retain_as_published,
                retain_handling: args
                    .replies
                    .retain_handling
                    .map_or(RetainHandling::Always, Into::into),
                ..crate::commands::request::subscription(response_topic.clone(), exchange.qos)
            }],
            properties.of(Place::Subscribe),
        ),
        response_topic,
        feed: Feed::new(input::source(args.input, longest, 1, Duration::ZERO)?),
        template,
        correlation,
        many,
        window,
        replies: args.replies.replies,
        timeout: exchange.timeout.map(|span| span.0),
        latency: args.replies.latency,
        no_retained: dialect.is_native() || args.replies.no_retained,
        format: display::format(&args.output, args.debug.color, dialect)?,
        disconnect: properties.of(Place::Disconnect),
        connection,
    })
}

/// Refuses options that mean nothing without `--serve`. clap cannot: what the mode conflicts with, such
/// as `-m`, makes it forget that they need it.
fn only_with_serve(serve: &ServeArgs) -> Result<(), Error> {
    let typed = [
        ("--exec", serve.exec.is_some()),
        ("--jobs", serve.jobs != DEFAULT_JOBS),
        ("-C", serve.count.is_some()),
    ];
    match typed.iter().find(|(_, typed)| *typed) {
        None => Ok(()),
        Some((option, _)) => Err(Error::usage(
            format!("{option} is for answering requests, with --serve"),
            format!("add --serve, or leave out {option}"),
        )),
    }
}

/// Adds a property to a PUBLISH that does not have it yet.
pub(super) fn add(properties: &mut Properties, id: PropertyId, value: Value) -> Result<(), Error> {
    Property::new(id, value)
        .and_then(|property| properties.push(Place::Publish, property))
        .map_err(|e| Error::usage(e.to_string(), ""))
}
