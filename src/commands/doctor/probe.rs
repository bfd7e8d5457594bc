//! One connection on which messages are sent round: publish, and see whether they come back.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::client::{Client, ClientEvent, ConnectionPlan};
use crate::error::{Error, Refusal};
use crate::mqtt::packet::{ConnAck, Message, Packet, Publish, Subscription};
use crate::mqtt::properties::{Place, Properties, Property, PropertyId, Value};
use crate::mqtt::session::{Event, Limits, Observer};
use crate::mqtt::text::Text;
use crate::mqtt::{QoS, Version, topic};
use crate::net::Stream;

/// Seconds after which the broker throws a retained message away itself, if nobody can any more (MQTT 5).
const RETAINED_EXPIRY: u32 = 60;

pub struct Probe {
    client: Client,
    version: Version,
    connack: ConnAck,
    login_took: Duration,
    timeout: Duration,
}

impl Probe {
    /// Sends CONNECT over a stream that is up, and waits for the answer.
    pub async fn log_in(
        plan: ConnectionPlan,
        stream: Stream,
        mut trace: Option<Observer>,
        timeout: Duration,
    ) -> Result<Self, Error> {
        let heard = Arc::new(Mutex::new(ConnAck::default()));
        let connack = Arc::clone(&heard);
        let observer: Observer = Box::new(move |sight| {
            if let Some(Packet::ConnAck(packet)) = sight.packet {
                *connack.lock().unwrap_or_else(PoisonError::into_inner) = packet.clone();
            }
            if let Some(trace) = &mut trace {
                trace(sight);
            }
        });
        let version = plan.settings.version;
        let started = Instant::now();
        let mut client = Client::over(plan, stream, Some(observer))?;
        while !matches!(client.next(true).await?, ClientEvent::Connected { .. }) {}
        let connack = heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Self {
            client,
            version,
            connack,
            login_took: started.elapsed(),
            timeout,
        })
    }

    pub fn connack(&self) -> &ConnAck {
        &self.connack
    }

    pub fn login_took(&self) -> Duration {
        self.login_took
    }

    pub fn limits(&self) -> Limits {
        Limits::from_connack(&self.connack.properties)
    }

    pub fn into_client(self) -> Client {
        self.client
    }

    /// Subscribes to one filter. Returns the QoS that the broker grants.
    pub async fn subscribe(&mut self, filter: &Text, qos: QoS) -> Result<QoS, Error> {
        self.check(filter.as_str())?;
        let subscription = Subscription {
            filter: filter.clone(),
            qos,
            ..Subscription::default()
        };
        let asked = self
            .client
            .session()
            .subscribe(vec![subscription], Properties::new())?;
        let answer = self
            .wait_for("SUBACK", |event| match event {
                Event::Subscribed(ack) if Some(ack.packet_id) == asked => Some(ack),
                _ => None,
            })
            .await?;
        match answer.reasons.first().copied().unwrap_or_default() {
            reason if reason.is_error() => {
                let refusal = Refusal::of(reason, &answer.properties);
                let text = format!("'{filter}': {refusal}");
                Err(Error::SubscribeRefused(refusal.worded(text)))
            }
            reason => Ok(match reason.0 {
                0 => QoS::AtMostOnce,
                1 => QoS::AtLeastOnce,
                _ => QoS::ExactlyOnce,
            }),
        }
    }

    /// What the broker has said in CONNACK that it has not.
    fn check(&self, filter: &str) -> Result<(), Error> {
        let limits = self.limits();
        let missing = if topic::without_share(filter) != filter && !limits.shared_subscriptions {
            "shared"
        } else if filter.contains(['+', '#']) && !limits.wildcard_subscriptions {
            "wildcard"
        } else {
            return Ok(());
        };
        let text = format!("'{filter}': the broker has no {missing} subscriptions");
        Err(Error::SubscribeRefused(text.into()))
    }

    pub async fn unsubscribe(&mut self, filter: &Text) -> Result<(), Error> {
        let asked = self
            .client
            .session()
            .unsubscribe(vec![filter.clone()], Properties::new())?;
        self.wait_for("UNSUBACK", |event| match event {
            Event::Unsubscribed(ack) if Some(ack.packet_id) == asked => Some(()),
            _ => None,
        })
        .await
    }

    /// Publishes a message and waits until it comes back from the broker, and until it is acknowledged. Returns how
    /// long it was on its way, and what came.
    pub async fn round_trip(&mut self, message: Message) -> Result<(Duration, Publish), Error> {
        let sent_at = Instant::now();
        self.send(&message)?;
        let mut acknowledged = message.qos == QoS::AtMostOnce;
        let mut came = None;
        let end = tokio::time::Instant::now() + self.timeout;
        while !acknowledged || came.is_none() {
            let what = match came {
                None => "return of the message",
                Some(_) => "acknowledgement of the message",
            };
            match self.next(what, end).await? {
                Event::Message(publish, _)
                    if publish.message.payload == message.payload
                        && publish.message.topic == message.topic =>
                {
                    came = Some((sent_at.elapsed(), publish));
                }
                event => acknowledged |= is_taken(event, &message.topic)?,
            }
        }
        came.ok_or_else(|| self.too_late("return of the message"))
    }

    /// Publishes a message and waits for its acknowledgement, if there is one.
    pub async fn publish(&mut self, message: Message) -> Result<(), Error> {
        self.send(&message)?;
        let end = tokio::time::Instant::now() + self.timeout;
        let mut acknowledged = false;
        if message.qos == QoS::AtMostOnce {
            // What stands before a ping has arrived when that is answered.
            self.client.session().ping()?;
        }
        while !acknowledged {
            let event = self.next("acknowledgement of the message", end).await?;
            acknowledged = event == Event::Pong || is_taken(event, &message.topic)?;
        }
        Ok(())
    }

    /// Waits until the retained message with this payload comes.
    pub async fn retained(&mut self, topic: &Text, payload: &Bytes) -> Result<(), Error> {
        self.wait_for("return of the retained message", |event| match event {
            Event::Message(publish, _) => {
                let message = publish.message;
                let ours = message.topic == *topic && message.payload == *payload;
                (message.retain && ours).then_some(())
            }
            _ => None,
        })
        .await
    }

    pub async fn remove_retained(&mut self, topic: &Text) -> Result<(), Error> {
        let message = self.retained_message(topic, Bytes::new());
        self.publish(message).await
    }

    /// A message to be retained; one that has a payload ends by itself where MQTT knows how.
    pub fn retained_message(&self, topic: &Text, payload: Bytes) -> Message {
        let mut properties = Properties::new();
        if self.version == Version::V5 && !payload.is_empty() {
            let expiry = Property::new(
                PropertyId::MessageExpiryInterval,
                Value::FourByte(RETAINED_EXPIRY),
            );
            // Only what clears up after us if we cannot; nothing depends on it.
            let _ = expiry.and_then(|expiry| properties.push(Place::Publish, expiry));
        }
        Message {
            topic: topic.clone(),
            payload,
            qos: QoS::AtLeastOnce.min(self.limits().maximum_qos),
            retain: true,
            properties,
        }
    }

    fn send(&mut self, message: &Message) -> Result<(), Error> {
        self.client
            .session()
            .publish(message.clone(), 0)
            .map(drop)
            .map_err(|error| Error::refused(message.topic.as_str(), &error))
    }

    async fn wait_for<T>(
        &mut self,
        what: &str,
        mut pick: impl FnMut(Event) -> Option<T>,
    ) -> Result<T, Error> {
        let end = tokio::time::Instant::now() + self.timeout;
        loop {
            if let Some(found) = pick(self.next(what, end).await?) {
                return Ok(found);
            }
        }
    }

    /// The next event of the session, unless there is none by then.
    async fn next(&mut self, what: &str, end: tokio::time::Instant) -> Result<Event, Error> {
        loop {
            match tokio::time::timeout_at(end, self.client.next(true)).await {
                Ok(Ok(ClientEvent::Session(event))) => return Ok(event),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(self.too_late(what)),
            }
        }
    }

    fn too_late(&self, what: &str) -> Error {
        Error::TimedOut(format!("no {what} within {} s", self.timeout.as_secs_f32()))
    }
}

/// Whether the event acknowledges our message; an error when the broker refuses it.
fn is_taken(event: Event, topic: &Text) -> Result<bool, Error> {
    let refused = |why: Refusal| Error::PublishRefused {
        topic: topic.to_string(),
        why,
    };
    match event {
        Event::Acknowledged(ack) if ack.reason.is_error() => {
            Err(refused(Refusal::of(ack.reason, &ack.properties)))
        }
        Event::Acknowledged(_) => Ok(true),
        Event::Undeliverable { error, .. } => Err(refused(error.to_string().into())),
        _ => Ok(false),
    }
}
