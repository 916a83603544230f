//! Requests that the host's own HTTP server has parsed.

use std::os::fd::OwnedFd;

use super::{Server, State};
use crate::door::{HttpExchange, Opening, ReadyFn};
use crate::error::{Error, Result};
use crate::http::ParsedRequest;
use crate::sync::lock;

impl Server {
    /// Takes a request that the host's own HTTP server has parsed; the body follows in pieces.
    ///
    /// `watch` is a duplicate of the client's socket: it is watched for hang-up and never read.
    /// `ready` says when there is something to take; it may be called before this returns. A
    /// request that may not come in has its answer at once, as has one above
    /// `limits.connections` and one to a server that drains.
    ///
    /// ```
    /// # use emcp::{Identity, Limits, Options, ParsedRequest, Server};
    /// # let identity = Identity { name: "d".into(), version: "1".into(), ..Identity::default() };
    /// # let server = Server::new(identity, Options::default(), Limits::default())?;
    /// server.start()?;
    /// let headers: [(&str, &[u8]); 1] = [("host", b"localhost")];
    /// let request = ParsedRequest {
    ///     method: "GET", target: "/elsewhere", headers: &headers, ..ParsedRequest::default()
    /// };
    /// let exchange = server.open_http(&request, None, None)?;
    /// exchange.body(b"", true)?;
    /// assert_eq!(exchange.head()?.map(|head| head.status), Some(404));
    /// # Ok::<(), emcp::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::State`] unless the server runs; [`Error::Config`] when `watch` cannot be watched;
    /// [`Error::Io`] when the process has no descriptor left.
    pub fn open_http(
        &self,
        request: &ParsedRequest<'_>,
        watch: Option<OwnedFd>,
        ready: Option<ReadyFn>,
    ) -> Result<HttpExchange> {
        let opening = match &*lock(&self.state) {
            State::Running(running) => Opening {
                env: self.core.env.clone(),
                service: running.endpoint.clone(),
                exchanges: running.exchanges.clone(),
                is_draining: running.is_draining(),
            },
            _ => return Err(Error::State("server is not running".into())),
        };
        HttpExchange::open(opening, request, watch, ready)
    }
}
