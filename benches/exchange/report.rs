//! The table. Absolute figures drift with the machine; the ratios below it do not.

use std::fmt;
use std::time::Duration;

use crate::idle::Idle;
use crate::load::{Cost, Scenario};
use crate::{INLINE_TOOL, POOL_TOOL};

/// Everything measured on one host.
pub(crate) struct Report {
    pub(crate) host: String,
    costs: Vec<Cost>,
    resident: Option<u64>,
    idle: Vec<(Idle, u64)>,
}

impl Report {
    pub(crate) fn new(host: &str) -> Report {
        Report { host: host.into(), costs: Vec::new(), resident: None, idle: Vec::new() }
    }

    pub(crate) fn add_cost(&mut self, cost: Cost) {
        self.costs.push(cost);
    }

    /// `resident` counts once, on the first host that was started for a figure of memory.
    pub(crate) fn add_idle(&mut self, resident: u64, kind: Idle, bytes: u64) {
        self.resident.get_or_insert(resident);
        self.idle.push((kind, bytes));
    }

    fn cpu(&self, scenario: Scenario, tool: &str) -> Option<Duration> {
        let is_meant = |cost: &&Cost| cost.scenario == scenario && cost.tool == tool;
        self.costs.iter().find(is_meant).map(|cost| cost.cpu)
    }

    /// How many times as much one kind of call costs as another.
    fn ratio(&self, of: (Scenario, &str), to: (Scenario, &str)) -> Option<f64> {
        Some(self.cpu(of.0, of.1)?.as_secs_f64() / self.cpu(to.0, to.1)?.as_secs_f64())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.host)?;
        writeln!(
            f,
            "  {:<22}{:<18}{:>12}{:>10}{:>9}{:>9}",
            "transport", "tool", "CPU us/call", "calls/s", "p50 us", "p99 us"
        )?;
        for cost in &self.costs {
            writeln!(
                f,
                "  {:<22}{:<18}{:>12.1}{:>10.0}{:>9.0}{:>9.0}",
                cost.scenario.name(),
                cost.tool,
                micros(cost.cpu),
                cost.per_second,
                micros(cost.median),
                micros(cost.p99)
            )?;
        }
        let (http, websocket) = (Scenario::LegacyHttp, Scenario::WebSocket);
        for (name, ratio) in [
            ("pool / inline, http", self.ratio((http, POOL_TOOL), (http, INLINE_TOOL))),
            (
                "pool / inline, websocket",
                self.ratio((websocket, POOL_TOOL), (websocket, INLINE_TOOL)),
            ),
            ("websocket / http, pool", self.ratio((websocket, POOL_TOOL), (http, POOL_TOOL))),
            ("websocket / http, inline", self.ratio((websocket, INLINE_TOOL), (http, INLINE_TOOL))),
            (
                "2026 / 2025, http, pool",
                self.ratio((Scenario::ModernHttp, POOL_TOOL), (http, POOL_TOOL)),
            ),
        ] {
            if let Some(ratio) = ratio {
                writeln!(f, "  {name:<40}{ratio:>12.2}")?;
            }
        }
        if let Some(resident) = self.resident {
            writeln!(f, "  {:<40}{:>12.2} MiB", "resident, idle", resident as f64 / 1048576.0)?;
        }
        for (kind, bytes) in &self.idle {
            let name = format!("per {}", kind.name());
            writeln!(f, "  {name:<40}{:>12.2} kB", *bytes as f64 / 1000.0)?;
        }
        Ok(())
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
