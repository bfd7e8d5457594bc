//! The ports of a local address, lent to one connection after the other.
//!
//! A system that is to choose the port of a bound address chooses before it knows the destination: one that nobody
//! has, nor had in the last minute (TIME_WAIT). A port that is asked for by its number, with SO_REUSEADDR, it gives
//! then too, and `connect` judges whether another connection has the same two ends. So a load that closes
//! connections and makes new ones need not wait for that minute, and can have every port of every address.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How long a port rests that was not to be had, at first: our own is still closing, a stranger's may be open for
/// hours. It is twice as long with each time.
const CLOSING: Duration = Duration::from_millis(20);
const STRANGE: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(60);
/// After this our own port is taken again before one that was never ours. At once would do, but the other side may
/// still be closing; and the fewer ports a load goes through, the more the system has for other programs: it gives
/// none of itself that was bound within the last minute.
const RESTED: Duration = Duration::from_secs(1);

/// The ports that the system takes for connections which ask for none.
#[derive(Debug, Clone)]
pub struct PortRange(Arc<[u16]>);

impl PortRange {
    /// `None` where the system does not say.
    pub fn of_system() -> Option<Self> {
        let read = |name| std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).ok();
        let reserved = read("ip_local_reserved_ports").unwrap_or_default();
        Self::new(&read("ip_local_port_range")?, &reserved)
    }

    /// From the first and the last of them, and from those between that are kept for others: `8080,9000-9010`.
    pub(super) fn new(range: &str, reserved: &str) -> Option<Self> {
        let mut ends = range.split_whitespace().map(|end| end.parse::<u16>().ok());
        let (first, last) = (ends.next()??, ends.next()??);
        let reserved: Vec<(u16, u16)> = reserved
            .trim()
            .split(',')
            .filter_map(|part| {
                let (from, to) = part.split_once('-').unwrap_or((part, part));
                Some((from.parse().ok()?, to.parse().ok()?))
            })
            .collect();
        let is_kept = |port: &u16| {
            let inside = |(from, to): &(u16, u16)| (from..=to).contains(&port);
            reserved.iter().any(inside)
        };
        let ports: Arc<[u16]> = (first..=last).filter(|port| !is_kept(port)).collect();
        (!ports.is_empty()).then_some(Self(ports))
    }

    pub fn count(&self) -> u64 {
        self.0.len() as u64
    }
}

#[derive(Debug)]
pub struct LocalPorts {
    range: PortRange,
    /// Where in the range it begins.
    start: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// So many of the range have been lent before.
    begun: usize,
    /// Given back, and when; the one that is unused for longest first.
    back: VecDeque<(Instant, u16)>,
    /// Not to be had: when to try again, which, and how long it rested.
    resting: BinaryHeap<Reverse<(Instant, u16, Duration)>>,
}

impl LocalPorts {
    /// Those of one address. Addresses that begin at the same `start` leave more ports to other programs.
    pub fn new(range: PortRange, start: usize) -> Self {
        Self {
            range,
            start,
            state: Mutex::default(),
        }
    }

    /// A port, which is given back when the lease is dropped.
    ///
    /// # Errors
    /// When one can be tried again that was not to be had; `None` when all are lent.
    pub fn lend(self: &Arc<Self>, now: Instant) -> Result<Lease, Option<Instant>> {
        let mut state = self.state();
        let rested = |(since, _): &(Instant, u16)| *since + RESTED <= now;
        let (port, rest) = if let Some((_, port)) = state.back.pop_front_if(|back| rested(back)) {
            (port, CLOSING)
        } else if state.begun < self.range.0.len() {
            let at = (self.start % self.range.0.len() + state.begun) % self.range.0.len();
            state.begun += 1;
            (self.range.0[at], STRANGE)
        } else if let Some((_, port)) = state.back.pop_front() {
            (port, CLOSING)
        } else {
            match state.resting.peek() {
                Some(Reverse((again, _, _))) if *again > now => return Err(Some(*again)),
                _ => match state.resting.pop() {
                    Some(Reverse((_, port, rested))) => (port, (rested * 2).min(LONGEST)),
                    None => return Err(None),
                },
            }
        };
        Ok(Lease {
            of: self.clone(),
            port,
            rest,
            refused: None,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that holds it can panic half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A port for as long as a connection has it.
#[derive(Debug)]
pub struct Lease {
    of: Arc<LocalPorts>,
    port: u16,
    /// How long it is to rest if it is not to be had.
    rest: Duration,
    refused: Option<Instant>,
}

impl Lease {
    pub fn port(&self) -> u16 {
        self.port
    }

    /// It is not to be had: somebody else has it, or our last connection on it is still closing.
    pub fn refuse(mut self, now: Instant) {
        self.refused = Some(now);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = self.of.state();
        match self.refused {
            Some(now) => state
                .resting
                .push(Reverse((now + self.rest, self.port, self.rest))),
            None => state.back.push_back((Instant::now(), self.port)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(range: &str, reserved: &str) -> Option<Vec<u16>> {
        PortRange::new(range, reserved).map(|range| range.0.to_vec())
    }

    fn ports(range: &str, start: usize) -> Arc<LocalPorts> {
        Arc::new(LocalPorts::new(PortRange::new(range, "").unwrap(), start))
    }

    #[test]
    fn the_range_is_the_systems_without_what_it_keeps_for_others() {
        let whole = PortRange::new("32768\t60999\n", "\n").unwrap();
        assert_eq!(whole.count(), 28_232);
        assert_eq!(range("5 9\n", "6,8-20\n"), Some(vec![5, 7]));
        assert_eq!(range("65535 65535", ""), Some(vec![65_535]));
        for none in ["", "5", "9 5", "x 5", "1 70000"] {
            assert_eq!(range(none, ""), None, "{none}");
        }
        assert_eq!(range("5 6", "1-9"), None);
    }

    #[test]
    fn every_port_is_lent_once_and_the_longest_unused_comes_again_first() {
        let (ports, now) = (ports("10 13", 3), Instant::now());
        let mut lent: Vec<Lease> = (0..4).map(|_| ports.lend(now).unwrap()).collect();
        let numbers: Vec<u16> = lent.iter().map(Lease::port).collect();
        assert_eq!(numbers, [13, 10, 11, 12]);
        assert!(ports.lend(now).is_err_and(|again| again.is_none()));
        drop(lent.remove(2));
        drop(lent.remove(0));
        let again = [ports.lend(now).unwrap(), ports.lend(now).unwrap()];
        assert_eq!(again.map(|lease| lease.port()), [11, 13]);
    }

    #[test]
    fn one_that_has_rested_comes_before_one_that_was_never_lent() {
        let (ports, now) = (ports("10 13", 0), Instant::now());
        drop(ports.lend(now).unwrap());
        let lent = [now, now + 2 * RESTED, now + 2 * RESTED].map(|now| ports.lend(now).unwrap());
        assert_eq!(lent.map(|lease| lease.port()), [11, 10, 12]);
    }

    #[test]
    fn a_strangers_port_rests_for_long_and_our_own_for_a_moment() {
        let (ports, now) = (ports("10 11", 0), Instant::now());
        ports.lend(now).unwrap().refuse(now);
        drop(ports.lend(now).unwrap());
        let own = ports.lend(now).unwrap();
        assert_eq!(own.port(), 11);
        own.refuse(now);
        let again = ports.lend(now).unwrap_err();
        assert_eq!(again, Some(now + CLOSING));
        let own = ports.lend(now + CLOSING).unwrap();
        assert_eq!(own.port(), 11);
        // Longer and longer, while it is not to be had.
        own.refuse(now);
        assert_eq!(ports.lend(now).unwrap_err(), Some(now + 2 * CLOSING));
        let strange = [(); 2].map(|()| ports.lend(now + STRANGE).unwrap());
        assert_eq!(strange.map(|lease| lease.port()), [11, 10]);
    }
}
