//! Cursors of `tools/list`: opaque to clients, free of state for the server.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::registry::name::check_name;

/// Allows another meaning later without mistaking one for the other.
const VERSION: &str = "v1:";

/// The client sent a cursor that no server of this kind made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadCursor;

/// Makes the cursor for the page after the tool called `last`.
///
/// It holds the name and no position, so a page boundary survives tools that come and go.
pub(super) fn encode(last: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{VERSION}{last}"))
}

/// Reads a cursor back; the empty string is valid and means the start.
pub(super) fn decode(cursor: &str) -> Result<Option<String>, BadCursor> {
    if cursor.is_empty() {
        return Ok(None);
    }
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| BadCursor)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| BadCursor)?;
    let name = text.strip_prefix(VERSION).ok_or(BadCursor)?;
    check_name("tool", name).map_err(|_| BadCursor)?;
    Ok(Some(name.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back() {
        assert_eq!(decode(&encode("cpu_load")), Ok(Some("cpu_load".into())));
        assert_eq!(decode(""), Ok(None));
    }

    #[test]
    fn strange_cursors_are_refused() {
        let foreign = URL_SAFE_NO_PAD.encode("v2:cpu");
        let spaced = URL_SAFE_NO_PAD.encode("v1:a b");
        for cursor in ["!", "djE6Y3B1=", "2", "/w", "_w", "djE6", &foreign, &spaced] {
            assert_eq!(decode(cursor), Err(BadCursor), "{cursor}");
        }
    }
}
