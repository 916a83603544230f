//! Frames of a client on their way to the reader of the frames: plain ones pass as they are, those
//! of a compressed message are collected until it is whole. Never does I/O, and inflates nothing.

use super::Fault;
use crate::frame_head::{FIN, FrameHead, HEAD_BYTES, MASKED};

/// RSV1 and both other reserved bits (RFC 6455 section 5.2).
const COMPRESSED: u8 = 0x40;
const RESERVED: u8 = 0x30;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;

/// See the module text.
pub(super) struct Inbound {
    /// Bytes of one message, compressed or not.
    limit: usize,
    /// What the socket had and nobody has looked at yet. One read may bring many compressed
    /// messages: they are inflated one by one, each after the one before it was read.
    rest: Vec<u8>,
    rest_at: usize,
    head: FrameHead,
    payload: Payload,
    message: Message,
    /// The frames so far of a compressed message, unmasked. Never above `limit`.
    collected: Vec<u8>,
    /// What the reader has not taken yet, up to `ready_at` it has.
    ready: Vec<u8>,
    ready_at: usize,
}

/// A compressed message that is whole.
pub(super) struct Packed {
    pub(super) data: Vec<u8>,
    /// What to put in front of it when it is inflated; its length is filled in then.
    pub(super) head: [u8; HEAD_BYTES],
    pub(super) limit: usize,
}

/// The message that frames are of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Message {
    None,
    Plain,
    Compressed { opcode: u8 },
}

/// What the next byte is of.
enum Payload {
    /// Of none: a head.
    None,
    /// Of a frame that passes.
    Plain { left: u64 },
    Compressed {
        left: usize,
        /// Begins with what is for the next byte.
        mask: [u8; 4],
        is_last: bool,
    },
}

impl Inbound {
    pub(super) fn new(early: Vec<u8>, limit: usize) -> Inbound {
        Inbound {
            limit,
            rest: early,
            rest_at: 0,
            head: FrameHead::default(),
            payload: Payload::None,
            message: Message::None,
            collected: Vec::new(),
            ready: Vec::new(),
            ready_at: 0,
        }
    }

    /// Takes what the socket had. Only after [`Inbound::advance`] has found nothing more.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.rest.extend(bytes);
    }

    /// Goes on until everything was looked at, or a compressed message is whole.
    ///
    /// # Errors
    /// [`Fault::Protocol`] and [`Fault::TooLarge`].
    pub(super) fn advance(&mut self) -> Result<Option<Packed>, Fault> {
        let rest = std::mem::take(&mut self.rest);
        let mut input = &rest[self.rest_at..];
        let packed = self.look_at(&mut input);
        self.rest_at = rest.len() - input.len();
        match input.is_empty() {
            // An idle connection keeps no buffer.
            true => self.rest_at = 0,
            false => self.rest = rest,
        }
        packed
    }

    /// Takes the message that [`Inbound::advance`] has found, inflated.
    pub(super) fn put(&mut self, plain: Vec<u8>) {
        match self.ready.is_empty() {
            true => self.ready = plain,
            // A ping came in between.
            false => self.ready.extend(plain),
        }
    }

    /// Hands on what is ready.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> usize {
        let ready = &self.ready[self.ready_at..];
        let length = ready.len().min(buffer.len());
        buffer[..length].copy_from_slice(&ready[..length]);
        self.ready_at += length;
        if self.is_drained() {
            (self.ready, self.ready_at) = (Vec::new(), 0);
        }
        length
    }

    /// Tells whether nothing is ready.
    pub(super) fn is_drained(&self) -> bool {
        self.ready_at == self.ready.len()
    }

    fn look_at(&mut self, input: &mut &[u8]) -> Result<Option<Packed>, Fault> {
        loop {
            match &mut self.payload {
                Payload::None => match self.head.fill(input) {
                    Some(head) => self.payload = self.begin(&head)?,
                    None => return Ok(None),
                },
                Payload::Plain { left } => {
                    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                    self.ready.extend(front(input, length));
                    *left -= length as u64;
                    match left {
                        0 => self.payload = Payload::None,
                        _ => return Ok(None),
                    }
                }
                Payload::Compressed { left, mask, is_last } => {
                    let length = (*left).min(input.len());
                    let begin = self.collected.len();
                    self.collected.extend(front(input, length));
                    unmask(&mut self.collected[begin..], *mask);
                    mask.rotate_left(length % 4);
                    *left -= length;
                    match (*left, *is_last) {
                        (0, is_last) => {
                            self.payload = Payload::None;
                            if is_last {
                                return Ok(Some(self.whole()));
                            }
                        }
                        _ => return Ok(None),
                    }
                }
            }
        }
    }

    /// Decides what becomes of a frame. What is wrong with a plain one is for its reader to find.
    fn begin(&mut self, head: &FrameHead) -> Result<Payload, Fault> {
        let first = head.bytes()[0];
        let (opcode, is_last, is_control) = (first & 0x0f, head.is_last(), head.is_control());
        let is_compressed = match (first & COMPRESSED != 0, self.message) {
            (true, Message::None) if opcode == TEXT || opcode == BINARY => {
                self.message = Message::Compressed { opcode };
                true
            }
            // RFC 7692 section 6.1: the bit is in the first frame of a message and nowhere else.
            (true, _) => return Err(Fault::Protocol),
            (false, Message::Compressed { .. }) if !is_control => match opcode {
                CONTINUATION => true,
                // RFC 6455 section 5.4: messages are not interleaved.
                _ => return Err(Fault::Protocol),
            },
            (false, _) => false,
        };
        let length = head.length();
        if !is_compressed {
            if !is_control {
                self.message = if is_last { Message::None } else { Message::Plain };
            }
            self.ready.extend(head.bytes());
            return Ok(Payload::Plain { left: length });
        }
        let Some(mask) = head.mask().filter(|_| first & RESERVED == 0) else {
            return Err(Fault::Protocol);
        };
        let room = (self.limit - self.collected.len()) as u64;
        match usize::try_from(length) {
            Ok(left) if length <= room => Ok(Payload::Compressed { left, mask, is_last }),
            _ => Err(Fault::TooLarge),
        }
    }

    fn whole(&mut self) -> Packed {
        let opcode = match self.message {
            Message::Compressed { opcode } => opcode,
            // Only compressed messages are collected.
            Message::None | Message::Plain => CONTINUATION,
        };
        self.message = Message::None;
        let mut head = [0; HEAD_BYTES];
        head[0] = FIN | opcode;
        // The reader insists on a mask; that of zeros changes nothing.
        head[1] = MASKED | 127;
        Packed { data: std::mem::take(&mut self.collected), head, limit: self.limit }
    }
}

impl Packed {
    /// Writes the length of the message into the head that `plain` begins with.
    pub(super) fn seal(plain: &mut [u8]) {
        let length = (plain.len() - HEAD_BYTES) as u64;
        plain[2..10].copy_from_slice(&length.to_be_bytes());
    }
}

fn front<'a>(input: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (front, rest) = input.split_at(length);
    *input = rest;
    front
}

fn unmask(bytes: &mut [u8], mask: [u8; 4]) {
    for part in bytes.chunks_mut(4) {
        part.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    }
}
