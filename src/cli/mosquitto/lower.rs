//! What was typed → the rules between options → the arguments that mozzie's own commands take.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::arguments::{Input, Typed};
use super::property::Flaw;
use super::{as_utf8, help};
use crate::cli::connection::{
    BrokerAddressArgs, ConnectionArgs, DEFAULT_HOST, DEFAULT_KEEP_ALIVE, DEFAULT_MAX_IN_FLIGHT,
    DebugArgs, LoginArgs, RetryArgs, SessionArgs, TransportArgs,
};
use crate::cli::profile::ProfileArgs;
use crate::cli::publish::{DeliveryArgs, InputArgs, MessageArgs, PublishArgs, RecordArgs};
use crate::cli::request::{DEFAULT_JOBS, ExchangeArgs, RepliesArgs, RequestArgs, ServeArgs};
use crate::cli::subscribe::{
    DestinationArgs, LiveArgs, OutputArgs, RetainedArgs, StopArgs, SubscribeArgs, SubscriptionArgs,
};
use crate::cli::tls::TlsArgs;
use crate::cli::values::{Header, Percent, Span, When};
use crate::cli::will::WillArgs;
use crate::cli::{Command, property::PropertyArgs};
use crate::dialect::Tool;
use crate::error::Verdict;
use crate::mqtt::Version;
use crate::mqtt::properties::{Place, PropertyId, Value};
use crate::net::{Secret, TlsVersion};

const PORT: i64 = 1883;
const TLS_PORT: i64 = 8883;
/// How mosquitto notes that no port was given; `-L` can say so too.
const NO_PORT: i64 = -1;

fn refuse(text: &str) -> Verdict {
    Verdict::usage(format!("Error: {text}\n"))
}

/// The rules that mosquitto checks when all is typed, in its order.
pub fn check(typed: &mut Typed, tool: Tool) -> Result<(), Verdict> {
    if typed.will_topic.is_none() {
        if typed.will_payload.is_some() {
            return Err(refuse("Will payload given, but no will topic given."));
        }
        if typed.will_retain {
            return Err(refuse("Will retain given, but no will topic given."));
        }
    }
    check_tls(typed)?;
    let version = version(typed, tool);
    // A prefix makes another name each time.
    let unnamed = typed.id.is_none();
    let for_ever = typed
        .session_expiry
        .map_or(typed.keep_session, |s| s == u32::MAX);
    if version == Version::V5 && for_ever && unnamed {
        return Err(refuse(
            "You must provide a client id if you are using an infinite session expiry interval.",
        ));
    }
    if version != Version::V5 && typed.keep_session && unnamed {
        return Err(refuse(
            "You must provide a client id if you are using the -c option.",
        ));
    }
    if tool == Tool::Sub && typed.topics.is_empty() && typed.unsubscribe.is_empty() {
        return Err(refuse(
            "You must specify a topic to subscribe to (-t) or unsubscribe from (-U).",
        ));
    }
    if tool == Tool::Rr {
        // One reply is all it wants.
        typed.count = Some(1);
    }
    if version == Version::V5 {
        connect_properties(typed);
    }
    Ok(())
}

fn check_tls(typed: &Typed) -> Result<(), Verdict> {
    if typed.cert.is_some() != typed.key.is_some() {
        return Err(refuse(
            "Both certfile and keyfile must be provided if one of them is set.",
        ));
    }
    if typed.keyform.is_some() && typed.key.is_none() {
        return Err(refuse("If keyform is set, keyfile must be also specified."));
    }
    if typed.tls_engine_key_hash.is_some()
        && (typed.tls_engine.is_none() || typed.keyform.is_none())
    {
        return Err(refuse(
            "when using tls-engine-kpass-sha1, both tls-engine and keyform must also be provided.",
        ));
    }
    if typed.psk.is_some() && (typed.cafile.is_some() || typed.capath.is_some()) {
        return Err(refuse(
            "Only one of --psk or --cafile/--capath may be used at once.",
        ));
    }
    if typed.psk.is_some() && typed.psk_identity.is_none() {
        return Err(refuse("--psk-identity required if --psk used."));
    }
    Ok(())
}

fn version(typed: &Typed, tool: Tool) -> Version {
    typed.version.unwrap_or(match tool {
        Tool::Rr => Version::V5,
        Tool::Pub | Tool::Sub => Version::V311,
    })
}

fn lossy(word: &OsStr) -> String {
    word.to_string_lossy().into_owned()
}

/// Behind what was typed: session expiry, and always a receive maximum.
fn connect_properties(typed: &mut Typed) {
    let expiry = match typed.session_expiry {
        Some(seconds) => Some(seconds),
        None => typed.keep_session.then_some(u32::MAX),
    };
    let properties = &mut typed.properties;
    if let Some(seconds) = expiry.filter(|seconds| *seconds > 0) {
        properties.push(
            Place::Connect,
            PropertyId::SessionExpiryInterval,
            Value::FourByte(seconds),
        );
    }
    if !properties.has(Place::Connect, PropertyId::ReceiveMaximum) {
        let maximum = match typed.count {
            Some(count) if count < u64::from(DEFAULT_MAX_IN_FLIGHT) => count as u16,
            _ => DEFAULT_MAX_IN_FLIGHT,
        };
        properties.push(
            Place::Connect,
            PropertyId::ReceiveMaximum,
            Value::TwoByte(maximum),
        );
    }
}

/// What is found out only when the options are handed to the library; no usage hint follows these, and `--quiet`
/// silences them.
fn check_library(typed: &Typed, tool: Tool, version: Version) -> Result<(), Verdict> {
    check_options(typed, tool, version)
        .and_then(|()| check_properties(typed, tool, version))
        .map_err(|verdict| match typed.quiet {
            true => Verdict::silent(verdict.code),
            false => verdict,
        })
}

/// Properties, in the order in which their packets would be sent.
fn check_properties(typed: &Typed, tool: Tool, version: Version) -> Result<(), Verdict> {
    let properties = &typed.properties;
    let too_old = |place| version != Version::V5 && properties.are_there_any(place);
    let unable = |why: &str| Verdict::usage(format!("Unable to connect ({why}).\n"));
    if let Some(flaw) = properties.flaw(Place::Connect) {
        return Err(unable(flaw.error().0));
    }
    if !(NO_PORT..=65_535).contains(&typed.port.unwrap_or(NO_PORT)) {
        return Err(unable("Invalid input"));
    }
    if too_old(Place::Connect) {
        return Err(unable("This feature is not supported"));
    }
    // mosquitto subscribes to nothing then, says nothing and waits.
    let subscribing = [
        (Place::Subscribe, "SUBSCRIBE"),
        (Place::Unsubscribe, "UNSUBSCRIBE"),
    ];
    for (place, packet) in subscribing {
        if let Some(flaw) = properties.flaw(place).filter(|_| tool != Tool::Pub) {
            let why = flaw.error().0;
            return Err(refuse(&format!("{packet} properties: {why}")));
        }
    }
    if tool != Tool::Pub {
        return Ok(());
    }
    let flaw = properties.flaw(Place::Publish);
    if !too_old(Place::Publish) && flaw.is_none() {
        return Ok(());
    }
    // With lines the library's error ends it; otherwise it is the connection that is then left.
    Err(match (too_old(Place::Publish), flaw) {
        (true, _) if typed.input == Some(Input::Lines) => Verdict {
            code: 10,
            ..refuse("This feature is not supported")
        },
        (false, Some(flaw)) if typed.input == Some(Input::Lines) => {
            let (text, code) = flaw.error();
            Verdict {
                code,
                ..refuse(text)
            }
        }
        (false, Some(Flaw::Value)) => Verdict {
            code: 7,
            ..Verdict::usage(
                "Error: Protocol error when communicating with broker.\n\
                 Error: The connection was lost\n",
            )
        },
        _ => Verdict {
            code: 7,
            ..refuse("The connection was lost")
        },
    })
}

fn check_options(typed: &Typed, tool: Tool, version: Version) -> Result<(), Verdict> {
    check_id(typed, tool)?;
    let will = &typed.properties;
    let bad_will = will.flaw(Place::Will).is_some()
        || (version != Version::V5 && will.are_there_any(Place::Will));
    if typed.will_topic.is_some() && bad_will {
        return Err(refuse("Problem setting will."));
    }
    let is_sendable = |name: &OsString| as_utf8(name).is_some_and(|name| name.len() <= 65_535);
    let lacks_name = typed.password.is_some() && typed.username.is_none() && version != Version::V5;
    if lacks_name || !typed.username.as_ref().is_none_or(is_sendable) {
        return Err(refuse("Problem setting username and/or password."));
    }
    if typed.no_tls {
        return Ok(());
    }
    let uses_tls = uses_tls(typed);
    if let Some(form) = typed.keyform.as_deref() {
        match form {
            "pem" => {}
            "engine" if !uses_tls => {}
            "engine" => {
                return Err(refuse(
                    "mozzie has no TLS engines, so --keyform must be pem.",
                ));
            }
            _ => {
                return Err(refuse(
                    "Problem setting key form, it must be one of 'pem' or 'engine'.",
                ));
            }
        }
    }
    if let Some(engine) = typed.tls_engine.as_deref() {
        return Err(refuse(&format!(
            "Problem setting TLS engine, is {engine} a valid engine?"
        )));
    }
    if let Some(psk) = &typed.psk {
        let is_hex = !psk.is_empty() && psk.bytes().all(|byte| byte.is_ascii_hexdigit());
        return Err(match is_hex {
            false => refuse("Problem setting TLS-PSK options."),
            true => refuse("mozzie cannot connect with --psk: its TLS has no pre-shared keys."),
        });
    }
    let version = typed.tls_version.as_deref();
    if version.is_some_and(|version| version.parse::<TlsVersion>().is_err()) {
        return Err(refuse(
            "Problem setting TLS options, check the options are valid.",
        ));
    }
    if typed.tls_keylog.is_some() && !uses_tls {
        return Err(Verdict::usage("Unable to connect (Invalid input).\n"));
    }
    Ok(())
}

/// An identifier with which no client can be made: mosquitto has words for some of them.
fn check_id(typed: &Typed, tool: Tool) -> Result<(), Verdict> {
    let is_without = typed.keep_session && typed.id.is_none() && typed.id_prefix.is_none();
    if is_without || typed.id.as_ref().is_some_and(|id| id.is_empty()) {
        return Err(refuse(match tool {
            Tool::Pub => "Invalid id.",
            Tool::Sub | Tool::Rr => "Invalid id and/or clean_session.",
        }));
    }
    let id = match (&typed.id, &typed.id_prefix) {
        (Some(id), _) => id.clone(),
        (None, Some(prefix)) => {
            let mut id = prefix.clone();
            id.push(std::process::id().to_string());
            id
        }
        (None, None) => return Ok(()),
    };
    match as_utf8(&id) {
        Some(id) if id.len() <= 65_535 => Ok(()),
        _ => Err(Verdict::silent(1)),
    }
}

/// Only these turn TLS on; every other TLS option alone does nothing.
fn uses_tls(typed: &Typed) -> bool {
    let wanted = typed.cafile.is_some()
        || typed.capath.is_some()
        || typed.psk.is_some()
        || typed.tls_os_certs
        || typed.port == Some(TLS_PORT);
    wanted && !typed.no_tls
}

/// OpenSSL's cipher list rules TLS 1.2 alone; these stay whatever is in it.
const TLS_1_3_CIPHERS: &str =
    ":TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";

/// The version that is named is the least one, not the only one; there is none above 1.3.
fn least_tls_version(typed: &Typed) -> Option<TlsVersion> {
    let version = typed.tls_version.as_deref()?.parse().ok()?;
    (version == TlsVersion::V1_3).then_some(version)
}

fn tls(typed: &Typed) -> TlsArgs {
    if !uses_tls(typed) {
        return TlsArgs {
            no_tls: true,
            ..TlsArgs::default()
        };
    }
    TlsArgs {
        cafile: typed.cafile.clone(),
        capath: typed.capath.clone(),
        tls_use_os_certs: typed.tls_os_certs || (typed.cafile.is_none() && typed.capath.is_none()),
        cert: typed.cert.clone(),
        key: typed.key.clone(),
        insecure: typed.insecure,
        tls_alpn: typed
            .tls_alpn
            .iter()
            .filter(|p| !p.is_empty())
            .cloned()
            .collect(),
        tls_version: least_tls_version(typed),
        ciphers: typed
            .ciphers
            .as_ref()
            .map(|list| format!("{list}{TLS_1_3_CIPHERS}")),
        tls_keylog: typed.tls_keylog.clone(),
        ..TlsArgs::default()
    }
}

fn connection(
    typed: &Typed,
    properties: PropertyArgs,
    version: Version,
) -> Result<ConnectionArgs, Verdict> {
    let has_authority = typed.cafile.is_some() || typed.capath.is_some() || typed.psk.is_some();
    let port = match typed.port {
        None | Some(NO_PORT) if has_authority => TLS_PORT,
        None | Some(NO_PORT) => PORT,
        Some(port) => port,
    };
    let host = typed.host.as_deref().unwrap_or(DEFAULT_HOST.as_ref());
    // To the library, port 0 means that the host is the path of a socket.
    let unix: Option<PathBuf> = (port == 0).then(|| host.into());
    let nowhere = match &typed.proxy {
        Some(proxy) => proxy.host.is_empty(),
        None => host.is_empty() && unix.is_none(),
    };
    if nowhere {
        let text = match typed.quiet {
            true => "",
            false => "Unable to connect (Lookup error).\n",
        };
        return Err(Verdict::usage(text));
    }
    let utf8 = |word: &Option<OsString>| word.as_ref().map(|word| lossy(word));
    Ok(ConnectionArgs {
        broker: BrokerAddressArgs {
            host: unix.is_none().then(|| lossy(host)),
            // The record names the port.
            port: u16::try_from(port)
                .ok()
                .filter(|_| unix.is_none() && !typed.srv),
            srv: typed.srv && unix.is_none(),
            bind: typed.bind.clone().filter(|_| unix.is_none()),
            ..BrokerAddressArgs::at_unix(unix)
        },
        login: LoginArgs {
            username: utf8(&typed.username),
            password: typed
                .password
                .clone()
                .map(|password| Secret::new(password.into_vec())),
            id: utf8(&typed.id),
            id_prefix: utf8(&typed.id_prefix),
            ..LoginArgs::default()
        },
        session: SessionArgs {
            protocol_version: Some(version),
            keep_alive: typed.keep_alive.unwrap_or(DEFAULT_KEEP_ALIVE),
            disable_clean_session: typed.keep_session,
            // already among the properties
            session_expiry_interval: None,
            max_in_flight: typed.max_in_flight.unwrap_or(DEFAULT_MAX_IN_FLIGHT),
        },
        properties,
        tls: tls(typed),
        transport: TransportArgs {
            ws: typed.websocket,
            ws_header: host_header(typed, host),
            proxy: typed.proxy.clone(),
            nodelay: typed.nodelay || typed.latency,
            ..TransportArgs::default()
        },
        will: WillArgs {
            will_topic: typed.will_topic.clone(),
            will_payload: typed.will_payload.clone(),
            will_qos: typed.will_topic.is_some().then_some(typed.will_qos),
            will_retain: typed.will_retain,
        },
        profile: ProfileArgs::default(),
        retry: RetryArgs::default(),
    })
}

/// mosquitto's `Host`, in which there is no port. With SRV records it is that of the target.
fn host_header(typed: &Typed, host: &OsStr) -> Vec<Header> {
    let host = host.to_str().filter(|_| typed.websocket && !typed.srv);
    let value = host.filter(|host| host.bytes().all(|byte| byte.is_ascii_graphic()));
    let header = |value: &str| Header {
        name: "Host".to_owned(),
        value: value.to_owned(),
    };
    value.into_iter().map(header).collect()
}

/// The command for what was typed.
pub fn command(tool: Tool, typed: Typed) -> Result<Command, Verdict> {
    let version = version(&typed, tool);
    let quiet = typed.quiet;
    if let Some(Input::File(path)) = &typed.input {
        check_file(path, quiet)?;
    }
    let takes_stdin = typed.input == Some(Input::Stdin);
    let command = match tool {
        Tool::Pub => publish(typed, version),
        Tool::Sub => subscribe(typed, version),
        Tool::Rr => request(&typed, version),
    };
    // It has read all of it before it judges what is typed.
    command.map_err(|verdict| match takes_stdin && is_stdin_empty() {
        true => Verdict::usage(match quiet {
            true => "",
            false => "Error: Zero length input.\nError loading input from stdin.\n",
        }),
        false => verdict,
    })
}

/// The file of `-f`, which mosquitto reads before it judges what is typed.
fn check_file(path: &Path, quiet: bool) -> Result<(), Verdict> {
    let is_dir = |file: Metadata| file.is_dir();
    match File::open(path)
        .and_then(|file| file.metadata())
        .map(is_dir)
    {
        Ok(false) => Ok(()),
        Ok(true) => Err(io::ErrorKind::IsADirectory.into()),
        Err(error) => Err(error),
    }
    .map_err(|error| Verdict::unreadable(path, &error, quiet))
}

fn is_stdin_empty() -> bool {
    let mut input = Vec::new();
    io::stdin().read_to_end(&mut input).is_ok() && input.is_empty()
}

/// What is left when the packets are known that will be sent.
fn properties(typed: &Typed, tool: Tool, version: Version) -> PropertyArgs {
    let mut properties = typed.properties.checked();
    let never: &[Place] = match tool {
        Tool::Pub => &[Place::Subscribe, Place::Unsubscribe],
        Tool::Sub => &[Place::Publish],
        Tool::Rr => &[Place::Unsubscribe],
    };
    never.iter().for_each(|place| properties.forget(*place));
    if typed.will_topic.is_none() {
        properties.forget(Place::Will);
    }
    if version != Version::V5 {
        // mosquitto_pub leaves without a word then, and mosquitto_rr asks without them.
        properties.forget(Place::Disconnect);
        if tool == Tool::Rr {
            properties.forget(Place::Publish);
        }
    }
    properties
}

fn debug(typed: &Typed) -> DebugArgs {
    DebugArgs {
        debug: u8::from(typed.debug),
        color: When::Never,
        quiet: typed.quiet,
        options_file: None,
    }
}

fn publish(typed: Typed, version: Version) -> Result<Command, Verdict> {
    let (Some(topic), Some(input)) = (typed.topics.last(), &typed.input) else {
        return Err(Verdict {
            usage: help::help(Tool::Pub),
            ..refuse("Both topic and message must be supplied.")
        });
    };
    check_library(&typed, Tool::Pub, version)?;
    let properties = properties(&typed, Tool::Pub, version);
    let mut connection = connection(&typed, properties, version)?;
    let repeat = typed.repeat.unwrap_or(1);
    if repeat > 1 {
        // the next one when the one before is acknowledged
        connection.session.max_in_flight = 1;
    }
    let delay = Duration::try_from_secs_f64(typed.repeat_delay).unwrap_or(Duration::MAX);
    Ok(Command::Publish(Box::new(PublishArgs {
        message: MessageArgs {
            topic: Some(topic.clone()),
            qos: Some(typed.qos),
            retain: typed.retain,
            repeat,
            repeat_delay: Span(delay),
        },
        input: input_args(input),
        records: RecordArgs::default(),
        delivery: DeliveryArgs::default(),
        connection,
        debug: debug(&typed),
    })))
}

fn subscribe(typed: Typed, version: Version) -> Result<Command, Verdict> {
    if typed.no_retained && typed.retained_only {
        return Err(Verdict::usage(
            "\nError: Combining '-R' and '--retained-only' makes no sense.\n",
        ));
    }
    check_library(&typed, Tool::Sub, version)?;
    let properties = properties(&typed, Tool::Sub, version);
    let has_properties = version == Version::V5;
    Ok(Command::Subscribe(Box::new(SubscribeArgs {
        subscription: SubscriptionArgs {
            topics: typed.topics.clone(),
            filter_out: typed.filter_out.clone(),
            random_filter: typed.random_filter.map(Percent),
            unsubscribe: typed.unsubscribe.clone(),
            qos: typed.qos,
            strict: false,
            no_local: false,
        },
        stop: StopArgs {
            count: typed.count,
            timeout: typed.timeout_s.map(|s| Span(Duration::from_secs(s))),
            idle_timeout: None,
            exit_after_suback: typed.exit_after_suback,
        },
        retained: RetainedArgs {
            no_retained: typed.no_retained,
            retained_only: typed.retained_only,
            remove_retained: typed.remove_retained,
            // Before MQTT 5 there is no place for these, and nobody says so.
            retain_as_published: typed.retain_as_published && has_properties,
            retain_handling: typed.retain_handling.filter(|_| has_properties),
        },
        output: output(&typed),
        destination: DestinationArgs::default(),
        live: LiveArgs {
            watch: typed.watch && !typed.message_rate,
            message_rate: typed.message_rate,
        },
        connection: connection(&typed, properties, version)?,
        debug: debug(&typed),
    })))
}

fn output(typed: &Typed) -> OutputArgs {
    OutputArgs {
        verbose: typed.verbose,
        no_newline: typed.no_newline,
        json: None,
        format: typed.format.clone(),
        pretty: typed.pretty,
        raw: false,
    }
}

fn input_args(input: &Input) -> InputArgs {
    let mut args = InputArgs::default();
    match input {
        // To mosquitto, - is a name like any other.
        Input::File(path) if path == Path::new("-") => args.file = Some("./-".into()),
        Input::Text(text) => args.message = Some(text.clone()),
        Input::File(path) => args.file = Some(path.clone()),
        Input::Stdin => args.stdin_file = true,
        Input::Lines => args.stdin_lines = true,
        Input::Null => args.null_message = true,
    }
    args
}

fn request(typed: &Typed, version: Version) -> Result<Command, Verdict> {
    let (Some(topic), Some(input), Some(response_topic)) =
        (typed.topics.last(), &typed.input, &typed.response_topic)
    else {
        return Err(refuse(
            "All of topic, message, and response topic must be supplied.",
        ));
    };
    let sent = &typed.properties;
    if sent.has(Place::Publish, PropertyId::ResponseTopic) || sent.flaw(Place::Publish).is_some() {
        let text = match typed.quiet {
            true => "",
            false => "Error in PUBLISH properties: Duplicate response topic.\n",
        };
        return Err(Verdict::usage(text));
    }
    check_library(typed, Tool::Rr, version)?;
    let properties = properties(typed, Tool::Rr, version);
    let has_properties = version == Version::V5;
    Ok(Command::Request(Box::new(RequestArgs {
        exchange: ExchangeArgs {
            topics: vec![topic.clone()],
            response_topic: Some(response_topic.clone()),
            qos: typed.qos,
            timeout: typed.timeout_s.map(|s| Span(Duration::from_secs(s))),
        },
        input: input_args(input),
        replies: RepliesArgs {
            replies: 1,
            latency: typed.latency,
            window: 1,
            no_retained: typed.no_retained,
            retain_as_published: typed.retain_as_published && has_properties,
            retain_handling: typed.retain_handling.filter(|_| has_properties),
        },
        serve: ServeArgs {
            serve: false,
            exec: None,
            jobs: DEFAULT_JOBS,
            count: None,
        },
        output: output(typed),
        connection: connection(typed, properties, version)?,
        debug: debug(typed),
    })))
}
