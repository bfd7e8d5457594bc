//! `--help` and `--version` of the mosquitto names: the usage lines in mosquitto's form, the rest our own.

use crate::dialect::Tool;

/// The release of mosquitto whose clients these are like.
const LIKE: &str = "2.1.2";
/// What its library says of itself.
const LIBRARY: &str = "2.1.0";

const CONNECTION: &str = "\
[-c] [-k keepalive] [-x session-expiry-interval] [-V version] [-o options-file]
[-A bind_address] [--nodelay] [--ws] [-S] [--proxy socks-url]
[-i id] [-I id_prefix] [-d] [--quiet]
[--will-topic [--will-payload payload] [--will-qos qos] [--will-retain]]
[{--cafile file | --capath dir} [--cert file] [--key file]
  [--ciphers ciphers] [--insecure] [--tls-alpn protocol]
  [--tls-version version] [--tls-keylog file] [--keyform keyform]]
  [--tls-use-os-certs]] [--no-tls]
[-D command identifier value]";

const PUB: &str = "\
{[-h host] [--unix path] [-p port] [-u username] [-P password] -t topic | -L URL}
{-f file | -l | -n | -s | -m message}
[-q qos] [-r] [-M max_inflight] [--repeat N] [--repeat-delay time]";

const SUB: &str = "\
{[-h host] [--unix path] [-p port] [-u username] [-P password] -t topic | -L URL [-t topic]}
[-q qos] [-C msg_count] [-W timeout_secs] [-E] [-R] [--retained-only] [--remove-retained]
[--retain-as-published] [--retain-handling always | new | never]
[-T filter_out] [-U topic ...] [-F format] [--pretty] [-N] [-v] [-w|--watch]
[--random-filter chance] [--message-rate]";

const RR: &str = "\
{[-h host] [--unix path] [-p port] [-u username] [-P password] -t topic | -L URL} -e response-topic
{-f file | -n | -s | -m message}
[-q qos] [-W timeout_secs] [-R] [-F format] [--pretty] [-N] [-v] [--latency]";

pub fn help(tool: Tool) -> String {
    let (about, own) = match tool {
        Tool::Pub => (
            "publishes messages on one topic to an MQTT broker, and exits.",
            PUB,
        ),
        Tool::Sub => (
            "subscribes to topics of an MQTT broker and prints what it receives.",
            SUB,
        ),
        Tool::Rr => (
            "publishes a request to an MQTT broker and waits for the response.",
            RR,
        ),
    };
    let mut text = format!("{tool} {about}\n{}\nUsage: ", version(tool));
    let indent = format!("Usage: {tool} ").len();
    for (index, line) in own.lines().chain(CONNECTION.lines()).enumerate() {
        match index {
            0 => text.push_str(&format!("{tool} {line}\n")),
            _ => text.push_str(&format!("{:indent$}{line}\n", "")),
        }
    }
    let native = match tool {
        Tool::Pub => "pub",
        Tool::Sub => "sub",
        Tool::Rr => "rr",
    };
    text.push_str(&format!(
        "       {tool} --help\n\nThis is mozzie {} under mosquitto's name; 'mozzie {native} --help' explains every option.\n",
        env!("CARGO_PKG_VERSION")
    ));
    text
}

/// To the byte, for scripts that look for a version in it; `--help` says who it really is.
pub fn version(tool: Tool) -> String {
    format!("{tool} version {LIKE} running on libmosquitto {LIBRARY}.\n")
}
