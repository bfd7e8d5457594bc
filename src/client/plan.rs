//! What a connection is to be, checked and ready to be made.

use std::sync::Arc;
use std::time::Duration;

use crate::mqtt::session::{Identity, Settings};
use crate::net::{Endpoint, Retry};

#[derive(Debug, Clone)]
pub struct ConnectionPlan {
    pub endpoint: Endpoint,
    pub settings: Arc<Settings>,
    pub identity: Identity,
    /// How long the first connection may take to come about; without it the first failure is final.
    pub wait_for_broker: Option<Duration>,
    pub retry: Retry,
    pub reconnect: Reconnect,
}

/// What a connection that breaks is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reconnect {
    /// Another attempt, once the broker has accepted us.
    #[default]
    WhenAccepted,
    /// Another attempt, once the broker could be reached at all (mosquitto_sub).
    WhenReached,
    /// Nothing: the first break is the last (mosquitto_pub).
    Never,
}
