//! Which process a server runs in. A forked child has none of its threads, and its locks may be
//! held by threads that do not exist there.

use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

use crate::failure::{Failure, Result};
use crate::status::EMCP_E_FORK;

/// The process in which a server of this library was started first; 0 means none was. The reactor
/// belongs to the whole process, so a child can start no other server either.
static REACTOR: Process = Process(AtomicI32::new(0));

/// The process that something belongs to, once it belongs to one.
#[derive(Default)]
pub(crate) struct Process(AtomicI32);

impl Process {
    /// The calling process.
    pub(crate) fn current() -> Process {
        Process(AtomicI32::new(pid()))
    }

    /// Ties this, and the reactor, to the calling process.
    ///
    /// # Errors
    /// `EMCP_E_FORK` when the reactor belongs to a parent.
    pub(crate) fn claim(&self) -> Result<()> {
        REACTOR.check()?;
        REACTOR.0.store(pid(), Relaxed);
        self.0.store(pid(), Relaxed);
        Ok(())
    }

    /// # Errors
    /// `EMCP_E_FORK` in a child of the process that this belongs to.
    pub(crate) fn check(&self) -> Result<()> {
        if !self.is_foreign() {
            return Ok(());
        }
        Err(Failure::new(EMCP_E_FORK, "this process was forked from the one that runs the server"))
    }

    pub(crate) fn is_foreign(&self) -> bool {
        let owner = self.0.load(Relaxed);
        owner != 0 && owner != pid()
    }
}

fn pid() -> i32 {
    // SAFETY: getpid has no preconditions and cannot fail.
    unsafe { libc::getpid() }
}
