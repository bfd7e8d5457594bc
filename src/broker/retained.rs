//! Retained messages: rmqtt's own tree, which its own storage keeps but does not use (it wants a plugin for that).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rmqtt::codec::v5::PublishProperties;
use rmqtt::retain::{DefaultRetainStorage, RetainStorage};
use rmqtt::types::{Publish, Retain, TopicFilter, TopicName};
use rmqtt::utils::timestamp_millis;

/// How often expired messages, which nobody is sent any more, give their memory back.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

pub struct Retained(Arc<DefaultRetainStorage>);

impl Retained {
    /// Needs a runtime, which also ends the sweeping.
    pub fn new() -> Retained {
        let storage = Arc::new(DefaultRetainStorage::new());
        let swept = storage.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(SWEEP_INTERVAL).await;
                swept.remove_expired_messages().await;
            }
        });
        Retained(storage)
    }
}

#[async_trait]
impl RetainStorage for Retained {
    fn enable(&self) -> bool {
        true
    }

    /// The expiry handed in is zero for "never", which the tree takes for "now"; the message's own property counts.
    async fn set(
        &self,
        topic: &TopicName,
        mut retain: Retain,
        _: Option<Duration>,
    ) -> rmqtt::Result<()> {
        detach(&mut retain.publish);
        let expiry = expiry_interval(&retain.publish);
        self.0.set_with_timeout(topic, retain, expiry).await
    }

    /// rmqtt takes a retained message for new when it sends it; so what is left of its life is worked out here.
    async fn get(&self, filter: &TopicFilter) -> rmqtt::Result<Vec<(TopicName, Retain)>> {
        let now = timestamp_millis();
        let mut found = self.0.get_message(filter).await?;
        for (_, retain) in &mut found {
            let publish = &mut retain.publish;
            let age_s = (now - publish.create_time.unwrap_or(now)).max(0) / 1000;
            if let Some(properties) = &mut publish.properties
                && let Some(expiry) = properties.message_expiry_interval
            {
                let left = expiry
                    .get()
                    .saturating_sub(u32::try_from(age_s).unwrap_or(u32::MAX));
                // Less than a second is left, or the tree would have withheld it.
                properties.message_expiry_interval =
                    Some(left.try_into().unwrap_or(std::num::NonZeroU32::MIN));
            }
        }
        Ok(found)
    }

    async fn count(&self) -> isize {
        self.0.count().await
    }

    async fn max(&self) -> isize {
        self.0.max().await
    }
}

fn expiry_interval(publish: &Publish) -> Option<Duration> {
    let seconds = publish.properties.as_ref()?.message_expiry_interval?;
    Some(Duration::from_secs(u64::from(seconds.get())))
}

/// Gives a message memory of its own. What comes from the decoder is a slice of the connection's read buffer, so a few
/// bytes that are kept for long would keep as much as the largest packet that went through that connection.
pub fn detach(publish: &mut Publish) {
    publish.topic = TopicName::from(&*publish.topic);
    publish.payload = Bytes::copy_from_slice(&publish.payload);
    if let Some(properties) = &mut publish.properties {
        let PublishProperties {
            correlation_data,
            content_type,
            user_properties,
            response_topic,
            ..
        } = properties;
        *correlation_data = correlation_data.as_deref().map(Bytes::copy_from_slice);
        *content_type = content_type.as_deref().map(TopicName::from);
        *response_topic = response_topic.as_deref().map(TopicName::from);
        for (name, value) in user_properties {
            (*name, *value) = (TopicName::from(&**name), TopicName::from(&**value));
        }
    }
}
