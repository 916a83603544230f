//! The three transports on one path: from a whole HTTP request to whole MCP requests, and back.
//!
//! This is the edge: it alone reads headers. What it hands to dispatch is complete.

mod accept;
mod answer;
mod batch;
mod challenge;
mod cors;
mod duplex;
#[cfg(feature = "fuzzing")]
pub(crate) mod echo;
mod endpoint;
mod event_stream;
mod exchange;
mod frame_ends;
mod frame_stream;
mod frames;
mod header;
mod legacy;
mod message;
mod metadata;
mod metered;
mod modern;
mod revoked;
mod sse;
mod streamable;
mod text_channel;
mod websocket;

#[cfg(test)]
mod tests;

pub(crate) use endpoint::Endpoint;
pub use text_channel::Closing;
pub(crate) use text_channel::TextChannel;
