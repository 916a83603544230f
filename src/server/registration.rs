//! What a server offers, added and taken away at any time: tools, resources, prompts.

use std::sync::Arc;

use super::Server;
use crate::call::{Call, HostFn, is_inside};
use crate::changes::Change;
use crate::core::{Core, Feature};
use crate::error::{Error, Result};
use crate::registry::{Entry, Listed, Prompt, Registry, Resource, Tool};

/// A function that suggests values of an argument or a variable.
type Complete = Box<dyn Fn(Call) + Send + Sync>;

impl Server {
    /// Adds a tool; clients that asked to be told hear of it.
    ///
    /// `run` is called on a worker thread, several calls at once, or on the I/O thread if the tool
    /// is flagged inline; with [`Run::Host`](crate::Run::Host) by
    /// [`Server::dispatch`]. It may keep the [`Call`] and answer later from any thread.
    ///
    /// # Errors
    /// [`Error::Exists`] when the name is taken.
    pub fn add_tool(&self, tool: Tool, run: impl Fn(Call) + Send + Sync + 'static) -> Result<()> {
        let run = HostFn::new(self.core.env.clone(), run);
        self.core.announce_tool(&tool);
        self.core.note_scope(&tool.about);
        self.changing(TOOLS, |registry| registry.add(tool, run))
    }

    /// Removes a tool and waits until no call of it is open. Afterwards its function is gone. Calls
    /// of it that have not begun are refused, and those whose questions are under way are waited
    /// for too.
    ///
    /// With [`Run::Host`](crate::Run::Host) the thread that dispatches, or has started the server
    /// and nobody has dispatched yet, does not wait, because nobody else could end what it waits
    /// for. The function is not called any more then either, but dropped by a later
    /// [`Server::dispatch`].
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Busy`] from inside a call of that tool.
    pub fn remove_tool(&self, name: &str) -> Result<()> {
        self.removing(TOOLS, name)
    }

    /// Shows a tool to clients or hides it. Running calls go on.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn enable_tool(&self, name: &str, on: bool) -> Result<()> {
        self.changing(TOOLS, |registry| registry.enable(name, on))
    }

    /// Adds a resource or a template; clients that asked to be told hear of it.
    ///
    /// `read` is called as the function of a tool is. `complete` suggests values of the variables
    /// of a template.
    ///
    /// ```
    /// # use emcp::{Identity, Limits, Options, ReadResult, Resource, Server};
    /// # let identity = Identity { name: "d".into(), version: "1".into(), ..Identity::default() };
    /// # let server = Server::new(identity, Options::default(), Limits::default())?;
    /// let resource = Resource::new("config://daemon", "config")?.mime("application/json");
    /// server.add_resource(resource, |call| { call.reply(ReadResult::text("{}")); }, None)?;
    /// server.resource_updated("config://daemon");
    /// # Ok::<(), emcp::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Exists`] when the URI or the template is taken.
    pub fn add_resource(
        &self,
        resource: Resource,
        read: impl Fn(Call) + Send + Sync + 'static,
        complete: Option<Complete>,
    ) -> Result<()> {
        let core = &self.core;
        let complete = complete.filter(|_| resource.is_template());
        core.announce(Feature::Resources);
        core.note_scope(&resource.about);
        if complete.is_some() {
            core.announce(Feature::Completions);
        }
        let run = HostFn::new(core.env.clone(), read).with_complete(complete);
        let kind = if resource.is_template() { TEMPLATES } else { RESOURCES };
        self.changing(kind, |registry| registry.add(resource, run))
    }

    /// Removes the resource at `uri`, or the template that reads so, and waits as
    /// [`Server::remove_tool`] does.
    ///
    /// # Errors
    /// As there.
    pub fn remove_resource(&self, uri: &str) -> Result<()> {
        self.removing(self.place(uri), uri)
    }

    /// Shows a resource or a template to clients or hides it. Running calls go on.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn enable_resource(&self, uri: &str, on: bool) -> Result<()> {
        self.changing(self.place(uri), |registry| registry.enable(uri, on))
    }

    /// Changes what the list says of the size of a resource and of when it was changed last, as ISO
    /// 8601 text.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Config`] when the text is no date and time.
    pub fn set_resource_stat(
        &self,
        uri: &str,
        bytes: Option<u64>,
        last_modified: Option<&str>,
    ) -> Result<()> {
        let change = |about: &Resource| about.set_stat(bytes, last_modified);
        // No news of the list: what is in it is the same, and who reads the resource is told that.
        let core = &self.core;
        let registry = if core.resources.has(uri) { &core.resources } else { &core.templates };
        registry.restate(uri, change)
    }

    /// Tells the clients that have subscribed to exactly this URI that what is there has changed;
    /// several times within `limits.coalesce_time` are once. Costs little when nobody has.
    pub fn resource_updated(&self, uri: &str) {
        self.core.changes.note(Change::Updated(uri.into()));
    }

    /// Adds a prompt; clients that asked to be told hear of it.
    ///
    /// `get` is called as the function of a tool is. `complete` suggests values of the arguments;
    /// without it their choices are suggested.
    ///
    /// # Errors
    /// [`Error::Exists`] when the name is taken.
    pub fn add_prompt(
        &self,
        prompt: Prompt,
        get: impl Fn(Call) + Send + Sync + 'static,
        complete: Option<Complete>,
    ) -> Result<()> {
        let core = &self.core;
        core.announce(Feature::Prompts);
        core.note_scope(&prompt.about);
        if complete.is_some() || prompt.has_choices() {
            core.announce(Feature::Completions);
        }
        let run = HostFn::new(core.env.clone(), get).with_complete(complete);
        self.changing(PROMPTS, |registry| registry.add(prompt, run))
    }

    /// Removes a prompt and waits as [`Server::remove_tool`] does.
    ///
    /// # Errors
    /// As there.
    pub fn remove_prompt(&self, name: &str) -> Result<()> {
        self.removing(PROMPTS, name)
    }

    /// Shows a prompt to clients or hides it. Running calls go on.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn enable_prompt(&self, name: &str, on: bool) -> Result<()> {
        self.changing(PROMPTS, |registry| registry.enable(name, on))
    }

    fn place(&self, uri: &str) -> Kind<Resource> {
        if self.core.resources.has(uri) { RESOURCES } else { TEMPLATES }
    }

    fn removing<D: Listed>(&self, kind: Kind<D>, key: &str) -> Result<()> {
        if is_inside(D::KIND, key) {
            let text = format!("{} {key:?} cannot remove itself while it runs", D::KIND);
            return Err(Error::Busy(text));
        }
        let mut removed = None;
        self.changing(kind, |registry| registry.remove(key).map(|entry| removed = Some(entry)))?;
        removed.iter().for_each(|entry| self.wait_idle(entry));
        Ok(())
    }

    fn wait_idle<D: Listed>(&self, entry: &Arc<Entry<D, HostFn>>) {
        match self.core.env.host.as_ref().filter(|_| self.is_running()) {
            None => entry.wait_idle(),
            Some(host) if host.is_host_thread() => {}
            Some(host) => {
                entry.wait_idle();
                host.wait_for_earlier();
            }
        }
    }

    /// Tells those who listen if `change` is one that clients can see.
    fn changing<D: Listed>(
        &self,
        kind: Kind<D>,
        change: impl FnOnce(&Registry<D, HostFn>) -> Result<()>,
    ) -> Result<()> {
        let registry = (kind.registry)(&self.core);
        let before = registry.generation();
        change(registry)?;
        if registry.generation() != before {
            self.core.changes.note(kind.news.clone());
        }
        Ok(())
    }
}

/// One of the four lists.
struct Kind<D: 'static> {
    registry: fn(&Core) -> &Registry<D, HostFn>,
    /// What clients are told when it changes.
    news: Change,
}

const TOOLS: Kind<Tool> = Kind { registry: |core| &core.tools, news: Change::Tools };
const RESOURCES: Kind<Resource> =
    Kind { registry: |core| &core.resources, news: Change::Resources };
const TEMPLATES: Kind<Resource> =
    Kind { registry: |core| &core.templates, news: Change::Resources };
const PROMPTS: Kind<Prompt> = Kind { registry: |core| &core.prompts, news: Change::Prompts };
