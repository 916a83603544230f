//! All live sessions: found by id, expired when idle, evicted when there are too many.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Close, Link, Session};
use crate::cancel::CancelReason;
use crate::clock::Alarm;
use crate::env::Env;
use crate::error::Result;
use crate::random::random;
use crate::sync::lock;

/// When the clock is as late as this, the process has stood still: stopped, frozen or starved.
/// Clients may have sent what nobody has read yet, so sessions get as much time again, once.
const STANDSTILL: Duration = Duration::from_secs(1);

/// The sessions of one server.
pub(crate) struct SessionStore {
    env: Arc<Env>,
    live: Mutex<HashMap<Arc<str>, Arc<Session>>>,
    /// Fires when the first idle session may have expired.
    expiry: Alarm,
    /// When it should, on the same clock.
    expiry_ms: AtomicU64,
    /// It was late the last time. Where it always is, in a host that comes by seldom, sessions expire
    /// all the same.
    was_late: AtomicBool,
}

impl SessionStore {
    pub(crate) fn new(env: Arc<Env>) -> Arc<SessionStore> {
        Arc::new_cyclic(|store: &Weak<SessionStore>| {
            let expiry = env.clock.alarm();
            let store = store.clone();
            expiry.call(move || {
                if let Some(store) = store.upgrade() {
                    store.expire();
                }
            });
            SessionStore {
                env,
                live: Mutex::default(),
                expiry,
                expiry_ms: AtomicU64::new(0),
                was_late: AtomicBool::new(false),
            }
        })
    }

    /// Opens a session of `principal` under a fresh random id.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) when the system has no randomness to give.
    pub(crate) fn open(&self, link: Link, principal: Option<Arc<str>>) -> Result<Arc<Session>> {
        let session = self.prepare(link, principal)?;
        self.keep(&session);
        Ok(session)
    }

    /// Makes a session that nobody finds until it is kept.
    ///
    /// # Errors
    /// As [`SessionStore::open`].
    pub(crate) fn prepare(&self, link: Link, principal: Option<Arc<str>>) -> Result<Arc<Session>> {
        let id = URL_SAFE_NO_PAD.encode(random::<16>()?).into();
        Ok(Session::new(&self.env, id, link, principal))
    }

    /// Takes a prepared session in; another one may have to make room.
    pub(crate) fn keep(&self, session: &Arc<Session>) {
        let evicted = {
            let mut live = lock(&self.live);
            let evicted = self.make_room(&mut live, session);
            live.insert(session.id.clone(), session.clone());
            if live.len() == 1 {
                self.expire_after(self.env.limits.session_idle_time);
            }
            evicted
        };
        self.env.counters.sessions.up();
        self.env.counters.sessions_opened.up();
        if let Some(evicted) = evicted {
            self.env.counters.sessions_evicted.up();
            self.finish(&evicted, Close::Session);
        }
    }

    /// The session `id` if `principal` opened it.
    pub(crate) fn find(&self, id: &str, principal: Option<&str>) -> Option<Arc<Session>> {
        let session = lock(&self.live).get(id).cloned()?;
        // An id that has leaked is of no use to anybody else: not even to keep the session alive.
        if !session.belongs_to(principal) {
            return None;
        }
        session.touch(&self.env);
        Some(session)
    }

    /// Ends the session `id`; tells whether there was one.
    pub(crate) fn end(&self, id: &str, close: Close) -> bool {
        let session = lock(&self.live).remove(id);
        session.inspect(|session| self.finish(session, close)).is_some()
    }

    /// Ends every session.
    pub(crate) fn end_all(&self, close: Close) {
        let live = std::mem::take(&mut *lock(&self.live));
        live.into_values().for_each(|session| self.finish(&session, close));
    }

    /// Every live session.
    pub(crate) fn all(&self) -> Vec<Arc<Session>> {
        lock(&self.live).values().cloned().collect()
    }

    fn finish(&self, session: &Session, close: Close) {
        self.env.counters.sessions.down();
        let reason = match close {
            Close::Shutdown => CancelReason::Shutdown,
            _ => CancelReason::Session,
        };
        session.end(reason, close);
    }

    /// Takes the least recently used session out when the cap is reached, idle ones first.
    /// WebSockets and HTTP+SSE streams do not count: `limits.streams` bounds them.
    fn make_room(
        &self,
        live: &mut HashMap<Arc<str>, Arc<Session>>,
        new: &Session,
    ) -> Option<Arc<Session>> {
        let is_counted = |session: &Session| matches!(session.link, Link::Streams(_));
        let counted = || live.values().filter(|session| is_counted(session));
        if !is_counted(new) || counted().count() < self.env.limits.sessions {
            return None;
        }
        let oldest = counted()
            .min_by_key(|session| (session.is_busy(), session.last_used_ms.load(Relaxed)))?
            .id
            .clone();
        live.remove(&oldest)
    }

    fn expire(&self) {
        self.expire_at(self.env.clock.now_ms());
    }

    fn expire_at(&self, now: u64) {
        let idle_ms =
            u64::try_from(self.env.limits.session_idle_time.as_millis()).unwrap_or(u64::MAX);
        let late = Duration::from_millis(now.saturating_sub(self.expiry_ms.load(Relaxed)));
        let is_late = late > STANDSTILL && !self.was_late.load(Relaxed);
        self.was_late.store(is_late, Relaxed);
        if is_late {
            return self.expire_after(STANDSTILL);
        }
        let mut expired = Vec::new();
        let mut next: Option<u64> = None;
        lock(&self.live).retain(|_, session| {
            let due = session.last_used_ms.load(Relaxed).saturating_add(idle_ms);
            if due <= now && !session.is_busy() {
                expired.push(session.clone());
                return false;
            }
            let due = due.max(now + idle_ms / 4);
            next = Some(next.map_or(due, |earliest| earliest.min(due)));
            true
        });
        if let Some(next) = next {
            self.expire_after(Duration::from_millis(next.saturating_sub(now)));
        }
        for session in expired {
            self.env.counters.sessions_expired.up();
            self.finish(&session, Close::Session);
        }
    }

    fn expire_after(&self, time: Duration) {
        let time_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.expiry_ms.store(self.env.clock.now_ms().saturating_add(time_ms), Relaxed);
        self.expiry.set(time);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Streams;
    use super::*;
    use crate::limits::Limits;

    fn store(sessions: usize) -> (Arc<SessionStore>, Arc<Env>) {
        let env =
            Env::new(Limits { sessions, session_idle_time: Duration::ZERO, ..Limits::default() });
        (SessionStore::new(env.clone()), env)
    }

    fn open(store: &SessionStore, env: &Arc<Env>) -> Arc<Session> {
        store.open(Link::Streams(Box::new(Streams::new(env.clone()))), None).expect("randomness")
    }

    #[test]
    fn the_least_recently_used_session_makes_room() {
        let (store, env) = store(2);
        let (a, b) = (open(&store, &env), open(&store, &env));
        a.last_used_ms.store(5, Relaxed);
        b.last_used_ms.store(4, Relaxed);
        let c = open(&store, &env);
        assert!(store.find(&b.id, None).is_none());
        assert!(store.find(&a.id, None).is_some() && store.find(&c.id, None).is_some());
        assert_eq!(env.counters.sessions.value(), 2);
        assert_eq!(env.counters.sessions_evicted.value(), 1);
    }

    #[test]
    fn a_session_exists_for_its_principal_only() {
        let (store, env) = store(9);
        let link = || Link::Streams(Box::new(Streams::new(env.clone())));
        let hers = store.open(link(), Some("alice".into())).expect("randomness");
        let nobodys = store.open(link(), None).expect("randomness");
        assert!(store.find(&hers.id, Some("alice")).is_some());
        for other in [Some("bob"), Some("Alice"), Some(""), None] {
            assert!(store.find(&hers.id, other).is_none(), "{other:?}");
        }
        assert!(store.find(&nobodys.id, None).is_some());
        assert!(store.find(&nobodys.id, Some("alice")).is_none());
    }

    #[test]
    fn idle_sessions_expire() {
        let (store, env) = store(2);
        let session = open(&store, &env);
        store.expire();
        assert!(store.find(&session.id, None).is_none());
        assert_eq!(env.counters.sessions_expired.value(), 1);
    }

    #[test]
    fn who_could_not_be_heard_gets_a_little_time() {
        let (store, env) = store(2);
        let session = open(&store, &env);
        let late_ms = STANDSTILL.as_millis() as u64 * 10;
        store.expire_at(late_ms);
        assert!(store.find(&session.id, None).is_some());
        store.expire_at(2 * late_ms);
        assert!(store.find(&session.id, None).is_none(), "but not twice");
    }

    #[test]
    fn ids_are_unpredictable_and_visible_ascii() {
        let (store, env) = store(9);
        let (a, b) = (open(&store, &env), open(&store, &env));
        assert_ne!(a.id, b.id);
        assert_eq!(a.id.len(), 22);
        assert!(a.id.bytes().all(|byte| (0x21..=0x7e).contains(&byte)));
    }
}
