//! One request of the host's own HTTP server and its response, which the host pulls.
//!
//! No task of ours serves it: the host's own calls drive it, on the host's threads. What comes from
//! elsewhere, a hang-up, a deadline or the end of the server, only changes its stage.

mod exchanges;
mod hangup;
mod stage;
mod state;

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http_types::{Method, Response, StatusCode};

use exchanges::ExchangeSlot;
pub(crate) use exchanges::Exchanges;
use stage::Stage;
use state::Exchange;

use super::ready::ReadyFn;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::http::response::{RETRY_SECS, TOO_MANY_CONNECTIONS, set_header, text};
use crate::http::{Gathering, ParsedRequest, ResponseHead, Service, Takeover};

/// A request of the host's own HTTP server and its response; see
/// [`Server::open_http`](crate::Server::open_http).
///
/// For one thread at a time. Dropping it closes it.
pub struct HttpExchange {
    exchange: Arc<Exchange>,
}

/// What an exchange needs of the server that runs.
pub(crate) struct Opening {
    pub(crate) env: Arc<Env>,
    pub(crate) service: Arc<dyn Service>,
    pub(crate) exchanges: Arc<Exchanges>,
    pub(crate) is_draining: bool,
}

impl HttpExchange {
    /// See [`Server::open_http`](crate::Server::open_http).
    pub(crate) fn open(
        opening: Opening,
        request: &ParsedRequest<'_>,
        socket: Option<OwnedFd>,
        ready: Option<ReadyFn>,
    ) -> Result<HttpExchange> {
        let Opening { env, exchanges, .. } = &opening;
        let slot = ExchangeSlot::take(env);
        let (stage, method) = first_stage(&opening, request, slot.is_some());
        let is_gathering = matches!(stage, Stage::Gathering(_));
        let exchange = Exchange::new(env, exchanges, (stage, method), slot, ready);
        // From here on it is closed by whoever drops it.
        let opened = HttpExchange { exchange };
        if let Some(socket) = socket.filter(|_| is_gathering) {
            opened.exchange.watch(socket)?;
        }
        Ok(opened)
    }

    /// Adds a piece of the body; the last one, which may be empty, must come, also when there is no
    /// body. It is answered on the calling thread, and a tool flagged inline runs here. Tells
    /// whether more is wanted: if not the answer is there already.
    ///
    /// # Errors
    /// [`Error::State`] after the last piece; [`Error::Cancelled`] when the client has gone;
    /// [`Error::Busy`] while another thread uses the exchange.
    pub fn body(&self, piece: &[u8], is_last: bool) -> Result<bool> {
        let exchange = &*self.exchange;
        let mut gathering = match exchange.take()? {
            Some(Stage::Gathering(gathering)) => gathering,
            other => {
                let was_last = exchange.note_piece(is_last);
                other.map_or(Ok(false), |stage| exchange.put(stage))?;
                let late = || Error::State("the body has ended already".into());
                return if was_last { Err(late()) } else { Ok(false) };
            }
        };
        exchange.note_piece(is_last);
        match gathering.push(piece, is_last) {
            Ok(()) if is_last => exchange.finish(gathering)?,
            Ok(()) => {
                exchange.put(Stage::Gathering(gathering))?;
            }
            Err(response) => {
                exchange.answer(response)?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The head of the response; `None` while it is undecided: `ready` will be called.
    ///
    /// # Errors
    /// [`Error::Cancelled`] when the client has gone, or when the host has not taken what was there
    /// for `limits.write_time`; [`Error::Busy`] while another thread uses the exchange.
    pub fn head(&self) -> Result<Option<Arc<ResponseHead>>> {
        let exchange = &*self.exchange;
        loop {
            let Some(stage) = exchange.take_answer()? else { return Ok(None) };
            let mut cx = Context::from_waker(exchange.waker());
            let stage = stage.progress(exchange.method, &exchange.env, &mut cx);
            let head = match &stage {
                Stage::Answered(unframed, _) => Some(unframed.head.clone()),
                _ => None,
            };
            if head.is_some() && stage.is_open() {
                exchange.expect_host();
            }
            if exchange.put(stage)? && head.is_none() {
                continue;
            }
            exchange.told(head.is_some());
            return Ok(head);
        }
    }

    /// Reads what is there of the body: how many bytes, 0 at its end, `None` when there will be
    /// more later: `ready` will be called. Ask again until it says one of the latter two.
    ///
    /// # Errors
    /// [`Error::State`] before [`head`](HttpExchange::head) has given one; [`Error::Config`] for a
    /// buffer without room; otherwise as there.
    pub fn read(&self, buf: &mut [u8]) -> Result<Option<usize>> {
        let exchange = &*self.exchange;
        if buf.is_empty() {
            return Err(Error::Config("the buffer has no room".into()));
        }
        loop {
            let Some(mut stage) = exchange.take_answer()? else { return Ok(None) };
            let unframed = match &mut stage {
                Stage::Answered(unframed, _) if exchange.has_head() => unframed,
                _ => {
                    exchange.put(stage)?;
                    return Err(Error::State("the head was not taken yet".into()));
                }
            };
            let mut cx = Context::from_waker(exchange.waker());
            let read = match unframed.poll_read(&exchange.env, &mut cx, buf) {
                Poll::Ready(read) => Some(read),
                Poll::Pending => None,
            };
            exchange.note_read(&read);
            if exchange.put(stage)? && read.is_none() {
                continue;
            }
            exchange.told(read.is_some());
            return read.transpose().map_err(|_| Error::Cancelled);
        }
    }

    /// Waits until it makes sense to ask for the head or to read again; tells whether it was within
    /// `patience`.
    pub fn wait(&self, patience: Duration) -> bool {
        self.exchange.wait(patience)
    }

    /// Ends it, at any time. Before the end of the response it says that the client has left.
    /// Afterwards `ready` is not called any more: this waits for a call under way, unless it comes
    /// from inside it.
    pub fn close(&self) {
        self.exchange.close();
    }

    /// The connection that a head with status 101 is about; once.
    pub(crate) fn take_upgrade(&self) -> Option<Takeover> {
        self.exchange.take_upgrade()
    }
}

impl Drop for HttpExchange {
    fn drop(&mut self) {
        self.close();
    }
}

/// Where an exchange begins, and the method of its request if the head was in order.
fn first_stage(
    opening: &Opening,
    request: &ParsedRequest<'_>,
    has_slot: bool,
) -> (Stage, Option<Method>) {
    let env = &opening.env;
    if !has_slot {
        return (Stage::answered(too_many(), None, env), None);
    }
    if opening.is_draining {
        return (Stage::stopping(env), None);
    }
    match Gathering::open(request, opening.service.clone(), env) {
        Ok(gathering) => {
            let method = gathering.method();
            (Stage::Gathering(Box::new(gathering)), Some(method))
        }
        Err(response) => (Stage::answered(response, head_method(request), env), None),
    }
}

fn head_method(request: &ParsedRequest<'_>) -> Option<Method> {
    (request.method == "HEAD").then_some(Method::Head)
}

/// What the listener says above `limits.connections`.
fn too_many() -> Response {
    let mut response = text(StatusCode::ServiceUnavailable, TOO_MANY_CONNECTIONS);
    set_header(&mut response, "retry-after", RETRY_SECS);
    response
}
