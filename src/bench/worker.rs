//! One worker: a thread with a runtime, connections, buffers and a recorder of its own. It hears a
//! handful of commands in a run and sends a snapshot a second; nothing else passes between threads.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};

use super::account::{Got, Sent};
use super::clock::{Clock, Now, thread_cpu};
use super::connection::{Connection, Ending, READ_LEN, Role, Served};
use super::error::ConnectionError;
use super::group::GroupSequence;
use super::health::{Effort, Spent};
use super::payload::Payloads;
use super::plan::{BenchPlan, PlanError, RoleName};
use super::publisher::Publisher;
use super::ready::Ready;
use super::recorder::{Counts, Recorder};
use super::sequence::Sequence;
use super::shape::Shape;
use super::stream::{DialError, Dialed};
use super::subscriber::Subscriber;
use super::template::Names;
use super::timers::{Alarm, GRAIN, Timers};
use super::timing::Timing;
use crate::mqtt::session::{Session, Settings};

/// How often a worker looks at its clock when nothing else wakes it.
const TICK: Duration = Duration::from_millis(20);
/// How often timeouts of sessions are looked for: whole seconds are what keep alive is made of.
const SCAN: Duration = Duration::from_millis(500);
const SNAPSHOT: Duration = Duration::from_secs(1);
/// Bytes that a publisher puts into one write.
const BATCH_LEN: usize = 64 * 1024;
/// Bytes that all publishers of a worker may keep for output, so that ten thousand of them do not
/// take [`BATCH_LEN`] each.
const OUTPUT_BUDGET: usize = 16 * 1024 * 1024;
const MIN_BATCH_LEN: usize = 2 * 1024;

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

/// What the connections of a worker share.
pub struct Shared {
    pub plan: Arc<BenchPlan>,
    pub shape: Arc<Shape>,
    pub run: u16,
    pub clock: Clock,
    pub recorder: Recorder,
    pub payloads: Payloads,
    pub read_buffer: BytesMut,
    /// Bytes that a publisher puts into one write.
    pub batch_len: usize,
    pub publishing: bool,
    /// When publishing began and ended, and from when on rates and latencies count, in ns.
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

/// A dialled stream, the connection that it is for, and when dialling began.
type Dialled = (usize, u64, Result<Dialed, DialError>);

pub struct Worker {
    number: usize,
    shared: Shared,
    /// Subscribers first, publishers last.
    connections: Vec<Connection>,
    /// Those before the first publisher.
    listeners: usize,
    ready: Ready,
    batch: Vec<u32>,
    dialling: JoinSet<Dialled>,
    /// The next connection to dial, and where this command's end.
    next_dial: usize,
    dial_end: usize,
    /// Connections that are being dialled or are not ready.
    starting: usize,
    concurrency: usize,
    /// When the next one may be dialled, in ns, and how much later another one.
    dial_at: u64,
    dial_gap: u64,
    churn: Option<ChurnTimer>,
    /// When it will ring, in ns.
    alarm_at: Option<u64>,
    /// Publishers with something to publish.
    publishing: usize,
    told: Told,
    news: mpsc::UnboundedSender<News>,
    scanned: Instant,
    /// When the recorder, and when the gauge was last told of.
    snapshot: Instant,
    gauged: Instant,
    /// When the clock is to be looked at the next time.
    due: Instant,
    /// When publishing began, and the CPU time until then.
    began: Option<(Instant, Duration)>,
    effort: Effort,
}

/// The worker's share of ending connections on purpose.
#[derive(Debug, Clone, Copy)]
struct ChurnTimer {
    /// When the next one is ended, and how much later another one, in ns.
    at: u64,
    gap: u64,
    /// The connection whose turn it is.
    next: usize,
    ending: Ending,
}

/// The last command, and whether it was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    Connect { answered: bool },
    Publish { answered: bool },
    Drain,
}

/// The subscribers of a worker. Those that share their subscriptions are all at the first one, where
/// they can tell what they have between them.
fn members(number: usize, plan: &BenchPlan) -> std::iter::StepBy<std::ops::Range<usize>> {
    let count = plan.subscribers.count;
    match (&plan.group, number) {
        // From the other end than publishers, so that one of each makes two threads work.
        (None, number) => (plan.workers - 1 - number..count).step_by(plan.workers),
        (Some(_), 0) => (0..count).step_by(1),
        (Some(_), _) => (0..0).step_by(1),
    }
}

impl Worker {
    /// Worker `number` takes its share of each role: every client whose number is that modulo the number of
    /// workers, subscribers counted from the other end.
    pub fn new(
        number: usize,
        plan: &Arc<BenchPlan>,
        shape: &Arc<Shape>,
        settings: &Arc<Settings>,
        run: u16,
        news: mpsc::UnboundedSender<News>,
    ) -> Result<Self, PlanError> {
        let clock = Clock::shared();
        let now = clock.now();
        let share = |count: usize| (number..count).step_by(plan.workers);
        let publishers = share(plan.publishers.count).len();
        let shared = Shared {
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
            batch_len: (OUTPUT_BUDGET / publishers.max(1)).clamp(MIN_BATCH_LEN, BATCH_LEN),
            publishing: false,
            start: 0,
            // Nothing is due before publishing begins.
            end: 0,
            measure_from: 0,
            warming_up: false,
            timers: Timers::default(),
            redials: VecDeque::new(),
            first_error: None,
            group: Vec::new(),
        };
        let ready = Ready::default();
        let mut connections = Vec::new();
        let mut add = |names: &Names, role: Role| -> Result<(), PlanError> {
            let identity = plan.identities.identity(names)?;
            let session = Session::new(settings.clone(), identity, now.instant);
            let number = connections.len();
            connections.push(Connection::new(number, session, role, ready.handle(number)));
            Ok(())
        };
        for client in members(number, plan) {
            let role = Role::Subscriber(Subscriber::new(client));
            add(&plan.names(RoleName::Subscriber, client), role)?;
        }
        for client in share(plan.idle) {
            add(&plan.names(RoleName::Idle, client), Role::Idle(client))?;
        }
        for client in share(plan.publishers.count) {
            let names = plan.names(RoleName::Publisher, client);
            let publisher = Publisher::new(plan, &names, u64::from(run))?;
            add(&names, Role::Publisher(Box::new(publisher)))?;
        }
        let publishing = connections.iter().filter(|one| one.is_publishing()).count();
        // A worker's part of what all do together.
        let part = connections.len() as f64 / plan.clients() as f64;
        let gap = |per_s: f64| (1e9 / (per_s * part)) as u64;
        Ok(Self {
            number,
            shared,
            listeners: connections.len() - publishers,
            connections,
            ready,
            batch: Vec::new(),
            dialling: JoinSet::new(),
            next_dial: 0,
            dial_end: 0,
            starting: 0,
            concurrency: plan.connect_concurrency.div_ceil(plan.workers),
            dial_at: 0,
            dial_gap: plan.connect_rate.map_or(0, gap),
            churn: plan.churn.map(|churn| ChurnTimer {
                at: u64::MAX,
                gap: gap(churn.per_s),
                next: 0,
                ending: if churn.cut {
                    Ending::Cut
                } else {
                    Ending::Clean
                },
            }),
            alarm_at: None,
            publishing,
            told: Told::Nothing,
            news,
            scanned: now.instant,
            snapshot: now.instant,
            gauged: now.instant,
            due: now.instant + TICK,
            began: None,
            effort: Effort::default(),
        })
    }

    /// Works until it is told to stop, or until nobody can tell it any more.
    pub async fn run(mut self, mut commands: watch::Receiver<Command>) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // Without one, instants are only as exact as the tick.
        let mut alarm = Alarm::new().ok();
        let mut stopped = self.obey(*commands.borrow_and_update());
        while !stopped {
            if self.ready.is_empty() {
                self.set_alarm(&mut alarm);
                let rings = async {
                    match &mut alarm {
                        Some(alarm) => alarm.rings().await,
                        None => std::future::pending().await,
                    }
                };
                let ready = &self.ready;
                tokio::select! {
                    biased;
                    () = std::future::poll_fn(|cx| ready.poll(cx)) => {}
                    Some(dialled) = self.dialling.join_next() => self.dialled(dialled),
                    _ = rings, if self.alarm_at.is_some() => self.alarm_at = None,
                    _ = tick.tick() => {}
                    changed = commands.changed() => {
                        stopped = changed.is_err() || self.obey(*commands.borrow_and_update());
                    }
                }
            } else {
                // The runtime looks at the sockets; meanwhile commands are not to wait either.
                tokio::task::yield_now().await;
                while let Some(dialled) = self.dialling.try_join_next() {
                    self.dialled(dialled);
                }
                match commands.has_changed() {
                    Ok(false) => {}
                    Ok(true) => stopped = self.obey(*commands.borrow_and_update()),
                    Err(_) => stopped = true,
                }
            }
            let now = self.shared.clock.now();
            self.come_due(now.ns);
            self.serve();
            self.look_at_clock(now);
        }
        self.finish();
    }

    /// Sets the alarm to what comes due next.
    fn set_alarm(&mut self, alarm: &mut Option<Alarm>) {
        let churn = self.churn.map(|churn| churn.at);
        let due = [self.shared.timers.next(), self.next_dial_at(), churn];
        let Some(due) = due.into_iter().flatten().min() else {
            return;
        };
        if self.alarm_at.is_some_and(|set| set <= due) {
            return;
        }
        let now = self.shared.clock.now().ns;
        let after = Duration::from_nanos(due.saturating_sub(now)).max(GRAIN);
        if let Some(alarm) = alarm
            && alarm.set(after).is_ok()
        {
            self.alarm_at = Some(due);
        }
    }

    /// Does what is due by now.
    fn come_due(&mut self, now: u64) {
        if self.shared.warming_up && now >= self.shared.measure_from {
            self.begin_measuring();
        }
        while let Some(number) = self.shared.timers.take(now) {
            self.connections[number as usize].rang();
        }
        if self.next_dial_at().is_some_and(|at| at <= now) {
            self.dial();
        }
        while let Some(churn) = &mut self.churn
            && churn.at <= now
            && self.shared.publishing
        {
            churn.at += churn.gap;
            self.churn_one();
        }
    }

    /// Ends the next connection that is up.
    fn churn_one(&mut self) {
        let Some(mut churn) = self.churn else { return };
        for _ in 0..self.connections.len() {
            let index = churn.next;
            churn.next = (index + 1) % self.connections.len();
            if self.connections[index].is_ready() {
                self.change(index, |one, shared| one.churn(churn.ending, shared));
                break;
            }
        }
        self.churn = Some(churn);
    }

    /// Gives every connection that is ready its turn.
    fn serve(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
        self.ready.take(&mut batch);
        for index in batch.drain(..) {
            self.change(index as usize, |connection, shared| {
                if connection.serve(shared) == Served::HasMore {
                    connection.wake();
                }
            });
        }
        self.batch = batch;
    }

    /// Does something with a connection, and keeps count of those that start and publish.
    fn change(&mut self, index: usize, work: impl FnOnce(&mut Connection, &mut Shared)) {
        let connection = &mut self.connections[index];
        let was_starting = connection.is_starting();
        let was_publishing = connection.is_publishing();
        work(connection, &mut self.shared);
        match (was_publishing, connection.is_publishing()) {
            (false, true) => self.publishing += 1,
            (true, false) => self.publishing -= 1,
            _ => {}
        }
        // Another one can be dialled.
        if was_starting && !connection.is_starting() {
            self.starting -= 1;
            self.dial();
        }
    }

    /// When another connection can be dialled, in ns; `None` when there is none, or when too many are
    /// on their way.
    fn next_dial_at(&self) -> Option<u64> {
        if self.starting >= self.concurrency {
            return None;
        }
        let first = (self.next_dial < self.dial_end).then_some(0);
        let again = self.shared.redials.front().map(|(again, _)| *again);
        let due = first.into_iter().chain(again).min()?;
        Some(due.max(self.dial_at))
    }

    fn dial(&mut self) {
        let now = self.shared.clock.now().ns;
        while self.next_dial_at().is_some_and(|at| at <= now) {
            let index = if self.next_dial < self.dial_end {
                self.next_dial += 1;
                self.next_dial - 1
            } else {
                let Some((_, number)) = self.shared.redials.pop_front() else {
                    return;
                };
                number as usize
            };
            if !self.connections[index].is_down() {
                continue;
            }
            // A pause does not earn a rush.
            let earliest = now.saturating_sub(self.dial_gap);
            self.dial_at = self.dial_at.max(earliest) + self.dial_gap;
            let plan = &self.shared.plan;
            let client = match self.connections[index].role() {
                Role::Publisher(publisher) => publisher.index(),
                Role::Subscriber(subscriber) => plan.publishers.count + subscriber.index(),
                Role::Idle(idle) => plan.publishers.count + plan.subscribers.count + idle,
            };
            let dialling = (plan.dial)(client);
            self.connections[index].dialling();
            self.starting += 1;
            self.dialling
                .spawn(async move { (index, now, dialling.await) });
        }
    }

    fn dialled(&mut self, dialled: Result<Dialled, JoinError>) {
        // A dialer that panicked has printed why; the run ends as it would when a worker panics.
        let (index, began, dialled) = dialled.expect("a dialer does not panic");
        self.change(index, |connection, shared| {
            connection.dialled(dialled, began, shared);
        });
    }

    /// True when it is the last command.
    fn obey(&mut self, command: Command) -> bool {
        match command {
            Command::ConnectSubscribers => {
                self.told = Told::Connect { answered: false };
                self.dial_end = self.listeners;
                self.dial();
            }
            Command::ConnectPublishers => {
                self.told = Told::Connect { answered: false };
                self.dial_end = self.connections.len();
                self.dial();
            }
            Command::Publish { began } => self.begin_publishing(began),
            Command::Drain => {
                self.told = Told::Drain;
                self.end_publishing(self.shared.clock.now().ns);
                self.effort.publishing = self.since_publish();
            }
            Command::Stop => return true,
        }
        false
    }

    fn begin_publishing(&mut self, began: Instant) {
        self.told = Told::Publish { answered: false };
        let plan = self.shared.plan.clone();
        let start = self.shared.clock.at(began).ns;
        let measure_from = start + plan.warmup.as_nanos() as u64;
        self.shared.start = start;
        self.shared.measure_from = measure_from;
        self.shared.end = match plan.stop.duration {
            Some(duration) => measure_from + duration.as_nanos() as u64,
            None => u64::MAX,
        };
        self.shared.publishing = true;
        self.shared.warming_up = !plan.warmup.is_zero();
        if let Some(churn) = &mut self.churn {
            churn.at = start.saturating_add(churn.gap);
        }
        self.began = thread_cpu().map(|cpu| (began, cpu));
        self.snapshot = began;
        for connection in &self.connections {
            if connection.is_publishing() {
                connection.wake();
            }
        }
    }

    /// From now on everything counts.
    fn begin_measuring(&mut self) {
        self.shared.warming_up = false;
        self.shared.recorder.warmup = self.shared.recorder.counts;
        for index in self.listeners..self.connections.len() {
            self.change(index, |connection, shared| {
                if let Role::Publisher(publisher) = connection.role_mut() {
                    publisher.begin_measuring(shared);
                }
                connection.wake();
            });
        }
    }

    fn end_publishing(&mut self, now: u64) {
        self.shared.publishing = false;
        self.shared.end = self.shared.end.min(now);
        if let Some(churn) = &mut self.churn {
            churn.at = u64::MAX;
        }
    }

    fn look_at_clock(&mut self, now: Now) {
        let Now { instant: now, ns } = now;
        if now >= self.due {
            let lag = now.duration_since(self.due).as_nanos() as u64;
            self.shared.recorder.record(Timing::LoopLag, lag);
            self.due = now + TICK;
        }
        if self.shared.publishing && ns >= self.shared.end {
            self.end_publishing(ns);
        }
        if now >= self.scanned + SCAN {
            self.scanned = now;
            self.scan(now);
        }
        match self.told {
            Told::Connect { answered: false }
                if self.starting == 0 && self.next_dial == self.dial_end =>
            {
                self.told = Told::Connect { answered: true };
                self.tell(News::Connected {
                    worker: self.number,
                    gauge: self.gauge(),
                });
            }
            Told::Publish { answered: false } if self.has_published() => {
                self.told = Told::Publish { answered: true };
                self.tell(News::Published);
            }
            _ => {}
        }
        let histograms = now >= self.snapshot + SNAPSHOT;
        if histograms || (self.told == Told::Drain && now >= self.gauged + TICK) {
            self.gauged = now;
            if histograms {
                self.snapshot = now;
            }
            if self.told == Told::Drain {
                self.note_effort();
            }
            self.tell(News::Snapshot {
                worker: self.number,
                gauge: self.gauge(),
                recorder: histograms.then(|| Box::new(self.shared.recorder.clone())),
            });
        }
    }

    /// Subscribers without publishers wait for the time to pass, unless none of them is left.
    fn has_published(&self) -> bool {
        !self.shared.publishing
            || if self.shared.plan.publishers.count > 0 {
                self.publishing == 0
            } else {
                !self.connections.iter().any(Connection::is_ready)
            }
    }

    /// Calls the sessions whose time has come.
    fn scan(&mut self, now: Instant) {
        for index in 0..self.connections.len() {
            let deadline = self.connections[index].deadline();
            if deadline.is_some_and(|deadline| now >= deadline) {
                self.change(index, Connection::timeout);
            }
        }
    }

    fn gauge(&self) -> Gauge {
        let mut gauge = Gauge {
            counts: self.shared.recorder.counts,
            draining: self.told == Told::Drain,
            ..Gauge::default()
        };
        let promised = self.shared.plan.publishers.qos as u8 > 0;
        for connection in &self.connections {
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
                    let deliveries = self.shared.shape.deliveries_of(publisher.index());
                    gauge.due += messages * deliveries as u64;
                }
            }
        }
        gauge
    }

    fn note_effort(&mut self) {
        self.effort.total = self.since_publish();
    }

    fn since_publish(&self) -> Option<Spent> {
        let (began, before) = self.began?;
        Some(Spent {
            time: began.elapsed(),
            cpu: thread_cpu()?.saturating_sub(before),
        })
    }

    fn tell(&self, news: News) {
        // Nobody listens any more: the next look at the commands ends this worker.
        let _ = self.news.send(news);
    }

    fn finish(mut self) {
        self.note_effort();
        let mut sent = Vec::new();
        let mut got = Vec::new();
        for connection in &mut self.connections {
            connection.end_waits(&mut self.shared);
            let (was_ready, stayed) = (connection.was_ready(), connection.is_ready());
            let renewed = connection.was_renewed();
            match connection.role_mut() {
                Role::Idle(_) => {}
                Role::Publisher(publisher) => {
                    sent.push((publisher.index(), publisher.take_totals(&self.shared)));
                }
                Role::Subscriber(subscriber) => {
                    let totals = subscriber.take_totals(was_ready, stayed, renewed);
                    got.push((subscriber.index(), totals));
                }
            }
        }
        for connection in &mut self.connections {
            connection.disconnect(&mut self.shared);
        }
        let _ = self.news.send(News::Finished(Box::new(Finished {
            recorder: self.shared.recorder,
            first_error: self.shared.first_error,
            sent,
            got,
            group: self
                .shared
                .group
                .into_iter()
                .map(GroupSequence::into_sequence)
                .collect(),
            effort: self.effort,
        })));
    }
}
