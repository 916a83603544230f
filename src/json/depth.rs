//! Bounds the nesting of a JSON text before any parser recurses into it.

use memchr::memchr2_iter;

/// Tells whether arrays and objects in `text` nest at most `limit` deep.
///
/// Reads brackets outside strings only, so it is also right on text that is not JSON; the parser
/// has the last word on that.
pub(crate) fn within(text: &[u8], limit: usize) -> bool {
    // Fewer brackets than that cannot nest deeper; counting them is quick and mostly enough.
    if memchr2_iter(b'[', b'{', text).take(limit + 1).count() <= limit {
        return true;
    }
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for &byte in text {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth += 1;
                if depth > limit {
                    return false;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::within;

    #[test]
    fn counts_brackets_outside_strings() {
        assert!(within(br#"{"a":[1,2]}"#, 2));
        assert!(!within(br#"{"a":[1,[2]]}"#, 2));
        assert!(within(br#""[[[[[""#, 1));
        assert!(within(br#"{"a":"\"[[[["}"#, 1));
        assert!(within(br#"[{},{},{}]"#, 2));
        assert!(!within("[".repeat(100_000).as_bytes(), 64));
    }
}
