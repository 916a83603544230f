//! Who may come in by which way: every transport and door, with every kind of key.

mod peer;

use std::fs::Permissions;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use emcp::{
    Adoption, Identity, Key, Limits, Options, ParsedRequest, Prompt, PromptResult, ReadResult,
    Resource, Server,
};
use peer::keyed::{ANN, BOB, Keyed, Knock, OLD, OPEN, SCOPE, SCOPED, WAYS, WRONG, Way, keyed};
use peer::message::{next, send, until_closed};
use peer::{
    ACCEPT, NEWEST, Response, Ws, call, handshake, initialize, modern_headers, parse, wait_until,
};
use serde_json::{Value, json};

const REALM: &str = r#"Bearer realm="guarded""#;
const INVALID: &str = r#"Bearer realm="guarded", error="invalid_token""#;

fn bearer(secret: &str) -> String {
    format!("Bearer {secret}")
}

/// Knocks at every way with these headers; those that need a session find one of Ann's.
fn each(
    keyed: &Keyed,
    headers: &[(&str, &str)],
    query: &str,
    check: impl Fn(Way, u16, &str, &str),
) {
    for way in WAYS {
        let answer = keyed.knock(way, Knock { headers, query, owner: ANN, tool: "" });
        let challenge = answer.challenge.unwrap_or_default();
        check(way, answer.status, &challenge, &answer.text);
    }
}

/// A 401 that says what to do. A host writes its own answer to a handshake that it has parsed.
#[track_caller]
fn assert_refused(way: Way, (status, challenge): (u16, &str), expected: &str) {
    assert_eq!(status, 401, "{way:?}");
    if way != Way::PeerDoor {
        assert_eq!(challenge, expected, "{way:?}");
    }
}

#[test]
fn no_key() {
    let keyed = keyed(Options::default());
    each(&keyed, &[], "", |way, status, challenge, text| {
        assert_refused(way, (status, challenge), REALM);
        assert!(text.contains("send Authorization: Bearer KEY"), "{way:?} {text}");
    });
    let stats = keyed.host.server.stats();
    assert_eq!(
        (stats.auth_missing, stats.requests_refused),
        (WAYS.len() as u64, WAYS.len() as u64)
    );
}

#[test]
fn a_wrong_key() {
    let keyed = keyed(Options::default());
    let almost = [&ANN[..ANN.len() - 1], &format!("{ANN}1"), &ANN.to_uppercase(), WRONG];
    for secret in almost {
        each(&keyed, &[("Authorization", &bearer(secret))], "", |way, status, challenge, text| {
            assert_refused(way, (status, challenge), INVALID);
            assert!(text.contains("not valid here"), "{way:?} {text}");
        });
    }
    assert_eq!(keyed.host.server.stats().auth_refused, (almost.len() * WAYS.len()) as u64);
}

#[test]
fn an_expired_key() {
    let keyed = keyed(Options::default());
    each(&keyed, &[("X-API-Key", OLD)], "", |way, status, challenge, text| {
        assert_refused(way, (status, challenge), INVALID);
        assert!(text.contains("has expired"), "{way:?} {text}");
    });
    assert_eq!(keyed.host.server.stats().auth_expired, WAYS.len() as u64);
}

#[test]
fn the_right_key() {
    let keyed = keyed(Options::default());
    let (plain, odd) = (bearer(ANN), format!("bEaReR  {ANN}"));
    for headers in [[("Authorization", &*plain)], [("authorization", &odd)], [("X-API-Key", ANN)]] {
        each(&keyed, &headers, "", |way, status, _, text| {
            assert_eq!(status, way.welcome(), "{way:?} {text}");
            if way.carries_calls() {
                assert!(text.contains("ann may *"), "{way:?} {text}");
            }
        });
    }
    // The same key twice is one key.
    each(&keyed, &[("X-API-Key", ANN), ("Authorization", &plain)], "", |way, status, _, text| {
        assert_eq!(status, way.welcome(), "{way:?} {text}");
    });
}

#[test]
fn two_keys() {
    let keyed = keyed(Options::default());
    let headers = [("X-API-Key", ANN), ("Authorization", &*bearer(BOB))];
    each(&keyed, &headers, "", |way, status, _, _| assert_eq!(status, 400, "{way:?}"));
}

#[test]
fn a_key_in_the_query() {
    let query = format!("?api_key={ANN}");
    let off = keyed(Options::default());
    each(&off, &[], &query, |way, status, challenge, _| {
        assert_refused(way, (status, challenge), REALM);
    });
    let on = keyed(Options { key_in_query: true, ..Options::default() });
    each(&on, &[], &query, |way, status, _, text| {
        assert_eq!(status, way.welcome(), "{way:?} {text}");
    });
    each(&on, &[], &format!("?api_key={WRONG}"), |way, status, challenge, _| {
        assert_refused(way, (status, challenge), INVALID);
    });
    each(&on, &[("X-API-Key", BOB)], &query, |way, status, _, _| {
        assert_eq!(status, 400, "{way:?}");
    });
}

#[test]
fn a_session_of_somebody_else() {
    let keyed = keyed(Options::default());
    for way in WAYS.into_iter().filter(|way| way.has_session()) {
        let headers = &[("X-API-Key", BOB)];
        let answer = keyed.knock(way, Knock { headers, owner: ANN, ..Knock::default() });
        assert_eq!(answer.status, 404, "{way:?} {answer:?}");
        let answer = keyed.knock(way, Knock { headers, owner: BOB, ..Knock::default() });
        assert_eq!(answer.status, way.welcome(), "{way:?} {answer:?}");
    }
}

#[test]
fn a_scope_that_is_missing() {
    let keyed = keyed(Options::default());
    for way in WAYS.into_iter().filter(|way| way.carries_calls()) {
        let knock = |secret| {
            let headers = &[("X-API-Key", secret)];
            keyed.knock(way, Knock { headers, owner: secret, tool: SCOPED, query: "" })
        };
        assert!(knock(ANN).text.contains("ann may *"), "{way:?}");
        let answer = knock(BOB);
        assert!(answer.text.contains(r#""code":-32600"#), "{way:?} {answer:?}");
        assert!(answer.text.contains("restart needs the scope units:write"), "{way:?} {answer:?}");
        assert!(!answer.text.contains("bob may"), "{way:?}");
        if way.has_status() {
            let challenge = r#"Bearer error="insufficient_scope", scope="units:write""#;
            assert_eq!((answer.status, answer.challenge.as_deref()), (403, Some(challenge)));
        }
    }
    assert_eq!(keyed.host.server.stats().scopes_refused, 8);
}

/// Sends one modern request with a key.
fn ask(keyed: &Keyed, secret: &str, method: &str, params: Value) -> (u16, Value) {
    let name = params["name"].as_str().or(params["uri"].as_str()).unwrap_or_default().to_owned();
    let body = peer::request("1", method, &peer::claim(params));
    let mut headers = modern_headers(method);
    headers.extend([("X-API-Key", secret), ("Mcp-Name", &name)]);
    keyed.host.post(&headers, &body).first()
}

#[test]
fn lists_leave_out_what_the_caller_may_not() {
    let keyed = keyed(Options { public_cache: true, ..Options::default() });
    let server = &keyed.host.server;
    let read = |call: emcp::Call| {
        call.reply(ReadResult::text("read"));
    };
    let resource = |uri: &str| Resource::new(uri, "r").unwrap();
    server.add_resource(resource("a://open"), read, None).unwrap();
    server.add_resource(resource("a://secret").scope(SCOPE).unwrap(), read, None).unwrap();
    let template = Resource::template("b://{x}", "t").unwrap().scope(SCOPE).unwrap();
    server.add_resource(template, read, None).unwrap();
    let prompt = Prompt::new("plan").unwrap().scope(SCOPE).unwrap();
    let get = |call: emcp::Call| {
        call.reply(PromptResult::text("go"));
    };
    server.add_prompt(prompt, get, None).unwrap();
    for (method, shown, hidden) in [
        ("tools/list", OPEN, SCOPED),
        ("resources/list", "a://open", "a://secret"),
        ("resources/templates/list", "[]", "b://"),
        ("prompts/list", "[]", "plan"),
    ] {
        let (_, list) = ask(&keyed, BOB, method, json!({}));
        let text = list.to_string();
        assert!(text.contains(shown) && !text.contains(hidden), "{text}");
        assert_eq!(list["result"]["cacheScope"], "private");
        let (_, list) = ask(&keyed, ANN, method, json!({}));
        assert!(list.to_string().contains(hidden), "{list}");
    }
    let complete = json!({
        "ref": { "type": "ref/prompt", "name": "plan" },
        "argument": { "name": "a", "value": "" },
    });
    server.add_prompt(Prompt::new("other").unwrap(), |_| {}, Some(Box::new(|_| {}))).unwrap();
    for (method, params) in [
        ("resources/read", json!({ "uri": "a://secret" })),
        ("resources/read", json!({ "uri": "b://x" })),
        ("prompts/get", json!({ "name": "plan" })),
        ("completion/complete", complete),
    ] {
        let (status, answer) = ask(&keyed, BOB, method, params.clone());
        assert_eq!((status, &answer["error"]["code"]), (403, &json!(-32600)), "{answer}");
        let (status, answer) = ask(&keyed, ANN, method, params);
        assert_ne!((status, &answer["error"]["code"]), (403, &json!(-32600)), "{answer}");
    }
}

#[test]
fn preflights_and_unknown_paths_need_no_key() {
    let keyed = keyed(Options::default());
    let origin = ("Origin", "http://localhost:6274");
    let asked = ("Access-Control-Request-Headers", "x-api-key");
    let preflight = keyed.host.bare("OPTIONS", "/mcp", &[origin, asked]).response();
    assert_eq!(preflight.status, 204);
    let granted = preflight.header("access-control-allow-headers").unwrap();
    assert!(granted.contains("x-api-key") && granted.contains("authorization"), "{granted}");
    // Clients look there for an authorization server when they hear 401.
    for path in ["/.well-known/oauth-protected-resource", "/register", "/elsewhere"] {
        assert_eq!(keyed.host.bare("GET", path, &[]).response().status, 404, "{path}");
    }
    let refused = keyed.host.bare("GET", "/mcp", &[origin]).response();
    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("access-control-allow-origin"), Some(origin.1));
    let exposed = refused.header("access-control-expose-headers").unwrap();
    assert!(exposed.contains("www-authenticate"), "{exposed}");
    // A page that may not come in at all hears nothing of keys.
    let evil = keyed.host.bare("GET", "/mcp", &[("Origin", "http://evil.example")]).response();
    assert_eq!(evil.status, 403);
}

/// What a page needs to be allowed: all that it will send and read, each named.
#[test]
fn pages_of_named_origins_and_no_others_may_use_keys() {
    let page = "https://ui.example";
    let allowed_origins = vec![page.to_owned()];
    let keyed = keyed(Options { allowed_origins, ..Options::default() });
    let sent = [
        "authorization",
        "x-api-key",
        "content-type",
        "accept",
        "mcp-session-id",
        "mcp-protocol-version",
        "last-event-id",
        "mcp-method",
        "mcp-name",
        "mcp-param-region",
    ];
    let preflight = |origin| {
        let asked = sent.join(", ");
        let headers = [
            ("Origin", origin),
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", &*asked),
        ];
        keyed.host.bare("OPTIONS", "/mcp", &headers).response()
    };
    let granted = preflight(page);
    assert_eq!(granted.status, 204);
    assert_eq!(granted.header("access-control-allow-origin"), Some(page));
    let list = |name| granted.header(name).unwrap().split(", ").collect::<Vec<_>>();
    let headers = list("access-control-allow-headers");
    assert!(sent.iter().all(|name| headers.contains(name)), "{headers:?}");
    let methods = list("access-control-allow-methods");
    assert!(["GET", "POST", "DELETE"].iter().all(|name| methods.contains(name)), "{methods:?}");
    // The answer depends on who asks, so no cache may give it to somebody else.
    assert_eq!(granted.header("vary"), Some("origin"));
    // Keys are sent by the page itself: cookies and the like have no part in it.
    assert_eq!(granted.header("access-control-allow-credentials"), None);
    let readable = |response: &Response, name: &str| {
        assert_eq!(response.header("access-control-allow-origin"), Some(page));
        assert_eq!(response.header("vary"), Some("origin"));
        response.header("access-control-expose-headers").unwrap().contains(name)
    };
    let of_page = [ACCEPT, ("Origin", page), ("X-API-Key", ANN)];
    let opened = keyed.host.post(&of_page, &initialize("0", NEWEST)).response();
    assert!(opened.header("mcp-session-id").is_some() && readable(&opened, "mcp-session-id"));
    for headers in [&of_page[..2], &[ACCEPT, ("Origin", page), ("X-API-Key", OLD)]] {
        let refused = keyed.host.post(headers, "{}").response();
        assert!(refused.status == 401 && readable(&refused, "www-authenticate"));
    }
    let stream = [("Accept", "text/event-stream"), ("Origin", page), ("X-API-Key", ANN)];
    assert!(readable(&keyed.host.bare("GET", "/sse", &stream).events().head, "mcp-session-id"));
    for other in ["https://ui.example.evil", "http://ui.example", "https://ui.example:8443", "null"]
    {
        let refused = preflight(other);
        assert_eq!(refused.status, 403, "{other}");
        assert_eq!(refused.header("access-control-allow-origin"), None, "{other}");
    }
}

#[test]
fn a_body_is_not_waited_for() {
    let keyed = keyed(Options::default());
    let mut http = keyed.host.http();
    http.write(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n");
    assert_eq!(http.response().status, 401);
    let mut http = keyed.host.bare("GET", "/mcp", &[]);
    assert_eq!(http.response().status, 401);
    http.bare("GET", "/mcp", &[]);
    assert_eq!(http.response().status, 401, "without a body the connection stays");
}

#[test]
fn whom_the_host_names_needs_no_key() {
    let keyed = keyed(Options::default());
    let server = &keyed.host.server;
    for (scopes, expected) in [(None, "carl may *"), (Some("a,b"), "carl may a,b")] {
        let opening = ParsedRequest { principal: "carl", scopes, ..peer::message::TRUSTED };
        let peer = server.open_peer(&opening, None).unwrap();
        send(&peer, &initialize("0", NEWEST));
        next(&peer);
        send(&peer, &call("1", OPEN, None));
        assert!(next(&peer).to_string().contains(expected));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut http = peer::Http::connect(&listener.local_addr().unwrap().to_string());
        let socket = listener.accept().unwrap().0;
        let adoption = Adoption { principal: Some("carl"), scopes, ..Adoption::default() };
        server.adopt(socket.into(), adoption).unwrap();
        let body = peer::request("1", "tools/call", &peer::claim(json!({ "name": OPEN })));
        let mut headers = modern_headers("tools/call");
        headers.push(("Mcp-Name", OPEN));
        http.post("/mcp", &headers, &body);
        assert!(http.response().text().contains(expected));
    }
    let opening = ParsedRequest { ..peer::message::TRUSTED };
    assert!(server.open_peer(&opening, None).is_err(), "nobody has vouched for it by name");
}

#[test]
fn a_key_that_is_taken_away_ends_its_channels() {
    let keyed = keyed(Options::default());
    let mut headers = handshake();
    headers.push(("X-API-Key", ANN));
    let mut http = keyed.host.bare("GET", "/mcp", &headers);
    assert_eq!(http.head().status, 101);
    let mut ws = Ws::over(http);
    ws.send(&initialize("0", NEWEST));
    ws.text();
    let fields: [(&str, &[u8]); 2] = [("host", b"localhost"), ("x-api-key", BOB.as_bytes())];
    let opening =
        ParsedRequest { method: "GET", target: "/mcp", headers: &fields, ..peer::message::TRUSTED };
    let peer = keyed.host.server.open_peer(&opening, None).unwrap();
    send(&peer, &initialize("0", NEWEST));
    next(&peer);
    // Bob keeps his, Ann gets another.
    let bob = Key::new("bob", BOB).unwrap().scopes("units:read").unwrap();
    keyed.host.server.set_keys(vec![Key::new("ann", WRONG).unwrap(), bob]).unwrap();
    send(&peer, &call("1", OPEN, None));
    assert!(next(&peer).to_string().contains("bob may units:read"));
    ws.send(&call("1", OPEN, None));
    ws.assert_closes(1008);
    keyed.host.server.set_keys(Vec::new()).unwrap();
    assert_eq!(until_closed(&peer), (Vec::new(), 1008));
    let answer = keyed.host.post(&[ACCEPT, ("X-API-Key", BOB)], "{}").response();
    assert_eq!(answer.status, 401);
}

#[test]
fn who_renews_a_key_keeps_the_session() {
    let keyed = keyed(Options::default());
    let mut opened = keyed.host.post(&[ACCEPT, ("X-API-Key", ANN)], &initialize("0", NEWEST));
    let id = opened.response().header("mcp-session-id").unwrap().to_owned();
    keyed.host.server.set_keys(vec![Key::new("ann", WRONG).unwrap()]).unwrap();
    let post = |secret| {
        let headers = [ACCEPT, ("Mcp-Session-Id", &*id), ("X-API-Key", secret)];
        keyed.host.post(&headers, &call("1", OPEN, None)).response()
    };
    assert_eq!(post(ANN).status, 401);
    let answer = post(WRONG);
    assert_eq!(answer.status, 200);
    assert!(parse(&answer.body).to_string().contains("ann may "));
}

/// Puts a key file in the place of another one, as administrators should.
fn replace(path: &std::path::Path, text: &str) {
    let fresh = path.with_extension("new");
    std::fs::write(&fresh, text).unwrap();
    std::fs::set_permissions(&fresh, Permissions::from_mode(0o600)).unwrap();
    std::fs::rename(&fresh, path).unwrap();
}

#[test]
fn keys_in_a_file_are_as_good_and_follow_it() {
    let keyed = keyed(Options::default());
    let server = &keyed.host.server;
    let path = std::env::temp_dir().join(format!("emcp-matrix-{}", std::process::id()));
    replace(&path, &format!("# ours\nfay {WRONG} scopes=units:write\n"));
    server.set_keys_file(Some(&path)).unwrap();
    let restart = |secret| {
        let (status, answer) = ask(&keyed, secret, "tools/call", json!({ "name": SCOPED }));
        (status, answer.to_string())
    };
    assert!(restart(WRONG).1.contains("fay may units:write"));
    assert!(restart(ANN).1.contains("ann may *"), "those of the host stay");
    let refused =
        |secret| keyed.host.post(&[ACCEPT, ("X-API-Key", secret)], "{}").response().status == 401;
    // Looked at while requests come, and at most once a second.
    let next = "sesame-of-the-next-5";
    replace(&path, &format!("fay {next}"));
    wait_until(|| !refused(next));
    assert!(refused(WRONG) && !refused(next));
    // What cannot be read leaves the old keys, and is said once.
    let told = || {
        let heard = keyed.heard.lock().unwrap();
        heard.iter().filter(|line| line.contains("the old keys stay")).count()
    };
    replace(&path, "fay");
    wait_until(|| {
        assert!(!refused(next));
        told() > 0
    });
    replace(&path, &format!("fay {WRONG}"));
    wait_until(|| !refused(WRONG));
    assert_eq!(told(), 1);
    server.set_keys_file(None).unwrap();
    assert!(refused(WRONG) && !refused(ANN));
    std::fs::remove_file(&path).unwrap();
}

/// What a peer on a Unix socket gets, through our listener and handed over.
fn over_unix(options: Options, header: &str) -> [String; 2] {
    let path = std::env::temp_dir().join(format!("emcp-unix-{}.sock", std::process::id()));
    let identity = Identity { name: "u".into(), version: "1".into(), ..Identity::default() };
    let server = Server::new(identity, options, Limits::default()).unwrap();
    server.set_keys(vec![Key::new("ann", ANN).unwrap()]).unwrap();
    server.listen(&format!("unix:{}", path.display())).unwrap();
    server.start().unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    server.adopt(theirs.into(), Adoption::default()).unwrap();
    [UnixStream::connect(&path).unwrap(), ours].map(|mut socket| {
        socket.set_read_timeout(Some(peer::PATIENCE)).unwrap();
        let head = format!("DELETE /mcp HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{header}\r\n");
        socket.write_all(head.as_bytes()).unwrap();
        let mut reply = String::new();
        socket.read_to_string(&mut reply).unwrap();
        reply[9..12].to_owned()
    })
}

#[test]
fn unix_sockets_need_a_key_too_unless_they_are_trusted() {
    let trusting = || Options { trust_unix: true, ..Options::default() };
    // 400: it came in, and names no session.
    let key = format!("X-API-Key: {ANN}\r\n");
    assert_eq!(over_unix(Options::default(), ""), ["401", "401"]);
    assert_eq!(over_unix(Options::default(), &key), ["400", "400"]);
    assert_eq!(over_unix(trusting(), ""), ["400", "400"]);
    assert_eq!(over_unix(trusting(), &key), ["400", "400"]);
    assert_eq!(over_unix(trusting(), "X-API-Key: wrong\r\n"), ["401", "401"]);
}
