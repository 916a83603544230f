//! What tools, resources and prompts alike say of themselves, and the bounds of their calls.

use std::time::Duration;

use serde_json::Value;

use crate::auth::check_scope;
use crate::error::{Error, Result};
use crate::json::{compact, compact_object, not_a, push_raw_member, push_text_member};
use crate::protocol::Revision;
use crate::rate::Pace;
use crate::registry::Hidden;

/// The common part of a description.
#[derive(Debug, Default)]
pub(crate) struct About {
    pub(super) title: Option<String>,
    pub(super) description: Option<String>,
    /// A compact JSON array.
    icons: Option<String>,
    /// A compact JSON object.
    pub(crate) meta: Option<String>,
    /// What a caller must have; `None`: nothing.
    pub(crate) scope: Option<String>,
    /// `None`: the server's `tool_time`.
    pub(crate) timeout: Option<Duration>,
    /// `None`: the server's `result_bytes`.
    pub(crate) result_bytes: Option<usize>,
    /// Calls at once; `None`: only the server's own limits count.
    pub(crate) concurrency: Option<usize>,
    /// What audit records do not show of the arguments.
    pub(crate) hidden: Hidden,
    /// Calls within a time; `None`: likewise.
    pub(crate) pace: Option<Pace>,
}

impl About {
    pub(super) fn set_icons(&mut self, json: &str) -> Result<()> {
        let text = compact(json).map_err(|error| Error::Config(format!("icons: {error}")))?;
        let icons: Vec<Value> = serde_json::from_str(&text).map_err(|_| not_a("icons", "array"))?;
        if icons.iter().any(|icon| icon.get("src").and_then(Value::as_str).is_none()) {
            return Err(Error::Config("icons: an icon has no src".into()));
        }
        self.icons = Some(text);
        Ok(())
    }

    pub(super) fn set_meta(&mut self, json: &str) -> Result<()> {
        self.meta = Some(compact_object("_meta", json)?);
        Ok(())
    }

    pub(super) fn set_scope(&mut self, name: &str) -> Result<()> {
        check_scope(name)?;
        self.scope = Some(name.to_owned());
        Ok(())
    }

    /// Appends what people and models read.
    pub(super) fn push_texts(&self, shape: Revision, out: &mut String) {
        if let Some(title) = self.title.as_ref().filter(|_| shape.has_title()) {
            push_text_member(out, "title", title);
        }
        if let Some(description) = &self.description {
            push_text_member(out, "description", description);
        }
    }

    pub(super) fn push_icons(&self, shape: Revision, out: &mut String) {
        if let Some(icons) = self.icons.as_ref().filter(|_| shape.shows_icons()) {
            push_raw_member(out, "icons", icons);
        }
    }

    pub(super) fn push_meta(&self, shape: Revision, out: &mut String) {
        if let Some(meta) = self.meta.as_ref().filter(|_| shape.shows_meta()) {
            push_raw_member(out, "_meta", meta);
        }
    }
}

/// Gives a type with a field `about` the setters of [`About`]. A function cannot add methods to
/// three types, and a trait would have to be imported by every host.
macro_rules! describe {
    ($type:ident) => {
        impl $type {
            /// The name for people.
            pub fn title(mut self, text: impl Into<String>) -> $type {
                self.about.title = Some(text.into());
                self
            }

            /// Tells the model what it is for and what comes back.
            pub fn description(mut self, text: impl Into<String>) -> $type {
                self.about.description = Some(text.into());
                self
            }

            /// Pictures for user interfaces: a JSON array of objects with a `src`.
            ///
            /// # Errors
            ///
            /// [`Error::Config`](crate::Error::Config) when the text is something else.
            pub fn icons(mut self, json: &str) -> $crate::Result<$type> {
                let set = self.about.set_icons(json);
                set.map_err(|error| $crate::registry::wrong(&self, &error))?;
                Ok(self)
            }

            /// Sets `_meta`, a JSON object that extensions read.
            ///
            /// # Errors
            ///
            /// [`Error::Config`](crate::Error::Config) when the text is not a JSON object.
            pub fn meta(mut self, json: &str) -> $crate::Result<$type> {
                let set = self.about.set_meta(json);
                set.map_err(|error| $crate::registry::wrong(&self, &error))?;
                Ok(self)
            }

            /// What a caller must have to see and use it, for example `metrics:write`; keys and the
            /// host say what each caller has. Default: nothing.
            ///
            /// # Errors
            ///
            /// [`Error::Config`](crate::Error::Config) for blanks, commas, quotes and stars in it.
            pub fn scope(mut self, name: &str) -> $crate::Result<$type> {
                let set = self.about.set_scope(name);
                set.map_err(|error| $crate::registry::wrong(&self, &error))?;
                Ok(self)
            }

            /// Time of one call. Zero means the server's `tool_time`, which is the default.
            pub fn timeout(mut self, timeout: std::time::Duration) -> $type {
                self.about.timeout = (!timeout.is_zero()).then_some(timeout);
                self
            }

            /// Bytes of one result. Zero means the server's `result_bytes`, which is the default.
            pub fn result_bytes(mut self, bytes: usize) -> $type {
                self.about.result_bytes = (bytes > 0).then_some(bytes);
                self
            }

            /// Calls at once; above it clients hear "busy". Zero means no bound of its own, which
            /// is the default.
            pub fn concurrency(mut self, calls: usize) -> $type {
                self.about.concurrency = (calls > 0).then_some(calls);
                self
            }

            /// Keeps the arguments of calls out of audit records, which show `"***"`.
            pub fn hide_arguments(mut self) -> $type {
                self.about.hidden = $crate::registry::Hidden::All;
                self
            }

            /// Calls per minute of all callers together, with as many in reserve; above it they
            /// hear when to try again. Zero means no bound of its own, which is the default.
            pub fn calls_per_minute(mut self, calls: u32) -> $type {
                self.about.pace = (calls > 0).then(|| $crate::rate::Pace::per_minute(calls));
                self
            }
        }
    };
}

pub(super) use describe;
