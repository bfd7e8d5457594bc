//! Whether a plan can be executed, and why not.

use super::super::payload::{Payload, Stamping};
use super::super::seal::PROPERTY_LEN;
use super::super::shape::PartlyHeard;
use super::super::stamp::{MAX_PUBLISHERS, STAMP_LEN};
use super::super::template::UnknownPlace;
use super::{BenchPlan, RoleName, Stop};
use crate::mqtt::Version;
use crate::mqtt::packet::MAX_REMAINING_LENGTH;
use crate::mqtt::text::TextError;
use crate::mqtt::topic::{self, TopicError};

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
    #[error(transparent)]
    UnknownPlace(#[from] UnknownPlace),
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

impl BenchPlan {
    /// Whether it can be executed.
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
