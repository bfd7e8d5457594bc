//! Whom to ask, and for which names: the name servers and search domains of resolv.conf(5), with its patience.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

const FILE: &str = "/etc/resolv.conf";
const PORT: u16 = 53;
/// As many as the C library looks at.
const MOST: usize = 3;
/// Dots that a name must have to be asked for as it is before the search domains are tried.
const NDOTS: usize = 1;
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
    /// Domains below which a name is looked for, too.
    search: Vec<String>,
    ndots: usize,
}

impl Servers {
    /// The same with another server.
    pub(super) fn only(self, server: SocketAddr) -> Self {
        Self {
            addresses: vec![server],
            ..self
        }
    }

    /// Those of this system; without a file the one on this machine, as the C library has it. Two variables have the
    /// last word there, so they have it here.
    pub(super) fn system() -> Self {
        let file = std::fs::read(FILE).unwrap_or_default();
        let mut servers = Self::parse(&String::from_utf8_lossy(&file));
        if let Ok(domains) = std::env::var("LOCALDOMAIN") {
            servers.search_in(domains.split_whitespace());
        }
        if let Ok(options) = std::env::var("RES_OPTIONS") {
            for option in options.split_whitespace() {
                servers.option(option);
            }
        }
        servers
    }

    /// The names to ask for in their order, one after the other until there is a record. One that ends with a dot is
    /// whole.
    pub(super) fn names(&self, name: &str) -> Vec<String> {
        if let Some(whole) = name.strip_suffix('.') {
            return vec![whole.to_owned()];
        }
        let searched = self.search.iter().map(|domain| format!("{name}.{domain}"));
        let mut names: Vec<_> = searched.collect();
        let at = match name.matches('.').count() >= self.ndots {
            true => 0,
            false => names.len(),
        };
        names.insert(at, name.to_owned());
        names
    }

    /// The root is where a name is that has nothing behind it.
    fn search_in<'a>(&mut self, domains: impl Iterator<Item = &'a str>) {
        let domains = domains.map(|domain| domain.trim_end_matches('.').to_owned());
        self.search = domains.filter(|domain| !domain.is_empty()).collect();
    }

    fn parse(file: &str) -> Self {
        let mut servers = Self {
            addresses: Vec::new(),
            timeout: Duration::from_secs(5),
            attempts: 2,
            search: Vec::new(),
            ndots: NDOTS,
        };
        for line in file.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    let address = words.next().and_then(address);
                    servers.addresses.extend(address);
                }
                // The last of these lines counts.
                Some("search") => servers.search_in(words),
                Some("domain") => servers.search_in(words.take(1)),
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
            Some(("ndots", count)) => {
                if let Ok(count) = count.parse() {
                    self.ndots = count;
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

    #[test]
    fn a_name_is_looked_for_below_the_search_domains_too() {
        let names = |file: &str, name: &str| Servers::parse(file).names(name).join(" ");
        assert_eq!(names("", "_mqtt._tcp.home"), "_mqtt._tcp.home");
        let two = "domain no.example\nsearch a.example. b.example .\n";
        for (file, name, wanted) in [
            (two, "x.home", "x.home x.home.a.example x.home.b.example"),
            (two, "x.home.", "x.home"),
            ("search a\ndomain b\n", "x.home", "x.home x.home.b"),
            ("search a\noptions ndots:2\n", "x.home", "x.home.a x.home"),
            (
                "search a\noptions ndots:2\n",
                "x.y.home",
                "x.y.home x.y.home.a",
            ),
        ] {
            assert_eq!(names(file, name), wanted, "{file:?}");
        }
    }
}
