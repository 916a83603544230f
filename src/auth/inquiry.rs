//! Asks the host about a key that it has not given to us: it may know at once, or find out on a
//! thread of its own while nothing of ours waits for it but the request.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::Auth;
use super::key::Digest;
use super::pass::Pass;
use super::scopes::Scopes;
use crate::clock::Alarm;
use crate::error::{Error, Result};
use crate::sync::lock;

/// Keys whose holders are remembered for as long as the host has said.
const KNOWN_MAX: usize = 1024;

/// A key that the host is asked about, and the right to answer once.
///
/// Dropped without an answer it refuses the key. It may be kept and answered later from any thread;
/// after `limits.check_time` the client hears 503.
pub struct KeyCheck {
    credential: String,
    remote_addr: Arc<str>,
    path: String,
    uid: Option<u32>,
    digest: Digest,
    question: Arc<Question>,
    /// Weak: the host may keep it longer than the server.
    auth: Weak<Auth>,
    is_answered: bool,
}

/// What the host knows of the holder of a key.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyGrant<'a> {
    /// Who it is; required.
    pub principal: &'a str,
    /// What that one may do, comma separated; `*` for everything. Default: what needs no scope.
    pub scopes: &'a str,
    /// How long the host need not be asked again. Default zero: it is asked with each request.
    pub keep: Duration,
}

impl KeyCheck {
    pub(super) fn new(
        (credential, digest): (String, Digest),
        (remote_addr, path, uid): (Arc<str>, String, Option<u32>),
        question: Arc<Question>,
        auth: Weak<Auth>,
    ) -> KeyCheck {
        let is_answered = false;
        KeyCheck { credential, remote_addr, path, uid, digest, question, auth, is_answered }
    }

    /// The key as the client has sent it. Nothing prints it, and the host must not either.
    pub fn credential(&self) -> &str {
        &self.credential
    }

    /// Where the client comes from; as in [`Caller::remote_addr`](crate::Caller::remote_addr).
    pub fn remote_addr(&self) -> &str {
        &self.remote_addr
    }

    /// The path that it asks for, without the query.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The user behind a Unix socket, where the system knows.
    pub fn uid(&self) -> Option<u32> {
        self.uid
    }

    /// Tells whether anybody still waits for the answer.
    pub fn is_wanted(&self) -> bool {
        self.question.is_wanted()
    }

    /// Lets the holder of the key in. Tells whether anybody still waited; the answer is remembered
    /// in any case.
    ///
    /// # Errors
    /// [`Error::Config`] for a grant without a principal or with an impossible scope: the key is
    /// refused then.
    pub fn allow(mut self, grant: KeyGrant<'_>) -> Result<bool> {
        if grant.principal.is_empty() {
            return Err(Error::Config("whose key it is must be said".into()));
        }
        let pass = Pass::new(grant.principal.into(), Scopes::parse(grant.scopes)?, None);
        if let Some(auth) = self.auth.upgrade() {
            auth.granted(&pass, self.digest, grant.keep);
        }
        self.is_answered = true;
        Ok(self.question.answer(Ok(pass)))
    }

    /// Refuses the key; so does dropping this.
    pub fn refuse(self) {}
}

impl Drop for KeyCheck {
    fn drop(&mut self) {
        if !self.is_answered {
            self.question.answer(Err(NotKnown));
        }
    }
}

impl fmt::Debug for KeyCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("KeyCheck");
        out.field("remote_addr", &self.remote_addr).field("path", &self.path);
        out.finish_non_exhaustive()
    }
}

/// The host does not know whose key it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotKnown;

type Answer = std::result::Result<Arc<Pass>, NotKnown>;

/// What the request and the host share.
#[derive(Default)]
pub(super) struct Question(Mutex<State>);

#[derive(Default)]
struct State {
    answer: Option<Answer>,
    /// Of the request that waits.
    waker: Option<Waker>,
    /// Its client has left, or was told that it takes too long.
    is_unwanted: bool,
}

impl Question {
    /// The answer if it is there.
    pub(super) fn answered(&self) -> Option<Answer> {
        lock(&self.0).answer.clone()
    }

    pub(super) fn is_wanted(&self) -> bool {
        let state = lock(&self.0);
        !state.is_unwanted && state.answer.is_none()
    }

    fn answer(&self, answer: Answer) -> bool {
        let mut state = lock(&self.0);
        state.answer = Some(answer);
        let (waker, is_wanted) = (state.waker.take(), !state.is_unwanted);
        drop(state);
        waker.into_iter().for_each(Waker::wake);
        is_wanted
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Answer> {
        let mut state = lock(&self.0);
        if let Some(answer) = &state.answer {
            return Poll::Ready(answer.clone());
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// Waits for the answer, up to a deadline; `None` when that has passed.
pub(super) struct Waiting {
    question: Arc<Question>,
    deadline: Alarm,
}

impl Waiting {
    pub(super) fn new(question: Arc<Question>, deadline: Alarm) -> Waiting {
        Waiting { question, deadline }
    }
}

impl Future for Waiting {
    type Output = Option<Answer>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Answer>> {
        match self.question.poll(cx) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending => self.deadline.poll(cx).map(|()| None),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        lock(&self.question.0).is_unwanted = true;
    }
}

/// What the host has said and is not asked again for a while.
#[derive(Default)]
pub(super) struct Known {
    /// By the digest of the key, which nobody can choose: a look-up tells nothing by its time.
    holders: HashMap<Digest, Holder>,
    /// Everybody whom the host has let in and who may still be here.
    passes: Vec<Weak<Pass>>,
}

struct Holder {
    pass: Arc<Pass>,
    until: Instant,
}

impl Known {
    pub(super) fn find(&self, digest: &Digest, now: Instant) -> Option<Arc<Pass>> {
        let holder = self.holders.get(digest).filter(|holder| holder.until > now)?;
        Some(holder.pass.clone())
    }

    pub(super) fn add(&mut self, pass: &Arc<Pass>, digest: Digest, keep: Duration, now: Instant) {
        if self.passes.len() == self.passes.capacity() {
            self.passes.retain(|pass| pass.strong_count() > 0);
        }
        self.passes.push(Arc::downgrade(pass));
        let Some(until) = now.checked_add(keep).filter(|_| !keep.is_zero()) else { return };
        if self.holders.len() >= KNOWN_MAX && !self.holders.contains_key(&digest) {
            self.make_room(now);
        }
        self.holders.insert(digest, Holder { pass: pass.clone(), until });
    }

    /// Revokes what the host has said of `principal`, or of everybody.
    pub(super) fn forget(&mut self, principal: Option<&str>) {
        let is_meant = |pass: &Pass| principal.is_none_or(|name| *pass.principal == *name);
        self.holders.retain(|_, holder| !is_meant(&holder.pass));
        let passes = self.passes.iter().filter_map(Weak::upgrade);
        passes.filter(|pass| is_meant(pass)).for_each(|pass| pass.revoke());
    }

    fn make_room(&mut self, now: Instant) {
        self.holders.retain(|_, holder| holder.until > now);
        if self.holders.len() < KNOWN_MAX {
            return;
        }
        let first = self.holders.iter().min_by_key(|(_, holder)| holder.until);
        if let Some(digest) = first.map(|(digest, _)| *digest) {
            self.holders.remove(&digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(name: &str) -> Arc<Pass> {
        Pass::new(name.into(), Scopes::none(), None)
    }

    fn digest(number: usize) -> Digest {
        crate::auth::key::digest(&number.to_ne_bytes())
    }

    #[test]
    fn a_holder_is_known_for_as_long_as_the_host_says() {
        let (mut known, now) = (Known::default(), Instant::now());
        let second = Duration::from_secs(1);
        known.add(&pass("ann"), digest(1), second, now);
        known.add(&pass("bob"), digest(2), Duration::ZERO, now);
        assert_eq!(&*known.find(&digest(1), now).unwrap().principal, "ann");
        assert!(known.find(&digest(2), now).is_none(), "asked each time");
        assert!(known.find(&digest(1), now + second).is_none());
    }

    #[test]
    fn the_memory_is_bounded_and_the_first_to_end_goes() {
        let (mut known, now) = (Known::default(), Instant::now());
        for number in 0..KNOWN_MAX + 10 {
            let keep = Duration::from_secs(1000 + number as u64);
            known.add(&pass("ann"), digest(number), keep, now);
        }
        assert_eq!(known.holders.len(), KNOWN_MAX);
        assert!(known.find(&digest(9), now).is_none() && known.find(&digest(10), now).is_some());
        assert!(known.passes.len() <= 2 * KNOWN_MAX + 10);
    }

    #[test]
    fn what_is_forgotten_is_revoked_also_where_it_is_in_use() {
        let (mut known, now) = (Known::default(), Instant::now());
        let (ann, bob) = (pass("ann"), pass("bob"));
        known.add(&ann, digest(1), Duration::from_secs(9), now);
        known.add(&bob, digest(2), Duration::ZERO, now);
        known.forget(Some("ann"));
        assert!(ann.is_revoked() && !bob.is_revoked());
        assert!(known.find(&digest(1), now).is_none());
        known.forget(None);
        assert!(bob.is_revoked());
    }
}
