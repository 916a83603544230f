//! A result while the host puts it together, within the bytes that it may take.

use emcp_core::{Content, ToolResult};

use crate::failure::{Failure, Result};
use crate::status::EMCP_E_LIMIT;

/// What a piece takes besides its own text: names of members, quotes, braces. Not below what the
/// core counts, so that a result which fits here fits there.
const PIECE_BYTES: usize = 64;

/// What the note about missing rows takes besides its cursor: its words, two numbers, its block.
const NOTE_BYTES: usize = 192;

/// Counts as it grows: asking the core for the size after each piece would take time that grows
/// with the square of their number.
pub(crate) struct Draft {
    result: ToolResult,
    limit: usize,
    content_bytes: usize,
    structured_bytes: usize,
    meta_bytes: usize,
    has_text: bool,
}

impl Draft {
    pub(crate) fn new(limit: usize) -> Draft {
        Draft {
            result: ToolResult::default(),
            limit,
            content_bytes: PIECE_BYTES,
            structured_bytes: 0,
            meta_bytes: 0,
            has_text: false,
        }
    }

    /// Appends a block of about `bytes` bytes; it is made only if there is room for it.
    pub(crate) fn push(
        &mut self,
        bytes: usize,
        make: impl FnOnce() -> emcp_core::Result<Content>,
    ) -> Result<()> {
        let content_bytes = self.content_bytes.saturating_add(bytes).saturating_add(PIECE_BYTES);
        self.check(content_bytes, self.structured_bytes, self.meta_bytes)?;
        let content = make()?;
        self.has_text |= matches!(content, Content::Text { .. });
        self.result.push(content);
        self.content_bytes = content_bytes;
        Ok(())
    }

    /// Sets `structuredContent`. It counts twice while there is no text, as clients get a copy.
    pub(crate) fn set_structured(&mut self, json: &str) -> Result<()> {
        let copies = if self.has_text { 1 } else { 2 };
        let structured_bytes = copies * json.len().saturating_add(PIECE_BYTES);
        self.check(self.content_bytes, structured_bytes, self.meta_bytes)?;
        self.result.set_structured(json)?;
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
        self.result.set_truncated(shown, total, cursor);
        self.content_bytes = content_bytes;
        Ok(())
    }

    /// Sets `_meta`.
    pub(crate) fn set_meta(&mut self, json: &str) -> Result<()> {
        self.check(self.content_bytes, self.structured_bytes, json.len())?;
        self.result.set_meta(json)?;
        self.meta_bytes = json.len();
        Ok(())
    }

    pub(crate) fn into_result(self) -> ToolResult {
        self.result
    }

    fn check(&self, content: usize, structured: usize, meta: usize) -> Result<()> {
        let bytes = content.saturating_add(structured).saturating_add(meta);
        if bytes <= self.limit {
            return Ok(());
        }
        let text = format!("the result would be {bytes} bytes, limit is {}", self.limit);
        Err(Failure::new(EMCP_E_LIMIT, text))
    }
}

/// Bytes that `len` bytes take as base64.
pub(crate) fn base64_bytes(len: usize) -> usize {
    len.div_ceil(3).saturating_mul(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(draft: &mut Draft, len: usize) -> Result<()> {
        draft.push(len, || Ok(Content::text("x".repeat(len))))
    }

    #[test]
    fn a_result_that_fits_here_fits_in_the_core() {
        for limit in [300, 1000, 4096] {
            let mut draft = Draft::new(limit);
            let _ = draft.set_structured("[1,2,3]");
            let _ = draft.set_meta(r#"{"a":1}"#);
            while text(&mut draft, 10).is_ok() {}
            assert!(draft.into_result().bytes() <= limit, "{limit}");
        }
    }

    #[test]
    fn a_refused_piece_leaves_nothing_behind() {
        let mut draft = Draft::new(1000);
        assert_eq!(text(&mut draft, 1000).unwrap_err().status, EMCP_E_LIMIT);
        assert!(draft.push(5, || Content::raw("[]")).is_err());
        assert!(draft.set_structured("{").is_err());
        assert!(text(&mut draft, 800).is_ok());
        assert!(draft.into_result().structured().is_none());
    }

    #[test]
    fn structured_content_counts_twice_without_text() {
        let json = format!("\"{}\"", "x".repeat(500));
        let mut draft = Draft::new(1000);
        assert!(draft.set_structured(&json).is_err());
        text(&mut draft, 10).unwrap();
        assert!(draft.set_structured(&json).is_ok());
    }

    #[test]
    fn base64_is_padded() {
        assert_eq!([0, 1, 3, 4].map(base64_bytes), [0, 4, 4, 8]);
    }
}
