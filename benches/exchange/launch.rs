//! From nothing to the first answer.

use std::io;
use std::time::{Duration, Instant};

use crate::Plan;
use crate::catalogue::{Contender, EMCP, EMCP_C, FLOOR, Hall, LEGACY_JSON, Role};
use crate::duel::median;
use crate::exchange::{Ask, Caller, Exchange, Way};

/// How long one server takes to answer.
pub(crate) struct Launch {
    pub(crate) contender: &'static Contender,
    pub(crate) time: Duration,
    /// Memory after the answer.
    pub(crate) resident: u64,
}

/// Starts each server a few times.
pub(crate) fn run(hall: &Hall, plan: &Plan) -> io::Result<Vec<Launch>> {
    let mut found = Vec::new();
    if !plan.has("start") {
        return Ok(found);
    }
    for contender in [FLOOR, EMCP, EMCP_C].into_iter().chain(LEGACY_JSON.iter().copied()) {
        let mut times = Vec::new();
        let mut resident = 0;
        for _ in 0..plan.starts {
            let start = Instant::now();
            let Some(server) = hall.start(contender)? else { break };
            let exchange = Exchange::new(Way::Legacy, Ask::Text);
            let (is_floor, is_peer) = (contender.role == Role::Floor, contender.role == Role::Peer);
            let mut caller = Caller::open(&server.address, exchange, is_floor, is_peer)?;
            caller.send()?;
            let answer = caller.connection.wait()?;
            times.push(start.elapsed());
            caller.check(&answer)?;
            resident = server.resident_bytes()?;
            server.stop()?;
        }
        if !times.is_empty() {
            found.push(Launch { contender, time: median(times.into_iter()), resident });
        }
    }
    Ok(found)
}
