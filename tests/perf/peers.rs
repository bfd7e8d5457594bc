//! What the clients are measured against: `cargo bench --bench peers -- MODE [OPTION=VALUE]…`.
//!
//! `sink` is bench's built-in peer in a process of its own: it prints its port, and drains until it is
//! killed. `threads` (1), `forward` (0: hand publishes on to subscribers).
//! `bare` is an open loop without any accounting, to compare with: over `connections` (1000) to `port` it
//! writes `rate` (50000) ready-made PUBLISH packets of 16 bytes a second at `qos` (0 or 1) for `seconds` (4), as
//! evenly and with the same alarm as bench, reads what comes back, and prints how many it wrote.
//! `closed` is a closed loop without any accounting: it keeps 20 PUBLISH packets of 16 bytes at `qos` (1 or 2) under way
//! to `port` for `seconds` (3), and prints how many were acknowledged.
#![allow(dead_code, unused_imports, clippy::print_stdout)]

#[path = "../../src/bench"]
mod bench {
    pub mod peer;
    pub mod ready;
    pub mod timers;
}

use std::error::Error;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bench::peer::{Peer, PeerOptions};
use bench::timers::{Alarm, GRAIN};
use mozzie_mqtt as mqtt;
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
        Some("closed") => closed(&options),
        _ => Err("use sink, bare or closed".into()),
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

const CONNECT: &[u8] = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01x";

async fn connected(port: u16) -> Result<TcpStream, Box<dyn Error>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    stream.write_all(CONNECT).await?;
    stream.read_exact(&mut [0; 4]).await?;
    Ok(stream)
}

fn bare(options: &Options) -> Outcome {
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
            let stream = Arc::new(connected(port).await?);
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

fn closed(options: &Options) -> Outcome {
    const WINDOW: u16 = 20;
    let port: u16 = options.get("port")?.ok_or("closed needs a port")?;
    let seconds: f64 = options.get("seconds")?.unwrap_or(3.0);
    let qos: u8 = options.get("qos")?.unwrap_or(1);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let put = |output: &mut Vec<u8>, [high, low]: [u8; 2]| {
        output.extend_from_slice(&[0x30 | qos << 1, 0x20]);
        output.extend_from_slice(b"\x00\x0cmozzie/bench");
        output.extend_from_slice(&[high, low]);
        output.extend_from_slice(b"0123456789abcdef");
    };
    runtime.block_on(async {
        let mut stream = connected(port).await?;
        let end = Instant::now() + Duration::from_secs_f64(seconds);
        let mut output = Vec::new();
        // An identifier is used again once its exchange is over.
        (1..=WINDOW).for_each(|id| put(&mut output, id.to_be_bytes()));
        let mut input = Vec::with_capacity(64 * 1024);
        let mut acknowledged = 0u64;
        while Instant::now() < end {
            stream.write_all(&output).await?;
            output.clear();
            if stream.read_buf(&mut input).await? == 0 {
                return Err("the broker closed the connection".into());
            }
            let whole = input.len() / 4 * 4;
            for answer in input.drain(..whole).as_slice().chunks_exact(4) {
                let id = [answer[2], answer[3]];
                match answer[0] {
                    // PUBREC
                    0x50 => output.extend_from_slice(&[0x62, 2, id[0], id[1]]),
                    // PUBACK, PUBCOMP
                    0x40 | 0x70 => {
                        acknowledged += 1;
                        put(&mut output, id);
                    }
                    other => return Err(format!("a packet of type {other:#x}").into()),
                }
            }
        }
        println!("{acknowledged}");
        Ok(())
    })
}
