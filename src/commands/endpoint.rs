//! Connection options → the way to the broker: address, SRV records, proxy, TLS, WebSocket.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::secret;
use crate::cli::connection::{ConnectionArgs, DEFAULT_HOST};
use crate::cli::profile::NAMESERVER_VARIABLE;
use crate::dialect::Dialect;
use crate::error::{Error, Verdict};
use crate::net::{
    Address, Bind, CertificateName, Endpoint, Srv, TcpAddress, TlsClient, TlsSettings, WebSocket,
};

/// Where `-A` says to connect from.
fn local_address(typed: &str, dialect: Dialect) -> Result<Bind, Error> {
    Bind::look_up(typed).map_err(|reason| match dialect {
        Dialect::Native => Error::usage(
            format!("-A '{typed}': no such local address: {reason}"),
            "give an address of one of this machine's interfaces",
        ),
        Dialect::Mosquitto(_) => Verdict::usage("Unable to connect (Lookup error).\n").into(),
    })
}

/// What `-S` asks for.
fn look_up(domain: &str, port: Option<u16>, tls: bool, dialect: Dialect) -> Result<Srv, Error> {
    if let Some(port) = port {
        return Err(Error::usage(
            format!("-S: port {port} cannot be wanted too, for the SRV record names the port"),
            "leave out the port, or -S",
        ));
    }
    if domain.parse::<IpAddr>().is_ok() {
        return Err(Error::usage(
            format!("-S: {domain} is an address, and only domains have SRV records"),
            "give a domain with -h, or leave out -S",
        ));
    }
    let server = match std::env::var(NAMESERVER_VARIABLE) {
        Err(_) => None,
        Ok(typed) => Some(name_server(&typed).ok_or_else(|| {
            Error::usage(
                format!("MOZZIE_NAMESERVER '{typed}' is no address"),
                "give an IP address, and a port behind a colon unless it is 53",
            )
        })?),
    };
    let certificate = match dialect {
        Dialect::Native => CertificateName::Domain,
        Dialect::Mosquitto(_) => CertificateName::Target,
    };
    Srv::new(tls, server, certificate).ok_or_else(|| {
        Error::usage(
            "-S: this mozzie is built without look-ups of SRV records",
            "name the broker with -h and -p, or build with the feature srv",
        )
    })
}

/// An address with or without a port.
fn name_server(typed: &str) -> Option<SocketAddr> {
    let with_port = typed.parse().ok();
    with_port.or_else(|| typed.parse().ok().map(|ip: IpAddr| (ip, 53).into()))
}

/// The way to the broker that the options describe.
pub fn plan(args: &ConnectionArgs, dialect: Dialect) -> Result<Endpoint, Error> {
    let broker = &args.broker;
    let url = broker.url.as_ref();
    if url.is_some() && (broker.host.is_some() || broker.port.is_some()) {
        return Err(Error::usage(
            "-L names the broker already, so -h and -p cannot",
            "put host and port into the URL",
        ));
    }
    let transport = &args.transport;
    if broker.unix.is_some() {
        let also = [
            ("-L", url.is_some()),
            ("-h", broker.host.is_some()),
            ("-p", broker.port.is_some()),
            ("-S", broker.srv),
            ("-A", broker.bind.is_some()),
            ("--proxy", transport.proxy.is_some()),
        ];
        if let Some((option, _)) = also.iter().find(|(_, used)| *used) {
            return Err(Error::usage(
                format!("{option} cannot go with --unix"),
                format!("leave out {option} or --unix"),
            ));
        }
    }
    let use_websocket = transport.ws
        || transport.ws_path.is_some()
        || !transport.ws_header.is_empty()
        || url.is_some_and(|url| url.websocket);
    let address = match &broker.unix {
        Some(path) => Address::Unix(path.as_path().into()),
        None => {
            let host = url
                .map(|url| url.host.as_str())
                .or(broker.host.as_deref())
                .unwrap_or(DEFAULT_HOST);
            // An address in brackets is how URLs write IPv6; -h takes it too.
            let host = host
                .strip_prefix('[')
                .and_then(|host| host.strip_suffix(']'))
                .unwrap_or(host);
            if host.is_empty() {
                return Err(Error::usage(
                    "-h: the host is empty",
                    "name a host such as localhost",
                ));
            }
            let mut address = TcpAddress::new(host, args.port());
            address.bind = match &broker.bind {
                Some(typed) => Some(local_address(typed, dialect)?),
                None => None,
            };
            // Small packets at once; mosquitto's clients want to be told.
            address.nodelay = dialect.is_native() || transport.nodelay;
            address.proxy = transport.proxy.clone().map(Arc::new);
            if broker.srv {
                let typed_port = broker.port.or(url.and_then(|url| url.port));
                let srv = look_up(&address.host, typed_port, args.uses_tls(), dialect)?;
                address.srv = Some(Arc::new(srv));
            }
            Address::Tcp(address)
        }
    };
    let mut endpoint = Endpoint::new(address);
    endpoint.connect_timeout = broker.connect_timeout.0;
    if args.uses_tls() {
        let tls = &args.tls;
        let settings = TlsSettings {
            cafile: tls.cafile.clone(),
            capath: tls.capath.clone(),
            use_os_certs: tls.tls_use_os_certs,
            cert: tls.cert.clone(),
            key: tls.key.clone(),
            key_passphrase: secret::key_passphrase(tls)?,
            alpn: tls.tls_alpn.clone(),
            version: tls.tls_version,
            ciphers: tls.ciphers.clone(),
            insecure: tls.insecure,
            keylog: tls.tls_keylog.clone(),
            server_name: tls.tls_server_name.clone(),
        };
        endpoint.tls = Some(TlsClient::load(&settings, endpoint.host())?);
    }
    if use_websocket {
        let path = transport
            .ws_path
            .as_deref()
            .unwrap_or(WebSocket::DEFAULT_PATH);
        let headers: Vec<_> = transport
            .ws_header
            .iter()
            .map(|header| (header.name.clone(), header.value.clone()))
            .collect();
        let websocket = WebSocket::new(path, &headers).map_err(|e| {
            Error::usage(
                e.to_string(),
                "a path starts with '/', and a header is 'Name: value'",
            )
        })?;
        endpoint.websocket = Some(websocket);
    }
    Ok(endpoint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{self, Command, Parsed};
    use crate::dialect::Tool;

    /// The way to the broker for a command line.
    fn way(dialect: Dialect, words: &str) -> TcpAddress {
        let words = words.split(' ').map(Into::into).collect();
        let connection = match cli::parse(words, dialect, |_| Ok(())).unwrap() {
            Parsed::Run(Command::Publish(args)) => args.connection,
            Parsed::Run(Command::Request(args)) => args.connection,
            _ => panic!("another command"),
        };
        match plan(&connection, dialect).unwrap().address {
            Address::Tcp(address) => address,
            Address::Unix(_) => panic!("no TCP"),
        }
    }

    #[test]
    fn small_packets_leave_at_once_unless_mosquitto_would_wait() {
        let publish = Dialect::Mosquitto(Tool::Pub);
        let request = Dialect::Mosquitto(Tool::Rr);
        for (dialect, words, nodelay) in [
            (Dialect::Native, "mozzie pub -t a -m x", true),
            (publish, "mosquitto_pub -t a -m x", false),
            (publish, "mosquitto_pub -t a -m x --nodelay", true),
            (request, "mosquitto_rr -t a -e b -m x", false),
            (request, "mosquitto_rr -t a -e b -m x --latency", true),
        ] {
            assert_eq!(way(dialect, words).nodelay, nodelay, "{words}");
        }
    }

    #[test]
    fn name_servers_have_a_port_or_the_usual_one() {
        for (typed, server) in [
            ("127.0.0.1:5353", Some("127.0.0.1:5353")),
            ("10.0.0.1", Some("10.0.0.1:53")),
            ("::1", Some("[::1]:53")),
            ("[::1]:54", Some("[::1]:54")),
            ("example.org", None),
            ("", None),
        ] {
            let found = name_server(typed).map(|server| server.to_string());
            assert_eq!(found.as_deref(), server, "{typed}");
        }
    }
}
