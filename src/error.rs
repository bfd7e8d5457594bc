//! The whole failure vocabulary: what can go wrong, its exit code, and the next step.

mod facts;
mod mosquitto;

use std::io;
use std::path::PathBuf;

pub use mosquitto::{reason_text as mosquitto_reason, refusal_of_lines};

use crate::bench::{BenchError, ConnectionError};
use crate::broker::BrokerError;
use crate::dialect::Dialect;
use crate::mqtt::codec::{DecodeError, Stranger};
use crate::mqtt::packet::{ConnAck, Disconnect};
use crate::mqtt::properties::{Properties, PropertyId};
use crate::mqtt::reason::Reason;
use crate::mqtt::session::{PublishError, SessionError};
use crate::net::{DialError, TlsError, explain_io, io_reason};
use crate::signal::Signal;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line or a file that it names is wrong; found before anything was sent.
    #[error("{message}")]
    Usage { message: String, hint: String },
    /// What a mosquitto client says in a case that mozzie's own command line does not know.
    #[error("{}", String::from_utf8_lossy(&.0.text).trim_end())]
    Mosquitto(Verdict),
    /// A file that an option names cannot be read.
    #[error("{option}: cannot read '{}': {}", path.display(), io_reason(source))]
    Input {
        option: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// The command before the pipe may have failed: that must not look like a message.
    #[error("-s: there is nothing on stdin")]
    EmptyInput,
    /// A record of the input makes no message.
    #[error("{what}")]
    BadRecord { what: String, hint: &'static str },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("the broker refused the connection: {}", refusal_text(.0))]
    Refused(ConnAck),
    /// Never [`SessionError::Refused`], which has a form of its own above.
    #[error(transparent)]
    Session(SessionError),
    /// The broker had accepted us, and then broke the protocol.
    #[error(transparent)]
    Violation(SessionError),
    #[error("the broker ended the connection: {}", reason_text(.0))]
    Ended(Disconnect),
    #[error("the broker asks for authentication method '{0}', which mozzie does not know")]
    Authentication(String),
    /// The connection ended before the broker, if it is one, had accepted us.
    #[error("{0}")]
    NotAccepted(String),
    #[error("{0}")]
    ConnectionLost(String),
    #[error("{} the message to '{topic}': {why}", why.refuser())]
    PublishRefused { topic: String, why: Refusal },
    #[error("the broker refused the subscription: {0}")]
    SubscribeRefused(Refusal),
    #[error("{0}")]
    TimedOut(String),
    /// Requests are without their replies, and none will come any more.
    #[error("{0}")]
    NoReply(String),
    /// Requests that a command should have answered and did not.
    #[error("{unanswered} of {total} requests got no reply")]
    Unanswered { unanswered: u64, total: u64 },
    /// The connection broke too often, the last time in this way.
    #[error("{last}; {}", retries_text(*.retries))]
    RetriesUsedUp { last: Box<Error>, retries: u32 },
    /// The broker accepts us, and ends each connection before anything comes of it. `publishing`: it has
    /// messages then and acknowledges none; `suspicion`: who else may be the reason.
    #[error("{last}, {times} times in a row {}", drops_text(*.publishing))]
    DroppedAgainAndAgain {
        last: Box<Error>,
        times: u32,
        publishing: bool,
        suspicion: Option<String>,
    },
    /// A command did not do its work for messages.
    #[error("{0}")]
    Command(String),
    #[error("{acknowledged} of {total} messages acknowledged: {why}")]
    NotAcknowledged {
        acknowledged: u64,
        total: u64,
        why: String,
        hint: Option<String>,
        /// What ended it, where that is a failure of its own.
        cause: Option<Box<Error>>,
    },
    #[error("interrupted{}", .1.as_ref().map(|what| format!(": {what}")).unwrap_or_default())]
    Interrupted(Signal, Option<String>),
    /// What was not acknowledged cannot be kept in the file of `--unsent`. `outcome` is what became of
    /// all messages; where that is a failure, `verdict` is it.
    #[error("{outcome}, and --unsent: cannot write '{}'", path.display())]
    Unsent {
        outcome: String,
        path: PathBuf,
        source: io::Error,
        verdict: Option<Box<Error>>,
    },
    #[error("{what}")]
    Io {
        what: String,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error(transparent)]
    Bench(#[from] BenchError),
    /// Checks of `doctor` failed; `code` is the exit code of the first.
    #[error("{failed} of {total} checks failed")]
    Checks {
        failed: usize,
        total: usize,
        code: u8,
    },
    #[error("the run failed: {why}")]
    BenchFailed { why: String, hint: Option<String> },
    /// The generator was the bottleneck.
    #[error("the run is invalid: {0}")]
    BenchInvalid(String),
}

/// The end of a mosquitto client: its exit code and exactly what it writes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    pub code: u8,
    /// For stderr, with its newlines. Bytes, because words that are no UTF-8 are named in it as they were typed.
    pub text: Vec<u8>,
    /// For stdout: the whole usage, where a client shows it unasked.
    pub usage: String,
}

impl Verdict {
    /// The command line is wrong.
    pub fn usage(text: impl Into<Vec<u8>>) -> Self {
        Self {
            code: 1,
            text: text.into(),
            usage: String::new(),
        }
    }

    /// The broker has ended the connection of mosquitto_pub.
    pub fn not_connected() -> Self {
        Self {
            code: mosquitto::code::NOT_CONNECTED,
            ..Self::usage("Error: The client is not currently connected\n")
        }
    }

    /// What mosquitto_pub makes of a message that is beyond what the broker takes.
    pub fn beyond(error: &PublishError) -> Self {
        let why = match error {
            PublishError::QosNotSupported { .. } => {
                "Error: Message QoS not supported on broker, try a lower QoS.\n"
            }
            _ => "",
        };
        Self {
            code: mosquitto::code::CONNECTION_LOST,
            text: format!("{why}{}", mosquitto::LOST).into(),
            usage: String::new(),
        }
    }

    pub fn silent(code: u8) -> Self {
        Self {
            code,
            ..Self::default()
        }
    }
}

impl From<Verdict> for Error {
    fn from(verdict: Verdict) -> Self {
        Self::Mosquitto(verdict)
    }
}

/// Why the broker does not take something: in words, and with its own reason where it gave one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Refusal {
    text: String,
    reason: Option<Reason>,
    reason_string: Option<String>,
    /// What was found before anything was sent.
    found: Option<PublishError>,
}

impl Refusal {
    /// What an acknowledgement says.
    pub fn of(reason: Reason, properties: &Properties) -> Self {
        let string = properties.text(PropertyId::ReasonString);
        Self {
            text: with_details(reason.to_string(), properties),
            reason: Some(reason),
            reason_string: string.map(ToString::to_string),
            found: None,
        }
    }

    /// Whether the broker cannot do it for anybody: it said so in CONNACK, or says so now.
    pub fn is_a_lack(&self) -> bool {
        self.reason.is_none_or(Reason::is_not_supported)
    }

    /// What is before the message in a sentence that says it is not published.
    pub fn refuser(&self) -> &'static str {
        match self.found {
            Some(PublishError::Encode(_)) => "MQTT has no packet for",
            _ => "the broker refused",
        }
    }

    /// What to do about it, where the reason says so.
    fn hint(&self) -> Option<&'static str> {
        match self.reason? {
            Reason::NOT_AUTHORIZED => Some(
                "may this user publish or subscribe there? The broker's access control and its log say more",
            ),
            Reason::UNSPECIFIED_ERROR => {
                Some("the broker's access control may forbid it, or a limit; its log may say more")
            }
            Reason::PACKET_TOO_LARGE | Reason::QUOTA_EXCEEDED => {
                Some("a limit of the broker; 'mozzie doctor' shows those that it tells")
            }
            reason if reason.is_not_supported() => {
                Some("'mozzie doctor' shows what the broker has")
            }
            _ => None,
        }
    }

    /// The same in other words.
    pub fn worded(self, text: String) -> Self {
        Self { text, ..self }
    }
}

impl From<PublishError> for Refusal {
    fn from(error: PublishError) -> Self {
        Self {
            text: error.to_string(),
            found: Some(error),
            ..Self::default()
        }
    }
}

/// What mozzie knows by itself.
impl From<String> for Refusal {
    fn from(text: String) -> Self {
        Self {
            text,
            ..Self::default()
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// A reason code with the reason string and the server reference that came with it.
fn with_details(name: String, properties: &Properties) -> String {
    let mut text = name;
    if let Some(string) = properties.text(PropertyId::ReasonString) {
        text.push_str(&format!(": {string}"));
    }
    if let Some(server) = properties.text(PropertyId::ServerReference) {
        text.push_str(&format!(" (use {server})"));
    }
    text
}

impl From<SessionError> for Error {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Refused(connack) => Self::Refused(connack),
            other => Self::Session(other),
        }
    }
}

fn refusal_text(connack: &ConnAck) -> String {
    let name = format!("{} ({})", connack.reason.connect_name(), connack.reason.0);
    with_details(name, &connack.properties)
}

fn reason_text(disconnect: &Disconnect) -> String {
    with_details(disconnect.reason.to_string(), &disconnect.properties)
}

impl Error {
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage {
            message: message.into(),
            hint: hint.into(),
        }
    }

    pub fn io(what: impl Into<String>, source: io::Error) -> Self {
        Self::Io {
            what: what.into(),
            source,
        }
    }

    /// What a message that this broker cannot take means to the user.
    pub fn refused(topic: &str, error: &PublishError) -> Self {
        Self::PublishRefused {
            topic: topic.to_owned(),
            why: error.clone().into(),
        }
    }

    /// The error and what lies under it, in one line.
    pub fn in_full(&self) -> String {
        let mut text = self.to_string();
        let mut source = match self {
            // worded into the message
            Self::Input { .. } => None,
            _ => std::error::Error::source(self),
        };
        while let Some(error) = source {
            text.push_str(": ");
            match error.downcast_ref::<io::Error>() {
                Some(error) => text.push_str(&io_reason(error)),
                None => text.push_str(&error.to_string()),
            }
            source = error.source();
        }
        text
    }

    pub fn exit_code_in(&self, dialect: Dialect) -> u8 {
        match dialect {
            Dialect::Native => self.exit_code(),
            Dialect::Mosquitto(_) => self.mosquitto_exit_code(),
        }
    }

    /// The exit code under mozzie's own names.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage { .. } | Self::Tls(_) | Self::Input { .. } | Self::EmptyInput => 2,
            Self::Mosquitto(verdict) => verdict.code,
            Self::Dial(_) => 3,
            Self::Refused(_) => 4,
            Self::Session(error) | Self::Violation(error) => match error {
                SessionError::Refused(_) => 4,
                SessionError::Decode(DecodeError::OldBroker(_)) => 4,
                SessionError::ConnAckTimeout(_) | SessionError::Decode(DecodeError::NotMqtt(_)) => {
                    3
                }
                SessionError::Decode(_)
                | SessionError::Protocol { .. }
                | SessionError::KeepAliveTimeout(_)
                | SessionError::Encode(_) => 1,
            },
            Self::Ended(_) | Self::Authentication(_) => 4,
            Self::NotAccepted(_) | Self::ConnectionLost(_) => 3,
            Self::RetriesUsedUp { last, .. } | Self::DroppedAgainAndAgain { last, .. } => {
                last.exit_code()
            }
            Self::PublishRefused { .. } | Self::SubscribeRefused(_) => 5,
            Self::TimedOut(_) | Self::NoReply(_) => 6,
            Self::NotAcknowledged { .. } => 7,
            Self::Interrupted(signal, _) => signal.exit_code(),
            Self::Io { .. }
            | Self::Unsent { .. }
            | Self::BadRecord { .. }
            | Self::Broker(_)
            | Self::Unanswered { .. }
            | Self::Command(_) => 1,
            Self::Bench(error) => bench_exit_code(error),
            Self::BenchFailed { .. } => 8,
            Self::Checks { code, .. } => *code,
            Self::BenchInvalid(_) => 9,
        }
    }

    /// What to do next, where there is something to say.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Usage { hint, .. } if hint.is_empty() => None,
            Self::Usage { hint, .. } => Some(hint.clone()),
            Self::Mosquitto(_) | Self::Input { .. } => None,
            Self::EmptyInput => Some("-n publishes an empty message".to_owned()),
            Self::BadRecord { hint: "", .. } => None,
            Self::BadRecord { hint, .. } => Some((*hint).to_owned()),
            Self::Tls(error) => error.hint(),
            Self::Dial(error) => error.hint(),
            Self::Refused(connack) => reason_hint(connack.reason, &connack.properties),
            Self::Session(error) => session_hint(error),
            Self::Ended(disconnect) => reason_hint(disconnect.reason, &disconnect.properties),
            Self::RetriesUsedUp { retries: 0, .. } => {
                Some("without --retry 0 it connects again".to_owned())
            }
            Self::RetriesUsedUp { .. } => {
                Some("--retry forever goes on trying, --retry-max-delay says how slowly".to_owned())
            }
            Self::DroppedAgainAndAgain {
                last,
                publishing,
                suspicion,
                ..
            } => Some(drops_hint(last, *publishing, suspicion.as_deref())),
            Self::NotAcknowledged { hint, .. } | Self::BenchFailed { hint, .. } => hint.clone(),
            Self::Authentication(_) => Some(
                "leave out -D connect authentication-method and log in with -u and --password-file"
                    .to_owned(),
            ),
            Self::PublishRefused { why, .. } | Self::SubscribeRefused(why) => {
                why.hint().map(str::to_owned)
            }
            Self::Broker(error) => error.hint().map(str::to_owned),
            Self::Bench(BenchError::NoConnection {
                first: first @ ConnectionError::Dial(error),
                ..
            }) => first
                .ports_hint()
                .map_or_else(|| error.hint(), |hint| Some(hint.to_owned())),
            Self::Bench(BenchError::NoConnection {
                first: ConnectionError::Io(error),
                ..
            }) => explain_io(error).and_then(|problem| problem.hint()),
            Self::Bench(error) => error.hint().map(str::to_owned),
            Self::BenchInvalid(_) => Some(
                "ask for less, add --workers, or run the generator on a machine with more to give"
                    .to_owned(),
            ),
            Self::NotAccepted(_) => Some(NOT_MQTT.to_owned()),
            Self::Violation(_) => Some("-dd shows the packets and their bytes".to_owned()),
            Self::ConnectionLost(_)
            | Self::TimedOut(_)
            | Self::NoReply(_)
            | Self::Unanswered { .. }
            | Self::Command(_)
            | Self::Interrupted(..)
            | Self::Checks { .. }
            | Self::Unsent { .. }
            | Self::Io { .. } => None,
        }
    }
}

const NOT_MQTT: &str =
    "is this an MQTT port? A TLS port needs --cafile or mqtts://, a WebSocket port --ws";

fn bench_exit_code(error: &BenchError) -> u8 {
    match error {
        BenchError::Plan(_) => 2,
        BenchError::Shortage(_) | BenchError::Worker(_) | BenchError::WorkerDied => 1,
        BenchError::NoConnection { first, .. } => match first {
            ConnectionError::Dial(_) | ConnectionError::Io(_) | ConnectionError::Closed => 3,
            ConnectionError::Session(SessionError::Refused(_))
            | ConnectionError::Session(SessionError::Decode(DecodeError::OldBroker(_)))
            | ConnectionError::Disconnected(_)
            | ConnectionError::Authentication => 4,
            ConnectionError::Session(
                SessionError::ConnAckTimeout(_) | SessionError::Decode(DecodeError::NotMqtt(_)),
            ) => 3,
            ConnectionError::SubscriptionRefused(_) => 5,
            ConnectionError::Session(_) => 1,
            ConnectionError::Text(_) => 2,
        },
    }
}

fn session_hint(error: &SessionError) -> Option<String> {
    match error {
        SessionError::Refused(connack) => reason_hint(connack.reason, &connack.properties),
        SessionError::Decode(DecodeError::OldBroker(_)) => {
            Some("use -V 311, and no option that needs MQTT 5".to_owned())
        }
        SessionError::Decode(DecodeError::NotMqtt(stranger)) => Some(
            match stranger {
                Stranger::Tls => "the port is a TLS listener: use mqtts://, or --cafile",
                Stranger::Http => {
                    "a web server or a WebSocket listener is there: use --ws or ws://, or check the port"
                }
                Stranger::Ssh => "check the port: MQTT has 1883, with TLS 8883",
            }
            .to_owned(),
        ),
        SessionError::ConnAckTimeout(_)
        | SessionError::Decode(_)
        | SessionError::Protocol { .. } => Some(NOT_MQTT.to_owned()),
        SessionError::KeepAliveTimeout(_) | SessionError::Encode(_) => None,
    }
}

fn retries_text(retries: u32) -> String {
    match retries {
        0 => "--retry 0 wants no other attempt".to_owned(),
        1 => "1 attempt to connect again was in vain".to_owned(),
        _ => format!("{retries} attempts to connect again were in vain"),
    }
}

fn drops_text(publishing: bool) -> &'static str {
    match publishing {
        true => "after messages were sent and none was acknowledged",
        false => "soon after it had accepted the connection",
    }
}

fn drops_hint(last: &Error, publishing: bool, suspicion: Option<&str>) -> String {
    let refusal = match (publishing, last) {
        (true, Error::Ended(_)) => "the broker may not allow their topic, QoS or size",
        (true, _) => {
            "the broker may not allow their topic, QoS or size; before MQTT 5 (-V 5) it cannot say so"
        }
        (false, _) => "the broker may not allow what is asked for",
    };
    match suspicion {
        Some(suspicion) if publishing => format!("{refusal}; or {suspicion}"),
        Some(suspicion) => suspicion.to_owned(),
        None => refusal.to_owned(),
    }
}

/// Another server, where the broker names one (MQTT 5 section 4.13.3): the first of its list.
fn redirection(properties: &Properties) -> String {
    let server = properties
        .text(PropertyId::ServerReference)
        .and_then(|list| list.as_str().split_whitespace().next());
    let Some(server) = server else {
        return "the broker does not say which; ask whoever runs it".to_owned();
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok();
    match server.rsplit_once(':') {
        // not the last group of an IPv6 address without brackets
        Some((host, port)) if is_port(port) && (!host.contains(':') || host.starts_with('[')) => {
            format!("connect there with -h {host} -p {port}")
        }
        _ => format!("connect there with -h {server}"),
    }
}

fn reason_hint(reason: Reason, properties: &Properties) -> Option<String> {
    let hint = match reason {
        Reason::USE_ANOTHER_SERVER | Reason::SERVER_MOVED => return Some(redirection(properties)),
        Reason::ADMINISTRATIVE_ACTION => "somebody who runs the broker ended this connection",
        Reason::QUOTA_EXCEEDED => "wait, or send less: the broker limits what one client may do",
        Reason::BANNED => "ask whoever runs the broker",
        Reason(4 | 5) | Reason::BAD_USER_NAME_OR_PASSWORD | Reason::NOT_AUTHORIZED => {
            "check -u and the password (--password-file, MOZZIE_PASSWORD)"
        }
        Reason(1) | Reason::UNSUPPORTED_PROTOCOL_VERSION => {
            "the broker does not speak this version of MQTT: try -V 311, -V 5 or -V 31"
        }
        Reason(2) | Reason::CLIENT_IDENTIFIER_NOT_VALID => "give another client identifier with -i",
        Reason::SESSION_TAKEN_OVER => {
            "another client connected with the same identifier: give this one its own with -i"
        }
        Reason::PACKET_TOO_LARGE => "the broker's maximum packet size is smaller than this message",
        Reason::BAD_AUTHENTICATION_METHOD => "check -D connect authentication-method",
        _ => return None,
    };
    Some(hint.to_owned())
}
