//! Has the linker lay the functions that a start runs side by side, as `order.ld` lists them.
//!
//! Linux maps 64 KiB around each page of a program that is touched. Scattered over the program, what a start runs,
//! a fifth of the code, would bring nearly all the rest into memory.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=start/build.rs");
    println!("cargo::rerun-if-changed=start/order.ld");
    let variable = |name| env::var(name).unwrap_or_default();
    let is_released_for_linux =
        variable("PROFILE") == "release" && variable("CARGO_CFG_TARGET_OS") == "linux";
    // A linker of one's own choice may not know such scripts: mold and gold do not.
    let is_linker_chosen = env::var_os("RUSTC_LINKER").is_some()
        || ["linker=", "-fuse-ld"]
            .iter()
            .any(|option| variable("CARGO_ENCODED_RUSTFLAGS").contains(option));
    if is_released_for_linux && !is_linker_chosen {
        let folder = variable("CARGO_MANIFEST_DIR");
        println!("cargo::rustc-link-arg-bins=-T{folder}/start/order.ld");
    }
}
