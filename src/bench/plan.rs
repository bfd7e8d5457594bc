//! What a run is to do: complete, checked (`check`), and ready to execute. No command line, no I/O.

mod check;
#[cfg(test)]
mod tests;
mod topics;

use std::time::Duration;

use super::gather::Gathering;
use super::identity::Identities;
use super::pace::Pace;
use super::payload::{Payload, Recorded, Stamping, Stamps};
use super::seal::SEAL_LEN;
use super::sequence::Sequence;
use super::sizes::Sizes;
use super::stream::Dial;
use super::template::Names;
use crate::mqtt::properties::Properties;
use crate::mqtt::session::{Identity, Settings};
use crate::mqtt::{QoS, Version};
use crate::net::Retry;
pub use check::PlanError;
pub use topics::{DEFAULT_TOPIC, FilterTemplate, TopicTemplate};

/// Later messages among which one of the same topic is looked for: a recording may have any number.
const MAX_LOOK_AHEAD: usize = 100_000;

/// What is at the other end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Against {
    #[default]
    Broker,
    /// A broker in this process.
    Embedded,
    /// The peer of `--self-test`.
    Peer,
}

impl Against {
    /// As the result calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Broker => "broker",
            Self::Embedded => "embedded",
            Self::Peer => "self-test",
        }
    }
}

#[derive(Clone)]
pub struct BenchPlan {
    pub dial: Dial,
    pub against: Against,
    /// What the sessions share; publishers' `in_flight` takes the place of its window.
    pub session: Settings,
    pub identities: Identities,
    /// Of every PUBLISH and every SUBSCRIBE (MQTT 5).
    pub publish_properties: Properties,
    pub subscribe_properties: Properties,
    pub publishers: Publishers,
    pub subscribers: Subscribers,
    /// Connections that do nothing but stay.
    pub idle: usize,
    pub payload: Payload,
    pub stamping: Stamping,
    /// Publisher number p publishes to the one at p modulo their number. Not empty, but not used when
    /// messages bring their own topics.
    pub topics: Vec<TopicTemplate>,
    /// What every subscriber asks for. When empty, the publishers' topics are dealt out to them.
    pub filters: Vec<FilterTemplate>,
    /// Subscribers share their subscriptions in this group.
    pub group: Option<String>,
    /// Absent in a closed loop: as fast as acknowledgements, or at QoS 0 the socket, allow.
    pub pace: Option<Pace>,
    pub gather: Gathering,
    /// Until then, from the first publish on, nothing counts for rates and latencies.
    pub warmup: Duration,
    pub stop: Stop,
    /// After the last publish: how long nothing may arrive while something is still due.
    pub drain: Duration,
    /// Threads, each with its own share of the connections.
    pub workers: usize,
    /// Connections that may be on their way at once, over all workers.
    pub connect_concurrency: usize,
    /// Connections that are begun in a second at most, over all workers.
    pub connect_rate: Option<f64>,
    /// Broken connections are made again; counted for each connection.
    pub reconnect: Option<Retry>,
    pub churn: Option<Churn>,
    /// How long a subscriber waits after each time it has read.
    pub slow_subscriber: Option<Duration>,
}

/// Connections are ended and made again while publishing goes on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Churn {
    /// Over all workers.
    pub per_s: f64,
    /// Without DISCONNECT.
    pub cut: bool,
}

#[derive(Debug, Clone, Copy)]
pub struct Publishers {
    pub count: usize,
    pub qos: QoS,
    pub retain: bool,
    /// Unacknowledged messages of one publisher at QoS 1 and 2; 0 for as many as the broker takes.
    pub in_flight: u16,
}

impl Publishers {
    /// Messages of one that may be unacknowledged at once at QoS 1 and 2, if the broker takes as many.
    pub fn window(&self) -> u16 {
        match self.in_flight {
            0 => u16::MAX,
            limit => limit,
        }
    }
}

impl Default for Publishers {
    fn default() -> Self {
        Self {
            count: 1,
            qos: QoS::AtMostOnce,
            retain: false,
            in_flight: 20,
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Subscribers {
    pub count: usize,
    pub qos: QoS,
}

/// When publishing ends: at whichever comes first. A warm-up comes before and is not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stop {
    /// Messages over all publishers, spread evenly.
    pub messages: Option<u64>,
    pub duration: Option<Duration>,
}

impl Stop {
    /// The share of one of `count` publishers.
    pub fn share(&self, publisher: usize, count: usize) -> u64 {
        self.messages.map_or(u64::MAX, |total| {
            let count = count as u64;
            total / count + u64::from((publisher as u64) < total % count)
        })
    }
}

/// What a connection is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleName {
    Publisher,
    Subscriber,
    Idle,
}

impl BenchPlan {
    /// One publisher at QoS 0, everything else at its default; the end still has to be chosen.
    pub fn new(dial: Dial) -> Self {
        let run: u32 = fastrand::u32(..);
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            dial,
            against: Against::Broker,
            session: Settings::default(),
            identities: Identities::prefixed(&format!("mozzie-{:06x}", run & 0xff_ffff)),
            publish_properties: Properties::new(),
            subscribe_properties: Properties::new(),
            publishers: Publishers::default(),
            subscribers: Subscribers::default(),
            idle: 0,
            payload: Payload::Filler(Sizes::fixed(64)),
            stamping: Stamping::Auto,
            topics: vec![TopicTemplate::default()],
            filters: Vec::new(),
            group: None,
            pace: None,
            gather: Gathering::default(),
            warmup: Duration::ZERO,
            stop: Stop::default(),
            drain: Duration::from_secs(5),
            workers,
            connect_concurrency: 128,
            connect_rate: None,
            reconnect: None,
            churn: None,
            slow_subscriber: None,
        }
    }

    pub fn clients(&self) -> usize {
        self.publishers.count + self.subscribers.count + self.idle
    }

    /// The names of a role's connection number `index`.
    pub fn names(&self, role: RoleName, index: usize) -> Names {
        let (before, role) = match role {
            RoleName::Publisher => (0, "p"),
            RoleName::Subscriber => (self.publishers.count, "s"),
            RoleName::Idle => (self.publishers.count + self.subscribers.count, "i"),
        };
        self.identities.names(role, index, before + index)
    }

    /// Who the first connection is.
    pub fn first_identity(&self) -> Result<Identity, PlanError> {
        let role = if self.publishers.count > 0 {
            RoleName::Publisher
        } else if self.subscribers.count > 0 {
            RoleName::Subscriber
        } else {
            RoleName::Idle
        };
        self.identities.identity(&self.names(role, 0))
    }

    /// Where the messages have their stamps.
    pub fn stamps(&self) -> Stamps {
        if self.publishers.count == 0 {
            return Stamps::None;
        }
        let has_properties = self.session.version == Version::V5;
        self.payload.stamps(self.stamping, has_properties)
    }

    /// Bytes of the smallest and the largest payload on the way.
    pub fn sizes(&self) -> (usize, usize) {
        let (least, most) = self.payload.bounds();
        let more = if self.stamps() == Stamps::Behind {
            SEAL_LEN
        } else {
            0
        };
        (least + more, most + more)
    }

    /// The recorded message that a publisher's message is: all publishers together play the recording
    /// in its order.
    pub fn recorded(&self, publisher: u32, number: u64) -> Option<&Recorded> {
        let Payload::Recorded(messages) = &self.payload else {
            return None;
        };
        let count = self.publishers.count as u64;
        let turn = number.wrapping_mul(count) + u64::from(publisher);
        messages.get((turn % messages.len() as u64) as usize)
    }

    /// Whether a message that came after later ones of its publisher should have come before one of
    /// them: MQTT keeps the order of messages on one topic.
    pub fn is_overtaken(&self, publisher: u32, number: u64, seen: &Sequence) -> bool {
        let Some(message) = self.recorded(publisher, number) else {
            return self.topics.iter().all(TopicTemplate::is_fixed);
        };
        (number + 1..seen.next()).take(MAX_LOOK_AHEAD).any(|later| {
            let on_topic = self.recorded(publisher, later);
            on_topic.is_some_and(|later| later.topic == message.topic) && seen.has_arrived(later)
        })
    }
}
