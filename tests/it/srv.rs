//! `-S`: brokers found by the SRV records of a domain, from a name server that does what a test says.

use std::{
    io::{Read, Write},
    net::{TcpListener, UdpSocket},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use crate::{
    needs,
    support::{Mosquitto, Mozzie, Scripted, called, certs, free_listener, free_port, mozzie, wire},
};

/// Priority, weight, port and target of a record.
type Record = (u16, u16, u16, &'static str);

#[derive(Clone)]
enum Says {
    Records(Vec<Record>),
    NoSuchName,
    /// Over UDP only that there is more.
    OnlyByTcp(Vec<Record>),
    ServerFailure,
    /// No other name exists.
    OnlyOf(&'static str, Vec<Record>),
}

/// A name server; its thread lives as long as the tests do.
struct NameServer {
    port: u16,
    /// The names that were asked for, and how.
    asked: Arc<Mutex<Vec<String>>>,
}

impl NameServer {
    fn start(says: Says) -> Self {
        let tcp = free_listener();
        let port = tcp.local_addr().unwrap().port();
        let udp = UdpSocket::bind(("127.0.0.1", port)).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (by_tcp, seen) = (says.clone(), asked.clone());
        thread::spawn(move || serve_tcp(&tcp, &by_tcp, &seen));
        let seen = asked.clone();
        thread::spawn(move || {
            let mut datagram = [0; 512];
            while let Ok((len, from)) = udp.recv_from(&mut datagram) {
                let question = &datagram[..len];
                note(&seen, "udp", question);
                // Somebody else's answer comes first, and is nobody's.
                let mut forged = answer(question, &Says::NoSuchName, true);
                forged[0] ^= 0xff;
                udp.send_to(&forged, from).unwrap();
                udp.send_to(&answer(question, &says, false), from).unwrap();
            }
        });
        Self { port, asked }
    }

    fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.clone()
    }
}

fn serve_tcp(listener: &TcpListener, says: &Says, seen: &Mutex<Vec<String>>) {
    listener.set_nonblocking(false).unwrap();
    while let Ok((mut stream, _)) = listener.accept() {
        let mut len = [0; 2];
        stream.read_exact(&mut len).unwrap();
        let mut question = vec![0; usize::from(u16::from_be_bytes(len))];
        stream.read_exact(&mut question).unwrap();
        note(seen, "tcp", &question);
        let answer = answer(&question, says, true);
        let len = u16::try_from(answer.len()).unwrap().to_be_bytes();
        // In two pieces, as a network may have it.
        stream.write_all(&len).unwrap();
        stream.write_all(&answer).unwrap();
    }
}

fn note(seen: &Mutex<Vec<String>>, way: &str, question: &[u8]) {
    let name = name(question);
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    seen.push(format!("{way} {name}"));
}

fn name(question: &[u8]) -> String {
    let mut name = String::new();
    let mut at = 12;
    while question[at] != 0 {
        let end = at + 1 + usize::from(question[at]);
        name += &String::from_utf8_lossy(&question[at + 1..end]);
        name.push('.');
        at = end;
    }
    // SRV, IN
    assert_eq!(question[at + 1..at + 5], [0, 33, 0, 1]);
    name
}

fn answer(question: &[u8], says: &Says, whole: bool) -> Vec<u8> {
    let (code, cut, records): (u8, bool, &[Record]) = match says {
        Says::Records(records) => (0, false, records),
        Says::NoSuchName => (3, false, &[]),
        Says::OnlyByTcp(records) if whole => (0, false, records),
        Says::OnlyByTcp(_) => (0, true, &[]),
        Says::ServerFailure => (2, false, &[]),
        Says::OnlyOf(only, records) if name(question) == *only => (0, false, records),
        Says::OnlyOf(..) => (3, false, &[]),
    };
    let mut message = question.to_vec();
    message[2] = 0x81 | if cut { 2 } else { 0 };
    message[3] = 0x80 | code;
    message[6..8].copy_from_slice(&u16::try_from(records.len()).unwrap().to_be_bytes());
    for (priority, weight, port, target) in records {
        let mut name = Vec::new();
        for label in target.split('.').filter(|label| !label.is_empty()) {
            name.push(u8::try_from(label.len()).unwrap());
            name.extend_from_slice(label.as_bytes());
        }
        name.push(0);
        // The owner is the question's name; SRV, IN, a minute.
        message.extend_from_slice(&[0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 60]);
        message.extend(u16::try_from(6 + name.len()).unwrap().to_be_bytes());
        for number in [priority, weight, port] {
            message.extend(number.to_be_bytes());
        }
        message.extend(name);
    }
    message
}

fn asking(program: Mozzie, server: &NameServer) -> Mozzie {
    program
        .env("MOZZIE_NAMESERVER", format!("127.0.0.1:{}", server.port))
        // not this machine's search domains
        .env("LOCALDOMAIN", "")
}

/// A broker that one message comes to.
fn broker() -> Scripted {
    Scripted::welcoming(|peer| {
        peer.expect(wire::PUBLISH);
        peer.drain();
    })
}

/// A broker that nobody comes to.
fn unwanted() -> (TcpListener, u16) {
    let listener = free_listener();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[test]
fn the_broker_of_the_lowest_priority_is_taken() {
    let taken = broker();
    let (other, other_port) = unwanted();
    let server = NameServer::start(Says::Records(vec![
        (20, 100, other_port, "localhost"),
        (10, 0, taken.port, "localhost"),
    ]));
    asking(mozzie("pub -S -h example.org -t a -m x"), &server)
        .run()
        .prints("");
    taken.finish();
    assert_eq!(server.asked(), ["udp _mqtt._tcp.example.org."]);
    other.set_nonblocking(true).unwrap();
    assert!(other.accept().is_err(), "nobody needs the second");
}

#[test]
fn when_a_target_cannot_be_reached_the_next_is_tried() {
    let taken = broker();
    let server = NameServer::start(Says::Records(vec![
        (1, 0, free_port(), "localhost"),
        (2, 0, 1, "no-such-host.invalid"),
        (3, 0, taken.port, "127.0.0.1"),
    ]));
    asking(
        called("mosquitto_pub", "-S -h example.org -p 99 -t a -m x"),
        &server,
    )
    .run()
    .prints("");
    taken.finish();
}

#[test]
fn an_answer_too_long_for_a_datagram_comes_by_tcp() {
    let taken = broker();
    let mut records = vec![(1, 0, taken.port, "localhost")];
    records.extend((0..60).map(|n| (2 + n, 0, 1, "a-long-name-that-fills-the-answer.example.org")));
    let server = NameServer::start(Says::OnlyByTcp(records));
    asking(mozzie("pub -S -L mqtt://example.org/a -m x"), &server)
        .run()
        .prints("");
    taken.finish();
    assert_eq!(
        server.asked(),
        ["udp _mqtt._tcp.example.org.", "tcp _mqtt._tcp.example.org."]
    );
}

#[test]
fn a_name_is_looked_for_below_the_search_domains_too() {
    for called_as in ["mozzie pub", "mosquitto_pub"] {
        let run = |server: &NameServer, words: &str| {
            let program = match called_as {
                "mosquitto_pub" => called("mosquitto_pub", words),
                _ => mozzie(&format!("pub {words}")),
            };
            asking(program, server).env("LOCALDOMAIN", "a.example b.example")
        };
        let taken = broker();
        let there = Says::OnlyOf(
            "_mqtt._tcp.home.b.example.",
            vec![(0, 0, taken.port, "localhost")],
        );
        let server = NameServer::start(there.clone());
        run(&server, "-S -h home -t a -m x").run().prints("");
        taken.finish();
        assert_eq!(
            server.asked(),
            [
                "udp _mqtt._tcp.home.",
                "udp _mqtt._tcp.home.a.example.",
                "udp _mqtt._tcp.home.b.example."
            ]
        );
        // A name that ends with a dot is whole.
        let server = NameServer::start(there);
        let done = run(&server, "-S -h home. -t a -m x").run();
        assert_ne!(done.code(), Some(0), "{done}");
        assert_eq!(server.asked(), ["udp _mqtt._tcp.home."]);
    }
}

#[test]
fn a_domain_without_brokers_ends_with_3_and_says_so() {
    for (says, words) in [
        (Says::NoSuchName, "there is no such record"),
        (Says::Records(vec![]), "there is no such record"),
        (Says::Records(vec![(0, 0, 0, ".")]), "has no such service"),
        (Says::ServerFailure, "cannot answer"),
    ] {
        let server = NameServer::start(says);
        asking(mozzie("pub -S -h example.org -t a -m x"), &server)
            .run()
            .fails(3, &["SRV record _mqtt._tcp.example.org", words, "hint:"]);
        asking(
            called("mosquitto_pub", "-S -h example.org -t a -m x"),
            &server,
        )
        .run()
        .ends(1, "", &["Unable to connect (Lookup error).\n"]);
    }
}

#[test]
fn a_silent_name_server_is_given_up() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    mozzie("pub -S -h example.org -t a -m x --connect-timeout 300ms")
        .env(
            "MOZZIE_NAMESERVER",
            silent.local_addr().unwrap().to_string(),
        )
        .run()
        .fails(3, &["name lookup timed out", "_mqtt._tcp.example.org"]);
}

#[test]
fn with_tls_the_certificate_must_be_the_domains_and_for_mosquitto_the_targets() {
    needs!("mosquitto", "openssl");
    let ca = certs().path("ca.crt");
    let words = "-S -h other.example -t a -m x -q 1";
    for (certificate, native, mosquitto) in [("wrong-name", 0, 14), ("server", 3, 0)] {
        let broker = Mosquitto::config().tls_with(certs(), certificate).start();
        let server = NameServer::start(Says::Records(vec![(0, 0, broker.port, "localhost")]));
        let run = |program: Mozzie| asking(program, &server).option("--cafile", &ca).run();
        run(mozzie(&format!("pub {words}"))).status(native);
        run(called("mosquitto_pub", words)).status(mosquitto);
        assert_eq!(server.asked(), ["udp _secure-mqtt._tcp.other.example."; 2]);
    }
}

#[test]
fn doctor_looks_them_up_too() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let server = NameServer::start(Says::Records(vec![(0, 0, broker.port, "localhost")]));
    let words = "doctor -S -h example.org --json --max-payload 1k";
    let done = asking(mozzie(words), &server).run();
    done.status(0);
    let report: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    let steps = ["resolve", "connect", "login"];
    for (check, name) in report["checks"].as_array().unwrap().iter().zip(steps) {
        assert_eq!(
            (&check["name"], &check["result"]),
            (&name.into(), &"ok".into())
        );
    }
    let server = NameServer::start(Says::NoSuchName);
    let done = asking(mozzie("doctor -S -h example.org"), &server).run();
    done.status(3);
    let text = done.stdout_text();
    assert!(text.contains("resolve    FAILED"), "{done}");
    assert!(text.contains("there is no such record"), "{done}");
}

#[test]
fn what_cannot_go_with_it_is_refused() {
    for (words, fragments) in [
        ("-h example.org -p 1884", ["-S", "port 1884"]),
        ("-L mqtt://example.org:99/a", ["-S", "port 99"]),
        ("-h 192.0.2.1", ["-S", "192.0.2.1"]),
        ("--unix /x", ["-S", "--unix"]),
    ] {
        let topic = if words.contains("-L") { "" } else { "-t a" };
        let line = format!("pub -S {topic} -m x {words}");
        mozzie(&line).run().fails(2, &fragments);
    }
    mozzie("pub -S -h example.org -t a -m x")
        .env("MOZZIE_NAMESERVER", "nowhere")
        .run()
        .fails(2, &["MOZZIE_NAMESERVER", "nowhere"]);
}
