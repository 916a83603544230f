//! Cursors of lists: opaque to clients, free of state for the server.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Allows another meaning later without mistaking one for the other.
const VERSION: &str = "v1";

/// A key is a name or a URI; a longer cursor than one of those makes was not made here.
const BYTES_MAX: usize = 8 * 1024;

/// The client sent a cursor that no server of this kind made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadCursor;

/// Makes the cursor of a list of `kind` for the page after the entry with key `last`.
///
/// It holds the key and no position, so a page boundary survives entries that come and go.
pub(super) fn encode(kind: &str, last: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{VERSION}:{kind}:{last}"))
}

/// Reads a cursor back; the empty string is valid and means the start.
pub(super) fn decode(kind: &str, cursor: &str) -> Result<Option<String>, BadCursor> {
    if cursor.is_empty() {
        return Ok(None);
    }
    if cursor.len() > BYTES_MAX {
        return Err(BadCursor);
    }
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| BadCursor)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| BadCursor)?;
    let mut parts = text.splitn(3, ':');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(VERSION), Some(of), Some(key)) if of == kind && is_key(key) => Ok(Some(key.into())),
        _ => Err(BadCursor),
    }
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|ch| !ch.is_control() && ch != ' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back() {
        assert_eq!(decode("tool", &encode("tool", "cpu_load")), Ok(Some("cpu_load".into())));
        let uri = "metrics://a/{b}";
        assert_eq!(decode("resource", &encode("resource", uri)), Ok(Some(uri.into())));
        assert_eq!(decode("tool", ""), Ok(None));
    }

    #[test]
    fn strange_cursors_are_refused() {
        let made = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let foreign = encode("prompt", "cpu");
        let long = made(&format!("v1:tool:{}", "x".repeat(BYTES_MAX)));
        for cursor in [
            "!",
            "djE6dG9vbDpjcHU=",
            "2",
            "_w",
            &made("v1:cpu"),
            &made("v2:tool:cpu"),
            &made("v1:tool:a b"),
            &made("v1:tool:"),
            &foreign,
            &long,
        ] {
            assert_eq!(decode("tool", cursor), Err(BadCursor), "{cursor}");
        }
    }
}
