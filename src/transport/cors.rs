//! Lets the browsers of allowed origins read our answers. Policy has refused all others.

use http_types::{Response, StatusCode};

use crate::http::response::{response, set_header};
use crate::http::{Final, Head};

/// What a page may send.
const HEADERS: &str = "content-type, accept, authorization, x-api-key, mcp-session-id, mcp-protocol-version, \
                       last-event-id, mcp-method, mcp-name";

/// The permission that a response to one request carries.
pub(super) struct Grant(String);

impl Grant {
    /// `None` for a request that no page has sent.
    pub(super) fn of(head: &Head) -> Option<Grant> {
        head.header("origin").map(|origin| Grant(origin.to_owned()))
    }

    pub(super) fn applied(&self, answer: Final) -> Final {
        let mut response = Response::from(answer);
        self.apply(&mut response);
        response.into()
    }

    pub(super) fn apply(&self, response: &mut Response) {
        set_header(response, "access-control-allow-origin", &self.0);
        let has_challenge = response.header("www-authenticate").is_some();
        let more = if has_challenge { ", www-authenticate" } else { "" };
        let exposed = format!("mcp-session-id{more}");
        set_header(response, "access-control-expose-headers", &exposed);
        set_header(response, "vary", "origin");
    }
}

/// Adds the permission to a refusal, so that a page can read why.
pub(super) fn allow(response: &mut Response, grant: Option<&Grant>) {
    if let Some(grant) = grant.filter(|_| response.status() != StatusCode::Forbidden) {
        grant.apply(response);
    }
}

/// Answers a preflight.
pub(super) fn preflight(head: &Head) -> Response {
    let mut response = response(StatusCode::NoContent);
    set_header(&mut response, "allow", crate::policy::METHODS);
    set_header(&mut response, "access-control-allow-methods", crate::policy::METHODS);
    set_header(&mut response, "access-control-max-age", "600");
    // Tools choose the names of Mcp-Param-*, so those are granted as they are asked for.
    let asked = head.header("access-control-request-headers").unwrap_or_default();
    let asked = asked.split(',').map(|name| name.trim().to_ascii_lowercase());
    let params = asked.filter(|name| name.starts_with("mcp-param-"));
    let granted = params.fold(HEADERS.to_owned(), |list, name| list + ", " + &name);
    set_header(&mut response, "access-control-allow-headers", &granted);
    response
}
