//! Wrong option values, files and topics: one line that names what was typed, exit 2, before any connection.

use std::{fs, net::TcpListener};

use tempfile::TempDir;

use crate::support::{Scripted, mozzie};

/// Arguments (split at blanks, `␣` stands for a blank inside one, `∅` for an empty one) and what the error must name.
const TABLE: &[(&str, &[&str])] = &[
    // The command itself.
    ("publish", &["publish"]),
    ("pub --bogus", &["--bogus"]),
    ("pub -t a -m x stray", &["stray"]),
    ("sub -t a --cout 3", &["--cout"]),
    // What to publish, and where.
    ("pub", &["topic"]),
    ("pub -t a", &["-m"]),
    ("pub -m x", &["topic"]),
    ("pub -t a -m x -n", &["-n"]),
    ("pub -t a -m x -l", &["-l"]),
    ("pub -t a -f /etc/passwd -s", &["-s"]),
    ("pub -t a/+ -m x", &["a/+"]),
    ("pub -t a/# -m x", &["a/#"]),
    ("pub -t ∅ -m x", &["-t"]),
    ("pub -t a -m x -q 3", &["'3'", "--qos"]),
    ("pub -t a -m x -q -1", &["'-1'", "--qos"]),
    ("pub -t a -m x -q high", &["high"]),
    ("pub -t a -m x -q 01", &["01"]),
    ("pub -t a -m x --repeat 0", &["0", "--repeat"]),
    ("pub -t a -m x --repeat -3", &["'-3'", "--repeat"]),
    ("pub -t a -m x --repeat many", &["many"]),
    ("pub -t a -m x --repeat-delay soon", &["soon"]),
    (
        "pub -t a -m x --repeat-delay -1",
        &["'-1'", "--repeat-delay"],
    ),
    ("pub -t a -m x --repeat-delay nan", &["nan"]),
    ("pub -t a -m x --repeat-delay 1e999", &["1e999"]),
    ("pub -t a -l --repeat 3", &["--repeat"]),
    (
        "pub -t a -f /no/such/file",
        &["/no/such/file", "no such file"],
    ),
    ("pub -t a -f /", &["'/'", "directory"]),
    // What to subscribe to.
    ("sub", &["topic", "-t"]),
    ("sub -t ∅", &["-t"]),
    ("sub -t a/#/b", &["a/#/b"]),
    ("sub -t a+", &["a+"]),
    ("sub -t a#", &["a#"]),
    ("sub -t $share//a", &["$share//a"]),
    ("sub -t $share/g", &["$share/g"]),
    ("sub -t $share/g+/a", &["$share/g+/a"]),
    ("sub -t a -T b/#/c", &["-T", "b/#/c"]),
    ("sub -t a -U c#", &["-U", "c#"]),
    ("sub -t a -q 7", &["'7'"]),
    ("sub -t a -C 0", &["0"]),
    ("sub -t a -C -1", &["'-1'", "--count"]),
    ("sub -t a -C few", &["few"]),
    (
        "sub -t a -C 99999999999999999999",
        &["99999999999999999999"],
    ),
    ("sub -t a -W later", &["later"]),
    ("sub -t a -W -5", &["-5"]),
    ("sub -t a -W 0", &["0"]),
    (
        "sub -t a -R --retained-only",
        &["--no-retained", "--retained-only"],
    ),
    (
        "sub -t a --retain-handling sometimes",
        &["sometimes", "--retain-handling"],
    ),
    ("sub -t a --json=pretty", &["pretty"]),
    ("sub -t a --json -v", &["--json"]),
    ("sub -t $share/g/a --no-local", &["--no-local"]),
    ("sub -t a -m x", &["-m"]),
    // Where the broker is.
    ("pub -t a -m x -p 0", &["'0'", "--port"]),
    ("pub -t a -m x -p 65536", &["65536"]),
    ("pub -t a -m x -p http", &["http"]),
    ("pub -t a -m x -h ∅", &["host"]),
    ("pub -t a -m x -A nowhere", &["nowhere"]),
    ("pub -t a -m x -L http://x/y", &["http"]),
    ("pub -m x -L localhost/a", &["localhost/a"]),
    ("pub -m x -L mqtt:///a", &["mqtt:///a"]),
    ("pub -m x -L mqtt://h:port/a", &["port"]),
    ("pub -m x -L mqtt://h:70000/a", &["70000"]),
    ("pub -m x -L mqtt://h:0/a", &["0"]),
    ("pub -m x -L mqtt://[::1/a", &["[::1"]),
    ("pub -m x -L mqtt://u%ZZ@h/a", &["%ZZ"]),
    ("pub -m x -L mqtt://h/a/#", &["a/#"]),
    ("pub -t b -m x -L mqtt://h/a", &["-t", "-L"]),
    ("pub -m x -h other -L mqtt://h/a", &["-L"]),
    ("pub -t a -m x --unix /tmp/s -p 1", &["--unix"]),
    ("pub -t a -m x --proxy localhost:1080", &["localhost:1080"]),
    ("pub -t a -m x --proxy ftp://p:1", &["ftp"]),
    ("pub -t a -m x --proxy socks5h://p:x", &["'x'"]),
    ("pub -t a -m x --proxy socks5h://", &["proxy"]),
    (
        "pub -t a -m x --unix /tmp/s --proxy socks5h://p",
        &["--unix"],
    ),
    ("pub -t a -m x --ws-path no-slash", &["no-slash"]),
    ("pub -t a -m x --ws-header NoColon", &["NoColon"]),
    ("pub -t a -m x --ws-header Bad␣Name:␣x", &["Bad Name"]),
    ("pub -t a -m x --ws-header Upgrade:␣no", &["Upgrade"]),
    ("pub -t a -m x --wait-for-broker soon", &["soon"]),
    ("pub -t a -m x --connect-timeout -1s", &["-1"]),
    // Who one is, and the session.
    ("pub -t a -m x -i me -I pre", &["-i"]),
    ("pub -t a -m x -P secret", &["user name", "-u"]),
    (
        "pub -t a -m x -u me -P a --password-file b",
        &["--password-file"],
    ),
    (
        "pub -t a -m x -u me --password-file /no/such/file",
        &["/no/such/file"],
    ),
    ("pub -t a -m x -V 4", &["'4'"]),
    ("pub -t a -m x -V 3.2", &["3.2"]),
    ("pub -t a -m x -V mqttv4", &["mqttv4"]),
    ("pub -t a -m x -k -1", &["-1"]),
    ("pub -t a -m x -k 65536", &["65536"]),
    ("pub -t a -m x -k often", &["often"]),
    ("pub -t a -m x -c", &["-c", "-i"]),
    ("pub -t a -m x -x -2", &["-2"]),
    ("pub -t a -m x -x 4294967296", &["4294967296"]),
    ("pub -t a -m x -x forever", &["forever"]),
    ("pub -t a -m x -M 65536", &["65536"]),
    ("pub -t a -m x -M lots", &["lots"]),
    ("pub -t a -m x -V 311 -x 60", &["-x", "3.1.1"]),
    (
        "pub -t a -m x -V 31 -D connect user-property a b",
        &["-D", "3.1"],
    ),
    ("sub -t a -V 311 --no-local", &["--no-local"]),
    (
        "sub -t a -V 311 --retain-handling new",
        &["--retain-handling"],
    ),
    (
        "sub -t a -V 31 --retain-as-published",
        &["--retain-as-published"],
    ),
    // The will.
    ("pub -t a -m x --will-payload bye", &["--will-topic"]),
    ("pub -t a -m x --will-retain", &["--will-topic"]),
    ("pub -t a -m x --will-topic w/#", &["w/#"]),
    ("pub -t a -m x --will-topic w --will-qos 3", &["'3'"]),
    ("pub -t a -m x -D will content-type a/b", &["--will-topic"]),
    // Properties.
    ("pub -t a -m x -D publish content-type", &["--property"]),
    (
        "pub -t a -m x -D frobnicate content-type a",
        &["frobnicate"],
    ),
    (
        "pub -t a -m x -D publish no-such-thing a",
        &["no-such-thing"],
    ),
    (
        "pub -t a -m x -D publish receive-maximum 5",
        &["receive-maximum"],
    ),
    (
        "pub -t a -m x -D publish subscription-identifier 5",
        &["subscription-identifier"],
    ),
    (
        "pub -t a -m x -D publish message-expiry-interval soon",
        &["soon"],
    ),
    (
        "pub -t a -m x -D publish payload-format-indicator 2",
        &["2"],
    ),
    ("pub -t a -m x -D publish topic-alias 0", &["0"]),
    ("pub -t a -m x -D publish topic-alias 65536", &["65536"]),
    (
        "pub -t a -m x -D publish user-property only-name",
        &["user-property"],
    ),
    (
        "pub -t a -m x -D publish content-type a -D publish content-type b",
        &["content-type"],
    ),
    ("pub -t a -m x -D publish response-topic a/#", &["a/#"]),
    ("pub -t a -m x -D connect receive-maximum 0", &["0"]),
    ("pub -t a -m x -D connect maximum-packet-size 0", &["0"]),
    ("sub -t a -D subscribe subscription-identifier 0", &["0"]),
    (
        "sub -t a -D subscribe subscription-identifier 268435456",
        &["268435456"],
    ),
    ("sub -t a -D publish content-type a", &["publish"]),
    (
        "pub -t a -m x -D subscribe user-property a b",
        &["subscribe"],
    ),
    // TLS.
    ("pub -t a -m x --cafile /no/such/file", &["/no/such/file"]),
    ("pub -t a -m x --cafile /etc/passwd", &["/etc/passwd"]),
    (
        "pub -t a -m x --capath /no/such/folder",
        &["/no/such/folder"],
    ),
    (
        "pub -t a -m x --cert /no/such/cert --key /no/such/key",
        &["/no/such/"],
    ),
    ("pub -t a -m x --tls-version tlsv1.1", &["tlsv1.1"]),
    ("pub -t a -m x --tls-version 4", &["'4'"]),
    (
        "pub -t a -m x --ciphers NO-SUCH-CIPHER",
        &["NO-SUCH-CIPHER"],
    ),
    (
        "pub -t a -m x --tls-server-name not␣a␣name",
        &["not a name"],
    ),
    (
        "pub -t a -m x --tls-keylog /no/such/folder/keys",
        &["/no/such/folder/keys"],
    ),
    (
        "pub -m x --insecure -L mqtt://h:1/a --tls-version 9",
        &["'9'"],
    ),
    // bench and broker.
    ("bench --publishers none", &["none"]),
    ("bench --size -1", &["-1"]),
    ("bench --size big", &["big"]),
    ("bench --duration long", &["long"]),
    ("bench --duration -1s", &["'-1s'", "--duration"]),
    ("bench --rate -1k", &["'-1k'", "--rate"]),
    ("bench --size -1..2", &["'-1..2'", "--size"]),
    ("sub -t a -W -1s", &["'-1s'", "--timeout"]),
    ("bench -n few", &["few"]),
    ("bench -q 4", &["'4'"]),
    ("bench -t a/#", &["a/#"]),
    ("bench --embedded -h other", &["--embedded"]),
    ("bench --embedded --ws", &["--embedded", "--ws"]),
    ("bench --embedded --insecure", &["--embedded", "--insecure"]),
    (
        "bench --embedded --source-ip ::1",
        &["--source-ip", "127.0.0.1", "::1"],
    ),
    ("bench --rate 2000m", &["'2000m'", "too much"]),
    ("bench --filter $share/g/a", &["$share/g/a", "--shared"]),
    ("bench --rate 0", &["'0'"]),
    ("bench --rate fast", &["'fast'"]),
    ("bench --ramp 0..x over 1s", &["--ramp", "'x'"]),
    ("bench --rate 5 --ramp 0..5 over 1s", &["--rate", "--ramp"]),
    ("bench --burst 2", &["--burst", "open loop"]),
    ("bench --gather 0ms", &["--gather", "'0ms'"]),
    ("bench --gather 6ms", &["--gather", "'6ms'", "5ms"]),
    ("bench --gather 5", &["--gather", "'5'", "5ms"]),
    ("bench --size 9..5", &["9..5"]),
    ("bench --size 64 -m x", &["--size", "--message"]),
    ("bench --filter a/#/b", &["--filter", "a/#/b"]),
    ("bench --filter a/{n}", &["--filter", "a/{n}"]),
    ("bench -t a/{client} -i b#", &["'a/b#-p0'"]),
    ("bench --shared a/b", &["--shared", "a/b"]),
    ("bench --shape star", &["'star'"]),
    (
        "bench --shape fan-in:5 --publishers 2",
        &["--shape says 5", "--publishers 2"],
    ),
    ("bench -t a/{id}", &["-t", "'a/{id}'", "place {id}", "{i}"]),
    ("bench --filter a/{x}/#", &["--filter", "place {x}", "{i}"]),
    ("bench -i c{n}-{number}", &["-i", "place {number}", "{i}"]),
    ("bench --source-ip here", &["'here'"]),
    ("bench --churn-cut", &["--churn"]),
    (
        "bench --retry 3 --wait-for-broker 1s",
        &["--retry does nothing", "add it, or leave out --retry"],
    ),
    ("bench --retry-delay 1s", &["--retry-delay", "--reconnect"]),
    (
        "bench --retry-max-delay 1s",
        &["--retry-max-delay", "--reconnect or --wait-for-broker"],
    ),
    ("bench --credentials no-such-file", &["no-such-file"]),
    ("bench --payload-from no-such-file", &["no-such-file"]),
    (
        "bench -t a --payload-from no-such-file",
        &["-t", "--payload-from"],
    ),
    ("bench -i dev{i}", &["dev{i}"]),
    ("bench --tls-resumption on", &["--tls-resumption"]),
    ("bench --topic-alias -V 311", &["--topic-alias", "MQTT 5"]),
    ("bench --publishers 0 --subscribers 0", &["--publishers"]),
    ("broker --port 65536", &["65536"]),
    ("broker --port x", &["'x'"]),
    ("completions klingon", &["klingon"]),
];

fn words(line: &str) -> Vec<String> {
    line.split(' ')
        .map(|word| word.replace('␣', " ").replace('∅', ""))
        .collect()
}

#[test]
fn every_wrong_value_is_2_names_what_was_typed_and_connects_to_nobody() {
    // Whoever connects anyway connects to this.
    let trap = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    trap.set_nonblocking(true).unwrap();
    let port = trap.local_addr().unwrap().port().to_string();
    let mut wrong = Vec::new();
    for (line, fragments) in TABLE {
        let mut run = mozzie("");
        for word in words(line) {
            run = run.arg(word);
        }
        if line.starts_with("pub ") || line.starts_with("sub ") {
            for (option, variable, value) in [
                (" -h ", "MOZZIE_HOST", "127.0.0.1"),
                (" -p ", "MOZZIE_PORT", &port),
            ] {
                if !line.contains(option) && !line.contains(" -L ") && !line.contains("--unix") {
                    run = run.env(variable, value);
                }
            }
        }
        let done = run.stdin("").run();
        let connected = trap.accept().is_ok();
        let stderr = done.stderr.to_lowercase();
        let names = fragments
            .iter()
            .all(|fragment| stderr.contains(&fragment.to_lowercase()));
        let first = done.stderr.lines().next().unwrap_or_default();
        let rest_is_hint = done
            .stderr
            .lines()
            .skip(1)
            .all(|line| line.starts_with("  hint: "));
        let well_formed = first.starts_with("mozzie: error: ")
            && !first.ends_with('.')
            && rest_is_hint
            && done.stderr.lines().count() <= 2
            && !first["mozzie: error: ".len()..].starts_with(|c: char| c.is_ascii_uppercase());
        let silent = done.stdout.is_empty();
        if done.code() != Some(2) || !names || !well_formed || !silent || connected {
            wrong.push(format!("wanted 2 and {fragments:?}\n{done}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} rows:\n\n{}",
        wrong.len(),
        TABLE.len(),
        wrong.join("\n")
    );
}

#[test]
fn wrong_values_in_the_environment_are_2_and_name_the_value() {
    let table = [
        ("MOZZIE_PORT", "x"),
        ("MOZZIE_URL", "http://h/a"),
        ("MOZZIE_BIND", "nowhere"),
        ("MOZZIE_KEEPALIVE", "often"),
        ("MOZZIE_PROTOCOL_VERSION", "9"),
        ("MOZZIE_SESSION_EXPIRY_INTERVAL", "soon"),
        ("MOZZIE_MAX_INFLIGHT", "lots"),
        ("MOZZIE_CONNECT_TIMEOUT", "later"),
        ("MOZZIE_WAIT_FOR_BROKER", "later"),
        ("MOZZIE_PROXY", "ftp://p"),
        ("MOZZIE_WS_PATH", "no-slash"),
        ("MOZZIE_CAFILE", "/no/such/ca"),
        ("MOZZIE_CAPATH", "/no/such/capath"),
        ("MOZZIE_TLS_VERSION", "tlsv9"),
        ("MOZZIE_CIPHERS", "NO-SUCH-CIPHER"),
        ("MOZZIE_TLS_SERVER_NAME", "not a name"),
        ("MOZZIE_PASSWORD_FILE", "/no/such/password"),
    ];
    let mut wrong = Vec::new();
    for (name, value) in table {
        let mut run = mozzie("pub -m x -p 1").env(name, value);
        if name == "MOZZIE_PORT" {
            run = mozzie("pub -m x").env(name, value);
        }
        if name != "MOZZIE_URL" {
            run = run.args("-t a");
        }
        if name == "MOZZIE_PASSWORD_FILE" {
            run = run.args("-u me");
        }
        let done = run.run();
        if done.code() != Some(2) || !done.looks_like_an_error() || !done.stderr.contains(value) {
            wrong.push(format!("{name}={value}\n{done}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} variables:\n\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn a_topic_beyond_65535_bytes_is_2() {
    let long = "t".repeat(65_536);
    for command in ["pub -m x", "sub"] {
        let done = mozzie(command).option("-t", &long).run();
        assert!(
            done.code() == Some(2) && done.stderr.contains("65535") && done.stderr.len() < 2000,
            "{}",
            done.stderr.len()
        );
    }
}

#[test]
fn bytes_that_are_not_utf_8_are_2_where_text_is_needed() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let bad = OsStr::from_bytes(b"a\xffb");
    mozzie("pub -m x")
        .option("-t", bad)
        .run()
        .fails(2, &["the value of -t is not utf-8"]);
    mozzie("sub")
        .arg(OsStr::from_bytes(b"--topic=a\xff"))
        .run()
        .fails(2, &["the value of --topic is not utf-8"]);
    mozzie("pub -t a -m x")
        .arg(OsStr::from_bytes(b"-ua\xff"))
        .run()
        .fails(2, &["the value of -u is not utf-8"]);
}

#[test]
fn a_payload_beyond_the_protocols_limit_is_2_and_says_how_much_fits() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("too big");
    // A hole in a file takes no space.
    fs::File::create(&file).unwrap().set_len(300 << 20).unwrap();
    mozzie("pub -t a")
        .option("-f", &file)
        .run()
        .fails(2, &["too big", "2684"]);
    mozzie("pub -t a -s")
        .stdin_file(&file)
        .run()
        .fails(2, &["-s: stdin is larger than 2684"]);
}

#[test]
fn a_payload_just_beyond_a_packet_of_mqtt_is_no_refusal_of_the_broker() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("too big");
    // Beside the payload of a PUBLISH: the topic, its length, a packet identifier, no properties.
    let (most, topic, id, properties) = (268_435_455, 3, 2, 1);
    for (options, fits) in [
        ("-q 0", most - topic),
        ("-q 1", most - topic - id),
        ("-q 0 -V 5", most - topic - properties),
        ("-q 1 -V 5", most - topic - id - properties),
    ] {
        fs::File::create(&file).unwrap().set_len(fits + 1).unwrap();
        mozzie("pub -t a")
            .args(options)
            .option("-f", &file)
            .run()
            .fails(2, &[&format!("larger than {fits} bytes")]);
    }
    // A line is known only when it is read.
    let broker = Scripted::welcoming(|peer| while peer.next().is_some() {});
    mozzie("pub -t a -l -q 1 -V 5")
        .at(broker.port)
        .stdin_file(&file)
        .run()
        .fails(
            1,
            &["line 1 of stdin: larger than a packet of mqtt can be, 268435460 bytes"],
        );
}

#[test]
fn an_unreadable_file_is_2_and_named() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("missing.bin");
    mozzie("pub -t a")
        .option("-f", &file)
        .run()
        .fails(2, &["missing.bin", "no such file"]);
}

#[test]
fn nothing_on_stdin_with_s_is_a_failure_and_not_an_empty_message() {
    // A command before the pipe that failed must not look like a published message.
    let done = mozzie("pub -t a -s").at(1).stdin("").run();
    assert!(
        matches!(done.code(), Some(1 | 2)) && done.looks_like_an_error() && done.stdout.is_empty(),
        "{done}"
    );
}

#[test]
fn passwords_are_never_repeated_in_an_error() {
    for line in [
        "pub -m x -L mqtt://me:hunter2@h:port/a",
        "pub -m x -L mqtt://me:hunter2@/a",
        "pub -t a -m x --proxy socks5h://me:hunter2@p:port",
        "pub -t a -m x --proxy ftp://me:hunter2@p",
    ] {
        let done = mozzie(line).run();
        done.status(2);
        assert!(!done.stderr.contains("hunter2"), "{done}");
    }
}

#[test]
fn control_characters_in_what_was_typed_do_not_reach_the_terminal() {
    let done = mozzie("sub").option("-t", "\x1b[2Ja/#/b").run();
    done.status(2);
    assert!(!done.stderr.contains('\x1b'), "{done}");
}
