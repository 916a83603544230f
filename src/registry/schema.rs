//! JSON Schemas: checked and compiled once, when the host registers a tool.
//!
//! Nothing is ever fetched, patterns run in linear time, and size is bounded at registration, so
//! that checking arguments costs time in proportion to their length.

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::registry::{problem, recursion};

/// Nesting of one schema: deep schemas cost stack in every reader.
const DEPTH_MAX: usize = 64;

/// Objects in one schema, each a subschema or a map of them: bounds memory and compile time.
const SUBSCHEMAS_MAX: usize = 2000;

/// Above it only the first problem is looked for: a list of a million wrong items must not become
/// a list of a million problems.
const REPORT_BYTES_MAX: usize = 64 * 1024;

/// Nesting of arguments for a schema that refers to itself: with two ways to go at each level, the
/// validator's work doubles with every level that a client adds.
const RECURSION_MAX: usize = 16;

/// A compiled schema.
#[derive(Clone, Debug)]
pub(crate) struct Schema {
    validator: Validator,
    value: Value,
    recursive: bool,
}

impl Schema {
    /// Compiles schema text in the dialect that its `$schema` names; without one 2020-12.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] when the text is no schema, its dialect is not supported, a `$ref` leads
    /// outside or nowhere, a pattern needs backtracking, or a bound is exceeded.
    pub(crate) fn compile(text: &str) -> Result<Schema> {
        let value: Value = serde_json::from_str(text).map_err(wrong)?;
        let mut subschemas = 0;
        measure(&value, 0, &mut subschemas)?;
        let validator = jsonschema::options()
            .with_draft(dialect(&value)?)
            .offline()
            .with_pattern_options(PatternOptions::regex())
            .build(&value)
            .map_err(wrong)?;
        Ok(Schema { validator, recursive: recursion::is_recursive(&value), value })
    }

    /// Checks arguments given as JSON text; an empty text means that the caller sent none.
    ///
    /// The error is written for the model, which can call again with better arguments.
    pub(crate) fn check(&self, text: &str) -> std::result::Result<(), String> {
        let text = if text.is_empty() { "{}" } else { text };
        let instance: Value = serde_json::from_str(text)
            .map_err(|error| format!("the arguments are not valid JSON: {error}"))?;
        if self.recursive && is_deeper(&instance, RECURSION_MAX) {
            return Err(format!("the arguments are nested deeper than {RECURSION_MAX} levels"));
        }
        if self.validator.is_valid(&instance) {
            return Ok(());
        }
        if text.len() > REPORT_BYTES_MAX {
            let first = self.validator.validate(&instance).err();
            return Err(problem::describe(first.iter(), &self.value, &instance));
        }
        let all: Vec<_> = self.validator.iter_errors(&instance).collect();
        Err(problem::describe(all.iter(), &self.value, &instance))
    }

    /// Tells whether the root says `"type":"object"`.
    pub(crate) fn is_object(&self) -> bool {
        self.value.get("type").is_some_and(|kind| kind == "object")
    }

    /// The schema as a tree, for those who look for keywords.
    pub(crate) fn value(&self) -> &Value {
        &self.value
    }
}

/// Finds the dialect; an unknown one is refused, since its rules would be guessed.
fn dialect(schema: &Value) -> Result<Draft> {
    let Some(declared) = schema.get("$schema") else { return Ok(Draft::Draft202012) };
    let draft = declared.as_str().map_or(Draft::Unknown, Draft::from_schema_uri);
    if draft == Draft::Unknown {
        return Err(Error::Config(format!("schema dialect {declared} is not supported")));
    }
    Ok(draft)
}

fn measure(value: &Value, depth: usize, subschemas: &mut usize) -> Result<()> {
    if depth > DEPTH_MAX {
        return Err(Error::Config(format!("schema is nested deeper than {DEPTH_MAX} levels")));
    }
    match value {
        Value::Object(members) => {
            *subschemas += 1;
            if *subschemas > SUBSCHEMAS_MAX {
                let text = format!("schema has more than {SUBSCHEMAS_MAX} subschemas");
                return Err(Error::Config(text));
            }
            members.values().try_for_each(|member| measure(member, depth + 1, subschemas))
        }
        Value::Array(items) => {
            items.iter().try_for_each(|item| measure(item, depth + 1, subschemas))
        }
        _ => Ok(()),
    }
}

/// Tells whether containers nest above `levels`.
fn is_deeper(value: &Value, levels: usize) -> bool {
    let inner = |value: &Value| levels == 0 || is_deeper(value, levels - 1);
    match value {
        Value::Object(members) => levels == 0 || members.values().any(inner),
        Value::Array(items) => levels == 0 || items.iter().any(inner),
        _ => false,
    }
}

fn wrong(error: impl std::fmt::Display) -> Error {
    Error::Config(format!("schema is not valid: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(schema: &str, arguments: &str, expected: &str) {
        let checked = Schema::compile(schema).unwrap().check(arguments);
        assert_eq!(checked.err().unwrap_or_default(), expected, "{arguments}");
    }

    fn refuse(schema: &str, expected: &str) {
        let error = Schema::compile(schema).map(|_| ()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }

    const TABLE: &str = r##"{"type":"object","properties":{
        "window":{"type":"integer","minimum":1,"maximum":60},
        "mode":{"enum":["a","b"]},
        "names":{"type":"array","items":{"type":"string","maxLength":3},"uniqueItems":true},
        "filter":{"$ref":"#/$defs/filter"},
        "id":{"anyOf":[{"type":"integer"},{"type":"string","pattern":"^x"}]}
      },"required":["window"],"additionalProperties":false,
      "$defs":{"filter":{"type":"object","properties":{"host":{"type":"string"}},
        "required":["host"],"additionalProperties":false}}}"##;

    #[test]
    fn fitting_arguments_pass() {
        check(TABLE, r#"{"window":1}"#, "");
        check(TABLE, r#"{"window":60.0,"mode":"b","names":[],"filter":{"host":"h"},"id":"x"}"#, "");
        check(r#"{"type":"object"}"#, "", "");
    }

    #[test]
    fn problems_name_argument_expectation_and_value() {
        for (arguments, expected) in [
            (r#"{"window":0}"#, r#"argument "window": 0 is less than the minimum of 1"#),
            (r#"{"window":"5"}"#, r#"argument "window": expected integer, got "5""#),
            (r#"{}"#, r#"argument "window": missing, it is required"#),
            ("", r#"argument "window": missing, it is required"#),
            (r#"[]"#, "arguments: expected object, got []"),
            (r#"{"window":1,"mode":"c"}"#, r#"argument "mode": "c" is not one of "a", "b""#),
            (
                r#"{"window":1,"windw":1}"#,
                concat!(
                    r#"argument "windw": unknown argument, allowed are "#,
                    r#""filter", "id", "mode", "names", "window""#
                ),
            ),
            (
                r#"{"window":1,"names":["a","long"]}"#,
                r#"argument "names[1]": "long" is longer than 3 characters"#,
            ),
            (r#"{"window":1,"filter":{}}"#, r#"argument "filter.host": missing, it is required"#),
            (
                r#"{"window":1,"filter":{"host":"h","hos":1}}"#,
                r#"argument "filter.hos": unknown argument, allowed are "host""#,
            ),
            (
                r#"{"window":1,"id":"y"}"#,
                concat!(
                    r#"argument "id": "y" matches none of the allowed forms "#,
                    r#"(expected integer, got "y"; "y" does not match the pattern "^x")"#
                ),
            ),
        ] {
            check(TABLE, arguments, expected);
        }
        let none = r#"{"type":"object","additionalProperties":false}"#;
        check(none, r#"{"a":1}"#, r#"argument "a": unknown argument, none are allowed"#);
        let named = r#"{"properties":{"additionalProperties":false}}"#;
        let expected = r#"argument "additionalProperties": nothing is allowed here, got {}"#;
        check(named, r#"{"additionalProperties":{}}"#, expected);
        let error = Schema::compile(none).unwrap().check("{").unwrap_err();
        assert!(error.starts_with("the arguments are not valid JSON: "), "{error}");
    }

    #[test]
    fn reports_stay_short() {
        let schema = Schema::compile(TABLE).unwrap();
        let many = format!(r#"{{"names":[{}0]}}"#, "0,".repeat(100));
        assert_eq!(schema.check(&many).unwrap_err().lines().count(), 5);
        let huge = format!(r#"{{"names":[{}0]}}"#, "0,".repeat(100_000));
        assert_eq!(schema.check(&huge).unwrap_err().lines().count(), 1);
        let long = format!(r#"{{"window":"{}"}}"#, "\u{e4}".repeat(500));
        let expected =
            format!("argument \"window\": expected integer, got \"{}...", "\u{e4}".repeat(59));
        assert_eq!(schema.check(&long).unwrap_err(), expected);
        let names: Vec<String> = (0..50).map(|n| format!("\"{n}{}\":1", "n".repeat(500))).collect();
        let unknown = format!(r#"{{"window":1,{}}}"#, names.join(","));
        let report = schema.check(&unknown).unwrap_err();
        assert!(report.lines().count() == 5 && report.len() < 1000, "{report}");
        let newline = schema.check("{\"window\":1,\"a\\nb\":1}").unwrap_err();
        assert_eq!(newline.lines().count(), 1, "{newline}");
    }

    #[test]
    fn rare_keywords_do_not_print_the_whole_value() {
        let big = "x".repeat(1000);
        for schema in [
            r#"{"properties":{"a":{"not":{"type":"string"}}}}"#,
            r#"{"propertyNames":{"maxLength":0}}"#,
            r#"{"properties":{"a":{"contains":{"const":1}, "type":"array"}}}"#,
            r#"{"properties":{"a":false}}"#,
            r#"{"dependentRequired":{"a":["b"]}}"#,
            r#"{"unevaluatedProperties":false}"#,
            r#"{"properties":{"a":{"oneOf":[true,true]}}}"#,
        ] {
            let schema = Schema::compile(schema).unwrap();
            for arguments in [format!(r#"{{"a":"{big}"}}"#), format!(r#"{{"a":["{big}"]}}"#)] {
                let report = schema.check(&arguments).err().unwrap_or_default();
                assert!(report.len() < 500, "{report}");
            }
        }
    }

    #[test]
    fn dialects_are_honoured_or_refused() {
        let tuple = r#"{"$schema":"http://json-schema.org/draft-07/schema#","type":"object",
            "properties":{"a":{"items":[{"type":"string"}]}}}"#;
        check(tuple, r#"{"a":["x"]}"#, "");
        check(tuple, r#"{"a":[1]}"#, r#"argument "a[0]": expected string, got 1"#);
        refuse(
            &tuple.replace(
                "http://json-schema.org/draft-07/schema#",
                "https://json-schema.org/draft/2020-12/schema",
            ),
            "schema is not valid: ",
        );
        refuse(
            r#"{"$schema":"https://example.com/own"}"#,
            "schema dialect \"https://example.com/own\" is not supported",
        );
        refuse(r#"{"$schema":7}"#, "schema dialect 7 is not supported");
    }

    #[test]
    fn unusable_schemas_are_refused() {
        for schema in [
            "",
            "{",
            "7",
            r#"{"type":"nothing"}"#,
            r##"{"$ref":"https://example.com/a.json"}"##,
            r##"{"properties":{"a":{"$ref":"other.json"}}}"##,
            r##"{"properties":{"a":{"$ref":"file:///etc/passwd"}}}"##,
            r##"{"properties":{"a":{"$ref":"#/$defs/none"}}}"##,
            r##"{"properties":{"a":{"$dynamicRef":"https://example.com/a.json"}}}"##,
            r#"{"properties":{"a":{"pattern":"(?=x)"}}}"#,
            r#"{"properties":{"a":{"pattern":"("}}}"#,
            r#"{"patternProperties":{"(a)\\1":true}}"#,
        ] {
            refuse(schema, "schema is not valid: ");
        }
    }

    #[test]
    fn recursion_ends_with_the_arguments() {
        let tree = concat!(
            r##"{"type":"object","properties":{"next":{"$ref":"#"}},"##,
            r##""additionalProperties":false}"##
        );
        check(tree, r#"{"next":{"next":{}}}"#, "");
        check(
            tree,
            r#"{"next":{"next":{"nxt":1}}}"#,
            r#"argument "next.next.nxt": unknown argument, allowed are "next""#,
        );
    }

    #[test]
    fn recursion_with_several_ways_is_bounded() {
        let ways = concat!(
            r##"{"properties":{"next":{"anyOf":[{"$ref":"#"},{"$ref":"#"}]},"x":true},"##,
            r##""required":["x"]}"##
        );
        let nested = |n| format!("{}{{}}{}", r#"{"next":"#.repeat(n), "}".repeat(n));
        let schema = Schema::compile(ways).unwrap();
        let report = schema.check(&nested(60)).unwrap_err();
        assert_eq!(report, "the arguments are nested deeper than 16 levels");
        assert!(schema.check(&nested(15)).unwrap_err().starts_with("argument"));
        // Without recursion there is nothing to multiply.
        check("{}", &nested(60), "");
    }

    #[test]
    fn a_schema_that_only_refers_to_itself_is_harmless() {
        for schema in [
            r##"{"$ref":"#"}"##,
            r##"{"allOf":[{"$ref":"#"}]}"##,
            r##"{"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}},"$ref":"#/$defs/a"}"##,
            r##"{"anyOf":[{"$ref":"#"},{"not":{"$ref":"#"}}]}"##,
        ] {
            if let Ok(schema) = Schema::compile(schema) {
                let _ = schema.check(r#"{"a":1}"#);
            }
        }
    }

    #[test]
    fn size_is_bounded() {
        let deep = |n| format!("{}true{}", r#"{"not":"#.repeat(n), "}".repeat(n));
        assert!(Schema::compile(&deep(64)).is_ok());
        refuse(&deep(65), "schema is nested deeper than 64 levels");
        refuse(&deep(5000), "schema is not valid: ");
        let wide = |n| format!(r#"{{"anyOf":[{}{{}}]}}"#, "{},".repeat(n));
        assert!(Schema::compile(&wide(1998)).is_ok());
        refuse(&wide(1999), "schema has more than 2000 subschemas");
    }
}
