//! Command lines that are wrong: the same words through mosquitto's clients and through mozzie under their
//! names must end with the same code and the same bytes on stderr.
//!
//! What 2.1 changed stands in `TWO_ONE`, with 2.1's text.

use crate::needs;
use crate::support::{Mozzie, as_2_1, called, is_2_0, theirs};

#[rustfmt::skip]
const PUB: &[&str] = &[
    "--bogus",
    "-h",
    "--host",
    "-t",
    "-t a/# -m x",
    "-t a\u{1}b -m x",
    "-t a\u{fffe} -m x",
    "--will-topic a\u{9f}",
    "-t a -m x -m",
    "-q \u{a0}2 -m",
    "-M -99999999999999999999",
    "-t a",
    "-m x",
    "-t a -m x -n",
    "-t a -m x -f /x",
    "-t a -l -m x",
    "-t a -m x -l",
    "-n -n",
    "-q 3 -t a",
    "-q",
    "-k 0",
    "-k 4",
    "-k 65536",
    "-k",
    "-p 70000",
    "-p -1",
    "-p",
    "-p 65535x",
    "-i a -I b",
    "-I b -i a",
    "-i",
    "-I",
    "-A",
    "-u",
    "-P",
    "-V 7",
    "-V",
    "-x",
    "-x -2",
    "-x 5x",
    "-x 017x",
    "-x 0x100000000",
    "-x 4294967296",
    "-M",
    "-M -1",
    "-M 0",
    "-M 65536",
    "-D",
    "-D connect",
    "-D connect x",
    "-D auth reason-string y",
    "-D puback reason-string y",
    "-D publish user-property a",
    "-D publish receive-maximum 1",
    "-D publish subscription-identifier 1",
    "-D connect receive-maximum -1",
    "-D connect receive-maximum 70000",
    "-D connect session-expiry-interval 4294967296",
    "-D publish payload-format-indicator 300",
    "-D publish message-expiry-interval 5x",
    "--will-topic",
    "--will-topic a/#",
    "--will-payload",
    "--will-payload x",
    "--will-qos",
    "--will-qos 3",
    "--will-qos 1",
    "--will-retain",
    "--will-payload x -t a -m b",
    "--will-retain -t a -m b",
    "--cafile",
    "--capath",
    "--cert",
    "--key",
    "--cert a",
    "--key a",
    "--cert a -t a -m b",
    "--key a -t a -m b",
    "--keyform",
    "--keyform foo",
    "--keyform foo -t a -m b",
    "--keyform pem -t a -m b",
    "--keyform engine -t a -m b",
    "--keyform engine --key x -t a -m b",
    "--ciphers",
    "--tls-version",
    "--tls-alpn",
    "--tls-engine",
    "--tls-engine-kpass-sha1",
    "--tls-engine-kpass-sha1 zz",
    "--tls-engine-kpass-sha1 00 -t a -m b",
    "--psk",
    "--psk-identity",
    "--psk 01 -t a -m b",
    "--psk 01 --cafile x -t a -m b",
    "--psk 01 --psk-identity x --cafile y -t a -m b",
    "--proxy",
    "--proxy foo",
    "--proxy socks5h://",
    "--proxy socks5h://a:b@",
    "--proxy socks5h://a:99999",
    "--unix",
    "-L",
    "-L mqtt://",
    "-L mqtt://a",
    "-L mqtt://@a/t -m a -D connect",
    "--repeat",
    "--repeat 0",
    "--repeat -1",
    "--repeat-delay",
    "--repeat-delay -1",
    "-s -m x",
    "-c -t a -m b",
    "-c -I pre -t a -m b",
    "--tls-use-os-certs --cafile x -t a -m b",
    "--pretty",
    "-T a",
    "-C 1",
    "-e x",
    "a b",
    "-",
    "--",
    "-rd",
    "-h=a",
    "--host=a",
    "-ta",
    "",
    "-t ",
    "-m",
    "-f",
    "-k x -t a -m b",
    "-i a -I",
    "-I a -i",
    "-i a\u{1} -t a -m b",
    "-u a\u{1} -t a -m b",
    "-I a\u{1} -t a -m b",
    "-s",
    "-s -t a -m b",
    "-U a",
    "--nodelay --quiet --bogus",
    "--quiet -t a/#",
    "-D publish content-type a\u{1} x",
    "-D publish user-property a\u{1} x",
    "--unix /nowhere -p 70000",
];

#[rustfmt::skip]
const SUB: &[&str] = &[
    "--bogus",
    "-t",
    "-t a/#/b",
    "-T",
    "-T a#",
    "-U",
    "-U a#",
    "-C",
    "-C 0",
    "-C -1",
    "-C x",
    "-W",
    "-W 0",
    "-W 0.5",
    "-W -1",
    "--random-filter",
    "--random-filter 0",
    "--random-filter x",
    "--random-filter 0.09",
    "--random-filter 1000.1",
    "--random-filter 1000 -C 0",
    "--random-filter 0x1p3 -C 0",
    "-R --retained-only -t a",
    "--retained-only -R -t a",
    "-c -t a",
    "-D subscribe user-property a",
    "-q",
    "-q 4",
    "-m a",
    "-n",
    "-f",
    "-r",
    "-L mqtt://a",
    "-D subscribe subscription-identifier 268435456 -t a",
    "-D subscribe subscription-identifier -1 -t a",
    "-D subscribe subscription-identifier x -C 0",
];

#[rustfmt::skip]
const RR: &[&str] = &[
    "-F %",
    "-F %y",
    "-F @",
    "-F \\y",
    "",
    "-t a",
    "-t a -e b",
    "-t a -e b -m",
    "-e",
    "-e b#",
    "-l",
    "-t a# ",
    "-t a -m x",
    "-C 1",
    "-W 0",
    "-s -m x",
    "-R -N -v --pretty",
    "-U a",
    "-T a",
    "-r",
    "--repeat 3",
    "-E",
];

/// (tool, words, 2.1's stderr): what 2.0 does otherwise.
#[rustfmt::skip]
const TWO_ONE: &[(&str, &str, &str)] = &[
    // properties are judged when their packet is sent
    ("mosquitto_pub", "-D connect receive-maximum 0 -t a -m a", "Unable to connect (A network protocol error occurred when communicating with the broker).\n"),
    ("mosquitto_pub", "-x 5 -D connect session-expiry-interval 6 -t a -m a", "Unable to connect (Duplicate property in property list).\n"),
    ("mosquitto_pub", "-D connect user-property a b -V 311 -t a -m a", "Unable to connect (This feature is not supported).\n"),
    ("mosquitto_sub", "--will-topic w -D will payload-format-indicator 2 -t a", "Error: Problem setting will.\n"),
    ("mosquitto_rr", "-D publish topic-alias 0 -t a -e r -m x", "Error in PUBLISH properties: Duplicate response topic.\n"),
    // the library's own texts
    ("mosquitto_pub", "-t a -m b -h nosuch.invalid", "Unable to connect (Lookup error).\n"),
    ("mosquitto_pub", "-t a -m b -A nosuch.invalid", "Unable to connect (Lookup error).\n"),
    ("mosquitto_pub", "-t a -m b -h 127.0.0.1 -A ::1", "Error: Bad file descriptor\n"),
    // the reason of a refused connection is lost
    ("mosquitto_pub", "-t a -m b -h 127.0.0.1 -p 1", "Error: Bad file descriptor\n"),
    ("mosquitto_sub", "-t a -h 127.0.0.1 -p 1", "Error: Bad file descriptor\n"),
    // -U alone is enough
    ("mosquitto_sub", "", "Error: You must specify a topic to subscribe to (-t) or unsubscribe from (-U).\n\nUse 'mosquitto_sub --help' to see usage.\n"),
    ("mosquitto_sub", "-U a -h 127.0.0.1 -p 1", "Error: Bad file descriptor\n"),
    // a session without end needs a name also with -x
    ("mosquitto_pub", "-x -1 -t a -m b", "Error: You must provide a client id if you are using an infinite session expiry interval.\n\nUse 'mosquitto_pub --help' to see usage.\n"),
    // what is wrong is named
    ("mosquitto_pub", "-D connect x y", "Error: Invalid property name x given in --property argument.\n\n\nUse 'mosquitto_pub --help' to see usage.\n"),
    ("mosquitto_pub", "-D foo x y", "Error: Invalid command foo given in --property argument.\n\n\nUse 'mosquitto_pub --help' to see usage.\n"),
    ("mosquitto_pub", "-L foo", "Error: Unsupported URL scheme.\n\n\nUse 'mosquitto_pub --help' to see usage.\n"),
    ("mosquitto_pub", "-L http://a/t", "Error: Unsupported URL scheme.\n\n\nUse 'mosquitto_pub --help' to see usage.\n"),
    // a session without end needs a name that stays
    ("mosquitto_pub", "-x -1 -I pre -t a -m b", "Error: You must provide a client id if you are using an infinite session expiry interval.\n\nUse 'mosquitto_pub --help' to see usage.\n"),
    ("mosquitto_pub", "--proxy socks5h://a:b:c@d", "Error: Username cannot contain ':'.\n\nUse 'mosquitto_pub --help' to see usage.\n"),
    ("mosquitto_pub", "--quiet --proxy socks5h://a:b:c@d", "\nUse 'mosquitto_pub --help' to see usage.\n"),
    // a topic must be there
    ("mosquitto_pub", "-L mqtt://a/", "Error: Invalid publish topic '', does it contain '+' or '#'?\n\nUse 'mosquitto_pub --help' to see usage.\n"),
    ("mosquitto_rr", "-L mqtt://a/", "Error: Invalid publish topic '', does it contain '+' or '#'?\n\nUse 'mosquitto_rr --help' to see usage.\n"),
    // an option file that is not there is passed over; it is looked for before anything is judged
    ("mosquitto_pub", "-o /nowhere", "Error: Both topic and message must be supplied.\n"),
    ("mosquitto_pub", "--bogus -o a -o b", "Error: Duplicate -o argument given.\n\n\nUse 'mosquitto_pub --help' to see usage.\n"),
    ("mosquitto_pub", "--bogus -o", "Error: -o argument given but no options file specified.\n\n\nUse 'mosquitto_pub --help' to see usage.\n"),
    ("mosquitto_rr", "--retain-handling x", "Error: Unknown value 'x' for --retain-handling.\n\n\nUse 'mosquitto_rr --help' to see usage.\n"),
    // another text for a file that is not there
    ("mosquitto_pub", "-f -", "Error: Unable to read file \"-\": No such file or directory.\nError loading input file \"-\".\n"),
    ("mosquitto_rr", "-f /nowhere", "Error: Unable to read file \"/nowhere\": No such file or directory.\nError loading input file \"/nowhere\".\n"),
    // separators came with 2.1, which takes the end behind one for a specifier
    ("mosquitto_sub", "-F %!", "Error: Invalid format specifier '\0'.\n\nUse 'mosquitto_sub --help' to see usage.\n"),
    ("mosquitto_sub", "-F %.2:", "Error: Invalid format specifier '\0'.\n\nUse 'mosquitto_sub --help' to see usage.\n"),
    ("mosquitto_pub", "-f /", "Error: / is not a file.Error: Unable to read file \"/\": No such file or directory.\nError loading input file \"/\".\n"),
    ("mosquitto_pub", "--quiet -f /", "Error: / is not a file."),
    ("mosquitto_pub", "-t a -m b --cafile /", "Error: / is not a file.Error: Problem setting TLS options: File not found.\n"),
    // a session that ends at once needs a name all the same
    ("mosquitto_pub", "-c -x 0 -t a -m b", "Error: Invalid id.\n"),
    ("mosquitto_sub", "-c -x 0 -t a", "Error: Invalid id and/or clean_session.\n"),
    // the port of a URL is judged last, and -1 is none
    ("mosquitto_pub", "-L mqtt://127.0.0.1:70000/t -m x", "Unable to connect (Invalid input).\n"),
    ("mosquitto_pub", "-L mqtt://127.0.0.1:70000/t -p 1 -m x", "Error: Bad file descriptor\n"),
    ("mosquitto_pub", "-t a -f /x", "Error: Unable to read file \"/x\": No such file or directory.\nError loading input file \"/x\".\n"),
    // options that 2.0 does not have
    ("mosquitto_pub", "--no-tls -t a -m b -h 127.0.0.1 -p 1", "Error: Bad file descriptor\n"),
    ("mosquitto_pub", "--ws -t a -m b -h 127.0.0.1 -p 1", "Error: Bad file descriptor\n"),
    ("mosquitto_sub", "--retain-handling new -t a -h 127.0.0.1 -p 1", "Error: Bad file descriptor\n"),
    ("mosquitto_pub", "-L ws://127.0.0.1:1/t -m x", "Error: Bad file descriptor\n"),
];

fn compare(tool: &str, lines: &[&str]) {
    let mut wrong = Vec::new();
    for words in lines {
        let theirs = theirs(tool, words).run();
        let ours = called(tool, words).run();
        let same = as_2_1(&theirs.stderr) == ours.stderr && theirs.code() == ours.code();
        if !same || theirs.stdout.is_empty() != ours.stdout.is_empty() {
            wrong.push(format!("--- theirs\n{theirs}--- ours\n{ours}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pub_refuses_what_mosquitto_pub_refuses() {
    needs!("mosquitto_pub");
    compare("mosquitto_pub", PUB);
}

#[test]
fn sub_refuses_what_mosquitto_sub_refuses() {
    needs!("mosquitto_sub");
    compare("mosquitto_sub", SUB);
}

#[test]
fn rr_refuses_what_mosquitto_rr_refuses() {
    needs!("mosquitto_rr");
    compare("mosquitto_rr", RR);
}

#[test]
fn what_2_1_says_otherwise_is_said_as_2_1_says_it() {
    needs!("mosquitto_sub");
    for (tool, words, text) in TWO_ONE {
        let ours = called(tool, words).run();
        assert_eq!(
            (ours.code(), ours.stderr.as_str()),
            (Some(1), *text),
            "{ours}"
        );
        let theirs = theirs(tool, words).run();
        match is_2_0() {
            // Otherwise the line belongs above.
            true => assert_ne!(theirs.stderr, *text, "{theirs}"),
            false => assert_eq!(theirs.stderr, *text, "{theirs}"),
        }
    }
}

#[test]
fn what_a_line_of_words_cannot_hold_is_refused_as_well() {
    needs!("mosquitto_pub");
    let deep = "/".repeat(201);
    for (option, value) in [
        ("-i", ""),
        ("-t", ""),
        ("-t", &deep),
        ("--will-topic", &deep),
    ] {
        let run = |program: Mozzie| program.args("-m x -t a -p 1").option(option, value).run();
        let (ours, theirs) = (
            run(called("mosquitto_pub", "")),
            run(theirs("mosquitto_pub", "")),
        );
        assert_eq!(ours.code(), Some(1), "{ours}");
        assert!(ours.stderr.starts_with("Error: Invalid "), "{ours}");
        // 2.0 takes topics that are empty.
        if !is_2_0() {
            assert_eq!(theirs.stderr, ours.stderr, "{theirs}");
        }
    }
}

#[test]
fn help_and_version_go_to_stdout_and_end_with_1() {
    for tool in ["mosquitto_pub", "mosquitto_sub", "mosquitto_rr"] {
        let help = called(tool, "-t a --help --bogus").run();
        help.ends(1, &help.stdout, &[]);
        assert!(
            help.stdout_text().contains(&format!("\nUsage: {tool} ")),
            "{help}"
        );
        let version = called(tool, "--version").run();
        version.ends(1, &version.stdout, &[]);
        assert_eq!(
            version.stdout_text(),
            format!("{tool} version 2.1.2 running on libmosquitto 2.1.0.\n")
        );
    }
}

#[test]
fn a_bad_word_is_judged_before_what_is_missing_and_before_help() {
    called("mosquitto_sub", "-q 7 --help")
        .run()
        .ends(1, "", &["Invalid QoS given: 7"]);
    called("mosquitto_pub", "--quiet --bogus")
        .run()
        .ends(1, "", &["Unknown option '--bogus'"]);
}

#[test]
fn what_rustls_cannot_do_is_said_before_connecting() {
    for words in [
        "--psk 0a --psk-identity me",
        "-p 8883 --key a --cert b --keyform engine",
    ] {
        called("mosquitto_pub", words)
            .args("-t a -m b")
            .run()
            .ends(1, "", &["mozzie"]);
    }
    called("mosquitto_pub", "--psk xyz --psk-identity me -t a -m b")
        .run()
        .ends(1, "", &["Error: Problem setting TLS-PSK options."]);
}
