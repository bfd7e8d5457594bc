//! What passes between a run and its workers: a handful of commands, a snapshot a second, and all that a
//! worker knows at the end.

use std::time::Instant;

use super::super::account::{Got, Sent};
use super::super::connection::{Connection, Role};
use super::super::error::ConnectionError;
use super::super::health::Effort;
use super::super::recorder::{Counts, Recorder};
use super::super::sequence::Sequence;
use super::super::shared::Shared;

/// What all workers are told, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    ConnectSubscribers,
    ConnectPublishers,
    /// Publish from this instant on, until the plan's number of messages or the plan's end is reached.
    Publish {
        began: Instant,
    },
    /// Publish no more, receive what is still on its way.
    Drain,
    /// Disconnect and report.
    Stop,
}

/// What a worker tells.
pub enum News {
    /// The thread has ended; the last that is heard of it.
    Gone,
    /// The connections of the last command are up, or have failed.
    Connected {
        worker: usize,
        gauge: Gauge,
    },
    /// Its publishers have nothing more to send.
    Published,
    /// In a drain, several a second, without the histograms.
    Snapshot {
        worker: usize,
        gauge: Gauge,
        recorder: Option<Box<Recorder>>,
    },
    Finished(Box<Finished>),
}

/// Where a worker stands.
#[derive(Debug, Clone, Copy, Default)]
pub struct Gauge {
    pub counts: Counts,
    /// Connections that are ready now.
    pub open: usize,
    /// Subscribers among them.
    pub subscribed: usize,
    /// Publishing is over.
    pub draining: bool,
    /// Publishers with something unsent or unacknowledged.
    pub outstanding: usize,
    /// Deliveries that its publishers' messages should lead to.
    pub due: u64,
}

impl Gauge {
    pub fn of(connections: &[Connection], shared: &Shared, draining: bool) -> Self {
        let mut gauge = Self {
            counts: shared.recorder.counts,
            draining,
            ..Self::default()
        };
        let promised = shared.plan.publishers.qos as u8 > 0;
        for connection in connections {
            gauge.open += usize::from(connection.is_ready());
            gauge.outstanding += usize::from(connection.is_outstanding());
            match connection.role() {
                Role::Idle(_) => {}
                Role::Subscriber(_) => gauge.subscribed += usize::from(connection.is_ready()),
                Role::Publisher(publisher) => {
                    let messages = if promised {
                        publisher.acknowledged()
                    } else {
                        publisher.sent()
                    };
                    let deliveries = shared.shape.deliveries_of(publisher.index());
                    gauge.due += messages * deliveries as u64;
                }
            }
        }
        gauge
    }
}

/// All that a worker knows at the end.
pub struct Finished {
    pub recorder: Recorder,
    pub first_error: Option<ConnectionError>,
    /// With the publisher's number.
    pub sent: Vec<(usize, Sent)>,
    /// By publisher; empty where there is no group, or at another worker.
    pub group: Vec<Sequence>,
    /// With the subscriber's number.
    pub got: Vec<(usize, Got)>,
    pub effort: Effort,
}
