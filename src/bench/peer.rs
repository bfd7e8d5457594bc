//! A peer that drains: it accepts every client, acknowledges every publish, and hands publishes on to
//! subscribers if asked to. Much faster than a broker, because it keeps nothing and promises nothing;
//! it shows what the generator alone can do, and in tests it breaks what it is told to break.
//!
//! Publishes are handed on only between connections of one thread.

mod packets;
mod routes;
mod thread;

use std::io;
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use thread::Thread;

#[derive(Debug, Clone, Copy, Default)]
pub struct PeerOptions {
    /// Zero counts as one.
    pub threads: usize,
    /// Hand publishes on to subscribers; needs a single thread.
    pub forward: bool,
    /// Acknowledge publishes so much later.
    pub ack_delay: Option<Duration>,
    pub faults: Faults,
}

/// What the peer does wrong, by the number of the publish that it gets (the first is 1).
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Acknowledge every nth publish, but do not hand it on.
    pub lose_every: Option<u64>,
    /// Hand every nth publish on twice.
    pub repeat_every: Option<u64>,
    /// Hand every nth publish on with its last byte changed.
    pub corrupt_every: Option<u64>,
    /// Refuse every nth publish, which only MQTT 5 can; it is not handed on.
    pub refuse_every: Option<u64>,
    /// Close all connections at the nth publish.
    pub close_at: Option<u64>,
    pub refuse_connections: bool,
    pub refuse_subscriptions: bool,
}

/// A running peer; it ends when this is dropped.
pub struct Peer {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

impl Peer {
    /// Listens on a free port of the loopback interface.
    pub fn start(options: PeerOptions) -> io::Result<Self> {
        Self::listen(([127, 0, 0, 1], 0).into(), options)
    }

    pub fn listen(address: SocketAddr, options: PeerOptions) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let count = if options.forward {
            1
        } else {
            options.threads.max(1)
        };
        let mut threads = Vec::new();
        for number in 0..count {
            let listener = listener.try_clone()?;
            let stopped = stopped.clone();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let thread = std::thread::Builder::new()
                .name(format!("peer-{number}"))
                .spawn(move || {
                    let work = async {
                        if let Ok(listener) = TcpListener::from_std(listener) {
                            Thread::new(options).run(listener, stopped).await;
                        }
                    };
                    runtime.block_on(tokio::task::unconstrained(work));
                })?;
            threads.push(thread);
        }
        Ok(Self {
            address,
            stop,
            threads,
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
