//! Whether this machine can carry the connections that a plan asks for: file descriptors, local ports and
//! memory, forecast before the first one is opened. The forecast is pure; what the system says is read
//! where it says it.

use super::error::BenchError;
use crate::net::PortRange;

/// Descriptors that are open besides connections: standard streams, runtimes, timers, files.
const OTHER_DESCRIPTORS: u64 = 64;
const DESCRIPTORS_PER_WORKER: u64 = 8;
/// Bytes of this process and of the kernel for a quiet connection, and what TLS adds to it.
const CONNECTION: u64 = 8 * 1024;
const TLS: u64 = 32 * 1024;

/// What a plan needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    pub connections: u64,
    pub workers: u64,
    pub tls: bool,
    /// Local addresses that connections are spread over; 0 where there are no ports.
    pub addresses: u64,
    /// The broker's ends of the connections are in this process too.
    pub both_ends: bool,
}

/// What the system gives; `None` for what it does not tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Supply {
    pub descriptors: Option<u64>,
    /// Of each local address.
    pub ports: Option<u64>,
    /// Bytes.
    pub memory: Option<u64>,
}

/// What does not suffice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Shortage {
    #[error("{connections} connections need {needed} open files, and the system allows {allowed}")]
    Descriptors {
        connections: u64,
        needed: u64,
        allowed: u64,
    },
    #[error("{connections} connections need as many local ports, and there are {ports}")]
    Ports { connections: u64, ports: u64 },
    #[error(
        "{connections} connections need about {needed_mib} MiB of memory, and {free_mib} MiB are free"
    )]
    Memory {
        connections: u64,
        needed_mib: u64,
        free_mib: u64,
    },
}

impl Shortage {
    pub fn hint(self) -> &'static str {
        match self {
            Self::Descriptors { .. } => {
                "raise the hard limit (ulimit -Hn, LimitNOFILE=, nofile in limits.conf), or ask for fewer"
            }
            Self::Ports { .. } => {
                "add local addresses with --source-ip, or widen net.ipv4.ip_local_port_range"
            }
            Self::Memory { .. } => "ask for fewer connections, or free memory",
        }
    }
}

impl Demand {
    fn descriptors(&self) -> u64 {
        let ends = if self.both_ends { 2 } else { 1 };
        self.connections * ends + self.workers * DESCRIPTORS_PER_WORKER + OTHER_DESCRIPTORS
    }

    pub fn check(&self, supply: &Supply) -> Result<(), Shortage> {
        let connections = self.connections;
        let needed = self.descriptors();
        if let Some(allowed) = supply.descriptors.filter(|allowed| *allowed < needed) {
            return Err(Shortage::Descriptors {
                connections,
                needed,
                allowed,
            });
        }
        let ports = supply.ports.map(|ports| ports * self.addresses);
        if let Some(ports) = ports.filter(|ports| *ports < connections && self.addresses > 0) {
            return Err(Shortage::Ports { connections, ports });
        }
        let each = CONNECTION + if self.tls { TLS } else { 0 };
        let needed = connections * each;
        if let Some(free) = supply.memory.filter(|free| *free < needed) {
            return Err(Shortage::Memory {
                connections,
                needed_mib: needed >> 20,
                free_mib: free >> 20,
            });
        }
        Ok(())
    }
}

/// Raises what may be raised, and refuses what cannot be carried.
pub fn prepare(demand: &Demand, range: Option<&PortRange>) -> Result<(), BenchError> {
    let supply = Supply {
        descriptors: raise_descriptors(demand.descriptors()),
        ports: range.map(PortRange::count),
        memory: read("/proc/meminfo").as_deref().and_then(free_memory),
    };
    Ok(demand.check(&supply)?)
}

/// Raises this process's limit as far as it is needed and allowed; returns what it is then.
fn raise_descriptors(needed: u64) -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let current = current?;
    let wanted = maximum.map_or(needed, |maximum| needed.min(maximum));
    if current >= wanted {
        return Some(current);
    }
    let raised = Rlimit {
        current: Some(wanted),
        maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => Some(wanted),
        Err(_) => Some(current),
    }
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

fn free_memory(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find(|line| line.starts_with("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEMAND: Demand = Demand {
        connections: 1_000,
        workers: 2,
        tls: false,
        addresses: 1,
        both_ends: false,
    };

    #[test]
    fn what_suffices_or_is_not_known_is_no_reason_to_refuse() {
        assert_eq!(DEMAND.check(&Supply::default()), Ok(()));
        let enough = Supply {
            descriptors: Some(1_080),
            ports: Some(1_000),
            memory: Some(8 * 1024 * 1_000),
        };
        assert_eq!(DEMAND.check(&enough), Ok(()));
        // A Unix socket has no port.
        let unix = Demand {
            addresses: 0,
            ..DEMAND
        };
        let no_ports = Supply {
            ports: Some(0),
            ..Supply::default()
        };
        assert_eq!(unix.check(&no_ports), Ok(()));
    }

    #[test]
    fn what_does_not_suffice_is_named_with_both_numbers() {
        let supply = |descriptors, ports, memory| Supply {
            descriptors,
            ports,
            memory,
        };
        let texts = [
            (
                supply(Some(1_024), None, None),
                "1000 connections need 1080 open files, and the system allows 1024",
            ),
            (
                supply(None, Some(999), None),
                "1000 connections need as many local ports, and there are 999",
            ),
            (
                supply(None, None, Some(1 << 20)),
                "1000 connections need about 7 MiB of memory, and 1 MiB are free",
            ),
        ];
        for (supply, text) in texts {
            let shortage = DEMAND.check(&supply).unwrap_err();
            assert_eq!(shortage.to_string(), text);
            assert!(!shortage.hint().is_empty());
        }
        let more_addresses = Demand {
            addresses: 2,
            ..DEMAND
        };
        assert_eq!(more_addresses.check(&supply(None, Some(999), None)), Ok(()));
        let with_broker = Demand {
            both_ends: true,
            ..DEMAND
        };
        assert!(with_broker.check(&supply(Some(1_080), None, None)).is_err());
    }

    #[test]
    fn the_systems_files_are_read() {
        let meminfo = "MemTotal: 9 kB\nMemAvailable:    2048 kB\n";
        assert_eq!(free_memory(meminfo), Some(2 << 20));
        assert_eq!(free_memory(""), None);
    }
}
