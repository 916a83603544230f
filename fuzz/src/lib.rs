//! Every fuzz target: a function that takes any bytes and panics when a promise is broken.
//!
//! `smoke` replays the corpus and a fixed number of mutations of it; `guided` lets libFuzzer look
//! for inputs that reach new code. What either finds becomes a file in the corpus and a test.

mod c_calls;
mod connection;
mod host;
mod websocket;

/// One target.
pub struct Target {
    /// Also its folder in `corpus/`.
    pub name: &'static str,
    /// Takes any bytes.
    pub run: fn(&[u8]),
    /// Mutations that `smoke` tries.
    pub rounds: usize,
}

/// All targets.
pub const TARGETS: [Target; 11] = [
    target("head", emcp::fuzzing::head, 20_000),
    target("body", emcp::fuzzing::body, 20_000),
    target("message", emcp::fuzzing::message, 20_000),
    target("resume", emcp::fuzzing::resume, 10_000),
    target("template", emcp::fuzzing::template, 20_000),
    target("state", emcp::fuzzing::state, 5_000),
    target("digest", emcp::fuzzing::digest, 10_000),
    target("connection", connection::run, 1_000),
    target("websocket", websocket::run, 1_500),
    target("inflate", emcp::fuzzing::inflate, 10_000),
    target("c_calls", c_calls::run, 1_000),
];

const fn target(name: &'static str, run: fn(&[u8]), rounds: usize) -> Target {
    Target { name, run, rounds }
}
