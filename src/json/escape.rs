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
    let is_block = |block| (marks(block) | word(block)) & HIGHS == 0;
    let is_byte = |byte: &u8| !is_special(*byte) && byte.is_ascii();
    blocks.iter().all(is_block) && rest.iter().all(is_byte)
}

fn escape(text: &[u8]) -> Vec<u8> {
    // Two for each byte, and room for a whole block behind the last one. Control characters, which
    // take more, add what they need.
    let mut out = vec![0; 2 * text.len() + BLOCK];
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    let mut at = 0;
    for block in blocks {
        let word = word(block);
        if controls(word) != 0 {
            at = put_each(&mut out, at, block);
            continue;
        }
        out[at..at + BLOCK].copy_from_slice(block);
        let mut quotes = quotes(word);
        while quotes != 0 {
            // From here on the block moves by one, for the backslash.
            let index = quotes.trailing_zeros() as usize / 8;
            let room = &mut out[at + index..][..1 + BLOCK];
            room[0] = b'\\';
            room[1..].copy_from_slice(&(word >> (8 * index)).to_le_bytes());
            at += 1;
            quotes &= quotes - 1;
        }
        at += BLOCK;
    }
    at = put_each(&mut out, at, rest);
    out.truncate(at);
    out
}

/// Writes `text` byte by byte; returns where it ends.
fn put_each(out: &mut Vec<u8>, mut at: usize, text: &[u8]) -> usize {
    for &byte in text {
        if byte < b' ' {
            at = put_control(out, at, byte);
            continue;
        }
        if is_special(byte) {
            out[at] = b'\\';
            at += 1;
        }
        out[at] = byte;
        at += 1;
    }
    at
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

/// Not 0 if a byte of `block` needs an escape.
fn marks(block: &[u8; BLOCK]) -> u64 {
    let word = word(block);
    controls(word) | quotes(word)
}

/// The first byte is the lowest.
fn word(block: &[u8; BLOCK]) -> u64 {
    u64::from_le_bytes(*block)
}

/// Not 0 if a byte is a control character. Not one bit for each of them: a subtraction takes from
/// the byte above, behind one that is found.
fn controls(word: u64) -> u64 {
    word.wrapping_sub(ONES * u64::from(b' ')) & !word & HIGHS
}

/// The highest bit of each byte that is a quote or a backslash.
fn quotes(word: u64) -> u64 {
    // A sum that stays in its byte, and reaches the highest bit unless all the lower ones are 0.
    let differs = |other: u64| ((other & !HIGHS) + !HIGHS) | other;
    let equals = |byte: u8| !differs(word ^ (ONES * u64::from(byte)));
    (equals(b'"') | equals(b'\\')) & HIGHS
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
