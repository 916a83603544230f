//! Turns text into messages and answers into text. Knows JSON-RPC 2.0, not MCP; does no I/O.

pub(crate) mod code;
mod id;
mod message;
pub(crate) mod write;

pub(crate) use id::Id;
pub(crate) use message::{Malformed, Message, Payload, RawParams, parse};
