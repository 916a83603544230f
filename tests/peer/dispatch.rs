//! The host's own thread, for servers whose functions run there.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::Duration;

use emcp::{Options, Run, Server};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Names the way in which servers under test run; by default as they do by default. `host0` and
/// `host1`: the host dispatches, with that many I/O threads.
const MODE: &str = "EMCP_TEST_RUN";

/// `options` in the way that [`MODE`] names.
pub(crate) fn in_mode(options: Options) -> Options {
    match std::env::var(MODE).as_deref() {
        Ok("host0") => Options { run: Run::Host, io_threads: 0, ..options },
        Ok("host1") => Options { run: Run::Host, io_threads: 1, ..options },
        Ok(other) => panic!("{MODE} is {other:?}"),
        Err(_) => options,
    }
}

/// A thread that dispatches until it is dropped or the server stops.
pub(crate) struct Dispatcher {
    quit: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Dispatcher {
    /// `None` when the server needs nobody to dispatch.
    pub(crate) fn start(server: &Arc<Server>) -> Option<Dispatcher> {
        server.event_fd().ok()?;
        let (server, quit) = (server.clone(), Arc::new(AtomicBool::new(false)));
        let asked = quit.clone();
        let thread = thread::spawn(move || while !asked.load(SeqCst) && turn(&server) {});
        Some(Dispatcher { quit, thread: Some(thread) })
    }

    pub(crate) fn thread(&self) -> ThreadId {
        self.thread.as_ref().expect("taken by drop alone").thread().id()
    }
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        self.quit.store(true, SeqCst);
        // A test that panicked in a callback has said so already.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// One turn of an event loop; tells whether the server still runs.
pub(crate) fn turn(server: &Server) -> bool {
    let (Ok(fd), Ok(rest)) = (server.event_fd(), server.next_timeout()) else { return false };
    // The end of the server rings no bell, so it is looked for now and then.
    let rest = rest.unwrap_or(Duration::MAX).min(Duration::from_millis(20));
    let timeout = PollTimeout::try_from(rest).expect("a short time");
    let mut wait = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    let _ = poll(&mut wait, timeout);
    server.dispatch(0, Duration::ZERO).is_ok()
}
