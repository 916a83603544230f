//! Which keys of a set are taken.

use serde_json::{Value, json};

use super::*;

/// `bytes` bytes in base64url, the first one with its highest bit.
fn number(bytes: usize) -> String {
    URL_SAFE_NO_PAD.encode(vec![0x81; bytes])
}

fn rsa() -> Value {
    json!({ "kty": "RSA", "kid": "r", "n": number(256), "e": "AQAB" })
}

fn ec() -> Value {
    json!({ "kty": "EC", "kid": "e", "crv": "P-256", "x": number(32), "y": number(32) })
}

fn with(mut key: Value, member: &str, value: Value) -> Value {
    key[member] = value;
    key
}

fn parse(keys: &[Value]) -> (Jwks, JwksReport) {
    Jwks::parse(&json!({ "keys": keys }).to_string()).unwrap()
}

/// Puts `key` beside a good one and looks whether it is ignored, and why.
#[track_caller]
fn ignored(key: Value, why: &str) {
    let good = with(ec(), "kid", "good".into());
    let (_, report) = parse(&[good, key.clone()]);
    assert_eq!(report.keys, 1, "{key} was taken");
    assert!(report.ignored[0].contains(why), "{key}: {report:?}");
}

#[track_caller]
fn taken(key: Value) {
    assert_eq!(parse(std::slice::from_ref(&key)).1.ignored, Vec::<String>::new(), "{key}");
}

#[test]
fn good_keys() {
    taken(rsa());
    taken(ec());
    taken(json!({ "kty": "EC", "crv": "P-384", "x": number(48), "y": number(48) }));
    taken(json!({ "kty": "OKP", "crv": "Ed25519", "x": number(32) }));
    taken(with(rsa(), "use", "sig".into()));
    taken(with(rsa(), "key_ops", json!(["verify"])));
    taken(with(rsa(), "alg", "PS512".into()));
    taken(with(rsa(), "n", number(1024).into()));
    // A leading zero is what some encoders write for a positive number.
    let zero = [&[0u8][..], &[0x81; 256]].concat();
    taken(with(rsa(), "n", URL_SAFE_NO_PAD.encode(zero).into()));
    taken(with(rsa(), "x5c", json!(["whatever", ["it", "is"]])));
}

#[test]
fn keys_that_are_not_for_signatures() {
    ignored(with(rsa(), "use", "enc".into()), "not for signatures");
    ignored(with(rsa(), "key_ops", json!(["encrypt"])), "key_ops");
    ignored(with(rsa(), "alg", "RSA-OAEP".into()), "alg \"RSA-OAEP\"");
    ignored(with(rsa(), "alg", "ES256".into()), "alg \"ES256\"");
    ignored(with(rsa(), "alg", "none".into()), "alg \"none\"");
    ignored(with(ec(), "alg", "HS256".into()), "alg \"HS256\"");
    ignored(json!({ "kty": "oct", "kid": "s", "k": number(32) }), "shared secret");
    ignored(with(rsa(), "d", number(256).into()), "private key");
}

#[test]
fn weak_and_odd_keys() {
    ignored(with(rsa(), "n", number(255).into()), "RSA of 2040 bits");
    ignored(with(rsa(), "n", number(1025).into()), "RSA of 8200 bits");
    ignored(with(rsa(), "n", "".into()), "RSA of 0 bits");
    ignored(with(rsa(), "n", "a+b/".into()), "n is not base64url");
    for exponent in ["", "Aw", "EQ", "AQAC", "AQABAQAB"] {
        ignored(with(rsa(), "e", exponent.into()), "odd exponent");
    }
    ignored(with(ec(), "x", number(31).into()), "x is 31 bytes");
    ignored(with(ec(), "crv", "P-521".into()), "curve \"P-521\"");
    ignored(with(ec(), "crv", "secp256k1".into()), "curve");
    ignored(json!({ "kty": "OKP", "crv": "X25519", "x": number(32) }), "curve");
    ignored(json!({ "kty": "EC", "crv": "P-256", "x": number(32) }), "y is missing");
    ignored(json!({ "kty": "what" }), "kind \"what\"");
    ignored(json!({ "kid": "no kind" }), "missing field `kty`");
    ignored(json!("text"), "no object");
    ignored(json!(["RSA", "r"]), "no object");
}

#[test]
fn ids_that_stand_twice() {
    let (jwks, report) = parse(&[rsa(), with(rsa(), "n", number(257).into())]);
    assert!(report.keys == 1 && report.ignored[0].contains("another one has its id"));
    assert!(jwks.find(Some("r"), Algorithm::Rs256).is_some());
    // Keys of two kinds, or for two algorithms, are not taken for each other.
    assert_eq!(parse(&[rsa(), with(ec(), "kid", "r".into())]).1.keys, 2);
    let for_one = |alg: &str| with(rsa(), "alg", alg.into());
    assert_eq!(parse(&[for_one("RS256"), for_one("PS256")]).1.keys, 2);
}

#[test]
fn a_token_finds_one_key() {
    let (jwks, _) =
        parse(&[with(rsa(), "alg", "RS256".into()), ec(), with(ec(), "kid", "f".into())]);
    let find = |id, algorithm| jwks.find(id, algorithm).map(|key| key.id.clone().unwrap());
    assert_eq!(find(Some("r"), Algorithm::Rs256).as_deref(), Some("r"));
    assert_eq!(find(Some("r"), Algorithm::Ps256), None, "the key is for another algorithm");
    assert_eq!(find(Some("r"), Algorithm::Es256), None, "the key is of another kind");
    assert_eq!(find(Some("x"), Algorithm::Rs256), None);
    assert_eq!(find(None, Algorithm::Rs256).as_deref(), Some("r"), "the only one of its kind");
    assert_eq!(find(None, Algorithm::Es256), None, "it could be two");
    assert!(Jwks::default().find(None, Algorithm::Es256).is_none());
}

#[test]
fn what_is_no_set_is_refused() {
    let deep = format!(r#"{{"keys":[{}]}}"#, "[".repeat(17) + &"]".repeat(17));
    let large = format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(BYTES_MAX));
    let many = json!({ "keys": vec![ec(); KEYS_MAX + 1] }).to_string();
    for wrong in ["", "{}", "[]", "{\"keys\":{}}", "{\"keys\":[]}x", &deep, &large, &many] {
        assert!(Jwks::parse(wrong).is_err(), "{}", short(wrong));
    }
    let twice = format!(r#"{{"keys":[],"keys":[{}]}}"#, ec());
    assert!(Jwks::parse(&twice).unwrap_err().to_string().contains("duplicate field"));
    let unusable = json!({ "keys": [with(rsa(), "n", number(128).into())] }).to_string();
    let error = Jwks::parse(&unusable).unwrap_err().to_string();
    assert!(error.contains("no key that can be used: 1. key \"r\": RSA of 1024 bits"), "{error}");
    assert_eq!(Jwks::parse(r#"{"keys":[]}"#).unwrap().1.keys, 0, "an issuer without keys");
}

#[test]
fn members_that_stand_twice_in_a_key() {
    let twice = r#"{"keys":[{"kty":"EC","kty":"RSA","kid":"x"},KEY]}"#;
    let (_, report) = Jwks::parse(&twice.replace("KEY", &ec().to_string())).unwrap();
    assert!(report.keys == 1 && report.ignored[0].contains("duplicate field"), "{report:?}");
}

#[test]
fn what_stays_is_not_revoked() {
    let (before, _) = parse(&[rsa(), ec()]);
    let (after, _) = parse(&[ec(), with(rsa(), "kid", "new".into())]);
    let after = after.succeed(&before);
    assert!(before.0[0].revocation().is_revoked() && !before.0[1].revocation().is_revoked());
    assert!(Arc::ptr_eq(&after.0[0], &before.0[1]) && !after.0[1].revocation().is_revoked());
    let renewed = after.renew();
    assert!(after.0.iter().all(|key| key.revocation().is_revoked()));
    assert!(renewed.0.len() == 2 && !renewed.0[0].revocation().is_revoked());
}
