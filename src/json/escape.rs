//! Escapes strings, eight bytes at a time: most of what structured content costs is the copy of it
//! that goes into a text.

use std::borrow::Cow;

/// `text` as it stands between the quotes of a JSON string.
pub(super) fn escaped(text: &str) -> Cow<'_, str> {
    if is_plain(text.as_bytes()) {
        return Cow::Borrowed(text);
    }
    // Only ASCII has been put between the characters, so that it is UTF-8 still.
    Cow::Owned(String::from_utf8(escape(text.as_bytes())).unwrap_or_default())
}

/// Tells whether nothing in `text` needs an escape.
fn is_plain(text: &[u8]) -> bool {
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    blocks.iter().all(|block| marks(block) == 0) && !rest.iter().any(|byte| is_special(*byte))
}

/// Tells whether `text` is ASCII of which nothing needs an escape.
pub(super) fn is_plain_ascii(text: &[u8]) -> bool {
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    let is_block = |block| (marks(block) | u64::from_le_bytes(*block)) & HIGHS == 0;
    let is_byte = |byte: &u8| !is_special(*byte) && byte.is_ascii();
    blocks.iter().all(is_block) && rest.iter().all(is_byte)
}

fn escape(text: &[u8]) -> Vec<u8> {
    // Two for each byte, and room for a whole block behind the last one. Control characters, which
    // take more, add what they need.
    let mut out = vec![0; 2 * text.len() + BLOCK];
    let (mut at, mut rest) = (0, text);
    while let Some((block, after)) = rest.split_first_chunk::<BLOCK>() {
        // All of it; what follows the first byte that needs an escape is written over.
        out[at..at + BLOCK].copy_from_slice(block);
        let plain = marks(block).trailing_zeros() as usize / 8;
        at += plain;
        if plain == BLOCK {
            rest = after;
            continue;
        }
        at = put_special(&mut out, at, rest[plain]);
        rest = &rest[plain + 1..];
    }
    for &byte in rest {
        if is_special(byte) {
            at = put_special(&mut out, at, byte);
        } else {
            out[at] = byte;
            at += 1;
        }
    }
    out.truncate(at);
    out
}

/// Writes the escape for `byte`; returns where it ends.
fn put_special(out: &mut Vec<u8>, at: usize, byte: u8) -> usize {
    if byte < b' ' {
        return put_control(out, at, byte);
    }
    out[at..at + 2].copy_from_slice(&[b'\\', byte]);
    at + 2
}

#[cold]
fn put_control(out: &mut Vec<u8>, at: usize, byte: u8) -> usize {
    let short = match byte {
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            let digit = |value: u8| b"0123456789abcdef"[usize::from(value)];
            let long = [b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)];
            out.extend_from_slice(&[0; 4]);
            out[at..at + 6].copy_from_slice(&long);
            return at + 6;
        }
    };
    out[at..at + 2].copy_from_slice(&[b'\\', short]);
    at + 2
}

fn is_special(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

/// The lowest bit that is set is in the first byte that needs an escape; none is if none does.
///
/// A subtraction takes from the byte above only behind a byte that is found, so what is wrong above
/// the lowest bit does no harm.
fn marks(block: &[u8; BLOCK]) -> u64 {
    let block = u64::from_le_bytes(*block);
    let below = |word: u64, bound: u8| word.wrapping_sub(ONES * u64::from(bound)) & !word;
    let equal = |byte: u8| below(block ^ (ONES * u64::from(byte)), 1);
    (below(block, b' ') | equal(b'"') | equal(b'\\')) & HIGHS
}

/// One in each byte.
const ONES: u64 = u64::MAX / 255;

/// The highest bit of each byte.
const HIGHS: u64 = ONES << 7;

/// Bytes that are looked at at once.
const BLOCK: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str) {
        assert_eq!(format!("\"{}\"", escaped(text)), serde_json::to_string(text).unwrap());
        let is_plain = matches!(escaped(text), Cow::Borrowed(_));
        assert_eq!(is_plain_ascii(text.as_bytes()), is_plain && text.is_ascii(), "{text:?}");
    }

    #[test]
    fn every_character_is_escaped_as_others_do_it_wherever_it_stands() {
        for character in (0..=0x17f).filter_map(char::from_u32) {
            for before in 0..=9 {
                for after in [0, 1, 7, 8] {
                    let (before, after) = ("x".repeat(before), "y".repeat(after));
                    check(&format!("{before}{character}{after}"));
                    check(&format!("{before}{character}{character}\"{after}"));
                }
            }
        }
        check("");
        check(&"\0".repeat(100));
    }

    #[test]
    fn what_is_put_together_at_random_is_escaped_as_others_do_it() {
        let pieces =
            ["\"", "\\", "\n", "\u{1}", "a", "!", "#", "[", "]", " ", "é", "€", "𝄞", "\u{7f}"];
        let mut random = crate::random::sequence(1);
        for length in 0..3000 {
            let mut text = String::new();
            for _ in 0..length % 40 {
                text.push_str(pieces[random(pieces.len())]);
            }
            check(&text);
        }
    }
}
