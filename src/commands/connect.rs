//! From connection options to a checked plan: everything that can be known before connecting is
//! found out here.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{endpoint, secret};
use crate::cli::connection::{ConnectionArgs, LoginArgs, RetryArgs};
use crate::cli::property::PropertyArgs;
use crate::cli::url::BrokerUrl;
use crate::cli::will::WillArgs;
use crate::client::{ConnectionPlan, Reconnect};
use crate::dialect::Dialect;
use crate::error::Error;
use crate::mqtt::packet::{Message, Secret};
use crate::mqtt::properties::{Place, Properties, Property, PropertyId, Value};
use crate::mqtt::session::{Identity, Settings};
use crate::mqtt::text::Text;
use crate::mqtt::{QoS, Version, topic};
use crate::net::{self, Backoff, Retry};
use crate::payload::stdin;

/// The version to speak: as typed, or 5 where one of `needs_5` was typed, or 3.1.1.
pub fn version(args: &ConnectionArgs, needs_5: &[(&str, bool)]) -> Result<Version, Error> {
    version_or(Version::V311, args, needs_5)
}

/// The same with another version for who typed nothing that decides.
pub fn version_or(
    default: Version,
    args: &ConnectionArgs,
    needs_5: &[(&str, bool)],
) -> Result<Version, Error> {
    let session = &args.session;
    let used = [
        ("-D", !args.properties.is_empty()),
        ("-x", session.session_expiry_interval.is_some()),
    ];
    let used = used.iter().chain(needs_5).find(|(_, used)| *used);
    match (session.protocol_version, used) {
        (Some(version), Some((option, _))) if version != Version::V5 => Err(Error::usage(
            format!("{option} needs MQTT 5, but -V says {version}"),
            format!("use -V 5, or leave out {option}"),
        )),
        (Some(version), _) => Ok(version),
        (None, Some(_)) => Ok(Version::V5),
        (None, None) => Ok(default),
    }
}

pub fn plan(
    args: &ConnectionArgs,
    version: Version,
    dialect: Dialect,
) -> Result<ConnectionPlan, Error> {
    cannot_do(args)?;
    let (username, password) = login(&args.login, args.broker.url.as_ref(), version)?;
    let will = will(&args.will, args.properties.of(Place::Will))?;
    let (clean_start, connect_properties) = session_life(args, version)?;
    let client_id = client_id(&args.login, version, dialect)?;
    let settings = Settings {
        version,
        clean_start,
        keep_alive: Duration::from_secs(u64::from(args.session.keep_alive)),
        will,
        connect_properties,
        max_in_flight: args.session.max_in_flight,
        connack_timeout: args.broker.connect_timeout.0,
        alias_topics: false,
        any_alias: !dialect.is_native(),
    };
    let is_typed = args.login.id.is_some() || args.login.id_prefix.is_some();
    Ok(ConnectionPlan {
        endpoint: endpoint::plan(args, dialect)?,
        typed_id: is_typed.then(|| client_id.clone()),
        settings: Arc::new(settings),
        identity: Identity {
            client_id,
            username,
            password,
        },
        wait_for_broker: args.broker.wait_for_broker.map(|span| span.0),
        retry: match dialect {
            Dialect::Native => retry(&args.retry)?,
            Dialect::Mosquitto(_) => Retry {
                limit: None,
                backoff: Backoff::EVERY_SECOND,
            },
        },
        reconnect: Reconnect::default(),
    })
}

fn retry(args: &RetryArgs) -> Result<Retry, Error> {
    let normal = Backoff::default();
    let typed = (args.retry_delay, args.retry_max_delay);
    let (first, longest) = match (typed.0.map(|span| span.0), typed.1.map(|span| span.0)) {
        (Some(first), Some(longest)) if first > longest => {
            return Err(Error::usage(
                "--retry-delay is longer than --retry-max-delay",
                "the pauses grow from the one to the other",
            ));
        }
        (Some(first), None) => (first, normal.longest.max(first)),
        (None, Some(longest)) => (normal.first.min(longest), longest),
        (first, longest) => (
            first.unwrap_or(normal.first),
            longest.unwrap_or(normal.longest),
        ),
    };
    Ok(Retry {
        limit: args.retry.0,
        backoff: Backoff {
            first,
            longest,
            ..normal
        },
    })
}

/// Options that are understood and cannot be followed.
fn cannot_do(args: &ConnectionArgs) -> Result<(), Error> {
    let tls = &args.tls;
    if tls.no_tls && tls.is_used() {
        return Err(Error::usage(
            "--no-tls cannot go with the TLS options",
            "leave out --no-tls, or the others",
        ));
    }
    let refuse = |what: &str, hint: &str| Err(Error::usage(what, hint));
    if tls.psk.is_some() || tls.psk_identity.is_some() {
        return refuse(
            "--psk: TLS with a pre-shared key is not possible, for rustls has none",
            "use certificates: --cafile, and --cert with --key",
        );
    }
    let engine = tls.tls_engine.is_some() || tls.tls_engine_kpass_sha1.is_some();
    if engine || tls.keyform.as_deref().is_some_and(|form| form != "pem") {
        return refuse(
            "--tls-engine, --keyform: there are no OpenSSL engines here",
            "give the key as a PEM file with --key",
        );
    }
    Ok(())
}

/// Text that goes into a packet, named by its option.
pub fn text(option: &str, typed: &str) -> Result<Text, Error> {
    Text::try_from(typed).map_err(|e| Error::usage(format!("{option}: the text is {e}"), ""))
}

/// A topic name, named by its option.
pub fn topic_name(option: &str, typed: &str) -> Result<Text, Error> {
    topic::parse_name(typed).map_err(|e| {
        let hint = match e {
            topic::TopicError::Wildcard(_) => {
                "wildcards stand only in the filters of sub; publish to a full topic name"
            }
            _ => "give a topic name such as home/kitchen/temperature",
        };
        Error::usage(format!("{option}: topic '{typed}' {e}"), hint)
    })
}

/// A topic filter, named by its option.
pub fn topic_filter(option: &str, typed: &str) -> Result<Text, Error> {
    topic::parse_filter(typed).map_err(|e| {
        Error::usage(
            format!("{option}: topic filter '{typed}' {e}"),
            "'+' stands for one whole level and '#' for all the rest, such as home/+/temperature or home/#",
        )
    })
}

/// The one topic to publish to, from `-t` or from the URL of `-L`.
pub fn one_topic(typed: Option<&str>, url: Option<&BrokerUrl>) -> Result<Text, Error> {
    topic_if_any(typed, url)?.ok_or_else(no_topic)
}

pub fn no_topic() -> Error {
    Error::usage(
        "no topic given",
        "give one with -t, such as -t home/kitchen/temperature",
    )
}

/// The same where there need not be one.
pub fn topic_if_any(typed: Option<&str>, url: Option<&BrokerUrl>) -> Result<Option<Text>, Error> {
    match (typed, url.and_then(|url| url.topic.as_ref())) {
        (Some(topic), None) => topic_name("-t", topic).map(Some),
        (None, Some(topic)) => topic_name("-L", topic).map(Some),
        (Some(_), Some(in_url)) => Err(Error::usage(
            format!("-t and -L both give a topic; -L's is '{in_url}'"),
            "leave one out; the path of a WebSocket is given with --ws-path",
        )),
        (None, None) => Ok(None),
    }
}

/// The filters to subscribe to, from each `-t` and from the URL of `-L`.
pub fn filters(typed: &[String], url: Option<&BrokerUrl>) -> Result<Vec<Text>, Error> {
    let mut filters = Vec::new();
    for filter in typed {
        filters.push(topic_filter("-t", filter)?);
    }
    if let Some(filter) = url.and_then(|url| url.topic.as_ref()) {
        filters.push(topic_filter("-L", filter)?);
    }
    Ok(filters)
}

/// Refuses `-D` for packets that a verb never sends.
pub fn no_properties_of(
    verb: &str,
    properties: &PropertyArgs,
    places: &[Place],
) -> Result<(), Error> {
    match places
        .iter()
        .find(|place| !properties.of(**place).is_empty())
    {
        None => Ok(()),
        Some(place) => Err(Error::usage(
            format!(
                "-D {}: {verb} sends no such packet",
                PropertyArgs::command(*place)
            ),
            "leave it out",
        )),
    }
}

/// A whole file, or stdin where the name is '-'.
pub fn read_input(option: &'static str, path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let refuse = |source: io::Error| Error::Input {
        option,
        path: path.to_owned(),
        source,
    };
    let mut data = Vec::new();
    let is_stdin = path == Path::new("-");
    let size = if is_stdin {
        stdin().and_then(|stdin| stdin.take(limit + 1).read_to_end(&mut data))
    } else {
        std::fs::File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut data))
    }
    .map_err(refuse)?;
    if size as u64 > limit {
        let what = match is_stdin {
            true => "stdin".to_owned(),
            false => format!("'{}'", path.display()),
        };
        return Err(Error::usage(
            format!("{option}: {what} is larger than {limit} bytes, the most that fits"),
            "",
        ));
    }
    Ok(data)
}

fn login(
    args: &LoginArgs,
    url: Option<&BrokerUrl>,
    version: Version,
) -> Result<(Option<Text>, Option<Secret>), Error> {
    let username = match (&args.username, url.and_then(|url| url.username.as_ref())) {
        (Some(name), _) => Some(text("-u", name)?),
        (None, Some(name)) => Some(text("-L", name)?),
        (None, None) => None,
    };
    let of_url = url.and_then(|url| url.password.clone());
    let is_given = of_url.is_some() || secret::password_is_given(args);
    // Before anybody is asked for it.
    if is_given && username.is_none() && version != Version::V5 {
        return Err(Error::usage(
            format!("a password needs a user name in MQTT {version}"),
            "give the user name with -u, or use -V 5",
        ));
    }
    let password = match secret::password(args)? {
        Some(password) => Some(password),
        None => of_url.map(net::Secret::new),
    };
    if let Some(password) = &password
        && password.expose().len() > usize::from(u16::MAX)
    {
        return Err(Error::usage("the password is longer than 65535 bytes", ""));
    }
    let password = password.map(|password| Secret(Bytes::copy_from_slice(password.expose())));
    Ok((username, password))
}

pub fn os_bytes(value: std::ffi::OsString) -> Vec<u8> {
    use std::os::unix::ffi::OsStringExt;
    value.into_vec()
}

fn client_id(args: &LoginArgs, version: Version, dialect: Dialect) -> Result<Text, Error> {
    if let Some(id) = &args.id {
        return text("-i", id);
    }
    if let Some(prefix) = &args.id_prefix {
        return text("-I", &format!("{prefix}{}", std::process::id()));
    }
    if version == Version::V31 {
        // MQTT 3.1 wants 1 to 23 characters.
        let id = match dialect {
            Dialect::Native => format!("mozzie-{:016x}", fastrand::u64(..)),
            Dialect::Mosquitto(_) => {
                let random = std::iter::repeat_with(fastrand::alphanumeric);
                format!("mosq-{}", random.take(18).collect::<String>())
            }
        };
        return text("-i", &id);
    }
    Ok(Text::default())
}

fn will(args: &WillArgs, properties: Properties) -> Result<Option<Message>, Error> {
    let Some(topic) = &args.will_topic else {
        let lonely = [
            ("--will-payload", args.will_payload.is_some()),
            ("--will-qos", args.will_qos.is_some()),
            ("--will-retain", args.will_retain),
            ("-D will", !properties.is_empty()),
        ];
        return match lonely.iter().find(|(_, used)| *used) {
            None => Ok(None),
            Some((option, _)) => Err(Error::usage(
                format!("{option} needs a will"),
                "give the will its topic with --will-topic",
            )),
        };
    };
    let payload = os_bytes(args.will_payload.clone().unwrap_or_default());
    if payload.len() > usize::from(u16::MAX) {
        return Err(Error::usage(
            format!(
                "--will-payload: {} bytes are more than the 65535 that a will can have",
                payload.len()
            ),
            "",
        ));
    }
    Ok(Some(Message {
        topic: topic_name("--will-topic", topic)?,
        payload: Bytes::from(payload),
        qos: args.will_qos.unwrap_or(QoS::AtMostOnce),
        retain: args.will_retain,
        properties,
    }))
}

/// The clean start flag, and CONNECT's properties with the session expiry interval in them.
fn session_life(args: &ConnectionArgs, version: Version) -> Result<(bool, Properties), Error> {
    let mut properties = args.properties.of(Place::Connect);
    let keep = args.session.disable_clean_session;
    if keep && version != Version::V5 && args.login.id.is_none() && args.login.id_prefix.is_none() {
        return Err(Error::usage(
            "-c needs a client identifier by which the broker knows the session",
            "give one with -i",
        ));
    }
    let expiry = match args.session.session_expiry_interval {
        Some(expiry) => Some(expiry.0),
        // What -c means before MQTT 5: the session never ends by itself.
        None if keep && version == Version::V5 => properties
            .number(PropertyId::SessionExpiryInterval)
            .is_none()
            .then_some(u32::MAX),
        None => None,
    };
    if let Some(seconds) = expiry {
        Property::new(PropertyId::SessionExpiryInterval, Value::FourByte(seconds))
            .and_then(|property| properties.push(Place::Connect, property))
            .map_err(|_| {
                Error::usage(
                    "-x and -D connect session-expiry-interval say the same thing",
                    "leave one of them out",
                )
            })?;
    }
    Ok((!keep, properties))
}
