//! How a connection comes up (dialled, CONNACK, SUBACKs) and how it goes down: broken, ended on purpose
//! to be made again, or over.

use std::time::Duration;

use super::super::clock::Now;
use super::super::error::ConnectionError;
use super::super::plan::RoleName;
use super::super::shared::Shared;
use super::super::stream::{DialError, Dialed};
use super::super::timing::Timing;
use super::{Connection, Role};
use crate::mqtt::QoS;
use crate::mqtt::packet::{SubAck, Subscription};
use crate::mqtt::properties::Properties;
use crate::mqtt::reason::Reason;

/// Topic filters in one SUBSCRIBE.
const FILTERS: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// To be dialled, for the first time or again.
    Down,
    /// Being dialled.
    Dialling,
    /// CONNECT is on its way; dialling began, and CONNECT was ready, at these instants, in ns.
    Connecting {
        dialling: u64,
        connect: u64,
    },
    /// So many SUBACKs are missing, since this instant, in ns.
    Subscribing {
        missing: usize,
        since: u64,
    },
    Ready,
    /// Failed, broken or ended, for good.
    Over,
}

/// How a connection is ended that will be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With DISCONNECT.
    Clean,
    /// Without a word.
    Cut,
}

impl Connection {
    /// On its way: neither down nor ready for its part nor over.
    pub fn is_starting(&self) -> bool {
        matches!(
            self.stage,
            Stage::Dialling | Stage::Connecting { .. } | Stage::Subscribing { .. }
        )
    }

    pub fn is_ready(&self) -> bool {
        self.stage == Stage::Ready
    }

    pub fn is_down(&self) -> bool {
        self.stage == Stage::Down
    }

    pub fn was_ready(&self) -> bool {
        self.was_ready
    }

    pub fn was_renewed(&self) -> bool {
        self.renewed
    }

    /// The dialer is at work.
    pub fn dialling(&mut self) {
        self.stage = Stage::Dialling;
    }

    /// The dialer is done. `began` is when it began, in ns.
    pub fn dialled(&mut self, dialled: Result<Dialed, DialError>, began: u64, shared: &mut Shared) {
        let opened = dialled.map_err(ConnectionError::Dial).and_then(|dialed| {
            let now = shared.clock.now();
            for (timing, took) in [
                (Timing::Tcp, dialed.steps.connect),
                (Timing::Tls, dialed.steps.tls),
            ] {
                if let Some(took) = took {
                    shared.recorder.record(timing, took.as_nanos() as u64);
                }
            }
            self.socket.open(dialed.stream, dialed.port);
            self.stage = Stage::Connecting {
                dialling: began,
                connect: now.ns,
            };
            Ok(self.session.open(now.instant)?)
        });
        match opened {
            Ok(()) => self.wake(),
            Err(error) => self.fail(error, shared),
        }
    }

    pub(super) fn connected(
        &mut self,
        now: Now,
        shared: &mut Shared,
    ) -> Result<(), ConnectionError> {
        if let Stage::Connecting { dialling, connect } = self.stage {
            for (timing, began) in [(Timing::Connect, dialling), (Timing::Connack, connect)] {
                shared.recorder.record(timing, now.ns.saturating_sub(began));
            }
        }
        let resumed = self.session.is_resumed();
        self.renewed |= self.was_ready && !resumed;
        if let Role::Publisher(publisher) = &mut self.role
            && self.was_ready
        {
            publisher.reconnected(resumed, shared.plan.publishers.qos);
        }
        match &self.role {
            // A session that the broker has kept has its subscriptions.
            Role::Subscriber(subscriber) if !(self.was_ready && resumed) => {
                let index = subscriber.index();
                self.subscribe(index, now, shared)?;
            }
            Role::Publisher(_) | Role::Subscriber(_) | Role::Idle(_) => self.ready(shared),
        }
        Ok(())
    }

    fn subscribe(
        &mut self,
        subscriber: usize,
        now: Now,
        shared: &Shared,
    ) -> Result<(), ConnectionError> {
        let plan = &shared.plan;
        let filters = plan.filters(&plan.names(RoleName::Subscriber, subscriber))?;
        let mut packets = 0;
        for some in filters.chunks(FILTERS) {
            let subscriptions = some.iter().map(|filter| Subscription {
                filter: filter.clone(),
                qos: plan.subscribers.qos,
                ..Subscription::default()
            });
            let subscriptions = subscriptions.collect();
            let properties = plan.subscribe_properties.clone();
            self.session.subscribe(subscriptions, properties)?;
            packets += 1;
        }
        self.stage = Stage::Subscribing {
            missing: packets,
            since: now.ns,
        };
        Ok(())
    }

    pub(super) fn subscribed(
        &mut self,
        ack: &SubAck,
        now: Now,
        shared: &mut Shared,
    ) -> Result<(), ConnectionError> {
        if let Some(reason) = ack.reasons.iter().find(|reason| reason.is_error()) {
            return Err(ConnectionError::SubscriptionRefused(*reason));
        }
        if let Role::Subscriber(subscriber) = &mut self.role {
            for qos in ack
                .reasons
                .iter()
                .filter_map(|reason| QoS::from_u8(reason.0))
            {
                subscriber.granted(qos);
            }
        }
        if let Stage::Subscribing { missing, since } = self.stage {
            if missing == 1 {
                let took = now.ns.saturating_sub(since);
                shared.recorder.record(Timing::Suback, took);
                self.ready(shared);
            } else {
                self.stage = Stage::Subscribing {
                    missing: missing - 1,
                    since,
                };
            }
        }
        Ok(())
    }

    fn ready(&mut self, shared: &mut Shared) {
        self.stage = Stage::Ready;
        self.ready_since = shared.clock.now().ns;
        if std::mem::replace(&mut self.was_ready, true) {
            shared.recorder.counts.reconnected += 1;
        } else {
            shared.recorder.counts.connected += 1;
        }
    }

    /// Ends the connection, which is then to be made again at once.
    pub fn churn(&mut self, ending: Ending, shared: &mut Shared) {
        if ending == Ending::Clean {
            self.say_goodbye(shared);
        }
        shared.recorder.counts.churned += 1;
        self.go_down(shared.clock.now(), shared);
    }

    /// Ends the connection in order, as far as that goes without waiting.
    pub fn disconnect(&mut self, shared: &mut Shared) {
        self.say_goodbye(shared);
        self.close();
    }

    fn say_goodbye(&mut self, shared: &mut Shared) {
        if self.socket.is_open()
            && self
                .session
                .disconnect(Reason::SUCCESS, Properties::new())
                .is_ok()
        {
            // What cannot be said now is not worth waiting for.
            let _ = self.write(shared);
        }
    }

    pub(super) fn fail(&mut self, error: ConnectionError, shared: &mut Shared) {
        if matches!(self.stage, Stage::Down | Stage::Over) {
            return;
        }
        let was_ready = self.is_ready();
        if self.was_ready {
            shared.recorder.counts.broken += 1;
        } else {
            shared.recorder.counts.failed += 1;
        }
        shared.recorder.connection_errors.count(error.to_string());
        shared.first_error.get_or_insert(error);
        // The session may have a DISCONNECT with the reason to say.
        let _ = self.write(shared);
        match self.pause(was_ready, shared) {
            Some(pause) => {
                let now = shared.clock.now();
                self.go_down(shared.clock.at(now.instant + pause), shared);
            }
            None => {
                self.hold(shared);
                self.close();
            }
        }
    }

    fn hold(&mut self, shared: &Shared) {
        if let Role::Publisher(publisher) = &mut self.role {
            publisher.hold(shared.clock.now(), shared);
        }
    }

    /// How long it waits before it is made again, if that is wanted.
    fn pause(&mut self, was_ready: bool, shared: &Shared) -> Option<Duration> {
        let retry = shared.plan.reconnect?;
        let stood = shared.clock.now().ns.saturating_sub(self.ready_since);
        if was_ready && retry.is_success(Duration::from_nanos(stood)) {
            self.attempts = 0;
        }
        let pause = retry.pause(self.attempts, fastrand::f64());
        self.attempts += 1;
        pause
    }

    /// Closes the connection, which is to be made again at `again`.
    fn go_down(&mut self, again: Now, shared: &mut Shared) {
        self.hold(shared);
        self.close();
        self.stage = Stage::Down;
        if let Role::Publisher(publisher) = &mut self.role {
            publisher.cut(shared.clock.now(), shared);
        }
        shared.redials.push_back((again.ns, self.number));
    }

    fn close(&mut self) {
        self.stage = Stage::Over;
        self.socket.close();
        self.session.closed();
    }
}
