//! The host's own thread: it runs what waits for it, and the server's tasks if there is no I/O
//! thread.

use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::driver::Driver;
use super::{Server, State, not_running};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::host_queue::{HostQueue, Inside};
use crate::pool::{Job, is_own_thread};
use crate::shield::shielded;
use crate::sync::lock;

impl Server {
    /// The descriptor that is readable while something waits for [`Server::dispatch`].
    ///
    /// For `poll` and its kin, level-triggered. The server lets go of it when it stops; nobody else
    /// reads or writes it.
    ///
    /// # Errors
    /// [`Error::State`] unless the server runs with [`Run::Host`](crate::Run::Host).
    pub fn event_fd(&self) -> Result<Arc<File>> {
        self.hosted()?.0.descriptor().ok_or_else(not_running)
    }

    /// Runs the host's functions that wait, and reads and writes if there is no I/O thread.
    ///
    /// Runs up to `max` functions, 0 for all that wait at this moment, and starts no further one
    /// once `budget` is over, zero for none; but always one. Returns how many have run. Any thread
    /// may call it, one at a time; nearly every host has one thread that does.
    ///
    /// # Errors
    /// [`Error::State`] unless the server runs with [`Run::Host`](crate::Run::Host);
    /// [`Error::Busy`] from a callback and while another thread is inside.
    pub fn dispatch(&self, max: usize, budget: Duration) -> Result<usize> {
        if is_own_thread() {
            return Err(Error::Busy("a callback cannot dispatch callbacks".into()));
        }
        let (host, driver) = self.hosted()?;
        let Some(inside) = host.enter() else {
            return Err(Error::Busy("another thread dispatches".into()));
        };
        Ok(self.run_waiting(&inside, driver.as_deref(), max, budget))
    }

    /// How long the host may sleep before it calls [`Server::dispatch`] although the descriptor is
    /// silent: zero when something waits, `None` when nothing is due.
    ///
    /// # Errors
    /// [`Error::State`] unless the server runs with [`Run::Host`](crate::Run::Host).
    pub fn next_timeout(&self) -> Result<Option<Duration>> {
        let (host, driver) = self.hosted()?;
        if host.is_due() {
            return Ok(Some(Duration::ZERO));
        }
        // An I/O thread looks at the clock itself.
        Ok(driver.and_then(|_| self.core.env.clock.rest()))
    }

    /// Runs functions and tasks until `is_done`, if the calling thread is the host's: what it waits
    /// for would not happen otherwise. `None` when it is not, and somebody else has to.
    pub(super) fn help_until(&self, deadline: Instant, is_done: impl Fn() -> bool) -> Option<bool> {
        loop {
            let (host, driver) = self.hosted().ok().filter(|(host, _)| host.is_host_thread())?;
            let inside = host.enter()?;
            self.run_waiting(&inside, driver.as_deref(), 0, Duration::ZERO);
            drop(inside);
            let is_late = Instant::now() >= deadline;
            if is_done() || is_late || !host.wait(deadline, &is_done) {
                return Some(is_done());
            }
        }
    }

    fn run_waiting(
        &self,
        inside: &Inside<'_>,
        driver: Option<&Driver>,
        max: usize,
        budget: Duration,
    ) -> usize {
        let env = &self.core.env;
        let begun = Instant::now();
        if let Some(driver) = driver {
            driver.poll(env);
        }
        let max = if max == 0 { inside.waiting() } else { max };
        let mut ran = 0;
        while ran < max || inside.is_abandoned() {
            if !inside.run_one(&|job| run(env, job)) {
                break;
            }
            ran += 1;
            let is_over = !budget.is_zero() && begun.elapsed() >= budget;
            if is_over && !inside.is_abandoned() {
                break;
            }
        }
        // Once more, so that answers leave at once.
        if let Some(driver) = driver {
            driver.poll(env);
        }
        ran
    }

    fn hosted(&self) -> Result<(Arc<HostQueue>, Option<Arc<Driver>>)> {
        let Some(host) = &self.core.env.host else {
            return Err(Error::State("server runs callbacks on threads of its own".into()));
        };
        match &*lock(&self.state) {
            State::Running(running) => Ok((host.clone(), running.driver())),
            _ => Err(not_running()),
        }
    }
}

/// Runs one function of the host.
pub(super) fn run(env: &Env, job: Job) {
    // A panic has been counted and logged.
    let _ = shielded(env, "a callback", job);
}
