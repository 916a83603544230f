//! Asking the user and the model.
//!
//! A call function asks with one of the emcp_need_*() functions, in the same way for every client.
//! While the answer is not there, it notes the question and returns EMCP_NEED_INPUT; the call
//! function asks what else it needs and returns that. emcp carries the questions to the client and
//! calls the function again, from its start, when they are answered. So it must decide in the same
//! way each time, and act only when its last question is answered.
//!
//!     static int32_t restart(emcp_call *call, void *user)
//!     {
//!         int32_t sure = 0;
//!         int32_t status = emcp_need_form(call, "sure", "Restart the collector?",
//!             "{\"type\":\"object\",\"properties\":{\"sure\":{\"type\":\"boolean\"}}}", NULL);
//!         if (status != EMCP_OK)
//!             return status;
//!         if (emcp_answer_bool(call, "sure", "sure", &sure) < 0 || !sure)
//!             return emcp_put_text(call, "Nothing was restarted.", EMCP_NUL);
//!         ...
//!     }
//!
//! A client of revision 2026-07-28 comes back with another request; what it carries in between is
//! signed and bound to the caller, the method and the arguments. Older clients are sent requests,
//! and the call waits, at most ask_timeout_ms. Never ask for secrets with a form.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{c_char, c_void};

use emcp_core::{Need, Question};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::argument::{integer, number};
use crate::call_state::{call, emcp_call};
use crate::failure::{Failure, Result};
use crate::guard::{guard, guard_status, lock, report};
use crate::status::{EMCP_E_NOT_FOUND, EMCP_NEED_INPUT, EMCP_OK};
use crate::text::{data, emcp_str, prose, required};

/// The user has filled in the form, or agreed to open the page.
pub const EMCP_ANSWER_ACCEPT: i32 = 1;
/// The user has said no.
pub const EMCP_ANSWER_DECLINE: i32 = 2;
/// The user has closed it without saying anything.
pub const EMCP_ANSWER_CANCEL: i32 = 3;

/// Asks the user to fill in a form. `key` names the question in this call. `schema` is JSON Schema
/// text of an object whose properties are strings, numbers, booleans and choices.
///
/// With EMCP_OK `answer`, which may be NULL, views the JSON of the answer as long as the call;
/// emcp_answer_action(), emcp_answer_str() and their sisters read it.
///
/// Returns EMCP_OK; EMCP_NEED_INPUT: it has been noted; EMCP_E_CAPABILITY: this client cannot be
/// asked that: go on without, or return the status; EMCP_E_REFUSED: the client answered with an
/// error, emcp_last_error() says which; EMCP_E_LIMIT: too many questions; EMCP_E_STATE: a completion
/// cannot ask; EMCP_E_INVALID; EMCP_E_CANCELED.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_need_form(
    call: *mut emcp_call,
    key: *const c_char,
    message: *const c_char,
    schema: *const c_char,
    answer: *mut emcp_str,
) -> i32 {
    // SAFETY: the header obliges the caller to hold a reference, and to pass strings or NULL and a
    // pointer that can be written, or NULL.
    unsafe {
        need(call, key, answer, || {
            let message = prose("message", message)?;
            Ok(Question::form(&message, required("schema", schema)?)?)
        })
    }
}

/// Asks the user to open a page, for what must not pass through the client, such as signing in. The
/// answer says only whether the user agreed to. `url` is https, or leads to this machine; it must
/// not sign anybody in by itself, and the page must check who opens it.
///
/// Returns as emcp_need_form().   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_need_url(
    call: *mut emcp_call,
    key: *const c_char,
    message: *const c_char,
    url: *const c_char,
    answer: *mut emcp_str,
) -> i32 {
    // SAFETY: as in `emcp_need_form`.
    unsafe {
        need(call, key, answer, || {
            let message = prose("message", message)?;
            Ok(Question::url(&message, required("url", url)?)?)
        })
    }
}

/// Asks the client's model. `params` is the JSON text of a sampling/createMessage request, with
/// messages and maxTokens; emcp_answer_text() reads what it says.
///
///     "{\"messages\":[{\"role\":\"user\",\"content\":{\"type\":\"text\",\"text\":\"Why?\"}}],"
///     "\"maxTokens\":200}"
///
/// Returns as emcp_need_form().   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_need_sampling(
    call: *mut emcp_call,
    key: *const c_char,
    params: *const c_char,
    answer: *mut emcp_str,
) -> i32 {
    // SAFETY: as in `emcp_need_form`.
    unsafe { need(call, key, answer, || Ok(Question::sampling(required("params", params)?)?)) }
}

/// Asks for the folders that the client works in: {"roots":[{"uri":...,"name":...}]}.
///
/// Returns as emcp_need_form().   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_need_roots(
    call: *mut emcp_call,
    key: *const c_char,
    answer: *mut emcp_str,
) -> i32 {
    // SAFETY: as in `emcp_need_form`.
    unsafe { need(call, key, answer, || Ok(Question::roots())) }
}

/// Sends what was noted, as returning EMCP_NEED_INPUT from the call function does; for a call that
/// is answered later. The reference stays the caller's; the function is called with another one.
///
/// Returns as emcp_finish().   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_need_input(call: *mut emcp_call) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to hold a reference.
        unsafe { self::call(call)? }.answer(|call, _| call.ask())
    })
}

/// Tells what the user did with a form or a page: EMCP_ANSWER_*. EMCP_E_NOT_FOUND when emcp_need_*()
/// has not returned EMCP_OK for `key` since the function was called.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_answer_action(call: *const emcp_call, key: *const c_char) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to hold a reference and to pass a string or NULL.
        let (call, key) = unsafe { (self::call(call)?, required("key", key)?) };
        let answer = call.answer_to(key)?;
        match &*Elicited::read(&answer)?.action {
            "accept" => Ok(EMCP_ANSWER_ACCEPT),
            "decline" => Ok(EMCP_ANSWER_DECLINE),
            _ => Ok(EMCP_ANSWER_CANCEL),
        }
    })
}

/// Reads a text that the user has filled in; see emcp_arg_str().
///
/// Returns EMCP_OK; EMCP_E_NOT_FOUND when the field is absent or null, or the user did not accept;
/// EMCP_E_INVALID when it has another type.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_answer_str(
    call: *const emcp_call,
    key: *const c_char,
    field: *const c_char,
    out: *mut emcp_str,
) -> i32 {
    // SAFETY: the header obliges the caller to hold a reference, and to pass strings and a pointer
    // that can be written, or NULL.
    unsafe {
        read(call, key, field, out, |call, name, json| {
            call.text(name, || serde_json::from_str(json).map_err(|_| wrong("a string")))
        })
    }
}

/// Reads a whole number that the user has filled in; see emcp_arg_i64(). Returns as
/// emcp_answer_str().   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_answer_i64(
    call: *const emcp_call,
    key: *const c_char,
    field: *const c_char,
    out: *mut i64,
) -> i32 {
    // SAFETY: as in `emcp_answer_str`.
    unsafe {
        read(call, key, field, out, |_, _, json| {
            integer(json).ok_or_else(|| wrong("a 64-bit integer"))
        })
    }
}

/// Reads a number that the user has filled in. Returns as emcp_answer_str().   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_answer_f64(
    call: *const emcp_call,
    key: *const c_char,
    field: *const c_char,
    out: *mut f64,
) -> i32 {
    // SAFETY: as in `emcp_answer_str`.
    unsafe {
        read(call, key, field, out, |_, _, json| number(json).ok_or_else(|| wrong("a number")))
    }
}

/// Reads a tick of the user as 0 or 1. Returns as emcp_answer_str().   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_answer_bool(
    call: *const emcp_call,
    key: *const c_char,
    field: *const c_char,
    out: *mut i32,
) -> i32 {
    // SAFETY: as in `emcp_answer_str`.
    unsafe {
        read(call, key, field, out, |_, _, json| match json {
            "true" => Ok(1),
            "false" => Ok(0),
            _ => Err(wrong("a boolean")),
        })
    }
}

/// Reads what the model says: the first text of its answer to emcp_need_sampling().
///
/// Returns EMCP_OK; EMCP_E_NOT_FOUND when there is no answer or no text in it.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_answer_text(
    call: *const emcp_call,
    key: *const c_char,
    out: *mut emcp_str,
) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to hold a reference and to pass a string or NULL.
        let (call, key) = unsafe { (self::call(call)?, required("key", key)?) };
        if out.is_null() {
            return Err(Failure::invalid("out is NULL"));
        }
        let answer = call.answer_to(key)?;
        let absent =
            || Failure::new(EMCP_E_NOT_FOUND, format!("the answer to {key:?} has no text"));
        let text = call.text(format!("said {key}"), || said(&answer).ok_or_else(absent))?;
        // SAFETY: not NULL; the header obliges the caller to pass a pointer that can be written.
        unsafe { out.write(text) };
        Ok(EMCP_OK)
    })
}

/// Keeps bytes for the next time that the function is called; emcp_kept() gives them back. A client
/// of revision 2026-07-28 carries them: it can read them, but not change them unnoticed.
///
/// Returns EMCP_OK; EMCP_E_LIMIT when max_state_bytes has no room for it; EMCP_E_INVALID.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_keep(call: *mut emcp_call, data: *const c_void, len: usize) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to hold a reference.
        let call = unsafe { self::call(call)? };
        // SAFETY: the header obliges the caller to pass `len` bytes.
        call.handle.keep(unsafe { self::data("data", data, len)? })?;
        Ok(EMCP_OK)
    })
}

/// Gives what was kept when the function was called the last time; empty the first time. The view
/// lives as long as the call.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_kept(call: *const emcp_call) -> emcp_str {
    guard(emcp_str::view(""), || {
        // SAFETY: the header obliges the caller to hold a reference.
        match unsafe { self::call(call) } {
            Ok(call) if !call.kept.is_empty() => {
                emcp_str { p: call.kept.as_ptr().cast(), n: call.kept.len() }
            }
            Ok(_) => emcp_str::view(""),
            Err(failure) => {
                report(&failure);
                emcp_str::view("")
            }
        }
    })
}

/// # Safety
/// As for [`call`]; `key` is NULL or a string, `answer` NULL or writable; what `question` needs.
unsafe fn need(
    call: *mut emcp_call,
    key: *const c_char,
    answer: *mut emcp_str,
    question: impl FnOnce() -> Result<Question>,
) -> i32 {
    guard_status(|| {
        // SAFETY: passed on to our caller.
        let (call, key) = unsafe { (self::call(call)?, required("key", key)?) };
        call.check_open()?;
        match call.handle.need(key, question()?)? {
            Need::Asked => Ok(EMCP_NEED_INPUT),
            Need::Answered(json) => {
                lock(&call.answers).insert(key.to_owned(), json.clone());
                if !answer.is_null() {
                    let text = call.text(format!("answer {key}"), || Ok(json.to_string()))?;
                    // SAFETY: not NULL, the rest is passed on to our caller.
                    unsafe { answer.write(text) };
                }
                Ok(EMCP_OK)
            }
        }
    })
}

/// # Safety
/// As for [`call`]; `key` and `field` are NULL or strings, `out` NULL or writable.
unsafe fn read<T>(
    call: *const emcp_call,
    key: *const c_char,
    field: *const c_char,
    out: *mut T,
    value: impl FnOnce(&'static emcp_call, String, &str) -> Result<T>,
) -> i32 {
    guard_status(|| {
        // SAFETY: passed on to our caller.
        let (call, key, field) =
            unsafe { (self::call(call)?, required("key", key)?, required("field", field)?) };
        if out.is_null() {
            return Err(Failure::invalid("out is NULL"));
        }
        let answer = call.answer_to(key)?;
        let elicited = Elicited::read(&answer)?;
        let content = elicited.content.filter(|_| elicited.action == "accept");
        let fields = content.map_or("{}", RawValue::get);
        let fields: BTreeMap<Cow<'_, str>, &RawValue> =
            serde_json::from_str(fields).unwrap_or_default();
        let json = fields.get(field).map(|raw| raw.get()).filter(|json| *json != "null");
        let json = json.ok_or_else(|| {
            let text = format!("the answer to {key:?} has no {field:?}");
            Failure::new(EMCP_E_NOT_FOUND, text)
        })?;
        // A NUL cannot stand in either, so no two fields have one name.
        let value = value(call, format!("field {key}\0{field}"), json)?;
        // SAFETY: not NULL, the rest is passed on to our caller.
        unsafe { out.write(value) };
        Ok(EMCP_OK)
    })
}

impl emcp_call {
    fn answer_to(&self, key: &str) -> Result<std::sync::Arc<str>> {
        lock(&self.answers).get(key).cloned().ok_or_else(|| {
            Failure::new(EMCP_E_NOT_FOUND, format!("nothing was answered to {key:?}"))
        })
    }
}

/// The answer to a form or a page.
#[derive(Deserialize)]
struct Elicited<'a> {
    #[serde(borrow)]
    action: Cow<'a, str>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

impl<'a> Elicited<'a> {
    fn read(answer: &'a str) -> Result<Elicited<'a>> {
        serde_json::from_str(answer).map_err(|_| wrong("of a form or a page"))
    }
}

/// The first text in what a model says: one block, or several from 2025-11-25 on.
fn said(answer: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Message {
        content: Blocks,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Blocks {
        One(Block),
        Many(Vec<Block>),
    }
    #[derive(Deserialize)]
    struct Block {
        #[serde(default)]
        text: Option<String>,
    }
    match serde_json::from_str::<Message>(answer).ok()?.content {
        Blocks::One(block) => block.text,
        Blocks::Many(blocks) => blocks.into_iter().find_map(|block| block.text),
    }
}

fn wrong(wanted: &str) -> Failure {
    Failure::invalid(format!("the answer is not {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::said;

    #[test]
    fn a_model_says_one_block_or_several() {
        let one = r#"{"role":"assistant","content":{"type":"text","text":"a"},"model":"m"}"#;
        assert_eq!(said(one).as_deref(), Some("a"));
        let many = r#"{"content":[{"type":"image","data":""},{"type":"text","text":"b"}]}"#;
        assert_eq!(said(many).as_deref(), Some("b"));
        assert_eq!(said(r#"{"content":[]}"#), None);
        assert_eq!(said("{}"), None);
    }
}
