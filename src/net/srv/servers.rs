//! Whom to ask: the name servers of resolv.conf(5), with its patience.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

const FILE: &str = "/etc/resolv.conf";
const PORT: u16 = 53;
/// As many as the C library looks at.
const MOST: usize = 3;
/// What resolv.conf may ask for at most.
const LONGEST_S: u64 = 30;
const MOST_ATTEMPTS: u32 = 5;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Servers {
    pub(super) addresses: Vec<SocketAddr>,
    /// How long to wait for each answer.
    pub(super) timeout: Duration,
    /// How often to go through the list.
    pub(super) attempts: u32,
}

impl Servers {
    pub(super) fn only(server: SocketAddr) -> Self {
        Self {
            addresses: vec![server],
            ..Self::parse("")
        }
    }

    /// Those of this system; without a file the one on this machine, as the C library has it.
    pub(super) fn system() -> Self {
        let file = std::fs::read(FILE).unwrap_or_default();
        Self::parse(&String::from_utf8_lossy(&file))
    }

    fn parse(file: &str) -> Self {
        let mut servers = Self {
            addresses: Vec::new(),
            timeout: Duration::from_secs(5),
            attempts: 2,
        };
        for line in file.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    let address = words.next().and_then(address);
                    servers.addresses.extend(address);
                }
                Some("options") => words.for_each(|option| servers.option(option)),
                _ => {}
            }
        }
        servers.addresses.truncate(MOST);
        if servers.addresses.is_empty() {
            servers.addresses.push((Ipv4Addr::LOCALHOST, PORT).into());
        }
        servers
    }

    fn option(&mut self, option: &str) {
        match option.split_once(':') {
            Some(("timeout", seconds)) => {
                if let Ok(seconds) = seconds.parse::<u64>() {
                    self.timeout = Duration::from_secs(seconds.clamp(1, LONGEST_S));
                }
            }
            Some(("attempts", count)) => {
                if let Ok(count) = count.parse::<u32>() {
                    self.attempts = count.clamp(1, MOST_ATTEMPTS);
                }
            }
            _ => {}
        }
    }
}

fn address(text: &str) -> Option<SocketAddr> {
    let address: IpAddr = text.parse().ok()?;
    Some(SocketAddr::new(address, PORT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolv_conf_names_servers_and_patience() {
        let servers = Servers::parse(
            "# a comment\n; another\nsearch example.org\nnameserver 10.0.0.1\nnameserver  ::1 # x\n\
             nameserver nonsense\noptions ndots:1 timeout:2 attempts:3 rotate\nnameserver 10.0.0.2\n\
             nameserver 10.0.0.3\n",
        );
        let addresses: Vec<_> = servers.addresses.iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["10.0.0.1:53", "[::1]:53", "10.0.0.2:53"]);
        assert_eq!(servers.timeout, Duration::from_secs(2));
        assert_eq!(servers.attempts, 3);
    }

    #[test]
    fn without_a_server_it_is_the_one_on_this_machine() {
        let servers = Servers::parse("options timeout:0 attempts:99 timeout:x\n");
        assert_eq!(servers.addresses, ["127.0.0.1:53".parse().unwrap()]);
        assert_eq!(servers.timeout, Duration::from_secs(1));
        assert_eq!(servers.attempts, MOST_ATTEMPTS);
    }
}
