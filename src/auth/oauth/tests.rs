//! Keys come and go under tokens that are in use. What a token must be like is tested beside its
//! reader, and every way in with real tokens in `tests/oauth.rs`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::json;

use super::*;

const RESOURCE: &str = "https://monitor.example/mcp";
const ONE: &str = "https://one.example";
const TWO: &str = "https://two.example";

/// An authorization server with one key.
struct Issuer {
    name: &'static str,
    pair: Ed25519KeyPair,
}

impl Issuer {
    fn new(name: &'static str, seed: u8) -> Issuer {
        Issuer { name, pair: Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap() }
    }

    fn jwks(&self) -> String {
        let x = URL_SAFE_NO_PAD.encode(self.pair.public_key());
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "k", "x": x }] }).to_string()
    }

    fn token(&self) -> String {
        self.token_of("ann")
    }

    fn token_of(&self, subject: &str) -> String {
        let claims = json!({ "iss": self.name, "aud": RESOURCE, "exp": 9e9, "sub": subject });
        let parts = [json!({ "alg": "EdDSA", "kid": "k" }), claims];
        let message = parts.map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let signature = URL_SAFE_NO_PAD.encode(self.pair.sign(message.as_bytes()));
        format!("{message}.{signature}")
    }
}

fn oauth() -> OAuth {
    OAuth::new(RESOURCE, ONE).unwrap()
}

fn tokens(oauth: OAuth) -> Tokens {
    let tokens = Tokens::default();
    set(&tokens, Some(oauth));
    tokens
}

fn set(tokens: &Tokens, oauth: Option<OAuth>) {
    tokens.set(oauth, ("agent", "/mcp")).unwrap();
}

fn grant(tokens: &Tokens, token: &str) -> std::result::Result<Arc<Pass>, Fault> {
    tokens.check(token).unwrap().map_err(|rejected| rejected.refused.fault)
}

#[test]
fn without_a_configuration_no_token_is_looked_at() {
    let tokens = Tokens::default();
    assert!(tokens.check("a.b.c").is_none() && tokens.metadata().is_none());
    assert!(matches!(tokens.set_keys(None, r#"{"keys":[]}"#), Err(Error::State(_))));
}

#[test]
fn no_issuer_speaks_for_another() {
    let (one, two) = (Issuer::new(ONE, 1), Issuer::new(TWO, 2));
    let tokens = tokens(oauth().issuer(TWO).unwrap());
    assert!(matches!(tokens.set_keys(None, &one.jwks()), Err(Error::Config(_))));
    assert!(tokens.set_keys(Some("https://three.example"), &one.jwks()).is_err());
    tokens.set_keys(Some(ONE), &one.jwks()).unwrap();
    assert_eq!(grant(&tokens, &two.token()).unwrap_err(), Fault::UnknownKey);
    tokens.set_keys(Some(TWO), &two.jwks()).unwrap();
    assert!(grant(&tokens, &one.token()).is_ok() && grant(&tokens, &two.token()).is_ok());
    let pretender = Issuer { name: ONE, ..Issuer::new(TWO, 2) };
    assert_eq!(grant(&tokens, &pretender.token()).unwrap_err(), Fault::Signature);
}

#[test]
fn a_grant_lasts_as_long_as_its_key() {
    let one = Issuer::new(ONE, 1);
    let tokens = tokens(oauth());
    tokens.set_keys(None, &one.jwks()).unwrap();
    let held = grant(&tokens, &one.token()).unwrap();
    tokens.set_keys(None, &one.jwks()).unwrap();
    assert!(held.is_valid(SystemTime::now()), "the same keys again change nothing");
    assert!(tokens.set_keys(None, "{}").is_err());
    assert!(held.is_valid(SystemTime::now()), "what cannot be read changes nothing");
    tokens.set_keys(None, &Issuer::new(ONE, 2).jwks()).unwrap();
    assert!(!held.is_valid(SystemTime::now()));
    assert_eq!(grant(&tokens, &one.token()).unwrap_err(), Fault::Signature);
}

#[test]
fn a_grant_lasts_as_long_as_the_rules() {
    let one = Issuer::new(ONE, 1);
    let tokens = tokens(oauth());
    tokens.set_keys(None, &one.jwks()).unwrap();
    let held = grant(&tokens, &one.token()).unwrap();
    set(&tokens, Some(oauth().title("Agent").issuer(TWO).unwrap()));
    assert!(held.is_valid(SystemTime::now()), "these are told and let in as before");
    set(&tokens, Some(oauth().algorithms("EdDSA").unwrap()));
    assert!(!held.is_valid(SystemTime::now()));
    let again = grant(&tokens, &one.token()).unwrap();
    assert!(again.is_valid(SystemTime::now()), "the keys are still there");
    set(&tokens, Some(OAuth::new(RESOURCE, TWO).unwrap()));
    assert!(!again.is_valid(SystemTime::now()), "the issuer has gone");
    set(&tokens, Some(oauth()));
    assert_eq!(grant(&tokens, &one.token()).unwrap_err(), Fault::UnknownKey);
    tokens.set_keys(None, &one.jwks()).unwrap();
    let last = grant(&tokens, &one.token()).unwrap();
    set(&tokens, None);
    assert!(!last.is_valid(SystemTime::now()) && tokens.check(&one.token()).is_none());
}

#[test]
fn tokens_are_remembered_while_they_are_good() {
    let one = Issuer::new(ONE, 1);
    let tokens = tokens(oauth());
    tokens.set_keys(None, &one.jwks()).unwrap();
    let known = || lock(&tokens.trust).as_ref().unwrap().seen.len();
    let token = one.token();
    let first = grant(&tokens, &token).unwrap();
    assert!(Arc::ptr_eq(&first, &grant(&tokens, &token).unwrap()));
    assert!(grant(&tokens, &token[1..]).is_err() && grant(&tokens, "a.b.c").is_err());
    assert_eq!(known(), 1, "what is refused is not remembered");
    // Very many do not take more and more memory.
    let more = (0..300).map(|number| one.token_of(&format!("user{number}")));
    more.for_each(|token| assert!(grant(&tokens, &token).is_ok()));
    assert!((1..=256).contains(&known()), "{}", known());
    tokens.set_keys(None, &one.jwks()).unwrap();
    assert_eq!(known(), 0, "what was found out with other keys counts no more");
}

#[test]
fn keys_are_wanted_once_in_a_while() {
    let (tokens, now) = (tokens(oauth()), Instant::now());
    assert!(tokens.wants(ONE, now) && !tokens.wants(ONE, now));
    assert!(tokens.wants(TWO, now), "each issuer has its own time");
    assert!(!tokens.wants(ONE, now + WANT_TIME - Duration::from_millis(1)));
    assert!(tokens.wants(ONE, now + WANT_TIME));
}

#[test]
fn a_scope_that_everybody_needs() {
    let one = Issuer::new(ONE, 1);
    let tokens = tokens(oauth().required_scopes("a").unwrap());
    tokens.set_keys(None, &one.jwks()).unwrap();
    assert_eq!(grant(&tokens, &one.token()).unwrap_err(), Fault::Scope);
    assert_eq!(grant(&tokens, &one.token()).unwrap_err(), Fault::Scope, "nor the next time");
}

#[test]
fn every_change_of_a_token_breaks_its_signature() {
    let one = Issuer::new(ONE, 1);
    let tokens = tokens(oauth());
    tokens.set_keys(None, &one.jwks()).unwrap();
    let token = one.token();
    assert!(grant(&tokens, &token).is_ok());
    for place in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(grant(&tokens, &changed).is_err(), "{changed}");
        assert!(grant(&tokens, &token[..place]).is_err(), "{place}");
    }
}
