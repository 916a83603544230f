//! Which arguments of a call nobody may write down, and what is written in their place.

use std::borrow::Cow;

use serde_json::Value;

use crate::json::{Members, push_string};

/// What stands for a hidden value.
const STARS: &str = r#""***""#;

/// See the module text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Hidden {
    #[default]
    Nothing,
    /// The values of these arguments.
    Named(Vec<String>),
    /// All of them, names included.
    All,
}

impl Hidden {
    /// The properties of an input schema that are `writeOnly` (JSON Schema 2020-12, validation
    /// section 9.4: never to be shown again).
    pub(super) fn of_schema(schema: &Value) -> Hidden {
        let properties = schema.get("properties").and_then(Value::as_object);
        let is_secret = |schema: &Value| schema.get("writeOnly") == Some(&Value::Bool(true));
        let secret = properties.into_iter().flatten().filter(|(_, schema)| is_secret(schema));
        secret.fold(Hidden::Nothing, |hidden, (name, _)| hidden.with(name))
    }

    /// The same and the argument `name`.
    pub(super) fn with(self, name: &str) -> Hidden {
        let mut names = match self {
            Hidden::Nothing => Vec::new(),
            Hidden::Named(names) => names,
            Hidden::All => return Hidden::All,
        };
        names.push(name.to_owned());
        Hidden::Named(names)
    }

    /// The JSON text `arguments` without what is hidden.
    pub(crate) fn show<'a>(&self, arguments: &'a str) -> Cow<'a, str> {
        let names = match self {
            Hidden::Nothing => return Cow::Borrowed(arguments),
            Hidden::Named(names) => names,
            Hidden::All => return Cow::Borrowed(STARS),
        };
        // What cannot be read cannot be looked through.
        let Ok(Members(members)) = serde_json::from_str(arguments) else {
            return Cow::Borrowed(STARS);
        };
        let mut out = String::from("{");
        for (name, value) in members {
            let is_hidden = names.iter().any(|hidden| *hidden == *name);
            if out.len() > 1 {
                out.push(',');
            }
            // A name of the client's may need escapes.
            push_string(&mut out, &name);
            out.push(':');
            out.push_str(if is_hidden { STARS } else { value.get() });
        }
        out.push('}');
        Cow::Owned(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(hidden: &Hidden, arguments: &str, expected: &str) {
        assert_eq!(hidden.show(arguments), expected);
    }

    #[test]
    fn values_of_secret_arguments_are_stars() {
        let named = Hidden::Nothing.with("password").with("k\"y");
        for (arguments, expected) in [
            ("{}", "{}"),
            (r#"{"user":"a","n":1.50}"#, r#"{"user":"a","n":1.50}"#),
            (r#"{"user":"a","password":"hunter2"}"#, r#"{"user":"a","password":"***"}"#),
            (r#"{"password":{"a":["hunter2"]}}"#, r#"{"password":"***"}"#),
            // Twice, and in disguise.
            (r#"{"password":1,"password":2}"#, r#"{"password":"***","password":"***"}"#),
            (r#"{"p\u0061ssword":"hunter2"}"#, r#"{"password":"***"}"#),
            (r#"{"k\"y":"hunter2"}"#, r#"{"k\"y":"***"}"#),
            (
                r#"{"Password":"other","a":{"password":"deep"}}"#,
                r#"{"Password":"other","a":{"password":"deep"}}"#,
            ),
            ("[1]", STARS),
        ] {
            check(&named, arguments, expected);
        }
        check(&Hidden::All, r#"{"a":1}"#, STARS);
        check(&Hidden::Nothing, "[1]", "[1]");
    }

    #[test]
    fn a_schema_says_what_is_secret() {
        let schema = serde_json::json!({ "properties": {
            "a": { "writeOnly": true }, "b": { "writeOnly": false }, "c": {}, "d": true,
        } });
        assert_eq!(Hidden::of_schema(&schema), Hidden::Named(vec!["a".into()]));
        assert_eq!(Hidden::of_schema(&serde_json::json!({})), Hidden::Nothing);
    }
}
