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
/// MCP up to 2025-11-25: no resource has that URI.
pub(crate) const RESOURCE_NOT_FOUND: i32 = -32002;
/// MCP 2026-07-28, Streamable HTTP: a routing header is missing or contradicts the body.
pub(crate) const HEADER_MISMATCH: i32 = -32020;
/// MCP 2026-07-28: the request needs a capability that its client did not declare.
pub(crate) const MISSING_CAPABILITY: i32 = -32021;
/// MCP 2026-07-28: the claimed revision is not served.
pub(crate) const UNSUPPORTED_VERSION: i32 = -32022;

/// Tells whether 2026-07-28 keeps `code` from tools: the range whose meanings it defines itself,
/// and a code of older revisions that must not come back (basic, error codes). A tool may find
/// out by itself that a capability is missing.
pub(crate) fn is_reserved(code: i32) -> bool {
    matches!(code, -32099..=-32020 | RESOURCE_NOT_FOUND) && code != MISSING_CAPABILITY
}
