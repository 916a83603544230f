//! Counts what was checked and prints each step, so that a hang shows how far it came.

use std::fmt::Debug;

use serde_json::Value;

/// Panics with what was seen when a check fails.
#[derive(Default)]
pub struct Checks {
    pub count: usize,
}

impl Checks {
    pub fn that(&mut self, holds: bool, what: &str, seen: impl Debug) {
        assert!(holds, "{what}; saw {seen:?}");
        self.count += 1;
        println!("  {what}");
    }

    pub fn equal<T: PartialEq + Debug>(&mut self, seen: T, wanted: T, what: &str) {
        let holds = seen == wanted;
        self.that(holds, &format!("{what} is {wanted:?}"), seen);
    }

    /// Every one of `wanted` is a member of the list `seen`.
    pub fn includes(&mut self, seen: &[String], wanted: &[&str], what: &str) {
        self.that(wanted.iter().all(|each| seen.iter().any(|one| one == each)), what, seen);
    }

    pub fn success(&mut self, result: &Value, what: &str) {
        self.that(result["isError"] != true, &format!("{what} succeeds"), result);
        self.that(!text_of(result).is_empty(), &format!("{what} has text"), result);
    }
}

/// The text blocks of a tool result.
pub fn text_of(result: &Value) -> String {
    let blocks = result["content"].as_array().into_iter().flatten();
    let texts: Vec<_> = blocks.filter_map(|block| block["text"].as_str()).collect();
    texts.join("\n")
}

/// One member of every object in a list, as texts.
pub fn column(list: &Value, member: &str) -> Vec<String> {
    let rows = list.as_array().into_iter().flatten();
    rows.map(|row| row[member].as_str().unwrap_or_default().to_owned()).collect()
}
