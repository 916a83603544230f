//! One question to the user or the model: how it is asked, and what counts as an answer to it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::json::{compact_object, has_key, push_raw_member, push_text_member};
use crate::protocol::{ClientCapabilities, Revision};
use crate::registry::Schema;
use crate::uri;

/// A question that a call wants answered before it goes on.
///
/// ```
/// let schema = r#"{"type":"object","properties":{"sure":{"type":"boolean"}}}"#;
/// let question = emcp::Question::form("Silence the alert for an hour?", schema).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Question(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Form {
        message: String,
        /// Compact JSON.
        schema: String,
    },
    Url {
        message: String,
        url: String,
    },
    Sampling {
        /// A compact JSON object.
        params: String,
    },
    Roots,
}

impl Question {
    /// Asks the user to fill in a form. `schema` is a JSON Schema of a flat object: its properties
    /// are strings, numbers, booleans and choices. Never ask for secrets this way.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] when `schema` is something else.
    pub fn form(message: &str, schema: &str) -> Result<Question> {
        let schema = compact_object("form schema", schema)?;
        check_form(&schema)?;
        Ok(Question(Kind::Form { message: message.into(), schema }))
    }

    /// Asks the user to open a page, for what must not pass through the client. The answer says
    /// only that the user agreed to.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] unless `url` begins with `https://` or leads to this machine.
    pub fn url(message: &str, url: &str) -> Result<Question> {
        let url = uri::parse(url)?;
        let near = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
        // The name of the machine ends there: what goes on, or is a user's name, leads elsewhere.
        let is_near = near.iter().filter_map(|start| url.strip_prefix(start)).any(|rest| {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let port = authority.strip_prefix(':').unwrap_or(authority);
            (authority.is_empty() || authority.starts_with(':'))
                && port.bytes().all(|byte| byte.is_ascii_digit())
        });
        if !is_near && !url.starts_with("https://") {
            return Err(Error::Config(format!("{url:?} is not https")));
        }
        Ok(Question(Kind::Url { message: message.into(), url }))
    }

    /// Asks the client's model. `params` is the JSON of a `sampling/createMessage` request, with
    /// `messages` and `maxTokens`.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] when it is not.
    pub fn sampling(params: &str) -> Result<Question> {
        let params = compact_object("sampling params", params)?;
        match ["messages", "maxTokens"].into_iter().find(|key| !has_key(&params, key)) {
            Some(key) => Err(Error::Config(format!("sampling params have no {key}"))),
            None => Ok(Question(Kind::Sampling { params })),
        }
    }

    /// Asks for the folders that the client works in.
    pub fn roots() -> Question {
        Question(Kind::Roots)
    }

    pub(crate) fn method(&self) -> &'static str {
        match &self.0 {
            Kind::Form { .. } | Kind::Url { .. } => "elicitation/create",
            Kind::Sampling { .. } => "sampling/createMessage",
            Kind::Roots => "roots/list",
        }
    }

    /// The params of the request in the shape of `shape`; `id` names a page for those revisions
    /// whose clients want to hear of it again.
    pub(crate) fn params(&self, shape: Revision, id: &str) -> String {
        let mut out = String::from("{");
        match &self.0 {
            Kind::Form { message, schema } => {
                if shape.knows_elicitation_modes() {
                    push_text_member(&mut out, "mode", "form");
                }
                push_text_member(&mut out, "message", message);
                push_raw_member(&mut out, "requestedSchema", schema);
            }
            Kind::Url { message, url } => {
                push_text_member(&mut out, "mode", "url");
                push_text_member(&mut out, "message", message);
                push_text_member(&mut out, "url", url);
                if shape.names_elicitations() {
                    push_text_member(&mut out, "elicitationId", id);
                }
            }
            Kind::Sampling { params } => return params.clone(),
            Kind::Roots => {}
        }
        out.push('}');
        out
    }

    /// Tells whether a client with `capabilities` can be asked this.
    pub(crate) fn suits(&self, capabilities: ClientCapabilities<'_>) -> bool {
        match &self.0 {
            Kind::Form { .. } => capabilities.has_form(),
            Kind::Url { .. } => capabilities.has_url(),
            Kind::Sampling { params } => capabilities.has_sampling(has_key(params, "tools")),
            Kind::Roots => capabilities.has("roots"),
        }
    }

    /// The capability that a client must declare to be asked this, as JSON.
    pub(crate) fn required(&self) -> &'static str {
        match &self.0 {
            Kind::Form { .. } => r#"{"elicitation":{"form":{}}}"#,
            Kind::Url { .. } => r#"{"elicitation":{"url":{}}}"#,
            Kind::Sampling { params } if has_key(params, "tools") => r#"{"sampling":{"tools":{}}}"#,
            Kind::Sampling { .. } => r#"{"sampling":{}}"#,
            Kind::Roots => r#"{"roots":{}}"#,
        }
    }

    /// Tells whether `answer` has the form that the question calls for. A form is checked against
    /// its schema, for the client may not have done it.
    pub(crate) fn accepts(&self, answer: &RawValue) -> bool {
        let answer = answer.get();
        match &self.0 {
            Kind::Form { schema, .. } => match Elicited::read(answer) {
                Some(Elicited { action, content }) if action == "accept" => {
                    let content = content.map_or("{}", RawValue::get);
                    Schema::compile(schema).is_ok_and(|schema| schema.check(content).is_ok())
                }
                Some(Elicited { action, .. }) => matches!(&*action, "decline" | "cancel"),
                None => false,
            },
            Kind::Url { .. } => Elicited::read(answer)
                .is_some_and(|read| matches!(&*read.action, "accept" | "decline" | "cancel")),
            Kind::Sampling { .. } => has_key(answer, "role") && has_key(answer, "content"),
            Kind::Roots => {
                #[derive(Deserialize)]
                struct Roots<'a> {
                    #[serde(borrow)]
                    #[expect(dead_code, reason = "only its form matters")]
                    roots: Vec<&'a RawValue>,
                }
                serde_json::from_str::<Roots<'_>>(answer).is_ok()
            }
        }
    }

    /// About how many bytes the question takes on the wire.
    pub(crate) fn bytes(&self) -> usize {
        match &self.0 {
            Kind::Form { message, schema: text } | Kind::Url { message, url: text } => {
                message.len() + text.len()
            }
            Kind::Sampling { params } => params.len(),
            Kind::Roots => 0,
        }
    }
}

/// The answer to a form or a page.
#[derive(Deserialize)]
struct Elicited<'a> {
    #[serde(borrow)]
    action: Cow<'a, str>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

impl<'a> Elicited<'a> {
    fn read(answer: &'a str) -> Option<Elicited<'a>> {
        serde_json::from_str(answer).ok()
    }
}

/// Accepts what clients can draw: an object whose properties are no objects.
fn check_form(schema: &str) -> Result<()> {
    let wrong = |problem: String| Error::Config(format!("form schema {problem}"));
    let parsed: serde_json::Value =
        serde_json::from_str(schema).map_err(|error| wrong(error.to_string()))?;
    if parsed["type"] != "object" {
        return Err(wrong(r#"has no "type":"object" at its root"#.into()));
    }
    let Some(properties) = parsed["properties"].as_object() else {
        return Err(wrong("has no properties".into()));
    };
    for (name, property) in properties {
        let kind = property["type"].as_str().unwrap_or_default();
        if !matches!(kind, "string" | "number" | "integer" | "boolean" | "array") {
            return Err(wrong(format!("gives {name:?} a type that no form has")));
        }
    }
    Schema::compile(schema).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Revision::{V2025_06_18, V2025_11_25, V2026_07_28};

    const SURE: &str =
        r#"{"type":"object","properties":{"sure":{"type":"boolean"}},"required":["sure"]}"#;

    fn accepts(question: &Question, answer: &str) -> bool {
        question.accepts(&RawValue::from_string(answer.into()).unwrap())
    }

    #[test]
    fn each_revision_is_asked_in_its_own_words() {
        let form = Question::form("Sure?", SURE).unwrap();
        let rest = format!(r#""message":"Sure?","requestedSchema":{SURE}}}"#);
        assert_eq!(form.params(V2025_06_18, "i"), format!("{{{rest}"));
        assert_eq!(form.params(V2026_07_28, "i"), format!(r#"{{"mode":"form",{rest}"#));
        let url = Question::url("Open", "https://a.example/b").unwrap();
        let start = r#"{"mode":"url","message":"Open","url":"https://a.example/b""#;
        assert_eq!(url.params(V2025_11_25, "i"), format!(r#"{start},"elicitationId":"i"}}"#));
        assert_eq!(url.params(V2026_07_28, "i"), format!("{start}}}"));
        assert_eq!(Question::roots().params(V2025_11_25, "i"), "{}");
    }

    #[test]
    fn a_form_takes_what_its_schema_allows() {
        let form = Question::form("Sure?", SURE).unwrap();
        for good in [
            r#"{"action":"accept","content":{"sure":true}}"#,
            r#"{"action":"accept","content":{"sure":true,"more":1}}"#,
            r#"{"action":"decline"}"#,
            r#"{"action":"cancel","content":{}}"#,
        ] {
            assert!(accepts(&form, good), "{good}");
        }
        for bad in [
            "12345",
            "null",
            "{}",
            r#"{"action":"accept"}"#,
            r#"{"action":"accept","content":{"sure":"yes"}}"#,
            r#"{"action":"perhaps"}"#,
            r#"{"content":{"sure":true}}"#,
        ] {
            assert!(!accepts(&form, bad), "{bad}");
        }
    }

    #[test]
    fn models_and_folders_answer_in_their_own_form() {
        let sampling = Question::sampling(r#"{"messages":[],"maxTokens":9}"#).unwrap();
        assert!(accepts(&sampling, r#"{"role":"assistant","content":{"type":"text","text":"x"}}"#));
        assert!(!accepts(&sampling, r#"{"action":"accept"}"#));
        assert!(accepts(&Question::roots(), r#"{"roots":[]}"#));
        assert!(!accepts(&Question::roots(), r#"{"roots":{}}"#));
    }

    #[test]
    fn impossible_questions_are_refused() {
        for schema in [
            "{}",
            "[]",
            r#"{"type":"object"}"#,
            r#"{"type":"object","properties":{"a":{"type":"object"}}}"#,
        ] {
            assert!(Question::form("m", schema).is_err(), "{schema}");
        }
        for url in [
            "nowhere",
            "http://a.example",
            "ftp://a.example",
            "javascript:x",
            "http://127.0.0.1.a.example/",
            "http://localhost@a.example",
            "http://localhost:1@a.example",
            "http://[::1]a",
            "http://127.0.0.12",
        ] {
            assert!(Question::url("m", url).is_err(), "{url}");
        }
        for url in ["http://127.0.0.1:8080/ok", "http://localhost", "http://[::1]?a=b#c"] {
            assert!(Question::url("m", url).is_ok(), "{url}");
        }
        for params in ["[]", "{}", r#"{"messages":[]}"#] {
            assert!(Question::sampling(params).is_err(), "{params}");
        }
    }
}
