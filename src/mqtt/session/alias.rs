//! Topic aliases (section 3.3.2.3.4): numbers that stand for topics until the connection ends.

use std::collections::HashMap;

use crate::packet::Message;
use crate::properties::PropertyId;
use crate::text::Text;

/// What the broker's aliases stand for.
#[derive(Debug, Default)]
pub(super) struct InboundAliases(HashMap<u16, Text>);

impl InboundAliases {
    pub fn get(&self, alias: u16) -> Option<&Text> {
        self.0.get(&alias)
    }

    pub fn set(&mut self, alias: u16, topic: Text) {
        self.0.insert(alias, topic);
    }
}

/// What our aliases stand for at the broker.
#[derive(Debug, Default)]
pub(super) struct OutboundAliases {
    topics: HashMap<u16, Text>,
    /// Aliases that were given automatically, by topic.
    given: HashMap<Text, u16>,
}

impl OutboundAliases {
    /// The topic to write and the alias to write with it.
    ///
    /// A message's own alias is used as it is; otherwise `automatic` gives each new topic the next
    /// free number up to the broker's maximum.
    pub fn apply<'a>(
        &mut self,
        message: &'a Message,
        automatic: bool,
        maximum: u16,
    ) -> (&'a [u8], Option<u16>) {
        let own = message.properties.number(PropertyId::TopicAlias);
        let alias = match own {
            Some(alias) => Some(alias as u16),
            None if automatic => self.give(&message.topic, maximum),
            None => None,
        };
        let Some(alias) = alias else {
            return (message.topic.as_bytes(), None);
        };
        let extra = if own.is_some() { None } else { Some(alias) };
        if self.topics.get(&alias) == Some(&message.topic) {
            return (&[], extra);
        }
        self.topics.insert(alias, message.topic.clone());
        (message.topic.as_bytes(), extra)
    }

    fn give(&mut self, topic: &Text, maximum: u16) -> Option<u16> {
        if let Some(alias) = self.given.get(topic) {
            return Some(*alias);
        }
        if self.given.len() >= usize::from(maximum) {
            return None;
        }
        let alias = self.given.len() as u16 + 1;
        self.given.insert(topic.clone(), alias);
        Some(alias)
    }
}
