//! The answering side: each request runs a command, and what it prints is the reply.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use crate::cli::request::RequestArgs;
use crate::client::{Client, ClientEvent, ConnectionPlan};
use crate::commands::job::{self, JobError, Output};
use crate::commands::subscription::{self, Subscriptions};
use crate::commands::{connect, ending, sleep_until};
use crate::dialect::Dialect;
use crate::error::{Error, Refusal};
use crate::mqtt::packet::{Message, Publish};
use crate::mqtt::properties::{Place, Properties, Property, PropertyId};
use crate::mqtt::reason::Reason;
use crate::mqtt::session::{Event, Observer, PublishError, SessionError};
use crate::mqtt::text::Text;
use crate::mqtt::{QoS, Version, topic};
use crate::output::Diagnostics;
use crate::signal::{Signal, Signals};

/// Requests that are read while all jobs are busy, so that the connection is read and its end noticed.
const READ_AHEAD: usize = 100;
/// Nothing more is read once as many bytes of requests wait for a job.
const READ_AHEAD_BYTES: usize = 1 << 20;
/// Bytes of requests that may wait for a job. Only while replies wait for an acknowledgement do more
/// come in than are read ahead.
const MAX_WAITING: usize = 64 << 20;
/// What a request takes beside its topic and payload, about.
const OVERHEAD: usize = 256;

/// What `rr --serve` is to do, checked.
pub struct ServePlan {
    connection: ConnectionPlan,
    subscriptions: Subscriptions,
    command: Arc<str>,
    /// Where replies go to requests that do not say.
    response_topic: Option<Text>,
    /// Every reply, but for topic, payload and correlation data.
    template: Message,
    jobs: usize,
    count: Option<u64>,
    timeout: Option<Duration>,
    disconnect: Properties,
}

pub fn plan(args: RequestArgs) -> Result<ServePlan, Error> {
    let exchange = &args.exchange;
    let version = connect::version_or(Version::V5, &args.connection, &[])?;
    let filters = connect::filters(&exchange.topics, args.connection.broker.url.as_ref())?;
    if filters.is_empty() {
        return Err(Error::usage(
            "no topic filter given",
            "say with -t which requests to answer, such as -t 'service/#'",
        ));
    }
    let response_topic = match &exchange.response_topic {
        Some(typed) => Some(connect::topic_name("-e", typed)?),
        None if version.has_properties() => None,
        None => {
            return Err(Error::usage(
                format!("a request of MQTT {version} does not say where its reply is to go"),
                "give the topic for all replies with -e, or leave out -V",
            ));
        }
    };
    if let Some(reply) = &response_topic
        && let Some(filter) = filters
            .iter()
            .find(|filter| topic::matches(filter.as_str(), reply.as_str()))
    {
        return Err(Error::usage(
            format!("-e: the replies to '{reply}' would match '{filter}' and be requests again"),
            "give a topic with -e that no -t matches",
        ));
    }
    let properties = &args.connection.properties;
    connect::no_properties_of("rr", properties, &[Place::Unsubscribe])?;
    let template = properties.of(Place::Publish);
    if template.get(PropertyId::CorrelationData).is_some() {
        return Err(Error::usage(
            "-D publish correlation-data: a reply has that of its request",
            "leave it out",
        ));
    }
    let list = filters
        .into_iter()
        .map(|filter| super::subscription(filter, exchange.qos))
        .collect();
    Ok(ServePlan {
        subscriptions: Subscriptions::new(list, properties.of(Place::Subscribe)),
        command: args.serve.exec.unwrap_or_default().into(),
        response_topic,
        template: Message {
            qos: exchange.qos,
            properties: template,
            ..Message::default()
        },
        jobs: usize::from(args.serve.jobs),
        count: args.serve.count,
        timeout: exchange.timeout.map(|span| span.0),
        disconnect: properties.of(Place::Disconnect),
        connection: connect::plan(&args.connection, version, Dialect::Native)?,
    })
}

/// A request with the place where its reply goes.
struct Request {
    message: Message,
    response_topic: Text,
}

impl Request {
    fn size(&self) -> usize {
        self.message.topic.len() + self.message.payload.len() + OVERHEAD
    }
}

/// Replies at QoS 0, which have arrived when the broker answers a PINGREQ behind them.
#[derive(Default)]
struct Confirmation {
    /// Given to the session since the last PINGREQ, and before it.
    new: u64,
    asked: u64,
    /// On connections that broke before the answer.
    unknown: u64,
}

impl Confirmation {
    fn is_open(&self) -> bool {
        self.new + self.asked > 0
    }

    /// Whether a PINGREQ is wanted, which then is on its way.
    fn ask(&mut self) -> bool {
        let wanted = self.asked == 0 && self.new > 0;
        if wanted {
            self.asked = std::mem::take(&mut self.new);
        }
        wanted
    }

    fn broke(&mut self) {
        self.unknown += std::mem::take(&mut self.asked) + std::mem::take(&mut self.new);
    }
}

/// A job that has ended.
struct Ended {
    request: Request,
    result: Result<Bytes, JobError>,
}

pub struct Server<'a> {
    client: Client,
    plan: ServePlan,
    diagnostics: &'a Diagnostics,
    running: JoinSet<Ended>,
    /// Dropped to end what runs.
    stop: watch::Sender<()>,
    /// Requests for which no job is free.
    waiting: VecDeque<Request>,
    waiting_bytes: usize,
    /// Replies that could not be published yet.
    replies: VecDeque<Message>,
    /// What has become of replies at QoS 0.
    delivery: Confirmation,
    /// Requests that counted, and those of them that got no reply.
    taken: u64,
    unanswered: u64,
    /// Why the broker did not take a reply.
    refusal: Option<Error>,
    answer_due: bool,
}

impl<'a> Server<'a> {
    pub fn new(plan: ServePlan, trace: Option<Observer>, diagnostics: &'a Diagnostics) -> Self {
        Self {
            client: Client::new(plan.connection.clone(), trace),
            plan,
            diagnostics,
            running: JoinSet::new(),
            stop: watch::Sender::new(()),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            replies: VecDeque::new(),
            delivery: Confirmation::default(),
            taken: 0,
            unanswered: 0,
            refusal: None,
            answer_due: false,
        }
    }

    pub async fn run(mut self, mut signals: Signals) -> Result<(), Error> {
        let deadline = self.plan.timeout.map(|time| Instant::now() + time);
        let result = loop {
            if let Err(error) = self.take_what_is_there() {
                break Err(error);
            }
            self.start_jobs();
            self.send_replies();
            if self.is_done() {
                return self.finish().await;
            }
            if let Err(error) = self.confirm() {
                break Err(error.into());
            }
            let reading = self.may_read();
            tokio::select! {
                event = self.client.next(reading) => {
                    if let Err(error) = event.and_then(|event| self.handle(event)) {
                        break Err(error);
                    }
                }
                Some(ended) = self.running.join_next() => self.job_ended(ended),
                () = sleep_until(deadline) => break self.time_is_up(),
                signal = signals.next() => break self.interrupted(signal),
            }
        };
        self.end_jobs(&mut signals).await;
        ending::goodbye(self.client, Some(Reason::SUCCESS), self.plan.disconnect).await;
        result
    }

    /// Requests that are under way in any form.
    fn under_way(&self) -> usize {
        self.running.len() + self.waiting.len() + self.replies.len()
    }

    fn has_all(&self) -> bool {
        self.plan.count.is_some_and(|count| self.taken >= count)
    }

    /// When enough requests wait nothing is read, so the broker is slowed; but the acknowledgements
    /// that replies wait for must be.
    fn may_read(&mut self) -> bool {
        let session = self.client.session();
        let acknowledgement_wanted = session.unacknowledged() > 0 && session.room() == 0;
        self.takes_requests() || acknowledgement_wanted
    }

    fn takes_requests(&self) -> bool {
        let few = self.under_way() < self.plan.jobs + READ_AHEAD;
        (few && self.waiting_bytes < READ_AHEAD_BYTES) || self.has_all()
    }

    fn take_what_is_there(&mut self) -> Result<(), Error> {
        while self.takes_requests() {
            match self.client.try_next()? {
                Some(event) => self.handle(event)?,
                None => break,
            }
        }
        Ok(())
    }

    fn has_answered_all(&self) -> bool {
        self.has_all() && self.under_way() == 0
    }

    fn is_done(&mut self) -> bool {
        self.has_answered_all()
            && !self.delivery.is_open()
            && self.client.session().unacknowledged() == 0
    }

    /// Asks whether the last replies have arrived.
    fn confirm(&mut self) -> Result<(), SessionError> {
        match self.has_answered_all() && self.delivery.ask() {
            true => self.client.session().ping(),
            false => Ok(()),
        }
    }

    fn handle(&mut self, event: ClientEvent) -> Result<(), Error> {
        match event {
            ClientEvent::Connected { resumed } => {
                let anew = subscription::connected(&mut self.client, resumed, self.diagnostics);
                if anew || self.answer_due {
                    self.answer_due = self
                        .plan
                        .subscriptions
                        .ask(&mut self.client, Dialect::Native)?;
                }
            }
            ClientEvent::Session(Event::Subscribed(answer)) => {
                self.answer_due = false;
                self.plan
                    .subscriptions
                    .judge(&answer, false, self.diagnostics)?;
            }
            ClientEvent::Session(Event::Message(publish, _)) => self.message(publish),
            ClientEvent::Retrying { why, pause, hint } => {
                self.delivery.broke();
                self.diagnostics.retrying(&why, pause, hint.as_deref());
            }
            ClientEvent::Session(Event::Pong) => self.delivery.asked = 0,
            ClientEvent::Session(Event::Acknowledged(ack)) if ack.reason.is_error() => {
                let why = Refusal::of(ack.reason, &ack.properties);
                self.refused("a reply", why);
            }
            ClientEvent::Session(Event::Undeliverable { error, .. }) => {
                self.refused("a reply", error);
            }
            other => subscription::aside(other, self.diagnostics),
        }
        Ok(())
    }

    fn message(&mut self, publish: Publish) {
        if self.has_all() {
            return;
        }
        let message = publish.message;
        let named = message.properties.text(PropertyId::ResponseTopic);
        let Some(response_topic) = named.or(self.plan.response_topic.as_ref()).cloned() else {
            self.diagnostics.warn(&format!(
                "a request on '{}' has no response topic; ignored",
                message.topic
            ));
            return;
        };
        let request = Request {
            message,
            response_topic,
        };
        let size = request.size();
        if !self.waiting.is_empty() && self.waiting_bytes + size > MAX_WAITING {
            self.diagnostics.warn(&format!(
                "a request on '{}' comes while {} others wait; ignored",
                request.message.topic,
                self.waiting.len()
            ));
            return;
        }
        self.taken += 1;
        self.waiting_bytes += size;
        self.waiting.push_back(request);
    }

    fn start_jobs(&mut self) {
        while self.running.len() < self.plan.jobs
            && let Some(request) = self.waiting.pop_front()
        {
            self.waiting_bytes -= request.size();
            let command = Arc::clone(&self.plan.command);
            let output = Output::Captured(self.client.session().limits().maximum_packet_size);
            let stop = self.stop.subscribe();
            self.running.spawn(async move {
                let message = &request.message;
                let stdin = message.payload.clone();
                let result = job::run(&command, message, stdin, output, stop).await;
                Ended { request, result }
            });
        }
    }

    fn job_ended(&mut self, ended: Result<Ended, JoinError>) {
        let Ended { request, result } = match ended {
            Ok(ended) => ended,
            Err(error) => {
                self.unanswered += 1;
                return self
                    .diagnostics
                    .warn(&format!("a request was lost: {error}"));
            }
        };
        match result {
            Ok(payload) => {
                let mut properties = self.plan.template.properties.clone();
                if let Some(data) = request.message.properties.get(PropertyId::CorrelationData) {
                    // It came in a packet, so it is valid, and the template has none.
                    if let Ok(property) = Property::new(PropertyId::CorrelationData, data.clone()) {
                        let _ = properties.push(Place::Publish, property);
                    }
                }
                self.replies.push_back(Message {
                    topic: request.response_topic,
                    payload,
                    properties,
                    ..self.plan.template.clone()
                });
            }
            Err(error) => {
                self.unanswered += 1;
                self.diagnostics.warn(&format!(
                    "no reply to a request on '{}': {error}",
                    request.message.topic
                ));
            }
        }
    }

    fn send_replies(&mut self) {
        while let Some(mut reply) = self.replies.pop_front() {
            match self.client.session().publish_from(&mut reply, 0) {
                Ok(_) if reply.qos == QoS::AtMostOnce => self.delivery.new += 1,
                Ok(_) => {}
                Err(PublishError::WindowFull | PublishError::NotConnected) => {
                    self.replies.push_front(reply);
                    return;
                }
                Err(error) => {
                    let name = format!("the reply to '{}'", reply.topic);
                    self.refused(&name, error.to_string());
                }
            }
        }
    }

    /// The broker does not take a reply; the next may fare better.
    fn refused(&mut self, name: &str, why: impl Into<Refusal>) {
        let why = why.into();
        self.diagnostics
            .warn(&format!("the broker refused {name}: {why}"));
        let topic = "a response topic".to_owned();
        self.refusal
            .get_or_insert(Error::PublishRefused { topic, why });
    }

    /// The requests of `-C` are all answered, as far as the command did.
    async fn finish(mut self) -> Result<(), Error> {
        ending::goodbye(self.client, Some(Reason::SUCCESS), self.plan.disconnect).await;
        if let Some(refusal) = self.refusal.take() {
            return Err(refusal);
        }
        if self.unanswered > 0 {
            return Err(Error::Unanswered {
                unanswered: self.unanswered,
                total: self.taken,
            });
        }
        match self.delivery.unknown {
            0 => Ok(()),
            unknown => Err(Error::ConnectionLost(format!(
                "the connection broke, so {unknown} of {} replies may be lost",
                self.taken
            ))),
        }
    }

    fn time_is_up(&mut self) -> Result<(), Error> {
        let seconds = self.plan.timeout.unwrap_or_default().as_secs_f64();
        if self.client.session().times_accepted() == 0 {
            return Err(Error::TimedOut(format!("no connection within {seconds} s")));
        }
        match self.plan.count {
            // To serve for so long was all that was asked for.
            None => self.refusal.take().map_or(Ok(()), Err),
            Some(count) => Err(Error::TimedOut(format!(
                "{} of {count} requests within {seconds} s",
                self.done()
            ))),
        }
    }

    fn interrupted(&mut self, signal: Signal) -> Result<(), Error> {
        match self.plan.count {
            None if self.client.session().times_accepted() > 0 => Ok(()),
            count => {
                let what = count.map(|count| format!("{} of {count} requests done", self.done()));
                Err(Error::Interrupted(signal, what))
            }
        }
    }

    fn done(&self) -> u64 {
        self.taken - self.under_way() as u64
    }

    /// Ends what still runs; a further signal ends the waiting, and with it the commands, for good.
    async fn end_jobs(&mut self, signals: &mut Signals) {
        self.stop = watch::Sender::new(());
        loop {
            tokio::select! {
                ended = self.running.join_next() => match ended {
                    Some(ended) => self.job_ended(ended),
                    None => return,
                },
                _ = signals.next() => return self.running.abort_all(),
            }
        }
    }
}
