//! The description of one prompt: what it is called and which arguments it takes.

use crate::error::{Error, Result};
use crate::json::{push_key, push_raw_member, push_text_member};
use crate::protocol::Revision;
use crate::registry::about::{About, describe};
use crate::registry::name::check_name;
use crate::registry::{Listed, wrong};

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
    pub(crate) about: About,
    arguments: Vec<PromptArgument>,
}

/// One argument of a prompt: a text that the user fills in.
#[derive(Clone, Debug)]
pub struct PromptArgument {
    name: String,
    description: Option<String>,
    is_required: bool,
    choices: Vec<String>,
    is_secret: bool,
}

impl PromptArgument {
    /// An argument that may be left out.
    pub fn new(name: impl Into<String>) -> PromptArgument {
        PromptArgument {
            name: name.into(),
            description: None,
            is_required: false,
            choices: Vec::new(),
            is_secret: false,
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

    /// A password or the like: audit records show `"***"`.
    pub fn secret(mut self) -> PromptArgument {
        self.is_secret = true;
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
        Ok(Prompt { name, about: About::default(), arguments: Vec::new() })
    }

    /// Appends an argument; clients ask for them in this order.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] when its name is wrong or taken.
    pub fn argument(mut self, argument: PromptArgument) -> Result<Prompt> {
        check_name("argument", &argument.name).map_err(|error| wrong(&self, &error))?;
        if self.arguments.iter().any(|known| known.name == argument.name) {
            let problem = format!("argument {:?} stands twice", argument.name);
            return Err(wrong(&self, &Error::Config(problem)));
        }
        if argument.is_secret {
            self.about.hidden = std::mem::take(&mut self.about.hidden).with(&argument.name);
        }
        self.arguments.push(argument);
        Ok(self)
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
}

describe!(Prompt);

impl Listed for Prompt {
    const KIND: &'static str = "prompt";

    fn key(&self) -> &str {
        &self.name
    }

    fn listing(&self, shape: Revision) -> String {
        let mut out = String::from("{");
        push_text_member(&mut out, "name", &self.name);
        self.about.push_texts(shape, &mut out);
        push_key(&mut out, "arguments");
        out.push('[');
        for (index, argument) in self.arguments.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            argument.write(&mut out);
        }
        out.push(']');
        self.about.push_icons(shape, &mut out);
        self.about.push_meta(shape, &mut out);
        out.push('}');
        out
    }

    fn about(&self) -> &About {
        &self.about
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
