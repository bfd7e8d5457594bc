//! One question to name servers: over UDP, and where the answer does not fit over TCP (RFC 1035, RFC 7766).

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, Question, RCODE, TYPE, rdata::RData};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

use super::{Servers, SrvProblem, choice::Record};
use crate::net::words::reason;

/// More than any answer over UDP has.
const DATAGRAM: usize = 4096;

/// What an answer amounts to.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Records(Vec<Record>),
    /// There is more than a datagram holds.
    Truncated,
    /// The server cannot say.
    Failure,
    /// Not an answer to this question at all.
    Foreign,
}

/// The SRV records of a name; none where there are none.
pub(super) async fn ask(name: &str, servers: &Servers) -> Result<Vec<Record>, SrvProblem> {
    let id = fastrand::u16(..);
    let question = question(id, name).ok_or(SrvProblem::Name)?;
    let mut why = String::new();
    for _ in 0..servers.attempts {
        for server in &servers.addresses {
            let asked = timeout(servers.timeout, ask_one(*server, id, name, &question)).await;
            match asked {
                Ok(Ok(Some(records))) => return Ok(records),
                Ok(Ok(None)) => why = format!("{server} cannot answer"),
                Ok(Err(error)) => why = format!("{server}: {}", reason(&error)),
                Err(_) => why = format!("{server} is silent"),
            }
        }
    }
    Err(SrvProblem::NoAnswer(why))
}

fn question(id: u16, name: &str) -> Option<Vec<u8>> {
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = Name::new(name).ok()?;
    let kind = QTYPE::TYPE(TYPE::SRV);
    packet
        .questions
        .push(Question::new(name, kind, CLASS::IN.into(), false));
    packet.build_bytes_vec().ok()
}

/// What one server says; nothing where it has a problem of its own.
async fn ask_one(
    server: SocketAddr,
    id: u16,
    name: &str,
    question: &[u8],
) -> io::Result<Option<Vec<Record>>> {
    let local: SocketAddr = match server.is_ipv4() {
        true => (Ipv4Addr::UNSPECIFIED, 0).into(),
        false => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(local).await?;
    // From now on only the server's own datagrams come in.
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut datagram = vec![0; DATAGRAM];
    loop {
        let len = socket.recv(&mut datagram).await?;
        match answer(&datagram[..len], id, name) {
            Answer::Records(records) => return Ok(Some(records)),
            Answer::Failure => return Ok(None),
            Answer::Truncated => break,
            // forged, or late
            Answer::Foreign => {}
        }
    }
    let whole = ask_by_tcp(server, question).await?;
    match answer(&whole, id, name) {
        Answer::Records(records) => Ok(Some(records)),
        Answer::Failure | Answer::Truncated | Answer::Foreign => Ok(None),
    }
}

async fn ask_by_tcp(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let len = u16::try_from(question.len()).map_err(io::Error::other)?;
    let framed = [&len.to_be_bytes()[..], question].concat();
    stream.write_all(&framed).await?;
    let len = stream.read_u16().await?;
    let mut whole = vec![0; usize::from(len)];
    stream.read_exact(&mut whole).await?;
    Ok(whole)
}

fn answer(message: &[u8], id: u16, name: &str) -> Answer {
    // Cut anywhere, so perhaps no message at all: the header alone must tell.
    let is_cut =
        message.len() >= 12 && message[..2] == id.to_be_bytes() && message[2] & 0x82 == 0x82;
    if is_cut {
        return Answer::Truncated;
    }
    let Ok(packet) = Packet::parse(message) else {
        return Answer::Foreign;
    };
    let is_ours = packet.id() == id
        && packet.has_flags(PacketFlag::RESPONSE)
        && packet
            .questions
            .iter()
            .all(|question| question.qname.to_string().eq_ignore_ascii_case(name));
    if !is_ours {
        return Answer::Foreign;
    }
    match packet.rcode() {
        RCODE::NoError => {}
        RCODE::NameError => return Answer::Records(vec![]),
        _ => return Answer::Failure,
    }
    // Also those of the name that an alias leads to.
    let records = packet
        .answers
        .iter()
        .filter_map(|record| match &record.rdata {
            RData::SRV(srv) => Some(Record {
                priority: srv.priority,
                weight: srv.weight,
                port: srv.port,
                target: srv.target.to_string().trim_end_matches('.').to_owned(),
            }),
            _ => None,
        });
    Answer::Records(records.collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use simple_dns::{ResourceRecord, rdata::SRV};

    use super::*;

    const NAME: &str = "_mqtt._tcp.example.org";

    fn reply(id: u16, name: &str) -> Packet<'_> {
        let mut packet = Packet::new_reply(id);
        let name = Name::new(name).unwrap();
        let kind = QTYPE::TYPE(TYPE::SRV);
        let question = Question::new(name, kind, CLASS::IN.into(), false);
        packet.questions.push(question);
        packet
    }

    fn with<'a>(mut packet: Packet<'a>, target: &'a str) -> Vec<u8> {
        let srv = SRV {
            priority: 1,
            weight: 2,
            port: 3,
            target: Name::new(target).unwrap(),
        };
        let owner = Name::new(NAME).unwrap();
        let record = ResourceRecord::new(owner, CLASS::IN, 60, RData::SRV(srv));
        packet.answers.push(record);
        packet.build_bytes_vec().unwrap()
    }

    fn record(target: &str) -> Record {
        Record {
            priority: 1,
            weight: 2,
            port: 3,
            target: target.to_owned(),
        }
    }

    #[test]
    fn an_answer_gives_its_records() {
        let message = with(reply(7, NAME), "b.example.org");
        assert_eq!(
            answer(&message, 7, "_MQTT._tcp.Example.org"),
            Answer::Records(vec![record("b.example.org")])
        );
        let message = with(reply(7, NAME), ".");
        assert_eq!(answer(&message, 7, NAME), Answer::Records(vec![record("")]));
        let mut none = reply(7, NAME);
        *none.rcode_mut() = RCODE::NameError;
        let message = none.build_bytes_vec().unwrap();
        assert_eq!(answer(&message, 7, NAME), Answer::Records(vec![]));
    }

    #[test]
    fn what_answers_something_else_is_not_believed() {
        let message = with(reply(8, NAME), "b.example.org");
        assert_eq!(answer(&message, 7, NAME), Answer::Foreign);
        let message = with(reply(7, "other.example.org"), "b.example.org");
        assert_eq!(answer(&message, 7, NAME), Answer::Foreign);
        let question = question(7, NAME).unwrap();
        assert_eq!(answer(&question, 7, NAME), Answer::Foreign);
        assert_eq!(answer(b"", 7, NAME), Answer::Foreign);
    }

    #[test]
    fn failures_and_cut_answers_are_told_apart() {
        let mut failed = reply(7, NAME);
        *failed.rcode_mut() = RCODE::ServerFailure;
        let message = failed.build_bytes_vec().unwrap();
        assert_eq!(answer(&message, 7, NAME), Answer::Failure);
        let mut cut = reply(7, NAME);
        cut.set_flags(PacketFlag::TRUNCATION);
        let message = with(cut, "b.example.org");
        assert_eq!(answer(&message[..40], 7, NAME), Answer::Truncated);
    }

    #[test]
    fn names_that_cannot_be_asked_for_are_refused() {
        assert_eq!(question(1, &format!("{}.org", "a".repeat(64))), None);
        assert_eq!(question(1, &"a.".repeat(200)), None);
    }

    proptest! {
        #[test]
        fn no_bytes_bring_it_down(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0_usize..60, byte: u8) {
            answer(&bytes, 7, NAME);
            let mut message = with(reply(7, NAME), "b.example.org");
            let at = at % message.len();
            message[at] = byte;
            answer(&message, 7, NAME);
        }
    }
}
