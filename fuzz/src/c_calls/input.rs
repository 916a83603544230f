//! The bytes of the input as numbers and texts for C.

use std::ffi::CString;
use std::os::raw::c_char;
use std::ptr;

/// What is left of the input. Behind its end all bytes are zero.
pub(super) struct Input {
    bytes: Vec<u8>,
    at: usize,
}

impl Input {
    pub(super) const fn new() -> Input {
        Input { bytes: Vec::new(), at: 0 }
    }

    pub(super) fn of(data: &[u8]) -> Input {
        Input { bytes: data.to_vec(), at: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    pub(super) fn byte(&mut self) -> u8 {
        let byte = self.bytes.get(self.at).copied().unwrap_or_default();
        self.at += 1;
        byte
    }

    /// A text of the input: its length in one byte, then so many.
    pub(super) fn bytes(&mut self) -> Vec<u8> {
        let length = usize::from(self.byte());
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest[..length.min(rest.len())].to_vec();
        self.at += length;
        taken
    }

    /// One of `known`, a text of the input, or NULL.
    pub(super) fn text(&mut self, known: &[&str]) -> Text {
        let choice = usize::from(self.byte());
        match known.get(choice % (known.len() + 2)) {
            Some(known) => Text::new(known.as_bytes()),
            None if choice % (known.len() + 2) == known.len() => Text::new(&self.bytes()),
            None => Text(None),
        }
    }
}

/// A NUL-terminated text, or NULL.
pub(super) struct Text(Option<CString>);

impl Text {
    fn new(bytes: &[u8]) -> Text {
        let bytes: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != 0).collect();
        Text(CString::new(bytes).ok())
    }

    pub(super) fn ptr(&self) -> *const c_char {
        self.0.as_ref().map_or(ptr::null(), |text| text.as_ptr())
    }
}
