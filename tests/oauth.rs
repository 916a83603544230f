//! Access tokens of an authorization server: every way in, with every fault that a token can have,
//! keys that change, tokens that end, and what clients are told.
#![cfg(feature = "jwt")]

mod peer;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use emcp::{Adoption, Error, Key, OAuth, Options, ParsedRequest, Tool, ToolResult};
use peer::issuer::{ALGORITHMS, ISSUER, Issuer, RESOURCE, claims, encoded, header, now};
use peer::keyed::{ANN, BOB, Keyed, Knock, OPEN, SCOPE, SCOPED, WAYS, Way, keyed};
use peer::message::until_closed;
use peer::pull::Parsed;
use peer::{ACCEPT, NEWEST, Response, Ws, call, handshake, initialize, parse, wait_until};
use ring::hmac;
use serde_json::{Value, json};

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";
const METADATA: &str = "https://monitor.example/.well-known/oauth-protected-resource/mcp";

/// What the tool that everybody may call says to Ann with her token.
const ANN_READS: &str = "https://login.example/realms/ops ann may units:read";

fn oauth() -> OAuth {
    OAuth::new(RESOURCE, ISSUER).unwrap().leeway(Duration::ZERO).unwrap()
}

/// A server that takes tokens of the issuer beside its keys.
fn guarded(oauth: OAuth) -> (Keyed, Issuer) {
    guarded_with(Options::default(), oauth)
}

fn guarded_with(options: Options, oauth: OAuth) -> (Keyed, Issuer) {
    let (keyed, issuer) = (keyed(options), Issuer::new());
    keyed.host.server.set_oauth(Some(oauth)).unwrap();
    let report = keyed.host.server.set_jwks(Some(ISSUER), &issuer.jwks(&ALGORITHMS)).unwrap();
    assert_eq!((report.keys, report.ignored), (ALGORITHMS.len(), Vec::new()));
    (keyed, issuer)
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// Knocks at every way with this token; those that need a session find one of Ann's.
fn each(keyed: &Keyed, owner: &str, token: &str, check: impl Fn(Way, u16, &str, &str)) {
    let bearer = bearer(token);
    let headers = &[("Authorization", &*bearer)];
    for way in WAYS {
        let answer = keyed.knock(way, Knock { headers, owner, ..Knock::default() });
        check(way, answer.status, &answer.challenge.unwrap_or_default(), &answer.text);
    }
}

/// Every way answers 401, with a challenge that leads on; a host writes its own answer to a
/// handshake that it has parsed.
#[track_caller]
fn refused(keyed: &Keyed, issuer: &Issuer, token: &str, why: &str) {
    each(keyed, &issuer.token("ES256"), token, |way, status, challenge, text| {
        assert_eq!(status, 401, "{way:?} {why}: {text}");
        assert!(text.contains(why), "{way:?} {why}: {text}");
        if way != Way::PeerDoor {
            let begin = r#"Bearer realm="guarded", error="invalid_token", error_description=""#;
            assert!(challenge.starts_with(begin), "{way:?} {challenge}");
            assert!(challenge.ends_with(&format!(r#"", resource_metadata="{METADATA}""#)));
            assert!(challenge.contains(why), "{challenge}");
        }
    });
}

#[track_caller]
fn refused_claims(changes: Value, why: &str) {
    let (keyed, issuer) = guarded(oauth());
    refused(&keyed, &issuer, &issuer.token_with("ES256", &changes), why);
}

#[test]
fn good_tokens_come_in_by_every_way() {
    let (keyed, issuer) = guarded(oauth());
    for algorithm in ALGORITHMS {
        let token = issuer.token(algorithm);
        each(&keyed, &token, &token, |way, status, _, text| {
            assert_eq!(status, way.welcome(), "{way:?} {algorithm} {text}");
            assert!(!way.carries_calls() || text.contains(ANN_READS), "{way:?} {text}");
        });
    }
    // Another token of hers finds her session; its scopes are its own.
    let more = issuer.token_with("RS256", &json!({ "scope": format!("units:read {SCOPE}") }));
    each(&keyed, &issuer.token("ES256"), &more, |way, status, _, text| {
        assert_eq!(status, way.welcome(), "{way:?} {text}");
        assert!(!way.carries_calls() || text.contains("ann may units:read,units:write"), "{text}");
    });
}

#[test]
fn no_token() {
    let (keyed, _) = guarded(oauth().scopes("units:read,units:list").unwrap());
    for way in WAYS.into_iter().filter(|way| !way.has_session() && *way != Way::PeerDoor) {
        let answer = keyed.knock(way, Knock::default());
        let expected = format!(
            r#"Bearer realm="guarded", scope="units:read units:list", resource_metadata="{METADATA}""#
        );
        assert_eq!((answer.status, answer.challenge), (401, Some(expected)), "{way:?}");
        assert!(answer.text.contains("an access token is needed"), "{way:?} {}", answer.text);
    }
    assert!(keyed.host.server.stats().auth_missing > 0);
}

#[test]
fn tokens_that_are_not_signed_or_signed_with_what_everybody_has() {
    let (keyed, issuer) = guarded(oauth());
    let claims = claims(&json!({})).to_string();
    let unsigned =
        |alg: &str| format!("{}.{}.", encoded(json!({ "alg": alg }).to_string()), encoded(&claims));
    for alg in ["none", "None", "NONE", ""] {
        refused(&keyed, &issuer, &unsigned(alg), "an algorithm that is not accepted");
    }
    // A signature that somebody has taken off.
    let good = issuer.token("ES256");
    let (message, signature) = good.rsplit_once('.').unwrap();
    refused(&keyed, &issuer, &format!("{message}."), "the signature of the token is wrong");
    refused(
        &keyed,
        &issuer,
        &format!("{}.{signature}", unsigned("none").trim_end_matches('.')),
        "an algorithm",
    );
    // The public key taken for the secret of an HMAC.
    for secret in issuer.public_keys() {
        for kid in ["rs256", "es256"] {
            let header = json!({ "alg": "HS256", "kid": kid, "typ": "at+jwt" });
            let message = format!("{}.{}", encoded(header.to_string()), encoded(&claims));
            let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
            let signature = encoded(hmac::sign(&key, message.as_bytes()));
            let answer = modern(&keyed, &format!("{message}.{signature}"), OPEN);
            assert!(answer.0 == 401 && answer.1.contains("an algorithm that is not"), "{answer:?}");
        }
    }
}

#[test]
fn tokens_of_somebody_else() {
    let (keyed, issuer) = guarded(oauth());
    let other = Issuer::new();
    for algorithm in ["ES256", "ES384", "EdDSA"] {
        refused(&keyed, &issuer, &other.token(algorithm), "the signature of the token is wrong");
    }
    // A key of the sender's in the header is not looked at.
    let mut header = header("ES256");
    let set: Value = serde_json::from_str(&other.jwks(&["ES256"])).unwrap();
    header["jwk"] = set["keys"][0].clone();
    header["jku"] = "https://evil.example/jwks".into();
    let token = other.sign("ES256", &header, &claims(&json!({})).to_string());
    refused(&keyed, &issuer, &token, "the signature of the token is wrong");
    assert!(keyed.host.server.stats().auth_refused > 0);
}

#[test]
fn a_key_for_one_algorithm_is_for_no_other() {
    let (keyed, issuer) = guarded(oauth());
    let claims = claims(&json!({})).to_string();
    for (signed, said, kid) in [
        ("PS256", "RS256", "rs256"),
        ("RS256", "PS256", "ps256"),
        ("ES256", "RS256", "rs256"),
        ("EdDSA", "ES256", "es256"),
    ] {
        let token = issuer.sign(signed, &json!({ "alg": said, "kid": kid }), &claims);
        refused(&keyed, &issuer, &token, "the signature of the token is wrong");
    }
    // The curve, or the algorithm, that the key is not for.
    for (alg, kid) in [("ES384", "es256"), ("RS256", "ps256"), ("EdDSA", "es256")] {
        let token = issuer.sign(alg, &json!({ "alg": alg, "kid": kid }), &claims);
        refused(&keyed, &issuer, &token, "a key that is not known here");
    }
    let (only, issuer) = guarded(oauth().algorithms("EdDSA").unwrap());
    let answer = modern(&only, &issuer.token("RS256"), OPEN);
    assert!(answer.0 == 401 && answer.1.contains("an algorithm that is not"), "{answer:?}");
    assert_eq!(modern(&only, &issuer.token("EdDSA"), OPEN).0, 200);
}

#[test]
fn another_issuer() {
    refused_claims(json!({ "iss": "https://login.example/realms/dev" }), "another issuer");
}

#[test]
fn another_audience() {
    refused_claims(json!({ "aud": "https://other.example/mcp" }), "for another resource");
}

#[test]
fn an_expired_token() {
    refused_claims(json!({ "exp": now() - 1 }), "has expired");
}

#[test]
fn a_token_that_begins_later() {
    refused_claims(json!({ "nbf": now() + 3600 }), "not valid yet");
}

#[test]
fn a_token_that_never_ends() {
    refused_claims(json!({ "exp": null }), "no time at which it ends");
}

#[test]
fn a_token_of_nobody() {
    refused_claims(json!({ "sub": null }), "does not say whose it is");
}

#[test]
fn a_token_that_is_bound_to_its_client() {
    refused_claims(json!({ "cnf": { "jkt": "x" } }), "bound to a key of its client");
}

#[test]
fn tokens_of_another_type_or_with_extensions() {
    let (keyed, issuer) = guarded(oauth());
    let claims = claims(&json!({})).to_string();
    for (member, value, why) in [
        ("typ", json!("logout+jwt"), "send an access token"),
        ("crit", json!(["exp"]), "an extension that is not understood"),
    ] {
        let mut header = header("ES256");
        header[member] = value;
        refused(&keyed, &issuer, &issuer.sign("ES256", &header, &claims), why);
    }
}

#[test]
fn broken_tokens() {
    let (keyed, issuer) = guarded(oauth());
    let good = issuer.token("EdDSA");
    let broken = "not a signed JSON Web Token";
    let head = good.split_once('.').unwrap().0;
    for token in ["a.b.c", "..", &format!("{head}.."), &good[2..]] {
        refused(&keyed, &issuer, token, broken);
    }
    for end in [1, 2, 40] {
        let short = &good[..good.len() - end];
        let answer = modern(&keyed, short, OPEN);
        assert!(answer.0 == 401 && answer.1.contains("invalid_token"), "{answer:?}");
    }
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(40), "]".repeat(40));
    let twice = claims(&json!({})).to_string().replacen('{', r#"{"aud":"x","#, 1);
    for claims in [&*deep, &twice, "[]", "null", "", "{\"iss\":"] {
        refused(&keyed, &issuer, &issuer.sign("ES256", &header("ES256"), claims), broken);
    }
    // Two parts, or four, are no token but may be a key.
    for text in ["a.b", "a.b.c.d", &format!("{good}.{good}")] {
        let answer = modern(&keyed, text, OPEN);
        assert!(answer.0 == 401 && answer.1.contains("this key is not valid"), "{answer:?}");
    }
    let (small, issuer) = guarded(oauth().token_bytes(512).unwrap());
    let huge = issuer.token_with("ES256", &json!({ "groups": "x".repeat(600) }));
    let answer = modern(&small, &huge, OPEN);
    assert!(answer.0 == 401 && answer.1.contains("the token is too long"), "{answer:?}");
    assert_eq!(modern(&small, &issuer.token("ES256"), OPEN).0, 200);
    // What the head does not hold never gets here.
    let enormous = issuer.token_with("ES256", &json!({ "groups": "x".repeat(20_000) }));
    assert_eq!(modern(&small, &enormous, OPEN).0, 431);
}

/// One modern call: its status, and its challenge with its text.
fn modern(keyed: &Keyed, token: &str, tool: &str) -> (u16, String) {
    let bearer = bearer(token);
    let headers = &[("Authorization", &*bearer)];
    let answer = keyed.knock(Way::ModernPost, Knock { headers, tool, ..Knock::default() });
    (answer.status, answer.challenge.unwrap_or_default() + "\n" + &answer.text)
}

#[test]
fn tokens_stand_in_the_header_and_nowhere_else() {
    let on = Options { key_in_query: true, ..Options::default() };
    let (keyed, issuer) = guarded_with(on, oauth());
    let token = issuer.token("ES256");
    let knock = |headers: &[(&str, &str)], query: &str| {
        let knock = Knock { headers, query, ..Knock::default() };
        keyed.knock(Way::ModernPost, knock)
    };
    for query in [format!("?access_token={token}"), format!("?api_key={token}")] {
        assert_eq!(knock(&[], &query).status, 401, "{query}");
    }
    assert_eq!(knock(&[("X-API-Key", &token)], "").status, 401);
    assert_eq!(knock(&[("Authorization", &format!("DPoP {token}"))], "").status, 401);
    assert_eq!(knock(&[("Authorization", &format!("bearer {token}"))], "").status, 200);
    let two = [("Authorization", &*bearer(&token)), ("X-API-Key", ANN)];
    assert_eq!(knock(&two, "").status, 400, "whose request would it be?");
}

#[test]
fn keys_stay_good_beside_tokens() {
    let (keyed, issuer) = guarded(oauth());
    each(&keyed, ANN, ANN, |way, status, _, text| {
        assert_eq!(status, way.welcome(), "{way:?} {text}");
        assert!(!way.carries_calls() || text.contains("ann may *"), "{way:?} {text}");
    });
    // One that looks like a token is taken for one, unless it comes where no token does.
    let odd = "sesame-of-odd.000001.a";
    keyed.host.server.add_key(Key::new("odd", odd).unwrap()).unwrap();
    refused(&keyed, &issuer, odd, "not a signed JSON Web Token");
    let headers = &[("X-API-Key", odd)];
    let answer = keyed.knock(Way::ModernPost, Knock { headers, ..Knock::default() });
    assert!(answer.text.contains("odd may "), "{answer:?}");
    // When no tokens are taken any more they are keys that nobody has given out.
    keyed.host.server.set_oauth(None).unwrap();
    let answer = modern(&keyed, &issuer.token("ES256"), OPEN);
    assert_eq!(answer.0, 401);
    assert!(
        answer.1.starts_with(r#"Bearer realm="guarded", error="invalid_token""#)
            && answer.1.contains("this key")
    );
    assert_eq!(modern(&keyed, odd, OPEN).0, 200);
}

#[test]
fn tokens_alone_close_the_door() {
    let host = peer::host();
    assert_eq!({ host.bare("GET", "/mcp", &[ACCEPT]) }.head().status, 200);
    host.server.set_oauth(Some(oauth())).unwrap();
    assert_eq!({ host.bare("GET", "/mcp", &[ACCEPT]) }.head().status, 401);
    host.server.set_oauth(None).unwrap();
    assert_eq!({ host.bare("GET", "/mcp", &[ACCEPT]) }.head().status, 401, "it stays closed");
}

#[test]
fn a_session_of_another_identity() {
    let (keyed, issuer) = guarded(oauth().issuer("https://other.example").unwrap());
    keyed.host.server.set_jwks(Some("https://other.example"), &issuer.jwks(&["ES256"])).unwrap();
    let ann = issuer.token("ES256");
    let bob = issuer.token_with("ES256", &json!({ "sub": "bob" }));
    let client = issuer.token_with("ES256", &json!({ "sub": null, "client_id": "ann" }));
    let namesake = issuer.token_with("ES256", &json!({ "iss": "https://other.example" }));
    for way in WAYS.into_iter().filter(|way| way.has_session()) {
        for stranger in [&bob, &client, &namesake, BOB, ANN] {
            let bearer = bearer(stranger);
            let headers = &[("Authorization", &*bearer)];
            let answer = keyed.knock(way, Knock { headers, owner: &ann, ..Knock::default() });
            assert_eq!(answer.status, 404, "{way:?} {answer:?}");
        }
        let bearer = bearer(&ann);
        let headers = &[("Authorization", &*bearer)];
        let answer = keyed.knock(way, Knock { headers, owner: ANN, ..Knock::default() });
        assert_eq!(answer.status, 404, "{way:?} the key of the same name: {answer:?}");
    }
}

#[test]
fn a_scope_that_is_missing() {
    let (keyed, issuer) = guarded(oauth().implies("units:admin", SCOPE).unwrap());
    let token = issuer.token("ES256");
    let bearer = bearer(&token);
    let headers = &[("Authorization", &*bearer)];
    for way in WAYS.into_iter().filter(|way| way.carries_calls()) {
        let answer = keyed.knock(way, Knock { headers, owner: &token, tool: SCOPED, query: "" });
        assert!(answer.text.contains("restart needs the scope units:write"), "{way:?} {answer:?}");
        if way.has_status() {
            let challenge = format!(
                r#"Bearer error="insufficient_scope", scope="units:write", error_description="the token lacks a scope: ask for one with all that are named here", resource_metadata="{METADATA}""#
            );
            assert_eq!((answer.status, answer.challenge), (403, Some(challenge)), "{way:?}");
        }
    }
    for scope in [SCOPE, "a units:write b", "units:admin"] {
        let token = issuer.token_with("ES256", &json!({ "scope": scope }));
        assert_eq!(modern(&keyed, &token, SCOPED).0, 200, "{scope}");
    }
    for scope in ["*", "units:write,", "units", "units:*", "UNITS:WRITE"] {
        let token = issuer.token_with("ES256", &json!({ "scope": scope }));
        assert_eq!(modern(&keyed, &token, SCOPED).0, 403, "{scope}");
    }
    let listed = issuer.token_with("ES256", &json!({ "scope": null, "scp": ["x", SCOPE] }));
    assert_eq!(modern(&keyed, &listed, SCOPED).0, 200);
}

#[test]
fn a_scope_that_everybody_needs() {
    let (keyed, issuer) = guarded(oauth().required_scopes("units:read,mcp").unwrap());
    let owner = issuer.token_with("ES256", &json!({ "scope": "mcp units:read" }));
    each(&keyed, &owner, &issuer.token("ES256"), |way, status, challenge, text| {
        assert_eq!(status, 403, "{way:?} {text}");
        let named = r#"error="insufficient_scope""#;
        let is_told = challenge.contains(named) && challenge.contains(r#"scope="units:read mcp""#);
        assert!(is_told || way == Way::PeerDoor, "{way:?} {challenge}");
    });
    each(&keyed, &owner, &owner, |way, status, _, text| {
        assert_eq!(status, way.welcome(), "{way:?} {text}");
    });
    // One challenge names all that is needed for a call.
    let answer = modern(&keyed, &owner, SCOPED);
    assert!(
        answer.0 == 403 && answer.1.contains(r#"scope="units:read mcp units:write""#),
        "{answer:?}"
    );
    assert_eq!(modern(&keyed, ANN, SCOPED).0, 200, "keys have scopes of their own");
    // A page hears it too.
    let auth = bearer(&issuer.token("ES256"));
    let page = [("Authorization", &*auth), ("Origin", "http://localhost:6274")];
    let refused = keyed.host.bare("GET", "/mcp", &page).response();
    assert_eq!(refused.status, 403);
    assert_eq!(refused.header("access-control-allow-origin"), Some("http://localhost:6274"));
    let exposed = refused.header("access-control-expose-headers").unwrap();
    assert!(exposed.contains("www-authenticate"), "{exposed}");
}

#[test]
fn the_claims_reach_the_functions() {
    let (keyed, issuer) = guarded(oauth());
    let tool = Tool::new("claims").unwrap().description("For tests.");
    let tell = |call: emcp::Call| {
        let text = call.caller().claims.to_string();
        call.reply(ToolResult::text(text));
    };
    keyed.host.server.add_tool(tool, tell).unwrap();
    let token = issuer.token_with("EdDSA", &json!({ "groups": ["ops", "dev"] }));
    for (owner, expected) in [(&*token, r#"\"groups\":[\"ops\",\"dev\"]"#), (ANN, r#""text":"""#)] {
        let bearer = bearer(owner);
        let headers = &[("Authorization", &*bearer)];
        for way in WAYS.into_iter().filter(|way| way.carries_calls()) {
            let answer = keyed.knock(way, Knock { headers, owner, tool: "claims", query: "" });
            assert!(answer.text.contains(expected), "{way:?} {answer:?}");
        }
    }
}

/// Opens a WebSocket with a token and shakes hands; what closes it is still to come.
fn websocket(keyed: &Keyed, token: &str) -> Result<Ws, Response> {
    let mut headers = handshake();
    let bearer = bearer(token);
    headers.push(("Authorization", &bearer));
    let mut http = keyed.host.bare("GET", "/mcp", &headers);
    let head = http.head();
    if head.status != 101 {
        return Err(head);
    }
    let mut ws = Ws::over(http);
    ws.send(&initialize("0", NEWEST));
    assert!(ws.text().contains("serverInfo"));
    Ok(ws)
}

#[test]
fn a_token_that_ends_ends_its_channels() {
    let (keyed, issuer) = guarded(oauth());
    // Longer from try to try: a slow machine must get in before its token has expired.
    for seconds in [2, 8, 30] {
        let token = issuer.token_with("EdDSA", &json!({ "exp": now() + seconds }));
        let Ok(mut ws) = websocket(&keyed, &token) else { continue };
        let headers: [(&str, &[u8]); 2] =
            [("host", b"localhost"), ("authorization", &bearer(&token).into_bytes())];
        let opening = ParsedRequest {
            method: "GET",
            target: "/mcp",
            headers: &headers,
            ..Default::default()
        };
        let Ok(peer) = keyed.host.server.open_peer(&opening, None) else { continue };
        wait_until(|| modern(&keyed, &token, OPEN).1.contains("has expired"));
        ws.assert_closes(1008);
        assert_eq!(until_closed(&peer).1, 1008);
        return;
    }
    panic!("no token was let in while it was good");
}

#[test]
fn a_session_needs_a_good_token_for_each_request() {
    let (keyed, issuer) = guarded(oauth());
    let token = issuer.token("ES256");
    let auth = bearer(&token);
    let opened = { keyed.host.post(&[ACCEPT, ("Authorization", &auth)], &initialize("0", NEWEST)) }
        .response();
    let id = opened.header("mcp-session-id").unwrap().to_owned();
    let call = |token: &str| {
        let auth = bearer(token);
        let headers = [ACCEPT, ("Mcp-Session-Id", &*id), ("Authorization", &auth)];
        { keyed.host.post(&headers, &call("1", OPEN, None)) }.response().status
    };
    assert_eq!(call(&token), 200);
    assert_eq!(call(&issuer.token_with("ES256", &json!({ "exp": now() - 1 }))), 401);
    assert_eq!(call(&issuer.token("RS256")), 200, "a fresh one of hers goes on with the session");
}

#[test]
fn keys_that_an_issuer_takes_away_end_what_they_have_opened() {
    let (keyed, issuer) = guarded(oauth());
    let server = &keyed.host.server;
    let mut gone = websocket(&keyed, &issuer.token("ES256")).unwrap();
    let mut stays = websocket(&keyed, &issuer.token("EdDSA")).unwrap();
    server.set_jwks(Some(ISSUER), &issuer.jwks(&["EdDSA"])).unwrap();
    gone.assert_closes(1008);
    stays.send(&call("1", OPEN, None));
    assert!(stays.text().contains(ANN_READS));
    assert!(modern(&keyed, &issuer.token("ES256"), OPEN).1.contains("a key that is not known"));
    // Other rules: everybody must come again.
    server.set_oauth(Some(oauth().required_scopes("units:read").unwrap())).unwrap();
    stays.assert_closes(1008);
    assert_eq!(modern(&keyed, &issuer.token("EdDSA"), OPEN).0, 200, "its key is still there");
}

#[test]
fn the_host_is_asked_for_keys_that_are_missing() {
    let (keyed, issuer) = guarded(oauth());
    let server = &keyed.host.server;
    let wanted = || {
        let heard = keyed.heard.lock().unwrap();
        heard.iter().filter(|line| line.contains("jwks wanted")).count()
    };
    server.set_jwks(None, r#"{"keys":[]}"#).unwrap();
    // Neither a forged token nor one for somebody else is a reason to ask.
    modern(&keyed, &issuer.token_with("ES256", &json!({ "aud": "x" })), OPEN);
    modern(&keyed, &issuer.token_with("ES256", &json!({ "iss": "https://evil.example" })), OPEN);
    assert_eq!(server.stats().jwks_wanted, 0);
    let token = issuer.token("ES256");
    for _ in 0..20 {
        assert!(modern(&keyed, &token, OPEN).1.contains("a key that is not known here"));
    }
    wait_until(|| wanted() > 0);
    assert!(keyed.heard.lock().unwrap().contains(&format!("jwks wanted: {ISSUER}")));
    server.set_jwks(None, &issuer.jwks(&["ES256"])).unwrap();
    assert_eq!(modern(&keyed, &token, OPEN).0, 200);
    let stats = server.stats();
    assert!(stats.jwks_wanted == 1 && wanted() == 1, "once in a while: {}", stats.jwks_wanted);
}

#[test]
fn keys_change_under_load() {
    let (keyed, issuer) = guarded(oauth());
    let (is_over, calls) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for algorithm in ["ES256", "EdDSA"] {
            let (keyed, token, is_over, calls) =
                (&keyed, issuer.token(algorithm), &is_over, &calls);
            scope.spawn(move || {
                while !is_over.load(SeqCst) {
                    let answer = modern(keyed, &token, OPEN);
                    assert_eq!(answer.0, 200, "{answer:?}");
                    calls.fetch_add(1, SeqCst);
                }
            });
        }
        for round in 0.. {
            let sets = [&["ES256", "EdDSA"][..], &["EdDSA", "ES256", "RS256"], &ALGORITHMS];
            keyed.host.server.set_jwks(None, &issuer.jwks(sets[round % 3])).unwrap();
            if calls.load(SeqCst) > 100 {
                break;
            }
        }
        is_over.store(true, SeqCst);
    });
    assert_eq!(keyed.host.server.stats().auth_refused, 0);
}

/// A response that has the metadata.
#[track_caller]
fn assert_metadata(response: &Response) {
    assert_eq!(response.status, 200);
    for (name, value) in [
        ("content-type", "application/json"),
        ("cache-control", "public, max-age=300"),
        ("access-control-allow-origin", "*"),
    ] {
        assert_eq!(response.header(name), Some(value), "{response:?}");
    }
}

fn document() -> Value {
    json!({
        "resource": RESOURCE,
        "authorization_servers": [ISSUER, "https://other.example"],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["units:read"],
        "resource_name": "Units",
        "resource_documentation": "https://monitor.example/docs",
    })
}

fn described() -> OAuth {
    let oauth = oauth().issuer("https://other.example").unwrap().title("Units");
    oauth.scopes("units:read").unwrap().documentation("https://monitor.example/docs").unwrap()
}

#[test]
fn the_metadata_is_where_clients_look_for_it() {
    let keyed = keyed(Options::default());
    let server = &keyed.host.server;
    let get = |method: &str, path: &str, headers: &[(&str, &str)]| {
        let mut http = keyed.host.bare(method, path, headers);
        if method == "HEAD" { http.head() } else { http.response() }
    };
    for path in [WELL_KNOWN, &format!("{WELL_KNOWN}/mcp")] {
        for method in ["GET", "OPTIONS", "POST", "DELETE"] {
            assert_eq!(get(method, path, &[]).status, 404, "{method} {path}: keys alone");
        }
    }
    server.set_oauth(Some(described())).unwrap();
    let evil = ("Origin", "https://evil.example");
    for path in [WELL_KNOWN, &format!("{WELL_KNOWN}/mcp"), &format!("{WELL_KNOWN}/mcp?x=y")] {
        let response = get("GET", path, &[]);
        assert_metadata(&response);
        assert_eq!(parse(&response.body), document(), "{path}");
        // It is for everybody, browsers and those with a wrong credential too.
        assert_metadata(&get("GET", path, &[evil, ("Authorization", "Bearer x")]));
        assert_metadata(&get("HEAD", path, &[]));
        let asked = ("Access-Control-Request-Headers", "mcp-protocol-version");
        let preflight = get("OPTIONS", path, &[evil, asked]);
        assert_eq!(preflight.status, 204);
        assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));
        let granted = preflight.header("access-control-allow-headers").unwrap();
        assert!(granted.contains("mcp-protocol-version"), "{granted}");
        for method in ["POST", "DELETE", "PUT"] {
            let response = get(method, path, &[]);
            assert_eq!(
                (response.status, response.header("allow")),
                (405, Some("GET, HEAD, OPTIONS"))
            );
        }
    }
    for path in [
        &format!("{WELL_KNOWN}/other"),
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
        "/register",
    ] {
        assert_eq!(get("GET", path, &[]).status, 404, "{path}");
    }
    // A page that has come here by a name of its own reads nothing.
    let mut http = keyed.host.http();
    http.write(format!("GET {WELL_KNOWN} HTTP/1.1\r\nHost: evil.example\r\n\r\n").as_bytes());
    assert_eq!(http.response().status, 403);
    server.set_oauth(None).unwrap();
    assert_eq!(get("GET", WELL_KNOWN, &[]).status, 404);
}

#[test]
fn the_metadata_comes_through_every_door() {
    let (keyed, _) =
        guarded_with(Options { path: "/agent/mcp".into(), ..Options::default() }, oauth());
    let server = &keyed.host.server;
    server.set_oauth(Some(described())).unwrap();
    // By its path here, by that which clients know, and at the root.
    for path in ["", "/agent/mcp", "/mcp"] {
        let target = format!("{WELL_KNOWN}{path}");
        let mut parsed = Parsed::new("GET", &[], "");
        parsed.target = target.clone();
        let pulled = parsed.whole(server);
        assert_eq!((pulled.head.status, parse(&pulled.body)), (200, document()), "{target}");
        parsed.method = "HEAD".into();
        let pulled = parsed.whole(server);
        assert_eq!((pulled.head.status, pulled.body.len()), (200, 0));
        parsed.method = "OPTIONS".into();
        assert_eq!(parsed.whole(server).head.status, 204);
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(peer::PATIENCE)).unwrap();
        server.adopt(theirs.into(), Adoption::default()).unwrap();
        let request = format!("GET {target} HTTP/1.1\r\nHost: any\r\nConnection: close\r\n\r\n");
        ours.write_all(request.as_bytes()).unwrap();
        let mut reply = String::new();
        ours.read_to_string(&mut reply).unwrap();
        let body = reply.split_once("\r\n\r\n").unwrap().1;
        assert_eq!(parse(body.as_bytes()), document(), "{reply}");
        // It is no place for a WebSocket.
        let headers: [(&str, &[u8]); 1] = [("host", b"localhost")];
        let opening = ParsedRequest {
            method: "GET",
            target: &target,
            headers: &headers,
            ..Default::default()
        };
        let denied = server.open_peer(&opening, None).err();
        assert!(matches!(denied, Some(Error::Denied { status: 404, .. })), "{denied:?}");
    }
}

#[test]
fn a_challenge_leads_to_the_metadata() {
    let (keyed, issuer) = guarded(described());
    let origin = ("Origin", "http://localhost:6274");
    let refused = keyed.host.bare("GET", "/mcp", &[origin]).response();
    let exposed = refused.header("access-control-expose-headers").unwrap();
    assert!(exposed.contains("www-authenticate"), "{exposed}");
    let challenge = refused.header("www-authenticate").unwrap();
    let url = challenge.split("resource_metadata=\"").nth(1).unwrap().split('"').next().unwrap();
    let path = url.strip_prefix("https://monitor.example").unwrap();
    let found = keyed.host.bare("GET", path, &[]).response();
    let resource = parse(&found.body)["resource"].as_str().unwrap().to_owned();
    let token = issuer.token_with("ES256", &json!({ "aud": [resource] }));
    assert_eq!(modern(&keyed, &token, OPEN).0, 200);
}

/// Tells whether the hooks got a line with `part`; in host mode that takes its time.
fn hears(keyed: &Keyed, part: &str) -> bool {
    keyed.heard.lock().unwrap().iter().any(|line| line.contains(part))
}

#[test]
fn nothing_tells_a_token() {
    let (keyed, issuer) = guarded(oauth());
    let other = Issuer::new();
    let tokens = [
        issuer.token("RS256"),
        issuer.token_with("ES256", &json!({ "exp": 1 })),
        issuer.token_with("ES256", &json!({ "aud": "x" })),
        issuer.sign(
            "ES256",
            &json!({ "alg": "ES256", "kid": "gone" }),
            &claims(&json!({})).to_string(),
        ),
        other.token("EdDSA"),
        "eyJ4.secret-part.secret-end".to_owned(),
    ];
    for token in &tokens {
        for tool in [OPEN, SCOPED] {
            let bearer = bearer(token);
            let headers = &[("Authorization", &*bearer)];
            for way in WAYS {
                keyed.knock(way, Knock { headers, owner: &tokens[0], tool, query: "" });
            }
        }
    }
    let stats = keyed.host.server.stats();
    assert!(stats.calls_succeeded > 0 && stats.scopes_refused > 0);
    assert!(stats.auth_expired > 0 && stats.auth_refused > 0);
    wait_until(|| hears(&keyed, "auth: 127.0.0.1:") && hears(&keyed, "refused, expired token"));
    let heard = keyed.heard.lock().unwrap().clone();
    let answers = keyed.answers.lock().unwrap().clone();
    let metrics = vec![stats.to_prometheus()];
    for text in heard.iter().chain(&answers).chain(&metrics) {
        for token in &tokens {
            // Neither the whole nor a part that could be put together again.
            assert!(token.split('.').skip(1).all(|part| !text.contains(part)), "{text}");
        }
    }
}

#[test]
fn a_set_without_good_keys_changes_nothing() {
    let (keyed, issuer) = guarded(oauth());
    let server = &keyed.host.server;
    let weak = r#"{"keys":[{"kty":"RSA","kid":"w","n":"gYGB","e":"AQAB"}]}"#;
    for (text, why) in [("", "jwks"), ("{}", "keys"), (weak, "RSA of 24 bits")] {
        let error = server.set_jwks(None, text).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    assert!(matches!(server.set_jwks(Some("https://x.example"), weak), Err(Error::Config(_))));
    let good = issuer.jwks(&["ES256"]);
    assert!(matches!(server.set_jwks(Some("https://x.example"), &good), Err(Error::NotFound(_))));
    assert_eq!(modern(&keyed, &issuer.token("RS256"), OPEN).0, 200);
    let both = good.replacen("[", &format!("[{},", &weak[9..weak.len() - 2]), 1);
    let report = server.set_jwks(None, &both).unwrap();
    assert!(report.keys == 1 && report.ignored[0].contains("key \"w\""), "{report:?}");
    wait_until(|| hears(&keyed, "ignored: 1. key \"w\""));
}

#[test]
fn a_bad_token_costs_no_body() {
    let (keyed, _) = guarded(oauth());
    let mut http = keyed.host.http();
    let head = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer a.b.c\r\n";
    http.write(format!("{head}Content-Length: 1000\r\n\r\n").as_bytes());
    assert_eq!(http.response().status, 401);
}
