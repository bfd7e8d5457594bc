//! Stands in for `server` in a mozzie built without the feature `broker`: there is never one to hold.

use std::net::SocketAddr;

use super::{BrokerError, BrokerPlan};

#[derive(Debug)]
pub enum Server {}

impl Server {
    pub fn start(_plan: &BrokerPlan) -> Result<Server, BrokerError> {
        Err(BrokerError::NotBuilt)
    }

    pub fn address(&self) -> SocketAddr {
        match *self {}
    }
}
