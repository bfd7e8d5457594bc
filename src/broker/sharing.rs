//! Shared subscriptions: the members of a group take turns, those that are away sit out.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use rmqtt::context::ServerContext;
use rmqtt::subscribe::SharedSubscription;
use rmqtt::types::{
    ClientId, Id, IsOnline, NodeId, SharedGroup, SubscriptionIdentifier, SubscriptionOptions,
    TopicName,
};

/// Beyond this many groups the turns of all are forgotten, so that names made up by clients do not fill the memory.
const MAX_REMEMBERED_GROUPS: usize = 100_000;

/// rmqtt does not name the type.
type Member = (
    NodeId,
    ClientId,
    SubscriptionOptions,
    Option<Vec<SubscriptionIdentifier>>,
    Option<IsOnline>,
);

#[derive(Default)]
pub struct RoundRobin {
    /// A turn counter for each group, as one for all would favour some members when several groups get a message.
    turns: Mutex<HashMap<SharedGroup, usize>>,
}

impl RoundRobin {
    fn turn(&self, group: &SharedGroup) -> usize {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.len() >= MAX_REMEMBERED_GROUPS && !turns.contains_key(group) {
            turns.clear();
        }
        let next = turns.entry(SharedGroup::from(&**group)).or_default();
        let turn = *next;
        *next = next.wrapping_add(1);
        turn
    }
}

#[async_trait]
impl SharedSubscription for RoundRobin {
    fn is_supported(&self) -> bool {
        true
    }

    async fn choice(
        &self,
        _: &ServerContext,
        group: &SharedGroup,
        _: &Id,
        _: &TopicName,
        members: &[Member],
    ) -> Option<(usize, IsOnline)> {
        choose(self.turn(group), members, |(_, _, _, _, online)| {
            online.unwrap_or(false)
        })
    }
}

/// The online member whose turn it is. With nobody online the message waits in the session of whose turn it would be.
fn choose<M>(turn: usize, members: &[M], online: impl Fn(&M) -> bool) -> Option<(usize, bool)> {
    let online_count = members.iter().filter(|member| online(member)).count();
    if online_count > 0 {
        let nth = turn % online_count;
        let (index, _) = members
            .iter()
            .enumerate()
            .filter(|(_, member)| online(member))
            .nth(nth)?;
        Some((index, true))
    } else {
        Some((turn.checked_rem(members.len())?, false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(members: &[bool], turns: std::ops::Range<usize>) -> Vec<Option<(usize, bool)>> {
        turns
            .map(|turn| choose(turn, members, |online| *online))
            .collect()
    }

    #[test]
    fn online_members_take_turns() {
        assert_eq!(
            chosen(&[true, true], 0..3),
            [Some((0, true)), Some((1, true)), Some((0, true))]
        );
        assert_eq!(
            chosen(&[true, false, true], 0..3),
            [Some((0, true)), Some((2, true)), Some((0, true))]
        );
    }

    #[test]
    fn with_nobody_online_the_sessions_take_turns() {
        assert_eq!(
            chosen(&[false, false], 0..3),
            [Some((0, false)), Some((1, false)), Some((0, false))]
        );
    }

    #[test]
    fn a_group_without_members_gets_nothing() {
        assert_eq!(chosen(&[], 0..1), [None]);
    }

    #[test]
    fn each_group_has_its_own_turns() {
        let robin = RoundRobin::default();
        let (a, b) = (SharedGroup::from("a"), SharedGroup::from("b"));
        assert_eq!(
            [
                robin.turn(&a),
                robin.turn(&b),
                robin.turn(&a),
                robin.turn(&b)
            ],
            [0, 0, 1, 1]
        );
    }
}
