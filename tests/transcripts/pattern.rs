//! What a dialogue expects, and values that it takes from one message into another.
//!
//! An object pattern names the members that matter, `{"$only": {..}}` all of them. An array pattern
//! has one pattern for each item; `{"$some": [..]}` wants for each pattern an item somewhere, and
//! `{"$none": [..]}` forbids them. Text in place of a value: `$any`, `$absent`, `$string`,
//! `$number`, `$contains:part`, and `$save:name`, which keeps a text for `$use:name` later.

use std::collections::HashMap;

use serde_json::Value;

pub(crate) type Saved = HashMap<String, Value>;

/// `value` with everything that was saved in its places.
pub(crate) fn fill(value: &Value, saved: &Saved) -> Value {
    match value {
        Value::String(text) => match text.strip_prefix("$use:") {
            Some(name) => {
                saved.get(name).unwrap_or_else(|| panic!("nothing was saved as {name}")).clone()
            }
            None => value.clone(),
        },
        Value::Array(items) => items.iter().map(|item| fill(item, saved)).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, item)| (name.clone(), fill(item, saved))).collect()
        }
        other => other.clone(),
    }
}

/// Asserts that `found` is what `pattern` says, and saves from it.
#[track_caller]
pub(crate) fn assert_matches(pattern: &Value, found: &Value, saved: &mut Saved) {
    let pattern = fill(pattern, saved);
    if let Err(problem) = check(&pattern, Some(found), "", saved) {
        panic!("{problem}\nexpected {pattern:#}\nfound {found:#}");
    }
}

/// Tells whether `found` is what `pattern` says; saves nothing.
pub(crate) fn matches(pattern: &Value, found: &Value, saved: &Saved) -> bool {
    check(&fill(pattern, saved), Some(found), "", &mut Saved::new()).is_ok()
}

fn check(
    pattern: &Value,
    found: Option<&Value>,
    path: &str,
    saved: &mut Saved,
) -> Result<(), String> {
    if pattern == "$absent" {
        return found.map_or(Ok(()), |_| Err(format!("{path} is there")));
    }
    let found = found.ok_or_else(|| format!("{path} is missing"))?;
    match pattern {
        Value::String(text) if text.starts_with('$') => check_text(text, found, path, saved),
        Value::Object(members) => {
            if let Some(all) = members.get("$only") {
                return check_all(all, found, path, saved);
            }
            if let Some(wanted) = members.get("$some") {
                return check_some(wanted, found, path, saved);
            }
            if let Some(unwanted) = members.get("$none") {
                return check_none(unwanted, found, path);
            }
            if !found.is_object() {
                return Err(format!("{path} is no object"));
            }
            members.iter().try_for_each(|(name, member)| {
                check(member, found.get(name), &format!("{path}/{name}"), saved)
            })
        }
        Value::Array(items) => {
            let list = found.as_array().ok_or_else(|| format!("{path} is no array"))?;
            if list.len() != items.len() {
                return Err(format!("{path} has {} items, not {}", list.len(), items.len()));
            }
            items.iter().zip(list).enumerate().try_for_each(|(at, (item, found))| {
                check(item, Some(found), &format!("{path}/{at}"), saved)
            })
        }
        // `1` and `1.0` are one number in JSON.
        Value::Number(number) if found.as_f64() == number.as_f64() => Ok(()),
        other if found == other => Ok(()),
        _ => Err(format!("{path} is not {pattern}")),
    }
}

fn check_text(text: &str, found: &Value, path: &str, saved: &mut Saved) -> Result<(), String> {
    let (directive, name) = text.split_once(':').unwrap_or((text, ""));
    let is_right = match directive {
        "$any" => true,
        "$string" => found.is_string(),
        "$number" => found.is_number(),
        "$contains" => found.as_str().is_some_and(|found| found.contains(name)),
        "$save" => {
            saved.insert(name.into(), found.clone());
            found.as_str().is_some_and(|text| !text.is_empty())
        }
        _ => panic!("unknown pattern {text}"),
    };
    if is_right { Ok(()) } else { Err(format!("{path} is not {text}")) }
}

fn check_all(all: &Value, found: &Value, path: &str, saved: &mut Saved) -> Result<(), String> {
    let known = all.as_object().expect("$only has an object");
    let members = found.as_object().ok_or_else(|| format!("{path} is no object"))?;
    match members.keys().find(|name| !known.contains_key(*name)) {
        Some(name) => Err(format!("{path}/{name} is there")),
        None => check(all, Some(found), path, saved),
    }
}

fn check_some(wanted: &Value, found: &Value, path: &str, saved: &mut Saved) -> Result<(), String> {
    let list = found.as_array().ok_or_else(|| format!("{path} is no array"))?;
    wanted.as_array().expect("$some has an array").iter().try_for_each(|item| {
        let hit = list.iter().any(|found| check(item, Some(found), path, saved).is_ok());
        if hit { Ok(()) } else { Err(format!("{path} has nothing like {item}")) }
    })
}

fn check_none(unwanted: &Value, found: &Value, path: &str) -> Result<(), String> {
    let list = found.as_array().ok_or_else(|| format!("{path} is no array"))?;
    unwanted.as_array().expect("$none has an array").iter().try_for_each(|item| {
        let is_hit = |found| check(item, Some(found), path, &mut Saved::new()).is_ok();
        if list.iter().any(is_hit) { Err(format!("{path} has {item}")) } else { Ok(()) }
    })
}
