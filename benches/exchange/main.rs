//! `make bench`: what one `tools/call` costs the server, and what an idle peer costs it.
//!
//! Starts the host named by `EMCP_BENCH_HOST` (default `build/conformance-host`), talks to it over
//! loopback and reads its CPU time and memory from `/proc`. Several hosts, separated by colons,
//! are measured in turns, so that two builds meet the same weather. `--quick` makes fewer calls;
//! any other word picks the rows whose name has it.

#![forbid(unsafe_code)]

mod client;
mod host;
mod idle;
mod load;
mod report;

use std::io;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use host::Host;
use idle::Idle;
use load::{Load, Scenario};
use report::Report;

/// A tool that runs on the worker pool; part of the conformance fixtures.
const POOL_TOOL: &str = "test_simple_text";

/// A tool that runs on the I/O thread; not every host has it.
const INLINE_TOOL: &str = "bench_inline";

/// Longest time for one measurement. One that takes longer hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// How much is measured.
#[derive(Clone)]
struct Plan {
    /// Calls before the first figure is taken.
    warm_up: usize,
    /// Calls of one round.
    calls: usize,
    /// Rounds of every scenario. Hosts take turns between them.
    rounds: usize,
    /// Peers opened for one figure of memory.
    peers: usize,
    /// Rows to measure have all of these words; no words mean every row.
    words: Vec<String>,
}

impl Plan {
    fn from_arguments() -> Plan {
        let (options, words): (Vec<String>, Vec<String>) =
            std::env::args().skip(1).partition(|word| word.starts_with("--"));
        if options.iter().any(|option| option == "--quick") {
            return Plan { warm_up: 500, calls: 2_000, rounds: 1, peers: 200, words };
        }
        Plan { warm_up: 2_000, calls: 10_000, rounds: 4, peers: 1_000, words }
    }

    fn has(&self, row: &str) -> bool {
        self.words.iter().all(|word| row.contains(word.as_str()))
    }
}

fn main() -> io::Result<()> {
    let plan = Plan::from_arguments();
    let hosts = std::env::var("EMCP_BENCH_HOST").unwrap_or("build/conformance-host".into());
    allow_many_descriptors();
    let mut reports: Vec<Report> = hosts.split(':').map(Report::new).collect();
    measure_calls(&mut reports, &plan)?;
    measure_idle(&mut reports, &plan)?;
    println!(
        "tools/call, {} connections, {} calls a row; peers at rest, {} a row\n",
        load::CONNECTIONS,
        plan.calls * plan.rounds,
        plan.peers
    );
    reports.iter().for_each(|report| println!("{report}"));
    Ok(())
}

fn measure_calls(reports: &mut [Report], plan: &Plan) -> io::Result<()> {
    let hosts: Vec<Host> =
        reports.iter().map(|report| Host::start(&report.host)).collect::<io::Result<_>>()?;
    for tool in [POOL_TOOL, INLINE_TOOL] {
        let named = |scenario: &Scenario| plan.has(&format!("{} {tool}", scenario.name()));
        for scenario in Scenario::ALL.into_iter().filter(named) {
            let mut loads = Vec::new();
            for (report, host) in reports.iter_mut().zip(&hosts) {
                if client::has_tool(host.port, tool)? {
                    let mut load = Load::open(host, scenario, tool)?;
                    load.run(plan.warm_up)?;
                    load.forget();
                    loads.push((report, load));
                }
            }
            for _ in 0..plan.rounds {
                loads.iter_mut().try_for_each(|(_, load)| load.run(plan.calls))?;
            }
            loads.into_iter().for_each(|(report, load)| report.add_cost(load.cost()));
        }
    }
    hosts.into_iter().try_for_each(Host::stop)
}

fn measure_idle(reports: &mut [Report], plan: &Plan) -> io::Result<()> {
    for kind in Idle::ALL.into_iter().filter(|kind| plan.has(kind.name())) {
        for report in &mut *reports {
            // A host of its own for each figure: memory that an earlier row has freed would
            // otherwise serve the next one for nothing.
            let host = Host::start(&report.host)?;
            client::has_tool(host.port, POOL_TOOL)?;
            let resident = host.resident_bytes()?;
            report.add_idle(resident, kind, idle::bytes_per_peer(&host, kind, plan.peers)?);
            host.stop()?;
        }
    }
    Ok(())
}

/// Lifts the soft limit to the hard one, here and in the hosts to be started. Where that is not
/// allowed the rows with many peers fail and say so.
fn allow_many_descriptors() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
