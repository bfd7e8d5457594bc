//! What a client may ask for, and rmqtt's own limits moved to where nobody meets them.
//!
//! rmqtt is made to guard a large service: out of the box it refuses packets above 1 MiB, drops from a queue of 1,000
//! messages, has 16 messages unacknowledged, resends on a live connection (which MQTT 5 forbids), forgets a message
//! after five minutes and a 3.1.1 session after two hours, and refuses connections when the machine looks busy.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use rmqtt::codec::types::Publish as PublishPacket;
use rmqtt::context::{ServerContext, ServerContextBuilder};
use rmqtt::fitter::{DefaultFitter, Fitter, FitterManager};
use rmqtt::net::Builder as ListenerBuilder;
use rmqtt::types::{ConnectInfo, Disconnect, FitterType, Id, ListenerConfig};

use super::BrokerPlan;

/// Unacknowledged messages to a subscriber that cannot tell how many it wants, which 3.1 and 3.1.1 cannot.
const MAX_INFLIGHT_V3: u16 = 1_000;

/// Unacknowledged messages in all other cases: as many as there are packet identifiers.
const MAX_INFLIGHT: u16 = u16::MAX;

/// More than `max_queue_bytes` can hold by far; the backlog is the limit that counts.
const MAX_QUEUE_LEN: usize = 100_000_000;

/// Connections, and handshakes that wait for their turn.
const MAX_CONNECTIONS: usize = 10_000_000;

/// Handshakes at one time; the others wait.
const MAX_HANDSHAKES: usize = 10_000;

/// Connections the kernel keeps ready to be accepted: a bench opens thousands at once. Linux cuts it to `somaxconn`.
const ACCEPT_BACKLOG: i32 = 4_096;

/// From the first byte of CONNECT to its last, and for a handshake's turn to come.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long one packet may take to be written: 256 MiB through a slow network, or a reader that was suspended.
const SEND_TIMEOUT: Duration = Duration::from_secs(120);

const TOPIC_ALIAS_MAXIMUM: u16 = u16::MAX;

/// The longest MQTT 5 can say, and what 3.1 and 3.1.1 sessions get: until the broker stops.
const SESSION_EXPIRY: Duration = Duration::from_secs(u32::MAX as u64);

pub fn context() -> ServerContextBuilder {
    ServerContext::new()
        .busy_check_enable(false)
        .mqtt_max_sessions(0)
}

pub fn listener(plan: &BrokerPlan) -> ListenerBuilder {
    ListenerBuilder::new()
        .name("mozzie")
        .laddr((plan.bind, plan.port).into())
        .backlog(ACCEPT_BACKLOG)
        // Connections that have just ended would keep the port from the next broker; on Windows the option means theft.
        .reuseaddr(cfg!(unix).then_some(true))
        .nodelay(true)
        .allow_anonymous(true)
        .max_connections(MAX_CONNECTIONS)
        .max_handshaking_limit(MAX_HANDSHAKES)
        .handshake_timeout(HANDSHAKE_TIMEOUT)
        .send_timeout(SEND_TIMEOUT)
        .max_packet_size(plan.max_packet_size)
        .max_inflight(NonZeroU16::MAX)
        .max_mqueue_len(MAX_QUEUE_LEN)
        .max_clientid_len(usize::from(u16::MAX))
        .max_topic_aliases(TOPIC_ALIAS_MAXIMUM)
        .session_expiry_interval(SESSION_EXPIRY)
        // Zero means never, to both.
        .message_retry_interval(Duration::ZERO)
        .message_expiry_interval(Duration::ZERO)
}

/// Makes a [`Window`] for each connection.
pub struct Windows;

impl FitterManager for Windows {
    fn create(&self, connect: Arc<ConnectInfo>, id: Id, listener: ListenerConfig) -> FitterType {
        let max_inflight = match connect.as_ref() {
            ConnectInfo::V3(..) => MAX_INFLIGHT_V3,
            ConnectInfo::V5(_, connect) => {
                connect.receive_max.map_or(MAX_INFLIGHT, NonZeroU16::get)
            }
        };
        Arc::new(Window {
            max_inflight: NonZeroU16::new(max_inflight).unwrap_or(NonZeroU16::MIN),
            otherwise: DefaultFitter::new(connect, id, listener),
        })
    }
}

/// rmqtt's own choices but for the window towards a subscriber, which for it is the listener's.
struct Window {
    max_inflight: NonZeroU16,
    otherwise: DefaultFitter,
}

impl Fitter for Window {
    fn max_inflight(&self) -> NonZeroU16 {
        self.max_inflight
    }

    fn keep_alive(&self, keep_alive: &mut u16) -> rmqtt::Result<u16> {
        self.otherwise.keep_alive(keep_alive)
    }

    fn max_mqueue_len(&self) -> usize {
        self.otherwise.max_mqueue_len()
    }

    fn mqueue_rate_limit(&self) -> (std::num::NonZeroU32, Duration) {
        self.otherwise.mqueue_rate_limit()
    }

    fn session_expiry_interval(&self, disconnect: Option<&Disconnect>) -> Duration {
        self.otherwise.session_expiry_interval(disconnect)
    }

    fn message_expiry_interval(&self, publish: &PublishPacket) -> Duration {
        self.otherwise.message_expiry_interval(publish)
    }

    fn max_client_topic_aliases(&self) -> u16 {
        self.otherwise.max_client_topic_aliases()
    }

    fn max_server_topic_aliases(&self) -> u16 {
        self.otherwise.max_server_topic_aliases()
    }
}
