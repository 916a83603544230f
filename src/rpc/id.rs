//! Request ids, kept as the client wrote them.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// An id is kept as long as its request runs and stands in each of its messages.
const BYTES_MAX: usize = 1024;

/// The id of one request: a string or an integer, in the client's own spelling.
///
/// Kept as text because an id above 2^53 does not survive a float, and a client may compare bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Id(Box<str>);

impl Id {
    /// Takes `raw` if it is an id that MCP allows: a string or an integer, never null; and not one
    /// whose length alone is an attack.
    pub(crate) fn parse(raw: &RawValue) -> Option<Id> {
        let text = raw.get();
        let is_integer = || {
            let digits = text.strip_prefix('-').unwrap_or(text);
            !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
        };
        let is_short = text.len() <= BYTES_MAX;
        (is_short && (text.starts_with('"') || is_integer())).then(|| Id(text.into()))
    }

    /// The JSON text to echo.
    pub(crate) fn as_json(&self) -> &str {
        &self.0
    }

    /// A spelling-independent form to compare by: `"a"` and `"\u0061"` are one id.
    pub(crate) fn key(&self) -> Cow<'_, str> {
        if !self.0.bytes().any(|byte| byte == b'\\') {
            return Cow::Borrowed(&self.0);
        }
        match serde_json::from_str::<String>(&self.0) {
            Ok(text) => Cow::Owned(format!("\"{text}\"")),
            // A lone surrogate has no string form; its spelling then is its identity. The mark keeps
            // it from being the same as a text that reads like that spelling.
            Err(_) => Cow::Owned(format!("!{}", self.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: bool) {
        let raw: Box<RawValue> = serde_json::from_str(json).expect(json);
        let id = Id::parse(&raw);
        assert_eq!(id.is_some(), expected, "{json}");
        if let Some(id) = id {
            assert_eq!(id.as_json(), json);
        }
    }

    #[test]
    fn strings_and_integers_are_ids() {
        for json in ["1", "-7", "0", "9007199254740993", "123456789012345678901234567890"] {
            check(json, true);
        }
        for json in [r#""""#, r#""a""#, r#""\u0061""#] {
            check(json, true);
        }
        for json in ["null", "true", "1.0", "1e3", "[]", "{}"] {
            check(json, false);
        }
    }

    #[test]
    fn two_spellings_of_one_string_are_one_id() {
        let id = |json: &str| Id::parse(&RawValue::from_string(json.into()).unwrap()).unwrap();
        assert_eq!(id(r#""a""#).key(), id(r#""\u0061""#).key());
        assert_ne!(id("1").key(), id(r#""1""#).key());
        // Regression: half a surrogate pair and the text that spells it were one id.
        assert_ne!(id(r#""\ud800""#).key(), id(r#""\\ud800""#).key());
    }
}
