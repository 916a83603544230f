//! Bearer keys of the host: who may come in, and what they may do there.
//!
//! Place in the flow: between `policy` and the body. Reads heads, never a body; knows no session
//! and no method. Whom the host has authenticated itself is not asked for a key.

mod certificate;
mod credential;
mod denial;
mod file;
mod key;
mod ring;
mod scopes;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

pub(crate) use certificate::ClientCertificate;
pub(crate) use denial::Denial;
use file::{KeyFile, News};
pub use key::Key;
pub(crate) use ring::Issued;
use ring::{Ring, reissue};
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

/// The keys of one server and the check of them.
pub(crate) struct Auth {
    env: Arc<Env>,
    in_query: bool,
    trust_unix: bool,
    shared_file: bool,
    /// Never false again: a host that takes its keys away to bring others must not open the door
    /// in between.
    is_needed: AtomicBool,
    state: Mutex<State>,
    log_rate: RateLimiter,
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
            in_query: options.key_in_query,
            trust_unix: options.trust_unix,
            shared_file: options.keys_file_shared,
            is_needed: AtomicBool::new(options.keys_required),
            state: Mutex::default(),
            log_rate: RateLimiter::new(1, 1, ADDRESSES_MAX),
        }
    }

    /// Tells whether callers need a key.
    pub(crate) fn is_needed(&self) -> bool {
        self.is_needed.load(Relaxed)
    }

    /// From here on callers need a key, or what stands for one.
    #[cfg(feature = "tls")]
    pub(crate) fn require(&self) {
        self.is_needed.store(true, Relaxed);
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

    /// Finds out who sends a request; `head` is missing where a host vouches for a peer. The answer
    /// is `peer` with what its key says.
    ///
    /// # Errors
    /// Why it may not come in; counted and logged here.
    pub(crate) fn check(
        &self,
        head: Option<&Head>,
        peer: &Peer,
    ) -> std::result::Result<Peer, Denial> {
        if peer.principal.is_some() {
            return Ok(peer.clone());
        }
        if !self.is_needed() {
            return Ok(certificate::named(peer, peer.scopes.clone()));
        }
        let found = head.map_or(Ok(None), |head| credential::find(head, self.in_query));
        let credential = match found {
            Ok(Some(credential)) => credential,
            Ok(None) if self.trust_unix && peer.is_unix => {
                return Ok(certificate::named(peer, peer.scopes.clone()));
            }
            Ok(None) => match certificate::scopes_without_key(peer) {
                Some(scopes) => return Ok(certificate::named(peer, scopes)),
                None => return Err(self.denied(Denial::Missing, peer, None)),
            },
            Err(denial) => return Err(self.denied(denial, peer, None)),
        };
        let ring = self.ring();
        let Some(issued) = ring.find(&credential) else {
            return Err(self.denied(Denial::Unknown, peer, None));
        };
        let key = &issued.key;
        if key.has_expired(SystemTime::now()) {
            return Err(self.denied(Denial::Expired, peer, Some(key.name())));
        }
        Ok(Peer {
            principal: Some(key.principal()),
            scopes: key.granted(),
            key: Some(issued.clone()),
            ..peer.clone()
        })
    }

    /// Tells whether a key that let somebody in still does.
    pub(crate) fn is_valid(&self, issued: &Issued) -> bool {
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

    /// Counts and logs a refusal. The line names the key, if it is known, and never the secret.
    fn denied(&self, denial: Denial, peer: &Peer, name: Option<&str>) -> Denial {
        denial.counter(&self.env.counters).up();
        if self.log_rate.take(&machine(&peer.address), Instant::now()) {
            let key = name.map(|name| format!(" {name:?}")).unwrap_or_default();
            let line = format_args!("{}: {}{key}", peer.address, denial.for_log());
            self.env.log(Level::Warning, PART, line);
        }
        denial
    }
}

/// What log lines call this part of the server.
const PART: &str = "auth";

#[cfg(test)]
mod tests;
