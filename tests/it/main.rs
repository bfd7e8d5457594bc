//! Black-box tests: what a user of the `mozzie` binary must see, on real brokers and on a scripted one.
//!
//! One binary, so that linking happens once. `support` is the house; every other module is a part of the specification.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may fail where it stands and says what it skips"
)]
#![cfg_attr(
    not(feature = "broker"),
    allow(
        dead_code,
        unused_imports,
        reason = "parts of the support serve the embedded broker alone"
    )
)]

mod bad_input;
mod bench_load;
mod bench_ports;
mod bench_search;
mod bench_truth;
mod completion;
mod delivery;
mod dialect_argv;
mod dialect_failures;
mod dialect_link;
mod dialect_options_file;
mod dialect_wire;
mod doctor;
mod embedded;
mod exit_codes;
mod faults;
mod format;
mod generated;
mod hints;
mod hostile_broker;
mod json_errors;
mod layers;
mod mosquitto_suite;
mod pictures;
mod profiles;
mod publish;
mod publish_records;
mod publish_stdin;
mod publish_wire;
mod readme;
mod reconnect;
mod request;
mod secrets;
mod signals;
#[cfg(feature = "srv")]
mod srv;
mod start;
mod subscribe;
mod subscribe_exec;
mod subscribe_files;
mod subscribe_json;
mod subscribe_pipes;
mod subscribe_retained;
mod support;
mod terminal;
mod tls;
mod transports;
mod watch;
