//! How to reach a broker and who to be there: the options that pub, sub and bench share.

use std::path::PathBuf;

use clap::Args;

use super::property::PropertyArgs;
use super::tls::TlsArgs;
use super::url::BrokerUrl;
use super::values::{self, Header, RetryCount, SessionExpiry, Span, When, keep_alive};
use super::will::WillArgs;
use crate::mqtt::Version;
use crate::net::Endpoint;

pub const DEFAULT_HOST: &str = "localhost";
pub const DEFAULT_KEEP_ALIVE: u16 = 60;
pub const DEFAULT_MAX_IN_FLIGHT: u16 = 20;

#[derive(Debug, Clone, Args)]
pub struct ConnectionArgs {
    #[command(flatten)]
    pub broker: BrokerAddressArgs,
    #[command(flatten)]
    pub login: LoginArgs,
    #[command(flatten)]
    pub session: SessionArgs,
    #[command(flatten)]
    pub properties: PropertyArgs,
    #[command(flatten)]
    pub tls: TlsArgs,
    #[command(flatten)]
    pub transport: TransportArgs,
    #[command(flatten)]
    pub will: WillArgs,
    #[command(flatten)]
    pub retry: RetryArgs,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "When the connection breaks")]
pub struct RetryArgs {
    /// Connect again: so many attempts in a row without success, 'forever', or 0 for none
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "forever",
        env = "MOZZIE_RETRY",
        hide_env = true
    )]
    pub retry: RetryCount,
    /// Pause before the first attempt, then twice as long each time, less up to half by chance [default: 200ms]
    #[arg(long, value_name = "TIME", value_parser = values::positive,
          env = "MOZZIE_RETRY_DELAY", hide_env = true)]
    pub retry_delay: Option<Span>,
    /// Longest pause between attempts [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = values::positive,
          env = "MOZZIE_RETRY_MAX_DELAY", hide_env = true)]
    pub retry_max_delay: Option<Span>,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Broker")]
pub struct BrokerAddressArgs {
    /// Host name or address of the broker [default: localhost]
    #[arg(
        short = 'h',
        long,
        value_name = "HOST",
        env = "MOZZIE_HOST",
        hide_env = true
    )]
    pub host: Option<String>,
    /// Port of the broker [default: 1883, with TLS 8883]
    #[arg(short, long, value_name = "PORT", env = "MOZZIE_PORT", hide_env = true,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// Broker, login and topic at once: mqtt[s]://[user[:password]@]host[:port][/topic], also ws[s]://
    #[arg(
        short = 'L',
        long,
        value_name = "URL",
        env = "MOZZIE_URL",
        hide_env = true,
        hide_env_values = true
    )]
    pub url: Option<BrokerUrl>,
    /// Find the broker by the SRV records of the host, a domain: _mqtt._tcp or, with TLS, _secure-mqtt._tcp
    ///
    /// The records are tried by priority and weight until a broker can be reached. With TLS its certificate
    /// must be the domain's. MOZZIE_NAMESERVER=ADDRESS[:PORT] is asked instead of the name servers of
    /// /etc/resolv.conf.
    #[arg(short = 'S', long)]
    pub srv: bool,
    /// Connect to a Unix domain socket
    #[arg(long, value_name = "PATH", env = "MOZZIE_UNIX", hide_env = true)]
    pub unix: Option<PathBuf>,
    /// Connect from this local address, or from that of a name
    #[arg(
        short = 'A',
        long = "bind",
        value_name = "ADDRESS",
        env = "MOZZIE_BIND",
        hide_env = true
    )]
    pub bind: Option<String>,
    /// Keep trying to make the first connection for this long
    #[arg(
        long,
        value_name = "TIME",
        env = "MOZZIE_WAIT_FOR_BROKER",
        hide_env = true
    )]
    pub wait_for_broker: Option<Span>,
    /// Give up when one step of connecting takes longer: TCP, proxy, TLS, WebSocket, login
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = values::positive,
          env = "MOZZIE_CONNECT_TIMEOUT", hide_env = true)]
    pub connect_timeout: Span,
}

#[derive(Clone, Default, Args)]
#[command(next_help_heading = "Login")]
pub struct LoginArgs {
    /// User name
    #[arg(
        short,
        long,
        value_name = "NAME",
        env = "MOZZIE_USERNAME",
        hide_env = true
    )]
    pub username: Option<String>,
    /// Password; others on this machine can read it: prefer --password-file or MOZZIE_PASSWORD
    #[arg(
        short = 'P',
        long = "pw",
        value_name = "PASSWORD",
        allow_hyphen_values = true
    )]
    pub password: Option<String>,
    /// Read the password from the first line of this file ('-' for stdin)
    // Not clap's env: a variable must give way to -P, and not conflict with it.
    #[arg(long, value_name = "FILE", conflicts_with = "password")]
    pub password_file: Option<PathBuf>,
    /// Client identifier (default: the broker chooses)
    #[arg(short, long, value_name = "ID", env = "MOZZIE_ID", hide_env = true)]
    pub id: Option<String>,
    /// Client identifier made of this prefix and the process id
    #[arg(short = 'I', long, value_name = "PREFIX", conflicts_with = "id")]
    pub id_prefix: Option<String>,
}

impl BrokerAddressArgs {
    /// No broker but the socket at this path, if any; all else as when nothing is typed.
    pub fn at_unix(unix: Option<PathBuf>) -> Self {
        Self {
            host: None,
            port: None,
            url: None,
            srv: false,
            unix,
            bind: None,
            wait_for_broker: None,
            connect_timeout: Span(Endpoint::DEFAULT_CONNECT_TIMEOUT),
        }
    }
}

impl std::fmt::Debug for LoginArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // without the password
        f.debug_struct("LoginArgs")
            .field("username", &self.username)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Session")]
pub struct SessionArgs {
    /// Protocol version: 31, 311 or 5 [default: 311, for rr 5; 5 when an option needs it]
    #[arg(
        short = 'V',
        long,
        value_name = "VERSION",
        env = "MOZZIE_PROTOCOL_VERSION",
        hide_env = true
    )]
    pub protocol_version: Option<Version>,
    /// Seconds of silence after which the connection is checked; 0 for never
    #[arg(short, long = "keepalive", value_name = "SECONDS", value_parser = keep_alive,
          default_value_t = DEFAULT_KEEP_ALIVE, env = "MOZZIE_KEEPALIVE", hide_env = true)]
    pub keep_alive: u16,
    /// Keep the session at the broker when disconnected; needs -i before MQTT 5
    #[arg(short = 'c', long)]
    pub disable_clean_session: bool,
    /// Seconds that the broker keeps the session, -1 for ever (MQTT 5)
    #[arg(
        short = 'x',
        long,
        value_name = "SECONDS",
        allow_hyphen_values = true,
        env = "MOZZIE_SESSION_EXPIRY_INTERVAL",
        hide_env = true
    )]
    pub session_expiry_interval: Option<SessionExpiry>,
    /// QoS 1 and 2 messages in flight at once; 0 for as many as the broker takes
    #[arg(short = 'M', long = "max-inflight", value_name = "COUNT", default_value_t = DEFAULT_MAX_IN_FLIGHT,
          env = "MOZZIE_MAX_INFLIGHT", hide_env = true)]
    pub max_in_flight: u16,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Diagnosis")]
pub struct DebugArgs {
    /// Show every packet, both ways, on stderr; -dd also its bytes
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub debug: u8,
    /// Use colours: 'auto' on a terminal unless NO_COLOR is set, 'always' or 'never'
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: When,
    /// Print no warnings and no errors but those of the command line
    #[arg(long)]
    pub quiet: bool,
    /// Read more options from this file, one a line; those typed here count more
    #[arg(short = 'o', long, value_name = "FILE")]
    pub options_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "WebSocket and proxy")]
pub struct TransportArgs {
    /// Use MQTT over WebSocket
    #[arg(long)]
    pub ws: bool,
    /// Path of the WebSocket; turns WebSocket on [default: /mqtt]
    #[arg(long, value_name = "PATH", env = "MOZZIE_WS_PATH", hide_env = true)]
    pub ws_path: Option<String>,
    /// Send this header when opening the WebSocket; turns WebSocket on; may be repeated
    #[arg(long, value_name = "NAME: VALUE")]
    pub ws_header: Vec<Header>,
    /// Connect through a proxy: socks5h://, socks5:// or http://[user:password@]host[:port]
    #[arg(
        long,
        value_name = "URL",
        env = "MOZZIE_PROXY",
        hide_env = true,
        hide_env_values = true
    )]
    pub proxy: Option<crate::net::Proxy>,
    /// Send small packets at once (TCP_NODELAY); always on, accepted for mosquitto's sake
    #[arg(long, hide = true)]
    pub nodelay: bool,
}
