//! What a client says it can do.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Revision;

/// A client's capabilities: of a session, or of one modern request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientCapabilities<'a> {
    /// A JSON object as the client wrote it.
    json: &'a str,
    revision: Revision,
}

/// The members of a JSON object.
#[derive(Default, Deserialize)]
#[serde(transparent)]
struct Members<'a>(#[serde(borrow)] BTreeMap<Cow<'a, str>, &'a RawValue>);

impl<'a> ClientCapabilities<'a> {
    pub(crate) fn new(json: &'a str, revision: Revision) -> ClientCapabilities<'a> {
        ClientCapabilities { json, revision }
    }

    /// Tells whether `name` was declared, whatever it says.
    pub(crate) fn has(self, name: &str) -> bool {
        self.member(name).is_some()
    }

    /// Tells whether the user can be asked with a form. An empty object means forms alone.
    pub(crate) fn has_form(self) -> bool {
        let Some(modes) = self.member("elicitation") else { return false };
        let modes = Members::of(modes);
        let is_form = modes.0.is_empty() || modes.0.contains_key("form");
        self.revision.knows_elicitation() && (is_form || !self.revision.knows_elicitation_modes())
    }

    /// Tells whether the user can be sent to a page.
    pub(crate) fn has_url(self) -> bool {
        let modes = self.member("elicitation").map(Members::of);
        self.revision.knows_elicitation_modes()
            && modes.is_some_and(|modes| modes.0.contains_key("url"))
    }

    /// Tells whether the model can be asked, with tools of ours or without.
    pub(crate) fn has_sampling(self, with_tools: bool) -> bool {
        let Some(parts) = self.member("sampling") else { return false };
        !with_tools || Members::of(parts).0.contains_key("tools")
    }

    /// Tells whether the extension `id` was declared.
    pub(crate) fn has_extension(self, id: &str) -> bool {
        let extensions = self.member("extensions").map(Members::of);
        extensions.is_some_and(|extensions| extensions.0.contains_key(id))
    }

    fn member(self, name: &str) -> Option<&'a RawValue> {
        Members::of_text(self.json).0.get(name).copied().filter(|raw| raw.get().starts_with('{'))
    }
}

impl<'a> Members<'a> {
    fn of(raw: &'a RawValue) -> Members<'a> {
        Members::of_text(raw.get())
    }

    /// None of what is no object.
    fn of_text(text: &'a str) -> Members<'a> {
        serde_json::from_str(text).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Revision::{V2025_03_26, V2025_06_18, V2025_11_25};

    #[test]
    fn an_empty_elicitation_means_forms() {
        let check = |json: &str, revision, form: bool, url: bool| {
            let capabilities = ClientCapabilities::new(json, revision);
            assert_eq!((capabilities.has_form(), capabilities.has_url()), (form, url), "{json}");
        };
        check(r#"{"elicitation":{}}"#, V2025_11_25, true, false);
        check(r#"{"elicitation":{"url":{}}}"#, V2025_11_25, false, true);
        check(r#"{"elicitation":{"form":{},"url":{}}}"#, V2025_11_25, true, true);
        check(r#"{"elicitation":{"url":{}}}"#, V2025_06_18, true, false);
        check(r#"{"elicitation":{}}"#, V2025_03_26, false, false);
        check(r#"{"elicitation":true}"#, V2025_11_25, false, false);
        check("{}", V2025_11_25, false, false);
        check("nothing", V2025_11_25, false, false);
    }

    #[test]
    fn tools_and_extensions_are_declared_one_by_one() {
        let json = r#"{"sampling":{},"extensions":{"a/b":{}}}"#;
        let capabilities = ClientCapabilities::new(json, V2025_11_25);
        assert!(capabilities.has_sampling(false) && !capabilities.has_sampling(true));
        assert!(capabilities.has_extension("a/b") && !capabilities.has_extension("a"));
        assert!(capabilities.has("sampling") && !capabilities.has("roots"));
    }
}
