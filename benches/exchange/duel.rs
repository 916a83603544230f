//! All servers of one row, in turns, so that they meet the same weather.

use std::io;
use std::time::Duration;

use crate::Plan;
use crate::catalogue::{Contender, Hall, Role};
use crate::load::{Load, Round};
use crate::rows::Row;
use crate::server::Server;

/// What one row came to.
pub(crate) struct Outcome {
    pub(crate) row: &'static Row,
    pub(crate) entries: Vec<Entry>,
}

/// One server in a row.
pub(crate) struct Entry {
    pub(crate) contender: &'static Contender,
    pub(crate) rounds: Vec<Round>,
    pub(crate) peak_bytes: u64,
}

/// Measures a row: a warm-up, then rounds in which every server takes its turn.
pub(crate) fn run(hall: &Hall, row: &'static Row, plan: &Plan) -> io::Result<Outcome> {
    let mut servers = Vec::new();
    for contender in row.contenders() {
        if let Some(server) = hall.start(contender)? {
            servers.push((contender, server));
        }
    }
    let mut loads = Vec::new();
    for (contender, server) in &servers {
        match warm_up(row, contender, server, plan) {
            Ok(load) => loads.push((*contender, server, load, Vec::new())),
            Err(error) => leave_out(row, contender, error)?,
        }
    }
    for _ in 0..plan.rounds {
        let mut able = Vec::with_capacity(loads.len());
        for (contender, server, mut load, mut rounds) in loads {
            match load.run(share(plan.calls, contender)) {
                Ok(round) => {
                    rounds.push(round);
                    able.push((contender, server, load, rounds));
                }
                Err(error) => leave_out(row, contender, error)?,
            }
        }
        loads = able;
    }
    let mut entries = Vec::new();
    for (contender, server, _, rounds) in loads {
        entries.push(Entry { contender, rounds, peak_bytes: server.peak_bytes()? });
    }
    for (_, server) in servers {
        server.stop()?;
    }
    Ok(Outcome { row, entries })
}

fn warm_up<'a>(
    row: &Row,
    contender: &Contender,
    server: &'a Server,
    plan: &Plan,
) -> io::Result<Load<'a>> {
    let (is_floor, is_peer) = (contender.role == Role::Floor, contender.role == Role::Peer);
    let mut load = Load::open(server, row.exchange, is_floor, is_peer)?;
    load.run(share(plan.warm_up, contender))?;
    Ok(load)
}

/// A peer that fails is left out of the row; emcp and the floor must not.
fn leave_out(row: &Row, contender: &Contender, error: io::Error) -> io::Result<()> {
    let message = format!("{}: {}: {error}", row.name, contender.name);
    if contender.role != Role::Peer {
        return Err(io::Error::other(message));
    }
    eprintln!("left out of {message}");
    Ok(())
}

fn share(count: usize, contender: &Contender) -> usize {
    if contender.is_slow { count / 10 } else { count }
}

impl Outcome {
    pub(crate) fn floor(&self) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.contender.role == Role::Floor)
    }

    pub(crate) fn best_peer(&self) -> Option<&Entry> {
        let peers = self.entries.iter().filter(|entry| entry.contender.role == Role::Peer);
        peers.min_by_key(|entry| entry.cpu())
    }
}

impl Entry {
    pub(crate) fn cpu(&self) -> Duration {
        median(self.rounds.iter().map(|round| round.cpu))
    }

    pub(crate) fn per_second(&self) -> f64 {
        let times = self.rounds.iter().map(|round| Duration::from_secs_f64(1.0 / round.per_second));
        1.0 / median(times).as_secs_f64()
    }

    pub(crate) fn p50(&self) -> Duration {
        median(self.rounds.iter().map(|round| round.median))
    }

    pub(crate) fn p99(&self) -> Duration {
        median(self.rounds.iter().map(|round| round.p99))
    }

    /// How many times as much CPU time as `other`: the median over the rounds, since two turns of
    /// one round lie close together.
    pub(crate) fn cpu_ratio(&self, other: &Entry) -> f64 {
        self.ratio(other, |round| round.cpu)
    }

    pub(crate) fn p99_ratio(&self, other: &Entry) -> f64 {
        self.ratio(other, |round| round.p99)
    }

    fn ratio(&self, other: &Entry, of: impl Fn(&Round) -> Duration) -> f64 {
        let pairs = self.rounds.iter().zip(&other.rounds);
        let mut ratios: Vec<f64> =
            pairs.map(|(mine, theirs)| of(mine).div_duration_f64(of(theirs))).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        ratios[ratios.len() / 2]
    }
}

pub(crate) fn median(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times: Vec<Duration> = times.collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
