//! What the tools of the Rust peers answer: the same as those of every other server here.

use serde::Serialize;

/// How many tools a server lists.
pub const TOOLS: usize = 50;

/// Answers with a short text.
pub const TEXT_TOOL: &str = "text";

/// Answers with 4 KB of structured content.
pub const SERIES_TOOL: &str = "series";

pub const TEXT: &str = "This is a simple text response for testing.";

/// A metric and its last values, about 4 KB as JSON.
#[derive(Serialize)]
pub struct Series {
    metric: &'static str,
    points: Vec<Point>,
}

#[derive(Serialize)]
struct Point {
    t: u64,
    v: f64,
}

impl Series {
    pub fn now() -> Series {
        let points = (0..150).map(|i| Point { t: 1_764_300_000 + 10 * i, v: 10.5 + i as f64 });
        Series { metric: "cpu.total.busy", points: points.collect() }
    }
}

/// Every tool's name and description; those behind the second one are there to be listed.
pub fn tools() -> Vec<(String, String)> {
    let mut tools = vec![
        (TEXT_TOOL.into(), "Answers with a short text.".into()),
        (SERIES_TOOL.into(), "Answers with the last values of a metric.".into()),
    ];
    while tools.len() < TOOLS {
        let n = tools.len() + 1;
        tools.push((format!("tool_{n:02}"), format!("Is tool {n} of a daemon that has many.")));
    }
    tools
}

/// The arguments that every listed tool takes.
pub const PROPERTIES: &str = concat!(
    r#"{"metric":{"type":"string","description":"Which metric"},"#,
    r#""points":{"type":"integer","description":"How many values","minimum":1,"maximum":1000}}"#
);
