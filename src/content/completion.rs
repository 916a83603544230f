//! Values that complete what a user types.

use crate::content::block::BLOCK_BYTES;
use crate::content::result::Extra;
use crate::json::{push_key, push_raw_member, push_string};
use crate::protocol::Revision;

/// Values in one answer (all revisions, completion).
const VALUES_MAX: usize = 100;

/// What one `completion/complete` answers.
///
/// ```
/// let mut result = emcp::CompletionResult::default();
/// assert!(result.push("cpu"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct CompletionResult {
    /// Never above [`VALUES_MAX`].
    values: Vec<String>,
    total: Option<u64>,
    has_more: bool,
}

impl CompletionResult {
    /// Appends a value; tells whether there was room. What has none is counted: the client hears
    /// that there are more.
    pub fn push(&mut self, value: impl Into<String>) -> bool {
        if self.values.len() == VALUES_MAX {
            self.has_more = true;
            return false;
        }
        self.values.push(value.into());
        true
    }

    /// Says how many values there are altogether.
    pub fn set_total(&mut self, total: u64) {
        self.total = Some(total);
    }

    /// Tells whether nothing was put into the result.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The choices that begin with `typed`, letters alike in both cases.
    pub(crate) fn of_choices(choices: &[String], typed: &str) -> CompletionResult {
        let mut result = CompletionResult::default();
        let typed = typed.to_lowercase();
        for choice in choices.iter().filter(|choice| choice.to_lowercase().starts_with(&typed)) {
            result.push(choice);
        }
        result
    }

    pub(crate) fn bytes(&self) -> usize {
        BLOCK_BYTES + self.values.iter().map(|value| value.len() + 3).sum::<usize>()
    }

    /// Appends the `CompleteResult` object.
    pub(crate) fn write(&self, shape: Revision, extra: Extra<'_>, out: &mut String) {
        extra.open(out);
        push_key(out, "completion");
        out.push('{');
        push_key(out, "values");
        out.push('[');
        for (index, value) in self.values.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            push_string(out, value);
        }
        out.push(']');
        let shown = self.values.len() as u64;
        if let Some(total) = self.total.map(|total| total.max(shown)) {
            push_raw_member(out, "total", &total.to_string());
        }
        let has_more = self.has_more || self.total.is_some_and(|total| total > shown);
        push_raw_member(out, "hasMore", if has_more { "true" } else { "false" });
        out.push('}');
        extra.close(shape, None, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(result: &CompletionResult) -> String {
        let mut out = String::new();
        result.write(Revision::V2024_11_05, Extra::default(), &mut out);
        out
    }

    #[test]
    fn the_hundred_and_first_value_is_more() {
        let mut result = CompletionResult::default();
        for number in 0..VALUES_MAX {
            assert!(result.push(number.to_string()));
        }
        assert!(written(&result).ends_with(r#""99"],"hasMore":false}}"#));
        assert!(!result.push("100"));
        assert!(written(&result).ends_with(r#""99"],"hasMore":true}}"#));
        result.set_total(250);
        assert!(written(&result).ends_with(r#""99"],"total":250,"hasMore":true}}"#));
    }

    #[test]
    fn choices_are_found_by_their_beginning() {
        let choices = ["cpu", "CPU load", "disk"].map(String::from);
        let found = CompletionResult::of_choices(&choices, "Cpu");
        assert_eq!(
            written(&found),
            r#"{"completion":{"values":["cpu","CPU load"],"hasMore":false}}"#
        );
    }
}
