//! The same dialogues in every revision over every transport. They are data: a file of
//! `tests/transcripts` for each feature, whose form `play.rs` describes. Every message of the
//! server is held to the published schema of its revision.

mod peer;
mod transcripts {
    mod client;
    mod combination;
    mod host;
    mod offers;
    mod pattern;
    mod play;
    mod step;
    mod wire;

    pub(crate) use play::play;
}

use std::path::Path;

use transcripts::play;

#[test]
fn tools() {
    play("tools");
}

#[test]
fn lists() {
    play("lists");
}

#[test]
fn logging() {
    play("logging");
}

#[test]
fn progress() {
    play("progress");
}

#[test]
fn cancel() {
    play("cancel");
}

#[test]
fn list_changed() {
    play("list_changed");
}

#[test]
fn errors() {
    play("errors");
}

#[test]
fn resources() {
    play("resources");
}

#[test]
fn prompts() {
    play("prompts");
}

#[test]
fn completion() {
    play("completion");
}

#[test]
fn subscriptions() {
    play("subscriptions");
}

#[test]
fn elicitation() {
    play("elicitation");
}

#[test]
fn sampling() {
    play("sampling");
}

#[test]
fn roots() {
    play("roots");
}

#[test]
fn tasks() {
    play("tasks");
}

#[test]
fn ui() {
    play("ui");
}

#[test]
fn every_file_of_dialogues_has_a_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let name = path.file_stem().unwrap().to_str().unwrap();
            let call = format!("play(\"{name}\")");
            assert!(include_str!("transcripts.rs").contains(&call), "nobody plays {name}.json");
        }
    }
}
