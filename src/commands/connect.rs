//! From connection options to a checked plan: everything that can be known before connecting is
//! found out here.

use std::io::{self, BufRead, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::cli::connection::{ConnectionArgs, DEFAULT_HOST, LoginArgs};
use crate::cli::property::PropertyArgs;
use crate::cli::url::BrokerUrl;
use crate::cli::will::WillArgs;
use crate::client::{Backoff, ConnectionPlan, Reconnect};
use crate::dialect::Dialect;
use crate::error::{Error, Verdict};
use crate::mqtt::packet::{Message, Secret};
use crate::mqtt::properties::{Place, Properties, Property, PropertyId, Value};
use crate::mqtt::session::{Identity, Settings};
use crate::mqtt::text::Text;
use crate::mqtt::{QoS, Version, topic};
use crate::net::{
    self, Address, Bind, CertificateName, Endpoint, Srv, TcpAddress, TlsClient, TlsSettings,
    WebSocket,
};

const PORT: u16 = 1883;
const TLS_PORT: u16 = 8883;

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
    let (username, password) = login(&args.login, args.broker.url.as_ref(), version, dialect)?;
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
    Ok(ConnectionPlan {
        endpoint: endpoint(args, dialect)?,
        settings: Arc::new(settings),
        identity: Identity {
            client_id,
            username,
            password,
        },
        wait_for_broker: args.broker.wait_for_broker.map(|span| span.0),
        backoff: match dialect {
            Dialect::Native => Backoff::default(),
            Dialect::Mosquitto(_) => Backoff::EVERY_SECOND,
        },
        reconnect: Reconnect::default(),
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
    match (typed, url.and_then(|url| url.topic.as_ref())) {
        (Some(topic), None) => topic_name("-t", topic),
        (None, Some(topic)) => topic_name("-L", topic),
        (Some(_), Some(in_url)) => Err(Error::usage(
            format!("-t and -L both give a topic; -L's is '{in_url}'"),
            "leave one out; the path of a WebSocket is given with --ws-path",
        )),
        (None, None) => Err(Error::usage(
            "no topic given",
            "give one with -t, such as -t home/kitchen/temperature",
        )),
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
    let size = if path == Path::new("-") {
        io::stdin().lock().take(limit + 1).read_to_end(&mut data)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut data))
    }
    .map_err(refuse)?;
    if size as u64 > limit {
        return Err(Error::usage(
            format!(
                "{option}: '{}' is larger than {limit} bytes, the most that fits",
                path.display()
            ),
            "",
        ));
    }
    Ok(data)
}

/// The first line of a file that holds a secret.
fn read_secret(option: &'static str, path: &Path) -> Result<Vec<u8>, Error> {
    if path == Path::new("-") {
        // Only one line, so that the rest of stdin can be the messages.
        let mut line = Vec::new();
        io::stdin()
            .lock()
            .read_until(b'\n', &mut line)
            .map_err(|e| {
                Error::usage(
                    format!("{option}: cannot read stdin: {}", net::io_reason(&e)),
                    "",
                )
            })?;
        return Ok(first_line(&line).to_vec());
    }
    let data = read_input(option, path, 64 * 1024)?;
    Ok(first_line(&data).to_vec())
}

fn first_line(data: &[u8]) -> &[u8] {
    let line = data.split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn login(
    args: &LoginArgs,
    url: Option<&BrokerUrl>,
    version: Version,
    dialect: Dialect,
) -> Result<(Option<Text>, Option<Secret>), Error> {
    let username = match (&args.username, url.and_then(|url| url.username.as_ref())) {
        (Some(name), _) => Some(text("-u", name)?),
        (None, Some(name)) => Some(text("-L", name)?),
        (None, None) => None,
    };
    let password: Option<Vec<u8>> = if let Some(password) = &args.password {
        Some(password.clone().into_bytes())
    } else if let Some(path) = &args.password_file {
        Some(read_secret("--password-file", path)?)
    } else if let Some(password) = url.and_then(|url| url.password.clone()) {
        Some(password)
    } else if username.is_none() || !dialect.is_native() {
        // The variables may be meant for another command; mosquitto's clients know none.
        None
    } else if let Some(path) = std::env::var_os("MOZZIE_PASSWORD_FILE") {
        Some(read_secret("MOZZIE_PASSWORD_FILE", Path::new(&path))?)
    } else {
        std::env::var_os("MOZZIE_PASSWORD").map(os_bytes)
    };
    if let Some(password) = &password {
        if username.is_none() && version != Version::V5 {
            return Err(Error::usage(
                format!("a password needs a user name in MQTT {version}"),
                "give the user name with -u, or use -V 5",
            ));
        }
        if password.len() > usize::from(u16::MAX) {
            return Err(Error::usage("the password is longer than 65535 bytes", ""));
        }
    }
    Ok((username, password.map(|bytes| Secret(Bytes::from(bytes)))))
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

/// Where `-A` says to connect from.
fn local_address(typed: &str, dialect: Dialect) -> Result<Bind, Error> {
    Bind::look_up(typed).map_err(|reason| match dialect {
        Dialect::Native => Error::usage(
            format!("-A '{typed}': no such local address: {reason}"),
            "give an address of one of this machine's interfaces",
        ),
        Dialect::Mosquitto(_) => Verdict::usage("Unable to connect (Lookup error).\n").into(),
    })
}

/// What `-S` asks for.
fn look_up(domain: &str, port: Option<u16>, tls: bool, dialect: Dialect) -> Result<Srv, Error> {
    if let Some(port) = port {
        return Err(Error::usage(
            format!("-S: port {port} cannot be wanted too, for the SRV record names the port"),
            "leave out the port, or -S",
        ));
    }
    if domain.parse::<std::net::IpAddr>().is_ok() {
        return Err(Error::usage(
            format!("-S: {domain} is an address, and only domains have SRV records"),
            "give a domain with -h, or leave out -S",
        ));
    }
    let server = match std::env::var("MOZZIE_NAMESERVER") {
        Err(_) => None,
        Ok(typed) => Some(name_server(&typed).ok_or_else(|| {
            Error::usage(
                format!("MOZZIE_NAMESERVER '{typed}' is no address"),
                "give an IP address, and a port behind a colon unless it is 53",
            )
        })?),
    };
    let certificate = match dialect {
        Dialect::Native => CertificateName::Domain,
        Dialect::Mosquitto(_) => CertificateName::Target,
    };
    Srv::new(tls, server, certificate).ok_or_else(|| {
        Error::usage(
            "-S: this mozzie is built without look-ups of SRV records",
            "name the broker with -h and -p, or build with the feature srv",
        )
    })
}

/// An address with or without a port.
fn name_server(typed: &str) -> Option<std::net::SocketAddr> {
    let with_port = typed.parse().ok();
    with_port.or_else(|| {
        typed
            .parse()
            .ok()
            .map(|ip: std::net::IpAddr| (ip, 53).into())
    })
}

fn endpoint(args: &ConnectionArgs, dialect: Dialect) -> Result<Endpoint, Error> {
    let broker = &args.broker;
    let url = broker.url.as_ref();
    if url.is_some() && (broker.host.is_some() || broker.port.is_some()) {
        return Err(Error::usage(
            "-L names the broker already, so -h and -p cannot",
            "put host and port into the URL",
        ));
    }
    let transport = &args.transport;
    if broker.unix.is_some() {
        let also = [
            ("-L", url.is_some()),
            ("-h", broker.host.is_some()),
            ("-p", broker.port.is_some()),
            ("-S", broker.srv),
            ("-A", broker.bind.is_some()),
            ("--proxy", transport.proxy.is_some()),
        ];
        if let Some((option, _)) = also.iter().find(|(_, used)| *used) {
            return Err(Error::usage(
                format!("{option} cannot go with --unix"),
                format!("leave out {option} or --unix"),
            ));
        }
    }
    let use_tls = !args.tls.no_tls
        && (args.tls.is_used()
            || url.is_some_and(|url| url.tls)
            || (url.is_none() && broker.port == Some(TLS_PORT)));
    let use_websocket = transport.ws
        || transport.ws_path.is_some()
        || !transport.ws_header.is_empty()
        || url.is_some_and(|url| url.websocket);
    let address = match &broker.unix {
        Some(path) => Address::Unix(path.as_path().into()),
        None => {
            let host = url
                .map(|url| url.host.as_str())
                .or(broker.host.as_deref())
                .unwrap_or(DEFAULT_HOST);
            let port = match url {
                Some(url) => url.port.unwrap_or(match (url.websocket, url.tls) {
                    (true, true) => 443,
                    (true, false) => 80,
                    (false, true) => TLS_PORT,
                    (false, false) if use_tls => TLS_PORT,
                    (false, false) => PORT,
                }),
                None => broker.port.unwrap_or(if use_tls { TLS_PORT } else { PORT }),
            };
            // An address in brackets is how URLs write IPv6; -h takes it too.
            let host = host
                .strip_prefix('[')
                .and_then(|host| host.strip_suffix(']'))
                .unwrap_or(host);
            if host.is_empty() {
                return Err(Error::usage(
                    "-h: the host is empty",
                    "name a host such as localhost",
                ));
            }
            let mut address = TcpAddress::new(host, port);
            address.bind = match &broker.bind {
                Some(typed) => Some(local_address(typed, dialect)?),
                None => None,
            };
            address.proxy = transport.proxy.clone().map(Arc::new);
            if broker.srv {
                let typed_port = broker.port.or(url.and_then(|url| url.port));
                let srv = look_up(&address.host, typed_port, use_tls, dialect)?;
                address.srv = Some(Arc::new(srv));
            }
            Address::Tcp(address)
        }
    };
    let mut endpoint = Endpoint::new(address);
    endpoint.connect_timeout = broker.connect_timeout.0;
    if use_tls {
        let passphrase = match &args.tls.key_password_file {
            Some(path) => Some(read_secret("--key-password-file", path)?),
            None => std::env::var_os("MOZZIE_KEY_PASSWORD").map(os_bytes),
        };
        let tls = &args.tls;
        let settings = TlsSettings {
            cafile: tls.cafile.clone(),
            capath: tls.capath.clone(),
            use_os_certs: tls.tls_use_os_certs,
            cert: tls.cert.clone(),
            key: tls.key.clone(),
            key_passphrase: passphrase.map(net::Secret::new),
            alpn: tls.tls_alpn.clone(),
            version: tls.tls_version,
            ciphers: tls.ciphers.clone(),
            insecure: tls.insecure,
            keylog: tls.tls_keylog.clone(),
            server_name: tls.tls_server_name.clone(),
        };
        endpoint.tls = Some(TlsClient::load(&settings, endpoint.host())?);
    }
    if use_websocket {
        let path = transport
            .ws_path
            .as_deref()
            .unwrap_or(WebSocket::DEFAULT_PATH);
        let headers: Vec<_> = transport
            .ws_header
            .iter()
            .map(|header| (header.name.clone(), header.value.clone()))
            .collect();
        let websocket = WebSocket::new(path, &headers).map_err(|e| {
            Error::usage(
                e.to_string(),
                "a path starts with '/', and a header is 'Name: value'",
            )
        })?;
        endpoint.websocket = Some(websocket);
    }
    Ok(endpoint)
}
