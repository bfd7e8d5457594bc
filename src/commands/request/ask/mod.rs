//! The asking side: payloads become requests, replies become output. `plan` is what is asked.

mod plan;

use bytes::Bytes;
use tokio::time::Instant;

pub use self::plan::{AskPlan, plan};

use self::plan::{Correlation, add};
use super::outstanding::{Outstanding, Unanswered, Verdict};
use crate::client::{Client, ClientEvent};
use crate::commands::{ending, input, sleep_until, subscription};
use crate::error::{Error, Refusal, Verdict as MosquittoVerdict, mosquitto_reason};
use crate::mqtt::QoS;
use crate::mqtt::packet::{Message, Publish, SubAck};
use crate::mqtt::properties::{PropertyId, Value};
use crate::mqtt::reason::Reason;
use crate::mqtt::session::{Acknowledged, Event, Observer, PublishError};
use crate::output::message::Printer;
use crate::output::{Diagnostics, Sink, Trace, latency};
use crate::signal::Signals;

/// Output that is gathered before it is written.
const BATCH: usize = 64 * 1024;
/// Warnings about messages that are no replies of ours.
const STRAYS_SHOWN: u32 = 5;
/// Unanswered requests that the error names.
const NAMED: usize = 10;
/// A PUBACK's way to say that a message went to nobody (MQTT 5 section 3.4.2.1).
const NO_MATCHING_SUBSCRIBERS: Reason = Reason(0x10);

pub struct Asker<'a> {
    client: Client,
    plan: AskPlan,
    printer: Printer,
    stdout: Sink,
    /// Packets that are shown among the replies.
    trace: Option<Trace>,
    diagnostics: &'a Diagnostics,
    outstanding: Outstanding,
    /// Connected, and the replies have been subscribed to.
    ready: bool,
    /// When it must be ready.
    ready_by: Option<Instant>,
    /// Nothing is read since then, because stdout is full.
    blocked_since: Option<Instant>,
    asked: u64,
    answered: u64,
    /// The first of the requests that did not get their replies, and how many there are.
    named: Vec<u64>,
    unanswered: u64,
    /// Why the last of them did not.
    why: String,
    /// A request or the subscription was refused.
    refusal: Option<Error>,
    strays: u32,
    /// How we take our leave: mosquitto_rr has its reply and is gone without a word.
    goodbye: Option<Reason>,
}

impl<'a> Asker<'a> {
    pub fn new(
        plan: AskPlan,
        stdout: Sink,
        observer: Option<Observer>,
        trace: Option<Trace>,
        diagnostics: &'a Diagnostics,
    ) -> Self {
        Self {
            client: Client::new(plan.connection.clone(), observer),
            printer: Printer::new(plan.format.clone()),
            stdout,
            trace,
            diagnostics,
            goodbye: Some(Reason::SUCCESS),
            outstanding: Outstanding::new(plan.replies),
            ready: false,
            ready_by: plan.timeout.map(|timeout| Instant::now() + timeout),
            blocked_since: None,
            asked: 0,
            answered: 0,
            named: Vec::new(),
            unanswered: 0,
            why: String::new(),
            refusal: None,
            strays: 0,
            plan,
        }
    }

    pub async fn run(mut self, mut signals: Signals) -> Result<(), Error> {
        let result = loop {
            if let Err(error) = self.take_what_is_there() {
                break Err(error);
            }
            self.show_trace();
            self.stdout.flush();
            self.ask_what_fits();
            if self.is_done() {
                break self.result();
            }
            let reading = !self.stdout.is_full();
            self.count_blocked_time(reading);
            let deadline = self.deadline().filter(|_| reading);
            tokio::select! {
                event = self.client.next(reading) => {
                    if let Err(error) = event.and_then(|event| self.handle(event)) {
                        break Err(error);
                    }
                }
                written = self.stdout.ready(), if self.stdout.is_writing() => {
                    if let Err(error) = written {
                        break ending::output_result(&self.stdout, Err(error));
                    }
                }
                () = self.plan.feed.ready(), if self.plan.feed.is_waiting() => {}
                () = sleep_until(deadline) => {
                    if let Err(error) = self.time_is_up() {
                        break Err(error);
                    }
                }
                signal = signals.next() => {
                    if self.takes_the_first() {
                        self.goodbye = Some(Reason::DISCONNECT_WITH_WILL);
                        break match self.client.session().times_accepted() {
                            0 => Err(MosquittoVerdict::silent(u8::MAX).into()),
                            _ => Ok(()),
                        };
                    }
                    let what = format!("{} of {} requests answered", self.answered, self.asked);
                    break Err(Error::Interrupted(signal, Some(what)));
                }
            }
        };
        ending::leave(
            self.client,
            (self.goodbye, self.plan.disconnect),
            self.stdout,
            self.trace,
            signals,
            result,
        )
        .await
    }

    /// Whether mosquitto_rr's rule holds.
    fn takes_the_first(&self) -> bool {
        self.plan.correlation == Correlation::First
    }

    /// Packets first, then what is printed because of them.
    fn show_trace(&mut self) {
        if let Some(trace) = &self.trace {
            trace.drain(self.stdout.buffer());
        }
    }

    /// Handles what needs no waiting.
    fn take_what_is_there(&mut self) -> Result<(), Error> {
        while !self.stdout.is_full() && !self.is_done() {
            match self.client.try_next()? {
                Some(event) => self.handle(event)?,
                None => break,
            }
            if self.stdout.has_batch() {
                self.stdout.flush();
            }
        }
        Ok(())
    }

    /// While our own reader is slow no reply can be late.
    fn count_blocked_time(&mut self, reading: bool) {
        match (reading, self.blocked_since) {
            (false, None) => self.blocked_since = Some(Instant::now()),
            (true, Some(since)) => {
                self.outstanding.postpone(since.elapsed());
                self.blocked_since = None;
            }
            (false, Some(_)) | (true, None) => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self.ready {
            true => self.outstanding.deadline(),
            false => self
                .outstanding
                .deadline()
                .into_iter()
                .chain(self.ready_by)
                .min(),
        }
    }

    fn is_done(&self) -> bool {
        self.plan.feed.has_ended() && self.outstanding.is_empty()
    }

    fn result(&mut self) -> Result<(), Error> {
        if let Some(refusal) = self.refusal.take() {
            return Err(refusal);
        }
        if let Some(error) = self.plan.feed.take_error() {
            return Err(input::broken_off(
                error,
                self.plan.template.topic.as_str(),
                &format!("{} requests", self.asked),
                "",
            ));
        }
        if self.unanswered == 0 {
            return Ok(());
        }
        if !self.plan.many {
            return Err(Error::NoReply(std::mem::take(&mut self.why)));
        }
        let mut names: Vec<_> = self.named.iter().map(u64::to_string).collect();
        let more = self.unanswered - self.named.len() as u64;
        if more > 0 {
            names.push(format!("and {more} more"));
        }
        Err(Error::NoReply(format!(
            "{} of {} requests did not get their replies: {} {}",
            self.unanswered,
            self.asked,
            if names.len() == 1 {
                "request"
            } else {
                "requests"
            },
            names.join(", ")
        )))
    }

    fn handle(&mut self, event: ClientEvent) -> Result<(), Error> {
        self.show_trace();
        match event {
            ClientEvent::Connected { resumed } => self.connected(resumed)?,
            ClientEvent::Retrying { .. } => {
                self.ready = false;
                if self.ready_by.is_none() {
                    self.ready_by = self.plan.timeout.map(|timeout| Instant::now() + timeout);
                }
                subscription::aside(event, self.diagnostics);
            }
            ClientEvent::Session(Event::Subscribed(answer)) if self.takes_the_first() => {
                self.subscribed_as_mosquitto(&answer)?;
            }
            ClientEvent::Session(Event::Subscribed(answer)) => {
                self.plan
                    .subscriptions
                    .judge(&answer, true, self.diagnostics)?;
                self.become_ready();
            }
            ClientEvent::Session(Event::Message(publish, _)) => self.message(&publish),
            ClientEvent::Session(Event::Acknowledged(ack)) => self.acknowledged(&ack),
            ClientEvent::Session(Event::Undeliverable { token, error, .. }) => {
                self.refuse(token, error);
            }
            other => subscription::aside(other, self.diagnostics),
        }
        Ok(())
    }

    fn connected(&mut self, resumed: bool) -> Result<(), Error> {
        let limits = self.client.session().limits();
        self.plan.feed.fit(limits.maximum_packet_size);
        // What the session still holds is sent again by itself; the broker had the rest, and has
        // answered to nobody unless it kept both the session and what QoS 0 does not promise to keep.
        if !resumed || self.plan.template.qos == QoS::AtMostOnce {
            let lost = self.outstanding.end_delivered();
            self.unanswered(&lost, ": the connection broke before it came");
        }
        if subscription::connected(&mut self.client, resumed, self.diagnostics) {
            let dialect = self.diagnostics.dialect();
            self.plan.subscriptions.ask(&mut self.client, dialect)?;
        } else {
            self.become_ready();
        }
        Ok(())
    }

    /// A refusal is told, and is no failure.
    fn subscribed_as_mosquitto(&mut self, answer: &SubAck) -> Result<(), Error> {
        if let Some(reason) = answer.reasons.first().filter(|reason| reason.is_error()) {
            return Err(Error::Mosquitto(MosquittoVerdict {
                code: 0,
                text: format!("{}\n", mosquitto_reason(*reason)).into(),
                usage: String::new(),
            }));
        }
        self.become_ready();
        // Before the next message, which would be its reply.
        self.ask_what_fits();
        Ok(())
    }

    fn become_ready(&mut self) {
        self.ready = true;
        self.ready_by = None;
    }

    /// Sends requests while there is input, and room in the windows and in the output.
    fn ask_what_fits(&mut self) {
        while self.ready
            && self.outstanding.len() < self.plan.window
            && self.client.session().output().len() < BATCH
        {
            if self.plan.template.qos != QoS::AtMostOnce && self.client.session().room() == 0 {
                return;
            }
            let Some(payload) = self.plan.feed.next() else {
                return;
            };
            self.ask(payload);
        }
    }

    fn ask(&mut self, payload: Bytes) {
        let correlation = self.plan.correlation.next();
        let mut message = Message {
            payload: payload.clone(),
            ..self.plan.template.clone()
        };
        let number = self.asked + 1;
        if let Some(data) = &correlation {
            let value = Value::Binary(data.clone());
            if let Err(error) = add(&mut message.properties, PropertyId::CorrelationData, value) {
                self.asked = number;
                self.refuse(number, error.to_string());
                return;
            }
        }
        match self.client.session().publish(message, number) {
            Ok(_) => {
                self.asked = number;
                let delivered = self.plan.template.qos == QoS::AtMostOnce;
                let now = Instant::now();
                let timeout = self.plan.timeout;
                self.outstanding
                    .sent(number, correlation, now, timeout, delivered);
            }
            Err(PublishError::WindowFull | PublishError::NotConnected) => {
                self.plan.feed.put_back(payload);
                self.ready = false;
            }
            Err(error) => {
                self.asked = number;
                self.refuse(number, error);
            }
        }
    }

    fn acknowledged(&mut self, ack: &Acknowledged) {
        // mosquitto_rr waits on, whatever became of its request.
        if ack.reason.is_error() && !self.takes_the_first() {
            let why = Refusal::of(ack.reason, &ack.properties);
            self.refuse(ack.token, why);
            return;
        }
        self.outstanding.delivered(ack.token);
        if ack.reason == NO_MATCHING_SUBSCRIBERS {
            self.diagnostics.warn(&format!(
                "{}: nobody is subscribed to '{}'",
                self.name(ack.token),
                self.plan.template.topic
            ));
        }
    }

    fn refuse(&mut self, number: u64, why: impl Into<Refusal>) {
        self.outstanding.remove(number);
        let topic = self.plan.template.topic.to_string();
        self.refusal.get_or_insert_with(|| Error::PublishRefused {
            topic,
            why: why.into(),
        });
        // More of the same would be refused as well.
        self.plan.feed.stop();
    }

    fn message(&mut self, publish: &Publish) {
        let message = &publish.message;
        if self.takes_the_first() {
            if !(message.retain && self.plan.no_retained) {
                self.first(publish);
            }
            return;
        }
        if message.topic != self.plan.response_topic {
            return self.stray("is not on the response topic");
        }
        if message.retain {
            return self.stray("is retained, so it was there before the request");
        }
        let correlation = match message.properties.get(PropertyId::CorrelationData) {
            Some(Value::Binary(data)) => Some(data),
            _ => None,
        };
        match self.outstanding.reply(correlation, Instant::now()) {
            Verdict::Reply {
                number,
                after,
                complete,
            } => {
                let diagnostics = self.diagnostics;
                self.printer
                    .print(publish, self.stdout.buffer(), &mut |complaint| {
                        diagnostics.complain(&complaint);
                    });
                if self.plan.latency {
                    let ms = after.as_secs_f64() * 1000.0;
                    let name = self.name(number);
                    self.diagnostics
                        .note(&format!("{name}: reply after {ms:.3} ms"));
                }
                self.answered += u64::from(complete);
            }
            Verdict::Late(number) => {
                let name = self.name(number);
                self.stray(&format!("comes too late for {name}"));
            }
            Verdict::Foreign if self.plan.correlation == Correlation::None => {
                self.stray("comes while no request waits");
            }
            Verdict::Foreign => self.stray("has not the correlation data of a request of ours"),
        }
    }

    /// The reply, and the end.
    fn first(&mut self, publish: &Publish) {
        let diagnostics = self.diagnostics;
        self.printer
            .print(publish, self.stdout.buffer(), &mut |complaint| {
                diagnostics.complain(&complaint);
            });
        let after = self.outstanding.clear(Instant::now());
        if let Some(after) = after.filter(|_| self.plan.latency) {
            latency::mosquitto(after, self.stdout.buffer());
        }
        self.plan.feed.stop();
        self.goodbye = None;
    }

    /// How a request is called.
    fn name(&self, number: u64) -> String {
        match self.plan.many {
            true => format!("request {number}"),
            false => "the request".to_owned(),
        }
    }

    /// A message is not what was asked for.
    fn stray(&mut self, why: &str) {
        self.strays += 1;
        if self.strays <= STRAYS_SHOWN {
            let mut text = format!("a message on '{}' {why}; ignored", self.plan.response_topic);
            if self.strays == STRAYS_SHOWN {
                text.push_str(", and more of this is not shown");
            }
            self.diagnostics.warn(&text);
        }
    }

    fn time_is_up(&mut self) -> Result<(), Error> {
        if self.takes_the_first() {
            self.goodbye = Some(Reason::DISCONNECT_WITH_WILL);
        }
        let now = Instant::now();
        let within = format!(
            " within {} s",
            self.plan.timeout.unwrap_or_default().as_secs_f64()
        );
        let expired = self.outstanding.expire(now);
        self.unanswered(&expired, &within);
        if !self.ready && self.ready_by.is_some_and(|by| by <= now) {
            let what = match self.client.session().times_accepted() {
                0 => "no connection",
                _ => "no subscription to the replies",
            };
            return Err(Error::TimedOut(format!("{what}{within}")));
        }
        Ok(())
    }

    /// Notes requests that will not get their replies; `why` goes behind "no reply to the request".
    fn unanswered(&mut self, requests: &[Unanswered], why: &str) {
        for request in requests {
            let replies = match (request.replies, self.plan.replies) {
                (0, _) => "no reply".to_owned(),
                (came, wanted) => format!("{came} of {wanted} replies"),
            };
            let name = self.name(request.number);
            let topic = &self.plan.template.topic;
            self.why = format!("{replies} to {name} to '{topic}'{why}");
            if self.plan.many {
                self.diagnostics.warn(&self.why);
            }
            self.unanswered += 1;
            if self.named.len() < NAMED {
                self.named.push(request.number);
            }
        }
    }
}
