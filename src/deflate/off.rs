//! In the place of compression when it is not built in: nothing is ever agreed on.

#[expect(dead_code, reason = "nothing can go wrong with what is not there")]
mod fault;

use std::sync::Arc;

use async_tungstenite::tungstenite::Message;

pub(crate) use fault::Fault;

use crate::env::Env;
use crate::error::{Error, Result};
use crate::http::Head;
use crate::level::Level;

/// Off for good.
#[derive(Default)]
pub(crate) struct Compression {}

impl Compression {
    #[cfg(feature = "fuzzing")]
    pub(crate) fn eager() -> Compression {
        Compression {}
    }

    /// # Errors
    /// [`Error::Unsupported`] when it should be on.
    pub(crate) fn set(&self, is_on: bool, env: &Env) -> Result<()> {
        if !is_on {
            return Ok(());
        }
        let how = "build emcp with the cargo feature deflate, or make FEATURES=deflate";
        let text = format!("WebSocket compression is not built in: {how}");
        env.log(Level::Warning, "websocket", format_args!("{text}"));
        Err(Error::Unsupported(text))
    }

    pub(crate) fn agree(&self, _: &Head) -> Option<Agreed> {
        None
    }
}

/// There is none.
pub(crate) enum Agreed {}

impl Agreed {
    pub(crate) fn header(&self) -> String {
        match *self {}
    }

    pub(crate) fn start(self, _: Vec<u8>, _: &Arc<Env>) -> Box<Deflated> {
        match self {}
    }
}

/// There is none.
pub(crate) enum Deflated {}

impl Deflated {
    pub(crate) fn take(&mut self, _: &mut [u8]) -> std::result::Result<usize, Fault> {
        match *self {}
    }

    pub(crate) fn feed(&mut self, _: &[u8]) {
        match *self {}
    }

    pub(crate) fn packed(&self, _: Message) -> Message {
        match *self {}
    }
}
