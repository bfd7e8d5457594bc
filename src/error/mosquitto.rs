//! A failure as mosquitto's clients report it: the text on stderr and the exit code.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{Error, Verdict};
use crate::dialect::Tool;
use crate::mqtt::codec::DecodeError;
use crate::mqtt::packet::ConnAck;
use crate::mqtt::reason::Reason;
use crate::mqtt::session::{PublishError, SessionError};
use crate::net::{DialError, Layer, ProxyProblem, TlsError, io_reason};

/// libmosquitto's error numbers that become exit codes.
pub(super) mod code {
    pub const PROTOCOL: u8 = 2;
    pub const NOT_CONNECTED: u8 = 4;
    pub const CONNECTION_LOST: u8 = 7;
    pub const AUTH: u8 = 11;
    /// The operating system's; of a failed handshake OpenSSL says "protocol error".
    pub const ERRNO: u8 = 14;
    pub const PROXY: u8 = 16;
    pub const MALFORMED: u8 = 21;
    pub const QOS_NOT_SUPPORTED: u8 = 24;
    pub const OVERSIZE_PACKET: u8 = 25;
    pub const TIMEOUT: u8 = 27;
}

const REFUSED: &str = "Error: The connection was refused\n";
pub(super) const LOST: &str = "Error: The connection was lost\n";
const PROTOCOL: &str =
    "Error: A network protocol error occurred when communicating with the broker\n";

impl Error {
    pub fn mosquitto_exit_code(&self) -> u8 {
        match self {
            Self::Mosquitto(verdict) => verdict.code,
            Self::Refused(connack) => connack.reason.0,
            Self::Session(error) | Self::Violation(error) => match error {
                SessionError::Refused(connack) => connack.reason.0,
                SessionError::ConnAckTimeout(_) | SessionError::KeepAliveTimeout(_) => {
                    code::CONNECTION_LOST
                }
                SessionError::Decode(error) if is_malformed(error) => code::MALFORMED,
                SessionError::Decode(_)
                | SessionError::Protocol { .. }
                | SessionError::Encode(_) => code::PROTOCOL,
            },
            Self::Dial(error) => dial_exit_code(error),
            Self::NotAccepted(_)
            | Self::ConnectionLost(_)
            | Self::RetriesUsedUp { .. }
            | Self::DroppedAgainAndAgain { .. }
            | Self::NotAcknowledged { .. } => code::CONNECTION_LOST,
            Self::Authentication(_) => code::AUTH,
            Self::TimedOut(_) | Self::NoReply(_) => code::TIMEOUT,
            // The broker's DISCONNECT is the end of the work, and no failure; so is a refused
            // subscription.
            Self::Ended(_) | Self::SubscribeRefused(_) => 0,
            Self::Interrupted(signal, _) => signal.exit_code(),
            Self::PublishRefused { why, .. } => match &why.found {
                Some(PublishError::QosNotSupported { .. }) => code::QOS_NOT_SUPPORTED,
                Some(PublishError::TooLarge { .. } | PublishError::Encode(_)) => {
                    code::OVERSIZE_PACKET
                }
                _ => 1,
            },
            Self::Usage { .. }
            | Self::Tls(_)
            | Self::Input { .. }
            | Self::EmptyInput
            | Self::BadRecord { .. }
            | Self::Io { .. }
            | Self::Unsent { .. }
            | Self::Broker(_)
            | Self::Unanswered { .. }
            | Self::Command(_)
            | Self::Bench(_)
            | Self::Checks { .. }
            | Self::BenchFailed { .. }
            | Self::BenchInvalid(_) => 1,
        }
    }

    /// What goes to stderr, with its newlines; empty for nothing.
    pub fn mosquitto_text(&self, tool: Tool) -> Vec<u8> {
        let text = match self {
            Self::Mosquitto(verdict) => return verdict.text.clone(),
            Self::Refused(connack) => refusal(connack, tool),
            Self::Session(error) | Self::Violation(error) => match error {
                SessionError::Refused(connack) => refusal(connack, tool),
                SessionError::ConnAckTimeout(_) | SessionError::KeepAliveTimeout(_) => LOST.into(),
                SessionError::Decode(error) if is_malformed(error) => {
                    "Error: Malformed packet\n".into()
                }
                SessionError::Decode(_)
                | SessionError::Protocol { .. }
                | SessionError::Encode(_) => PROTOCOL.into(),
            },
            Self::Dial(error) => dial(error),
            Self::Tls(error) => tls(error),
            Self::NotAccepted(_)
            | Self::ConnectionLost(_)
            | Self::RetriesUsedUp { .. }
            | Self::DroppedAgainAndAgain { .. }
            | Self::NotAcknowledged { .. } => LOST.into(),
            Self::Authentication(_) => "Error: Authorisation failed\n".into(),
            Self::TimedOut(_) | Self::NoReply(_) => "Timed out\n".into(),
            Self::SubscribeRefused(_) => "All subscription requests were denied.\n".into(),
            Self::Ended(_) | Self::Interrupted(..) => String::new(),
            Self::Input {
                option,
                path,
                source,
            } => {
                let reason = os_reason(source);
                match *option {
                    "-f" => return Verdict::unreadable(path, source, false).text,
                    "-s" => format!("Error: {reason}\nError loading input from stdin.\n"),
                    _ => format!(
                        "Error: Unable to read file \"{}\": {reason}.\n",
                        path.display()
                    ),
                }
            }
            Self::EmptyInput => {
                "Error: Zero length input.\nError loading input from stdin.\n".into()
            }
            Self::PublishRefused { topic, why } => match &why.found {
                Some(PublishError::QosNotSupported { .. }) => {
                    "Error: Requested QoS not supported on server\n".into()
                }
                Some(PublishError::TooLarge { .. } | PublishError::Encode(_)) => {
                    "Error: Packet larger than supported by the server\n".into()
                }
                _ => format!("Error: the broker refused the message to '{topic}': {why}\n"),
            },
            Self::Usage { .. }
            | Self::Io { .. }
            | Self::Unsent { .. }
            | Self::Broker(_)
            | Self::Unanswered { .. }
            | Self::Command(_)
            | Self::Bench(_)
            | Self::BadRecord { .. }
            | Self::Checks { .. }
            | Self::BenchFailed { .. }
            | Self::BenchInvalid(_) => format!("Error: {}\n", self.in_full()),
        };
        text.into()
    }
}

impl Verdict {
    /// The file of `-f` cannot be read; that it is a folder is said even when nothing else is.
    pub fn unreadable(path: &Path, error: &io::Error, quiet: bool) -> Self {
        let name = path.as_os_str().as_bytes();
        let is_dir = error.kind() == io::ErrorKind::IsADirectory;
        let mut text = match is_dir {
            true => [b"Error: ", name, b" is not a file."].concat(),
            false => Vec::new(),
        };
        if !quiet {
            // Of a folder it says the number of an error that it had before.
            let reason = match is_dir {
                true => "No such file or directory".to_owned(),
                false => os_reason(error),
            };
            let why = format!("\": {reason}.\nError loading input file \"");
            let said: [&[u8]; 5] = [
                b"Error: Unable to read file \"",
                name,
                why.as_bytes(),
                name,
                b"\".\n",
            ];
            text.extend(said.concat());
        }
        Self::usage(text)
    }
}

/// The operating system's words for an error, as strerror has them.
fn os_reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => io_reason(error),
    }
}

/// Whether its library says so; of SUBACK it says that the protocol is broken.
fn is_malformed(error: &DecodeError) -> bool {
    match error {
        DecodeError::Malformed { packet, .. } => *packet != "SUBACK",
        DecodeError::OldBroker(_) => true,
        _ => false,
    }
}

fn refusal(connack: &ConnAck, tool: Tool) -> String {
    let reason = connack.reason;
    // mosquitto_rr reads the numbers of 3.1.1 as those of MQTT 5.
    let why = match tool {
        Tool::Rr => reason_text(reason).to_owned(),
        Tool::Pub | Tool::Sub => connack_text(reason),
    };
    let mut text = format!("Connection error: {why}");
    if reason == Reason::UNSUPPORTED_PROTOCOL_VERSION && tool != Tool::Rr {
        text.push_str(". Try connecting to an MQTT v5 broker, or use MQTT v3.x mode.");
    }
    text.push('\n');
    match tool {
        Tool::Pub if reason.0 > 5 => text.push_str(PROTOCOL),
        Tool::Pub => text.push_str(REFUSED),
        Tool::Sub | Tool::Rr => {}
    }
    text
}

/// How mosquitto_pub ends with `-l` at a broker that refuses it: whatever the reason, the last line is the same.
pub fn refusal_of_lines(connack: &ConnAck) -> Verdict {
    let why = refusal(connack, Tool::Sub);
    Verdict {
        code: connack.reason.0,
        ..Verdict::usage(format!("{why}{REFUSED}"))
    }
}

fn connack_text(reason: Reason) -> String {
    if reason.is_error() {
        return reason_text(reason).to_owned();
    }
    let why = match reason.0 {
        1 => "unacceptable protocol version",
        2 => "identifier rejected",
        3 => "broker unavailable",
        4 => "bad user name or password",
        5 => "not authorised",
        _ => "unknown reason",
    };
    format!("Connection Refused: {why}")
}

/// mosquitto gets as far as TCP while it connects: what fails there is 1. The layers above run in its
/// loop and have the library's numbers.
fn dial_exit_code(error: &DialError) -> u8 {
    match error {
        DialError::Proxy { problem, .. } => match problem {
            ProxyProblem::LoginWanted
            | ProxyProblem::LoginRefused
            | ProxyProblem::NoLoginMethod
            | ProxyProblem::NotAllowed(_) => code::AUTH,
            ProxyProblem::Unreachable { .. } => code::NOT_CONNECTED,
            _ => code::PROXY,
        },
        DialError::Tls { .. } => code::ERRNO,
        DialError::WebSocket { .. }
        | DialError::TimedOut {
            layer: Layer::Proxy | Layer::Tls | Layer::WebSocket,
            ..
        } => code::CONNECTION_LOST,
        DialError::NameNotFound { .. }
        | DialError::Srv { .. }
        | DialError::Connect { .. }
        | DialError::Bind { .. }
        | DialError::NoLocalPort { .. }
        | DialError::BindFamily { .. }
        | DialError::Unix { .. }
        | DialError::TimedOut { .. } => 1,
    }
}

fn dial(error: &DialError) -> String {
    match error {
        DialError::NameNotFound { .. } | DialError::Srv { .. } => {
            "Unable to connect (Lookup error).\n".into()
        }
        // No path of a socket at all: empty, or too long.
        DialError::Unix { error, .. } if error.kind() == io::ErrorKind::InvalidInput => {
            "Unable to connect (Invalid input).\n".into()
        }
        // What 2.1 really says of every connection that cannot be made: the reason is gone by then. A
        // script that greps for it must find it.
        DialError::Connect { .. }
        | DialError::Bind { .. }
        | DialError::NoLocalPort { .. }
        | DialError::BindFamily { .. }
        | DialError::Unix { .. }
        | DialError::TimedOut {
            layer: Layer::Resolve | Layer::Connect,
            ..
        } => "Error: Bad file descriptor\n".into(),
        DialError::Proxy { problem, .. } => match problem {
            ProxyProblem::LoginWanted
            | ProxyProblem::LoginRefused
            | ProxyProblem::NoLoginMethod
            | ProxyProblem::NotAllowed(_) => "Error: Authorisation failed\n".into(),
            ProxyProblem::Unreachable { .. } => {
                "Error: The client is not currently connected\n".into()
            }
            _ => "Error: Proxy error\n".into(),
        },
        DialError::Tls { .. } => "Error: Protocol error\n".into(),
        DialError::TimedOut { .. } | DialError::WebSocket { .. } => LOST.into(),
    }
}

fn tls(error: &TlsError) -> String {
    match error {
        // Files are opened when the options are set, and read, as folders are, while it connects.
        TlsError::Read {
            option,
            path,
            error,
        } if *option != "--capath" => {
            let found = match error.kind() {
                io::ErrorKind::IsADirectory => {
                    format!("Error: {} is not a file.", path.display())
                }
                _ => String::new(),
            };
            format!("{found}Error: Problem setting TLS options: File not found.\n")
        }
        TlsError::Version(_) => {
            "Error: Problem setting TLS options, check the options are valid.\n".into()
        }
        TlsError::Read { .. }
        | TlsError::NoCertificate { .. }
        | TlsError::BadFile { .. }
        | TlsError::NoKey { .. }
        | TlsError::UnknownCipher { .. }
        | TlsError::NoCipher
        | TlsError::NoOsCertificates(_)
        | TlsError::CertWithoutKey
        | TlsError::KeyWithoutCert
        | TlsError::PassphraseMissing { .. }
        | TlsError::PassphraseWrong { .. }
        | TlsError::KeyEncryption { .. }
        | TlsError::BadKey { .. }
        | TlsError::KeyMismatch { .. }
        | TlsError::NoCipherForVersion(_)
        | TlsError::Alpn(_)
        | TlsError::ServerName(_)
        | TlsError::Keylog { .. }
        | TlsError::Refused(_) => "Unable to connect (A TLS error occurred).\n".into(),
    }
}

/// mosquitto's name of an MQTT 5 reason code.
pub fn reason_text(reason: Reason) -> &'static str {
    match reason.0 {
        0x00 => "Success",
        0x01 => "Granted QoS 1",
        0x02 => "Granted QoS 2",
        0x04 => "Disconnect with Will Message",
        0x10 => "No matching subscribers",
        0x11 => "No subscription existed",
        0x18 => "Continue authentication",
        0x19 => "Re-authenticate",
        0x80 => "Unspecified error",
        0x81 => "Malformed Packet",
        0x82 => "Protocol Error",
        0x83 => "Implementation specific error",
        0x84 => "Unsupported Protocol Version",
        0x85 => "Client Identifier not valid",
        0x86 => "Bad User Name or Password",
        0x87 => "Not authorized",
        0x88 => "Server unavailable",
        0x89 => "Server busy",
        0x8a => "Banned",
        0x8b => "Server shutting down",
        0x8c => "Bad authentication method",
        0x8d => "Keep Alive timeout",
        0x8e => "Session taken over",
        0x8f => "Topic Filter invalid",
        0x90 => "Topic Name invalid",
        0x91 => "Packet Identifier in use",
        0x92 => "Packet Identifier not found",
        0x93 => "Receive Maximum exceeded",
        0x94 => "Topic Alias invalid",
        0x95 => "Packet too large",
        0x96 => "Message rate too high",
        0x97 => "Quota exceeded",
        0x98 => "Administrative action",
        0x99 => "Payload format invalid",
        0x9a => "Retain not supported",
        0x9b => "QoS not supported",
        0x9c => "Use another server",
        0x9d => "Server moved",
        0x9e => "Shared Subscriptions not supported",
        0x9f => "Connection rate exceeded",
        0xa0 => "Maximum connect time",
        0xa1 => "Subscription identifiers not supported",
        0xa2 => "Wildcard Subscriptions not supported",
        _ => "Unknown reason",
    }
}
