//! `mozzie pub`: from a source of payloads to acknowledged messages.

use bytes::Bytes;
use tokio::time::Instant;

use super::{connect, ending, input, sleep_until};
use crate::cli::publish::PublishArgs;
use crate::client::{Client, ClientEvent, ConnectionPlan, Reconnect};
use crate::dialect::Dialect;
use crate::error::{Error, Verdict, mosquitto_reason, with_details};
use crate::mqtt::QoS;
use crate::mqtt::packet::Message;
use crate::mqtt::properties::{Place, Properties, PropertyId};
use crate::mqtt::reason::Reason;
use crate::mqtt::session::{Acknowledged, Event, Observer, PublishError};
use crate::output::Diagnostics;
use crate::payload::{Feed, Source};
use crate::signal::{Signal, Signals};

/// Output that is gathered before it is written.
const BATCH: usize = 64 * 1024;

/// What `pub` is to do, checked.
struct PublishPlan {
    connection: ConnectionPlan,
    /// Every message, but for its payload.
    template: Message,
    source: Source,
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
        disconnect: properties.of(Place::Disconnect),
    })
}

/// What has become of the messages.
#[derive(Debug, Default)]
struct Tally {
    /// Taken from the source.
    total: u64,
    /// QoS 1 and 2: acknowledged. QoS 0: written and flushed.
    delivered: u64,
    /// QoS 0 messages that were written to the session and have not been flushed.
    on_their_way: u64,
    /// QoS 0 messages of which nobody knows: the connection broke under them.
    unknown: u64,
    refused: u64,
    /// Why the first one was refused.
    refusal: Option<String>,
}

struct Publisher<'a> {
    client: Client,
    template: Message,
    feed: Feed,
    disconnect: Properties,
    diagnostics: &'a Diagnostics,
    tally: Tally,
    connected: bool,
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
            disconnect: plan.disconnect,
            diagnostics,
            tally: Tally::default(),
            connected: false,
            verdict: None,
            pause_until: None,
        }
    }

    async fn run(mut self, mut signals: Signals) -> Result<(), Error> {
        loop {
            loop {
                match self.client.try_next() {
                    Ok(Some(event)) => self.handle(event),
                    Ok(None) => break,
                    Err(error) => return Err(self.broken_off(error)),
                }
            }
            self.publish_what_fits();
            if self.is_done() {
                return self.finish().await;
            }
            let pause_until = self.pause_until;
            tokio::select! {
                event = self.client.next(true) => match event {
                    Ok(event) => self.handle(event),
                    Err(error) => return Err(self.broken_off(error)),
                },
                () = self.feed.ready(), if self.feed.is_waiting() => {}
                () = sleep_until(pause_until), if pause_until.is_some() => self.pause_until = None,
                signal = signals.next() => return self.interrupted(signal).await,
            }
        }
    }

    fn handle(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::Connected { .. } => self.connected = true,
            ClientEvent::Retrying { why, pause } => {
                self.connected = false;
                self.tally.unknown += std::mem::take(&mut self.tally.on_their_way);
                self.diagnostics.retrying(&why, pause);
            }
            ClientEvent::Drained => {
                let flushed = std::mem::take(&mut self.tally.on_their_way);
                self.tally.delivered += flushed;
                if flushed > 0 {
                    self.begin_pause();
                }
            }
            ClientEvent::Session(Event::Acknowledged(ack)) => {
                if ack.reason.is_error() && !self.diagnostics.dialect().is_native() {
                    self.warn_as_mosquitto(&ack);
                } else if ack.reason.is_error() {
                    let why = with_details(ack.reason.to_string(), &ack.properties);
                    self.refuse(why);
                } else {
                    self.tally.delivered += 1;
                }
                self.begin_pause();
            }
            ClientEvent::Session(Event::Undeliverable { error, .. }) => {
                self.refuse(error.to_string());
            }
            ClientEvent::Odd(what) => self.diagnostics.warn(&what),
            // Nothing is subscribed to.
            ClientEvent::Session(_) => {}
        }
    }

    /// mosquitto_pub warns of a refused message, goes on, and ends with 0.
    fn warn_as_mosquitto(&mut self, ack: &Acknowledged) {
        self.tally.delivered += 1;
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
            && self.pause_until.is_none()
            && self.client.session().output().len() < BATCH
        {
            let in_flight =
                self.tally.on_their_way > 0 || self.client.session().unacknowledged() > 0;
            if serial && in_flight {
                return;
            }
            if self.template.qos != QoS::AtMostOnce && self.client.session().room() == 0 {
                return;
            }
            let Some(payload) = self.feed.next() else {
                return;
            };
            self.publish(payload);
        }
    }

    fn publish(&mut self, payload: Bytes) {
        let message = Message {
            payload: payload.clone(),
            ..self.template.clone()
        };
        match self.client.session().publish(message, 0) {
            Ok(_) => {
                self.tally.total += 1;
                if self.template.qos == QoS::AtMostOnce {
                    self.tally.on_their_way += 1;
                }
            }
            Err(PublishError::WindowFull | PublishError::NotConnected) => {
                self.feed.put_back(payload);
            }
            Err(PublishError::QosNotSupported { .. })
                if !self.diagnostics.dialect().is_native() =>
            {
                self.verdict = Some(Verdict::qos_not_supported());
                self.feed.stop();
            }
            // mosquitto_pub leaves the flag out and says nothing.
            Err(PublishError::RetainNotSupported) if !self.diagnostics.dialect().is_native() => {
                self.template.retain = false;
                self.feed.put_back(payload);
            }
            Err(error) => {
                self.tally.total += 1;
                self.refuse(error.to_string());
            }
        }
    }

    fn refuse(&mut self, why: String) {
        self.tally.refused += 1;
        if self.tally.refusal.is_none() {
            self.tally.refusal = Some(why);
        }
        // More of the same would be refused as well.
        self.feed.stop();
    }

    fn is_done(&mut self) -> bool {
        self.feed.has_ended()
            && self.tally.on_their_way == 0
            && self.client.session().unacknowledged() == 0
    }

    async fn finish(mut self) -> Result<(), Error> {
        let linger = self.template.qos == QoS::AtMostOnce && self.tally.total > 0;
        let closed = self
            .client
            .close(Some(Reason::SUCCESS), self.disconnect, linger)
            .await;
        let tally = self.tally;
        if let Some(verdict) = self.verdict {
            return Err(verdict.into());
        }
        if let Some(why) = tally.refusal {
            let topic = self.template.topic.to_string();
            let why = if tally.total > 1 {
                format!(
                    "{why}; {} of {} messages acknowledged",
                    tally.delivered, tally.total
                )
            } else {
                why
            };
            return Err(Error::PublishRefused { topic, why });
        }
        if let Some(error) = self.feed.take_error() {
            return Err(Error::io(
                format!("cannot read more of stdin after {} messages", tally.total),
                error,
            ));
        }
        if tally.unknown > 0 {
            return Err(Error::NotAcknowledged {
                acknowledged: tally.delivered,
                total: tally.total,
                why: format!(
                    "the connection broke under {} messages of QoS 0",
                    tally.unknown
                ),
            });
        }
        match closed {
            Err(error) if linger => Err(Error::NotAcknowledged {
                acknowledged: 0,
                total: tally.total,
                why: format!("the connection did not end in order: {error}"),
            }),
            _ => Ok(()),
        }
    }

    /// An error that ends it all: what it means when messages are left.
    fn broken_off(&mut self, error: Error) -> Error {
        let open = self.tally.total - self.tally.delivered - self.tally.refused;
        if open == 0 {
            return error;
        }
        Error::NotAcknowledged {
            acknowledged: self.tally.delivered,
            total: self.tally.total,
            why: error.to_string(),
        }
    }

    async fn interrupted(self, signal: Signal) -> Result<(), Error> {
        let what = format!(
            "{} of {} messages acknowledged",
            self.tally.delivered, self.tally.total
        );
        ending::goodbye(self.client, Some(Reason::SUCCESS), self.disconnect).await;
        Err(Error::Interrupted(signal, Some(what)))
    }
}
