//! Answering a call.
//!
//! Pieces are put together and sent by emcp_finish(), or by returning EMCP_OK from the call
//! function. All functions copy what they are given and may be called from any thread. A piece
//! that is refused leaves nothing behind: the call can still be answered.
//!
//! What a piece becomes depends on what was called. In a tool it is a block of the result. In a
//! prompt it is a message. In a resource text, bytes and JSON are the contents that were asked for,
//! emcp_put_resource_text() and emcp_put_resource_blob() those of another resource. A completion
//! has values only.
//!
//! Besides their own, all of them return EMCP_E_INVALID for NULL and text that is not what it
//! should be; EMCP_E_LIMIT when the result would be above max_result_bytes; EMCP_E_STATE when the
//! call has been answered; EMCP_E_CANCELED when it has ended, so that nobody waits any more.

use std::ffi::{c_char, c_void};

use emcp_core::{CallKind, Content, JsonWriter, Role};

use crate::call_state::{call, emcp_call};
use crate::draft::base64_bytes;
use crate::failure::{Failure, Result};
use crate::guard::guard_status;
use crate::text::{bytes, data, json, optional, repair, repaired, required};

/// Appends text for the model. What is not UTF-8 in it becomes U+FFFD. `len` may be EMCP_NUL.
/// Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_put_text(
    call: *mut emcp_call,
    text: *const c_char,
    len: usize,
) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to hold a reference.
        let call = unsafe { self::call(call)? };
        // SAFETY: the header obliges the caller to pass `len` bytes or a string.
        let text = repair(unsafe { bytes("text", text, len)? });
        call.put(|draft| draft.push(text.len(), || Ok(Content::text(text))))
    })
}

/// Sets structuredContent from JSON text of any type; replaces what was set before. Clients that
/// cannot read it, and everybody when there is no text, get it as text too: while no text is there
/// it counts twice against the limit. In resources and prompts it is text. `len` may be EMCP_NUL.
/// Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_put_json(
    call: *mut emcp_call,
    json: *const c_char,
    len: usize,
) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to hold a reference.
        let call = unsafe { self::call(call)? };
        // SAFETY: the header obliges the caller to pass `len` bytes or a string.
        let json = unsafe { self::json("json", json, len)? };
        call.put(|draft| draft.set_structured(json))
    })
}

/// Appends a picture; emcp encodes it. `mime`: for example "image/png".   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_put_image(
    call: *mut emcp_call,
    mime: *const c_char,
    data: *const c_void,
    len: usize,
) -> i32 {
    // SAFETY: the header obliges the caller to hold a reference, and to pass a string or NULL and
    // `len` bytes.
    unsafe { put_media(call, mime, data, len, |mime, data| Content::image(mime, data)) }
}

/// Appends a sound; emcp encodes it. `mime`: for example "audio/wav". Clients of revision
/// 2024-11-05 get a note in its place.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_put_audio(
    call: *mut emcp_call,
    mime: *const c_char,
    data: *const c_void,
    len: usize,
) -> i32 {
    // SAFETY: the header obliges the caller to hold a reference, and to pass a string or NULL and
    // `len` bytes.
    unsafe { put_media(call, mime, data, len, |mime, data| Content::audio(mime, data)) }
}

/// Appends a block that `make` builds from bytes and their media type.
///
/// # Safety
/// `call` is held by the caller, `mime` is a string or NULL, `data` has `len` bytes.
unsafe fn put_media(
    call: *mut emcp_call,
    mime: *const c_char,
    data: *const c_void,
    len: usize,
    make: impl FnOnce(&str, &[u8]) -> Content,
) -> i32 {
    guard_status(|| {
        // SAFETY: passed on to our caller.
        let call = unsafe { self::call(call)? };
        // SAFETY: passed on to our caller.
        let mime = unsafe { required("mime", mime)? };
        // SAFETY: passed on to our caller.
        let data = unsafe { self::data("data", data, len)? };
        call.put(|draft| draft.push(mime.len() + base64_bytes(data.len()), || Ok(make(mime, data))))
    })
}

/// Appends the bytes of the resource that was asked for; emcp encodes them. For tools and prompts
/// there is emcp_put_resource_blob().   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_put_blob(
    call: *mut emcp_call,
    data: *const c_void,
    len: usize,
) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to hold a reference.
        let call = unsafe { self::call(call)? };
        // SAFETY: the header obliges the caller to pass `len` bytes.
        let data = unsafe { self::data("data", data, len)? };
        call.put(|draft| draft.push_blob(data))
    })
}

/// The person speaks.
pub const EMCP_ROLE_USER: i32 = 1;
/// The model speaks.
pub const EMCP_ROLE_ASSISTANT: i32 = 2;

/// Says who speaks in the messages of a prompt that are put from here on: EMCP_ROLE_*. Until then
/// it is the user.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_put_role(call: *mut emcp_call, role: i32) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to hold a reference.
        let call = unsafe { self::call(call)? };
        let role = match role {
            EMCP_ROLE_USER => Role::User,
            EMCP_ROLE_ASSISTANT => Role::Assistant,
            _ => return Err(Failure::invalid(format!("{role} is not EMCP_ROLE_*"))),
        };
        call.put(|draft| draft.set_role(role))
    })
}

/// Says what the messages of a prompt are for.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_put_description(call: *mut emcp_call, text: *const c_char) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to hold a reference.
        let call = unsafe { self::call(call)? };
        // SAFETY: the header obliges the caller to pass a string or NULL.
        let text = unsafe { repaired(text) }.ok_or_else(|| Failure::invalid("text is NULL"))?;
        call.put(|draft| draft.set_description(&text))
    })
}

/// Appends a value to a completion.
///
/// Returns EMCP_E_LIMIT from the 101st on: stop then, the client is told that there are more.
/// Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_put_value(call: *mut emcp_call, value: *const c_char) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to hold a reference.
        let call = unsafe { self::call(call)? };
        // SAFETY: the header obliges the caller to pass a string or NULL.
        let value = unsafe { repaired(value) }.ok_or_else(|| Failure::invalid("value is NULL"))?;
        call.put(|draft| draft.push_value(&value))
    })
}

/// Says how many values there are altogether, those that were not put included.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_put_value_total(call: *mut emcp_call, total: u64) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to hold a reference.
        unsafe { self::call(call)? }.put(|draft| draft.set_total(total))
    })
}

/// Appends a link to a resource. `mime` and `description` may be NULL. Clients before revision
/// 2025-06-18 get text that names it.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_put_link(
    call: *mut emcp_call,
    uri: *const c_char,
    name: *const c_char,
    mime: *const c_char,
    description: *const c_char,
) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to hold a reference.
        let call = unsafe { self::call(call)? };
        // SAFETY: the header obliges the caller to pass strings or NULL.
        let (uri, name) = unsafe { (required("uri", uri)?, required("name", name)?) };
        // SAFETY: as above.
        let (mime, description) = unsafe { (optional("mime", mime)?, repaired(description)) };
        let bytes = uri.len()
            + name.len()
            + mime.map_or(0, str::len)
            + description.as_ref().map_or(0, |text| text.len());
        call.put(|draft| {
            draft.push(bytes, || Content::link(uri, name, mime, description.as_deref()))
        })
    })
}

/// Appends a resource with its text. `mime` may be NULL, `len` may be EMCP_NUL.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_put_resource_text(
    call: *mut emcp_call,
    uri: *const c_char,
    mime: *const c_char,
    text: *const c_char,
    len: usize,
) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to hold a reference.
        let call = unsafe { self::call(call)? };
        // SAFETY: the header obliges the caller to pass strings or NULL.
        let (uri, mime) = unsafe { (required("uri", uri)?, optional("mime", mime)?) };
        // SAFETY: the header obliges the caller to pass `len` bytes or a string.
        let text = repair(unsafe { bytes("text", text, len)? });
        let bytes = uri.len() + mime.map_or(0, str::len) + text.len();
        call.put(|draft| draft.push(bytes, || Content::resource_text(uri, mime, text)))
    })
}

/// Appends a resource with its bytes; emcp encodes them. `mime` may be NULL.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_put_resource_blob(
    call: *mut emcp_call,
    uri: *const c_char,
    mime: *const c_char,
    data: *const c_void,
    len: usize,
) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to hold a reference.
        let call = unsafe { self::call(call)? };
        // SAFETY: the header obliges the caller to pass strings or NULL.
        let (uri, mime) = unsafe { (required("uri", uri)?, optional("mime", mime)?) };
        // SAFETY: the header obliges the caller to pass `len` bytes.
        let data = unsafe { self::data("data", data, len)? };
        let bytes = uri.len() + mime.map_or(0, str::len) + base64_bytes(data.len());
        call.put(|draft| draft.push(bytes, || Content::resource_blob(uri, mime, data)))
    })
}

/// Appends one content block from JSON text, for what has no function of its own: an object with
/// a "type", for example with annotations. `len` may be EMCP_NUL.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_put_content(
    call: *mut emcp_call,
    json: *const c_char,
    len: usize,
) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to hold a reference.
        let call = unsafe { self::call(call)? };
        // SAFETY: the header obliges the caller to pass `len` bytes or a string.
        let json = unsafe { self::json("json", json, len)? };
        call.put(|draft| draft.push(json.len(), || Content::raw(json)))
    })
}

/// Sets _meta of a tool's result from the text of a JSON object. `len` may be EMCP_NUL.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_put_meta(
    call: *mut emcp_call,
    json: *const c_char,
    len: usize,
) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to hold a reference.
        let call = unsafe { self::call(call)? };
        // SAFETY: the header obliges the caller to pass `len` bytes or a string.
        let json = unsafe { self::json("json", json, len)? };
        call.put(|draft| draft.set_meta(json))
    })
}

/// Tells the model in a line of text that it sees `shown` of `total` items, and with which
/// `cursor` it can ask for more; NULL when it cannot. The line comes last; put again, it replaces
/// the one before. Some clients show a model only structured content: name the cursor there too.
///
/// Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_put_truncated(
    call: *mut emcp_call,
    shown: u64,
    total: u64,
    cursor: *const c_char,
) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to hold a reference.
        let call = unsafe { self::call(call)? };
        // SAFETY: the header obliges the caller to pass a string or NULL.
        let cursor = unsafe { repaired(cursor) };
        call.put(|draft| draft.set_truncated(shown, total, cursor.as_deref()))
    })
}

/// Answers the call with what was put; with nothing, when nothing was. Only once.
///
/// Not needed in a call function, which returns EMCP_OK instead. The reference stays the caller's:
/// give it back with emcp_call_unref(). The audit hook runs before this returns.
///
/// Returns EMCP_OK; EMCP_E_CANCELED; EMCP_E_STATE the second time.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_finish(call: *mut emcp_call) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to hold a reference.
        unsafe { self::call(call)? }.answer(|call, draft| call.reply(draft.into_result()))
    })
}

/// Answers the call with a failure: say what went wrong and what to try instead. The model sees it
/// when a tool was called; otherwise it is a JSON-RPC error. What was put is dropped. Only once.
///
/// Returns as emcp_finish(); EMCP_E_INVALID when `text` is NULL.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_fail(call: *mut emcp_call, text: *const c_char) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to hold a reference.
        let call = unsafe { self::call(call)? };
        // SAFETY: the header obliges the caller to pass a string or NULL.
        let text = unsafe { repaired(text) }.ok_or_else(|| Failure::invalid("text is NULL"))?;
        call.answer(|call, _| call.fail(text))
    })
}

/// Answers that there is no resource at the URI that was asked for, in the words of the client's
/// revision. Only once.
///
/// Returns as emcp_finish(); EMCP_E_INVALID when no resource is being read.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_fail_not_found(call: *mut emcp_call) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to hold a reference.
        let call = unsafe { self::call(call)? };
        if call.handle.kind() != CallKind::Resource {
            return Err(Failure::invalid("no resource is being read"));
        }
        call.answer(|call, _| call.fail_not_found())
    })
}

/// Answers the call with a JSON-RPC error, which programs see and models often do not: for a
/// tool's own failures use emcp_fail(). `data_json` is JSON text or NULL. Only once.
///
/// Revision 2026-07-28 keeps -32002 and -32099 to -32020 for itself: its clients get -32603 in
/// their place, but for -32021, a missing capability. Codes of your own lie outside -32768 to
/// -32000.
///
/// Returns as emcp_finish(); EMCP_E_INVALID when `message` is NULL or `data_json` not JSON: the
/// call can still be answered then.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_fail_rpc(
    call: *mut emcp_call,
    code: i32,
    message: *const c_char,
    data_json: *const c_char,
) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to hold a reference.
        let call = unsafe { self::call(call)? };
        // SAFETY: the header obliges the caller to pass a string or NULL.
        let message = unsafe { repaired(message) };
        let message = message.ok_or_else(|| Failure::invalid("message is NULL"))?;
        // SAFETY: as above.
        let data = unsafe { optional("data_json", data_json)? }.map(one_line).transpose()?;
        call.answer(|call, _| call.fail_rpc(code, &message, data.as_deref()))
    })
}

/// Checks JSON text and takes its line breaks away, which would end an event early.
fn one_line(json: &str) -> Result<String> {
    let mut writer = JsonWriter::new(json.len());
    writer.raw(json);
    Ok(writer.finish()?)
}
