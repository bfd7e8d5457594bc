//! One live connection: a byte stream, a session, its timers, and reconnecting when it breaks.
//!
//! The owner calls [`Client::try_next`] until nothing is buffered, then awaits [`Client::next`]; both
//! give [`ClientEvent`]s. Everything is cancel-safe, because all state lives in the client and none
//! in a future.

mod plan;

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Sleep;

use plan::{Again, Break, GiveUp, Patience};
pub use plan::{ConnectionPlan, Reconnect};

use crate::error::Error;
use crate::mqtt::codec::DecodeError;
use crate::mqtt::packet::Disconnect;
use crate::mqtt::properties::{Properties, PropertyId};
use crate::mqtt::reason::Reason;
use crate::mqtt::session::{Event, Observer, Session, SessionError};
use crate::net::{self, DialError, Dialed, Stream, TlsClient, TlsProblem};

/// Bytes read at once, and room kept for them.
const READ_SIZE: usize = 64 * 1024;
/// Warnings about a broker that acknowledges what nobody sent.
const ODDITIES_SHOWN: u32 = 5;
/// How long the last bytes may take to leave.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a peer may take to close its side after our DISCONNECT.
const LINGER: Duration = Duration::from_secs(1);

/// What the owner of a connection hears.
#[derive(Debug)]
pub enum ClientEvent {
    /// The broker accepted us, for the first time or again. `resumed`: it had kept the session.
    Connected {
        resumed: bool,
    },
    /// The connection broke, or could not be made yet; another attempt follows after `pause`.
    Retrying {
        why: String,
        pause: Duration,
        /// What the user may want to look at. Comes once.
        hint: Option<String>,
    },
    /// All output has left. Comes once after output was written.
    Drained,
    /// The broker did something that is worth a warning and nothing more.
    Odd(String),
    Session(Event),
}

enum State {
    /// Waiting to dial; the pause is over when the sleep is.
    Pausing(Pin<Box<Sleep>>),
    Dialing(Pin<Box<dyn Future<Output = Result<Dialed, DialError>>>>),
    Up(Box<Stream>),
}

/// How a stream came to its end without a word of MQTT; the texts say what was seen of it.
enum StreamEnd {
    /// With TLS 1.3 a broker's "no" to our certificate, or to its absence, comes only after the handshake: the
    /// layer that failed is TLS all the same. mosquitto's clients call it a lost connection.
    RefusedByTls(TlsProblem),
    /// What they see of it when the broker had asked for a certificate that there is not.
    CertificateWanted(String),
    /// No connection has been accepted yet.
    NotAccepted(String),
    Lost(String),
}

pub struct Client {
    plan: ConnectionPlan,
    session: Session,
    state: State,
    input: BytesMut,
    timer: Pin<Box<Sleep>>,
    /// The instant of the last look at the clock: once per read, not once per packet.
    now: Instant,
    /// Output was written, or the stream may hold some, since the owner last heard [`ClientEvent::Drained`].
    undrained: bool,
    /// Why writing failed. What the broker said before it went is still read.
    broken: Option<String>,
    patience: Patience,
    /// Packets that made no sense, over all connections.
    oddities: u32,
}

impl Client {
    /// Begins to connect at once; must be called inside a runtime with timers.
    pub fn new(plan: ConnectionPlan, observer: Option<Observer>) -> Self {
        let state = dial(&plan);
        Self::begin(plan, state, observer)
    }

    /// The same over a stream that is up already.
    pub fn over(
        plan: ConnectionPlan,
        stream: Stream,
        observer: Option<Observer>,
    ) -> Result<Self, Error> {
        let mut client = Self::begin(plan, State::Up(Box::new(stream)), observer);
        client.session.open(client.now)?;
        Ok(client)
    }

    fn begin(plan: ConnectionPlan, state: State, observer: Option<Observer>) -> Self {
        let now = Instant::now();
        let mut session = Session::new(plan.settings.clone(), plan.identity.clone(), now);
        if let Some(observer) = observer {
            session.observe(observer);
        }
        Self {
            state,
            session,
            patience: Patience::new(plan.reconnect, plan.retry, plan.wait_for_broker, now),
            plan,
            input: BytesMut::new(),
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            now,
            undrained: false,
            broken: None,
            oddities: 0,
        }
    }

    pub fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// The next event that needs no I/O.
    pub fn try_next(&mut self) -> Result<Option<ClientEvent>, Error> {
        loop {
            match self.session.next(self.now, &mut self.input) {
                Ok(None) => return Ok(None),
                Ok(Some(Event::Unexpected { packet, packet_id })) => {
                    self.oddities += 1;
                    if self.oddities <= ODDITIES_SHOWN {
                        return Ok(Some(odd(packet, packet_id, self.oddities)));
                    }
                }
                Ok(Some(event)) => return self.judge(event).map(Some),
                Err(error) => return self.session_failed(error).map(Some),
            }
        }
    }

    /// Waits for the next event. With `reading` false nothing is read, so a slow consumer slows the
    /// broker; pings go on.
    pub async fn next(&mut self, reading: bool) -> Result<ClientEvent, Error> {
        std::future::poll_fn(|cx| self.poll_next(cx, reading)).await
    }

    /// Ends the connection in order: DISCONNECT with this reason, all output, and at QoS 0 (`linger`) the
    /// peer's own end, because a socket that is closed with unread input may throw away what it has sent.
    /// Without a reason there is no DISCONNECT, and the broker sends the will.
    pub async fn close(
        mut self,
        reason: Option<Reason>,
        properties: Properties,
        linger: bool,
    ) -> io::Result<()> {
        let State::Up(mut stream) = self.state else {
            return Ok(());
        };
        if let Some(reason) = reason {
            self.session
                .disconnect(reason, properties)
                .map_err(io::Error::other)?;
        }
        let end = async {
            stream.write_all(self.session.output()).await?;
            stream.flush().await?;
            stream.shutdown().await
        };
        tokio::time::timeout(CLOSE_TIMEOUT, end)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        if linger {
            // What comes now does not matter, nor how it ends; only that it is not cut short.
            let mut rest = [0; 1024];
            let drain = async { while matches!(stream.read(&mut rest).await, Ok(1..)) {} };
            let _ = tokio::time::timeout(LINGER, drain).await;
        }
        Ok(())
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        reading: bool,
    ) -> Poll<Result<ClientEvent, Error>> {
        loop {
            match &mut self.state {
                State::Pausing(sleep) => {
                    ready!(sleep.as_mut().poll(cx));
                    self.state = dial(&self.plan);
                }
                State::Dialing(dialing) => match ready!(dialing.as_mut().poll(cx)) {
                    Ok(dialed) => {
                        self.now = Instant::now();
                        self.session.open(self.now)?;
                        self.input.clear();
                        self.undrained = false;
                        self.broken = None;
                        self.patience.reached();
                        self.state = State::Up(Box::new(dialed.stream));
                    }
                    Err(error) => return Poll::Ready(self.dial_failed(error)),
                },
                State::Up(_) => return self.poll_up(cx, reading),
            }
        }
    }

    /// Reads until the socket has nothing more, then writes, so that what a batch of packets calls
    /// for leaves in one write.
    fn poll_up(&mut self, cx: &mut Context<'_>, reading: bool) -> Poll<Result<ClientEvent, Error>> {
        if let Some(event) = self.try_next()? {
            return Poll::Ready(Ok(event));
        }
        loop {
            let State::Up(stream) = &mut self.state else {
                return Poll::Ready(Err(Error::ConnectionLost("not connected".to_owned())));
            };
            if reading || self.broken.is_some() {
                self.input.reserve(READ_SIZE);
                match pin!(stream.read_buf(&mut self.input)).poll(cx) {
                    Poll::Ready(Ok(0)) => return Poll::Ready(self.stream_ended(None)),
                    Poll::Ready(Ok(_)) => {
                        self.now = Instant::now();
                        if let Some(event) = self.try_next()? {
                            return Poll::Ready(Ok(event));
                        }
                        continue;
                    }
                    Poll::Ready(Err(error)) => {
                        return Poll::Ready(self.stream_ended(Some(&error)));
                    }
                    Poll::Pending => {}
                }
            }
            if self.broken.is_some() {
                return Poll::Ready(self.stream_ended(None));
            }
            return match self.poll_write(cx) {
                Poll::Ready(Ok(())) if self.undrained => {
                    self.undrained = false;
                    Poll::Ready(Ok(ClientEvent::Drained))
                }
                Poll::Ready(Err(error)) => {
                    self.broken = Some(stream_words(&error));
                    continue;
                }
                Poll::Ready(Ok(())) | Poll::Pending => match ready!(self.poll_timer(cx, reading)) {
                    // a ping may have to be written
                    Ok(()) => continue,
                    Err(error) => Poll::Ready(self.session_failed(error)),
                },
            };
        }
    }

    /// Writes and flushes all output. Ready when nothing is left on our side.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let State::Up(stream) = &mut self.state else {
            return Poll::Ready(Ok(()));
        };
        while !self.session.output().is_empty() {
            self.undrained = true;
            let written = ready!(Pin::new(&mut **stream).poll_write(cx, self.session.output()))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.now = Instant::now();
            self.session.wrote(written, self.now);
        }
        if self.undrained {
            ready!(Pin::new(&mut **stream).poll_flush(cx))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Ready when the session's deadline has come and been handled.
    fn poll_timer(
        &mut self,
        cx: &mut Context<'_>,
        reading: bool,
    ) -> Poll<Result<(), SessionError>> {
        let Some(deadline) = self.session.deadline() else {
            return Poll::Pending;
        };
        if self.timer.deadline() != deadline.into() {
            self.timer.as_mut().reset(deadline.into());
        }
        ready!(self.timer.as_mut().poll(cx));
        self.now = Instant::now();
        Poll::Ready(self.session.handle_timeout(self.now, reading))
    }

    /// Handles what concerns the connection itself.
    fn judge(&mut self, event: Event) -> Result<ClientEvent, Error> {
        match event {
            Event::Connected(_) => {
                self.patience.accepted(self.now);
                Ok(ClientEvent::Connected {
                    resumed: self.session.is_resumed(),
                })
            }
            Event::Disconnected(disconnect) => self.ended(disconnect),
            Event::Auth(auth) => {
                let method = auth
                    .properties
                    .text(PropertyId::AuthenticationMethod)
                    .map_or_else(String::new, ToString::to_string);
                Err(Error::Authentication(method))
            }
            other => {
                if is_progress(&other) {
                    self.patience.progress();
                }
                Ok(ClientEvent::Session(other))
            }
        }
    }

    /// The broker sent DISCONNECT.
    fn ended(&mut self, disconnect: Disconnect) -> Result<ClientEvent, Error> {
        let reason = disconnect.reason;
        self.broke(Break::Ended(reason), Error::Ended(disconnect))
    }

    fn session_failed(&mut self, error: SessionError) -> Result<ClientEvent, Error> {
        match &error {
            SessionError::Refused(connack) => {
                let reason = connack.reason;
                self.broke(Break::Refused(reason), error.into())
            }
            SessionError::KeepAliveTimeout(_) => {
                let lost = Error::ConnectionLost(error.to_string());
                self.broke(Break::NoPingResp, lost)
            }
            SessionError::ConnAckTimeout(_) => self.broke(Break::NoConnAck, error.into()),
            SessionError::Encode(_) => Err(error.into()),
            SessionError::Decode(DecodeError::OldBroker(_)) => Err(error.into()),
            // A broker that breaks the protocol would do it again and again.
            SessionError::Decode(_) | SessionError::Protocol { .. } => {
                self.say_goodbye();
                Err(match self.session.times_accepted() {
                    0 => error.into(),
                    _ => Error::Violation(error),
                })
            }
        }
    }

    /// Sends the DISCONNECT that the session has prepared, if the socket takes it at once.
    fn say_goodbye(&mut self) {
        if let State::Up(stream) = &mut self.state {
            let mut cx = Context::from_waker(std::task::Waker::noop());
            let mut stream = Pin::new(&mut **stream);
            let _ = stream.as_mut().poll_write(&mut cx, self.session.output());
            let _ = stream.poll_flush(&mut cx);
        }
    }

    fn dial_failed(&mut self, error: DialError) -> Result<ClientEvent, Error> {
        let behind_proxy = error.is_behind_proxy();
        self.broke(Break::Unreachable { behind_proxy }, error.into())
    }

    /// The stream ended without a word of MQTT; `error` is what reading gave, if it gave one.
    fn stream_ended(&mut self, error: Option<&io::Error>) -> Result<ClientEvent, Error> {
        match self.end_of_stream(error) {
            StreamEnd::RefusedByTls(problem) => self.dial_failed(DialError::Tls {
                with: self.plan.endpoint.to_string(),
                problem,
            }),
            // It would want it again, so another attempt is not asked for.
            StreamEnd::CertificateWanted(why) => Err(Error::NotAccepted(
                why + "; it wants a client certificate (--cert and --key)",
            )),
            StreamEnd::NotAccepted(why) => {
                let why = why + " before it accepted the connection";
                self.broke(Break::Silent, Error::NotAccepted(why))
            }
            StreamEnd::Lost(why) => self.broke(Break::Silent, Error::ConnectionLost(why)),
        }
    }

    fn end_of_stream(&mut self, error: Option<&io::Error>) -> StreamEnd {
        let problem = error.and_then(net::explain_io);
        let tls = self.plan.endpoint.tls.as_ref();
        let certificate_wanted = tls.is_some_and(TlsClient::lacks_wanted_certificate);
        // Of what TLS has said no earlier failure to write says more.
        let why = match (self.broken.take(), error) {
            (Some(earlier), _) if problem.is_none() => earlier,
            (_, Some(error)) => stream_words(error),
            (_, None) => "the broker closed the connection".to_owned(),
        };
        let names_tls = tls.is_some() && self.plan.reconnect == Reconnect::WhenAccepted;
        if names_tls && !self.patience.is_accepted() {
            let closed = certificate_wanted.then_some(TlsProblem::Closed { certificate_wanted });
            if let Some(problem) = problem.or(closed) {
                return StreamEnd::RefusedByTls(problem);
            }
        }
        match self.session.times_accepted() {
            0 if certificate_wanted => StreamEnd::CertificateWanted(why),
            0 => StreamEnd::NotAccepted(why),
            _ => StreamEnd::Lost(why),
        }
    }

    /// The connection is gone, or did not come about: `error` says why.
    fn broke(&mut self, how: Break, error: Error) -> Result<ClientEvent, Error> {
        let under_way = self.session.unacknowledged() > 0;
        let verdict = self
            .patience
            .broke(how, under_way, Instant::now(), fastrand::f64());
        match verdict {
            Ok(Again { pause, suspicious }) => {
                self.session.closed();
                self.state = State::Pausing(Box::pin(tokio::time::sleep(pause)));
                Ok(ClientEvent::Retrying {
                    why: error.to_string(),
                    pause,
                    hint: self.suspicion().filter(|_| suspicious),
                })
            }
            Err(GiveUp::Final) => Err(error),
            Err(GiveUp::UsedUp { retries }) => Err(Error::RetriesUsedUp {
                last: Box::new(error),
                retries,
            }),
            Err(GiveUp::DroppedAgainAndAgain { times }) => Err(Error::DroppedAgainAndAgain {
                last: Box::new(error),
                times,
                publishing: under_way,
                suspicion: self.suspicion(),
            }),
        }
    }

    /// Before MQTT 5 a broker does not say that another client has taken our place.
    fn suspicion(&self) -> Option<String> {
        let id = self.plan.typed_id.as_ref()?;
        Some(format!(
            "is another client using the client identifier '{id}'?"
        ))
    }
}

/// Whether what we are there for goes on. What is retained comes with each subscription again.
fn is_progress(event: &Event) -> bool {
    match event {
        Event::Message(publish, _) => !publish.message.retain,
        Event::Acknowledged(_) | Event::Pong => true,
        _ => false,
    }
}

fn odd(packet: &str, packet_id: u16, count: u32) -> ClientEvent {
    let mut what =
        format!("the broker sent {packet} for packet identifier {packet_id}, which is not in use");
    if count == ODDITIES_SHOWN {
        what.push_str("; more of this is not shown");
    }
    ClientEvent::Odd(what)
}

fn dial(plan: &ConnectionPlan) -> State {
    let endpoint = plan.endpoint.clone();
    State::Dialing(Box::pin(async move { net::dial(&endpoint).await }))
}

/// An error of an established stream in the user's words.
fn stream_words(error: &io::Error) -> String {
    match net::explain_io(error) {
        Some(problem) => problem.to_string(),
        None => format!("the connection broke: {}", net::io_reason(error)),
    }
}
