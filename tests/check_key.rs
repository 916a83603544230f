//! `Hooks::check_key`: the host says whose key it is, at once or later from any thread, and nothing
//! of the server waits for it but the request.

mod peer;

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use emcp::{Key, KeyCheck, KeyGrant, Limits, Options, ParsedRequest, Run};
use peer::keyed::{
    ANN, BOB, CheckKey, Keyed, Knock, OPEN, SCOPED, WAYS, WRONG, Way, asking, keyed,
};
use peer::message::TRUSTED;
use peer::pull::{Parsed, head as pull_head};
use peer::*;
use serde_json::json;

/// Of those the server knows nothing.
const GUEST: &str = "sesame-of-guest-006";

fn guest() -> KeyGrant<'static> {
    KeyGrant { principal: "Guest No. 1", scopes: "a,units:read", ..KeyGrant::default() }
}

/// Knows the guest.
fn answer(check: KeyCheck) {
    match check.credential() {
        GUEST => _ = check.allow(guest()).unwrap(),
        _ => check.refuse(),
    }
}

/// The host's functions wait for a thread of the host.
fn is_hosted() -> bool {
    in_mode(Options::default()).run == Run::Host
}

/// Knocks everywhere with `secret`; sessions are the guest's.
fn everywhere(keyed: &Keyed, secret: &str) -> Vec<(Way, u16, String)> {
    WAYS.map(|way| {
        let headers = &[("X-API-Key", secret)];
        let answer = keyed.knock(way, Knock { headers, owner: GUEST, ..Knock::default() });
        (way, answer.status, answer.text)
    })
    .into()
}

/// `is_later`: the host may not have answered when a peer wants to be opened, which cannot wait.
fn check_everywhere(keyed: &Keyed, is_later: bool) {
    let is_late = |way, status| is_later && way == Way::PeerDoor && status == 503;
    for (way, status, text) in everywhere(keyed, GUEST) {
        if is_late(way, status) {
            continue;
        }
        assert_eq!(status, way.welcome(), "{way:?} {text}");
        let is_answered = text.contains("Guest No. 1 may a,units:read");
        assert_eq!(is_answered, way.carries_calls(), "{way:?} {text}");
    }
    for (way, status, text) in everywhere(keyed, WRONG) {
        assert!(status == 401 || is_late(way, status), "{way:?} {status} {text}");
    }
}

#[test]
fn the_host_says_at_once_whose_key_it_is() {
    let keyed = asking(Options::default(), Limits::default(), Some(Box::new(answer)));
    check_everywhere(&keyed, is_hosted());
    assert!(keyed.host.server.stats().auth_refused >= 9);
}

/// Hands checks to the test.
fn handing() -> (CheckKey, Receiver<KeyCheck>) {
    let (sender, receiver): (Sender<KeyCheck>, _) = channel();
    let sender = Mutex::new(sender);
    (Box::new(move |check| _ = sender.lock().unwrap().send(check)), receiver)
}

fn next(checks: &Receiver<KeyCheck>) -> KeyCheck {
    checks.recv_timeout(PATIENCE).expect("nobody asked")
}

#[test]
fn a_thread_of_the_host_says_it_later() {
    let (hook, checks) = handing();
    let keyed = asking(Options::default(), Limits::default(), Some(hook));
    thread::scope(|scope| {
        scope.spawn(move || checks.iter().for_each(answer));
        check_everywhere(&keyed, true);
        drop(keyed);
    });
}

#[test]
fn keys_of_the_server_need_no_question_and_no_key_is_none() {
    let hook = |check: KeyCheck| panic!("asked about {check:?}");
    let keyed = asking(Options::default(), Limits::default(), Some(Box::new(hook)));
    for way in WAYS {
        let knock = |headers| keyed.knock(way, Knock { headers, owner: ANN, ..Knock::default() });
        assert_eq!(knock(&[("X-API-Key", ANN)]).status, way.welcome(), "{way:?}");
        assert_eq!(knock(&[]).status, 401, "{way:?}");
    }
    assert_eq!(keyed.host.server.stats().auth_asked, 0);
    // Without a key of its own the server lets nobody in either.
    keyed.host.server.set_keys(Vec::new()).unwrap();
    assert_eq!(keyed.knock(Way::ModernPost, Knock::default()).status, 401);
}

#[test]
fn the_host_hears_where_the_key_comes_from() {
    let (hook, checks) = handing();
    let keyed = asking(Options::default(), Limits::default(), Some(hook));
    let http = keyed.host.bare("GET", "/sse?x=1", &[("Authorization", &format!("Bearer {GUEST}"))]);
    let check = next(&checks);
    assert_eq!((check.credential(), check.path()), (GUEST, "/sse"));
    assert!(check.remote_addr().starts_with("127.0.0.1:") && check.uid().is_none());
    let shown = format!("{check:?}");
    assert!(shown.contains("127.0.0.1") && !shown.contains("sesame"), "{shown}");
    drop(check);
    assert_eq!({ http }.response().status, 401, "not answered is refused");
}

#[test]
fn a_grant_without_a_name_or_with_an_odd_scope_lets_nobody_in() {
    for grant in [
        KeyGrant { principal: "", ..guest() },
        KeyGrant { scopes: "a b", ..guest() },
        KeyGrant { scopes: "\"", ..guest() },
    ] {
        let hook = move |check: KeyCheck| assert!(check.allow(grant).is_err());
        let keyed = asking(Options::default(), Limits::default(), Some(Box::new(hook)));
        let headers = &[("X-API-Key", GUEST)];
        let answer = keyed.knock(Way::ModernPost, Knock { headers, ..Knock::default() });
        assert_eq!(answer.status, 401);
    }
}

#[test]
fn a_hook_that_panics_lets_nobody_in() {
    let hook = |_: KeyCheck| panic!("on purpose");
    let keyed = asking(Options::default(), Limits::default(), Some(Box::new(hook)));
    let headers = &[("X-API-Key", GUEST)];
    for way in [Way::ModernPost, Way::ParsedDoor] {
        let answer = keyed.knock(way, Knock { headers, ..Knock::default() });
        assert_eq!(answer.status, 401, "{way:?}");
    }
    // What is dropped with a panic answers before the panic is counted.
    wait_until(|| keyed.host.server.stats().panics == 2);
}

#[test]
fn scopes_of_the_host_count() {
    let keyed = asking(Options::default(), Limits::default(), Some(Box::new(answer)));
    let headers = &[("X-API-Key", GUEST)];
    let knock = Knock { headers, tool: SCOPED, ..Knock::default() };
    assert_eq!(keyed.knock(Way::ModernPost, knock).status, 403);
}

#[test]
fn an_answer_that_takes_too_long_is_503() {
    let (hook, checks) = handing();
    let limits = Limits { check_time: Duration::from_millis(1), ..Limits::default() };
    let keyed = asking(Options::default(), limits, Some(hook));
    let headers = &[("X-API-Key", GUEST)];
    let ways = [Way::ModernPost, Way::SseGet, Way::WebSocket, Way::ParsedDoor, Way::Adopted];
    for way in ways {
        let answer = keyed.knock(way, Knock { headers, ..Knock::default() });
        assert_eq!(answer.status, 503, "{way:?}");
        assert!(answer.text.contains("could not be checked in time"), "{answer:?}");
        // Where its turn comes too late the host is not asked any more.
        for check in checks.try_iter() {
            assert!(!check.is_wanted());
            assert!(!check.allow(guest()).unwrap(), "nobody waits");
        }
    }
    assert_eq!(keyed.host.server.stats().auth_unchecked, ways.len() as u64);
    let http = keyed.host.bare("GET", "/mcp", headers);
    assert_eq!({ http }.response().header("retry-after"), Some("5"));
}

#[test]
fn the_host_hears_of_clients_that_have_left() {
    let (hook, checks) = handing();
    let keyed = asking(Options::default(), Limits::default(), Some(hook));
    let http = keyed.host.bare("GET", "/sse", &[("X-API-Key", GUEST)]);
    let check = next(&checks);
    assert!(check.is_wanted());
    http.reset();
    wait_until(|| !check.is_wanted());
    assert!(!check.allow(guest()).unwrap());
    let mut parsed = Parsed::modern("tools/list", json!({}));
    parsed.headers.push(("x-api-key".into(), GUEST.into()));
    let exchange = parsed.start(&keyed.host.server, None);
    let check = next(&checks);
    assert_eq!(exchange.head().unwrap(), None, "undecided");
    exchange.close();
    assert!(!check.is_wanted());
    wait_until(|| keyed.host.server.stats().connections == 0);
}

#[test]
fn a_body_may_come_while_the_host_thinks() {
    let (hook, checks) = handing();
    let keyed = asking(Options::default(), Limits::default(), Some(hook));
    let padding = "x".repeat(500_000);
    let params = claim(json!({ "name": OPEN, "arguments": {}, "_meta": { "p": padding } }));
    let body = request("1", "tools/call", &params);
    let mut headers = modern_headers("tools/call");
    headers.extend([("Mcp-Name", OPEN), ("X-API-Key", GUEST)]);
    thread::scope(|scope| {
        let client = scope.spawn(|| keyed.host.post(&headers, &body).first());
        let check = next(&checks);
        assert!(check.allow(guest()).unwrap());
        let (status, reply) = client.join().unwrap();
        assert!(status == 200 && reply.to_string().contains("Guest No. 1 may"), "{reply}");
    });
    // Through the door the pieces are taken meanwhile, and the answer is told.
    let mut parsed = Parsed::modern("tools/call", json!({ "name": OPEN }));
    parsed.headers.push(("x-api-key".into(), GUEST.into()));
    let exchange = parsed.start(&keyed.host.server, None);
    assert_eq!(exchange.head().unwrap(), None);
    let check = next(&checks);
    let server = thread::spawn(move || check.allow(guest()).unwrap());
    assert_eq!(pull_head(&exchange).unwrap().status, 200);
    assert!(server.join().unwrap());
}

#[test]
fn the_end_of_the_server_waits_for_nobody() {
    let (hook, checks) = handing();
    let keyed = asking(Options::default(), Limits::default(), Some(hook));
    let mut http = keyed.host.bare("GET", "/sse", &[("X-API-Key", GUEST)]);
    let waiting = next(&checks);
    let mut parsed = Parsed::modern("tools/list", json!({}));
    parsed.headers.push(("x-api-key".into(), GUEST.into()));
    let exchange = parsed.start(&keyed.host.server, None);
    let parsed_waiting = next(&checks);
    keyed.host.server.stop().unwrap();
    http.assert_closed();
    assert_eq!(pull_head(&exchange).unwrap().status, 503);
    for check in [waiting, parsed_waiting] {
        assert!(!check.allow(guest()).unwrap());
    }
}

/// A host that counts how often it is asked and lets everybody in.
fn counting(keep: Duration) -> (CheckKey, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let hook = move |check: KeyCheck| {
        count.fetch_add(1, SeqCst);
        let principal = check.credential().replace("sesame-of-", "");
        _ = check.allow(KeyGrant { principal: &principal, keep, ..KeyGrant::default() }).unwrap();
    };
    (Box::new(hook), asked)
}

fn knock(keyed: &Keyed, secret: &str) -> u16 {
    let headers = &[("X-API-Key", secret)];
    keyed.knock(Way::ModernPost, Knock { headers, ..Knock::default() }).status
}

#[test]
fn the_host_is_asked_as_often_as_it_wants() {
    for (keep, expected) in [(Duration::ZERO, 3), (Duration::from_secs(3600), 1)] {
        let (hook, asked) = counting(keep);
        let keyed = asking(Options::default(), Limits::default(), Some(hook));
        assert_eq!([(); 3].map(|()| knock(&keyed, GUEST)), [200; 3]);
        assert_eq!(asked.load(SeqCst), expected);
        assert_eq!(keyed.host.server.stats().auth_asked, expected as u64);
    }
}

#[test]
fn an_answer_that_is_kept_opens_peers_too() {
    let (hook, checks) = handing();
    let keyed = asking(Options::default(), Limits::default(), Some(hook));
    let fields: [(&str, &[u8]); 2] = [("host", b"localhost"), ("x-api-key", GUEST.as_bytes())];
    let opening = ParsedRequest { method: "GET", target: "/mcp", headers: &fields, ..TRUSTED };
    thread::scope(|scope| {
        let client = scope.spawn(|| knock(&keyed, GUEST));
        let keep = Duration::from_secs(3600);
        assert!(next(&checks).allow(KeyGrant { keep, ..guest() }).unwrap());
        assert_eq!(client.join().unwrap(), 200);
    });
    assert!(keyed.host.server.open_peer(&opening, None).is_ok());
}

#[test]
fn what_is_forgotten_is_asked_again_and_ends_its_streams() {
    for keep in [Duration::ZERO, Duration::from_secs(3600)] {
        let (hook, asked) = counting(keep);
        let keyed = asking(Options::default(), Limits::default(), Some(hook));
        let server = &keyed.host.server;
        let accept = ("Accept", "text/event-stream");
        let stream =
            |secret| keyed.host.bare("GET", "/sse", &[accept, ("X-API-Key", secret)]).events();
        let (mut guests, mut others) = (stream(GUEST), stream(WRONG));
        assert!(guests.next_event().is_some() && others.next_event().is_some());
        let before = asked.load(SeqCst);
        server.forget_keys(Some("guest-006"));
        assert_eq!(guests.next_event(), None);
        assert_eq!(knock(&keyed, GUEST), 200);
        assert_eq!(asked.load(SeqCst), before + 1);
        server.forget_keys(None);
        assert_eq!(others.next_event(), None);
    }
}

#[test]
fn a_key_that_the_server_has_taken_over_is_not_asked_about() {
    let (hook, asked) = counting(Duration::ZERO);
    let keyed = asking(Options::default(), Limits::default(), Some(hook));
    assert_eq!(knock(&keyed, GUEST), 200);
    keyed.host.server.add_key(Key::new("own", GUEST).unwrap()).unwrap();
    assert_eq!(knock(&keyed, GUEST), 200);
    assert_eq!(asked.load(SeqCst), 1);
    assert_eq!(knock(&self::keyed(Options::default()), BOB), 200);
}
