//! What a tool answers: content blocks, structured content, and how each revision sees them.
//!
//! Turns results into the JSON of `CallToolResult`. Does not know the envelope around it; the
//! caller hands over what its era adds.

mod block;
mod result;

pub use block::Content;
pub(crate) use result::Extra;
pub use result::ToolResult;
