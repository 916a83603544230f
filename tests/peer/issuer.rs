//! An authorization server that makes tokens, good ones and bad ones.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair as RsaKeyPair, PublicKeyComponents};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
};
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://login.example/realms/ops";
pub(crate) const RESOURCE: &str = "https://monitor.example/mcp";

/// Every algorithm that a test signs with; the id of the key for it is its name in small letters.
pub(crate) const ALGORITHMS: [&str; 5] = ["RS256", "PS256", "ES256", "ES384", "EdDSA"];

/// Made for these tests and used nowhere else: ring makes no RSA keys.
const RSA_KEY: &[u8] = include_bytes!("issuer_rsa.pk8");

pub(crate) struct Issuer {
    random: SystemRandom,
    rsa: RsaKeyPair,
    p256: EcdsaKeyPair,
    p384: EcdsaKeyPair,
    ed25519: Ed25519KeyPair,
}

impl Issuer {
    /// One with keys that no other has, but for RSA.
    pub(crate) fn new() -> Issuer {
        let random = SystemRandom::new();
        let ec = |algorithm: &'static EcdsaSigningAlgorithm| {
            let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
            EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).unwrap()
        };
        let key = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        Issuer {
            rsa: RsaKeyPair::from_pkcs8(RSA_KEY).unwrap(),
            p256: ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
            p384: ec(&ECDSA_P384_SHA384_FIXED_SIGNING),
            ed25519: Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap(),
            random,
        }
    }

    /// The keys for these algorithms, as they are published.
    pub(crate) fn jwks(&self, algorithms: &[&str]) -> String {
        let keys: Vec<Value> = algorithms.iter().map(|name| self.jwk(name)).collect();
        json!({ "keys": keys }).to_string()
    }

    fn jwk(&self, algorithm: &str) -> Value {
        let mut key = match algorithm {
            "RS256" | "PS256" => {
                let parts = PublicKeyComponents::<Vec<u8>>::from(self.rsa.public());
                json!({ "kty": "RSA", "n": encoded(parts.n), "e": encoded(parts.e) })
            }
            "ES256" => ec("P-256", self.p256.public_key().as_ref()),
            "ES384" => ec("P-384", self.p384.public_key().as_ref()),
            _ => {
                let x = encoded(self.ed25519.public_key().as_ref());
                json!({ "kty": "OKP", "crv": "Ed25519", "x": x })
            }
        };
        key["alg"] = algorithm.into();
        key["use"] = "sig".into();
        key["kid"] = algorithm.to_lowercase().into();
        key
    }

    /// A token of Ann's, good for an hour.
    pub(crate) fn token(&self, algorithm: &str) -> String {
        self.token_with(algorithm, &json!({}))
    }

    /// The same with members of `claims` in the place of its own; `null` takes one away.
    pub(crate) fn token_with(&self, algorithm: &str, claims: &Value) -> String {
        self.sign(algorithm, &header(algorithm), &self::claims(claims).to_string())
    }

    /// Signs whatever it is given.
    pub(crate) fn sign(&self, algorithm: &str, header: &Value, claims: &str) -> String {
        let message = format!("{}.{}", encoded(header.to_string()), encoded(claims));
        let signature = self.signature(algorithm, message.as_bytes());
        format!("{message}.{}", encoded(signature))
    }

    fn signature(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let ec = |pair: &EcdsaKeyPair| pair.sign(&self.random, message).unwrap().as_ref().to_vec();
        let mut rsa = vec![0; self.rsa.public().modulus_len()];
        match algorithm {
            "RS256" => self.rsa.sign(&RSA_PKCS1_SHA256, &self.random, message, &mut rsa).unwrap(),
            "PS256" => self.rsa.sign(&RSA_PSS_SHA256, &self.random, message, &mut rsa).unwrap(),
            "ES256" => return ec(&self.p256),
            "ES384" => return ec(&self.p384),
            _ => return self.ed25519.sign(message).as_ref().to_vec(),
        }
        rsa
    }

    /// Public keys in every form that a verifier could take for a secret.
    pub(crate) fn public_keys(&self) -> Vec<Vec<u8>> {
        let jwk = self.jwk("RS256");
        let n = jwk["n"].as_str().unwrap();
        vec![
            self.rsa.public().as_ref().to_vec(),
            URL_SAFE_NO_PAD.decode(n).unwrap(),
            n.into(),
            jwk.to_string().into_bytes(),
            self.jwks(&["RS256"]).into_bytes(),
            self.p256.public_key().as_ref().to_vec(),
        ]
    }
}

pub(crate) fn header(algorithm: &str) -> Value {
    json!({ "alg": algorithm, "kid": algorithm.to_lowercase(), "typ": "at+jwt" })
}

/// What a token of Ann's says, but for `changes`.
pub(crate) fn claims(changes: &Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER,
        "aud": RESOURCE,
        "sub": "ann",
        "exp": now() + 3600,
        "scope": "units:read",
    });
    for (member, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(member),
            value => claims.as_object_mut().unwrap().insert(member.clone(), value.clone()),
        };
    }
    claims
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub(crate) fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn ec(curve: &str, point: &[u8]) -> Value {
    let (x, y) = point[1..].split_at(point.len() / 2);
    json!({ "kty": "EC", "crv": curve, "x": encoded(x), "y": encoded(y) })
}
