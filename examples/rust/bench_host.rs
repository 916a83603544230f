//! The host that `make bench` and `make instructions` measure: `text` and `series` run on the I/O
//! thread, `text_on_worker` on the pool, `announce` has everybody hear of a changed list, and the
//! other tools are there to be listed. Serves until standard input ends or SIGTERM comes.

use std::sync::{Arc, Weak};
use std::time::Duration;

use emcp::{
    Call, Identity, JsonWriter, Limits, Options, Param, ParamKind, Server, Tool, ToolFlags,
    ToolResult,
};

/// Tools in the list.
const TOOLS: usize = 50;

/// Values that `series` answers with: about 4 KB.
const POINTS: i64 = 150;

/// Above every count that the benchmark opens, so that it measures cost and not refusal.
const COUNT_MAX: usize = 16_384;

/// Servers take turns: a connection may rest for longer than the default grants.
const IDLE_TIME: Duration = Duration::from_secs(600);

fn main() -> emcp::Result<()> {
    let identity =
        Identity { name: "bench-host".into(), version: "0.1.0".into(), ..Identity::default() };
    let limits = Limits {
        connections: COUNT_MAX,
        streams: COUNT_MAX,
        sessions: COUNT_MAX,
        listens: COUNT_MAX,
        requests_per_connection: u64::MAX,
        idle_time: IDLE_TIME,
        ..Limits::default()
    };
    let server = Arc::new(Server::new(identity, Options::default(), limits)?);
    let inline = ToolFlags { inline: true, ..ToolFlags::default() };
    server.add_tool(tool("text", "Answers with a short text.")?.flags(inline), text)?;
    let about = "Answers with the last values of a metric.";
    server.add_tool(tool("series", about)?.flags(inline), series)?;
    let about = "Answers with a short text, from a worker.";
    server.add_tool(tool("text_on_worker", about)?, text)?;
    let about = "Tells everybody that the list of tools has changed.";
    // Weak: the server must not keep itself alive.
    let weak = Arc::downgrade(&server);
    server.add_tool(tool("announce", about)?, move |call| announce(&weak, call))?;
    for n in 5..=TOOLS {
        let about = format!("Is tool {n} of a daemon that has many.");
        server.add_tool(tool(&format!("tool_{n:02}"), &about)?, text)?;
    }
    server.listen("tcp:127.0.0.1:0")?;
    server.start()?;
    println!("listening on http://{}/mcp", server.addresses()[0]);
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    server.stop()
}

fn tool(name: &str, description: &str) -> emcp::Result<Tool> {
    let metric = Param::new("metric", ParamKind::String).description("Which metric");
    let points = Param::new("points", ParamKind::Integer).description("How many values");
    Tool::new(name)?.description(description).params(&[metric, points.range(1.0, 1000.0)])
}

fn text(call: Call) {
    call.reply(ToolResult::text("This is a simple text response for testing."));
}

fn announce(server: &Weak<Server>, call: Call) {
    if let Some(server) = server.upgrade() {
        let name = format!("tool_{TOOLS:02}");
        // It is there, or the list would be shorter than what is measured.
        let _ = server.enable_tool(&name, false).and_then(|()| server.enable_tool(&name, true));
    }
    text(call);
}

fn series(call: Call) {
    let mut json = JsonWriter::new(call.handle().result_limit());
    json.obj();
    json.key(b"metric");
    json.str(b"cpu.total.busy");
    json.key(b"points");
    json.arr();
    for i in 0..POINTS {
        json.obj();
        json.key(b"t");
        json.i64(1_764_300_000 + 10 * i);
        json.key(b"v");
        json.f64(10.5 + i as f64);
        json.end();
    }
    json.end();
    json.end();
    match json.written() {
        Ok(json) => {
            let mut result = ToolResult::default();
            result.set_written(json);
            call.reply(result)
        }
        Err(error) => call.fail(error.to_string()),
    };
}
