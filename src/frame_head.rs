//! The head of one WebSocket frame (RFC 6455 section 5.2), as its bytes come in.
//!
//! For those who follow frames from outside of their reader. Judges nothing: what is wrong with a
//! frame is for its reader to find.

/// The frame is the last one of its message.
pub(crate) const FIN: u8 = 0x80;
pub(crate) const MASKED: u8 = 0x80;
/// The bit that all opcodes of control frames have.
const CONTROL: u8 = 0x08;

/// Two bytes, a long length, a mask.
pub(crate) const HEAD_BYTES: usize = 14;

/// A head, or what has come of it so far.
#[derive(Default)]
pub(crate) struct FrameHead {
    bytes: [u8; HEAD_BYTES],
    count: u8,
}

impl FrameHead {
    /// Takes bytes from the front of `input`; the head when it is whole, and begins the next one.
    pub(crate) fn fill(&mut self, input: &mut &[u8]) -> Option<FrameHead> {
        while usize::from(self.count) < self.wanted() {
            let (byte, rest) = input.split_first()?;
            (self.bytes[usize::from(self.count)], *input) = (*byte, rest);
            self.count += 1;
        }
        Some(std::mem::take(self))
    }

    /// Tells whether no byte of it has come.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn is_last(&self) -> bool {
        self.bytes[0] & FIN != 0
    }

    pub(crate) fn is_control(&self) -> bool {
        self.bytes[0] & CONTROL != 0
    }

    /// Bytes of the payload.
    pub(crate) fn length(&self) -> u64 {
        let long = &self.bytes[2..2 + self.length_bytes()];
        match long.is_empty() {
            true => u64::from(self.bytes[1] & !MASKED),
            false => long.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
        }
    }

    /// All of it, as it came.
    #[cfg(feature = "deflate")]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.count)]
    }

    #[cfg(feature = "deflate")]
    pub(crate) fn mask(&self) -> Option<[u8; 4]> {
        let mask = self.bytes[2 + self.length_bytes()..].first_chunk();
        mask.copied().filter(|_| self.is_masked())
    }

    fn wanted(&self) -> usize {
        match self.count {
            0 | 1 => 2,
            _ => 2 + self.length_bytes() + if self.is_masked() { 4 } else { 0 },
        }
    }

    fn length_bytes(&self) -> usize {
        match self.bytes[1] & !MASKED {
            126 => 2,
            127 => 8,
            _ => 0,
        }
    }

    fn is_masked(&self) -> bool {
        self.bytes[1] & MASKED != 0
    }
}
