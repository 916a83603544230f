//! The description of one tool, checked while the host builds it.
//!
//! Says what a tool is called, takes and promises. The function behind it is kept next to it by
//! the registry and never seen here.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::json::{compact, compact_object, has_key, push_key, push_raw_member, push_text_member};
use crate::protocol::Revision;
use crate::registry::about::{About, describe};
use crate::registry::header_param::{self, HeaderParam};
use crate::registry::name::check_name;
use crate::registry::{Hidden, Listed, Param, Schema, param, wrong};
use crate::uri;

/// The input schema of a tool without arguments, as the specification words it.
const NO_ARGUMENTS: &str = r#"{"type":"object","additionalProperties":false}"#;

/// How a tool behaves; clients ask their user depending on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ToolFlags {
    /// Changes something; a read-only server hides the tool.
    pub write: bool,
    /// May destroy something. Counts as `write`.
    pub destructive: bool,
    /// A second call with the same arguments changes nothing more.
    pub idempotent: bool,
    /// Reaches beyond this daemon, for example to the internet.
    pub open_world: bool,
    /// Runs on the I/O thread: for work of microseconds that never blocks. Not sent to clients.
    pub inline: bool,
    /// Whether a call becomes a task.
    pub task: TaskSupport,
}

/// Whether a call of a tool becomes a task, which its client polls instead of waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TaskSupport {
    /// Never, unless the tool function begins one itself.
    #[default]
    Never,
    /// When the client knows tasks.
    Optional,
    /// Always; clients that do not know tasks are refused.
    Required,
}

impl ToolFlags {
    /// Tells whether a read-only server must hide the tool.
    pub fn writes(self) -> bool {
        self.write || self.destructive
    }
}

/// One tool before it is added to a server.
///
/// ```
/// use emcp::{Tool, ToolFlags};
///
/// let tool = Tool::new("service_restart")
///     .unwrap()
///     .description("Restarts one service by its name.")
///     .flags(ToolFlags { write: true, ..ToolFlags::default() });
/// ```
#[derive(Debug)]
pub struct Tool {
    pub(crate) name: Arc<str>,
    pub(crate) about: About,
    pub(crate) input: Input,
    /// Compact JSON and its validator.
    pub(crate) output: Option<(String, Schema)>,
    pub(crate) flags: ToolFlags,
    /// The `ui://` resource that shows the result.
    pub(crate) ui: Option<String>,
}

/// What a tool takes.
#[derive(Debug)]
pub(crate) struct Input {
    /// Compact JSON, keys and digits as the host wrote them.
    pub(crate) text: String,
    pub(crate) schema: Schema,
    pub(crate) headers: Vec<HeaderParam>,
    /// The host said it; only one of `params` and `input_schema` may.
    given: bool,
}

impl Tool {
    /// A tool without arguments. Models see `name`, so it should say what the tool does.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] unless `name` is 1 to 64 of `A-Z a-z 0-9 _ . -`.
    pub fn new(name: impl Into<String>) -> Result<Tool> {
        let name = name.into();
        check_name("tool", &name)?;
        Ok(Tool {
            input: Input::parse(NO_ARGUMENTS, false)?,
            name: name.into(),
            about: About::default(),
            output: None,
            flags: ToolFlags::default(),
            ui: None,
        })
    }

    /// Builds the input schema from a table.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] when a parameter is wrong or an input schema is there already.
    pub fn params(self, params: &[Param]) -> Result<Tool> {
        let text = param::input_schema(params).map_err(|error| wrong(&self, &error))?;
        self.set_input(&text)
    }

    /// Takes the input schema as JSON Schema text, dialect 2020-12 unless `$schema` says another.
    /// Audit records do not show the values of properties with `"writeOnly": true`.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] when the text is no schema of an object, needs a schema from elsewhere, is
    /// too large, or marks a parameter as a header that clients would refuse.
    pub fn input_schema(self, json: &str) -> Result<Tool> {
        self.set_input(json)
    }

    /// Promises the shape of the structured result. Clients before revision 2026-07-28 are told
    /// only when its root has `"type":"object"`.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] when the text is no usable schema.
    pub fn output_schema(mut self, json: &str) -> Result<Tool> {
        let parsed = compact(json).and_then(|text| Ok((Schema::compile(&text)?, text)));
        let (schema, text) = parsed.map_err(|error| wrong(&self, &error))?;
        self.output = Some((text, schema));
        Ok(self)
    }

    /// Says how the tool behaves. Default: reads only, inside this daemon.
    pub fn flags(mut self, flags: ToolFlags) -> Tool {
        self.flags = flags;
        self
    }

    /// Names the resource that shows the result in clients with a place for it (MCP Apps).
    ///
    /// # Errors
    ///
    /// [`Error::Config`] unless `uri` begins with `ui://`.
    pub fn ui(mut self, uri: &str) -> Result<Tool> {
        let uri = uri::parse(uri).map_err(|error| wrong(&self, &error))?;
        if !uri.starts_with("ui://") {
            return Err(wrong(
                &self,
                &Error::Config(format!("ui {uri:?} does not begin with ui://")),
            ));
        }
        self.ui = Some(uri);
        Ok(self)
    }

    /// `_meta` with the pointer to the resource that shows the result (MCP Apps), under the
    /// extension's name and under the flat one that its first hosts read.
    fn push_meta(&self, shape: Revision, out: &mut String) {
        let Some(ui) = self.ui.as_ref().filter(|_| shape.shows_meta()) else {
            return self.about.push_meta(shape, out);
        };
        let own = self.about.meta.as_deref().and_then(|json| json.strip_suffix('}'));
        push_raw_member(out, "_meta", own.unwrap_or("{"));
        push_key(out, "ui");
        out.push('{');
        push_text_member(out, "resourceUri", ui);
        out.push('}');
        push_text_member(out, "ui/resourceUri", ui);
        out.push('}');
    }

    fn task_support(&self) -> Option<&'static str> {
        match self.flags.task {
            TaskSupport::Never => None,
            TaskSupport::Optional => Some("optional"),
            TaskSupport::Required => Some("required"),
        }
    }

    fn set_input(mut self, json: &str) -> Result<Tool> {
        if self.input.given {
            return Err(wrong(&self, &Error::Config("has two input schemas".into())));
        }
        self.input = Input::parse(json, true).map_err(|error| wrong(&self, &error))?;
        if self.about.hidden != Hidden::All {
            self.about.hidden = Hidden::of_schema(self.input.schema.value());
        }
        Ok(self)
    }

    /// The output schema, if a client of `shape` accepts this one.
    fn output_for(&self, shape: Revision) -> Option<&str> {
        let (text, schema) = self.output.as_ref()?;
        let readable = shape.knows_any_output() || schema.is_object();
        (shape.knows_structured() && readable).then_some(text)
    }

    /// The hints are all written out, because a client assumes the worst of one that is missing.
    fn annotations(&self) -> String {
        let text = |value: bool| if value { "true" } else { "false" };
        let mut out = String::from("{");
        if let Some(title) = &self.about.title {
            push_text_member(&mut out, "title", title);
        }
        push_raw_member(&mut out, "readOnlyHint", text(!self.flags.writes()));
        push_raw_member(&mut out, "destructiveHint", text(self.flags.destructive));
        push_raw_member(&mut out, "idempotentHint", text(self.flags.idempotent));
        push_raw_member(&mut out, "openWorldHint", text(self.flags.open_world));
        out.push('}');
        out
    }
}

describe!(Tool);

impl Listed for Tool {
    const KIND: &'static str = "tool";

    fn key(&self) -> &str {
        &self.name
    }

    fn listing(&self, shape: Revision) -> String {
        let mut out = String::from("{");
        push_text_member(&mut out, "name", &self.name);
        self.about.push_texts(shape, &mut out);
        push_raw_member(&mut out, "inputSchema", &self.input.text);
        if let Some(schema) = self.output_for(shape) {
            push_raw_member(&mut out, "outputSchema", schema);
        }
        if shape.shows_annotations() {
            push_raw_member(&mut out, "annotations", &self.annotations());
        }
        self.about.push_icons(shape, &mut out);
        if let Some(support) = self.task_support().filter(|_| shape.has_task_methods()) {
            push_raw_member(&mut out, "execution", &format!(r#"{{"taskSupport":"{support}"}}"#));
        }
        self.push_meta(shape, &mut out);
        out.push('}');
        out
    }

    fn about(&self) -> &About {
        &self.about
    }

    /// Two members of one name are not JSON that everybody reads alike.
    fn check(&self) -> Result<()> {
        let (Some(meta), Some(_)) = (&self.about.meta, &self.ui) else { return Ok(()) };
        match ["ui", "ui/resourceUri"].into_iter().find(|key| has_key(meta, key)) {
            Some(key) => Err(wrong(self, &Error::Config(format!("_meta and ui both set {key:?}")))),
            None => Ok(()),
        }
    }

    fn writes(&self) -> bool {
        self.flags.writes()
    }
}

impl Input {
    fn parse(json: &str, given: bool) -> Result<Input> {
        let text = compact_object("input schema", json)?;
        let schema = Schema::compile(&text)?;
        if !schema.is_object() {
            return Err(Error::Config(r#"input schema has no "type":"object" at its root"#.into()));
        }
        let headers = header_param::extract(schema.value())?;
        Ok(Input { text, schema, headers, given })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::registry::ParamKind;
    use Revision::{V2024_11_05, V2025_03_26, V2025_06_18, V2025_11_25, V2026_07_28};

    fn tool() -> Tool {
        Tool::new("cpu").unwrap()
    }

    fn refuse(result: Result<Tool>, expected: &str) {
        assert_eq!(result.unwrap_err().to_string(), expected);
    }

    #[test]
    fn names_follow_the_rule() {
        for name in ["a", "A-b_c.9", &"x".repeat(64)] {
            assert!(Tool::new(name).is_ok(), "{name}");
        }
        for name in ["", "a b", "a/b", "ä", "a\n", &"x".repeat(65)] {
            assert!(Tool::new(name).is_err(), "{name}");
        }
    }

    #[test]
    fn each_revision_gets_the_members_that_it_knows() {
        let tool = tool()
            .title("CPU")
            .description("Load")
            .output_schema(r#"{"type": "object"}"#)
            .unwrap()
            .icons(r#"[{"src": "data:,"}]"#)
            .unwrap()
            .meta(r#"{"k": 1}"#)
            .unwrap();
        let (name, title, text) =
            (r#"{"name":"cpu","#, r#""title":"CPU","#, r#""description":"Load","#);
        let input = r#""inputSchema":{"type":"object","additionalProperties":false}"#;
        let output = r#","outputSchema":{"type":"object"}"#;
        let hints = concat!(
            r#","annotations":{"title":"CPU","readOnlyHint":true,"destructiveHint":false,"#,
            r#""idempotentHint":false,"openWorldHint":false}"#
        );
        let (icons, meta) = (r#","icons":[{"src":"data:,"}]"#, r#","_meta":{"k":1}"#);
        let check = |shape, expected: &[&str]| assert_eq!(tool.listing(shape), expected.concat());
        check(V2024_11_05, &[name, text, input, "}"]);
        check(V2025_03_26, &[name, text, input, hints, "}"]);
        check(V2025_06_18, &[name, title, text, input, output, hints, meta, "}"]);
        check(V2025_11_25, &[name, title, text, input, output, hints, icons, meta, "}"]);
        check(V2026_07_28, &[name, title, text, input, output, hints, icons, meta, "}"]);
    }

    #[test]
    fn an_output_schema_without_an_object_is_for_the_newest_revision_only() {
        let tool = tool().output_schema(r#"{"type":"array"}"#).unwrap();
        assert!(!tool.listing(V2025_11_25).contains("outputSchema"));
        assert!(tool.listing(V2026_07_28).contains(r#""outputSchema":{"type":"array"}"#));
    }

    #[test]
    fn the_input_schema_keeps_its_order_and_digits() {
        let json = r#"{"z":{"b":1.50,"a":12345678901234567890123},"type":"object"}"#;
        let tool = tool().input_schema(&json.replace(',', " ,\n ")).unwrap();
        assert!(tool.listing(V2026_07_28).contains(&format!(r#""inputSchema":{json}"#)));
    }

    #[test]
    fn a_destructive_tool_writes() {
        let flags = ToolFlags { destructive: true, ..ToolFlags::default() };
        let hints = tool().flags(flags).annotations();
        assert!(hints.starts_with(r#"{"readOnlyHint":false,"destructiveHint":true,"#), "{hints}");
    }

    #[test]
    fn wrong_descriptions_name_the_tool() {
        let two = tool().params(&[]).unwrap().input_schema(NO_ARGUMENTS);
        refuse(two, r#"tool "cpu": has two input schemas"#);
        refuse(tool().meta("[]"), r#"tool "cpu": _meta is not a JSON object"#);
        refuse(tool().icons("{}"), r#"tool "cpu": icons is not a JSON array"#);
        refuse(tool().icons("[{}]"), r#"tool "cpu": icons: an icon has no src"#);
        refuse(tool().input_schema("null"), r#"tool "cpu": input schema is not a JSON object"#);
        refuse(
            tool().input_schema("{}"),
            r#"tool "cpu": input schema has no "type":"object" at its root"#,
        );
        let param = Param::new("p", ParamKind::Number).header("P");
        refuse(
            tool().params(&[param]),
            r#"tool "cpu": x-mcp-header P is not on a string, integer or boolean"#,
        );
        assert!(tool().output_schema(r#"{"type":"nothing"}"#).is_err());
    }

    #[test]
    fn zero_means_the_default_of_the_server() {
        let about = tool().timeout(Duration::ZERO).result_bytes(0).concurrency(0).about;
        assert_eq!((about.timeout, about.result_bytes, about.concurrency), (None, None, None));
    }
}
