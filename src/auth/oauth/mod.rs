//! Access tokens of authorization servers: the server as an OAuth 2.1 resource server.
//!
//! ```text
//! token > seen before? > cheap rules (token) > key of its issuer (jwks) > signature > pass
//! ```
//!
//! Never opens a connection: the host brings the keys and is told when it should bring new ones.

mod algorithm;
mod config;
mod fault;
mod jwks;
mod metadata;
mod resource;
mod seen;
mod signature;
mod token;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use config::OAuth;
pub(crate) use fault::{Fault, Refused};
use jwks::Jwks;
pub use jwks::JwksReport;
pub(crate) use metadata::Metadata;
pub(crate) use resource::WELL_KNOWN;
use seen::Seen;
use token::Token;
pub(super) use token::is_token;

use super::key::digest;
use super::pass::Pass;
use crate::error::{Error, Result};
use crate::sync::lock;

/// Least time between two requests for the keys of one issuer: anybody can send a token with the
/// id of a key that does not exist.
const WANT_TIME: Duration = Duration::from_secs(10);

/// Why a token was refused, and of which issuer new keys may help.
pub(super) struct Rejected {
    pub(super) refused: Refused,
    pub(super) wanted: Option<String>,
}

impl From<Refused> for Rejected {
    fn from(refused: Refused) -> Rejected {
        Rejected { refused, wanted: None }
    }
}

/// Whom the host trusts at one moment, and what has been found out about tokens meanwhile.
#[derive(Debug)]
struct Trust {
    oauth: OAuth,
    metadata: Arc<Metadata>,
    /// Of each issuer, in the order of the configuration.
    keys: Vec<Jwks>,
    seen: Seen,
}

/// See the module text.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    trust: Mutex<Option<Arc<Trust>>>,
    /// When the keys of an issuer were asked for last. Never above the number of issuers, but for
    /// those that were taken away meanwhile.
    wanted: Mutex<Vec<(String, Instant)>>,
}

impl Tokens {
    /// Takes tokens by the rules of `oauth` from here on; `None`: none. Keys of issuers that stay
    /// are kept. Where the rules have changed, who came in by the old ones must come again.
    ///
    /// # Errors
    /// [`Error::Unsupported`] in a build without the feature `jwt`.
    pub(super) fn set(&self, oauth: Option<OAuth>, (name, path): (&str, &str)) -> Result<()> {
        check_built_in()?;
        let mut trust = lock(&self.trust);
        let before = trust.take();
        lock(&self.wanted).clear();
        *trust = oauth.map(|oauth| {
            let metadata = Arc::new(Metadata::new(&oauth, name, path));
            let keys = oauth.issuers.iter().map(|issuer| kept(before.as_deref(), issuer, &oauth));
            Arc::new(Trust { keys: keys.collect(), metadata, seen: Seen::default(), oauth })
        });
        let stays =
            |issuer| trust.as_ref().is_some_and(|trust| trust.oauth.issuers.contains(issuer));
        for (issuer, keys) in before.iter().flat_map(|old| old.oauth.issuers.iter().zip(&old.keys))
        {
            if !stays(issuer) {
                keys.revoke();
            }
        }
        Ok(())
    }

    /// Puts the keys in `text` in the place of those of `issuer`; `None` is the only issuer.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an issuer that is not trusted, [`Error::State`] where none is;
    /// [`Error::Config`] when the text cannot be used. Nothing changes then. [`Error::Unsupported`]
    /// in a build without the feature `jwt`.
    pub(super) fn set_keys(&self, issuer: Option<&str>, text: &str) -> Result<JwksReport> {
        check_built_in()?;
        // Read outside the lock: it is up to a quarter of a megabyte.
        let (jwks, report) = Jwks::parse(text)?;
        let mut trust = lock(&self.trust);
        let Some(old) = trust.as_ref() else {
            return Err(Error::State("no issuer is trusted: say first which".into()));
        };
        let place = old.place(issuer).ok_or_else(|| match issuer {
            Some(issuer) => Error::NotFound(format!("a trusted issuer {issuer:?}")),
            None => Error::Config("the issuer is not named, and several are trusted".into()),
        })?;
        let mut keys = old.keys.clone();
        keys[place] = jwks.succeed(&keys[place]);
        let (oauth, metadata) = (old.oauth.clone(), old.metadata.clone());
        *trust = Some(Arc::new(Trust { oauth, metadata, keys, seen: Seen::default() }));
        Ok(report)
    }

    /// What clients are told; `None` when no tokens are taken.
    pub(super) fn metadata(&self) -> Option<Arc<Metadata>> {
        lock(&self.trust).as_ref().map(|trust| trust.metadata.clone())
    }

    /// Checks a token; `None` when none are taken.
    pub(super) fn check(&self, text: &str) -> Option<std::result::Result<Arc<Pass>, Rejected>> {
        let trust = lock(&self.trust).clone()?;
        Some(trust.check(text, SystemTime::now()))
    }

    /// Tells whether it is time to ask for the keys of `issuer` once more; it counts as done then.
    pub(super) fn wants(&self, issuer: &str, now: Instant) -> bool {
        let mut wanted = lock(&self.wanted);
        match wanted.iter_mut().find(|(known, _)| known == issuer) {
            Some((_, last)) if now.saturating_duration_since(*last) < WANT_TIME => false,
            Some((_, last)) => {
                *last = now;
                true
            }
            None => {
                wanted.push((issuer.to_owned(), now));
                true
            }
        }
    }
}

impl Trust {
    fn place(&self, issuer: Option<&str>) -> Option<usize> {
        match issuer {
            Some(issuer) => self.oauth.issuers.iter().position(|known| known == issuer),
            None => (self.oauth.issuers.len() == 1).then_some(0),
        }
    }

    fn check(&self, text: &str, now: SystemTime) -> std::result::Result<Arc<Pass>, Rejected> {
        let digest = digest(text.as_bytes());
        if let Some(pass) = self.seen.find(&digest, now) {
            return Ok(pass);
        }
        let token = Token::read(text, &self.oauth, seconds(now))?;
        let malformed = || Rejected::from(Refused::from(Fault::Malformed));
        // Both have been looked at by `read`.
        let issuer = token.claims.iss.as_deref().ok_or_else(malformed)?;
        let principal = token.claims.principal().ok_or_else(malformed)?;
        let keys = self.place(Some(issuer)).and_then(|place| self.keys.get(place));
        let key = keys.and_then(|keys| keys.find(token.key_id.as_deref(), token.algorithm));
        let Some(key) = key else {
            let said = token.key_id.as_deref().unwrap_or_default();
            let refused = Refused::saying(Fault::UnknownKey, said);
            return Err(Rejected { refused, wanted: Some(issuer.to_owned()) });
        };
        if !key.verifies(token.algorithm, token.message.as_bytes(), &token.signature) {
            return Err(Refused::from(Fault::Signature).into());
        }
        let scopes = token.claims.scopes(&self.oauth);
        if !self.oauth.required.iter().all(|scope| scopes.has(scope)) {
            return Err(Refused::saying(Fault::Scope, &principal).into());
        }
        let expires = time(token.claims.ends(&self.oauth));
        let names = (principal.into(), token.text.into());
        let pass = Pass::signed(names, scopes, expires, key.revocation().clone());
        self.seen.keep(digest, pass.clone(), now);
        Ok(pass)
    }
}

/// The keys of `issuer` under the rules of `oauth`.
fn kept(before: Option<&Trust>, issuer: &str, oauth: &OAuth) -> Jwks {
    let Some(before) = before else { return Jwks::default() };
    let keys = before.place(Some(issuer)).and_then(|place| before.keys.get(place));
    let keys = keys.cloned().unwrap_or_default();
    if before.oauth.trusts_like(oauth) { keys } else { keys.renew() }
}

/// # Errors
/// [`Error::Unsupported`] without the feature `jwt`.
fn check_built_in() -> Result<()> {
    if cfg!(feature = "jwt") {
        return Ok(());
    }
    let how = "build emcp with the cargo feature jwt, or make FEATURES=jwt";
    Err(Error::Unsupported(format!("this emcp knows no access tokens: {how}")))
}

/// Seconds since 1970.
fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// The time so many seconds after 1970; `None` for what no clock will show.
fn time(seconds: f64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?)
}

#[cfg(all(test, feature = "jwt"))]
mod tests;
