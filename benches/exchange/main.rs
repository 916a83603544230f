//! `make bench`: what one exchange costs emcp, a bare floor and the other SDKs, side by side, and
//! what an idle peer costs them. `make instructions`: what it costs emcp in instructions.
//!
//!     exchange [--quick] [--alone] [--write FILE] [WORD...]
//!     exchange --memory [WORD...]
//!     exchange --instructions FILE [--accept] [WORD...]
//!
//! `EMCP_BENCH_SERVERS` names the folder of the servers, which `benches/bench.mk` fills;
//! `EMCP_BENCH_COMMIT` what was built. `--quick` makes fewer exchanges, `--alone` leaves the peers
//! out, `--memory` everything but what idle peers of emcp take. Words pick the rows whose name has all of them. Figures are read from the server's clock and
//! from `/proc`; the client is on a core of its own and checks every answer.

#![forbid(unsafe_code)]

mod catalogue;
mod client;
mod duel;
mod exchange;
mod framing;
mod idle;
mod instructions;
mod launch;
mod load;
mod pin;
mod report;
mod rows;
mod server;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fs};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use catalogue::Hall;
use pin::Cores;
use report::Report;

/// How much is measured.
pub(crate) struct Plan {
    /// Exchanges before the first figure is taken.
    pub(crate) warm_up: usize,
    /// Exchanges of one round.
    pub(crate) calls: usize,
    /// Rounds of every row. Servers take turns in them.
    pub(crate) rounds: usize,
    /// Peers opened for the figures of memory, in rising order.
    pub(crate) peers: &'static [usize],
    /// Starts of each server.
    pub(crate) starts: usize,
    /// Rows to measure have all of these words; no words mean every row.
    words: Vec<String>,
}

impl Plan {
    const fn quick(words: Vec<String>) -> Plan {
        Plan { warm_up: 2_000, calls: 10_000, rounds: 3, peers: &[1_000], starts: 5, words }
    }

    const fn complete(words: Vec<String>) -> Plan {
        Plan { warm_up: 5_000, calls: 20_000, rounds: 7, peers: &[1_000, 5_000], starts: 11, words }
    }

    pub(crate) fn has(&self, row: &str) -> bool {
        self.words.iter().all(|word| row.contains(word.as_str()))
    }
}

/// The command line.
#[derive(Default)]
struct Arguments {
    is_quick: bool,
    is_alone: bool,
    is_memory: bool,
    write: Option<PathBuf>,
    instructions: Option<PathBuf>,
    is_accepted: bool,
    words: Vec<String>,
}

impl Arguments {
    fn read() -> io::Result<Arguments> {
        let mut arguments = Arguments::default();
        let mut rest = env::args().skip(1);
        while let Some(word) = rest.next() {
            match word.as_str() {
                "--quick" => arguments.is_quick = true,
                "--alone" => arguments.is_alone = true,
                "--memory" => arguments.is_memory = true,
                "--accept" => arguments.is_accepted = true,
                "--write" => arguments.write = rest.next().map(PathBuf::from),
                "--instructions" => arguments.instructions = rest.next().map(PathBuf::from),
                // What cargo says to every benchmark.
                "--bench" => {}
                option if option.starts_with("--") => {
                    return Err(io::Error::other(format!("no option {option}")));
                }
                _ => arguments.words.push(word),
            }
        }
        Ok(arguments)
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    let arguments = Arguments::read()?;
    let folder = env::var("EMCP_BENCH_SERVERS").unwrap_or("build/bench/servers".into());
    let commit = env::var("EMCP_BENCH_COMMIT").unwrap_or("an unknown commit".into());
    allow_many_descriptors();
    let circumstances = circumstances(&commit)?;
    let is_alone = arguments.is_alone || arguments.is_memory;
    let hall = Hall::new(folder.into(), Cores::split()?, is_alone);
    let words = arguments.words;
    if let Some(file) = arguments.instructions {
        let is_wanted = |name: &str| words.iter().all(|word| name.contains(word.as_str()));
        let accept = arguments.is_accepted.then_some(&*commit);
        return instructions::run(&hall, &file, accept, is_wanted);
    }
    let plan = if arguments.is_quick { Plan::quick(words) } else { Plan::complete(words) };
    let report = if arguments.is_memory {
        Report { memory: idle::memory(&hall, &plan)?, circumstances, ..Report::default() }
    } else {
        measure(&hall, &plan, circumstances)?
    };
    let text = report.to_markdown(&plan);
    println!("{text}");
    arguments.write.map_or(Ok(()), |file| fs::write(file, text))
}

fn measure(hall: &Hall, plan: &Plan, circumstances: Vec<String>) -> io::Result<Report> {
    let mut outcomes = Vec::new();
    for row in rows::ROWS.iter().filter(|row| plan.has(row.name)) {
        eprintln!("measuring: {}", row.name);
        outcomes.push(duel::run(hall, row, plan)?);
    }
    eprintln!("measuring: peers at rest");
    let files = ["libemcp.so", "sysmond", "rmcp", "turbomcp3", "turbomcp"];
    let size = |name| Some((name, hall.size(&format!("stripped/{name}"))?));
    Ok(Report {
        outcomes,
        memory: idle::memory(hall, plan)?,
        wake_ups: idle::wake_ups(hall, plan)?,
        crowds: idle::crowds(hall, plan)?,
        launches: launch::run(hall, plan)?,
        sizes: files.into_iter().filter(|_| plan.has("size")).filter_map(size).collect(),
        circumstances,
    })
}

/// Says at what the figures were taken, and whether to believe them. Before this process moves to one
/// core.
fn circumstances(commit: &str) -> io::Result<Vec<String>> {
    let (busy, cores) = (load_average()?, std::thread::available_parallelism()?.get());
    let mut lines = vec![format!("at {commit}"), format!("load average at the start: {busy:.2}")];
    if cores < 2 {
        lines.push("one core only: server and client take time from each other".into());
    }
    if busy > BUSY {
        lines.push(
            "**the machine was busy with something else: absolute figures are noise**".into(),
        );
    }
    Ok(lines)
}

/// Processes that want to run besides ours, above which figures are not worth keeping.
const BUSY: f64 = 0.5;

fn load_average() -> io::Result<f64> {
    let text = fs::read_to_string("/proc/loadavg")?;
    let first = text.split(' ').next().and_then(|word| word.parse().ok());
    first.ok_or_else(|| io::Error::other("/proc/loadavg has no number"))
}

/// Lifts the soft limit to the hard one, here and in the servers to be started. Where that is not
/// allowed the rows with many peers fail and say so.
fn allow_many_descriptors() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
