//! From a published message to its subscribers' sessions, with the room for it taken from each one's [`Backlog`].
//!
//! Wraps what rmqtt does here, and mends what it loses on the way: subscription identifiers and topic aliases of
//! messages that come from 3.1.1 clients, the order of messages resent to a session that is taken up again, and what is
//! published while a session passes from one connection to the next.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rmqtt::context::ServerContext;
use rmqtt::session::{OfflineInfo, Session};
use rmqtt::shared::{DefaultShared, Entry, RetainLoadCallback, Shared};
use rmqtt::types::{
    ClientId, DashMap, ForwardedCount, ForwardedRecipients, From, Id, IsAdmin, Message, MsgID,
    NodeId, OfflineSession, Publish, Reason, SessionStatus, SubRelations, SubRelationsMap,
    SubsSearchParams, SubsSearchResult, Subscribe, SubscribeReturn, To, TopicFilter, Tx,
    Unsubscribe,
};
use tokio::time::{Instant, sleep};

use super::backlog::{Backlog, PATIENCE};
use super::retained::detach;

/// How long a client waits while another with its name connects or leaves. rmqtt allows a leave to take five seconds.
const TURN_TIMEOUT: Duration = Duration::from_secs(10);

const TURN_POLL_INTERVAL: Duration = Duration::from_millis(2);

type Undelivered = Vec<(To, From, Publish, Reason)>;

#[derive(Clone)]
pub struct Routing {
    context: ServerContext,
    sessions: DefaultShared,
    /// One for each session, connected or not.
    backlogs: Arc<DashMap<ClientId, Arc<Backlog>>>,
    max_queue_bytes: usize,
}

impl Routing {
    pub fn new(context: ServerContext, max_queue_bytes: usize) -> Routing {
        Routing {
            sessions: DefaultShared::new(Some(context.clone())),
            context,
            backlogs: Arc::default(),
            max_queue_bytes,
        }
    }

    fn backlog(&self, client_id: &str) -> Option<Arc<Backlog>> {
        self.backlogs.get(client_id).map(|backlog| backlog.clone())
    }

    async fn is_online(&self, client_id: &ClientId) -> bool {
        self.sessions
            .entry(Id::from(self.context.node.id(), client_id.clone()))
            .is_connected()
            .await
    }

    /// Makes the publisher wait for a subscriber that is behind.
    ///
    /// Not for itself, and not when it is behind in its own reading: it reads nothing while it waits, so clients that
    /// wait for each other in a circle would wait in vain. Whoever closes such a circle is always behind himself.
    async fn pace(
        &self,
        publisher: Option<&ClientId>,
        subscriber: &ClientId,
        backlog: &Backlog,
        deadline: &mut Deadline,
    ) {
        if !backlog.is_congested() || backlog.is_stuck() {
            return;
        }
        if let Some(publisher) = publisher
            && (publisher == subscriber
                || self
                    .backlog(publisher)
                    .is_some_and(|own| own.is_congested()))
        {
            return;
        }
        if self.is_online(subscriber).await {
            backlog.relief(deadline.get()).await;
        }
    }

    /// Takes the room; `false` when there is none.
    fn hold(backlog: &Arc<Backlog>, publish: &mut Publish) -> bool {
        if backlog.is_congested() {
            // It may wait for long.
            detach(publish);
        }
        let Some(payload) = backlog.hold(&publish.payload, publish.topic.len()) else {
            return false;
        };
        publish.payload = payload;
        true
    }

    /// Sends one copy of the message on.
    async fn deliver(
        &self,
        from: &From,
        client_id: ClientId,
        mut publish: Publish,
        deadline: &mut Deadline,
    ) -> Result<(), (To, From, Publish, Reason)> {
        let backlog = self.backlog(&client_id);
        if let Some(backlog) = &backlog {
            self.pace(Some(&from.client_id), &client_id, backlog, deadline)
                .await;
        }
        let mut session = self.sessions.tx(&client_id);
        if session.is_none()
            && let Some(backlog) = &backlog
        {
            backlog.arrival(deadline.get()).await;
            session = self.sessions.tx(&client_id);
        }
        let Some((tx, to)) = session else {
            let to = To::from(self.context.node.id(), client_id);
            return Err((
                to,
                from.clone(),
                publish,
                Reason::from_static("the client has disconnected"),
            ));
        };
        if let Some(backlog) = &backlog
            && !Routing::hold(backlog, &mut publish)
        {
            return Err((to, from.clone(), publish, Reason::MessageQueueFull));
        }
        match tx.unbounded_send(Message::Forward(from.clone(), publish)) {
            Ok(()) => Ok(()),
            Err(error) => match error.into_inner() {
                Message::Forward(from, publish) => Err((
                    to,
                    from,
                    publish,
                    Reason::from_static("the session has ended"),
                )),
                _ => Ok(()),
            },
        }
    }
}

/// When one publish has waited long enough, counted from when it first has to, over all its subscribers.
#[derive(Default)]
struct Deadline(Option<Instant>);

impl Deadline {
    fn get(&mut self) -> Instant {
        *self.0.get_or_insert_with(|| Instant::now() + PATIENCE)
    }
}

#[async_trait]
impl Shared for Routing {
    fn entry(&self, id: Id) -> Box<dyn Entry> {
        Box::new(RoutingEntry {
            entry: self.sessions.entry(id),
            routing: self.clone(),
        })
    }

    async fn forwards(
        &self,
        _: Option<MsgID>,
        from: From,
        publish: Publish,
    ) -> Result<ForwardedCount, (ForwardedCount, Undelivered)> {
        let matches = self
            .context
            .extends
            .router()
            .await
            .matches(from.id.clone(), &publish.topic)
            .await;
        // What is not a topic matches nobody.
        let subscribers = matches
            .ok()
            .and_then(|mut nodes| nodes.remove(&self.context.node.id()))
            .unwrap_or_default();
        let (mut delivered, mut undelivered) = (0, Undelivered::new());
        let mut deadline = Deadline::default();
        for (_, client_id, options, subscription_ids, _) in subscribers {
            let mut copy = publish.clone();
            copy.dup = false;
            copy.packet_id = None;
            copy.retain = publish.retain && options.retain_as_published().unwrap_or(false);
            copy.qos = copy.qos.less_value(options.qos());
            if options.is_v5() {
                // From a 3.1.1 client there are no properties to put them in, nor the topic alias that rmqtt will set.
                copy.properties.get_or_insert_default().subscription_ids =
                    subscription_ids.unwrap_or_default();
            }
            match self.deliver(&from, client_id, copy, &mut deadline).await {
                Ok(()) => delivered += 1,
                Err(failure) => undelivered.push(failure),
            }
        }
        if undelivered.is_empty() {
            Ok(delivered)
        } else {
            Err((delivered, undelivered))
        }
    }

    async fn retain_load_with(
        &self,
        filter: &TopicFilter,
        callback: Arc<dyn RetainLoadCallback>,
    ) -> rmqtt::Result<Vec<(NodeId, MsgID)>> {
        self.sessions.retain_load_with(filter, callback).await
    }

    // The next two are for clusters of brokers.

    async fn forwards_and_get_shareds(
        &self,
        from: From,
        publish: Publish,
    ) -> Result<(SubRelationsMap, ForwardedRecipients), (ForwardedRecipients, Undelivered)> {
        self.sessions.forwards_and_get_shareds(from, publish).await
    }

    async fn forwards_to(
        &self,
        from: From,
        publish: &Publish,
        relations: SubRelations,
        id: Option<MsgID>,
    ) -> Result<ForwardedRecipients, (ForwardedRecipients, Undelivered)> {
        self.sessions
            .forwards_to(from, publish, relations, id)
            .await
    }

    fn exist(&self, client_id: &str) -> bool {
        self.sessions.exist(client_id)
    }

    fn iter(&self) -> Box<dyn Iterator<Item = Box<dyn Entry>> + Sync + Send + '_> {
        self.sessions.iter()
    }

    fn random_session(&self) -> Option<Session> {
        self.sessions.random_session()
    }

    async fn session_status(&self, client_id: &str) -> Option<SessionStatus> {
        self.sessions.session_status(client_id).await
    }

    async fn client_states_count(&self) -> usize {
        self.sessions.client_states_count().await
    }

    fn sessions_count(&self) -> usize {
        self.sessions.sessions_count()
    }

    async fn query_subscriptions(&self, query: &SubsSearchParams) -> Vec<SubsSearchResult> {
        self.sessions.query_subscriptions(query).await
    }

    async fn subscriptions_count(&self) -> usize {
        self.sessions.subscriptions_count().await
    }
}

/// One client's session.
struct RoutingEntry {
    entry: Box<dyn Entry>,
    routing: Routing,
}

#[async_trait]
impl Entry for RoutingEntry {
    /// Waits for its turn, where rmqtt would refuse a client that connects again while the broker still takes leave of
    /// it: "server unavailable" to everybody who reconnects fast.
    async fn try_lock(&self) -> rmqtt::Result<Box<dyn Entry>> {
        let deadline = Instant::now() + TURN_TIMEOUT;
        loop {
            match self.entry.try_lock().await {
                Ok(entry) => {
                    return Ok(Box::new(RoutingEntry {
                        entry,
                        routing: self.routing.clone(),
                    }));
                }
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => sleep(TURN_POLL_INTERVAL).await,
            }
        }
    }

    async fn set(&mut self, session: Session, tx: Tx) -> rmqtt::Result<()> {
        // The key must not keep the connection's read buffer.
        let client_id = ClientId::from(&*self.entry.id().client_id);
        let max_bytes = self.routing.max_queue_bytes;
        let backlog = self
            .routing
            .backlogs
            .entry(client_id)
            .or_insert_with(|| Backlog::new(max_bytes))
            .value()
            .clone();
        let result = self.entry.set(session, tx).await;
        backlog.arrives();
        result
    }

    async fn remove(&mut self) -> rmqtt::Result<Option<(Session, Tx)>> {
        self.routing.backlogs.remove(&self.entry.id().client_id);
        self.entry.remove().await
    }

    async fn remove_with(&mut self, id: &Id) -> rmqtt::Result<Option<(Session, Tx)>> {
        let removed = self.entry.remove_with(id).await;
        if let Ok(Some(_)) = removed {
            let sessions = &self.routing.sessions;
            // Unless the client has come back by now.
            self.routing
                .backlogs
                .remove_if(&id.client_id, |client_id, _| !sessions.exist(client_id));
        }
        removed
    }

    /// Takes the session from its connection or its queue, to be given to a new connection.
    async fn kick(
        &mut self,
        clean_start: bool,
        clear_subscriptions: bool,
        is_admin: IsAdmin,
    ) -> rmqtt::Result<OfflineSession> {
        let backlog = self
            .routing
            .backlog(&self.entry.id().client_id)
            .filter(|_| !clean_start);
        if let Some(backlog) = &backlog {
            backlog.departs();
        }
        // A session that ends by itself at this moment does not answer. The second time it is seen to have ended.
        let mut kicked = self
            .entry
            .kick(clean_start, clear_subscriptions, is_admin)
            .await;
        if kicked.is_err() {
            kicked = self
                .entry
                .kick(clean_start, clear_subscriptions, is_admin)
                .await;
        }
        match kicked? {
            OfflineSession::Exist(Some(offline)) => Ok(OfflineSession::Exist(Some(OfflineInfo {
                // rmqtt sends them again from the last to the first.
                inflight_messages: offline.inflight_messages.into_iter().rev().collect(),
                ..offline
            }))),
            other => Ok(other),
        }
    }

    /// Here retained messages come through.
    async fn publish(
        &self,
        from: From,
        mut publish: Publish,
    ) -> Result<(), (From, Publish, Reason)> {
        let client_id = self.entry.id().client_id.clone();
        if let Some(backlog) = self.routing.backlog(&client_id) {
            // No publisher waits, only the task that sends them.
            self.routing
                .pace(None, &client_id, &backlog, &mut Deadline::default())
                .await;
            if !Routing::hold(&backlog, &mut publish) {
                return Err((from, publish, Reason::MessageQueueFull));
            }
        }
        publish.properties.get_or_insert_default();
        self.entry.publish(from, publish).await
    }

    fn id(&self) -> Id {
        self.entry.id()
    }

    fn id_same(&self) -> Option<bool> {
        self.entry.id_same()
    }

    async fn online(&self) -> bool {
        self.entry.online().await
    }

    async fn is_connected(&self) -> bool {
        self.entry.is_connected().await
    }

    fn session(&self) -> Option<Session> {
        self.entry.session()
    }

    fn exist(&self) -> bool {
        self.entry.exist()
    }

    fn tx(&self) -> Option<Tx> {
        self.entry.tx()
    }

    async fn subscribe(&self, subscribe: &Subscribe) -> rmqtt::Result<SubscribeReturn> {
        self.entry.subscribe(subscribe).await
    }

    async fn unsubscribe(&self, unsubscribe: &Unsubscribe) -> rmqtt::Result<bool> {
        self.entry.unsubscribe(unsubscribe).await
    }

    async fn subscriptions(&self) -> Option<Vec<SubsSearchResult>> {
        self.entry.subscriptions().await
    }
}
