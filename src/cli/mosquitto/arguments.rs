//! The words in the order typed: each option is judged as it comes, and the first flaw ends it.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::property::Typed as Properties;
use super::table::{self, Opt, Takes};
use super::{FormatCheck, as_utf8, naming, number, proxy, url};
use crate::cli::subscribe::RetainHandlingArg;
use crate::dialect::Tool;
use crate::error::Verdict;
use crate::mqtt::{QoS, Version, topic};
use crate::net::Proxy;

/// Where messages come from, once one of the options is given.
#[derive(Debug, PartialEq, Eq)]
pub enum Input {
    Text(OsString),
    File(PathBuf),
    Stdin,
    Lines,
    Null,
}

/// What the command line asks for besides work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    Help,
    Version,
}

/// What has been typed, each value judged by itself.
#[derive(Debug, Default)]
pub struct Typed {
    /// With port 0, the path of a socket.
    pub host: Option<OsString>,
    /// As typed in `-L`, in which none is too large; `NO_PORT` is none.
    pub port: Option<i64>,
    pub bind: Option<String>,
    pub srv: bool,
    pub websocket: bool,
    pub proxy: Option<Proxy>,
    pub nodelay: bool,
    pub keep_alive: Option<u16>,
    pub version: Option<Version>,
    pub id: Option<OsString>,
    pub id_prefix: Option<OsString>,
    pub username: Option<OsString>,
    pub password: Option<OsString>,
    pub keep_session: bool,
    pub session_expiry: Option<u32>,
    pub max_in_flight: Option<u16>,
    pub qos: QoS,
    pub will_topic: Option<String>,
    pub will_payload: Option<OsString>,
    pub will_qos: QoS,
    pub will_retain: bool,
    pub properties: Properties,
    pub cafile: Option<PathBuf>,
    pub capath: Option<PathBuf>,
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
    pub keyform: Option<String>,
    pub ciphers: Option<String>,
    pub insecure: bool,
    pub tls_alpn: Option<String>,
    pub tls_engine: Option<String>,
    pub tls_engine_key_hash: Option<String>,
    pub tls_os_certs: bool,
    pub tls_version: Option<String>,
    pub tls_keylog: Option<PathBuf>,
    pub no_tls: bool,
    pub psk: Option<String>,
    pub psk_identity: Option<String>,
    pub debug: bool,
    pub quiet: bool,
    /// pub and rr keep the last; sub has them all.
    pub topics: Vec<String>,
    pub response_topic: Option<String>,
    pub input: Option<Input>,
    pub retain: bool,
    pub repeat: Option<u64>,
    pub repeat_delay: f64,
    pub filter_out: Vec<String>,
    pub unsubscribe: Vec<String>,
    pub count: Option<u64>,
    pub timeout_s: Option<u64>,
    pub exit_after_suback: bool,
    pub no_retained: bool,
    pub retained_only: bool,
    pub remove_retained: bool,
    pub retain_as_published: bool,
    pub retain_handling: Option<RetainHandlingArg>,
    pub random_filter: Option<f64>,
    pub format: Option<OsString>,
    pub pretty: bool,
    pub verbose: bool,
    pub no_newline: bool,
    pub message_rate: bool,
    pub watch: bool,
    pub latency: bool,
}

/// A flaw that mosquitto follows with an empty line.
fn flaw(text: &str) -> Verdict {
    Verdict::usage(format!("Error: {text}\n\n"))
}

/// A flaw that names a value, without the empty line.
fn bad(text: &str) -> Verdict {
    Verdict::usage(format!("Error: {text}\n"))
}

fn two_messages() -> Verdict {
    flaw("Only one type of message can be sent at once.")
}

fn text(value: &OsStr) -> String {
    value.to_string_lossy().into_owned()
}

/// The value as text; or the complaint about it.
fn utf8<'a>(label: &str, value: &'a OsStr) -> Result<&'a str, Verdict> {
    as_utf8(value).ok_or_else(|| flaw(&format!("Malformed UTF-8 in {label} argument.")))
}

impl Typed {
    /// Takes all words, until one is wrong or asks for help.
    pub fn take(
        &mut self,
        tool: Tool,
        words: &[OsString],
        format: FormatCheck,
    ) -> Result<Option<Asked>, Verdict> {
        let mut rest = words;
        while let [name, after @ ..] = rest {
            let entry = name
                .to_str()
                .and_then(|name| table::find(tool, name))
                .ok_or_else(|| naming("Error: Unknown option '", name, "'.\n"))?;
            rest = match entry.takes {
                Takes::Nothing => {
                    match entry.option {
                        Opt::Help => return Ok(Some(Asked::Help)),
                        Opt::Version => return Ok(Some(Asked::Version)),
                        option => self.flag(option)?,
                    }
                    after
                }
                Takes::Word(missing) => {
                    if matches!(entry.option, Opt::Message | Opt::File) && self.input.is_some() {
                        return Err(two_messages());
                    }
                    if matches!(entry.option, Opt::Id | Opt::IdPrefix) {
                        self.one_kind_of_id(entry.option)?;
                    }
                    let [value, after @ ..] = after else {
                        return Err(flaw(&format!("{missing}.")));
                    };
                    self.value(tool, entry.option, value, format)?;
                    after
                }
                Takes::Words => {
                    let taken = self.properties.take(after)?;
                    self.version = Some(Version::V5);
                    &after[taken..]
                }
            };
        }
        Ok(None)
    }

    fn flag(&mut self, option: Opt) -> Result<(), Verdict> {
        let field = match option {
            Opt::Lines => return self.input(Input::Lines),
            Opt::StdinFile => return self.input(Input::Stdin),
            Opt::Null => return self.input(Input::Null),
            Opt::Clean => &mut self.keep_session,
            Opt::Debug => &mut self.debug,
            Opt::ExitAfterSubAck => &mut self.exit_after_suback,
            Opt::Insecure => &mut self.insecure,
            Opt::Latency => &mut self.latency,
            Opt::MessageRate => &mut self.message_rate,
            Opt::NoDelay => &mut self.nodelay,
            Opt::NoNewline => &mut self.no_newline,
            Opt::NoRetained => {
                // asks the broker for none, until another word says otherwise
                self.retain_handling = Some(RetainHandlingArg::Never);
                &mut self.no_retained
            }
            Opt::NoTls => &mut self.no_tls,
            Opt::Pretty => &mut self.pretty,
            Opt::Quiet => &mut self.quiet,
            Opt::RemoveRetained => &mut self.remove_retained,
            Opt::Retain => &mut self.retain,
            Opt::RetainAsPublished => &mut self.retain_as_published,
            Opt::RetainedOnly => &mut self.retained_only,
            Opt::Srv => &mut self.srv,
            Opt::TlsOsCerts => &mut self.tls_os_certs,
            Opt::Verbose => &mut self.verbose,
            Opt::Watch => &mut self.watch,
            Opt::WebSocket => &mut self.websocket,
            Opt::WillRetain => &mut self.will_retain,
            // options with a value
            _ => return Ok(()),
        };
        *field = true;
        Ok(())
    }

    fn value(
        &mut self,
        tool: Tool,
        option: Opt,
        value: &OsStr,
        format: FormatCheck,
    ) -> Result<(), Verdict> {
        let word = text(value);
        match option {
            Opt::Bind => self.bind = Some(word),
            Opt::Cafile => self.cafile = Some(value.into()),
            Opt::Capath => self.capath = Some(value.into()),
            Opt::Cert => self.cert = Some(value.into()),
            Opt::Key => self.key = Some(value.into()),
            Opt::KeyForm => self.keyform = Some(word),
            Opt::Ciphers => self.ciphers = Some(word),
            Opt::TlsAlpn => self.tls_alpn = Some(word),
            Opt::TlsEngine => self.tls_engine = Some(word),
            Opt::TlsEngineKeyHash => self.tls_engine_key_hash = Some(word),
            Opt::TlsVersion => self.tls_version = Some(word),
            Opt::TlsKeylog => self.tls_keylog = Some(value.into()),
            Opt::Psk => self.psk = Some(word),
            Opt::PskIdentity => self.psk_identity = Some(word),
            Opt::Host => self.host = Some(value.to_owned()),
            Opt::Unix => (self.host, self.port) = (Some(value.to_owned()), Some(0)),
            Opt::Username => self.username = Some(value.to_owned()),
            Opt::Password => self.password = Some(value.to_owned()),
            Opt::Port => self.port = Some(port(&word)?),
            Opt::Proxy => {
                let silenced = |verdict: Verdict| match self.quiet {
                    true => Verdict::silent(verdict.code),
                    false => verdict,
                };
                self.proxy = Some(proxy::parse(value).map_err(silenced)?);
            }
            Opt::Url => self.url(tool, value)?,
            Opt::Id => self.id = Some(value.to_owned()),
            Opt::IdPrefix => self.id_prefix = Some(value.to_owned()),
            Opt::KeepAlive => self.keep_alive = Some(keep_alive(&word)?),
            Opt::MaxInFlight => self.max_in_flight = Some(max_in_flight(&word)?),
            Opt::ProtocolVersion => self.version = Some(version(&word)?),
            Opt::SessionExpiry => {
                self.session_expiry = Some(session_expiry(&word)?);
                self.version = Some(Version::V5);
            }
            Opt::QoS => self.qos = qos(&word, |n| bad(&format!("Invalid QoS given: {n}")))?,
            Opt::WillQos => {
                self.will_qos = qos(&word, |n| flaw(&format!("Invalid will QoS {n}.")))?;
            }
            Opt::WillPayload => self.will_payload = Some(value.to_owned()),
            Opt::WillTopic => {
                let topic = utf8("--will-topic", value)?;
                self.will_topic = Some(name("will", topic)?);
            }
            Opt::Topic => self.topic(tool, utf8("-t", value)?)?,
            Opt::ResponseTopic => {
                let topic = utf8("-e", value)?;
                self.response_topic = Some(name("response", topic)?);
            }
            Opt::FilterOut => self.filter_out.push(filter("filter", utf8("-T", value)?)?),
            Opt::Unsubscribe => self
                .unsubscribe
                .push(filter("unsubscribe", utf8("-U", value)?)?),
            Opt::Message => self.input(Input::Text(value.to_owned()))?,
            Opt::File => self.input(Input::File(value.into()))?,
            Opt::Repeat => {
                let count = number::int(&word);
                let count = u64::try_from(count).ok().filter(|count| *count > 0);
                self.repeat = Some(count.ok_or_else(|| flaw("--repeat argument must be >0."))?);
            }
            Opt::RepeatDelay => {
                self.repeat_delay = number::decimal(&word);
                if self.repeat_delay < 0.0 {
                    return Err(flaw("--repeat-delay argument must be >=0.0."));
                }
            }
            Opt::Count => {
                let count = number::int(&word);
                let valid = u64::try_from(count).ok().filter(|count| *count > 0);
                self.count = Some(
                    valid.ok_or_else(|| flaw(&format!("Invalid message count \"{count}\".")))?,
                );
            }
            Opt::Timeout => {
                let seconds = number::int(&word);
                let valid = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0);
                self.timeout_s =
                    Some(valid.ok_or_else(|| flaw(&format!("Invalid timeout \"{seconds}\".")))?);
            }
            Opt::RandomFilter => {
                // In tenths of a percent they are held against 10,000, so its percent is a tenth of one.
                let tenths = (10.0 * number::decimal(&word)) as i64;
                if !(1..=10_000).contains(&tenths) {
                    return Err(flaw("--random-filter chance must be between 0.1-100.0"));
                }
                self.random_filter = Some(tenths as f64 / 100.0);
            }
            Opt::RetainHandling => {
                self.retain_handling = Some(match word.as_str() {
                    "always" => RetainHandlingArg::Always,
                    "new" => RetainHandlingArg::New,
                    "never" => RetainHandlingArg::Never,
                    _ => {
                        let behind = "' for --retain-handling.\n\n";
                        return Err(naming("Error: Unknown value '", value, behind));
                    }
                });
            }
            Opt::Format => {
                format(value).map_err(|text| Verdict::usage([&text[..], b"\n"].concat()))?;
                self.format = Some(value.to_owned());
            }
            // Taken before everything else; flags have no value.
            _ => {}
        }
        Ok(())
    }

    fn input(&mut self, input: Input) -> Result<(), Verdict> {
        match self.input.replace(input) {
            None => Ok(()),
            Some(_) => Err(two_messages()),
        }
    }

    /// Judged before its value is missed.
    fn one_kind_of_id(&self, option: Opt) -> Result<(), Verdict> {
        let other = match option {
            Opt::Id => &self.id_prefix,
            _ => &self.id,
        };
        match other {
            None => Ok(()),
            Some(_) => Err(flaw("-i and -I argument cannot be used together.")),
        }
    }

    fn topic(&mut self, tool: Tool, typed: &str) -> Result<(), Verdict> {
        match tool {
            Tool::Sub => self.topics.push(filter("subscription", typed)?),
            Tool::Pub | Tool::Rr => self.topics = vec![name("publish", typed)?],
        }
        Ok(())
    }

    fn url(&mut self, tool: Tool, typed: &OsStr) -> Result<(), Verdict> {
        let url = url::parse(typed)?;
        self.topic(tool, utf8("-L topic", url.topic)?)?;
        if url.tls {
            self.tls_os_certs = true;
        }
        self.websocket |= url.websocket;
        self.port = Some(match url.port {
            Some(typed) => number::int(&text(typed)),
            None if url.tls => 8883,
            None => 1883,
        });
        self.host = Some(url.host.to_owned());
        if let Some(username) = url.username {
            self.username = Some(username.to_owned());
        }
        if let Some(password) = url.password {
            self.password = Some(password.to_owned());
        }
        Ok(())
    }
}

/// More levels than these are no topic to mosquitto's library.
const MOST_SEPARATORS: usize = 200;

fn is_too_deep(topic: &str) -> bool {
    topic.bytes().filter(|byte| *byte == b'/').count() > MOST_SEPARATORS
}

fn name(what: &str, typed: &str) -> Result<String, Verdict> {
    match topic::parse_name(typed) {
        Ok(_) if !is_too_deep(typed) => Ok(typed.to_owned()),
        _ => Err(bad(&format!(
            "Invalid {what} topic '{typed}', does it contain '+' or '#'?"
        ))),
    }
}

fn filter(what: &str, typed: &str) -> Result<String, Verdict> {
    match topic::parse_filter(typed) {
        Ok(_) if !is_too_deep(typed) => Ok(typed.to_owned()),
        _ => Err(bad(&format!(
            "Invalid {what} topic '{typed}', are all '+' and '#' wildcards correct?"
        ))),
    }
}

fn port(typed: &str) -> Result<i64, Verdict> {
    match number::int(typed) {
        port @ 0..=65_535 => Ok(port),
        port => Err(bad(&format!("Invalid port given: {port}"))),
    }
}

fn keep_alive(typed: &str) -> Result<u16, Verdict> {
    u16::try_from(number::int(typed))
        .ok()
        .filter(|seconds| *seconds >= 5)
        .ok_or_else(|| flaw("Invalid keepalive given, it must be between 5 and 65535 inclusive."))
}

fn max_in_flight(typed: &str) -> Result<u16, Verdict> {
    match number::int(typed) {
        ..1 => Err(flaw("Maximum inflight messages must be greater than 0.")),
        count => Ok(count.min(65_535) as u16),
    }
}

fn version(typed: &str) -> Result<Version, Verdict> {
    match typed {
        "mqttv31" | "31" => Ok(Version::V31),
        "mqttv311" | "311" => Ok(Version::V311),
        "mqttv5" | "5" => Ok(Version::V5),
        _ => Err(flaw("Invalid protocol version argument given.")),
    }
}

fn session_expiry(typed: &str) -> Result<u32, Verdict> {
    if typed == "∞" {
        return Ok(u32::MAX);
    }
    match number::strict(typed) {
        None => Err(flaw("session-expiry-interval not a number.")),
        Some(-1) => Ok(u32::MAX),
        Some(seconds) => {
            u32::try_from(seconds).map_err(|_| flaw("session-expiry-interval out of range."))
        }
    }
}

fn qos(typed: &str, refuse: impl Fn(i64) -> Verdict) -> Result<QoS, Verdict> {
    let level = number::int(typed);
    u8::try_from(level)
        .ok()
        .and_then(QoS::from_u8)
        .ok_or_else(|| refuse(level))
}
