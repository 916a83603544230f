//! The JSON-RPC error codes that emcp sends; each is named where its meaning is defined.

/// JSON-RPC 2.0 section 5.1: the text is not JSON.
pub(crate) const PARSE_ERROR: i32 = -32700;
/// JSON-RPC 2.0 section 5.1: JSON, but not a request.
pub(crate) const INVALID_REQUEST: i32 = -32600;
/// JSON-RPC 2.0 section 5.1.
pub(crate) const METHOD_NOT_FOUND: i32 = -32601;
/// JSON-RPC 2.0 section 5.1; MCP also uses it for an unknown tool and a bad cursor.
pub(crate) const INVALID_PARAMS: i32 = -32602;
/// JSON-RPC 2.0 section 5.1.
pub(crate) const INTERNAL_ERROR: i32 = -32603;
/// MCP 2026-07-28, Streamable HTTP: a routing header is missing or contradicts the body.
pub(crate) const HEADER_MISMATCH: i32 = -32020;
/// MCP 2026-07-28: the request needs a capability that its client did not declare.
pub(crate) const MISSING_CAPABILITY: i32 = -32021;
/// MCP 2026-07-28: the claimed revision is not served.
pub(crate) const UNSUPPORTED_VERSION: i32 = -32022;
