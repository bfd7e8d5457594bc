//! What plans make of topics and filters, and which of them cannot be executed.

use super::*;
use crate::mqtt::text::Text;
use crate::mqtt::topic::TopicError;
use proptest::prelude::*;

fn plan(publishers: usize, subscribers: usize, topics: &[&str]) -> BenchPlan {
    let mut plan = BenchPlan::new(crate::bench::stream::tcp(([127, 0, 0, 1], 1).into()));
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
    let recorded = |topic: &str| crate::bench::payload::Recorded {
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
