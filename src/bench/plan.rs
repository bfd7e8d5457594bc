//! What a run is to do: complete, checked, and ready to execute. No command line, no I/O.

use std::time::Duration;

use super::identity::Identities;
use super::pace::Pace;
use super::payload::{Payload, Recorded, Stamping, Stamps};
use super::seal::{PROPERTY_LEN, SEAL_LEN};
use super::sequence::Sequence;
use super::shape::{PartlyHeard, Shape, Topics};
use super::sizes::Sizes;
use super::stamp::{MAX_PUBLISHERS, STAMP_LEN};
use super::stream::Dial;
use super::template::{Names, Place, Template};
use crate::mqtt::packet::MAX_REMAINING_LENGTH;
use crate::mqtt::properties::Properties;
use crate::mqtt::session::{Identity, Settings};
use crate::mqtt::text::{Text, TextError};
use crate::mqtt::topic::{self, TopicError};
use crate::mqtt::{QoS, Version};
use crate::net::Retry;

/// Later messages among which one of the same topic is looked for: a recording may have any number.
const MAX_LOOK_AHEAD: usize = 100_000;

/// All publishers and subscribers on this topic unless the plan says otherwise.
pub const DEFAULT_TOPIC: &str = "mozzie/bench";

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

/// The topic of a publisher, with places in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicTemplate(Template);

impl TopicTemplate {
    pub fn new(template: &str) -> Result<Self, PlanError> {
        let this = Self(Template::new(template.as_bytes()));
        topic::parse_name(template)?;
        Ok(this)
    }

    /// Whether publishers have different ones.
    fn is_own(&self) -> bool {
        self.0
            .places()
            .any(|place| !place.changes() && place != Place::Role)
    }

    pub fn bind(&self, names: &Names) -> Template {
        self.0.bind(names)
    }

    /// As it was typed.
    pub fn text(&self) -> String {
        lossy(&self.0)
    }
}

/// What a subscriber asks for, with places in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterTemplate(Template);

impl FilterTemplate {
    pub fn new(template: &str) -> Result<Self, PlanError> {
        topic::parse_filter(template)?;
        let this = Self(Template::new(template.as_bytes()));
        if this.0.is_fixed() {
            Ok(this)
        } else {
            Err(PlanError::ChangingFilter)
        }
    }

    /// As it was typed.
    pub fn text(&self) -> String {
        lossy(&self.0)
    }

    fn filter(&self, names: &Names) -> String {
        lossy(&self.0.bind(names))
    }
}

fn lossy(template: &Template) -> String {
    String::from_utf8_lossy(&template.text()).into_owned()
}

/// The filter for all topics of a bound template: a level that changes is a wildcard.
fn filter_of(topic: &str) -> String {
    let levels = topic.split('/').map(|level| {
        if Template::new(level.as_bytes()).is_fixed() {
            level
        } else {
            "+"
        }
    });
    levels.collect::<Vec<_>>().join("/")
}

/// Why a plan cannot be executed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("neither publishers, subscribers nor idle connections")]
    NoClients,
    #[error("{0} publishers, at most {MAX_PUBLISHERS} can be told apart")]
    TooManyPublishers(usize),
    #[error("neither a number of messages nor a duration: the run would not end")]
    NoEnd,
    #[error("a number of messages (-n) without a publisher")]
    NobodyPublishes,
    #[error("a rate (--rate, --ramp) without a publisher")]
    NobodyToPace,
    #[error("the rate falls to nothing before {0} messages are sent")]
    DriesUp(u64),
    #[error("the topic {0}")]
    Topic(TopicError),
    /// What a template has become.
    #[error("the topic '{topic}' {why}")]
    BoundTopic { topic: String, why: TopicError },
    #[error("a topic filter cannot change with the message")]
    ChangingFilter,
    #[error(transparent)]
    PartlyHeard(#[from] PartlyHeard),
    #[error("a payload of {0} bytes is more than MQTT can carry")]
    PayloadTooLarge(usize),
    #[error("a payload of {0} bytes has no room for a stamp of {STAMP_LEN}")]
    NoRoomForStamp(usize),
    #[error("stamps in a property need MQTT 5, and this is {0}")]
    NoProperties(Version),
    #[error("the number of {0} is zero")]
    Zero(&'static str),
    #[error("connections would have the same client identifier, '{0}'")]
    SameClientId(String),
    #[error("--credentials has client identifiers for {rows} of {clients} connections")]
    FewClientIds { rows: usize, clients: usize },
    #[error("the name {0}")]
    Name(TextError),
}

// Not as a source: it is in the text already.
impl From<TopicError> for PlanError {
    fn from(error: TopicError) -> Self {
        Self::Topic(error)
    }
}

impl From<TextError> for PlanError {
    fn from(error: TextError) -> Self {
        Self::Name(error)
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
            topics: vec![TopicTemplate(Template::new(DEFAULT_TOPIC.as_bytes()))],
            filters: Vec::new(),
            group: None,
            pace: None,
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

    /// Messages per second over all publishers that were to be sent when publishing took so long, on
    /// average from the end of the warm-up on; absent in a closed loop, and when it did not take that long.
    pub fn rate(&self, publishing: Duration) -> Option<f64> {
        let pace = self.pace.as_ref()?;
        let (from, to) = (self.warmup.as_secs_f64(), publishing.as_secs_f64());
        (to > from).then(|| (pace.due_by(to) - pace.due_by(from)) / (to - from))
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
            return self.topics.iter().all(|topic| topic.0.is_fixed());
        };
        (number + 1..seen.next()).take(MAX_LOOK_AHEAD).any(|later| {
            let on_topic = self.recorded(publisher, later);
            on_topic.is_some_and(|later| later.topic == message.topic) && seen.has_arrived(later)
        })
    }

    /// The topic of a publisher; what differs from message to message is still open.
    pub fn topic(&self, names: &Names) -> Template {
        self.topics[names.index % self.topics.len()].bind(names)
    }

    fn topic_text(&self, publisher: usize) -> String {
        lossy(&self.topic(&self.names(RoleName::Publisher, publisher)))
    }

    /// The topics that messages bring with them.
    fn recorded_topics(&self) -> Option<Vec<String>> {
        let Payload::Recorded(messages) = &self.payload else {
            return None;
        };
        let mut topics: Vec<String> = messages.iter().map(|one| one.topic.to_string()).collect();
        topics.sort_unstable();
        topics.dedup();
        Some(topics)
    }

    /// Into how many groups clients are dealt out when publishers have topics of their own: publisher p
    /// and subscriber s belong together when `p mod g == s mod g`.
    fn groups(&self) -> usize {
        let own = self.topics.iter().any(TopicTemplate::is_own);
        match (self.publishers.count, self.subscribers.count) {
            _ if !own => 1,
            (0, count) | (count, 0) => count.max(1),
            (publishers, subscribers) => publishers.min(subscribers),
        }
    }

    /// What a subscriber asks for, but for the group.
    fn plain_filters(&self, names: &Names) -> Vec<String> {
        let mut filters: Vec<String> = if !self.filters.is_empty() {
            self.filters.iter().map(|one| one.filter(names)).collect()
        } else if let Some(recorded) = self.recorded_topics() {
            return recorded;
        } else if self.publishers.count == 0 {
            vec![filter_of(&lossy(&self.topic(names)))]
        } else {
            let groups = self.groups();
            // Beyond these, publishers without topics of their own only repeat them.
            let count = match groups {
                1 if !self.topics.iter().any(TopicTemplate::is_own) => {
                    self.topics.len().min(self.publishers.count)
                }
                _ => self.publishers.count,
            };
            (names.index % groups..count)
                .step_by(groups)
                .map(|publisher| filter_of(&self.topic_text(publisher)))
                .collect()
        };
        let mut seen = std::collections::HashSet::new();
        filters.retain(|filter| seen.insert(filter.clone()));
        filters
    }

    /// What a subscriber asks for.
    pub fn filters(&self, names: &Names) -> Result<Vec<Text>, TextError> {
        let filters = self.plain_filters(names).into_iter();
        match &self.group {
            Some(group) => filters
                .map(|filter| Text::try_from(format!("$share/{group}/{filter}")))
                .collect(),
            None => filters.map(Text::try_from).collect(),
        }
    }

    fn publisher_topics(&self) -> Topics {
        let mut topics = Topics::default();
        let count = self.publishers.count;
        if let Some(recorded) = self.recorded_topics() {
            topics.add(recorded, (0..count).collect());
            return topics;
        }
        for (number, template) in self.topics.iter().enumerate() {
            let publishers = (number..count).step_by(self.topics.len());
            if template.is_own() {
                publishers.for_each(|one| topics.add(vec![self.topic_text(one)], vec![one]));
            } else if number < count {
                topics.add(vec![self.topic_text(number)], publishers.collect());
            }
        }
        topics
    }

    pub fn shape(&self) -> Result<Shape, PlanError> {
        let filters = (0..self.subscribers.count)
            .map(|index| Ok(self.plain_filters(&self.names(RoleName::Subscriber, index))));
        let topics = self.publisher_topics();
        Shape::new(
            &topics,
            self.publishers.count,
            filters,
            self.group.is_some(),
        )
    }

    pub fn check(&self) -> Result<(), PlanError> {
        if self.clients() == 0 {
            return Err(PlanError::NoClients);
        }
        if self.publishers.count > MAX_PUBLISHERS {
            return Err(PlanError::TooManyPublishers(self.publishers.count));
        }
        self.check_end()?;
        let mut longest = 0;
        for index in [0, self.publishers.count.saturating_sub(1)] {
            let topic = self.topic_text(index);
            longest = longest.max(topic.len());
            if let Err(why) = topic::parse_name(&topic) {
                return Err(PlanError::BoundTopic { topic, why });
            }
        }
        for index in [0, self.subscribers.count.saturating_sub(1)] {
            for filter in self.filters(&self.names(RoleName::Subscriber, index))? {
                topic::check_filter(filter.as_str())?;
            }
        }
        self.check_stamps()?;
        // Topic length, packet identifier and an empty property list.
        let (_, size) = self.sizes();
        if longest + 5 + PROPERTY_LEN + size > MAX_REMAINING_LENGTH {
            return Err(PlanError::PayloadTooLarge(size));
        }
        for (number, name) in [
            (self.workers, "worker threads"),
            (self.connect_concurrency, "concurrent connects"),
        ] {
            if number == 0 {
                return Err(PlanError::Zero(name));
            }
        }
        let roles = [self.publishers.count, self.subscribers.count, self.idle];
        self.identities.check(roles)
    }

    fn check_stamps(&self) -> Result<(), PlanError> {
        match (self.stamping, &self.payload) {
            (Stamping::Payload, Payload::Filler(sizes)) if sizes.min() < STAMP_LEN => {
                Err(PlanError::NoRoomForStamp(sizes.min()))
            }
            (Stamping::Property, _) if self.session.version != Version::V5 => {
                Err(PlanError::NoProperties(self.session.version))
            }
            _ => Ok(()),
        }
    }

    fn check_end(&self) -> Result<(), PlanError> {
        let nobody = self.publishers.count == 0;
        match self.stop {
            Stop {
                messages: None,
                duration: None,
            } => return Err(PlanError::NoEnd),
            Stop {
                messages: Some(_), ..
            } if nobody => return Err(PlanError::NobodyPublishes),
            Stop {
                messages: Some(0), ..
            } => return Err(PlanError::Zero("messages")),
            _ => {}
        }
        match (&self.pace, self.stop.messages, self.stop.duration) {
            (Some(_), ..) if nobody => Err(PlanError::NobodyToPace),
            (Some(pace), ..) if pace.peak() <= 0.0 => Err(PlanError::Zero("messages a second")),
            (Some(pace), Some(messages), None) if pace.dries_up() => {
                Err(PlanError::DriesUp(messages))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plan(publishers: usize, subscribers: usize, topics: &[&str]) -> BenchPlan {
        let mut plan = BenchPlan::new(super::super::stream::tcp(([127, 0, 0, 1], 1).into()));
        plan.publishers.count = publishers;
        plan.subscribers.count = subscribers;
        plan.topics = topics
            .iter()
            .map(|topic| TopicTemplate::new(topic).unwrap())
            .collect();
        plan.stop.messages = Some(1);
        plan
    }

    fn filters(plan: &BenchPlan, subscriber: usize) -> Vec<String> {
        let names = plan.names(RoleName::Subscriber, subscriber);
        let texts = plan.filters(&names).unwrap();
        texts.iter().map(ToString::to_string).collect()
    }

    fn heard(plan: &BenchPlan, subscriber: usize) -> Vec<usize> {
        plan.shape().unwrap().publishers_of(subscriber).collect()
    }

    #[test]
    fn one_topic_brings_everything_to_everyone() {
        let plan = plan(3, 2, &["a/b"]);
        assert_eq!(filters(&plan, 1), ["a/b"]);
        let shape = plan.shape().unwrap();
        assert_eq!(shape.slot(2, 1), Some(2));
        assert_eq!(shape.deliveries_of(0), 2);
    }

    #[test]
    fn an_index_deals_the_longer_side_out() {
        let many_publishers = plan(5, 2, &["a/{i}"]);
        assert_eq!(filters(&many_publishers, 0), ["a/0", "a/2", "a/4"]);
        assert_eq!(filters(&many_publishers, 1), ["a/1", "a/3"]);
        let many_subscribers = plan(2, 5, &["a/{i}"]);
        assert_eq!(filters(&many_subscribers, 3), ["a/1"]);
        assert_eq!(many_subscribers.shape().unwrap().deliveries_of(0), 3);
        let only_subscribers = plan(0, 5, &["a/{i}"]);
        assert_eq!(filters(&only_subscribers, 3), ["a/3"]);
    }

    #[test]
    fn several_topics_are_dealt_out_to_publishers_and_heard_by_all() {
        let plan = plan(3, 1, &["a", "b"]);
        assert_eq!(filters(&plan, 0), ["a", "b"]);
        let shape = plan.shape().unwrap();
        assert_eq!(shape.publishers_of(0).collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn subscribers_have_filters_of_their_own() {
        let mut plan = plan(4, 3, &["a/{i}/x"]);
        plan.filters = ["a/{i}/+", "b/#"]
            .map(|filter| FilterTemplate::new(filter).unwrap())
            .into();
        assert_eq!(filters(&plan, 2), ["a/2/+", "b/#"]);
        assert_eq!(heard(&plan, 2), [2]);
        plan.filters = vec![FilterTemplate::new("#").unwrap()];
        assert_eq!(heard(&plan, 2), [0, 1, 2, 3]);
        plan.group = Some("g".to_owned());
        assert_eq!(filters(&plan, 0), ["$share/g/#"]);
        assert_eq!(plan.shape().unwrap().deliveries_of(3), 1);
    }

    #[test]
    fn a_topic_that_changes_with_the_message_is_heard_by_a_wildcard() {
        let plan = plan(2, 2, &["a/{i}/{n}/x"]);
        assert_eq!(filters(&plan, 1), ["a/1/+/x"]);
        assert_eq!(heard(&plan, 1), [1]);
        assert_eq!(FilterTemplate::new("a/{n}"), Err(PlanError::ChangingFilter));
    }

    #[test]
    fn recorded_messages_bring_their_topics() {
        let mut plan = plan(2, 1, &["unused"]);
        let recorded = |topic: &str| super::super::payload::Recorded {
            topic: Text::try_from(topic).unwrap(),
            payload: bytes::Bytes::new(),
        };
        plan.payload = Payload::Recorded([recorded("b"), recorded("a"), recorded("b")].into());
        assert_eq!(filters(&plan, 0), ["a", "b"]);
        assert_eq!(heard(&plan, 0), [0, 1]);
        plan.filters = vec![FilterTemplate::new("a").unwrap()];
        assert!(matches!(plan.shape(), Err(PlanError::PartlyHeard(_))));
    }

    #[test]
    fn plans_that_cannot_be_executed_say_why() {
        assert_eq!(plan(0, 0, &["a"]).check(), Err(PlanError::NoClients));
        assert_eq!(plan(0, 1, &["a"]).check(), Err(PlanError::NobodyPublishes));
        let mut endless = plan(1, 0, &["a"]);
        endless.stop = Stop::default();
        assert_eq!(endless.check(), Err(PlanError::NoEnd));
        let mut large = plan(1, 0, &["a"]);
        large.payload = Payload::Filler(Sizes::fixed(300_000_000));
        assert_eq!(large.check(), Err(PlanError::PayloadTooLarge(300_000_000)));
        let mut idle = plan(1, 0, &["a"]);
        idle.workers = 0;
        assert_eq!(idle.check(), Err(PlanError::Zero("worker threads")));
        let mut still = plan(1, 0, &["a"]);
        still.pace = Some(Pace::constant(0.0));
        assert_eq!(still.check(), Err(PlanError::Zero("messages a second")));
        still.pace = Some(Pace::ramp(9.0, 0.0, Duration::from_secs(1)));
        assert_eq!(still.check(), Err(PlanError::DriesUp(1)));
        assert!(matches!(
            TopicTemplate::new("a/#"),
            Err(PlanError::Topic(TopicError::Wildcard('#')))
        ));
        assert_eq!(plan(1, 1, &["a/{i}"]).check(), Ok(()));
    }

    proptest! {
        #[test]
        fn shares_add_up_to_the_whole(total in any::<u32>(), count in 1..100usize) {
            let stop = Stop { messages: Some(u64::from(total)), duration: None };
            let sum: u64 = (0..count).map(|publisher| stop.share(publisher, count)).sum();
            prop_assert_eq!(sum, u64::from(total));
        }

        #[test]
        fn every_publisher_is_heard_when_topics_are_dealt_out(
            publishers in 1..20usize,
            subscribers in 1..20usize,
            topics in prop::sample::select(vec![vec!["a"], vec!["a/{i}"], vec!["a/{c}", "b"]]),
        ) {
            let shape = plan(publishers, subscribers, &topics).shape().unwrap();
            let pairs: usize = (0..subscribers).map(|one| shape.publishers_of(one).count()).sum();
            let heard: usize = (0..publishers).map(|p| shape.deliveries_of(p)).sum();
            prop_assert_eq!(pairs, heard);
            prop_assert!((0..publishers).all(|p| shape.deliveries_of(p) > 0));
        }
    }
}
