//! The checks that send messages round.

use bytes::Bytes;

use super::probe::Probe;
use super::{Examination, Passed};
use crate::error::Error;
use crate::mqtt::QoS;
use crate::mqtt::packet::Message;
use crate::mqtt::text::Text;

/// In this order.
pub(super) const NAMES: [&str; 8] = [
    SUBSCRIBE, QOS[0], QOS[1], QOS[2], RETAINED, WILDCARD, SHARED, PAYLOAD,
];

const SUBSCRIBE: &str = "subscribe";
const QOS: [&str; 3] = ["QoS 0", "QoS 1", "QoS 2"];
const RETAINED: &str = "retained";
const WILDCARD: &str = "wildcard";
const SHARED: &str = "shared";
const PAYLOAD: &str = "payload";

/// What a PUBLISH has besides topic and payload, at most: fixed header, length of the topic, packet identifier,
/// length of the properties.
const PUBLISH_OVERHEAD: usize = 5 + 2 + 2 + 1;

impl Examination<'_> {
    pub(super) async fn features(&mut self) {
        let topic = self.below("qos");
        let subscribed = self
            .check(SUBSCRIBE, async |probe| subscribe(probe, &topic?).await)
            .await;
        if !subscribed {
            return self.skip(&NAMES[1..]);
        }
        let levels = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
        let mut came_round = false;
        for (name, qos) in QOS.into_iter().zip(levels) {
            let topic = self.below("qos");
            came_round |= self
                .check(name, async |probe| round_trip(probe, &topic?, qos).await)
                .await;
        }
        self.retained().await;
        let filter = self.below("wildcard/+/#");
        let topic = self.below("wildcard/one/more/level");
        self.check(WILDCARD, async |probe| {
            through(probe, &filter?, &topic?).await
        })
        .await;
        let filter = text(format!(
            "$share/mozzie-doctor-{:08x}/{}/shared",
            fastrand::u32(..),
            self.plan.topic
        ));
        let topic = self.below("shared");
        self.check(SHARED, async |probe| {
            through(probe, &filter?, &topic?).await
        })
        .await;
        match came_round {
            _ if self.plan.max_payload == 0 => {}
            true => self.payload().await,
            // Its size is not what keeps a message from coming.
            false => self.skip(&[PAYLOAD]),
        }
    }

    /// The topic or filter at this place below ours.
    fn below(&self, place: &str) -> Result<Text, Error> {
        text(format!("{}/{place}", self.plan.topic))
    }

    async fn retained(&mut self) {
        let topic = self.below("retained");
        let allowed = self
            .probe
            .as_ref()
            .is_none_or(|probe| probe.limits().retain_available);
        if allowed {
            // Known before it is sent, so that whatever ends us finds it.
            self.retained = topic.as_ref().ok().cloned();
        }
        let mut refused = false;
        let removed = self
            .check(RETAINED, async |probe| {
                retained(probe, &topic?, &mut refused).await
            })
            .await;
        if removed || refused {
            self.retained = None;
        }
        self.clean_up().await;
    }

    /// The largest payload that comes back: the bound, or what the half of it again and again comes to.
    async fn payload(&mut self) {
        self.telling(PAYLOAD);
        let largest = self.largest_payload().await;
        self.conclude(PAYLOAD, largest);
    }

    async fn largest_payload(&mut self) -> Result<Passed, Error> {
        let topic = self.below("payload")?;
        let bound = self.plan.max_payload;
        let packet = self.probe().await?.limits().maximum_packet_size;
        let most = packet.saturating_sub(PUBLISH_OVERHEAD + topic.len());
        let mut size = bound.min(most);
        let mut refused = None;
        loop {
            let result = match self.probe().await {
                Ok(probe) => sized(probe, &topic, size).await,
                Err(error) => Err(error),
            };
            match (result, refused) {
                (Ok(took), None) => {
                    let mut detail = format!("{size} bytes");
                    if size < bound {
                        detail.push_str(", as the broker's maximum packet size allows");
                    }
                    return Ok(Passed::new(took, detail));
                }
                (Ok(took), Some((failed, why))) => {
                    let mut passed =
                        Passed::new(took, format!("{size} bytes, but not {failed}: {why}"));
                    passed.warning = Some(
                        "the broker limits its messages without saying so in CONNACK; see its settings"
                            .to_owned(),
                    );
                    return Ok(passed);
                }
                (Err(error), _) if size <= 1 => return Err(error),
                (Err(error), _) => {
                    // Whatever was the matter, the next size begins on a connection of its own.
                    self.probe = None;
                    refused = Some((size, error.to_string()));
                    size /= 2;
                }
            }
        }
    }
}

fn text(topic: String) -> Result<Text, Error> {
    let hint = "give a shorter one";
    Text::try_from(topic).map_err(|e| Error::usage(format!("--topic: the topic is {e}"), hint))
}

fn message(topic: &Text, payload: impl Into<Bytes>, qos: QoS) -> Message {
    Message {
        topic: topic.clone(),
        payload: payload.into(),
        qos,
        ..Message::default()
    }
}

/// A payload that nobody else sends.
fn own_payload() -> String {
    format!("mozzie doctor {:016x}", fastrand::u64(..))
}

async fn subscribe(probe: &mut Probe, topic: &Text) -> Result<Passed, Error> {
    let asked_at = std::time::Instant::now();
    let granted = probe.subscribe(topic, QoS::ExactlyOnce).await?;
    Ok(Passed::new(
        asked_at.elapsed(),
        format!("'{topic}', QoS {granted} granted"),
    ))
}

async fn round_trip(probe: &mut Probe, topic: &Text, qos: QoS) -> Result<Passed, Error> {
    let granted = probe.subscribe(topic, qos).await?;
    let (took, publish) = probe.round_trip(message(topic, own_payload(), qos)).await?;
    let came = publish.message.qos;
    let mut passed = Passed::new(took, "published and received");
    if came != qos {
        passed.detail = format!("published, and received with QoS {came}");
        passed.warning = Some(format!(
            "the broker granted the subscription QoS {granted} only"
        ));
    }
    Ok(passed)
}

/// A message to `topic` that comes back through another filter.
async fn through(probe: &mut Probe, filter: &Text, topic: &Text) -> Result<Passed, Error> {
    probe.subscribe(filter, QoS::AtMostOnce).await?;
    let sent = probe
        .round_trip(message(topic, own_payload(), QoS::AtMostOnce))
        .await;
    let unsubscribed = probe.unsubscribe(filter).await;
    let (took, _) = sent?;
    unsubscribed?;
    Ok(Passed::new(took, format!("through '{filter}'")))
}

/// `refused` when the broker would not have it.
async fn retained(probe: &mut Probe, topic: &Text, refused: &mut bool) -> Result<Passed, Error> {
    let kept = probe.retained_message(topic, own_payload().into());
    let wanted = kept.payload.clone();
    let published = probe.publish(kept).await;
    *refused = matches!(published, Err(Error::PublishRefused { .. }));
    published?;
    let asked_at = std::time::Instant::now();
    probe.subscribe(topic, QoS::AtMostOnce).await?;
    probe.retained(topic, &wanted).await?;
    let took = asked_at.elapsed();
    probe.unsubscribe(topic).await?;
    probe.remove_retained(topic).await?;
    Ok(Passed::new(
        took,
        "kept, sent to a new subscription, removed",
    ))
}

/// How long a payload of that many bytes takes to come back.
async fn sized(probe: &mut Probe, topic: &Text, size: usize) -> Result<std::time::Duration, Error> {
    let qos = QoS::AtLeastOnce.min(probe.limits().maximum_qos);
    probe.subscribe(topic, qos).await?;
    let mut payload = vec![0; size];
    // Nothing on the way can make it smaller.
    fastrand::fill(&mut payload);
    let (took, _) = probe.round_trip(message(topic, payload, qos)).await?;
    probe.unsubscribe(topic).await?;
    Ok(took)
}
