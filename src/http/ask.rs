//! Asks the layers above about one request, behind a shield: a panic up there is a 500 here.

use std::sync::Arc;
use std::task::{Context, Poll};

use http_types::{Response, StatusCode};

use super::decode::decode;
use super::reject::Reject;
use super::response::text;
use super::{Admission, Admitted, BoxFuture, Final, Head, Incoming, Outcome, Service};
use crate::env::Env;
use crate::peer::Peer;
use crate::shield::shielded;

/// Asks the layers above about a head before its body is read; says who sends it, or what those
/// reply that do not admit it.
pub(super) fn admission(service: &dyn Service, env: &Env, head: &Head, peer: &Peer) -> Admission {
    let admission = shielded(env, "admission", || service.admit(head, peer));
    match admission.unwrap_or_else(|| Admission::Now(Err(internal_error().into()))) {
        Admission::Now(admitted) => Admission::Now(counted(admitted, env)),
        later => later,
    }
}

/// Looks whether it is known by now.
pub(super) fn poll_admission(
    admission: &mut BoxFuture<Admitted>,
    env: &Env,
    cx: &mut Context<'_>,
) -> Poll<Admitted> {
    let polled = shielded(env, "admission", || admission.as_mut().poll(cx));
    let polled = polled.unwrap_or_else(|| Poll::Ready(Err(internal_error().into())));
    polled.map(|admitted| counted(admitted, env))
}

fn counted(admitted: Admitted, env: &Env) -> Admitted {
    admitted.inspect_err(|_| env.counters.requests_refused.up())
}

/// Hands a whole request up.
///
/// # Errors
/// The head is not one that the decoder can take.
pub(super) fn respond(
    service: &dyn Service,
    env: &Env,
    incoming: &Incoming,
) -> Result<Outcome, Reject> {
    if !incoming.head.is_plain {
        decode(&incoming.head, incoming.body.len())?;
    }
    env.counters.requests.up();
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
