//! From the options of `mozzie bench` to a plan, and to where its connections go.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::files;
use super::wait::Wait;
use crate::bench::{
    self, Arrivals, BenchPlan, Churn, FilterTemplate, Gathering, Identities, Pace, Password,
    Payload, PlanError, Publishers, SizeShare, Sizes, Stamping, Stop, Subscribers, Template,
    TopicTemplate, UnknownPlace,
};
use crate::cli::bench::{
    ArrivalsKind, BenchArgs, DEFAULT_DURATION, Gather, PaceArgs, PayloadArgs, Ramp,
    SEARCH_DURATION, ShapeKind, ShapeName, StampPlace, Switch,
};
use crate::commands::connect;
use crate::dialect::Dialect;
use crate::error::Error;
use crate::mqtt::Version;
use crate::mqtt::packet::MAX_REMAINING_LENGTH;
use crate::mqtt::properties::Place;
use crate::mqtt::session::Identity;
use crate::net::{Address, Bind, Endpoint};

const TOPIC_HINT: &str =
    "give a topic name without wildcards; {i} stands for the number of the publisher";
const FILTER_HINT: &str = "'+' stands for one whole level and '#' for all the rest; {i} stands for the \
                           number of the subscriber";

/// How many connections of each role.
struct Counts {
    publishers: u32,
    subscribers: u32,
    idle: u32,
}

/// All that the command line says.
pub struct Planned {
    /// Its dialer is not the right one yet.
    pub load: BenchPlan,
    pub endpoint: Endpoint,
    /// Local addresses; empty where the system chooses.
    pub sources: Vec<IpAddr>,
    pub wait_for_broker: Option<Wait>,
}

pub fn plan(args: &BenchArgs) -> Result<Planned, Error> {
    let alias = ("--topic-alias", args.topic.topic_alias);
    let stamp = ("--stamp property", args.load.stamp == StampPlace::Property);
    retries(args)?;
    let version = connect::version_or(usual_version(args), &args.connection, &[alias, stamp])?;
    let connection = connect::plan(&args.connection, version, Dialect::Native)?;
    let properties = &args.connection.properties;
    connect::no_properties_of(
        "bench",
        properties,
        &[Place::Unsubscribe, Place::Disconnect],
    )?;
    let (load, clients) = (&args.load, &args.clients);
    let counts = counts(args)?;
    let topics = topics(args)?;
    let messages = load.messages.map(|amount| amount.0);
    let duration = match (load.duration, messages) {
        (Some(span), _) => Some(span.0),
        (None, Some(_)) => None,
        (None, None) if args.search.find_max => Some(SEARCH_DURATION),
        (None, None) => Some(DEFAULT_DURATION),
    };
    let base = BenchPlan::new(bench::to(connection.endpoint.clone()));
    let mut session = (*connection.settings).clone();
    session.alias_topics = args.topic.topic_alias;
    let in_flight = session.max_in_flight;
    let plan = BenchPlan {
        identities: identities(args, connection.identity, base.identities)?,
        publish_properties: properties.of(Place::Publish),
        subscribe_properties: properties.of(Place::Subscribe),
        publishers: Publishers {
            count: counts.publishers as usize,
            qos: load.publish_qos.unwrap_or(load.qos),
            retain: args.topic.retain,
            in_flight,
        },
        subscribers: Subscribers {
            count: counts.subscribers as usize,
            qos: load.subscribe_qos.unwrap_or(load.qos),
        },
        idle: counts.idle as usize,
        payload: payload(&args.payload)?,
        stamping: match load.stamp {
            StampPlace::Auto => Stamping::Auto,
            StampPlace::Payload => Stamping::Payload,
            StampPlace::Property => Stamping::Property,
            StampPlace::None => Stamping::None,
        },
        topics,
        filters: filters(args)?,
        group: group(args)?,
        pace: pace(&args.pace)?,
        gather: match args.pace.gather {
            Gather::Auto => Gathering::Auto,
            Gather::Off => Gathering::Off,
            Gather::Every(span) => Gathering::Every(span.0),
        },
        warmup: load.warmup.0,
        stop: Stop { messages, duration },
        drain: load.drain.0,
        workers: load.workers.map_or(base.workers, usize::from),
        connect_rate: clients.connect_rate.map(|rate| rate.0),
        reconnect: clients.reconnect.then_some(connection.retry),
        churn: clients.churn.map(|rate| Churn {
            per_s: rate.0,
            cut: clients.churn_cut,
        }),
        slow_subscriber: clients.slow_subscriber.map(|span| span.0),
        session,
        ..base
    };
    let endpoint = endpoint(args, connection.endpoint, plan.clients())?;
    let retry = connection.retry;
    let wait_for_broker = connection
        .wait_for_broker
        .map(|longest| Wait { longest, retry });
    let sources = sources(args, &endpoint)?;
    Ok(Planned {
        load: plan,
        endpoint,
        sources,
        wait_for_broker,
    })
}

/// Refuses what says how connections are made again where none is.
fn retries(args: &BenchArgs) -> Result<(), Error> {
    let retry = &args.connection.retry;
    let pause = match (retry.retry_delay, retry.retry_max_delay) {
        (Some(_), _) => Some("--retry-delay"),
        (None, Some(_)) => Some("--retry-max-delay"),
        (None, None) => None,
    };
    let waits = args.connection.broker.wait_for_broker.is_some();
    let (option, needed) = match (retry.retry.0, pause) {
        _ if args.clients.reconnect => return Ok(()),
        (Some(_), _) => ("--retry", "--reconnect"),
        (None, Some(pause)) if !waits => (pause, "--reconnect or --wait-for-broker"),
        (None, _) => return Ok(()),
    };
    Err(Error::usage(
        format!("{option} does nothing without {needed}"),
        format!(
            "bench makes connections again only with --reconnect: add it, or leave out {option}"
        ),
    ))
}

/// MQTT 5 where that alone has a place for a stamp that changes no payload.
fn usual_version(args: &BenchArgs) -> Version {
    let payload = &args.payload;
    let has_no_room = payload.message.is_some()
        || payload.file.is_some()
        || payload.payload_from.is_some()
        || payload
            .size
            .0
            .iter()
            .any(|share| share.from < bench::STAMP_LEN);
    match args.load.stamp {
        StampPlace::Auto if has_no_room => Version::V5,
        StampPlace::Auto | StampPlace::Payload | StampPlace::Property | StampPlace::None => {
            Version::V311
        }
    }
}

fn counts(args: &BenchArgs) -> Result<Counts, Error> {
    let load = &args.load;
    let usual = match load.shape {
        Some(shape) => {
            let publishers = || many(shape, "--publishers", load.publishers);
            let subscribers = || many(shape, "--subscribers", load.subscribers);
            match shape.kind {
                ShapeKind::OneToOne | ShapeKind::Shared => (publishers()?, subscribers()?, 0),
                ShapeKind::FanIn => (publishers()?, 1, 0),
                ShapeKind::FanOut => (1, subscribers()?, 0),
                ShapeKind::Connections => (0, 0, many(shape, "--idle", load.idle)?),
            }
        }
        None if load.idle.is_some_and(|idle| idle > 0) => (0, 0, 0),
        None => (1, 1, 0),
    };
    let counts = Counts {
        publishers: load.publishers.unwrap_or(usual.0),
        subscribers: load.subscribers.unwrap_or(usual.1),
        idle: load.idle.unwrap_or(usual.2),
    };
    if counts.publishers == 0 && counts.subscribers == 0 && counts.idle == 0 {
        return Err(Error::usage(
            "--publishers 0 and --subscribers 0 leave nobody to make a load",
            "ask for publishers, subscribers or idle connections",
        ));
    }
    Ok(counts)
}

/// How many a shape has of what it has many of. Refuses a number in it beside an option with another one.
fn many(shape: ShapeName, option: &str, typed: Option<u32>) -> Result<u32, Error> {
    match (shape.count, typed) {
        (Some(count), Some(other)) if count != other => Err(Error::usage(
            format!("--shape says {count} and {option} {other}"),
            "give the number once, with either",
        )),
        _ => Ok(shape.clients()),
    }
}

fn topics(args: &BenchArgs) -> Result<Vec<TopicTemplate>, Error> {
    let url = args.connection.broker.url.as_ref();
    let mut typed = args.topic.topic.clone();
    if !typed.is_empty() && args.payload.payload_from.is_some() {
        return Err(Error::usage(
            "-t and --payload-from both give the topics",
            "leave out -t: recorded messages bring theirs",
        ));
    }
    if typed.is_empty() {
        typed.push(match url.and_then(|url| url.topic.clone()) {
            Some(topic) => topic,
            // A topic of its own for each run, so that what an earlier one left is not counted.
            None => {
                let own = match args.load.shape.map(|shape| shape.kind) {
                    Some(ShapeKind::OneToOne | ShapeKind::FanIn) => "/{i}",
                    _ => "",
                };
                format!("{}/{:08x}{own}", bench::DEFAULT_TOPIC, fastrand::u32(..))
            }
        });
    }
    let template = |topic: &String| {
        TopicTemplate::new(topic).map_err(|why| slip("-t", topic, &why, TOPIC_HINT))
    };
    typed.iter().map(template).collect()
}

fn filters(args: &BenchArgs) -> Result<Vec<FilterTemplate>, Error> {
    let template = |filter: &String| {
        // Who gets what follows from the filters, so a group must be known as one.
        if let Some(("$share", _)) = filter.split_once('/') {
            return Err(Error::usage(
                format!("--filter: '{filter}' shares its subscription"),
                "give the group with --shared, and --filter what follows it",
            ));
        }
        FilterTemplate::new(filter).map_err(|why| slip("--filter", filter, &why, FILTER_HINT))
    };
    args.topic.filter.iter().map(template).collect()
}

/// What is wrong with a template.
fn slip(option: &str, typed: &str, why: &PlanError, hint: &str) -> Error {
    let hint = match why {
        PlanError::UnknownPlace(_) => UnknownPlace::HINT,
        _ => hint,
    };
    Error::usage(format!("{option}: '{typed}': {why}"), hint)
}

fn group(args: &BenchArgs) -> Result<Option<String>, Error> {
    let shape = args.load.shape.map(|shape| shape.kind);
    let group = match (&args.topic.shared, shape) {
        (Some(group), _) => Some(group.clone()),
        (None, Some(ShapeKind::Shared)) => Some("bench".to_owned()),
        (None, _) => None,
    };
    match group {
        Some(group) if group.is_empty() || group.contains(['/', '+', '#']) => Err(Error::usage(
            format!("--shared: '{group}' is no name of a group"),
            "use a name without '/', '+' and '#'",
        )),
        group => Ok(group),
    }
}

fn pace(args: &PaceArgs) -> Result<Option<Pace>, Error> {
    let ramp = args.ramp.join(" ");
    let pace = match (args.rate, ramp.as_str()) {
        (Some(rate), _) => Some(Pace::constant(rate.0)),
        (None, "") => None,
        (None, ramp) => {
            let ramp: Ramp = ramp.parse().map_err(|e: String| {
                Error::usage(
                    format!("--ramp: {e}"),
                    "a rate is such as 500, 50k/s or 30/min",
                )
            })?;
            Some(Pace::ramp(ramp.from.0, ramp.to.0, ramp.over))
        }
    };
    if pace.is_none() && (args.burst > 1 || args.arrivals == ArrivalsKind::Poisson) {
        let option = if args.burst > 1 {
            "--burst"
        } else {
            "--arrivals"
        };
        return Err(Error::usage(
            format!("{option} is for an open loop"),
            "give a rate with --rate or --ramp",
        ));
    }
    Ok(pace.map(|mut pace| {
        pace.burst = args.burst;
        pace.arrivals = match args.arrivals {
            ArrivalsKind::Constant => Arrivals::Constant,
            ArrivalsKind::Poisson => Arrivals::Poisson,
        };
        pace
    }))
}

fn payload(args: &PayloadArgs) -> Result<Payload, Error> {
    if let Some(text) = &args.message {
        let text = connect::os_bytes(text.clone());
        return Ok(Payload::Text(Arc::new(Template::new(&text))));
    }
    if let Some(path) = &args.file {
        let data = connect::read_input("-f", path, MAX_REMAINING_LENGTH as u64)?;
        return Ok(Payload::Text(Arc::new(Template::literal(data))));
    }
    if let Some(path) = &args.payload_from {
        return Ok(Payload::Recorded(files::recorded(path)?.into()));
    }
    let shares: Vec<SizeShare> = args
        .size
        .0
        .iter()
        .map(|share| SizeShare {
            from: share.from,
            to: share.to,
            weight: share.weight,
        })
        .collect();
    let sizes = Sizes::new(&shares);
    Ok(Payload::Filler(sizes.ok_or_else(|| {
        Error::usage("--size: no size at all", "give bytes such as 64")
    })?))
}

fn identities(
    args: &BenchArgs,
    typed: Identity,
    otherwise: Identities,
) -> Result<Identities, Error> {
    let mut identities = match typed.client_id.as_str() {
        "" => otherwise,
        typed => Identities::new(typed).map_err(|why| slip("-i", typed, &why.into(), ""))?,
    };
    identities.username = typed.username.map(|name| Template::new(name.as_bytes()));
    identities.password = typed
        .password
        .map(|password| Password(Template::new(&password.0)));
    if let Some(path) = &args.clients.credentials {
        identities.credentials = files::credentials(path)?;
    }
    Ok(identities)
}

/// The local addresses to connect from.
fn sources(args: &BenchArgs, endpoint: &Endpoint) -> Result<Vec<IpAddr>, Error> {
    let Address::Tcp(address) = &endpoint.address else {
        return Ok(Vec::new());
    };
    let Some(typed) = &args.clients.source_ip else {
        // The ports of -A's address are taken in turn too.
        return Ok(match address.bind {
            Some(Bind::One(one)) => vec![one],
            Some(Bind::Both(..)) | None => Vec::new(),
        });
    };
    let to = match address.proxy {
        None if args.load.embedded => Some(IpAddr::from(Ipv4Addr::LOCALHOST)),
        None => address.host.parse::<IpAddr>().ok(),
        Some(_) => None,
    };
    let other = |source: &&IpAddr| to.is_some_and(|to| to.is_ipv4() != source.is_ipv4());
    match (typed.0.iter().find(other), to) {
        (Some(source), Some(to)) => Err(Error::usage(
            format!("--source-ip: {to} cannot be reached from {source}"),
            "give addresses of the same family (IPv4 or IPv6) as the host's",
        )),
        _ => Ok(typed.0.clone()),
    }
}

/// Where to, with what bench asks of it.
fn endpoint(args: &BenchArgs, mut endpoint: Endpoint, clients: usize) -> Result<Endpoint, Error> {
    if matches!(endpoint.address, Address::Unix(_)) && args.clients.source_ip.is_some() {
        return Err(Error::usage(
            "--source-ip cannot go with --unix",
            "leave out --source-ip or --unix",
        ));
    }
    match (args.clients.tls_resumption, endpoint.tls.take()) {
        (Switch::On, None) => Err(Error::usage(
            "--tls-resumption on needs TLS",
            "turn it on with --cafile or mqtts://, or leave out --tls-resumption",
        )),
        (Switch::On, Some(tls)) => {
            endpoint.tls = Some(tls.resuming(clients));
            Ok(endpoint)
        }
        (Switch::Off, tls) => {
            endpoint.tls = tls;
            Ok(endpoint)
        }
    }
}
