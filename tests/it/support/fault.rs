//! A link to a broker with one fault for each connection that is made through it.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use super::free_listener;

/// What happens to one direction of a connection behind so many bytes.
#[derive(Debug, Clone, Copy)]
enum Then {
    /// Both directions are closed.
    Cut,
    /// Nothing is read any more, nothing closed: the network is gone, and nobody is told.
    Stall,
    /// What comes is read and thrown away.
    Swallow,
}

/// What is wrong with a connection.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fault {
    up: Option<(usize, Then)>,
    down: Option<(usize, Then)>,
    delay: Duration,
}

impl Fault {
    /// Closed behind this many bytes from the client.
    pub fn cut_up(bytes: usize) -> Self {
        Self {
            up: Some((bytes, Then::Cut)),
            ..Self::default()
        }
    }

    /// Closed behind this many bytes from the broker.
    pub fn cut_down(bytes: usize) -> Self {
        Self {
            down: Some((bytes, Then::Cut)),
            ..Self::default()
        }
    }

    /// The broker's bytes behind these do not arrive, its acknowledgements among them; closed behind
    /// `up` bytes from the client.
    pub fn no_answers(down: usize, up: usize) -> Self {
        Self {
            up: Some((up, Then::Cut)),
            down: Some((down, Then::Swallow)),
            ..Self::default()
        }
    }

    /// Half-open: the client's bytes behind these go nowhere, and nothing comes back.
    pub fn half_open(up: usize, down: usize) -> Self {
        Self {
            up: Some((up, Then::Swallow)),
            down: Some((down, Then::Swallow)),
            ..Self::default()
        }
    }

    /// Nothing is taken from either side any more.
    pub fn stall(up: usize) -> Self {
        Self {
            up: Some((up, Then::Stall)),
            down: Some((up, Then::Stall)),
            ..Self::default()
        }
    }

    /// Every read waits for this long.
    pub fn slow(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }
}

pub struct FaultyLink {
    pub port: u16,
    connections: Arc<AtomicUsize>,
    down: Arc<AtomicBool>,
}

impl FaultyLink {
    /// One fault for each connection in their order; those beyond the list are sound.
    pub fn to(broker: u16, faults: Vec<Fault>) -> Self {
        let listener = free_listener();
        let link = Self {
            port: listener.local_addr().expect("an address").port(),
            connections: Arc::default(),
            down: Arc::default(),
        };
        let (made, down) = (Arc::clone(&link.connections), Arc::clone(&link.down));
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client?;
                if down.load(Ordering::SeqCst) {
                    continue;
                }
                // A broker that is not there is a connection that is closed at once.
                let Ok(broker) = TcpStream::connect(("127.0.0.1", broker)) else {
                    continue;
                };
                let n = made.fetch_add(1, Ordering::SeqCst);
                let fault = faults.get(n).copied().unwrap_or_default();
                for (from, to, side) in
                    [(&client, &broker, fault.up), (&broker, &client, fault.down)]
                {
                    let (from, to) = (from.try_clone()?, to.try_clone()?);
                    thread::spawn(move || carry(from, to, side, fault.delay));
                }
            }
            io::Result::Ok(())
        });
        link
    }

    /// How many connections have reached the broker.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Lets nobody through any more, or again. Connections that stand are left alone.
    pub fn shut(&self, shut: bool) {
        self.down.store(shut, Ordering::SeqCst);
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, side: Option<(usize, Then)>, delay: Duration) {
    let mut chunk = [0; 4096];
    let (mut left, then) = match side {
        Some((bytes, then)) => (bytes, Some(then)),
        None => (usize::MAX, None),
    };
    loop {
        if left == 0 && matches!(then, Some(Then::Stall)) {
            loop {
                // The sockets stay open, as long as the tests run.
                thread::park();
            }
        }
        if !delay.is_zero() {
            thread::sleep(delay);
        }
        let Ok(n @ 1..) = from.read(&mut chunk) else {
            break;
        };
        let granted = left.min(n);
        if to.write_all(&chunk[..granted]).is_err() {
            break;
        }
        left -= granted;
        if left == 0 && matches!(then, Some(Then::Cut)) {
            break;
        }
    }
    let _gone = from.shutdown(Shutdown::Both);
    let _gone = to.shutdown(Shutdown::Both);
}
