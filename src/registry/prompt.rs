//! The description of one prompt: what it is called and which arguments it takes.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::json::{compact_object, push_key, push_raw_member, push_text_member};
use crate::protocol::Revision;
use crate::registry::Listed;
use crate::registry::name::check_name;
use crate::registry::tool::check_icons;

/// One prompt before it is added to a server.
///
/// ```
/// use emcp::{Prompt, PromptArgument};
///
/// let prompt = Prompt::new("explain_alert")
///     .unwrap()
///     .description("Explains one alert and what to do about it.")
///     .argument(PromptArgument::new("alert").required())
///     .unwrap();
/// ```
#[derive(Debug)]
pub struct Prompt {
    pub(crate) name: String,
    title: Option<String>,
    description: Option<String>,
    arguments: Vec<PromptArgument>,
    /// A compact JSON array.
    icons: Option<String>,
    /// A compact JSON object.
    meta: Option<String>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) result_bytes: Option<usize>,
    concurrency: Option<usize>,
}

/// One argument of a prompt: a text that the user fills in.
#[derive(Clone, Debug)]
pub struct PromptArgument {
    name: String,
    description: Option<String>,
    is_required: bool,
    choices: Vec<String>,
}

impl PromptArgument {
    /// An argument that may be left out.
    pub fn new(name: impl Into<String>) -> PromptArgument {
        PromptArgument {
            name: name.into(),
            description: None,
            is_required: false,
            choices: Vec::new(),
        }
    }

    /// Tells the user what to fill in.
    pub fn description(mut self, text: impl Into<String>) -> PromptArgument {
        self.description = Some(text.into());
        self
    }

    /// Refuses the prompt without it.
    pub fn required(mut self) -> PromptArgument {
        self.is_required = true;
        self
    }

    /// Values to suggest while the user types. Others stay possible.
    pub fn choices<S: Into<String>>(
        mut self,
        choices: impl IntoIterator<Item = S>,
    ) -> PromptArgument {
        self.choices = choices.into_iter().map(Into::into).collect();
        self
    }
}

impl Prompt {
    /// A prompt without arguments.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] unless `name` is 1 to 64 of `A-Z a-z 0-9 _ . -`.
    pub fn new(name: impl Into<String>) -> Result<Prompt> {
        let name = name.into();
        check_name("prompt", &name)?;
        Ok(Prompt {
            name,
            title: None,
            description: None,
            arguments: Vec::new(),
            icons: None,
            meta: None,
            timeout: None,
            result_bytes: None,
            concurrency: None,
        })
    }

    /// The name for people.
    pub fn title(mut self, text: impl Into<String>) -> Prompt {
        self.title = Some(text.into());
        self
    }

    /// Tells people what the prompt is for.
    pub fn description(mut self, text: impl Into<String>) -> Prompt {
        self.description = Some(text.into());
        self
    }

    /// Appends an argument; clients ask for them in this order.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] when its name is wrong or taken.
    pub fn argument(mut self, argument: PromptArgument) -> Result<Prompt> {
        check_name("argument", &argument.name).map_err(|error| self.wrong(&error))?;
        if self.arguments.iter().any(|known| known.name == argument.name) {
            let problem = format!("argument {:?} stands twice", argument.name);
            return Err(self.wrong(&Error::Config(problem)));
        }
        self.arguments.push(argument);
        Ok(self)
    }

    /// Pictures for user interfaces: a JSON array of objects with a `src`.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] when the text is something else.
    pub fn icons(mut self, json: &str) -> Result<Prompt> {
        self.icons = Some(check_icons(json).map_err(|error| self.wrong(&error))?);
        Ok(self)
    }

    /// Sets `_meta`, a JSON object that extensions read.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] when the text is not a JSON object.
    pub fn meta(mut self, json: &str) -> Result<Prompt> {
        self.meta = Some(compact_object("_meta", json).map_err(|error| self.wrong(&error))?);
        Ok(self)
    }

    /// Time of one call. Zero means the server's `tool_time`, which is the default.
    pub fn timeout(mut self, timeout: Duration) -> Prompt {
        self.timeout = (!timeout.is_zero()).then_some(timeout);
        self
    }

    /// Bytes of one result. Zero means the server's `result_bytes`, which is the default.
    pub fn result_bytes(mut self, bytes: usize) -> Prompt {
        self.result_bytes = (bytes > 0).then_some(bytes);
        self
    }

    /// Calls at once; above it clients hear "busy". Zero means no bound of its own, which is the
    /// default.
    pub fn concurrency(mut self, calls: usize) -> Prompt {
        self.concurrency = (calls > 0).then_some(calls);
        self
    }

    /// Names the first required argument that `has` does not know.
    pub(crate) fn missing(&self, has: impl Fn(&str) -> bool) -> Option<&str> {
        let mut required = self.arguments.iter().filter(|argument| argument.is_required);
        required.find(|argument| !has(&argument.name)).map(|argument| &*argument.name)
    }

    /// Tells whether the prompt has the argument `name`.
    pub(crate) fn has_argument(&self, name: &str) -> bool {
        self.arguments.iter().any(|argument| argument.name == name)
    }

    /// Tells whether values can be suggested without asking the host.
    pub(crate) fn has_choices(&self) -> bool {
        self.arguments.iter().any(|argument| !argument.choices.is_empty())
    }

    /// The choices of the argument `name`.
    pub(crate) fn choices(&self, name: &str) -> &[String] {
        let found = self.arguments.iter().find(|argument| argument.name == name);
        found.map_or(&[], |argument| &argument.choices)
    }

    fn wrong(&self, error: &Error) -> Error {
        Error::Config(format!("prompt {:?}: {error}", self.name))
    }
}

impl Listed for Prompt {
    const KIND: &'static str = "prompt";

    fn key(&self) -> &str {
        &self.name
    }

    fn listing(&self, shape: Revision) -> String {
        let mut out = String::from("{");
        push_text_member(&mut out, "name", &self.name);
        if let Some(title) = self.title.as_ref().filter(|_| shape.has_title()) {
            push_text_member(&mut out, "title", title);
        }
        if let Some(description) = &self.description {
            push_text_member(&mut out, "description", description);
        }
        push_key(&mut out, "arguments");
        out.push('[');
        for (index, argument) in self.arguments.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            argument.write(&mut out);
        }
        out.push(']');
        if let Some(icons) = self.icons.as_ref().filter(|_| shape.shows_icons()) {
            push_raw_member(&mut out, "icons", icons);
        }
        if let Some(meta) = self.meta.as_ref().filter(|_| shape.shows_meta()) {
            push_raw_member(&mut out, "_meta", meta);
        }
        out.push('}');
        out
    }

    fn concurrency(&self) -> Option<usize> {
        self.concurrency
    }
}

impl PromptArgument {
    fn write(&self, out: &mut String) {
        out.push('{');
        push_text_member(out, "name", &self.name);
        if let Some(description) = &self.description {
            push_text_member(out, "description", description);
        }
        push_raw_member(out, "required", if self.is_required { "true" } else { "false" });
        out.push('}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Revision::{V2024_11_05, V2025_06_18, V2025_11_25};

    fn prompt() -> Prompt {
        Prompt::new("explain").unwrap()
    }

    #[test]
    fn each_revision_gets_the_members_that_it_knows() {
        let prompt = prompt()
            .title("T")
            .description("D")
            .argument(PromptArgument::new("alert").description("Which").required())
            .unwrap()
            .argument(PromptArgument::new("depth"))
            .unwrap()
            .icons(r#"[{"src":"data:,"}]"#)
            .unwrap()
            .meta(r#"{"k":1}"#)
            .unwrap();
        let (name, title, text) =
            (r#"{"name":"explain","#, r#""title":"T","#, r#""description":"D","#);
        let arguments = concat!(
            r#""arguments":[{"name":"alert","description":"Which","required":true},"#,
            r#"{"name":"depth","required":false}]"#
        );
        let (icons, meta) = (r#","icons":[{"src":"data:,"}]"#, r#","_meta":{"k":1}"#);
        let check = |shape, expected: &[&str]| assert_eq!(prompt.listing(shape), expected.concat());
        check(V2024_11_05, &[name, text, arguments, "}"]);
        check(V2025_06_18, &[name, title, text, arguments, meta, "}"]);
        check(V2025_11_25, &[name, title, text, arguments, icons, meta, "}"]);
    }

    #[test]
    fn required_arguments_are_missed() {
        let argument = |name: &str| PromptArgument::new(name);
        let prompt = prompt().argument(argument("a")).unwrap();
        let prompt = prompt.argument(argument("b").required()).unwrap();
        assert_eq!(prompt.missing(|name| name == "a"), Some("b"));
        assert_eq!(prompt.missing(|name| name == "b"), None);
        assert!(prompt.argument(argument("a")).is_err());
    }
}
