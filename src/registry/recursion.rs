//! Tells whether a schema can lead back to itself.

use std::collections::HashSet;

use serde_json::Value;

/// Tells whether following the references of `schema` can come to the same place twice.
///
/// Errs on the side of "yes": references by anchor, by id or dynamic ones count as recursive.
pub(super) fn is_recursive(schema: &Value) -> bool {
    let mut walk = Walk { root: schema, open: Vec::new(), done: HashSet::new() };
    walk.enter("", schema)
}

struct Walk<'a> {
    root: &'a Value,
    /// The targets between the root and here.
    open: Vec<&'a str>,
    /// Targets that lead to no circle, so that none is walked twice.
    done: HashSet<&'a str>,
}

impl<'a> Walk<'a> {
    /// Looks for a circle through the schema at `pointer`.
    fn enter(&mut self, pointer: &'a str, schema: &'a Value) -> bool {
        if self.done.contains(pointer) {
            return false;
        }
        if self.open.contains(&pointer) {
            return true;
        }
        self.open.push(pointer);
        let circle = self.look(schema);
        self.open.pop();
        self.done.insert(pointer);
        circle
    }

    fn look(&mut self, value: &'a Value) -> bool {
        match value {
            Value::Array(items) => items.iter().any(|item| self.look(item)),
            Value::Object(members) => {
                members.iter().any(|(key, member)| match (key.as_str(), member) {
                    ("$ref", Value::String(target)) => self.follow(target),
                    ("$dynamicRef" | "$recursiveRef", Value::String(_)) => true,
                    // Definitions count where something refers to them.
                    ("$defs" | "definitions", _) => false,
                    (_, member) => self.look(member),
                })
            }
            _ => false,
        }
    }

    fn follow(&mut self, target: &'a str) -> bool {
        let pointer =
            target.strip_prefix('#').filter(|rest| rest.is_empty() || rest.starts_with('/'));
        // An escaped pointer may not resolve here; that counts as a circle like the rest.
        let found = pointer.and_then(|pointer| Some((pointer, self.root.pointer(pointer)?)));
        found.is_none_or(|(pointer, schema)| self.enter(pointer, schema))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn circles_are_found() {
        let cases = [
            (json!({"properties": {"a": {"type": "string"}}}), false),
            (json!({"properties": {"a": {"$ref": "#"}}}), true),
            (json!({"$ref": "#/$defs/a", "$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}}), true),
            (json!({"properties": {"a": {"items": {"$ref": "#/properties/a"}}}}), true),
            (json!({"items": {"$ref": "#/$defs/a"}, "$defs": {"a": {"type": "string"}}}), false),
            (
                json!({
                    "allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}],
                    "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {}},
                }),
                false,
            ),
            (json!({"items": {"$ref": "#name"}, "$defs": {"a": {"$anchor": "name"}}}), true),
            (json!({"items": {"$dynamicRef": "#name"}}), true),
            (json!({"properties": {"$ref": {"type": "string"}}}), false),
        ];
        for (schema, expected) in cases {
            assert_eq!(is_recursive(&schema), expected, "{schema}");
        }
    }
}
