//! `mozzie pub`: from a source of payloads to acknowledged messages.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::delivery::{End, Tally, Unsent};
use super::{connect, ending, input, sleep_until};
use crate::cli::publish::PublishArgs;
use crate::client::{Client, ClientEvent, ConnectionPlan, Reconnect};
use crate::dialect::Dialect;
use crate::error::{Error, Verdict, mosquitto_reason, with_details};
use crate::mqtt::QoS;
use crate::mqtt::packet::Message;
use crate::mqtt::properties::{Place, Properties, PropertyId};
use crate::mqtt::reason::Reason;
use crate::mqtt::session::{Acknowledged, Event, Observer, PublishError, Session};
use crate::output::Diagnostics;
use crate::payload::{Feed, Source};
use crate::signal::{Signal, Signals};

/// Output that is gathered before it is written.
const BATCH: usize = 64 * 1024;
/// Messages that are kept between two looks at signals.
const REST_AT_ONCE: usize = 1000;
/// QoS 0 messages after which the broker is asked whether it has got them.
const UNCONFIRMED: u64 = 10_000;

/// What `pub` is to do, checked.
struct PublishPlan {
    connection: ConnectionPlan,
    /// Every message, but for its payload.
    template: Message,
    source: Source,
    unsent: Option<Unsent>,
    timeout: Option<Duration>,
    /// How long a signal waits for what was read.
    drain: Duration,
    disconnect: Properties,
}

pub fn run(args: PublishArgs, diagnostics: &Diagnostics) -> Result<(), Error> {
    let trace = args.debug.debug.then(|| diagnostics.tracer());
    let plan = plan(args, diagnostics.dialect())?;
    super::runtime()?.block_on(async {
        let signals = Signals::new().map_err(|e| Error::io("cannot catch signals", e))?;
        Publisher::new(plan, trace, diagnostics).run(signals).await
    })
}

fn plan(args: PublishArgs, dialect: Dialect) -> Result<PublishPlan, Error> {
    let topic = connect::one_topic(
        args.message.topic.as_deref(),
        args.connection.broker.url.as_ref(),
    )?;
    let version = connect::version(&args.connection, &[])?;
    let mut connection = connect::plan(&args.connection, version, dialect)?;
    if !dialect.is_native() && !args.input.stdin_lines {
        connection.reconnect = Reconnect::Never;
    }
    let properties = &args.connection.properties;
    connect::no_properties_of("pub", properties, &[Place::Subscribe, Place::Unsubscribe])?;
    let message = &args.message;
    let source = input::source(args.input, &topic, message.repeat, message.repeat_delay.0)?;
    Ok(PublishPlan {
        connection,
        template: Message {
            topic,
            payload: Bytes::new(),
            qos: message.qos,
            retain: message.retain,
            properties: properties.of(Place::Publish),
        },
        source,
        unsent: args
            .delivery
            .unsent
            .as_deref()
            .map(Unsent::open)
            .transpose()?,
        timeout: args.delivery.timeout.map(|span| span.0),
        drain: args.delivery.drain.0,
        disconnect: properties.of(Place::Disconnect),
    })
}

struct Publisher<'a> {
    client: Client,
    template: Message,
    feed: Feed,
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
}

impl<'a> Publisher<'a> {
    fn new(plan: PublishPlan, trace: Option<Observer>, diagnostics: &'a Diagnostics) -> Self {
        Self {
            client: Client::new(plan.connection, trace),
            template: plan.template,
            feed: Feed::new(plan.source),
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
        }
    }

    async fn run(mut self, mut signals: Signals) -> Result<(), Error> {
        let end = self.publish_all(&mut signals).await;
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
            if let Err(error) = self.confirm() {
                return End::Failed(error);
            }
            if self.is_done() {
                return self.interrupted.map_or(End::Complete, End::Interrupted);
            }
            let pause_until = self.pause_until;
            tokio::select! {
                event = self.client.next(true) => match event {
                    Ok(event) => self.handle(event),
                    Err(error) => return End::Failed(error),
                },
                () = self.feed.ready(), if self.feed.is_waiting() => {}
                () = sleep_until(pause_until), if pause_until.is_some() => self.pause_until = None,
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
                    self.feed.stop_reading();
                    let drained = Instant::now() + self.drain;
                    deadline = Some(deadline.map_or(drained, |deadline| deadline.min(drained)));
                }
            }
        }
    }

    /// Whether a signal leaves time for what is under way: the first one, at a broker that is known.
    fn may_drain(&mut self) -> bool {
        self.diagnostics.dialect().is_native()
            && self.interrupted.is_none()
            && self.client.session().times_accepted() > 0
    }

    fn handle(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::Connected { .. } => self.connected = true,
            ClientEvent::Retrying { why, pause } => {
                self.connected = false;
                self.tally.broke(&why);
                if let Some(unsent) = &mut self.unsent {
                    unsent.broke();
                }
                self.diagnostics.retrying(&why, pause);
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
            ClientEvent::Session(Event::Confirmed) => {
                let confirmed = self.tally.confirmed();
                if let Some(unsent) = &mut self.unsent {
                    unsent.confirmed(confirmed);
                }
            }
            ClientEvent::Session(Event::Undeliverable { message, error, .. }) => {
                self.refuse(*message, error.to_string());
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
        if !self.diagnostics.dialect().is_native() {
            // written is delivered, to mosquitto_pub
            self.tally.trust();
        }
    }

    /// Asks whether QoS 0 messages have arrived: at the end, and now and then before, so that a
    /// connection that breaks leaves few in doubt.
    fn confirm(&mut self) -> Result<(), Error> {
        let unmarked = self.tally.unmarked();
        let wanted = unmarked >= UNCONFIRMED
            || self.unsent.as_ref().is_some_and(Unsent::is_full)
            || self.takes_no_more();
        if unmarked > 0 && wanted && self.connected && self.diagnostics.dialect().is_native() {
            self.client.session().confirm()?;
            self.tally.mark();
        }
        Ok(())
    }

    fn refused_by_broker(&mut self, ack: Acknowledged) {
        if !self.diagnostics.dialect().is_native() {
            return self.warn_as_mosquitto(&ack);
        }
        let why = with_details(ack.reason.to_string(), &ack.properties);
        self.refuse(*ack.refused.unwrap_or_default(), why);
    }

    /// mosquitto_pub warns of a refused message, goes on, and ends with 0.
    fn warn_as_mosquitto(&mut self, ack: &Acknowledged) {
        self.tally.acknowledged();
        let mut text = format!(
            "Warning: Publish {} failed: {}.\n",
            ack.packet_id,
            mosquitto_reason(ack.reason)
        );
        if let Some(why) = ack.properties.text(PropertyId::ReasonString) {
            text.push_str(&format!("{why}\n"));
        }
        self.diagnostics.mosquitto(&text);
    }

    fn begin_pause(&mut self) {
        let pause = self.feed.pause();
        if !pause.is_zero() && !self.feed.has_ended() {
            self.pause_until = Some(Instant::now() + pause);
        }
    }

    /// Publishes while there is input, room in the window and in the output.
    fn publish_what_fits(&mut self) {
        let serial = !self.feed.pause().is_zero();
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
            let full = match self.template.qos {
                QoS::AtMostOnce => self.unsent.as_ref().is_some_and(Unsent::is_full),
                QoS::AtLeastOnce | QoS::ExactlyOnce => self.client.session().room() == 0,
            };
            if full {
                return;
            }
            let Some(payload) = self.feed.next() else {
                return;
            };
            self.publish(payload);
        }
    }

    fn message(&self, payload: Bytes) -> Message {
        Message {
            payload,
            ..self.template.clone()
        }
    }

    fn publish(&mut self, payload: Bytes) {
        let message = self.message(payload.clone());
        match self.client.session().publish(message, 0) {
            Ok(_) => {
                self.tally.taken(1);
                if self.template.qos == QoS::AtMostOnce {
                    self.tally.set_out();
                    if self.unsent.is_some() {
                        self.remember(payload);
                    }
                }
            }
            Err(PublishError::WindowFull | PublishError::NotConnected) => {
                self.feed.put_back(payload);
            }
            Err(PublishError::QosNotSupported { .. })
                if !self.diagnostics.dialect().is_native() =>
            {
                self.verdict = Some(Verdict::qos_not_supported());
                self.stopped = true;
            }
            // mosquitto_pub leaves the flag out and says nothing.
            Err(PublishError::RetainNotSupported) if !self.diagnostics.dialect().is_native() => {
                self.template.retain = false;
                self.feed.put_back(payload);
            }
            Err(error) => {
                self.tally.taken(1);
                let message = self.message(payload);
                self.refuse(message, error.to_string());
            }
        }
    }

    fn remember(&mut self, payload: Bytes) {
        let message = self.message(payload);
        if let Some(unsent) = &mut self.unsent {
            unsent.set_out(message);
        }
    }

    fn refuse(&mut self, message: Message, why: String) {
        self.tally.refuse(message.topic.as_str(), why);
        if let Some(unsent) = &mut self.unsent {
            unsent.add(message);
        }
        // More of the same would be refused as well.
        self.stopped = true;
    }

    fn takes_no_more(&self) -> bool {
        self.stopped
            || self.feed.has_ended()
            || (self.interrupted.is_some() && self.feed.is_waiting())
    }

    fn is_done(&mut self) -> bool {
        self.takes_no_more()
            && !self.tally.are_any_on_their_way()
            && !self.tally.are_any_unconfirmed()
            && self.client.session().unacknowledged() == 0
    }

    /// Ends the connection, keeps what was not acknowledged, and says what became of all.
    async fn settle(self, end: End, mut signals: Signals) -> Result<(), Error> {
        let native = self.diagnostics.dialect().is_native();
        let mut client = self.client;
        let mut outcome = Outcome {
            feed: self.feed,
            template: self.template,
            tally: self.tally,
            unsent: self.unsent,
            diagnostics: self.diagnostics,
        };
        let accepted = client.session().times_accepted() > 0;
        outcome.keep_unacknowledged(client.session());
        match &end {
            End::Failed(error) => outcome.broke(&error.to_string()),
            End::Complete => {
                // To mosquitto_pub what was written is delivered; let it arrive.
                let at_most_once = outcome.template.qos == QoS::AtMostOnce;
                let linger = !native && at_most_once && outcome.tally.total() > 0;
                let closed = client.close(Reason::SUCCESS, self.disconnect, linger).await;
                if let (true, Err(error)) = (linger, closed) {
                    outcome.tally.distrust(&error.to_string());
                }
            }
            End::TimedOut(_) | End::Interrupted(_) => {
                outcome.broke("there was no time left");
                ending::goodbye(client, Reason::SUCCESS, self.disconnect).await;
            }
        }
        if let Some(verdict) = self.verdict {
            return Err(verdict.into());
        }
        if native && (self.stopped || !matches!(end, End::Complete)) {
            outcome.take_the_rest(&end, &mut signals).await;
        }
        outcome.judge(end, accepted)
    }
}

/// What is left when nothing is sent any more.
struct Outcome<'a> {
    feed: Feed,
    template: Message,
    tally: Tally,
    unsent: Option<Unsent>,
    diagnostics: &'a Diagnostics,
}

impl Outcome<'_> {
    fn keep_unacknowledged(&mut self, session: &Session) {
        if let Some(unsent) = &mut self.unsent {
            for message in session.unacknowledged_messages() {
                unsent.add(message.clone());
            }
        }
    }

    fn broke(&mut self, why: &str) {
        self.tally.broke(why);
        if let Some(unsent) = &mut self.unsent {
            unsent.broke();
        }
    }

    /// Takes what was read, and with `--unsent` the rest of the input too: all of it, but when time
    /// is over only what does not have to be waited for.
    async fn take_the_rest(&mut self, end: &End, signals: &mut Signals) {
        let in_time = matches!(end, End::Complete | End::Failed(_));
        let read_on = self.unsent.is_some() && (in_time || self.feed.is_complete());
        if !read_on || self.feed.read_on().is_err() {
            self.feed.stop_reading();
        }
        let mut waited = false;
        loop {
            for _ in 0..REST_AT_ONCE {
                let Some(payload) = self.feed.next() else {
                    break;
                };
                self.tally.taken(1);
                if let Some(unsent) = &mut self.unsent {
                    unsent.add(Message {
                        payload,
                        ..self.template.clone()
                    });
                }
            }
            let waits = self.feed.is_waiting();
            let failed = self.unsent.as_ref().is_some_and(Unsent::has_failed);
            if self.feed.has_ended() || failed || (waits && !read_on) {
                break;
            }
            if let (true, false, Some(unsent)) = (waits, waited, &self.unsent) {
                waited = true;
                let path = unsent.path();
                self.diagnostics
                    .note(&format!("the rest of stdin goes to '{path}'"));
            }
            tokio::select! {
                biased;
                _ = signals.next() => break,
                () = self.feed.ready(), if waits => {}
                () = tokio::task::yield_now(), if !waits => {}
            }
        }
        self.tally.taken(self.feed.set_aside());
    }

    fn judge(mut self, end: End, accepted: bool) -> Result<(), Error> {
        let input_error = self.feed.take_error();
        let more = match self.diagnostics.dialect() {
            Dialect::Native => self.feed.may_have_more() && input_error.is_none(),
            Dialect::Mosquitto(_) => matches!(end, End::Interrupted(_)),
        };
        let more = more && !matches!(end, End::Complete);
        let line = self.tally.line();
        let kept = match self.unsent {
            Some(unsent) => unsent.finish(&line, self.diagnostics),
            None => Ok(()),
        };
        let total = self.tally.total();
        kept.and(self.tally.judge(end, accepted, more))?;
        match input_error {
            None => Ok(()),
            Some(error) => Err(Error::io(
                format!("cannot read more of stdin after {total} messages"),
                error,
            )),
        }
    }
}
