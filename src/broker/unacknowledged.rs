//! Counts a message at QoS 1 and 2 among the unacknowledged before it is written, where rmqtt does so afterwards and
//! loses the one message on which it notices that the connection is broken.

use async_trait::async_trait;
use rmqtt::hook::{Handler, HookResult, Parameter, ReturnType};
use rmqtt::inflight::{MomentStatus, OutInflightMessage};
use rmqtt::types::QoS;

/// To be called when a message is about to be written. What rmqtt notes later, under the same packet identifier, takes
/// the place of what is noted here.
pub struct NoteBeforeWriting;

#[async_trait]
#[allow(
    elided_lifetimes_in_paths,
    reason = "async_trait makes another lifetime of a written '_ than rmqtt's"
)]
impl Handler for NoteBeforeWriting {
    async fn hook(&self, parameter: &Parameter, so_far: Option<HookResult>) -> ReturnType {
        if let Parameter::MessageDelivered(session, from, publish) = parameter {
            let status = match publish.qos {
                QoS::AtMostOnce => return (true, so_far),
                QoS::AtLeastOnce => MomentStatus::UnAck,
                QoS::ExactlyOnce => MomentStatus::UnReceived,
            };
            let message = OutInflightMessage::new(status, from.clone(), (*publish).clone());
            session.out_inflight().write().await.push_back(message);
        }
        (true, so_far)
    }
}
