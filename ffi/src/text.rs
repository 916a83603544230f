//! Text and bytes that cross the border.

use std::borrow::Cow;
use std::ffi::{CStr, c_char, c_void};
use std::slice;
use std::str;

use crate::failure::{Failure, Result};
use crate::guard::guard;
use crate::status::EMCP_E_LIMIT;

/// Borrowed UTF-8: `n` bytes at `p`, not NUL-terminated unless a function says so. `p` is never
/// NULL in what emcp hands out.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct emcp_str {
    /// The first byte.
    pub p: *const c_char,
    /// Bytes.
    pub n: usize,
}

impl emcp_str {
    /// A view of `text`, valid as long as `text` is.
    pub(crate) fn view(text: &str) -> emcp_str {
        // The pointer of an empty Rust string points nowhere; C may look at it.
        let p = if text.is_empty() { c"".as_ptr() } else { text.as_ptr().cast() };
        emcp_str { p, n: text.len() }
    }
}

/// A view of a NUL-terminated string, valid as long as that is; empty for NULL.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_str_of(text: *const c_char) -> emcp_str {
    guard(emcp_str::view(""), || {
        if text.is_null() {
            return emcp_str::view("");
        }
        // SAFETY: not NULL; the header obliges the caller to pass a string.
        emcp_str { p: text, n: unsafe { CStr::from_ptr(text) }.to_bytes().len() }
    })
}

/// EMCP_NUL of the header.
pub(crate) const NUL: usize = usize::MAX;

/// Bytes of one name, description, schema or other text that ends with a NUL. 4 MiB, as a result by
/// default: a pointer to something else must not make the daemon copy all of it.
const STRING_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A text that must be there and be UTF-8; `what` names it in the error.
///
/// # Safety
/// `text` is NULL or points to a NUL-terminated string that stays unchanged for `'a`.
pub(crate) unsafe fn required<'a>(what: &str, text: *const c_char) -> Result<&'a str> {
    // SAFETY: passed on to our caller.
    let text = unsafe { optional(what, text)? };
    text.ok_or_else(|| Failure::invalid(format!("{what} is NULL")))
}

/// A text that may be NULL but not anything else than UTF-8.
///
/// # Safety
/// As for [`required`].
pub(crate) unsafe fn optional<'a>(what: &str, text: *const c_char) -> Result<Option<&'a str>> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL, the rest is passed on to our caller.
    let bytes = unsafe { CStr::from_ptr(text) }.to_bytes();
    check_string(what, bytes.len())?;
    utf8(what, bytes).map(Some)
}

/// Text for people and models: what is no UTF-8 becomes U+FFFD. `None` for NULL.
///
/// # Safety
/// As for [`required`].
pub(crate) unsafe fn repaired<'a>(what: &str, text: *const c_char) -> Result<Option<Cow<'a, str>>> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL, the rest is passed on to our caller.
    let text = unsafe { CStr::from_ptr(text) };
    // Before the repair, which copies.
    check_string(what, text.count_bytes())?;
    Ok(Some(repair(text.to_bytes())))
}

/// Like [`repaired`] for text that must be there.
///
/// # Safety
/// As for [`required`].
pub(crate) unsafe fn prose<'a>(what: &str, text: *const c_char) -> Result<Cow<'a, str>> {
    // SAFETY: passed on to our caller.
    let text = unsafe { repaired(what, text)? };
    text.ok_or_else(|| Failure::invalid(format!("{what} is NULL")))
}

/// Like [`prose`] for what ends a call, which must not fail because a text is too long or, where the
/// host has no memory for it, missing.
///
/// # Safety
/// As for [`required`].
pub(crate) unsafe fn reason<'a>(text: *const c_char) -> Cow<'a, str> {
    if text.is_null() {
        return "no reason was given".into();
    }
    // SAFETY: not NULL, the rest is passed on to our caller.
    let bytes = unsafe { CStr::from_ptr(text) }.to_bytes();
    repair(&bytes[..bytes.len().min(STRING_BYTES_MAX)])
}

/// `bytes` as text: what is no UTF-8 in them becomes U+FFFD.
pub(crate) fn repair(bytes: &[u8]) -> Cow<'_, str> {
    // Sound text is looked at a word at a time; what repairs it goes byte by byte.
    str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// `len` bytes, or up to the NUL when `len` is `EMCP_NUL`.
///
/// # Safety
/// `data` is NULL or points to that many bytes which stay unchanged for `'a`.
pub(crate) unsafe fn bytes<'a>(what: &str, data: *const c_char, len: usize) -> Result<&'a [u8]> {
    if data.is_null() {
        return if len == 0 { Ok(&[]) } else { Err(Failure::invalid(format!("{what} is NULL"))) };
    }
    if len == NUL {
        // SAFETY: not NULL, the rest is passed on to our caller.
        return Ok(unsafe { CStr::from_ptr(data) }.to_bytes());
    }
    if len > isize::MAX as usize {
        return Err(Failure::invalid(format!("{what} is {len} bytes, more than memory holds")));
    }
    // SAFETY: not NULL and of a possible length, the rest is passed on to our caller.
    Ok(unsafe { slice::from_raw_parts(data.cast(), len) })
}

/// Like [`bytes`] for data that is no text: `EMCP_NUL` is a mistake.
///
/// # Safety
/// As for [`bytes`].
pub(crate) unsafe fn data<'a>(what: &str, data: *const c_void, len: usize) -> Result<&'a [u8]> {
    if len == NUL {
        return Err(Failure::invalid(format!("{what} needs a length, it is no text")));
    }
    // SAFETY: passed on to our caller.
    unsafe { bytes(what, data.cast(), len) }
}

/// A copy of bytes whose number nothing else bounds.
///
/// # Errors
/// `EMCP_E_LIMIT` when there is no memory for it.
pub(crate) fn copied(what: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut copy = reserved(what, bytes.len())?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

/// An empty vector with room for `len` elements.
///
/// # Errors
/// `EMCP_E_LIMIT` when there is no memory for it.
pub(crate) fn reserved<T>(what: &str, len: usize) -> Result<Vec<T>> {
    let mut room = Vec::new();
    room.try_reserve_exact(len)
        .map_err(|_| Failure::new(EMCP_E_LIMIT, format!("no memory for {what}: {len}")))?;
    Ok(room)
}

/// # Errors
/// `EMCP_E_LIMIT` for a text that is longer than any that makes sense.
pub(crate) fn check_string(what: &str, len: usize) -> Result<()> {
    if len <= STRING_BYTES_MAX {
        return Ok(());
    }
    Err(Failure::new(EMCP_E_LIMIT, format!("{what} is {len} bytes, limit is {STRING_BYTES_MAX}")))
}

/// Room of the host's for up to `needed` bytes, cleared: a slice must hold numbers that were set.
///
/// # Errors
/// `EMCP_E_INVALID` when there is none.
///
/// # Safety
/// `buf` is NULL or has `cap` bytes that nobody else uses for `'a`.
pub(crate) unsafe fn room<'a>(buf: *mut c_void, cap: usize, needed: usize) -> Result<&'a mut [u8]> {
    if buf.is_null() || cap == 0 {
        return Err(Failure::invalid("buf is NULL or has no room"));
    }
    let (buf, len) = (buf.cast::<u8>(), cap.min(needed));
    // SAFETY: not NULL, and our caller vouches for the bytes.
    Ok(unsafe {
        buf.write_bytes(0, len);
        slice::from_raw_parts_mut(buf, len)
    })
}

/// Like [`bytes`] for JSON, which must be UTF-8.
///
/// # Safety
/// As for [`bytes`].
pub(crate) unsafe fn json<'a>(what: &str, text: *const c_char, len: usize) -> Result<&'a str> {
    // SAFETY: passed on to our caller.
    utf8(what, unsafe { bytes(what, text, len)? })
}

/// The parts of a comma separated list, without spaces around them and without empty ones.
pub(crate) fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(String::from).collect()
}

fn utf8<'a>(what: &str, bytes: &'a [u8]) -> Result<&'a str> {
    str::from_utf8(bytes).map_err(|_| Failure::invalid(format!("{what} is not UTF-8")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_taken_or_measured() {
        let check = |len, expected: Option<&[u8]>| {
            // SAFETY: every length here is at most the string's own.
            let got = unsafe { bytes("text", c"abc".as_ptr(), len) };
            assert_eq!(got.ok(), expected);
        };
        check(0, Some(b""));
        check(2, Some(b"ab"));
        check(NUL, Some(b"abc"));
        check(NUL - 1, None);
    }

    #[test]
    fn null_is_empty_only_with_length_zero() {
        let check = |len, good| {
            // SAFETY: NULL is allowed.
            assert_eq!(unsafe { bytes("text", std::ptr::null(), len) }.is_ok(), good, "{len}");
        };
        check(0, true);
        check(1, false);
        check(NUL, false);
    }

    #[test]
    fn names_are_utf8_and_prose_is_repaired() {
        let bad = c"a\xff".as_ptr();
        // SAFETY: a string.
        unsafe {
            assert!(required("name", bad).is_err());
            assert_eq!(prose("text", bad).unwrap(), "a\u{fffd}");
            assert!(data("data", bad.cast(), NUL).is_err());
        }
    }

    #[test]
    fn long_strings_are_refused_and_long_reasons_cut() {
        let long = std::ffi::CString::new(vec![b'x'; STRING_BYTES_MAX + 1]).unwrap();
        let short = &long.as_c_str()[1..];
        let status = |failure: Failure| failure.status;
        // SAFETY: strings.
        unsafe {
            assert_eq!(required("name", short.as_ptr()).unwrap().len(), STRING_BYTES_MAX);
            assert_eq!(required("name", long.as_ptr()).map_err(status), Err(EMCP_E_LIMIT));
            assert_eq!(prose("text", long.as_ptr()).map_err(status), Err(EMCP_E_LIMIT));
            assert_eq!(reason(long.as_ptr()).len(), STRING_BYTES_MAX);
            assert_eq!(reason(std::ptr::null()), "no reason was given");
        }
    }

    #[test]
    fn what_memory_cannot_hold_is_a_limit() {
        let failure = reserved::<u64>("headers", usize::MAX / 8).unwrap_err();
        assert_eq!(failure.status, EMCP_E_LIMIT);
        assert_eq!(copied("prefix", b"ab").unwrap(), b"ab");
    }

    #[test]
    fn lists_ignore_spaces_and_empty_parts() {
        assert_eq!(list(" a, b,,c "), ["a", "b", "c"]);
        assert!(list("").is_empty());
    }
}
