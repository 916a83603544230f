//! The exchanges of a running server that the host has open: the end of it reaches each, and so
//! does the news that a client has left.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, Weak};

use smol::Executor;

use super::hangup::{HangUps, Watched};
use super::state::Exchange;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::readiness::Readiness;
use crate::sync::lock;

/// See the module text.
pub(crate) struct Exchanges {
    env: Arc<Env>,
    readiness: Weak<Readiness>,
    executor: Weak<Executor<'static>>,
    open: Mutex<Open>,
    /// Made for the first exchange that names a socket.
    hang_ups: Mutex<Option<Arc<HangUps>>>,
}

#[derive(Default)]
struct Open {
    is_closed: bool,
    last_number: u64,
    /// Ordered, because numbers are compared in less time than they are hashed.
    exchanges: BTreeMap<u64, Weak<Exchange>>,
}

impl Exchanges {
    pub(crate) fn new(
        env: &Arc<Env>,
        readiness: &Arc<Readiness>,
        executor: Weak<Executor<'static>>,
    ) -> Arc<Exchanges> {
        Arc::new(Exchanges {
            env: env.clone(),
            readiness: Arc::downgrade(readiness),
            executor,
            open: Mutex::default(),
            hang_ups: Mutex::default(),
        })
    }

    /// Takes no new exchanges, and answers those whose request is not complete.
    pub(crate) fn close(&self) {
        lock(&self.open).is_closed = true;
        self.all().iter().for_each(|exchange| exchange.refuse_rest());
    }

    /// Cuts every exchange off from the server, which has ended.
    pub(crate) fn settle(&self) {
        self.all().iter().for_each(|exchange| exchange.settle());
        *lock(&self.hang_ups) = None;
    }

    pub(super) fn is_closed(&self) -> bool {
        lock(&self.open).is_closed
    }

    /// A number for a new exchange.
    pub(super) fn number(&self) -> u64 {
        let mut open = lock(&self.open);
        open.last_number += 1;
        open.last_number
    }

    /// Adds an exchange; false when the server has begun to stop.
    pub(super) fn add(&self, number: u64, exchange: Weak<Exchange>) -> bool {
        let mut open = lock(&self.open);
        if !open.is_closed {
            open.exchanges.insert(number, exchange);
        }
        !open.is_closed
    }

    pub(super) fn remove(&self, number: u64) {
        lock(&self.open).exchanges.remove(&number);
    }

    pub(super) fn find(&self, number: u64) -> Option<Arc<Exchange>> {
        lock(&self.open).exchanges.get(&number)?.upgrade()
    }

    /// What can watch `socket` for the exchange `number`.
    ///
    /// # Errors
    /// [`Error::Config`] when it is not a socket, [`Error::Io`] when the system refuses.
    pub(super) fn watch(self: &Arc<Self>, number: u64, socket: OwnedFd) -> Result<Watched> {
        let mut hang_ups = lock(&self.hang_ups);
        let hang_ups = match &mut *hang_ups {
            Some(hang_ups) => hang_ups,
            none => none.insert(self.start_watching()?),
        };
        hang_ups.watch(number, socket)
    }

    fn start_watching(self: &Arc<Self>) -> Result<Arc<HangUps>> {
        let (Some(executor), Some(readiness)) = (self.executor.upgrade(), self.readiness.upgrade())
        else {
            return Err(Error::State("server is not running".into()));
        };
        let hang_ups = HangUps::new()?;
        let (exchanges, env) = (Arc::downgrade(self), self.env.clone());
        let tellers = HangUps::serve(hang_ups.clone(), &readiness, exchanges, env)?;
        executor.spawn(tellers).detach();
        Ok(hang_ups)
    }

    fn all(&self) -> Vec<Arc<Exchange>> {
        lock(&self.open).exchanges.values().filter_map(Weak::upgrade).collect()
    }
}

/// A slot among `limits.connections`, given back when dropped. Nobody waits for it: who stops the
/// server may be the thread that would have to pull.
pub(super) struct ExchangeSlot(Arc<Env>);

impl ExchangeSlot {
    pub(super) fn take(env: &Arc<Env>) -> Option<ExchangeSlot> {
        let within = env.counters.connections.up_within(env.limits.connections);
        if !within {
            env.counters.connections_refused.up();
        }
        within.then(|| ExchangeSlot(env.clone()))
    }
}

impl Drop for ExchangeSlot {
    fn drop(&mut self) {
        self.0.counters.connections.down();
    }
}
