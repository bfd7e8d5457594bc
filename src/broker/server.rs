//! The running broker: a thread that owns a runtime that runs rmqtt.
//!
//! rmqtt has no way to stop: a connection's task ends when its runtime does, so the broker has a runtime that nobody
//! else uses. That runtime lives on a thread because one can neither be started nor dropped inside another.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rmqtt::context::ServerContext;
use rmqtt::hook::Type;
use rmqtt::router::DefaultRouter;
use rmqtt::server::MqttServer;
use rmqtt::shared::DefaultShared;
use tokio::runtime::{self, Runtime};
use tokio::sync::oneshot;

use super::limits::{self, Windows};
use super::retained::Retained;
use super::routing::Routing;
use super::sharing::RoundRobin;
use super::unacknowledged::NoteBeforeWriting;
use super::will::WillOnDisconnect;
use super::{BrokerError, BrokerPlan};

/// How long tasks may take to notice that they have ended. They take microseconds.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(900);

/// More than this only helps with more cores than a bench leaves.
const DEFAULT_WORKER_THREADS: NonZeroUsize = NonZeroUsize::new(2).expect("two is not zero");

/// rmqtt wants a name for each listener.
const LISTENER_ID: u16 = 1;

#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    /// Dropping it tells the thread to stop.
    running: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(plan: &BrokerPlan) -> Result<Server, BrokerError> {
        let (ready, started) = mpsc::sync_channel(1);
        let (running, stopped) = oneshot::channel();
        let plan = plan.clone();
        let thread = thread::Builder::new()
            .name("mozzie-broker".to_owned())
            .spawn(move || run(&plan, &ready, stopped))
            .map_err(|source| BrokerError::Threads { source })?;
        match started.recv() {
            Ok(Ok(address)) => Ok(Server {
                address,
                running: Some(running),
                thread: Some(thread),
            }),
            Ok(Err(error)) => Err(error),
            Err(mpsc::RecvError) => Err(BrokerError::Threads {
                source: io::ErrorKind::BrokenPipe.into(),
            }),
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.running = None;
        if let Some(thread) = self.thread.take() {
            // It fails only when the thread has panicked, and then the broker is gone too.
            let _ = thread.join();
        }
    }
}

fn run(
    plan: &BrokerPlan,
    ready: &mpsc::SyncSender<Result<SocketAddr, BrokerError>>,
    stopped: oneshot::Receiver<()>,
) {
    // The one who starts the broker waits for an answer, so sending it cannot fail.
    let runtime = match runtime_for(plan) {
        Ok(runtime) => runtime,
        Err(source) => return drop(ready.send(Err(BrokerError::Threads { source }))),
    };
    let (context, server, address) = match runtime.block_on(open(plan)) {
        Ok(opened) => opened,
        Err(error) => return drop(ready.send(Err(error))),
    };
    runtime.spawn(server.run());
    let _ = ready.send(Ok(address));
    // It is never sent anything; it ends when the other side is dropped.
    let _ = runtime.block_on(stopped);
    runtime.shutdown_timeout(SHUTDOWN_GRACE);
    release(&context);
}

fn runtime_for(plan: &BrokerPlan) -> io::Result<Runtime> {
    let threads = plan.worker_threads.unwrap_or_else(|| {
        thread::available_parallelism().map_or(NonZeroUsize::MIN, |n| n.min(DEFAULT_WORKER_THREADS))
    });
    runtime::Builder::new_multi_thread()
        .worker_threads(threads.get())
        .thread_name("mozzie-broker")
        .enable_all()
        .build()
}

async fn open(plan: &BrokerPlan) -> Result<(ServerContext, MqttServer, SocketAddr), BrokerError> {
    let wanted = SocketAddr::new(plan.bind, plan.port);
    let listen_error = |error: rmqtt::Error| listen_error(wanted, error);
    let listener = limits::listener(plan)
        .bind()
        .and_then(|listener| listener.tcp())
        .map_err(listen_error)?;
    let address = listener.local_addr().map_err(listen_error)?;

    let context = limits::context().build().await;
    let extends = &context.extends;
    *extends.shared_mut().await = Box::new(Routing::new(context.clone(), plan.max_queue_bytes));
    *extends.fitter_mgr_mut().await = Box::new(Windows);
    *extends.retain_mut().await = Box::new(Retained::new());
    *extends.shared_subscription_mut().await = Box::new(RoundRobin::default());
    let hooks = extends.hook_mgr().register();
    hooks
        .add(Type::ClientDisconnected, Box::new(WillOnDisconnect))
        .await;
    hooks
        .add(Type::MessageDelivered, Box::new(NoteBeforeWriting))
        .await;
    hooks.start().await;

    let server = MqttServer::new(context.clone())
        .listener_by_id(listener, LISTENER_ID)
        .build();
    Ok((context, server, address))
}

fn listen_error(address: SocketAddr, error: rmqtt::Error) -> BrokerError {
    let source = error
        .downcast::<io::Error>()
        .unwrap_or_else(io::Error::other);
    match source.kind() {
        io::ErrorKind::AddrInUse => BrokerError::PortInUse(address),
        io::ErrorKind::PermissionDenied => BrokerError::NoPermission(address),
        io::ErrorKind::AddrNotAvailable => BrokerError::NotLocal(address.ip()),
        _ => BrokerError::Listen { address, source },
    }
}

/// Gives back the memory of the sessions, which hold rmqtt's context, which holds them.
fn release(context: &ServerContext) {
    // A session spawns a task when it is dropped.
    let Ok(runtime) = runtime::Builder::new_current_thread().build() else {
        return;
    };
    let _inside = runtime.enter();
    if let Ok(mut shared) = context.extends.shared.try_write() {
        *shared = Box::new(DefaultShared::new(None));
    }
    if let Ok(mut router) = context.extends.router.try_write() {
        *router = Box::new(DefaultRouter::new(None));
    }
}
