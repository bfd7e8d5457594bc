//! The will of a client that leaves with DISCONNECT "with will message" (MQTT 5, 0x04), which rmqtt does not send.
//! `mosquitto_sub` leaves this way when it is interrupted.

use std::time::Duration;

use async_trait::async_trait;
use rmqtt::codec::v5::DisconnectReasonCode;
use rmqtt::hook::{Handler, HookResult, Parameter, ReturnType};
use rmqtt::session::{Session, SessionState};
use rmqtt::types::{Disconnect, From, Id, Publish};

/// To be called when a client has disconnected.
pub struct WillOnDisconnect;

#[async_trait]
#[allow(
    elided_lifetimes_in_paths,
    reason = "async_trait makes another lifetime of a written '_ than rmqtt's"
)]
impl Handler for WillOnDisconnect {
    async fn hook(&self, parameter: &Parameter, so_far: Option<HookResult>) -> ReturnType {
        if let Parameter::ClientDisconnected(session, _) = parameter
            && let Ok(Some(Disconnect::V5(disconnect))) = session.disconnect().await
            && disconnect.reason_code == DisconnectReasonCode::DisconnectWithWillMessage
        {
            let disconnect = Disconnect::V5(disconnect);
            send_will(
                session,
                session.fitter.session_expiry_interval(Some(&disconnect)),
            )
            .await;
        }
        (true, so_far)
    }
}

/// After its delay, but not later than its session ends, and not if the client is back by then.
async fn send_will(session: &Session, session_expiry: Duration) {
    let Ok(connect) = session.connect_info().await else {
        return;
    };
    let Some(will) = connect.last_will() else {
        return;
    };
    let delay = will
        .will_delay_interval()
        .unwrap_or_default()
        .min(session_expiry);
    let Ok(publish) = Publish::try_from(will) else {
        return;
    };
    let (context, from) = (session.scx.clone(), From::from_lastwill(session.id.clone()));
    let id = Id::from(session.id.node_id, session.id.client_id.clone());
    tokio::spawn(async move {
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
            if context
                .extends
                .shared()
                .await
                .entry(id)
                .is_connected()
                .await
            {
                return;
            }
        }
        // It fails only when there is nobody to tell: rmqtt has taken the message on.
        let _ = SessionState::forwards(&context, from, publish, false, None).await;
    });
}
