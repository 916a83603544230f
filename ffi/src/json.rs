//! Writing JSON piece by piece.
//!
//! Independent of the locale; NaN and infinities become null, bytes that are not UTF-8 become
//! U+FFFD. Mistakes are remembered, and only emcp_json_commit() reports them: the calls in between
//! need no checks. A writer is for one thread at a time. NULL is taken by all and does nothing.

use std::ffi::c_char;
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, Weak};

use emcp_core::{Error, JsonWriter};

use crate::call_state::{call, emcp_call};
use crate::failure::{Failure, Result};
use crate::guard::{guard, guard_status, lock, report};
use crate::status::{EMCP_E_STATE, EMCP_OK};
use crate::text::{NUL, bytes, emcp_str};

/// A JSON text that is being written.
pub struct emcp_json {
    call: Weak<emcp_call>,
    writer: JsonWriter,
    /// A mistake that the writer itself cannot see. The first one counts.
    mistake: Option<Failure>,
}

/// The writers of one call that are neither committed nor freed; they end with the call.
#[derive(Default)]
pub(crate) struct Writers(Mutex<Vec<Owned>>);

/// A writer that C has a pointer to. Not a `Box`, which would claim to be the only pointer.
struct Owned(NonNull<emcp_json>);

// SAFETY: the pointer is to memory that any thread may free, and a writer has no ties to a thread.
unsafe impl Send for Owned {}

impl Writers {
    fn add(&self, writer: emcp_json) -> *mut emcp_json {
        let writer = NonNull::from(Box::leak(Box::new(writer)));
        lock(&self.0).push(Owned(writer));
        writer.as_ptr()
    }

    /// Takes a writer back from C, unless it is none of this call.
    fn take(&self, writer: *mut emcp_json) -> Option<Box<emcp_json>> {
        let mut writers = lock(&self.0);
        let index = writers.iter().position(|owned| ptr::eq(owned.0.as_ptr(), writer))?;
        Some(writers.swap_remove(index).free())
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        lock(&self.0).drain(..).for_each(|owned| drop(owned.free()));
    }
}

impl Owned {
    fn free(self) -> Box<emcp_json> {
        // SAFETY: it comes from a leaked box in `Writers::add`, and `Writers` holds it once.
        unsafe { Box::from_raw(self.0.as_ptr()) }
    }
}

impl emcp_json {
    /// Ends it with a function of the writer.
    fn finish<T>(self, finish: fn(JsonWriter) -> emcp_core::Result<T>) -> Result<T> {
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        finish(self.writer).map_err(|error| match error {
            // Values in the wrong order are the host's wrong argument, not a wrong moment.
            Error::State(text) => Failure::invalid(text),
            other => other.into(),
        })
    }
}

/// Starts a JSON text, which emcp_json_commit() makes the structured result of `call`.
///
///     emcp_json *json = emcp_json_begin(call);
///     emcp_json_obj(json);
///     emcp_json_key(json, "load");
///     emcp_json_f64(json, 0.25);
///     emcp_json_end(json);
///     return emcp_json_commit(json);
///
/// Returns NULL when `call` is NULL. A writer that is neither committed nor freed ends with the
/// last reference to the call.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_json_begin(call: *mut emcp_call) -> *mut emcp_json {
    guard(ptr::null_mut(), || {
        // SAFETY: the header obliges the caller to hold a reference.
        let held = match unsafe { self::call(call) } {
            Ok(held) => held,
            Err(failure) => {
                report(&failure);
                return ptr::null_mut();
            }
        };
        // SAFETY: the pointer comes from `emcp_call::pointer`, and the caller's reference keeps it
        // alive while a second one is made.
        let call = unsafe {
            Arc::increment_strong_count(call);
            Arc::from_raw(call)
        };
        let writer = JsonWriter::new(held.handle.result_limit());
        held.writers.add(emcp_json { call: Arc::downgrade(&call), writer, mistake: None })
    })
}

/// Opens an object; emcp_json_end() closes it.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_json_obj(json: *mut emcp_json) {
    // SAFETY: the header obliges the caller to keep the writer alive and to itself.
    unsafe { write(json, |json| json.writer.obj()) };
}

/// Opens an array; emcp_json_end() closes it.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_json_arr(json: *mut emcp_json) {
    // SAFETY: as in `emcp_json_obj`.
    unsafe { write(json, |json| json.writer.arr()) };
}

/// Closes the innermost open object or array.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_json_end(json: *mut emcp_json) {
    // SAFETY: as in `emcp_json_obj`.
    unsafe { write(json, |json| json.writer.end()) };
}

/// Names the next value of the innermost object.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_json_key(json: *mut emcp_json, key: *const c_char) {
    // SAFETY: as in `emcp_json_obj`; the header obliges the caller to pass a string or NULL.
    unsafe { write_bytes(json, "key", key, NUL, |writer, key| writer.key(key)) };
}

/// Writes a string of `len` bytes, NULs included; `len` may be EMCP_NUL.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_json_str(json: *mut emcp_json, text: *const c_char, len: usize) {
    // SAFETY: as in `emcp_json_obj`; the header obliges the caller to pass `len` bytes or a string.
    unsafe { write_bytes(json, "text", text, len, |writer, text| writer.str(text)) };
}

/// Writes a signed integer with all its digits.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_json_i64(json: *mut emcp_json, value: i64) {
    // SAFETY: as in `emcp_json_obj`.
    unsafe { write(json, |json| json.writer.i64(value)) };
}

/// Writes an unsigned integer with all its digits.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_json_u64(json: *mut emcp_json, value: u64) {
    // SAFETY: as in `emcp_json_obj`.
    unsafe { write(json, |json| json.writer.u64(value)) };
}

/// Writes the shortest text that reads back as `value`; null for NaN and infinities.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_json_f64(json: *mut emcp_json, value: f64) {
    // SAFETY: as in `emcp_json_obj`.
    unsafe { write(json, |json| json.writer.f64(value)) };
}

/// Writes false for 0 and true for everything else.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_json_bool(json: *mut emcp_json, value: i32) {
    // SAFETY: as in `emcp_json_obj`.
    unsafe { write(json, |json| json.writer.bool(value != 0)) };
}

/// Writes null.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_json_null(json: *mut emcp_json) {
    // SAFETY: as in `emcp_json_obj`.
    unsafe { write(json, |json| json.writer.null()) };
}

/// Tells how many bytes have been written, to stop before a limit is reached.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_json_len(json: *const emcp_json) -> usize {
    // SAFETY: as in `emcp_json_obj`.
    guard(0, || unsafe { json.as_ref() }.map_or(0, |json| json.writer.len()))
}

/// Makes the text the structured result of the call, as emcp_put_json() does, and frees the
/// writer, whatever this returns.
///
/// Returns EMCP_OK; EMCP_E_INVALID for NULL and when the calls before made no JSON value;
/// EMCP_E_LIMIT when it is too large or nested deeper than 64 levels; EMCP_E_STATE and
/// EMCP_E_CANCELED as emcp_put_json(). After a failure the call can be answered otherwise.
/// Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_json_commit(json: *mut emcp_json) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to commit or free a writer once.
        let (call, json) = unsafe { take(json)? };
        let json = json.finish(JsonWriter::written)?;
        call.put(|draft| draft.set_written(json))
    })
}

/// Gives the text itself, for example for emcp_put_resource_text(), and frees the writer, whatever
/// this returns. The view has a NUL behind it and lives as long as the call.
///
/// Returns as emcp_json_commit(), and EMCP_E_INVALID when `out` is NULL.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_json_text(json: *mut emcp_json, out: *mut emcp_str) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to commit or free a writer once.
        let (call, writer) = unsafe { take(json)? };
        if out.is_null() {
            return Err(Failure::invalid("out is NULL"));
        }
        let text = writer.finish(JsonWriter::finish)?;
        let text = call.own_text(text)?;
        // SAFETY: not NULL; the header obliges the caller to pass a pointer that can be written.
        unsafe { out.write(text) };
        Ok(EMCP_OK)
    })
}

/// Gives a text up. NULL is fine. Not after emcp_json_commit() or emcp_json_text().   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_json_free(json: *mut emcp_json) {
    // SAFETY: the header obliges the caller to commit or free a writer once.
    guard((), || drop(unsafe { take(json) }));
}

/// Takes a writer back from C, with its call.
///
/// # Safety
/// `json` is NULL or a writer that was neither committed nor freed, of a call that lives.
unsafe fn take(json: *mut emcp_json) -> Result<(Arc<emcp_call>, Box<emcp_json>)> {
    // SAFETY: passed on to our caller.
    let call =
        unsafe { json.as_ref() }.ok_or_else(|| Failure::invalid("json is NULL"))?.call.upgrade();
    let call = call.ok_or_else(|| Failure::new(EMCP_E_STATE, "the writer's call is gone"))?;
    let json = call.writers.take(json);
    let json = json.ok_or_else(|| Failure::new(EMCP_E_STATE, "the writer has ended"))?;
    Ok((call, json))
}

/// # Safety
/// `json` is NULL or a writer that nobody else uses meanwhile.
unsafe fn write(json: *mut emcp_json, value: impl FnOnce(&mut emcp_json)) {
    guard((), || {
        // SAFETY: passed on to our caller.
        if let Some(json) = unsafe { json.as_mut() } {
            value(json);
        }
    });
}

/// # Safety
/// As for [`write`] and [`bytes`].
unsafe fn write_bytes(
    json: *mut emcp_json,
    what: &str,
    text: *const c_char,
    len: usize,
    value: impl FnOnce(&mut JsonWriter, &[u8]),
) {
    // SAFETY: passed on to our caller.
    let write_text = |json: &mut emcp_json| match unsafe { bytes(what, text, len) } {
        Ok(text) => value(&mut json.writer, text),
        Err(mistake) => {
            json.mistake.get_or_insert(mistake);
        }
    };
    // SAFETY: passed on to our caller.
    unsafe { write(json, write_text) };
}
