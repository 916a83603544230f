//! Bearer keys of the host and tokens of authorization servers: who may come in, and what they may
//! do there.
//!
//! Place in the flow: between `policy` and the body. Reads heads, never a body; knows no session
//! and no method. Whom the host has authenticated itself is not asked for either.

mod credential;
mod denial;
mod file;
mod key;
mod oauth;
mod pass;
mod ring;
mod scopes;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

use credential::Credential;
pub(crate) use denial::Denial;
use file::{KeyFile, News};
pub use key::Key;
pub(crate) use oauth::{Fault, Metadata, WELL_KNOWN};
use oauth::{Grant, Rejected, Tokens};
pub use oauth::{JwksReport, OAuth};
pub(crate) use pass::Pass;
use ring::{Issued, Ring, reissue};
pub(crate) use scopes::{Scopes, check_scope};

use crate::core::Options;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::http::{Head, Peer};
use crate::level::Level;
use crate::rate::{RateLimiter, machine};
use crate::sync::lock;

/// Addresses whose refusals are logged one by one. More share one line a second.
const ADDRESSES_MAX: usize = 1024;

/// Lines of the log on the ignored keys of one set.
const IGNORED_MAX: usize = 8;

/// The keys of one server, the issuers that it trusts, and the check of both.
pub(crate) struct Auth {
    env: Arc<Env>,
    /// Of the endpoint.
    path: String,
    in_query: bool,
    trust_unix: bool,
    shared_file: bool,
    /// Never false again: a host that takes its keys away to bring others must not open the door
    /// in between.
    is_needed: AtomicBool,
    state: Mutex<State>,
    tokens: Tokens,
    log_rate: RateLimiter,
}

/// What somebody needs for something and does not have.
#[derive(Debug)]
pub(crate) struct Lack {
    /// Every scope that is needed for it, as RFC 6749 section 3.3 writes them.
    pub(crate) scopes: String,
    /// Says where to get them.
    pub(crate) metadata: Option<Arc<Metadata>>,
}

#[derive(Default)]
struct State {
    /// From the host itself.
    own: Vec<Arc<Issued>>,
    file: Option<KeyFile>,
    /// Those of the host and those of the file.
    ring: Arc<Ring>,
}

impl State {
    fn renew(&mut self) {
        let from_file = self.file.iter().flat_map(|file| &file.keys);
        self.ring = Arc::new(Ring::new(self.own.iter().chain(from_file).cloned()));
    }
}

impl Auth {
    pub(crate) fn new(env: &Arc<Env>, options: &Options) -> Auth {
        Auth {
            env: env.clone(),
            path: options.path.clone(),
            in_query: options.key_in_query,
            trust_unix: options.trust_unix,
            shared_file: options.keys_file_shared,
            is_needed: AtomicBool::new(options.keys_required),
            state: Mutex::default(),
            tokens: Tokens::default(),
            log_rate: RateLimiter::new(1, 1, ADDRESSES_MAX),
        }
    }

    /// Tells whether callers need a key or a token.
    pub(crate) fn is_needed(&self) -> bool {
        self.is_needed.load(Relaxed)
    }

    /// Puts `keys` in the place of those that the host has given before.
    ///
    /// # Errors
    /// [`Error::Config`] when two of them have the same secret.
    pub(crate) fn set(&self, keys: Vec<Key>) -> Result<()> {
        key::check_distinct(&keys).map_err(Error::Config)?;
        let mut state = lock(&self.state);
        let is_any = !keys.is_empty();
        state.own = reissue(&state.own, keys);
        state.renew();
        drop(state);
        self.is_needed.fetch_or(is_any, Relaxed);
        Ok(())
    }

    /// Adds `key` to those that the host has given.
    ///
    /// # Errors
    /// [`Error::Exists`] when another one has its secret.
    pub(crate) fn add(&self, key: Key) -> Result<()> {
        let mut state = lock(&self.state);
        if state.own.iter().any(|issued| issued.key.has_secret_of(&key)) {
            return Err(Error::Exists(format!("a key with the secret of {:?}", key.name())));
        }
        state.own.push(Arc::new(Issued::new(key)));
        state.renew();
        drop(state);
        self.is_needed.store(true, Relaxed);
        Ok(())
    }

    /// Reads the keys in the file at `path` from here on; `None` takes those of the last one away.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Config`] when it cannot be used: then nothing changes.
    pub(crate) fn set_file(&self, path: Option<&Path>) -> Result<()> {
        // Read outside the lock: a slow disk must not hold requests up.
        let opened = path.map(|path| KeyFile::open(path, self.shared_file)).transpose()?;
        let is_any = opened.is_some();
        let mut state = lock(&self.state);
        let before = state.file.take().map(|file| file.keys).unwrap_or_default();
        let (mut file, keys) = opened.unzip();
        let issued = reissue(&before, keys.unwrap_or_default());
        if let Some(file) = &mut file {
            file.keys = issued;
        }
        state.file = file;
        state.renew();
        drop(state);
        self.is_needed.fetch_or(is_any, Relaxed);
        Ok(())
    }

    /// Takes tokens as `oauth` says from here on, `None`: none any more. `name` is the server's.
    ///
    /// # Errors
    /// [`Error::State`] in a build that knows no tokens.
    pub(crate) fn set_oauth(&self, oauth: Option<OAuth>, name: &str) -> Result<()> {
        let is_any = oauth.is_some();
        self.tokens.set(oauth, (name, &self.path))?;
        self.is_needed.fetch_or(is_any, Relaxed);
        Ok(())
    }

    /// Puts the keys in `text` in the place of those of `issuer`, `None`: of the only one.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::State`] and [`Error::Config`]; nothing changes then.
    pub(crate) fn set_jwks(&self, issuer: Option<&str>, text: &str) -> Result<JwksReport> {
        let report = self.tokens.set_keys(issuer, text)?;
        let issuer = issuer.map(|issuer| format!(" of {issuer}")).unwrap_or_default();
        let keys = report.keys;
        self.env.log(Level::Info, PART, format_args!("{keys} keys for tokens{issuer}"));
        for problem in report.ignored.iter().take(IGNORED_MAX) {
            self.env.log(Level::Warning, PART, format_args!("jwks{issuer}: ignored: {problem}"));
        }
        Ok(report)
    }

    /// What clients are told of the tokens that they need; `None` when none are taken.
    pub(crate) fn metadata(&self) -> Option<Arc<Metadata>> {
        self.tokens.metadata()
    }

    /// What somebody lacks who does not have `scope`.
    pub(crate) fn lack(&self, scope: &str) -> Lack {
        let metadata = self.metadata();
        let required = metadata.as_ref().map(|metadata| &*metadata.required).unwrap_or_default();
        let is_named = required.split(' ').any(|name| name == scope);
        let scopes = match (required, is_named) {
            ("", _) => scope.to_owned(),
            (_, true) => required.to_owned(),
            (_, false) => format!("{required} {scope}"),
        };
        Lack { scopes, metadata }
    }

    /// Finds out who sends a request; `head` is missing where a host vouches for a peer. The answer
    /// is `peer` with what its key or its token says.
    ///
    /// # Errors
    /// Why it may not come in; counted and logged here.
    pub(crate) fn check(
        &self,
        head: Option<&Head>,
        peer: &Peer,
    ) -> std::result::Result<Peer, Denial> {
        if !self.is_needed() || peer.principal.is_some() {
            return Ok(peer.clone());
        }
        let found = head.map_or(Ok(None), |head| credential::find(head, self.in_query));
        let pass = match found {
            Ok(Some(credential)) => self.pass(&credential, peer)?,
            Ok(None) if self.trust_unix && peer.is_unix => return Ok(peer.clone()),
            Ok(None) => {
                let denial = self.metadata().map_or(Denial::Missing, |_| Denial::NoToken);
                return Err(self.denied(denial, peer, None));
            }
            Err(denial) => return Err(self.denied(denial, peer, None)),
        };
        Ok(Peer {
            address: peer.address.clone(),
            is_unix: peer.is_unix,
            principal: Some(pass.principal()),
            scopes: pass.scopes(),
            pass: Some(Arc::new(pass)),
        })
    }

    fn pass(&self, credential: &Credential, peer: &Peer) -> std::result::Result<Pass, Denial> {
        if let Some(grant) = self.grant(credential, peer)? {
            return Ok(Pass::Token(grant));
        }
        let ring = self.ring();
        let Some(issued) = ring.find(&credential.text) else {
            return Err(self.denied(Denial::Unknown, peer, None));
        };
        let key = &issued.key;
        if key.has_expired(SystemTime::now()) {
            return Err(self.denied(Denial::Expired, peer, Some(key.name())));
        }
        Ok(Pass::Key(issued.clone()))
    }

    /// What a token grants; `None` for what is to be taken for a key.
    ///
    /// What looks like a token is never compared with keys, so that no answer tells whether it is
    /// one.
    fn grant(
        &self,
        credential: &Credential,
        peer: &Peer,
    ) -> std::result::Result<Option<Arc<Grant>>, Denial> {
        if !credential.is_bearer || !oauth::is_token(&credential.text) {
            return Ok(None);
        }
        let Some(text) = std::str::from_utf8(&credential.text).ok() else { return Ok(None) };
        match self.tokens.check(text) {
            None => Ok(None),
            Some(Ok(grant)) => Ok(Some(grant)),
            Some(Err(Rejected { refused, wanted })) => {
                if let Some(issuer) = wanted {
                    self.want_keys(issuer);
                }
                let denial = Denial::Token(refused.fault);
                Err(self.denied(denial, peer, refused.said.as_deref()))
            }
        }
    }

    /// Tells the host that the keys of `issuer` do not have one that a token names.
    fn want_keys(&self, issuer: String) {
        if !self.tokens.wants(&issuer, Instant::now()) {
            return;
        }
        self.env.counters.jwks_wanted.up();
        let hooks = self.env.hooks.clone();
        // From a clean stack: the host may bring the keys at once.
        self.env.callbacks.run_later(Box::new(move || hooks.jwks_wanted(&issuer)));
    }

    /// Tells whether what let somebody in still does.
    pub(crate) fn is_valid(&self, pass: &Pass) -> bool {
        let issued = match pass {
            Pass::Token(grant) => return grant.is_valid(),
            Pass::Key(issued) => issued,
        };
        // Looks at the file too, or a channel without requests would never hear of a change.
        drop(self.ring());
        !issued.is_revoked() && !issued.key.has_expired(SystemTime::now())
    }

    /// The keys as they are at this moment.
    fn ring(&self) -> Arc<Ring> {
        let mut state = lock(&self.state);
        let news = state.file.as_mut().and_then(|file| file.look(Instant::now()));
        let news = news.map(|news| match news {
            News::Keys(keys) => {
                let count = keys.len();
                if let Some(file) = &mut state.file {
                    file.keys = reissue(&file.keys, keys);
                }
                state.renew();
                (Level::Info, format!("the key file has changed; it has {count} keys"))
            }
            News::Trouble(problem) => (Level::Error, format!("{problem}; the old keys stay")),
        });
        let ring = state.ring.clone();
        drop(state);
        if let Some((level, text)) = news {
            self.env.log(level, PART, format_args!("{text}"));
        }
        ring
    }

    /// Counts and logs a refusal. The line has what is wrong with it, the name of a key or what a
    /// token says, and never a secret.
    fn denied(&self, denial: Denial, peer: &Peer, what: Option<&str>) -> Denial {
        denial.counter(&self.env.counters).up();
        if self.log_rate.take(&machine(&peer.address), Instant::now()) {
            let what = what.map(|what| format!(" {what:?}")).unwrap_or_default();
            let line = format_args!("{}: {}{what}", peer.address, denial.for_log());
            self.env.log(Level::Warning, PART, line);
        }
        denial
    }
}

/// What log lines call this part of the server.
const PART: &str = "auth";

#[cfg(test)]
mod tests;
