//! A real SOCKS5 proxy (microsocks), a small HTTP CONNECT proxy, and a link that breaks.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpStream},
    process::{Child, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::{free_listener, free_port, program, wait_until};

pub struct Socks {
    child: Child,
    pub port: u16,
}

impl Socks {
    pub fn open() -> Self {
        Self::spawn(&[])
    }

    pub fn with_login(user: &str, password: &str) -> Self {
        Self::spawn(&["-u", user, "-P", password])
    }

    fn spawn(login: &[&str]) -> Self {
        let port = free_port();
        let child = program("microsocks")
            .args(["-i", "127.0.0.1", "-p", &port.to_string()])
            .args(login)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("microsocks starts");
        wait_until("microsocks", || {
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Self { child, port }
    }
}

impl Drop for Socks {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Answers CONNECT; keeps the request lines it saw.
pub struct HttpProxy {
    pub port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl HttpProxy {
    /// `refusal` is the status line it answers with instead of opening a tunnel.
    pub fn start(refusal: Option<&'static str>) -> Self {
        let listener = free_listener();
        let port = listener.local_addr().expect("an address").port();
        let requests = Arc::default();
        let seen = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let seen = Arc::clone(&seen);
                thread::spawn(move || serve(stream?, refusal, &seen));
            }
        });
        Self { port, requests }
    }

    /// Every line of every request so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, refusal: Option<&str>, seen: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut target = String::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        if let Some(rest) = line.strip_prefix("CONNECT ") {
            target = rest.split(' ').next().unwrap_or_default().to_owned();
        }
        seen.lock().unwrap().push(line);
    }
    let mut client = stream;
    if let Some(status) = refusal {
        return write!(client, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
    }
    let mut broker = TcpStream::connect(target)?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let mut upwards = broker.try_clone()?;
    thread::spawn(move || {
        io::copy(&mut reader, &mut upwards)?;
        upwards.shutdown(Shutdown::Write)
    });
    io::copy(&mut broker, &mut client)?;
    client.shutdown(Shutdown::Both)
}

/// A link to a broker that breaks in the middle of whatever is under way.
pub struct BadLink {
    pub port: u16,
    connections: Arc<AtomicUsize>,
}

impl BadLink {
    /// Each connection breaks when this many bytes have crossed it, both ways taken together; those beyond the list last.
    pub fn to(broker: u16, cuts: &'static [usize]) -> Self {
        let listener = free_listener();
        let port = listener.local_addr().expect("an address").port();
        let connections = Arc::<AtomicUsize>::default();
        let made = Arc::clone(&connections);
        thread::spawn(move || {
            for client in listener.incoming() {
                let cut = cuts
                    .get(made.fetch_add(1, Ordering::Relaxed))
                    .copied()
                    .unwrap_or(usize::MAX);
                let (client, broker) = (client?, TcpStream::connect(("127.0.0.1", broker))?);
                let left = Arc::new(AtomicUsize::new(cut));
                for (from, to) in [(&client, &broker), (&broker, &client)] {
                    let (from, to, left) = (from.try_clone()?, to.try_clone()?, Arc::clone(&left));
                    thread::spawn(move || carry(from, to, &left));
                }
            }
            io::Result::Ok(())
        });
        Self { port, connections }
    }

    /// How often somebody has connected.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, left: &AtomicUsize) {
    let mut chunk = [0; 4096];
    while let Ok(n) = from.read(&mut chunk) {
        let before = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            Some(left.saturating_sub(n))
        });
        let granted = before.unwrap_or_default().min(n);
        if n == 0 || to.write_all(&chunk[..granted]).is_err() || granted < n {
            break;
        }
    }
    let _gone = from.shutdown(Shutdown::Both);
    let _gone = to.shutdown(Shutdown::Both);
}
