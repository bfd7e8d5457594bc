//! A broker that does what a script says, byte for byte: a thread with a listener, no protocol of its own.

use std::{
    io::{self, Read},
    net::{Shutdown, TcpListener, TcpStream},
    panic,
    sync::mpsc::{self, Receiver},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    DEADLINE, free_listener,
    wire::{self, Frame, Frames},
};

/// A broker whose script runs in a thread. The script's own assertions fail the test when it is dropped.
pub struct Scripted {
    pub port: u16,
    script: Option<JoinHandle<()>>,
}

/// Where the script takes connections from.
pub struct Door {
    listener: TcpListener,
}

impl Scripted {
    pub fn start(script: impl FnOnce(&Door) + Send + 'static) -> Self {
        Self::with_listener(free_listener(), script)
    }

    pub fn with_listener(
        listener: TcpListener,
        script: impl FnOnce(&Door) + Send + 'static,
    ) -> Self {
        listener.set_nonblocking(true).expect("a TCP option");
        let port = listener.local_addr().expect("an address").port();
        let script = thread::spawn(move || script(&Door { listener }));
        Self {
            port,
            script: Some(script),
        }
    }

    /// One connection that is let in, then the script.
    pub fn welcoming(script: impl FnOnce(&mut Peer) + Send + 'static) -> Self {
        Self::start(|door| script(&mut door.welcome()))
    }

    /// One CONNECT, which is told of and never answered.
    pub fn silent() -> (Self, Receiver<()>) {
        let (send, connected) = mpsc::channel();
        let broker = Self::start(move |door| {
            let mut peer = door.accept();
            peer.connect();
            send.send(()).unwrap();
            peer.until_closed();
        });
        (broker, connected)
    }

    /// Waits for the script's end, so that its assertions count.
    pub fn finish(mut self) {
        self.join();
    }

    fn join(&mut self) {
        if let Some(Err(failure)) = self.script.take().map(JoinHandle::join) {
            panic::resume_unwind(failure);
        }
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        // When the test has failed already, its own failure is the one to show.
        if !thread::panicking() {
            self.join();
        }
    }
}

impl Door {
    /// The next connection, or a failure when none comes in time.
    pub fn accept(&self) -> Peer {
        self.accept_within(DEADLINE).expect("the program connects")
    }

    pub fn accept_within(&self, wait: Duration) -> Option<Peer> {
        let end = Instant::now() + wait;
        while Instant::now() < end {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).expect("a TCP option");
                    return Some(Peer {
                        frames: Frames::new(stream),
                        v5: false,
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    thread::sleep(Duration::from_millis(2))
                }
                Err(error) => panic!("accept: {error}"),
            }
        }
        None
    }

    /// The next connection, let in.
    pub fn welcome(&self) -> Peer {
        let mut peer = self.accept();
        peer.welcome(false);
        peer
    }
}

/// One connection of the program, seen from the broker's side.
pub struct Peer {
    frames: Frames,
    pub v5: bool,
}

impl Peer {
    /// Reads CONNECT, notes its version, and answers nothing.
    pub fn connect(&mut self) -> Frame {
        let connect = self.expect(wire::CONNECT);
        let name = usize::from(connect.body[1]);
        self.v5 = connect.body[2 + name] == 5;
        connect
    }

    /// Reads CONNECT and accepts it.
    pub fn welcome(&mut self, session_present: bool) -> Frame {
        let connect = self.connect();
        self.send(wire::connack(self.v5, session_present, 0));
        connect
    }

    /// Reads CONNECT and refuses it, in MQTT 3 and in MQTT 5, until the program leaves.
    pub fn refuse(&mut self, (return_code, reason): (u8, u8)) {
        self.connect();
        let code = if self.v5 { reason } else { return_code };
        self.send(wire::connack(self.v5, false, code));
        self.until_closed();
    }

    /// Reads SUBSCRIBE and grants every filter at QoS 2.
    pub fn grant(&mut self) -> Frame {
        let subscribe = self.expect(wire::SUBSCRIBE);
        let granted = vec![2; filters(&subscribe, self.v5).len()];
        self.send(wire::suback(self.v5, subscribe.id(), &granted));
        subscribe
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.frames.send(bytes).expect("the program reads");
    }

    /// Sends what may come too late: the program may have gone.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.frames.send(bytes).is_ok()
    }

    pub fn send_byte_by_byte(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.send([*byte]);
            thread::sleep(Duration::from_micros(200));
        }
    }

    pub fn publish(&mut self, qos: u8, id: u16, topic: &str, payload: impl AsRef<[u8]>) {
        self.send(wire::publish(self.v5, qos, id, topic, payload));
    }

    /// The next packet, which must be of this type.
    pub fn expect(&mut self, kind: u8) -> Frame {
        let frame = self
            .next()
            .unwrap_or_else(|| panic!("the program left instead of sending packet type {kind}"));
        assert_eq!(
            frame.kind(),
            kind,
            "the program sends packet type {kind}: {frame:?}"
        );
        frame
    }

    /// The next packet, which must be of one of these types.
    pub fn expect_any(&mut self, kinds: &[u8]) -> Frame {
        let frame = self
            .next()
            .unwrap_or_else(|| panic!("the program left instead of sending one of {kinds:?}"));
        assert!(
            kinds.contains(&frame.kind()),
            "the program sends one of {kinds:?}: {frame:?}"
        );
        frame
    }

    /// The next packet, pings answered and passed over; `None` when the program has left.
    pub fn next(&mut self) -> Option<Frame> {
        loop {
            let frame = self
                .frames
                .next()
                .expect("the program sends or leaves in time")?;
            if frame.kind() != wire::PINGREQ {
                return Some(frame);
            }
            self.try_send(wire::PINGRESP_BYTES);
        }
    }

    /// The next packet, pings too.
    pub fn next_raw(&mut self) -> Option<Frame> {
        self.frames
            .next()
            .expect("the program sends or leaves in time")
    }

    /// Reads until the program closes, acknowledging every publish; returns the publishes.
    pub fn drain(&mut self) -> Vec<Frame> {
        let mut publishes = Vec::new();
        while let Some(frame) = self.next() {
            match frame.kind() {
                wire::PUBLISH => {
                    match frame.qos() {
                        0 => {}
                        1 => drop(self.try_send(wire::ack(wire::PUBACK, frame.id()))),
                        _ => drop(self.try_send(wire::ack(wire::PUBREC, frame.id()))),
                    }
                    publishes.push(frame);
                }
                wire::PUBREL => drop(self.try_send(wire::ack(wire::PUBCOMP, frame.id()))),
                _ => {}
            }
        }
        publishes
    }

    /// Waits until the program closes the connection, whatever it still sends.
    pub fn until_closed(&mut self) {
        while self.next().is_some() {}
    }

    /// Waits a little for the program to close; it may as well stay.
    pub fn linger(&mut self, wait: Duration) {
        let _set = self.frames.stream.set_read_timeout(Some(wait));
        while let Ok(Some(_)) = self.frames.next() {}
    }

    /// The first bytes as they come, MQTT or not.
    pub fn first_bytes(&mut self) -> Vec<u8> {
        let mut chunk = vec![0; 4096];
        let n = self
            .frames
            .stream
            .read(&mut chunk)
            .expect("the program sends something");
        chunk.truncate(n);
        chunk
    }

    /// Reads what is not MQTT until the program leaves.
    pub fn linger_raw(&mut self) {
        let mut chunk = [0; 4096];
        while matches!(self.frames.stream.read(&mut chunk), Ok(n) if n > 0) {}
    }

    pub fn close(self) {
        let _gone = self.frames.stream.shutdown(Shutdown::Both);
    }

    /// The raw stream, for what frames cannot say.
    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.frames.stream
    }

    /// Everything that has been read from the program (up to a megabyte).
    pub fn seen(&self) -> &[u8] {
        &self.frames.seen
    }
}

/// The filters of a SUBSCRIBE or UNSUBSCRIBE with their option bytes (0 in UNSUBSCRIBE).
pub fn filters(frame: &Frame, v5: bool) -> Vec<(String, u8)> {
    let mut rest = &frame.body[2..];
    if v5 {
        let (length, used) = wire::read_varint(rest).unwrap().unwrap();
        rest = &rest[used + length..];
    }
    let mut filters = Vec::new();
    while !rest.is_empty() {
        let length = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
        let filter = String::from_utf8(rest[2..2 + length].to_vec()).expect("a filter is UTF-8");
        rest = &rest[2 + length..];
        let options = if frame.kind() == wire::SUBSCRIBE {
            rest[0]
        } else {
            0
        };
        rest = &rest[usize::from(frame.kind() == wire::SUBSCRIBE)..];
        filters.push((filter, options));
    }
    filters
}
