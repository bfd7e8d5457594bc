//! `mozzie pub`: from a source of payloads to acknowledged messages.

mod outcome;

use std::io::{self, IsTerminal};
use std::time::Duration;

use tokio::time::Instant;

use outcome::Outcome;

use super::conduct::{Beyond, Conduct, Qos0, Refused, Unfinished};
use super::delivery::{End, Tally, Unsent};
use super::progress::{Count, Progress};
use super::{connect, ending, input, secret, sleep_until};
use crate::cli::publish::PublishArgs;
use crate::client::{Client, ClientEvent, ConnectionPlan};
use crate::dialect::Dialect;
use crate::error::{Error, Refusal, Verdict, mosquitto_reason};
use crate::mqtt::packet::Message;
use crate::mqtt::properties::{Place, Properties, PropertyId};
use crate::mqtt::reason::Reason;
use crate::mqtt::session::{Acknowledged, Event, Observer, PublishError};
use crate::mqtt::{QoS, Version};
use crate::output::Diagnostics;
use crate::payload::Messages;
use crate::signal::{Signal, Signals};

/// Output that is gathered before it is written.
const BATCH: usize = 64 * 1024;
/// QoS 0 messages after which the broker is asked whether it has got them.
const UNCONFIRMED: u64 = 10_000;
/// The same after this time, for those that come slowly.
const UNCONFIRMED_FOR: Duration = Duration::from_secs(5);

/// What `pub` is to do, checked.
struct PublishPlan {
    connection: ConnectionPlan,
    conduct: Conduct,
    messages: Messages,
    unsent: Option<Unsent>,
    timeout: Option<Duration>,
    /// How long a signal waits for what was read.
    drain: Duration,
    disconnect: Properties,
    progress: Option<Progress>,
}

pub fn run(args: PublishArgs, diagnostics: &Diagnostics) -> Result<(), Error> {
    let trace = (args.debug.debug > 0).then(|| diagnostics.tracer(args.debug.debug));
    let dialect = diagnostics.dialect();
    let asks = secret::asks(&args.connection);
    let plan = secret::planned(asks, move || plan(args, dialect))?;
    super::runtime()?.block_on(async {
        let signals = super::signals()?;
        Publisher::new(plan, trace, diagnostics).run(signals).await
    })
}

fn plan(args: PublishArgs, dialect: Dialect) -> Result<PublishPlan, Error> {
    let conduct = Conduct::of(dialect, args.input.stdin_lines);
    let progress = progress(&args, conduct);
    let url = args.connection.broker.url.as_ref();
    let topic = connect::topic_if_any(args.message.topic.as_deref(), url)?;
    // Properties of JSON lines must not be lost.
    let default = match args.records.json_lines {
        true => Version::V5,
        false => Version::V311,
    };
    let version = connect::version_or(default, &args.connection, &[])?;
    let mut connection = connect::plan(&args.connection, version, dialect)?;
    connection.reconnect = conduct.reconnect;
    let properties = &args.connection.properties;
    connect::no_properties_of("pub", properties, &[Place::Subscribe, Place::Unsubscribe])?;
    // Before anything is read from a pipe, which would be lost.
    let unsent = match &args.delivery.unsent {
        Some(path) => Some(Unsent::open(path, args.input.file.as_deref())?),
        None => None,
    };
    let messages = input::messages(
        args.input,
        args.records,
        &args.message,
        topic,
        properties.of(Place::Publish),
        version,
    )?;
    Ok(PublishPlan {
        connection,
        conduct,
        messages,
        unsent,
        timeout: args.delivery.timeout.map(|span| span.0),
        drain: args.delivery.drain.0,
        disconnect: properties.of(Place::Disconnect),
        progress,
    })
}

/// A line for who looks and has not asked for other lines, or for none, and does not type the input.
fn progress(args: &PublishArgs, conduct: Conduct) -> Option<Progress> {
    let typing = args.input.file.is_none() && io::stdin().is_terminal();
    let from_stream = args.input.file.is_some() || args.input.stdin_lines || args.records.are_any();
    let wanted = conduct.shows_progress && from_stream && !typing;
    let alone = !args.debug.quiet && args.debug.debug == 0;
    (wanted && alone).then(Progress::on_terminal).flatten()
}

struct Publisher<'a> {
    client: Client,
    conduct: Conduct,
    messages: Messages,
    unsent: Option<Unsent>,
    timeout: Option<Duration>,
    drain: Duration,
    disconnect: Properties,
    diagnostics: &'a Diagnostics,
    tally: Tally,
    connected: bool,
    /// No more is published; what is under way is waited for.
    stopped: bool,
    /// A signal came; what was read is published, and waited for.
    interrupted: Option<Signal>,
    /// How a mosquitto client ends when the broker cannot take its messages.
    verdict: Option<Verdict>,
    /// No message before this instant.
    pause_until: Option<Instant>,
    /// When QoS 0 messages will have waited long for a PINGREQ behind them.
    confirm_at: Option<Instant>,
    /// They have.
    confirm_now: bool,
    progress: Option<Progress>,
}

impl<'a> Publisher<'a> {
    fn new(plan: PublishPlan, trace: Option<Observer>, diagnostics: &'a Diagnostics) -> Self {
        Self {
            client: Client::new(plan.connection, trace),
            conduct: plan.conduct,
            messages: plan.messages,
            unsent: plan.unsent,
            timeout: plan.timeout,
            drain: plan.drain,
            disconnect: plan.disconnect,
            diagnostics,
            tally: Tally::default(),
            connected: false,
            stopped: false,
            interrupted: None,
            verdict: None,
            pause_until: None,
            confirm_at: None,
            confirm_now: false,
            progress: plan.progress,
        }
    }

    async fn run(mut self, mut signals: Signals) -> Result<(), Error> {
        let end = self.publish_all(&mut signals).await;
        self.progress = None;
        self.settle(end, signals).await
    }

    /// Publishes until nothing is under way any more, or something ends it before.
    async fn publish_all(&mut self, signals: &mut Signals) -> End {
        let mut deadline = self.timeout.map(|timeout| Instant::now() + timeout);
        loop {
            loop {
                match self.client.try_next() {
                    Ok(Some(event)) => self.handle(event),
                    Ok(None) => break,
                    Err(error) => return End::Failed(error),
                }
            }
            self.publish_what_fits();
            tell_skipped(&mut self.messages, self.diagnostics);
            if let Err(error) = self.confirm() {
                return End::Failed(error);
            }
            if self.is_done() {
                return self.interrupted.map_or(End::Complete, End::Interrupted);
            }
            let pause_until = self.pause_until;
            let confirm_at = self.confirm_at;
            let progress_due = self.progress.as_ref().map(Progress::due);
            tokio::select! {
                event = self.client.next(true) => match event {
                    Ok(event) => self.handle(event),
                    Err(error) => return End::Failed(error),
                },
                () = self.messages.ready(), if self.messages.is_waiting() => {}
                () = sleep_until(pause_until), if pause_until.is_some() => self.pause_until = None,
                () = sleep_until(confirm_at), if confirm_at.is_some() => {
                    self.confirm_at = None;
                    self.confirm_now = true;
                }
                () = sleep_until(progress_due), if progress_due.is_some() => self.draw_progress(),
                () = sleep_until(deadline), if deadline.is_some() => {
                    return match self.interrupted {
                        Some(signal) => End::Interrupted(signal),
                        None => End::TimedOut(self.timeout.unwrap_or_default()),
                    };
                }
                signal = signals.next() => {
                    if !self.may_drain() {
                        return End::Interrupted(self.interrupted.unwrap_or(signal));
                    }
                    self.interrupted = Some(signal);
                    self.messages.stop_reading();
                    let drained = Instant::now() + self.drain;
                    deadline = Some(deadline.map_or(drained, |deadline| deadline.min(drained)));
                }
            }
        }
    }

    fn draw_progress(&mut self) {
        let (acknowledged, taken) = self.tally.counts();
        let unwritten = self.client.session().output().len();
        if let Some(progress) = &mut self.progress {
            progress.draw(Count {
                acknowledged,
                taken,
                unwritten,
            });
        }
    }

    /// Whether a signal leaves time for what is under way: the first one, at a broker that is known.
    fn may_drain(&mut self) -> bool {
        self.conduct.unfinished == Unfinished::Accounted
            && self.interrupted.is_none()
            && self.client.session().times_accepted() > 0
    }

    fn handle(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::Connected { .. } => {
                self.connected = true;
                // What is too large for this broker can still be kept for another one.
                if self.unsent.is_none() {
                    let limits = self.client.session().limits();
                    self.messages.fit(limits.maximum_packet_size);
                }
            }
            ClientEvent::Retrying { why, pause, hint } => {
                self.connected = false;
                self.tally.broke(&why);
                (self.confirm_at, self.confirm_now) = (None, false);
                if let Some(unsent) = &mut self.unsent {
                    unsent.broke();
                }
                self.diagnostics.retrying(&why, pause, hint.as_deref());
            }
            ClientEvent::Drained => self.drained(),
            ClientEvent::Session(Event::Acknowledged(ack)) => {
                if ack.reason.is_error() {
                    self.refused_by_broker(ack);
                } else {
                    self.tally.acknowledged();
                }
                self.begin_pause();
            }
            ClientEvent::Session(Event::Pong) => {
                let confirmed = self.tally.confirmed();
                if let Some(unsent) = &mut self.unsent {
                    unsent.confirmed(confirmed);
                }
            }
            ClientEvent::Session(Event::Undeliverable { message, error, .. }) => {
                self.refuse(*message, error);
            }
            ClientEvent::Odd(what) => self.diagnostics.warn(&what),
            // Nothing is subscribed to.
            ClientEvent::Session(_) => {}
        }
    }

    fn drained(&mut self) {
        if self.tally.drained() {
            self.begin_pause();
        }
        match self.conduct.qos_0 {
            Qos0::Written => self.tally.trust(),
            Qos0::Confirmed => {}
        }
    }

    /// Asks whether QoS 0 messages have arrived: at the end, and before after many of them or some time,
    /// so that a connection that breaks leaves few in doubt.
    fn confirm(&mut self) -> Result<(), Error> {
        let unmarked = self.tally.unmarked();
        let wanted = unmarked >= UNCONFIRMED
            || self.confirm_now
            || self.unsent.as_ref().is_some_and(Unsent::is_full)
            || self.takes_no_more();
        let asks = self.conduct.qos_0 == Qos0::Confirmed;
        if unmarked > 0 && wanted && self.connected && asks {
            self.client.session().ping()?;
            self.tally.mark();
            (self.confirm_at, self.confirm_now) = (None, false);
        }
        Ok(())
    }

    fn refused_by_broker(&mut self, ack: Acknowledged) {
        match self.conduct.refused {
            Refused::Warning => self.warn_as_mosquitto(&ack),
            Refused::Failure => {
                let why = Refusal::of(ack.reason, &ack.properties);
                self.refuse(*ack.refused.unwrap_or_default(), why);
            }
        }
    }

    /// mosquitto_pub warns of a refused message, goes on, and ends with 0.
    fn warn_as_mosquitto(&mut self, ack: &Acknowledged) {
        self.tally.acknowledged();
        let mut text = format!(
            "Warning: Publish {} failed: {}.\n",
            ack.packet_id,
            mosquitto_reason(ack.reason)
        );
        // Of a PUBREC its library forgets the words.
        let why = match ack.qos {
            QoS::ExactlyOnce => None,
            _ => ack.properties.text(PropertyId::ReasonString),
        };
        if let Some(why) = why {
            text.push_str(&format!("{why}\n"));
        }
        self.diagnostics.mosquitto(&text);
    }

    fn begin_pause(&mut self) {
        let pause = self.messages.pause();
        if !pause.is_zero() && !self.messages.has_ended() {
            self.pause_until = Some(Instant::now() + pause);
        }
    }

    /// Publishes while there is input, room in the window and in the output.
    fn publish_what_fits(&mut self) {
        let serial = !self.messages.pause().is_zero();
        while self.connected
            && !self.stopped
            && self.pause_until.is_none()
            && self.client.session().output().len() < BATCH
        {
            let in_flight =
                self.tally.are_any_on_their_way() || self.client.session().unacknowledged() > 0;
            if serial && in_flight {
                return;
            }
            if self.unsent.as_ref().is_some_and(Unsent::is_full) {
                return;
            }
            let Some(message) = self.messages.next() else {
                return;
            };
            if message.qos != QoS::AtMostOnce && self.client.session().room() == 0 {
                return self.messages.put_back(message);
            }
            self.publish(message);
        }
    }

    fn publish(&mut self, mut message: Message) {
        match self.client.session().publish_from(&mut message, 0) {
            Ok(packet_id) => {
                self.tally.taken(1);
                if packet_id == 0 {
                    self.tally.set_out();
                    self.confirm_at
                        .get_or_insert_with(|| Instant::now() + UNCONFIRMED_FOR);
                    if let Some(unsent) = &mut self.unsent {
                        unsent.set_out(message);
                    }
                }
            }
            Err(PublishError::WindowFull | PublishError::NotConnected) => {
                self.messages.put_back(message);
            }
            Err(PublishError::RetainNotSupported) if self.conduct.beyond != Beyond::Refused => {
                message.retain = false;
                self.messages.put_back(message);
            }
            Err(error) => {
                self.tally.taken(1);
                if self.conduct.beyond == Beyond::Disconnects {
                    self.verdict = Some(Verdict::beyond(&error));
                }
                self.refuse(message, error);
            }
        }
    }

    fn refuse(&mut self, message: Message, why: impl Into<Refusal>) {
        self.tally.refuse(message.topic.as_str(), why);
        if let Some(unsent) = &mut self.unsent {
            unsent.add(message);
        }
        // More of the same would be refused as well.
        self.stopped = true;
    }

    fn takes_no_more(&self) -> bool {
        self.stopped
            || self.messages.has_ended()
            || (self.interrupted.is_some()
                && self.messages.is_waiting()
                && self.messages.unfinished() == 0)
    }

    fn is_done(&mut self) -> bool {
        self.takes_no_more()
            && !self.tally.are_any_on_their_way()
            && !self.tally.are_any_unconfirmed()
            && self.client.session().unacknowledged() == 0
    }

    /// Ends the connection, keeps what was not acknowledged, and says what became of all.
    async fn settle(self, end: End, mut signals: Signals) -> Result<(), Error> {
        let mut client = self.client;
        let mut outcome = Outcome {
            messages: self.messages,
            tally: self.tally,
            unsent: self.unsent,
            conduct: self.conduct,
            diagnostics: self.diagnostics,
        };
        let accepted = client.session().times_accepted() > 0;
        outcome.keep_unacknowledged(client.session());
        match &end {
            End::Failed(error) => outcome.broke(&error.to_string()),
            End::Complete => {
                // To mosquitto_pub what was written is delivered; let it arrive.
                let linger = outcome.tally.has_trusted();
                let closed = client
                    .close(Some(Reason::SUCCESS), self.disconnect, linger)
                    .await;
                if let (true, Err(error)) = (linger, closed) {
                    outcome.tally.distrust(&error.to_string());
                }
            }
            End::TimedOut(_) | End::Interrupted(_) => {
                outcome.broke("there was no time left");
                ending::goodbye(client, Some(Reason::SUCCESS), self.disconnect).await;
            }
        }
        if let Some(verdict) = self.verdict {
            return Err(verdict.into());
        }
        match self.conduct.unfinished {
            Unfinished::Accounted => {
                if self.stopped || !matches!(end, End::Complete) {
                    outcome.take_the_rest(&end, &mut signals).await;
                }
                outcome.judge(end, accepted)
            }
            Unfinished::Left => outcome.judge_as_mosquitto(end, accepted),
        }
    }
}

/// Names the records that are no messages, the first of them.
fn tell_skipped(messages: &mut Messages, diagnostics: &Diagnostics) {
    for bad in messages.complaints() {
        diagnostics.warn(&format!("{bad}; skipped"));
    }
}
