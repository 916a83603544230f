//! Serves Protected Resource Metadata (RFC 9728) to everybody: without it nobody who needs a token
//! would know where to get one.

use http_types::{Method, Response, StatusCode};

use crate::auth::Metadata;
use crate::http::Incoming;
use crate::http::response::{json, response, set_header};
use crate::policy::METADATA_METHODS;

/// How long clients and caches may keep the document: a change is seen before a coffee is.
const CACHE: &str = "public, max-age=300";

/// What scripts may send; SDK clients send the revision with every request.
const HEADERS: &str = "accept, content-type, mcp-protocol-version";

/// Answers a request for the document.
pub(super) fn serve(incoming: &Incoming, metadata: &Metadata) -> Response {
    let mut response = match incoming.head.method {
        Method::Options => preflight(),
        _ => document(metadata),
    };
    // For every origin: it holds no secret, and nothing in it depends on who asks.
    set_header(&mut response, "access-control-allow-origin", "*");
    response
}

fn document(metadata: &Metadata) -> Response {
    let mut response = json(StatusCode::Ok, metadata.document.clone());
    set_header(&mut response, "cache-control", CACHE);
    response
}

fn preflight() -> Response {
    let mut response = response(StatusCode::NoContent);
    set_header(&mut response, "allow", METADATA_METHODS);
    set_header(&mut response, "access-control-allow-methods", METADATA_METHODS);
    set_header(&mut response, "access-control-allow-headers", HEADERS);
    set_header(&mut response, "access-control-max-age", "600");
    response
}
