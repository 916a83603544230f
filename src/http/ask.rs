//! Asks the layers above about one request, behind a shield: a panic up there is a 500 here.

use std::sync::Arc;
use std::task::{Context, Poll};

use http_types::{Response, StatusCode};

use super::decode::decode;
use super::direct::is_plain;
use super::reject::Reject;
use super::response::text;
use super::{BoxFuture, Final, Head, Incoming, Outcome, Peer, Service};
use crate::env::Env;
use crate::shield::shielded;

/// Asks the layers above about a head before its body is read; says who sends it.
///
/// # Errors
/// The reply of those that do not admit it.
pub(super) fn admission(
    service: &dyn Service,
    env: &Env,
    head: &Head,
    peer: &Peer,
) -> Result<Peer, Response> {
    let admitted = shielded(env, "admission", || service.admit(head, peer));
    let admitted = admitted.unwrap_or_else(|| Err(internal_error()));
    admitted.inspect_err(|_| env.counters.requests_refused.up())
}

/// Hands a whole request up.
///
/// # Errors
/// The head is not one that the decoder can take.
pub(super) fn respond(
    service: &dyn Service,
    env: &Env,
    head: Head,
    body: Vec<u8>,
    peer: Peer,
) -> Result<Outcome, Reject> {
    if !is_plain(&head) {
        decode(&head, body.len())?;
    }
    env.counters.requests.up();
    let incoming = Incoming { head, body, peer };
    let outcome = shielded(env, "a request", || service.respond(incoming));
    Ok(outcome.unwrap_or_else(|| Outcome::respond(internal_error())))
}

/// Looks whether a reply under way is there.
pub(crate) fn poll_reply(
    reply: &mut BoxFuture<Final>,
    env: &Arc<Env>,
    cx: &mut Context<'_>,
) -> Poll<Final> {
    let polled = shielded(env, "a reply", || reply.as_mut().poll(cx));
    polled.unwrap_or_else(|| Poll::Ready(internal_error().into()))
}

pub(super) fn internal_error() -> Response {
    text(StatusCode::InternalServerError, "the server failed; its log says why")
}
