//! Structs that begin with their size, so that an old program runs with a new library and the
//! other way round.

use std::mem::{MaybeUninit, size_of};
use std::{ptr, slice};

use crate::failure::{Failure, Result};
use crate::status::EMCP_E_ABI;

/// A struct whose first field is `size: u32`.
///
/// # Safety
/// The type is `repr(C)`, begins with a `u32` and a second field of 4 bytes, and all its bytes may
/// be zero.
pub(crate) unsafe trait Sized32: Copy {}

/// Bytes of the two fields that every such struct has had from its first version on.
const HEAD_BYTES: usize = 8;

/// A copy of a struct that C has filled.
pub(crate) struct Taken<T> {
    /// The part of the struct that both sides know; the rest is zero.
    pub(crate) value: T,
    /// The host asks for something that this library does not know.
    too_new: bool,
}

impl<T> Taken<T> {
    /// # Errors
    /// `EMCP_E_ABI` when the struct has non-zero bytes behind what this library knows.
    pub(crate) fn checked(self) -> Result<T> {
        if !self.too_new {
            return Ok(self.value);
        }
        Err(Failure::new(EMCP_E_ABI, "the struct has members that this library does not know"))
    }
}

/// Copies a struct of the size that it says.
///
/// # Errors
/// `EMCP_E_INVALID` for NULL and for a size that nobody can have meant.
///
/// # Safety
/// `from` is NULL or points to as many readable bytes as its first field says.
pub(crate) unsafe fn take<T: Sized32>(what: &str, from: *const T) -> Result<Taken<T>> {
    // SAFETY: passed on to our caller.
    let size = unsafe { size(what, from)? };
    let known = size.min(size_of::<T>());
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: `known` bytes are readable says our caller, and fit into `value`; a `T` on our stack
    // does not overlap with memory of C.
    unsafe { ptr::copy_nonoverlapping(from.cast::<u8>(), value.as_mut_ptr().cast(), known) };
    // SAFETY: the caller vouches for `size` bytes, and `known` is at most that.
    let tail = unsafe { slice::from_raw_parts(from.cast::<u8>().add(known), size - known) };
    let too_new = tail.iter().any(|byte| *byte != 0);
    // SAFETY: `Sized32` allows zero bytes, and the copied ones are a `T` of C.
    Ok(Taken { value: unsafe { value.assume_init() }, too_new })
}

/// Writes `value` into a struct of C, as much as fits into the size that it says; zeroes the rest.
/// Its `size` stays.
///
/// # Errors
/// As for [`take`].
///
/// # Safety
/// `to` is NULL or points to as many writable bytes as its first field says.
pub(crate) unsafe fn give<T: Sized32>(what: &str, to: *mut T, value: T) -> Result<()> {
    // SAFETY: passed on to our caller.
    let size = unsafe { size(what, to)? };
    let known = size.min(size_of::<T>());
    let (from, to) = (ptr::from_ref(&value).cast::<u8>(), to.cast::<u8>());
    let head = size_of::<u32>();
    // SAFETY: `size` bytes are writable says our caller; `known` is at most that and at most the
    // size of `value`, and both are at least `HEAD_BYTES`.
    unsafe {
        ptr::copy_nonoverlapping(from.add(head), to.add(head), known - head);
        ptr::write_bytes(to.add(known), 0, size - known);
    }
    Ok(())
}

unsafe fn size<T: Sized32>(what: &str, of: *const T) -> Result<usize> {
    if of.is_null() {
        return Err(Failure::invalid(format!("{what} is NULL")));
    }
    // SAFETY: not NULL; `Sized32` promises the field, the caller that it can be read.
    let size = unsafe { of.cast::<u32>().read() } as usize;
    // A page is more than any struct of this header will ever be: a larger number is garbage.
    if !(HEAD_BYTES..=4096).contains(&size) {
        return Err(Failure::invalid(format!("{what} says it is {size} bytes; see EMCP_INIT")));
    }
    Ok(size)
}
