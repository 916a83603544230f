//! The C face of emcp: checks what C hands over, calls the Rust API, converts what comes back.
//!
//! Holds no logic of its own. The doc comments here are the C manual: the header is made from
//! them, one section per module.
#![deny(unsafe_op_in_unsafe_fn)]
#![expect(non_camel_case_types, reason = "a type has the same name in Rust and in C")]
#![expect(
    clippy::missing_safety_doc,
    reason = "the top of the header states once what every pointer argument must be"
)]

pub mod adopt;
pub mod argument;
pub mod call;
pub mod call_state;
pub mod check;
pub mod compression;
pub mod config;
pub mod conn;
pub mod dispatch;
pub mod hooks;
pub mod http;
pub mod input;
pub mod json;
pub mod keys;
pub mod log;
pub mod oauth;
pub mod peer;
pub mod prompt;
pub mod request;
pub mod resource;
pub mod result;
pub mod server;
pub mod stats;
pub mod status;
pub mod task;
pub mod text;
pub mod tls;
pub mod tool;

mod callback;
mod descriptor;
mod draft;
mod failure;
mod fork;
mod guard;
mod host_user;
mod sized;
mod stream;
