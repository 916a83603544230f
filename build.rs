//! Fails the build when `include/emcp.h` and `Cargo.toml` disagree on the version.

use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=include/emcp.h");
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let expected = format!("#define EMCP_VERSION \"{version}\"");
    // A crate built from outside this repository comes without the header.
    let Ok(header) = fs::read_to_string("include/emcp.h") else { return };
    assert!(
        header.contains(&expected),
        "include/emcp.h does not say {expected:?}; regenerate it with `make header`"
    );
}
