//! Who gets what is published to a topic: filters with their wildcards, and groups that share them.

use std::collections::HashMap;

use crate::mqtt::topic::matches;

const MAX_ROUTES: usize = 100_000;

/// A client's granted subscription.
#[derive(Debug, Clone, Copy)]
pub struct Subscription {
    pub client: usize,
    pub qos: u8,
}

/// Who gets what is published to a topic.
#[derive(Debug, Default)]
pub struct Route {
    pub all: Vec<Subscription>,
    /// Groups that share a subscription; each member gets every so manieth message.
    pub groups: Vec<Vec<Subscription>>,
    /// Messages so far.
    pub turn: usize,
}

/// All subscriptions, and the routes of topics that were published to since they last changed.
#[derive(Debug, Default)]
pub struct Routes {
    /// By group, empty where there is none, and filter.
    subscriptions: Vec<(String, String, Subscription)>,
    routes: HashMap<Vec<u8>, Route>,
}

impl Routes {
    pub fn subscribe(&mut self, typed: &str, subscription: Subscription) {
        let shared = typed.strip_prefix("$share/");
        let (group, filter) = shared
            .and_then(|rest| rest.split_once('/'))
            .unwrap_or(("", typed));
        self.subscriptions
            .push((group.to_owned(), filter.to_owned(), subscription));
        self.routes.clear();
    }

    pub fn forget(&mut self, client: usize) {
        self.subscriptions
            .retain(|(_, _, one)| one.client != client);
        self.routes.clear();
    }

    pub fn route(&mut self, topic: &[u8]) -> Option<&mut Route> {
        if !self.routes.contains_key(topic) {
            // Topics without end would be memory without end.
            if self.routes.len() >= MAX_ROUTES {
                self.routes.clear();
            }
            let route = self.find(std::str::from_utf8(topic).ok()?);
            self.routes.insert(topic.to_owned(), route);
        }
        self.routes.get_mut(topic)
    }

    fn find(&self, topic: &str) -> Route {
        let mut route = Route::default();
        let mut names: Vec<(&str, &str)> = Vec::new();
        for (group, filter, subscription) in &self.subscriptions {
            if filter != topic && !matches(filter, topic) {
                continue;
            }
            if group.is_empty() {
                route.all.push(*subscription);
                continue;
            }
            let name = (group.as_str(), filter.as_str());
            match names.iter().position(|known| *known == name) {
                Some(index) => route.groups[index].push(*subscription),
                None => {
                    names.push(name);
                    route.groups.push(vec![*subscription]);
                }
            }
        }
        route
    }
}
