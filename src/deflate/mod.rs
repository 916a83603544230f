//! Compressed WebSocket messages: permessage-deflate (RFC 7692), behind the feature `deflate`.
//!
//! Place in the flow: between a socket and the frames of a WebSocket, which hears of whole plain
//! messages only. No message refers to an earlier one, in either direction, so that a connection
//! keeps nothing for compression, and a secret in one message is never beside the text of another.

mod codec;
mod fault;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod inbound;
mod offer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use async_tungstenite::tungstenite::Message;
use async_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use async_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};

use codec::Codec;
pub(crate) use fault::Fault;
use inbound::Inbound;
use offer::Terms;

use crate::env::Env;
use crate::error::Result;
use crate::held::Held;
use crate::http::Head;

/// Shorter messages go out as they are: there is little to gain.
const WORTH_IT_BYTES: usize = 512;

/// What one server does about compression.
#[derive(Default)]
pub(crate) struct Compression {
    is_on: AtomicBool,
    /// Compresses every message, also where that makes it longer.
    is_eager: bool,
    codec: Arc<Codec>,
}

impl Compression {
    /// For suites that cannot read plain messages once compression was agreed on.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn eager() -> Compression {
        Compression { is_on: true.into(), is_eager: true, ..Compression::default() }
    }

    /// Has handshakes from here on take offers to compress, or not.
    ///
    /// # Errors
    /// None where compression is built in.
    pub(crate) fn set(&self, is_on: bool, _: &Env) -> Result<()> {
        self.is_on.store(is_on, Relaxed);
        Ok(())
    }

    /// The first offer in the handshake `head` that can be taken; `None`: all go on without.
    pub(crate) fn agree(&self, head: &Head) -> Option<Agreed> {
        let is_on = self.is_on.load(Relaxed);
        let terms = is_on.then(|| Terms::choose(head.headers("sec-websocket-extensions")))??;
        Some(Agreed { terms, is_eager: self.is_eager, codec: self.codec.clone() })
    }
}

/// What has been agreed on for one connection.
pub(crate) struct Agreed {
    terms: Terms,
    is_eager: bool,
    codec: Arc<Codec>,
}

impl Agreed {
    /// The value of `Sec-WebSocket-Extensions` in the answer.
    pub(crate) fn header(&self) -> String {
        self.terms.to_string()
    }

    /// The compression of a connection; `early` came behind the handshake.
    pub(crate) fn start(self, early: Vec<u8>, env: &Arc<Env>) -> Box<Deflated> {
        let inbound = Inbound::new(early, env.limits.body_bytes);
        let (held, env) = (Held::new(env.clone()), env.clone());
        Box::new(Deflated { inbound, held, fault: None, env, agreed: self })
    }
}

/// Both directions of a connection on which messages may be compressed.
pub(crate) struct Deflated {
    inbound: Inbound,
    /// What was inflated and not yet read.
    held: Held,
    /// What ends the connection once everything in front of it was read.
    fault: Option<Fault>,
    env: Arc<Env>,
    agreed: Agreed,
}

impl Deflated {
    /// Fills `buffer` with frames that are not compressed; 0 when more must be read first.
    ///
    /// # Errors
    /// What is wrong with what the peer has sent. Nothing more can be read then.
    pub(crate) fn take(&mut self, buffer: &mut [u8]) -> std::result::Result<usize, Fault> {
        while self.inbound.is_drained() {
            self.held.clear();
            // What came in front of it has been read.
            if let Some(fault) = self.fault {
                return Err(fault);
            }
            match self.advance() {
                Ok(()) if self.inbound.is_drained() => return Ok(0),
                Ok(()) => {}
                Err(fault) => self.fault = Some(fault),
            }
        }
        Ok(self.inbound.read(buffer))
    }

    /// Takes what the socket had, after [`Deflated::take`] has found nothing left.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.inbound.feed(bytes);
    }

    /// What to send for `message`: itself, or a compressed frame where that is shorter.
    pub(crate) fn packed(&self, message: Message) -> Message {
        let (bytes, kind) = match &message {
            Message::Text(text) => (text.as_bytes(), Data::Text),
            Message::Binary(bytes) => (&bytes[..], Data::Binary),
            _ => return message,
        };
        let Agreed { terms, is_eager, codec } = &self.agreed;
        let room = match bytes.len() {
            length if *is_eager => length + length / 8 + 64,
            ..WORTH_IT_BYTES => return message,
            length => length,
        };
        let Some(packed) = codec.deflate(bytes, terms.window_bits(), room) else {
            return message;
        };
        self.env.counters.messages_deflated.up();
        let opcode = OpCode::Data(kind);
        let header = FrameHeader { rsv1: true, opcode, ..FrameHeader::default() };
        Message::Frame(Frame::from_payload(header, packed.into()))
    }

    fn advance(&mut self) -> std::result::Result<(), Fault> {
        let plain = match self.inbound.advance() {
            Ok(None) => return Ok(()),
            Ok(Some(packed)) => self.agreed.codec.inflate(packed),
            Err(fault) => Err(fault),
        };
        let plain = plain.inspect_err(|_| self.env.counters.inflations_refused.up())?;
        self.env.counters.messages_inflated.up();
        if !self.held.grow_to(plain.len()) {
            return Err(Fault::Crowded);
        }
        self.inbound.put(plain);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
