//! Turns text into messages and answers into text. Knows JSON-RPC 2.0, not MCP; does no I/O.

pub(crate) mod code;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod id;
mod message;
mod params;
mod usual;
pub(crate) mod write;

pub(crate) use id::Id;
pub(crate) use message::{Malformed, Message, Payload, parse};
pub(crate) use params::{Params, string};
