//! The public keys of one authorization server: a JSON Web Key Set (RFC 7517).
//!
//! Keys that should sign no token, or that nobody should trust any more, are left out and named.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::algorithm::Algorithm;
use super::signature::PublicKey;
use crate::auth::pass::Revocation;
use crate::error::{Error, Result};
use crate::json::depth;

/// Bytes of the largest set, and keys in it. Authorization servers publish a handful.
const BYTES_MAX: usize = 256 * 1024;
const KEYS_MAX: usize = 128;

/// Nesting of a set: an object, an array, an object, and what nobody here reads in it.
const DEPTH_MAX: usize = 16;

/// Bits of an RSA modulus (RFC 7518 section 3.3, and what the library takes).
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The usual exponent is the least one: smaller ones have been the way into many a verifier.
const RSA_EXPONENT_MIN: u64 = 65_537;

/// What [`Server::set_jwks`](crate::Server::set_jwks) has made of a set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct JwksReport {
    /// Keys that tokens may be signed with.
    pub keys: usize,
    /// Which others there were, and what is wrong with each.
    pub ignored: Vec<String>,
}

/// One key that tokens may be signed with.
#[derive(Debug)]
pub(super) struct SigningKey {
    id: Option<String>,
    /// The only algorithm that it may be used with, if the set says so.
    algorithm: Option<Algorithm>,
    public: PublicKey,
    /// Of the tokens that it has signed: it was taken out of the set, or of the configuration.
    revocation: Revocation,
}

impl SigningKey {
    fn new(id: Option<String>, algorithm: Option<Algorithm>, public: PublicKey) -> SigningKey {
        SigningKey { id, algorithm, public, revocation: Revocation::default() }
    }

    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.public.verifies(algorithm, message, signature)
    }

    pub(super) fn revocation(&self) -> &Revocation {
        &self.revocation
    }

    fn suits(&self, algorithm: Algorithm) -> bool {
        self.public.suits(algorithm) && self.algorithm.is_none_or(|only| only == algorithm)
    }

    fn is_same(&self, other: &SigningKey) -> bool {
        let SigningKey { id, algorithm, public, revocation: _ } = self;
        *id == other.id && *algorithm == other.algorithm && *public == other.public
    }
}

/// The keys of one issuer at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Jwks(Vec<Arc<SigningKey>>);

impl Jwks {
    /// Reads a set.
    ///
    /// # Errors
    /// [`Error::Config`] when it cannot be read, or has keys and none that can be used.
    pub(super) fn parse(text: &str) -> Result<(Jwks, JwksReport)> {
        let wrong = |problem: String| Error::Config(format!("jwks: {problem}"));
        if text.len() > BYTES_MAX {
            return Err(wrong(format!("it is {} bytes, limit is {BYTES_MAX}", text.len())));
        }
        if !depth::within(text.as_bytes(), DEPTH_MAX) {
            return Err(wrong(format!("it nests deeper than {DEPTH_MAX} levels")));
        }
        let set: Set<'_> = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        if set.keys.len() > KEYS_MAX {
            return Err(wrong(format!("it has {} keys, limit is {KEYS_MAX}", set.keys.len())));
        }
        let (mut keys, mut report): (Vec<SigningKey>, _) = (Vec::new(), JwksReport::default());
        for (index, raw) in set.keys.iter().enumerate() {
            let read =
                read(raw).and_then(|key| match keys.iter().any(|known| clash(known, &key)) {
                    true => Err(format!("key {:?}: another one has its id", key.id)),
                    false => Ok(key),
                });
            match read {
                Ok(key) => keys.push(key),
                Err(problem) => report.ignored.push(format!("{}. {problem}", index + 1)),
            }
        }
        if let (true, Some(first)) = (keys.is_empty(), report.ignored.first()) {
            return Err(wrong(format!("it has no key that can be used: {first}")));
        }
        report.keys = keys.len();
        Ok((Jwks(keys.into_iter().map(Arc::new).collect()), report))
    }

    /// The key that a token names, or the only one that it can mean.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&Arc<SigningKey>> {
        let mut fitting = self.0.iter().filter(|key| {
            key.suits(algorithm) && id.is_none_or(|id| key.id.as_deref() == Some(id))
        });
        let first = fitting.next()?;
        // To try them all would let anybody have many signatures checked for one token.
        fitting.next().is_none().then_some(first)
    }

    /// Puts these keys in the place of `before`: what is in both stays as it is, the rest of
    /// `before` is revoked.
    pub(super) fn succeed(self, before: &Jwks) -> Jwks {
        let kept = |new: Arc<SigningKey>| {
            before.0.iter().find(|old| old.is_same(&new)).cloned().unwrap_or(new)
        };
        let keys: Vec<_> = self.0.into_iter().map(kept).collect();
        let is_kept = |old: &Arc<SigningKey>| keys.iter().any(|new| Arc::ptr_eq(new, old));
        before.0.iter().filter(|old| !is_kept(old)).for_each(|old| old.revocation.revoke());
        Jwks(keys)
    }

    /// The same keys for other rules: whom they have let in must come again.
    pub(super) fn renew(&self) -> Jwks {
        self.revoke();
        let again = |key: &Arc<SigningKey>| {
            Arc::new(SigningKey::new(key.id.clone(), key.algorithm, key.public.clone()))
        };
        Jwks(self.0.iter().map(again).collect())
    }

    pub(super) fn revoke(&self) {
        self.0.iter().for_each(|key| key.revocation.revoke());
    }
}

/// Tells whether a token could mean both: keys of different kinds may share an id (RFC 7517
/// section 4.5).
fn clash(one: &SigningKey, other: &SigningKey) -> bool {
    let is_one_kind = std::mem::discriminant(&one.public) == std::mem::discriminant(&other.public);
    let differ =
        matches!((one.algorithm, other.algorithm), (Some(one), Some(other)) if one != other);
    one.id.is_some() && one.id == other.id && is_one_kind && !differ
}

#[derive(Deserialize)]
struct Set<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

/// The members that count. Each may stand there once: the derived reader refuses a second one.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    d: Option<serde::de::IgnoredAny>,
}

fn read(raw: &RawValue) -> std::result::Result<SigningKey, String> {
    let jwk: Jwk = match raw.get().starts_with('{') {
        true => serde_json::from_str(raw.get()).map_err(|error| short(&error.to_string()))?,
        false => return Err("it is no object".into()),
    };
    let name = format!("key {:?}", short(jwk.kid.as_deref().unwrap_or_default()));
    accept(jwk).map_err(|problem| format!("{name}: {problem}"))
}

fn accept(jwk: Jwk) -> std::result::Result<SigningKey, String> {
    if let Some(purpose) = jwk.purpose.as_deref().filter(|purpose| *purpose != "sig") {
        return Err(format!("it is not for signatures but for {:?}", short(purpose)));
    }
    if jwk.key_ops.as_ref().is_some_and(|operations| !operations.iter().any(|op| op == "verify")) {
        return Err("its key_ops do not have verify".into());
    }
    if jwk.d.is_some() {
        return Err("it is a private key: whoever reads the set can sign tokens".into());
    }
    let public = public(&jwk)?;
    let algorithm = match jwk.alg.as_deref() {
        None => None,
        Some(name) => match Algorithm::parse(name).filter(|algorithm| public.suits(*algorithm)) {
            Some(algorithm) => Some(algorithm),
            None => return Err(format!("alg {:?} is none for it here", short(name))),
        },
    };
    Ok(SigningKey::new(jwk.kid, algorithm, public))
}

fn public(jwk: &Jwk) -> std::result::Result<PublicKey, String> {
    match (&*jwk.kty, jwk.crv.as_deref()) {
        ("RSA", _) => {
            let (n, e) = (number("n", &jwk.n)?, number("e", &jwk.e)?);
            let bits = n.len() * 8 - n.first().map_or(0, |first| first.leading_zeros() as usize);
            if !RSA_BITS.contains(&bits) {
                let (least, most) = (RSA_BITS.start(), RSA_BITS.end());
                return Err(format!("RSA of {bits} bits, want {least} to {most}"));
            }
            let exponent =
                e.iter().fold(0u64, |sum, byte| sum.saturating_mul(256) | u64::from(*byte));
            if e.len() > 4 || exponent < RSA_EXPONENT_MIN || exponent % 2 == 0 {
                return Err("RSA with an odd exponent of 65537 or more is wanted".into());
            }
            Ok(PublicKey::Rsa { n, e })
        }
        ("EC", Some("P-256")) => point(jwk, 32).map(PublicKey::P256),
        ("EC", Some("P-384")) => point(jwk, 48).map(PublicKey::P384),
        ("OKP", Some("Ed25519")) => Ok(PublicKey::Ed25519(bytes("x", &jwk.x, 32)?)),
        ("EC" | "OKP", curve) => {
            Err(format!("curve {:?} is not taken", short(curve.unwrap_or_default())))
        }
        ("oct", _) => Err("it is a shared secret, which has no place in a set for all".into()),
        (kind, _) => Err(format!("kind {:?} is not known", short(kind))),
    }
}

/// Both coordinates behind the mark of an uncompressed point (SEC 1 section 2.3.3).
fn point(jwk: &Jwk, length: usize) -> std::result::Result<Vec<u8>, String> {
    let (x, y) = (bytes("x", &jwk.x, length)?, bytes("y", &jwk.y, length)?);
    Ok([&[4u8][..], &x, &y].concat())
}

fn number(name: &str, text: &Option<String>) -> std::result::Result<Vec<u8>, String> {
    let decoded = decoded(name, text)?;
    let zeroes = decoded.iter().take_while(|byte| **byte == 0).count();
    Ok(decoded[zeroes..].to_vec())
}

fn bytes(name: &str, text: &Option<String>, length: usize) -> std::result::Result<Vec<u8>, String> {
    let decoded = decoded(name, text)?;
    match decoded.len() == length {
        true => Ok(decoded),
        false => Err(format!("{name} is {} bytes, want {length}", decoded.len())),
    }
}

fn decoded(name: &str, text: &Option<String>) -> std::result::Result<Vec<u8>, String> {
    let text = text.as_deref().ok_or_else(|| format!("{name} is missing"))?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| format!("{name} is not base64url"))
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests;
