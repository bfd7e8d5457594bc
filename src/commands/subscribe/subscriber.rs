//! The loop of `sub`: what the broker says, what counts of it, and where that goes.

use std::ops::ControlFlow;

use bytes::Bytes;
use tokio::time::Instant;

use super::destination::{Destination, DestinationPlan};
use super::plan::{Retained, SubscribePlan};
use super::retained::{QUIET, Settling};
use crate::client::{Client, ClientEvent};
use crate::commands::{sleep_until, subscription};
use crate::dialect::Dialect;
use crate::error::{Error, Refusal};
use crate::mqtt::QoS;
use crate::mqtt::packet::{Message, Publish, SubAck};
use crate::mqtt::properties::Properties;
use crate::mqtt::reason::Reason;
use crate::mqtt::session::{Event, Observer, Receipt};
use crate::mqtt::text::Text;
use crate::mqtt::topic;
use crate::output::{Diagnostics, Trace};
use crate::signal::Signals;

pub struct Subscriber<'a> {
    pub(super) client: Client,
    pub(super) plan: SubscribePlan,
    pub(super) destination: Destination,
    /// Whether messages are acknowledged when they have arrived at the destination.
    pub(super) acknowledges: bool,
    /// Packets that are shown among the messages.
    pub(super) trace: Option<Trace>,
    pub(super) diagnostics: &'a Diagnostics,
    /// Messages that counted.
    pub(super) count: u64,
    /// Answers from the broker that are still due.
    answers_due: usize,
    /// Retained messages to be removed for which the window had no room.
    to_remove: Vec<Text>,
    /// Whether all retained messages have come, where nothing else is wanted.
    settling: Option<Settling>,
    /// They have.
    pub(super) settled: bool,
    deadline: Option<Instant>,
    /// When the last message counted, or when it began; looked at only for `--idle-timeout`.
    last: Instant,
    /// A message counted since then, or none could.
    moved: bool,
    /// No more messages are wanted.
    enough: bool,
    /// Every subscription was refused, or a removal was.
    pub(super) refusal: Option<Error>,
    /// How we take our leave.
    pub(super) goodbye: Reason,
}

/// What a passed instant means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Timer {
    /// `-W`.
    Timeout,
    /// `--idle-timeout`.
    Idle,
    /// Nothing retained came for a while.
    Probe,
    /// What is shown changes with time.
    Turn,
}

impl<'a> Subscriber<'a> {
    pub fn new(
        plan: SubscribePlan,
        destination: DestinationPlan,
        observer: Option<Observer>,
        trace: Option<Trace>,
        diagnostics: &'a Diagnostics,
    ) -> Result<Self, Error> {
        let mut client = Client::new(plan.connection.clone(), observer);
        let acknowledges = destination.acknowledges();
        if acknowledges {
            client.session().acknowledge_by_owner();
        }
        // mosquitto_sub waits for a message that is not retained.
        let settles = plan.retained == Retained::Only && diagnostics.dialect().is_native();
        let now = Instant::now();
        Ok(Self {
            client,
            destination: Destination::new(destination)?,
            acknowledges,
            trace,
            diagnostics,
            count: 0,
            answers_due: 0,
            to_remove: Vec::new(),
            settling: settles.then(|| Settling::new(plan.stop.idle.unwrap_or(QUIET))),
            settled: false,
            deadline: plan.stop.timeout.map(|time| now + time),
            last: now,
            moved: false,
            enough: false,
            refusal: None,
            goodbye: Reason::SUCCESS,
            plan,
        })
    }

    pub async fn run(mut self, mut signals: Signals) -> Result<(), Error> {
        if let Some(writing) = self.destination.writing() {
            writing.begin();
        }
        loop {
            if let Err(error) = self.take_what_is_there() {
                return self.leave(signals, Err(error)).await;
            }
            if self.is_done() {
                return self.end(signals).await;
            }
            let reading = self.may_read();
            let timer = self.timer();
            tokio::select! {
                event = self.client.next(reading) => {
                    if let Err(error) = event.and_then(|event| self.handle(event)) {
                        return self.leave(signals, Err(error)).await;
                    }
                }
                progress = self.destination.progress(), if self.destination.is_busy() => {
                    let session = self.client.session();
                    let end = self.destination.progressed(progress, session, self.diagnostics);
                    if let ControlFlow::Break(result) = end {
                        return self.leave(signals, result).await;
                    }
                    self.enough |= self.destination.is_stopped();
                }
                () = sleep_until(timer.map(|(at, _)| at)) => match timer {
                    Some((_, Timer::Probe)) => {
                        if let Err(error) = self.probe() {
                            return self.leave(signals, Err(error)).await;
                        }
                    }
                    // The end of the last second is that of all, which has its own line.
                    Some((_, Timer::Turn)) if self.deadline.is_none_or(|at| Instant::now() < at) => {
                        if let Some(writing) = self.destination.writing() {
                            writing.turn();
                        }
                    }
                    Some((_, Timer::Idle)) => return self.nothing_came(signals).await,
                    Some((_, Timer::Timeout | Timer::Turn)) | None => return self.time_is_up(signals).await,
                },
                signal = signals.next() => return self.interrupted(signal, signals).await,
            }
        }
    }

    fn wants_more(&self) -> bool {
        !self.enough && !self.destination.is_full()
    }

    /// Also what is not wanted any more is read while something is still to be acknowledged, so that the
    /// end of the connection does not go unnoticed.
    fn may_read(&mut self) -> bool {
        let finishing = self.enough && self.destination.is_working();
        self.wants_more() || finishing || self.client.session().unacknowledged() > 0
    }

    fn take_what_is_there(&mut self) -> Result<(), Error> {
        while self.wants_more() {
            // not `?`, which would copy each event once more
            match self.client.try_next() {
                Ok(Some(event)) => self.handle(event)?,
                Ok(None) => break,
                Err(error) => return Err(error),
            }
            self.destination.flush_batch(self.client.session())?;
        }
        self.show_trace();
        // Nothing more is waiting: a reader of the pipe sees what has come.
        self.destination.flush(self.client.session())?;
        self.remove_waiting()
    }

    fn is_done(&mut self) -> bool {
        self.refusal.is_some()
            || (self.enough
                && self.to_remove.is_empty()
                && self.client.session().unacknowledged() == 0
                && !self.destination.is_working())
    }

    /// The next instant at which something is due.
    fn timer(&mut self) -> Option<(Instant, Timer)> {
        let wants_more = self.wants_more();
        let working = self.destination.is_working();
        // While nothing is read, or much is to be done, the silence is not the broker's.
        let idle = self.plan.stop.idle.filter(|_| wants_more && !working);
        if std::mem::replace(&mut self.moved, idle.is_none()) && idle.is_some() {
            self.last = Instant::now();
        }
        let silence = match &self.settling {
            Some(settling) if wants_more => settling.deadline().map(|at| (at, Timer::Probe)),
            Some(_) => None,
            None => idle.map(|idle| (self.last + idle, Timer::Idle)),
        };
        // What is only to be finished may take longer.
        let deadline = self.deadline.filter(|_| !(self.enough && working));
        let timeout = deadline.map(|at| (at, Timer::Timeout));
        let turn = self.destination.writing().and_then(|writing| writing.due());
        let turn = turn.map(|at| (Instant::from(at), Timer::Turn));
        [timeout, silence, turn]
            .into_iter()
            .flatten()
            .min_by_key(|(at, _)| *at)
    }

    /// Packets first, then what is printed because of them.
    fn show_trace(&mut self) {
        if let (Some(trace), Destination::Writing(writing)) = (&self.trace, &mut self.destination) {
            trace.drain(writing.buffer());
        }
    }

    fn handle(&mut self, event: ClientEvent) -> Result<(), Error> {
        self.show_trace();
        match event {
            ClientEvent::Connected { resumed } => {
                self.note("");
                let anew = subscription::connected(&mut self.client, resumed, self.diagnostics);
                // What is retained comes only behind a subscription.
                if anew || self.answers_due > 0 || self.settling.is_some() {
                    match self.subscribe() {
                        Err(refused @ Error::SubscribeRefused(_)) => self.refusal = Some(refused),
                        asked => asked?,
                    }
                }
            }
            ClientEvent::Retrying { ref why, .. } => {
                let noted = self.note(why);
                if let Some(settling) = &mut self.settling {
                    settling.lost();
                }
                if !noted {
                    subscription::aside(event, self.diagnostics);
                }
            }
            ClientEvent::Session(Event::Message(ref publish, receipt)) => {
                self.message(publish, receipt)?;
            }
            ClientEvent::Session(Event::Subscribed(answer)) => self.subscribed(&answer),
            ClientEvent::Session(Event::Unsubscribed(answer)) => self.unsubscribed(&answer),
            ClientEvent::Session(Event::Pong) => self.pong(),
            ClientEvent::Session(Event::Acknowledged(ack)) if ack.reason.is_error() => {
                self.refusal = Some(Error::PublishRefused {
                    topic: "a retained message's topic".to_owned(),
                    why: Refusal::of(ack.reason, &ack.properties),
                });
            }
            ClientEvent::Session(Event::Undeliverable { error, .. }) => {
                self.refusal = Some(Error::refused("a retained message's topic", &error));
            }
            other => subscription::aside(other, self.diagnostics),
        }
        Ok(())
    }

    /// A word about the connection; whether it has a place among the messages.
    fn note(&mut self, text: &str) -> bool {
        let writing = self.destination.writing();
        writing.is_some_and(|writing| writing.note(text))
    }

    fn subscribe(&mut self) -> Result<(), Error> {
        let dialect = self.diagnostics.dialect();
        self.answers_due = usize::from(self.plan.subscriptions.ask(&mut self.client, dialect)?);
        // mosquitto_sub sends one packet for each filter.
        let at_once = match dialect {
            Dialect::Native => self.plan.unsubscribe.len().max(1),
            Dialect::Mosquitto(_) => 1,
        };
        for filters in self.plan.unsubscribe.chunks(at_once) {
            self.client
                .session()
                .unsubscribe(filters.to_vec(), self.plan.unsubscribe_properties.clone())?;
            self.answers_due += 1;
        }
        Ok(())
    }

    fn subscribed(&mut self, answer: &SubAck) {
        if !self.diagnostics.dialect().is_native() {
            return self.subscribed_as_mosquitto(answer);
        }
        // With -E the subscriptions are all that was asked for.
        let all_are_needed = self.plan.stop.after_suback || self.plan.strict;
        let judged = self
            .plan
            .subscriptions
            .judge(answer, all_are_needed, self.diagnostics);
        self.refusal = judged.err().or(self.refusal.take());
        self.answered();
    }

    /// Only that all were refused is worth a word, and none of it is a failure.
    fn subscribed_as_mosquitto(&mut self, answer: &SubAck) {
        if let Some(trace) = &self.trace {
            let granted: Vec<_> = answer.reasons.iter().map(|r| r.0.to_string()).collect();
            trace.line(&format!(
                "Subscribed (mid: {}): {}",
                answer.packet_id,
                granted.join(", ")
            ));
        }
        if answer.reasons.iter().all(|reason| reason.is_error()) {
            self.refusal = Some(Error::SubscribeRefused(Refusal::default()));
        } else if self.plan.stop.after_suback {
            self.enough = true;
        }
        self.answered();
    }

    fn unsubscribed(&mut self, answer: &SubAck) {
        for (filter, reason) in self.plan.unsubscribe.iter().zip(&answer.reasons) {
            if reason.0 != 0 {
                self.diagnostics
                    .warn(&format!("unsubscribing from '{filter}': {reason}"));
            }
        }
        self.answered();
    }

    fn answered(&mut self) {
        self.answers_due = self.answers_due.saturating_sub(1);
        if self.answers_due > 0 {
            return;
        }
        // With nothing subscribed to, the answer is all that can come; mosquitto_sub waits on.
        let only_unsubscribes = self.plan.subscriptions.list.is_empty()
            && self.plan.connection.settings.clean_start
            && self.diagnostics.dialect().is_native();
        if self.plan.stop.after_suback || only_unsubscribes {
            self.enough = true;
        }
        if let Some(settling) = &mut self.settling {
            settling.subscribed(Instant::now());
        }
    }

    /// Whether the silence is that of a broker with nothing more to send.
    fn probe(&mut self) -> Result<(), Error> {
        let unfinished = self.client.session().unfinished();
        if let Some(settling) = &mut self.settling {
            settling.probe(unfinished);
            self.client.session().ping()?;
        }
        Ok(())
    }

    fn pong(&mut self) {
        let unfinished = self.client.session().unfinished();
        if let Some(settling) = &mut self.settling {
            self.settled = settling.pong(unfinished, Instant::now());
            self.enough |= self.settled;
        }
    }

    fn message(&mut self, publish: &Publish, receipt: Option<Receipt>) -> Result<(), Error> {
        if self.enough {
            return Ok(());
        }
        // mosquitto_sub then does nothing else with messages, and no limit counts them.
        if !self.diagnostics.dialect().is_native()
            && let Some(writing) = self.destination.writing()
            && writing.only_counts()
        {
            return Ok(());
        }
        if !self.counts(&publish.message) {
            return self.done_with(receipt);
        }
        let shown = self
            .plan
            .random_percent
            .is_none_or(|percent| fastrand::f64() * 100.0 < percent);
        if shown {
            self.destination.take(publish, receipt, self.diagnostics);
        } else {
            if let Some(writing) = self.destination.writing() {
                writing.leave_out(publish);
            }
            self.done_with(receipt)?;
        }
        self.count += 1;
        self.moved = true;
        if self
            .plan
            .stop
            .count
            .is_some_and(|count| self.count >= count)
        {
            self.enough = true;
        }
        Ok(())
    }

    /// Nothing is to be made of a message.
    fn done_with(&mut self, receipt: Option<Receipt>) -> Result<(), Error> {
        match receipt {
            Some(receipt) => Ok(self.client.session().acknowledge(receipt)?),
            None => Ok(()),
        }
    }

    fn counts(&mut self, message: &Message) -> bool {
        let left_out = self
            .plan
            .filter_out
            .iter()
            .any(|filter| topic::matches(filter.as_str(), message.topic.as_str()));
        if self.plan.remove_retained && message.retain && !message.payload.is_empty() && !left_out {
            self.to_remove.push(message.topic.clone());
        }
        if let Some(settling) = &mut self.settling {
            settling.came(message.retain, Instant::now());
        }
        match (self.plan.retained, message.retain) {
            (Retained::None, true) => false,
            (Retained::Only, false) => {
                // Retained ones may still come, where somebody looks at when they have.
                self.enough |= self.settling.is_none();
                false
            }
            _ => !left_out,
        }
    }

    /// Removes retained messages by publishing empty ones in their place.
    fn remove_waiting(&mut self) -> Result<(), Error> {
        while !self.to_remove.is_empty() && self.client.session().room() > 0 {
            let topic = self.to_remove.swap_remove(0);
            let name = topic.to_string();
            let empty = Message {
                topic,
                payload: Bytes::new(),
                qos: QoS::AtLeastOnce,
                retain: true,
                properties: Properties::new(),
            };
            self.client
                .session()
                .publish(empty, 0)
                .map_err(|e| Error::refused(&name, &e))?;
        }
        Ok(())
    }

    /// Whether it is to go on until the retained messages have all come.
    pub(super) fn is_settling(&self) -> bool {
        self.settling.is_some()
    }
}
