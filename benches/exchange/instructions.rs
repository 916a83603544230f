//! `make instructions`: user-space instructions and allocations of one exchange.
//!
//! The host runs under callgrind twice, with few exchanges and with many; the difference is theirs
//! alone. Unlike time this does not depend on what else the machine does, so that it can be
//! recorded and compared.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use crate::catalogue::{EMCP, Hall};
use crate::exchange::{Ask, Caller, Exchange, Way};

/// Exchanges of the two runs.
const FEW: u64 = 100;
const MANY: u64 = 1_100;

/// Runs of which the cheapest counts: where threads meet, chance only adds.
const TRIES: usize = 3;

/// More than this much worse than recorded fails.
const TOLERANCE: f64 = 0.03;

/// Which heap a thread gets is chance. `rep movsb` and `rep stosb`, which glibc prefers for long
/// copies, count as one instruction per byte, and whether realloc(3) has to copy is chance too.
const SAME_MEMORY: [(&str, &str); 2] = [
    ("MALLOC_ARENA_MAX", "1"),
    (
        "GLIBC_TUNABLES",
        "glibc.cpu.x86_rep_movsb_threshold=1000000000:\
         glibc.cpu.x86_rep_stosb_threshold=1000000000",
    ),
];

const SCENARIOS: &[(&str, Exchange)] = &[
    ("2025-11-25 inline", Exchange::new(Way::Legacy, Ask::Text)),
    ("2025-11-25 worker", Exchange::new(Way::Legacy, Ask::TextOnWorker)),
    ("2026-07-28 inline", Exchange::new(Way::Modern, Ask::Text)),
    ("2026-07-28 worker", Exchange::new(Way::Modern, Ask::TextOnWorker)),
    ("websocket inline", Exchange::new(Way::WebSocket, Ask::Text)),
    ("websocket worker", Exchange::new(Way::WebSocket, Ask::TextOnWorker)),
    ("list of 50 tools", Exchange::new(Way::Legacy, Ask::List)),
    ("4 KB structured", Exchange::new(Way::Legacy, Ask::Series)),
];

/// What one exchange takes.
#[derive(Clone, Copy)]
struct Cost {
    instructions: u64,
    allocations: f64,
}

/// One line of the recorded file.
struct Recorded {
    name: String,
    cost: Cost,
    /// The subject of the commit it was measured at.
    at: String,
}

/// Measures every scenario whose name `is_wanted`, compares it with the file and, if `accept`,
/// writes it there with `commit`.
///
/// # Errors
///
/// A scenario got worse, or could not be measured.
pub(crate) fn run(
    hall: &Hall,
    file: &Path,
    accept: Option<&str>,
    is_wanted: impl Fn(&str) -> bool,
) -> io::Result<()> {
    let mut recorded = read(file)?;
    let mut worse = Vec::new();
    println!("{:<20}{:>14}{:>13}{:>12}", "per exchange", "instructions", "allocations", "recorded");
    for (name, exchange) in SCENARIOS.iter().filter(|(name, _)| is_wanted(name)) {
        let cost = measure(hall, *exchange)?;
        let before = recorded.iter().find(|line| line.name == *name);
        let change =
            before.map(|line| cost.instructions as f64 / line.cost.instructions as f64 - 1.0);
        let shown = change.map_or("new".into(), |change| format!("{:+.1} %", change * 100.0));
        println!("{name:<20}{:>14}{:>13.1}{shown:>12}", cost.instructions, cost.allocations);
        if let (Some(line), Some(change)) = (before, change)
            && change > TOLERANCE
        {
            worse.push(format!("{name}: {shown} since \"{}\"", line.at));
        }
        if let Some(commit) = accept {
            recorded.retain(|line| line.name != *name);
            recorded.push(Recorded { name: (*name).into(), cost, at: commit.into() });
        }
    }
    if accept.is_some() {
        return write(file, &recorded);
    }
    if worse.is_empty() {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "more instructions than recorded: {}; find out why, or record them with \
         make instructions ACCEPT=1",
        worse.join("; ")
    )))
}

fn measure(hall: &Hall, exchange: Exchange) -> io::Result<Cost> {
    let (few, many) = (cheapest(hall, exchange, FEW)?, cheapest(hall, exchange, MANY)?);
    let exchanges = MANY - FEW;
    Ok(Cost {
        instructions: many.0.saturating_sub(few.0) / exchanges,
        allocations: many.1.saturating_sub(few.1) as f64 / exchanges as f64,
    })
}

fn cheapest(hall: &Hall, exchange: Exchange, exchanges: u64) -> io::Result<(u64, u64)> {
    let mut best = count(hall, exchange, exchanges)?;
    for _ in 1..TRIES {
        best = best.min(count(hall, exchange, exchanges)?);
    }
    Ok(best)
}

/// Instructions and allocations of a whole run with `exchanges` of them.
fn count(hall: &Hall, exchange: Exchange, exchanges: u64) -> io::Result<(u64, u64)> {
    let profile = hall.folder().with_file_name("callgrind.out");
    let mut valgrind = Command::new("valgrind");
    valgrind
        .envs(SAME_MEMORY)
        .args(["--quiet", "--tool=callgrind", "--compress-strings=no", "--compress-pos=no"])
        .arg(format!("--callgrind-out-file={}", profile.display()));
    let server = hall.start_under(valgrind, EMCP)?;
    let mut caller = Caller::open(&server.address, exchange, false, false)?;
    for _ in 0..exchanges {
        // Whether the next request is there before the server has gone to sleep makes a difference,
        // which must not depend on the speed of the client.
        server.wait_until_asleep()?;
        caller.send()?;
        let answer = caller.connection.wait()?;
        caller.check(&answer)?;
    }
    drop(caller);
    server.finish()?;
    parse(&fs::read_to_string(&profile)?)
}

/// Reads callgrind's output: the total, and how often the functions of malloc(3) were called.
fn parse(profile: &str) -> io::Result<(u64, u64)> {
    let total = profile.lines().find_map(|line| line.strip_prefix("totals: "));
    let total = total.and_then(|text| text.trim().parse().ok());
    let total = total.ok_or_else(|| io::Error::other("callgrind has written no total"))?;
    let mut allocations = 0;
    let mut is_allocation = false;
    for line in profile.lines() {
        if let Some(function) = line.strip_prefix("cfn=") {
            is_allocation = matches!(
                function,
                "malloc" | "calloc" | "realloc" | "posix_memalign" | "aligned_alloc"
            );
        } else if let Some(calls) = line.strip_prefix("calls=")
            && is_allocation
        {
            let count = calls.split(' ').next().and_then(|word| word.parse::<u64>().ok());
            allocations += count.unwrap_or_default();
        }
    }
    Ok((total, allocations))
}

/// Reads `NAME | INSTRUCTIONS | ALLOCATIONS | COMMIT` lines. No file means that nothing is recorded.
fn read(file: &Path) -> io::Result<Vec<Recorded>> {
    let text = match fs::read_to_string(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text?,
    };
    let mut recorded = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut parts = line.splitn(4, '|').map(str::trim);
        let (Some(name), Some(instructions), Some(allocations), Some(at)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(io::Error::other(format!("{}: not a record: {line}", file.display())));
        };
        let wrong = || io::Error::other(format!("{}: not a number: {line}", file.display()));
        let cost = Cost {
            instructions: instructions.parse().map_err(|_| wrong())?,
            allocations: allocations.parse().map_err(|_| wrong())?,
        };
        recorded.push(Recorded { name: name.into(), cost, at: at.into() });
    }
    Ok(recorded)
}

fn write(file: &Path, recorded: &[Recorded]) -> io::Result<()> {
    let mut text = String::from(
        "# User-space instructions and allocations of one exchange, and the commit they were \
         recorded at.\n# Written by make instructions ACCEPT=1.\n",
    );
    for (name, _) in SCENARIOS {
        if let Some(line) = recorded.iter().find(|line| line.name == *name) {
            let Cost { instructions, allocations } = line.cost;
            text.push_str(&format!(
                "{name:<18} | {instructions:>7} | {allocations:>6.1} | {}\n",
                line.at
            ));
        }
    }
    fs::write(file, text)
}
