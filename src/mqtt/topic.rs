//! Topic names and topic filters: what is valid (MQTT 5 section 4.7, 4.8) and what matches what.

use super::text::{Text, TextError};

/// Why a topic name or a topic filter cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    #[error("is empty")]
    Empty,
    #[error("contains the wildcard '{0}', which only a topic filter may")]
    Wildcard(char),
    #[error("has '#' in a place other than its whole last level")]
    MultiLevelWildcard,
    #[error("has '+' beside other characters in one level")]
    SingleLevelWildcard,
    #[error("is a shared subscription without a {0}")]
    Shared(&'static str),
    #[error("is {0}")]
    Text(TextError),
}

/// Checks a topic name for PUBLISH or a will [MQTT-3.3.2-2] [MQTT-4.7.3-1].
pub fn check_name(topic: &str) -> Result<(), TopicError> {
    if topic.is_empty() {
        return Err(TopicError::Empty);
    }
    match topic.chars().find(|c| matches!(c, '+' | '#')) {
        Some(wildcard) => Err(TopicError::Wildcard(wildcard)),
        None => Ok(()),
    }
}

/// Checks a topic filter for SUBSCRIBE or UNSUBSCRIBE [MQTT-4.7.1-1] [MQTT-4.7.1-2]
/// [MQTT-4.8.2-1] [MQTT-4.8.2-2].
pub fn check_filter(filter: &str) -> Result<(), TopicError> {
    let filter = match filter.strip_prefix("$share/") {
        None => filter,
        Some(shared) => {
            let (group, filter) = shared
                .split_once('/')
                .ok_or(TopicError::Shared("topic filter"))?;
            if group.is_empty() {
                return Err(TopicError::Shared("group name"));
            }
            if let Some(wildcard) = group.chars().find(|c| matches!(c, '+' | '#')) {
                return Err(TopicError::Wildcard(wildcard));
            }
            if filter.is_empty() {
                return Err(TopicError::Shared("topic filter"));
            }
            filter
        }
    };
    if filter.is_empty() {
        return Err(TopicError::Empty);
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        if level.contains('#') && (level != "#" || levels.peek().is_some()) {
            return Err(TopicError::MultiLevelWildcard);
        }
        if level.contains('+') && level != "+" {
            return Err(TopicError::SingleLevelWildcard);
        }
    }
    Ok(())
}

/// A checked topic name from what a user typed.
pub fn parse_name(topic: &str) -> Result<Text, TopicError> {
    let text = Text::try_from(topic).map_err(TopicError::Text)?;
    check_name(topic)?;
    Ok(text)
}

/// A checked topic filter from what a user typed.
pub fn parse_filter(filter: &str) -> Result<Text, TopicError> {
    let text = Text::try_from(filter).map_err(TopicError::Text)?;
    check_filter(filter)?;
    Ok(text)
}

/// The filter that a shared subscription stands for; any other filter as it is.
pub fn without_share(filter: &str) -> &str {
    filter
        .strip_prefix("$share/")
        .and_then(|shared| shared.split_once('/'))
        .map_or(filter, |(_, filter)| filter)
}

/// Whether a valid topic name matches a valid topic filter (MQTT 5 section 4.7).
///
/// A filter that starts with a wildcard does not match a topic that starts with `$`
/// [MQTT-4.7.2-1].
pub fn matches(filter: &str, topic: &str) -> bool {
    let filter = without_share(filter);
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = topic.split('/');
    for wanted in filter.split('/') {
        if wanted == "#" {
            return true;
        }
        match levels.next() {
            Some(level) if wanted == "+" || wanted == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_as_the_specification_says() {
        // MQTT 5 section 4.7.1.2, 4.7.1.3, 4.7.2, 4.7.3
        let table = [
            ("sport/tennis/player1/#", "sport/tennis/player1", true),
            (
                "sport/tennis/player1/#",
                "sport/tennis/player1/ranking",
                true,
            ),
            (
                "sport/tennis/player1/#",
                "sport/tennis/player1/score/wimbledon",
                true,
            ),
            ("sport/#", "sport", true),
            ("#", "sport/tennis", true),
            ("#", "/", true),
            ("sport/tennis/+", "sport/tennis/player1", true),
            ("sport/tennis/+", "sport/tennis/player2", true),
            ("sport/tennis/+", "sport/tennis/player1/ranking", false),
            ("sport/+", "sport", false),
            ("sport/+", "sport/", true),
            ("+/+", "/finance", true),
            ("/+", "/finance", true),
            ("+", "/finance", false),
            ("+/tennis/#", "sport/tennis/a/b", true),
            ("sport/+/player1", "sport/tennis/player1", true),
            ("sport/+/player1", "sport//player1", true),
            ("#", "$SYS/broker/load", false),
            ("+/monitor/Clients", "$SYS/monitor/Clients", false),
            ("$SYS/#", "$SYS/broker/load", true),
            ("$SYS/monitor/+", "$SYS/monitor/Clients", true),
            ("ACCOUNTS", "Accounts", false),
            ("a/b", "a/b/", false),
            ("a/b/", "a/b", false),
            ("é/+", "é/日本", true),
            ("$share/group/sport/+", "sport/tennis", true),
            ("$share/group/#", "$SYS/x", false),
            ("$share/group//finance", "/finance", true),
            ("a/#", "ab", false),
            ("a/+/#", "a/b", true),
            ("a/+/#", "a", false),
        ];
        for (filter, topic, expected) in table {
            assert_eq!(check_filter(filter), Ok(()), "{filter}");
            assert_eq!(matches(filter, topic), expected, "{filter} ~ {topic}");
        }
    }

    #[test]
    fn invalid_filters_are_refused() {
        for filter in [
            "",
            "sport/tennis#",
            "sport/tennis/#/ranking",
            "sport+",
            "a/+b/c",
            "##",
            "++",
            "#/a",
            "$share/",
            "$share/group",
            "$share/group/",
            "$share//a",
            "$share/g+/a",
            "$share/g/a#",
        ] {
            assert!(check_filter(filter).is_err(), "{filter}");
        }
        assert!(parse_filter("a\0b").is_err());
        assert!(parse_filter(&"a".repeat(65_536)).is_err());
    }

    #[test]
    fn invalid_names_are_refused() {
        for topic in ["", "a/#", "+", "a/+/b", "a#b"] {
            assert!(check_name(topic).is_err(), "{topic}");
        }
        for topic in ["/", "a//b", "$SYS/x", " a b ", "é"] {
            assert_eq!(check_name(topic), Ok(()), "{topic}");
        }
        assert!(parse_name("a\0b").is_err());
    }
}
