//! What is open ends with the token that has opened it, without a further request: when the issuer
//! takes its key away, when the rules change, and when its time is over. And tokens beside a host
//! that is asked about keys.
#![cfg(feature = "jwt")]

mod peer;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use emcp::{KeyCheck, KeyGrant, Limits, OAuth, Options};
use peer::issuer::{ALGORITHMS, ISSUER, Issuer, RESOURCE, now};
use peer::keyed::{CheckKey, Keyed, Knock, WAYS, Way, asking, keyed};
use peer::open::Open;
use peer::*;
use serde_json::json;

const METADATA: &str = "https://monitor.example/.well-known/oauth-protected-resource/mcp";

/// Of the host, which is asked about it.
const GUEST: &str = "sesame-of-guest-006";

fn oauth() -> OAuth {
    OAuth::new(RESOURCE, ISSUER).unwrap().leeway(Duration::ZERO).unwrap()
}

/// Has the server take tokens of the issuer.
fn trusting(keyed: Keyed) -> (Keyed, Issuer) {
    let issuer = Issuer::new();
    keyed.host.server.set_oauth(Some(oauth())).unwrap();
    keyed.host.server.set_jwks(None, &issuer.jwks(&ALGORITHMS)).unwrap();
    (keyed, issuer)
}

/// What is open for whoever has this token.
fn open(keyed: &Keyed, token: &str) -> Open {
    Open::by(keyed, ("Authorization", &format!("Bearer {token}")))
}

#[test]
fn keys_that_an_issuer_takes_away_take_streams_along() {
    let (keyed, issuer) = trusting(keyed(Options::default()));
    let gone = open(&keyed, &issuer.token("ES256"));
    let mut stays = open(&keyed, &issuer.token("EdDSA"));
    keyed.host.server.set_jwks(None, &issuer.jwks(&["EdDSA"])).unwrap();
    gone.assert_ends();
    stays.assert_stays(&keyed);
    // The same keys again end nothing.
    keyed.host.server.set_jwks(None, &issuer.jwks(&["EdDSA", "ES256"])).unwrap();
    stays.assert_stays(&keyed);
    keyed.host.server.set_oauth(None).unwrap();
    stays.assert_ends();
    wait_until(|| keyed.host.server.stats().streams == 0);
}

#[test]
fn rules_that_change_end_streams() {
    let (keyed, issuer) = trusting(keyed(Options::default()));
    let mut anns = open(&keyed, &issuer.token("ES256"));
    keyed.host.server.set_oauth(Some(oauth().title("Units"))).unwrap();
    anns.assert_stays(&keyed);
    keyed.host.server.set_oauth(Some(oauth().typed_only(true))).unwrap();
    anns.assert_ends();
}

#[test]
fn a_token_whose_time_is_over_takes_its_streams_along() {
    let (keyed, issuer) = trusting(keyed(Options::default()));
    // Long enough to open everything with it, also on a slow machine: else it is tried again.
    for seconds in [2, 8, 30] {
        let ends = now() + seconds;
        let token = issuer.token_with("EdDSA", &json!({ "exp": ends }));
        let opened =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| open(&keyed, &token)));
        let Ok(lates) = opened else { continue };
        let mut others = open(&keyed, &issuer.token("EdDSA"));
        lates.assert_ends();
        assert!(now() >= ends);
        return others.assert_stays(&keyed);
    }
    panic!("nothing could be opened in 30 seconds");
}

#[test]
fn a_call_that_runs_ends_with_its_token() {
    let host = host();
    let issuer = Issuer::new();
    host.server.set_oauth(Some(oauth())).unwrap();
    host.server.set_jwks(None, &issuer.jwks(&["ES256"])).unwrap();
    let body = request("1", "tools/call", &claim(json!({ "name": "hold" })));
    let bearer = format!("Bearer {}", issuer.token("ES256"));
    let mut headers = modern_headers("tools/call");
    headers.extend([("Mcp-Name", "hold"), ("Authorization", &bearer)]);
    let mut waiting = host.post(&headers, &body);
    let held = host.held();
    host.server.set_jwks(None, &issuer.jwks(&["EdDSA"])).unwrap();
    let answer = waiting.response();
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    assert_eq!(answer.status, 401);
    assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
    assert!(challenge.ends_with(&format!("resource_metadata=\"{METADATA}\"")), "{challenge}");
    cancellation(&held.handle());
}

/// A host that knows the guest, says so later from a thread of its own, and keeps what it hears.
fn asked() -> (CheckKey, Arc<Mutex<Vec<String>>>) {
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let hears = heard.clone();
    let hook = Box::new(move |check: KeyCheck| {
        hears.lock().unwrap().push(check.credential().to_owned());
        std::thread::spawn(move || match check.credential() {
            GUEST => {
                let grant = KeyGrant { principal: "guest", ..KeyGrant::default() };
                check.allow(grant).unwrap();
            }
            _ => check.refuse(),
        });
    });
    (hook, heard)
}

#[test]
fn the_host_is_asked_about_what_has_not_the_form_of_a_token() {
    let (hook, heard) = asked();
    let (keyed, issuer) = trusting(asking(Options::default(), Limits::default(), Some(hook)));
    let knock = |way: Way, credential: &str| {
        let bearer = format!("Bearer {credential}");
        let headers = &[("Authorization", &*bearer), ("Origin", "http://localhost:6274")];
        let owner = &issuer.token("ES256");
        keyed.knock(way, Knock { headers, owner, ..Knock::default() })
    };
    for way in WAYS {
        assert_eq!(knock(way, &issuer.token("RS256")).status, way.welcome(), "{way:?}");
        let forged = knock(way, &Issuer::new().token("EdDSA"));
        assert_eq!(forged.status, 401, "{way:?} {}", forged.text);
    }
    assert_eq!(*heard.lock().unwrap(), [""; 0]);
    for way in WAYS.into_iter().filter(|way| *way != Way::PeerDoor) {
        // Sessions are Ann's.
        let status = if way.has_session() { 404 } else { way.welcome() };
        assert_eq!(knock(way, GUEST).status, status, "{way:?}");
        let refused = knock(way, "a key that nobody has given out");
        let challenge = refused.challenge.unwrap_or_default();
        assert_eq!(refused.status, 401, "{way:?}");
        assert!(challenge.contains("error=\"invalid_token\""), "{way:?} {challenge}");
        assert!(challenge.ends_with(&format!("resource_metadata=\"{METADATA}\"")), "{challenge}");
    }
    assert!(!heard.lock().unwrap().is_empty());
}

#[test]
fn without_issuers_the_form_of_a_key_does_not_matter() {
    let (hook, heard) = asked();
    let keyed = asking(Options::default(), Limits::default(), Some(hook));
    let headers = &[("Authorization", "Bearer a.b.c")];
    let answer = keyed.knock(Way::ModernPost, Knock { headers, ..Knock::default() });
    assert_eq!(answer.status, 401);
    assert_eq!(*heard.lock().unwrap(), ["a.b.c"]);
}
