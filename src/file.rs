//! Files that the host names: small, plain, read whole, and closed to others if they hold secrets.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::error::{Error, Result};

/// Bytes of the largest file.
pub(crate) const BYTES_MAX: u64 = 1024 * 1024;

/// The bits of a mode that let others than the owner in.
const OTHERS: u32 = 0o077;

/// Who may have rights to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    OwnerAlone,
    Anybody,
}

/// Reads the file at `path`; `what` says in errors what it is for.
///
/// # Errors
/// [`Error::Io`] when it cannot be read; [`Error::Config`] when it is no plain file, too large, or
/// open to others. Each names the file.
pub(crate) fn read(what: &str, path: &Path, readers: Readers) -> Result<(Vec<u8>, Metadata)> {
    let failed = |error: io::Error| {
        let text = format!("{what} {}: {error}", path.display());
        Error::Io(io::Error::new(error.kind(), text))
    };
    // Opening a pipe would wait for whoever writes into it.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(wrong(what, path, "it is no file"));
    }
    let file = File::open(path).map_err(failed)?;
    // Of what is open: the name may mean another file meanwhile.
    let metadata = file.metadata().map_err(failed)?;
    if metadata.mode() & OTHERS != 0 && readers == Readers::OwnerAlone {
        let mode = metadata.mode() & 0o777;
        let problem = format!("others than its owner have rights to it (mode {mode:04o})");
        return Err(wrong(what, path, &problem));
    }
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(wrong(what, path, &format!("it is larger than {BYTES_MAX} bytes")));
    }
    Ok((bytes, metadata))
}

/// The error for a file whose content or kind is wrong.
pub(crate) fn wrong(what: &str, path: &Path, problem: &str) -> Error {
    Error::Config(format!("{what} {}: {problem}", path.display()))
}
