//! Bytes that nobody can guess, from the operating system.

use std::io;

use crate::error::{Error, Result};

/// As many random bytes as the caller has room for.
///
/// # Errors
/// [`Error::Io`] when the system has no randomness to give.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0u8; N];
    getrandom::fill(&mut bytes).map_err(|error| Error::Io(io::Error::other(error.to_string())))?;
    Ok(bytes)
}
