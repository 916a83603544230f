//! Reads one request from a connection: its head, then, for one that may come in, its body.

use std::sync::Arc;

use http_types::StatusCode;

use super::Head;
use super::body::{BODY_LATE, BODY_TOO_LARGE, Dechunker, TOO_MUCH_HELD};
use super::guard::{Scanner, parse, parse_lines, whole_head};
use super::head::{Expectation, Framing};
use super::reject::Reject;
use super::wire::{Arrival, Lost, Wire};
use crate::env::Env;
use crate::held::Held;
use crate::limits::Limits;

/// Why a request was not read in full.
pub(super) enum Stop {
    Reject(Reject),
    Gone,
}

impl From<Reject> for Stop {
    fn from(reject: Reject) -> Stop {
        Stop::Reject(reject)
    }
}

/// Takes the head off the front of `wire` if the request is there as a whole and nothing about it
/// is unusual; with the length of the body, which is left. `last` is the head of the request before.
pub(super) fn whole(
    wire: &mut Wire,
    limits: &Limits,
    last: Option<Box<Head>>,
) -> Option<(Box<Head>, usize)> {
    let buffered = wire.buffered();
    let repeated = last.and_then(|mut last| Some((last.repeat(buffered)?, last)));
    let (length, head) = match repeated {
        Some(repeated) => repeated,
        None => {
            let (bytes, lines) = whole_head(buffered, limits)?;
            let head = parse_lines(bytes, lines, limits).ok().filter(|head| head.is_plain)?;
            (bytes.len(), Box::new(head))
        }
    };
    let body = usize::try_from(head.content_length()?).ok()?;
    if body > limits.body_bytes || body > buffered.len() - length {
        return None;
    }
    wire.consume(length);
    Some((head, body))
}

pub(super) async fn head(wire: &mut Wire, limits: &Limits) -> Result<Box<Head>, Stop> {
    wire.start_deadline(limits.head_time);
    let mut scanner = Scanner::default();
    let length = loop {
        if let Some(length) = scanner.scan(wire.buffered(), limits)? {
            break length;
        }
        more(wire, "the request head did not arrive in time").await?;
    };
    let head = parse(&wire.buffered()[..length], limits)?;
    wire.consume(length);
    Ok(Box::new(head))
}

pub(super) async fn body(wire: &mut Wire, env: &Arc<Env>, head: &Head) -> Result<Vec<u8>, Stop> {
    if head.expectation == Expectation::Unknown {
        let message = "the only expectation is 100-continue";
        return Err(Reject::new(StatusCode::ExpectationFailed, message).into());
    }
    let limit = env.limits.body_bytes;
    if !head.framing.has_body() {
        return Ok(Vec::new());
    }
    if head.content_length().is_some_and(|length| length > limit as u64) {
        return Err(BODY_TOO_LARGE.into());
    }
    // RFC 9110 section 10.1.1: a client whose body is on its way does not wait any more.
    if head.expectation == Expectation::Continue && wire.buffered().is_empty() {
        let sent = wire.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await;
        sent.map_err(|Lost| Stop::Gone)?;
    }
    wire.start_deadline(env.limits.body_time);
    match head.framing {
        Framing::Absent => Ok(Vec::new()),
        // Compared with the limit above, which is a `usize`.
        Framing::Length(length) => sized(wire, env, length as usize).await,
        Framing::Chunked => chunked(wire, env, limit).await,
    }
}

async fn sized(wire: &mut Wire, env: &Arc<Env>, length: usize) -> Result<Vec<u8>, Stop> {
    // Grows with what arrives: a promise alone must not cost memory.
    let mut body = wire.take(length);
    let mut held = Held::new(env.clone());
    while body.len() < length {
        let arrival = wire.more_into(&mut body, length).await;
        check_arrival(arrival, BODY_LATE.message)?;
        check_held(held.grow_to(body.len()))?;
    }
    Ok(body)
}

async fn chunked(wire: &mut Wire, env: &Arc<Env>, limit: usize) -> Result<Vec<u8>, Stop> {
    let mut dechunker = Dechunker::new(limit);
    let mut held = Held::new(env.clone());
    loop {
        let used = dechunker.push(wire.buffered())?;
        wire.consume(used);
        if let Some(body) = dechunker.finished() {
            return Ok(body);
        }
        check_held(held.grow_to(dechunker.length()))?;
        more(wire, BODY_LATE.message).await?;
    }
}

async fn more(wire: &mut Wire, late: &'static str) -> Result<(), Stop> {
    check_arrival(wire.more().await, late)
}

fn check_held(is_allowed: bool) -> Result<(), Stop> {
    is_allowed.then_some(()).ok_or_else(|| TOO_MUCH_HELD.into())
}

fn check_arrival(arrival: Arrival, late: &'static str) -> Result<(), Stop> {
    match arrival {
        Arrival::Bytes => Ok(()),
        Arrival::Late => Err(Reject::new(StatusCode::RequestTimeout, late).into()),
        // RFC 9112 section 8 lets us say so: a client that only ended its side still reads.
        Arrival::Never => Err(Reject::malformed("the request ended early").into()),
    }
}
