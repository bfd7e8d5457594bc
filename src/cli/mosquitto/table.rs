//! The options of mosquitto's three clients in one table: every spelling, who has it, what it takes.

use crate::dialect::Tool;

/// Which option a word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opt {
    Bind,
    Cafile,
    Capath,
    Cert,
    Ciphers,
    Clean,
    Count,
    Debug,
    ExitAfterSubAck,
    File,
    FilterOut,
    Format,
    Help,
    Host,
    Id,
    IdPrefix,
    Insecure,
    KeepAlive,
    Key,
    KeyForm,
    Latency,
    Lines,
    MaxInFlight,
    Message,
    MessageRate,
    NoDelay,
    NoNewline,
    NoRetained,
    NoTls,
    Null,
    OptionsFile,
    Password,
    Port,
    Pretty,
    Property,
    ProtocolVersion,
    Proxy,
    Psk,
    PskIdentity,
    QoS,
    Quiet,
    RandomFilter,
    RemoveRetained,
    Repeat,
    RepeatDelay,
    ResponseTopic,
    Retain,
    RetainAsPublished,
    RetainHandling,
    RetainedOnly,
    SessionExpiry,
    Srv,
    StdinFile,
    Timeout,
    TlsAlpn,
    TlsEngine,
    TlsEngineKeyHash,
    TlsKeylog,
    TlsOsCerts,
    TlsVersion,
    Topic,
    Unix,
    Unsubscribe,
    Url,
    Username,
    Verbose,
    Version,
    Watch,
    WebSocket,
    WillPayload,
    WillQos,
    WillRetain,
    WillTopic,
}

/// What follows an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    Nothing,
    /// One word; when it is missing, this is what mosquitto says between "Error: " and the full stop.
    Word(&'static str),
    /// `-D`: three words, and four with a user property.
    Words,
}

pub struct Entry {
    pub names: &'static [&'static str],
    tools: &'static [Tool],
    pub takes: Takes,
    pub option: Opt,
}

const ALL: &[Tool] = &Tool::ALL;
const PUB: &[Tool] = &[Tool::Pub];
const SUB: &[Tool] = &[Tool::Sub];
const RR: &[Tool] = &[Tool::Rr];
/// Who sends messages of its own.
const SENDS: &[Tool] = &[Tool::Pub, Tool::Rr];
/// Who prints messages.
const PRINTS: &[Tool] = &[Tool::Sub, Tool::Rr];

const fn flag(names: &'static [&'static str], tools: &'static [Tool], option: Opt) -> Entry {
    Entry {
        names,
        tools,
        takes: Takes::Nothing,
        option,
    }
}

const fn word(
    names: &'static [&'static str],
    tools: &'static [Tool],
    option: Opt,
    missing: &'static str,
) -> Entry {
    Entry {
        names,
        tools,
        takes: Takes::Word(missing),
        option,
    }
}

/// The option that `tool` knows by this word.
pub fn find(tool: Tool, name: &str) -> Option<&'static Entry> {
    TABLE
        .iter()
        .find(|entry| entry.tools.contains(&tool) && entry.names.contains(&name))
}

#[rustfmt::skip]
static TABLE: &[Entry] = &[
    word(&["-A"], ALL, Opt::Bind, "-A argument given but no address specified"),
    flag(&["-c", "--disable-clean-session"], ALL, Opt::Clean),
    word(&["--cafile"], ALL, Opt::Cafile, "--cafile argument given but no file specified"),
    word(&["--capath"], ALL, Opt::Capath, "--capath argument given but no directory specified"),
    word(&["--cert"], ALL, Opt::Cert, "--cert argument given but no file specified"),
    word(&["--ciphers"], ALL, Opt::Ciphers, "--ciphers argument given but no ciphers specified"),
    word(&["-C"], SUB, Opt::Count, "-C argument given but no count specified"),
    flag(&["-d", "--debug"], ALL, Opt::Debug),
    Entry { names: &["-D", "--property"], tools: ALL, takes: Takes::Words, option: Opt::Property },
    word(&["-e"], RR, Opt::ResponseTopic, "-e argument given but no response topic specified"),
    flag(&["-E"], SUB, Opt::ExitAfterSubAck),
    word(&["-f", "--file"], SENDS, Opt::File, "-f argument given but no file specified"),
    word(&["-F"], PRINTS, Opt::Format, "-F argument given but no format specified"),
    flag(&["--help"], ALL, Opt::Help),
    word(&["-h", "--host"], ALL, Opt::Host, "-h argument given but no host specified"),
    flag(&["--insecure"], ALL, Opt::Insecure),
    word(&["-i", "--id"], ALL, Opt::Id, "-i argument given but no id specified"),
    word(&["-I", "--id-prefix"], ALL, Opt::IdPrefix, "-I argument given but no id prefix specified"),
    word(&["-k", "--keepalive"], ALL, Opt::KeepAlive, "-k argument given but no keepalive specified"),
    word(&["--key"], ALL, Opt::Key, "--key argument given but no file specified"),
    word(&["--keyform"], ALL, Opt::KeyForm, "--keyform argument given but no keyform specified"),
    flag(&["--latency"], RR, Opt::Latency),
    flag(&["-l", "--stdin-line"], PUB, Opt::Lines),
    word(&["-L", "--url"], ALL, Opt::Url, "-L argument given but no URL specified"),
    word(&["-m", "--message"], SENDS, Opt::Message, "-m argument given but no message specified"),
    word(&["-M"], ALL, Opt::MaxInFlight, "-M argument given but max_inflight not specified"),
    flag(&["--message-rate"], SUB, Opt::MessageRate),
    flag(&["-n", "--null-message"], SENDS, Opt::Null),
    flag(&["-N"], PRINTS, Opt::NoNewline),
    flag(&["--no-tls"], ALL, Opt::NoTls),
    flag(&["--nodelay"], ALL, Opt::NoDelay),
    word(&["-o"], ALL, Opt::OptionsFile, "-o argument given but no options file specified"),
    word(&["-p", "--port"], ALL, Opt::Port, "-p argument given but no port specified"),
    word(&["-P", "--pw"], ALL, Opt::Password, "-P argument given but no password specified"),
    flag(&["--pretty"], PRINTS, Opt::Pretty),
    word(&["--proxy"], ALL, Opt::Proxy, "--proxy argument given but no proxy url specified"),
    word(&["--psk"], ALL, Opt::Psk, "--psk argument given but no key specified"),
    word(&["--psk-identity"], ALL, Opt::PskIdentity, "--psk-identity argument given but no identity specified"),
    word(&["-q", "--qos"], ALL, Opt::QoS, "-q argument given but no QoS specified"),
    flag(&["--quiet"], ALL, Opt::Quiet),
    flag(&["-r", "--retain"], PUB, Opt::Retain),
    flag(&["-R"], PRINTS, Opt::NoRetained),
    word(&["--random-filter"], SUB, Opt::RandomFilter, "--random-filter argument given but no chance specified"),
    flag(&["--remove-retained"], SUB, Opt::RemoveRetained),
    word(&["--repeat"], PUB, Opt::Repeat, "--repeat argument given but no count specified"),
    word(&["--repeat-delay"], PUB, Opt::RepeatDelay, "--repeat-delay argument given but no time specified"),
    flag(&["--retain-as-published"], PRINTS, Opt::RetainAsPublished),
    word(&["--retain-handling"], PRINTS, Opt::RetainHandling, "--retain-handling argument given but no option specified"),
    flag(&["--retained-only"], SUB, Opt::RetainedOnly),
    flag(&["-s", "--stdin-file"], SENDS, Opt::StdinFile),
    flag(&["-S"], ALL, Opt::Srv),
    word(&["-t", "--topic"], ALL, Opt::Topic, "-t argument given but no topic specified"),
    word(&["-T", "--filter-out"], SUB, Opt::FilterOut, "-T argument given but no topic filter specified"),
    word(&["--tls-alpn"], ALL, Opt::TlsAlpn, "--tls-alpn argument given but no protocol specified"),
    word(&["--tls-engine"], ALL, Opt::TlsEngine, "--tls-engine argument given but no engine_id specified"),
    word(&["--tls-engine-kpass-sha1"], ALL, Opt::TlsEngineKeyHash, "--tls-engine-kpass-sha1 argument given but no kpass sha1 specified"),
    word(&["--tls-keylog"], ALL, Opt::TlsKeylog, "--tls-keylog argument given but no file specified"),
    flag(&["--tls-use-os-certs"], ALL, Opt::TlsOsCerts),
    word(&["--tls-version"], ALL, Opt::TlsVersion, "--tls-version argument given but no version specified"),
    word(&["-u", "--username"], ALL, Opt::Username, "-u argument given but no username specified"),
    word(&["-U", "--unsubscribe"], SUB, Opt::Unsubscribe, "-U argument given but no unsubscribe topic specified"),
    word(&["--unix"], ALL, Opt::Unix, "--unix argument given but no socket path specified"),
    flag(&["-v", "--verbose"], PRINTS, Opt::Verbose),
    word(&["-V", "--protocol-version"], ALL, Opt::ProtocolVersion, "--protocol-version argument given but no version specified"),
    flag(&["--version"], ALL, Opt::Version),
    flag(&["-w", "--watch"], SUB, Opt::Watch),
    word(&["-W"], PRINTS, Opt::Timeout, "-W argument given but no timeout specified"),
    word(&["--will-payload"], ALL, Opt::WillPayload, "--will-payload argument given but no will payload specified"),
    word(&["--will-qos"], ALL, Opt::WillQos, "--will-qos argument given but no will QoS specified"),
    flag(&["--will-retain"], ALL, Opt::WillRetain),
    word(&["--will-topic"], ALL, Opt::WillTopic, "--will-topic argument given but no will topic specified"),
    flag(&["--ws"], ALL, Opt::WebSocket),
    word(&["-x"], ALL, Opt::SessionExpiry, "-x argument given but no session expiry interval specified"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_tool_has_a_name_twice() {
        for tool in Tool::ALL {
            let mut names: Vec<&str> = TABLE
                .iter()
                .filter(|entry| entry.tools.contains(&tool))
                .flat_map(|entry| entry.names.iter().copied())
                .collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count, "{tool}");
        }
    }
}
