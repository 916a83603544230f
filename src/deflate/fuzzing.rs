//! The frames of a client that may compress, as a fuzz target.

use std::sync::Arc;

use super::inbound::Packed;
use super::offer::Terms;
use super::{Agreed, Codec, Deflated, Fault};
use crate::env::Env;
use crate::fuzzing::in_pieces;
use crate::limits::Limits;

/// Small, so that mutations reach it.
const MESSAGE_BYTES: usize = 4096;

thread_local! {
    static CODEC: Arc<Codec> = Arc::default();
}

/// However frames are split, the same comes out of them, no message is above its bound, and what is
/// held is given back. What one peer compresses the other one reads. The first byte says how the
/// rest is split.
pub fn inflate(data: &[u8]) {
    let Some((seed, bytes)) = data.split_first() else { return };
    let env = Env::new(Limits { body_bytes: MESSAGE_BYTES, ..Limits::default() });
    let mut whole = Reader::new(&env);
    whole.feed(bytes);
    let mut split = Reader::new(&env);
    in_pieces(bytes, *seed, |piece| split.feed(piece));
    assert!(whole.read == split.read && whole.fault == split.fault, "the split matters");
    let inflated = env.counters.messages_inflated.value() as usize / 2;
    assert!(whole.read.len() <= bytes.len() + inflated * (MESSAGE_BYTES + 14));
    drop((whole, split));
    assert_eq!(env.counters.held_bytes.value(), 0);
    round_trip(bytes, 9 + seed % 7);
}

fn round_trip(bytes: &[u8], window_bits: u8) {
    let codec = CODEC.with(Arc::clone);
    let Some(packed) = codec.deflate(bytes, window_bits, bytes.len()) else { return };
    let packed = Packed { data: packed, head: [0; 14], limit: bytes.len() };
    assert_eq!(&codec.inflate(packed).expect("our own")[14..], bytes);
}

/// The reader of the frames, which looks at nothing.
struct Reader {
    deflated: Box<Deflated>,
    read: Vec<u8>,
    fault: Option<Fault>,
}

impl Reader {
    fn new(env: &Arc<Env>) -> Reader {
        let terms = Terms::choose(["permessage-deflate"].into_iter()).expect("a plain offer");
        let agreed = Agreed { terms, is_eager: false, codec: CODEC.with(Arc::clone) };
        Reader { deflated: agreed.start(Vec::new(), env), read: Vec::new(), fault: None }
    }

    fn feed(&mut self, bytes: &[u8]) {
        if self.fault.is_some() {
            return;
        }
        self.deflated.feed(bytes);
        let mut buffer = [0; 100];
        loop {
            match self.deflated.take(&mut buffer) {
                Ok(0) => return,
                Ok(length) => self.read.extend(&buffer[..length]),
                Err(fault) => return self.fault = Some(fault),
            }
        }
    }
}
