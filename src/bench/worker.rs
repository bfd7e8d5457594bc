//! One worker: a thread with a runtime, connections, buffers and a recorder of its own. It hears a
//! handful of commands in a run and sends a snapshot a second; nothing else passes between threads.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};

use super::account::{Got, Sent};
use super::clock::{Clock, thread_cpu};
use super::connection::{Connection, READ_LEN, Role, Served};
use super::error::ConnectionError;
use super::health::{Effort, Spent};
use super::payload::Payloads;
use super::plan::{BenchPlan, Shape};
use super::publisher::Publisher;
use super::ready::Ready;
use super::recorder::{Counts, Recorder};
use super::stream::{DialError, Dialed};
use super::subscriber::Subscriber;
use super::timing::Timing;
use crate::mqtt::session::{Identity, Session, Settings};
use crate::mqtt::text::{Text, TextError};

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
    /// Publish until the plan's number of messages or this instant is reached.
    Publish {
        until: Option<Instant>,
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
    /// With the subscriber's number.
    pub got: Vec<(usize, Got)>,
    pub effort: Effort,
}

/// What the connections of a worker share.
pub struct Shared {
    pub plan: Arc<BenchPlan>,
    pub shape: Shape,
    pub run: u16,
    pub clock: Clock,
    pub recorder: Recorder,
    pub payloads: Payloads,
    pub read_buffer: BytesMut,
    /// Bytes that a publisher puts into one write.
    pub batch_len: usize,
    pub publishing: bool,
    pub first_error: Option<ConnectionError>,
}

/// A dialled stream, the connection that it is for, and when dialling began.
type Dialled = (usize, u64, Result<Dialed, DialError>);

pub struct Worker {
    number: usize,
    shared: Shared,
    /// Subscribers first.
    connections: Vec<Connection>,
    subscribers: usize,
    ready: Ready,
    batch: Vec<u32>,
    dialling: JoinSet<Dialled>,
    /// The next connection to dial, and where this command's end.
    next_dial: usize,
    dial_end: usize,
    /// Connections that are being dialled or are not ready.
    starting: usize,
    concurrency: usize,
    /// Publishers with something to publish.
    publishing: usize,
    until: Option<Instant>,
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

impl Worker {
    /// Worker `number` takes every client whose number is that modulo the number of workers.
    pub fn new(
        number: usize,
        plan: &Arc<BenchPlan>,
        settings: &Arc<Settings>,
        run: u16,
        news: mpsc::UnboundedSender<News>,
    ) -> Result<Self, TextError> {
        let clock = Clock::shared();
        let now = clock.now().instant;
        let share = |count: usize| (number..count).step_by(plan.workers);
        let publishers = share(plan.publishers.count).len();
        let shared = Shared {
            plan: plan.clone(),
            shape: plan.shape(),
            run,
            clock,
            recorder: Recorder::default(),
            payloads: Payloads::new(plan.publishers.size),
            read_buffer: BytesMut::with_capacity(READ_LEN),
            batch_len: (OUTPUT_BUDGET / publishers.max(1)).clamp(MIN_BATCH_LEN, BATCH_LEN),
            publishing: false,
            first_error: None,
        };
        let ready = Ready::default();
        let mut connections = Vec::new();
        let mut add = |kind: char, client: usize, role: Role| -> Result<(), TextError> {
            let identity = Identity {
                client_id: Text::try_from(format!("{}-{kind}{client}", plan.client_id_prefix))?,
                username: plan.username.clone(),
                password: plan.password.clone(),
            };
            let session = Session::new(settings.clone(), identity, now);
            let handle = ready.handle(connections.len());
            connections.push(Connection::new(session, role, handle));
            Ok(())
        };
        for client in share(plan.subscribers.count) {
            add('s', client, Role::Subscriber(Subscriber::new(client)))?;
        }
        for client in share(plan.publishers.count) {
            let limit = plan.stop.share(client, plan.publishers.count);
            let topic = plan.topic.topic(client)?;
            let publisher = Publisher::new(client, topic, limit, plan.session.version, &shared);
            add('p', client, Role::Publisher(publisher))?;
        }
        let subscribers = connections.len() - publishers;
        Ok(Self {
            number,
            shared,
            connections,
            subscribers,
            ready,
            batch: Vec::new(),
            dialling: JoinSet::new(),
            next_dial: 0,
            dial_end: 0,
            starting: 0,
            concurrency: plan.connect_concurrency.div_ceil(plan.workers),
            publishing: 0,
            until: None,
            told: Told::Nothing,
            news,
            scanned: now,
            snapshot: now,
            gauged: now,
            due: now + TICK,
            began: None,
            effort: Effort::default(),
        })
    }

    /// Works until it is told to stop, or until nobody can tell it any more.
    pub async fn run(mut self, mut commands: watch::Receiver<Command>) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut stopped = self.obey(*commands.borrow_and_update());
        while !stopped {
            if self.ready.is_empty() {
                let ready = &self.ready;
                tokio::select! {
                    biased;
                    () = std::future::poll_fn(|cx| ready.poll(cx)) => {}
                    Some(dialled) = self.dialling.join_next() => self.dialled(dialled),
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
            self.serve();
            self.look_at_clock();
        }
        self.finish();
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

    fn dial(&mut self) {
        while self.starting < self.concurrency && self.next_dial < self.dial_end {
            let index = self.next_dial;
            let dialling = match self.connections[index].role() {
                Role::Subscriber(subscriber) => {
                    (self.shared.plan.dial)(self.shared.plan.publishers.count + subscriber.index())
                }
                Role::Publisher(publisher) => (self.shared.plan.dial)(publisher.index()),
            };
            let began = self.shared.clock.now().ns;
            self.dialling
                .spawn(async move { (index, began, dialling.await) });
            self.next_dial += 1;
            self.starting += 1;
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
                self.dial_end = self.subscribers;
                self.dial();
            }
            Command::ConnectPublishers => {
                self.told = Told::Connect { answered: false };
                self.dial_end = self.connections.len();
                self.dial();
            }
            Command::Publish { until } => {
                self.told = Told::Publish { answered: false };
                self.until = until;
                self.shared.publishing = true;
                let now = Instant::now();
                self.began = thread_cpu().map(|cpu| (now, cpu));
                self.snapshot = now;
                for connection in &self.connections {
                    if connection.is_publishing() {
                        connection.wake();
                    }
                }
            }
            Command::Drain => {
                self.told = Told::Drain;
                self.shared.publishing = false;
                self.effort.publishing = self.since_publish();
            }
            Command::Stop => return true,
        }
        false
    }

    fn look_at_clock(&mut self) {
        let now = Instant::now();
        if now >= self.due {
            let lag = now.duration_since(self.due).as_nanos() as u64;
            self.shared.recorder.record(Timing::LoopLag, lag);
            self.due = now + TICK;
        }
        if self.until.is_some_and(|until| now >= until) {
            self.shared.publishing = false;
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
                Role::Subscriber(_) => gauge.subscribed += usize::from(connection.is_ready()),
                Role::Publisher(publisher) => {
                    let messages = if promised {
                        publisher.acknowledged()
                    } else {
                        publisher.sent()
                    };
                    let subscribers = self.shared.shape.subscribers_of(publisher.index());
                    gauge.due += messages * subscribers as u64;
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
            let (was_ready, is_ready) = (connection.was_ready(), connection.is_ready());
            match connection.role_mut() {
                Role::Publisher(publisher) => {
                    sent.push((publisher.index(), publisher.take_totals()));
                }
                Role::Subscriber(subscriber) => got.push((
                    subscriber.index(),
                    subscriber.take_totals(was_ready, is_ready),
                )),
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
            effort: self.effort,
        })));
    }
}
