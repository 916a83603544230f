//! A request of the host's own HTTP server on its way in: the head at once, the body in pieces.
//!
//! Ends in the same call of the [`Service`] as a request from the wire, with the same bounds.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http_types::{Method, Response};

use super::ask;
use super::body::{BODY_LATE, BODY_TOO_LARGE, TOO_MUCH_HELD};
use super::parsed::read_head;
use super::reject::Reject;
use super::response::no_upgrade;
use super::{
    Admission, Admitted, BoxFuture, Head, Incoming, Outcome, ParsedRequest, Service, Version,
};
use crate::env::Env;
use crate::held::Held;
use crate::peer::Peer;

/// See the module text.
pub(crate) struct Gathering {
    service: Arc<dyn Service>,
    env: Arc<Env>,
    head: Head,
    peer: Peer,
    /// Whether it may come in at all, while that is not known.
    admission: Option<BoxFuture<Admitted>>,
    /// Never above `limits.body_bytes`.
    body: Vec<u8>,
    held: Held,
}

impl Gathering {
    /// Checks the head and asks the layers above for admission.
    ///
    /// # Errors
    /// The response to send; the body is not wanted.
    pub(crate) fn open(
        request: &ParsedRequest<'_>,
        service: Arc<dyn Service>,
        env: &Arc<Env>,
    ) -> Result<Gathering, Response> {
        let head = read_head(request, &env.limits).map_err(|reject| refused(reject, env))?;
        let (peer, admission) = match ask::admission(&*service, env, &head, &request.peer()) {
            Admission::Now(admitted) => (admitted.map_err(|response| *response)?, None),
            Admission::Later(admission) => (request.peer(), Some(admission)),
        };
        if head.content_length().is_some_and(|length| length > env.limits.body_bytes as u64) {
            return Err(refused(BODY_TOO_LARGE, env));
        }
        let held = Held::new(env.clone());
        Ok(Gathering { service, env: env.clone(), head, peer, admission, body: Vec::new(), held })
    }

    /// Adds a piece of the body.
    ///
    /// # Errors
    /// The response to send; the rest is not wanted.
    pub(crate) fn push(&mut self, piece: &[u8], is_last: bool) -> Result<(), Response> {
        let Gathering { env, body, held, .. } = self;
        env.counters.bytes_in.add(piece.len() as u64);
        if piece.len() > env.limits.body_bytes - body.len() {
            return Err(refused(BODY_TOO_LARGE, env));
        }
        // What is complete at once is not held.
        if !is_last && !held.grow_by(piece.len()) {
            return Err(refused(TOO_MUCH_HELD, env));
        }
        body.extend_from_slice(piece);
        Ok(())
    }

    /// Looks whether the request may come in. Until that is known it cannot be answered.
    ///
    /// # Errors
    /// The response to send.
    pub(crate) fn poll_admitted(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Response>> {
        let Some(admission) = &mut self.admission else { return Poll::Ready(Ok(())) };
        let admitted = ready!(ask::poll_admission(admission, &self.env, cx));
        self.admission = None;
        Poll::Ready(admitted.map(|peer| self.peer = peer).map_err(|response| *response))
    }

    pub(crate) fn is_admitted(&self) -> bool {
        self.admission.is_none()
    }

    /// Answers the whole request, which has been admitted, on the calling thread.
    pub(crate) fn finish(self) -> Outcome {
        let Gathering { service, env, head, peer, admission: _, body, held } = self;
        drop(held);
        let version = head.version;
        let incoming = Incoming { head: Box::new(head), body, peer };
        match ask::respond(&*service, &env, &incoming) {
            Ok(Outcome::Upgrade { .. }) if version == Version::Http10 => {
                Outcome::respond(no_upgrade())
            }
            Ok(outcome) => outcome,
            Err(reject) => Outcome::respond(refused(reject, &env)),
        }
    }

    /// The response when the body takes too long.
    pub(crate) fn late(&self) -> Response {
        refused(BODY_LATE, &self.env)
    }

    /// The method, which decides whether the response may have a body.
    pub(crate) fn method(&self) -> Method {
        self.head.method
    }
}

fn refused(reject: Reject, env: &Env) -> Response {
    reject.counter(&env.counters).up();
    reject.to_response()
}
