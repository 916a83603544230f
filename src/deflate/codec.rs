//! DEFLATE of whole messages (RFC 7692 section 7.2). Knows no frames.

use std::sync::Mutex;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::Fault;
use super::inbound::Packed;
use crate::sync::lock;

/// Ends every flushed message, and is not sent.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// Messages are compressed on the thread that serves everybody: level 2 takes about a third of the
/// time of the usual 6 and leaves a tenth more of JSON.
const LEVEL: u32 = 2;

/// The compressor and the decompressor of one server, made when they are first needed. Each works
/// on one message at a time and begins anew with the next, so all connections can share them: their
/// windows, about 420 KiB together, are there once and not once for each.
#[derive(Default)]
pub(super) struct Codec {
    /// With the bits of its window.
    compress: Mutex<Option<(u8, Compress)>>,
    decompress: Mutex<Option<Decompress>>,
}

impl Codec {
    /// Compresses a message; `None` when that takes `room` bytes or more.
    pub(super) fn deflate(&self, message: &[u8], window_bits: u8, room: usize) -> Option<Vec<u8>> {
        let mut slot = lock(&self.compress);
        if slot.as_ref().is_none_or(|(bits, _)| *bits != window_bits) {
            let level = Compression::new(LEVEL);
            let compress = Compress::new_with_window_bits(level, false, window_bits);
            *slot = Some((window_bits, compress));
        }
        let (_, compress) = slot.as_mut()?;
        compress.reset();
        let mut packed = Vec::with_capacity(room);
        compress.compress_vec(message, &mut packed, FlushCompress::Sync).ok()?;
        // What fills the room to its end is not all there is.
        let is_whole = compress.total_in() == message.len() as u64
            && packed.len() < packed.capacity()
            && packed.ends_with(&TAIL);
        packed.truncate(packed.len().saturating_sub(TAIL.len()));
        is_whole.then_some(packed)
    }

    /// Decompresses a message behind the head of its frame, to at most `limit` bytes.
    ///
    /// # Errors
    /// [`Fault::BadData`], and [`Fault::TooLarge`] as soon as there is more.
    pub(super) fn inflate(
        &self,
        Packed { mut data, head, limit }: Packed,
    ) -> Result<Vec<u8>, Fault> {
        data.extend(TAIL);
        let mut slot = lock(&self.decompress);
        // The largest window reads what was made with any.
        let decompress = slot.get_or_insert_with(|| Decompress::new(false));
        decompress.reset(false);
        let max = head.len() + limit;
        let mut plain = Vec::with_capacity(head.len() + data.len().saturating_mul(4).min(limit));
        plain.extend(head);
        let mut rest = &data[..];
        loop {
            let (before, length) = (decompress.total_in(), plain.len());
            let status = decompress.decompress_vec(rest, &mut plain, FlushDecompress::Sync);
            let status = status.map_err(|_| Fault::BadData)?;
            // Never more than there was.
            let taken = (decompress.total_in() - before) as usize;
            rest = &rest[taken..];
            if plain.len() > max {
                return Err(Fault::TooLarge);
            }
            if status == Status::StreamEnd && !is_padding(rest) {
                return Err(Fault::BadData);
            }
            if status == Status::StreamEnd {
                break;
            }
            if plain.len() == plain.capacity() {
                // One byte more than allowed shows that there is more.
                plain.reserve(plain.len().min(max + 1 - plain.len()));
            } else if rest.is_empty() {
                break;
            } else if taken == 0 && plain.len() == length {
                return Err(Fault::BadData);
            }
        }
        Packed::seal(&mut plain);
        Ok(plain)
    }
}

/// What may be behind the last block of a message that says so itself (RFC 7692 section 7.2.3.4):
/// the tail, with the byte in front of it or without. Anything more would begin the next stream, and
/// thousands of them in one message cost more than they say.
fn is_padding(rest: &[u8]) -> bool {
    rest == TAIL || rest.strip_prefix(&[0]) == Some(&TAIL[..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inflate(codec: &Codec, data: &[u8], limit: usize) -> Result<Vec<u8>, Fault> {
        let plain = codec.inflate(Packed { data: data.to_vec(), head: [0; 14], limit })?;
        assert_eq!(plain[2..10], (plain.len() as u64 - 14).to_be_bytes());
        Ok(plain[14..].to_vec())
    }

    /// JSON that does not repeat too much.
    fn text(length: usize) -> Vec<u8> {
        let records =
            (0_u64..).map(|n| format!(r#"{{"n":{},"is":{}}},"#, n * n * 7919, n % 3 == 0));
        records.flat_map(String::into_bytes).take(length).collect()
    }

    #[test]
    fn a_message_comes_back_through_every_window() {
        let codec = Codec::default();
        for length in [64, 1000, 40_000, 300_000] {
            let text = text(length);
            for bits in 9..=15 {
                let packed = codec.deflate(&text, bits, length).unwrap();
                assert!(packed.len() < length);
                assert_eq!(inflate(&codec, &packed, length).unwrap(), text, "{length}, {bits}");
                assert_eq!(inflate(&codec, &packed, length - 1), Err(Fault::TooLarge));
                // A client has no larger window than it has said.
                let mut client = Decompress::new_with_window_bits(false, bits);
                let mut plain = Vec::with_capacity(length + 1);
                let data = [&packed[..], &TAIL].concat();
                client.decompress_vec(&data, &mut plain, FlushDecompress::Sync).unwrap();
                assert!(plain == text, "{length}, {bits}");
            }
        }
    }

    #[test]
    fn what_gets_no_shorter_is_not_compressed() {
        let codec = Codec::default();
        let mut state = 1_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        for length in [0, 1, 5, 600, 100_000] {
            let bytes: Vec<u8> = (0..length).map(|_| noise()).collect();
            assert_eq!(codec.deflate(&bytes, 15, length), None, "{length}");
        }
    }

    #[test]
    fn the_examples_of_the_rfc() {
        let codec = Codec::default();
        // RFC 7692 section 7.2.3: one block, without compression, with BFINAL, two blocks.
        for data in [
            &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..],
            &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
            &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
            &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
        ] {
            assert_eq!(inflate(&codec, data, 5).unwrap(), b"Hello", "{data:x?}");
            assert_eq!(inflate(&codec, data, 4), Err(Fault::TooLarge), "{data:x?}");
        }
        assert_eq!(inflate(&codec, &[0x00], 5).unwrap(), b"");
        assert_eq!(inflate(&codec, &[], 5).unwrap(), b"");
    }

    #[test]
    fn bad_data_and_what_follows_the_last_block_are_refused() {
        let codec = Codec::default();
        let hello = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
        for data in [
            &[0x07][..],
            &[0xff; 40],
            &[0x00, 0x05, 0x00, 0x00, 0x00, 0x48],
            &[&hello[..], &hello].concat(),
            &hello.repeat(10_000),
        ] {
            assert_eq!(inflate(&codec, data, 100), Err(Fault::BadData), "{data:x?}");
        }
        // The second message of RFC 7692 section 7.2.3.2 refers to the first one, which was there.
        assert!(inflate(&codec, &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], 5).is_ok());
        assert_eq!(inflate(&codec, &[0xf2, 0x00, 0x11, 0x00, 0x00], 5), Err(Fault::BadData));
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let codec = Codec::default();
        let bomb = codec.deflate(&vec![b' '; 8 << 20], 15, 8 << 20).unwrap();
        assert!(bomb.len() < 1 << 20);
        assert_eq!(inflate(&codec, &bomb, 1 << 20), Err(Fault::TooLarge));
    }
}
