//! What one server offers, its tools, resources, templates and prompts: who they are, what they
//! take, who may see them.
//!
//! Comes after dispatch and before the host's function. Knows schemas, URIs and revisions' shapes;
//! knows no sessions, no JSON-RPC and does no I/O.

mod about;
mod cursor;
mod entry;
mod header_param;
mod hidden;
mod name;
mod param;
mod problem;
mod prompt;
mod recursion;
mod resource;
mod schema;
mod tool;
mod uri_template;

#[cfg(feature = "fuzzing")]
pub(crate) use uri_template::fuzzing;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex};

pub(crate) use about::About;
pub(crate) use cursor::BadCursor;
pub(crate) use entry::{Busy, Entry, Refused, Running};
pub(crate) use header_param::{check as check_headers, decode_sentinel};
pub(crate) use hidden::Hidden;
pub use param::{Param, ParamKind};
pub use prompt::{Prompt, PromptArgument};
pub(crate) use resource::Place;
pub use resource::Resource;
pub(crate) use schema::Schema;
pub use tool::{TaskSupport, Tool, ToolFlags};

use crate::error::{Error, Result};
use crate::protocol::Revision;
use crate::sync::lock;

/// What a registry has to know of the things that it keeps.
pub(crate) trait Listed {
    /// What errors and cursors call such a thing.
    const KIND: &'static str;

    /// What clients call it by; unique.
    fn key(&self) -> &str;

    /// It as an element of its list.
    fn listing(&self, shape: Revision) -> String;

    /// What all kinds say of themselves.
    fn about(&self) -> &About;

    /// Refuses a description whose parts do not go together.
    ///
    /// # Errors
    /// [`Error::Config`].
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Tells whether a read-only server must hide it.
    fn writes(&self) -> bool {
        false
    }
}

/// The things of one kind that a server offers; any thread may change it while calls run.
pub(crate) struct Registry<D, F> {
    /// Hides what writes.
    read_only: bool,
    state: Mutex<State<D, F>>,
}

struct State<D, F> {
    /// Sorted by key: a list in order of registration would depend on how the daemon's threads
    /// happened to start, and clients cache their prompts by it.
    entries: BTreeMap<String, Arc<Entry<D, F>>>,
    generation: u64,
}

/// Tells whether a client may see what is called so.
pub(crate) type Filter<'a> = &'a dyn Fn(&str, &About) -> bool;

/// One page of a list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// A JSON array.
    pub(crate) items: String,
    /// `None` on the last page.
    pub(crate) next_cursor: Option<String>,
}

impl<D: Listed, F> Registry<D, F> {
    pub(crate) fn new(read_only: bool) -> Registry<D, F> {
        let state = State { entries: BTreeMap::new(), generation: 0 };
        Registry { read_only, state: Mutex::new(state) }
    }

    /// Adds `item`; clients see it at once.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`] when the key is taken, [`Error::Config`] when `item` contradicts itself;
    /// `run` is dropped then.
    pub(crate) fn add(&self, item: D, run: F) -> Result<()> {
        item.check()?;
        // Prepared outside the lock; a refused one is dropped outside it too, as it is the host's.
        let entry = Arc::new(Entry::new(item, run));
        let key = entry.item.key().to_owned();
        let mut state = lock(&self.state);
        if state.entries.contains_key(&key) {
            drop(state);
            return Err(Error::Exists(format!("{} {key:?}", D::KIND)));
        }
        state.changed(self.sees(&entry));
        state.entries.insert(key, entry);
        Ok(())
    }

    /// Takes an entry away: no call of it starts any more. The caller may then wait for the running
    /// ones with [`Entry::wait_idle`].
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] when nothing has that key.
    pub(crate) fn remove(&self, key: &str) -> Result<Arc<Entry<D, F>>> {
        let mut state = lock(&self.state);
        let entry = state.entries.remove(key).ok_or_else(|| not_found::<D>(key))?;
        state.changed(self.sees(&entry));
        drop(state);
        entry.close();
        Ok(entry)
    }

    /// Hides an entry from clients or shows it again. Running calls go on.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] when nothing has that key.
    pub(crate) fn enable(&self, key: &str, on: bool) -> Result<()> {
        let mut state = lock(&self.state);
        let entry = state.entries.get(key).ok_or_else(|| not_found::<D>(key))?.clone();
        let changed = entry.set_enabled(on);
        state.changed(changed && self.allows(&entry));
        Ok(())
    }

    /// Changes what the listing of an entry says; `change` tells whether it is another.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] when nothing has that key; what `change` returns.
    pub(crate) fn restate(&self, key: &str, change: impl FnOnce(&D) -> Result<bool>) -> Result<()> {
        let entry = lock(&self.state).entries.get(key).cloned();
        let entry = entry.ok_or_else(|| not_found::<D>(key))?;
        if change(&entry.item)? {
            entry.relist();
        }
        Ok(())
    }

    /// Tells whether `key` is taken, also by what clients cannot see.
    pub(crate) fn has(&self, key: &str) -> bool {
        lock(&self.state).entries.contains_key(key)
    }

    /// Finds an entry that clients may call.
    pub(crate) fn lookup(&self, key: &str) -> Option<Arc<Entry<D, F>>> {
        lock(&self.state).entries.get(key).filter(|entry| self.sees(entry)).cloned()
    }

    /// The first entry in the order of the list for which `find` has an answer. `find` is called
    /// outside every lock: it may take its time, or ask the host.
    pub(crate) fn search<T>(
        &self,
        find: impl Fn(&D) -> Option<T>,
    ) -> Option<(Arc<Entry<D, F>>, T)> {
        let mut visible = self.slice(None, usize::MAX).into_iter();
        visible.find_map(|entry| find(&entry.item).map(|found| (entry, found)))
    }

    /// Lists up to `size` entries after `cursor`, as a client of `shape` reads them. `filter` is
    /// the host's function and called outside every lock.
    pub(crate) fn page(
        &self,
        cursor: Option<&str>,
        size: usize,
        shape: Revision,
        filter: Option<Filter<'_>>,
    ) -> std::result::Result<Page, BadCursor> {
        let last = cursor::decode(D::KIND, cursor.unwrap_or_default())?;
        // A page of nothing would send the client round in circles.
        let size = size.max(1);
        let mut entries = match filter {
            None => self.slice(last, size + 1),
            Some(filter) => {
                let all = self.slice(last, usize::MAX).into_iter();
                all.filter(|entry| filter(entry.item.key(), entry.item.about()))
                    .take(size + 1)
                    .collect()
            }
        };
        let more = entries.len() > size;
        entries.truncate(size);
        let last = entries.last().filter(|_| more);
        Ok(Page {
            next_cursor: last.map(|entry| cursor::encode(D::KIND, entry.item.key())),
            items: array(entries.iter().map(|entry| entry.listed(shape))),
        })
    }

    /// A number that grows with every change that clients can see.
    pub(crate) fn generation(&self) -> u64 {
        lock(&self.state).generation
    }

    /// Up to `count` visible entries after the one with key `last`.
    fn slice(&self, last: Option<String>, count: usize) -> Vec<Arc<Entry<D, F>>> {
        let start = last.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let state = lock(&self.state);
        let range = state.entries.range::<str, _>((start, Bound::Unbounded));
        let visible = range.map(|(_, entry)| entry).filter(|entry| self.sees(entry));
        visible.take(count).cloned().collect()
    }

    fn sees(&self, entry: &Entry<D, F>) -> bool {
        entry.is_enabled() && self.allows(entry)
    }

    fn allows(&self, entry: &Entry<D, F>) -> bool {
        !(self.read_only && entry.item.writes())
    }
}

impl<D, F> State<D, F> {
    fn changed(&mut self, visibly: bool) {
        self.generation += u64::from(visibly);
    }
}

/// A JSON array of `items`.
fn array(items: impl Iterator<Item = Arc<str>>) -> String {
    let mut out = String::from("[");
    for item in items {
        if out.len() > 1 {
            out.push(',');
        }
        out.push_str(&item);
    }
    out.push(']');
    out
}

/// What is wrong with a description, and with which.
fn wrong<D: Listed>(item: &D, error: &Error) -> Error {
    Error::Config(format!("{} {:?}: {error}", D::KIND, item.key()))
}

fn not_found<D: Listed>(key: &str) -> Error {
    Error::NotFound(format!("{} {key:?}", D::KIND))
}

#[cfg(test)]
mod tests;
