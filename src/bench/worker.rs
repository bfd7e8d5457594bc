//! One worker: a thread with a runtime, connections, buffers and a recorder of its own. It hears a
//! handful of commands in a run and sends a snapshot a second (`news`); nothing else passes between
//! threads. Its loop serves the connections that are ready; whom to dial next is `dialling`'s, whom to end
//! on purpose `churn`'s.

mod churn;
mod dialling;
mod news;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use super::clock::{Now, thread_cpu};
use super::connection::{Connection, Role, Served};
use super::gather::{Came, Gather, Tuned};
use super::group::GroupSequence;
use super::health::{Effort, Spent};
use super::plan::{BenchPlan, PlanError, RoleName};
use super::publisher::Publisher;
use super::ready::Ready;
use super::shape::Shape;
use super::shared::Shared;
use super::subscriber::Subscriber;
use super::template::Names;
use super::timers::{Alarm, GRAIN};
use super::timing::Timing;
use crate::mqtt::session::{Session, Settings};
use churn::ChurnTimer;
use dialling::{Dialled, Dialling};
pub use news::{Command, Finished, Gauge, News};

/// How often a worker looks at its clock when nothing else wakes it.
const TICK: Duration = Duration::from_millis(20);
/// How often timeouts of sessions are looked for: whole seconds are what keep alive is made of.
const SCAN: Duration = Duration::from_millis(500);
const SNAPSHOT: Duration = Duration::from_secs(1);

pub struct Worker {
    number: usize,
    shared: Shared,
    /// Subscribers first, publishers last.
    connections: Vec<Connection>,
    /// Those before the first publisher.
    listeners: usize,
    ready: Ready,
    batch: Vec<u32>,
    dialling: Dialling,
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
        let share = |count: usize| (number..count).step_by(plan.workers);
        let publishers = share(plan.publishers.count).len();
        let shared = Shared::new(plan, shape, run, publishers);
        let now = shared.clock.now();
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
            dialling: Dialling::new(
                plan.connect_concurrency.div_ceil(plan.workers),
                plan.connect_rate.map_or(0, gap),
            ),
            churn: plan
                .churn
                .map(|churn| ChurnTimer::new(churn, gap(churn.per_s))),
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

    /// Works until it is told to stop, or until nobody can tell it any more. With `tuned` the run finds the time
    /// between two looks.
    pub async fn run(mut self, mut commands: watch::Receiver<Command>, tuned: Option<Arc<Tuned>>) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // Without one, instants are only as exact as the tick.
        let mut alarm = Alarm::new().ok();
        let now = self.shared.clock.now().instant;
        let mut gather = Gather::new(self.shared.plan.gather, tuned, now);
        let mut stopped = self.obey(*commands.borrow_and_update());
        while !stopped {
            if matches!(self.told, Told::Publish { .. } | Told::Drain) {
                gather.wait();
            }
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
                    Some(dialled) = self.dialling.next() => self.dialled(dialled),
                    _ = rings, if self.alarm_at.is_some() => self.alarm_at = None,
                    _ = tick.tick() => {}
                    changed = commands.changed() => {
                        stopped = changed.is_err() || self.obey(*commands.borrow_and_update());
                    }
                }
            } else {
                // The runtime looks at the sockets; meanwhile commands are not to wait either.
                tokio::task::yield_now().await;
                while let Some(dialled) = self.dialling.try_next() {
                    self.dialled(dialled);
                }
                match commands.has_changed() {
                    Ok(false) => {}
                    Ok(true) => stopped = self.obey(*commands.borrow_and_update()),
                    Err(_) => stopped = true,
                }
            }
            let now = self.shared.clock.now();
            gather.looked(now.instant);
            self.come_due(now.ns);
            self.serve();
            let counts = &self.shared.recorder.counts;
            gather.tell(Came {
                acknowledged: counts.acknowledged,
                delivered: counts.received,
            });
            self.look_at_clock(now);
        }
        self.finish();
    }

    /// Sets the alarm to what comes due next.
    fn set_alarm(&mut self, alarm: &mut Option<Alarm>) {
        let dial = self.dialling.next_at(&self.shared.redials);
        let churn = self.churn.as_ref().map(ChurnTimer::next);
        let due = [self.shared.timers.next(), dial, churn];
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
        let dial = self.dialling.next_at(&self.shared.redials);
        if dial.is_some_and(|at| at <= now) {
            self.dial();
        }
        while self.shared.publishing
            && let Some(churn) = &mut self.churn
            && churn.take(now)
        {
            let ending = churn.ending;
            if let Some(index) = churn.turn(&self.connections) {
                self.change(index, |one, shared| one.churn(ending, shared));
            }
        }
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
            self.dialling.started();
            self.dial();
        }
    }

    fn dial(&mut self) {
        self.dialling.dial(&mut self.connections, &mut self.shared);
    }

    fn dialled(&mut self, dialled: Dialled) {
        let Dialled {
            index,
            began,
            stream,
        } = dialled;
        self.change(index, |connection, shared| {
            connection.dialled(stream, began, shared);
        });
    }

    /// True when it is the last command.
    fn obey(&mut self, command: Command) -> bool {
        match command {
            Command::ConnectSubscribers => {
                self.told = Told::Connect { answered: false };
                self.dialling.extend_to(self.listeners);
                self.dial();
            }
            Command::ConnectPublishers => {
                self.told = Told::Connect { answered: false };
                self.dialling.extend_to(self.connections.len());
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
            churn.begin(start);
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
            churn.end();
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
            Told::Connect { answered: false } if self.dialling.is_done() => {
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
        Gauge::of(&self.connections, &self.shared, self.told == Told::Drain)
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
