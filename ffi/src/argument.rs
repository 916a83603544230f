//! The arguments of a call: of a tool or a prompt, the variables of a template, and in a completion
//! what the other arguments have already.
//!
//! Those of a tool have been checked against the schema before its function runs: a parameter that
//! is required and has the type asked for can be read. Only an integer may still be too large for
//! int64_t, unless the schema bounds it. Those of prompts, templates and completions are strings.
//! Other lists than of strings, and objects, are read as JSON text with emcp_arg_json().

use std::collections::BTreeMap;
use std::ffi::c_char;
use std::sync::{Mutex, OnceLock};

use serde_json::value::RawValue;

use crate::call_state::{call, emcp_call, view};
use crate::failure::{Failure, Result};
use crate::guard::{guard, guard_status, lock};
use crate::status::{EMCP_E_NOT_FOUND, EMCP_OK};
use crate::text::{emcp_str, required};

/// The members of the arguments object, split on first use, and the strings already unescaped.
#[derive(Default)]
pub(crate) struct Arguments {
    members: OnceLock<BTreeMap<String, Box<RawValue>>>,
    /// With a NUL behind. Never removed: C holds views of them as long as the call lives.
    strings: Mutex<BTreeMap<String, Box<[u8]>>>,
    /// The same for lists of strings, split once: looking for one item at a time in the text would
    /// take time that grows with the square of their number.
    lists: Mutex<BTreeMap<String, Vec<Box<[u8]>>>>,
}

impl emcp_call {
    /// The JSON text of one argument.
    fn argument(&self, key: &str) -> Result<&str> {
        let members = self.arguments.members.get_or_init(|| {
            // The core has checked that it is an object; its keys are valid then.
            serde_json::from_str(self.handle.arguments()).unwrap_or_default()
        });
        let member = members.get(key).map(|raw| raw.get()).filter(|json| *json != "null");
        member.ok_or_else(|| {
            Failure::new(EMCP_E_NOT_FOUND, format!("argument {key:?} is absent or null"))
        })
    }

    /// A view of an unescaped string argument, with a NUL behind it.
    fn string(&self, key: &str) -> Result<emcp_str> {
        let json = self.argument(key)?;
        let mut strings = lock(&self.arguments.strings);
        if !strings.contains_key(key) {
            let text: String = serde_json::from_str(json).map_err(|_| wrong(key, "a string"))?;
            strings.insert(key.into(), terminated(&text));
        }
        // The line above has put it in.
        Ok(terminated_view(&strings[key]))
    }

    /// A view of one item of a list of strings, as [`Self::string`] gives one.
    fn item(&self, key: &str, index: usize) -> Result<emcp_str> {
        let json = self.argument(key)?;
        let mut lists = lock(&self.arguments.lists);
        if !lists.contains_key(key) {
            let items: Vec<String> =
                serde_json::from_str(json).map_err(|_| wrong(key, "a list of strings"))?;
            lists.insert(key.into(), items.iter().map(|item| terminated(item)).collect());
        }
        // The line above has put it in.
        let item = lists[key].get(index);
        item.map(|text| terminated_view(text)).ok_or_else(|| {
            Failure::new(EMCP_E_NOT_FOUND, format!("argument {key:?} has no item {index}"))
        })
    }
}

fn terminated(text: &str) -> Box<[u8]> {
    [text.as_bytes(), b"\0"].concat().into()
}

fn terminated_view(text: &[u8]) -> emcp_str {
    emcp_str { p: text.as_ptr().cast(), n: text.len() - 1 }
}

/// Gives all arguments as the text of a JSON object, as the client wrote it; "{}" when there are
/// none. The view lives as long as the call.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_call_arguments(call: *const emcp_call) -> emcp_str {
    // SAFETY: the header obliges the caller to hold a reference.
    guard(emcp_str::view(""), || unsafe { view(call, |call| call.handle.arguments()) })
}

/// Reads a string argument.
///
/// `out` views the text without JSON escapes and with a NUL behind it; it lives as long as the
/// call. The text itself may hold NULs: `n` is its length.
///
/// Returns EMCP_OK; EMCP_E_NOT_FOUND when the argument is absent or null; EMCP_E_INVALID when it
/// has another type, and for NULL. `out` changes only on EMCP_OK.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_arg_str(
    call: *const emcp_call,
    key: *const c_char,
    out: *mut emcp_str,
) -> i32 {
    // SAFETY: the header obliges the caller to hold a reference, and to pass a string and a pointer
    // that can be written, or NULL.
    unsafe { read(call, key, out, |call, key| call.string(key)) }
}

/// Reads one item of an EMCP_STRING_LIST argument, counted from 0; see emcp_arg_str().
///
///     for (i = 0; emcp_arg_item(call, "units", i, &unit) == EMCP_OK; i++)
///         show(unit.p);
///
/// Returns as emcp_arg_str(); EMCP_E_NOT_FOUND also behind the last item.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_arg_item(
    call: *const emcp_call,
    key: *const c_char,
    index: usize,
    out: *mut emcp_str,
) -> i32 {
    // SAFETY: as in `emcp_arg_str`.
    unsafe { read(call, key, out, |call, key| call.item(key, index)) }
}

/// Reads an integer argument. 1.0 and 1e3 are integers too, as JSON Schema has it.
///
/// Returns as emcp_arg_str(); EMCP_E_INVALID also when the number has a fraction or does not fit
/// into int64_t.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_arg_i64(
    call: *const emcp_call,
    key: *const c_char,
    out: *mut i64,
) -> i32 {
    // SAFETY: as in `emcp_arg_str`.
    unsafe {
        read(call, key, out, |call, key| {
            integer(call.argument(key)?).ok_or_else(|| wrong(key, "a 64-bit integer"))
        })
    }
}

/// Reads a number argument; one with more digits than a double holds is rounded.
///
/// Returns as emcp_arg_str().   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_arg_f64(
    call: *const emcp_call,
    key: *const c_char,
    out: *mut f64,
) -> i32 {
    // SAFETY: as in `emcp_arg_str`.
    unsafe {
        read(call, key, out, |call, key| {
            number(call.argument(key)?).ok_or_else(|| wrong(key, "a number"))
        })
    }
}

/// Reads a boolean argument as 0 or 1.
///
/// Returns as emcp_arg_str().   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_arg_bool(
    call: *const emcp_call,
    key: *const c_char,
    out: *mut i32,
) -> i32 {
    // SAFETY: as in `emcp_arg_str`.
    unsafe {
        read(call, key, out, |call, key| match call.argument(key)? {
            "true" => Ok(1),
            "false" => Ok(0),
            _ => Err(wrong(key, "a boolean")),
        })
    }
}

/// Gives the JSON text of one argument of any type, every digit as the client wrote it. The view
/// lives as long as the call.
///
/// Returns EMCP_OK; EMCP_E_NOT_FOUND when the argument is absent or null; EMCP_E_INVALID for NULL.
/// Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_arg_json(
    call: *const emcp_call,
    key: *const c_char,
    out: *mut emcp_str,
) -> i32 {
    // SAFETY: as in `emcp_arg_str`.
    unsafe { read(call, key, out, |call, key| call.argument(key).map(emcp_str::view)) }
}

/// # Safety
/// As for [`call`]; `key` is NULL or a string, `out` NULL or writable.
unsafe fn read<T>(
    call: *const emcp_call,
    key: *const c_char,
    out: *mut T,
    value: impl FnOnce(&'static emcp_call, &str) -> Result<T>,
) -> i32 {
    guard_status(|| {
        // SAFETY: passed on to our caller.
        let call = unsafe { self::call(call)? };
        // SAFETY: passed on to our caller.
        let key = unsafe { required("key", key)? };
        if out.is_null() {
            return Err(Failure::invalid("out is NULL"));
        }
        let value = value(call, key)?;
        // SAFETY: not NULL, the rest is passed on to our caller.
        unsafe { out.write(value) };
        Ok(EMCP_OK)
    })
}

pub(crate) fn integer(json: &str) -> Option<i64> {
    if let Ok(value) = json.parse() {
        return Some(value);
    }
    // Only a number that says so with a point or an exponent: 2^64 must not come out as a float.
    let value = number(json).filter(|_| json.contains(['.', 'e', 'E']))?;
    // Above 2^53 the float may be a neighbour of what the client wrote.
    (value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0).then_some(value as i64)
}

pub(crate) fn number(json: &str) -> Option<f64> {
    // The text is valid JSON: whatever begins like a number is one, and "inf" never comes here.
    let starts_number = json.starts_with(|ch: char| ch == '-' || ch.is_ascii_digit());
    starts_number.then(|| json.parse().ok()).flatten().filter(|value: &f64| value.is_finite())
}

fn wrong(key: &str, wanted: &str) -> Failure {
    Failure::invalid(format!("argument {key:?} is not {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_exact_or_refused() {
        let cases = [
            ("9007199254740993", Some(9_007_199_254_740_993)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("1.0", Some(1)),
            ("-2e3", Some(-2000)),
            ("1.5", None),
            ("9007199254740993.0", Some(9_007_199_254_740_992)),
            ("1e300", None),
            ("1e999", None),
            ("true", None),
            ("\"1\"", None),
        ];
        for (json, expected) in cases {
            assert_eq!(integer(json), expected, "{json}");
        }
    }

    #[test]
    fn only_numbers_are_numbers() {
        for (json, expected) in [
            ("3.25", Some(3.25)),
            ("-1", Some(-1.0)),
            ("1e999", None),
            ("null", None),
            ("\"1\"", None),
            ("[1]", None),
        ] {
            assert_eq!(number(json), expected, "{json}");
        }
    }
}
