//! Profiles and the environment: which value counts, where it came from, and what a mistake in the file says.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use tempfile::TempDir;

use crate::needs;
use crate::support::{Mosquitto, Mozzie, Scripted, called, filters, free_port, mozzie, wire};

/// A folder with a `mozzie/config.toml`.
struct Config {
    folder: TempDir,
}

impl Config {
    fn new(text: &str) -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("mozzie")).unwrap();
        let config = Self { folder };
        fs::write(config.path(), text).unwrap();
        config.mode(0o600);
        config
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("mozzie/config.toml")
    }

    fn mode(&self, mode: u32) {
        fs::set_permissions(self.path(), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn mozzie(&self, words: &str) -> Mozzie {
        mozzie(words).env("XDG_CONFIG_HOME", self.folder.path())
    }
}

/// The lines of `--show-config` as (setting, source), blanks between the two squeezed.
fn shown(run: Mozzie) -> Vec<(String, String)> {
    let done = run.args("--show-config").run();
    done.ends(0, &done.stdout, &[]);
    let text = done.stdout_text();
    text.lines()
        .skip(1)
        .map(|line| {
            let (setting, source) = line.rsplit_once("  # ").unwrap();
            (setting.trim().to_owned(), source.to_owned())
        })
        .collect()
}

#[track_caller]
fn shows(run: Mozzie, setting: &str, source: &str) {
    let lines = shown(run);
    let found = lines
        .iter()
        .any(|(line, from)| line == setting && from.contains(source));
    assert!(found, "no `{setting}` from {source} in {lines:#?}");
}

#[test]
fn command_line_beats_environment_beats_profile_beats_default() {
    let config = Config::new("[profile.p]\nport = 3\nkeepalive = 3\nmax-inflight = 3\n");
    let run = || {
        config
            .mozzie("sub --profile p -p 1")
            .env("MOZZIE_PORT", "2")
            .env("MOZZIE_KEEPALIVE", "2")
    };
    shows(run(), "port = 1", "command line");
    shows(run(), "keepalive = 2", "MOZZIE_KEEPALIVE");
    shows(run(), "max-inflight = 3", "config.toml:4:1");
    shows(run(), "connect-timeout = \"30s\"", "default");
    shows(run(), "host = \"localhost\"", "default");
}

#[test]
fn a_profile_is_chosen_by_option_variable_or_default() {
    let config =
        Config::new("default-profile = 'a'\n[profile.a]\nhost = 'ha'\n[profile.b]\nhost = 'hb'\n");
    let by_variable = || config.mozzie("pub").env("MOZZIE_PROFILE", "b");
    shows(config.mozzie("pub"), "host = \"ha\"", "config.toml:3:1");
    shows(by_variable(), "host = \"hb\"", "config.toml:5:1");
    shows(
        by_variable().args("--profile a"),
        "host = \"ha\"",
        "config.toml",
    );
    shows(
        by_variable().args("--profile none"),
        "host = \"localhost\"",
        "default",
    );
    for verb in ["sub", "rr", "bench"] {
        shows(config.mozzie(verb), "host = \"ha\"", "config.toml");
    }
    // The commands that connect to nobody do not read it.
    fs::write(config.path(), "nonsense").unwrap();
    let done = config.mozzie("completions bash").run();
    done.ends(0, &done.stdout, &[]);
}

#[test]
fn what_is_typed_wins_also_where_options_exclude_each_other() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let port = broker.port.to_string();
    let closed = free_port();
    let url = format!("mqtts://u:p@127.0.0.1:{closed}/t");
    // another broker, another port, another topic than those of a URL from the environment
    mozzie("pub -t a -m x")
        .at(broker.port)
        .env("MOZZIE_URL", &url)
        .run()
        .prints("");
    mozzie("pub -t a -m x")
        .env("MOZZIE_URL", format!("mqtt://127.0.0.1:{closed}/t"))
        .option("-p", &port)
        .run()
        .prints("");
    mozzie("pub -m x -t typed -q 1 -d --no-tls")
        .env("MOZZIE_URL", format!("mqtts://127.0.0.1:{port}/t"))
        .run()
        .ends(0, "", &["'typed'"]);
    // a URL over host, port and WebSocket
    mozzie("pub -m x")
        .option("-L", format!("mqtt://127.0.0.1:{port}/t"))
        .env("MOZZIE_HOST", "no.such.host.example")
        .env("MOZZIE_PORT", "1")
        .env("MOZZIE_WS", "1")
        .run()
        .prints("");
    mozzie("pub -t a -m x --no-tls")
        .at(broker.port)
        .env("MOZZIE_INSECURE", "yes")
        .run()
        .prints("");
}

#[test]
fn every_kind_of_variable_is_read() {
    let run = || {
        mozzie("sub")
            .env("MOZZIE_WS", "yes")
            .env("MOZZIE_INSECURE", "off")
            .env("MOZZIE_WS_HEADER", "A: 1\nB: 2")
            .env("MOZZIE_TLS_ALPN", "mqtt")
            .env("MOZZIE_WILL_TOPIC", "w")
            .env("MOZZIE_PROPERTY", "connect user-property a b c")
            .env("MOZZIE_OUTPUT", "verbose")
    };
    for (line, source) in [
        ("ws = true", "MOZZIE_WS"),
        ("insecure = false", "MOZZIE_INSECURE"),
        (
            "ws-header = [\"A: (hidden)\", \"B: (hidden)\"]",
            "MOZZIE_WS_HEADER",
        ),
        ("tls-alpn = \"mqtt\"", "MOZZIE_TLS_ALPN"),
        ("will-topic = \"w\"", "MOZZIE_WILL_TOPIC"),
        (
            "property = \"connect user-property a b c\"",
            "MOZZIE_PROPERTY",
        ),
        ("output = \"verbose\"", "MOZZIE_OUTPUT"),
        ("port = 8883", "default"),
        ("protocol-version = 5", "default"),
    ] {
        shows(run(), line, source);
    }
    mozzie("sub -t a")
        .env("MOZZIE_WS", "perhaps")
        .run()
        .fails(2, &["MOZZIE_WS", "'perhaps'", "neither on nor off"]);
    mozzie("sub -t a")
        .env("MOZZIE_PORT", "many")
        .run()
        .fails(2, &["MOZZIE_PORT", "'many'"]);
    mozzie("sub -t a")
        .env("MOZZIE_HOST", "h")
        .env("MOZZIE_UNIX", "/s")
        .run()
        .fails(2, &["MOZZIE_HOST and MOZZIE_UNIX", "exclude"]);
}

#[test]
fn a_profile_connects_with_its_login_prefix_and_output() {
    let broker = Scripted::start(|door| {
        let mut peer = door.accept();
        let connect = peer.welcome(false);
        let has = |text: &str| {
            connect
                .body
                .windows(text.len())
                .any(|w| w == text.as_bytes())
        };
        assert!(
            has("alice") && has("s3cret") && has("tagged"),
            "{connect:?}"
        );
        let subscribe = peer.grant();
        let asked: Vec<_> = filters(&subscribe, true)
            .into_iter()
            .map(|(filter, _)| filter)
            .collect();
        assert_eq!(asked, ["home/a", "$share/g/home/b", "$SYS/#"]);
        peer.publish(0, 0, "home/a", "x");
        peer.expect(wire::DISCONNECT);
    });
    let config = Config::new(&format!(
        "[profile.p]\nurl = 'mqtt://alice:s3cret@127.0.0.1:{}'\ntopic-prefix = 'home/'\noutput = 'verbose'\n\
         property = 'connect user-property tagged yes'\n",
        broker.port
    ));
    config
        .mozzie("sub --profile p -t a -t $share/g/b -t $SYS/# -C 1")
        .run()
        .prints("home/a x\n");
    broker.finish();
}

#[test]
fn typed_output_options_and_serve_win_over_the_profiles() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let config = Config::new("default-profile = 'p'\n[profile.p]\noutput = 'json'\n");
    config
        .mozzie("pub -t a -m x -r")
        .at(broker.port)
        .run()
        .prints("");
    let sub = |words: &str| {
        config
            .mozzie("sub -t a -C 1")
            .at(broker.port)
            .args(words)
            .run()
    };
    assert!(sub("").stdout_text().starts_with("{\"tst\""));
    sub("-v").prints("a x\n");
    sub("-F %p").prints("x\n");
    sub("--profile none").prints("x\n");
    // --serve takes no form of output
    config
        .mozzie("rr --serve -t s --exec true -W 100ms")
        .at(broker.port)
        .run()
        .prints("");
}

#[test]
fn mistakes_in_the_file_are_2_with_file_line_and_suggestion() {
    for (text, fragments) in [
        (
            "[profile.p]\nhots = 'x'",
            &["config.toml:2:1", "hots", "did you mean 'host'"][..],
        ),
        (
            "[profile.p]\nport = true",
            &["config.toml:2:8", "port takes"],
        ),
        ("[profile.p]\nport = 70000", &["config.toml:2:1", "70000"]),
        ("[profile.p]\nport = ", &["config.toml:2:"]),
        (
            "[profile.p]\nurl = 'mqtt://h'\nhost = 'h'",
            &["config.toml:2:1", "url and host"],
        ),
        ("[profile.q]", &["no profile 'p'", "mozzie profile list"]),
        ("[profile.pp]", &["no profile 'p'", "did you mean 'pp'"]),
        ("[p]\nhost = 'x'", &["config.toml:1:2", "[profile.p]"]),
    ] {
        let config = Config::new(text);
        let done = config.mozzie("pub -t a -m x --profile p").run();
        done.fails(2, fragments);
    }
    mozzie("pub -t a -m x --profile p").run().fails(
        2,
        &["no profile 'p'", "is not there", "mozzie profile --help"],
    );
    // A default that is broken is not passed over.
    Config::new("default-profile = 'x'\n[profile.p]\n")
        .mozzie("pub -t a -m x")
        .run()
        .fails(2, &["no profile 'x'"]);
}

#[test]
fn a_file_with_a_password_that_others_can_read_is_refused() {
    let config = Config::new("[profile.p]\nusername = 'me'\npassword = 'hunter2'\n[profile.q]\n");
    for mode in [0o640, 0o604, 0o644] {
        config.mode(mode);
        for run in [
            "pub -t a -m x --profile q",
            "profile show q",
            "profile check",
        ] {
            let done = config.mozzie(run).run();
            done.fails(2, &["config.toml:3:1", "others can read", "chmod 600 '"]);
            assert!(!done.stderr.contains("hunter2"), "{done}");
        }
    }
    config.mode(0o600);
    shows(
        config.mozzie("pub --profile p"),
        "password = \"(hidden)\"",
        "config.toml:3:1",
    );
    let open = Config::new("[profile.p]\nusername = 'me'\npassword-file = 'x'\n");
    open.mode(0o644);
    shows(
        open.mozzie("pub --profile p"),
        "username = \"me\"",
        "config.toml",
    );
}

#[test]
fn the_profile_command_lists_shows_and_checks() {
    let config = Config::new(
        "default-profile = 'b'\n[profile.b]\nport = 1\nurl = 'ws://u:hunter2@h'\n[profile.a]\nws = true\n",
    );
    config.mozzie("profile list").run().prints("b\na\n");
    let path = config.path();
    let path = path.display();
    config
        .mozzie("profile show a")
        .run()
        .prints(format!("ws = true  # {path}:6:1\n"));
    let shown = config.mozzie("profile show").run();
    shown.ends(0, &shown.stdout, &[]);
    assert!(
        shown.stdout_text().contains("url = \"ws://u:(hidden)@h\""),
        "{shown}"
    );
    let done = config.mozzie("profile check").run();
    done.fails(2, &["config.toml:3:1", "port and url exclude"]);
    let good = Config::new("[profile.a]\nhost = 'h'\n[profile.b]\nws = false\n");
    let path = good.path();
    good.mozzie("profile check")
        .run()
        .prints(format!("{}: 2 profiles, no mistakes\n", path.display()));
    // Every mistake is said, not only the first, and in the order of the file.
    let bad = Config::new(
        "default-profil = 'a'\n[profile.z]\nhots = 'h'\nws = 1\n[profile.b]\nport = 'x'\n[profile.c]\nprt = 1\n",
    );
    let done = bad.mozzie("profile check").run();
    done.fails(2, &[]);
    let errors = done.stderr.lines().filter(|line| line.contains("error:"));
    let errors: Vec<_> = errors
        .map(|line| line.rsplit_once("config.toml:").unwrap().1)
        .collect();
    assert_eq!(
        errors,
        [
            "1:1: 'default-profil' is neither default-profile nor a profile",
            "3:1: 'hots' is not a setting of a profile",
            "4:6: ws takes true or false, not a number",
            "8:1: 'prt' is not a setting of a profile",
        ],
        "{done}"
    );
    assert!(done.stderr.contains("did you mean 'default-profile'?"));
    let values = Config::new("[profile.a]\nhots = 'h'\n[profile.b]\nport = 'x'\n");
    values
        .mozzie("profile check")
        .run()
        .fails(2, &["2:1: 'hots'", "4:1: invalid value 'x'"]);
    mozzie("profile list").run().prints("");
    mozzie("profile show")
        .run()
        .fails(2, &["no profile is chosen"]);
    mozzie("profile").run().fails(2, &["list, show or check"]);
}

#[test]
fn paths_of_a_profile_are_beside_its_file() {
    let config = Config::new(
        "[profile.p]\ncafile = 'ca.pem'\ncert = '~/c.pem'\nkey = '/k.pem'\npassword-file = '-'\n",
    );
    let run = || config.mozzie("pub --profile p").env("HOME", "/home/me");
    let ca = config.path().with_file_name("ca.pem");
    shows(
        run(),
        &format!("cafile = \"{}\"", ca.display()),
        "config.toml",
    );
    shows(run(), "cert = \"/home/me/c.pem\"", "config.toml");
    shows(run(), "key = \"/k.pem\"", "config.toml");
    shows(run(), "password-file = \"-\"", "config.toml");
}

#[test]
fn an_option_file_stands_between_the_command_line_and_the_environment() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("options");
    fs::write(&file, "--keepalive 7\n-p 7\n").unwrap();
    let run = || {
        mozzie("sub -p 1")
            .option("-o", &file)
            .env("MOZZIE_KEEPALIVE", "2")
    };
    shows(run(), "port = 1", "command line");
    shows(run(), "keepalive = 7", "option file");
}

#[test]
fn mosquittos_names_know_no_profiles_and_no_variables() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let config = Config::new("default-profile = 'p'\n[profile.p]\nhost = 'no.such.host.example'\n");
    crate::support::called("mosquitto_pub", "-t a -m x")
        .at(broker.port)
        .env("XDG_CONFIG_HOME", config.folder.path())
        .env("MOZZIE_WS", "1")
        .run()
        .prints("");
}

#[test]
fn a_variable_that_is_not_known_is_a_warning_and_no_more() {
    let config = Config::new("");
    let broker = Scripted::start(|door| {
        for _ in 0..4 {
            door.welcome().drain();
        }
    });
    let port = broker.port.to_string();
    let run = |words: &str| {
        config
            .mozzie(words)
            .env("MOZZIE_PORT", &port)
            .env("MOZZIE_HOST", "127.0.0.1")
            .env("MOZZIE_PASWORD", "hunter2")
    };
    let text = "MOZZIE_PASWORD is no variable of mozzie's; did you mean MOZZIE_PASSWORD?";
    let said = format!("mozzie: warning: {text}\n");
    for command in [
        "pub -t a -m x",
        "pub -t a -m x --json-errors",
        "pub -t a -m x --quiet",
    ] {
        let done = run(command).run();
        done.status(0);
        let wanted = match command {
            _ if command.ends_with("--quiet") => String::new(),
            _ if command.ends_with("--json-errors") => {
                format!("{{\"kind\":\"warning\",\"message\":\"{text}\"}}\n")
            }
            _ => said.clone(),
        };
        assert_eq!(done.stderr, wanted, "{done}");
    }
    for (command, wanted) in [
        ("pub -t a -m x --show-config", &*said),
        ("profile list", ""),
        ("completions bash", ""),
        ("pub --help", ""),
    ] {
        let done = run(command).run();
        done.status(0);
        assert_eq!(done.stderr, wanted, "{done}");
    }
    // mosquitto's clients know no such variables, and neither do we under their names.
    let done = called("mosquitto_pub", "-h 127.0.0.1 -t a -m x")
        .args(&format!("-p {port}"))
        .env("MOZZIE_PASWORD", "hunter2")
        .run();
    done.ends(0, "", &[]);
    assert_eq!(done.stderr, "");
    broker.finish();
}
