//! Socket pairs, a waker that counts, and turns that are taken by hand.

use super::*;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Wake;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// One watched end of a pair, the other end, and a waker that counts.
struct Bench {
    readiness: Arc<Readiness>,
    socket: Watched<UnixStream>,
    peer: UnixStream,
    woken: Arc<Count>,
}

impl Bench {
    fn new() -> Bench {
        let (ours, peer) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let readiness = Readiness::new().unwrap();
        let socket = Watched::new(ours, &readiness).unwrap();
        Bench { readiness, socket, peer, woken: Arc::default() }
    }

    /// Passes on what there is, and returns how many were woken since.
    fn turn(&self) -> usize {
        let before = self.woken.0.load(SeqCst);
        let mut news = News::default();
        self.readiness.wait(Some(Duration::ZERO), &mut news);
        self.readiness.wake(&news);
        self.woken.0.load(SeqCst) - before
    }

    fn read(&self) -> Poll<io::Result<usize>> {
        let waker = Waker::from(self.woken.clone());
        let mut buf = [0; 8];
        let read = |mut socket: &UnixStream| socket.read(&mut buf);
        let cx = &mut Context::from_waker(&waker);
        self.socket.poll_with(Interest::Read, cx, read, |length| *length < 8)
    }

    fn write(&self) -> Poll<io::Result<usize>> {
        let waker = Waker::from(self.woken.clone());
        let write = |mut socket: &UnixStream| socket.write(&[0; 4096]);
        let cx = &mut Context::from_waker(&waker);
        self.socket.poll_with(Interest::Write, cx, write, |_| false)
    }
}

fn length(read: Poll<io::Result<usize>>) -> Option<usize> {
    match read {
        Poll::Ready(read) => Some(read.unwrap()),
        Poll::Pending => None,
    }
}

#[test]
fn who_waits_is_woken_by_each_message() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        assert_eq!(length(bench.read()), None);
        assert_eq!(bench.turn(), 0);
        bench.peer.write_all(b"abc").unwrap();
        assert_eq!((bench.turn(), length(bench.read())), (1, Some(3)));
    }
    // Nobody waits, and what comes is remembered.
    bench.turn();
    bench.peer.write_all(b"abc").unwrap();
    assert_eq!((bench.turn(), length(bench.read())), (0, Some(3)));
}

#[test]
fn an_end_behind_the_last_bytes_is_seen_without_another_edge() {
    let mut bench = Bench::new();
    assert_eq!(length(bench.read()), None);
    bench.peer.write_all(b"abc").unwrap();
    bench.peer.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(bench.turn(), 1);
    assert_eq!((length(bench.read()), length(bench.read())), (Some(3), Some(0)));
}

#[test]
fn an_end_that_comes_after_a_short_read_is_an_edge() {
    let mut bench = Bench::new();
    bench.peer.write_all(b"abc").unwrap();
    bench.turn();
    assert_eq!((length(bench.read()), length(bench.read())), (Some(3), None));
    drop(bench.peer);
    let mut news = News::default();
    bench.readiness.wait(Some(Duration::ZERO), &mut news);
    bench.readiness.wake(&news);
    assert_eq!(bench.woken.0.load(SeqCst), 1);
}

#[test]
fn a_full_socket_wakes_its_writer_once_there_is_room() {
    let mut bench = Bench::new();
    while bench.write().is_ready() {}
    bench.turn();
    let before = bench.woken.0.load(SeqCst);
    assert!(bench.write().is_pending());
    let mut taken = vec![0; 1 << 20];
    while bench.woken.0.load(SeqCst) == before {
        assert!(bench.peer.read(&mut taken).unwrap() > 0);
        bench.turn();
    }
    assert!(bench.write().is_ready());
}

#[test]
fn what_somebody_else_reads_is_told_until_it_is_gone() {
    let (ours, mut peer) = UnixStream::pair().unwrap();
    let readiness = Readiness::new().unwrap();
    let socket = Watched::foreign(ours, &readiness).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    let mut turn = || {
        let mut news = News::default();
        readiness.wait(Some(Duration::ZERO), &mut news);
        readiness.wake(&news);
        socket.poll_edge(Interest::Read, &mut cx).is_ready()
    };
    assert!(!turn() && !turn());
    peer.write_all(b"abc").unwrap();
    // Ready once for each time that it is asked about and there is something.
    assert!(turn() && !turn() && turn());
    assert_eq!(Read::read(&mut socket.get_ref(), &mut [0; 8]).unwrap(), 3);
    turn();
    assert!(!turn() && !turn());
}

#[test]
fn a_bell_ends_the_wait_each_time_it_is_rung() {
    let readiness = Readiness::new().unwrap();
    let bell = readiness.bell().unwrap();
    let mut news = News::default();
    for _ in 0..3 {
        bell.write(1).unwrap();
        readiness.wait(None, &mut news);
        assert!(readiness.wake(&news));
        readiness.wait(Some(Duration::ZERO), &mut news);
        assert!(!readiness.wake(&news));
    }
}

#[test]
fn a_socket_that_has_gone_leaves_its_place() {
    let bench = Bench::new();
    drop(bench.socket);
    assert_eq!(lock(&bench.readiness.spots).live().count(), 0);
}
