//! A load that needs more local ports than there are, in a network of its own where there are few: `unshare` and `ip`,
//! for root or where other users may have that.

use std::process::{Command, Output};

use serde_json::Value;

use crate::needs;

/// Runs lines of shell where lo alone is up, `$MOZZIE` is the program and `connect` connects from 20 ports. `None` where
/// that is not allowed.
fn in_a_network_of_its_own(lines: &str) -> Option<Output> {
    let run = |lines: &str| {
        Command::new("unshare")
            .args(["-rn", "sh", "-c", lines])
            .env("MOZZIE", env!("CARGO_BIN_EXE_mozzie"))
            .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
            .current_dir(env!("CARGO_TARGET_TMPDIR"))
            .output()
    };
    const SET_UP: &str =
        "set -e; ip link set lo up; echo '40000 40019' >/proc/sys/net/ipv4/ip_local_port_range;";
    match run(SET_UP) {
        Ok(done) if done.status.success() => Some(run(&format!("{SET_UP}{lines}")).unwrap()),
        refused => {
            eprintln!("SKIPPED: no network of its own: {refused:?}");
            None
        }
    }
}

/// Starts mosquitto on this port of all addresses, ends it with the shell, and waits for it.
fn mosquitto(port: u16) -> String {
    let name = format!("ports-{port}-{}.conf", std::process::id());
    format!(
        "printf 'user root\\nlistener {port} 0.0.0.0\\nlistener {port} ::1\\nallow_anonymous true\\n' >{name};
         mosquitto -c {name} >{name}.log 2>&1 & broker=$!;
         trap 'kill $broker; rm -f {name} {name}.log' EXIT;
         bench() {{ \"$MOZZIE\" bench --wait-for-broker 10s --drain 0s \"$@\"; }};"
    )
}

fn texts(done: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&done.stdout), text(&done.stderr))
}

#[test]
fn connections_come_and_go_on_all_ports_of_all_source_addresses() {
    needs!("mosquitto", "unshare", "ip");
    // Each run finds the connections of the one before still resting.
    let lines = mosquitto(1883)
        + "set +e
           for cut in '' --churn-cut; do for workers in 1 3; do
             bench -h 127.0.0.1 --shape connections:80 --source-ip 127.0.0.2-5 --workers $workers \
                   --churn 200/s $cut --duration 500ms --json
           done; done
           bench -h 127.0.0.1 --shape connections:20 -A 127.0.0.2 --duration 100ms --json
           if [ -s /proc/net/if_inet6 ]; then
             bench -h ::1 --shape connections:20 --source-ip ::1 --churn 100/s --duration 500ms --json
           fi";
    let Some(done) = in_a_network_of_its_own(&lines) else {
        return;
    };
    let (stdout, stderr) = texts(&done);
    let runs = serde_json::Deserializer::from_str(&stdout).into_iter::<Value>();
    let runs: Vec<Value> = runs.map(|run| run.expect("JSON")).collect();
    assert!(runs.len() >= 5, "{stdout}\n{stderr}");
    for (number, run) in runs.iter().enumerate() {
        let figure = |name: &str| run["figures"][name].as_f64().unwrap_or(-1.0);
        let connections = if number < 4 { 80.0 } else { 20.0 };
        assert_eq!(figure("connected"), connections, "{run}\n{stderr}");
        assert_eq!(figure("failed"), 0.0, "{run}");
        assert_eq!(figure("broken"), 0.0, "{run}");
        assert!(number == 4 || figure("churned") > 20.0, "{run}");
    }
}

#[test]
fn too_few_ports_are_refused_at_the_edge_and_named_where_that_was_too_hopeful() {
    needs!("mosquitto", "unshare", "ip");
    // The broker itself has one of the ports, which the forecast cannot know.
    let lines = mosquitto(40_000)
        + "set +e
           bench -h 127.0.0.1 -p 40000 --shape connections:61 --source-ip 127.0.0.2-4 --duration 100ms
           echo \"refused: $?\"
           bench -h 127.0.0.1 -p 40000 --shape connections:21 --duration 100ms
           echo \"refused: $?\"
           bench -h 127.0.0.1 -p 40000 --shape connections:60 --source-ip 127.0.0.2-4 --duration 100ms
           echo \"missing: $?\"
           bench -h 127.0.0.1 -p 40000 --shape connections:60 --source-ip 127.0.0.2-4,::1 --duration 100ms
           echo \"families: $?\"";
    let Some(done) = in_a_network_of_its_own(&lines) else {
        return;
    };
    let (stdout, stderr) = texts(&done);
    for text in [
        "refused: 1\nrefused: 1\n",
        "  connected                    57\n  failed                        3\n",
        "1 × cannot connect to broker 127.0.0.1:40000 from 127.0.0.3: no local port is free",
        "missing: 8\n",
        "families: 2\n",
    ] {
        assert!(stdout.contains(text), "no {text:?} in {stdout}\n{stderr}");
    }
    for text in [
        "61 connections need as many local ports, and there are 60",
        "21 connections need as many local ports, and there are 20",
        "failed connections: 3\n  hint: the rest is in other hands",
        "--source-ip: 127.0.0.1 cannot be reached from ::1",
    ] {
        assert!(stderr.contains(text), "no {text:?} in {stderr}\n{stdout}");
    }
}
