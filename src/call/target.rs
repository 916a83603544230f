//! What a call is of, kept in use until the call is dropped.

use std::sync::Arc;

use super::HostFn;
use crate::content::{CallResult, ReadDefaults};
use crate::registry::{Hidden, Listed, Place, Prompt, Resource, Running, Tool};

/// The registration behind a call; it counts as running as long as this lives.
pub(crate) enum Target {
    Tool(Running<Tool, HostFn>),
    /// One resource, or the template that the URI fits.
    Resource(Running<Resource, HostFn>),
    Prompt(Running<Prompt, HostFn>),
}

impl Target {
    pub(crate) fn function(&self) -> &HostFn {
        match self {
            Target::Tool(running) => running.function(),
            Target::Resource(running) => running.function(),
            Target::Prompt(running) => running.function(),
        }
    }

    /// Tells whether it was removed while the call waited.
    pub(crate) fn is_removed(&self) -> bool {
        match self {
            Target::Tool(running) => running.entry().is_removed(),
            Target::Resource(running) => running.entry().is_removed(),
            Target::Prompt(running) => running.entry().is_removed(),
        }
    }

    /// Tells whether it is what the registry of `kind` keeps under `key`.
    pub(super) fn is(&self, kind: &str, key: &str) -> bool {
        let (own_kind, own_key) = match self {
            Target::Tool(running) => (Tool::KIND, running.entry().item.key()),
            Target::Resource(running) => (Resource::KIND, running.entry().item.key()),
            Target::Prompt(running) => (Prompt::KIND, running.entry().item.key()),
        };
        own_kind == kind && own_key == key
    }

    /// What audit records do not show of the arguments.
    pub(crate) fn hidden(&self) -> &Hidden {
        match self {
            Target::Tool(running) => &running.entry().item.about.hidden,
            Target::Resource(running) => &running.entry().item.about.hidden,
            Target::Prompt(running) => &running.entry().item.about.hidden,
        }
    }

    /// Checks the arguments against what the host has registered.
    pub(crate) fn check_arguments(&self, arguments: &str) -> Result<(), String> {
        match self {
            Target::Tool(running) => running.entry().item.input.schema.check(arguments),
            // Variables of a URI and texts: checked when the call was accepted.
            Target::Resource(_) | Target::Prompt(_) => Ok(()),
        }
    }

    /// Checks a result against the output schema that a tool promises to keep.
    pub(super) fn check_output(&self, result: &CallResult) -> Result<(), String> {
        let (Target::Tool(running), CallResult::Tool(result)) = (self, result) else {
            return Ok(());
        };
        match (&running.entry().item.output, result.structured()) {
            // A failure may carry details of any shape.
            (Some(_), Some(_)) if result.is_error() => Ok(()),
            (Some((_, schema)), Some(json)) => schema.check(json),
            (Some(_), None) if !result.is_error() => Err("structured content is missing".into()),
            _ => Ok(()),
        }
    }

    /// What contents say that say nothing themselves.
    pub(super) fn read_defaults<'a>(&'a self, uri: &'a str) -> ReadDefaults<'a> {
        match self {
            Target::Resource(running) => {
                let resource = &running.entry().item;
                let uri = match &resource.place {
                    Place::Uri(uri) => uri,
                    Place::Template(_) => uri,
                };
                let meta = resource.about.meta.as_deref();
                ReadDefaults { uri, mime: resource.mime.as_deref(), meta }
            }
            Target::Tool(_) | Target::Prompt(_) => ReadDefaults { uri, mime: None, meta: None },
        }
    }
}

/// Shared by a call and by the job that runs it.
pub(crate) type SharedTarget = Arc<Target>;
