//! Which form of answer a client takes, and which it gets.

use super::exchange::Form;
use crate::http::Head;
use crate::policy::Route;

/// Which form of answer to give: the query and the alias path force a stream, `Accept` allows
/// one, the default is JSON.
pub(super) fn form(head: &Head, route: Route) -> Form {
    let accept = Accept::of(head);
    let is_forced = route == Route::Sse
        || head.query_parameter("transport").is_some_and(|value| value == "sse");
    match accept.names_stream {
        _ if is_forced || !accept.json => Form::Stream,
        true => Form::Either,
        false => Form::Json,
    }
}

/// Tells whether the client takes a stream if that is the only form there is: a wildcard that does
/// not name it still allows it.
pub(super) fn takes_stream(head: &Head) -> bool {
    Accept::of(head).stream
}

/// What the `Accept` header allows (RFC 9110 section 12.5.1); weights are not looked at, because
/// clients list both types and mean both.
pub(super) struct Accept {
    pub(super) json: bool,
    /// Also for a wildcard and when there is no such header.
    pub(super) stream: bool,
    names_stream: bool,
}

impl Accept {
    pub(super) fn of(head: &Head) -> Accept {
        let mut values = head.headers("accept");
        // What the specification has clients send, and nearly all do.
        if let (Some("application/json, text/event-stream"), None) = (values.next(), values.next())
        {
            return Accept { json: true, stream: true, names_stream: true };
        }
        let mut accept = Accept { json: false, stream: false, names_stream: false };
        let mut is_absent = true;
        for range in head.headers("accept").flat_map(|value| value.split(',')) {
            let range = range.split(';').next().unwrap_or_default().trim();
            let is = |media: &str| range.eq_ignore_ascii_case(media);
            is_absent &= range.is_empty();
            accept.names_stream |= is("text/event-stream");
            accept.json |= is("application/json") || is("application/*") || is("*/*");
            accept.stream |= accept.names_stream || is("text/*") || is("*/*");
        }
        accept.json |= is_absent;
        accept.stream |= is_absent;
        accept
    }
}
