//! The host's side is a script; the descriptor is a real one.

use super::*;
use crate::readiness::Readiness;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Sender, channel};

use futures_lite::future::{block_on, poll_fn};

/// What the host's code did, in order.
type Diary = Arc<Mutex<Vec<String>>>;

/// Answers as it was told, in the order of the calls; then it would block.
#[derive(Default)]
struct Script {
    diary: Diary,
    reads: Vec<io::Result<usize>>,
    writes: Vec<io::Result<usize>>,
    wants: Vec<Want>,
    is_pending: bool,
}

fn next<T>(script: &mut Vec<io::Result<T>>) -> io::Result<T> {
    if script.is_empty() { Err(ErrorKind::WouldBlock.into()) } else { script.remove(0) }
}

impl StreamIo for Script {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        lock(&self.diary).push("read".into());
        next(&mut self.reads)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.diary).push(format!("write {}", bytes.len()));
        next(&mut self.writes)
    }

    fn want(&mut self, tried: Want) -> Want {
        if self.wants.is_empty() { tried } else { self.wants.remove(0) }
    }

    fn has_pending(&mut self) -> bool {
        self.is_pending
    }

    fn shutdown(&mut self) -> io::Result<()> {
        lock(&self.diary).push("shutdown".into());
        Ok(())
    }

    fn close(&mut self) {
        lock(&self.diary).push("close".into());
    }
}

/// A stream over one end of a pair, the other end, and the diary.
fn stream(script: Script) -> (Foreign, UnixStream, Diary) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let diary = script.diary.clone();
    let descriptor = Watched::foreign(OwnedFd::from(ours), &Readiness::in_background()).unwrap();
    (Foreign::new(Box::new(script), descriptor), theirs, diary)
}

/// Takes all room that the socket has for bytes: from here on it is ready for nothing.
fn fill(stream: &Foreign) {
    let fd = stream.descriptor.as_ref().unwrap().get_ref().try_clone().unwrap();
    let mut socket = UnixStream::from(fd);
    socket.set_nonblocking(true).unwrap();
    while io::Write::write(&mut socket, &[0; 4096]).is_ok() {}
}

fn blocked() -> io::Result<usize> {
    Err(ErrorKind::WouldBlock.into())
}

fn read_once(stream: &mut Foreign, waker: &Waker) -> Poll<io::Result<usize>> {
    Pin::new(stream).poll_read(&mut Context::from_waker(waker), &mut [0; 8])
}

fn write_once(stream: &mut Foreign, bytes: &[u8]) -> Poll<io::Result<usize>> {
    Pin::new(stream).poll_write(&mut Context::from_waker(Waker::noop()), bytes)
}

/// Counts its wake-ups.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn a_blocked_side_is_not_tried_before_the_descriptor_is_ready() {
    let script = Script { reads: vec![blocked(), Ok(3)], ..Script::default() };
    let (mut stream, mut peer, diary) = stream(script);
    for _ in 0..3 {
        assert!(read_once(&mut stream, Waker::noop()).is_pending());
    }
    assert_eq!(lock(&diary).len(), 1);
    io::Write::write_all(&mut peer, b"x").unwrap();
    let read = poll_fn(|cx| Pin::new(&mut stream).poll_read(cx, &mut [0; 8]));
    assert_eq!(async_io::block_on(read).unwrap(), 3);
}

/// Reads what has come.
struct Plain(UnixStream);

impl StreamIo for Plain {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        io::Read::read(&mut self.0, buf)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::Write::write(&mut self.0, bytes)
    }
}

/// Sends a message for each wake-up.
struct Bell(Mutex<Sender<()>>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let _ = lock(&self.0).send(());
    }
}

#[test]
fn one_wake_up_is_enough() {
    // Bytes that come while the reactor waits already are the case that matters: several rounds,
    // because it may still be starting in the first one.
    const ROUNDS: usize = 20;
    let (ours, mut peer) = UnixStream::pair().unwrap();
    let descriptor =
        Watched::foreign(OwnedFd::from(ours.try_clone().unwrap()), &Readiness::in_background());
    let descriptor = descriptor.unwrap();
    ours.set_nonblocking(true).unwrap();
    let mut stream = Foreign::new(Box::new(Plain(ours)), descriptor);
    let (sender, wake_ups) = channel();
    let waker = Waker::from(Arc::new(Bell(Mutex::new(sender))));
    for round in 0..ROUNDS {
        assert!(read_once(&mut stream, &waker).is_pending());
        io::Write::write_all(&mut peer, b"x").unwrap();
        wake_ups.recv_timeout(Duration::from_secs(30)).unwrap();
        let read = read_once(&mut stream, &waker);
        assert!(matches!(read, Poll::Ready(Ok(1))), "round {round}");
    }
}

#[test]
fn a_read_may_wait_to_write() {
    let script =
        Script { reads: vec![blocked(), Ok(1)], wants: vec![Want::Write], ..Script::default() };
    let (mut stream, _peer, _) = stream(script);
    // Nothing to read ever comes, but there is room all the time.
    let read = poll_fn(|cx| Pin::new(&mut stream).poll_read(cx, &mut [0; 8]));
    assert_eq!(async_io::block_on(read).unwrap(), 1);
}

#[test]
fn a_retry_has_as_many_bytes_as_the_first_try() {
    let script =
        Script { writes: vec![blocked(), Ok(2)], wants: vec![Want::Read], ..Script::default() };
    let (mut stream, mut peer, diary) = stream(script);
    assert!(write_once(&mut stream, b"ab").is_pending());
    io::Write::write_all(&mut peer, b"x").unwrap();
    let write = poll_fn(|cx| Pin::new(&mut stream).poll_write(cx, b"abcd"));
    assert_eq!(async_io::block_on(write).unwrap(), 2);
    assert!(write_once(&mut stream, b"cd").is_pending());
    assert_eq!(*lock(&diary), ["write 2", "write 2", "write 2"]);
}

#[test]
fn a_read_helps_a_write_that_waits_for_bytes() {
    let script = Script {
        reads: vec![blocked()],
        writes: vec![blocked(), Ok(2)],
        wants: vec![Want::Read],
        ..Script::default()
    };
    let (mut stream, _peer, _) = stream(script);
    assert!(write_once(&mut stream, b"ab").is_pending());
    // It finds nothing for itself, but what it took from the socket was for the write.
    assert!(read_once(&mut stream, Waker::noop()).is_pending());
    assert!(matches!(write_once(&mut stream, b"ab"), Poll::Ready(Ok(2))));
}

#[test]
fn a_write_that_brought_bytes_wakes_the_reader() {
    let script = Script { is_pending: true, writes: vec![Ok(2)], ..Script::default() };
    let (mut stream, _peer, diary) = stream(script);
    let count = Arc::new(Count::default());
    assert!(read_once(&mut stream, &Waker::from(count.clone())).is_pending());
    assert!(write_once(&mut stream, b"ab").is_ready());
    assert_eq!(count.0.load(SeqCst), 1);
    assert!(read_once(&mut stream, Waker::noop()).is_pending());
    assert_eq!(*lock(&diary), ["read", "write 2", "read"]);
}

#[test]
fn two_sides_that_wait_for_each_other_do_not_keep_each_other_busy() {
    let wants = [Want::Write, Want::Read].repeat(100);
    let (mut stream, _peer, diary) =
        stream(Script { wants, is_pending: true, ..Script::default() });
    fill(&stream);
    for _ in 0..50 {
        assert!(read_once(&mut stream, Waker::noop()).is_pending());
        assert!(write_once(&mut stream, b"ab").is_pending());
    }
    assert_eq!(*lock(&diary), ["read", "write 2", "read"]);
}

#[test]
fn the_end_is_said_and_closed_once() {
    let (mut stream, _peer, diary) = stream(Script { reads: vec![Ok(0)], ..Script::default() });
    for _ in 0..3 {
        assert!(matches!(read_once(&mut stream, Waker::noop()), Poll::Ready(Ok(0))));
    }
    for _ in 0..2 {
        block_on(poll_fn(|cx| Pin::new(&mut stream).poll_close(cx))).unwrap();
    }
    drop(stream);
    assert_eq!(*lock(&diary), ["read", "shutdown", "close"]);
    let (stream, _peer, diary) = self::stream(Script::default());
    drop(stream);
    assert_eq!(*lock(&diary), ["shutdown", "close"], "also when it was never used");
}

#[test]
fn after_a_failure_only_close_is_called() {
    let reads = vec![Err(ErrorKind::ConnectionReset.into())];
    let (mut stream, _peer, diary) = stream(Script { reads, ..Script::default() });
    for _ in 0..2 {
        assert!(matches!(read_once(&mut stream, Waker::noop()), Poll::Ready(Err(_))));
    }
    assert!(matches!(write_once(&mut stream, b"x"), Poll::Ready(Err(_))));
    drop(stream);
    assert_eq!(*lock(&diary), ["read", "close"]);
}

#[test]
fn impossible_counts_are_failures() {
    let (mut stream, _peer, _) = stream(Script { reads: vec![Ok(9)], ..Script::default() });
    assert!(matches!(read_once(&mut stream, Waker::noop()), Poll::Ready(Err(_))));
    let (mut stream, _peer, _) = self::stream(Script { writes: vec![Ok(3)], ..Script::default() });
    assert!(matches!(write_once(&mut stream, b"ab"), Poll::Ready(Err(_))));
}

#[test]
fn a_write_under_way_is_not_followed_by_a_goodbye() {
    let (mut stream, _peer, diary) = stream(Script::default());
    assert!(write_once(&mut stream, b"ab").is_pending());
    drop(stream);
    assert_eq!(*lock(&diary), ["write 2", "close"]);
}

#[test]
fn a_host_that_waits_for_what_is_there_does_not_keep_a_processor_busy() {
    let (mut stream, _peer, diary) =
        stream(Script { wants: vec![Want::Either; 1000], ..Script::default() });
    let read = poll_fn(|cx| Pin::new(&mut stream).poll_read(cx, &mut [0; 8]));
    let late = async {
        Timer::after(3 * REST).await;
        Err(ErrorKind::TimedOut.into())
    };
    async_io::block_on(futures_lite::future::or(read, late)).unwrap_err();
    // The first one, those that are free, and one after each rest: there is time for two or three.
    let tries = lock(&diary).len();
    assert!(tries <= 1 + VAIN_TRIES as usize + 4, "{tries} tries");
}
