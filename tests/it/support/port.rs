//! Ports for programs that cannot be told "any free port".

use std::{
    net::TcpListener,
    process,
    sync::atomic::{AtomicU16, Ordering},
};

/// A port nobody listens on. It lies below the range the system takes ports for outgoing connections from, so that no
/// other test's connection can take it between this call and the start of whoever will listen on it.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(process::id() % 15_000).unwrap();
    loop {
        let port = 15_000 + (start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed))) % 15_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() && TcpListener::bind(("::", port)).is_ok()
        {
            return port;
        }
    }
}
