//! How to reach a broker and who to be there: the options that pub, sub and bench share.

use std::path::PathBuf;

use clap::Args;

use super::profile::ProfileArgs;
use super::property::PropertyArgs;
use super::tls::TlsArgs;
use super::url::BrokerUrl;
use super::values::{self, Header, RetryCount, SessionExpiry, Span, When, keep_alive};
use super::will::WillArgs;
use crate::mqtt::Version;
use crate::net::{Endpoint, Secret};

pub const DEFAULT_HOST: &str = "localhost";
const PORT: u16 = 1883;
const TLS_PORT: u16 = 8883;
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
    #[command(flatten)]
    pub profile: ProfileArgs,
}

impl ConnectionArgs {
    /// Whether TLS is spoken: one of its options is there, or the scheme or the port says so.
    pub fn uses_tls(&self) -> bool {
        let by_address = match &self.broker.url {
            Some(url) => url.tls,
            None => self.broker.port == Some(TLS_PORT),
        };
        !self.tls.no_tls && (self.tls.is_used() || by_address)
    }

    /// The port to connect to, unless it is a Unix socket.
    pub fn port(&self) -> u16 {
        let by_tls = if self.uses_tls() { TLS_PORT } else { PORT };
        match &self.broker.url {
            None => self.broker.port.unwrap_or(by_tls),
            Some(url) => url.port.unwrap_or(match (url.websocket, url.tls) {
                (true, true) => 443,
                (true, false) => 80,
                (false, true) => TLS_PORT,
                (false, false) => by_tls,
            }),
        }
    }
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "When the connection breaks")]
pub struct RetryArgs {
    /// Connect again: so many attempts in a row without success, 'forever', or 0 for none
    #[arg(long, value_name = "COUNT", default_value = "forever")]
    pub retry: RetryCount,
    /// Pause before the first attempt, then twice as long each time, less up to half by chance [default: 200ms]
    #[arg(long, value_name = "TIME", value_parser = values::positive)]
    pub retry_delay: Option<Span>,
    /// Longest pause between attempts [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = values::positive)]
    pub retry_max_delay: Option<Span>,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Broker")]
pub struct BrokerAddressArgs {
    /// Host name or address of the broker [default: localhost]
    #[arg(short = 'h', long, value_name = "HOST")]
    pub host: Option<String>,
    /// Port of the broker [default: 1883, with TLS 8883]
    #[arg(short, long, value_name = "PORT",
          value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// Broker, login and topic at once: mqtt[s]://[user[:password]@]host[:port][/topic], also ws[s]://
    #[arg(short = 'L', long, value_name = "URL")]
    pub url: Option<BrokerUrl>,
    /// Find the broker by the SRV records of the host, a domain: _mqtt._tcp or, with TLS, _secure-mqtt._tcp
    ///
    /// The records are tried by priority and weight until a broker can be reached. With TLS its certificate
    /// must be the domain's. MOZZIE_NAMESERVER=ADDRESS[:PORT] is asked instead of the name servers of
    /// /etc/resolv.conf, whose search domains are tried too, unless the host ends with a dot.
    #[arg(short = 'S', long)]
    pub srv: bool,
    /// Connect to a Unix domain socket
    #[arg(long, value_name = "PATH")]
    pub unix: Option<PathBuf>,
    /// Connect from this local address, or from that of a name
    #[arg(short = 'A', long = "bind", value_name = "ADDRESS")]
    pub bind: Option<String>,
    /// Keep trying to make the first connection for this long
    #[arg(long, value_name = "TIME")]
    pub wait_for_broker: Option<Span>,
    /// Give up when one step of connecting takes longer: TCP, proxy, TLS, WebSocket, login
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = values::positive)]
    pub connect_timeout: Span,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Login")]
pub struct LoginArgs {
    /// User name
    #[arg(short, long, value_name = "NAME")]
    pub username: Option<String>,
    /// Password; others on this machine can read it: prefer one of the next three, or MOZZIE_PASSWORD
    #[arg(short = 'P', long, visible_alias = "pw", value_name = "PASSWORD", allow_hyphen_values = true,
          value_parser = values::secret())]
    pub password: Option<Secret>,
    /// Read the password from the first line of this file ('-' for stdin)
    #[arg(long, value_name = "FILE", conflicts_with = "password")]
    pub password_file: Option<PathBuf>,
    /// Ask for the password on the terminal
    #[arg(long, conflicts_with_all = ["password", "password_file"])]
    pub password_prompt: bool,
    /// Take the password from the first line that this command prints
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["password", "password_file", "password_prompt"], value_hint = clap::ValueHint::CommandString)]
    pub password_command: Option<String>,
    /// Client identifier [default: the broker chooses]
    #[arg(short, long, value_name = "ID")]
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

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Session")]
pub struct SessionArgs {
    /// Protocol version: 31, 311 or 5 [default: 311, for rr 5; 5 when an option needs it]
    #[arg(short = 'V', long, value_name = "VERSION")]
    pub protocol_version: Option<Version>,
    /// Seconds of silence after which the connection is checked; 0 for never
    #[arg(short, long = "keepalive", value_name = "SECONDS", value_parser = keep_alive,
          default_value_t = DEFAULT_KEEP_ALIVE)]
    pub keep_alive: u16,
    /// Keep the session at the broker when disconnected; needs -i before MQTT 5
    #[arg(short = 'c', long)]
    pub disable_clean_session: bool,
    /// Seconds that the broker keeps the session, -1 for ever (MQTT 5) [default: 0, with -c for ever]
    #[arg(short = 'x', long, value_name = "SECONDS", allow_hyphen_values = true)]
    pub session_expiry_interval: Option<SessionExpiry>,
    /// QoS 1 and 2 messages in flight at once; 0 for as many as the broker takes
    #[arg(short = 'M', long = "max-inflight", alias = "in-flight", value_name = "COUNT", default_value_t = DEFAULT_MAX_IN_FLIGHT)]
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
    #[arg(long, value_name = "PATH")]
    pub ws_path: Option<String>,
    /// Send this header when opening the WebSocket; turns WebSocket on; may be repeated
    #[arg(long, value_name = "NAME: VALUE")]
    pub ws_header: Vec<Header>,
    /// Connect through a proxy: socks5h://, socks5:// or http://[user:password@]host[:port]
    #[arg(long, value_name = "URL")]
    pub proxy: Option<crate::net::Proxy>,
    /// Send small packets at once (TCP_NODELAY); always on, accepted for mosquitto's sake
    #[arg(long, hide = true)]
    pub nodelay: bool,
}
