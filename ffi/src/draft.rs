//! A result while the host puts it together, within the bytes that it may take.

use std::borrow::Cow;
use std::hint::black_box;

use emcp_core::{
    CallKind, CallResult, CompletionResult, Content, PromptResult, ReadResult, Role, ToolResult,
    WrittenJson,
};

use crate::failure::{Failure, Result};
use crate::status::EMCP_E_LIMIT;
use crate::text::{repair, reserved};

/// What a piece takes besides its own text: names of members, quotes, braces. Not below what the
/// core counts, so that a result which fits here fits there.
const PIECE_BYTES: usize = 64;

/// What the note about missing rows takes besides its cursor: its words, two numbers, its block.
const NOTE_BYTES: usize = 192;

/// Up to here memory counts as there: the default of `max_result_bytes`.
const ORDINARY_BYTES: usize = 4 * 1024 * 1024;

/// How often a result is in memory at once: as the host has put it, with its escapes, in the answer,
/// and on its way to the client.
const COPIES: usize = 4;

/// Counts as it grows: asking the core for the size after each piece would take time that grows
/// with the square of their number.
pub(crate) struct Draft {
    body: Body,
    limit: usize,
    content_bytes: usize,
    structured_bytes: usize,
    meta_bytes: usize,
    has_text: bool,
}

/// What is put together depends on what was called.
enum Body {
    Tool(ToolResult),
    Read(ReadResult),
    /// With the role of the messages that come next.
    Prompt(PromptResult, Role),
    Completion(CompletionResult),
}

impl Draft {
    pub(crate) fn new(kind: CallKind, limit: usize) -> Draft {
        let body = match kind {
            CallKind::Tool => Body::Tool(ToolResult::default()),
            CallKind::Resource => Body::Read(ReadResult::default()),
            CallKind::Prompt => Body::Prompt(PromptResult::default(), Role::User),
            CallKind::Completion => Body::Completion(CompletionResult::default()),
        };
        Draft {
            body,
            limit,
            content_bytes: PIECE_BYTES,
            structured_bytes: 0,
            meta_bytes: 0,
            has_text: false,
        }
    }

    /// Text in which what is not UTF-8 has become U+FFFD. That copies, so it must fit as it is.
    pub(crate) fn repaired<'a>(&self, text: &'a [u8]) -> Result<Cow<'a, str>> {
        let content_bytes = self.content_bytes.saturating_add(text.len());
        self.check(content_bytes, self.structured_bytes, self.meta_bytes)?;
        Ok(repair(text))
    }

    /// Appends a block of about `bytes` bytes; it is made only if there is room for it. In a
    /// resource it is contents, in a prompt a message.
    pub(crate) fn push(
        &mut self,
        bytes: usize,
        make: impl FnOnce() -> emcp_core::Result<Content>,
    ) -> Result<()> {
        // A message has a frame of its own.
        let frames = if matches!(self.body, Body::Prompt(..)) { 2 } else { 1 };
        let added = bytes.saturating_add(frames * PIECE_BYTES);
        let content_bytes = self.content_bytes.saturating_add(added);
        self.check(content_bytes, self.structured_bytes, self.meta_bytes)?;
        let content = make()?;
        self.has_text |= matches!(content, Content::Text { .. });
        match &mut self.body {
            Body::Tool(result) => result.push(content),
            Body::Read(result) => result.push_content(content)?,
            Body::Prompt(result, role) => result.push(*role, content),
            Body::Completion(_) => return Err(only("a completion has values only")),
        }
        self.content_bytes = content_bytes;
        Ok(())
    }

    /// Appends the bytes of the resource that was asked for.
    pub(crate) fn push_blob(&mut self, data: &[u8]) -> Result<()> {
        let added = base64_bytes(data.len()).saturating_add(PIECE_BYTES);
        let content_bytes = self.content_bytes.saturating_add(added);
        self.check(content_bytes, self.structured_bytes, self.meta_bytes)?;
        match &mut self.body {
            Body::Read(result) => result.push_blob(None, None, data)?,
            _ => return Err(only("only a resource has bytes of its own")),
        }
        self.content_bytes = content_bytes;
        Ok(())
    }

    /// Sets `structuredContent`. It counts twice while there is no text, as clients get a copy.
    /// Where there is no structured content it is text.
    pub(crate) fn set_structured(&mut self, json: &str) -> Result<()> {
        let Body::Tool(result) = &mut self.body else {
            return self.push(json.len(), || Ok(Content::text(json)));
        };
        let structured_bytes = structured_bytes(json.len(), self.has_text);
        check(self.limit, self.content_bytes, structured_bytes, self.meta_bytes)?;
        result.set_structured(json)?;
        self.structured_bytes = structured_bytes;
        Ok(())
    }

    /// As [`Draft::set_structured`] for what was written piece by piece.
    pub(crate) fn set_written(&mut self, json: WrittenJson) -> Result<()> {
        let length = json.as_ref().len();
        let Body::Tool(result) = &mut self.body else {
            return self.push(length, || Ok(Content::text(json)));
        };
        let structured_bytes = structured_bytes(length, self.has_text);
        check(self.limit, self.content_bytes, structured_bytes, self.meta_bytes)?;
        result.set_written(json);
        self.structured_bytes = structured_bytes;
        Ok(())
    }

    /// Says that rows are missing.
    pub(crate) fn set_truncated(
        &mut self,
        shown: u64,
        total: u64,
        cursor: Option<&str>,
    ) -> Result<()> {
        let note = NOTE_BYTES.saturating_add(cursor.map_or(0, str::len));
        let content_bytes = self.content_bytes.saturating_add(note);
        self.check(content_bytes, self.structured_bytes, self.meta_bytes)?;
        self.tool()?.set_truncated(shown, total, cursor);
        self.content_bytes = content_bytes;
        Ok(())
    }

    /// Sets `_meta`.
    pub(crate) fn set_meta(&mut self, json: &str) -> Result<()> {
        self.check(self.content_bytes, self.structured_bytes, json.len())?;
        self.tool()?.set_meta(json)?;
        self.meta_bytes = json.len();
        Ok(())
    }

    /// Says who speaks in the messages that come next.
    pub(crate) fn set_role(&mut self, new: Role) -> Result<()> {
        match &mut self.body {
            Body::Prompt(_, role) => *role = new,
            _ => return Err(only("only a prompt has roles")),
        }
        Ok(())
    }

    /// Says what a prompt is for.
    pub(crate) fn set_description(&mut self, text: &str) -> Result<()> {
        let content_bytes = self.content_bytes.saturating_add(text.len());
        self.check(content_bytes, self.structured_bytes, self.meta_bytes)?;
        match &mut self.body {
            Body::Prompt(result, _) => result.set_description(text),
            _ => return Err(only("only a prompt has a description")),
        }
        self.content_bytes = content_bytes;
        Ok(())
    }

    /// Appends a value to a completion.
    pub(crate) fn push_value(&mut self, text: &str) -> Result<()> {
        let content_bytes = self.content_bytes.saturating_add(text.len() + 3);
        self.check(content_bytes, self.structured_bytes, self.meta_bytes)?;
        let Body::Completion(result) = &mut self.body else {
            return Err(only("only a completion has values"));
        };
        if !result.push(text) {
            return Err(Failure::new(EMCP_E_LIMIT, "a completion has at most 100 values"));
        }
        self.content_bytes = content_bytes;
        Ok(())
    }

    /// Says how many values there are altogether.
    pub(crate) fn set_total(&mut self, total: u64) -> Result<()> {
        match &mut self.body {
            Body::Completion(result) => result.set_total(total),
            _ => return Err(only("only a completion has values")),
        }
        Ok(())
    }

    pub(crate) fn into_result(self) -> CallResult {
        match self.body {
            Body::Tool(result) => result.into(),
            Body::Read(result) => result.into(),
            Body::Prompt(result, _) => result.into(),
            Body::Completion(result) => result.into(),
        }
    }

    fn tool(&mut self) -> Result<&mut ToolResult> {
        match &mut self.body {
            Body::Tool(result) => Ok(result),
            _ => Err(only("only the result of a tool has that")),
        }
    }

    fn check(&self, content: usize, structured: usize, meta: usize) -> Result<()> {
        check(self.limit, content, structured, meta)
    }
}

fn check(limit: usize, content: usize, structured: usize, meta: usize) -> Result<()> {
    let bytes = content.saturating_add(structured).saturating_add(meta);
    if bytes <= limit {
        return check_memory(bytes);
    }
    let text = format!("the result would be {bytes} bytes, limit is {limit}");
    Err(Failure::new(EMCP_E_LIMIT, text))
}

/// A result that a host has allowed to be huge is taken only where there is memory for it, as it is
/// and written down: later there is nobody left to tell.
fn check_memory(bytes: usize) -> Result<()> {
    if bytes <= ORDINARY_BYTES {
        return Ok(());
    }
    let room = reserved::<u8>("the result", bytes.saturating_mul(COPIES))?;
    // Nothing is written to it, so the optimiser would leave it out.
    black_box(room.as_ptr());
    Ok(())
}

fn structured_bytes(length: usize, has_text: bool) -> usize {
    let copies = if has_text { 1 } else { 2 };
    length.saturating_add(PIECE_BYTES).saturating_mul(copies)
}

fn only(text: &str) -> Failure {
    Failure::invalid(text)
}

/// Bytes that `len` bytes take as base64.
pub(crate) fn base64_bytes(len: usize) -> usize {
    len.div_ceil(3).saturating_mul(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(limit: usize) -> Draft {
        Draft::new(CallKind::Tool, limit)
    }

    fn text(draft: &mut Draft, len: usize) -> Result<()> {
        draft.push(len, || Ok(Content::text("x".repeat(len))))
    }

    fn tool(draft: Draft) -> ToolResult {
        match draft.into_result() {
            CallResult::Tool(result) => result,
            _ => panic!("not of a tool"),
        }
    }

    #[test]
    fn a_result_that_fits_here_fits_in_the_core() {
        for limit in [300, 1000, 4096] {
            let mut draft = draft(limit);
            let _ = draft.set_structured("[1,2,3]");
            let _ = draft.set_meta(r#"{"a":1}"#);
            while text(&mut draft, 10).is_ok() {}
            assert!(tool(draft).bytes() <= limit, "{limit}");
        }
    }

    #[test]
    fn a_refused_piece_leaves_nothing_behind() {
        let mut draft = draft(1000);
        assert_eq!(text(&mut draft, 1000).unwrap_err().status, EMCP_E_LIMIT);
        assert!(draft.push(5, || Content::raw("[]")).is_err());
        assert!(draft.set_structured("{").is_err());
        assert!(text(&mut draft, 800).is_ok());
        assert!(tool(draft).structured().is_none());
    }

    #[test]
    fn structured_content_counts_twice_without_text() {
        let json = format!("\"{}\"", "x".repeat(500));
        let mut draft = draft(1000);
        assert!(draft.set_structured(&json).is_err());
        text(&mut draft, 10).unwrap();
        assert!(draft.set_structured(&json).is_ok());
    }

    #[test]
    fn each_kind_takes_what_belongs_to_it() {
        let mut prompt = Draft::new(CallKind::Prompt, 1000);
        assert!(prompt.set_role(Role::Assistant).is_ok() && text(&mut prompt, 9).is_ok());
        assert!(prompt.set_description("d").is_ok() && prompt.push_value("v").is_err());
        let mut completion = Draft::new(CallKind::Completion, 1000);
        assert!(completion.push_value("v").is_ok() && text(&mut completion, 9).is_err());
        let mut read = Draft::new(CallKind::Resource, 1000);
        assert!(read.set_structured("{}").is_ok() && read.set_meta("{}").is_err());
        assert!(read.push(9, || Content::link("a:b", "n", None, None)).is_err());
    }

    #[test]
    fn base64_is_padded() {
        assert_eq!([0, 1, 3, 4].map(base64_bytes), [0, 4, 4, 8]);
    }
}
