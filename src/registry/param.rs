//! Input schemas from a table of parameters, for tools that need no JSON Schema by hand.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::json::{compact, push_raw_member, push_string, push_text_member};
use crate::registry::Schema;
use crate::registry::name::check_name;

/// Above it not every integer is a `f64`, so a bound would not be the one that the host wrote.
const INTEGER_MAX: f64 = 9_007_199_254_740_992.0;

/// The type of one parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamKind {
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list of texts.
    StringList,
}

/// One parameter of a tool; a table of them becomes the input schema.
///
/// Mistakes are reported when the table is given to [`Tool::params`](crate::Tool::params).
///
/// ```
/// use emcp::{Param, ParamKind, Tool};
///
/// let window = Param::new("window", ParamKind::Integer)
///     .description("Seconds to look back")
///     .range(1.0, 3600.0)
///     .default_json("60");
/// let tool = Tool::new("cpu_load").unwrap().params(&[window]).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Param {
    name: String,
    kind: ParamKind,
    required: bool,
    description: Option<String>,
    /// Empty: any text.
    choices: Vec<String>,
    /// Infinite ends are open.
    range: (f64, f64),
    default: Option<String>,
    header: Option<String>,
    is_secret: bool,
}

impl Param {
    /// An optional parameter; `name` follows the same rule as names of tools.
    pub fn new(name: impl Into<String>, kind: ParamKind) -> Param {
        Param {
            name: name.into(),
            kind,
            required: false,
            description: None,
            choices: Vec::new(),
            range: (f64::NEG_INFINITY, f64::INFINITY),
            default: None,
            header: None,
            is_secret: false,
        }
    }

    /// Calls without the parameter fail before the tool runs.
    pub fn required(mut self) -> Param {
        self.required = true;
        self
    }

    /// Tells the model what the parameter means. Models choose better values with it.
    pub fn description(mut self, text: impl Into<String>) -> Param {
        self.description = Some(text.into());
        self
    }

    /// Allows only these texts, for a list as its items.
    pub fn choices<S: Into<String>>(mut self, choices: impl IntoIterator<Item = S>) -> Param {
        self.choices = choices.into_iter().map(Into::into).collect();
        self
    }

    /// Bounds the value, of a string its length in characters, of a list its item count. Both
    /// ends are allowed values; an infinite end is open.
    pub fn range(mut self, min: f64, max: f64) -> Param {
        self.range = (min, max);
        self
    }

    /// Documents the value that the tool assumes; emcp does not insert it.
    pub fn default_json(mut self, json: impl Into<String>) -> Param {
        self.default = Some(json.into());
        self
    }

    /// Lets proxies route on the value: clients repeat it in the header `Mcp-Param-{name}`. Not
    /// for secrets, headers land in logs.
    pub fn header(mut self, name: impl Into<String>) -> Param {
        self.header = Some(name.into());
        self
    }

    /// A password or the like: audit records show `"***"`, and the schema says `writeOnly`.
    pub fn secret(mut self) -> Param {
        self.is_secret = true;
        self
    }

    /// The schema of this one property.
    fn schema(&self) -> Result<String> {
        check_name("parameter", &self.name)?;
        let mut out = String::from("{");
        push_text_member(&mut out, "type", self.kind.json_type());
        if let Some(description) = &self.description {
            push_text_member(&mut out, "description", description);
        }
        self.push_choices(&mut out)?;
        self.push_range(&mut out)?;
        if self.is_secret {
            push_raw_member(&mut out, "writeOnly", "true");
        }
        if let Some(header) = &self.header {
            if self.is_secret {
                return Err(self.wrong("is secret, and headers land in logs"));
            }
            push_text_member(&mut out, "x-mcp-header", header);
        }
        self.push_default(&mut out)?;
        out.push('}');
        Ok(out)
    }

    fn push_choices(&self, out: &mut String) -> Result<()> {
        let choices = (!self.choices.is_empty()).then(|| string_array(&self.choices));
        match (self.kind, choices) {
            (ParamKind::String, Some(choices)) => push_raw_member(out, "enum", &choices),
            (ParamKind::StringList, Some(choices)) => {
                push_raw_member(out, "items", r#"{"type":"string""#);
                push_raw_member(out, "enum", &choices);
                out.push('}');
            }
            (ParamKind::StringList, None) => push_raw_member(out, "items", r#"{"type":"string"}"#),
            (_, Some(_)) => return Err(self.wrong("has choices but is no string")),
            (_, None) => {}
        }
        if self.choices.iter().collect::<BTreeSet<_>>().len() < self.choices.len() {
            return Err(self.wrong("has the same choice twice"));
        }
        Ok(())
    }

    fn push_range(&self, out: &mut String) -> Result<()> {
        let (min, max) = self.range;
        if min.is_nan() || max.is_nan() || min > max {
            return Err(self.wrong(&format!("has the impossible range {min} to {max}")));
        }
        let (min_key, max_key) = match self.kind {
            ParamKind::Integer | ParamKind::Number => ("minimum", "maximum"),
            ParamKind::String => ("minLength", "maxLength"),
            ParamKind::StringList => ("minItems", "maxItems"),
            ParamKind::Boolean if min.is_infinite() && max.is_infinite() => return Ok(()),
            ParamKind::Boolean => return Err(self.wrong("is a boolean with a range")),
        };
        for (key, bound) in [(min_key, min), (max_key, max)] {
            if bound.is_finite() {
                push_raw_member(out, key, &self.bound(bound)?);
            }
        }
        Ok(())
    }

    /// Checks a default against the schema written so far.
    fn push_default(&self, out: &mut String) -> Result<()> {
        let Some(default) = &self.default else { return Ok(()) };
        let named =
            |text: &dyn std::fmt::Display| self.wrong(&format!("has a bad default: {text}"));
        let json = compact(default).map_err(|error| named(&error))?;
        Schema::compile(&format!("{out}}}"))?.check(&json).map_err(|problem| named(&problem))?;
        push_raw_member(out, "default", &json);
        Ok(())
    }

    /// The text of a bound: whole numbers without a fraction, counts never below zero.
    fn bound(&self, bound: f64) -> Result<String> {
        let whole = bound.fract() == 0.0 && bound.abs() <= INTEGER_MAX;
        match self.kind {
            ParamKind::Number if !whole => Ok(format!("{bound:e}")),
            ParamKind::Number | ParamKind::Integer if whole => Ok(format!("{bound:.0}")),
            ParamKind::String | ParamKind::StringList if whole && bound >= 0.0 => {
                Ok(format!("{bound:.0}"))
            }
            _ => Err(self.wrong(&format!("has the bound {bound}, which is no possible value"))),
        }
    }

    fn wrong(&self, text: &str) -> Error {
        Error::Config(format!("parameter {:?} {text}", self.name))
    }
}

impl ParamKind {
    fn json_type(self) -> &'static str {
        match self {
            ParamKind::String => "string",
            ParamKind::Integer => "integer",
            ParamKind::Number => "number",
            ParamKind::Boolean => "boolean",
            ParamKind::StringList => "array",
        }
    }
}

/// Builds the input schema of a tool; properties keep the order of the table.
///
/// # Errors
///
/// [`Error::Config`] naming the parameter that is wrong.
pub(crate) fn input_schema(params: &[Param]) -> Result<String> {
    let mut properties = String::from("{");
    let mut required = Vec::new();
    let mut names = BTreeSet::new();
    for param in params {
        if !names.insert(&param.name) {
            return Err(param.wrong("is there twice"));
        }
        // `check_name` inside `schema` proves that the name needs no escaping.
        let schema = param.schema()?;
        push_raw_member(&mut properties, &param.name, &schema);
        if param.required {
            required.push(param.name.clone());
        }
    }
    properties.push('}');
    let mut out = String::from(r#"{"type":"object""#);
    if !params.is_empty() {
        push_raw_member(&mut out, "properties", &properties);
    }
    if !required.is_empty() {
        push_raw_member(&mut out, "required", &string_array(&required));
    }
    push_raw_member(&mut out, "additionalProperties", "false");
    out.push('}');
    Ok(out)
}

fn string_array(texts: &[String]) -> String {
    let mut out = String::from("[");
    for (index, text) in texts.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        push_string(&mut out, text);
    }
    out.push(']');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(param: Param, expected: &str) {
        let json = input_schema(&[param]).unwrap();
        let prefix = r#"{"type":"object","properties":{"p":"#;
        let suffix = r#"},"additionalProperties":false}"#;
        assert_eq!(json.strip_prefix(prefix).and_then(|s| s.strip_suffix(suffix)), Some(expected));
        assert!(Schema::compile(&json).is_ok());
    }

    fn refuse(param: Param, expected: &str) {
        assert_eq!(input_schema(&[param]).unwrap_err().to_string(), expected);
    }

    fn p(kind: ParamKind) -> Param {
        Param::new("p", kind)
    }

    #[test]
    fn each_kind_has_its_keywords() {
        check(p(ParamKind::Boolean).default_json("true"), r#"{"type":"boolean","default":true}"#);
        check(
            p(ParamKind::Integer).range(-1.0, 5.0).default_json(" 3 "),
            r#"{"type":"integer","minimum":-1,"maximum":5,"default":3}"#,
        );
        check(
            p(ParamKind::Number).range(0.5, f64::INFINITY),
            r#"{"type":"number","minimum":5e-1}"#,
        );
        check(
            p(ParamKind::Number).range(0.0, 1e300),
            r#"{"type":"number","minimum":0,"maximum":1e300}"#,
        );
        check(
            p(ParamKind::String).range(1.0, 9.0).description("a \"name\""),
            r#"{"type":"string","description":"a \"name\"","minLength":1,"maxLength":9}"#,
        );
        check(
            p(ParamKind::String).choices(["a", "b"]).header("Mode").default_json("\"a\""),
            r#"{"type":"string","enum":["a","b"],"x-mcp-header":"Mode","default":"a"}"#,
        );
        check(
            p(ParamKind::StringList).choices(["x"]).range(0.0, 3.0),
            r#"{"type":"array","items":{"type":"string","enum":["x"]},"minItems":0,"maxItems":3}"#,
        );
    }

    #[test]
    fn the_table_keeps_its_order() {
        let params = [
            Param::new("zeta", ParamKind::Boolean).required(),
            Param::new("alpha", ParamKind::StringList).required(),
        ];
        assert_eq!(
            input_schema(&params).unwrap(),
            concat!(
                r#"{"type":"object","properties":{"zeta":{"type":"boolean"},"#,
                r#""alpha":{"type":"array","items":{"type":"string"}}},"#,
                r#""required":["zeta","alpha"],"additionalProperties":false}"#
            )
        );
        assert_eq!(input_schema(&[]).unwrap(), r#"{"type":"object","additionalProperties":false}"#);
    }

    #[test]
    fn impossible_parameters_are_refused() {
        refuse(
            Param::new("a b", ParamKind::Boolean),
            r#"parameter name "a b" is not 1 to 64 of A-Z a-z 0-9 _ . -"#,
        );
        refuse(
            p(ParamKind::Integer).range(2.0, 1.0),
            r#"parameter "p" has the impossible range 2 to 1"#,
        );
        refuse(
            p(ParamKind::Number).range(f64::NAN, 1.0),
            r#"parameter "p" has the impossible range NaN to 1"#,
        );
        refuse(
            p(ParamKind::Integer).range(0.5, 1.0),
            r#"parameter "p" has the bound 0.5, which is no possible value"#,
        );
        refuse(
            p(ParamKind::String).range(-1.0, 1.0),
            r#"parameter "p" has the bound -1, which is no possible value"#,
        );
        refuse(p(ParamKind::Boolean).range(0.0, 1.0), r#"parameter "p" is a boolean with a range"#);
        refuse(
            p(ParamKind::Integer).choices(["a"]),
            r#"parameter "p" has choices but is no string"#,
        );
        refuse(
            p(ParamKind::String).choices(["a", "a"]),
            r#"parameter "p" has the same choice twice"#,
        );
        for default in ["", "x", "7", "\"b\""] {
            let param = p(ParamKind::String).choices(["a"]).default_json(default);
            let error = input_schema(&[param]).unwrap_err().to_string();
            assert!(error.starts_with(r#"parameter "p" has a bad default: "#), "{error}");
        }
        let twice = [p(ParamKind::Boolean), p(ParamKind::String)];
        assert_eq!(
            input_schema(&twice).unwrap_err().to_string(),
            r#"parameter "p" is there twice"#
        );
    }
}
