//! What the five revisions of MCP say, and how to tell which one a message speaks.
//!
//! Pure decisions over parsed values: no I/O, no state.

mod capabilities;
mod era;
mod meta;
mod revision;

pub(crate) use capabilities::ClientCapabilities;
pub(crate) use era::{Channel, Refusal, Verdict, check_header, classify, is_modern_header};
pub(crate) use meta::{ClientInfo, Meta};
pub(crate) use revision::Revision;
