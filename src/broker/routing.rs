//! From a published message to its subscribers' sessions, with the room for it taken from each one's [`Backlog`].
//!
//! Wraps what rmqtt does here, and mends what it loses on the way: subscription identifiers and topic aliases of
//! messages that come from 3.1.1 clients, and much of what a session holds or gets while it passes from one connection
//! to the next.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rmqtt::context::ServerContext;
use rmqtt::inflight::MomentStatus;
use rmqtt::session::{OfflineInfo, Session};
use rmqtt::shared::{DefaultShared, Entry, RetainLoadCallback, Shared};
use rmqtt::types::{
    ClientId, DashMap, ForwardedCount, ForwardedRecipients, From, Id, IsAdmin, Message, MsgID,
    NodeId, OfflineSession, Publish, Reason, SessionStatus, SubRelations, SubRelationsMap,
    SubsSearchParams, SubsSearchResult, Subscribe, SubscribeReturn, To, TopicFilter, Tx,
    Unsubscribe,
};
use tokio::time::{Instant, sleep};

use super::backlog::{Backlog, Departed, PATIENCE};
use super::retained::detach;

/// How long a client waits while another with its name connects or leaves. rmqtt allows a leave to take five seconds.
const TURN_TIMEOUT: Duration = Duration::from_secs(10);

const TURN_POLL_INTERVAL: Duration = Duration::from_millis(2);

/// rmqtt does not name the types.
type Failure = (To, From, Publish, Reason);
type Undelivered = Vec<Failure>;

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
        publish: Publish,
        deadline: &mut Deadline,
    ) -> Result<(), Box<Failure>> {
        let Some(backlog) = self.backlog(&client_id) else {
            return Err(self.failure(from, client_id, publish, "the client has disconnected"));
        };
        self.pace(Some(&from.client_id), &client_id, &backlog, deadline)
            .await;
        loop {
            if let Some(_handover) = backlog.handover() {
                return self.hand_over(from, client_id, &backlog, publish);
            }
            if !backlog.arrival(deadline.get()).await {
                // Its old connection does not give way. Whether this arrives is a matter of luck.
                return self.hand_over(from, client_id, &backlog, publish);
            }
        }
    }

    fn hand_over(
        &self,
        from: &From,
        client_id: ClientId,
        backlog: &Arc<Backlog>,
        mut publish: Publish,
    ) -> Result<(), Box<Failure>> {
        let Some((tx, to)) = self.sessions.tx(&client_id) else {
            return Err(self.failure(from, client_id, publish, "the client has disconnected"));
        };
        if !Routing::hold(backlog, &mut publish) {
            return Err(Box::new((
                to,
                from.clone(),
                publish,
                Reason::MessageQueueFull,
            )));
        }
        match tx
            .unbounded_send(Message::Forward(from.clone(), publish))
            .map_err(|error| error.into_inner())
        {
            Err(Message::Forward(from, publish)) => Err(Box::new((
                to,
                from,
                publish,
                Reason::from_static("the session has ended"),
            ))),
            _ => Ok(()),
        }
    }

    fn failure(
        &self,
        from: &From,
        client_id: ClientId,
        publish: Publish,
        reason: &'static str,
    ) -> Box<Failure> {
        Box::new((
            To::from(self.context.node.id(), client_id),
            from.clone(),
            publish,
            Reason::from_static(reason),
        ))
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
        RoutingEntry::wrap(self.sessions.entry(id), self.clone())
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
                Err(failure) => undelivered.push(*failure),
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
    /// Set while the session is between two connections.
    departed: Option<Departed>,
    /// What the session had, for the connection that takes it up.
    estate: Option<OfflineInfo>,
}

impl RoutingEntry {
    fn wrap(entry: Box<dyn Entry>, routing: Routing) -> Box<dyn Entry> {
        Box::new(RoutingEntry {
            entry,
            routing,
            departed: None,
            estate: None,
        })
    }

    /// Gives the new session what the old one had, before anything else can reach it.
    ///
    /// rmqtt would send it a message with all of this, behind what has been published by then, would resend from the
    /// last to the first, and would lose everything if the new connection ended before that message is read.
    async fn inherit(&self, session: &Session, tx: &Tx, estate: OfflineInfo) -> rmqtt::Result<()> {
        let router = self.routing.context.extends.router().await;
        for (filter, options) in &estate.subscriptions {
            router
                .add(filter, session.id.clone(), options.clone())
                .await?;
        }
        session.subscriptions_extend(estate.subscriptions).await?;

        let mut unacknowledged = session.out_inflight().write().await;
        if let Some(last) = estate
            .inflight_messages
            .iter()
            .filter_map(|message| message.publish.packet_id)
            .max()
        {
            unacknowledged.advance_next_id(last.get());
        }
        let queue = session.deliver_queue();
        for message in estate.inflight_messages {
            if message.status == MomentStatus::UnComplete {
                // The subscriber has the message, and PUBREL is owed.
                unacknowledged.push_back(message.clone());
                let _ = tx.unbounded_send(Message::SendRerelease(message));
            } else {
                let mut publish = message.publish;
                publish.dup = true;
                // The queue has no room for less than all: it is bounded by bytes, which these take already.
                let _ = queue.push((message.from, publish));
            }
        }
        for message in estate.offline_messages {
            let _ = queue.push(message);
        }
        Ok(())
    }
}

#[async_trait]
impl Entry for RoutingEntry {
    /// Waits for its turn, where rmqtt would refuse a client that connects again while the broker still takes leave of
    /// it: "server unavailable" to everybody who reconnects fast.
    async fn try_lock(&self) -> rmqtt::Result<Box<dyn Entry>> {
        let deadline = Instant::now() + TURN_TIMEOUT;
        loop {
            match self.entry.try_lock().await {
                Ok(entry) => return Ok(RoutingEntry::wrap(entry, self.routing.clone())),
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => sleep(TURN_POLL_INTERVAL).await,
            }
        }
    }

    async fn set(&mut self, session: Session, tx: Tx) -> rmqtt::Result<()> {
        // The key must not keep the connection's read buffer.
        let client_id = ClientId::from(&*self.entry.id().client_id);
        let backlog = self
            .routing
            .backlog(&client_id)
            .unwrap_or_else(|| Backlog::new(self.routing.max_queue_bytes));
        backlog.forgive();
        if let Some(estate) = self.estate.take() {
            self.inherit(&session, &tx, estate).await?;
        }
        self.entry.set(session, tx).await?;
        // Not before, as the end of an earlier session of this client may be about to remove it.
        self.routing.backlogs.entry(client_id).or_insert(backlog);
        self.departed = None;
        Ok(())
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
        if !clean_start && let Some(backlog) = self.routing.backlog(&self.entry.id().client_id) {
            self.departed = Some(backlog.depart());
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
            OfflineSession::Exist(Some(mut estate)) => {
                let OfflineInfo { id, created_at, .. } = &estate;
                // With nothing to hand over, rmqtt still sees that there was a session.
                let empty = OfflineInfo {
                    id: id.clone(),
                    created_at: *created_at,
                    subscriptions: Vec::new(),
                    offline_messages: VecDeque::new(),
                    inflight_messages: Vec::new(),
                };
                self.estate = Some(std::mem::replace(&mut estate, empty));
                Ok(OfflineSession::Exist(Some(estate)))
            }
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
