//! Whose session it is: requests as a host hands them in, with who it has authenticated.

use std::sync::Arc;

use futures_lite::future::block_on;
use http_types::{Method, Response, StatusCode};

use super::Endpoint;
use crate::core::{Core, Options};
use crate::env::Env;
use crate::http::{Admission, Head, Incoming, Outcome, ParsedRequest, Service};
use crate::identity::Identity;
use crate::limits::Limits;
use crate::peer::Peer;

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-03-26","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#;
const PING: &str = r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
const BATCH: &str = r#"[{"jsonrpc":"2.0","id":2,"method":"ping"}]"#;

const ALICE: Option<&str> = Some("alice");
/// Everybody who is not Alice.
const OTHERS: [Option<&str>; 3] = [Some("bob"), Some("ALICE"), None];

fn endpoint() -> Endpoint {
    let identity = Identity { name: "t".into(), version: "1".into(), ..Identity::default() };
    Endpoint::new(Core::new(identity, Options::default(), Limits::default()).unwrap())
}

/// Sends one request of `principal`; POSTs if there is a body.
fn send(
    endpoint: &Endpoint,
    principal: Option<&str>,
    (method, target): (&str, &str),
    session: Option<&str>,
    body: &str,
) -> Response {
    let mut headers: Vec<(&str, &[u8])> = vec![
        ("host", b"localhost"),
        ("content-type", b"application/json"),
        ("accept", b"application/json, text/event-stream"),
    ];
    headers.extend(session.map(|id| ("mcp-session-id", id.as_bytes())));
    let request = ParsedRequest { method, target, headers: &headers, ..ParsedRequest::default() };
    let head = Head::opening(&request, &Env::new(Limits::default())).unwrap();
    let principal = principal.map(Arc::from);
    let peer = Peer { principal, ..Peer::at("test".into(), false) };
    let Admission::Now(Ok(peer)) = endpoint.admit(&head, &peer) else { panic!("refused") };
    let incoming = Incoming { head: Box::new(head), body: body.into(), peer };
    match endpoint.respond(&incoming) {
        Outcome::Respond(answer) => answer.into(),
        Outcome::Wait { reply, .. } => block_on(reply).into(),
        Outcome::Upgrade { .. } => panic!("nobody asked for an upgrade"),
    }
}

fn open(endpoint: &Endpoint, principal: Option<&str>) -> String {
    let opened = send(endpoint, principal, ("POST", "/mcp"), None, INITIALIZE);
    assert_eq!(opened.status(), StatusCode::Ok);
    opened.header("mcp-session-id").unwrap().as_str().to_owned()
}

#[test]
fn a_session_of_somebody_else_is_answered_like_an_unknown_one() {
    let endpoint = endpoint();
    let session = open(&endpoint, ALICE);
    for (method, body) in
        [("POST", PING), ("POST", INITIALIZED), ("POST", BATCH), ("GET", ""), ("DELETE", "")]
    {
        let answer = |principal, session: &str| {
            let mut answer = send(&endpoint, principal, (method, "/mcp"), Some(session), body);
            (answer.status(), block_on(answer.body_string()).unwrap())
        };
        let unknown = answer(ALICE, "AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(unknown.0, StatusCode::NotFound, "{method} {body}");
        for other in OTHERS {
            assert_eq!(answer(other, &session), unknown, "{method} {body} {other:?}");
        }
    }
    let ping = send(&endpoint, ALICE, ("POST", "/mcp"), Some(&session), PING);
    assert_eq!(ping.status(), StatusCode::Ok, "she has it still");
    let end = send(&endpoint, ALICE, ("DELETE", "/mcp"), Some(&session), "");
    assert_eq!(end.status(), StatusCode::NoContent);
}

#[test]
fn a_session_of_nobody_is_not_for_somebody() {
    let endpoint = endpoint();
    let session = open(&endpoint, None);
    let ping =
        |principal| send(&endpoint, principal, ("POST", "/mcp"), Some(&session), PING).status();
    assert_eq!(ping(ALICE), StatusCode::NotFound);
    assert_eq!(ping(None), StatusCode::Ok);
}

#[test]
fn only_who_opened_an_sse_stream_posts_to_it() {
    let endpoint = endpoint();
    let mut stream = send(&endpoint, ALICE, (Method::Get.as_ref(), "/sse"), None, "");
    let mut body = stream.take_body();
    let mut line = String::new();
    while !line.contains("sessionId=") {
        line.clear();
        block_on(futures_lite::AsyncBufReadExt::read_line(&mut body, &mut line)).unwrap();
    }
    let target = line.trim().trim_start_matches("data: ").to_owned();
    let post = |principal| send(&endpoint, principal, ("POST", &target), None, PING).status();
    for other in OTHERS {
        assert_eq!(post(other), StatusCode::NotFound, "{other:?}");
    }
    assert_eq!(post(ALICE), StatusCode::Accepted);
}
