//! The side of a host that has its own HTTP server: hands over parsed requests, pulls responses.

use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, channel};

use emcp::{Error, HttpExchange, ParsedRequest, ReadyFn, ResponseHead, Server};
use serde_json::{Value, json};

use super::{PATIENCE, modern_headers, parse};

/// A request as a list of what a host's server knows.
#[derive(Clone, Default)]
pub(crate) struct Parsed {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// What was pulled of one exchange.
#[derive(Debug)]
pub(crate) struct Pulled {
    pub(crate) head: ResponseHead,
    pub(crate) body: Vec<u8>,
}

impl Parsed {
    pub(crate) fn new(method: &str, headers: &[(&str, &str)], body: &str) -> Parsed {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut all = vec![("Host".to_owned(), "localhost".to_owned())];
        all.extend(headers.iter().map(own));
        if method == "POST" {
            all.push(("Content-Type".into(), "application/json".into()));
        }
        Parsed { method: method.into(), target: "/mcp".into(), headers: all, body: body.into() }
    }

    /// A modern request with the headers that belong to it.
    pub(crate) fn modern(method: &str, params: Value) -> Parsed {
        let name = params["name"].as_str().unwrap_or_default().to_owned();
        let body = super::request("1", method, &super::claim(params));
        let mut headers = modern_headers(method);
        if method == "tools/call" {
            headers.push(("Mcp-Name", &name));
        }
        Parsed::new("POST", &headers, &body)
    }

    /// Opens the exchange; the body is still to come.
    pub(crate) fn open(
        &self,
        server: &Server,
        watch: Option<OwnedFd>,
        ready: Option<ReadyFn>,
    ) -> Result<HttpExchange, Error> {
        let bytes = |(name, value): &(String, String)| (name.clone(), value.clone().into_bytes());
        let owned: Vec<(String, Vec<u8>)> = self.headers.iter().map(bytes).collect();
        let headers: Vec<(&str, &[u8])> =
            owned.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        let request = ParsedRequest {
            method: &self.method,
            target: &self.target,
            headers: &headers,
            remote: "pull",
            ..ParsedRequest::default()
        };
        server.open_http(&request, watch, ready)
    }

    /// Opens it and gives the whole body.
    pub(crate) fn start(&self, server: &Server, watch: Option<OwnedFd>) -> HttpExchange {
        let exchange = self.open(server, watch, None).unwrap();
        exchange.body(&self.body, true).unwrap();
        exchange
    }

    /// Does all of it.
    pub(crate) fn whole(&self, server: &Server) -> Pulled {
        let exchange = self.start(server, None);
        let head = head(&exchange).unwrap();
        let mut body = Vec::new();
        while let Some(piece) = read(&exchange).unwrap() {
            body.extend(piece);
        }
        Pulled { head, body }
    }
}

impl Pulled {
    pub(crate) fn json(&self) -> Value {
        parse(&self.body)
    }
}

/// Waits for the head.
pub(crate) fn head(exchange: &HttpExchange) -> Result<ResponseHead, Error> {
    loop {
        if let Some(head) = exchange.head()? {
            return Ok((*head).clone());
        }
        assert!(exchange.wait(PATIENCE), "no head came");
    }
}

/// Waits for the next piece of the body; `None` at its end.
pub(crate) fn read(exchange: &HttpExchange) -> Result<Option<Vec<u8>>, Error> {
    let mut buf = [0; 1000];
    loop {
        match exchange.read(&mut buf)? {
            Some(0) => return Ok(None),
            Some(length) => return Ok(Some(buf[..length].to_vec())),
            None => assert!(exchange.wait(PATIENCE), "no piece of the body came"),
        }
    }
}

/// Reads until the body so far contains `part`.
pub(crate) fn read_until(exchange: &HttpExchange, part: &str) -> String {
    let mut text = String::new();
    while !text.contains(part) {
        let piece = read(exchange).unwrap().unwrap_or_else(|| panic!("{part} is not in {text}"));
        text += std::str::from_utf8(&piece).unwrap();
    }
    text
}

/// A quick call.
pub(crate) fn echo() -> Parsed {
    Parsed::modern("tools/call", json!({ "name": "echo", "arguments": { "a": 1 } }))
}

/// A call that the test answers.
pub(crate) fn hold() -> Parsed {
    Parsed::modern("tools/call", json!({ "name": "hold", "arguments": {} }))
}

/// A `ready` function that reports its calls.
pub(crate) fn bell() -> (ReadyFn, Receiver<()>) {
    let (sender, rung) = channel();
    let ready = move || {
        let _ = sender.send(());
    };
    (Box::new(ready), rung)
}
