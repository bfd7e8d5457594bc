//! Drives the bench engine without the command line, and serves as the sink that other clients are
//! measured against: `cargo bench --bench engine -- MODE [OPTION=VALUE]…`.
//!
//! `sink` listens and drains until it is killed: `port` (free), `threads` (1), `forward` (0),
//! `ack-delay-ms` (0).
//! `load` runs one plan and prints its report: `port` (a peer in this process), `publishers` (1),
//! `subscribers` (0), `qos` (0), `size` (16), `messages`, `seconds`, `in-flight` (20), `rate`, `workers`
//! (1), `version` (311), `topic`, `ack-delay-ms` (0).
//! `idle` opens `clients` (10000) connections to `port` and prints what each costs this process.
//! `bare` is a plain socket loop to compare with: `connections` (1000) to `port`, each of which writes
//! a ready-made QoS 1 PUBLISH of 16 bytes and waits for its PUBACK, for `seconds` (5).
#![allow(dead_code, unused_imports, clippy::print_stdout, clippy::print_stderr)]

#[path = "../../src/bench/mod.rs"]
mod bench;
#[path = "../../src/digits.rs"]
mod digits;
#[path = "../../src/mqtt/mod.rs"]
mod mqtt;
#[path = "../../src/net/mod.rs"]
mod net;
#[path = "../../src/output/bench/mod.rs"]
mod output_bench;

use std::error::Error;
use std::str::FromStr;
use std::time::Duration;

use bench::peer::{Peer, PeerOptions};
use bench::{BenchPlan, Pace, Payload, Sizes, Stop, TopicTemplate};
use mqtt::{QoS, Version};

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
        Some("load") => load(&options),
        Some("idle") => idle(&options),
        Some("bare") => bare(&options),
        _ => Err("use sink, load, idle or bare".into()),
    }
}

fn peer_options(options: &Options) -> Result<PeerOptions, Box<dyn Error>> {
    Ok(PeerOptions {
        threads: options.get("threads")?.unwrap_or(1),
        forward: options.get("forward")?.unwrap_or(0) > 0,
        ack_delay: options.get("ack-delay-ms")?.map(Duration::from_millis),
        ..PeerOptions::default()
    })
}

fn sink(options: &Options) -> Outcome {
    let port = options.get("port")?.unwrap_or(0);
    let peer = Peer::listen(([127, 0, 0, 1], port).into(), peer_options(options)?)?;
    println!("{}", peer.address().port());
    loop {
        std::thread::park();
    }
}

/// A plan for the peer at `port`, or for one that is started here.
fn plan(options: &Options) -> Result<(BenchPlan, Option<Peer>), Box<dyn Error>> {
    let (address, peer) = match options.get::<u16>("port")? {
        Some(port) => (([127, 0, 0, 1], port).into(), None),
        None => {
            let forward = options.get::<usize>("subscribers")?.unwrap_or(0) > 0;
            let peer = Peer::start(PeerOptions {
                forward,
                ..peer_options(options)?
            })?;
            (peer.address(), Some(peer))
        }
    };
    let mut plan = BenchPlan::new(bench::tcp(address));
    let qos: QoS = options.get("qos")?.unwrap_or_default();
    plan.session.version = options.get("version")?.unwrap_or(Version::V311);
    plan.publishers.count = options.get("publishers")?.unwrap_or(1);
    plan.publishers.qos = qos;
    let size = options.get("size")?.unwrap_or(16);
    plan.payload = Payload::Filler(Sizes::fixed(size));
    plan.publishers.in_flight = options.get("in-flight")?.unwrap_or(20);
    plan.subscribers.count = options.get("subscribers")?.unwrap_or(0);
    plan.subscribers.qos = qos;
    plan.stop = Stop {
        messages: options.get("messages")?,
        duration: options.get("seconds")?.map(Duration::from_secs_f64),
    };
    plan.pace = options.get("rate")?.map(Pace::constant);
    plan.workers = options.get("workers")?.unwrap_or(1);
    if let Some(topic) = options.get::<String>("topic")? {
        plan.topics = vec![TopicTemplate::new(&topic)?];
    }
    Ok((plan, peer))
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

fn load(options: &Options) -> Outcome {
    let (plan, _peer) = plan(options)?;
    let run = bench::run(plan, std::future::pending(), |progress| {
        eprintln!("{}", output_bench::render_progress(progress));
    });
    let report = runtime()?.block_on(run)?;
    let look = output_bench::Look {
        colour: false,
        picture: false,
    };
    output_bench::render_report(&report, look, &mut std::io::stdout())?;
    Ok(())
}

fn idle(options: &Options) -> Outcome {
    let clients = options.get("clients")?.unwrap_or(10_000);
    let (mut plan, _) = plan(options)?;
    plan.publishers.count = 0;
    plan.subscribers.count = clients;
    plan.stop = Stop {
        messages: None,
        duration: Some(Duration::from_secs(2)),
    };
    let before = resident()?;
    let mut up = None;
    let run = bench::run(plan, std::future::pending(), |progress| {
        if progress.open == clients && up.is_none() {
            up = resident().ok();
        }
    });
    let report = runtime()?.block_on(run)?;
    let up = up.ok_or("not all connections came up")?;
    println!(
        "{clients} connections up after {:?}, {} bytes of process memory each",
        report.times.connect,
        up.saturating_sub(before) / clients as u64
    );
    Ok(())
}

fn bare(options: &Options) -> Outcome {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    const CONNECT: &[u8] = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01x";
    const PUBLISH: &[u8] = b"\x32\x20\x00\x0cmozzie/bench\x00\x010123456789abcdef";
    let port: u16 = options.get("port")?.ok_or("bare needs a port")?;
    let seconds = options.get("seconds")?.unwrap_or(5.0);
    let end = std::time::Instant::now() + Duration::from_secs_f64(seconds);
    let messages = runtime()?.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..options.get("connections")?.unwrap_or(1000) {
            let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
            stream.set_nodelay(true)?;
            tasks.spawn(async move {
                let mut answer = [0; 4];
                stream.write_all(CONNECT).await?;
                stream.read_exact(&mut answer).await?;
                let mut messages = 0u64;
                while std::time::Instant::now() < end {
                    stream.write_all(PUBLISH).await?;
                    stream.read_exact(&mut answer).await?;
                    messages += 1;
                }
                Ok::<_, std::io::Error>(messages)
            });
        }
        let mut messages = 0;
        while let Some(task) = tasks.join_next().await {
            messages += task??;
        }
        Ok::<_, Box<dyn Error>>(messages)
    })?;
    println!("{messages}");
    Ok(())
}

/// Resident memory of this process, in bytes.
fn resident() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(number.ok_or("no VmRSS")?.parse::<u64>()? * 1024)
}
