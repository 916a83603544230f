//! Server and client on cores of their own, so that neither takes time from the other.

use std::io;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// Which core is whose. On a machine with one core both are everywhere.
#[derive(Clone, Copy)]
pub(crate) struct Cores {
    /// The first core that this process may use.
    server: CpuSet,
    /// The last one.
    client: CpuSet,
}

impl Cores {
    /// Finds the cores, and moves this thread to the client's; threads that it starts follow.
    pub(crate) fn split() -> io::Result<Cores> {
        let all = sched_getaffinity(Pid::from_raw(0))?;
        let allowed: Vec<usize> =
            (0..CpuSet::count()).filter(|core| all.is_set(*core) == Ok(true)).collect();
        let only = |core: Option<&usize>| {
            let mut set = CpuSet::new();
            core.map_or(Ok(()), |core| set.set(*core)).map(|()| set)
        };
        let cores = Cores { server: only(allowed.first())?, client: only(allowed.last())? };
        cores.take_client()?;
        Ok(cores)
    }

    /// Runs `start` on the server's core: the process that it starts inherits the place, and so do
    /// that one's threads.
    pub(crate) fn on_server<T>(&self, start: impl FnOnce() -> T) -> io::Result<T> {
        sched_setaffinity(Pid::from_raw(0), &self.server)?;
        let started = start();
        self.take_client()?;
        Ok(started)
    }

    fn take_client(&self) -> io::Result<()> {
        Ok(sched_setaffinity(Pid::from_raw(0), &self.client)?)
    }
}
