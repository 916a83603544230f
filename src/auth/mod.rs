//! Bearer keys of the host: who may come in, and what they may do there.
//!
//! Place in the flow: between `policy` and the body. Reads heads, never a body; knows no session
//! and no method. Whom the host has authenticated itself is not asked for a key.

mod certificate;
mod channels;
mod credential;
mod denial;
mod file;
mod inquiry;
mod key;
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
pub(crate) use denial::Denial;
use file::{KeyFile, News};
pub use inquiry::{KeyCheck, KeyGrant};
use inquiry::{Known, NotKnown, Question, Waiting};
pub use key::Key;
use key::{Digest, digest};
pub(crate) use pass::Pass;
use ring::{Issued, Ring, reissue};
pub(crate) use scopes::{Scopes, check_scope};

use crate::clock::Alarm;
use crate::core::Options;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::http::{BoxFuture, Head, Peer};
use crate::level::Level;
use crate::rate::{Pace, RateLimiter, machine};
use crate::sync::lock;

/// Addresses whose refusals are logged one by one. More share one line a second.
const ADDRESSES_MAX: usize = 1024;

/// Least time between two looks at the file while channels are open and no request comes.
const FILE_TIME: Duration = Duration::from_secs(1);

/// The clock of the machine may be set: a key that expires is looked at as often as this.
const LOOK_TIME: Duration = Duration::from_secs(60);

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
    /// What the host has said of keys that it was asked about.
    known: Mutex<Known>,
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
                in_query: options.key_in_query,
                trust_unix: options.trust_unix,
                shared_file: options.keys_file_shared,
                is_needed: AtomicBool::new(options.keys_required),
                state: Mutex::default(),
                known: Mutex::default(),
                channels: Channels::default(),
                alarm,
                this: this.clone(),
                log_rate: RateLimiter::new(Pace::per_second(1), ADDRESSES_MAX),
            }
        })
    }

    /// Tells whether callers need a key.
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

    /// Finds out who sends a request; `head` is missing where a host vouches for a peer. The answer
    /// is `peer` with what its key says, or why it may not come in; that is counted and logged here.
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
                None => return Checked::Now(Err(self.denied(Denial::Missing, peer, None))),
            },
            Err(denial) => return Checked::Now(Err(self.denied(denial, peer, None))),
        };
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

    /// Tells whether a key that let somebody in still does.
    pub(crate) fn is_valid(&self, pass: &Pass) -> bool {
        // Looks at the file too, or a channel without requests would never hear of a change.
        drop(self.ring());
        pass.is_valid(SystemTime::now())
    }

    /// Has `channel` end when the key that has opened it does not let anybody in any more.
    pub(crate) fn watch(&self, pass: &Arc<Pass>, channel: Weak<dyn Channel>) {
        self.channels.add(pass.clone(), channel);
        let rest = pass.rest(SystemTime::now()).unwrap_or(LOOK_TIME);
        let rest = if lock(&self.state).file.is_some() { rest.min(FILE_TIME) } else { rest };
        // What is due earlier stays.
        self.alarm.set_by(rest);
    }

    /// Looks at the file and ends channels. Runs on the I/O thread.
    fn look(&self) {
        drop(self.ring());
        self.sweep();
    }

    /// Ends the channels whose keys are not valid any more.
    fn sweep(&self) {
        let is_watching = lock(&self.state).file.is_some();
        let longest = if is_watching { FILE_TIME } else { LOOK_TIME };
        if let Some(rest) = self.channels.sweep(SystemTime::now(), longest) {
            self.alarm.set_by(rest);
        }
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

    /// Counts and logs a refusal. The line names the key, if it is known, and never the secret.
    fn denied(&self, denial: Denial, peer: &Peer, name: Option<&str>) -> Denial {
        denial.counter(&self.env.counters).up();
        if self.log_rate.take(&machine(&peer.address), Instant::now()).is_ok() {
            let key = name.map(|name| format!(" {name:?}")).unwrap_or_default();
            let line = format_args!("{}: {}{key}", peer.address, denial.for_log());
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
        key: Some(pass),
        ..peer.clone()
    }
}

/// What log lines call this part of the server.
const PART: &str = "auth";

#[cfg(test)]
mod tests;
