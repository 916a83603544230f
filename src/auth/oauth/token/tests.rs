//! What is read out of a token, and what the cheap rules refuse. No signature is checked here.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;

const NOW: f64 = 1_000_000.0;
const ISSUER: &str = "https://login.example";
const RESOURCE: &str = "https://monitor.example/mcp";

fn rules() -> OAuth {
    OAuth::new(RESOURCE, ISSUER).unwrap()
}

fn header() -> Value {
    json!({ "alg": "ES256", "kid": "k", "typ": "at+jwt" })
}

fn claims() -> Value {
    json!({ "iss": ISSUER, "aud": RESOURCE, "exp": NOW + 10.0, "sub": "ann" })
}

fn with(mut object: Value, member: &str, value: Value) -> Value {
    match value {
        Value::Null => object.as_object_mut().unwrap().remove(member),
        value => object.as_object_mut().unwrap().insert(member.into(), value),
    };
    object
}

fn token(header: &str, claims: &str) -> String {
    [header, claims, "signature"].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".")
}

#[track_caller]
fn check(rules: &OAuth, header: &str, claims: &str, expected: Result<&str, Fault>) {
    let text = token(header, claims);
    let read = Token::read(&text, rules, NOW);
    let got = read.map(|token| token.claims.principal().unwrap()).map_err(|refused| refused.fault);
    assert_eq!(got, expected.map(str::to_owned), "{header} {claims}");
}

#[track_caller]
fn refused(member: &str, value: Value, fault: Fault) {
    let claims = with(claims(), member, value);
    check(&rules(), &header().to_string(), &claims.to_string(), Err(fault));
}

#[track_caller]
fn accepted(member: &str, value: Value) {
    let claims = with(claims(), member, value);
    check(&rules(), &header().to_string(), &claims.to_string(), Ok("https://login.example ann"));
}

#[track_caller]
fn header_with(rules: &OAuth, member: &str, value: Value, expected: Option<Fault>) {
    let header = with(header(), member, value);
    let expected = expected.map_or(Ok("https://login.example ann"), Err);
    check(rules, &header.to_string(), &claims().to_string(), expected);
}

#[test]
fn three_parts_of_base64url_look_like_a_token() {
    for text in ["a.b.c", "..", "a.b.", "aA0-_.b.c"] {
        assert!(is_token(text.as_bytes()), "{text}");
    }
    for text in ["", "a", "a.b", "a.b.c.d", "a.b.c d", "a=.b.c", "a+.b.c", "sesame-of-ann"] {
        assert!(!is_token(text.as_bytes()), "{text}");
    }
}

#[test]
fn algorithms() {
    header_with(&rules(), "alg", "RS256".into(), None);
    header_with(&rules(), "alg", "EdDSA".into(), None);
    for alg in ["none", "None", "nOnE", "", "HS256", "HS512", "es256", "RS384", "ES256K"] {
        header_with(&rules(), "alg", alg.into(), Some(Fault::Algorithm));
    }
    let only = rules().algorithms("RS384").unwrap();
    header_with(&only, "alg", "RS384".into(), None);
    header_with(&only, "alg", "ES256".into(), Some(Fault::Algorithm));
    header_with(&rules(), "alg", Value::Null, Some(Fault::Malformed));
    header_with(&rules(), "alg", json!(["ES256"]), Some(Fault::Malformed));
}

#[test]
fn types() {
    let strict = rules().typed_only(true);
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt"] {
        header_with(&strict, "typ", typ.into(), None);
    }
    for typ in [json!("JWT"), json!("jwt"), json!("application/jwt"), Value::Null] {
        header_with(&rules(), "typ", typ.clone(), None);
        header_with(&strict, "typ", typ, Some(Fault::Type));
    }
    for typ in ["dpop+jwt", "logout+jwt", "secevent+jwt", ""] {
        header_with(&rules(), "typ", typ.into(), Some(Fault::Type));
    }
}

#[test]
fn extensions_are_refused_and_keys_in_the_header_ignored() {
    for crit in [json!(["b64"]), json!([]), json!("exp"), json!(false)] {
        header_with(&rules(), "crit", crit, Some(Fault::Critical));
    }
    let header = r#"{"alg":"ES256","crit":null}"#;
    check(&rules(), header, &claims().to_string(), Err(Fault::Critical));
    header_with(&rules(), "jwk", json!({ "kty": "oct", "k": "AA" }), None);
    header_with(&rules(), "jku", "https://evil.example/jwks".into(), None);
}

#[test]
fn issuers_and_audiences() {
    for issuer in
        [json!("https://login.example/"), json!("https://LOGIN.example"), json!(""), Value::Null]
    {
        refused("iss", issuer, Fault::Issuer);
    }
    refused("iss", json!([ISSUER]), Fault::Malformed);
    accepted("aud", json!(["x", RESOURCE]));
    accepted("aud", json!("HTTPS://Monitor.example/mcp"));
    for audience in
        [json!("x"), json!([]), json!(["https://monitor.example"]), json!(""), Value::Null]
    {
        refused("aud", audience, Fault::Audience);
    }
    refused("aud", json!({ "x": RESOURCE }), Fault::Malformed);
    let wider = rules().audience("api://monitor").unwrap();
    let claims = with(claims(), "aud", "api://monitor".into()).to_string();
    check(&wider, &header().to_string(), &claims, Ok("https://login.example ann"));
}

#[test]
fn times() {
    refused("exp", Value::Null, Fault::NoExpiry);
    // 60 seconds of leeway.
    accepted("exp", json!(NOW - 59.5));
    refused("exp", json!(NOW - 60.0), Fault::Expired);
    for old in [json!(0), json!(-1), json!(-1e300)] {
        refused("exp", old, Fault::Expired);
    }
    accepted("exp", json!(1e300));
    for odd in [json!("9999999999"), json!([1]), json!(true)] {
        refused("exp", odd, Fault::Malformed);
    }
    accepted("nbf", json!(NOW + 60.0));
    refused("nbf", json!(NOW + 61.0), Fault::NotYet);
    let exact = rules().leeway(Duration::ZERO).unwrap();
    let claims = with(claims(), "exp", json!(NOW)).to_string();
    check(&exact, &header().to_string(), &claims, Err(Fault::Expired));
    let text = format!(r#"{{"iss":"{ISSUER}","aud":"{RESOURCE}","exp":1e999,"sub":"ann"}}"#);
    check(&exact, &header().to_string(), &text, Err(Fault::Malformed));
}

#[test]
fn whose_a_token_is() {
    let whose = |claims: Value, expected: Result<&str, Fault>| {
        check(&rules(), &header().to_string(), &claims.to_string(), expected);
    };
    let client = with(with(claims(), "sub", Value::Null), "client_id", "cron".into());
    whose(client.clone(), Ok("https://login.example#client cron"));
    whose(with(client, "sub", "ann b".into()), Ok("https://login.example ann b"));
    for subject in [json!(""), json!("a\nb"), json!("x".repeat(257)), Value::Null] {
        refused("sub", subject, Fault::Subject);
    }
    refused("cnf", json!({ "jkt": "x" }), Fault::Bound);
}

#[test]
fn members_that_stand_twice() {
    let claims = claims().to_string();
    for (header, claims) in [
        (r#"{"alg":"ES256","alg":"none"}"#, &*claims),
        (r#"{"alg":"ES256","\u0061lg":"none"}"#, &*claims),
        (r#"{"alg":"ES256","kid":"a","kid":"b"}"#, &*claims),
        (r#"{"alg":"ES256"}"#, &claims.replacen('{', r#"{"iss":"https://evil.example","#, 1)),
        (r#"{"alg":"ES256"}"#, &claims.replacen('{', r#"{"exp":9e9,"#, 1)),
        (r#"{"alg":"ES256"}"#, &claims.replacen('{', r#"{"sub":"root","#, 1)),
        (r#"{"alg":"ES256"}"#, &claims.replacen('{', r#"{"aud":[],"#, 1)),
    ] {
        check(&rules(), header, claims, Err(Fault::Malformed));
    }
    // What nobody reads may.
    let odd = claims.replacen('{', r#"{"x":1,"x":2,"#, 1);
    check(&rules(), &header().to_string(), &odd, Ok("https://login.example ann"));
}

#[test]
fn what_is_no_token_is_malformed() {
    let (header, claims) = (header().to_string(), claims().to_string());
    let deep = claims.replacen('{', &format!(r#"{{"x":{}1{},"#, "[".repeat(40), "]".repeat(40)), 1);
    let bottomless = "[".repeat(10_000);
    for (header, claims) in [
        ("", &*claims),
        ("{", &claims),
        ("[]", &claims),
        (r#"["ES256"]"#, &claims),
        ("\"ES256\"", &claims),
        (&header, ""),
        (&header, "[]"),
        (&header, "null"),
        (&header, &deep),
        (&header, &bottomless),
        (&header, &format!("{claims}{claims}")),
    ] {
        let text = token(header, claims);
        let fault =
            Token::read(&text, &rules().token_bytes(65536).unwrap(), NOW).unwrap_err().fault;
        assert_eq!(fault, Fault::Malformed, "{header} {claims}");
    }
    let good = token(&header, &claims);
    for text in ["", ".", "..", "a.b.c", &good.replace('.', ".="), &format!("{good}="), &good[1..]]
    {
        let fault = Token::read(text, &rules(), NOW).unwrap_err().fault;
        assert_eq!(fault, Fault::Malformed, "{text}");
    }
    let large = token(
        &header,
        &with(super::tests::claims(), "x", "x".repeat(16 * 1024).into()).to_string(),
    );
    assert_eq!(Token::read(&large, &rules(), NOW).unwrap_err().fault, Fault::TooLong);
    let not_utf8 =
        [URL_SAFE_NO_PAD.encode(&header), URL_SAFE_NO_PAD.encode(b"{\"sub\":\"\xff\"}"), "".into()];
    assert_eq!(
        Token::read(&not_utf8.join("."), &rules(), NOW).unwrap_err().fault,
        Fault::Malformed
    );
}

#[test]
fn scopes_are_words_or_a_list() {
    let rules = rules().implies("admin", "read,write").unwrap().implies("write", "log").unwrap();
    let scopes = |member: &str, value: Value| {
        let text = token(&header().to_string(), &with(claims(), member, value).to_string());
        Token::read(&text, &rules, NOW).unwrap().claims.scopes(&rules).as_str().to_owned()
    };
    assert_eq!(scopes("x", "".into()), "");
    assert_eq!(scopes("scope", "a b".into()), "a,b");
    assert_eq!(scopes("scope", json!(["a", "b c"])), "a,b,c");
    assert_eq!(scopes("scp", json!(["a"])), "a");
    assert_eq!(scopes("scp", "a b".into()), "a,b");
    assert_eq!(scopes("scope", "* a,b \"".into()), "", "not even a star is more than a word");
    assert_eq!(scopes("scope", "admin".into()), "admin,read,write,log");
    assert_eq!(scopes("scope", "write admin".into()), "write,admin,log,read");
}
