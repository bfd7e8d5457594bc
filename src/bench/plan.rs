//! What a run is to do: complete, checked, and ready to execute. No command line, no I/O.

use std::time::Duration;

use super::stamp::{MAX_PUBLISHERS, STAMP_LEN};
use super::stream::Dial;
use crate::mqtt::QoS;
use crate::mqtt::packet::{MAX_REMAINING_LENGTH, Secret};
use crate::mqtt::properties::Properties;
use crate::mqtt::session::Settings;
use crate::mqtt::text::{Text, TextError};
use crate::mqtt::topic::{self, TopicError};

/// All publishers and subscribers on this topic unless the plan says otherwise.
pub const DEFAULT_TOPIC: &str = "mozzie/bench";
/// Stands for a client's number in a topic template.
const INDEX: &str = "{i}";

#[derive(Clone)]
pub struct BenchPlan {
    pub dial: Dial,
    /// What the sessions share; publishers' `in_flight` takes the place of its window.
    pub session: Settings,
    /// Client identifiers are `<prefix>-p<number>` and `<prefix>-s<number>`.
    pub client_id_prefix: String,
    pub username: Option<Text>,
    pub password: Option<Secret>,
    /// Of every PUBLISH and every SUBSCRIBE (MQTT 5).
    pub publish_properties: Properties,
    pub subscribe_properties: Properties,
    pub publishers: Publishers,
    pub subscribers: Subscribers,
    pub topic: TopicTemplate,
    pub stop: Stop,
    /// After the last publish: how long nothing may arrive while something is still due.
    pub drain: Duration,
    /// Threads, each with its own share of the connections.
    pub workers: usize,
    /// Connections that may be on their way at once, over all workers.
    pub connect_concurrency: usize,
}

#[derive(Debug, Clone, Copy)]
pub struct Publishers {
    pub count: usize,
    pub qos: QoS,
    pub retain: bool,
    /// Bytes of payload. Below [`STAMP_LEN`] there is no room for a stamp: then messages are only
    /// counted, and there is no latency to the subscriber and no telling of duplicates.
    pub size: usize,
    /// Unacknowledged messages of one publisher at QoS 1 and 2.
    pub in_flight: u16,
}

impl Default for Publishers {
    fn default() -> Self {
        Self {
            count: 1,
            qos: QoS::AtMostOnce,
            retain: false,
            size: 64,
            in_flight: 20,
        }
    }
}

impl Publishers {
    /// Whether messages carry a stamp.
    pub fn stamped(&self) -> bool {
        self.size >= STAMP_LEN
    }
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Subscribers {
    pub count: usize,
    pub qos: QoS,
}

/// When publishing ends: at whichever comes first.
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

/// A topic in which `{i}` stands for the publisher's number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicTemplate(String);

impl TopicTemplate {
    pub fn new(template: &str) -> Result<Self, PlanError> {
        let this = Self(template.to_owned());
        // The longest one decides.
        topic::parse_name(&this.name(MAX_PUBLISHERS))?;
        Ok(this)
    }

    pub fn has_index(&self) -> bool {
        self.0.contains(INDEX)
    }

    fn name(&self, index: usize) -> String {
        self.0.replace(INDEX, &index.to_string())
    }

    pub fn topic(&self, index: usize) -> Result<Text, TextError> {
        Text::try_from(self.name(index))
    }
}

/// Who hears whom.
///
/// With one topic every subscriber gets every publisher's messages. With `{i}` in the topic each
/// publisher has a topic of its own, and the longer side is dealt out over the shorter one: publisher
/// p and subscriber s belong together when `p mod g == s mod g`, where g is the shorter side's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    pub publishers: usize,
    pub subscribers: usize,
    groups: usize,
}

impl Shape {
    /// Which of the publishers that a subscriber hears a publisher is; `None` if it does not hear it.
    pub fn slot(&self, publisher: usize, subscriber: usize) -> Option<usize> {
        let heard =
            publisher < self.publishers && publisher % self.groups == subscriber % self.groups;
        heard.then_some(publisher / self.groups)
    }

    /// The publishers that a subscriber hears, in the order of their slots.
    pub fn publishers_of(&self, subscriber: usize) -> impl Iterator<Item = usize> + use<> {
        (subscriber % self.groups..self.publishers).step_by(self.groups)
    }

    /// How many subscribers hear a publisher.
    pub fn subscribers_of(&self, publisher: usize) -> usize {
        (publisher % self.groups..self.subscribers)
            .step_by(self.groups)
            .len()
    }
}

/// Why a plan cannot be executed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("neither publishers nor subscribers")]
    NoClients,
    #[error("{0} publishers, at most {MAX_PUBLISHERS} can be told apart")]
    TooManyPublishers(usize),
    #[error("neither a number of messages nor a duration: the run would not end")]
    NoEnd,
    #[error("a number of messages without a publisher")]
    NobodyPublishes,
    #[error("the topic {0}")]
    Topic(#[from] TopicError),
    #[error("a payload of {0} bytes is more than MQTT can carry")]
    PayloadTooLarge(usize),
    #[error("the number of {0} is zero")]
    Zero(&'static str),
}

impl BenchPlan {
    /// One publisher at QoS 0, everything else at its default; the end still has to be chosen.
    pub fn new(dial: Dial) -> Self {
        let run: u32 = fastrand::u32(..);
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            dial,
            session: Settings::default(),
            client_id_prefix: format!("mozzie-{:06x}", run & 0xff_ffff),
            username: None,
            password: None,
            publish_properties: Properties::new(),
            subscribe_properties: Properties::new(),
            publishers: Publishers::default(),
            subscribers: Subscribers::default(),
            topic: TopicTemplate(DEFAULT_TOPIC.to_owned()),
            stop: Stop::default(),
            drain: Duration::from_secs(5),
            workers,
            connect_concurrency: 128,
        }
    }

    pub fn clients(&self) -> usize {
        self.publishers.count + self.subscribers.count
    }

    /// Messages per second over all publishers; `None` in a closed loop.
    pub fn rate(&self) -> Option<f64> {
        None
    }

    pub fn shape(&self) -> Shape {
        let (publishers, subscribers) = (self.publishers.count, self.subscribers.count);
        let groups = if self.topic.has_index() {
            match (publishers, subscribers) {
                (0, count) | (count, 0) => count,
                (publishers, subscribers) => publishers.min(subscribers),
            }
        } else {
            1
        };
        Shape {
            publishers,
            subscribers,
            groups: groups.max(1),
        }
    }

    /// The topics that a subscriber asks for.
    pub fn filters(&self, subscriber: usize) -> Result<Vec<Text>, TextError> {
        let shape = self.shape();
        if !self.topic.has_index() {
            return Ok(vec![self.topic.topic(0)?]);
        }
        if shape.publishers == 0 {
            return Ok(vec![self.topic.topic(subscriber)?]);
        }
        shape
            .publishers_of(subscriber)
            .map(|publisher| self.topic.topic(publisher))
            .collect()
    }

    pub fn check(&self) -> Result<(), PlanError> {
        if self.clients() == 0 {
            return Err(PlanError::NoClients);
        }
        if self.publishers.count > MAX_PUBLISHERS {
            return Err(PlanError::TooManyPublishers(self.publishers.count));
        }
        match self.stop {
            Stop {
                messages: None,
                duration: None,
            } => return Err(PlanError::NoEnd),
            Stop {
                messages: Some(_), ..
            } if self.publishers.count == 0 => return Err(PlanError::NobodyPublishes),
            _ => {}
        }
        let longest = self.topic.name(MAX_PUBLISHERS);
        topic::parse_name(&longest)?;
        // Topic length, packet identifier and an empty property list.
        if longest.len() + 5 + self.publishers.size > MAX_REMAINING_LENGTH {
            return Err(PlanError::PayloadTooLarge(self.publishers.size));
        }
        for (number, name) in [
            (self.workers, "worker threads"),
            (self.connect_concurrency, "concurrent connects"),
            (usize::from(self.publishers.in_flight), "messages in flight"),
        ] {
            if number == 0 {
                return Err(PlanError::Zero(name));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plan(publishers: usize, subscribers: usize, topic: &str) -> BenchPlan {
        let mut plan = BenchPlan::new(super::super::stream::tcp(([127, 0, 0, 1], 1).into()));
        plan.publishers.count = publishers;
        plan.subscribers.count = subscribers;
        plan.topic = TopicTemplate::new(topic).unwrap();
        plan.stop.messages = Some(1);
        plan
    }

    fn filters(plan: &BenchPlan, subscriber: usize) -> Vec<String> {
        let texts = plan.filters(subscriber).unwrap();
        texts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn one_topic_brings_everything_to_everyone() {
        let plan = plan(3, 2, "a/b");
        assert_eq!(filters(&plan, 1), ["a/b"]);
        let shape = plan.shape();
        assert_eq!(shape.slot(2, 1), Some(2));
        assert_eq!(shape.subscribers_of(0), 2);
    }

    #[test]
    fn an_index_deals_the_longer_side_out() {
        let many_publishers = plan(5, 2, "a/{i}");
        assert_eq!(filters(&many_publishers, 0), ["a/0", "a/2", "a/4"]);
        assert_eq!(filters(&many_publishers, 1), ["a/1", "a/3"]);
        let many_subscribers = plan(2, 5, "a/{i}");
        assert_eq!(filters(&many_subscribers, 3), ["a/1"]);
        assert_eq!(many_subscribers.shape().subscribers_of(0), 3);
        let only_subscribers = plan(0, 5, "a/{i}");
        assert_eq!(filters(&only_subscribers, 3), ["a/3"]);
    }

    #[test]
    fn plans_that_cannot_be_executed_say_why() {
        assert_eq!(plan(0, 0, "a").check(), Err(PlanError::NoClients));
        assert_eq!(plan(0, 1, "a").check(), Err(PlanError::NobodyPublishes));
        let mut endless = plan(1, 0, "a");
        endless.stop = Stop::default();
        assert_eq!(endless.check(), Err(PlanError::NoEnd));
        let mut large = plan(1, 0, "a");
        large.publishers.size = 300_000_000;
        assert_eq!(large.check(), Err(PlanError::PayloadTooLarge(300_000_000)));
        let mut idle = plan(1, 0, "a");
        idle.workers = 0;
        assert_eq!(idle.check(), Err(PlanError::Zero("worker threads")));
        assert!(matches!(
            TopicTemplate::new("a/#"),
            Err(PlanError::Topic(TopicError::Wildcard('#')))
        ));
        assert_eq!(plan(1, 1, "a/{i}").check(), Ok(()));
    }

    proptest! {
        #[test]
        fn shares_add_up_to_the_whole(total in any::<u32>(), count in 1..100usize) {
            let stop = Stop { messages: Some(u64::from(total)), duration: None };
            let sum: u64 = (0..count).map(|publisher| stop.share(publisher, count)).sum();
            prop_assert_eq!(sum, u64::from(total));
        }

        #[test]
        fn slots_number_the_publishers_that_a_subscriber_hears(
            publishers in 1..20usize,
            subscribers in 1..20usize,
            topic in prop::sample::select(vec!["a", "a/{i}"]),
        ) {
            let shape = plan(publishers, subscribers, topic).shape();
            let mut pairs = 0;
            for subscriber in 0..subscribers {
                for (slot, publisher) in shape.publishers_of(subscriber).enumerate() {
                    prop_assert_eq!(shape.slot(publisher, subscriber), Some(slot));
                    pairs += 1;
                }
            }
            let heard: usize = (0..publishers).map(|p| shape.subscribers_of(p)).sum();
            prop_assert_eq!(pairs, heard);
            prop_assert!((0..publishers).all(|p| shape.subscribers_of(p) > 0));
        }
    }
}
