//! What a verb subscribes to: asked for on each new session, and what becomes of the broker's answer.

use crate::client::{Client, ClientEvent};
use crate::dialect::Dialect;
use crate::error::{Error, Refusal};
use crate::mqtt::packet::{SubAck, Subscription};
use crate::mqtt::properties::{Properties, PropertyId};
use crate::mqtt::session::{Event, Limits};
use crate::mqtt::topic;
use crate::output::Diagnostics;

/// The filters of one SUBSCRIBE.
#[derive(Debug, Clone)]
pub struct Subscriptions {
    pub list: Vec<Subscription>,
    properties: Properties,
    /// That the broker grants less than was asked for was said.
    told: bool,
}

impl Subscriptions {
    pub fn new(list: Vec<Subscription>, properties: Properties) -> Self {
        Self {
            list,
            properties,
            told: false,
        }
    }

    /// Sends SUBSCRIBE, unless there is nothing to ask for. Returns whether an answer is due.
    ///
    /// What the broker has said it cannot do is an error, and not asked for; mosquitto's clients ask.
    pub fn ask(&self, client: &mut Client, dialect: Dialect) -> Result<bool, Error> {
        if self.list.is_empty() {
            return Ok(false);
        }
        if dialect.is_native() {
            self.check(client.session().limits())?;
        }
        client
            .session()
            .subscribe(self.list.clone(), self.properties.clone())?;
        Ok(true)
    }

    /// What the broker has said in CONNACK that it has not (MQTT 5 section 3.2.2.3).
    fn check(&self, limits: &Limits) -> Result<(), Error> {
        let has_identifier = self
            .properties
            .get(PropertyId::SubscriptionIdentifier)
            .is_some();
        if has_identifier && !limits.subscription_identifiers {
            return Err(Error::SubscribeRefused(
                "the broker has no subscription identifiers (-D subscribe subscription-identifier)"
                    .to_owned()
                    .into(),
            ));
        }
        let impossible: Vec<_> = self
            .list
            .iter()
            .filter_map(|subscription| {
                let filter = subscription.filter.as_str();
                let why = if topic::without_share(filter) != filter && !limits.shared_subscriptions
                {
                    "the broker has no shared subscriptions"
                } else if filter.contains(['+', '#']) && !limits.wildcard_subscriptions {
                    "the broker has no wildcard subscriptions"
                } else {
                    return None;
                };
                Some(format!("'{filter}': {why}"))
            })
            .collect();
        match impossible.is_empty() {
            true => Ok(()),
            false => Err(Error::SubscribeRefused(impossible.join(", ").into())),
        }
    }

    /// The filters that the broker refused, each with its reason.
    fn refused(&self, answer: &SubAck) -> Vec<Refusal> {
        self.list
            .iter()
            .zip(&answer.reasons)
            .filter(|(_, reason)| reason.is_error())
            .map(|(subscription, reason)| {
                let why = Refusal::of(*reason, &answer.properties);
                let text = format!("'{}': {why}", subscription.filter);
                why.worded(text)
            })
            .collect()
    }

    /// Judges the answer of the broker: nothing is left to do when it refused all, or one where
    /// `all_are_needed`; else what it refused is a warning, and that it grants a lower QoS the first time.
    pub fn judge(
        &mut self,
        answer: &SubAck,
        all_are_needed: bool,
        diagnostics: &Diagnostics,
    ) -> Result<(), Error> {
        let refused = self.refused(answer);
        if refused.len() == self.list.len() || (all_are_needed && !refused.is_empty()) {
            return Err(Error::SubscribeRefused(together(refused)));
        }
        for one in &refused {
            diagnostics.warn(&format!("the broker refused the subscription: {one}"));
        }
        if !std::mem::replace(&mut self.told, true) {
            for (subscription, reason) in self.list.iter().zip(&answer.reasons) {
                if reason.0 < subscription.qos as u8 {
                    diagnostics.warn(&format!(
                        "the broker granted QoS {} instead of {} for '{}'",
                        reason.0, subscription.qos, subscription.filter
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Says that a connection is not the first; whether the subscriptions must be asked for.
pub fn connected(client: &mut Client, resumed: bool, diagnostics: &Diagnostics) -> bool {
    let again = client.session().times_accepted() > 1;
    if again && !resumed {
        diagnostics
            .note("connected again; subscribing anew, for the broker has no session of ours");
    } else if again {
        diagnostics.note("connected again");
    }
    !again || !resumed
}

/// What a verb takes no part in: a break and an oddity are told, and the rest is the client's own.
pub fn aside(event: ClientEvent, diagnostics: &Diagnostics) {
    match event {
        ClientEvent::Retrying { why, pause, hint } => {
            diagnostics.retrying(&why, pause, hint.as_deref());
        }
        ClientEvent::Odd(what) => diagnostics.warn(&what),
        ClientEvent::Connected { .. }
        | ClientEvent::Drained
        | ClientEvent::Session(
            Event::Message(..)
            | Event::Acknowledged(_)
            | Event::Undeliverable { .. }
            | Event::Subscribed(_)
            | Event::Unsubscribed(_)
            | Event::Pong
            | Event::Unexpected { .. }
            | Event::Connected(_)
            | Event::Auth(_)
            | Event::Disconnected(_),
        ) => {}
    }
}

/// The words of all, and the reason of the first.
fn together(refused: Vec<Refusal>) -> Refusal {
    let words: Vec<_> = refused.iter().map(ToString::to_string).collect();
    let first = refused.into_iter().next().unwrap_or_default();
    first.worded(words.join(", "))
}
