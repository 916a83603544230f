//! Where the messages of a WebSocket end, followed from outside the one who reads its frames.
//!
//! A reader that is in no message has nothing to remember, and its buffers can go. Judges nothing:
//! what is wrong with a frame is for the reader to find.

/// See the module text.
#[derive(Default)]
pub(super) struct FrameEnds {
    /// The first bytes of a frame, until its length is among them.
    head: [u8; HEAD_BYTES],
    head_len: u8,
    /// Bytes to come of the mask and the payload.
    left: u64,
    /// The last frame was not the last one of its message.
    is_fragmented: bool,
    /// Messages that have arrived as a whole and were not taken.
    whole: usize,
}

impl FrameEnds {
    /// Takes what goes to the reader.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) {
        while let Some((first, rest)) = bytes.split_first() {
            if self.left > 0 {
                let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                self.left -= length as u64;
                bytes = &bytes[length..];
            } else {
                self.head[usize::from(self.head_len)] = *first;
                self.head_len += 1;
                bytes = rest;
                self.end_head();
            }
            if self.left == 0 && self.head_len == 0 {
                self.end_frame();
            }
        }
    }

    /// Notes that the reader has handed a message out.
    pub(super) fn taken(&mut self) {
        self.whole = self.whole.saturating_sub(1);
    }

    /// Tells whether the reader has nothing that it has not handed out.
    pub(super) fn is_read_out(&self) -> bool {
        self.whole == 0 && self.is_whole()
    }

    /// Tells whether nothing is missing of what has begun.
    pub(super) fn is_whole(&self) -> bool {
        self.left == 0 && self.head_len == 0 && !self.is_fragmented
    }

    /// Looks whether the length of the frame is known.
    fn end_head(&mut self) {
        let length_bytes = match self.head[1] & !MASKED {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if usize::from(self.head_len) < 2 + length_bytes {
            return;
        }
        let long = &self.head[2..2 + length_bytes];
        let length = match long.is_empty() {
            true => u64::from(self.head[1] & !MASKED),
            false => long.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
        };
        let mask_bytes = if self.head[1] & MASKED == 0 { 0 } else { 4 };
        self.left = length.saturating_add(mask_bytes);
        self.head_len = 0;
    }

    fn end_frame(&mut self) {
        let is_last = self.head[0] & FIN != 0;
        let is_control = self.head[0] & CONTROL != 0;
        // A control frame is a message of its own, also between those of another one. One that is
        // not its own last frame breaks the rules, which its reader is to find.
        if !is_control {
            self.is_fragmented = !is_last;
        }
        self.whole += usize::from(is_last || is_control);
    }
}

/// RFC 6455 section 5.2.
const FIN: u8 = 0x80;
const CONTROL: u8 = 0x08;
const MASKED: u8 = 0x80;
/// Two bytes and a long length.
const HEAD_BYTES: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    /// Follows `bytes` in pieces of every size; `taken` messages are handed out on the way.
    #[track_caller]
    fn check(bytes: &[u8], taken: usize, is_read_out: bool) {
        for size in 1..=bytes.len() {
            let mut ends = FrameEnds::default();
            bytes.chunks(size).for_each(|piece| ends.follow(piece));
            (0..taken).for_each(|_| ends.taken());
            assert_eq!(ends.is_read_out(), is_read_out, "{bytes:x?} by {size}");
        }
    }

    fn frame(first: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![first];
        match length {
            0..126 => bytes.push(MASKED | length as u8),
            126..65536 => {
                bytes.push(MASKED | 126);
                bytes.extend((length as u16).to_be_bytes());
            }
            _ => {
                bytes.push(MASKED | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes.extend(std::iter::repeat_n(0xff, 4 + length));
        bytes
    }

    #[test]
    fn a_message_ends_with_its_last_byte() {
        for length in [0, 1, 125, 126, 300] {
            let bytes = frame(0x81, length);
            check(&bytes, 1, true);
            check(&bytes, 0, false);
            check(&bytes[..bytes.len() - 1], 0, false);
        }
        let mut ends = FrameEnds::default();
        ends.follow(&frame(0x82, 70_000));
        ends.taken();
        assert!(ends.is_read_out());
    }

    #[test]
    fn fragments_and_what_comes_between_them() {
        let begin = frame(0x01, 3);
        let ping = frame(0x89, 2);
        let end = frame(0x80, 3);
        check(&begin, 0, false);
        check(&[&begin[..], &ping].concat(), 1, false);
        check(&[&begin[..], &ping, &end].concat(), 2, true);
        check(&[&begin[..], &ping, &end].concat(), 1, false);
        check(&frame(0x09, 2), 0, false);
    }

    #[test]
    fn what_no_mask_is_on_is_followed_too() {
        check(&[0x81, 1, b'x'], 1, true);
        check(&[0x81, 0], 1, true);
    }

    #[test]
    fn a_length_that_nobody_has_does_not_overflow() {
        check(&[0x81, 0xff, 255, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4, 5], 0, false);
    }
}
