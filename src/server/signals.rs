//! Keeps the host's signals on the host's threads.

use nix::sys::signal::{SigSet, SigmaskHow, Signal, pthread_sigmask};

use crate::error::{Error, Result};

/// Blocks signals for the threads about to be started: a signal that the daemon handles must
/// reach a thread of the daemon. Faults stay: they belong to the thread that causes them.
pub(super) fn block() -> Result<SigSet> {
    let mut blocked = SigSet::all();
    let faults = [
        Signal::SIGSEGV,
        Signal::SIGBUS,
        Signal::SIGFPE,
        Signal::SIGILL,
        Signal::SIGABRT,
        Signal::SIGTRAP,
        Signal::SIGSYS,
        Signal::SIGPROF,
    ];
    faults.into_iter().for_each(|fault| blocked.remove(fault));
    let mut before = SigSet::empty();
    pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&blocked), Some(&mut before))
        .map_err(|errno| Error::Io(errno.into()))?;
    Ok(before)
}

pub(super) fn restore(before: &SigSet) {
    // Cannot fail with a mask that the system has handed out itself.
    let _ = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(before), None);
}
