//! The host that `make bench` measures when it asks for Rust: one small tool on the worker pool,
//! the same tool on the I/O thread, until standard input ends or SIGTERM comes.

use emcp::{Call, Identity, Limits, Options, Server, Tool, ToolFlags, ToolResult};

fn main() -> emcp::Result<()> {
    let identity =
        Identity { name: "bench-host".into(), version: "0.1.0".into(), ..Identity::default() };
    // Above every count that the benchmark opens, so that it measures cost and not refusal.
    let limits = Limits { sessions: 4096, requests_per_connection: u64::MAX, ..Limits::default() };
    let server = Server::new(identity, Options::default(), limits)?;
    let pool = Tool::new("test_simple_text")?.description("Answers from a worker.");
    server.add_tool(pool, answer)?;
    let inline = Tool::new("bench_inline")?.description("Answers from the I/O thread.");
    let flags = ToolFlags { inline: true, ..ToolFlags::default() };
    server.add_tool(inline.flags(flags), answer)?;
    server.listen("tcp:127.0.0.1:0")?;
    server.start()?;
    println!("listening on http://{}/mcp", server.addresses()[0]);
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    server.stop()
}

fn answer(call: Call) {
    call.reply(ToolResult::text("This is a simple text response for testing."));
}
