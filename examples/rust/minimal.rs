//! The smallest Rust host: one tool, one address, until standard input ends.

use emcp::{Identity, Limits, Options, Param, ParamKind, Server, Tool, ToolResult};

fn main() -> emcp::Result<()> {
    let identity =
        Identity { name: "minimal".into(), version: "0.1.0".into(), ..Identity::default() };
    let server = Server::new(identity, Options::default(), Limits::default())?;
    let name = Param::new("name", ParamKind::String).required().description("Whom to greet.");
    let tool = Tool::new("greet")?.description("Greets somebody.").params(&[name])?;
    server.add_tool(tool, |call| {
        let text = format!("called with {}", call.arguments());
        call.reply(ToolResult::text(text));
    })?;
    server.listen("tcp:127.0.0.1:0")?;
    server.start()?;
    println!("listening on http://{}/mcp", server.addresses()[0]);
    // Ends when standard input does, for example with Ctrl-D.
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    server.stop()
}
