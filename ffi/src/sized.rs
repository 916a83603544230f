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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::EMCP_E_INVALID;

    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Known {
        size: u32,
        flags: u32,
        more: u64,
    }

    // SAFETY: `repr(C)`, begins with `size` and `flags`, holds only numbers.
    unsafe impl Sized32 for Known {}

    /// A struct of three numbers as C would lay it out: `size`, `flags`, `more` and what follows.
    fn taken(size: u32, words: [u64; 3]) -> Result<Known> {
        let mut memory = words;
        memory[0] = u64::from_ne_bytes(
            [size.to_ne_bytes(), 7u32.to_ne_bytes()].concat().try_into().unwrap(),
        );
        // SAFETY: every size that passes the check is at most the 24 bytes of `memory`.
        unsafe { take("struct", memory.as_ptr().cast::<Known>())? }.checked()
    }

    #[test]
    fn an_older_struct_is_filled_up_with_zeroes() {
        assert_eq!(taken(8, [0, 9, 9]).unwrap(), Known { size: 8, flags: 7, more: 0 });
        assert_eq!(taken(16, [0, 9, 9]).unwrap(), Known { size: 16, flags: 7, more: 9 });
    }

    #[test]
    fn a_newer_struct_is_taken_as_long_as_its_rest_is_zero() {
        assert_eq!(taken(24, [0, 9, 0]).unwrap().more, 9);
        assert_eq!(taken(24, [0, 9, 1]).unwrap_err().status, EMCP_E_ABI);
    }

    #[test]
    fn impossible_sizes_are_refused() {
        for size in [0, 7, 4097, u32::MAX] {
            assert_eq!(taken(size, [0; 3]).unwrap_err().status, EMCP_E_INVALID, "{size}");
        }
        // SAFETY: NULL is allowed.
        assert!(unsafe { take::<Known>("struct", ptr::null()) }.is_err());
    }

    #[test]
    fn as_much_is_given_as_the_caller_has_room_for() {
        let value = Known { size: 0, flags: 1, more: 2 };
        for (size, expected) in
            [(8u64, [1 << 32, 5, 5]), (16, [1 << 32, 2, 5]), (24, [1 << 32, 2, 0])]
        {
            let mut memory = [size, 5, 5];
            // SAFETY: `size` is at most the 24 bytes of `memory`.
            unsafe { give("struct", memory.as_mut_ptr().cast::<Known>(), value) }.unwrap();
            assert_eq!([memory[0] - size, memory[1], memory[2]], expected, "{size}");
        }
    }
}
