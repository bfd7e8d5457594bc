//! `--wait-for-broker`: no load before the broker has accepted one connection.

use std::sync::Arc;
use std::time::Duration;

use crate::bench::{BenchPlan, Sources};
use crate::client::{Client, ClientEvent, ConnectionPlan, Reconnect};
use crate::error::Error;
use crate::mqtt::properties::Properties;
use crate::mqtt::reason::Reason;
use crate::net::{Endpoint, Retry};

/// How long the broker may take to accept a first connection, and how often that is tried.
pub struct Wait {
    pub longest: Duration,
    pub retry: Retry,
}

/// Connects as the load's first connection will, again and again, and leaves at once.
pub async fn until_accepted(
    load: &BenchPlan,
    endpoint: &Endpoint,
    sources: &Sources,
    wait: Wait,
) -> Result<(), Error> {
    let mut endpoint = endpoint.clone();
    sources.bind(&mut endpoint, 0);
    let plan = ConnectionPlan {
        endpoint,
        settings: Arc::new(load.session.clone()),
        identity: load
            .first_identity()
            .map_err(crate::bench::BenchError::from)?,
        typed_id: None,
        wait_for_broker: Some(wait.longest),
        retry: wait.retry,
        reconnect: Reconnect::default(),
    };
    let mut signals = super::super::signals()?;
    let mut client = Client::new(plan, None);
    loop {
        tokio::select! {
            event = client.next(true) => if let ClientEvent::Connected { .. } = event? {
                // How it ends is not worth a word: the load begins.
                let _ = client.close(Some(Reason::SUCCESS), Properties::new(), false).await;
                return Ok(());
            },
            signal = signals.next() => {
                return Err(Error::Interrupted(signal, Some("no result".to_owned())));
            }
        }
    }
}
