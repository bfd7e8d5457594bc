//! `mozzie bench --find-max` and `--self-test`.

use std::time::Duration;

use serde_json::Value;

use crate::needs;
use crate::support::{Mosquitto, mozzie};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Whether every run that broke did so by this condition: a machine that did not let the generator, or
/// the broker, run in time has broken some other.
fn broke_by_nothing_else(found: &Value, condition: &str) -> bool {
    let trials = found["trials"].as_array().unwrap();
    let mut broke = trials
        .iter()
        .flat_map(|trial| trial["broke"].as_array().unwrap());
    broke.all(|why| why.as_str().unwrap().contains(condition))
}

#[test]
fn the_highest_rate_that_holds_is_found_and_confirmed() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    // The condition itself is the limit, so that the broker's own is not in it. As a user would, the
    // search is repeated while other things disturb it.
    let search = || {
        // A disturbed machine makes it repeat each of many runs.
        let done = mozzie("bench --find-max --duration 300ms --drain 2s --json")
            .at(broker.port)
            .deadline(Duration::from_secs(120))
            .args("--rate 100 --slo")
            .arg("sent_rate < 330, lost = 0")
            .run();
        let found = json(&done.stdout_text());
        broke_by_nothing_else(&found, "sent_rate < 330/s is missed").then_some((done, found))
    };
    let undisturbed = (0..20).find_map(|_| search());
    let (done, found) = undisturbed.expect("one search of many is left alone");
    done.status(0);
    assert_eq!(found["schema"], "mozzie-bench-search/1");
    assert_eq!(found["confirmed"], true);
    assert!(found["runs"].as_u64() >= Some(3));
    let rate = found["rate"].as_f64().unwrap();
    // Half of what breaks it is far below; within 5 % is what the search promises.
    assert!((300.0..345.0).contains(&rate), "{rate}");
    assert!(found["above"].as_f64().unwrap() > rate);
    let broke = found["broke"].to_string();
    assert!(broke.contains("sent_rate < 330/s is missed"), "{broke}");
    assert_eq!(found["trials"][0]["rate"], 100.0);
    assert_eq!(found["trials"][0]["broke"], Value::Array(Vec::new()));
}

#[test]
fn where_nothing_holds_the_search_ends_with_8_and_says_what_broke() {
    needs!("mosquitto");
    let broker = Mosquitto::start();
    let done = mozzie("bench --find-max --duration 100ms --rate 4 --slo")
        .arg("connected > 100")
        .at(broker.port)
        .run();
    done.status(8);
    assert!(
        done.stdout_text().contains("no rate was found to hold"),
        "{done}"
    );
    assert!(
        done.stderr.contains("connected > 100 is missed: 2"),
        "{done}"
    );
}

#[test]
fn a_search_that_cannot_begin_is_2() {
    for (options, words) in [
        ("--find-max", ["--find-max", "--slo"]),
        ("--find-max --slo p98<1ms", ["--slo", "'p98'"]),
        ("--find-max --slo lost=0,", ["--slo", "''"]),
        ("--slo lost=0", ["--find-max", "required"]),
        ("--find-max --slo lost=0 -n 5", ["--find-max", "--messages"]),
    ] {
        mozzie("bench -h 127.0.0.1 -p 1")
            .args(options)
            .run()
            .fails(2, &words);
    }
}

#[test]
fn a_self_test_needs_no_broker_and_tells_the_ceiling() {
    // One after the other, or one of a group.
    for options in [
        "",
        "-q 2 -V 5",
        "--filter mozzie/#",
        "--shared g --subscribers 3 -q 1",
    ] {
        let done = mozzie("bench --self-test -n 2000 --json")
            .args("-h 127.0.0.1 -p 1 -t mozzie/test")
            .args(options)
            .run();
        done.status(0);
        let result = json(&done.stdout_text());
        assert_eq!(result["figures"]["arrived"], 2000, "{done}");
        assert_eq!(result["setup"]["against"], "self-test");
        assert!(result["figures"]["ceiling"].as_f64().unwrap() > 0.0);
    }
    let done = mozzie("bench --self-test -n 2000").run();
    done.status(0);
    let text = done.stdout_text();
    assert!(text.starts_with("built-in peer"), "{done}");
    assert!(text.contains("  ceiling "), "{done}");
}
