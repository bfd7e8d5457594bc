//! Ports for programs that cannot be told "any free port".

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    io,
    net::TcpListener,
    sync::{
        OnceLock,
        atomic::{AtomicU16, Ordering},
    },
};

/// Ports are taken from here up to 30,000: below the range the system takes ports for outgoing connections from, so
/// that no other test's connection can take one between this call and the start of whoever will listen on it.
const FIRST: u16 = 15_000;
const COUNT: u16 = 15_000;

/// A port nobody listens on, a new one with each call: a client that outlives its test cannot come to another test's
/// broker. Each test process begins somewhere else, for several may run at once.
pub fn free_port() -> u16 {
    free_listener()
        .local_addr()
        .expect("a bound address")
        .port()
}

/// A listener on a port as [`free_port`] finds them.
pub fn free_listener() -> TcpListener {
    static START: OnceLock<u16> = OnceLock::new();
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let random = || RandomState::new().build_hasher().finish() % u64::from(COUNT);
    let start = *START.get_or_init(|| u16::try_from(random()).expect("below COUNT"));
    loop {
        let port = FIRST + (start + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT;
        // A machine without IPv6 has nobody listening there.
        let taken = |error: io::Error| error.kind() == io::ErrorKind::AddrInUse;
        if TcpListener::bind(("::", port)).is_err_and(taken) {
            continue;
        }
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return listener;
        }
    }
}
