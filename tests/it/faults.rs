//! `pub` across links that break in every way: what arrived is held against what was sent and against the exit code.
//!
//! Not one run may end with 0 while a message is missing; QoS 2 arrives once within a session; the order stays.

use std::{collections::HashSet, thread, time::Duration};

use crate::{
    needs,
    support::{Client, Done, Fault, FaultyLink, Mosquitto, VERSIONS, mozzie},
};

const LINES: usize = 1500;

/// A run of `pub`: how, and whether its session is kept.
#[derive(Debug, Clone)]
struct Run {
    version: &'static str,
    qos: u8,
    kept: bool,
    topic: String,
}

fn runs(name: &str) -> Vec<Run> {
    let mut runs = Vec::new();
    for version in VERSIONS {
        for qos in 0..3 {
            for kept in [false, true] {
                let topic = format!("{name}/{version}/{qos}/{kept}");
                runs.push(Run {
                    version,
                    qos,
                    kept,
                    topic,
                });
            }
        }
    }
    runs
}

impl Run {
    /// The words of the command that are this run's.
    fn words(&self) -> String {
        let Self {
            version,
            qos,
            kept,
            topic,
        } = self;
        let id = topic.replace('/', "-");
        let session = match (kept, *version) {
            (false, _) => String::new(),
            (true, "5") => format!("-c -x 60 -i {id}"),
            (true, _) => format!("-c -i {id}"),
        };
        format!(
            "pub -l -t {topic} -V {version} -q {qos} {session} --retry-delay 10ms --retry-max-delay 40ms"
        )
    }

    /// Holds what arrived against what was sent and against the exit code.
    fn judge(&self, lines: &[String], arrived: Vec<String>, done: &Done) {
        let count = arrived.len();
        let mut seen = HashSet::new();
        let firsts: Vec<String> = arrived
            .into_iter()
            .filter(|line| seen.insert(line.clone()))
            .collect();
        let complete = seen.len() == lines.len();
        let context = || {
            format!(
                "{self:?}: {} of {count} are different\n{done}",
                firsts.len()
            )
        };
        match self.qos {
            0 => {
                assert_eq!(firsts.len(), count, "twice at QoS 0: {}", context());
                assert!(matches!(done.code(), Some(0 | 7)), "{}", context());
                assert!(complete || done.code() == Some(7), "{}", context());
            }
            qos => {
                done.status(0);
                assert!(complete, "lost: {}", context());
                assert!(firsts == lines, "out of order: {}", context());
                if qos == 2 && self.kept {
                    assert_eq!(count, lines.len(), "twice in a session: {}", context());
                }
            }
        }
    }
}

fn lines(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("line {n}")).collect()
}

fn texts(messages: Vec<crate::support::Message>) -> Vec<String> {
    let text = |message: crate::support::Message| String::from_utf8(message.payload).unwrap();
    messages.into_iter().map(text).collect()
}

/// Sends lines in every version, QoS and kind of session at once, each over a link with these faults.
fn survive(port: u16, name: &str, faults: &[Fault], words: &str) {
    survive_at(port, name, faults, words, true);
}

/// `remembers`: the broker knows after a break which QoS 2 messages it has got.
fn survive_at(port: u16, name: &str, faults: &[Fault], words: &str, remembers: bool) {
    let lines = lines(LINES);
    let input = lines.join("\n");
    thread::scope(|scope| {
        for run in runs(name) {
            let (lines, input) = (&lines, &input);
            scope.spawn(move || {
                let mut observer = Client::observing(port, &run.topic);
                let link = FaultyLink::to(port, faults.to_vec());
                let done = mozzie(&run.words())
                    .args(words)
                    .at(link.port)
                    .deadline(Duration::from_secs(40))
                    .stdin(input)
                    .run();
                let arrived = texts(observer.until_now(port));
                let judged = Run {
                    kept: run.kept && remembers,
                    ..run.clone()
                };
                judged.judge(lines, arrived, &done);
                // QoS 0 has nothing to send again.
                let broke = link.connections() > faults.len();
                assert!(broke || run.qos == 0, "the link did break: {run:?} {done}");
            });
        }
    });
}

#[test]
fn cuts_on_the_way_to_the_broker() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let faults = [9000, 40, 3, 12_001, 700, 150].map(Fault::cut_up);
    survive(broker.port, "up", &faults, "");
}

#[test]
fn cuts_on_the_way_back() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let faults = [200, 2, 4, 301, 6, 1003].map(Fault::cut_down);
    // At QoS 0 nothing comes back behind CONNACK, so its link stays.
    survive(broker.port, "down", &faults, "");
}

#[test]
fn acknowledgements_that_never_arrive() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let faults =
        [(200, 3000), (300, 9000), (233, 5000)].map(|(down, up)| Fault::no_answers(down, up));
    // A window that lets enough through for the cut to come.
    survive(broker.port, "answers", &faults, "-M 1000");
}

#[test]
fn half_open_and_stalled_links_are_left_after_the_keep_alive() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let faults = [Fault::half_open(5000, 200), Fault::stall(6000)];
    survive(broker.port, "half", &faults, "-k 1");
}

#[test]
fn a_slow_link_that_breaks() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let slow = |fault: Fault| fault.slow(Duration::from_millis(1));
    let faults = [9000, 5000].map(|bytes| slow(Fault::cut_up(bytes)));
    survive(broker.port, "slow", &faults, "");
}

/// Restarts the broker between two halves of the lines; its store outlives it or not.
fn restart(name: &str, run: &Run, store: Option<&std::path::Path>) {
    let config = |config: crate::support::MosquittoConfig| match store {
        Some(folder) => config.with_store(folder),
        None => config,
    };
    let broker = config(Mosquitto::config()).start();
    let link = FaultyLink::to(broker.port, vec![]);
    let lines = lines(400);
    let (early, late) = lines.split_at(200);
    let mut observer = Client::observing_at_most_once(broker.port, &run.topic);
    let mut publisher = mozzie(&run.words()).args("-M 7").at(link.port).start();
    publisher.write(early.join("\n") + "\n");
    let mut arrived: Vec<String> = (0..100)
        .map(|_| String::from_utf8(observer.next().payload).unwrap())
        .collect();
    link.shut(true);
    let next = config(broker.stop_in_order());
    arrived.extend(texts(observer.until_gone()));
    let broker = next.start();
    let mut observer = Client::observing_at_most_once(broker.port, &run.topic);
    link.shut(false);
    publisher.write(late.join("\n"));
    publisher.close_stdin();
    let done = publisher.finish();
    arrived.extend(texts(observer.until_now(broker.port)));
    let judged = Run {
        // Without its store the broker has lost the session.
        kept: run.kept && store.is_some(),
        ..run.clone()
    };
    judged.judge(&lines, arrived, &done);
    assert!(
        link.connections() > 1,
        "{name}: the broker did stop: {done}"
    );
}

#[test]
fn a_broker_that_restarts_with_and_without_its_store() {
    needs!("mosquitto");
    thread::scope(|scope| {
        for run in runs("restart").into_iter().filter(|run| run.qos > 0) {
            for with_store in [false, true] {
                let run = run.clone();
                scope.spawn(move || {
                    let folder = tempfile::tempdir().unwrap();
                    restart("restart", &run, with_store.then(|| folder.path()));
                });
            }
        }
    });
}

#[test]
#[cfg(feature = "broker")]
fn faults_before_the_embedded_broker() {
    let (_broker, port) = crate::embedded::broker();
    let faults = [
        Fault::cut_up(9000),
        Fault::cut_down(301),
        Fault::no_answers(60, 5000),
        Fault::cut_up(700),
    ];
    // rmqtt forgets with the connection which QoS 2 messages wait for PUBREL; the test below shows that alone.
    survive_at(port, "embedded", &faults, "-M 500", false);
}

/// What excuses the embedded broker above: a PUBLISH of QoS 2 that comes again on the next connection of its kept
/// session is delivered again. When this fails, the excuse is no longer needed.
#[test]
#[cfg(feature = "broker")]
fn the_embedded_broker_forgets_with_the_connection_what_it_received_at_qos_2() {
    let (_broker, port) = crate::embedded::broker();
    assert_eq!(deliveries_of_one_resent(port), 2);
}

#[test]
fn a_broker_that_remembers_delivers_qos_2_once() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    assert_eq!(deliveries_of_one_resent(broker.port), 1);
}

/// Publishes at QoS 2, leaves after PUBREC, and sends the same again in the next connection of the session.
fn deliveries_of_one_resent(port: u16) -> usize {
    use std::{
        io::{Read, Write},
        net::TcpStream,
    };
    let mut observer = Client::observing_at_most_once(port, "twice");
    // (the first byte of PUBLISH: QoS 2, and then with DUP)
    for first in [0x34, 0x3c] {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let mut answer = [0; 4];
        // CONNECT 3.1.1, clean session 0, keep alive 60, client id "q2"
        stream
            .write_all(b"\x10\x0e\0\x04MQTT\x04\0\0\x3c\0\x02q2")
            .unwrap();
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, [0x20, 2, u8::from(first == 0x3c), 0], "CONNACK");
        stream.write_all(&[first, 10]).unwrap();
        stream.write_all(b"\0\x05twice\0\x01x").unwrap();
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, [0x50, 2, 0, 1], "PUBREC");
        if first == 0x3c {
            stream.write_all(b"\x62\x02\0\x01").unwrap();
            stream.read_exact(&mut answer).unwrap();
            assert_eq!(answer, [0x70, 2, 0, 1], "PUBCOMP");
        }
    }
    observer.until_now(port).len()
}
