//! What the clients are measured against: `cargo bench --bench peers -- MODE [OPTION=VALUE]…`.
//!
//! `sink` is bench's built-in peer in a process of its own: it prints its port, and drains until it is
//! killed. `threads` (1), `forward` (0: hand publishes on to subscribers).
//! `bare` is an open loop without any accounting, to compare with: over `connections` (1000) to `port` it
//! writes `rate` (50000) ready-made PUBLISH packets of 16 bytes a second at `qos` (0 or 1) for `seconds` (4), as
//! evenly and with the same alarm as bench, reads what comes back, and prints how many it wrote.
#![allow(dead_code, unused_imports, clippy::print_stdout)]

#[path = "../../src/bench"]
mod bench {
    pub mod peer;
    pub mod ready;
    pub mod timers;
}
#[path = "../../src/mqtt"]
mod mqtt {
    pub mod properties;
    pub mod text;
    pub mod topic;
}

use std::error::Error;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bench::peer::{Peer, PeerOptions};
use bench::timers::{Alarm, GRAIN};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

type Outcome = Result<(), Box<dyn Error>>;

struct Options(Vec<(String, String)>);

impl Options {
    fn get<T: FromStr>(&self, name: &str) -> Result<Option<T>, Box<dyn Error>>
    where
        T::Err: Error + 'static,
    {
        match self.0.iter().find(|(known, _)| known == name) {
            Some((_, value)) => Ok(Some(value.parse()?)),
            None => Ok(None),
        }
    }
}

fn main() -> Outcome {
    // Cargo adds an option of its own.
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    let mode = words.next();
    let options = words
        .map(|word| match word.split_once('=') {
            Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
            None => Err(format!("'{word}' is not OPTION=VALUE")),
        })
        .collect::<Result<_, _>>()?;
    let options = Options(options);
    match mode.as_deref() {
        Some("sink") => sink(&options),
        Some("bare") => bare(&options),
        _ => Err("use sink or bare".into()),
    }
}

fn sink(options: &Options) -> Outcome {
    let peer = Peer::start(PeerOptions {
        threads: options.get("threads")?.unwrap_or(1),
        forward: options.get("forward")?.unwrap_or(0) > 0,
        ..PeerOptions::default()
    })?;
    println!("{}", peer.address().port());
    loop {
        std::thread::park();
    }
}

fn bare(options: &Options) -> Outcome {
    const CONNECT: &[u8] = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01x";
    const QOS_0: &[u8] = b"\x30\x1e\x00\x0cmozzie/bench0123456789abcdef";
    const QOS_1: &[u8] = b"\x32\x20\x00\x0cmozzie/bench\x00\x010123456789abcdef";
    let port: u16 = options.get("port")?.ok_or("bare needs a port")?;
    let connections = options.get("connections")?.unwrap_or(1000);
    let rate: f64 = options.get("rate")?.unwrap_or(50_000.0);
    let seconds: f64 = options.get("seconds")?.unwrap_or(4.0);
    let publish = match options.get("qos")?.unwrap_or(0) {
        0 => QOS_0,
        _ => QOS_1,
    };
    let messages = (rate * seconds) as usize;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut streams = Vec::new();
        for _ in 0..connections {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
            stream.set_nodelay(true)?;
            stream.write_all(CONNECT).await?;
            stream.read_exact(&mut [0; 4]).await?;
            let stream = Arc::new(stream);
            streams.push(stream.clone());
            tokio::spawn(async move {
                let mut answers = [0; 64];
                while stream.readable().await.is_ok() {
                    // False readiness, or the end: whatever it is, the writer notices too.
                    let _ = stream.try_read(&mut answers);
                }
            });
        }
        let mut alarm = Alarm::new()?;
        let start = Instant::now();
        for (number, stream) in streams.iter().cycle().take(messages).enumerate() {
            let due = start + Duration::from_secs_f64(number as f64 / rate);
            let wait = due.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                alarm.set(wait.max(GRAIN))?;
                alarm.rings().await?;
            }
            if stream.try_write(publish)? != publish.len() {
                return Err("a packet was cut".into());
            }
        }
        println!("{messages}");
        Ok(())
    })
}
