//! `mozzie sub`: from topic filters to messages on stdout.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::subscription::{self, Subscriptions};
use super::{connect, display, ending, sleep_until};
use crate::cli::subscribe::SubscribeArgs;
use crate::client::{Client, ClientEvent, ConnectionPlan, Reconnect};
use crate::dialect::Dialect;
use crate::error::{Error, Verdict, with_details};
use crate::mqtt::QoS;
use crate::mqtt::packet::{Message, Publish, RetainHandling, SubAck, Subscription};
use crate::mqtt::properties::{Place, Properties};
use crate::mqtt::reason::Reason;
use crate::mqtt::session::{Event, Observer};
use crate::mqtt::text::Text;
use crate::mqtt::topic;
use crate::output::{Diagnostics, Display, Stdout, Trace};
use crate::signal::{Signal, Signals};

/// What `sub` is to do, checked.
struct SubscribePlan {
    connection: ConnectionPlan,
    subscriptions: Subscriptions,
    unsubscribe: Vec<Text>,
    unsubscribe_properties: Properties,
    disconnect: Properties,
    filter_out: Vec<Text>,
    retained: Retained,
    remove_retained: bool,
    stop: Stop,
    /// Of the messages that count, how many in a hundred are printed.
    random_percent: Option<f64>,
    display: Display,
}

/// Which messages count, by their retain flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Retained {
    All,
    None,
    /// And the first that is not ends it.
    Only,
}

#[derive(Debug, Clone, Copy)]
struct Stop {
    count: Option<u64>,
    timeout: Option<Duration>,
    after_suback: bool,
}

pub fn run(args: SubscribeArgs, diagnostics: &Diagnostics) -> Result<(), Error> {
    let dialect = diagnostics.dialect();
    let mixed_in = (args.debug.debug && !dialect.is_native()).then(Trace::default);
    let trace = args.debug.debug.then(|| match &mixed_in {
        Some(trace) => trace.observer(),
        None => diagnostics.tracer(),
    });
    let plan = plan(args, dialect)?;
    super::runtime()?.block_on(async {
        let signals = Signals::new().map_err(|e| Error::io("cannot catch signals", e))?;
        let stdout = Stdout::new().map_err(|e| Error::io("cannot start writing", e))?;
        Subscriber::new(plan, stdout, trace, mixed_in, diagnostics)
            .run(signals)
            .await
    })
}

fn plan(args: SubscribeArgs, dialect: Dialect) -> Result<SubscribePlan, Error> {
    let retained = &args.retained;
    let version = connect::version(
        &args.connection,
        &[
            ("--no-local", args.subscription.no_local),
            ("--retain-as-published", retained.retain_as_published),
            ("--retain-handling", retained.retain_handling.is_some()),
        ],
    )?;
    let filters = connect::filters(
        &args.subscription.topics,
        args.connection.broker.url.as_ref(),
    )?;
    let list = |option: &str, typed: &[String]| -> Result<Vec<Text>, Error> {
        typed
            .iter()
            .map(|filter| connect::topic_filter(option, filter))
            .collect()
    };
    let unsubscribe = list("-U", &args.subscription.unsubscribe)?;
    if filters.is_empty() && unsubscribe.is_empty() {
        return Err(Error::usage(
            "no topic filter given",
            "give one with -t, such as -t 'home/#'",
        ));
    }
    let shared = filters
        .iter()
        .find(|filter| filter.as_str().starts_with("$share/"));
    if let (true, Some(filter)) = (args.subscription.no_local, shared) {
        // [MQTT-3.8.3-4]
        return Err(Error::usage(
            format!("--no-local cannot go with the shared subscription '{filter}'"),
            "leave out --no-local",
        ));
    }
    let properties = &args.connection.properties;
    if !properties.of(Place::Publish).is_empty() {
        return Err(Error::usage(
            "-D publish: sub publishes no messages of its own",
            "leave it out",
        ));
    }
    let subscriptions = filters
        .into_iter()
        .map(|filter| Subscription {
            filter,
            qos: args.subscription.qos,
            no_local: args.subscription.no_local,
            retain_as_published: retained.retain_as_published,
            retain_handling: retained
                .retain_handling
                .map_or(RetainHandling::Always, Into::into),
        })
        .collect();
    let mut connection = connect::plan(&args.connection, version, dialect)?;
    if !dialect.is_native() {
        connection.reconnect = Reconnect::WhenReached;
    }
    Ok(SubscribePlan {
        subscriptions: Subscriptions {
            list: subscriptions,
            properties: properties.of(Place::Subscribe),
        },
        unsubscribe,
        unsubscribe_properties: properties.of(Place::Unsubscribe),
        disconnect: properties.of(Place::Disconnect),
        filter_out: list("-T", &args.subscription.filter_out)?,
        retained: match (retained.no_retained, retained.retained_only) {
            (true, _) => Retained::None,
            (_, true) => Retained::Only,
            _ => Retained::All,
        },
        remove_retained: retained.remove_retained,
        stop: Stop {
            count: args.stop.count,
            timeout: args.stop.timeout.map(|span| span.0),
            after_suback: args.stop.exit_after_suback,
        },
        display: display::plan(&args, &connection.endpoint, dialect)?,
        random_percent: args.subscription.random_filter.map(|percent| percent.0),
        connection,
    })
}

struct Subscriber<'a> {
    client: Client,
    plan: SubscribePlan,
    stdout: Stdout,
    /// Packets that are shown among the messages.
    trace: Option<Trace>,
    diagnostics: &'a Diagnostics,
    /// Messages that counted.
    count: u64,
    /// Answers from the broker that are still due.
    answers_due: usize,
    /// Retained messages to be removed for which the window had no room.
    to_remove: Vec<Text>,
    /// No more messages are wanted.
    enough: bool,
    /// Every subscription was refused, or a removal was.
    refusal: Option<Error>,
    /// How we take our leave.
    goodbye: Reason,
}

impl<'a> Subscriber<'a> {
    fn new(
        plan: SubscribePlan,
        stdout: Stdout,
        observer: Option<Observer>,
        trace: Option<Trace>,
        diagnostics: &'a Diagnostics,
    ) -> Self {
        Self {
            client: Client::new(plan.connection.clone(), observer),
            plan,
            stdout,
            trace,
            diagnostics,
            count: 0,
            answers_due: 0,
            to_remove: Vec::new(),
            enough: false,
            refusal: None,
            goodbye: Reason::SUCCESS,
        }
    }

    async fn run(mut self, mut signals: Signals) -> Result<(), Error> {
        let start = Instant::now();
        let deadline = self.plan.stop.timeout.map(|time| start + time);
        let out = self.stdout.buffer();
        self.plan.display.begin(start.into_std(), out);
        loop {
            while !self.stdout.is_full() && !self.enough {
                match self.client.try_next() {
                    Ok(Some(event)) => {
                        if let Err(error) = self.handle(event) {
                            return self.leave(signals, Err(error)).await;
                        }
                    }
                    Ok(None) => break,
                    Err(error) => return self.leave(signals, Err(error)).await,
                }
                if self.stdout.has_batch() {
                    self.stdout.flush();
                }
            }
            self.show_trace();
            // Nothing more is waiting: a reader of the pipe sees what has come.
            self.stdout.flush();
            if let Err(error) = self.remove_waiting() {
                return self.leave(signals, Err(error)).await;
            }
            if self.is_done() {
                return self.end(signals).await;
            }
            let reading = !self.stdout.is_full() && !self.enough;
            let turn = self.plan.display.due().map(Instant::from);
            let reading = reading || self.client.session().unacknowledged() > 0;
            tokio::select! {
                event = self.client.next(reading) => {
                    if let Err(error) = event.and_then(|event| self.handle(event)) {
                        return self.leave(signals, Err(error)).await;
                    }
                }
                written = self.stdout.ready(), if self.stdout.is_writing() => {
                    if let Err(error) = written {
                        return self.leave(signals, ending::output_result(Err(error))).await;
                    }
                }
                () = sleep_until(turn), if turn.is_some() => {
                    // The end of the last second is that of all, which has its own line.
                    if deadline.is_none_or(|deadline| Instant::now() < deadline) {
                        self.turn();
                    }
                }
                () = sleep_until(deadline), if deadline.is_some() => return self.time_is_up(signals).await,
                signal = signals.next() => return self.interrupted(signal, signals).await,
            }
        }
    }

    /// Time has passed for what is shown.
    fn turn(&mut self) {
        let idle = !self.stdout.is_writing();
        let now = std::time::Instant::now();
        self.plan.display.turn(now, idle, self.stdout.buffer());
    }

    fn is_done(&mut self) -> bool {
        self.refusal.is_some()
            || (self.enough
                && self.to_remove.is_empty()
                && self.client.session().unacknowledged() == 0)
    }

    /// Packets first, then what is printed because of them.
    fn show_trace(&mut self) {
        if let Some(trace) = &self.trace {
            trace.drain(self.stdout.buffer());
        }
    }

    fn handle(&mut self, event: ClientEvent) -> Result<(), Error> {
        self.show_trace();
        match event {
            ClientEvent::Connected { resumed } => {
                self.plan.display.note("");
                let anew = subscription::connected(&mut self.client, resumed, self.diagnostics);
                if anew || self.answers_due > 0 {
                    self.subscribe()?;
                }
            }
            ClientEvent::Retrying { why, pause } => {
                if !self.plan.display.note(&why) {
                    self.diagnostics.retrying(&why, pause);
                }
            }
            ClientEvent::Drained => {}
            ClientEvent::Session(Event::Message(publish)) => self.message(&publish),
            ClientEvent::Session(Event::Subscribed(answer)) => self.subscribed(&answer),
            ClientEvent::Session(Event::Unsubscribed(answer)) => self.unsubscribed(&answer),
            ClientEvent::Session(Event::Acknowledged(ack)) if ack.reason.is_error() => {
                let why = with_details(ack.reason.to_string(), &ack.properties);
                self.refusal = Some(Error::PublishRefused {
                    topic: "a retained message's topic".to_owned(),
                    why,
                });
            }
            ClientEvent::Session(Event::Undeliverable { error, .. }) => {
                self.refusal = Some(Error::refused("a retained message's topic", &error));
            }
            ClientEvent::Odd(what) => self.diagnostics.warn(&what),
            // An acknowledged removal; the rest the client keeps to itself.
            ClientEvent::Session(
                Event::Acknowledged(_)
                | Event::Unexpected { .. }
                | Event::Connected(_)
                | Event::Auth(_)
                | Event::Disconnected(_),
            ) => {}
        }
        Ok(())
    }

    fn subscribe(&mut self) -> Result<(), Error> {
        self.answers_due = usize::from(self.plan.subscriptions.ask(&mut self.client)?);
        // mosquitto_sub sends one packet for each filter.
        let at_once = match self.diagnostics.dialect() {
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
        let all_are_needed = self.plan.stop.after_suback;
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
            self.refusal = Some(Error::SubscribeRefused(String::new()));
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
        // With nothing subscribed to, the answer is all that can come; mosquitto_sub waits on.
        let only_unsubscribes = self.plan.subscriptions.list.is_empty()
            && self.plan.connection.settings.clean_start
            && self.diagnostics.dialect().is_native();
        if self.answers_due == 0 && (self.plan.stop.after_suback || only_unsubscribes) {
            self.enough = true;
        }
    }

    fn message(&mut self, publish: &Publish) {
        if self.enough {
            return;
        }
        // mosquitto_sub then does nothing else with messages, and no limit counts them.
        if let Display::Rate(rate) = &mut self.plan.display
            && !self.diagnostics.dialect().is_native()
        {
            rate.count();
            return;
        }
        let message = &publish.message;
        let left_out = self
            .plan
            .filter_out
            .iter()
            .any(|filter| topic::matches(filter.as_str(), message.topic.as_str()));
        if self.plan.remove_retained && message.retain && !message.payload.is_empty() && !left_out {
            self.to_remove.push(message.topic.clone());
        }
        match (self.plan.retained, message.retain) {
            (Retained::None, true) => return,
            (Retained::Only, false) => {
                self.enough = true;
                return;
            }
            _ => {}
        }
        if left_out {
            return;
        }
        let shown = self
            .plan
            .random_percent
            .is_none_or(|percent| fastrand::f64() * 100.0 < percent);
        let out = self.stdout.buffer();
        if shown {
            let diagnostics = self.diagnostics;
            self.plan.display.show(publish, out, &mut |complaint| {
                diagnostics.complain(&complaint);
            });
        } else {
            self.plan.display.leave_out(publish, out);
        }
        self.count += 1;
        if self
            .plan
            .stop
            .count
            .is_some_and(|count| self.count >= count)
        {
            self.enough = true;
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

    /// What was asked for is done.
    async fn end(mut self, signals: Signals) -> Result<(), Error> {
        match self.refusal.take() {
            Some(refusal) => self.leave(signals, Err(refusal)).await,
            None => self.leave(signals, Ok(())).await,
        }
    }

    async fn time_is_up(mut self, signals: Signals) -> Result<(), Error> {
        let connected = self.client.session().times_accepted() > 0;
        if !self.diagnostics.dialect().is_native() {
            self.goodbye = Reason::DISCONNECT_WITH_WILL;
            let end = match connected {
                true => Error::TimedOut(String::new()),
                false => Verdict::silent(u8::MAX).into(),
            };
            return self.leave(signals, Err(end)).await;
        }
        let seconds = self.plan.stop.timeout.unwrap_or_default().as_secs_f64();
        let missed = match (connected, self.plan.stop.count) {
            (false, _) => format!("no connection within {seconds} s"),
            (true, Some(count)) => format!("{} of {count} messages within {seconds} s", self.count),
            (true, None) if self.count == 0 => format!("no message within {seconds} s"),
            // To listen for so long was all that was asked for.
            (true, None) => return self.leave(signals, Ok(())).await,
        };
        self.leave(signals, Err(Error::TimedOut(missed))).await
    }

    async fn interrupted(mut self, signal: Signal, signals: Signals) -> Result<(), Error> {
        let accepted = self.client.session().times_accepted() > 0;
        if !self.diagnostics.dialect().is_native() {
            self.goodbye = Reason::DISCONNECT_WITH_WILL;
            let result = match accepted {
                true => Ok(()),
                false => Err(Verdict::silent(u8::MAX).into()),
            };
            return self.leave(signals, result).await;
        }
        let unlimited = self.plan.stop.count.is_none() && self.plan.stop.timeout.is_none();
        if unlimited && accepted {
            return self.leave(signals, Ok(())).await;
        }
        let count = self.plan.stop.count;
        let what = count.map(|count| format!("{} of {count} messages received", self.count));
        let result = Err(Error::Interrupted(signal, what));
        self.leave(signals, result).await
    }

    async fn leave(mut self, signals: Signals, result: Result<(), Error>) -> Result<(), Error> {
        let connected = self.client.session().times_accepted() > 0;
        let now = std::time::Instant::now();
        self.plan.display.end(connected, now, self.stdout.buffer());
        ending::leave(
            self.client,
            (Some(self.goodbye), self.plan.disconnect),
            self.stdout,
            self.trace,
            signals,
            result,
        )
        .await
    }
}
