//! Where connections are routed: one line for each transport.

use std::sync::Arc;

use http_types::{Method, Response, StatusCode};

use super::event_stream::StreamSlot;
use super::text_channel::{TextChannel, subprotocol};
use super::{answer, challenge, cors, legacy, metadata, sse, streamable, websocket};
use crate::allow_list::TurnedAway;
use crate::auth::{Checked, Denial, Metadata, WELL_KNOWN};
use crate::core::Core;
use crate::error::{Error, Result};
use crate::http::response::{NO_UPGRADE, close_after, response, set_header, text};
use crate::http::{Admission, Head, Incoming, Outcome, Service, Version};
use crate::peer::Peer;
use crate::policy::{Denied, Policy, Route, methods};
use crate::protocol::{Revision, is_modern_header};

/// The service behind every connection.
pub(crate) struct Endpoint {
    core: Arc<Core>,
    policy: Policy,
}

impl Endpoint {
    pub(crate) fn new(core: Arc<Core>) -> Endpoint {
        Endpoint { policy: Policy::new(&core.options), core }
    }

    /// Opens the channel of a WebSocket that the host speaks, and says which subprotocol to echo.
    /// `head` is its opening handshake; without one the host vouches for the peer, and names it
    /// where keys are needed.
    ///
    /// # Errors
    /// [`Error::Denied`]; [`Error::Io`] when the system has no randomness to give.
    pub(crate) fn open_channel(
        &self,
        head: Option<&Head>,
        peer: &Peer,
    ) -> Result<(TextChannel, Option<&'static str>)> {
        let counters = &self.core.env.counters;
        let turned_away = |_| Error::denied(StatusCode::Forbidden, TurnedAway::REASON);
        let admitted = self.core.allow_list.check(peer).map_err(turned_away);
        let admitted = admitted.and_then(|()| match head {
            Some(head) => self.check_handshake(head, peer),
            None => self.check_key(None, peer),
        });
        let peer = admitted.inspect_err(|_| counters.requests_refused.up())?;
        if head.is_some() {
            counters.requests.up();
        }
        if !self.core.options.websocket {
            return Err(Error::denied(StatusCode::Forbidden, "WebSocket is switched off here"));
        }
        let Some(slot) = StreamSlot::take(&self.core.env) else {
            return Err(Error::denied(StatusCode::ServiceUnavailable, answer::NO_STREAM));
        };
        Ok((TextChannel::open(&self.core, &peer, slot)?, head.and_then(subprotocol)))
    }

    /// The rest of the handshake, from `Upgrade` to `Sec-WebSocket-Accept`, is the host's.
    fn check_handshake(&self, head: &Head, peer: &Peer) -> Result<Peer> {
        // No WebSocket is opened where the metadata is.
        self.policy
            .check(head, peer.is_unix, false)
            .map_err(|Denied { status, reason }| Error::denied(status, &reason))?;
        if head.method != Method::Get {
            return Err(Error::denied(
                StatusCode::MethodNotAllowed,
                "a WebSocket is opened with GET",
            ));
        }
        if head.version == Version::Http10 {
            return Err(Error::denied(StatusCode::BadRequest, NO_UPGRADE));
        }
        self.check_key(Some(head), peer)
    }

    /// What clients are told of the tokens that they need, if `path` is a place of it.
    fn metadata_at(&self, path: &str) -> Option<Arc<Metadata>> {
        let is_near = path.starts_with(WELL_KNOWN);
        let metadata = is_near.then(|| self.core.auth.metadata()).flatten();
        metadata.filter(|metadata| metadata.is_at(path))
    }

    /// Checks all that a head tells before its body is read.
    fn check(&self, head: &Head, peer: &Peer) -> std::result::Result<Checked, Response> {
        let core = &self.core;
        let is_metadata = self.metadata_at(&head.path).is_some();
        self.policy
            .check(head, peer.is_unix, is_metadata)
            .map_err(|denied| refusal(denied, methods(is_metadata)))?;
        core.allow_list.check(peer).map_err(|_| turned_away())?;
        // Neither carries a preflight a key, nor does who looks for a way to get one; and what
        // they hear is the same for everybody.
        if head.method == Method::Options || is_metadata {
            return Ok(Checked::Now(Ok(peer.clone())));
        }
        Ok(core.auth.check(Some(head), peer))
    }

    /// Whoever writes the answer to the handshake does it at once, so nobody can be waited for.
    fn check_key(&self, head: Option<&Head>, peer: &Peer) -> Result<Peer> {
        match self.core.auth.check(head, peer) {
            Checked::Now(checked) => {
                checked.map_err(|denial| Error::denied(denial.status(), denial.reason()))
            }
            Checked::Later(_) => {
                let reason = "the program must check this key before it opens the peer";
                Err(Error::denied(StatusCode::ServiceUnavailable, reason))
            }
        }
    }

    fn route(&self, incoming: &Incoming, route: Route) -> Outcome {
        if let Err(denial) = self.core.auth.check_again(&incoming.peer) {
            self.core.env.counters.requests_refused.up();
            return Outcome::respond(challenge::refusal(&self.core, denial));
        }
        let head = &incoming.head;
        let version = head.header("mcp-protocol-version");
        match head.method {
            Method::Options => Outcome::respond(cors::preflight(head)),
            Method::Get
                if head.has_token("upgrade", "websocket") && self.core.options.websocket =>
            {
                websocket::upgrade(&self.core, incoming)
            }
            // A POST is answered in JSON-RPC; these have no message to answer.
            Method::Get | Method::Delete if version.is_some_and(is_unknown) => {
                let reason = "MCP-Protocol-Version names no revision that is served here";
                Outcome::respond(text(StatusCode::BadRequest, reason))
            }
            Method::Get if is_modern_header(version) => {
                answer::not_allowed("POST", "this revision has no GET")
            }
            Method::Get if route == Route::Sse => sse::open(&self.core, incoming),
            Method::Get if head.header("mcp-session-id").is_some() => {
                legacy::stream(&self.core, incoming)
            }
            Method::Get => sse::open(&self.core, incoming),
            Method::Delete if is_modern_header(version) => {
                answer::not_allowed("POST", "this revision has no sessions")
            }
            Method::Delete => legacy::delete(&self.core, incoming),
            _ => match sse::session_id(head) {
                Some(id) => sse::post(&self.core, incoming, &id),
                None => streamable::post(&self.core, incoming, route),
            },
        }
    }
}

impl Service for Endpoint {
    fn admit(&self, head: &Head, peer: &Peer) -> Admission {
        let grant = cors::Grant::of(head);
        let checked = match self.check(head, peer) {
            Ok(checked) => checked,
            Err(mut response) => {
                cors::allow(&mut response, grant.as_ref());
                return Admission::Now(Err(Box::new(response)));
            }
        };
        // Said to those alone who may come in.
        let form = match head.method {
            Method::Post => streamable::admit(head).map_err(Box::new),
            _ => Ok(()),
        };
        let core = self.core.clone();
        let conclude = move |checked: std::result::Result<Peer, Denial>| {
            let admitted = checked.map_err(|denial| Box::new(challenge::refusal(&core, denial)));
            // The page is from an allowed origin: it may read a 403 too, which says what it lacks.
            admitted.and_then(|peer| form.map(|()| peer)).map_err(|mut response| {
                grant.iter().for_each(|grant| grant.apply(&mut response));
                response
            })
        };
        match checked {
            Checked::Now(checked) => Admission::Now(conclude(checked)),
            Checked::Later(checked) => {
                Admission::Later(Box::pin(async move { conclude(checked.await) }))
            }
        }
    }

    fn respond(&self, incoming: &Incoming) -> Outcome {
        // `admit` has let the path through; who comes too late for the metadata finds nothing.
        if let Some(metadata) = self.metadata_at(&incoming.head.path) {
            return Outcome::respond(metadata::serve(incoming, &metadata));
        }
        let Some(route) = self.policy.route(&incoming.head.path) else {
            return Outcome::respond(response(StatusCode::NotFound));
        };
        let Some(grant) = cors::Grant::of(&incoming.head) else {
            return self.route(incoming, route);
        };
        match self.route(incoming, route) {
            Outcome::Respond(answer) => Outcome::respond(grant.applied(answer)),
            Outcome::Wait { reply, half_close } => {
                let reply = Box::pin(async move { grant.applied(reply.await) });
                Outcome::Wait { reply, half_close }
            }
            upgrade => upgrade,
        }
    }
}

/// What a peer hears that has come through a door: our own listener does not talk to it.
fn turned_away() -> Response {
    let mut response = text(StatusCode::Forbidden, TurnedAway::REASON);
    close_after(&mut response);
    response
}

fn refusal(Denied { status, reason }: Denied, methods: &str) -> Response {
    let mut response = text(status, &reason);
    match status {
        StatusCode::MethodNotAllowed => set_header(&mut response, "allow", methods),
        // A page under attack or a wrong host has nothing more to say on this connection.
        StatusCode::Forbidden => close_after(&mut response),
        _ => {}
    }
    response
}

fn is_unknown(version: &str) -> bool {
    Revision::parse(version).is_none()
}
