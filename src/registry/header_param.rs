//! Arguments that clients of revision 2026-07-28 repeat in `Mcp-Param-*` headers.
//!
//! Finds the marks in an input schema at registration and compares header and body of a call.
//! Does not know HTTP: the caller looks the header up.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Number, Value};

use crate::error::{Error, Result};

/// The schema keyword that marks an argument.
const MARK: &str = "x-mcp-header";

/// What stands before the marked name in the header's name.
pub(crate) const HEADER_PREFIX: &str = "Mcp-Param-";

/// Keywords whose value is data, in which the mark means nothing.
const DATA_KEYWORDS: [&str; 5] = ["const", "default", "enum", "example", "examples"];

/// Keywords whose value maps free names to schemas, in which the mark is just a name.
const MAP_KEYWORDS: [&str; 6] =
    ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"];

/// One marked argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeaderParam {
    /// The whole name of the header, prefix included.
    pub(crate) header: String,
    /// The names that lead from the arguments to the value.
    pub(crate) path: Vec<String>,
    pub(crate) kind: HeaderKind,
}

/// Types whose values have one text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderKind {
    String,
    Integer,
    Boolean,
}

/// A header value that starts and ends like an encoded one and is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Finds the marked arguments of an input schema.
///
/// # Errors
///
/// [`Error::Config`] for a mark that makes clients drop the whole tool: not an RFC 9110 token, used
/// twice, on another type, or not reachable through `properties` alone.
pub(crate) fn extract(schema: &Value) -> Result<Vec<HeaderParam>> {
    let mut found = Vec::new();
    let mut path = Vec::new();
    walk(schema, Some(&mut path), &mut found)?;
    for (index, one) in found.iter().enumerate() {
        if found[..index].iter().any(|other| other.header.eq_ignore_ascii_case(&one.header)) {
            return Err(wrong(&one.header[HEADER_PREFIX.len()..], "is used twice"));
        }
    }
    Ok(found)
}

/// Compares the headers of one call with its arguments.
///
/// `lookup` returns every value of a header, whose name it compares without regard to case.
///
/// # Errors
///
/// A text for the client, which then gets error -32020.
pub(crate) fn check<'h>(
    params: &[HeaderParam],
    arguments: &str,
    lookup: impl Fn(&str) -> Vec<&'h str>,
) -> std::result::Result<(), String> {
    if params.is_empty() {
        return Ok(());
    }
    // Broken arguments count as absent here; the check of the schema reports them.
    let arguments: Value = serde_json::from_str(arguments).unwrap_or(Value::Null);
    params.iter().try_for_each(|param| param.check(&arguments, &lookup(&param.header)))
}

/// Decodes the `=?base64?...?=` form, which carries text that a header cannot; everything else is
/// literal.
pub(crate) fn decode_sentinel(value: &str) -> std::result::Result<Cow<'_, str>, Malformed> {
    let inner = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="));
    let Some(inner) = inner else { return Ok(Cow::Borrowed(value)) };
    let bytes = STANDARD.decode(inner).map_err(|_| Malformed)?;
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| Malformed)
}

impl HeaderParam {
    fn check(&self, arguments: &Value, values: &[&str]) -> std::result::Result<(), String> {
        let header = &self.header;
        let argument = self
            .path
            .iter()
            .try_fold(arguments, |value, name| value.get(name))
            .filter(|value| !value.is_null());
        let (argument, value) = match (argument, values) {
            (None, []) => return Ok(()),
            (None, _) => return Err(format!("header {header} has no argument in the body")),
            (Some(_), []) => return Err(format!("header {header} is missing")),
            (Some(argument), [value]) => (argument, value),
            (Some(_), _) => return Err(format!("header {header} is there more than once")),
        };
        let value = decode_sentinel(value)
            .map_err(|Malformed| format!("header {header} is not valid base64 of UTF-8 text"))?;
        if self.matches(argument, &value) {
            return Ok(());
        }
        Err(format!("header {header} does not match the request body"))
    }

    fn matches(&self, argument: &Value, value: &str) -> bool {
        match (self.kind, argument) {
            (HeaderKind::String, Value::String(text)) => text == value,
            (HeaderKind::Integer, Value::Number(number)) => same_number(number, value),
            (HeaderKind::Boolean, Value::Bool(flag)) => {
                value == if *flag { "true" } else { "false" }
            }
            // An argument of the wrong type: the check of the schema says so in better words.
            _ => true,
        }
    }
}

/// Compares as numbers, for 7 and 7.0 are the same integer in JSON Schema.
fn same_number(number: &Number, value: &str) -> bool {
    let Ok(other) = serde_json::from_str::<Number>(value) else { return false };
    match (number.as_i128(), other.as_i128()) {
        (Some(left), Some(right)) => left == right,
        _ => number.as_f64() == other.as_f64(),
    }
}

/// Looks at one schema. `path` is `None` where no chain of `properties` leads.
fn walk(
    schema: &Value,
    mut path: Option<&mut Vec<String>>,
    found: &mut Vec<HeaderParam>,
) -> Result<()> {
    let members = match schema {
        Value::Object(members) => members,
        Value::Array(items) => {
            return items.iter().try_for_each(|item| walk(item, None, found));
        }
        _ => return Ok(()),
    };
    if let Some(mark) = members.get(MARK) {
        found.push(parse_mark(mark, members.get("type"), path.as_deref())?);
    }
    for (keyword, value) in members {
        match (keyword.as_str(), value) {
            ("properties", Value::Object(properties)) => {
                for (name, property) in properties {
                    match path.as_deref_mut() {
                        Some(path) => {
                            path.push(name.clone());
                            walk(property, Some(path), found)?;
                            path.pop();
                        }
                        None => walk(property, None, found)?,
                    }
                }
            }
            (keyword, Value::Object(map)) if MAP_KEYWORDS.contains(&keyword) => {
                map.values().try_for_each(|inner| walk(inner, None, found))?;
            }
            (keyword, _) if DATA_KEYWORDS.contains(&keyword) || keyword == MARK => {}
            (_, value) => walk(value, None, found)?,
        }
    }
    Ok(())
}

fn parse_mark(
    mark: &Value,
    kind: Option<&Value>,
    path: Option<&Vec<String>>,
) -> Result<HeaderParam> {
    let name = mark.as_str().filter(|name| is_token(name));
    let Some(name) = name else { return Err(wrong(&mark.to_string(), "is not a header name")) };
    let path = path.filter(|path| !path.is_empty());
    let Some(path) = path else {
        return Err(wrong(name, "is not reachable through properties alone"));
    };
    let kind = match kind.and_then(Value::as_str) {
        Some("string") => HeaderKind::String,
        Some("integer") => HeaderKind::Integer,
        Some("boolean") => HeaderKind::Boolean,
        _ => return Err(wrong(name, "is not on a string, integer or boolean")),
    };
    Ok(HeaderParam { header: format!("{HEADER_PREFIX}{name}"), path: path.clone(), kind })
}

/// RFC 9110 section 5.6.2.
fn is_token(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(good)
}

fn wrong(name: &str, text: &str) -> Error {
    Error::Config(format!("{MARK} {name} {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn extracted(schema: Value) -> std::result::Result<Vec<String>, String> {
        let params = extract(&schema).map_err(|error| error.to_string())?;
        Ok(params.into_iter().map(|one| format!("{}={}", one.header, one.path.join("."))).collect())
    }

    fn refuse(schema: Value, expected: &str) {
        assert_eq!(extracted(schema), Err(expected.into()));
    }

    #[test]
    fn marks_are_found_at_any_depth_of_properties() {
        let found = extracted(json!({"properties": {
            "a": {"type": "string", "x-mcp-header": "A"},
            "b": {"properties": {"c": {"type": "integer", "x-mcp-header": "C-1"}}},
            "d": {"type": "boolean", "x-mcp-header": "D"},
        }}));
        assert_eq!(
            found,
            Ok(vec!["Mcp-Param-A=a".into(), "Mcp-Param-C-1=b.c".into(), "Mcp-Param-D=d".into()])
        );
    }

    #[test]
    fn names_and_data_are_no_marks() {
        let found = extracted(json!({
            "properties": {"x-mcp-header": {"type": "array"}, "const": {"type": "string"}},
            "$defs": {"x-mcp-header": {"type": "null"}},
            "default": {"x-mcp-header": 1},
            "examples": [{"x-mcp-header": 1}],
        }));
        assert_eq!(found, Ok(vec![]));
    }

    #[test]
    fn marks_that_clients_refuse_are_refused() {
        let property = |mark: Value, kind: Value| json!({"properties": {"a": {"type": kind, "x-mcp-header": mark}}});
        for mark in [json!(""), json!("a b"), json!("a:"), json!("ä"), json!(7), json!(null)] {
            let text = mark.to_string();
            refuse(
                property(mark, json!("string")),
                &format!("x-mcp-header {text} is not a header name"),
            );
        }
        for kind in [json!("number"), json!("array"), json!(["string", "null"]), json!(null)] {
            refuse(
                property(json!("A"), kind),
                "x-mcp-header A is not on a string, integer or boolean",
            );
        }
        let mark = json!({"type": "string", "x-mcp-header": "A"});
        for schema in [
            mark.clone(),
            json!({"items": mark}),
            json!({"anyOf": [{"properties": {"a": mark}}]}),
            json!({"$defs": {"a": mark}}),
            json!({"properties": {"a": {"items": {"properties": {"b": mark}}}}}),
            json!({"patternProperties": {"a": mark}}),
            json!({"$defs": {"default": mark}}),
            json!({"x-own": {"deep": [mark]}}),
        ] {
            refuse(schema, "x-mcp-header A is not reachable through properties alone");
        }
        refuse(
            json!({"properties": {"a": mark, "b": {"type": "string", "x-mcp-header": "a"}}}),
            "x-mcp-header a is used twice",
        );
    }

    #[test]
    fn sentinels_decode_and_literals_stay() {
        let check = |value: &str, expected: std::result::Result<&str, Malformed>| {
            assert_eq!(decode_sentinel(value).as_deref(), expected.as_ref().copied(), "{value}");
        };
        check("=?base64?SGVsbG8=?=", Ok("Hello"));
        check("=?base64?w6Q=?=", Ok("ä"));
        check("=?base64??=", Ok(""));
        check("=?base64?SGVsbG8?=", Err(Malformed));
        check("=?base64?SGVs!!!bG8=?=", Err(Malformed));
        check("=?base64?/w==?=", Err(Malformed));
        for literal in [
            "",
            "Hello",
            "SGVsbG8=",
            "=?base64?SGVsbG8=",
            "SGVsbG8=?=",
            "=?base64?=",
            "=?BASE64?SGVsbG8=?=",
        ] {
            check(literal, Ok(literal));
        }
    }

    fn compare(
        arguments: &str,
        headers: &[(&str, &'static str)],
    ) -> std::result::Result<(), String> {
        let params = extract(&json!({"properties": {
            "s": {"type": "string", "x-mcp-header": "S"},
            "o": {"properties": {"i": {"type": "integer", "x-mcp-header": "I"}}},
            "b": {"type": "boolean", "x-mcp-header": "B"},
        }}))
        .unwrap();
        check(&params, arguments, |name| {
            let named = headers.iter().filter(|(header, _)| name == format!("Mcp-Param-{header}"));
            named.map(|(_, value)| *value).collect()
        })
    }

    #[test]
    fn equal_headers_and_arguments_pass() {
        for (arguments, headers) in [
            ("{}", &[][..]),
            ("", &[]),
            (r#"{"s":null,"o":{"i":null}}"#, &[]),
            (r#"{"s":"x","b":true}"#, &[("S", "x"), ("B", "true")]),
            (r#"{"s":"Hello"}"#, &[("S", "=?base64?SGVsbG8=?=")]),
            (r#"{"s":""}"#, &[("S", "")]),
            (r#"{"o":{"i":7.0}}"#, &[("I", "7")]),
            (r#"{"o":{"i":9007199254740993}}"#, &[("I", "9007199254740993")]),
            (r#"{"o":{"i":-3}}"#, &[("I", "-3")]),
            // Left to the schema, which has the better words.
            (r#"{"s":7}"#, &[("S", "7")]),
        ] {
            assert_eq!(compare(arguments, headers), Ok(()), "{arguments}");
        }
    }

    #[test]
    fn different_headers_and_arguments_are_refused() {
        let differ = |header| format!("header Mcp-Param-{header} does not match the request body");
        let refuse = |arguments, headers: &[(&str, &'static str)], expected: String| {
            assert_eq!(compare(arguments, headers), Err(expected), "{arguments}");
        };
        refuse(r#"{"s":"x"}"#, &[], "header Mcp-Param-S is missing".into());
        refuse(r#"{"s":"x"}"#, &[("S", "X")], differ("S"));
        refuse(r#"{"b":true}"#, &[("B", "True")], differ("B"));
        refuse(r#"{"o":{"i":9007199254740993}}"#, &[("I", "9007199254740992")], differ("I"));
        refuse(r#"{"o":{"i":7}}"#, &[("I", "seven")], differ("I"));
        let absent = "header Mcp-Param-S has no argument in the body";
        refuse("{}", &[("S", "x")], absent.into());
        refuse(r#"{"s":null}"#, &[("S", "")], absent.into());
        let twice = "header Mcp-Param-S is there more than once";
        refuse(r#"{"s":"x"}"#, &[("S", "x"), ("S", "x")], twice.into());
        let broken = "header Mcp-Param-S is not valid base64 of UTF-8 text";
        refuse(r#"{"s":"x"}"#, &[("S", "=?base64?eA?=")], broken.into());
    }
}
