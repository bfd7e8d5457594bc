//! Command lines that the three refuse: exit code 1, and the text on stderr.

use crate::support::called;

const PUB: &[&str] = &["mosquitto_pub"];
const SUB: &[&str] = &["mosquitto_sub"];
const RR: &[&str] = &["mosquitto_rr"];
const ALL: &[&str] = &["mosquitto_pub", "mosquitto_sub", "mosquitto_rr"];
const SENDERS: &[&str] = &["mosquitto_pub", "mosquitto_rr"];
const PRINTERS: &[&str] = &["mosquitto_sub", "mosquitto_rr"];

/// Every tool refuses `words` and says "Error: ", then `text`.
fn refused(tools: &[&str], cases: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for tool in tools {
        for (words, text) in cases {
            let done = called(tool, words).run();
            let said = done.stderr.starts_with(&format!("Error: {text}"));
            if done.code() != Some(1) || !said {
                wrong.push(format!("wanted 'Error: {text}'\n{tool} {done}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// An option at the end of the line, and what it should have been given.
fn needs_a_value(tools: &[&str], options: &[(&str, &str)]) {
    for (option, what) in options {
        let named = match *option {
            "-V" => "--protocol-version",
            other => other,
        };
        let text = match *what {
            "max_inflight" => format!("{named} argument given but max_inflight not specified."),
            what => format!("{named} argument given but no {what} specified."),
        };
        refused(tools, &[(option, &text)]);
    }
}

fn unknown(tools: &[&str], lines: &[&str]) {
    for words in lines {
        let option = words.split_whitespace().next().unwrap();
        refused(tools, &[(words, &format!("Unknown option '{option}'."))]);
    }
}

#[test]
fn help_and_version_end_with_1() {
    for tool in ALL {
        for words in ["--help", "--version"] {
            assert_eq!(called(tool, words).run().code(), Some(1), "{tool} {words}");
        }
    }
}

#[test]
fn options_without_their_value_are_refused() {
    needs_a_value(
        ALL,
        &[
            ("-A", "address"),
            ("-h", "host"),
            ("-i", "id"),
            ("-I", "id prefix"),
            ("-k", "keepalive"),
            ("-L", "URL"),
            ("-M", "max_inflight"),
            ("-o", "options file"),
            ("-p", "port"),
            ("-P", "password"),
            ("--proxy", "proxy url"),
            ("-q", "QoS"),
            ("-t", "topic"),
            ("-u", "username"),
            ("--unix", "socket path"),
            ("-V", "version"),
            ("--will-payload", "will payload"),
            ("--will-qos", "will QoS"),
            ("--will-topic", "will topic"),
            ("-x", "session expiry interval"),
            ("--cafile", "file"),
            ("--capath", "directory"),
            ("--cert", "file"),
            ("--ciphers", "ciphers"),
            ("--key", "file"),
            ("--keyform", "keyform"),
            ("--tls-alpn", "protocol"),
            ("--tls-engine", "engine_id"),
            ("--tls-engine-kpass-sha1", "kpass sha1"),
            ("--tls-version", "version"),
            ("--tls-keylog", "file"),
            ("--psk", "key"),
            ("--psk-identity", "identity"),
        ],
    );
    needs_a_value(
        PRINTERS,
        &[
            ("-F", "format"),
            ("-W", "timeout"),
            ("--retain-handling", "option"),
        ],
    );
    needs_a_value(
        SUB,
        &[
            ("-C", "count"),
            ("--random-filter", "chance"),
            ("-T", "topic filter"),
            ("-U", "unsubscribe topic"),
        ],
    );
    needs_a_value(SENDERS, &[("-m", "message"), ("-f", "file")]);
    needs_a_value(PUB, &[("--repeat", "count"), ("--repeat-delay", "time")]);
    needs_a_value(RR, &[("-e", "response topic")]);
    let too_few = "--property argument given but not enough arguments specified.";
    refused(
        ALL,
        &[
            ("-V 5 -D", too_few),
            ("-V 5 -D connect", too_few),
            ("-V 5 -D connect receive-maximum", too_few),
            ("-V 5 -D connect user-property key", too_few),
        ],
    );
}

#[test]
fn what_must_be_given_is_missed() {
    refused(PUB, &[("", "Both topic and message must be supplied.")]);
    refused(
        SUB,
        &[(
            "",
            "You must specify a topic to subscribe to (-t) or unsubscribe from (-U).",
        )],
    );
    refused(
        RR,
        &[(
            "",
            "All of topic, message, and response topic must be supplied.",
        )],
    );
    refused(
        ALL,
        &[
            (
                "--will-payload payload",
                "Will payload given, but no will topic given.",
            ),
            (
                "--will-retain",
                "Will retain given, but no will topic given.",
            ),
            (
                "-V mqttv5 -x -1",
                "You must provide a client id if you are using an infinite session expiry interval.",
            ),
            (
                "-V mqttv311 -c",
                "You must provide a client id if you are using the -c option.",
            ),
            (
                "--cert file",
                "Both certfile and keyfile must be provided if one of them is set.",
            ),
            (
                "--key file",
                "Both certfile and keyfile must be provided if one of them is set.",
            ),
            (
                "--keyform file",
                "If keyform is set, keyfile must be also specified.",
            ),
            (
                "--tls-engine-kpass-sha1 hash",
                "when using tls-engine-kpass-sha1, both tls-engine and keyform must also be provided.",
            ),
            ("--psk key", "--psk-identity required if --psk used."),
        ],
    );
}

#[test]
fn options_that_exclude_each_other_are_refused() {
    let ids = "-i and -I argument cannot be used together.";
    let keys = "Only one of --psk or --cafile/--capath may be used at once.";
    refused(
        ALL,
        &[
            ("-i id -I id-prefix", ids),
            ("-I id-prefix -i id", ids),
            ("--cafile file --psk key", keys),
            ("--capath dir --psk key", keys),
            ("-o file1 -o file2", "Duplicate -o argument given."),
        ],
    );
    let once = "Only one type of message can be sent at once.";
    refused(SENDERS, &[("-m message -f file", once)]);
    refused(
        PUB,
        &[
            ("-m message -l", once),
            ("-l -m message", once),
            ("-l -n", once),
            ("-l -s", once),
        ],
    );
}

#[test]
fn formats_that_are_none_are_refused() {
    let cut = "Incomplete format specifier.";
    refused(
        PRINTERS,
        &[
            ("-F %", cut),
            ("-F %0", cut),
            ("-F %-", cut),
            ("-F %1", cut),
            ("-F %.", cut),
            ("-F %.1", cut),
            ("-F @", cut),
            ("-F %Z", "Invalid format specifier 'Z'."),
            (r"-F \", "Incomplete escape specifier."),
            (r"-F \Z", "Invalid escape specifier 'Z'."),
        ],
    );
}

#[test]
fn values_out_of_range_are_refused() {
    let keep_alive = "Invalid keepalive given, it must be between 5 and 65535 inclusive.";
    refused(
        ALL,
        &[
            ("-k -1", keep_alive),
            ("-k 65536", keep_alive),
            ("-M 0", "Maximum inflight messages must be greater than 0."),
            ("-p -1", "Invalid port given: -1"),
            ("-p 65536", "Invalid port given: 65536"),
            ("-q -1", "Invalid QoS given: -1"),
            ("-q 3", "Invalid QoS given: 3"),
            ("-V 0", "Invalid protocol version argument given."),
            ("--will-qos -1", "Invalid will QoS -1."),
            ("--will-qos 3", "Invalid will QoS 3."),
            (
                "--will-topic +",
                "Invalid will topic '+', does it contain '+' or '#'?",
            ),
            ("-x A", "session-expiry-interval not a number."),
            ("-x -2", "session-expiry-interval out of range."),
            ("-x 4294967296", "session-expiry-interval out of range."),
            ("-L invalid://", "Unsupported URL scheme."),
        ],
    );
    for scheme in ["mqtt", "mqtts", "ws", "wss"] {
        let words = format!("-L {scheme}://localhost");
        refused(
            ALL,
            &[(
                &words,
                "Invalid URL for -L argument specified - topic missing.",
            )],
        );
    }
    let wildcards =
        |what| format!("Invalid {what} topic '++', are all '+' and '#' wildcards correct?");
    refused(
        SUB,
        &[
            ("-C 0", "Invalid message count \"0\"."),
            ("-t ++", &wildcards("subscription")),
            ("-T ++", &wildcards("filter")),
            ("-U ++", &wildcards("unsubscribe")),
        ],
    );
    refused(
        PRINTERS,
        &[
            ("-W 0", "Invalid timeout \"0\"."),
            (
                "--retain-handling invalid",
                "Unknown value 'invalid' for --retain-handling.",
            ),
        ],
    );
    refused(
        PUB,
        &[
            (
                "--repeat-delay -1",
                "--repeat-delay argument must be >=0.0.",
            ),
            (
                "-t topic/+",
                "Invalid publish topic 'topic/+', does it contain '+' or '#'?",
            ),
            (
                "-t topic/#",
                "Invalid publish topic 'topic/#', does it contain '+' or '#'?",
            ),
            (
                "-t topic -f missing",
                "Unable to read file \"missing\": No such file or directory.\n\
                 Error loading input file \"missing\".\n",
            ),
            (
                "--tls-keylog keylog -t topic -m 1 --cafile missing",
                "Problem setting TLS options: File not found.",
            ),
        ],
    );
    refused(
        RR,
        &[(
            "-e topic/+",
            "Invalid response topic 'topic/+', does it contain '+' or '#'?",
        )],
    );
}

#[test]
fn properties_are_judged_by_command_name_and_range() {
    for (place, name, value) in [
        ("connect", "request-problem-information", "-1"),
        ("connect", "request-problem-information", "256"),
        ("connect", "receive-maximum", "-1"),
        ("connect", "receive-maximum", "65536"),
        ("connect", "session-expiry-interval", "-1"),
        ("connect", "session-expiry-interval", "4294967296"),
        ("subscribe", "subscription-identifier", "-1"),
        ("subscribe", "subscription-identifier", "4294967296"),
    ] {
        let words = format!("-V 5 -D {place} {name} {value}");
        let text = format!("Property value ({value}) out of range for property {name}.");
        refused(ALL, &[(&words, &text)]);
    }
    refused(
        ALL,
        &[
            (
                "-V 5 -D invalid receive-maximum 1",
                "Invalid command invalid given in --property argument.",
            ),
            (
                "-V 5 -D connect invalid 1",
                "Invalid property name invalid given in --property argument.",
            ),
            (
                "-V 5 -D connect will-delay-interval 1",
                "will-delay-interval property not allowed for connect in --property argument.",
            ),
            (
                "-V 5 -D connect subscription-identifier 1",
                "subscription-identifier property not allowed for connect in --property argument.",
            ),
            (
                "-V 5 -D publish subscription-identifier 1",
                "subscription-identifier property not supported for publish in --property argument.",
            ),
            (
                "-V 5 -D subscribe topic-alias 1",
                "topic-alias property not allowed for subscribe in --property argument.",
            ),
            (
                "-V 5 -D auth authentication-method 1",
                "authentication-method property not supported for auth in --property argument.",
            ),
            (
                "-V 5 -D puback reason-string 1",
                "reason-string property not supported for puback in --property argument.",
            ),
        ],
    );
}

#[test]
fn options_of_the_other_tools_are_unknown() {
    unknown(ALL, &["--unknown"]);
    unknown(
        PUB,
        &[
            "-C 1",
            "-e response-topic",
            "-E",
            "-F %p",
            "--latency",
            "--message-rate",
            "-N",
            "--pretty",
            "-R",
            "--random-filter",
            "--remove-retained",
            "--retain-as-published",
            "--retain-handling invalid",
            "--retained-only",
            "-T",
            "-U",
            "-v",
            "-W",
            "-w",
        ],
    );
    unknown(
        SUB,
        &["-l", "-m", "-n", "-r", "--repeat", "--repeat-delay", "-s"],
    );
    unknown(
        RR,
        &["-l", "--message-rate", "-r", "--repeat", "--repeat-delay"],
    );
}
