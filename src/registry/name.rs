//! Names that every client and model API accepts.

use crate::error::{Error, Result};

/// A longer name is legal, yet some clients and the conformance suite refuse it.
const NAME_BYTES_MAX: usize = 64;

/// Names of tools and parameters: what every client and model API accepts.
pub(crate) fn check_name(what: &str, name: &str) -> Result<()> {
    let good = |ch: char| ch.is_ascii_alphanumeric() || "_.-".contains(ch);
    if (1..=NAME_BYTES_MAX).contains(&name.len()) && name.chars().all(good) {
        return Ok(());
    }
    Err(Error::Config(format!("{what} name {name:?} is not 1 to 64 of A-Z a-z 0-9 _ . -")))
}
