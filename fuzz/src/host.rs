//! A whole server on the calling thread, with connections in memory: every run of the same bytes
//! takes the same way.

use std::time::{Duration, Instant};

use emcp::{
    Adoption, Call, CompletionResult, Identity, Level, Limits, Need, Options, Prompt,
    PromptArgument, PromptResult, Pulled, Pump, Question, ReadResult, Resource, Run, Server, Stats,
    Tool, ToolResult,
};

/// The server, with the session that inputs may name.
pub(crate) struct Host {
    pub(crate) server: Server,
}

impl Host {
    pub(crate) fn new() -> Host {
        let identity = Identity { name: "fuzz".into(), version: "1".into(), ..Identity::default() };
        let options = Options { run: Run::Host, io_threads: 0, ..Options::default() };
        // Nothing may depend on the time that has passed.
        let limits = Limits {
            sessions: 8,
            body_bytes: 64 * 1024,
            progress_time: Duration::ZERO,
            ..Limits::default()
        };
        let server = Server::new(identity, options, limits).expect("a server");
        add(&server);
        server.start().expect("a start");
        Host { server }
    }

    /// Runs all that is due.
    pub(crate) fn settle(&self) {
        while matches!(self.server.next_timeout(), Ok(Some(Duration::ZERO))) {
            self.server.dispatch(0, Duration::ZERO).expect("nobody else dispatches");
        }
    }

    /// Opens a connection, sends `pieces` one by one, ends our side and reads to the end of what
    /// comes without waiting.
    pub(crate) fn talk<'a>(&self, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
        let pump = self.server.open_pump(Adoption::default(), None).expect("a connection");
        let mut out = Vec::new();
        for mut piece in pieces {
            while !piece.is_empty() {
                let Some(taken) = pump.feed(piece) else { break };
                piece = &piece[taken..];
                self.settle();
                let came = pull(&pump, &mut out);
                self.settle();
                if taken == 0 && came == 0 {
                    break;
                }
            }
        }
        self.pull_all(&pump, &mut out);
        pump.feed_end();
        self.pull_all(&pump, &mut out);
        drop(pump);
        self.settle();
        out
    }

    /// Reads until nothing comes any more.
    fn pull_all(&self, pump: &Pump, out: &mut Vec<u8>) {
        loop {
            self.settle();
            if pull(pump, out) == 0 {
                return;
            }
        }
    }

    /// Opens a legacy session and returns its id.
    ///
    /// # Errors
    /// See [`insist`].
    pub(crate) fn session(&self) -> Result<String, String> {
        let reply = self.talk([post("", INITIALIZE).as_bytes()]);
        let reply = String::from_utf8_lossy(&reply);
        let id = reply.split_once("mcp-session-id: ").and_then(|(_, rest)| rest.split_once("\r\n"));
        let (id, _) = id.ok_or_else(|| format!("no session in {reply:?}"))?;
        let named = format!("Mcp-Session-Id: {id}\r\n");
        self.talk([post(&named, INITIALIZED).as_bytes()]);
        Ok(id.to_owned())
    }

    /// Ends a session of [`Host::session`].
    pub(crate) fn end(&self, session: &str) {
        let request =
            format!("DELETE /mcp HTTP/1.1\r\nHost: localhost\r\nMcp-Session-Id: {session}\r\n\r\n");
        self.talk([request.as_bytes()]);
    }

    /// Nothing is left of the connections, and nothing has panicked.
    #[track_caller]
    pub(crate) fn assert_quiet(&self) {
        // The thread of the reactor may be about to say that something is due: it has taken the
        // right to say so, and the wake-ups of this thread rely on it.
        let deadline = Instant::now() + PATIENCE;
        while open(&self.server.stats()) != 0 && Instant::now() < deadline {
            self.settle();
        }
        let stats = self.server.stats();
        assert_eq!((open(&stats), stats.panics), (0, 0), "{stats:#?}");
    }
}

fn open(stats: &Stats) -> u64 {
    stats.connections + stats.streams + stats.websockets + stats.calls + stats.held_bytes
}

/// Long even for a machine that is busy otherwise.
const PATIENCE: Duration = Duration::from_secs(10);

/// Calls `look` until it finds nothing wrong: an input fails when it does so three times. A look may
/// come too early, as [`Host::assert_quiet`] tells, and see half of what there is.
pub(crate) fn insist(look: impl Fn() -> Result<(), String>) {
    let mut wrong = String::new();
    for _ in 0..3 {
        match look() {
            Ok(()) => return,
            Err(seen) => wrong = seen,
        }
    }
    panic!("{wrong}");
}

/// Reads what is there; returns how much came.
fn pull(pump: &Pump, out: &mut Vec<u8>) -> usize {
    let (mut bytes, before) = ([0; 4096], out.len());
    while let Pulled::Bytes(count) = pump.read(&mut bytes) {
        out.extend_from_slice(&bytes[..count]);
    }
    out.len() - before
}

/// Something of each kind, so that inputs see every kind of answer.
fn add(server: &Server) {
    let tool = |name: &str, schema: &str, run: fn(Call)| {
        let tool = Tool::new(name).and_then(|tool| tool.input_schema(schema)).expect("a tool");
        server.add_tool(tool.description("For fuzzing."), run).expect("a fresh name");
    };
    tool("echo", ANYTHING, echo);
    tool("count", COUNT, echo);
    tool("step", ANYTHING, |call| {
        call.log(Level::Error, Some("fuzz"), "\"step\"");
        call.progress(1.0, 2.0, Some("half"));
        call.reply(ToolResult::text("stepped"));
    });
    tool("ask", ANYTHING, ask);
    let read = |call: Call| {
        let uri = call.name().to_owned();
        call.reply(ReadResult::text(uri));
    };
    let suggest = || -> Box<dyn Fn(Call) + Send + Sync> {
        Box::new(|call| {
            let mut result = CompletionResult::default();
            result.push(call.completing().map_or("", |(_, typed)| typed));
            call.reply(result);
        })
    };
    let resource = Resource::new("fuzz://one", "one").expect("a resource");
    server.add_resource(resource, read, None).expect("a fresh uri");
    let family = Resource::template("fuzz://many/{name}{?q}", "many").expect("a template");
    server.add_resource(family, read, Some(suggest())).expect("a fresh template");
    let say = |call: Call| {
        call.reply(PromptResult::text("hello"));
    };
    let prompt = Prompt::new("say").and_then(|say| say.argument(PromptArgument::new("a")));
    server.add_prompt(prompt.expect("a prompt"), say, Some(suggest())).expect("a fresh name");
}

fn echo(call: Call) {
    let text = call.arguments().to_owned();
    call.reply(ToolResult::text(text));
}

fn ask(call: Call) {
    let question = Question::form("Sure?", FORM).expect("a form");
    match call.need("sure", question) {
        Ok(Need::Answered(answer)) => drop(call.reply(ToolResult::text(&*answer))),
        Ok(Need::Asked) => drop(call.ask()),
        Err(error) => drop(call.reply(ToolResult::error(error.to_string()))),
    }
}

const ANYTHING: &str = r#"{"type":"object"}"#;
const COUNT: &str = r#"{"type":"object","properties":{"n":{"type":"integer","minimum":0}},
    "required":["n"],"additionalProperties":false}"#;
const FORM: &str = r#"{"type":"object","properties":{"yes":{"type":"boolean"}}}"#;

fn post(fields: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\n{fields}Content-Length: {length}\r\n\r\n\
         {body}"
    )
}

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{"elicitation":{}},"clientInfo":{"name":"fuzz","version":"1"}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
