//! One token: a JSON Web Token in compact form (RFC 7519, RFC 7515), read and judged by the cheap
//! rules before anybody checks its signature.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::algorithm::Algorithm;
use super::config::OAuth;
use super::fault::{Fault, Refused};
use crate::auth::scopes::Scopes;
use crate::json::{depth, present};

/// Nesting of a header and of claims, which hosts may read with a parser of their own.
const DEPTH_MAX: usize = 16;

/// Characters of a subject. OpenID Connect Core section 2 has 255 at most.
const SUBJECT_MAX: usize = 256;

/// Tells whether `text` has the form of a token: three parts of base64url between dots.
pub(in crate::auth) fn is_token(text: &[u8]) -> bool {
    let is_good = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    text.iter().all(is_good) && text.iter().filter(|byte| **byte == b'.').count() == 2
}

/// A token whose signature is still to be checked. Nothing in it is proved.
#[derive(Debug)]
pub(super) struct Token<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) key_id: Option<String>,
    /// The part that is signed.
    pub(super) message: &'a str,
    pub(super) signature: Vec<u8>,
    pub(super) claims: Claims,
    /// All of them, as JSON text.
    pub(super) text: String,
}

/// The members that count. Each may stand there once: the derived reader refuses a second one.
/// What else the header says, keys and addresses of keys above all, is not looked at.
#[derive(Deserialize)]
struct Header<'a> {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    #[serde(borrow, default, deserialize_with = "present")]
    crit: Option<&'a RawValue>,
}

/// Likewise.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    pub(super) iss: Option<String>,
    aud: Option<Words>,
    exp: Option<f64>,
    nbf: Option<f64>,
    sub: Option<String>,
    client_id: Option<String>,
    scope: Option<Words>,
    /// What some authorization servers have instead of `scope`.
    scp: Option<Words>,
    cnf: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Words {
    One(String),
    Many(Vec<String>),
}

impl Words {
    fn list(&self) -> &[String] {
        match self {
            Words::One(word) => std::slice::from_ref(word),
            Words::Many(words) => words,
        }
    }
}

impl<'a> Token<'a> {
    /// Reads a token and checks all that can be without a key. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub(super) fn read(text: &'a str, rules: &OAuth, now: f64) -> Result<Token<'a>, Refused> {
        if text.len() > rules.token_bytes {
            return Err(Fault::TooLong.into());
        }
        let malformed = || Refused::from(Fault::Malformed);
        let (message, signature) = text.rsplit_once('.').ok_or_else(malformed)?;
        let (header, claims) = message.split_once('.').ok_or_else(malformed)?;
        let header_text = object(header).ok_or_else(malformed)?;
        let header: Header<'_> = serde_json::from_str(&header_text).map_err(|_| malformed())?;
        if header.crit.is_some() {
            return Err(Fault::Critical.into());
        }
        let algorithm = Algorithm::parse(&header.alg).filter(|it| rules.algorithms.contains(it));
        let algorithm = algorithm.ok_or_else(|| Refused::saying(Fault::Algorithm, &header.alg))?;
        check_type(header.typ.as_deref(), rules.typed_only)?;
        let text = object(claims).ok_or_else(malformed)?;
        let claims: Claims = serde_json::from_str(&text).map_err(|_| malformed())?;
        claims.check(rules, now)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed())?;
        Ok(Token { algorithm, key_id: header.kid, message, signature, claims, text })
    }
}

impl Claims {
    fn check(&self, rules: &OAuth, now: f64) -> Result<(), Refused> {
        let issuer = self.iss.as_deref().unwrap_or_default();
        if !rules.issuers.iter().any(|known| known == issuer) {
            return Err(Refused::saying(Fault::Issuer, issuer));
        }
        let audiences = self.aud.as_ref().map(Words::list).unwrap_or_default();
        let is_ours =
            |audience: &String| rules.resource.is(audience) || rules.audiences.contains(audience);
        if !audiences.iter().any(is_ours) {
            return Err(Refused::saying(Fault::Audience, &audiences.join(" ")));
        }
        if self.exp.is_none() {
            return Err(Fault::NoExpiry.into());
        }
        if self.ends(rules) <= now {
            return Err(Fault::Expired.into());
        }
        if self.nbf.is_some_and(|begin| begin - rules.leeway.as_secs_f64() > now) {
            return Err(Fault::NotYet.into());
        }
        if self.cnf.is_some() {
            return Err(Fault::Bound.into());
        }
        match self.principal() {
            Some(_) => Ok(()),
            None => Err(Fault::Subject.into()),
        }
    }

    /// When it stops to let anybody in, in seconds since 1970.
    pub(super) fn ends(&self, rules: &OAuth) -> f64 {
        self.exp.unwrap_or(f64::NEG_INFINITY) + rules.leeway.as_secs_f64()
    }

    /// Whose it is: issuer and subject. The blank between them is in no name of a key, and the mark
    /// before a client's id in no issuer, so that none of these can be taken for another.
    pub(super) fn principal(&self) -> Option<String> {
        let issuer = self.iss.as_deref()?;
        let is_good = |name: &&str| {
            !name.is_empty() && name.len() <= SUBJECT_MAX && !name.contains(char::is_control)
        };
        match (self.sub.as_deref(), self.client_id.as_deref()) {
            (Some(subject), _) => Some(subject).filter(is_good).map(|it| format!("{issuer} {it}")),
            (None, client) => client.filter(is_good).map(|it| format!("{issuer}#client {it}")),
        }
    }

    /// What it grants, with what that implies. Words that are no scopes grant nothing: not even `*`
    /// is more than a word here.
    pub(super) fn scopes(&self, rules: &OAuth) -> Scopes {
        let words = self.scope.as_ref().or(self.scp.as_ref()).map(Words::list).unwrap_or_default();
        let mut names: Vec<&str> = words.iter().flat_map(|words| words.split(' ')).collect();
        // Grows while it is walked through: what is implied may imply more.
        let mut next = 0;
        while let Some(name) = names.get(next).copied() {
            next += 1;
            let rules = rules.implied.iter().filter(|(broad, _)| broad == name);
            for narrow in rules.flat_map(|(_, narrow)| narrow) {
                if !names.contains(&&**narrow) {
                    names.push(narrow);
                }
            }
        }
        Scopes::of(names)
    }
}

/// `typ` of RFC 9068 section 2.1, and what most authorization servers write.
fn check_type(typ: Option<&str>, typed_only: bool) -> Result<(), Refused> {
    let lower = typ.map(str::to_ascii_lowercase);
    let is_good = match lower.as_deref() {
        // RFC 7515 section 4.1.9: the prefix may be left out.
        Some("at+jwt" | "application/at+jwt") => true,
        Some("jwt" | "application/jwt") | None => !typed_only,
        Some(_) => false,
    };
    match is_good {
        true => Ok(()),
        false => Err(Refused::saying(Fault::Type, typ.unwrap_or_default())),
    }
}

/// The text of a JSON object in base64url that does not nest deeply.
fn object(part: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    let is_object = bytes.trim_ascii_start().first() == Some(&b'{');
    let text = String::from_utf8(bytes).ok()?;
    (is_object && depth::within(text.as_bytes(), DEPTH_MAX)).then_some(text)
}

#[cfg(test)]
mod tests;
