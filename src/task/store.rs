//! All tasks of one server: found by id, kept for a while after their end, never too many.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{State, Task, TaskWork};
use crate::clock::Alarm;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::random::random;
use crate::sync::lock;

/// How soon a task is looked at again whose time is over although its call has not ended.
const EXPIRY_PAUSE: Duration = Duration::from_secs(1);

/// The tasks of one server.
pub(crate) struct TaskStore {
    env: Arc<Env>,
    tasks: Mutex<HashMap<Box<str>, Arc<Task>>>,
    /// Fires when the first task may have outlived its time.
    expiry: Alarm,
    /// For the tasks.
    own: Weak<TaskStore>,
}

impl TaskStore {
    pub(crate) fn new(env: Arc<Env>) -> Arc<TaskStore> {
        Arc::new_cyclic(|own: &Weak<TaskStore>| {
            let expiry = env.clock.alarm();
            let store = own.clone();
            expiry.call(move || {
                if let Some(store) = store.upgrade() {
                    store.expire();
                }
            });
            TaskStore { env, tasks: Mutex::default(), expiry, own: own.clone() }
        })
    }

    /// Opens the task of `work`, which runs for `time` at most.
    ///
    /// # Errors
    /// [`Error::Limit`] when `limits.tasks` run already; [`Error::Io`] when the system has no
    /// randomness to give.
    pub(crate) fn open(
        &self,
        work: Weak<dyn TaskWork>,
        principal: Option<Arc<str>>,
        is_modern: bool,
        time: Duration,
    ) -> Result<Arc<Task>> {
        let limits = &self.env.limits;
        let begun = Instant::now();
        let task = Arc::new(Task {
            id: URL_SAFE_NO_PAD.encode(random::<16>()?).into(),
            principal,
            is_modern,
            created: SystemTime::now(),
            begun,
            ttl: time.saturating_add(limits.task_ttl),
            poll: limits.task_poll,
            work,
            state: Mutex::new(State { updated: begun, message: None, end: None }),
            watchers: Mutex::default(),
            store: self.own.clone(),
        });
        let mut tasks = lock(&self.tasks);
        let evicted = make_room(&mut tasks, limits.tasks, limits.task_bytes);
        self.env.counters.tasks_evicted.add(evicted as u64);
        let running = tasks.values().filter(|task| !task.has_ended()).count();
        if tasks.len() >= limits.tasks || running >= (limits.calls / 2).max(1) {
            drop(tasks);
            self.env.counters.tasks_refused.up();
            return Err(Error::Limit("too many tasks are running".into()));
        }
        tasks.insert(task.id.clone(), task.clone());
        self.watch_clock(&tasks);
        drop(tasks);
        self.env.counters.tasks_started.up();
        Ok(task)
    }

    /// The task `id` if `principal` began it in the same era.
    pub(crate) fn find(
        &self,
        id: &str,
        principal: Option<&str>,
        is_modern: bool,
    ) -> Option<Arc<Task>> {
        let task = lock(&self.tasks).get(id).cloned();
        task.filter(|task| task.belongs_to(principal, is_modern))
    }

    /// The tasks of `principal`, in the order of their ids.
    pub(crate) fn of(&self, principal: &str, is_modern: bool) -> Vec<Arc<Task>> {
        let tasks = lock(&self.tasks);
        let own = tasks.values().filter(|task| task.belongs_to(Some(principal), is_modern));
        let mut own: Vec<_> = own.cloned().collect();
        own.sort_by(|a, b| a.id.cmp(&b.id));
        own
    }

    /// Takes a task that was never handed out back.
    pub(crate) fn forget(&self, task: &Task) {
        lock(&self.tasks).remove(&task.id);
    }

    /// Makes room for the end of a task that has just ended.
    pub(super) fn trim(&self) {
        let evicted = make_room(&mut lock(&self.tasks), usize::MAX, self.env.limits.task_bytes);
        self.env.counters.tasks_evicted.add(evicted as u64);
    }

    /// Forgets every task: nobody can ask for them any more.
    pub(crate) fn clear(&self) {
        let tasks = std::mem::take(&mut *lock(&self.tasks));
        drop(tasks);
    }

    fn expire(&self) {
        let mut tasks = lock(&self.tasks);
        // One that is not done in its time is ended by its call, and goes after that.
        let (expired, live) =
            tasks.drain().partition(|(_, task)| task.rest().is_zero() && task.has_ended());
        *tasks = live;
        self.watch_clock(&tasks);
        drop(tasks);
        // Dropped outside the lock: what they hold may be large.
        let expired: HashMap<_, _> = expired;
        drop(expired);
    }

    /// Sets the alarm for the first task whose time is over.
    fn watch_clock(&self, tasks: &HashMap<Box<str>, Arc<Task>>) {
        let first = tasks.values().map(|task| task.rest()).min();
        if let Some(rest) = first {
            self.expiry.set(rest.max(EXPIRY_PAUSE));
        }
    }
}

/// Lets go of ended tasks, those that ended first, until there is room for one more and for what
/// they hold; returns how many.
fn make_room(
    tasks: &mut HashMap<Box<str>, Arc<Task>>,
    count_max: usize,
    bytes_max: usize,
) -> usize {
    let mut ended: Vec<(Instant, Box<str>, usize)> = Vec::new();
    for task in tasks.values() {
        if let Some((at, bytes)) = task.burden() {
            ended.push((at, task.id.clone(), bytes));
        }
    }
    ended.sort();
    let mut bytes: usize = ended.iter().map(|(_, _, bytes)| bytes).sum();
    let mut evicted = 0;
    for (_, id, own) in ended {
        if tasks.len() < count_max && bytes <= bytes_max {
            break;
        }
        tasks.remove(&id);
        bytes -= own;
        evicted += 1;
    }
    evicted
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;
    use crate::limits::Limits;
    use crate::reply::{Reply, ReplySink};
    use crate::session::Awaiting;
    use crate::task::TaskSink;

    struct NoWork;

    impl Awaiting for NoWork {
        fn answered(&self, _key: &str, _outcome: std::result::Result<&RawValue, &RawValue>) {}
    }

    impl TaskWork for NoWork {
        fn is_asking(&self) -> bool {
            false
        }

        fn questions(&self) -> String {
            "{}".into()
        }

        fn requests(&self) -> Vec<(String, &'static str, String)> {
            Vec::new()
        }

        fn cancel_work(&self) {}
    }

    fn store(tasks: usize, task_bytes: usize) -> (Arc<TaskStore>, Arc<Env>) {
        let env = Env::new(Limits { tasks, task_bytes, ..Limits::default() });
        (TaskStore::new(env.clone()), env)
    }

    fn open(store: &TaskStore) -> Result<Arc<Task>> {
        let work: Weak<NoWork> = Weak::new();
        store.open(work, Some("alice".into()), true, Duration::from_secs(1))
    }

    fn end(task: &Arc<Task>, text: &str) {
        TaskSink::new(task.clone()).reply(Reply { text: text.into(), error: None });
    }

    #[test]
    fn a_task_exists_for_its_principal_and_era_only() {
        let (store, _) = store(9, 9999);
        let task = open(&store).unwrap();
        assert!(store.find(&task.id, Some("alice"), true).is_some());
        for (principal, is_modern) in [(Some("bob"), true), (None, true), (Some("alice"), false)] {
            assert!(store.find(&task.id, principal, is_modern).is_none());
        }
    }

    #[test]
    fn ended_tasks_make_room_and_running_ones_do_not() {
        let (store, env) = store(2, 9999);
        let first = open(&store).unwrap();
        let second = open(&store).unwrap();
        assert!(matches!(open(&store), Err(Error::Limit(_))));
        assert_eq!(env.counters.tasks_refused.value(), 1);
        end(&second, r#"{"result":{"a":1}}"#);
        let third = open(&store).unwrap();
        let finds = |task: &Task| store.find(&task.id, Some("alice"), true).is_some();
        assert!(finds(&first) && !finds(&second) && finds(&third));
        assert_eq!(env.counters.tasks_evicted.value(), 1);
    }

    #[test]
    fn what_tasks_hold_is_bounded_too() {
        let (store, env) = store(9, 30);
        let finds = |task: &Task| store.find(&task.id, Some("alice"), true).is_some();
        let slow = open(&store).unwrap();
        let first = open(&store).unwrap();
        end(&first, r#"{"result":{"long":"result"}}"#);
        let second = open(&store).unwrap();
        assert!(finds(&first), "it fits");
        end(&second, r#"{"result":{"long":"result"}}"#);
        assert!(!finds(&first) && finds(&second), "the one that ended first goes, and at once");
        end(&slow, r#"{"result":{"long":"result"}}"#);
        assert!(!finds(&second) && finds(&slow), "however long ago it began");
        assert_eq!(env.counters.tasks_evicted.value(), 2);
    }

    #[test]
    fn an_ended_task_says_nothing_more() {
        let (store, _) = store(9, 9999);
        let task = open(&store).unwrap();
        end(&task, r#"{"result":{}}"#);
        let details = task.details();
        task.set_message("still here");
        assert_eq!(task.details(), details);
    }

    #[test]
    fn the_end_is_told_once() {
        let (store, _) = store(9, 9999);
        let task = open(&store).unwrap();
        assert!(task.details().contains(r#""status":"working""#));
        end(&task, r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m"}}"#);
        end(&task, r#"{"result":{}}"#);
        let details = task.details();
        assert!(details.contains(r#""status":"failed""#), "{details}");
        assert!(details.ends_with(r#","error":{"code":1,"message":"m"}"#), "{details}");
    }
}
