//! What the targets in `fuzz/` reach of the inside: each function takes any bytes and panics when a
//! promise is broken. Behind the feature `fuzzing`, which no build of the library turns on.

#[cfg(feature = "deflate")]
pub use crate::deflate::fuzzing::inflate;
pub use crate::http::fuzzing::{body, head};
pub use crate::input::fuzzing::{digest, state};
pub use crate::registry::fuzzing::template;
pub use crate::rpc::fuzzing::message;
pub use crate::session::fuzzing::resume;
pub use crate::transport::echo::serve as echo;

/// Reads fuzz input from its front; at the end it gives zeros and empty slices.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub(crate) fn take(&mut self, length: usize) -> &'a [u8] {
        let (part, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        part
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Calls `feed` with `bytes` in pieces whose lengths follow from `seed`.
pub(crate) fn in_pieces(bytes: &[u8], seed: u8, mut feed: impl FnMut(&[u8])) {
    let mut state = u32::from(seed).wrapping_mul(2_654_435_761) | 1;
    let mut rest = bytes;
    while !rest.is_empty() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let length = 1 + (state >> 24) as usize % (1 + usize::from(seed) % 31);
        let (piece, tail) = rest.split_at(length.min(rest.len()));
        feed(piece);
        rest = tail;
    }
}
