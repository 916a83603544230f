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

/// Numbers below what is asked for, the same ones for each seed: for tests that try many inputs.
#[cfg(test)]
pub(crate) fn sequence(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed;
    move |below| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    }
}
