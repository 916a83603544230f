//! The tools of one server: who they are, what they take, who may see them.
//!
//! Comes after dispatch and before the host's function. Knows tools, schemas and revisions' shapes;
//! knows no sessions, no JSON-RPC and does no I/O.

mod cursor;
mod entry;
mod header_param;
mod name;
mod param;
mod problem;
mod recursion;
mod schema;
mod tool;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex};

pub(crate) use cursor::BadCursor;
pub(crate) use entry::{Entry, Refused, Running};
pub(crate) use header_param::{check as check_headers, decode_sentinel};
pub use param::{Param, ParamKind};
pub(crate) use schema::Schema;
pub use tool::{Tool, ToolFlags};

use crate::error::{Error, Result};
use crate::protocol::Revision;
use crate::sync::lock;

/// The tools of one server; any thread may change it while calls run.
pub(crate) struct Registry<F> {
    /// Hides tools that write.
    read_only: bool,
    state: Mutex<State<F>>,
}

struct State<F> {
    /// Sorted by name: a list in order of registration would depend on how the daemon's threads
    /// happened to start, and clients cache their prompts by it.
    entries: BTreeMap<String, Arc<Entry<F>>>,
    generation: u64,
}

/// One page of `tools/list`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// A JSON array.
    pub(crate) tools: String,
    /// `None` on the last page.
    pub(crate) next_cursor: Option<String>,
}

impl<F> Registry<F> {
    pub(crate) fn new(read_only: bool) -> Registry<F> {
        let state = State { entries: BTreeMap::new(), generation: 0 };
        Registry { read_only, state: Mutex::new(state) }
    }

    /// Adds a tool; clients see it at once.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`] when the name is taken; `run` is dropped then.
    pub(crate) fn add(&self, tool: Tool, run: F) -> Result<()> {
        // Prepared outside the lock; a refused one is dropped outside it too, as it is the host's.
        let entry = Arc::new(Entry::new(tool, run));
        let name = entry.tool.name.clone();
        let mut state = lock(&self.state);
        if state.entries.contains_key(&name) {
            drop(state);
            return Err(Error::Exists(format!("tool {name:?}")));
        }
        state.changed(self.sees(&entry));
        state.entries.insert(name, entry);
        Ok(())
    }

    /// Takes a tool away: no call of it starts any more. The caller may then wait for the running
    /// ones with [`Entry::wait_idle`].
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] when nothing has that name.
    pub(crate) fn remove(&self, name: &str) -> Result<Arc<Entry<F>>> {
        let mut state = lock(&self.state);
        let entry = state.entries.remove(name).ok_or_else(|| not_found(name))?;
        state.changed(self.sees(&entry));
        drop(state);
        entry.close();
        Ok(entry)
    }

    /// Hides a tool from clients or shows it again. Running calls go on.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] when nothing has that name.
    pub(crate) fn enable(&self, name: &str, on: bool) -> Result<()> {
        let mut state = lock(&self.state);
        let entry = state.entries.get(name).ok_or_else(|| not_found(name))?.clone();
        let changed = entry.set_enabled(on);
        state.changed(changed && self.allows(&entry));
        Ok(())
    }

    /// Finds a tool that clients may call.
    pub(crate) fn lookup(&self, name: &str) -> Option<Arc<Entry<F>>> {
        lock(&self.state).entries.get(name).filter(|entry| self.sees(entry)).cloned()
    }

    /// Lists up to `size` tools after `cursor`, as a client of `shape` reads them.
    pub(crate) fn page(
        &self,
        cursor: Option<&str>,
        size: usize,
        shape: Revision,
    ) -> std::result::Result<Page, BadCursor> {
        let (entries, more) = self.slice(cursor::decode(cursor.unwrap_or_default())?, size);
        let listed: Vec<&str> = entries.iter().map(|entry| entry.listed(shape)).collect();
        let last = entries.last().filter(|_| more);
        Ok(Page {
            tools: format!("[{}]", listed.join(",")),
            next_cursor: last.map(|entry| cursor::encode(&entry.tool.name)),
        })
    }

    /// A number that grows with every change that clients can see.
    pub(crate) fn generation(&self) -> u64 {
        lock(&self.state).generation
    }

    /// The visible tools after the one called `last`, and whether there are more.
    fn slice(&self, last: Option<String>, size: usize) -> (Vec<Arc<Entry<F>>>, bool) {
        let start = last.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let state = lock(&self.state);
        let range = state.entries.range::<str, _>((start, Bound::Unbounded));
        let mut visible = range.map(|(_, entry)| entry).filter(|entry| self.sees(entry));
        // A page of nothing would send the client round in circles.
        let entries = visible.by_ref().take(size.max(1)).cloned().collect();
        (entries, visible.next().is_some())
    }

    fn sees(&self, entry: &Entry<F>) -> bool {
        entry.is_enabled() && self.allows(entry)
    }

    fn allows(&self, entry: &Entry<F>) -> bool {
        !(self.read_only && entry.tool.flags.writes())
    }
}

impl<F> State<F> {
    fn changed(&mut self, visibly: bool) {
        self.generation += u64::from(visibly);
    }
}

fn not_found(name: &str) -> Error {
    Error::NotFound(format!("tool {name:?}"))
}

#[cfg(test)]
mod tests;
