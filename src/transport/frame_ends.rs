//! Where the messages of a WebSocket end, followed from outside the one who reads its frames.
//!
//! A reader that is in no message has nothing to remember, and its buffers can go. Judges nothing:
//! what is wrong with a frame is for the reader to find.

use crate::frame_head::FrameHead;

/// See the module text.
#[derive(Default)]
pub(super) struct FrameEnds {
    /// The one under way.
    head: FrameHead,
    /// Bytes to come of the payload.
    left: u64,
    /// When it is there, the reader has one more to hand out.
    is_end: bool,
    /// The last frame was not the last one of its message.
    is_fragmented: bool,
    /// Messages that have arrived as a whole and were not taken.
    whole: usize,
}

impl FrameEnds {
    /// Takes what goes to the reader.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                self.left -= length as u64;
                bytes = &bytes[length..];
            } else {
                let Some(head) = self.head.fill(&mut bytes) else { return };
                self.begin(&head);
            }
            if self.left == 0 {
                self.whole += usize::from(self.is_end);
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
        self.left == 0 && self.head.is_empty() && !self.is_fragmented
    }

    fn begin(&mut self, head: &FrameHead) {
        // A control frame is a message of its own, also between those of another one. One that is
        // not its own last frame breaks the rules, which its reader is to find.
        if !head.is_control() {
            self.is_fragmented = !head.is_last();
        }
        self.is_end = head.is_last() || head.is_control();
        self.left = head.length();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame_head::MASKED;

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
