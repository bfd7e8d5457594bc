//! Which topics publishers publish to, and what subscribers ask for: as it was typed, or dealt out. What
//! comes of that, who hears whom, is `shape`'s.

use super::super::payload::Payload;
use super::super::shape::{Shape, Topics};
use super::super::template::{Names, Place, Template};
use super::{BenchPlan, PlanError, RoleName};
use crate::mqtt::text::{Text, TextError};
use crate::mqtt::topic;

/// All publishers and subscribers on this topic unless the plan says otherwise.
pub const DEFAULT_TOPIC: &str = "mozzie/bench";

/// The topic of a publisher, with places in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicTemplate(Template);

impl Default for TopicTemplate {
    fn default() -> Self {
        Self(Template::new(DEFAULT_TOPIC.as_bytes()))
    }
}

impl TopicTemplate {
    pub fn new(template: &str) -> Result<Self, PlanError> {
        topic::parse_name(template)?;
        Ok(Self(Template::of_name(template)?))
    }

    /// Whether publishers have different ones.
    fn is_own(&self) -> bool {
        self.0
            .places()
            .any(|place| !place.changes() && place != Place::Role)
    }

    /// Every message goes to the same.
    pub fn is_fixed(&self) -> bool {
        self.0.is_fixed()
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
        let this = Self(Template::of_name(template)?);
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

impl BenchPlan {
    /// The topic of a publisher; what differs from message to message is still open.
    pub fn topic(&self, names: &Names) -> Template {
        self.topics[names.index % self.topics.len()].bind(names)
    }

    pub(super) fn topic_text(&self, publisher: usize) -> String {
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

    /// Who hears whom.
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
}
