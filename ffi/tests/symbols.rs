//! The shared object named by `EMCP_SO` exports what the header declares, and nothing else.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

#[test]
fn exported_symbols_are_the_declared_functions() {
    let Some(library) = env::var_os("EMCP_SO") else {
        println!("skipped: EMCP_SO does not name a libemcp.so");
        return;
    };
    let listing = Command::new("nm").args(["-D", "--defined-only"]).arg(&library).output().unwrap();
    assert!(listing.status.success(), "nm {library:?}");
    let listing = String::from_utf8(listing.stdout).unwrap();
    let exported = listing.lines().filter_map(|line| line.split_whitespace().last());
    assert_eq!(exported.collect::<BTreeSet<_>>(), declared(&header()));
}

fn header() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../include/emcp.h");
    fs::read_to_string(path).unwrap()
}

/// The names of all functions: they stand at the start of a line, before the first parenthesis.
fn declared(header: &str) -> BTreeSet<&str> {
    let starts_name = |line: &&str| line.starts_with(|ch: char| ch.is_ascii_lowercase());
    let declarations =
        header.lines().filter(starts_name).filter(|line| !line.starts_with("typedef"));
    declarations
        .filter_map(|line| line.split_once('('))
        .filter_map(|(head, _)| head.rsplit([' ', '*']).next())
        .collect()
}

#[test]
fn the_header_declares_functions() {
    let header = header();
    let declared = declared(&header);
    assert!(declared.contains("emcp_create") && declared.contains("emcp_json_begin"));
    assert!(declared.iter().all(|name| name.starts_with("emcp_")), "{declared:?}");
}
