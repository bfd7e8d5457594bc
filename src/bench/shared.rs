//! What the connections of one worker share: the plan, the clock, the recorder, the buffers, and how far
//! the run is.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::BytesMut;

use super::clock::Clock;
use super::error::ConnectionError;
use super::group::GroupSequence;
use super::payloads::Payloads;
use super::plan::BenchPlan;
use super::recorder::Recorder;
use super::shape::Shape;
use super::timers::Timers;

/// Bytes that a worker reads at once, into a buffer that all its connections share.
pub const READ_LEN: usize = 64 * 1024;
/// Bytes that a publisher puts into one write.
const BATCH_LEN: usize = 64 * 1024;
/// Bytes that all publishers of a worker may keep when none of their sockets takes anything, so that ten
/// thousand of them do not take [`BATCH_LEN`] each.
const OUTPUT_BUDGET: usize = 64 * 1024 * 1024;
const MIN_BATCH_LEN: usize = 2 * 1024;

/// What the connections of a worker share.
pub struct Shared {
    pub plan: Arc<BenchPlan>,
    pub shape: Arc<Shape>,
    pub run: u16,
    pub clock: Clock,
    pub recorder: Recorder,
    pub payloads: Payloads,
    pub read_buffer: BytesMut,
    pub write_buffer: BytesMut,
    /// Bytes that a publisher puts into one write.
    pub batch_len: usize,
    pub publishing: bool,
    /// When publishing began and ended, and from when on rates and latencies count, in ns. Before it begins it
    /// has ended: nothing is due.
    pub start: u64,
    pub end: u64,
    pub measure_from: u64,
    pub warming_up: bool,
    pub timers: Timers,
    /// Connections that are to be made again, and when, in ns.
    pub redials: VecDeque<(u64, u32)>,
    pub first_error: Option<ConnectionError>,
    /// By publisher, what the group has seen that shares its subscriptions: all its members are at one
    /// worker.
    pub group: Vec<GroupSequence>,
}

impl Shared {
    /// For a worker with so many publishers.
    pub fn new(plan: &Arc<BenchPlan>, shape: &Arc<Shape>, run: u16, publishers: usize) -> Self {
        let clock = Clock::shared();
        let now = clock.now();
        Self {
            plan: plan.clone(),
            shape: shape.clone(),
            run,
            clock,
            recorder: Recorder::default(),
            payloads: Payloads::new(
                (plan.publishers.count > 0).then_some(&plan.payload),
                plan.stamps(),
                plan.pace.is_some(),
                run,
                now.ns,
            ),
            read_buffer: BytesMut::with_capacity(READ_LEN),
            write_buffer: BytesMut::new(),
            batch_len: (OUTPUT_BUDGET / publishers.max(1)).clamp(MIN_BATCH_LEN, BATCH_LEN),
            publishing: false,
            start: 0,
            end: 0,
            measure_from: 0,
            warming_up: false,
            timers: Timers::default(),
            redials: VecDeque::new(),
            first_error: None,
            group: Vec::new(),
        }
    }
}
