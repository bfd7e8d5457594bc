//! `--topic-map 'FILTER => TOPIC'`: other topics for messages that are published again.

use std::borrow::Cow;

use crate::mqtt::topic::{TopicError, check_filter};

const ARROW: &str = "=>";

/// Why a map cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicMapError {
    #[error("needs one '=>' between a filter and a topic")]
    Arrow,
    #[error("left of '=>', '{filter}' {error}")]
    Left { filter: String, error: TopicError },
    #[error("right of '=>', '{topic}' {error}")]
    Right { topic: String, error: TopicError },
    #[error("has more '+' right of '=>' than left of it")]
    SingleLevels,
    #[error("has '#' right of '=>' and none left of it")]
    MultiLevel,
}

/// Maps in their order: the first that matches a topic counts.
#[derive(Debug, Default)]
pub struct TopicMaps(Vec<TopicMap>);

impl TopicMaps {
    pub fn new(maps: Vec<TopicMap>) -> Self {
        Self(maps)
    }

    /// The topic to publish to; unchanged where no map matches. It may be none that MQTT takes.
    pub fn apply<'a>(&self, topic: &'a str) -> Cow<'a, str> {
        let mapped = self.0.iter().find_map(|map| map.apply(topic));
        mapped.map_or(Cow::Borrowed(topic), Cow::Owned)
    }
}

#[derive(Debug)]
pub struct TopicMap {
    filter: String,
    topic: String,
}

impl TopicMap {
    /// Blanks around the arrow do not count.
    pub fn parse(typed: &str) -> Result<Self, TopicMapError> {
        let (filter, topic) = typed.split_once(ARROW).ok_or(TopicMapError::Arrow)?;
        if topic.contains(ARROW) {
            return Err(TopicMapError::Arrow);
        }
        let map = Self {
            filter: filter.trim().to_owned(),
            topic: topic.trim().to_owned(),
        };
        check_filter(&map.filter).map_err(|error| TopicMapError::Left {
            filter: map.filter.clone(),
            error,
        })?;
        check_filter(&map.topic).map_err(|error| TopicMapError::Right {
            topic: map.topic.clone(),
            error,
        })?;
        let count = |topic: &str, wildcard| topic.split('/').filter(|l| *l == wildcard).count();
        if count(&map.topic, "+") > count(&map.filter, "+") {
            return Err(TopicMapError::SingleLevels);
        }
        if count(&map.topic, "#") > count(&map.filter, "#") {
            return Err(TopicMapError::MultiLevel);
        }
        Ok(map)
    }

    fn apply(&self, topic: &str) -> Option<String> {
        // [MQTT-4.7.2-1]
        if topic.starts_with('$') && self.filter.starts_with(['+', '#']) {
            return None;
        }
        let mut single = Vec::new();
        // The levels that '#' matched; not even an empty one where it stood for its parent.
        let mut rest = None;
        let mut left = Some(topic);
        for wanted in self.filter.split('/') {
            if wanted == "#" {
                rest = left.take();
                break;
            }
            let (level, behind) = match left?.split_once('/') {
                Some((level, behind)) => (level, Some(behind)),
                None => (left?, None),
            };
            match wanted {
                "+" => single.push(level),
                _ if wanted == level => {}
                _ => return None,
            }
            left = behind;
        }
        if left.is_some() {
            return None;
        }
        let mut single = single.into_iter();
        let levels = self.topic.split('/').filter_map(|level| match level {
            "+" => single.next(),
            "#" => rest,
            _ => Some(level),
        });
        Some(levels.collect::<Vec<_>>().join("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::topic::matches;
    use proptest::prelude::*;

    fn apply(map: &str, topic: &str) -> Option<String> {
        TopicMap::parse(map).expect(map).apply(topic)
    }

    #[test]
    fn wildcards_carry_over_in_their_order() {
        for (map, topic, expected) in [
            ("a/# => b/#", "a/x/y", Some("b/x/y")),
            ("a/# => b/#", "a", Some("b")),
            ("a/# => b/#", "a/", Some("b/")),
            ("a/#=>b/#", "ab/x", None),
            ("# => copy/#", "x/y", Some("copy/x/y")),
            ("# => copy/#", "$SYS/x", None),
            ("$SYS/# => sys/#", "$SYS/x", Some("sys/x")),
            ("+/temp/+ => +/+/t", "a/temp/b", Some("a/b/t")),
            ("+/+/# => +/#", "a/b/c/d", Some("a/c/d")),
            ("+/temp => temp", "a/temp", Some("temp")),
            ("a => b c", "a", Some("b c")),
            ("a/+ => b/+", "a/", Some("b/")),
            ("a/+ => b/+", "a", None),
            ("a/+ => b/+", "a/x/y", None),
            ("a/b => c", "a/b/c", None),
        ] {
            assert_eq!(apply(map, topic).as_deref(), expected, "{map} of {topic}");
        }
    }

    #[test]
    fn the_first_map_that_matches_counts() {
        let maps = ["a/b => first", "a/+ => second/+", "# => third"];
        let maps = TopicMaps::new(maps.map(|map| TopicMap::parse(map).unwrap()).into());
        assert_eq!(maps.apply("a/b"), "first");
        assert_eq!(maps.apply("a/c"), "second/c");
        assert_eq!(maps.apply("$SYS/c"), "$SYS/c");
        assert_eq!(TopicMaps::default().apply("a"), "a");
    }

    #[test]
    fn maps_that_do_not_fit_are_refused() {
        for (map, words) in [
            ("a b", "needs one '=>'"),
            ("a => b => c", "needs one '=>'"),
            (" => b", "left of '=>', '' is empty"),
            ("a =>", "right of '=>', '' is empty"),
            ("a/#/b => c", "left of '=>', 'a/#/b' has '#'"),
            ("a/# => b#", "right of '=>', 'b#' has '#'"),
            ("a/+ => +/+", "more '+'"),
            ("a/+ => b/#", "'#' right"),
        ] {
            let error = TopicMap::parse(map).expect_err(map).to_string();
            assert!(error.contains(words), "{map}: {error}");
        }
    }

    proptest! {
        #[test]
        fn a_map_applies_where_its_filter_matches(
            filter in "[ab+]?(/[ab+$]?){0,3}(/#)?",
            topic in "[ab$]?(/[ab]?){0,4}",
        ) {
            prop_assume!(!topic.is_empty());
            if let Ok(map) = TopicMap::parse(&format!("{filter} => {filter}")) {
                let mapped = map.apply(&topic);
                prop_assert_eq!(mapped.is_some(), matches(&filter, &topic));
                // what stands on both sides puts the topic together again
                if let Some(mapped) = mapped {
                    prop_assert_eq!(mapped, topic);
                }
            }
        }
    }
}
