//! Whole runs against the draining peer, which does right or wrong as it is told.

use std::future::pending;
use std::io::{Read, Write};
use std::time::Duration;

use super::peer::{Faults, Peer, PeerOptions};
use super::plan::PlanError;
use super::*;
use crate::mqtt::session::SessionError;
use crate::mqtt::{QoS, Version};

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];
const LEVELS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

fn forwarding(faults: Faults) -> Peer {
    Peer::start(PeerOptions {
        forward: true,
        faults,
        ..PeerOptions::default()
    })
    .unwrap()
}

/// Two publishers, two subscribers, 1,000 messages.
fn plan(peer: &Peer, qos: QoS) -> BenchPlan {
    let mut plan = BenchPlan::new(tcp(peer.address()));
    plan.publishers.count = 2;
    plan.publishers.qos = qos;
    plan.subscribers = Subscribers { count: 2, qos };
    plan.stop.messages = Some(1_000);
    plan.workers = 2;
    plan.drain = Duration::from_millis(500);
    plan
}

fn try_run(plan: BenchPlan) -> Result<Report, BenchError> {
    block_on(run(plan, pending(), |_| {}))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}

/// What must be true of every report.
fn adds_up(report: &Report) {
    let counts = report.counts();
    if report.setup.publishers.qos != QoS::AtMostOnce {
        assert_eq!(
            counts.sent,
            counts.acknowledged + counts.refused + report.account.unacknowledged
        );
        assert_eq!(
            report.recorder.timings.of(Timing::Ack).len(),
            counts.acknowledged
        );
    }
    let account = &report.account;
    assert_eq!(
        account.expected,
        account.arrived + account.damaged + account.lost + account.cut_off + account.pending
    );
    assert_eq!(report.verdict.count(FaultKind::Contradictions), 0);
    if report.setup.stamps != Stamps::None {
        assert_eq!(
            report.recorder.timings.of(Timing::Delivery).len(),
            account.arrived
        );
    }
}

#[test]
fn every_message_is_accounted_for_at_every_qos_in_every_version() {
    for version in VERSIONS {
        for qos in LEVELS {
            let peer = forwarding(Faults::default());
            let mut plan = plan(&peer, qos);
            plan.session.version = version;
            let report = try_run(plan).unwrap();
            let counts = report.counts();
            adds_up(&report);
            assert_eq!(counts.connected, 4, "{version} {qos}");
            assert_eq!(counts.sent, 1_000, "{version} {qos}");
            assert_eq!(counts.received, 2_000, "{version} {qos}");
            let acknowledged = if qos == QoS::AtMostOnce { 0 } else { 1_000 };
            assert_eq!(counts.acknowledged, acknowledged, "{version} {qos}");
            let account = &report.account;
            assert_eq!((account.expected, account.lost), (2_000, 0));
            assert_eq!(report.recorder.timings.of(Timing::Connect).len(), 4);
            assert_eq!(report.verdict.outcome(), Outcome::Pass);
            assert!(report.recorder.connection_errors.is_empty());
        }
    }
}

#[test]
fn an_index_in_the_topic_pairs_publishers_with_subscribers() {
    for (publishers, subscribers, received) in [(6, 2, 1_000), (2, 6, 3_000), (3, 3, 1_000)] {
        let peer = forwarding(Faults::default());
        let mut plan = plan(&peer, QoS::AtLeastOnce);
        plan.topics = vec![TopicTemplate::new("a/{i}").unwrap()];
        plan.publishers.count = publishers;
        plan.subscribers.count = subscribers;
        let report = try_run(plan).unwrap();
        adds_up(&report);
        assert_eq!(report.counts().received, received);
        assert_eq!(report.account.lost, 0);
    }
}

#[test]
fn a_number_of_messages_is_sent_exactly_however_it_divides() {
    for messages in [1, 7, 1_001] {
        let peer = Peer::start(PeerOptions::default()).unwrap();
        let mut plan = plan(&peer, QoS::AtLeastOnce);
        plan.publishers.count = 3;
        plan.subscribers.count = 0;
        plan.stop.messages = Some(messages);
        let report = try_run(plan).unwrap();
        assert_eq!(report.counts().sent, messages);
        assert_eq!(report.counts().acknowledged, messages);
        assert_eq!(report.account.expected, 0);
    }
}

#[test]
fn a_duration_ends_the_run_and_what_was_sent_still_arrives() {
    for qos in LEVELS {
        let peer = forwarding(Faults::default());
        let mut plan = plan(&peer, qos);
        plan.stop = Stop {
            messages: None,
            duration: Some(Duration::from_millis(50)),
        };
        let report = try_run(plan).unwrap();
        adds_up(&report);
        assert!(report.counts().sent > 0);
        assert_eq!(report.account.lost, 0);
        assert!(!report.interrupted);
    }
}

#[test]
fn a_signal_ends_publishing_and_the_report_still_comes() {
    let peer = forwarding(Faults::default());
    let mut plan = plan(&peer, QoS::AtLeastOnce);
    plan.stop.messages = Some(u64::MAX);
    let report = block_on(async {
        let (saw, stop) = tokio::sync::oneshot::channel();
        let mut saw = Some(saw);
        let stop = async {
            let _ = stop.await;
        };
        run(plan, stop, |progress| {
            if progress.counts.acknowledged > 0
                && let Some(saw) = saw.take()
            {
                let _ = saw.send(());
            }
        })
        .await
    })
    .unwrap();
    adds_up(&report);
    assert!(report.interrupted);
    assert!(report.counts().acknowledged > 0);
    assert_eq!(report.account.unacknowledged, 0);
    assert_eq!(report.account.lost, 0);
}

#[test]
fn lost_messages_are_counted_as_lost() {
    for qos in LEVELS {
        let peer = forwarding(Faults {
            lose_every: Some(10),
            ..Faults::default()
        });
        let report = try_run(plan(&peer, qos)).unwrap();
        adds_up(&report);
        assert_eq!(report.account.lost, 200, "{qos}");
        assert_eq!(report.counts().received, 1_800, "{qos}");
    }
}

#[test]
fn a_group_has_each_message_once_between_its_members() {
    let mut plans = Vec::new();
    for faults in [
        Faults::default(),
        Faults {
            lose_every: Some(10),
            // A repeated message goes to another member than the first.
            repeat_every: Some(25),
            ..Faults::default()
        },
    ] {
        let peer = forwarding(faults);
        let mut plan = plan(&peer, QoS::AtLeastOnce);
        plan.group = Some("g".to_owned());
        plan.subscribers.count = 3;
        plans.push((peer, plan));
    }
    let mut reports = plans
        .into_iter()
        .map(|(_peer, plan)| try_run(plan).unwrap());
    let (right, wrong) = (reports.next().unwrap(), reports.next().unwrap());
    adds_up(&right);
    assert_eq!(right.verdict.outcome(), Outcome::Pass);
    assert_eq!(right.account.arrived, 1_000);
    adds_up(&wrong);
    // Every 50th is lost and so not repeated.
    assert_eq!((wrong.account.arrived, wrong.account.lost), (900, 100));
    assert_eq!(wrong.counts().duplicated, 20);
    assert_eq!(wrong.account.breaches.first_lost.len(), 8);
    assert_eq!(wrong.counts().out_of_order, 0);
}

#[test]
fn repeated_messages_are_counted_as_duplicates() {
    let peer = forwarding(Faults {
        repeat_every: Some(4),
        ..Faults::default()
    });
    let report = try_run(plan(&peer, QoS::AtLeastOnce)).unwrap();
    adds_up(&report);
    assert_eq!(report.counts().duplicated, 500);
    assert_eq!(report.account.lost, 0);
}

#[test]
fn corrupted_payloads_are_counted_and_are_not_lost_as_well() {
    let peer = forwarding(Faults {
        corrupt_every: Some(5),
        ..Faults::default()
    });
    // The last byte is in the filler, and then in the stamp's checksum.
    for size in [64, 16] {
        let mut plan = plan(&peer, QoS::AtLeastOnce);
        plan.payload = Payload::Filler(Sizes::fixed(size));
        let report = try_run(plan).unwrap();
        adds_up(&report);
        assert_eq!(report.counts().corrupted, 400);
        assert_eq!((report.account.damaged, report.account.lost), (400, 0));
    }
}

#[test]
fn refused_publishes_are_counted_with_their_reason() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let peer = forwarding(Faults {
            refuse_every: Some(10),
            ..Faults::default()
        });
        let mut plan = plan(&peer, qos);
        plan.session.version = Version::V5;
        let report = try_run(plan).unwrap();
        adds_up(&report);
        let counts = report.counts();
        assert_eq!((counts.acknowledged, counts.refused), (900, 100));
        assert_eq!(report.account.lost, 0);
        let reasons: Vec<_> = report.recorder.refusals.iter().collect();
        assert_eq!(reasons, [("quota exceeded (151)", 100)]);
    }
}

#[test]
fn a_broker_that_dies_in_the_middle_leaves_a_true_report() {
    for qos in LEVELS {
        let peer = forwarding(Faults {
            close_at: Some(500),
            ..Faults::default()
        });
        let mut plan = plan(&peer, qos);
        plan.stop.messages = Some(u64::MAX);
        let report = try_run(plan).unwrap();
        adds_up(&report);
        let counts = report.counts();
        assert_eq!((counts.connected, counts.broken), (4, 4), "{qos}");
        assert_eq!(
            report
                .recorder
                .connection_errors
                .iter()
                .map(|one| one.1)
                .sum::<u64>(),
            4
        );
        assert!(counts.received <= 2 * 499);
        assert_eq!(report.account.lost, 0);
    }
}

#[test]
fn payloads_without_room_for_a_stamp_are_counted() {
    for size in [0, 1, 15] {
        let peer = forwarding(Faults {
            lose_every: Some(100),
            ..Faults::default()
        });
        let mut plan = plan(&peer, QoS::AtMostOnce);
        plan.payload = Payload::Filler(Sizes::fixed(size));
        let report = try_run(plan).unwrap();
        adds_up(&report);
        let account = &report.account;
        assert_eq!((account.arrived, account.lost), (1_980, 20));
        assert!(report.latency(Timing::Delivery).is_none());
    }
}

#[test]
fn payloads_larger_than_every_buffer_arrive_whole() {
    let peer = forwarding(Faults::default());
    let mut plan = plan(&peer, QoS::AtLeastOnce);
    plan.payload = Payload::Filler(Sizes::fixed(300_000));
    plan.stop.messages = Some(20);
    let report = try_run(plan).unwrap();
    adds_up(&report);
    assert_eq!(report.counts().received, 40);
    assert_eq!(report.counts().corrupted, 0);
}

#[test]
fn refused_connections_end_the_run_with_the_brokers_reason() {
    for version in VERSIONS {
        let peer = forwarding(Faults {
            refuse_connections: true,
            ..Faults::default()
        });
        let mut plan = plan(&peer, QoS::AtMostOnce);
        plan.session.version = version;
        let error = try_run(plan).unwrap_err();
        assert!(error.to_string().contains("not authorized"), "{error}");
        assert!(error.hint().is_some());
        assert!(matches!(
            error,
            BenchError::NoConnection {
                clients: 4,
                first: ConnectionError::Session(SessionError::Refused(_)),
            }
        ));
    }
}

#[test]
fn refused_subscriptions_fail_their_connections_and_owe_nothing() {
    let peer = forwarding(Faults {
        refuse_subscriptions: true,
        ..Faults::default()
    });
    let report = try_run(plan(&peer, QoS::AtLeastOnce)).unwrap();
    adds_up(&report);
    let counts = report.counts();
    assert_eq!((counts.connected, counts.failed), (2, 2));
    assert_eq!(counts.acknowledged, 1_000);
    assert_eq!((report.account.expected, report.account.lost), (0, 0));
}

#[test]
fn nobody_at_the_address_is_an_error_with_a_hint() {
    let address = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let mut plan = BenchPlan::new(tcp(address));
    plan.stop.messages = Some(1);
    let error = try_run(plan).unwrap_err();
    assert!(matches!(
        error,
        BenchError::NoConnection {
            clients: 1,
            first: ConnectionError::Dial(_),
        }
    ));
    assert!(error.hint().is_some());
}

#[test]
fn a_plan_that_cannot_be_executed_opens_nothing() {
    let plan = BenchPlan::new(tcp(([127, 0, 0, 1], 1).into()));
    let error = try_run(plan).unwrap_err();
    assert!(matches!(error, BenchError::Plan(PlanError::NoEnd)));
}

/// Answers every connection with these bytes and closes it.
fn scripted(bytes: &'static [u8]) -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(bytes);
        }
    });
    address
}

#[test]
fn whatever_a_broker_says_is_a_reason_and_no_panic() {
    const CONNACK: &[u8] = &[0x20, 2, 0, 0];
    const SCRIPTS: [&[u8]; 6] = [
        &[],
        &[0xff; 64],
        &[0x20, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x40, 2, 0, 1],
        // After CONNACK: an acknowledgement for nothing, and a PUBLISH of a publisher's.
        &[0x20, 2, 0, 0, 0x40, 2, 0, 9, 0x30, 3, 0, 1, b'a'],
        &[0x20, 2, 0, 0, 0x20, 2, 0, 0],
    ];
    for script in SCRIPTS {
        let mut plan = BenchPlan::new(tcp(scripted(script)));
        plan.stop.messages = Some(10);
        plan.publishers.qos = QoS::AtLeastOnce;
        plan.drain = Duration::from_millis(200);
        match try_run(plan) {
            Ok(report) => {
                assert!(script.starts_with(CONNACK));
                adds_up(&report);
                assert_eq!(report.counts().broken, 1);
            }
            Err(BenchError::NoConnection { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_large_window_is_kept_within_the_brokers_receive_maximum_of_acknowledgements() {
    let peer = Peer::start(PeerOptions {
        ack_delay: Some(Duration::from_millis(2)),
        ..PeerOptions::default()
    })
    .unwrap();
    let mut plan = plan(&peer, QoS::ExactlyOnce);
    plan.subscribers.count = 0;
    plan.publishers.in_flight = 500;
    let report = try_run(plan).unwrap();
    adds_up(&report);
    assert_eq!(report.counts().acknowledged, 1_000);
}
