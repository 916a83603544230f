//! A body of unknown length in chunks (RFC 9112 section 7.1), behind its head.
//!
//! The encoder of `async_h1` keeps the whole response as long as the body lasts, which for a stream
//! of events is hours and several kilobytes. This one keeps the body alone.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_lite::io::{AsyncBufRead, AsyncRead};

use super::Events;

/// See the module text.
pub(super) struct Chunked {
    /// Not read yet; no memory once it is.
    head: Vec<u8>,
    body: Events,
    is_done: bool,
}

impl Chunked {
    pub(super) fn new(head: Vec<u8>, body: Events) -> Chunked {
        Chunked { head, body, is_done: false }
    }
}

impl AsyncRead for Chunked {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if !this.head.is_empty() {
            let length = this.head.len().min(buf.len());
            buf[..length].copy_from_slice(&this.head[..length]);
            this.head.drain(..length);
            if this.head.is_empty() {
                this.head = Vec::new();
            }
            return Poll::Ready(Ok(length));
        }
        if this.is_done {
            return Poll::Ready(Ok(0));
        }
        let bytes = ready!(Pin::new(&mut this.body).poll_fill_buf(cx))?;
        let length = bytes.len().min(buf.len().saturating_sub(FRAME_BYTES));
        if length == 0 && !bytes.is_empty() {
            return Poll::Ready(Err(io::ErrorKind::InvalidInput.into()));
        }
        let mut rest = &mut *buf;
        write!(rest, "{length:X}\r\n")?;
        rest.write_all(&bytes[..length])?;
        rest.write_all(b"\r\n")?;
        let left = rest.len();
        Pin::new(&mut this.body).consume(length);
        // An empty chunk is the last one.
        this.is_done = length == 0;
        Poll::Ready(Ok(buf.len() - left))
    }
}

/// Room for the size of a chunk and the line ends.
const FRAME_BYTES: usize = 2 * size_of::<usize>() + 4;

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::{block_on, poll_fn};
    use futures_lite::io::Cursor;

    /// Reads all, `room` bytes at a time.
    fn written(body: &'static [u8], room: usize) -> io::Result<String> {
        let mut chunked = Chunked::new(b"head;".to_vec(), Box::new(Cursor::new(body)));
        let mut all = Vec::new();
        let mut buf = vec![0; room];
        loop {
            let length = block_on(poll_fn(|cx| Pin::new(&mut chunked).poll_read(cx, &mut buf)))?;
            if length == 0 {
                return Ok(String::from_utf8(all).unwrap());
            }
            all.extend_from_slice(&buf[..length]);
        }
    }

    #[test]
    fn what_is_there_is_one_chunk() {
        assert_eq!(written(b"", 100).unwrap(), "head;0\r\n\r\n");
        let text = b"a text of more than sixteen bytes";
        let expected = "head;21\r\na text of more than sixteen bytes\r\n0\r\n\r\n";
        assert_eq!(written(text, 100).unwrap(), expected);
    }

    #[test]
    fn little_room_makes_many_chunks() {
        let expected = "head;2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
        assert_eq!(written(b"abc", FRAME_BYTES + 2).unwrap(), expected);
        assert_eq!(written(b"abc", FRAME_BYTES).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
