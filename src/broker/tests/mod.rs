//! The embedded broker as clients meet it: mosquitto's for what they can do, bytes on a socket for the rest.
//!
//! Without `mosquitto_pub` and `mosquitto_sub` the tests that need them are skipped aloud, and fail where `CI` is set.
//!
//! The peers: `clients` (mosquitto's), `wire` (bytes). The subjects: `delivery`, `sessions`, `floods`, `service` (the
//! broker itself).
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod clients;
mod delivery;
mod floods;
mod service;
mod sessions;
mod wire;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use self::clients::{Subscriber, client, mosquitto_is_here, publish};
use self::wire::{Wire, string};
use super::*;

const VERSIONS: [&str; 3] = ["mqttv31", "mqttv311", "mqttv5"];

/// For everything that is to happen soon. Only a broken broker takes it.
const DEADLINE: Duration = Duration::from_secs(60);

fn broker() -> EmbeddedBroker {
    EmbeddedBroker::start(&BrokerPlan::default()).unwrap()
}

fn numbers(count: usize) -> String {
    (0..count).map(|number| format!("{number}\n")).collect()
}
