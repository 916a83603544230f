//! The result of one tool call as each revision reads it.

use crate::caching::Caching;
use crate::content::Content;
use crate::content::block::{BLOCK_BYTES, write_text};
use crate::error::{Error, Result};
use crate::json::{
    WrittenJson, compact, compact_object, has_key, push_raw_member, push_string, push_text_member,
};
use crate::protocol::Revision;

/// What one tool call answers, failures of the tool included.
///
/// ```
/// use emcp::{Content, ToolResult};
///
/// let mut result = ToolResult::default();
/// result.push(Content::text("42 processes"));
/// result.set_structured(r#"{"processes": 42}"#).unwrap();
/// assert!(!result.is_error());
/// ```
#[derive(Clone, Debug, Default)]
pub struct ToolResult {
    content: Vec<Content>,
    /// Compact JSON of any type.
    structured: Option<String>,
    is_error: bool,
    /// The note that says that rows are missing. Comes last, and does not count as text that
    /// stands in for structured content.
    truncated: Option<String>,
    /// A compact JSON object.
    meta: Option<String>,
}

impl ToolResult {
    /// A result with one text block.
    pub fn text(text: impl Into<String>) -> ToolResult {
        ToolResult { content: vec![Content::text(text)], ..ToolResult::default() }
    }

    /// A failure that the model sees and can act on; not a protocol error.
    pub fn error(text: impl Into<String>) -> ToolResult {
        ToolResult { is_error: true, ..ToolResult::text(text) }
    }

    /// Appends a block; clients show them in this order.
    pub fn push(&mut self, content: Content) {
        self.content.push(content);
    }

    /// Sets `structuredContent`. Clients that cannot read it get it as a text block, and so does
    /// everybody when the result has no text of its own.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] when the text is not JSON.
    pub fn set_structured(&mut self, json: &str) -> Result<()> {
        let json = compact(json);
        self.structured =
            Some(json.map_err(|error| Error::Config(format!("structured content: {error}")))?);
        Ok(())
    }

    /// Sets `structuredContent` to what a [`JsonWriter`](crate::JsonWriter) has written.
    ///
    /// ```
    /// let mut json = emcp::JsonWriter::new(1024);
    /// json.bool(true);
    /// let mut result = emcp::ToolResult::default();
    /// result.set_written(json.written().unwrap());
    /// assert_eq!(result.structured(), Some("true"));
    /// ```
    pub fn set_written(&mut self, json: WrittenJson) {
        self.structured = Some(json.into());
    }

    /// Sets `_meta`, which clients before revision 2025-06-18 do not get.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] when the text is not a JSON object.
    pub fn set_meta(&mut self, json: &str) -> Result<()> {
        self.meta = Some(compact_object("result _meta", json)?);
        Ok(())
    }

    /// Says that only `shown` of `total` rows are in the result, and with which cursor to ask for
    /// the next ones. The words are always the same, so that models learn them.
    pub fn set_truncated(&mut self, shown: u64, total: u64, cursor: Option<&str>) {
        let mut note = format!("[truncated: {shown} of {total} shown");
        if let Some(cursor) = cursor {
            note.push_str("; for the next ones call again with cursor \"");
            note.push_str(cursor);
            note.push('"');
        }
        note.push(']');
        self.truncated = Some(note);
    }

    /// Marks the result as a failure of the tool.
    pub fn set_error(&mut self) {
        self.is_error = true;
    }

    /// Tells whether the tool failed.
    pub fn is_error(&self) -> bool {
        self.is_error
    }

    /// Tells whether nothing was put into the result.
    pub fn is_empty(&self) -> bool {
        self.content.is_empty() && self.structured.is_none()
    }

    /// `structuredContent` as JSON text.
    pub fn structured(&self) -> Option<&str> {
        self.structured.as_deref()
    }

    /// About how many bytes the result takes on the wire; escaping can add to it.
    pub fn bytes(&self) -> usize {
        let structured = self.structured.as_ref().map_or(0, |json| {
            let copies = 1 + usize::from(self.needs_copy());
            copies * (json.len() + BLOCK_BYTES)
        });
        let blocks: usize = self.content.iter().map(Content::bytes).sum();
        let note = self.truncated.as_ref().map_or(0, |note| note.len() + BLOCK_BYTES);
        blocks + note + structured + self.meta.as_ref().map_or(0, String::len) + BLOCK_BYTES
    }

    /// Appends the `CallToolResult` object as a client of `shape` can read it.
    pub(crate) fn write(&self, shape: Revision, extra: Extra<'_>, out: &mut String) {
        extra.open(out);
        self.write_content(shape, out);
        if let Some(json) = self.structured_for(shape) {
            push_raw_member(out, "structuredContent", json);
        }
        if self.is_error {
            push_raw_member(out, "isError", "true");
        }
        extra.close(shape, self.meta.as_deref(), out);
    }

    fn write_content(&self, shape: Revision, out: &mut String) {
        push_raw_member(out, "content", "[");
        for (index, block) in self.content.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            block.write(shape, out);
        }
        if let Some(json) = self.structured.as_deref().filter(|_| self.needs_copy()) {
            if !self.content.is_empty() {
                out.push(',');
            }
            write_text(json, out);
        }
        if let Some(note) = &self.truncated {
            if !out.ends_with('[') {
                out.push(',');
            }
            write_text(note, out);
        }
        out.push(']');
    }

    /// Structured content for which no text stands in. Only meaningful when there is any.
    fn needs_copy(&self) -> bool {
        !self.content.iter().any(Content::is_text)
    }

    fn structured_for(&self, shape: Revision) -> Option<&str> {
        let json = self.structured.as_deref()?;
        let readable = shape.knows_any_output() || json.starts_with('{');
        (shape.knows_structured() && readable).then_some(json)
    }
}

/// What the caller's era adds to a result.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extra<'a> {
    /// `resultType`, from revision 2026-07-28 on.
    pub(crate) result_type: Option<&'a str>,
    /// One more member of `_meta`: its name and its JSON. A member that the host set under the
    /// same name wins, for two members of one name are not JSON that everybody reads alike.
    pub(crate) meta: Option<(&'a str, &'a str)>,
    /// How long and by whom the result may be kept; for what was read, from 2026-07-28 on.
    pub(crate) caching: Option<Caching>,
}

impl Extra<'_> {
    /// Begins the object of a result.
    pub(crate) fn open(&self, out: &mut String) {
        out.push('{');
        if let Some(kind) = self.result_type {
            push_text_member(out, "resultType", kind);
        }
    }

    /// Ends the object of a result whose own `_meta` is `meta`.
    pub(crate) fn close(&self, shape: Revision, meta: Option<&str>, out: &mut String) {
        if let Some(caching) = self.caching {
            caching.push(out);
        }
        if shape.shows_meta() {
            write_meta(meta, self.meta, out);
        }
        out.push('}');
    }
}

pub(super) fn write_meta(own: Option<&str>, extra: Option<(&str, &str)>, out: &mut String) {
    let extra = extra.filter(|(key, _)| !own.is_some_and(|json| has_key(json, key)));
    if own.is_none() && extra.is_none() {
        return;
    }
    // The own object without its closing brace, so that one more member fits in.
    let head = own.and_then(|json| json.strip_suffix('}')).unwrap_or("{");
    push_raw_member(out, "_meta", head);
    if let Some((key, json)) = extra {
        if head != "{" {
            out.push(',');
        }
        push_string(out, key);
        out.push(':');
        out.push_str(json);
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use Revision::{V2025_03_26, V2025_06_18, V2025_11_25, V2026_07_28};

    fn check(result: &ToolResult, shape: Revision, expected: &str) {
        check_with(result, shape, Extra::default(), expected);
    }

    fn check_with(result: &ToolResult, shape: Revision, extra: Extra<'_>, expected: &str) {
        let mut out = String::new();
        result.write(shape, extra, &mut out);
        assert_eq!(out, expected);
        assert!(serde_json::from_str::<serde_json::Value>(&out).is_ok());
    }

    fn structured(json: &str) -> ToolResult {
        let mut result = ToolResult::default();
        result.set_structured(json).unwrap();
        result
    }

    #[test]
    fn content_is_always_there() {
        for shape in Revision::ALL {
            check(&ToolResult::default(), shape, r#"{"content":[]}"#);
            check(
                &ToolResult::error("no such disk"),
                shape,
                r#"{"content":[{"type":"text","text":"no such disk"}],"isError":true}"#,
            );
        }
    }

    #[test]
    fn structured_content_gets_a_text_copy_for_those_who_cannot_read_it() {
        let result = structured("{ \"n\": 1.50 }");
        let copy = r#"{"type":"text","text":"{\"n\":1.50}"}"#;
        check(&result, V2025_03_26, &format!(r#"{{"content":[{copy}]}}"#));
        let full = format!(r#"{{"content":[{copy}],"structuredContent":{{"n":1.50}}}}"#);
        check(&result, V2025_06_18, &full);

        let list = structured("[1]");
        let copy = r#"{"type":"text","text":"[1]"}"#;
        check(&list, V2025_11_25, &format!(r#"{{"content":[{copy}]}}"#));
        let full = format!(r#"{{"content":[{copy}],"structuredContent":[1]}}"#);
        check(&list, V2026_07_28, &full);
    }

    #[test]
    fn a_text_of_the_tool_stands_in_for_the_copy() {
        let mut result = structured("{}");
        result.push(Content::image("image/png", b""));
        assert!(result.needs_copy());
        result.push(Content::raw(r#"{"type":"text","text":"none"}"#).unwrap());
        assert!(!result.needs_copy());
        check(
            &result,
            V2025_06_18,
            concat!(
                r#"{"content":[{"type":"image","data":"","mimeType":"image/png"},"#,
                r#"{"type":"text","text":"none"}],"structuredContent":{}}"#
            ),
        );
    }

    #[test]
    fn the_era_adds_its_members_without_doubling_one() {
        let extra = Extra {
            result_type: Some("complete"),
            meta: Some(("io.x/info", r#"{"n":1}"#)),
            caching: None,
        };
        let mut result = ToolResult::default();
        let modern = |meta: &str| format!(r#"{{"resultType":"complete","content":[]{meta}}}"#);
        let meta = r#","_meta":{"io.x/info":{"n":1}}"#;
        check_with(&result, V2026_07_28, extra, &modern(meta));
        result.set_meta("{}").unwrap();
        check_with(&result, V2026_07_28, extra, &modern(meta));
        result.set_meta(r#"{"a": 1}"#).unwrap();
        check_with(&result, V2026_07_28, extra, &modern(r#","_meta":{"a":1,"io.x/info":{"n":1}}"#));
        result.set_meta(r#"{"io.x\/info": 2}"#).unwrap();
        check_with(&result, V2026_07_28, extra, &modern(r#","_meta":{"io.x\/info":2}"#));
        check(&result, V2025_11_25, r#"{"content":[],"_meta":{"io.x\/info":2}}"#);
        check(&result, V2025_03_26, r#"{"content":[]}"#);
    }

    #[test]
    fn wrong_json_is_refused_and_changes_nothing() {
        let mut result = structured("{}");
        assert!(result.set_structured("{").is_err());
        assert!(result.set_meta("[]").is_err());
        assert_eq!(result.structured(), Some("{}"));
        assert!(!result.is_empty());
    }

    #[test]
    fn the_estimate_is_not_below_the_wire_size_of_plain_text() {
        let mut result = structured(r#"{"value":12345}"#);
        result.push(Content::image("image/png", &[0; 1000]));
        result.push(Content::link("log://a", "A", Some("text/plain"), Some("x")).unwrap());
        let mut out = String::new();
        result.write(V2026_07_28, Extra::default(), &mut out);
        assert!(result.bytes() >= out.len(), "{} < {}", result.bytes(), out.len());
    }

    #[test]
    fn a_truncated_result_keeps_its_copy_and_ends_with_the_note() {
        let mut result = structured("{}");
        result.set_truncated(2, 5, Some("c"));
        let note = r#"[truncated: 2 of 5 shown; for the next ones call again with cursor \"c\"]"#;
        let expected = format!(
            r#"{{"content":[{{"type":"text","text":"{{}}"}},{{"type":"text","text":"{note}"}}]}}"#
        );
        check(&result, V2025_03_26, &expected);
    }
}
