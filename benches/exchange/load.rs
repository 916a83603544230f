//! Closed-loop load: every connection sends its next call as soon as it has its answer.

use std::io;
use std::time::{Duration, Instant};

use futures_lite::future;
use serde::Deserialize;
use smol::{LocalExecutor, Timer};

use crate::PATIENCE;
use crate::client::Connection;
use crate::host::Host;

/// Connections at once.
pub(crate) const CONNECTIONS: usize = 16;

/// A way to call a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    LegacyHttp,
    ModernHttp,
    WebSocket,
}

impl Scenario {
    pub(crate) const ALL: [Scenario; 3] =
        [Scenario::LegacyHttp, Scenario::ModernHttp, Scenario::WebSocket];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Scenario::LegacyHttp => "http 2025-11-25",
            Scenario::ModernHttp => "http 2026-07-28",
            Scenario::WebSocket => "websocket 2025-11-25",
        }
    }
}

/// What the calls of one scenario cost.
pub(crate) struct Cost {
    pub(crate) scenario: Scenario,
    pub(crate) tool: &'static str,
    /// User and system time of the server per call.
    pub(crate) cpu: Duration,
    pub(crate) per_second: f64,
    pub(crate) median: Duration,
    pub(crate) p99: Duration,
}

/// One scenario against one host, with its connections open.
pub(crate) struct Load<'a> {
    host: &'a Host,
    scenario: Scenario,
    tool: &'static str,
    callers: Vec<Caller>,
    cpu: Duration,
    elapsed: Duration,
    latencies: Vec<Duration>,
}

impl<'a> Load<'a> {
    pub(crate) fn open(
        host: &'a Host,
        scenario: Scenario,
        tool: &'static str,
    ) -> io::Result<Load<'a>> {
        let mut callers = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            callers.push(smol::block_on(Caller::open(host.port, scenario, tool))?);
        }
        let (cpu, elapsed, latencies) = (Duration::ZERO, Duration::ZERO, Vec::new());
        Ok(Load { host, scenario, tool, callers, cpu, elapsed, latencies })
    }

    /// Makes `calls` calls in all and checks every answer.
    pub(crate) fn run(&mut self, calls: usize) -> io::Result<()> {
        let (cpu, start) = (self.host.cpu_time()?, Instant::now());
        let each = calls / self.callers.len();
        let executor = LocalExecutor::new();
        let tasks: Vec<_> =
            self.callers.iter_mut().map(|caller| executor.spawn(caller.run(each))).collect();
        let all = async {
            let mut latencies = Vec::with_capacity(calls);
            for task in tasks {
                latencies.extend(task.await?);
            }
            io::Result::Ok(latencies)
        };
        let late = async {
            Timer::after(PATIENCE).await;
            Err(io::ErrorKind::TimedOut.into())
        };
        let latencies = smol::block_on(executor.run(future::or(all, late)))?;
        drop(executor);
        self.elapsed += start.elapsed();
        self.cpu += self.host.cpu_time()? - cpu;
        self.latencies.extend(latencies);
        Ok(())
    }

    /// Forgets what has been measured: it was the warm-up.
    pub(crate) fn forget(&mut self) {
        self.cpu = Duration::ZERO;
        self.elapsed = Duration::ZERO;
        self.latencies.clear();
    }

    pub(crate) fn cost(mut self) -> Cost {
        self.latencies.sort_unstable();
        let count = self.latencies.len().max(1);
        let at = |share: usize| self.latencies.get(count * share / 100).copied();
        Cost {
            scenario: self.scenario,
            tool: self.tool,
            cpu: self.cpu.div_f64(count as f64),
            per_second: count as f64 / self.elapsed.as_secs_f64(),
            median: at(50).unwrap_or_default(),
            p99: at(99).unwrap_or_default(),
        }
    }
}

/// One connection with its next id.
struct Caller {
    connection: Connection,
    scenario: Scenario,
    header: String,
    tool: &'static str,
    id: u64,
}

impl Caller {
    async fn open(port: u16, scenario: Scenario, tool: &'static str) -> io::Result<Caller> {
        let mut connection = Connection::open(port).await?;
        let header = match scenario {
            Scenario::LegacyHttp => connection.open_session().await?,
            Scenario::ModernHttp => format!(
                "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: {tool}\r\n"
            ),
            Scenario::WebSocket => {
                connection.open_websocket().await?;
                String::new()
            }
        };
        Ok(Caller { connection, scenario, header, tool, id: 0 })
    }

    async fn run(&mut self, calls: usize) -> io::Result<Vec<Duration>> {
        let mut latencies = Vec::with_capacity(calls);
        for _ in 0..calls {
            let start = Instant::now();
            let answer = self.call().await?;
            latencies.push(start.elapsed());
            check(&answer, self.id)?;
            // An answer that is there at once must not let one connection run ahead of the rest.
            future::yield_now().await;
        }
        Ok(latencies)
    }

    async fn call(&mut self) -> io::Result<Vec<u8>> {
        self.id += 1;
        let claims = match self.scenario {
            Scenario::ModernHttp => MODERN_CLAIMS,
            Scenario::LegacyHttp | Scenario::WebSocket => "",
        };
        let message = format!(
            concat!(
                r#"{{"jsonrpc":"2.0","id":{},"method":"tools/call","#,
                r#""params":{{"name":"{}","arguments":{{}}{}}}}}"#
            ),
            self.id, self.tool, claims
        );
        match self.scenario {
            Scenario::LegacyHttp | Scenario::ModernHttp => {
                Ok(self.connection.post(&self.header, &message).await?.body)
            }
            Scenario::WebSocket => {
                self.connection.send_text(&message).await?;
                loop {
                    let text = self.connection.receive_text().await?;
                    // A changed tool list is announced whenever it suits the server.
                    if !text.starts_with(NOTIFICATION) {
                        return Ok(text);
                    }
                }
            }
        }
    }
}

/// What a request of 2026-07-28 says about itself.
const MODERN_CLAIMS: &str = concat!(
    r#","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
    r#""io.modelcontextprotocol/clientCapabilities":{},"#,
    r#""io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"}}"#
);

/// How the server's notifications begin.
const NOTIFICATION: &[u8] = br#"{"jsonrpc":"2.0","method""#;

#[derive(Deserialize)]
struct Answer {
    id: u64,
    result: CallResult,
}

#[derive(Deserialize)]
struct CallResult {
    content: Vec<Content>,
    #[serde(default, rename = "isError")]
    is_error: bool,
}

#[derive(Deserialize)]
struct Content {
    text: String,
}

/// Checks that `body` is the tool's answer to the call `id` and no refusal.
fn check(body: &[u8], id: u64) -> io::Result<()> {
    let answer: Answer = serde_json::from_slice(body)?;
    let has_text = answer.result.content.first().is_some_and(|content| !content.text.is_empty());
    if answer.id == id && has_text && !answer.result.is_error {
        return Ok(());
    }
    Err(io::Error::other(format!("wrong answer: {}", String::from_utf8_lossy(body))))
}
