//! One run from the plan to the report: starts the workers, tells them what comes next, and hears what they
//! tell. What is made of that is in `progress`, `result` and `tuning`.

mod progress;
mod result;
mod tuning;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

use super::error::BenchError;
use super::plan::BenchPlan;
use super::recorder::{Counts, Recorder};
use super::report::{Progress, Report};
use super::shape::Shape;
use super::worker::{Command, Finished, Gauge, News, Worker};
use crate::mqtt::session::Settings;
use progress::Readings;
use tuning::Tuning;

const PROGRESS: Duration = Duration::from_secs(1);

/// Executes a plan. When `stop` completes, publishing ends and what is on its way is still awaited;
/// dropping the future ends everything at once. `on_progress` is called about once a second.
pub async fn run(
    mut plan: BenchPlan,
    stop: impl Future<Output = ()>,
    mut on_progress: impl FnMut(&Progress),
) -> Result<Report, BenchError> {
    plan.check()?;
    plan.workers = plan.workers.min(plan.clients());
    let mut run = Run::start(Arc::new(plan))?;
    let mut stop = std::pin::pin!(stop);
    let mut tick = tokio::time::interval(PROGRESS);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while run.stage != Stage::Finished {
        let quiet = tokio::time::Instant::from_std(run.quiet_until());
        let tune = run.tuning.as_ref().and_then(Tuning::next);
        let tune_at = tokio::time::Instant::from_std(tune.unwrap_or(run.began));
        tokio::select! {
            news = run.news.recv() => run.hear(news.ok_or(BenchError::WorkerDied)?)?,
            () = &mut stop, if !run.interrupted => run.interrupt(),
            () = tokio::time::sleep_until(quiet), if run.stage == Stage::Drain => {
                run.settled = !run.plan.drain.is_zero();
                run.enter(Stage::Stop);
            }
            () = tokio::time::sleep_until(tune_at), if tune.is_some() => run.tune(Tuning::read),
            _ = tick.tick(), if run.is_connecting() => on_progress(&run.progress(None)),
        }
        if let Some(interval) = run.interval() {
            on_progress(&run.progress(Some(interval)));
        }
        run.advance();
    }
    run.join();
    let recorder = run.whole();
    let hint = run.check_connected(&recorder)?;
    let last = run.readings.cut(&recorder, run.began.elapsed());
    on_progress(&run.progress(Some(last)));
    Ok(run.report(recorder, hint))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    ConnectSubscribers,
    ConnectPublishers,
    Publish,
    Drain,
    Stop,
    Finished,
}

struct Run {
    plan: Arc<BenchPlan>,
    stage: Stage,
    interrupted: bool,
    commands: watch::Sender<Command>,
    news: mpsc::UnboundedReceiver<News>,
    threads: Vec<JoinHandle<()>>,
    /// Workers that have answered the last command.
    answers: usize,
    gauges: Vec<Gauge>,
    recorders: Vec<Option<Box<Recorder>>>,
    finished: Vec<Finished>,
    /// Threads that have ended.
    gone: usize,
    began: Instant,
    /// When publishing began and ended, and when draining ended.
    publish_began: Option<Instant>,
    publish_ended: Option<Instant>,
    drained: Option<Instant>,
    /// Nothing was due any more when the drain ended, or nothing came for as long as the plan waits.
    settled: bool,
    /// When the counts last changed in the drain.
    last_change: Instant,
    /// Workers whose recorder has come since the last interval.
    fresh: Vec<bool>,
    readings: Readings,
    tuning: Option<Tuning>,
    run: u16,
    started: SystemTime,
    shape: Arc<Shape>,
}

impl Run {
    fn start(plan: Arc<BenchPlan>) -> Result<Self, BenchError> {
        let settings = Arc::new(Settings {
            max_in_flight: plan.publishers.in_flight,
            ..plan.session.clone()
        });
        let run = fastrand::u16(..);
        let shape = Arc::new(plan.shape()?);
        let (commands, told) = watch::channel(Command::ConnectSubscribers);
        let (tell, news) = mpsc::unbounded_channel();
        let tuning = Tuning::of(&plan);
        let mut threads = Vec::new();
        for number in 0..plan.workers {
            let worker = Worker::new(number, &plan, &shape, &settings, run, tell.clone())?;
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(BenchError::Worker)?;
            let told = told.clone();
            let tuned = tuning.as_ref().map(Tuning::shared);
            let farewell = Farewell(tell.clone());
            let thread = std::thread::Builder::new()
                .name(format!("bench-{number}"))
                .spawn(move || {
                    let _farewell = farewell;
                    // Tokio's budget would end a pass in the middle of a batch; the worker is fair
                    // to its connections by itself.
                    runtime.block_on(tokio::task::unconstrained(worker.run(told, tuned)));
                })
                .map_err(BenchError::Worker)?;
            threads.push(thread);
        }
        let now = Instant::now();
        Ok(Self {
            stage: Stage::ConnectSubscribers,
            interrupted: false,
            commands,
            news,
            threads,
            answers: 0,
            gauges: vec![Gauge::default(); plan.workers],
            recorders: vec![None; plan.workers],
            finished: Vec::new(),
            gone: 0,
            began: now,
            publish_began: None,
            publish_ended: None,
            drained: None,
            settled: false,
            last_change: now,
            fresh: vec![false; plan.workers],
            readings: Readings::default(),
            tuning,
            run,
            started: SystemTime::now(),
            shape,
            plan,
        })
    }

    fn hear(&mut self, news: News) -> Result<(), BenchError> {
        match news {
            News::Connected { worker, gauge } => {
                self.gauges[worker] = gauge;
                self.answers += 1;
            }
            News::Published => self.answers += 1,
            News::Snapshot {
                worker,
                gauge,
                recorder,
            } => {
                if gauge.counts != self.gauges[worker].counts {
                    self.last_change = Instant::now();
                }
                if recorder.is_some() {
                    self.recorders[worker] = recorder;
                    self.fresh[worker] = true;
                }
                self.gauges[worker] = gauge;
            }
            News::Finished(finished) => self.finished.push(*finished),
            News::Gone => {
                // Every worker says farewell after its result.
                self.gone += 1;
                if self.gone > self.finished.len() {
                    return Err(BenchError::WorkerDied);
                }
            }
        }
        Ok(())
    }

    fn tune(&mut self, step: fn(&mut Tuning)) {
        if let Some(tuning) = &mut self.tuning {
            step(tuning);
        }
    }

    fn interrupt(&mut self) {
        self.interrupted = true;
        match self.stage {
            Stage::ConnectSubscribers | Stage::ConnectPublishers => self.enter(Stage::Stop),
            Stage::Publish => self.enter(Stage::Drain),
            Stage::Drain | Stage::Stop | Stage::Finished => {}
        }
    }

    /// Goes on to the next stage when this one's work is done.
    fn advance(&mut self) {
        // Only where no answer to an earlier command can come late.
        let all = self.answers >= self.plan.workers;
        match self.stage {
            Stage::ConnectSubscribers if all => self.enter(Stage::ConnectPublishers),
            Stage::ConnectPublishers if all => {
                if self.open() == 0 {
                    self.enter(Stage::Stop);
                } else {
                    self.enter(Stage::Publish);
                }
            }
            Stage::Publish if all => self.enter(Stage::Drain),
            Stage::Drain if self.is_drained() => {
                self.settled = true;
                self.enter(Stage::Stop);
            }
            Stage::Stop if self.finished.len() == self.plan.workers => {
                self.stage = Stage::Finished;
            }
            _ => {}
        }
    }

    fn enter(&mut self, stage: Stage) {
        let now = Instant::now();
        self.stage = stage;
        self.answers = 0;
        let command = match stage {
            Stage::ConnectSubscribers => Command::ConnectSubscribers,
            Stage::ConnectPublishers => Command::ConnectPublishers,
            Stage::Publish => {
                self.publish_began = Some(now);
                self.tune(Tuning::begin);
                Command::Publish { began: now }
            }
            Stage::Drain => {
                self.publish_ended = Some(now);
                self.tune(Tuning::end);
                self.last_change = now;
                Command::Drain
            }
            Stage::Stop | Stage::Finished => {
                self.drained = Some(now);
                Command::Stop
            }
        };
        // Nobody listens when all workers have died, which is heard of.
        let _ = self.commands.send(command);
    }

    fn open(&self) -> usize {
        self.gauges.iter().map(|gauge| gauge.open).sum()
    }

    fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for gauge in &self.gauges {
            counts.add(&gauge.counts);
        }
        counts
    }

    /// Nothing is due any more, or nobody is left who could get it.
    fn is_drained(&self) -> bool {
        if !self.gauges.iter().all(|gauge| gauge.draining) {
            return false;
        }
        let outstanding: usize = self.gauges.iter().map(|gauge| gauge.outstanding).sum();
        if outstanding > 0 {
            return false;
        }
        let counts = self.counts();
        let due: u64 = self.gauges.iter().map(|gauge| gauge.due).sum();
        let subscribed: usize = self.gauges.iter().map(|gauge| gauge.subscribed).sum();
        subscribed == 0 || counts.received - counts.duplicated >= due
    }

    fn quiet_until(&self) -> Instant {
        self.last_change + self.plan.drain
    }

    fn is_connecting(&self) -> bool {
        matches!(
            self.stage,
            Stage::ConnectSubscribers | Stage::ConnectPublishers
        )
    }

    fn join(&mut self) {
        for thread in self.threads.drain(..) {
            // They have said farewell; a panic was heard of already.
            let _ = thread.join();
        }
    }
}

/// Says that a thread has ended, however it did.
struct Farewell(mpsc::UnboundedSender<News>);

impl Drop for Farewell {
    fn drop(&mut self) {
        let _ = self.0.send(News::Gone);
    }
}
