//! `mozzie link`: three names beside each other, and nobody's file is lost.

use std::fs;

use tempfile::TempDir;

use crate::support::mozzie;

const NAMES: [&str; 3] = ["mosquitto_pub", "mosquitto_rr", "mosquitto_sub"];

#[test]
fn three_links_lead_to_the_program() {
    let folder = TempDir::new().unwrap();
    mozzie("link").arg(folder.path()).run().prints("");
    let mut names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, NAMES);
    for name in NAMES {
        let target = fs::read_link(folder.path().join(name)).unwrap();
        assert_eq!(
            target.canonicalize().unwrap(),
            fs::canonicalize(env!("CARGO_BIN_EXE_mozzie")).unwrap()
        );
    }
    // A second time there is nothing to do.
    mozzie("link").arg(folder.path()).run().prints("");
}

#[test]
fn an_existing_file_is_replaced_only_with_force() {
    let folder = TempDir::new().unwrap();
    let theirs = folder.path().join("mosquitto_sub");
    fs::write(&theirs, "theirs").unwrap();
    mozzie("link")
        .arg(folder.path())
        .run()
        .fails(2, &["mosquitto_sub' is there already", "--force"]);
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "theirs");
    assert!(!folder.path().join("mosquitto_pub").exists(), "all or none");
    mozzie("link --force").arg(folder.path()).run().prints("");
    assert!(theirs.symlink_metadata().unwrap().is_symlink());
}

#[test]
fn a_folder_by_one_of_the_names_is_never_replaced() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("mosquitto_sub")).unwrap();
    for line in ["link", "link --force"] {
        mozzie(line)
            .arg(folder.path())
            .run()
            .fails(2, &["mosquitto_sub' is a folder", "move it away"]);
    }
    assert!(!folder.path().join("mosquitto_pub").exists(), "all or none");
}

#[test]
fn what_is_no_folder_is_named() {
    mozzie("link /nowhere/at/all")
        .run()
        .fails(2, &["'/nowhere/at/all' is not a folder", "mkdir"]);
    let done = mozzie("link /dev/null").run();
    done.fails(2, &["'/dev/null' is not a folder"]);
    assert!(!done.stderr.contains("mkdir"), "{done}");
}
