//! Closed-loop load: every connection sends its next request as soon as it has its answer.

use std::io;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::client::PATIENCE;
use crate::exchange::{Caller, Exchange};
use crate::server::Server;

/// Connections at once.
pub(crate) const CONNECTIONS: usize = 16;

/// What one round of exchanges cost.
#[derive(Clone)]
pub(crate) struct Round {
    /// User and system time of the server per exchange.
    pub(crate) cpu: Duration,
    pub(crate) per_second: f64,
    pub(crate) median: Duration,
    pub(crate) p99: Duration,
}

/// One kind of exchange with one server, with its connections open.
pub(crate) struct Load<'a> {
    server: &'a Server,
    callers: Vec<Caller>,
    started: Vec<Instant>,
    epoll: Epoll,
}

impl<'a> Load<'a> {
    pub(crate) fn open(
        server: &'a Server,
        exchange: Exchange,
        is_floor: bool,
        is_peer: bool,
    ) -> io::Result<Load<'a>> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let mut callers = Vec::with_capacity(CONNECTIONS);
        for index in 0..CONNECTIONS {
            let caller = Caller::open(&server.address, exchange, is_floor, is_peer)?;
            epoll.add(&caller.connection, EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
            callers.push(caller);
        }
        Ok(Load { server, callers, started: vec![Instant::now(); CONNECTIONS], epoll })
    }

    /// Makes `count` exchanges and checks every answer.
    pub(crate) fn run(&mut self, count: usize) -> io::Result<Round> {
        let mut latencies = Vec::with_capacity(count);
        let mut events = [EpollEvent::empty(); CONNECTIONS];
        let patience = EpollTimeout::try_from(PATIENCE).map_err(io::Error::other)?;
        let (cpu, start) = (self.server.cpu_time()?, Instant::now());
        let mut sent = 0;
        while sent < count.min(CONNECTIONS) {
            self.send(sent)?;
            sent += 1;
        }
        while latencies.len() < count {
            let ready = self.epoll.wait(&mut events, patience)?;
            if ready == 0 {
                return Err(io::ErrorKind::TimedOut.into());
            }
            for event in &events[..ready] {
                let index = event.data() as usize;
                let caller = &mut self.callers[index];
                caller.connection.read()?;
                let Some(answer) = caller.connection.take()? else { continue };
                latencies.push(self.started[index].elapsed());
                caller.check(&answer)?;
                if sent < count {
                    self.send(index)?;
                    sent += 1;
                }
            }
        }
        let elapsed = start.elapsed();
        let cpu = self.server.cpu_time()? - cpu;
        latencies.sort_unstable();
        let at = |share: usize| latencies[(latencies.len() - 1) * share / 100];
        Ok(Round {
            cpu: cpu.div_f64(count as f64),
            per_second: count as f64 / elapsed.as_secs_f64(),
            median: at(50),
            p99: at(99),
        })
    }

    fn send(&mut self, index: usize) -> io::Result<()> {
        self.started[index] = Instant::now();
        self.callers[index].send()
    }
}
