//! Has the linker lay the functions that a start runs side by side, as `order.ld` lists them.
//!
//! Linux maps 64 KiB around each page of a program that is touched. Scattered over the program, what a start runs,
//! a fifth of the code, would bring nearly all the rest into memory.

use std::{env, fs, path::Path, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=start/build.rs");
    println!("cargo::rerun-if-changed=start/order.ld");
    // With --target cargo does not itself run this again for another linker.
    let target = variable("TARGET").to_uppercase().replace(['-', '.'], "_");
    println!("cargo::rerun-if-env-changed=CARGO_TARGET_{target}_LINKER");
    let is_released_for_linux =
        variable("PROFILE") == "release" && variable("CARGO_CFG_TARGET_OS") == "linux";
    if !is_released_for_linux {
        return;
    }
    let option = format!("-T{}/start/order.ld", variable("CARGO_MANIFEST_DIR"));
    if does_link(&option) {
        println!("cargo::rustc-link-arg-bins={option}");
    }
}

/// Whether a program can be linked with this option. GNU ld and lld know such scripts, gold and mold do not; and which
/// of them it is, only linking shows: it may be the system's, the toolchain's or one's own choice.
fn does_link(option: &str) -> bool {
    let folder = variable("OUT_DIR");
    let source = Path::new(&folder).join("trial.rs");
    if fs::write(&source, "fn main() {}\n").is_err() {
        return false;
    }
    let flags = variable("CARGO_ENCODED_RUSTFLAGS");
    let mut rustc = Command::new(variable("RUSTC"));
    rustc.args(flags.split('\x1f').filter(|flag| !flag.is_empty()));
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.args(["-C", &format!("linker={linker}")]);
    }
    rustc.args(["-C", &format!("link-arg={option}")]);
    rustc.args(["--target", &variable("TARGET"), "--out-dir", &folder]);
    rustc.arg(source);
    rustc.output().is_ok_and(|output| output.status.success())
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}
