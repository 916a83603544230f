//! The tables. Ratios come first: absolute figures drift with the machine, ratios much less.

use std::fmt::Write;
use std::time::Duration;

use crate::Plan;
use crate::catalogue::Role;
use crate::duel::{Entry, Outcome};
use crate::idle::{Crowd, Memory, WakeUps};
use crate::launch::Launch;
use crate::load::CONNECTIONS;
use crate::rows::{P99_TARGET, Target};

/// Everything that was measured.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) memory: Vec<Memory>,
    pub(crate) wake_ups: Vec<WakeUps>,
    pub(crate) crowds: Vec<Crowd>,
    pub(crate) launches: Vec<Launch>,
    /// Names of files and their bytes.
    pub(crate) sizes: Vec<(&'static str, u64)>,
    /// What was measured, when and where, in one line each.
    pub(crate) circumstances: Vec<String>,
}

impl Report {
    /// The tables as Markdown.
    pub(crate) fn to_markdown(&self, plan: &Plan) -> String {
        let mut out =
            String::from("# Performance\n\nWritten by `make bench`; see CONTRIBUTING.md. ");
        out.push_str(
            "Ratios compare turns of the same round, so they hold on other machines too; absolute \
             figures do not.\n\n",
        );
        for line in &self.circumstances {
            line_to(&mut out, format_args!("- {line}"));
        }
        self.exchanges(&mut out, plan);
        self.at_rest(&mut out);
        self.around(&mut out);
        out
    }

    fn exchanges(&self, out: &mut String, plan: &Plan) {
        if self.outcomes.is_empty() {
            return;
        }
        line_to(
            out,
            format_args!(
                "\n## One exchange\n\nCPU time of the server for one exchange, {CONNECTIONS} \
                 connections at once, {} rounds of {} exchanges. *Floor* is a bare epoll loop in C \
                 that answers with a fixed text and checks nothing; *best peer* the cheapest other \
                 SDK of the row.\n",
                plan.rounds, plan.calls
            ),
        );
        line_to(
            out,
            format_args!(
                "| exchange | server | x floor | x best peer | target | p99 x floor | CPU us | \
                 per s | p50 us | p99 us | peak MiB |\n\
                 |---|---|---:|---:|---|---:|---:|---:|---:|---:|---:|"
            ),
        );
        for outcome in &self.outcomes {
            for entry in &outcome.entries {
                exchange(out, outcome, entry);
            }
        }
    }

    fn at_rest(&self, out: &mut String) {
        if !self.memory.is_empty() {
            line_to(
                out,
                format_args!(
                    "\n## At rest\n\n| each | server | bytes | target | server alone, MiB |\n\
                     |---|---|---|---|---:|"
                ),
            );
        }
        for memory in &self.memory {
            let each: Vec<String> =
                memory.each.iter().map(|(count, bytes)| format!("{bytes} of {count}")).collect();
            let worst = memory.each.iter().map(|(_, bytes)| *bytes).max().unwrap_or_default();
            let target = memory.kind.target().filter(|_| memory.contender.role == Role::Emcp);
            let target = target.map(|most| verdict(&format!("<= {most}"), worst <= most));
            line_to(
                out,
                format_args!(
                    "| {}{} | {} | {} | {} | {:.1} |",
                    memory.kind.name(),
                    if memory.has_worked { ", after work" } else { "" },
                    name(memory.contender),
                    each.join(", "),
                    target.unwrap_or_default(),
                    mib(memory.resident)
                ),
            );
        }
        if !self.wake_ups.is_empty() {
            line_to(
                out,
                format_args!("\n| wakes up per second | server | | target |\n|---|---|---:|---|"),
            );
        }
        for wakes in &self.wake_ups {
            let is_ours = wakes.contender.role == Role::Emcp;
            let target = is_ours.then(|| verdict("0", wakes.per_second < 0.5));
            line_to(
                out,
                format_args!(
                    "| with {} of: {} | {} | {:.1} | {} |",
                    wakes.peers,
                    wakes.kind.name(),
                    name(wakes.contender),
                    wakes.per_second,
                    target.unwrap_or_default()
                ),
            );
        }
    }

    fn around(&self, out: &mut String) {
        if !self.crowds.is_empty() {
            line_to(
                out,
                format_args!(
                    "\n## One exchange among idle connections\n\n| server | CPU us | ratio |\n\
                     |---|---|---:|"
                ),
            );
        }
        for crowd in &self.crowds {
            let each: Vec<String> = crowd
                .cpu
                .iter()
                .map(|(count, cpu)| format!("{:.1} with {count} idle", micros(*cpu)))
                .collect();
            let (first, last) = (crowd.cpu.first(), crowd.cpu.last());
            let ratio =
                first.zip(last).map_or(1.0, |((_, few), (_, many))| many.div_duration_f64(*few));
            line_to(
                out,
                format_args!("| {} | {} | {ratio:.2} |", name(crowd.contender), each.join(", ")),
            );
        }
        if !self.launches.is_empty() {
            line_to(
                out,
                format_args!(
                    "\n## From start to first answer\n\n| server | ms | then resident, MiB |\n\
                     |---|---:|---:|"
                ),
            );
        }
        for launch in &self.launches {
            line_to(
                out,
                format_args!(
                    "| {} | {:.1} | {:.1} |",
                    name(launch.contender),
                    micros(launch.time) / 1000.0,
                    mib(launch.resident)
                ),
            );
        }
        if !self.sizes.is_empty() {
            line_to(out, format_args!("\n## Size\n\n| file, stripped | MiB |\n|---|---:|"));
        }
        for (file, bytes) in &self.sizes {
            line_to(out, format_args!("| {file} | {:.2} |", mib(*bytes)));
        }
    }
}

fn exchange(out: &mut String, outcome: &Outcome, entry: &Entry) {
    let is_ours = entry.contender.role == Role::Emcp;
    let floor = outcome.floor();
    let to_floor = floor.map(|floor| entry.cpu_ratio(floor));
    let to_peer = outcome.best_peer().map(|peer| entry.cpu_ratio(peer));
    let p99_to_floor = floor.map(|floor| entry.p99_ratio(floor));
    let target = match outcome.row.target {
        Target::Floor(most) => to_floor.map(|ratio| (format!("<= {most} x floor"), ratio <= most)),
        Target::BestPeer(most) => {
            to_peer.map(|ratio| (format!("<= {most} x best peer"), ratio <= most))
        }
        Target::None => None,
    };
    let target = target.filter(|_| is_ours).map(|(text, is_met)| verdict(&text, is_met));
    let p99 = p99_to_floor.map(|ratio| match is_ours {
        true => format!("{ratio:.2} {}", verdict(&format!("<= {P99_TARGET}"), ratio <= P99_TARGET)),
        false => format!("{ratio:.2}"),
    });
    let ratio = |ratio: Option<f64>| ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
    line_to(
        out,
        format_args!(
            "| {} | {} | {} | {} | {} | {} | {:.1} | {:.0} | {:.0} | {:.0} | {:.1} |",
            outcome.row.name,
            name(entry.contender),
            ratio(to_floor),
            ratio(to_peer.filter(|_| entry.contender.role != Role::Floor)),
            target.unwrap_or_default(),
            p99.unwrap_or_default(),
            micros(entry.cpu()),
            entry.per_second(),
            micros(entry.p50()),
            micros(entry.p99()),
            mib(entry.peak_bytes)
        ),
    );
}

fn name(contender: &crate::catalogue::Contender) -> String {
    match contender.role {
        Role::Emcp => format!("**{}**", contender.name),
        Role::Floor | Role::Peer => contender.name.into(),
    }
}

fn verdict(target: &str, is_met: bool) -> String {
    format!("{target}, {}", if is_met { "met" } else { "**missed**" })
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1048576.0
}

fn line_to(out: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{line}");
}
