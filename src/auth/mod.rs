//! Bearer keys of the host and tokens of authorization servers: who may come in, and what they may
//! do there.
//!
//! Place in the flow: between `policy` and the body, and once more behind it, because keys may go
//! while it comes. Reads heads, never a body; knows no session and no method. Whom the host has authenticated itself is not asked for either.

mod certificate;
mod channels;
mod credential;
mod denial;
mod file;
mod inquiry;
mod key;
mod oauth;
mod pass;
mod ring;
mod scopes;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant, SystemTime};

pub(crate) use certificate::ClientCertificate;
pub(crate) use channels::Channel;
use channels::Channels;
use credential::Credential;
pub(crate) use denial::Denial;
use file::{KeyFile, News};
pub use inquiry::{KeyCheck, KeyGrant};
use inquiry::{Known, NotKnown, Question, Waiting};
pub use key::Key;
use key::{Digest, digest};
pub(crate) use oauth::{Fault, Metadata, WELL_KNOWN};
pub use oauth::{JwksReport, OAuth};
use oauth::{Rejected, Tokens};
pub(crate) use pass::Pass;
use ring::{Issued, Ring, reissue};
pub(crate) use scopes::{Scopes, check_scope};

use crate::clock::Alarm;
use crate::core::Options;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::http::{BoxFuture, Head};
use crate::level::Level;
use crate::peer::Peer;
use crate::rate::{Pace, RateLimiter};
use crate::sync::lock;

/// Addresses whose refusals are logged one by one. More share one line a second.
const ADDRESSES_MAX: usize = 1024;

/// Least time between two looks at the file while channels are open and no request comes.
const FILE_TIME: Duration = Duration::from_secs(1);

/// The clock of the machine may be set: what expires is looked at as often as this.
const LOOK_TIME: Duration = Duration::from_secs(60);

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
    /// What the host has said of keys that it was asked about.
    known: Mutex<Known>,
    tokens: Tokens,
    channels: Channels,
    /// Looks after the channels.
    alarm: Alarm,
    /// For those whom the host is asked about.
    this: Weak<Auth>,
    log_rate: RateLimiter,
}

/// What is known of who sends a request.
pub(crate) enum Checked {
    Now(std::result::Result<Peer, Denial>),
    /// The host has been asked.
    Later(BoxFuture<std::result::Result<Peer, Denial>>),
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
    pub(crate) fn new(env: &Arc<Env>, options: &Options) -> Arc<Auth> {
        Arc::new_cyclic(|this: &Weak<Auth>| {
            let alarm = env.clock.alarm();
            let auth = this.clone();
            alarm.call(move || auth.upgrade().iter().for_each(|auth| auth.look()));
            Auth {
                env: env.clone(),
                path: options.path.clone(),
                in_query: options.key_in_query,
                trust_unix: options.trust_unix,
                shared_file: options.keys_file_shared,
                is_needed: AtomicBool::new(options.keys_required),
                state: Mutex::default(),
                known: Mutex::default(),
                tokens: Tokens::default(),
                channels: Channels::default(),
                alarm,
                this: this.clone(),
                log_rate: RateLimiter::new(Pace::per_second(1), ADDRESSES_MAX),
            }
        })
    }

    /// Tells whether callers need a key or a token.
    pub(crate) fn is_needed(&self) -> bool {
        self.is_needed.load(Relaxed) || self.env.hooks.checks_keys()
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
        self.sweep();
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
        self.sweep();
        Ok(())
    }

    /// Takes tokens as `oauth` says from here on, `None`: none any more. `name` is the server's.
    ///
    /// # Errors
    /// [`Error::Unsupported`] in a build that knows no tokens.
    pub(crate) fn set_oauth(&self, oauth: Option<OAuth>, name: &str) -> Result<()> {
        let is_any = oauth.is_some();
        self.tokens.set(oauth, (name, &self.path))?;
        self.is_needed.fetch_or(is_any, Relaxed);
        self.sweep();
        Ok(())
    }

    /// Puts the keys in `text` in the place of those of `issuer`, `None`: of the only one.
    ///
    /// # Errors
    /// As [`Tokens::set_keys`]; nothing changes then.
    pub(crate) fn set_jwks(&self, issuer: Option<&str>, text: &str) -> Result<JwksReport> {
        let report = self.tokens.set_keys(issuer, text)?;
        let issuer = issuer.map(|issuer| format!(" of {issuer}")).unwrap_or_default();
        let keys = report.keys;
        self.env.log(Level::Info, PART, format_args!("{keys} keys for tokens{issuer}"));
        for problem in report.ignored.iter().take(IGNORED_MAX) {
            self.env.log(Level::Warning, PART, format_args!("jwks{issuer}: ignored: {problem}"));
        }
        self.sweep();
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
    /// is `peer` with what its key or its token says, or why it may not come in; that is counted
    /// and logged here.
    pub(crate) fn check(&self, head: Option<&Head>, peer: &Peer) -> Checked {
        if peer.principal.is_some() {
            return Checked::Now(Ok(peer.clone()));
        }
        let by_certificate = |scopes| Checked::Now(Ok(certificate::named(peer, scopes)));
        if !self.is_needed() {
            return by_certificate(peer.scopes.clone());
        }
        let found = head.map_or(Ok(None), |head| credential::find(head, self.in_query));
        let credential = match found {
            Ok(Some(credential)) => credential,
            Ok(None) if self.trust_unix && peer.is_unix => {
                return by_certificate(peer.scopes.clone());
            }
            Ok(None) => match certificate::scopes_without_key(peer) {
                Some(scopes) => return by_certificate(scopes),
                None => {
                    let denial = self.metadata().map_or(Denial::Missing, |_| Denial::NoToken);
                    return Checked::Now(Err(self.denied(denial, peer, None)));
                }
            },
            Err(denial) => return Checked::Now(Err(self.denied(denial, peer, None))),
        };
        match self.check_token(&credential, peer) {
            Some(checked) => Checked::Now(checked),
            None => self.check_key(credential.text, head, peer),
        }
    }

    /// Finds out whom a token lets in; `None` for what is to be taken for a key.
    ///
    /// What looks like a token is never compared with keys, nor is the host asked about it, so
    /// that no answer tells whether it is one.
    fn check_token(
        &self,
        credential: &Credential,
        peer: &Peer,
    ) -> Option<std::result::Result<Peer, Denial>> {
        if !credential.is_bearer || !oauth::is_token(&credential.text) {
            return None;
        }
        let text = std::str::from_utf8(&credential.text).ok()?;
        let checked = self.tokens.check(text)?;
        Some(checked.map(|pass| admitted(peer, pass)).map_err(|Rejected { refused, wanted }| {
            if let Some(issuer) = wanted {
                self.want_keys(issuer);
            }
            self.denied(Denial::Token(refused.fault), peer, refused.said.as_deref())
        }))
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

    /// Finds out whose key it is, from what is known or by asking the host.
    fn check_key(&self, credential: Vec<u8>, head: Option<&Head>, peer: &Peer) -> Checked {
        let digest = digest(&credential);
        let issued = self.ring().find(&digest).cloned();
        let (pass, name) = match &issued {
            Some(issued) => (Some(issued.pass.clone()), Some(issued.key.name())),
            None => (lock(&self.known).find(&digest, Instant::now()), None),
        };
        match pass {
            Some(pass) if pass.has_expired(SystemTime::now()) => {
                Checked::Now(Err(self.denied(Denial::Expired, peer, name)))
            }
            Some(pass) => Checked::Now(Ok(admitted(peer, pass))),
            None if self.env.hooks.checks_keys() => {
                let path = head.map(|head| head.path.clone()).unwrap_or_default();
                self.ask(credential, digest, path, peer)
            }
            None => Checked::Now(Err(self.denied(Denial::Unknown, peer, None))),
        }
    }

    /// Asks the host whose key it is.
    fn ask(&self, credential: Vec<u8>, digest: Digest, path: String, peer: &Peer) -> Checked {
        let question = Arc::new(Question::default());
        let Ok(credential) = String::from_utf8(credential) else {
            return Checked::Now(Err(self.denied(Denial::Unknown, peer, None)));
        };
        self.env.counters.auth_asked.up();
        let from = (peer.address.clone(), path, peer.user.map(|user| user.uid));
        let check = KeyCheck::new((credential, digest), from, question.clone(), self.this.clone());
        let (hooks, asked) = (self.env.hooks.clone(), question.clone());
        self.env.run_of_host(
            "the check_key hook",
            Box::new(move || {
                // In host mode the client may have left before its turn came.
                if asked.is_wanted() {
                    hooks.check_key(check);
                }
            }),
        );
        if let Some(answer) = question.answered() {
            return Checked::Now(self.settle(Some(answer), peer));
        }
        let deadline = self.env.clock.alarm();
        deadline.set(self.env.limits.check_time);
        let (waiting, this, peer) =
            (Waiting::new(question, deadline), self.this.clone(), peer.clone());
        Checked::Later(Box::pin(async move {
            let answer = waiting.await;
            // The server lives as long as anything that polls this.
            this.upgrade().map_or(Err(Denial::Unchecked), |auth| auth.settle(answer, &peer))
        }))
    }

    /// What the answer of the host means for the request.
    fn settle(
        &self,
        answer: Option<std::result::Result<Arc<Pass>, NotKnown>>,
        peer: &Peer,
    ) -> std::result::Result<Peer, Denial> {
        match answer {
            Some(Ok(pass)) => Ok(admitted(peer, pass)),
            Some(Err(NotKnown)) => Err(self.denied(Denial::Unknown, peer, None)),
            None => Err(self.denied(Denial::Unchecked, peer, None)),
        }
    }

    /// Notes whom the host has let in.
    fn granted(&self, pass: &Arc<Pass>, digest: Digest, keep: Duration) {
        lock(&self.known).add(pass, digest, keep, Instant::now());
    }

    /// Takes back what the host has said of the keys of `principal`, or of all keys that it was
    /// asked about: it is asked again, and what was opened with them ends.
    pub(crate) fn forget(&self, principal: Option<&str>) {
        lock(&self.known).forget(principal);
        self.sweep();
    }

    /// Tells whether what let somebody in still does.
    pub(crate) fn is_valid(&self, pass: &Pass) -> bool {
        // Looks at the file too, or a channel without requests would never hear of a change.
        drop(self.ring());
        pass.is_valid(SystemTime::now())
    }

    /// Looks once more whether `peer` may be here, now that its request is there as a whole: that may
    /// be long after its head.
    ///
    /// # Errors
    /// What has let it in does not any more; that is counted and logged here.
    pub(crate) fn check_again(&self, peer: &Peer) -> std::result::Result<(), Denial> {
        match &peer.pass {
            Some(pass) if !self.is_valid(pass) => {
                Err(self.denied(Denial::Ended, peer, Some(&pass.principal)))
            }
            _ => Ok(()),
        }
    }

    /// Has `channel` end when the key or token that has opened it lets nobody in any more.
    pub(crate) fn watch(&self, pass: &Arc<Pass>, channel: Weak<dyn Channel>) {
        self.channels.add(pass.clone(), channel);
        let longest = self.longest_rest();
        let rest = pass.rest(SystemTime::now()).unwrap_or(longest);
        // What is due earlier stays.
        self.alarm.set_by(rest.min(longest));
    }

    /// Looks at the file and ends channels. Runs on the I/O thread.
    fn look(&self) {
        drop(self.ring());
        self.sweep();
    }

    /// Ends the channels whose keys or tokens are not valid any more.
    fn sweep(&self) {
        if let Some(rest) = self.channels.sweep(SystemTime::now(), self.longest_rest()) {
            self.alarm.set_by(rest);
        }
    }

    /// How long open channels are left alone at most.
    fn longest_rest(&self) -> Duration {
        if lock(&self.state).file.is_some() { FILE_TIME } else { LOOK_TIME }
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
            self.sweep();
        }
        ring
    }

    /// Counts and logs a refusal. The line has what is wrong with it, the name of a key or what a
    /// token says, and never a secret.
    fn denied(&self, denial: Denial, peer: &Peer, what: Option<&str>) -> Denial {
        denial.counter(&self.env.counters).up();
        if self.log_rate.take(&peer.machine, Instant::now()).is_ok() {
            let what = what.map(|what| format!(" {what:?}")).unwrap_or_default();
            let line = format_args!("{}: {}{what}", peer.address, denial.for_log());
            self.env.log(Level::Warning, PART, line);
        }
        denial
    }
}

/// The peer whom `pass` has let in.
fn admitted(peer: &Peer, pass: Arc<Pass>) -> Peer {
    Peer {
        principal: Some(pass.principal.clone()),
        scopes: pass.scopes.clone(),
        pass: Some(pass),
        ..peer.clone()
    }
}

/// What log lines call this part of the server.
const PART: &str = "auth";

#[cfg(test)]
mod tests;
